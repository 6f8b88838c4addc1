#include "ui/chat/type_sheet.h"

#include "ui/chat/inline_parser.h"

#include <QFontMetricsF>

namespace hearth::ui {

TextStyle TypeSheet::headingStyle(int level) {
    return level <= 1 ? TextStyle::Heading1 : level == 2 ? TextStyle::Heading2 : TextStyle::Heading3;
}

int TypeSheet::baseline(TextStyle style) const {
    const auto known = baselines_.constFind(int(style));
    if (known != baselines_.constEnd())
        return known.value();
    const QFontMetricsF metrics(theme_.font(style));
    const int value = qRound((pitch(style) - metrics.ascent() - metrics.descent()) / 2 + metrics.ascent());
    baselines_.insert(int(style), value);
    return value;
}

const QTextCharFormat& TypeSheet::format(TextStyle textStyle, quint16 style, bool bold, bool han, bool spaced) const {
    const quint32 key =
        quint32(textStyle) << 24 | quint32(bold) << 18 | quint32(han) << 17 | quint32(spaced) << 16 | style;
    auto known = formats_.find(key);
    if (known != formats_.end())
        return known.value();
    QTextCharFormat f;
    const bool strong = bold || style & StyleStrong;
    const bool mono = style & (StyleCode | StyleMath);
    QFont font;
    if (mono) {
        font = theme_.font(TextStyle::Code, strong);
        if (textStyle != TextStyle::Code) // beside text of another size it keeps its proportion to it
            font.setPixelSize(qMax(1, theme_.font(textStyle).pixelSize() - 1));
    } else {
        font = han ? theme_.hanFont(textStyle, strong) : theme_.font(textStyle, strong, style & StyleEmphasis);
    }
    if (spaced)
        font.setLetterSpacing(QFont::AbsoluteSpacing, qMax(1, font.pixelSize()) / 8.0);
    font.setStrikeOut(style & StyleStrike);
    f.setFont(font);
    if (style & StyleLink)
        f.setForeground(theme_.color(Token::Link));
    else if (style & StyleMath)
        f.setForeground(theme_.color(Token::Second));
    return formats_.insert(key, f).value();
}

QVector<QTextLayout::FormatRange> TypeSheet::formats(QStringView text, const QVector<Styled>& runs, TextStyle textStyle,
                                                     bool bold) const {
    QVector<QTextLayout::FormatRange> out;
    int next = 0; // the first run that does not end before the script run
    const auto add = [&](int start, int end, quint16 style, bool han, bool spaced) {
        const int last = end - 1 > start && text[end - 1].isLowSurrogate() ? 2 : 1; // units of the last character
        const int body = spaced ? end - last : end;
        if (body > start && (han || style != StylePlain))
            out.append({start, body - start, format(textStyle, style, bold, han, false)});
        if (spaced)
            out.append({body, last, format(textStyle, style, bold, han, true)});
    };
    for (const ScriptRun& script : scriptRuns(text)) {
        int at = script.start;
        const int end = script.start + script.length;
        while (next < runs.size() && runs[next].start + runs[next].length <= at)
            ++next;
        for (int k = next; at < end; ++k) {
            const bool more = k < runs.size() && runs[k].start < end;
            const int runStart = more ? std::max(runs[k].start, at) : end;
            if (runStart > at)
                add(at, runStart, StylePlain, script.cjk, script.spaceAfter && runStart == end);
            if (!more)
                break;
            at = std::min(end, runs[k].start + runs[k].length);
            // Code keeps its columns: no extra space inside it.
            const bool mono = runs[k].style & (StyleCode | StyleMath);
            add(runStart, at, runs[k].style, script.cjk, script.spaceAfter && at == end && !mono);
        }
    }
    return out;
}

} // namespace hearth::ui
