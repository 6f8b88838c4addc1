#include "app/models/hub/safe_name.h"

#include <QDir>
#include <QFileInfo>
#include <QSet>

#include <algorithm>
#include <cstring>

namespace hearth::app {
namespace {

constexpr int kLongestName = 199; // bytes, and one before a device's; 255 is most file systems' limit, and we add to it
constexpr int kKeptEnd = 40;      // characters: "-Q4_K_M-00001-of-00003.gguf"

// Names that Windows keeps for devices, whatever stands behind the dot; a models' folder may lie on its disk.
constexpr const char* kDevices[] = {"con",  "prn",  "aux",  "nul",  "com0", "com1", "com2", "com3",
                                    "com4", "com5", "com6", "com7", "com8", "com9", "lpt0", "lpt1",
                                    "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9"};

bool isVisible(char32_t c) {
    switch (QChar::category(c)) {
    case QChar::Other_Control:
    case QChar::Other_Format: // what turns text around, and what cannot be seen
    case QChar::Other_PrivateUse:
    case QChar::Other_NotAssigned:
    case QChar::Separator_Line:
    case QChar::Separator_Paragraph:
        return false;
    default:
        return true;
    }
}

/// Half a surrogate pair becomes a question mark in the file system.
QString wellFormed(const QString& text) {
    QString out;
    for (qsizetype i = 0; i < text.size(); ++i) {
        const QChar c = text[i];
        if (c.isHighSurrogate() && i + 1 < text.size() && text[i + 1].isLowSurrogate()) {
            out += c;
            out += text[++i];
        } else if (!c.isSurrogate()) {
            out += c;
        }
    }
    return out;
}

QString shortened(QString name) {
    if (name.toUtf8().size() <= kLongestName)
        return name;
    QString end = name.right(kKeptEnd);
    if (end.at(0).isLowSurrogate())
        end.remove(0, 1);
    QString start = name.left(name.size() - end.size());
    while (!start.isEmpty() && start.toUtf8().size() + end.toUtf8().size() > kLongestName)
        start.chop(start.size() >= 2 && start.back().isLowSurrogate() ? 2 : 1);
    return start + end;
}

} // namespace

QString safeFileName(const QString& fromServer) {
    QString name = wellFormed(fromServer.right(4096));
    const auto cut = std::max(name.lastIndexOf(QLatin1Char('/')), name.lastIndexOf(QLatin1Char('\\')));
    name = name.mid(cut + 1).normalized(QString::NormalizationForm_C);
    QString out;
    const QList<uint> letters = name.toUcs4();
    for (const char32_t c : letters) {
        if (c < 128 && std::strchr("<>:\"|?*", int(c)) && c)
            out += QLatin1Char('_');
        else if (QChar::isSpace(c))
            out += QLatin1Char(' ');
        else if (isVisible(c))
            out += QString::fromUcs4(&c, 1);
    }
    // What stood apart may be one letter now.
    out = shortened(out.normalized(QString::NormalizationForm_C).trimmed());
    while (out.startsWith(QLatin1Char('.')) || out.startsWith(QLatin1Char('-')) || out.startsWith(QLatin1Char(' ')))
        out.remove(0, 1); // hidden, or an option
    while (out.endsWith(QLatin1Char('.')) || out.endsWith(QLatin1Char(' ')))
        out.chop(1);
    if (out.isEmpty())
        return QStringLiteral("model");
    const QString stem = out.section(QLatin1Char('.'), 0, 0).trimmed().toLower();
    const bool device = std::any_of(std::begin(kDevices), std::end(kDevices),
                                    [&](const char* reserved) { return stem == QLatin1String(reserved); });
    return device ? QLatin1Char('_') + out : out;
}

QString unusedName(const QString& folder, const QString& name) {
    QSet<QString> taken;
    const QStringList entries =
        QDir(folder).entryList(QDir::AllEntries | QDir::Hidden | QDir::System | QDir::NoDotAndDotDot);
    for (const QString& entry : entries)
        taken.insert(entry.toCaseFolded());
    const QString suffix = QFileInfo(name).suffix();
    const QString ending = suffix.isEmpty() || suffix.size() > 12 ? QString() : QLatin1Char('.') + suffix;
    const QString stem = name.left(name.size() - ending.size());
    QString candidate = name;
    for (int n = 2; taken.contains(candidate.toCaseFolded()); ++n)
        candidate = QStringLiteral("%1 (%2)%3").arg(stem).arg(n).arg(ending);
    return candidate;
}

} // namespace hearth::app
