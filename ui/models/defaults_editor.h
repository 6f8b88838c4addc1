#pragma once

#include "ui/models/model_rows.h"
#include "ui/theme.h"

#include <QWidget>

class QComboBox;
class QLineEdit;
class QPushButton;

namespace hearth::ui {

class Choice;
class Label;
class LabelledField;
class TextBox;

/// What a person sets for one model: each change holds at once. What is left empty is as the model's makers recommend,
/// which stands there in grey. GUI thread.
class DefaultsEditor : public QWidget {
    Q_OBJECT

public:
    explicit DefaultsEditor(const Theme&, QWidget* parent = nullptr);

    void setDetails(const ModelDetailsRow&); // says nothing; what is being typed stays

    const ModelDefaultsRow& defaults() const { return row_; }

signals:
    void changed(const hearth::ui::ModelDefaultsRow&);

protected:
    void changeEvent(QEvent*) override;

private:
    struct Number {
        const char* name;
        QLineEdit* edit;
        LabelledField* field;
    };

    void retranslate();
    void fill();
    void read();

    const Theme& theme_;
    ModelDetailsRow details_;
    ModelDefaultsRow row_;
    Choice *context_, *kv_, *threads_, *thinking_;
    LabelledField *contextField_, *kvField_, *threadsField_, *thinkingField_;
    QVector<Number> numbers_;
    Label *help_, *problem_, *promptLabel_;
    TextBox* prompt_;
    QPushButton* reset_;
    bool filling_ = false;
};

} // namespace hearth::ui
