#pragma once

#include "ui/models/model_rows.h"
#include "ui/theme.h"

#include <QScrollArea>

class QPushButton;

namespace hearth::ui {

class FirstRun;
class Label;

/// What stands where the messages will be: the mark, one sentence, the model in use and what it is, three starters.
/// GUI thread.
class EmptyState : public QScrollArea {
    Q_OBJECT

public:
    explicit EmptyState(const Theme&, QWidget* parent = nullptr);

    /// The model of the conversation; null: none is chosen.
    void setModel(const ModelRow* model);
    /// A line on what the model is. Without one, the starter model says itself what it is.
    void setHelp(const QString&);

    /// Active: the three steps of the first start stand in place of the sentence on the model, and before the starters.
    void setFirstRun(const FirstRunRow&);

    FirstRun& firstRun() { return *firstRun_; }

signals:
    void starterChosen(const QString& text);
    void openModelRequested();

protected:
    void changeEvent(QEvent*) override;

private:
    void retranslate();
    QString starter(int index) const;

    const Theme& theme_;
    Label* sentence_;
    Label* model_;
    Label* help_;
    QPushButton* open_;
    FirstRun* firstRun_;
    bool first_ = false;
    QVector<QPushButton*> starters_;
    ModelRow row_;
    bool hasModel_ = false;
    QString helpText_;
};

} // namespace hearth::ui
