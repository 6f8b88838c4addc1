#include "ui/chat/inline_parser.h"

#include "ui/chat/bare_address.h"
#include "ui/chat/characters.h"
#include "ui/chat/entities.h"
#include "ui/chat/flanking.h"
#include "ui/chat/html_tag.h"
#include "ui/chat/inline_pieces.h"
#include "ui/chat/link_parts.h"
#include "ui/chat/math_span.h"

#include <algorithm>
#include <deque>

namespace hearth::ui {
namespace {

constexpr int kMaxColumns = 128; // of a table; the rest joins the last cell

struct Bracket {
    int piece = 0;
    int delimiters = -1; // the newest delimiter before it
    qsizetype textStart = 0;
    bool image = false;
    bool bracketAfter = false; // holds brackets, so its text is no label
};

class Parser {
public:
    Parser(QStringView source, const LinkDefinitions& definitions)
        : s_(source), definitions_(definitions), delimiters_(pieces_, ranges_), titles_(source), html_(source),
          math_(source) {}

    InlineText run() {
        while (at_ < s_.size())
            step();
        flushText(at_);
        delimiters_.process(-1);
        assemble(pieces_, ranges_, &out_);
        return std::move(out_);
    }

private:
    void step() {
        switch (s_[at_].unicode()) {
        case '\\':
            return backslash();
        case '`':
            return codeSpan();
        case '*':
        case '_':
        case '~':
            return delimiterRun();
        case '[':
            return openBracket(false);
        case '!':
            if (at_ + 1 < s_.size() && s_[at_ + 1] == u'[')
                return openBracket(true);
            ++at_;
            return;
        case ']':
            return closeBracket();
        case '<':
            return angle();
        case '&':
            return entity();
        case '$':
            return dollar();
        case '\n':
            return lineBreak();
        case 'h':
        case 'H':
        case 'w':
        case 'W':
            return bareAddress();
        default:
            ++at_;
        }
    }

    // Text

    void flushText(qsizetype until) {
        if (until > textFrom_)
            pieces_.push_back({s_.mid(textFrom_, until - textFrom_)});
        textFrom_ = until;
    }

    int addPiece(QStringView text, quint16 style, qsizetype resumeAt) {
        flushText(at_);
        pieces_.push_back({text, -1, style});
        at_ = textFrom_ = resumeAt;
        return int(pieces_.size()) - 1;
    }

    QStringView keep(QString text) {
        owned_.push_back(std::move(text));
        return owned_.back();
    }

    void backslash() {
        const char32_t next = codeAt(s_, at_ + 1);
        if (const qsizetype end = math_.scan(at_); end > 0)
            addPiece(s_.mid(at_, end - at_), StyleMath, end);
        else if (at_ + 1 < s_.size() && next == '\n')
            addPiece(u"\n", StylePlain, skipSpaces(s_, at_ + 2));
        else if (at_ + 1 < s_.size() && isAsciiPunctuation(next))
            addPiece(s_.mid(at_ + 1, 1), StylePlain, at_ + 2);
        else
            ++at_;
    }

    void lineBreak() {
        qsizetype end = at_;
        while (end > textFrom_ && isBlankChar(s_[end - 1]))
            --end;
        flushText(end);
        textFrom_ = at_;
        addPiece(u"\n", StylePlain, skipSpaces(s_, at_ + 1));
    }

    void entity() {
        QString decoded;
        const qsizetype end = scanEntity(s_, at_, &decoded);
        if (end > 0)
            addPiece(keep(decoded), StylePlain, end);
        else
            ++at_;
    }

    // Code and formulas

    /// The start of the next run of as many backticks after `from`; -1: none. Runs are found once.
    qsizetype nextBackticks(qsizetype length, qsizetype from) {
        if (!backticksKnown_) {
            backticksKnown_ = true;
            for (qsizetype i = s_.indexOf(u'`', from), end = i; i >= 0; i = s_.indexOf(u'`', end)) {
                for (end = i; end < s_.size() && s_[end] == u'`';)
                    ++end;
                backticks_[end - i].push_back(i);
            }
        }
        const std::vector<qsizetype>& starts = backticks_[length];
        const auto found = std::lower_bound(starts.begin(), starts.end(), from);
        return found == starts.end() ? -1 : *found;
    }

    void codeSpan() {
        qsizetype open = at_;
        while (open < s_.size() && s_[open] == u'`')
            ++open;
        const qsizetype length = open - at_;
        const qsizetype close = nextBackticks(length, open);
        if (close < 0) {
            at_ = open;
            return;
        }
        QString code = s_.mid(open, close - open).toString();
        code.replace(u'\n', u' ');
        const bool padded = code.size() > 2 && code.front() == u' ' && code.back() == u' ' &&
                            std::any_of(code.cbegin(), code.cend(), [](QChar c) { return c != u' '; });
        if (padded)
            code = code.mid(1, code.size() - 2);
        addPiece(keep(code), StyleCode, close + length);
    }

    void dollar() {
        const qsizetype end = math_.scan(at_);
        if (end > 0) {
            addPiece(s_.mid(at_, end - at_), StyleMath, end);
            return;
        }
        while (at_ < s_.size() && s_[at_] == u'$')
            ++at_;
    }

    // Angles and addresses

    void angle() {
        bool mail = false;
        if (const qsizetype end = scanAngleAddress(s_, at_, &mail); end > 0) {
            const QStringView inside = s_.mid(at_ + 1, end - at_ - 2);
            addLink(addPiece(inside, StylePlain, end),
                    (mail ? QStringLiteral("mailto:") : QString()) + inside.toString());
            return;
        }
        const qsizetype end = html_.scan(at_);
        if (end < 0) {
            ++at_;
            return;
        }
        const QStringView tag = s_.mid(at_, end - at_);
        if (isLineBreak(tag))
            addPiece(end < s_.size() ? QStringView(u"\n") : QStringView(), StylePlain, end);
        else
            addPiece(tag, StyleHtml, end);
    }

    /// `<br>` and its spellings: the one tag that is obeyed, since models write it in tables.
    static bool isLineBreak(QStringView tag) {
        QStringView name = tag.mid(1, tag.size() - 2);
        if (name.endsWith(u'/'))
            name.chop(1);
        return trimmedBlanks(name).compare(u"br", Qt::CaseInsensitive) == 0;
    }

    void bareAddress() {
        // Inside brackets it waits for them: the text of a link holds no other link.
        const BareAddress a = brackets_.empty() ? scanBareAddress(s_, at_) : BareAddress{};
        if (a.end < 0) {
            ++at_;
            return;
        }
        const QStringView text = s_.mid(a.start, a.end - a.start);
        addLink(addPiece(text, StylePlain, a.end), a.prefix.toString() + text.toString());
    }

    void addLink(int piece, const QString& address) {
        out_.links.append(address);
        ranges_.push_back({piece, piece + 1, StyleLink, int(out_.links.size()) - 1});
    }

    // Brackets

    void openBracket(bool image) {
        const qsizetype width = image ? 2 : 1;
        const int piece = addPiece(s_.mid(at_, width), StylePlain, at_ + width);
        if (!brackets_.empty())
            brackets_.back().bracketAfter = true;
        brackets_.push_back({piece, delimiters_.top(), at_, image, false});
    }

    void popBracket() {
        brackets_.pop_back();
        inactiveBelow_ = std::min(inactiveBelow_, brackets_.size());
    }

    void closeBracket() {
        if (brackets_.empty()) {
            ++at_;
            return;
        }
        const Bracket opener = brackets_.back();
        const bool mayLink = opener.image || brackets_.size() > inactiveBelow_;
        QString address;
        qsizetype end = mayLink ? inlineTarget(at_ + 1, &address) : -1;
        if (mayLink && end < 0)
            end = referenceTarget(opener, &address);
        if (end < 0) {
            popBracket();
            ++at_;
            return;
        }
        flushText(at_);
        delimiters_.process(opener.delimiters);
        pieces_[size_t(opener.piece)].text = {};
        if (opener.image && opener.piece + 1 == int(pieces_.size())) // without a description it shows its address
            pieces_.push_back({keep(address)});
        out_.links.append(address);
        ranges_.push_back({opener.piece, int(pieces_.size()),
                           quint16(StyleLink | (opener.image ? StyleImage : StylePlain)), int(out_.links.size()) - 1});
        at_ = textFrom_ = end;
        popBracket();
        if (!opener.image)
            inactiveBelow_ = brackets_.size();
    }

    /// `(address "title")` at `at`: its end, or -1.
    qsizetype inlineTarget(qsizetype at, QString* address) {
        if (at >= s_.size() || s_[at] != u'(' || !titles_.hasParenAfter(at))
            return -1;
        QStringView inner;
        qsizetype end = scanAddress(s_, skipSpaces(s_, at + 1), &inner);
        if (end < 0)
            return -1;
        const qsizetype title = skipSpaces(s_, end);
        if (title > end && title < s_.size() && s_[title] != u')') {
            end = titles_.scan(title);
            if (end < 0)
                return -1;
        }
        end = skipSpaces(s_, end);
        if (end >= s_.size() || s_[end] != u')')
            return -1;
        *address = unescaped(inner);
        return end + 1;
    }

    /// `[text][label]`, `[label][]` or `[label]`.
    qsizetype referenceTarget(const Bracket& opener, QString* address) {
        QStringView label;
        qsizetype end = scanLabel(s_, at_ + 1, &label);
        if (end < 0) {
            if (opener.bracketAfter || scanLabel(s_, opener.textStart - 1, &label) != at_ + 1)
                return -1;
            end = s_.mid(at_ + 1, 2) == u"[]" ? at_ + 3 : at_ + 1;
        }
        out_.unresolved = true;
        const auto found =
            definitions_.isEmpty() ? definitions_.constEnd() : definitions_.constFind(normalizedLabel(label));
        if (found == definitions_.constEnd())
            return -1;
        *address = found.value();
        return end;
    }

    // Emphasis

    void delimiterRun() {
        const char16_t mark = s_[at_].unicode();
        qsizetype end = at_;
        while (end < s_.size() && s_[end] == QChar(mark))
            ++end;
        const int length = int(end - at_);
        if (mark == '~' && length > 2) {
            at_ = end;
            return;
        }
        // A single tilde inside of a word is a range of numbers or a tone of voice: it is held to the rule of `_`.
        const bool inWords = mark == '*' || (mark == '~' && length == 2);
        const Flanking f = flanking(s_, at_, end, inWords);
        const int piece = addPiece(s_.mid(at_, length), StylePlain, end);
        pieces_[size_t(piece)].count = length;
        delimiters_.push(mark, length, f.opens, f.closes);
    }

    QStringView s_;
    const LinkDefinitions& definitions_;
    qsizetype at_ = 0;
    qsizetype textFrom_ = 0; // text from here is not yet a piece
    std::vector<Piece> pieces_;
    std::vector<StyledRange> ranges_;
    std::deque<QString> owned_; // texts of pieces that are not in the source
    DelimiterStack delimiters_;
    std::vector<Bracket> brackets_;
    size_t inactiveBelow_ = 0; // brackets below may open no link: links do not nest
    TitleScanner titles_;
    HtmlScanner html_;
    MathScanner math_;
    bool backticksKnown_ = false;
    QHash<qsizetype, std::vector<qsizetype>> backticks_; // length of a run → where such runs start
    InlineText out_;
};

/// A leaf's source without the space at its ends, which is no content.
QStringView withoutOuterSpace(QStringView s) {
    const auto isOuter = [](QChar c) { return isBlankChar(c) || c == u'\n'; };
    while (!s.isEmpty() && isOuter(s.front()))
        s = s.mid(1);
    while (!s.isEmpty() && isOuter(s.back()))
        s.chop(1);
    return s;
}

} // namespace

InlineText parseInline(QStringView source, const LinkDefinitions& definitions) {
    return Parser(withoutOuterSpace(source), definitions).run();
}

QVector<QStringView> tableCells(QStringView line) {
    line = trimmedBlanks(line);
    if (line.startsWith(u'|'))
        line = line.mid(1);
    QVector<QStringView> cells;
    qsizetype from = 0;
    for (qsizetype i = 0; i < line.size(); ++i) {
        if (line[i] == u'\\') {
            ++i;
        } else if (line[i] == u'|' && cells.size() + 1 < kMaxColumns) {
            cells.append(trimmedBlanks(line.mid(from, i - from)));
            from = i + 1;
        }
    }
    const QStringView rest = trimmedBlanks(line.mid(from));
    if (!rest.isEmpty() || cells.isEmpty())
        cells.append(rest);
    return cells;
}

InlineText parseTableRow(QStringView line, int columns, const LinkDefinitions& definitions) {
    const QVector<QStringView> cells = tableCells(line);
    InlineText row;
    const int present = std::min(columns, int(cells.size()));
    for (int i = 0; i < present; ++i) {
        if (i > 0)
            row.text += u'\t';
        const int start = int(row.text.size());
        row.cells.append(start);
        QString source = cells[i].toString();
        source.replace(QStringLiteral("\\|"), QStringLiteral("|"));
        const InlineText cell = parseInline(source, definitions);
        for (InlineRun run : cell.runs) {
            run.start += start;
            run.link += run.link >= 0 ? int(row.links.size()) : 0;
            row.runs.append(run);
        }
        row.links += cell.links;
        row.unresolved |= cell.unresolved;
        row.text += cell.text;
    }
    return row;
}

} // namespace hearth::ui
