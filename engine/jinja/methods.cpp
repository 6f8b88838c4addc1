#include "engine/jinja/builtins.h"
#include "engine/jinja/run.h"
#include "engine/unicode.h"

#include <unicode/uchar.h>

#include <algorithm>

namespace hearth::engine::jinja {

namespace {

// --- texts

std::string charsArgument(Run& run, const Args& args) {
    return textArgument(run, args, 0, "chars", "").text;
}

template <Side side>
Value textStrip(Run& run, const Value& self, Args& args) {
    return run.text(strip(self.text(), side, charsArgument(run, args)));
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

/// startswith and endswith: one text or a tuple of them.
template <bool atStart>
Value textStarts(Run& run, const Value& self, Args& args) {
    if (args.positional.empty())
        throw Failure("startswith and endswith need a text");
    const Value& what = args.positional[0];
    const std::vector<Value> all = what.isSequence() ? iterate(run, what) : std::vector<Value>{what};
    for (const Value& v : all) {
        if (!v.isString())
            throw Failure(std::string("startswith and endswith need a text, not a ") + v.typeName());
        const std::string& part = v.text().text;
        if (atStart ? self.text().text.starts_with(part) : self.text().text.ends_with(part))
            return true;
    }
    return false;
}

template <bool fromRight, bool mustExist>
Value textFind(Run& run, const Value& self, Args& args) {
    const std::string part = textArgument(run, args, 0, "sub", "").text;
    const std::string& text = self.text().text;
    run.work(text.size());
    const std::vector<size_t> starts = characterStarts(text);
    const auto n = static_cast<int64_t>(starts.size()) - 1;
    const auto bound = [&](size_t index, std::string_view name, int64_t fallback) {
        const int64_t i = wholeArgument(args, index, name, fallback);
        return std::clamp<int64_t>(i < 0 ? std::max<int64_t>(i, -n) + n : i, 0, n);
    };
    const size_t begin = starts[bound(1, "start", 0)], end = starts[bound(2, "end", n)];
    const std::string_view range = std::string_view(text).substr(0, std::max(begin, end));
    size_t hit = fromRight ? range.rfind(part) : range.find(part, begin);
    if (hit != std::string::npos && hit < begin)
        hit = std::string::npos;
    if (hit == std::string::npos) {
        if (mustExist)
            throw Failure("the text looked for is not there");
        return int64_t(-1);
    }
    return static_cast<int64_t>(std::lower_bound(starts.begin(), starts.end(), hit) - starts.begin());
}

Value textCount(Run& run, const Value& self, Args& args) {
    const std::string part = textArgument(run, args, 0, "sub", "").text;
    const std::string& text = self.text().text;
    run.work(text.size());
    if (part.empty())
        return static_cast<int64_t>(characterCount(self.text())) + 1;
    int64_t n = 0;
    for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
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

Value textIsDigit(Run& run, const Value& self, Args&) {
    return everyCharacter(run, self, [](char32_t c) {
        return u_isdigit(static_cast<UChar32>(c)) || (c >= 0xB2 && c <= 0xB3) || c == 0xB9;
    });
}

Value textIsNumeric(Run& run, const Value& self, Args&) {
    return everyCharacter(run, self, [](char32_t c) { return (charClass(c) & kNumber) != 0; });
}

Value textIsAlpha(Run& run, const Value& self, Args&) {
    return everyCharacter(run, self, [](char32_t c) { return (charClass(c) & kLetter) != 0; });
}

Value textIsAlnum(Run& run, const Value& self, Args&) {
    return everyCharacter(run, self, [](char32_t c) { return (charClass(c) & (kLetter | kNumber)) != 0; });
}

Value textIsSpace(Run& run, const Value& self, Args&) {
    return everyCharacter(run, self, isBlank);
}

template <Case how, Case opposite>
Value textIsCase(Run&, const Value& self, Args&) {
    return mapCase(self.text(), how).text == self.text().text &&
           mapCase(self.text(), opposite).text != self.text().text;
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
    {"casefold", textCase<Case::Lower>},
    {"center", textPad<Pad::Center>},
    {"count", textCount},
    {"endswith", textStarts<false>},
    {"find", textFind<false, false>},
    {"format", textFormat},
    {"index", textFind<false, true>},
    {"isalnum", textIsAlnum},
    {"isalpha", textIsAlpha},
    {"isdecimal", textIsDigit},
    {"isdigit", textIsDigit},
    {"islower", textIsCase<Case::Lower, Case::Upper>},
    {"isnumeric", textIsNumeric},
    {"isspace", textIsSpace},
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

    Value call(Run& run, Args& args) override { return method(run, self, args); }

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

Value method(Run& run, const Value& self, std::string_view name) {
    const Method m = findMethod(self, name);
    return m ? Value(run.make<BoundMethod>(self, m)) : Value();
}

} // namespace hearth::engine::jinja
