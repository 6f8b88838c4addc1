#pragma once

#include "ui/chat/inline_parser.h"

#include <QString>

namespace hearth::ui::test {

/// The text with its styles, readable: `<s>`, `<e>`, `<c>`, `<d>`, `<a address>`, `<i address>`, `<m>`, `<h>`.
inline QString marked(const InlineText& t) {
    QString out;
    int at = 0;
    for (const InlineRun& r : t.runs) {
        out += t.text.mid(at, r.start - at);
        QString open;
        if (r.style & StyleStrong)
            open += u's';
        if (r.style & StyleEmphasis)
            open += u'e';
        if (r.style & StyleCode)
            open += u'c';
        if (r.style & StyleStrike)
            open += u'd';
        if (r.style & StyleMath)
            open += u'm';
        if (r.style & StyleHtml)
            open += u'h';
        if (r.style & StyleImage)
            open += u'i';
        if (r.style & StyleLink)
            open += QStringLiteral("a ") + t.links.value(r.link);
        out += u'<' + open + u'>' + t.text.mid(r.start, r.length) + QStringLiteral("</>");
        at = r.start + r.length;
    }
    return out + t.text.mid(at);
}

} // namespace hearth::ui::test
