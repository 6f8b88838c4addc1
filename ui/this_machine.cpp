#include "ui/this_machine.h"

#include <QRegularExpression>

namespace hearth::ui {

// RFC 6890: 127.0.0.0/8 is this machine, and what is sent to 0.0.0.0 or :: stays here; ::ffff:127.0.0.1 is the first
// again (RFC 4291, section 2.5.5.2).
bool isThisMachine(QStringView host) {
    static const QRegularExpression here(
        QStringLiteral("^(?:localhost|V4|\\[?(?:::1?|::ffff:(?:V4|7f[0-9a-f]{2}:[0-9a-f]{1,4}))\\]?)(?::\\d+)?$")
            .replace(QLatin1String("V4"), QStringLiteral("(?:127|0)(?:\\.(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)){3}")),
        QRegularExpression::CaseInsensitiveOption);
    return here.match(host.toString()).hasMatch();
}

} // namespace hearth::ui
