#include "ui/conversation_list.h"

#include "ui/focus_ring.h"
#include "ui/style.h"
#include "ui/text_line.h"

#include <QContextMenuEvent>
#include <QCoreApplication>
#include <QKeyEvent>
#include <QLineEdit>
#include <QLocale>
#include <QMenu>
#include <QPainter>
#include <QStyledItemDelegate>

#include <algorithm>

namespace hearth::ui {

namespace {

constexpr int kRowInset = 8;    // from the list's edge to a row's shape
constexpr int kRowPadding = 12; // from there to its text
constexpr int kDot = 8;         // px at 100 %, the state's sign
constexpr int kMaxTitle = 200;  // characters

int dotSize(const Theme& theme) {
    return std::max(kDot, kDot * theme.textSizePercent() / 100);
}

// One sign for each state; they differ in shape, not only in colour.
void drawState(QPainter& painter, const Theme& theme, const QPointF& center, ConversationState state) {
    const qreal r = dotSize(theme) / 2.0;
    painter.setRenderHint(QPainter::Antialiasing);
    switch (state) {
    case ConversationState::Idle:
        return;
    case ConversationState::Generating: // a core in a ring
        painter.setPen(QPen(theme.color(Token::Accent), 1.5));
        painter.setBrush(Qt::NoBrush);
        painter.drawEllipse(center, r, r);
        painter.setPen(Qt::NoPen);
        painter.setBrush(theme.color(Token::Accent));
        painter.drawEllipse(center, r * 0.45, r * 0.45);
        return;
    case ConversationState::Waiting: // an empty ring
        painter.setPen(QPen(theme.color(Token::Third), 1.5));
        painter.setBrush(Qt::NoBrush);
        painter.drawEllipse(center, r - 0.5, r - 0.5);
        return;
    case ConversationState::Unread: // full
        painter.setPen(Qt::NoPen);
        painter.setBrush(theme.color(Token::Accent));
        painter.drawEllipse(center, r, r);
        return;
    case ConversationState::Interrupted: // a diamond
        painter.setPen(Qt::NoPen);
        painter.setBrush(theme.color(Token::Warning));
        painter.drawPolygon(QPolygonF({center + QPointF(0, -r - 0.5), center + QPointF(r + 0.5, 0),
                                       center + QPointF(0, r + 0.5), center + QPointF(-r - 0.5, 0)}));
        return;
    }
}

class RowDelegate : public QStyledItemDelegate {
public:
    RowDelegate(const Theme& theme, ConversationList& list) : QStyledItemDelegate(&list), theme_(theme), list_(list) {}

    QSize sizeHint(const QStyleOptionViewItem&, const QModelIndex& index) const override {
        if (index.data(ConversationListModel::HeadingRole).toBool())
            return {0, theme_.lineHeight(TextStyle::Small) + (index.row() == 0 ? 12 : 20)};
        return {0, theme_.rowHeight()};
    }

    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override {
        painter->save();
        const QRect shape = option.rect.adjusted(kRowInset, 1, -kRowInset, -1);
        const QRect text = shape.adjusted(kRowPadding, 0, -kRowPadding, 0);
        if (index.data(ConversationListModel::HeadingRole).toBool()) {
            painter->setFont(theme_.font(TextStyle::Small));
            painter->setPen(theme_.color(Token::Third));
            const int height = theme_.lineHeight(TextStyle::Small);
            drawTextLine(*painter, QRect(text.left(), option.rect.bottom() - 4 - height, text.width(), height),
                         index.data(Qt::DisplayRole).toString());
            painter->restore();
            return;
        }
        const bool shown = index.data(ConversationListModel::IdRole).toLongLong() == list_.shown();
        if (shown || option.state.testFlag(QStyle::State_MouseOver))
            drawRounded(*painter, shape, Theme::kControlRadius, theme_.color(Token::Hover), {});
        if (option.state.testFlag(QStyle::State_HasFocus) && FocusRing::keyboardInUse()) {
            painter->setRenderHint(QPainter::Antialiasing);
            painter->setPen(QPen(theme_.color(Token::Accent), Theme::kFocusWidth));
            painter->setBrush(Qt::NoBrush);
            painter->drawRoundedRect(QRectF(shape).adjusted(1, 1, -1, -1), Theme::kControlRadius,
                                     Theme::kControlRadius);
        }
        const auto state = static_cast<ConversationState>(index.data(ConversationListModel::StateRole).toInt());
        const int sign = state == ConversationState::Idle ? 0 : dotSize(theme_) + 8;
        painter->setFont(theme_.font(TextStyle::Interface, shown));
        painter->setPen(theme_.color(Token::Text));
        drawTextLine(*painter, text.adjusted(0, 0, -sign, 0), index.data(Qt::DisplayRole).toString());
        drawState(*painter, theme_, QPointF(text.right() + 1 - dotSize(theme_) / 2.0, text.center().y() + 0.5), state);
        painter->restore();
    }

    QWidget* createEditor(QWidget* parent, const QStyleOptionViewItem&, const QModelIndex&) const override {
        auto* editor = new QLineEdit(parent);
        editor->setMaxLength(kMaxTitle);
        editor->setAccessibleName(QCoreApplication::translate("hearth::ui::ConversationList", "Title of the chat"));
        list_.conversations().setHeld(true);
        QObject::connect(editor, &QObject::destroyed, &list_.conversations(),
                         [model = &list_.conversations()] { model->setHeld(false); });
        return editor;
    }

    void setEditorData(QWidget* editor, const QModelIndex& index) const override {
        auto* line = static_cast<QLineEdit*>(editor);
        if (line->text().isEmpty()) {
            line->setText(index.data(Qt::EditRole).toString());
            line->selectAll();
        }
    }

    void setModelData(QWidget* editor, QAbstractItemModel* model, const QModelIndex& index) const override {
        model->setData(index, static_cast<QLineEdit*>(editor)->text(), Qt::EditRole);
    }

    void updateEditorGeometry(QWidget* editor, const QStyleOptionViewItem& option, const QModelIndex&) const override {
        editor->setGeometry(option.rect.adjusted(kRowInset + 2, 1, -kRowInset - 2, -1));
    }

private:
    const Theme& theme_;
    ConversationList& list_;
};

} // namespace

DayGroup dayGroup(const QDate& day, const QDate& today) {
    const qint64 ago = day.daysTo(today);
    if (ago <= 0) // a clock that ran ahead is no reason for a heading of its own
        return {DayGroup::Today};
    if (ago == 1)
        return {DayGroup::Yesterday};
    if (ago <= 7)
        return {DayGroup::SevenDays};
    return {DayGroup::Month, day.year(), day.month()};
}

QString stateWord(ConversationState state) {
    static constexpr const char* kWords[] = {
        "",
        QT_TRANSLATE_NOOP("hearth::ui::ConversationList", "generating"),
        QT_TRANSLATE_NOOP("hearth::ui::ConversationList", "waiting"),
        QT_TRANSLATE_NOOP("hearth::ui::ConversationList", "unread"),
        QT_TRANSLATE_NOOP("hearth::ui::ConversationList", "interrupted"),
    };
    if (state == ConversationState::Idle)
        return {};
    return QCoreApplication::translate("hearth::ui::ConversationList", kWords[static_cast<int>(state)]);
}

ConversationListModel::ConversationListModel(QObject* parent)
    : QAbstractListModel(parent), today_(QDate::currentDate()) {}

void ConversationListModel::setRows(const QVector<ConversationRow>& rows) {
    rows_ = rows;
    keepPlaces();
    rebuild();
}

// After every change of rows_ other than inside a row.
void ConversationListModel::keepPlaces() {
    places_.clear();
    for (int i = 0; i < rows_.size(); ++i)
        places_.insert(rows_[i].id, i);
}

const ConversationRow* ConversationListModel::row(RowId id) const {
    const int at = find(id);
    return at < 0 ? nullptr : &rows_[at];
}

void ConversationListModel::update(const ConversationRow& row) {
    const int at = find(row.id);
    if (at < 0) {
        rows_.prepend(row);
        keepPlaces();
        rebuild();
        return;
    }
    const ConversationRow before = rows_[at];
    rows_[at] = row;
    if (row.updated > before.updated) {
        int to = 0;
        while (to < at && rows_[to].updated > row.updated)
            ++to;
        rows_.move(at, to);
        keepPlaces();
        rebuild();
    } else if (row.updated != before.updated || (!filter_.isEmpty() && row.title != before.title)) {
        rebuild();
    } else if (const QModelIndex index = indexOf(row.id); index.isValid()) {
        emit dataChanged(index, index);
    }
}

void ConversationListModel::remove(RowId id) {
    const int at = find(id);
    if (at < 0)
        return;
    rows_.removeAt(at);
    keepPlaces();
    rebuild();
}

void ConversationListModel::setFilter(const QString& filter) {
    filter_ = filter.trimmed();
    rebuild();
}

void ConversationListModel::setToday(const QDate& today) {
    if (today == today_)
        return;
    today_ = today;
    rebuild();
}

void ConversationListModel::setHeld(bool held) {
    held_ = held;
    if (!held && stale_)
        rebuild();
}

void ConversationListModel::retranslate() {
    rebuild();
}

QString ConversationListModel::heading(const DayGroup& group) const {
    switch (group.kind) {
    case DayGroup::Today:
        return tr("Today");
    case DayGroup::Yesterday:
        return tr("Yesterday");
    case DayGroup::SevenDays:
        return tr("Previous 7 days");
    case DayGroup::Month:
        break;
    }
    //: The heading of a month; letters as QLocale::toString() takes them
    return QLocale().toString(QDate(group.year, group.month, 1), tr("MMMM yyyy"));
}

// Headings come where the group changes. While a title is edited the rows stay where they are.
void ConversationListModel::rebuild() {
    if (held_) {
        stale_ = true;
        return;
    }
    stale_ = false;
    beginResetModel();
    entries_.clear();
    std::optional<DayGroup> last;
    for (int i = 0; i < rows_.size(); ++i) {
        const QString title = rows_[i].title.isEmpty() ? tr("New chat") : rows_[i].title;
        if (!filter_.isEmpty() && !title.contains(filter_, Qt::CaseInsensitive))
            continue;
        const DayGroup group = dayGroup(rows_[i].updated.toLocalTime().date(), today_);
        if (last != group)
            entries_.push_back({0, heading(group)});
        last = group;
        entries_.push_back({rows_[i].id, {}});
    }
    endResetModel();
}

QModelIndex ConversationListModel::indexOf(RowId id) const {
    for (int i = 0; i < entries_.size(); ++i)
        if (id && entries_[i].id == id)
            return index(i);
    return {};
}

int ConversationListModel::conversationCount() const {
    return static_cast<int>(std::count_if(entries_.begin(), entries_.end(), [](const Entry& e) { return e.id != 0; }));
}

int ConversationListModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(entries_.size());
}

QVariant ConversationListModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || index.row() >= entries_.size())
        return {};
    const Entry& entry = entries_[index.row()];
    if (!entry.id) {
        if (role == HeadingRole)
            return true;
        return role == Qt::DisplayRole || role == Qt::AccessibleTextRole ? entry.heading : QVariant();
    }
    const int at = find(entry.id);
    if (at < 0) // removed while a title is edited
        return {};
    const ConversationRow& row = rows_[at];
    const QString title = row.title.isEmpty() ? tr("New chat") : oneLine(row.title);
    const QString state = stateWord(row.state);
    switch (role) {
    case Qt::DisplayRole:
        return title;
    case Qt::EditRole:
        return row.title.isEmpty() ? title : oneLine(row.title, kMaxTitle);
    case Qt::AccessibleTextRole:
        //: %1 a chat's title, %2 its state
        return state.isEmpty() ? title : tr("%1, %2").arg(title, state);
    case Qt::ToolTipRole:
        return plainToolTip(state.isEmpty() ? title : tr("%1, %2").arg(title, state));
    case IdRole:
        return row.id;
    case StateRole:
        return static_cast<int>(row.state);
    case HeadingRole:
        return false;
    default:
        return {};
    }
}

bool ConversationListModel::setData(const QModelIndex& index, const QVariant& value, int role) {
    if (role != Qt::EditRole || !index.isValid() || index.row() >= entries_.size())
        return false;
    const int at = find(entries_[index.row()].id);
    const QString title = oneLine(value.toString(), kMaxTitle);
    if (at < 0 || title.isEmpty() || title == data(index, Qt::EditRole).toString())
        return false;
    rows_[at].title = title;
    emit dataChanged(index, index);
    emit renamed(rows_[at].id, title);
    return true;
}

Qt::ItemFlags ConversationListModel::flags(const QModelIndex& index) const {
    if (!index.isValid() || index.row() >= entries_.size() || !entries_[index.row()].id)
        return Qt::NoItemFlags;
    return Qt::ItemIsEnabled | Qt::ItemIsSelectable | Qt::ItemIsEditable;
}

ConversationList::ConversationList(const Theme& theme, QWidget* parent) : QListView(parent), theme_(theme) {
    setModel(&model_);
    setItemDelegate(new RowDelegate(theme, *this));
    setFrameShape(QFrame::NoFrame);
    setEditTriggers(QAbstractItemView::EditKeyPressed);
    setSelectionMode(QAbstractItemView::SingleSelection);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
    setMouseTracking(true);
    viewport()->setAttribute(Qt::WA_Hover);
    viewport()->setAutoFillBackground(false);
    setAutoFillBackground(false);
    connect(this, &QListView::clicked, this, [this](const QModelIndex& index) {
        if (const RowId id = index.data(ConversationListModel::IdRole).toLongLong())
            emit chosen(id);
    });
    connect(&model_, &QAbstractItemModel::modelReset, this, [this] {
        if (const QModelIndex index = model_.indexOf(current_); index.isValid())
            setCurrentIndex(index);
    });
    connect(&theme, &Theme::changed, this, [this] { scheduleDelayedItemsLayout(); });
    midnight_.setSingleShot(true);
    connect(&midnight_, &QTimer::timeout, this, &ConversationList::watchMidnight);
    watchMidnight();
}

void ConversationList::watchMidnight() {
    const QDateTime now = QDateTime::currentDateTime();
    model_.setToday(now.date());
    // An hour at most: a computer that slept through midnight is not a day late.
    const qint64 left = now.msecsTo(now.date().addDays(1).startOfDay()) + 1000;
    midnight_.start(static_cast<int>(std::clamp<qint64>(left, 1000, 3600 * 1000)));
}

void ConversationList::setShown(RowId id) {
    shown_ = id;
    current_ = id;
    if (const QModelIndex index = model_.indexOf(id); index.isValid()) {
        setCurrentIndex(index);
        scrollTo(index);
    } else {
        clearSelection();
    }
    viewport()->update();
}

RowId ConversationList::currentId() const {
    return currentIndex().data(ConversationListModel::IdRole).toLongLong();
}

void ConversationList::rename(RowId id) {
    if (const QModelIndex index = model_.indexOf(id); index.isValid()) {
        scrollTo(index);
        setCurrentIndex(index);
        edit(index);
    }
}

void ConversationList::focusFirst() {
    setFocus(Qt::TabFocusReason);
    for (int i = 0; i < model_.rowCount(); ++i) {
        if (model_.flags(model_.index(i)) & Qt::ItemIsEnabled) {
            setCurrentIndex(model_.index(i));
            return;
        }
    }
}

void ConversationList::currentChanged(const QModelIndex& current, const QModelIndex& previous) {
    QListView::currentChanged(current, previous);
    if (current.isValid())
        current_ = current.data(ConversationListModel::IdRole).toLongLong();
}

void ConversationList::focusInEvent(QFocusEvent* event) {
    QListView::focusInEvent(event);
    if (!currentIndex().isValid() && event->reason() != Qt::MouseFocusReason)
        focusFirst();
    viewport()->update();
}

void ConversationList::keyPressEvent(QKeyEvent* event) {
    const RowId id = currentId();
    switch (event->key()) {
    case Qt::Key_Return:
    case Qt::Key_Enter:
    case Qt::Key_Space:
        if (id && state() != QAbstractItemView::EditingState)
            emit chosen(id);
        return;
    case Qt::Key_Delete:
        if (id)
            emit deleteRequested(id);
        return;
    case Qt::Key_F2:
        if (id)
            rename(id);
        return;
    case Qt::Key_Escape: // the window's
        event->ignore();
        return;
    case Qt::Key_Up:
        if (const int first = 1; currentIndex().row() <= first) {
            emit leftUpwards();
            return;
        }
        break;
    default:
        break;
    }
    // Letters are not a search of their own here: the field above is.
    if (!event->text().isEmpty() && event->text().at(0).isPrint()) {
        event->ignore();
        return;
    }
    QListView::keyPressEvent(event);
}

void ConversationList::contextMenuEvent(QContextMenuEvent* event) {
    QModelIndex index = event->reason() == QContextMenuEvent::Mouse ? indexAt(event->pos()) : currentIndex();
    const RowId id = index.data(ConversationListModel::IdRole).toLongLong();
    if (!id)
        return;
    auto* menu = new QMenu(this);
    menu->setAttribute(Qt::WA_DeleteOnClose);
    menu->addAction(tr("Open"), this, [this, id] { emit chosen(id); });
    auto* renaming =
        menu->addAction(theme_.icon(QStringLiteral("edit")), tr("Rename"), this, [this, id] { rename(id); });
    renaming->setShortcut(Qt::Key_F2);
    menu->addSeparator();
    auto* deleting = menu->addAction(theme_.icon(QStringLiteral("trash")), tr("Delete"), this,
                                     [this, id] { emit deleteRequested(id); });
    deleting->setShortcut(Qt::Key_Delete);
    const QPoint place = event->reason() == QContextMenuEvent::Mouse
                             ? event->globalPos()
                             : viewport()->mapToGlobal(visualRect(index).bottomLeft() + QPoint(kRowPadding, 0));
    menu->popup(place);
}

void ConversationList::changeEvent(QEvent* event) {
    QListView::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        model_.retranslate();
}

} // namespace hearth::ui
