#include "engine/jinja/builtins.h"
#include "engine/jinja/nodes.h"
#include "engine/unicode.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace hearth::engine::jinja {

int64_t wholeArgument(const Args& args, size_t index, std::string_view name, int64_t fallback) {
    const Value* v = args.get(index, name);
    if (!v || v->isNone() || v->isUndefined())
        return fallback;
    if (!v->isWhole())
        throw Failure("'" + std::string(name) + "' must be a whole number, not a " + v->typeName());
    return v->whole();
}

bool flagArgument(const Args& args, size_t index, std::string_view name, bool fallback) {
    const Value* v = args.get(index, name);
    return v ? truthy(*v) : fallback;
}

TaggedText textArgument(Run&, const Args& args, size_t index, std::string_view name, std::string_view fallback) {
    const Value* v = args.get(index, name);
    if (!v || v->isNone() || v->isUndefined())
        return trusted(fallback);
    if (!v->isString())
        throw Failure("'" + std::string(name) + "' must be a text, not a " + v->typeName());
    return v->text();
}

std::optional<std::string> charsArgument(const Args& args) {
    const Value* v = args.get(0, "chars");
    if (!v || v->isNone())
        return std::nullopt;
    if (!v->isString())
        throw Failure(std::string("what to strip must be a text, not a ") + v->typeName());
    return v->text().text;
}

namespace {

constexpr int64_t kWidest = 1 << 16; // of indentation, padding and the like

int64_t widthArgument(const Args& args, size_t index, std::string_view name, int64_t fallback) {
    const int64_t n = wholeArgument(args, index, name, fallback);
    if (n > kWidest)
        throw Failure("'" + std::string(name) + "' is too large");
    return n;
}

Value filterItems(Run&, const Value& in, Args&);

bool parseWhole(std::string_view text, int base, int64_t& out) {
    std::string s(strip(trusted(text), Side::Both).text);
    std::erase(s, '_');
    const bool negative = s.starts_with('-');
    if (negative || s.starts_with('+'))
        s.erase(0, 1);
    for (const auto& [prefix, b] : {std::pair("0x", 16), std::pair("0o", 8), std::pair("0b", 2)})
        if (base == b && s.size() > 2 && s[0] == '0' && (s[1] | 0x20) == prefix[1])
            s.erase(0, 2);
    if (s.empty() || s[0] == '-' || s[0] == '+')
        return false;
    const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), out, base);
    if (error != std::errc() || end != s.data() + s.size())
        return false;
    out = negative ? -out : out;
    return true;
}

// --- texts

Value filterString(Run& run, const Value& in, Args&) {
    return in.isString() ? in : run.text(toText(run, in));
}

template <Case how>
Value filterCase(Run& run, const Value& in, Args&) {
    const TaggedText text = toText(run, in);
    run.steps(text.text.size() / 8);
    return run.text(mapCase(text, how), in.isMarkup());
}

Value filterTitle(Run& run, const Value& in, Args&) {
    const TaggedText text = toText(run, in);
    run.steps(text.text.size() / 8);
    return run.text(titleWords(text));
}

Value filterTrim(Run& run, const Value& in, Args& args) {
    return run.text(strip(toText(run, in), Side::Both, charsArgument(args)), in.isMarkup());
}

Value filterReplace(Run& run, const Value& in, Args& args) {
    args.only("replace", {"old", "new", "count"});
    const Value *from = args.get(0, "old"), *to = args.get(1, "new");
    if (!from || !to)
        throw Failure("replace needs what to replace and with what");
    const TaggedText text = toText(run, in), old = toText(run, *from), fresh = toText(run, *to);
    const size_t most = text.text.size() / std::max<size_t>(old.text.size(), 1) + 1;
    run.checkSize(text.text.size());
    if (fresh.text.size() > old.text.size()) {
        size_t hits = 0;
        for (size_t at = old.text.empty() ? std::string::npos : text.text.find(old.text); at != std::string::npos;
             at = text.text.find(old.text, at + old.text.size()))
            hits++;
        run.checkSize(text.text.size() + (old.text.empty() ? most : hits) * fresh.text.size());
    }
    run.work(4 * text.text.size());
    return run.text(replace(text, old, fresh, wholeArgument(args, 2, "count", -1)));
}

Value filterReverse(Run& run, const Value& in, Args&) {
    if (in.isString())
        return run.text(reversed(in.text()));
    std::vector<Value> items = iterate(run, in);
    std::reverse(items.begin(), items.end());
    return run.list(std::move(items));
}

Value filterIndent(Run& run, const Value& in, Args& args) {
    args.only("indent", {"width", "first", "blank"});
    const Value* width = args.get(0, "width");
    const TaggedText unit = width && width->isString()
                                ? width->text()
                                : trusted(std::string(std::max<int64_t>(widthArgument(args, 0, "width", 4), 0), ' '));
    const bool first = flagArgument(args, 1, "first", false), blank = flagArgument(args, 2, "blank", false);
    const TaggedText text = toText(run, in);
    std::vector<TaggedText> lines = splitLines(text, false);
    if (text.text.empty() || (!lines.empty() && splitLines(text, true).back().text != lines.back().text))
        lines.emplace_back(); // behind the last line break
    TaggedText out;
    for (size_t i = 0; i < lines.size(); i++) {
        run.step();
        if (i > 0)
            append(out, "\n");
        if (i == 0 ? first : blank || !lines[i].text.empty())
            append(out, unit);
        append(out, lines[i]);
        run.checkText(out);
    }
    return run.text(std::move(out), in.isMarkup());
}

Value filterCenter(Run& run, const Value& in, Args& args) {
    const int64_t width = widthArgument(args, 0, "width", 80);
    const TaggedText text = toText(run, in);
    const int64_t missing = width - static_cast<int64_t>(characterCount(text));
    if (missing <= 0)
        return run.text(text);
    const int64_t left = missing / 2 + (missing & width & 1); // as Python rounds it
    TaggedText out = trusted(std::string(left, ' '));
    append(out, text);
    append(out, std::string(missing - left, ' '));
    return run.text(std::move(out));
}

Value filterTruncate(Run& run, const Value& in, Args& args) {
    args.only("truncate", {"length", "killwords", "end", "leeway"});
    const TaggedText text = toText(run, in), end = textArgument(run, args, 2, "end", "...");
    const int64_t length = wholeArgument(args, 0, "length", 255), leeway = wholeArgument(args, 3, "leeway", 5);
    const std::vector<size_t> starts = characterStarts(text.text);
    const int64_t n = in.isString() ? static_cast<int64_t>(starts.size()) - 1 : lengthOf(run, in);
    const auto endLength = static_cast<int64_t>(characterCount(end));
    if (length < endLength || leeway < 0)
        throw Failure("truncate needs a length of at least its end mark");
    if (n <= length || n - length <= leeway)
        return in;
    if (!in.isString())
        throw Failure(std::string("a ") + in.typeName() + " cannot be truncated");
    TaggedText out = slice(text, 0, starts[length - endLength]);
    if (!flagArgument(args, 1, "killwords", false))
        if (const size_t blank = out.text.rfind(' '); blank != std::string::npos)
            out = slice(out, 0, blank);
    append(out, end);
    return run.text(std::move(out));
}

Value filterWordcount(Run& run, const Value& in, Args&) {
    const TaggedText text = toText(run, in);
    run.work(text.text.size());
    int64_t words = 0;
    bool inWord = false;
    for (size_t i = 0; i < text.text.size();) {
        const CodePoint c = decodeUtf8(std::string_view(text.text).substr(i));
        const bool wordLike = c.valid && (c.value == '_' || (charClass(c.value) & (kLetter | kNumber)));
        words += wordLike && !inWord;
        inWord = wordLike;
        i += c.length;
    }
    return words;
}

/// Each character through a table of replacements; what comes out keeps the character's provenance.
template <class Replacement>
TaggedText mapBytes(Run& run, const TaggedText& text, const Replacement& replacement) {
    TaggedText out;
    std::string one;
    for (size_t i = 0; i < text.text.size(); i++) {
        one.clear();
        replacement(text.text[i], one);
        append(out, one, untrustedAt(text, i));
    }
    run.steps(text.text.size() / 8);
    return out;
}

template <bool again> // what is marked as escaped too
Value filterEscape(Run& run, const Value& in, Args&) {
    if (in.isMarkup() && !again)
        return in;
    const TaggedText text = toText(run, in);
    run.work(4 * text.text.size());
    return run.text(escapeHtml(text), true);
}

/// `query`: as a part of key=value&key=value.
TaggedText urlEncoded(Run& run, const TaggedText& text, bool query) {
    return mapBytes(run, text, [query](char c, std::string& out) {
        const auto byte = static_cast<unsigned char>(c);
        const std::string_view kept = query ? "_.-~" : "_.-~/";
        if ((charClass(byte) & (kLetter | kNumber) && byte < 0x80) || kept.find(c) != kept.npos) {
            out += c;
        } else if (query && c == ' ') {
            out += '+';
        } else {
            constexpr char hex[] = "0123456789ABCDEF";
            out += '%';
            out += hex[byte >> 4];
            out += hex[byte & 15];
        }
    });
}

Value filterUrlencode(Run& run, const Value& in, Args& args) {
    if (!in.isDict() && !in.isSequence())
        return run.text(urlEncoded(run, toText(run, in), false));
    TaggedText out;
    for (const Value& pair : iterate(run, in.isDict() ? filterItems(run, in, args) : in)) {
        const std::vector<Value> both = iterate(run, pair);
        if (both.size() != 2)
            throw Failure("urlencode needs pairs");
        append(out, out.text.empty() ? "" : "&");
        append(out, urlEncoded(run, toText(run, both[0]), true));
        append(out, "=");
        append(out, urlEncoded(run, toText(run, both[1]), true));
    }
    return run.text(std::move(out));
}

TaggedText withoutTags(const TaggedText& t) {
    TaggedText out;
    for (size_t at = 0; at < t.text.size();) {
        const size_t open = std::min(t.text.find('<', at), t.text.size());
        append(out, t, at, open);
        const bool comment = t.text.compare(open, 4, "<!--") == 0;
        const size_t close = comment ? t.text.find("-->", open) : t.text.find('>', open);
        if (open == t.text.size() || close == std::string::npos) {
            append(out, t, open, t.text.size());
            break;
        }
        at = close + (comment ? 3 : 1);
    }
    return out;
}

/// The characters that entities stand for: numbers and the names that escaping makes.
TaggedText unescaped(const TaggedText& t) {
    constexpr std::pair<std::string_view, char32_t> names[] = {{"amp", '&'},  {"lt", '<'},    {"gt", '>'},
                                                               {"quot", '"'}, {"apos", '\''}, {"nbsp", 0xA0}};
    const auto meant = [&](std::string_view entity) -> char32_t {
        for (const auto& [name, c] : names)
            if (entity == name)
                return c;
        const bool hex = entity.starts_with("#x") || entity.starts_with("#X");
        int64_t number = 0;
        if (!entity.starts_with('#') || !parseWhole(entity.substr(hex ? 2 : 1), hex ? 16 : 10, number))
            return 0;
        return number > 0 && number <= 0x10FFFF ? static_cast<char32_t>(number) : 0;
    };
    TaggedText out;
    size_t plain = 0;
    for (size_t i = 0; i < t.text.size(); i++) {
        if (t.text[i] != '&')
            continue;
        const size_t end = t.text.find(';', i);
        if (end == std::string::npos || end - i > 12)
            continue;
        const char32_t c = meant(std::string_view(t.text).substr(i + 1, end - i - 1));
        if (c == 0)
            continue;
        std::string character;
        appendUtf8(character, c);
        append(out, t, plain, i);
        append(out, character, untrustedAt(t, i));
        plain = end + 1;
        i = end;
    }
    append(out, t, plain, t.text.size());
    return out;
}

Value filterStriptags(Run& run, const Value& in, Args&) {
    const TaggedText text = toText(run, in);
    run.work(8 * text.text.size());
    TaggedText joined;
    for (const TaggedText& word : split(withoutTags(text), "")) {
        if (!joined.text.empty())
            append(joined, " ");
        append(joined, word);
    }
    return run.text(unescaped(joined));
}

/// Where a text may be broken, as Python's textwrap sees it: around runs of blanks, behind hyphens between letters,
/// around dashes between words. Gives the ends of the chunks, in bytes.
std::vector<size_t> wrapChunks(std::string_view line) {
    std::u32string text;
    std::vector<size_t> ends; // [characters], then only of the chunks
    for (size_t i = 0; i < line.size();) {
        const CodePoint c = decodeUtf8(line.substr(i));
        text += c.value;
        ends.push_back(i += c.length);
    }
    const size_t n = text.size();
    const auto blank = [&](size_t i) {
        return std::u32string_view(U"\t\n\v\f\r ").find(text[i]) != std::u32string_view::npos;
    };
    const auto hyphen = [&](size_t i) { return i < n && text[i] == '-'; };
    const auto letter = [&](size_t i) { return i < n && (text[i] == '_' || (charClass(text[i]) & kLetter)); };
    const auto word = [&](size_t i) { return letter(i) || (i < n && (charClass(text[i]) & kNumber)); };
    const auto beforeDash = [&](size_t i) {
        return word(i) || std::u32string_view(U"!\"'&.,?").find(text[i]) != std::u32string_view::npos;
    };
    const auto hyphenated = [&](size_t i) { // by the hyphen at i
        return i >= 2 && letter(i - 1) && (letter(i - 2) || (hyphen(i - 2) && i >= 3 && letter(i - 3))) &&
               letter(i + 1) && (letter(i + 2) || (hyphen(i + 2) && letter(i + 3)));
    };
    size_t dashEnd = 0; // the dash being read ends before this character
    size_t chunks = 0;
    for (size_t i = 0; i < n; i++) {
        bool cut =
            i + 1 == n || blank(i) != blank(i + 1) || (hyphen(i) && hyphenated(i)) || (dashEnd && i + 1 == dashEnd);
        if (i + 1 < n && !hyphen(i) && hyphen(i + 1) && hyphen(i + 2) && beforeDash(i)) {
            const size_t end = std::min(text.find_first_not_of('-', i + 1), n);
            dashEnd = word(end) ? end : 0;
            cut = cut || dashEnd;
        }
        if (cut)
            ends[chunks++] = ends[i];
    }
    ends.resize(chunks);
    return ends;
}

/// One line of a text in lines of at most `width` characters, by textwrap's rules (what does not fit is cut to the room
/// that is left, even if there is none).
class Wrapper {
public:
    Wrapper(Run& run, TaggedText& out, size_t width, bool breakLong, const TaggedText& wrap)
        : run_(run), out_(out), width_(width), breakLong_(breakLong), wrap_(wrap) {}

    void add(TaggedText chunk) {
        size_t length = characterCount(chunk);
        while (breakLong_ && length > width_) {
            if (row_.empty() && dropped(chunk))
                return;
            const size_t cut = cutOf(chunk, length);
            row_.push_back(slice(chunk, 0, cut));
            chunk = slice(chunk, cut, chunk.text.size());
            length = characterCount(chunk);
            endRow();
            run_.work(chunk.text.size());
        }
        if (used_ + length > width_)
            endRow();
        if (row_.empty() && dropped(chunk))
            return;
        used_ += length;
        row_.push_back(std::move(chunk));
    }

    void endRow() {
        if (!row_.empty() && strip(row_.back(), Side::Both).text.empty())
            row_.pop_back();
        if (!row_.empty()) {
            append(out_, begun_ ? wrap_ : TaggedText());
            for (const TaggedText& part : row_)
                append(out_, part);
            begun_ = true;
            run_.checkText(out_);
        }
        row_.clear();
        used_ = 0;
    }

private:
    /// No line but the first begins with blanks.
    bool dropped(const TaggedText& chunk) const { return begun_ && strip(chunk, Side::Both).text.empty(); }

    /// How much of a long chunk goes on the present line, in bytes: behind a hyphen when there is one.
    size_t cutOf(const TaggedText& chunk, size_t length) const {
        const size_t room = width_ - std::min(used_, width_);
        const size_t cut = characterStarts(chunk.text)[std::min(room, length)];
        const size_t hyphen = std::string_view(chunk.text).substr(0, cut).rfind('-');
        const bool useful = hyphen != std::string::npos && hyphen > 0 &&
                            std::string_view(chunk.text).substr(0, hyphen).find_first_not_of('-') < hyphen;
        return useful ? hyphen + 1 : cut;
    }

    Run& run_;
    TaggedText& out_;
    const size_t width_;
    const bool breakLong_;
    const TaggedText& wrap_;
    std::vector<TaggedText> row_;
    size_t used_ = 0;    // characters in it
    bool begun_ = false; // a line has been written
};

Value filterWordwrap(Run& run, const Value& in, Args& args) {
    args.only("wordwrap", {"width", "break_long_words", "wrapstring", "break_on_hyphens"});
    const int64_t width = widthArgument(args, 0, "width", 79);
    if (width < 1)
        throw Failure("wordwrap needs a width of at least 1");
    const bool breakLong = flagArgument(args, 1, "break_long_words", true);
    const TaggedText wrap = textArgument(run, args, 2, "wrapstring", "\n"), text = toText(run, in);
    TaggedText out;
    bool firstLine = true;
    for (const TaggedText& line : splitLines(text, false)) {
        if (!firstLine)
            append(out, wrap);
        firstLine = false;
        Wrapper wrapper(run, out, static_cast<size_t>(width), breakLong, wrap);
        size_t begin = 0;
        for (const size_t end : wrapChunks(line.text)) {
            run.step();
            wrapper.add(slice(line, begin, end));
            begin = end;
        }
        wrapper.endRow();
    }
    return run.text(std::move(out));
}

/// One of the items: the same in every run, so that a prompt can be made again.
Value filterRandom(Run& run, const Value& in, Args&) {
    const std::vector<Value> items = iterate(run, in);
    return items.empty() ? Value() : items[items.size() / 2];
}

/// 1234567 -> "1.2 MB".
Value filterFilesizeformat(Run& run, const Value& in, Args& args) {
    args.only("filesizeformat", {"value", "binary"});
    Args none;
    const double bytes = findFilter("float")(run, in, none).number();
    const bool binary = flagArgument(args, 0, "binary", false);
    const double base = binary ? 1024 : 1000;
    if (bytes == 1)
        return run.text("1 Byte");
    if (bytes < base)
        return run.text(std::to_string(static_cast<int64_t>(std::max(bytes, -9e18))) + " Bytes");
    char number[400];
    constexpr std::string_view letters = "kMGTPEZY", binaryLetters = "KMGTPEZY";
    double unit = base;
    size_t i = 0;
    for (; i + 1 < letters.size() && bytes >= unit * base; i++)
        unit *= base;
    const char* end =
        std::to_chars(number, number + sizeof number, base * bytes / (unit * base), std::chars_format::fixed, 1).ptr;
    std::string out(static_cast<const char*>(number), end);
    out += ' ';
    out += (binary ? binaryLetters : letters)[i];
    out += binary ? "iB" : "B";
    return run.text(out);
}

/// A dict as attributes of a tag.
Value filterXmlattr(Run& run, const Value& in, Args& args) {
    args.only("xmlattr", {"autospace"});
    if (!in.isDict())
        throw Failure(std::string("a ") + in.typeName() + " has no attributes for a tag");
    TaggedText out;
    for (const auto& [key, value] : static_cast<const Dict*>(in.object())->entries) {
        if (value.isNone() || value.isUndefined())
            continue;
        const TaggedText name = toText(run, key);
        if (name.text.find_first_of(" \t\n\f\r/>=") != std::string::npos)
            throw Failure("the name of an attribute holds a blank, '/', '>' or '='");
        append(out, out.text.empty() ? "" : " ");
        append(out, escapeHtml(name));
        append(out, "=\"");
        append(out, escapeHtml(toText(run, value)));
        append(out, "\"");
    }
    if (flagArgument(args, 0, "autospace", true) && !out.text.empty()) {
        TaggedText spaced = trusted(" ");
        append(spaced, out);
        out = std::move(spaced);
    }
    return run.text(std::move(out));
}

Value filterFormat(Run& run, const Value& in, Args& args) {
    const TaggedText pattern = toText(run, in);
    if (args.named.empty())
        return formatPercent(run, pattern, run.tuple(args.positional));
    auto* named = run.make<Dict>();
    for (const auto& [name, value] : args.named)
        named->set(run, run.text(name), value);
    return formatPercent(run, pattern, named);
}

// --- numbers

Value filterAbs(Run&, const Value& in, Args&) {
    if (!in.isNumber())
        throw Failure(std::string("a ") + in.typeName() + " has no absolute value");
    if (in.isFloat())
        return std::abs(in.number());
    if (in.whole() == INT64_MIN)
        throw Failure("a number is too large");
    return std::abs(in.whole());
}

bool parseReal(std::string_view text, double& out) {
    std::string s = strip(trusted(text), Side::Both).text;
    std::erase(s, '_');
    if (s.starts_with('+'))
        s.erase(0, 1);
    const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), out);
    return !s.empty() && error == std::errc() && end == s.data() + s.size();
}

Value filterInt(Run&, const Value& in, Args& args) {
    args.only("int", {"default", "base"});
    const Value* given = args.get(0, "default");
    const Value fallback = given ? *given : Value(int64_t(0));
    const int64_t base = wholeArgument(args, 1, "base", 10);
    if (in.isWhole())
        return in.whole();
    double real;
    int64_t whole;
    if (in.isString() && base >= 2 && base <= 36 && parseWhole(in.text().text, static_cast<int>(base), whole))
        return whole;
    if (in.isFloat())
        real = in.number();
    else if (!in.isString() || !parseReal(in.text().text, real))
        return fallback;
    return std::abs(real) < 9.2e18 ? Value(static_cast<int64_t>(real)) : fallback;
}

Value filterFloat(Run&, const Value& in, Args& args) {
    const Value* given = args.get(0, "default");
    double real;
    if (in.isNumber())
        return in.number();
    if (in.isString() && parseReal(in.text().text, real))
        return real;
    return given ? *given : Value(0.0);
}

Value filterRound(Run&, const Value& in, Args& args) {
    args.only("round", {"precision", "method"});
    if (!in.isNumber())
        throw Failure(std::string("a ") + in.typeName() + " cannot be rounded");
    const int64_t precision = wholeArgument(args, 0, "precision", 0);
    const Value* method = args.get(1, "method");
    const std::string how = method && method->isString() ? method->text().text : "common";
    if (how != "common" && how != "ceil" && how != "floor")
        throw Failure("round knows common, ceil and floor");
    if (how == "common" && in.isWhole() && precision >= 0)
        return in.whole();
    if (precision > 22 || !std::isfinite(in.number()))
        return in.number();
    if (precision < -300)
        return 0.0;
    const double scale = std::pow(10.0, static_cast<double>(precision));
    if (how != "common")
        return (how == "ceil" ? std::ceil(in.number() * scale) : std::floor(in.number() * scale)) / scale;
    if (precision < 0) {
        const double rounded = std::nearbyint(in.number() * scale) / scale;
        return in.isWhole() ? Value(static_cast<int64_t>(rounded)) : Value(rounded);
    }
    char digits[400]; // Python rounds the decimal digits, not the product
    const char* end = std::to_chars(digits, digits + sizeof digits, in.number(), std::chars_format::fixed,
                                    static_cast<int>(precision))
                          .ptr;
    double rounded = 0;
    std::from_chars(digits, end, rounded);
    return rounded;
}

// --- attributes of items: "a.b.0"

Value dig(Run& run, const Value& v, const TaggedText& path) {
    Value out = v;
    for (const TaggedText& part : split(path, ".")) {
        run.step();
        if (out.isUndefined())
            return out;
        int64_t index;
        const bool isIndex =
            !part.text.empty() && part.text[0] >= '0' && part.text[0] <= '9' && parseWhole(part.text, 10, index);
        out = isIndex ? itemOf(run, out, index) : itemOf(run, out, run.text(part));
    }
    return out;
}

Value attributeArgument(Run& run, const Value& item, const Value& attribute) {
    if (attribute.isWhole())
        return itemOf(run, item, attribute);
    if (!attribute.isString())
        throw Failure("an attribute must be a text");
    return dig(run, item, attribute.text());
}

Value lowered(Run& run, const Value& v, bool caseSensitive) {
    return v.isString() && !caseSensitive ? run.text(mapCase(v.text(), Case::Lower)) : v;
}

/// Sorts by a key for each item; equal ones keep their order.
void sortBy(Run& run, std::vector<Value>& items, bool descending, const auto& keyOf) {
    std::vector<std::pair<Value, Value>> keyed;
    keyed.reserve(items.size());
    for (const Value& v : items)
        keyed.emplace_back(keyOf(v), v);
    std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
        return descending ? compare(run, b.first, a.first) < 0 : compare(run, a.first, b.first) < 0;
    });
    for (size_t i = 0; i < items.size(); i++)
        items[i] = keyed[i].second;
}

// --- lists

Value filterLength(Run& run, const Value& in, Args&) {
    return lengthOf(run, in);
}

Value filterList(Run& run, const Value& in, Args&) {
    return run.list(iterate(run, in));
}

Value filterFirst(Run& run, const Value& in, Args&) {
    const std::vector<Value> items = iterate(run, in);
    return items.empty() ? Value() : items.front();
}

Value filterLast(Run& run, const Value& in, Args&) {
    const std::vector<Value> items = iterate(run, in);
    return items.empty() ? Value() : items.back();
}

Value filterJoin(Run& run, const Value& in, Args& args) {
    args.only("join", {"d", "attribute"});
    const Value *separator = args.get(0, "d"), *attribute = args.get(1, "attribute");
    const TaggedText between = separator ? toText(run, *separator) : TaggedText();
    TaggedText out;
    bool first = true;
    for (const Value& item : iterate(run, in)) {
        run.step();
        if (!first)
            append(out, between);
        first = false;
        appendText(run, out, attribute && !attribute->isNone() ? attributeArgument(run, item, *attribute) : item);
        run.checkText(out);
        run.work(between.text.size());
    }
    return run.text(std::move(out));
}

Value filterDefault(Run& run, const Value& in, Args& args) {
    args.only("default", {"default_value", "boolean"});
    const Value* fallback = args.get(0, "default_value");
    if (in.isUndefined() || (flagArgument(args, 1, "boolean", false) && !truthy(in)))
        return fallback ? *fallback : run.text(std::string_view());
    return in;
}

Value filterItems(Run& run, const Value& in, Args&) {
    if (in.isUndefined())
        return run.list({});
    if (!in.isDict())
        throw Failure(std::string("a ") + in.typeName() + " has no items");
    std::vector<Value> out;
    for (const auto& [k, v] : static_cast<const Dict*>(in.object())->entries)
        out.push_back(run.tuple({k, v}));
    return run.list(std::move(out));
}

Value filterDictsort(Run& run, const Value& in, Args& args) {
    args.only("dictsort", {"case_sensitive", "by", "reverse"});
    const bool caseSensitive = flagArgument(args, 0, "case_sensitive", false);
    const Value* by = args.get(1, "by");
    const size_t place = by && by->isString() && by->text().text == "value" ? 1 : 0;
    Args none;
    const Value pairs = filterItems(run, in, none);
    std::vector<Value> items = static_cast<const List*>(pairs.object())->items;
    sortBy(run, items, flagArgument(args, 2, "reverse", false), [&](const Value& pair) {
        return lowered(run, static_cast<const List*>(pair.object())->items[place], caseSensitive);
    });
    return run.list(std::move(items));
}

Value keyOfItem(Run& run, const Value& item, const Value* attribute, bool caseSensitive) {
    if (!attribute || attribute->isNone())
        return lowered(run, item, caseSensitive);
    if (attribute->isString() && attribute->text().text.find(',') != std::string::npos) {
        std::vector<Value> keys;
        for (const TaggedText& part : split(attribute->text(), ","))
            keys.push_back(lowered(run, dig(run, item, part), caseSensitive));
        return run.tuple(std::move(keys));
    }
    return lowered(run, attributeArgument(run, item, *attribute), caseSensitive);
}

Value filterSort(Run& run, const Value& in, Args& args) {
    args.only("sort", {"reverse", "case_sensitive", "attribute"});
    std::vector<Value> items = iterate(run, in);
    const bool caseSensitive = flagArgument(args, 1, "case_sensitive", false);
    const Value* attribute = args.get(2, "attribute");
    sortBy(run, items, flagArgument(args, 0, "reverse", false),
           [&](const Value& v) { return keyOfItem(run, v, attribute, caseSensitive); });
    return run.list(std::move(items));
}

Value filterUnique(Run& run, const Value& in, Args& args) {
    args.only("unique", {"case_sensitive", "attribute"});
    const bool caseSensitive = flagArgument(args, 0, "case_sensitive", false);
    const Value* attribute = args.get(1, "attribute");
    auto* seen = run.make<Dict>();
    std::vector<Value> out;
    for (const Value& item : iterate(run, in)) {
        const Value key = keyOfItem(run, item, attribute, caseSensitive);
        if (seen->find(run, key))
            continue;
        seen->set(run, key, true);
        out.push_back(item);
    }
    return run.list(std::move(out));
}

template <int sign>
Value filterExtreme(Run& run, const Value& in, Args& args) {
    args.only("min and max", {"case_sensitive", "attribute"});
    const bool caseSensitive = flagArgument(args, 0, "case_sensitive", false);
    const Value* attribute = args.get(1, "attribute");
    Value best, bestKey;
    bool begun = false;
    for (const Value& item : iterate(run, in)) {
        const Value key = keyOfItem(run, item, attribute, caseSensitive);
        if (!begun || sign * compare(run, key, bestKey) > 0) {
            best = item;
            bestKey = key;
        }
        begun = true;
    }
    return best;
}

Value filterSum(Run& run, const Value& in, Args& args) {
    args.only("sum", {"attribute", "start"});
    const Value *attribute = args.get(0, "attribute"), *start = args.get(1, "start");
    Value total = start ? *start : Value(int64_t(0));
    for (const Value& item : iterate(run, in))
        total = binary(run, BinaryOperator::Add, total,
                       attribute && !attribute->isNone() ? attributeArgument(run, item, *attribute) : item);
    return total;
}

Value filterBatch(Run& run, const Value& in, Args& args) {
    args.only("batch", {"linecount", "fill_with"});
    const int64_t n = wholeArgument(args, 0, "linecount", 0);
    if (n < 1)
        throw Failure("batch needs a count of at least 1");
    const Value* fill = args.get(1, "fill_with");
    std::vector<Value> out, row;
    for (Value& item : iterate(run, in)) {
        if (static_cast<int64_t>(row.size()) == n)
            out.push_back(run.list(std::exchange(row, {})));
        row.push_back(std::move(item));
    }
    if (!row.empty()) {
        if (fill && !fill->isNone() && n > kWidest)
            throw Failure("batch would fill too many places");
        while (fill && !fill->isNone() && static_cast<int64_t>(row.size()) < n)
            row.push_back(*fill);
        out.push_back(run.list(std::move(row)));
    }
    return run.list(std::move(out));
}

Value filterSlice(Run& run, const Value& in, Args& args) {
    args.only("slice", {"slices", "fill_with"});
    const int64_t n = wholeArgument(args, 0, "slices", 0);
    if (n < 1 || n > kWidest)
        throw Failure("slice needs a count of at least 1");
    const Value* fill = args.get(1, "fill_with");
    const std::vector<Value> items = iterate(run, in);
    const auto count = static_cast<int64_t>(items.size());
    const int64_t each = count / n, more = count % n;
    std::vector<Value> out;
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t take = each + (i < more);
        std::vector<Value> row(items.begin() + at, items.begin() + at + take);
        at += take;
        if (fill && !fill->isNone() && i >= more)
            row.push_back(*fill);
        out.push_back(run.list(std::move(row)));
    }
    return run.list(std::move(out));
}

Value filterGroupby(Run& run, const Value& in, Args& args) {
    args.only("groupby", {"attribute", "default", "case_sensitive"});
    const Value *attribute = args.get(0, "attribute"), *fallback = args.get(1, "default");
    if (!attribute)
        throw Failure("groupby needs an attribute");
    const bool caseSensitive = flagArgument(args, 2, "case_sensitive", false);
    const auto keyOf = [&](const Value& item) {
        const Value v = attributeArgument(run, item, *attribute);
        return v.isUndefined() && fallback ? *fallback : v;
    };
    std::vector<Value> items = iterate(run, in);
    sortBy(run, items, false, [&](const Value& v) { return lowered(run, keyOf(v), caseSensitive); });
    std::vector<Value> out;
    for (size_t i = 0; i < items.size();) {
        const Value key = keyOf(items[i]);
        std::vector<Value> group;
        for (; i < items.size() &&
               equal(run, lowered(run, keyOf(items[i]), caseSensitive), lowered(run, key, caseSensitive));
             i++)
            group.push_back(items[i]);
        const Value row = run.tuple({key, run.list(std::move(group))});
        static constexpr std::string_view names[] = {"grouper", "list"};
        static_cast<List*>(row.object())->names = names;
        out.push_back(row);
    }
    return run.list(std::move(out));
}

Value filterMap(Run& run, const Value& in, Args& args) {
    std::vector<Value> out;
    if (!truthy(in))
        return run.list(std::move(out));
    const Value* attribute = args.positional.empty() ? args.get(9, "attribute") : nullptr;
    if (attribute) {
        const Value* fallback = args.get(9, "default");
        for (const Value& item : iterate(run, in)) {
            const Value v = attributeArgument(run, item, *attribute);
            out.push_back(v.isUndefined() && fallback ? *fallback : v);
        }
        return run.list(std::move(out));
    }
    if (args.positional.empty() || !args.positional[0].isString())
        throw Failure("map needs a filter's name or an attribute");
    const std::string& name = args.positional[0].text().text;
    const Filter filter = findFilter(name);
    if (!filter)
        throw Failure("there is no filter called '" + name + "'");
    Args rest;
    rest.positional.assign(args.positional.begin() + 1, args.positional.end());
    rest.named = args.named;
    for (const Value& item : iterate(run, in)) {
        run.step();
        out.push_back(filter(run, item, rest));
    }
    return run.list(std::move(out));
}

/// select, reject, selectattr, rejectattr.
template <bool keep, bool byAttribute>
Value filterSelect(Run& run, const Value& in, Args& args) {
    const size_t first = byAttribute ? 1 : 0;
    if (!truthy(in))
        return run.list({});
    if (byAttribute && args.positional.empty())
        throw Failure("selectattr needs an attribute");
    Test test = nullptr;
    if (args.positional.size() > first) {
        const Value& name = args.positional[first];
        test = name.isString() ? findTest(name.text().text) : nullptr;
        if (!test)
            throw Failure("there is no test called '" + toText(run, name).text + "'");
    }
    Args rest;
    if (test)
        rest.positional.assign(args.positional.begin() + static_cast<std::ptrdiff_t>(first) + 1, args.positional.end());
    std::vector<Value> out;
    for (const Value& item : iterate(run, in)) {
        run.step();
        const Value v = byAttribute ? attributeArgument(run, item, args.positional[0]) : item;
        if ((test ? test(run, v, rest) : truthy(v)) == keep)
            out.push_back(item);
    }
    return run.list(std::move(out));
}

Value filterAttr(Run& run, const Value& in, Args& args) {
    const TaggedText name = textArgument(run, args, 0, "name", "");
    if (in.isDict() && !findMethod(in, name.text)) // unlike the dot, it does not look for items
        return {};
    return attributeOf(run, in, name.text, nullptr);
}

Value filterSafe(Run& run, const Value& in, Args&) {
    return in.isMarkup() ? in : run.text(toText(run, in), true);
}

Value filterPprint(Run& run, const Value& in, Args&) {
    TaggedText out;
    appendRepr(run, out, in);
    return run.text(std::move(out));
}

Value filterTojson(Run& run, const Value& in, Args& args) {
    args.only("tojson", {"ensure_ascii", "indent", "separators", "sort_keys"});
    JsonStyle style;
    const Value* indent = args.get(1, "indent");
    style.ensureAscii = flagArgument(args, 0, "ensure_ascii", false);
    style.sortKeys = flagArgument(args, 3, "sort_keys", false);
    style.pretty = indent && !indent->isNone() && !indent->isUndefined();
    if (style.pretty && indent->isString()) {
        style.indent = indent->text();
    } else if (style.pretty) {
        const int64_t n = wholeArgument(args, 1, "indent", 0);
        if (n > kWidest)
            throw Failure("'indent' is too large");
        style.indent = trusted(std::string(std::max<int64_t>(n, 0), ' '));
    }
    style.itemSeparator = trusted(style.pretty ? "," : ", ");
    style.keySeparator = trusted(": ");
    if (const Value* separators = args.get(2, "separators"); separators && !separators->isNone()) {
        const std::vector<Value> both = iterate(run, *separators);
        if (both.size() != 2 || !both[0].isString() || !both[1].isString())
            throw Failure("'separators' must be two texts");
        style.itemSeparator = both[0].text();
        style.keySeparator = both[1].text();
    }
    TaggedText out;
    appendJson(run, out, in, style);
    return run.text(std::move(out));
}

Value filterFromJson(Run& run, const Value& in, Args&) {
    return parseJson(run, toText(run, in));
}

struct FilterRow {
    std::string_view name;
    Filter filter;
};

constexpr FilterRow kFilters[] = {
    {"abs", filterAbs},
    {"attr", filterAttr},
    {"batch", filterBatch},
    {"capitalize", filterCase<Case::Capitalize>},
    {"center", filterCenter},
    {"count", filterLength},
    {"d", filterDefault},
    {"default", filterDefault},
    {"dictsort", filterDictsort},
    {"e", filterEscape<false>},
    {"escape", filterEscape<false>},
    {"filesizeformat", filterFilesizeformat},
    {"first", filterFirst},
    {"float", filterFloat},
    {"forceescape", filterEscape<true>},
    {"format", filterFormat},
    {"from_json", filterFromJson},
    {"fromjson", filterFromJson},
    {"groupby", filterGroupby},
    {"indent", filterIndent},
    {"int", filterInt},
    {"items", filterItems},
    {"join", filterJoin},
    {"last", filterLast},
    {"length", filterLength},
    {"list", filterList},
    {"lower", filterCase<Case::Lower>},
    {"map", filterMap},
    {"max", filterExtreme<1>},
    {"min", filterExtreme<-1>},
    {"pprint", filterPprint},
    {"random", filterRandom},
    {"reject", filterSelect<false, false>},
    {"rejectattr", filterSelect<false, true>},
    {"replace", filterReplace},
    {"reverse", filterReverse},
    {"round", filterRound},
    {"safe", filterSafe},
    {"select", filterSelect<true, false>},
    {"selectattr", filterSelect<true, true>},
    {"slice", filterSlice},
    {"sort", filterSort},
    {"string", filterString},
    {"striptags", filterStriptags},
    {"sum", filterSum},
    {"title", filterTitle},
    {"tojson", filterTojson},
    {"trim", filterTrim},
    {"truncate", filterTruncate},
    {"unique", filterUnique},
    {"upper", filterCase<Case::Upper>},
    {"urlencode", filterUrlencode},
    {"wordcount", filterWordcount},
    {"wordwrap", filterWordwrap},
    {"xmlattr", filterXmlattr},
};

} // namespace

Filter findFilter(std::string_view name) {
    for (const FilterRow& row : kFilters)
        if (row.name == name)
            return row.filter;
    return nullptr;
}

} // namespace hearth::engine::jinja
