#include "ui/text_line.h"

#include <QFontMetrics>
#include <QPainter>
#include <QTextDocument>

namespace hearth::ui {

namespace {

bool isHan(QChar c) {
    const ushort u = c.unicode();
    return (u >= 0x2E80 && u <= 0x2FDF) || (u >= 0x3005 && u <= 0x3007) || (u >= 0x3400 && u <= 0x4DBF) ||
           (u >= 0x4E00 && u <= 0x9FFF) || (u >= 0xF900 && u <= 0xFAFF) || (u >= 0xD840 && u <= 0xD883);
}

bool isSharedPunctuation(QChar c) {
    return QStringView(u"\u201C\u201D\u2018\u2019\u2026\u2014").contains(c);
}

bool isFullWidthMark(QChar c) {
    const ushort u = c.unicode();
    return (u >= 0x3001 && u <= 0x3003) || (u >= 0x3008 && u <= 0x3011) || (u >= 0xFF01 && u <= 0xFF60);
}

bool isLatin(QChar c) {
    return c.isLetterOrNumber() && c.unicode() < 0x2E80;
}

// Turns the direction of what follows, or is no character at all.
bool isUnwanted(QChar c) {
    const ushort u = c.unicode();
    return (u < 0x20 && u != 0x0A && u != 0x09) || (u >= 0x7F && u < 0xA0) || (u >= 0x202A && u <= 0x202E) ||
           (u >= 0x2066 && u <= 0x2069) || u == 0x200E || u == 0x200F || u == 0xFEFF;
}

} // namespace

void drawTextLine(QPainter& painter, const QRect& rect, const QString& text, Qt::Alignment alignment) {
    const QFontMetrics metrics(painter.font());
    const QString shown = metrics.elidedText(text, Qt::ElideRight, rect.width());
    int x = rect.left();
    if (!(alignment & Qt::AlignLeft)) {
        const int spare = rect.width() - metrics.horizontalAdvance(shown);
        x += (alignment & Qt::AlignRight) ? spare : spare / 2;
    }
    const int top = rect.top() + (rect.height() - metrics.ascent() - metrics.descent()) / 2;
    painter.drawText(QPoint(x, top + metrics.ascent()), shown);
}

QVector<QTextLayout::FormatRange> hanFormats(const Theme& theme, TextStyle style, const QString& text, bool bold) {
    QVector<QTextLayout::FormatRange> formats;
    const QFont han = theme.hanFont(style, bold);
    const int size = static_cast<int>(text.size());
    const auto at = [&](int i) { return i >= 0 && i < size ? text[i] : QChar(); };
    const auto eastern = [&](int i) { return isHan(at(i)) || isFullWidthMark(at(i)); };
    for (int i = 0; i < size; ++i) {
        QTextCharFormat format;
        if (isSharedPunctuation(text[i])) {
            // A run of such marks is judged by what stands around the whole run.
            int before = i - 1, after = i + 1;
            while (before >= 0 && isSharedPunctuation(text[before]))
                --before;
            while (after < size && isSharedPunctuation(text[after]))
                ++after;
            if (eastern(before) || eastern(after))
                format.setFontFamilies(han.families());
        } else if ((isHan(text[i]) && isLatin(at(i + 1))) || (isLatin(text[i]) && isHan(at(i + 1)))) {
            format.setFontLetterSpacingType(QFont::AbsoluteSpacing);
            format.setFontLetterSpacing(han.pixelSize() / 8.0);
        }
        if (!format.isEmpty())
            formats.push_back({i, 1, format});
    }
    return formats;
}

QString oneLine(const QString& text, int limit) {
    QString out;
    out.reserve(std::min<qsizetype>(text.size(), limit));
    for (const QChar c : text) {
        if (out.size() >= limit)
            break;
        if (c.isSpace()) {
            if (!out.endsWith(u' '))
                out += u' ';
        } else if (!isUnwanted(c)) {
            out += c;
        }
    }
    if (!out.isEmpty() && out.back().isHighSurrogate())
        out.chop(1);
    return out.trimmed();
}

QString plainToolTip(const QString& text) {
    return Qt::mightBeRichText(text)
               ? QStringLiteral("<p style=\"white-space:pre-wrap\">%1</p>").arg(text.toHtmlEscaped())
               : text;
}

} // namespace hearth::ui
