#pragma once

#include "ui/models/model_rows.h"
#include "ui/theme.h"

#include <QUrl>
#include <QWidget>

class QLineEdit;
class QPushButton;

namespace hearth::ui {

class CardList;
struct CardRow;
class ChatDocument;
class ChatView;
class Label;

/// One model of a hub: its licence, its files and how they fit, its card as plain Markdown that fetches nothing. GUI
/// thread.
class HubPage : public QWidget {
    Q_OBJECT

public:
    explicit HubPage(const Theme&, QWidget* parent = nullptr);

    void setPage(const HubPageRow&);
    void setHub(const HubRow&); // the one it lies at

    const HubPageRow& page() const { return row_; }

    CardList& files() { return *files_; }

    QLineEdit& token() { return *token_; }

    void takeFocus();

signals:
    void closed();
    void retryRequested();
    void downloadRequested(const QString& group);
    void useRequested(const QString& path);
    void downloadsRequested();
    void tokenEntered(const QString& token);
    void tokenRemoved();
    void addressOpened(const QUrl&); // the person saw it in full

protected:
    void changeEvent(QEvent*) override;
    void resizeEvent(QResizeEvent*) override;

private:
    void makeCard();
    void fitCard();
    void retranslate();
    void refresh();
    CardRow fileCard(const FileGroupRow&) const;

    const Theme& theme_;
    HubPageRow row_;
    HubRow hub_;
    QPushButton *back_, *retry_, *open_, *save_, *remove_;
    Label *title_, *detail_, *problem_, *state_, *gatedTitle_, *gated_, *tokenState_, *filesTitle_, *cardTitle_,
        *address_;
    QWidget* gate_;
    QLineEdit* token_;
    CardList* files_;
    ChatDocument* document_ = nullptr; // made with the first card
    ChatView* card_ = nullptr;
    QString shownCard_;
    QString link_; // of the card, to be opened; empty: the model's page
};

} // namespace hearth::ui
