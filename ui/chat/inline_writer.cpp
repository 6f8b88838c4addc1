#include "ui/chat/inline_writer.h"

#include "ui/chat/characters.h"

#include <QRegularExpression>

#include <algorithm>

namespace hearth::ui {
namespace {

constexpr quint16 kNesting = StyleStrong | StyleEmphasis | StyleStrike;
constexpr quint16 kAtoms = StyleCode | StyleMath | StyleHtml; // written as a whole or not at all

/// One UTF-16 unit of the stretch.
struct Letter {
    quint16 style = StylePlain;
    int link = -1;
    int run = -1; // of what is an atom

    bool operator==(const Letter&) const = default;
};

std::vector<Letter> lettersOf(const InlineText& leaf, int from, int to) {
    std::vector<Letter> letters(size_t(to - from));
    for (int r = 0; r < int(leaf.runs.size()); ++r) {
        const InlineRun& run = leaf.runs[r];
        for (int i = std::max(from, run.start); i < std::min(to, run.start + run.length); ++i)
            letters[size_t(i - from)] = {run.style, run.link, run.style & kAtoms ? r : -1};
    }
    return letters;
}

/// No mark stands beside a space on its inner side.
void withoutOuterSpaces(std::vector<Letter>& letters, QStringView text) {
    for (const quint16 flag : {StyleStrong, StyleEmphasis, StyleStrike}) {
        const auto bare = [&](size_t i) {
            if (letters[i].run >= 0 || !text[qsizetype(i)].isSpace())
                return false;
            letters[i].style &= quint16(~flag);
            return true;
        };
        for (size_t i = 0; i < letters.size(); ++i)
            if (letters[i].style & flag && (i == 0 || !(letters[i - 1].style & flag)))
                bare(i);
        for (size_t i = letters.size(); i-- > 0;)
            if (letters[i].style & flag && (i + 1 == letters.size() || !(letters[i + 1].style & flag)))
                bare(i);
    }
}

/// `]` stays as it is: `\[` and `\]` together are a formula. Only in the text of a link it would end something.
QString escaped(QStringView text, bool cell, bool inLink) {
    QString out;
    for (qsizetype i = 0; i < text.size(); ++i) {
        const QChar c = text[i];
        const QChar next = i + 1 < text.size() ? text[i + 1] : QChar(u'[');
        const bool tag = next.isLetter() || next == u'/' || next == u'!' || next == u'?' || next == u'[';
        const bool marks = QStringView(u"\\`*_[~|$").contains(c) || (c == u'<' && tag) ||
                           (c == u'&' && (next.isLetterOrNumber() || next == u'#')) || (c == u'!' && next == u'[');
        if (c == u'\n' && (cell || next == u'\n')) { // an empty line would end the paragraph
            out += QStringLiteral("<br>");
            continue;
        }
        if (inLink && c == u']') {
            out += QStringLiteral("&#93;");
            continue;
        }
        // What looks like an address is told apart when all marks are known; before that it would take them for its
        // own.
        const bool address = !inLink && ((c == u':' && next == u'/') ||
                                         (c == u'.' && out.endsWith(QStringLiteral("www"), Qt::CaseInsensitive)));
        if (marks || address)
            out += u'\\';
        out += c;
    }
    return out;
}

/// An address as it stands in the parentheses of a link.
QString linkTarget(QStringView address) {
    int depth = 0;
    bool bare = !address.isEmpty() && address.front() != u'<';
    for (const QChar c : address) {
        depth += c == u'(' ? 1 : c == u')' ? -1 : 0;
        bare = bare && depth >= 0 && depth < 32 && c.unicode() > 0x20 && c.unicode() != 0x7F;
    }
    bare = bare && depth == 0;
    QString out;
    for (qsizetype i = 0; i < address.size(); ++i) {
        const QChar c = address[i];
        const QChar next = i + 1 < address.size() ? address[i + 1] : QChar(u' ');
        const bool entity = c == u'&' && (next.isLetterOrNumber() || next == u'#');
        if (c == u'\n') { // nothing that was an address holds it as such
            out += QStringLiteral("&#10;");
            continue;
        }
        if (c == u'\\' || entity || c == u'|' || (!bare && (c == u'<' || c == u'>')))
            out += u'\\';
        out += c;
    }
    return bare ? out : u'<' + out + u'>';
}

bool isAngleAddress(const QString& address) {
    static const QRegularExpression form(QStringLiteral("^[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\\s<>\\\\|\\x00-\\x1f]*$"));
    return form.match(address).hasMatch();
}

/// A space beside the end of a line, or any at the ends of the text: Markdown cannot say it.
bool isLoneSpace(QStringView text, qsizetype at) {
    if (!text[at].isSpace())
        return false;
    const bool inLine = text[at] != u'\n';
    qsizetype before = at, after = at;
    while (before >= 0 && text[before].isSpace() && (!inLine || text[before] != u'\n'))
        --before;
    while (after < text.size() && text[after].isSpace() && (!inLine || text[after] != u'\n'))
        ++after;
    return before < 0 || after >= text.size() || text[before] == u'\n' || text[after] == u'\n';
}

class InlineWriter {
public:
    InlineWriter(const InlineText& leaf, int from, int to, const InlineMarks& marks)
        : leaf_(leaf), from_(from), text_(QStringView(leaf.text).mid(from, to - from)), marks_(marks),
          letters_(marks.plain ? std::vector<Letter>(size_t(to - from)) : lettersOf(leaf, from, to)) {
        withoutOuterSpaces(letters_, text_);
    }

    QString write() {
        for (size_t at = 0; at < letters_.size();) {
            size_t end = at + 1;
            while (end < letters_.size() && letters_[end] == letters_[at])
                ++end;
            close(at);
            open(at);
            const QString words = textOf(at, end);
            out_ += words;
            at = end;
        }
        closeTo(0);
        return out_;
    }

private:
    struct Open {
        quint16 flag; // StyleLink: a link, of `link` and `image`
        int link = -1;
        bool image = false;
        QString closer = {};
    };

    bool has(const Open& o, const Letter& l) const {
        return o.flag == StyleLink ? l.link == o.link && bool(l.style & StyleImage) == o.image : bool(l.style & o.flag);
    }

    void closeTo(size_t depth) {
        while (stack_.size() > depth) {
            out_ += stack_.back().closer;
            stack_.pop_back();
        }
    }

    void close(size_t at) {
        for (size_t k = 0; k < stack_.size(); ++k)
            if (!has(stack_[k], letters_[at]))
                return closeTo(k);
    }

    /// What begins here: what lasts longest is the outermost.
    void open(size_t at) {
        const Letter& letter = letters_[at];
        std::vector<Open> wanted;
        for (const quint16 flag : {StyleStrike, StyleStrong, StyleEmphasis})
            if (letter.style & flag && !marks_.emphasis.isEmpty())
                wanted.push_back({flag});
        if (letter.link >= 0)
            wanted.push_back({StyleLink, letter.link, bool(letter.style & StyleImage)});
        std::erase_if(wanted, [&](const Open& o) {
            return std::any_of(stack_.begin(), stack_.end(),
                               [&](const Open& s) { return s.flag == o.flag; }); // others were closed
        });
        const auto lasts = [&](const Open& o) {
            size_t end = at;
            while (end < letters_.size() && has(o, letters_[end]))
                ++end;
            return end;
        };
        std::stable_sort(wanted.begin(), wanted.end(),
                         [&](const Open& a, const Open& b) { return lasts(a) > lasts(b); });
        for (Open& o : wanted) {
            const QString mark = o.flag == StyleStrong     ? marks_.strong
                                 : o.flag == StyleEmphasis ? marks_.emphasis
                                                           : QStringLiteral("~~");
            if (o.flag != StyleLink) {
                out_ += mark;
                o.closer = mark;
            } else {
                openLink(o, text_.mid(qsizetype(at), qsizetype(lasts(o) - at)));
            }
            stack_.push_back(o);
        }
    }

    void openLink(Open& o, QStringView words) {
        const QString address = leaf_.links.value(o.link);
        asIs_ = marks_.verbatim && !o.image && words == address && isAngleAddress(address);
        out_ += asIs_ ? QStringLiteral("<") : o.image ? QStringLiteral("![") : QStringLiteral("[");
        o.closer = asIs_ ? QStringLiteral(">") : QStringLiteral("](") + linkTarget(address) + u')';
    }

    QString textOf(size_t at, size_t end) const {
        const QStringView words = text_.mid(qsizetype(at), qsizetype(end - at));
        const Letter& letter = letters_[at];
        if (asIs_ && letter.link >= 0)
            return words.toString();
        if (letter.style & StyleCode) {
            const QString ticks = fenceFor(words, u'`', 1);
            const bool spaces = words.startsWith(u' ') && words.endsWith(u' ') && !words.trimmed().isEmpty();
            const bool padded = spaces || words.startsWith(u'`') || words.endsWith(u'`');
            const QString pad = padded ? QStringLiteral(" ") : QString();
            QString code = words.toString();
            if (marks_.cell)
                code.replace(u'|', QStringLiteral("\\|"));
            return ticks + pad + code + pad + ticks;
        }
        if (letter.run >= 0 && marks_.verbatim) {
            const InlineRun& run = leaf_.runs[letter.run];
            if (run.start == from_ + int(at) && run.length == int(end - at) &&
                !(marks_.cell && (words.contains(u'|') || words.contains(u'\n'))))
                return words.toString();
        }
        return escaped(words, marks_.cell, letter.link >= 0);
    }

    const InlineText& leaf_;
    int from_;
    QStringView text_;
    const InlineMarks& marks_;
    std::vector<Letter> letters_;
    std::vector<Open> stack_;
    bool asIs_ = false; // the link that is open stands in angle brackets
    QString out_;
};

} // namespace

QString fenceFor(QStringView text, QChar c, int least) {
    int longest = 0;
    int run = 0;
    for (const QChar t : text) {
        run = t == c ? run + 1 : 0;
        longest = std::max(longest, run);
    }
    return QString(std::max(least, longest + 1), c);
}

QString inlineMarkdown(const InlineText& leaf, int from, int to, const InlineMarks& marks) {
    return InlineWriter(leaf, from, to, marks).write();
}

InlineText stretchOf(const InlineText& leaf, int from, int to) {
    InlineText out;
    out.text = leaf.text.mid(from, to - from);
    out.links = leaf.links;
    for (InlineRun run : leaf.runs) {
        const int begin = std::clamp(run.start, from, to);
        const int end = std::clamp(run.start + run.length, begin, to);
        if (end > begin)
            out.runs.append({begin - from, end - begin, run.style, run.link});
    }
    return out;
}

QString withoutLoneSpaces(QStringView text) {
    QString out;
    for (qsizetype i = 0; i < text.size(); ++i)
        if (!isLoneSpace(text, i))
            out += text[i];
    return out;
}

bool readsAlike(const InlineText& a, const InlineText& b) {
    if (withoutLoneSpaces(a.text) != withoutLoneSpaces(b.text))
        return false;
    const std::vector<Letter> left = lettersOf(a, 0, int(a.text.size()));
    const std::vector<Letter> right = lettersOf(b, 0, int(b.text.size()));
    for (size_t i = 0, k = 0;; ++i, ++k) {
        while (i < left.size() && isLoneSpace(a.text, qsizetype(i)))
            ++i;
        while (k < right.size() && isLoneSpace(b.text, qsizetype(k)))
            ++k;
        if (i >= left.size() || k >= right.size())
            return true; // both: their texts are the same
        const quint16 differs = left[i].style ^ right[k].style;
        if (a.text[qsizetype(i)].isSpace() ? differs & ~kNesting : differs)
            return false;
        if (a.links.value(left[i].link) != b.links.value(right[k].link))
            return false;
    }
}

} // namespace hearth::ui
