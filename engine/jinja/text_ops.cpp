#include "engine/jinja/text_ops.h"

#include "engine/unicode.h"

#include <unicode/locid.h>
#include <unicode/ucasemap.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>

namespace hearth::engine::jinja {

namespace {

void addRange(TaggedText& t, size_t begin, size_t end) {
    if (begin >= end)
        return;
    if (!t.untrusted.empty() && t.untrusted.back().end == begin)
        t.untrusted.back().end = end;
    else
        t.untrusted.push_back({begin, end});
}

/// The first range that ends behind `byte`.
auto rangeFrom(const TaggedText& t, size_t byte) {
    return std::partition_point(t.untrusted.begin(), t.untrusted.end(), [&](const auto& r) { return r.end <= byte; });
}

} // namespace

bool isBlank(char32_t c) {
    return (charClass(c) & kSpace) || (c >= 0x1C && c <= 0x1F);
}

bool isPrintable(char32_t c) {
    if (c == ' ')
        return true;
    switch (u_charType(static_cast<UChar32>(c))) {
    case U_UNASSIGNED:
    case U_CONTROL_CHAR:
    case U_FORMAT_CHAR:
    case U_SURROGATE:
    case U_PRIVATE_USE_CHAR:
    case U_SPACE_SEPARATOR:
    case U_LINE_SEPARATOR:
    case U_PARAGRAPH_SEPARATOR:
        return false;
    default:
        return true;
    }
}

void append(TaggedText& out, std::string_view trusted) {
    out.text.append(trusted);
}

void append(TaggedText& out, std::string_view bytes, bool untrusted) {
    const size_t begin = out.text.size();
    out.text.append(bytes);
    if (untrusted)
        addRange(out, begin, out.text.size());
}

void append(TaggedText& out, const TaggedText& in) {
    append(out, in, 0, in.text.size());
}

void append(TaggedText& out, const TaggedText& in, size_t begin, size_t end) {
    const size_t base = out.text.size();
    out.text.append(in.text, begin, end - begin);
    for (auto r = rangeFrom(in, begin); r != in.untrusted.end() && r->begin < end; ++r)
        addRange(out, base + std::max(r->begin, begin) - begin, base + std::min(r->end, end) - begin);
}

bool untrustedAt(const TaggedText& t, size_t byte) {
    const auto r = rangeFrom(t, byte);
    return r != t.untrusted.end() && r->begin <= byte;
}

TaggedText slice(const TaggedText& t, size_t begin, size_t end) {
    TaggedText out;
    append(out, t, begin, end);
    return out;
}

TaggedText trusted(std::string_view s) {
    return {std::string(s), {}};
}

size_t characterCount(const TaggedText& t) {
    return countCodePoints(t.text);
}

std::vector<size_t> characterStarts(std::string_view text) {
    std::vector<size_t> starts;
    starts.reserve(text.size() + 1);
    size_t i = 0;
    for (; i < text.size(); i += decodeUtf8(text.substr(i)).length)
        starts.push_back(i);
    starts.push_back(text.size());
    return starts;
}

TaggedText strip(const TaggedText& t, Side side, std::optional<std::string_view> chars) {
    const std::string_view text = t.text;
    std::vector<char32_t> set;
    for (size_t i = 0; chars && i < chars->size();) {
        const CodePoint c = decodeUtf8(chars->substr(i));
        set.push_back(c.value);
        i += c.length;
    }
    const auto drop = [&](const CodePoint& c) {
        return chars ? std::find(set.begin(), set.end(), c.value) != set.end() : c.valid && isBlank(c.value);
    };
    size_t begin = 0, end = text.size();
    while (side != Side::Right && begin < end) {
        const CodePoint c = decodeUtf8(text.substr(begin));
        if (!drop(c))
            break;
        begin += c.length;
    }
    while (side != Side::Left && end > begin) {
        size_t start = end - 1;
        while (start > begin && end - start < 4 && isUtf8Continuation(text[start]))
            start--;
        CodePoint c = decodeUtf8(text.substr(start, end - start));
        if (start + c.length != end) {
            c = {};
            start = end - 1;
        }
        if (!drop(c))
            break;
        end = start;
    }
    return slice(t, begin, end);
}

namespace {

/// Words between runs of blanks; the last part keeps what is behind the last cut.
std::vector<TaggedText> splitAtBlanks(const TaggedText& t, int64_t most) {
    std::vector<TaggedText> out;
    const std::string_view text = t.text;
    size_t at = 0;
    const auto skip = [&](bool blanks) {
        while (at < text.size()) {
            const CodePoint c = decodeUtf8(text.substr(at));
            if ((c.valid && isBlank(c.value)) != blanks)
                break;
            at += c.length;
        }
    };
    for (skip(true); at < text.size(); skip(true)) {
        if (most >= 0 && static_cast<int64_t>(out.size()) == most) {
            out.push_back(slice(t, at, text.size()));
            break;
        }
        const size_t begin = at;
        skip(false);
        out.push_back(slice(t, begin, at));
    }
    return out;
}

} // namespace

std::vector<TaggedText> split(const TaggedText& t, std::string_view separator, int64_t most) {
    if (separator.empty())
        return splitAtBlanks(t, most);
    std::vector<TaggedText> out;
    size_t at = 0;
    while (most < 0 || static_cast<int64_t>(out.size()) < most) {
        const size_t hit = t.text.find(separator, at);
        if (hit == std::string::npos)
            break;
        out.push_back(slice(t, at, hit));
        at = hit + separator.size();
    }
    out.push_back(slice(t, at, t.text.size()));
    return out;
}

std::vector<TaggedText> splitFromRight(const TaggedText& t, std::string_view separator, int64_t most) {
    if (most < 0)
        return split(t, separator);
    std::vector<TaggedText> out;
    size_t end = t.text.size();
    if (separator.empty()) {
        std::vector<TaggedText> words = splitAtBlanks(t, -1);
        if (static_cast<int64_t>(words.size()) <= most + 1)
            return words;
        // The rest on the left is the text up to the end of the word before the cut.
        TaggedText rest = strip(t, Side::Right); // blanks at the left stay with it, as in Python
        for (int64_t i = 0; i < most; i++) {
            const size_t length = words.back().text.size();
            out.push_back(std::move(words.back()));
            words.pop_back();
            rest = strip(slice(rest, 0, rest.text.size() - length), Side::Right);
        }
        out.push_back(std::move(rest));
        std::reverse(out.begin(), out.end());
        return out;
    }
    while (static_cast<int64_t>(out.size()) < most && end >= separator.size()) {
        const size_t hit = t.text.rfind(separator, end - separator.size());
        if (hit == std::string::npos)
            break;
        out.push_back(slice(t, hit + separator.size(), end));
        end = hit;
    }
    out.push_back(slice(t, 0, end));
    std::reverse(out.begin(), out.end());
    return out;
}

namespace {

/// Python's str.splitlines ends lines at more than line feeds.
bool endsLine(char32_t c) {
    return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

} // namespace

std::vector<TaggedText> splitLines(const TaggedText& t, bool keepEnds) {
    std::vector<TaggedText> out;
    const std::string_view s = t.text;
    size_t begin = 0;
    for (size_t i = 0; i < s.size();) {
        const CodePoint c = decodeUtf8(s.substr(i));
        size_t after = i + c.length;
        if (c.valid && endsLine(c.value)) {
            after += s.substr(i, 2) == "\r\n";
            out.push_back(slice(t, begin, keepEnds ? after : i));
            begin = after;
        }
        i = after;
    }
    if (begin < s.size())
        out.push_back(slice(t, begin, s.size()));
    return out;
}

TaggedText replace(const TaggedText& t, const TaggedText& from, const TaggedText& to, int64_t most) {
    TaggedText out;
    int64_t done = 0;
    if (from.text.empty()) { // before every character and at the end
        const std::vector<size_t> starts = characterStarts(t.text);
        for (size_t i = 0; i < starts.size(); i++) {
            if (most < 0 || done++ < most)
                append(out, to);
            if (i + 1 < starts.size())
                append(out, t, starts[i], starts[i + 1]);
        }
        return out;
    }
    size_t at = 0;
    while (most < 0 || done < most) {
        const size_t hit = t.text.find(from.text, at);
        if (hit == std::string::npos)
            break;
        append(out, t, at, hit);
        append(out, to);
        at = hit + from.text.size();
        done++;
    }
    append(out, t, at, t.text.size());
    return out;
}

namespace {

enum class Mapping { Keep, Upper, Lower, Title, Fold };

std::string mapped(std::string_view s, Mapping m) {
    if (m == Mapping::Keep)
        return std::string(s);
    if (std::all_of(s.begin(), s.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; })) {
        std::string out(s);
        for (char& c : out) {
            if ((m == Mapping::Upper || m == Mapping::Title) && c >= 'a' && c <= 'z')
                c -= 32;
            else if ((m == Mapping::Lower || m == Mapping::Fold) && c >= 'A' && c <= 'Z')
                c += 32;
        }
        return out;
    }
    auto u = icu::UnicodeString::fromUTF8(icu::StringPiece(s.data(), static_cast<int32_t>(s.size())));
    if (m == Mapping::Upper)
        u.toUpper(icu::Locale::getRoot());
    else if (m == Mapping::Title) // one character
        u.toTitle(nullptr, icu::Locale::getRoot(), U_TITLECASE_WHOLE_STRING | U_TITLECASE_NO_BREAK_ADJUSTMENT);
    else if (m == Mapping::Fold)
        u.foldCase();
    else
        u.toLower(icu::Locale::getRoot());
    std::string out;
    u.toUTF8String(out);
    return out;
}

Mapping mappingOf(Case how, bool begun, char32_t c) {
    switch (how) {
    case Case::Upper:
        return Mapping::Upper;
    case Case::Lower:
        return Mapping::Lower;
    case Case::Swap: {
        const uint8_t bits = charClass(c);
        return !(bits & kLetter)                             ? Mapping::Keep
               : (bits & kLowerLike) && !(bits & kUpperLike) ? Mapping::Upper
                                                             : Mapping::Lower;
    }
    case Case::Fold:
        return Mapping::Fold;
    case Case::Title:
    case Case::Capitalize:
        break;
    }
    return begun ? Mapping::Lower : Mapping::Title;
}

} // namespace

TaggedText mapCase(const TaggedText& t, Case how) {
    TaggedText out;
    const std::string_view text = t.text;
    bool begun = false; // behind a letter that has cases (Title), behind the first character (Capitalize)
    size_t runBegin = 0;
    Mapping runMapping = Mapping::Keep;
    bool runUntrusted = false;
    const auto flush = [&](size_t end) {
        if (end > runBegin)
            append(out, mapped(text.substr(runBegin, end - runBegin), runMapping), runUntrusted);
        runBegin = end;
    };
    for (size_t i = 0; i < text.size();) {
        const CodePoint c = decodeUtf8(text.substr(i));
        const Mapping m = c.valid ? mappingOf(how, begun, c.value) : Mapping::Keep;
        const bool untrusted = untrustedAt(t, i);
        if (i == runBegin || m != runMapping || m == Mapping::Title || untrusted != runUntrusted) {
            flush(i);
            runMapping = m;
            runUntrusted = untrusted;
        }
        begun = how == Case::Capitalize || (c.valid && u_hasBinaryProperty(static_cast<UChar32>(c.value), UCHAR_CASED));
        i += c.length;
    }
    flush(text.size());
    return out;
}

TaggedText titleWords(const TaggedText& t) {
    TaggedText out;
    const std::string_view text = t.text;
    size_t begin = 0; // of the word
    const auto flush = [&](size_t end) {
        if (end == begin)
            return;
        const size_t first = begin + decodeUtf8(text.substr(begin)).length;
        append(out, mapCase(slice(t, begin, first), Case::Upper));
        append(out, mapCase(slice(t, first, end), Case::Lower));
    };
    for (size_t i = 0; i < text.size();) {
        const CodePoint c = decodeUtf8(text.substr(i));
        if (c.valid && (isBlank(c.value) || std::u32string_view(U"-({[<").find(c.value) != std::u32string_view::npos)) {
            flush(i);
            append(out, t, i, i + c.length);
            begin = i + c.length;
        }
        i += c.length;
    }
    flush(text.size());
    return out;
}

TaggedText escapeHtml(const TaggedText& t) {
    constexpr std::pair<char, std::string_view> escapes[] = {
        {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'\'', "&#39;"}, {'"', "&#34;"}};
    TaggedText out;
    size_t plain = 0;
    for (size_t i = 0; i < t.text.size(); i++)
        for (const auto& [c, escape] : escapes)
            if (t.text[i] == c) {
                append(out, t, plain, i);
                append(out, escape, untrustedAt(t, i));
                plain = i + 1;
            }
    append(out, t, plain, t.text.size());
    return out;
}

TaggedText reversed(const TaggedText& t) {
    TaggedText out;
    const std::vector<size_t> starts = characterStarts(t.text);
    for (size_t i = starts.size() - 1; i-- > 0;)
        append(out, t, starts[i], starts[i + 1]);
    return out;
}

} // namespace hearth::engine::jinja
