#pragma once

#include "ui/models/model_rows.h"
#include "ui/theme.h"

#include <QWidget>

class QCheckBox;
class QPushButton;

namespace hearth::ui {

class CardList;
struct CardRow;
class Choice;
class Label;
class LabelledField;

/// Bring your own: files and folders that are dropped or chosen, and the stores of other programs, which are read where
/// they lie. Before anything is copied or moved the numbers are told. GUI thread.
class ImportSection : public QWidget {
    Q_OBJECT

public:
    explicit ImportSection(const Theme&, QWidget* parent = nullptr);

    void setStores(const QVector<StoreRow>&, bool readOthers);
    void setPlan(const ImportPlanRow&);
    void setJob(const JobRow&);

    /// Files and folders that were dropped or chosen: asked about one after the other. `leftOut`: others that are no
    /// models.
    void bring(const QStringList& paths, int leftOut = 0);

    CardList& stores() { return *stores_; }

    CardList& plan() { return *planCards_; }

signals:
    void importRequested(const QString& path, hearth::ui::ImportHow); // answered by setPlan()
    void importConfirmed();                                           // of the plan
    void importDismissed();
    void otherStoresChanged(bool read);
    void folderDropped(const QString& path);
    void revealRequested(const QString& path);
    void jobCancelled();
    void jobDismissed();

protected:
    void changeEvent(QEvent*) override;
    void paintEvent(QPaintEvent*) override;

private:
    void retranslate();
    void refresh();
    void refreshPlan();
    void askNext();
    CardRow planCard() const;
    CardRow storeCard(const StoreRow&) const;

    const Theme& theme_;
    QVector<StoreRow> rows_;
    ImportPlanRow row_;
    QStringList waiting_; // to be asked about after row_
    int leftOut_ = 0;
    JobRow job_;
    QWidget* target_; // where things are dropped
    Label *drop_, *help_, *storesTitle_, *storesHelp_, *none_;
    QPushButton *file_, *folder_;
    QWidget* planBox_;
    Choice* how_;
    LabelledField* howField_;
    Label* howHelp_;
    CardList *planCards_, *jobs_, *stores_;
    QCheckBox* others_;
    bool filling_ = false;
};

} // namespace hearth::ui
