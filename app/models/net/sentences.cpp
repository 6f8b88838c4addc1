#include "app/models/net/sentences.h"

namespace hearth::app {

QString shown(const QString& text, int longest) {
    QString out;
    for (const QChar c : text.left(8 * longest)) {
        const QChar::Category category = c.category();
        if (category == QChar::Other_Control || c.isSpace())
            out += QLatin1Char(' ');
        else if (category != QChar::Other_Format && category != QChar::Other_PrivateUse &&
                 category != QChar::Other_NotAssigned)
            out += c;
    }
    out = out.simplified();
    return out.size() <= longest ? out : out.left(longest - 1) + QChar(0x2026);
}

} // namespace hearth::app
