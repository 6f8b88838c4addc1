#include "compositions.h"

#include <QStringList>

#include <iterator>

namespace hearth::ui::test {
namespace {

constexpr const char16_t* kLatin[] = {u"word",  u"a",     u"of it", u"x1",   u"end.", u"(so)", u"\"quoted\"", u"it's",
                                      u"a, b",  u"&amp;", u"&lt;",  u"\\*",  u"\\`",  u"\\_",  u"a*b",        u"a_b",
                                      u"2 * 3", u"x < y", u"#1",    u"1. b", u"- c",  u"> d",  u"&copy;",     u"&#65;",
                                      u"~",     u"!",     u"a&b",   u"a-b",  u"\\\\"};
constexpr const char16_t* kMixed[] = {u"文字",       u"，他说",   u"「好」",     u"“引”",      u"。",
                                      u"한국어",     u"$a_1*b$",  u"$5",         u"\\(x*y\\)", u"https://a.bc/d_e，",
                                      u"www.a.bc",   u"a.b@c.de", u"\U0001F600", u"e\u0301",   u"葛\U000E0100",
                                      u"\U00020000", u"<br>",     u"~1~",        u"**粗。**新"};

class Composer {
public:
    Composer(QRandomGenerator& random, Words words) : random_(random), words_(words) {}

    QString blocks(int depth) {
        QString out;
        for (int n = 1 + below(depth > 2 ? 5 : 3); n > 0; --n)
            out += block(depth) + (below(5) ? QStringLiteral("\n") : QString());
        return out;
    }

private:
    int below(int n) { return int(random_.bounded(n)); }

    QString word() {
        if (words_ == Words::Mixed && below(3) == 0)
            return QString::fromUtf16(kMixed[below(int(std::size(kMixed)))]);
        return QString::fromUtf16(kLatin[below(int(std::size(kLatin)))]);
    }

    QString inlines(int depth) {
        QString out;
        for (int n = 1 + below(4); n > 0; --n)
            out +=
                inlinePiece(depth) + (n > 1 && (words_ == Words::Latin || below(3)) ? QStringLiteral(" ") : QString());
        return out;
    }

    QString inlinePiece(int depth) {
        const QString inner = depth > 0 ? inlines(depth - 1) : word();
        switch (below(15)) {
        case 0:
            return u'*' + inner + u'*';
        case 1:
            return QStringLiteral("**") + inner + QStringLiteral("**");
        case 2:
            return u'_' + inner + u'_';
        case 3:
            return QStringLiteral("__") + inner + QStringLiteral("__");
        case 4:
            return u'`' + word() + u'`';
        case 5:
            return QStringLiteral("`` ") + word() + QStringLiteral(" ` c ``");
        case 6:
            return u'[' + inner + QStringLiteral("](/u \"t\")");
        case 7:
            return u'[' + inner + QStringLiteral("][ref]");
        case 8:
            return QStringLiteral("![") + word() + QStringLiteral("](<a b> 't')");
        case 9:
            return QStringLiteral("[Ref]");
        case 10:
            return QStringLiteral("<http://a.bc/d?e=f>");
        case 11:
            return QStringLiteral("<b class=\"c\">") + word() + QStringLiteral("</b>");
        case 12:
            return words_ == Words::Latin ? QStringLiteral("~~gone~~")
                                          : QStringLiteral("~~") + inner + QStringLiteral("~~");
        default:
            return word();
        }
    }

    QString paragraph() {
        QString out = inlines(2);
        for (int n = below(3); n > 0; --n)
            out += (below(3)   ? QStringLiteral("\n")
                    : below(2) ? QStringLiteral("  \n")
                               : QStringLiteral("\\\n")) +
                   inlines(1);
        return out + u'\n';
    }

    QString block(int depth) {
        switch (below(depth > 0 ? 13 : 9)) {
        case 0:
            return QString(1 + below(6), u'#') + u' ' + inlines(1) + (below(3) ? QString() : QStringLiteral(" ##")) +
                   u'\n';
        case 1:
            return inlines(1) + (below(2) ? QStringLiteral("\n===\n") : QStringLiteral("\n---\n"));
        case 2:
            return fence();
        case 3:
            return QStringLiteral("    code  ") + word() + QStringLiteral("\n\n      more\n");
        case 4:
            return table();
        case 5:
            return below(2) ? QStringLiteral("***\n") : QStringLiteral("[ref]: /target 'title'\n");
        case 6:
            return below(2) ? QStringLiteral("<div>\n*") + word() + QStringLiteral("*\n</div>\n\n")
                            : QStringLiteral("<!-- ") + word() + QStringLiteral("\n\n-->\n");
        case 7:
        case 8:
            return paragraph();
        case 9:
            return prefixed(QStringLiteral("> "), QStringLiteral("> "), blocks(depth - 1));
        default:
            return list(depth);
        }
    }

    QString fence() {
        const QString mark = below(2) ? QStringLiteral("```") : QStringLiteral("~~~~");
        return mark + (below(2) ? QStringLiteral("c++ x") : QString()) + QStringLiteral("\n  ") + word() +
               QStringLiteral("\n\n- *") + word() + QStringLiteral("\n") + mark + u'\n';
    }

    QString table() {
        QString out = QStringLiteral("\n| ") + inlines(0) + QStringLiteral(" | b |\n|:--|") +
                      (below(2) ? QStringLiteral(":-:") : QStringLiteral("---")) + QStringLiteral("|\n");
        for (int n = below(4); n > 0; --n)
            out += below(4)
                       ? QStringLiteral("| ") + inlines(1) + QStringLiteral(" | ") + word() + QStringLiteral(" |\n")
                       : word() + QStringLiteral(" \\| x |\n");
        return out + u'\n';
    }

    QString list(int depth) {
        static const char16_t* kMarks[] = {u"- ", u"* ", u"+ ", u"1. ", u"12) ", u"-   "};
        const QString mark = QString::fromUtf16(kMarks[below(int(std::size(kMarks)))]);
        QString out;
        for (int n = 1 + below(3); n > 0; --n) {
            const QString task = below(6) ? QString() : below(2) ? QStringLiteral("[ ] ") : QStringLiteral("[x] ");
            const bool empty = words_ == Words::Mixed && below(8) == 0;
            const QString body = empty ? QStringLiteral("\n") : below(3) ? task + paragraph() : blocks(depth - 1);
            out += prefixed(mark, QString(mark.size(), u' '), body);
            if (below(4) == 0)
                out += u'\n';
        }
        return out;
    }

    static QString prefixed(const QString& first, const QString& rest, const QString& text) {
        QStringList lines = text.split(u'\n');
        if (lines.last().isEmpty())
            lines.removeLast();
        for (int i = 0; i < lines.size(); ++i)
            lines[i] =
                lines[i].isEmpty() && i > 0 && rest.trimmed().isEmpty() ? QString() : (i ? rest : first) + lines[i];
        return lines.join(u'\n') + u'\n';
    }

    QRandomGenerator& random_;
    Words words_;
};

} // namespace

QString composition(QRandomGenerator& random, Words words, int depth) {
    return Composer(random, words).blocks(depth);
}

QString noise(QRandomGenerator& random, Words words, int pieces) {
    static const char16_t* kPieces[] = {
        u"\n",          u"\n\n",        u"- ",       u"* ",   u"1. ",    u"2) ",        u"> ",        u"# ",
        u"## ",         u"```\n",       u"```cpp\n", u"~~~",  u"    ",   u"\t",         u"---\n",     u"===\n",
        u"| a | b |\n", u"|---|:-:|\n", u"|",        u"**",   u"*",      u"_",          u"`",         u"``",
        u"~~",          u"[",           u"](",       u")",    u"![",     u"](x \"t\")", u"[a]: /b\n", u"[a]",
        u"<div>\n",     u"</div>",      u"<!--",     u"-->",  u"<b c='", u"&amp;",      u"\\",        u"word ",
        u"a",           u" ",           u".",        u"[ ] ", u"[x] ",   u"  \n",       u"0"};
    static const char16_t* kMore[] = {
        u"$x$", u"$$",   u"$",          u"$$\n",   u"\\[\n",  u"\\]\n",         u"\\(",     u"\\)",
        u"字",  u"。",   u"“",          u"”",      u"~",      u"http://a.bc/d", u"www.a.b", u"\r\n",
        u"\r",  u"<br>", u"\U0001F600", u"\u0301", u"\uFE01", u"\U000E0100",    u"a@b.cd"};
    constexpr int kAll = int(std::size(kPieces)) + int(std::size(kMore));
    QString text;
    for (int i = 0; i < pieces; ++i) {
        const int k = int(random.bounded(words == Words::Latin ? int(std::size(kPieces)) : kAll));
        text += QString::fromUtf16(k < int(std::size(kPieces)) ? kPieces[k] : kMore[k - int(std::size(kPieces))]);
    }
    return text;
}

} // namespace hearth::ui::test
