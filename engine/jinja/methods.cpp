#include "engine/jinja/builtins.h"
#include "engine/jinja/run.h"
#include "engine/unicode.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace hearth::engine::jinja {

namespace {

// --- texts

template <Side side>
Value textStrip(Run& run, const Value& self, Args& args) {
    return run.text(strip(self.text(), side, charsArgument(args)));
}

template <Case how>
Value textCase(Run& run, const Value& self, Args&) {
    run.steps(self.text().text.size() / 8);
    return run.text(mapCase(self.text(), how));
}

Value listOfTexts(Run& run, std::vector<TaggedText> parts) {
    run.steps(parts.size());
    std::vector<Value> out;
    out.reserve(parts.size());
    for (TaggedText& part : parts)
        out.push_back(run.text(std::move(part)));
    return run.list(std::move(out));
}

std::string separatorArgument(Run& run, const Args& args) {
    const Value* v = args.get(0, "sep");
    if (v && v->isString() && v->text().text.empty())
        throw Failure("the separator is empty");
    return textArgument(run, args, 0, "sep", "").text;
}

Value textSplit(Run& run, const Value& self, Args& args) {
    args.only("split", {"sep", "maxsplit"});
    run.work(self.text().text.size());
    return listOfTexts(run, split(self.text(), separatorArgument(run, args), wholeArgument(args, 1, "maxsplit", -1)));
}

Value textRsplit(Run& run, const Value& self, Args& args) {
    args.only("rsplit", {"sep", "maxsplit"});
    run.work(self.text().text.size());
    return listOfTexts(
        run, splitFromRight(self.text(), separatorArgument(run, args), wholeArgument(args, 1, "maxsplit", -1)));
}

Value textSplitlines(Run& run, const Value& self, Args& args) {
    return listOfTexts(run, splitLines(self.text(), flagArgument(args, 0, "keepends", false)));
}

Value textPartition(Run& run, const Value& self, bool fromRight, Args& args) {
    const TaggedText& text = self.text();
    const std::string separator = separatorArgument(run, args);
    const size_t hit = fromRight ? text.text.rfind(separator) : text.text.find(separator);
    if (separator.empty())
        throw Failure("the separator is missing");
    if (hit == std::string::npos) {
        const Value empty = run.text(std::string_view());
        return fromRight ? run.tuple({empty, empty, self}) : run.tuple({self, empty, empty});
    }
    const size_t behind = hit + separator.size();
    return run.tuple({run.text(slice(text, 0, hit)), run.text(slice(text, hit, behind)),
                      run.text(slice(text, behind, text.text.size()))});
}

Value textPartitionLeft(Run& run, const Value& self, Args& args) {
    return textPartition(run, self, false, args);
}

Value textPartitionRight(Run& run, const Value& self, Args& args) {
    return textPartition(run, self, true, args);
}

Value textJoin(Run& run, const Value& self, Args& args) {
    if (args.positional.size() != 1)
        throw Failure("join needs what to join");
    TaggedText out;
    bool first = true;
    for (const Value& item : iterate(run, args.positional[0])) {
        if (!item.isString())
            throw Failure(std::string("join needs texts, not a ") + item.typeName());
        if (!first)
            append(out, self.text());
        first = false;
        append(out, item.text());
        run.checkText(out);
        run.work(item.text().text.size() + self.text().text.size());
    }
    return run.text(std::move(out));
}

Value textReplace(Run& run, const Value& self, Args& args) {
    static const Filter filter = findFilter("replace");
    for (const Value& v : args.positional)
        if (!v.isString() && !v.isWhole())
            throw Failure(std::string("replace needs texts, not a ") + v.typeName());
    return filter(run, self, args);
}

/// The part of a text that `start` and `end` (arguments 1 and 2, in characters) leave; absent when it begins behind its
/// end.
std::optional<std::string_view> givenRange(const std::string& text, const Args& args) {
    if (!args.get(1, "start") && !args.get(2, "end"))
        return text;
    const std::vector<size_t> starts = characterStarts(text);
    const auto n = static_cast<int64_t>(starts.size()) - 1;
    const auto bound = [&](size_t index, std::string_view name, int64_t fallback) {
        const int64_t i = wholeArgument(args, index, name, fallback);
        return i < 0 ? std::max<int64_t>(std::max<int64_t>(i, -n) + n, 0) : i;
    };
    const int64_t begin = bound(1, "start", 0), end = std::min(bound(2, "end", n), n);
    if (begin > end)
        return std::nullopt;
    return std::string_view(text).substr(starts[begin], starts[end] - starts[begin]);
}

/// startswith and endswith: one text or a tuple of them.
template <bool atStart>
Value textStarts(Run& run, const Value& self, Args& args) {
    if (args.positional.empty())
        throw Failure("startswith and endswith need a text");
    const Value& what = args.positional[0];
    const std::vector<Value> all = what.isSequence() ? iterate(run, what) : std::vector<Value>{what};
    const std::optional<std::string_view> range = givenRange(self.text().text, args);
    for (const Value& v : all) {
        if (!v.isString())
            throw Failure(std::string("startswith and endswith need a text, not a ") + v.typeName());
        const std::string& part = v.text().text;
        if (range && (atStart ? range->starts_with(part) : range->ends_with(part)))
            return true;
    }
    return false;
}

template <bool fromRight, bool mustExist>
Value textFind(Run& run, const Value& self, Args& args) {
    const std::string part = textArgument(run, args, 0, "sub", "").text;
    const std::string& text = self.text().text;
    run.work(text.size());
    const std::optional<std::string_view> range = givenRange(text, args);
    const size_t hit = !range ? std::string::npos : fromRight ? range->rfind(part) : range->find(part);
    if (hit == std::string::npos) {
        if (mustExist)
            throw Failure("the text looked for is not there");
        return int64_t(-1);
    }
    const auto before = static_cast<size_t>(range->data() - text.data()) + hit;
    return static_cast<int64_t>(countCodePoints(std::string_view(text).substr(0, before)));
}

Value textCount(Run& run, const Value& self, Args& args) {
    const std::string part = textArgument(run, args, 0, "sub", "").text;
    run.work(self.text().text.size());
    const std::optional<std::string_view> text = givenRange(self.text().text, args);
    if (!text)
        return int64_t(0);
    if (part.empty())
        return static_cast<int64_t>(countCodePoints(*text)) + 1;
    int64_t n = 0;
    for (size_t at = text->find(part); at != text->npos; at = text->find(part, at + part.size()))
        n++;
    return n;
}

Value textFormat(Run& run, const Value& self, Args& args) {
    return formatBraces(run, self.text(), args);
}

template <class Holds>
Value everyCharacter(Run& run, const Value& self, const Holds& holds) {
    const std::string_view text = self.text().text;
    run.work(text.size());
    for (size_t i = 0; i < text.size();) {
        const CodePoint c = decodeUtf8(text.substr(i));
        if (!c.valid || !holds(c.value))
            return false;
        i += c.length;
    }
    return !text.empty();
}

Value textIsDecimal(Run& run, const Value& self, Args&) {
    return everyCharacter(run, self, [](char32_t c) { return u_isdigit(static_cast<UChar32>(c)) != 0; });
}

Value textIsDigit(Run& run, const Value& self, Args&) {
    return everyCharacter(run, self, [](char32_t c) {
        const int type = u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_NUMERIC_TYPE);
        return type == U_NT_DECIMAL || type == U_NT_DIGIT;
    });
}

bool isNumeric(char32_t c) {
    return u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_NUMERIC_TYPE) != U_NT_NONE;
}

Value textIsNumeric(Run& run, const Value& self, Args&) {
    return everyCharacter(run, self, isNumeric);
}

Value textIsAscii(Run&, const Value& self, Args&) {
    const std::string& text = self.text().text;
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

Value textIsPrintable(Run& run, const Value& self, Args&) {
    return self.text().text.empty() || everyCharacter(run, self, isPrintable).boolean();
}

Value textIsIdentifier(Run& run, const Value& self, Args&) {
    bool first = true;
    return everyCharacter(run, self, [&](char32_t c) {
        const auto u = static_cast<UChar32>(c);
        const bool start = std::exchange(first, false);
        return c == '_' || u_hasBinaryProperty(u, start ? UCHAR_XID_START : UCHAR_XID_CONTINUE);
    });
}

/// Upper case only at the beginning of words, and some.
Value textIsTitle(Run& run, const Value& self, Args&) {
    bool cased = false, any = false;
    const Value all = everyCharacter(run, self, [&](char32_t c) {
        const auto u = static_cast<UChar32>(c);
        const bool upper = u_isUUppercase(u) || u_istitle(u);
        const bool lower = u_isULowercase(u);
        const bool fits = upper ? !cased : !lower || cased;
        any = any || upper || lower;
        cased = upper || lower;
        return fits;
    });
    return all.boolean() && any;
}

Value textIsAlpha(Run& run, const Value& self, Args&) {
    return everyCharacter(run, self, [](char32_t c) { return (charClass(c) & kLetter) != 0; });
}

Value textIsAlnum(Run& run, const Value& self, Args&) {
    return everyCharacter(run, self, [](char32_t c) { return (charClass(c) & kLetter) != 0 || isNumeric(c); });
}

Value textIsSpace(Run& run, const Value& self, Args&) {
    return everyCharacter(run, self, isBlank);
}

template <Case how, Case opposite>
Value textIsCase(Run&, const Value& self, Args&) {
    return mapCase(self.text(), how).text == self.text().text &&
           mapCase(self.text(), opposite).text != self.text().text;
}

Value textExpandtabs(Run& run, const Value& self, Args& args) {
    const int64_t size = wholeArgument(args, 0, "tabsize", 8);
    if (size > 1 << 10)
        throw Failure("'tabsize' is too large");
    const TaggedText& text = self.text();
    TaggedText out;
    int64_t column = 0;
    for (size_t i = 0; i < text.text.size();) {
        const CodePoint c = decodeUtf8(std::string_view(text.text).substr(i));
        if (c.value != '\t') {
            append(out, text, i, i + c.length);
            column = c.value == '\n' || c.value == '\r' ? 0 : column + 1;
        } else if (size > 0) {
            const int64_t blanks = size - column % size;
            append(out, std::string(static_cast<size_t>(blanks), ' '));
            column += blanks;
        }
        run.checkText(out);
        i += c.length;
    }
    return run.text(std::move(out));
}

enum class Pad { Left, Right, Center, Zeros };

template <Pad how>
Value textPad(Run& run, const Value& self, Args& args) {
    const int64_t width = wholeArgument(args, 0, "width", 0);
    if (width > 1 << 16)
        throw Failure("'width' is too large");
    TaggedText fill = textArgument(run, args, 1, "fillchar", how == Pad::Zeros ? "0" : " ");
    const TaggedText& text = self.text();
    const int64_t missing = width - static_cast<int64_t>(characterCount(text));
    if (missing <= 0)
        return self;
    const int64_t before = how == Pad::Right    ? missing
                           : how == Pad::Zeros  ? missing
                           : how == Pad::Center ? missing / 2 + (missing & width & 1)
                                                : 0;
    TaggedText out;
    size_t from = 0;
    if (how == Pad::Zeros && (text.text[0] == '-' || text.text[0] == '+') && !text.text.empty())
        append(out, text, 0, from = 1);
    for (int64_t i = 0; i < before; i++)
        append(out, fill);
    append(out, text, from, text.text.size());
    for (int64_t i = before; i < missing; i++)
        append(out, fill);
    return run.text(std::move(out));
}

Value textRemovePrefix(Run& run, const Value& self, Args& args) {
    const std::string part = textArgument(run, args, 0, "prefix", "").text;
    const TaggedText& t = self.text();
    return t.text.starts_with(part) ? run.text(slice(t, part.size(), t.text.size())) : self;
}

Value textRemoveSuffix(Run& run, const Value& self, Args& args) {
    const std::string part = textArgument(run, args, 0, "suffix", "").text;
    const TaggedText& t = self.text();
    return t.text.ends_with(part) ? run.text(slice(t, 0, t.text.size() - part.size())) : self;
}

// --- dicts

Dict& dictOf(const Value& v) {
    return *static_cast<Dict*>(v.object());
}

Value dictGet(Run& run, const Value& self, Args& args) {
    args.only("get", {"key", "default"});
    const Value *key = args.get(0, "key"), *fallback = args.get(1, "default");
    if (!key)
        throw Failure("get needs a key");
    if (const Value* v = dictOf(self).find(run, *key))
        return *v;
    return fallback ? *fallback : Value(None{});
}

Value dictItems(Run& run, const Value& self, Args& args) {
    static const Filter filter = findFilter("items");
    return filter(run, self, args);
}

Value dictKeys(Run& run, const Value& self, Args&) {
    return run.list(iterate(run, self));
}

Value dictValues(Run& run, const Value& self, Args&) {
    std::vector<Value> out;
    for (const auto& [k, v] : dictOf(self).entries)
        out.push_back(v);
    return run.list(std::move(out));
}

Value dictPop(Run& run, const Value& self, Args& args) {
    if (args.positional.empty())
        throw Failure("pop needs a key");
    if (const Value* v = dictOf(self).find(run, args.positional[0])) {
        const Value out = *v;
        run.steps(dictOf(self).entries.size());
        dictOf(self).erase(run, args.positional[0]);
        return out;
    }
    if (args.positional.size() < 2)
        throw Failure("the key is not there");
    return args.positional[1];
}

Value dictUpdate(Run& run, const Value& self, Args& args) {
    if (!args.positional.empty() && args.positional[0].isDict())
        for (const auto& [k, v] : std::vector(dictOf(args.positional[0]).entries))
            dictOf(self).set(run, k, v);
    for (const auto& [name, v] : args.named)
        dictOf(self).set(run, run.text(name), v);
    return None{};
}

Value dictSetdefault(Run& run, const Value& self, Args& args) {
    if (args.positional.empty())
        throw Failure("setdefault needs a key");
    if (const Value* v = dictOf(self).find(run, args.positional[0]))
        return *v;
    const Value fallback = args.positional.size() > 1 ? args.positional[1] : Value(None{});
    dictOf(self).set(run, args.positional[0], fallback);
    return fallback;
}

Value dictCopy(Run& run, const Value& self, Args&) {
    auto* out = run.make<Dict>();
    for (const auto& [k, v] : dictOf(self).entries) {
        run.step();
        out->set(run, k, v);
    }
    return out;
}

// --- lists

std::vector<Value>& itemsOf(const Value& v) {
    return static_cast<List*>(v.object())->items;
}

const Value& onlyArgument(const Args& args, const char* function) {
    if (args.positional.size() != 1)
        throw Failure(std::string(function) + " needs one argument");
    return args.positional[0];
}

Value listAppend(Run& run, const Value& self, Args& args) {
    run.heap().take(sizeof(Value));
    itemsOf(self).push_back(onlyArgument(args, "append"));
    return None{};
}

Value listExtend(Run& run, const Value& self, Args& args) {
    const std::vector<Value> more = iterate(run, onlyArgument(args, "extend"));
    run.heap().take(more.size() * sizeof(Value));
    itemsOf(self).insert(itemsOf(self).end(), more.begin(), more.end());
    return None{};
}

Value listInsert(Run& run, const Value& self, Args& args) {
    if (args.positional.size() != 2)
        throw Failure("insert needs a place and a value");
    auto& items = itemsOf(self);
    const auto n = static_cast<int64_t>(items.size());
    const int64_t i = wholeArgument(args, 0, "index", 0);
    run.heap().take(sizeof(Value));
    run.steps(items.size() / 8);
    items.insert(items.begin() + std::clamp<int64_t>(i < 0 ? std::max<int64_t>(i, -n) + n : i, 0, n),
                 args.positional[1]);
    return None{};
}

Value listPop(Run& run, const Value& self, Args& args) {
    auto& items = itemsOf(self);
    const auto n = static_cast<int64_t>(items.size());
    int64_t i = wholeArgument(args, 0, "index", -1);
    i = i < 0 ? i + n : i;
    if (i < 0 || i >= n)
        throw Failure("pop from a place that is not there");
    const Value out = items[i];
    run.steps(items.size() / 8);
    items.erase(items.begin() + i);
    return out;
}

Value listIndex(Run& run, const Value& self, Args& args) {
    const Value& what = onlyArgument(args, "index");
    const auto& items = itemsOf(self);
    for (size_t i = 0; i < items.size(); i++)
        if (equal(run, items[i], what))
            return static_cast<int64_t>(i);
    throw Failure("the value looked for is not in the list");
}

Value listCount(Run& run, const Value& self, Args& args) {
    const Value& what = onlyArgument(args, "count");
    int64_t n = 0;
    for (const Value& v : itemsOf(self))
        n += equal(run, v, what);
    return n;
}

Value listReverse(Run& run, const Value& self, Args&) {
    run.steps(itemsOf(self).size());
    std::reverse(itemsOf(self).begin(), itemsOf(self).end());
    return None{};
}

Value listCopy(Run& run, const Value& self, Args&) {
    return run.list(iterate(run, self));
}

struct MethodRow {
    std::string_view name;
    Method method;
};

constexpr MethodRow kTextMethods[] = {
    {"capitalize", textCase<Case::Capitalize>},
    {"casefold", textCase<Case::Fold>},
    {"center", textPad<Pad::Center>},
    {"count", textCount},
    {"endswith", textStarts<false>},
    {"expandtabs", textExpandtabs},
    {"find", textFind<false, false>},
    {"format", textFormat},
    {"index", textFind<false, true>},
    {"isalnum", textIsAlnum},
    {"isalpha", textIsAlpha},
    {"isascii", textIsAscii},
    {"isdecimal", textIsDecimal},
    {"isdigit", textIsDigit},
    {"isidentifier", textIsIdentifier},
    {"islower", textIsCase<Case::Lower, Case::Upper>},
    {"isnumeric", textIsNumeric},
    {"isprintable", textIsPrintable},
    {"isspace", textIsSpace},
    {"istitle", textIsTitle},
    {"isupper", textIsCase<Case::Upper, Case::Lower>},
    {"join", textJoin},
    {"ljust", textPad<Pad::Left>},
    {"lower", textCase<Case::Lower>},
    {"lstrip", textStrip<Side::Left>},
    {"partition", textPartitionLeft},
    {"removeprefix", textRemovePrefix},
    {"removesuffix", textRemoveSuffix},
    {"replace", textReplace},
    {"rfind", textFind<true, false>},
    {"rindex", textFind<true, true>},
    {"rjust", textPad<Pad::Right>},
    {"rpartition", textPartitionRight},
    {"rsplit", textRsplit},
    {"rstrip", textStrip<Side::Right>},
    {"split", textSplit},
    {"splitlines", textSplitlines},
    {"startswith", textStarts<true>},
    {"strip", textStrip<Side::Both>},
    {"swapcase", textCase<Case::Swap>},
    {"title", textCase<Case::Title>},
    {"upper", textCase<Case::Upper>},
    {"zfill", textPad<Pad::Zeros>},
};

constexpr MethodRow kDictMethods[] = {
    {"copy", dictCopy},     {"get", dictGet},       {"items", dictItems},
    {"keys", dictKeys},     {"pop", dictPop},       {"setdefault", dictSetdefault},
    {"update", dictUpdate}, {"values", dictValues},
};

constexpr MethodRow kListMethods[] = {
    {"append", listAppend}, {"copy", listCopy},     {"count", listCount}, {"extend", listExtend},
    {"index", listIndex},   {"insert", listInsert}, {"pop", listPop},     {"reverse", listReverse},
};

constexpr MethodRow kTupleMethods[] = {{"count", listCount}, {"index", listIndex}};

template <size_t n>
Method search(const MethodRow (&rows)[n], std::string_view name) {
    for (const MethodRow& row : rows)
        if (row.name == name)
            return row.method;
    return nullptr;
}

struct BoundMethod final : Function {
    BoundMethod(Value s, Method m) : self(std::move(s)), method(m) {}

    Value call(Run& run, Args& args) override { return callMethod(run, self, method, args); }

    const Value self;
    const Method method;
};

} // namespace

Method findMethod(const Value& self, std::string_view name) {
    if (self.isString())
        return search(kTextMethods, name);
    if (self.isDict())
        return search(kDictMethods, name);
    if (self.is(Object::Kind::List))
        return search(kListMethods, name);
    return self.is(Object::Kind::Tuple) ? search(kTupleMethods, name) : nullptr;
}

Value escapedTexts(Run& run, const Value& v) {
    static const Filter escape = findFilter("escape");
    Args none;
    if (v.isString())
        return escape(run, v, none);
    if (v.isSequence()) {
        std::vector<Value> out;
        for (const Value& item : itemsOf(v))
            out.push_back(item.isString() ? escape(run, item, none) : item);
        return v.is(Object::Kind::Tuple) ? run.tuple(std::move(out)) : run.list(std::move(out));
    }
    if (v.isDict()) {
        auto* out = run.make<Dict>();
        for (const auto& [key, item] : dictOf(v).entries)
            out->set(run, key, item.isString() ? escape(run, item, none) : item);
        return out;
    }
    return v;
}

Value callMethod(Run& run, const Value& self, Method m, Args& args) {
    if (!self.isMarkup())
        return m(run, self, args);
    if (m == textJoin || m == textFormat)
        for (Value& v : args.positional)
            v = escapedTexts(run, v);
    for (auto& [name, v] : args.named)
        v = m == textFormat ? escapedTexts(run, v) : v;
    if (m == textReplace && args.positional.size() > 1)
        args.positional[1] = escapedTexts(run, args.positional[1]);
    const Value out = m(run, self, args);
    if (out.isString())
        return run.text(out.text(), true);
    if (out.isSequence())
        for (Value& item : itemsOf(out))
            if (item.isString())
                item = run.text(item.text(), true);
    return out;
}

Value method(Run& run, const Value& self, std::string_view name) {
    const Method m = findMethod(self, name);
    return m ? Value(run.make<BoundMethod>(self, m)) : Value();
}

} // namespace hearth::engine::jinja
