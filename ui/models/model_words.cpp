#include "ui/models/model_words.h"

#include <QCoreApplication>
#include <QLocale>

#include <algorithm>
#include <cmath>

namespace hearth::ui {

namespace {

struct Words {
    Q_DECLARE_TR_FUNCTIONS(hearth::ui::ModelWords)
};

} // namespace

QString bytesWords(qint64 bytes) {
    if (bytes < 0)
        return {};
    return QLocale().formattedDataSize(bytes, bytes >= 1'000'000'000 ? 1 : 0, QLocale::DataSizeSIFormat);
}

QString rateWords(double bytesPerSecond) {
    if (!(bytesPerSecond >= 1) || bytesPerSecond > 1e15)
        return {};
    return Words::tr("%1 a second")
        .arg(QLocale().formattedDataSize(qint64(bytesPerSecond), 1, QLocale::DataSizeSIFormat));
}

QString durationWords(qint64 seconds) {
    if (seconds < 0)
        return {};
    if (seconds < 60)
        return Words::tr("%n second(s)", nullptr, int(seconds));
    const qint64 minutes = (seconds + 30) / 60;
    if (minutes < 60)
        return Words::tr("%n minute(s)", nullptr, int(minutes));
    if (minutes < 48 * 60)
        return Words::tr("%1 h %2 min").arg(minutes / 60).arg(minutes % 60);
    return Words::tr("%n day(s)", nullptr, int(std::min<qint64>(minutes / (24 * 60), 9999)));
}

QString usedWords(const QDateTime& lastUsed, const QDateTime& now) {
    if (!lastUsed.isValid())
        return Words::tr("never used");
    const qint64 days = lastUsed.date().daysTo(now.date());
    if (days <= 0)
        return Words::tr("used today");
    if (days == 1)
        return Words::tr("used yesterday");
    if (days < 30)
        return Words::tr("used %n day(s) ago", nullptr, int(days));
    return Words::tr("last used on %1").arg(QLocale().toString(lastUsed.date(), QLocale::ShortFormat));
}

QString parameterWords(double count) {
    if (!(count > 0))
        return {};
    if (count >= 0.9995e9)
        return QStringLiteral("%1\u00A0B").arg(QLocale().toString(count / 1e9, 'f', count < 9.95e9 ? 1 : 0));
    return QStringLiteral("%1\u00A0M").arg(QLocale().toString(qint64(std::llround(count / 1e6))));
}

QString tokensWords(int tokens) {
    return QLocale().toString(tokens);
}

QString speedWords(double tokensPerSecond) {
    if (!(tokensPerSecond > 0) || tokensPerSecond > 1e6)
        return {};
    return Words::tr("%1 tokens a second").arg(QLocale().toString(tokensPerSecond, 'f', tokensPerSecond < 10 ? 1 : 0));
}

QString languageWords(const QStringList& codes, int most) {
    QStringList names;
    bool more = codes.contains(QLatin1String("mul"));
    for (const QString& code : codes) {
        if (code == QLatin1String("mul"))
            continue;
        if (names.size() == most) {
            more = true;
            break;
        }
        const QLocale locale(code);
        const QString name = locale.language() == QLocale::English   ? QStringLiteral("English")
                             : locale.language() == QLocale::Chinese ? QStringLiteral("\u4E2D\u6587")
                             : locale.language() == QLocale::Spanish ? QStringLiteral("espa\u00F1ol") // not Spain's
                                                                     : locale.nativeLanguageName();
        names << (name.isEmpty() || locale.language() == QLocale::C ? code : name);
    }
    if (names.isEmpty())
        return more ? Words::tr("many languages") : QString();
    return more ? Words::tr("%1 and more").arg(listed(names)) : listed(names);
}

QString fitName(FitKind kind) {
    switch (kind) {
    case FitKind::Unknown:
        return Words::tr("Not judged yet");
    case FitKind::Gpu:
        return Words::tr("Fits the GPU");
    case FitKind::GpuAndMemory:
        return Words::tr("Fits with experts in memory");
    case FitKind::Memory:
        return Words::tr("Fits memory");
    case FitKind::Slow:
        return Words::tr("Slow");
    case FitKind::WillNotFit:
        return Words::tr("Will not fit");
    }
    return {};
}

QString listed(const QStringList& names) {
    return names.join(Words::tr(", ", "between names"));
}

QString sentences(const QStringList& parts) {
    QStringList kept = parts;
    kept.removeAll(QString());
    return kept.join(QLocale().language() == QLocale::Chinese ? QString() : QStringLiteral(" "));
}

QString dotted(const QStringList& parts) {
    QStringList kept = parts;
    kept.removeAll(QString());
    return kept.join(QStringLiteral(" \u00B7 "));
}

} // namespace hearth::ui
