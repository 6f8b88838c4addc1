#include "ui/chat/block_starts.h"

#include "ui/chat/characters.h"
#include "ui/chat/html_tag.h"
#include "ui/chat/inline_parser.h"

#include <algorithm>
#include <iterator>

namespace hearth::ui {
namespace {

constexpr const char16_t* kBlockTags[] = {
    u"address",  u"article",    u"aside",  u"base",    u"basefont", u"blockquote", u"body",     u"caption",  u"center",
    u"col",      u"colgroup",   u"dd",     u"details", u"dialog",   u"dir",        u"div",      u"dl",       u"dt",
    u"fieldset", u"figcaption", u"figure", u"footer",  u"form",     u"frame",      u"frameset", u"h1",       u"h2",
    u"h3",       u"h4",         u"h5",     u"h6",      u"head",     u"header",     u"hr",       u"html",     u"iframe",
    u"legend",   u"li",         u"link",   u"main",    u"menu",     u"menuitem",   u"nav",      u"noframes", u"ol",
    u"optgroup", u"option",     u"p",      u"param",   u"search",   u"section",    u"summary",  u"table",    u"tbody",
    u"td",       u"tfoot",      u"th",     u"thead",   u"title",    u"tr",         u"track",    u"ul"};

constexpr const char16_t* kRawTags[] = {u"script", u"pre", u"style", u"textarea"};

template <size_t N>
bool names(const char16_t* const (&tags)[N], QStringView name) {
    return std::any_of(std::begin(tags), std::end(tags),
                       [&](const char16_t* tag) { return name.compare(QStringView(tag), Qt::CaseInsensitive) == 0; });
}

} // namespace

bool isRule(QStringView s) {
    QChar mark;
    int count = 0;
    for (const QChar c : s) {
        if (isBlankChar(c))
            continue;
        if (c != u'*' && c != u'-' && c != u'_')
            return false;
        if (count > 0 && c != mark)
            return false;
        mark = c;
        ++count;
    }
    return count >= 3;
}

int headingLevel(QStringView line, QStringView* text) {
    qsizetype level = 0;
    while (level < line.size() && line[level] == u'#')
        ++level;
    if (level < 1 || level > 6 || (level < line.size() && !isBlankChar(line[level])))
        return 0;
    *text = trimmedBlanks(line.mid(level));
    qsizetype end = text->size();
    while (end > 0 && (*text)[end - 1] == u'#')
        --end;
    if (end == 0 || isBlankChar((*text)[end - 1]))
        *text = trimmedBlanks(text->left(end));
    return int(level);
}

int underlineLevel(QStringView line) {
    while (!line.isEmpty() && isBlankChar(line.back()))
        line.chop(1);
    if (line.isEmpty() || (line[0] != u'=' && line[0] != u'-'))
        return 0;
    const bool pure = std::all_of(line.begin(), line.end(), [&](QChar c) { return c == line[0]; });
    return !pure ? 0 : line[0] == u'=' ? 1 : 2;
}

int fenceLength(QStringView line) {
    if (!line.startsWith(u'`') && !line.startsWith(u'~'))
        return 0;
    qsizetype run = 0;
    while (run < line.size() && line[run] == line[0])
        ++run;
    return run < 3 || (line[0] == u'`' && line.mid(run).contains(u'`')) ? 0 : int(run);
}

ItemMark itemMark(QStringView line) {
    ItemMark m;
    qsizetype at = 0;
    while (at < line.size() && at < 9 && isAsciiDigit(line[at]))
        ++at;
    m.ordered = at > 0;
    if (at >= line.size())
        return m;
    m.mark = line[at];
    const bool fits = QStringView(m.ordered ? u".)" : u"-+*").contains(m.mark);
    if (!fits || (at + 1 < line.size() && !isBlankChar(line[at + 1])))
        return m;
    m.number = m.ordered ? line.left(at).toInt() : 0;
    m.width = int(at) + 1;
    return m;
}

QString tableAlignments(QStringView line) {
    if (!line.contains(u'-') || !(line.contains(u'|') || line.contains(u':')))
        return {};
    QString alignments;
    for (const QStringView cell : tableCells(line)) {
        const bool left = cell.startsWith(u':');
        const bool right = cell.endsWith(u':');
        const QStringView dashes = cell.mid(left ? 1 : 0, cell.size() - (left ? 1 : 0) - (right ? 1 : 0));
        if (dashes.isEmpty() || !std::all_of(dashes.begin(), dashes.end(), [](QChar c) { return c == u'-'; }))
            return {};
        alignments += left && right ? u'c' : left ? u'l' : right ? u'r' : u'-';
    }
    return alignments;
}

int htmlStart(QStringView s, bool afterParagraph) {
    if (!s.startsWith(u'<') || s.size() < 2)
        return 0;
    if (s.startsWith(u"<!--"))
        return 2;
    if (s.startsWith(u"<?"))
        return 3;
    if (s.startsWith(u"<![CDATA["))
        return 5;
    if (s[1] == u'!' && s.size() > 2 && isAsciiLetter(s[2]))
        return 4;
    const bool closing = s[1] == u'/';
    const qsizetype start = closing ? 2 : 1;
    qsizetype end = start;
    while (end < s.size() && (isAsciiAlnum(s[end]) || (s[end] == u'-' && end > start)))
        ++end;
    const QStringView name = s.mid(start, end - start);
    const bool ended = end >= s.size() || isBlankChar(s[end]) || s[end] == u'>';
    if (!closing && ended && names(kRawTags, name))
        return 1;
    if ((ended || s.mid(end).startsWith(u"/>")) && names(kBlockTags, name))
        return 6;
    // The seventh kind: one whole tag, alone on its line.
    if (afterParagraph || (!closing && names(kRawTags, name)))
        return 0;
    const qsizetype tag = scanTag(s, 0);
    return tag > 0 && isBlank(s.mid(tag)) ? 7 : 0;
}

bool htmlEnds(int kind, QStringView line) {
    static constexpr const char16_t* kEnds[] = {u"-->", u"?>", u">", u"]]>"}; // of kinds 2 to 5
    if (kind >= 6)
        return false;
    if (kind >= 2)
        return line.contains(QStringView(kEnds[kind - 2]));
    return std::any_of(std::begin(kRawTags), std::end(kRawTags), [&](const char16_t* tag) {
        return line.contains(QStringLiteral("</%1>").arg(QStringView(tag)), Qt::CaseInsensitive);
    });
}

int taskState(QStringView text) {
    if (text.size() < 3 || text[0] != u'[' || text[2] != u']' || (text.size() > 3 && !isBlankChar(text[3])))
        return -1;
    return text[1] == u' ' ? 0 : text[1] == u'x' || text[1] == u'X' ? 1 : -1;
}

} // namespace hearth::ui
