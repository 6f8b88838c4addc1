#include "ui/language.h"

#include <QCoreApplication>
#include <QLibraryInfo>

namespace hearth::ui {

Language::Language(QObject* parent) : QObject(parent) {}

Language::~Language() {
    if (qApp) {
        qApp->removeTranslator(&own_);
        qApp->removeTranslator(&qt_);
    }
}

QString Language::resolve(const QString& choice, const QStringList& uiLanguages) {
    const QStringList wishes = choice.isEmpty() ? uiLanguages : QStringList{choice};
    for (const QString& wish : wishes) {
        const QLocale::Language language = QLocale(wish).language();
        if (language == QLocale::Chinese)
            return QStringLiteral("zh_CN");
        if (language == QLocale::English)
            return QStringLiteral("en");
    }
    return QStringLiteral("en");
}

void Language::setChoice(const QString& choice) {
    const QString wanted = resolve(choice, QLocale::system().uiLanguages());
    QLocale::setDefault(wanted == QLatin1String("en") ? QLocale(QLocale::English, QLocale::UnitedStates)
                                                      : QLocale(wanted));
    if (wanted == current_)
        return;
    current_ = wanted;
    qApp->removeTranslator(&qt_);
    qApp->removeTranslator(&own_);
    if (wanted != QLatin1String("en") &&
        qt_.load(QStringLiteral("qtbase_") + wanted, QLibraryInfo::path(QLibraryInfo::TranslationsPath)))
        qApp->installTranslator(&qt_);
    if (own_.load(QStringLiteral(":/translations/hearth_%1.qm").arg(wanted)))
        qApp->installTranslator(&own_);
}

} // namespace hearth::ui
