#pragma once

#include "engine/unicode.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <regex>
#include <string>

namespace hearth::engine::test {

using SchemaJson = nlohmann::ordered_json;

/// Whether a document fits a schema, read straight from the text of JSON Schema 2020-12: keyword by keyword, with no
/// thought of how a document is written. Knows the keywords that the tests use.
class SchemaValidator {
public:
    explicit SchemaValidator(const SchemaJson& root) : root_(root) {}

    bool valid(const SchemaJson& document) const { return valid(root_, document); }

private:
    bool valid(const SchemaJson& schema, const SchemaJson& v) const {
        if (schema.is_boolean())
            return schema.get<bool>();
        for (const auto& [name, value] : schema.items())
            if (!keyword(schema, name, value, v))
                return false;
        return true;
    }

    static bool isType(const std::string& type, const SchemaJson& v) {
        if (type == "integer")
            return v.is_number() && v.get<double>() == std::floor(v.get<double>());
        return type == "null"      ? v.is_null()
               : type == "boolean" ? v.is_boolean()
               : type == "number"  ? v.is_number()
               : type == "string"  ? v.is_string()
               : type == "array"   ? v.is_array()
                                   : v.is_object();
    }

    static std::wstring wide(const std::string& utf8) {
        std::wstring out;
        for (std::string_view rest = utf8; !rest.empty();) {
            const CodePoint c = decodeUtf8(rest);
            out.push_back(static_cast<wchar_t>(c.value));
            rest.remove_prefix(c.length);
        }
        return out;
    }

    int branches(const SchemaJson& list, const SchemaJson& v) const {
        return static_cast<int>(std::count_if(list.begin(), list.end(), [&](const auto& s) { return valid(s, v); }));
    }

    bool keyword(const SchemaJson& schema, const std::string& name, const SchemaJson& k, const SchemaJson& v) const {
        if (name == "type")
            return k.is_array() ? std::any_of(k.begin(), k.end(), [&](const auto& t) { return isType(t, v); })
                                : isType(k, v);
        if (name == "const")
            return k == v;
        if (name == "enum")
            return std::find(k.begin(), k.end(), v) != k.end();
        if (name == "$ref")
            return valid(k == "#" ? root_ : root_.at(SchemaJson::json_pointer(k.get<std::string>().substr(1))), v);
        if (name == "allOf")
            return branches(k, v) == static_cast<int>(k.size());
        if (name == "anyOf")
            return branches(k, v) > 0;
        if (name == "oneOf")
            return branches(k, v) == 1;
        if (v.is_number())
            return number(name, k, v.get<double>());
        if (v.is_string())
            return string(name, k, v.get<std::string>());
        if (v.is_array())
            return array(schema, name, k, v);
        return !v.is_object() || object(schema, name, k, v);
    }

    static bool number(const std::string& name, const SchemaJson& k, double x) {
        return name == "minimum"            ? x >= k.get<double>()
               : name == "maximum"          ? x <= k.get<double>()
               : name == "exclusiveMinimum" ? x > k.get<double>()
               : name == "exclusiveMaximum" ? x < k.get<double>()
                                            : true;
    }

    static bool string(const std::string& name, const SchemaJson& k, const std::string& s) {
        return name == "minLength"   ? wide(s).size() >= k.get<size_t>()
               : name == "maxLength" ? wide(s).size() <= k.get<size_t>()
               : name == "pattern"   ? std::regex_search(wide(s), std::wregex(wide(k.get<std::string>())))
                                     : true;
    }

    bool array(const SchemaJson& schema, const std::string& name, const SchemaJson& k, const SchemaJson& v) const {
        if (name == "minItems" || name == "maxItems")
            return name == "minItems" ? v.size() >= k.get<size_t>() : v.size() <= k.get<size_t>();
        const size_t prefix = schema.contains("prefixItems") ? schema["prefixItems"].size() : 0;
        if (name == "prefixItems")
            for (size_t i = 0; i < std::min(prefix, v.size()); ++i)
                if (!valid(k[i], v[i]))
                    return false;
        if (name == "items")
            for (size_t i = prefix; i < v.size(); ++i)
                if (!valid(k, v[i]))
                    return false;
        return true;
    }

    bool object(const SchemaJson& schema, const std::string& name, const SchemaJson& k, const SchemaJson& v) const {
        if (name == "required")
            return std::all_of(k.begin(), k.end(),
                               [&](const auto& n) { return v.contains(n.template get<std::string>()); });
        for (const auto& [key, value] : v.items()) {
            const bool named = schema.contains("properties") && schema["properties"].contains(key);
            if (name == "properties" && named && !valid(k[key], value))
                return false;
            if (name == "additionalProperties" && !named && !valid(k, value))
                return false;
        }
        return true;
    }

    const SchemaJson& root_;
};

} // namespace hearth::engine::test
