// Filters that make texts of texts.

#include "engine/jinja/builtins.h"
#include "engine/jinja/nodes.h"
#include "engine/unicode.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace hearth::engine::jinja {

namespace {

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
        run.checkText(out);
    }
    run.steps(text.text.size() / 8);
    return out;
}

template <bool again> // what is marked as escaped too
Value filterEscape(Run& run, const Value& in, Args&) {
    if (in.isMarkup() && !again)
        return in;
    const TaggedText text = toText(run, in);
    const auto special = std::count_if(text.text.begin(), text.text.end(), [](char c) {
        return std::string_view("&<>'\"").find(c) != std::string_view::npos;
    });
    run.checkSize(text.text.size() + 4 * static_cast<size_t>(special));
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
    for (const Value& pair : iterate(run, in.isDict() ? findFilter("items")(run, in, args) : in)) {
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
        const std::string_view entity = std::string_view(t.text).substr(i + 1, 12);
        const size_t length = entity.find(';');
        if (length == entity.npos)
            continue;
        const char32_t c = meant(entity.substr(0, length));
        if (c == 0)
            continue;
        std::string character;
        appendUtf8(character, c);
        append(out, t, plain, i);
        append(out, character, untrustedAt(t, i));
        i += length + 1;
        plain = i + 1;
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
    if (in.isString() && in.text().text.size() > 1 << 20)
        throw Failure("a text of more than 1 MiB is not wrapped");
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

constexpr FilterRow kTextFilters[] = {
    {"capitalize", filterCase<Case::Capitalize>},
    {"center", filterCenter},
    {"e", filterEscape<false>},
    {"escape", filterEscape<false>},
    {"filesizeformat", filterFilesizeformat},
    {"forceescape", filterEscape<true>},
    {"format", filterFormat},
    {"indent", filterIndent},
    {"lower", filterCase<Case::Lower>},
    {"replace", filterReplace},
    {"reverse", filterReverse},
    {"string", filterString},
    {"striptags", filterStriptags},
    {"title", filterTitle},
    {"trim", filterTrim},
    {"truncate", filterTruncate},
    {"upper", filterCase<Case::Upper>},
    {"urlencode", filterUrlencode},
    {"wordcount", filterWordcount},
    {"wordwrap", filterWordwrap},
    {"xmlattr", filterXmlattr},
};

} // namespace

Filter findTextFilter(std::string_view name) {
    for (const FilterRow& row : kTextFilters)
        if (row.name == name)
            return row.filter;
    return nullptr;
}

} // namespace hearth::engine::jinja
