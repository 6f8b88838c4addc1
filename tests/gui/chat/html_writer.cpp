#include "html_writer.h"

#include "ui/chat/entities.h"

#include <QRegularExpression>
#include <QUrl>

#include <md4c.h>

#include <algorithm>

namespace hearth::ui::test {
namespace {

const QVector<QPair<quint16, QString>> kTags{{StyleStrong, QStringLiteral("strong")},
                                             {StyleEmphasis, QStringLiteral("em")},
                                             {StyleStrike, QStringLiteral("del")},
                                             {StyleCode, QStringLiteral("code")},
                                             {StyleMath, QStringLiteral("x-math")}};

/// Runs of one text as HTML.
QString inlines(const InlineText& t, int from, int to) {
    QString out;
    int at = from;
    for (const InlineRun& r : t.runs) {
        if (r.start < from || r.start >= to)
            continue;
        out += t.text.mid(at, r.start - at).toHtmlEscaped();
        at = r.start + r.length;
        const QString text = t.text.mid(r.start, r.length);
        const bool tag = r.style & StyleHtml && !(r.style & StyleImage);
        QString piece = tag ? text : text.toHtmlEscaped();
        const QString address = r.style & StyleLink ? t.links[r.link].toHtmlEscaped() : QString();
        if (r.style & StyleImage)
            piece = QStringLiteral("<img src=\"%1\" alt=\"%2\" />").arg(address, piece);
        for (const auto& named : kTags)
            if (r.style & named.first)
                piece = QStringLiteral("<%1>%2</%1>").arg(named.second, piece);
        if (r.style & StyleLink && !(r.style & StyleImage))
            piece = QStringLiteral("<a href=\"%1\">%2</a>").arg(address, piece);
        out += piece;
    }
    return out + t.text.mid(at, to - at).toHtmlEscaped();
}

class Writer {
public:
    explicit Writer(const BlockSplitter& b) : b_(b) {}

    QString run() {
        for (int i = 0; i < b_.count(); ++i) {
            moveTo(b_.block(i).container);
            i = writeLeaf(i);
        }
        moveTo(-1);
        return out_;
    }

private:
    void moveTo(int container) {
        QVector<int> path;
        for (int c = container; c >= 0; c = b_.container(c).parent)
            path.prepend(c);
        int common = 0;
        while (common < path.size() && common < open_.size() && path[common] == open_[common])
            ++common;
        const bool sameList = common < path.size() && common < open_.size() && follows(open_[common], path[common]);
        while (open_.size() > common)
            close(sameList && open_.size() == common + 1);
        for (int k = common; k < path.size(); ++k)
            open(path[k], sameList && k == common);
    }

    bool follows(int before, int after) const {
        const Container& a = b_.container(before);
        const Container& c = b_.container(after);
        return !a.quote && !c.quote && a.ordered == c.ordered && a.delimiter == c.delimiter &&
               (!a.ordered || c.number == a.number + 1);
    }

    void close(bool keepList) {
        const Container& c = b_.container(open_.takeLast());
        out_ += c.quote ? QStringLiteral("</blockquote>\n") : QStringLiteral("</li>\n");
        if (!c.quote && !keepList)
            out_ += c.ordered ? QStringLiteral("</ol>\n") : QStringLiteral("</ul>\n");
    }

    void open(int node, bool sameList) {
        const Container& c = b_.container(node);
        open_.append(node);
        if (!c.quote && !sameList)
            out_ += !c.ordered      ? QStringLiteral("<ul>\n")
                    : c.number == 1 ? QStringLiteral("<ol>\n")
                                    : QStringLiteral("<ol start=\"%1\">\n").arg(c.number);
        out_ += c.quote ? QStringLiteral("<blockquote>\n") : QStringLiteral("<li>\n");
    }

    /// Writes the leaf and the slices that belong to it; returns the last one.
    int writeLeaf(int i) {
        const Block& first = b_.block(i);
        int last = i;
        while (last + 1 < b_.count() && b_.block(last + 1).slice > 0 && b_.block(last + 1).root == first.root)
            ++last;
        if (first.kind == BlockKind::TableRow) {
            writeTable(i, last);
            return last;
        }
        QString text;
        for (int k = i; k <= last; ++k)
            text +=
                (k > i && !b_.block(k).joined ? QStringLiteral("\n") : QString()) +
                (verbatim(first.kind) ? b_.block(k).text : inlines(b_.inlines(k), 0, int(b_.inlines(k).text.size())));
        if (first.task >= 0)
            text.prepend(first.task ? QStringLiteral("<input checked=\"\" disabled=\"\" type=\"checkbox\" /> ")
                                    : QStringLiteral("<input disabled=\"\" type=\"checkbox\" /> "));
        writeText(first, text);
        return last;
    }

    static bool verbatim(BlockKind kind) {
        return kind == BlockKind::Code || kind == BlockKind::Literal || kind == BlockKind::Math;
    }

    void writeText(const Block& block, const QString& text) {
        switch (block.kind) {
        case BlockKind::Heading:
            out_ += QStringLiteral("<h%1>%2</h%1>\n").arg(block.level).arg(text);
            break;
        case BlockKind::Code: {
            const QString language = block.info.section(u' ', 0, 0).toHtmlEscaped();
            out_ += QStringLiteral("<pre><code%1>%2\n</code></pre>\n")
                        .arg(language.isEmpty() ? QString() : QStringLiteral(" class=\"language-%1\"").arg(language),
                             text.toHtmlEscaped());
            break;
        }
        case BlockKind::Math:
            out_ += QStringLiteral("<x-display>%1</x-display>\n").arg(text.toHtmlEscaped());
            break;
        case BlockKind::Literal:
            out_ += text + u'\n';
            break;
        case BlockKind::Rule:
            out_ += QStringLiteral("<hr />\n");
            break;
        default:
            out_ += QStringLiteral("<p>%1</p>\n").arg(text);
        }
    }

    void writeTable(int from, int to) {
        out_ += QStringLiteral("<table>\n");
        for (int i = from; i <= to; ++i) {
            const InlineText& row = b_.inlines(i);
            out_ += QStringLiteral("<tr>\n");
            for (int c = 0; c < b_.block(i).info.size(); ++c) {
                const bool present = c < row.cells.size();
                const int start = present ? row.cells[c] : 0;
                const int end = !present ? 0 : c + 1 < row.cells.size() ? row.cells[c + 1] - 1 : int(row.text.size());
                const QChar a = b_.block(i).info[c];
                const QString align = a == u'l'   ? QStringLiteral(" align=\"left\"")
                                      : a == u'c' ? QStringLiteral(" align=\"center\"")
                                      : a == u'r' ? QStringLiteral(" align=\"right\"")
                                                  : QString();
                out_ +=
                    QStringLiteral("<%1%2>%3</%1>\n")
                        .arg(i == from ? QStringLiteral("th") : QStringLiteral("td"), align, inlines(row, start, end));
            }
            out_ += QStringLiteral("</tr>\n");
        }
        out_ += QStringLiteral("</table>\n");
    }

    const BlockSplitter& b_;
    QVector<int> open_;
    QString out_;
};

/// md4c's callbacks, written down as HTML.
struct Md4cWriter {
    QString out;
    QStringList alt; // descriptions being gathered

    static QString attribute(const MD_ATTRIBUTE& a) {
        QString text;
        for (int i = 0; a.substr_offsets && a.substr_offsets[i] < a.size; ++i) {
            const int from = int(a.substr_offsets[i]);
            const int to = int(a.substr_offsets[i + 1]);
            const QString part = QString::fromUtf8(a.text + from, to - from);
            text += a.substr_types[i] == MD_TEXT_ENTITY ? decoded(part) : part;
        }
        return text.toHtmlEscaped();
    }

    static QString decoded(const QString& entity) {
        QString text;
        return scanEntity(entity, 0, &text) > 0 ? text : entity;
    }

    QString blockTag(MD_BLOCKTYPE type, void* detail, bool enter) {
        const QString slash = enter ? QString() : QStringLiteral("/");
        const auto plain = [&](const char* name) {
            return QStringLiteral("<%1%2>\n").arg(slash, QString::fromLatin1(name));
        };
        switch (type) {
        case MD_BLOCK_QUOTE:
            return plain("blockquote");
        case MD_BLOCK_UL:
            return plain("ul");
        case MD_BLOCK_OL: {
            const unsigned start = static_cast<MD_BLOCK_OL_DETAIL*>(detail)->start;
            return enter && start != 1 ? QStringLiteral("<ol start=\"%1\">\n").arg(start) : plain("ol");
        }
        case MD_BLOCK_LI: {
            const auto* li = static_cast<MD_BLOCK_LI_DETAIL*>(detail);
            const QString task = enter && li->is_task
                                     ? QStringLiteral("<input %1disabled=\"\" type=\"checkbox\" /> ")
                                           .arg(li->task_mark != ' ' ? QStringLiteral("checked=\"\" ") : QString())
                                     : QString();
            return plain("li") + task;
        }
        case MD_BLOCK_HR:
            return enter ? QStringLiteral("<hr />\n") : QString();
        case MD_BLOCK_H:
            return QStringLiteral("<%1h%2>").arg(slash).arg(static_cast<MD_BLOCK_H_DETAIL*>(detail)->level);
        case MD_BLOCK_CODE: {
            if (!enter)
                return QStringLiteral("</code></pre>\n");
            const QString language = attribute(static_cast<MD_BLOCK_CODE_DETAIL*>(detail)->lang);
            return language.isEmpty() ? QStringLiteral("<pre><code>")
                                      : QStringLiteral("<pre><code class=\"language-%1\">").arg(language);
        }
        case MD_BLOCK_P:
            return plain("p");
        case MD_BLOCK_TABLE:
            return plain("table");
        case MD_BLOCK_TR:
            return plain("tr");
        case MD_BLOCK_TH:
        case MD_BLOCK_TD: {
            static const char* aligns[] = {"", " align=\"left\"", " align=\"center\"", " align=\"right\""};
            const QString name = type == MD_BLOCK_TH ? QStringLiteral("th") : QStringLiteral("td");
            return QStringLiteral("<%1%2%3>")
                .arg(slash, name,
                     enter ? QString::fromLatin1(aligns[static_cast<MD_BLOCK_TD_DETAIL*>(detail)->align]) : QString());
        }
        default:
            return {};
        }
    }

    void span(MD_SPANTYPE type, void* detail, bool enter) {
        if (type == MD_SPAN_IMG && enter)
            alt << QString();
        if (type == MD_SPAN_IMG && !enter) {
            const QString text = alt.takeLast();
            const QString src = attribute(static_cast<MD_SPAN_IMG_DETAIL*>(detail)->src);
            add(alt.isEmpty() ? QStringLiteral("<img src=\"%1\" alt=\"%2\" />").arg(src, text) : text);
        }
        if (type == MD_SPAN_IMG || !alt.isEmpty())
            return;
        if (type == MD_SPAN_A) {
            add(enter ? QStringLiteral("<a href=\"%1\">").arg(attribute(static_cast<MD_SPAN_A_DETAIL*>(detail)->href))
                      : QStringLiteral("</a>"));
            return;
        }
        const char* name = type == MD_SPAN_EM       ? "em"
                           : type == MD_SPAN_STRONG ? "strong"
                           : type == MD_SPAN_CODE   ? "code"
                                                    : "del";
        add(QStringLiteral("<%1%2>").arg(enter ? QString() : QStringLiteral("/"), QString::fromLatin1(name)));
    }

    void text(MD_TEXTTYPE type, const QString& t) {
        add(type == MD_TEXT_BR || type == MD_TEXT_SOFTBR ? QStringLiteral("\n")
            : type == MD_TEXT_HTML                       ? t
            : type == MD_TEXT_NULLCHAR                   ? QString(QChar(QChar::ReplacementCharacter))
            : type == MD_TEXT_ENTITY                     ? decoded(t).toHtmlEscaped()
                                                         : t.toHtmlEscaped());
    }

    void add(const QString& t) { (alt.isEmpty() ? out : alt.last()) += t; }
};

/// HTML read token by token into its canonical form.
class Reader {
public:
    QString read(const QString& html) {
        static const QRegularExpression tag(
            QStringLiteral("<(/?)(p|h[1-6]|blockquote|ul|ol|li|pre|hr|table|thead|tbody|tr|th|td|em|strong|del|code|a|"
                           "img|br|input|x-math|x-display)(?:\\s+([^<>]*?))?\\s*/?>"));
        qsizetype at = 0;
        QRegularExpressionMatchIterator it = tag.globalMatch(html);
        while (it.hasNext()) {
            const QRegularExpressionMatch m = it.next();
            text(html.mid(at, m.capturedStart() - at));
            at = m.capturedEnd();
            element(m.captured(2), !m.captured(1).isEmpty(), m.captured(3));
        }
        text(html.mid(at));
        endText();
        return lines_.join(u'\n');
    }

private:
    static QString decoded(QString s) {
        return s.replace(QStringLiteral("&lt;"), QStringLiteral("<"))
            .replace(QStringLiteral("&gt;"), QStringLiteral(">"))
            .replace(QStringLiteral("&quot;"), QStringLiteral("\""))
            .replace(QStringLiteral("&amp;"), QStringLiteral("&"));
    }

    static QString attribute(const QString& all, const char* name) {
        const QRegularExpression re(QStringLiteral("\\b%1=\"([^\"]*)\"").arg(QString::fromLatin1(name)));
        return decoded(re.match(all).captured(1));
    }

    static QString address(const QString& s) { return QUrl::fromPercentEncoding(s.toUtf8()); }

    void element(const QString& name, bool closing, const QString& attributes) {
        if (name == u"br") {
            add(QStringLiteral("\n"), {});
        } else if (name == u"a") {
            // A link in a link is the outer one's.
            linkDepth_ += closing ? -1 : 1;
            if (linkDepth_ == 0)
                link_.clear();
            else if (linkDepth_ == 1 && !closing)
                link_ = QStringLiteral("a:") + address(attribute(attributes, "href"));
        } else if (name == u"img") {
            const QString src = address(attribute(attributes, "src"));
            const QString alt = attribute(attributes, "alt").replace(u'\n', u' ');
            add(alt.isEmpty() ? src : alt, QStringLiteral("i:") + (link_.isEmpty() ? src : link_.mid(2)));
        } else if (name == u"code" && inPre_) {
            if (!closing)
                text_ += attribute(attributes, "class") + u':';
        } else if (inlineNames().contains(name)) {
            depth_[name] += closing ? -1 : 1;
        } else {
            block(name, closing, attributes);
        }
    }

    static QStringList inlineNames() {
        return {QStringLiteral("em"), QStringLiteral("strong"), QStringLiteral("del"), QStringLiteral("code"),
                QStringLiteral("x-math")};
    }

    void block(const QString& name, bool closing, const QString& attributes) {
        endText();
        inPre_ = name == u"pre" && !closing;
        if (name == u"p" || name == u"thead" || name == u"tbody") // tight or loose is one
            return;
        if (name == u"blockquote" && closing && !lines_.isEmpty() && lines_.last() == name) {
            lines_.removeLast(); // a quote of nothing shows nothing
            return;
        }
        QString line = (closing ? QStringLiteral("/") : QString()) + name;
        for (const char* kept : {"start", "align", "checked"})
            if (!closing && attributes.contains(QLatin1String(kept)))
                line += u' ' + QLatin1String(kept) + attribute(attributes, kept);
        lines_ << line;
    }

    void text(const QString& t) {
        QString d = t;
        if (!inPre_) // a tag that is text is not a tag
            d.replace(QStringLiteral("&lt;"), QStringLiteral("‹"));
        d = decoded(d);
        if (inPre_)
            text_ += d;
        else
            add(d, {});
    }

    void add(QString t, const QString& image) {
        QString style = image.isEmpty() ? link_ : image;
        for (const QString& name : inlineNames())
            if (depth_[name] > 0 && image.isEmpty())
                style += u' ' + name;
        // Line ends stand for themselves, whatever style holds them: nobody sees it.
        if (style != style_ && !t.isEmpty()) {
            text_ += u'{' + style + u'}';
            style_ = style;
        }
        text_ += t;
    }

    void endText() {
        QString t = text_;
        if (inPre_ && t.endsWith(u'\n'))
            t.chop(1);
        static const QRegularExpression outer(QStringLiteral("^[ \\t\\n]+|[ \\t\\n]+$"));
        static const QRegularExpression breaks(QStringLiteral("[ \\t]*\\n[ \\t\\n]*"));
        if (!inPre_)
            t = t.remove(outer).replace(breaks, QStringLiteral("\n"));
        t.remove(QStringLiteral("{}\n")).replace(u'\n', QStringLiteral("⏎"));
        static const QRegularExpression emptyStyle(QStringLiteral("^(\\{\\})+|(\\{\\})+$"));
        t.remove(emptyStyle);
        if (!t.isEmpty())
            lines_ << QStringLiteral("\"") + t;
        text_.clear();
        style_.clear();
        link_.clear();
        linkDepth_ = 0;
        depth_.clear();
    }

    QStringList lines_;
    QString text_;
    QString style_;
    QString link_;
    int linkDepth_ = 0;
    QHash<QString, int> depth_;
    bool inPre_ = false;
};

} // namespace

QString html(const BlockSplitter& b) {
    return Writer(b).run();
}

QString html(const QString& markdown) {
    BlockSplitter b;
    b.feed(markdown);
    b.finish();
    return html(b);
}

QString htmlByMd4c(const QString& markdown, unsigned flags) {
    Md4cWriter w;
    MD_PARSER parser = {};
    parser.flags = flags;
    parser.enter_block = [](MD_BLOCKTYPE type, void* detail, void* user) {
        auto* w = static_cast<Md4cWriter*>(user);
        w->add(w->blockTag(type, detail, true));
        return 0;
    };
    parser.leave_block = [](MD_BLOCKTYPE type, void* detail, void* user) {
        auto* w = static_cast<Md4cWriter*>(user);
        w->add(w->blockTag(type, detail, false));
        return 0;
    };
    parser.enter_span = [](MD_SPANTYPE type, void* detail, void* user) {
        static_cast<Md4cWriter*>(user)->span(type, detail, true);
        return 0;
    };
    parser.leave_span = [](MD_SPANTYPE type, void* detail, void* user) {
        static_cast<Md4cWriter*>(user)->span(type, detail, false);
        return 0;
    };
    parser.text = [](MD_TEXTTYPE type, const MD_CHAR* text, MD_SIZE size, void* user) {
        static_cast<Md4cWriter*>(user)->text(type, QString::fromUtf8(text, int(size)));
        return 0;
    };
    const QByteArray source = markdown.toUtf8();
    md_parse(source.constData(), MD_SIZE(source.size()), &parser, &w);
    return w.out;
}

QString canonical(const QString& html) {
    return Reader().read(html);
}

} // namespace hearth::ui::test
