#pragma once

#include "ui/models/model_rows.h"
#include "ui/theme.h"

#include <QWidget>

class QPushButton;

namespace hearth::ui {

class CardList;
class Choice;
class Label;

/// The first start, in the empty state: which language, which model, what is stored where. All three stand there at
/// once, none has to be answered. GUI thread.
class FirstRun : public QWidget {
    Q_OBJECT

public:
    explicit FirstRun(const Theme&, QWidget* parent = nullptr);

    void setRow(const FirstRunRow&);

    CardList& suggestions() { return *suggestions_; }

    Choice& language() { return *language_; }

    QPushButton& done() { return *done_; }

signals:
    void languageChosen(const QString&);        // as in SettingsRow
    void modelChosen(const QString& catalogId); // its page opens, and the network's switch before it
    void bringRequested();
    void finished(); // it never comes again

protected:
    void changeEvent(QEvent*) override;
    void showEvent(QShowEvent*) override;
    bool focusNextPrevChild(bool next) override;

private:
    void retranslate();
    void refresh();

    FirstRunRow row_;
    Label *languageTitle_, *modelTitle_, *machine_, *none_, *starter_, *placesTitle_, *places_;
    Choice* language_;
    CardList* suggestions_;
    QPushButton *bring_, *done_;
    bool filling_ = false;
};

} // namespace hearth::ui
