// JSON schemas: what is taken and refused, and that whatever is written under one is a document that fits.

#include "engine/error.h"
#include "engine/sampler.h"
#include "tests/engine/grammar/schema_validator.h"
#include "tests/engine/grammar/vocabulary.h"
#include "tests/processor_time.h"
#include "tests/repeated.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

namespace hearth::engine {
namespace {

using test::SchemaJson;
using test::takes;

struct Documents {
    const char* schema;
    std::vector<std::string> yes, no;
};

void check(std::span<const Documents> cases) {
    for (const Documents& c : cases) {
        const auto grammar = Grammar::fromJsonSchema(c.schema);
        for (const std::string& text : c.yes)
            EXPECT_TRUE(takes(*grammar, text)) << c.schema << "\n" << text;
        for (const std::string& text : c.no)
            EXPECT_FALSE(takes(*grammar, text)) << c.schema << "\n" << text;
    }
}

TEST(JsonSchema, Values) {
    const Documents cases[] = {
        {"true",
         {"null", "-1.5e3", R"({"a": [1, {}, []]})", R"("\u00e9\ud83d\ude00é")", "[\n  1,\n  2\n]"},
         {"", "nul", "01", "1.", R"("\ud800")", R"("\udc00")", "[1,]", "{\"a\"}", "\"\n\"", "[1] ", " 1",
          "[1,      2]"}},
        {"{}", {"1", "{}"}, {"x"}},
        {R"({"type": "null"})", {"null"}, {"0"}},
        {R"({"type": ["boolean", "null"], "title": "t", "x-any": 1})", {"true", "false", "null"}, {"0"}},
        {R"({"const": {"a": [1, "é"]}})", {R"({"a":[1,"é"]})"}, {R"({"a":[1]})"}},
        {R"({"enum": ["a", 1, null, "a\"b"]})", {"\"a\"", "1", "null", R"("a\"b")"}, {"\"b\"", "2"}},
        {R"({"enum": ["a", 1, "long"], "type": "string", "maxLength": 3})", {"\"a\""}, {"1", "\"long\""}},
        {R"({"enum": [1, 5, 9], "maximum": 5, "exclusiveMinimum": 1})", {"5"}, {"1", "9"}},
    };
    check(cases);
}

TEST(JsonSchema, Numbers) {
    const Documents cases[] = {
        {R"({"type": "integer"})",
         {"0", "-7", "123456789012345678"},
         {"1.5", "1e3", "00", "+1", "1234567890123456789"}},
        {R"({"type": "integer", "minimum": 5, "maximum": 123})",
         {"5", "10", "99", "123"},
         {"4", "124", "1000", "-5", "05"}},
        {R"({"type": "integer", "minimum": -120, "exclusiveMaximum": 3})",
         {"-120", "-1", "0", "2"},
         {"-121", "3", "-0"}},
        {R"({"type": "integer", "exclusiveMinimum": 1.5})", {"2", "99999"}, {"1", "0", "-3"}},
        {R"({"type": "integer", "maximum": -10})", {"-10", "-11", "-99999"}, {"-9", "0", "5"}},
        {R"({"type": "integer", "minimum": -2.5, "maximum": -0.5})", {"-2", "-1"}, {"-3", "0"}},
        {R"({"type": "number", "multipleOf": 1})", {"5"}, {"5.5"}},
        {R"({"type": "number"})", {"0", "-0.5", "12.25e-3", "1E9"}, {".5", "1.", "1e", "1e400", "01"}},
        {R"({"type": "number", "minimum": 0.25, "maximum": 2})",
         {"0.25", "0.3", "1", "1.999", "2", "2.00"},
         {"0.24", "0", "2.001", "3", "0.2499", "-1", "0.2"}},
        {R"({"type": "number", "exclusiveMinimum": 0.25, "exclusiveMaximum": 0.5})",
         {"0.251", "0.2500001", "0.49999", "0.3"},
         {"0.25", "0.250", "0.5", "0.2", "0.50"}},
        {R"({"type": "number", "minimum": -1.5, "maximum": 10})",
         {"-1.5", "-1", "-0.25", "0", "9.99", "10.0"},
         {"-1.51", "-2", "10.1", "-0", "-0.0"}},
        {R"({"type": "number", "exclusiveMaximum": 0})", {"-0.001", "-5"}, {"0", "1", "-0", "-0.0"}},
        {R"({"type": "number", "minimum": 100})", {"100", "100.5", "99999"}, {"99", "99.9", "-100"}},
        {R"({"type": "number", "minimum": 0, "exclusiveMinimum": true})", {"0.1"}, {"0", "0.0"}},
        {R"({"type": "number", "minimum": 1e-3})", {"0.001", "0.01"}, {"0.0009", "0"}},
        {R"({"type": ["integer", "null"], "minimum": 3, "allOf": [{"maximum": 7}, {"minimum": 4}]})",
         {"4", "7", "null"},
         {"3", "8"}},
    };
    check(cases);
}

TEST(JsonSchema, Strings) {
    const Documents cases[] = {
        {R"({"type": "string", "minLength": 2, "maxLength": 3})",
         {"\"ab\"", "\"中文字\"", R"("\n\u0041")", R"("\ud83d\ude00x")"},
         {"\"a\"", "\"abcd\"", "\"\\x\""}},
        {R"({"type": "string", "pattern": "^[a-c]{2}\\d?$"})",
         {"\"ab\"", "\"cc7\""},
         {"\"a\"", "\"ab77\"", "\"abd\"", "\"xab\""}},
        {R"({"pattern": "b+"})", {"\"abba\"", "\"b\""}, {"\"a\"", "1"}},
        {R"({"type": "string", "pattern": "^a|b$"})", {"\"axx\"", "\"xxb\""}, {"\"xa\"", "\"bx\""}},
        {R"({"type": "string", "pattern": "^(?:x|(y)|(?<n>z))*?[^\\s\"]$"})", {"\"xyzq\""}, {"\"x \"", R"("x\"")"}},
        {R"({"type": "string", "pattern": "^[\"\\\\\\n]$"})", {R"("\"")", R"("\\")", R"("\n")"}, {"\"n\"", "\"\\\""}},
        {R"({"type": "string", "pattern": "^\\u00e9\\x41\\/\\.$"})", {"\"éA/.\""}, {"\"éA/x\""}},
        {R"({"type": "string", "pattern": "^[a-z]{2,4}$", "minLength": 1, "maxLength": 10})", {"\"abc\""}, {"\"a\""}},
        {R"({"type": "string", "format": "date"})",
         {"\"2024-02-28\"", "\"1999-12-31\""},
         {"\"2024-02-30\"", "\"2024-13-01\"", "\"24-01-01\""}},
        {R"({"type": "string", "format": "time"})",
         {"\"23:59:59Z\"", "\"00:00:00.5+02:00\""},
         {"\"24:00:00Z\"", "\"12:00\""}},
        {R"({"format": "date-time"})", {"\"2024-02-28T01:02:03Z\""}, {"\"2024-02-28 01:02:03Z\"", "1"}},
        {R"({"type": "string", "format": "uuid"})", {"\"01234567-89ab-cdef-0123-456789abcdef\""}, {"\"0123\""}},
        {R"({"type": "string", "format": "email"})", {"\"a.b@c-d.org\""}, {"\"a@b\"", "\"a b@c.de\""}},
        {R"({"type": "string", "format": "ipv4"})",
         {"\"127.0.0.1\"", "\"255.250.9.10\""},
         {"\"256.0.0.1\"", "\"1.2.3\"", "\"01.2.3.4\""}},
        {R"({"type": "string", "format": "uri"})", {"\"https://a.bc/d?e=f\""}, {"\"x\""}},
    };
    check(cases);
}

TEST(JsonSchema, Arrays) {
    const Documents cases[] = {
        {R"({"type": "array", "items": {"type": "integer"}})",
         {"[]", "[1]", "[1, 2]", "[1,2]"},
         {"[1 2]", "[true]", "1"}},
        {R"({"items": {"const": 1}, "minItems": 2, "maxItems": 3})", {"[1,1]", "[1,1,1]"}, {"[]", "[1]", "[1,1,1,1]"}},
        {R"({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": {"const": 3}})",
         {"[]", "[1]", "[1,2]", "[1,2,3,3]"},
         {"[2]", "[1,3]", "[1,2,2]"}},
        {R"({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": false, "minItems": 1})",
         {"[1]", "[1,2]"},
         {"[]", "[1,2,3]"}},
        {R"({"type": "array", "items": [{"const": 1}], "additionalItems": {"const": 2}, "maxItems": 2})",
         {"[1]", "[1,2]", "[]"},
         {"[1,2,2]", "[1,1]"}},
        {R"({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}, {"const": 3}], "maxItems": 2, "minItems": 2})",
         {"[1,2]"},
         {"[1]", "[1,2,3]"}},
        {R"({"type": "array", "maxItems": 0})", {"[]"}, {"[1]"}},
        {R"({"type": "array", "items": {"type": "array", "items": {"type": "null"}, "minItems": 1}})",
         {"[[null], [null, null]]"},
         {"[[]]"}},
    };
    check(cases);
}

TEST(JsonSchema, Objects) {
    const Documents cases[] = {
        {R"({"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}, "c": {"const": 3}}, "required": ["b"]})",
         {R"({"b":2})", R"({"a": 1, "b": 2})", R"({"b":2,"c":3})", "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3\n}"},
         {"{}", R"({"a":1})", R"({"b":2,"a":1})", R"({"b":2,"d":4})", R"({"b":2,})", R"({,"b":2})", R"({"b":1})"}},
        {R"({"properties": {"a": {"const": 1}, "b": {"const": 2}}})",
         {"{}", R"({"a":1})", R"({"b":2})", R"({"a":1,"b":2})"},
         {R"({"a":1"b":2})", "1"}},
        {R"({"type": "object", "additionalProperties": {"type": "integer"}})",
         {"{}", R"({"x":1,"":2})"},
         {R"({"x":"y"})"}},
        {R"({"type": "object", "properties": {"ab": {"const": 1}, "a": {"const": 2}}, "additionalProperties": {"const": 3}})",
         {R"({"ab":1,"a":2,"x":3})", R"({"b":3})", R"({"abc":3,"aa":3,"":3})"},
         {R"({"ab":3})", R"({"a":3})", R"({"ab":1,"ab":3})", R"({"\u0061":3})"}},
        {R"({"type": "object", "required": ["x", "y"]})", {R"({"x":1,"y":[]})"}, {R"({"x":1})", "{}"}},
        {R"({"type": "object", "required": ["x"], "additionalProperties": false, "properties": {"x": true}})",
         {R"({"x":1})"},
         {"{}"}},
        {R"({"type": "object", "properties": {"a": false, "b": true}})", {R"({"b":0})", "{}"}, {R"({"a":1})"}},
        {R"({"type": "object", "properties": {}})", {"{}"}, {R"({"a":1})"}},
        {R"({"type": "object"})", {"{}", R"({"a":1,"b":{}})"}, {"[]"}},
        {R"({"type": "object", "properties": {"a\"b\\": {"const": 1}}, "minProperties": 0, "maxProperties": 1})",
         {R"({"a\"b\\":1})"},
         {}},
    };
    check(cases);
}

TEST(JsonSchema, Combinations) {
    const Documents cases[] = {
        {R"({"anyOf": [{"type": "integer"}, {"const": "x"}]})", {"5", "\"x\""}, {"\"y\""}},
        {R"({"oneOf": [{"type": "integer", "maximum": 3}, {"type": "integer", "minimum": 7}, {"type": "null"}]})",
         {"3", "7", "null"},
         {"5"}},
        {R"({"type": "object", "properties": {"k": {"type": "string"}}, "required": ["k"],
             "oneOf": [{"properties": {"k": {"const": "a"}, "x": {"const": 1}}, "required": ["x"]},
                       {"properties": {"k": {"const": "b"}, "y": {"const": 2}}}]})",
         {R"({"k":"a","x":1})", R"({"k":"b","y":2})", R"({"k":"b"})"},
         {R"({"k":"a"})", R"({"k":"a","y":2})", R"({"k":"c"})"}},
        {R"({"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                       {"properties": {"a": {"minimum": 5}, "b": {"const": 1}}}]})",
         {R"({"a":5})", R"({"a":9,"b":1})"},
         {R"({"a":4})", R"({"b":1})"}},
        {R"({"allOf": [{"properties": {"a": {"const": 1}}, "additionalProperties": false}, {"properties": {"b": {"const": 2}}}]})",
         {"{}", R"({"a":1})"},
         {R"({"b":2})"}},
        {R"({"allOf": [{"anyOf": [{"const": 1}, {"const": 2}]}, {"anyOf": [{"const": 2}, {"const": 3}]}]})",
         {"2"},
         {"1", "3"}},
        {R"({"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]})",
         {R"({"a":1})", R"({"b":2})", R"({"a":1,"b":2})"},
         {"{}"}},
        {R"({"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object", "properties": {"v": {"type": "integer"},
             "kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}, "required": ["v"], "additionalProperties": false}}})",
         {R"({"v":1})", R"({"v":1,"kids":[{"v":2,"kids":[]},{"v":3}]})"},
         {R"({"kids":[]})", R"({"v":1,"kids":[1]})"}},
        {R"({"type": "array", "items": {"$ref": "#"}})", {"[]", "[[],[[]]]"}, {"[1]"}},
        {R"({"definitions": {"a/b~c": {"const": 1}}, "properties": {"x": {"$ref": "#/definitions/a~1b~0c"}, "y": {"$ref": "#/definitions/a%2Fb~0c"}}})",
         {R"({"x":1})"},
         {R"({"x":2})"}},
        {R"({"$defs": {"a": {"properties": {"n": {"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}]}}},
                       "b": {"properties": {"n": {"allOf": [{"$ref": "#/$defs/b"}, {"$ref": "#/$defs/a"}]}, "m": {"const": 1}}}},
             "allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}]})",
         {R"({"n":{"n":{},"m":1}})"},
         {R"({"n":1})"}},
    };
    // "%2F" is a slash before the pointer is cut, so that reference leads nowhere.
    EXPECT_THROW(check(std::span(cases).subspan(9, 1)), Error);
    check(std::span(cases).first(9));
    check(std::span(cases).subspan(10));
}

TEST(JsonSchema, SaysWhereAndWhat) {
    const std::pair<const char*, const char*> cases[] = {
        {"", "not JSON"},
        {"{", "not JSON: byte"},
        {"3", "#: a schema is an object, true or false"},
        {"false", "allows no text at all"},
        {R"({"type": "text"})", "#/type: there is no such type"},
        {R"({"properties": {"a": {"type": 3}}})", "#/properties/a/type: there is no such type"},
        {R"({"properties": {"a/b": {"not": {}}}})", "#/properties/a~1b/not: this keyword is not supported"},
        {R"({"if": {}})", "#/if: this keyword is not supported"},
        {R"({"nullable": true})", "#/nullable: this keyword is not supported"},
        {R"({"type": "array", "uniqueItems": true})", "#/uniqueItems: this keyword is not supported"},
        {R"({"type": "array", "contains": {}})", "#/contains: this keyword is not supported"},
        {R"({"type": "array", "items": {"patternProperties": {"a": {}}}})", "#/items/patternProperties: this keyword"},
        {R"({"type": "object", "minProperties": 2})", "#/minProperties: this keyword is supported only where"},
        {R"({"type": "object", "maxProperties": 2})", "#/maxProperties: this keyword is supported only where"},
        {R"({"type": "integer", "multipleOf": 3})", "#/multipleOf: this keyword is supported for 1 only"},
        {R"({"type": "integer", "minimum": "3"})", "#/minimum: a number is expected"},
        {R"({"type": "number", "maximum": 1e300})", "#/maximum: the bound is too large"},
        {R"({"type": "string", "minLength": -1})", "a whole number of at least 0 is expected"},
        {R"({"type": "string", "minLength": 5000000})", "#/minLength: more than 1000000"},
        {R"({"type": "string", "format": "iri"})", "#/format: the format iri is not supported"},
        {R"J({"type": "string", "pattern": "a(?=b)"})J", "#/pattern: in the pattern a(?=b), looking ahead"},
        {R"J({"type": "string", "pattern": "(a)\\1"})J", "the escape \\1 is not supported"},
        {R"J({"type": "string", "pattern": "(a"})J", "a bracket is not closed"},
        {R"J({"type": "string", "pattern": "a)"})J", "a bracket closes what was not opened"},
        {R"({"type": "string", "pattern": "[a"})", "a class is not closed"},
        {R"({"type": "string", "pattern": "^a*$", "maxLength": 3})",
         "#/maxLength: the length of a text with a pattern"},
        {R"({"type": "string", "allOf": [{"pattern": "a"}, {"pattern": "b"}]})", "two patterns"},
        {R"({"$ref": "other.json"})", "#/$ref: only references inside the schema"},
        {R"({"$ref": "#/$defs/x"})", "#/$ref: there is nothing at #/$defs/x"},
        {R"({"oneOf": [{"type": "integer"}, {"type": "number"}]})",
         "#/oneOf: the branches 0 and 1 may fit the same document"},
        {R"({"oneOf": []})", "#/oneOf: a list of schemas is expected"},
        {R"({"properties": []})", "#/properties: an object is expected"},
        {R"({"required": "a"})", "#/required: a list of names is expected"},
        {R"({"type": "object", "required": ["a"], "properties": {"a": false}})", "allows no text at all"},
        {R"({"type": "integer", "minimum": 3, "maximum": 2})", "allows no text at all"},
        {R"({"$defs": {"a": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"})",
         "allows no text at all"},
    };
    for (const auto& [schema, part] : cases)
        try {
            Grammar::fromJsonSchema(schema);
            ADD_FAILURE() << "taken: " << schema;
        } catch (const Error& error) {
            EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << schema << "\n" << error.what();
        }
}

// ---- whatever is written fits

class RandomSchema {
public:
    explicit RandomSchema(unsigned seed) : random_(seed) {}

    SchemaJson root() {
        SchemaJson s = schema(3);
        if (s.is_object()) {
            s["$defs"]["leaf"] = schema(0);
            s["$defs"]["loop"] = {{"type", "object"},
                                  {"properties", {{"v", schema(0)}, {"next", {{"$ref", "#/$defs/loop"}}}}},
                                  {"required", {"v"}}};
        }
        return s;
    }

private:
    size_t draw(size_t below) { return std::uniform_int_distribution<size_t>(0, below - 1)(random_); }

    bool one(size_t of) { return draw(of) == 0; }

    SchemaJson schema(int depth) {
        switch (draw(depth > 0 ? 10 : 5)) {
        case 0:
            return number();
        case 1:
        case 2:
            return string();
        case 3:
            return {{"enum", {"yes", "no", 3, nullptr, {{"a", 1}}}}};
        case 4:
            return one(3) ? SchemaJson(true) : SchemaJson{{"type", {"boolean", "null"}}};
        case 5:
            return array(depth);
        case 6:
        case 7:
            return object(depth);
        case 8:
            return {{one(3) ? "allOf" : "anyOf", {schema(depth - 1), schema(depth - 1)}}};
        default:
            return {{"$ref", one(2) ? "#/$defs/leaf" : "#/$defs/loop"}};
        }
    }

    SchemaJson number() {
        SchemaJson s = {{"type", one(2) ? "integer" : "number"}};
        const bool fine = s["type"] == "number" && one(2);
        const double low = static_cast<double>(draw(400)) / (fine ? 8 : 1) - (one(2) ? 200 : 0);
        if (!one(3))
            s[one(2) ? "minimum" : "exclusiveMinimum"] = low;
        if (!one(3))
            s[one(2) ? "maximum" : "exclusiveMaximum"] = low + 2 + static_cast<double>(draw(300)) / (fine ? 16 : 1);
        return s;
    }

    SchemaJson string() {
        SchemaJson s = {{"type", "string"}};
        constexpr const char* kPatterns[] = {"^[a-c]+$", "^(ab|c?)*x$", "a{2,3}", "^\\d{1,3}(\\.\\d+)?$",
                                             "^[^\"a]{0,4}$|^\\w\\W"};
        if (one(3)) {
            s["pattern"] = kPatterns[draw(std::size(kPatterns))];
            return s;
        }
        if (one(2))
            s["minLength"] = draw(4);
        if (!one(4))
            s["maxLength"] = 4 + draw(20);
        return s;
    }

    SchemaJson array(int depth) {
        SchemaJson s = {{"type", "array"}};
        if (one(3))
            s["prefixItems"] = {schema(depth - 1), schema(depth - 1)};
        if (!one(4))
            s["items"] = one(5) ? SchemaJson(false) : schema(depth - 1);
        const size_t min = draw(3);
        if (one(2) && s["items"] != SchemaJson(false))
            s["minItems"] = min;
        if (s["items"].is_null())
            s.erase("items");
        if (!one(3))
            s["maxItems"] = min + draw(3);
        return s;
    }

    SchemaJson object(int depth) {
        SchemaJson s = {{"type", "object"}};
        for (const char* name : {"a", "ab", "id", "näme"})
            if (!one(3)) {
                s["properties"][name] = schema(depth - 1);
                if (one(2))
                    s["required"].push_back(name);
            }
        if (one(3))
            s["additionalProperties"] = one(2) ? SchemaJson(false) : schema(depth - 1);
        return s;
    }

    std::mt19937 random_;
};

/// Writes with random logits. After a while what closes is preferred, so that the documents end.
std::string written(const std::shared_ptr<const Grammar>& grammar, const Tokenizer& tokenizer,
                    const grammar::TokenTrie& trie, std::mt19937& random, bool& ended) {
    GrammarMatcher m(grammar, trie);
    Sampler sampler({.temperature = 1, .topK = 40, .topP = 1, .minP = 0, .seed = 1 + random() % 1000});
    std::normal_distribution<float> normal(0, 3);
    std::vector<float> logits(static_cast<size_t>(tokenizer.size()));
    std::string text;
    ended = false;
    for (int step = 0; step < 2000; ++step) {
        for (float& x : logits)
            x = normal(random);
        for (const char c : {'"', '}', ']'})
            logits[static_cast<size_t>(c)] += static_cast<float>(step) / 8;
        for (const TokenId stop : trie.stopIds())
            logits[static_cast<size_t>(stop)] += static_cast<float>(step) / 8;
        const TokenId id = sampler.sample(logits, {}, static_cast<uint64_t>(step), &m);
        if (id < 0) {
            ADD_FAILURE() << "a dead end after " << text;
            return text;
        }
        ended = std::binary_search(trie.stopIds().begin(), trie.stopIds().end(), id);
        if (!ended) {
            EXPECT_TRUE(m.accept(id));
            tokenizer.appendBytes(id, text);
            ended = m.isComplete();
        }
        if (ended)
            return text;
    }
    return text;
}

TEST(JsonSchema, WhateverIsWrittenFits) {
    const test::ListTokenizer tokenizer = test::smallVocabulary();
    const grammar::TokenTrie trie(tokenizer);
    std::mt19937 random(5);
    int documents = 0, unfinished = 0, refused = 0;
    for (unsigned seed = 0; seed < 600; ++seed) {
        const SchemaJson schema = RandomSchema(seed).root();
        std::shared_ptr<const Grammar> grammar;
        try {
            grammar = Grammar::fromJsonSchema(schema.dump());
        } catch (const Error&) { // contradictions, and two patterns for one text
            ++refused;
            continue;
        }
        const test::SchemaValidator validator(schema);
        for (int i = 0; i < 5; ++i) {
            bool ended = false;
            const std::string text = written(grammar, tokenizer, trie, random, ended);
            unfinished += !ended;
            if (!ended)
                continue;
            ++documents;
            const SchemaJson document = SchemaJson::parse(text, nullptr, false);
            ASSERT_FALSE(document.is_discarded()) << schema.dump() << "\n" << text;
            ASSERT_TRUE(validator.valid(document)) << schema.dump() << "\n" << text;
        }
    }
    std::cout << documents << " documents fit; " << unfinished << " not finished; " << refused << " schemas refused\n";
    EXPECT_GT(documents, 2000);
    EXPECT_LT(unfinished, documents / 20); // patterns whose end is unlikely
    EXPECT_LT(refused, 100);
}

// ---- hostile

TEST(JsonSchema, HostileTextsEndSoon) {
    std::string wide = R"({"oneOf": [)", product = R"({"allOf": [)",
                keys = R"({"additionalProperties": true, "properties": {)";
    for (int i = 0; i < 3000; ++i)
        wide += (i ? "," : "") + std::string(R"({"const": )") + std::to_string(i) + "}";
    for (int i = 0; i < 60; ++i)
        product += std::string(i ? "," : "") + R"({"anyOf": [{"minimum": 1}, {"maximum": 2}, {"minLength": 1}]})";
    for (int i = 0; i < 3000; ++i)
        keys += (i ? ",\"" : "\"") + std::string(100, static_cast<char>('a' + i % 20)) + std::to_string(i) + "\": {}";
    const std::string texts[] = {
        repeated("[", 100000),
        repeated(R"({"items":)", 100000),
        repeated(R"({"items":)", 90) + "{}" + repeated("}", 90),
        repeated(R"({"allOf":[)", 45) + "{}" + repeated("]}", 45),
        R"({"$ref": "#"})",
        R"({"allOf": [{"$ref": "#"}, {"$ref": "#"}]})",
        R"({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]})",
        R"({"anyOf": [{"anyOf": [{"$ref": "#"}, true]}, {"$ref": "#"}]})",
        wide + "]}",
        product + "]}",
        keys + "}}",
        R"({"type": "string", "pattern": ")" + repeated("(", 15000) + "\"}",
        R"({"type": "string", "pattern": ")" + repeated("(a*)*", 3000) + "\"}",
        R"({"type": "string", "pattern": "^)" + repeated("(", 100) + "a" + repeated("{0,1000})", 100) + "$\"}",
        R"({"type": "string", "pattern": ")" + repeated("[^a]", 4000) + "\"}",
        R"({"type": "array", "minItems": 1000000, "items": {"type": "array", "minItems": 1000000}})",
        R"({"properties": {")" + std::string(900000, 'k') + R"(": {}}, "additionalProperties": {}})",
        R"({"const": ")" + std::string(900000, 'k') + "\"}",
        R"({"enum": [)" + repeated("1,", 300000) + "1]}",
        R"({"type": "number", "minimum": 0.000000000000000000000000000000000000000000000001})",
        R"({"minimum": -9223372036854775808})",
        std::string("\xFF\xFE\x00", 3),
    };
    for (const std::string& text : texts) {
        const double begin = processorSeconds();
        try {
            const auto grammar = Grammar::fromJsonSchema(text);
            test::takesBeginning(*grammar, "[[[[{\"aaaa\":");
        } catch (const Error&) {
        }
        EXPECT_LT(processorSeconds() - begin, kMostHostileSeconds) << text.substr(0, 80);
    }
}

} // namespace
} // namespace hearth::engine
