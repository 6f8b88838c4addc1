#pragma once

#include "ui/rows.h"
#include "ui/theme.h"

#include <QWidget>

class QComboBox;
class QLineEdit;
class QPushButton;

namespace hearth::ui {

class Label;

/// The page of settings. Each change holds at once; there is nothing to confirm. GUI thread.
class SettingsPanel : public QWidget {
    Q_OBJECT

public:
    explicit SettingsPanel(const Theme&, QWidget* parent = nullptr);

    void setSettings(const SettingsRow&); // says nothing

    const SettingsRow& settings() const { return row_; }

    /// The text size that many steps from one, in percent; 0 steps: 100.
    static int textSizeFrom(int percent, int steps);

signals:
    void changed(const hearth::ui::SettingsRow&);

protected:
    void changeEvent(QEvent*) override;
    void showEvent(QShowEvent*) override;

private:
    struct Field {
        Label* label;
        Label* help; // null: none
        QWidget* control;
    };

    QComboBox* addChoice();
    static QString idleWords(int minutes);
    void addField(QWidget* control, bool withHelp, QWidget* row = nullptr);
    void retranslate();
    void fill(); // the controls from row_
    void read(); // row_ from the controls

    const Theme& theme_;
    QVector<Field> fields_;
    QComboBox* language_;
    QComboBox* themes_;
    QComboBox* textSize_;
    QLineEdit* folder_;
    QPushButton* choose_;
    QPushButton* reveal_;
    QComboBox* threads_;
    QComboBox* backend_;
    QComboBox* memory_;
    QComboBox* idle_;
    SettingsRow row_;
    bool filling_ = false;
};

} // namespace hearth::ui
