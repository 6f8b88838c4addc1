#include "engine/jinja/value.h"

#include "engine/jinja/run.h"
#include "engine/tokenizer/text_table.h"
#include "engine/unicode.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

namespace hearth::engine::jinja {

namespace {

constexpr int kDeepestData = 100; // of nested lists and dicts, for the functions that recurse

void checkDepth(int depth) {
    if (depth > kDeepestData)
        throw Failure("data is nested more than 100 levels deep");
}

} // namespace

void Heap::take(size_t bytes) {
    if (bytes > limit_ || used_ > limit_ - bytes)
        throw Failure("it needs more than " + std::to_string(limit_ >> 20) + " MiB of memory");
    used_ += bytes;
}

Str::Str(TaggedText text, Heap* heap, bool isMarkup) : tagged(std::move(text)), markup(isMarkup), heap_(heap) {
    if (!heap_)
        return;
    charged_ = sizeof(Str) + tagged.text.capacity() + tagged.untrusted.capacity() * sizeof(TaggedText::Range);
    heap_->take(charged_);
}

Str::~Str() {
    if (heap_)
        heap_->giveBack(charged_);
}

const char* Value::typeName() const {
    if (const Object* o = object()) {
        constexpr const char* names[] = {"list", "tuple", "dict", "namespace", "loop", "function"};
        return names[static_cast<int>(o->kind)];
    }
    constexpr const char* names[] = {"undefined", "None", "bool", "int", "float", "str"};
    return names[v_.index()];
}

template <class Equal>
const std::pair<Value, Value>* Dict::locate(uint64_t hash, const Equal& equal) const {
    if (entries.size() < kIndexed) {
        for (const auto& e : entries)
            if (equal(e.first))
                return &e;
        return nullptr;
    }
    if (index_.empty())
        for (size_t i = 0; i < entries.size(); i++)
            index_.emplace(hashOf(entries[i].first), static_cast<uint32_t>(i));
    const auto [from, to] = index_.equal_range(hash);
    for (auto it = from; it != to; ++it)
        if (equal(entries[it->second].first))
            return &entries[it->second];
    return nullptr;
}

const Value* Dict::find(Run& run, const Value& key) const {
    const auto* e = locate(hashOf(key), [&](const Value& k) { return equal(run, k, key); });
    return e ? &e->second : nullptr;
}

const Value* Dict::find(std::string_view key) const {
    const auto* e = locate(hashBytes(key), [&](const Value& k) { return k.isString() && k.text().text == key; });
    return e ? &e->second : nullptr;
}

void Dict::set(Run& run, const Value& key, Value value) {
    if (const Value* there = find(run, key)) {
        *const_cast<Value*>(there) = std::move(value);
        return;
    }
    run.heap().take(4 * sizeof(Value));
    const uint64_t hash = hashOf(key);
    entries.emplace_back(key, std::move(value));
    if (!index_.empty())
        index_.emplace(hash, static_cast<uint32_t>(entries.size() - 1));
}

bool Dict::erase(Run& run, const Value& key) {
    for (size_t i = 0; i < entries.size(); i++)
        if (equal(run, entries[i].first, key)) {
            entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(i));
            index_.clear();
            return true;
        }
    return false;
}

const Value* Args::get(size_t index, std::string_view name) const {
    if (index < positional.size())
        return &positional[index];
    for (const auto& [n, v] : named)
        if (n == name)
            return &v;
    return nullptr;
}

void Args::only(const char* function, std::initializer_list<std::string_view> names) const {
    if (positional.size() > names.size())
        throw Failure(std::string(function) + " takes at most " + std::to_string(names.size()) + " arguments");
    for (const auto& [n, v] : named)
        if (std::find(names.begin(), names.end(), n) == names.end())
            throw Failure(std::string(function) + " has no argument called " + n);
}

bool truthy(const Value& v) {
    if (v.isUndefined() || v.isNone())
        return false;
    if (v.isNumber())
        return v.isFloat() ? v.number() != 0 : v.whole() != 0;
    if (v.isString())
        return !v.text().text.empty();
    if (v.isSequence())
        return !static_cast<const List*>(v.object())->items.empty();
    if (v.isDict())
        return !static_cast<const Dict*>(v.object())->entries.empty();
    return true;
}

bool equal(Run& run, const Value& a, const Value& b, int depth) {
    run.step();
    checkDepth(depth);
    if (a.isNumber() && b.isNumber())
        return a.isWhole() && b.isWhole() ? a.whole() == b.whole() : a.number() == b.number();
    if (a.isString() && b.isString())
        return a.text().text == b.text().text;
    if (a.isUndefined() || a.isNone())
        return a.isUndefined() == b.isUndefined() && a.isNone() == b.isNone();
    if (!a.object() || !b.object() || a.object()->kind != b.object()->kind)
        return false;
    if (a.object() == b.object())
        return true;
    if (a.isSequence()) {
        const auto& x = static_cast<const List*>(a.object())->items;
        const auto& y = static_cast<const List*>(b.object())->items;
        if (x.size() != y.size())
            return false;
        for (size_t i = 0; i < x.size(); i++)
            if (!equal(run, x[i], y[i], depth + 1))
                return false;
        return true;
    }
    if (a.isDict()) {
        const auto* x = static_cast<const Dict*>(a.object());
        const auto* y = static_cast<const Dict*>(b.object());
        if (x->entries.size() != y->entries.size())
            return false;
        for (const auto& [k, v] : x->entries) {
            const Value* other = y->find(run, k);
            if (!other || !equal(run, v, *other, depth + 1))
                return false;
        }
        return true;
    }
    return false;
}

int compare(Run& run, const Value& a, const Value& b, int depth) {
    run.step();
    checkDepth(depth);
    if (a.isWhole() && b.isWhole())
        return a.whole() < b.whole() ? -1 : a.whole() > b.whole();
    if (a.isNumber() && b.isNumber())
        return a.number() < b.number() ? -1 : a.number() > b.number();
    if (a.isString() && b.isString()) // bytes of UTF-8 sort as code points do
        return a.text().text.compare(b.text().text);
    if (a.isSequence() && b.isSequence()) {
        const auto& x = static_cast<const List*>(a.object())->items;
        const auto& y = static_cast<const List*>(b.object())->items;
        for (size_t i = 0; i < std::min(x.size(), y.size()); i++)
            if (!equal(run, x[i], y[i], depth + 1))
                return compare(run, x[i], y[i], depth + 1);
        return x.size() < y.size() ? -1 : x.size() > y.size();
    }
    throw Failure(std::string("a ") + a.typeName() + " and a " + b.typeName() + " cannot be ordered");
}

bool contains(Run& run, const Value& item, const Value& container) {
    if (container.isUndefined())
        return false;
    if (container.isString()) {
        if (!item.isString())
            throw Failure(std::string("'in' a text needs a text, not a ") + item.typeName());
        run.work(container.text().text.size());
        return container.text().text.find(item.text().text) != std::string::npos;
    }
    if (container.isSequence()) {
        for (const Value& v : static_cast<const List*>(container.object())->items)
            if (equal(run, v, item))
                return true;
        return false;
    }
    if (container.isDict() || container.is(Object::Kind::Namespace))
        return static_cast<const Dict*>(container.object())->find(run, item) != nullptr;
    throw Failure(std::string("nothing is 'in' a ") + container.typeName());
}

uint64_t hashOf(const Value& v) {
    if (v.isString())
        return hashBytes(v.text().text);
    if (v.isWhole())
        return static_cast<uint64_t>(v.whole()) * 0x9E3779B97F4A7C15;
    if (v.isFloat()) {
        const double d = v.number();
        if (d == std::floor(d) && std::abs(d) < 9e15)
            return static_cast<uint64_t>(static_cast<int64_t>(d)) * 0x9E3779B97F4A7C15;
        uint64_t bits;
        std::memcpy(&bits, &d, sizeof bits);
        return bits;
    }
    if (v.isNone() || v.isUndefined())
        return v.isNone() ? 1 : 2;
    if (v.is(Object::Kind::Tuple)) {
        uint64_t h = 3;
        for (const Value& item : static_cast<const List*>(v.object())->items) {
            if (item.is(Object::Kind::Tuple))
                throw Failure("a key may not hold a tuple inside a tuple");
            h = h * 31 + hashOf(item);
        }
        return h;
    }
    throw Failure(std::string("a ") + v.typeName() + " cannot be a key");
}

std::string floatText(double d) {
    if (std::isnan(d))
        return "nan";
    if (std::isinf(d))
        return d > 0 ? "inf" : "-inf";
    // Python's repr: the shortest digits that read back, with an exponent below 1e-4 and from 1e16 on.
    char buffer[64];
    const double size = std::abs(d);
    const bool exponent = d != 0 && (size < 1e-4 || size >= 1e16);
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, d,
                                   exponent ? std::chars_format::scientific : std::chars_format::fixed)
                         .ptr;
    std::string s(buffer, end);
    if (!exponent && s.find('.') == std::string::npos)
        s += ".0";
    return s;
}

namespace {

void appendStringRepr(TaggedText& out, const TaggedText& t) {
    const bool useDouble = t.text.find('\'') != std::string::npos && t.text.find('"') == std::string::npos;
    const char quote = useDouble ? '"' : '\'';
    append(out, {&quote, 1});
    for (size_t i = 0; i < t.text.size();) {
        const CodePoint c = decodeUtf8(std::string_view(t.text).substr(i));
        const bool untrusted = untrustedAt(t, i);
        char escape[16] = {};
        const char32_t v = c.value;
        if (v == '\n' || v == '\r' || v == '\t')
            std::snprintf(escape, sizeof escape, "\\%c", v == '\n' ? 'n' : v == '\r' ? 'r' : 't');
        else if (v == '\\' || v == static_cast<unsigned char>(quote))
            std::snprintf(escape, sizeof escape, "\\%c", static_cast<char>(v));
        else if (v < 0x20 || v == 0x7F || (v >= 0x80 && v < 0x100 && !isPrintable(v)))
            std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned>(v));
        else if (v >= 0x100 && !isPrintable(v))
            std::snprintf(escape, sizeof escape, v < 0x10000 ? "\\u%04x" : "\\U%08x", static_cast<unsigned>(v));
        if (escape[0])
            append(out, escape, untrusted);
        else
            append(out, t, i, i + c.length);
        i += c.length;
    }
    append(out, {&quote, 1});
}

void appendItems(Run& run, TaggedText& out, const std::vector<Value>& items, int depth) {
    for (size_t i = 0; i < items.size(); i++) {
        if (i > 0)
            append(out, ", ");
        appendRepr(run, out, items[i], depth + 1);
    }
}

void appendEntries(Run& run, TaggedText& out, const Dict& dict, int depth) {
    append(out, "{");
    bool first = true;
    for (const auto& [k, v] : dict.entries) {
        if (!first)
            append(out, ", ");
        first = false;
        appendRepr(run, out, k, depth + 1);
        append(out, ": ");
        appendRepr(run, out, v, depth + 1);
    }
    append(out, "}");
}

void appendObject(Run& run, TaggedText& out, const Object& o, int depth) {
    switch (o.kind) {
    case Object::Kind::List:
        append(out, "[");
        appendItems(run, out, static_cast<const List&>(o).items, depth);
        append(out, "]");
        break;
    case Object::Kind::Tuple: {
        const auto& items = static_cast<const List&>(o).items;
        append(out, "(");
        appendItems(run, out, items, depth);
        append(out, items.size() == 1 ? ",)" : ")");
        break;
    }
    case Object::Kind::Dict:
        appendEntries(run, out, static_cast<const Dict&>(o), depth);
        break;
    case Object::Kind::Namespace:
        append(out, "<Namespace ");
        appendEntries(run, out, static_cast<const Dict&>(o), depth);
        append(out, ">");
        break;
    case Object::Kind::Loop:
        append(out, "<LoopContext>");
        break;
    case Object::Kind::Function:
        append(out, "<function>");
        break;
    }
}

} // namespace

void appendRepr(Run& run, TaggedText& out, const Value& v, int depth) {
    run.step();
    checkDepth(depth);
    run.checkText(out);
    if (v.isString()) {
        run.work(v.text().text.size());
        append(out, v.isMarkup() ? "Markup(" : "");
        appendStringRepr(out, v.text());
        append(out, v.isMarkup() ? ")" : "");
    } else if (const Object* o = v.object()) {
        appendObject(run, out, *o, depth);
    } else if (v.isUndefined()) {
        append(out, "Undefined");
    } else {
        appendText(run, out, v);
    }
}

void appendText(Run& run, TaggedText& out, const Value& v) {
    if (v.isString()) {
        run.work(v.text().text.size());
        append(out, v.text());
    } else if (v.isNone()) {
        append(out, "None");
    } else if (v.isBool()) {
        append(out, v.boolean() ? "True" : "False");
    } else if (v.isInt()) {
        append(out, std::to_string(v.whole()));
    } else if (v.isFloat()) {
        append(out, floatText(v.number()));
    } else if (!v.isUndefined()) {
        appendRepr(run, out, v);
    }
}

TaggedText toText(Run& run, const Value& v) {
    TaggedText out;
    appendText(run, out, v);
    return out;
}

std::vector<Value> iterate(Run& run, const Value& v) {
    std::vector<Value> out;
    if (v.isUndefined())
        return out;
    if (v.isSequence()) {
        const auto& items = static_cast<const List*>(v.object())->items;
        run.steps(items.size() / 4);
        return items;
    }
    if (v.isDict()) {
        for (const auto& [k, value] : static_cast<const Dict*>(v.object())->entries)
            out.push_back(k);
        run.steps(out.size() / 4);
        return out;
    }
    if (v.isString()) {
        const std::vector<size_t> starts = characterStarts(v.text().text);
        run.heap().take(0);
        for (size_t i = 0; i + 1 < starts.size(); i++) {
            run.step();
            out.push_back(run.text(slice(v.text(), starts[i], starts[i + 1])));
        }
        return out;
    }
    throw Failure(std::string("a ") + v.typeName() + " cannot be gone through");
}

int64_t lengthOf(Run& run, const Value& v) {
    if (v.isUndefined())
        return 0;
    if (v.isString()) {
        run.work(v.text().text.size());
        return static_cast<int64_t>(characterCount(v.text()));
    }
    if (v.isSequence())
        return static_cast<int64_t>(static_cast<const List*>(v.object())->items.size());
    if (v.isDict())
        return static_cast<int64_t>(static_cast<const Dict*>(v.object())->entries.size());
    throw Failure(std::string("a ") + v.typeName() + " has no length");
}

} // namespace hearth::engine::jinja
