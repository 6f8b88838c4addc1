#pragma once

#include "ui/rows.h"
#include "ui/theme.h"

#include <QAbstractListModel>
#include <QDate>
#include <QHash>
#include <QListView>
#include <QTimer>

namespace hearth::ui {

/// Under which heading a conversation stands.
struct DayGroup {
    enum Kind { Today, Yesterday, SevenDays, Month } kind = Today;

    int year = 0, month = 0; // of a Month

    bool operator==(const DayGroup&) const = default;
};

DayGroup dayGroup(const QDate& day, const QDate& today);

/// The state in a word, as a screen reader and a tool tip say it; empty when idle.
QString stateWord(ConversationState);

/// The conversations under their headings, filtered by title. A heading is a row that cannot be chosen.
class ConversationListModel : public QAbstractListModel {
    Q_OBJECT

public:
    enum Roles { IdRole = Qt::UserRole, StateRole, HeadingRole };

    explicit ConversationListModel(QObject* parent = nullptr);

    void setRows(const QVector<ConversationRow>&);
    void update(const ConversationRow&); // one that is new comes first; one with a newer date moves up
    void remove(RowId);
    void setFilter(const QString&);
    void setToday(const QDate&); // headings are relative to it
    void setHeld(bool);          // while a title is being edited nothing moves
    void retranslate();

    const ConversationRow* row(RowId) const;
    QModelIndex indexOf(RowId) const;
    int conversationCount() const; // shown now, headings not counted

    int rowCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex&, int role) const override;
    bool setData(const QModelIndex&, const QVariant&, int role) override;
    Qt::ItemFlags flags(const QModelIndex&) const override;

signals:
    void renamed(hearth::ui::RowId, const QString& title);

private:
    struct Entry {
        RowId id = 0; // 0: a heading
        QString heading;
    };

    void rebuild();
    QString heading(const DayGroup&) const;

    int find(RowId id) const { return places_.value(id, -1); }

    void keepPlaces();

    QVector<ConversationRow> rows_; // as they shall stand, newest first
    QHash<RowId, int> places_;      // in rows_
    QVector<Entry> entries_;        // what the view sees
    QString filter_;
    QDate today_;
    bool held_ = false, stale_ = false;
};

/// The list in the sidebar: choose, rename in place, delete.
class ConversationList : public QListView {
    Q_OBJECT

public:
    explicit ConversationList(const Theme&, QWidget* parent = nullptr);

    ConversationListModel& conversations() { return model_; }

    void setShown(RowId); // the conversation in the window; 0: none

    RowId shown() const { return shown_; }

    RowId currentId() const;
    void rename(RowId);
    void focusFirst(); // the keyboard comes in from above

signals:
    void chosen(hearth::ui::RowId);
    void deleteRequested(hearth::ui::RowId);
    void leftUpwards(); // the up arrow on the first row

protected:
    void keyPressEvent(QKeyEvent*) override;
    void contextMenuEvent(QContextMenuEvent*) override;
    void changeEvent(QEvent*) override;
    void focusInEvent(QFocusEvent*) override;
    void currentChanged(const QModelIndex& current, const QModelIndex& previous) override;

private:
    void watchMidnight();

    const Theme& theme_;
    ConversationListModel model_;
    RowId shown_ = 0, current_ = 0;
    QTimer midnight_;
};

} // namespace hearth::ui
