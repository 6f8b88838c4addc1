#include "ui/chat/inline_parser.h"

#include "ui/text/script_runs.h"

#include <QMap>

#include <algorithm>
#include <array>
#include <vector>

namespace hearth::ui {
namespace {

constexpr int kMaxLabel = 999;   // characters, as CommonMark has it
constexpr int kMaxParens = 32;   // nesting inside an address
constexpr int kMaxColumns = 128; // of a table; the rest joins the last cell

bool isAsciiPunctuation(char32_t c) {
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

bool isSpace(char32_t c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == 0xA0 || c == 0x3000 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x202F || c == 0x205F || c == 0x1680;
}

bool isPunctuation(char32_t c) {
    return c < 128 ? isAsciiPunctuation(c) : QChar::isPunct(c) || QChar::isSymbol(c);
}

bool isAsciiLetter(QChar c) {
    return (c.unicode() | 32) >= 'a' && (c.unicode() | 32) <= 'z';
}

bool isAsciiAlnum(QChar c) {
    return isAsciiLetter(c) || (c >= u'0' && c <= u'9');
}

char32_t codeBefore(QStringView s, qsizetype at) {
    if (at <= 0)
        return ' ';
    if (s[at - 1].isLowSurrogate() && at >= 2 && s[at - 2].isHighSurrogate())
        return QChar::surrogateToUcs4(s[at - 2], s[at - 1]);
    return s[at - 1].unicode();
}

char32_t codeAt(QStringView s, qsizetype at) {
    if (at >= s.size())
        return ' ';
    if (s[at].isHighSurrogate() && at + 1 < s.size() && s[at + 1].isLowSurrogate())
        return QChar::surrogateToUcs4(s[at], s[at + 1]);
    return s[at].unicode();
}

/// Replaces backslash escapes and entities, for addresses.
QString unescaped(QStringView s) {
    QString out;
    out.reserve(s.size());
    for (qsizetype i = 0; i < s.size(); ++i) {
        if (s[i] == u'\\' && i + 1 < s.size() && isAsciiPunctuation(s[i + 1].unicode())) {
            out += s[++i];
            continue;
        }
        if (s[i] == u'&') {
            const qsizetype end = s.mid(i + 1, 40).indexOf(u';');
            const QString decoded = end > 0 ? decodeEntity(s.mid(i + 1, end)) : QString();
            if (!decoded.isEmpty()) {
                out += decoded;
                i += end + 1;
                continue;
            }
        }
        out += s[i];
    }
    return out;
}

qsizetype skipSpaces(QStringView s, qsizetype at) {
    while (at < s.size() && (s[at] == u' ' || s[at] == u'\t' || s[at] == u'\n'))
        ++at;
    return at;
}

/// The end of an address that begins at `at`; -1: there is none. `inner` gets its text without the angle brackets.
qsizetype scanAddress(QStringView s, qsizetype at, QStringView* inner) {
    if (at < s.size() && s[at] == u'<') {
        for (qsizetype i = at + 1; i < s.size(); ++i) {
            if (s[i] == u'\\' && i + 1 < s.size()) {
                ++i;
            } else if (s[i] == u'>') {
                *inner = s.mid(at + 1, i - at - 1);
                return i + 1;
            } else if (s[i] == u'<' || s[i] == u'\n') {
                return -1;
            }
        }
        return -1;
    }
    int depth = 0;
    qsizetype i = at;
    for (; i < s.size(); ++i) {
        const char16_t c = s[i].unicode();
        if (c == '\\' && i + 1 < s.size() && isAsciiPunctuation(s[i + 1].unicode())) {
            ++i;
        } else if (c == '(') {
            if (++depth > kMaxParens)
                return -1;
        } else if (c == ')') {
            if (depth-- == 0)
                break;
        } else if (c <= ' ' || c == 0x7F) {
            break;
        }
    }
    if (depth > 0)
        return -1;
    *inner = s.mid(at, i - at);
    return i;
}

/// Positions of closers found once, so that a failed search is never repeated: what keeps `](["` linear.
class NextOf {
public:
    NextOf(QStringView s, char16_t c) {
        for (qsizetype i = 0; i < s.size(); ++i) {
            if (s[i] == u'\\')
                ++i;
            else if (s[i] == QChar(c))
                at_.push_back(i);
        }
    }

    qsizetype after(qsizetype from) const {
        const auto found = std::lower_bound(at_.begin(), at_.end(), from);
        return found == at_.end() ? -1 : *found;
    }

private:
    std::vector<qsizetype> at_;
};

/// One piece of the output: text, or a run of delimiters of which some may be used up.
struct Piece {
    QStringView text; // into the source, or into Parser::owned_
    int count = 0;    // delimiters left; -1: plain text
    quint16 style = 0;
};

struct Delimiter {
    int piece = 0;
    char16_t mark = 0;
    int length = 0; // as written
    bool opens = false;
    bool closes = false;
    int previous = -1;
    int next = -1;
};

struct Bracket {
    int piece = 0;
    int lastDelimiter = -1; // the newest delimiter before it
    qsizetype textStart = 0;
    bool image = false;
    bool bracketAfter = false; // holds brackets, so its text is no label
};

/// A style over pieces [from, to).
struct StyledRange {
    int from;
    int to;
    quint16 style;
    int link;
};

class Parser {
public:
    Parser(QStringView source, const LinkDefinitions& definitions)
        : s_(source), definitions_(definitions), doubleQuotes_(source, u'"'), singleQuotes_(source, u'\''),
          closingParens_(source, u')') {
        findBackticks();
    }

    InlineText run() {
        while (at_ < s_.size())
            step();
        flushText(at_);
        processEmphasis(-1);
        assemble();
        findAutolinks();
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
            return dollarMath();
        case '\n':
            return lineBreak();
        default:
            ++at_;
        }
    }

    // Text

    void flushText(qsizetype until) {
        if (until > textFrom_)
            pieces_.push_back({s_.mid(textFrom_, until - textFrom_), -1, 0});
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
        if (at_ + 1 < s_.size() && (next == '(' || next == '[') && mathEnd(next == '(' ? u')' : u']') > 0)
            return bracketMath(next == '(' ? u')' : u']');
        if (at_ + 1 < s_.size() && next == '\n') {
            addPiece(QStringView(u"\n"), 0, skipSpaces(s_, at_ + 2));
            return;
        }
        if (at_ + 1 < s_.size() && isAsciiPunctuation(next)) {
            addPiece(s_.mid(at_ + 1, 1), 0, at_ + 2);
            return;
        }
        ++at_;
    }

    void lineBreak() {
        qsizetype end = at_;
        while (end > textFrom_ && (s_[end - 1] == u' ' || s_[end - 1] == u'\t'))
            --end;
        const qsizetype newline = at_;
        flushText(end);
        textFrom_ = newline;
        at_ = newline;
        pieces_.push_back({QStringView(u"\n"), -1, 0});
        at_ = textFrom_ = skipSpaces(s_, newline + 1);
    }

    void entity() {
        const qsizetype end = s_.mid(at_ + 1, 40).indexOf(u';');
        const QString decoded = end > 0 ? decodeEntity(s_.mid(at_ + 1, end)) : QString();
        if (decoded.isEmpty()) {
            ++at_;
            return;
        }
        addPiece(keep(decoded), 0, at_ + end + 2);
    }

    // Code and formulas

    void findBackticks() {
        // For each run of backticks, the start of the next run of the same length: found from behind, once.
        QHash<int, qsizetype> nextOfLength;
        for (qsizetype i = s_.size(); i > 0;) {
            if (s_[i - 1] != u'`') {
                --i;
                continue;
            }
            qsizetype first = i;
            while (first > 0 && s_[first - 1] == u'`')
                --first;
            const int length = int(i - first);
            backtickPartner_.insert(first, nextOfLength.value(length, -1));
            nextOfLength.insert(length, first);
            i = first;
        }
    }

    void codeSpan() {
        qsizetype open = at_;
        while (open < s_.size() && s_[open] == u'`')
            ++open;
        const int length = int(open - at_);
        auto known = backtickPartner_.constFind(at_);
        qsizetype close = known == backtickPartner_.constEnd() ? -1 : known.value();
        if (known == backtickPartner_.constEnd()) {
            // The run began with an escaped backtick: search for its rest among the known starts.
            for (auto it = backtickPartner_.lowerBound(at_); it != backtickPartner_.constEnd() && rescans_ < 64; ++it) {
                ++rescans_;
                qsizetype end = it.key();
                while (end < s_.size() && s_[end] == u'`')
                    ++end;
                if (end - it.key() == length && it.key() > at_) {
                    close = it.key();
                    break;
                }
            }
        }
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

    /// The end of `\(…\)` or `\[…\]` that begins here; -1: it is not closed.
    qsizetype mathEnd(char16_t closer) {
        qsizetype& none = closer == u')' ? noRoundMathAfter_ : noSquareMathAfter_;
        if (none >= 0 && at_ >= none)
            return -1;
        for (qsizetype i = at_ + 2; i + 1 < s_.size(); ++i) {
            if (s_[i] == u'\\' && s_[i + 1] == QChar(closer))
                return i + 2;
            if (s_[i] == u'\\')
                ++i;
        }
        none = at_;
        return -1;
    }

    void bracketMath(char16_t closer) {
        const qsizetype end = mathEnd(closer);
        addPiece(s_.mid(at_, end - at_), StyleMath, end);
    }

    void dollarMath() {
        const bool display = at_ + 1 < s_.size() && s_[at_ + 1] == u'$';
        const qsizetype open = at_ + (display ? 2 : 1);
        qsizetype& none = display ? noDisplayMathAfter_ : noInlineMathAfter_;
        const bool mayOpen = open < s_.size() && (display || !isSpace(s_[open].unicode()));
        if (mayOpen && (none < 0 || at_ < none)) {
            for (qsizetype i = open; i < s_.size(); ++i) {
                if (s_[i] == u'\\') {
                    ++i;
                } else if (s_[i] == u'$') {
                    if (display && i + 1 < s_.size() && s_[i + 1] == u'$' && i > open) {
                        addPiece(s_.mid(at_, i + 2 - at_), StyleMath, i + 2);
                        return;
                    }
                    // A price is no formula: `$5 and $6` (pandoc's rule).
                    const bool closes = !display && i > open && !isSpace(s_[i - 1].unicode()) &&
                                        !(i + 1 < s_.size() && s_[i + 1].isDigit());
                    if (closes) {
                        addPiece(s_.mid(at_, i + 1 - at_), StyleMath, i + 1);
                        return;
                    }
                    if (!display) {
                        at_ = open;
                        return;
                    }
                } else if (!display && s_[i] == u'\n') {
                    at_ = open;
                    return;
                }
            }
            none = at_;
        }
        at_ = open;
    }

    // Angles: addresses; everything else in angles is text, kept whole so that its inside is no markup.

    void angle() {
        qsizetype end = at_ + 1;
        bool address = end < s_.size() && isAsciiLetter(s_[end]);
        qsizetype colon = -1;
        qsizetype mail = -1;
        bool spaces = false;
        for (; end < s_.size() && s_[end] != u'>'; ++end) {
            const QChar c = s_[end];
            if (c == u'<')
                break;
            if (isSpace(c.unicode()))
                spaces = true;
            if (c == u':' && colon < 0)
                colon = end;
            if (c == u'@' && mail < 0)
                mail = end;
        }
        if (end >= s_.size() || s_[end] != u'>' || end == at_ + 1) {
            ++at_;
            return;
        }
        const QStringView inside = s_.mid(at_ + 1, end - at_ - 1);
        if (address && !spaces && colon - at_ >= 3 && colon - at_ <= 33 && isScheme(s_.mid(at_ + 1, colon - at_ - 1))) {
            addLink(addPiece(inside, 0, end + 1), inside.toString());
            return;
        }
        if (!spaces && mail > at_ + 1 && isMail(inside)) {
            addLink(addPiece(inside, 0, end + 1), QStringLiteral("mailto:") + inside.toString());
            return;
        }
        if (inside.compare(u"br", Qt::CaseInsensitive) == 0 || inside.compare(u"br/", Qt::CaseInsensitive) == 0 ||
            inside.compare(u"br /", Qt::CaseInsensitive) == 0) {
            addPiece(QStringView(u"\n"), 0, end + 1);
            return;
        }
        if (address || inside[0] == u'/' || inside[0] == u'!' || inside[0] == u'?') {
            addPiece(s_.mid(at_, end + 1 - at_), 0, end + 1);
            return;
        }
        ++at_;
    }

    static bool isScheme(QStringView s) {
        return std::all_of(s.begin(), s.end(),
                           [](QChar c) { return isAsciiAlnum(c) || c == u'+' || c == u'.' || c == u'-'; });
    }

    static bool isMail(QStringView s) {
        const qsizetype at = s.indexOf(u'@');
        const auto ofHost = [](QChar c) { return isAsciiAlnum(c) || c == u'.' || c == u'-'; };
        const auto ofName = [](QChar c) { return isAsciiAlnum(c) || QStringView(u".!#$%&'*+/=?^_`{|}~-").contains(c); };
        const QStringView name = s.left(at);
        const QStringView host = s.mid(at + 1);
        return !host.isEmpty() && isAsciiAlnum(host.front()) && isAsciiAlnum(host.back()) &&
               std::all_of(name.begin(), name.end(), ofName) && std::all_of(host.begin(), host.end(), ofHost);
    }

    // Brackets

    void openBracket(bool image) {
        const qsizetype width = image ? 2 : 1;
        const int piece = addPiece(s_.mid(at_, width), 0, at_ + width);
        if (!brackets_.empty())
            brackets_.back().bracketAfter = true;
        brackets_.push_back({piece, lastDelimiter_, at_, image, false});
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
        if (!opener.image && brackets_.size() <= inactiveBelow_) {
            popBracket();
            ++at_;
            return;
        }
        QString address;
        qsizetype end = inlineTarget(at_ + 1, &address);
        if (end < 0)
            end = referenceTarget(opener, &address);
        if (end < 0) {
            popBracket();
            ++at_;
            return;
        }
        flushText(at_);
        processEmphasis(opener.lastDelimiter);
        pieces_[size_t(opener.piece)].text = {};
        out_.links.append(address);
        ranges_.push_back({opener.piece, int(pieces_.size()),
                           quint16(StyleLink | (opener.image ? StyleImage : StylePlain)), int(out_.links.size()) - 1});
        if (opener.image && opener.piece + 1 == int(pieces_.size()))
            pieces_.push_back({keep(address), -1, 0}), ranges_.back().to = int(pieces_.size());
        at_ = textFrom_ = end;
        popBracket();
        if (!opener.image)
            inactiveBelow_ = brackets_.size();
    }

    /// `(address "title")` at `at`: its end, or -1.
    qsizetype inlineTarget(qsizetype at, QString* address) {
        if (at >= s_.size() || s_[at] != u'(')
            return -1;
        if (closingParens_.after(at) < 0)
            return -1;
        at = skipSpaces(s_, at + 1);
        QStringView inner;
        qsizetype end = scanAddress(s_, at, &inner);
        if (end < 0)
            return -1;
        const qsizetype title = skipSpaces(s_, end);
        if (title > end && title < s_.size()) {
            const qsizetype titleEnd = scanTitle(title);
            if (titleEnd > 0)
                end = skipSpaces(s_, titleEnd);
            else
                end = title;
        } else {
            end = title;
        }
        if (end >= s_.size() || s_[end] != u')')
            return -1;
        *address = unescaped(inner);
        return end + 1;
    }

    qsizetype scanTitle(qsizetype at) const {
        qsizetype close = -1;
        if (s_[at] == u'"')
            close = doubleQuotes_.after(at + 1);
        else if (s_[at] == u'\'')
            close = singleQuotes_.after(at + 1);
        else if (s_[at] == u'(')
            close = closingParens_.after(at + 1);
        return close < 0 ? -1 : close + 1;
    }

    qsizetype referenceTarget(const Bracket& opener, QString* address) {
        QStringView label;
        qsizetype end = at_ + 1;
        if (end < s_.size() && s_[end] == u'[') {
            qsizetype close = end + 1;
            while (close < s_.size() && close - end <= kMaxLabel && s_[close] != u']' && s_[close] != u'[')
                close += s_[close] == u'\\' ? 2 : 1;
            if (close < s_.size() && s_[close] == u']') {
                label = s_.mid(end + 1, close - end - 1);
                end = close + 1;
            }
        }
        if (label.trimmed().isEmpty()) {
            if (opener.bracketAfter)
                return -1;
            label = s_.mid(opener.textStart, at_ - opener.textStart);
        }
        if (label.size() > kMaxLabel || label.trimmed().isEmpty())
            return -1;
        out_.unresolved = true;
        if (definitions_.isEmpty())
            return -1;
        const auto found = definitions_.constFind(normalizedLabel(label));
        if (found == definitions_.constEnd())
            return -1;
        *address = found.value();
        return end;
    }

    void addLink(int piece, const QString& address) {
        out_.links.append(address);
        ranges_.push_back({piece, piece + 1, StyleLink, int(out_.links.size()) - 1});
    }

    // Emphasis

    void delimiterRun() {
        const char16_t mark = s_[at_].unicode();
        qsizetype end = at_;
        while (end < s_.size() && s_[end] == QChar(mark))
            ++end;
        const int length = int(end - at_);
        if (mark == '~' && length != 2) { // one tilde is a range of numbers or a tone of voice
            at_ = end;
            return;
        }
        const char32_t before = codeBefore(s_, at_);
        const char32_t after = codeAt(s_, end);
        // The public "markdown-cjk-friendly" rules; where no CJK character adjoins they are CommonMark's own.
        const auto plainPunctuation = [](char32_t c) { return isPunctuation(c) && !isCjk(c); };
        const bool left = !isSpace(after) &&
                          (!plainPunctuation(after) || isSpace(before) || plainPunctuation(before) || isCjk(before));
        const bool right = !isSpace(before) &&
                           (!plainPunctuation(before) || isSpace(after) || plainPunctuation(after) || isCjk(after));
        Delimiter d;
        d.mark = mark;
        d.length = length;
        d.opens = mark == '_' ? left && (!right || isPunctuation(before)) : left;
        d.closes = mark == '_' ? right && (!left || isPunctuation(after)) : right;
        d.piece = addPiece(s_.mid(at_, length), 0, end);
        pieces_[size_t(d.piece)].count = length;
        d.previous = lastDelimiter_;
        const int index = int(delimiters_.size());
        if (lastDelimiter_ >= 0)
            delimiters_[size_t(lastDelimiter_)].next = index;
        else
            firstDelimiter_ = index;
        delimiters_.push_back(d);
        lastDelimiter_ = index;
    }

    void unlink(int index) {
        Delimiter& d = delimiters_[size_t(index)];
        if (d.previous >= 0)
            delimiters_[size_t(d.previous)].next = d.next;
        else
            firstDelimiter_ = d.next;
        if (d.next >= 0)
            delimiters_[size_t(d.next)].previous = d.previous;
        else
            lastDelimiter_ = d.previous;
    }

    static int bottomKey(const Delimiter& d) {
        const int mark = d.mark == '*' ? 0 : d.mark == '_' ? 1 : 2;
        return mark * 6 + (d.opens ? 3 : 0) + d.length % 3;
    }

    bool matches(const Delimiter& opener, const Delimiter& closer) const {
        if (opener.mark != closer.mark || !opener.opens)
            return false;
        if (opener.mark == '~')
            return true;
        const bool odd =
            (opener.closes || closer.opens) && closer.length % 3 != 0 && (opener.length + closer.length) % 3 == 0;
        return !odd;
    }

    /// CommonMark's "process emphasis" for the delimiters above `bottom`; they are all gone afterwards.
    void processEmphasis(int bottom) {
        std::array<int, 18> floor;
        floor.fill(bottom);
        int closer = bottom >= 0 ? delimiters_[size_t(bottom)].next : firstDelimiter_;
        while (closer >= 0) {
            Delimiter& c = delimiters_[size_t(closer)];
            if (!c.closes) {
                closer = c.next;
                continue;
            }
            int opener = c.previous;
            int& lowest = floor[size_t(bottomKey(c))];
            while (opener > lowest && !matches(delimiters_[size_t(opener)], c)) // indices grow along the list
                opener = delimiters_[size_t(opener)].previous;
            if (opener <= lowest) {
                lowest = c.previous;
                const int next = c.next;
                if (!c.opens)
                    unlink(closer);
                closer = next;
                continue;
            }
            closer = applyPair(opener, closer);
        }
        while (lastDelimiter_ != bottom && lastDelimiter_ >= 0)
            unlink(lastDelimiter_);
    }

    /// Uses up one pair of delimiters; returns the closer to go on with.
    int applyPair(int opener, int closer) {
        Delimiter& o = delimiters_[size_t(opener)];
        Delimiter& c = delimiters_[size_t(closer)];
        int& left = pieces_[size_t(o.piece)].count;
        int& right = pieces_[size_t(c.piece)].count;
        const int use = c.mark == '~' || (left >= 2 && right >= 2) ? 2 : 1;
        const quint16 style = c.mark == '~' ? StyleStrike : use == 2 ? StyleStrong : StyleEmphasis;
        ranges_.push_back({o.piece + 1, c.piece, style, -1});
        // What stands between them can match nothing any more.
        o.next = closer;
        c.previous = opener;
        left -= use;
        right -= use;
        int next = closer;
        if (left == 0)
            unlink(opener);
        if (right == 0) {
            next = c.next;
            unlink(closer);
        }
        return next;
    }

    // The end: pieces and styled ranges become one text with runs that do not overlap.

    void assemble() {
        struct Edge {
            int open[4] = {}; // strong, emphasis, strike, link depth changes at a piece
        };

        std::vector<Edge> edges(pieces_.size() + 1);
        std::vector<int> linkAt(pieces_.size() + 1, -1);
        std::vector<int> imageDepth(pieces_.size() + 1, 0);
        for (const StyledRange& r : ranges_) {
            const int kind = r.style & StyleStrong ? 0 : r.style & StyleEmphasis ? 1 : r.style & StyleStrike ? 2 : 3;
            edges[size_t(r.from)].open[kind]++;
            edges[size_t(r.to)].open[kind]--;
        }
        // Inner ranges come first in `ranges_`; the outer link wins, an image inside a link belongs to it. Each piece
        // is painted at most once for a link and once for an image, so this stays linear.
        paintLinks(linkAt, imageDepth);
        int depth[4] = {};
        for (size_t i = 0; i < pieces_.size(); ++i) {
            for (int k = 0; k < 4; ++k)
                depth[k] += edges[i].open[k];
            const Piece& p = pieces_[i];
            const QStringView text = p.count >= 0 ? p.text.left(p.count) : p.text;
            if (text.isEmpty())
                continue;
            quint16 style = p.style;
            style |= depth[0] > 0 ? StyleStrong : 0;
            style |= depth[1] > 0 ? StyleEmphasis : 0;
            style |= depth[2] > 0 ? StyleStrike : 0;
            style |= depth[3] > 0 ? StyleLink : 0;
            style |= imageDepth[i] > 0 ? StyleImage : 0;
            addRun(text, style, depth[3] > 0 ? linkAt[i] : -1);
        }
        while (out_.text.endsWith(u'\n') || out_.text.endsWith(u' '))
            out_.text.chop(1);
        while (!out_.runs.isEmpty() && out_.runs.last().start + out_.runs.last().length > out_.text.size()) {
            out_.runs.last().length = int(out_.text.size()) - out_.runs.last().start;
            if (out_.runs.last().length > 0)
                break;
            out_.runs.removeLast();
        }
    }

    void paintLinks(std::vector<int>& linkAt, std::vector<int>& imageDepth) {
        // Ranges nest; an outer one is added after its inner ones. Going backwards with a union of what is painted
        // visits each piece once.
        std::vector<int> nextFree(pieces_.size() + 2);
        for (size_t i = 0; i < nextFree.size(); ++i)
            nextFree[i] = int(i);
        const auto find = [&](int i) {
            while (nextFree[size_t(i)] != i)
                i = nextFree[size_t(i)] = nextFree[size_t(nextFree[size_t(i)])];
            return i;
        };
        for (size_t k = ranges_.size(); k-- > 0;) {
            const StyledRange& r = ranges_[k];
            if (!(r.style & StyleLink))
                continue;
            for (int i = find(r.from); i < r.to; i = find(i)) {
                linkAt[size_t(i)] = r.link;
                imageDepth[size_t(i)] = r.style & StyleImage ? 1 : 0;
                nextFree[size_t(i)] = i + 1;
            }
        }
    }

    void addRun(QStringView text, quint16 style, int link) {
        const int start = int(out_.text.size());
        out_.text += text;
        if (style == StylePlain)
            return;
        if (!out_.runs.isEmpty()) {
            InlineRun& last = out_.runs.last();
            if (last.start + last.length == start && last.style == style && last.link == link) {
                last.length += int(text.size());
                return;
            }
        }
        out_.runs.append({start, int(text.size()), style, link});
    }

    // Bare addresses

    void findAutolinks() {
        QVector<InlineRun> found;
        qsizetype i = 0;
        int run = 0;
        const QString& t = out_.text;
        while (i + 4 < t.size()) {
            while (run < out_.runs.size() && out_.runs[run].start + out_.runs[run].length <= i)
                ++run;
            const bool inRun = run < out_.runs.size() && out_.runs[run].start <= i;
            qsizetype limit = t.size();
            if (inRun)
                limit = out_.runs[run].start + out_.runs[run].length;
            else if (run < out_.runs.size())
                limit = out_.runs[run].start;
            if (inRun && out_.runs[run].style & (StyleCode | StyleLink | StyleMath)) {
                i = limit;
                continue;
            }
            const qsizetype end = autolinkEnd(QStringView(t).left(limit), i);
            if (end < 0) {
                ++i;
                continue;
            }
            const QString address = t.mid(i, end - i);
            out_.links.append(address.startsWith(u"www.") ? QStringLiteral("http://") + address : address);
            found.append({int(i), int(end - i), quint16(StyleLink | (inRun ? int(out_.runs[run].style) : 0)),
                          int(out_.links.size()) - 1});
            i = end;
        }
        if (!found.isEmpty())
            mergeRuns(found);
    }

    /// The end of a bare address at `at`, as GFM has it but that CJK punctuation ends it; -1: none begins here.
    static qsizetype autolinkEnd(QStringView t, qsizetype at) {
        const QChar first = t[at];
        if (first != u'h' && first != u'w')
            return -1;
        if (at > 0 && (isAsciiAlnum(t[at - 1]) || t[at - 1] == u'/'))
            return -1;
        qsizetype host = 0;
        for (const QStringView prefix : {QStringView(u"https://"), QStringView(u"http://"), QStringView(u"www.")})
            if (t.mid(at, prefix.size()) == prefix) {
                host = at + (prefix.startsWith(u'w') ? 0 : prefix.size());
                break;
            }
        if (host == 0 && !(at == 0 && first == u'w' && t.startsWith(u"www.")))
            return -1;
        qsizetype end = host;
        bool inHost = true;
        bool dot = false;
        for (; end < t.size(); ++end) {
            const QChar c = t[end];
            if (c == u'/' || c == u'?' || c == u'#')
                inHost = false;
            const CharClass kind = charClass(c.unicode());
            const bool mark = kind == CharClass::CjkMark || kind == CharClass::SharedMark;
            if (isSpace(c.unicode()) || c == u'<' || mark || (inHost && kind == CharClass::Han))
                break;
            if (inHost && c == u'.' && end + 1 < t.size() && isAsciiAlnum(t[end + 1]))
                dot = true;
        }
        if (end == host || !(dot || t.mid(host).startsWith(u"localhost")))
            return -1;
        return trimmedEnd(t, at, end);
    }

    static qsizetype trimmedEnd(QStringView t, qsizetype at, qsizetype end) {
        const QStringView address = t.mid(at, end - at);
        qsizetype open = address.count(u'(');
        qsizetype close = address.count(u')');
        while (end > at) {
            const QChar c = t[end - 1];
            if (c == u')' && close > open)
                --close;
            else if (!QStringView(u"?!.,:*_~'\";").contains(c))
                break;
            --end;
        }
        return end;
    }

    void mergeRuns(const QVector<InlineRun>& found) {
        QVector<InlineRun> merged;
        int k = 0;
        for (InlineRun r : out_.runs) {
            for (; k < found.size() && found[k].start < r.start; ++k)
                merged.append(found[k]);
            // The found ones inside this run cut it in pieces.
            while (k < found.size() && found[k].start < r.start + r.length) {
                if (found[k].start > r.start)
                    merged.append({r.start, found[k].start - r.start, r.style, r.link});
                merged.append(found[k]);
                const int end = found[k].start + found[k].length;
                r.length -= end - r.start;
                r.start = end;
                ++k;
            }
            if (r.length > 0)
                merged.append(r);
        }
        for (; k < found.size(); ++k)
            merged.append(found[k]);
        out_.runs = merged;
    }

    QStringView s_;
    const LinkDefinitions& definitions_;
    NextOf doubleQuotes_, singleQuotes_, closingParens_;
    qsizetype at_ = 0;
    qsizetype textFrom_ = 0; // text from here is not yet a piece
    std::vector<Piece> pieces_;
    std::vector<Delimiter> delimiters_;
    int firstDelimiter_ = -1;
    int lastDelimiter_ = -1;
    std::vector<Bracket> brackets_;
    size_t inactiveBelow_ = 0; // brackets below may open no link: links do not nest
    std::vector<StyledRange> ranges_;
    std::vector<QString> owned_;
    QMap<qsizetype, qsizetype> backtickPartner_; // start of a run → start of the next of its length, or -1
    int rescans_ = 0;
    qsizetype noRoundMathAfter_ = -1, noSquareMathAfter_ = -1, noDisplayMathAfter_ = -1, noInlineMathAfter_ = -1;
    InlineText out_;
};

struct Entity {
    const char* name;
    char16_t code;
};

// HTML 4's names that occur in written text; sorted.
constexpr Entity kEntities[] = {
    {"Aacute", 0xC1},  {"Agrave", 0xC0},   {"Alpha", 0x391},   {"Auml", 0xC4},    {"Beta", 0x392},
    {"Delta", 0x394},  {"Eacute", 0xC9},   {"Gamma", 0x393},   {"Lambda", 0x39B}, {"Omega", 0x3A9},
    {"Ouml", 0xD6},    {"Phi", 0x3A6},     {"Pi", 0x3A0},      {"Psi", 0x3A8},    {"Sigma", 0x3A3},
    {"Theta", 0x398},  {"Uuml", 0xDC},     {"aacute", 0xE1},   {"acirc", 0xE2},   {"agrave", 0xE0},
    {"alpha", 0x3B1},  {"amp", '&'},       {"apos", '\''},     {"asymp", 0x2248}, {"auml", 0xE4},
    {"beta", 0x3B2},   {"bull", 0x2022},   {"ccedil", 0xE7},   {"cent", 0xA2},    {"chi", 0x3C7},
    {"copy", 0xA9},    {"dagger", 0x2020}, {"darr", 0x2193},   {"deg", 0xB0},     {"delta", 0x3B4},
    {"divide", 0xF7},  {"eacute", 0xE9},   {"ecirc", 0xEA},    {"egrave", 0xE8},  {"emsp", 0x2003},
    {"ensp", 0x2002},  {"epsilon", 0x3B5}, {"equiv", 0x2261},  {"eta", 0x3B7},    {"euml", 0xEB},
    {"euro", 0x20AC},  {"frac12", 0xBD},   {"frac14", 0xBC},   {"frac34", 0xBE},  {"gamma", 0x3B3},
    {"ge", 0x2265},    {"gt", '>'},        {"hArr", 0x21D4},   {"harr", 0x2194},  {"hellip", 0x2026},
    {"iexcl", 0xA1},   {"infin", 0x221E},  {"int", 0x222B},    {"iota", 0x3B9},   {"iquest", 0xBF},
    {"isin", 0x2208},  {"iuml", 0xEF},     {"kappa", 0x3BA},   {"lArr", 0x21D0},  {"lambda", 0x3BB},
    {"laquo", 0xAB},   {"larr", 0x2190},   {"ldquo", 0x201C},  {"le", 0x2264},    {"lsquo", 0x2018},
    {"lt", '<'},       {"mdash", 0x2014},  {"micro", 0xB5},    {"middot", 0xB7},  {"minus", 0x2212},
    {"mu", 0x3BC},     {"nbsp", 0xA0},     {"ndash", 0x2013},  {"ne", 0x2260},    {"ntilde", 0xF1},
    {"nu", 0x3BD},     {"oacute", 0xF3},   {"ocirc", 0xF4},    {"omega", 0x3C9},  {"ouml", 0xF6},
    {"para", 0xB6},    {"part", 0x2202},   {"permil", 0x2030}, {"phi", 0x3C6},    {"pi", 0x3C0},
    {"plusmn", 0xB1},  {"pound", 0xA3},    {"prime", 0x2032},  {"prod", 0x220F},  {"psi", 0x3C8},
    {"quot", '"'},     {"rArr", 0x21D2},   {"radic", 0x221A},  {"raquo", 0xBB},   {"rarr", 0x2192},
    {"rdquo", 0x201D}, {"reg", 0xAE},      {"rho", 0x3C1},     {"rsquo", 0x2019}, {"sect", 0xA7},
    {"shy", 0xAD},     {"sigma", 0x3C3},   {"sum", 0x2211},    {"sup1", 0xB9},    {"sup2", 0xB2},
    {"sup3", 0xB3},    {"szlig", 0xDF},    {"tau", 0x3C4},     {"theta", 0x3B8},  {"thinsp", 0x2009},
    {"times", 0xD7},   {"trade", 0x2122},  {"uacute", 0xFA},   {"uarr", 0x2191},  {"uuml", 0xFC},
    {"xi", 0x3BE},     {"yen", 0xA5},      {"zeta", 0x3B6},
};

} // namespace

QString decodeEntity(QStringView name) {
    if (name.startsWith(u'#')) {
        const bool hex = name.size() > 1 && (name[1] == u'x' || name[1] == u'X');
        const QStringView digits = name.mid(hex ? 2 : 1);
        if (digits.isEmpty() || digits.size() > (hex ? 6 : 7))
            return {};
        bool ok = false;
        char32_t code = digits.toUInt(&ok, hex ? 16 : 10);
        if (!ok || digits.front() == u'+' || digits.front() == u'-')
            return {};
        if (code == 0 || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
            code = 0xFFFD;
        return QString::fromUcs4(&code, 1);
    }
    const auto found =
        std::lower_bound(std::begin(kEntities), std::end(kEntities), name, [](const Entity& e, QStringView n) {
            return QStringView(n).compare(QLatin1String(e.name)) > 0;
        });
    if (found == std::end(kEntities) || name != QLatin1String(found->name))
        return {};
    return QString(QChar(found->code));
}

QString normalizedLabel(QStringView label) {
    return label.toString().simplified().toCaseFolded();
}

int parseDefinition(QStringView text, QString* label, QString* address) {
    if (!text.startsWith(u'['))
        return 0;
    qsizetype close = 1;
    while (close < text.size() && close <= kMaxLabel && text[close] != u']' && text[close] != u'[')
        close += text[close] == u'\\' ? 2 : 1;
    if (close + 1 >= text.size() || text[close] != u']' || text[close + 1] != u':')
        return 0;
    const QStringView name = text.mid(1, close - 1);
    if (name.trimmed().isEmpty())
        return 0;
    const qsizetype at = skipSpaces(text, close + 2);
    QStringView inner;
    qsizetype end = scanAddress(text, at, &inner);
    if (end < 0 || (inner.isEmpty() && !(at < text.size() && text[at] == u'<')))
        return 0;
    const auto lineEnd = [&](qsizetype from) -> qsizetype { // past the newline, or -1 when something else stands there
        while (from < text.size() && (text[from] == u' ' || text[from] == u'\t'))
            ++from;
        return from >= text.size() ? from : text[from] == u'\n' ? from + 1 : -1;
    };
    qsizetype taken = lineEnd(end);
    const qsizetype title = skipSpaces(text, end);
    if (title > end && title < text.size()) {
        const char16_t open = text[title].unicode();
        const char16_t closer = open == '(' ? ')' : open;
        if (open == '"' || open == '\'' || open == '(') {
            qsizetype i = title + 1;
            while (i < text.size() && text[i] != QChar(closer))
                i += text[i] == u'\\' ? 2 : 1;
            const qsizetype after = i < text.size() ? lineEnd(i + 1) : -1;
            if (after >= 0)
                taken = after;
        }
    }
    if (taken < 0)
        return 0;
    *label = normalizedLabel(name);
    *address = unescaped(inner);
    return int(taken);
}

InlineText parseInline(QStringView source, const LinkDefinitions& definitions) {
    return Parser(source, definitions).run();
}

QVector<QStringView> tableCells(QStringView line) {
    line = line.trimmed();
    if (line.startsWith(u'|'))
        line = line.mid(1);
    QVector<QStringView> cells;
    qsizetype from = 0;
    for (qsizetype i = 0; i < line.size(); ++i) {
        if (line[i] == u'\\') {
            ++i;
        } else if (line[i] == u'|' && cells.size() + 1 < kMaxColumns) {
            cells.append(line.mid(from, i - from).trimmed());
            from = i + 1;
        }
    }
    const QStringView rest = line.mid(from).trimmed();
    if (!rest.isEmpty() || cells.isEmpty())
        cells.append(rest);
    return cells;
}

InlineText parseTableRow(QStringView line, int columns, const LinkDefinitions& definitions) {
    const QVector<QStringView> cells = tableCells(line);
    InlineText row;
    for (int i = 0; i < columns; ++i) {
        if (i > 0)
            row.text += u'\t';
        const int start = int(row.text.size());
        row.cells.append(start);
        if (i >= cells.size())
            continue;
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
