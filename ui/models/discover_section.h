#pragma once

#include "ui/models/model_rows.h"
#include "ui/theme.h"

#include <QUrl>
#include <QWidget>

class QCheckBox;
class QLineEdit;
class QPushButton;

namespace hearth::ui {

class CardList;
struct CardRow;
class Choice;
class HubPage;
class Label;
class LabelledField;

/// New models: the catalogue that comes with the program, and the hubs, which are asked only when the person has
/// allowed it. GUI thread.
class DiscoverSection : public QWidget {
    Q_OBJECT

public:
    explicit DiscoverSection(const Theme&, QWidget* parent = nullptr);

    void setNetwork(const NetworkRow&);
    void setHubs(const QVector<HubRow>&);
    void setCatalog(const QVector<CatalogRow>&);
    void setSearch(const SearchRow&);
    void setPage(const HubPageRow&); // Idle: the list is shown again

    CardList& results() { return *cards_; }

    CardList& network() { return *network_; }

    HubPage& page() { return *page_; }

    QLineEdit& words() { return *words_; }

    /// The catalogue's model as far as the hub in use has it; opens its page.
    void openCatalogModel(const QString& id);
    /// A model's page; where the network is not allowed yet, the switch for it comes first.
    void openModel(const QString& hub, const QString& model);

signals:
    void networkChosen(bool on);
    void searchRequested(const QString& hub, const QString& words);
    void pageRequested(const QString& hub, const QString& model);
    void pageClosed();
    void downloadRequested(const QString& hub, const QString& model, const QString& group);
    void useRequested(const QString& path);
    void downloadsRequested();
    void hubAddressChanged(const QString& hub, const QString& address); // empty: its own
    void tokenEntered(const QString& hub, const QString& token);
    void tokenRemoved(const QString& hub);
    void addressOpened(const QUrl&);

protected:
    void changeEvent(QEvent*) override;

private:
    struct AddressField {
        QString hub;
        QLineEdit* edit;
        LabelledField* field;
    };

    void retranslate();
    void refresh();
    void refreshNetwork();
    void fillChoices();
    void showCatalog();
    void showResults();
    CardRow catalogCard(const CatalogRow&) const;
    CardRow resultCard(const HubModelRow&) const;
    bool passes(const CatalogRow&) const;
    void search();
    QString hubName(const QString& id) const;

    bool allowed() const { return networkRow_.state == NetworkState::On; }

    const Theme& theme_;
    NetworkRow networkRow_;
    QVector<HubRow> hubs_;
    QVector<CatalogRow> catalog_;
    SearchRow search_;
    QString wanted_, wantedHub_; // a page that was asked for before the network was allowed
    QWidget* list_;
    HubPage* page_;
    CardList *network_, *cards_;
    Choice *hub_, *language_, *size_;
    LabelledField *hubField_, *languageField_, *sizeField_;
    QLineEdit* words_;
    LabelledField* wordsField_;
    QPushButton *go_, *toCatalog_, *addresses_;
    QCheckBox* fits_;
    QWidget *filters_, *addressBox_;
    Label *title_, *state_, *source_, *addressHelp_;
    QVector<AddressField> addressFields_;
    bool filling_ = false;
};

} // namespace hearth::ui
