#pragma once

#include <QLocale>
#include <QObject>
#include <QTranslator>

namespace hearth::ui {

/// The language of the window: installs our translations and Qt's own, live. Every widget gets a LanguageChange event
/// and speaks again. Also sets the default QLocale, so that numbers and dates match the words. GUI thread.
class Language : public QObject {
    Q_OBJECT

public:
    explicit Language(QObject* parent = nullptr);
    ~Language() override;

    /// "" follows the system; "en", "zh_CN".
    void setChoice(const QString&);

    QString current() const { return current_; } // "en" or "zh_CN"; empty before the first choice

    /// What the choice means on a system that speaks `uiLanguages` (in order of preference, as QLocale gives them).
    static QString resolve(const QString& choice, const QStringList& uiLanguages);

private:
    QString current_;
    QTranslator own_, qt_;
};

} // namespace hearth::ui
