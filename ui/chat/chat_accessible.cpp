#include "ui/chat/chat_accessible.h"

#include "ui/chat/chat_view.h"
#include "ui/chat/message_details.h"

#include <QAccessibleWidget>
#include <QHash>
#include <QPointer>

#include <algorithm>
#include <utility>

namespace hearth::ui {
namespace {

/// One message.
class MessageInterface final : public QAccessibleInterface,
                               public QAccessibleTextInterface,
                               public QAccessibleActionInterface {
public:
    MessageInterface(ChatView& view, int index) : view_(&view), index_(index) {}

    bool isValid() const override { return view_ && index_ < view_->document().count(); }

    QObject* object() const override { return nullptr; }

    QWindow* window() const override { return view_ ? view_->window()->windowHandle() : nullptr; }

    QAccessibleInterface* childAt(int, int) const override { return nullptr; }

    QAccessibleInterface* parent() const override {
        return view_ ? QAccessible::queryAccessibleInterface(view_) : nullptr;
    }

    QAccessibleInterface* child(int) const override { return nullptr; }

    int childCount() const override { return 0; }

    int indexOfChild(const QAccessibleInterface*) const override { return -1; }

    QAccessible::Role role() const override { return QAccessible::ListItem; }

    void setText(QAccessible::Text, const QString&) override {}

    QAccessible::State state() const override {
        QAccessible::State state;
        state.readOnly = true;
        state.selectableText = true;
        state.multiLine = true;
        if (!isValid()) {
            state.invalid = true;
            return state;
        }
        state.busy = row().state == MessageState::Streaming;
        state.offscreen = !view_->viewport()->rect().intersects(view_->messageRect(index_));
        return state;
    }

    QRect rect() const override {
        if (!isValid())
            return {};
        const QRect r = view_->messageRect(index_);
        return QRect(view_->viewport()->mapToGlobal(r.topLeft()), r.size());
    }

    QString text(QAccessible::Text kind) const override {
        if (!isValid())
            return {};
        switch (kind) {
        case QAccessible::Name:
            return speaker();
        case QAccessible::Value:
        case QAccessible::Description:
            return body();
        case QAccessible::Help:
            return view_->detailsOf(index_).join(u'\n');
        default:
            return {};
        }
    }

    void* interface_cast(QAccessible::InterfaceType type) override {
        if (type == QAccessible::TextInterface)
            return static_cast<QAccessibleTextInterface*>(this);
        if (type == QAccessible::ActionInterface)
            return static_cast<QAccessibleActionInterface*>(this);
        return nullptr;
    }

    // Text: offsets are those of the text as it is read.
    void selection(int index, int* from, int* to) const override {
        *from = *to = 0;
        if (index != 0 || !isValid() || !view_->hasSelection())
            return;
        const TextPosition begin = std::min(view_->selectionStart(), view_->selectionEnd());
        const TextPosition end = std::max(view_->selectionStart(), view_->selectionEnd());
        if (begin.message > index_ || end.message < index_)
            return;
        *from = begin.message < index_ ? 0 : offsetOf(begin);
        *to = end.message > index_ ? characterCount() : offsetOf(end);
    }

    int selectionCount() const override {
        int from = 0, to = 0;
        selection(0, &from, &to);
        return to > from ? 1 : 0;
    }

    void addSelection(int from, int to) override { setSelection(0, from, to); }

    void removeSelection(int) override {
        if (isValid() && selectionCount() > 0)
            view_->clearSelection();
    }

    void setSelection(int index, int from, int to) override {
        if (isValid() && index == 0)
            view_->setSelection(positionOf(from), positionOf(to));
    }

    int cursorPosition() const override {
        return isValid() && view_->selectionEnd().message == index_ ? offsetOf(view_->selectionEnd()) : 0;
    }

    void setCursorPosition(int at) override { setSelection(0, at, at); }

    QString text(int from, int to) const override {
        from = std::clamp(from, 0, characterCount());
        return body().mid(from, to < 0 ? -1 : std::max(0, to - from));
    }

    int characterCount() const override { return int(body().size()); }

    QRect characterRect(int at) const override {
        if (!isValid())
            return {};
        QRect r = view_->caretRect(positionOf(at));
        const QRect next = view_->caretRect(positionOf(at + 1));
        if (next.y() == r.y() && next.x() > r.x())
            r.setRight(next.x() - 1);
        return QRect(view_->viewport()->mapToGlobal(r.topLeft()), r.size());
    }

    int offsetAtPoint(const QPoint& p) const override {
        if (!isValid() || !rect().contains(p))
            return -1;
        const TextPosition at = view_->positionAt(view_->viewport()->mapFromGlobal(p));
        return at.message == index_ ? offsetOf(at) : -1;
    }

    void scrollToSubstring(int from, int) override {
        if (!isValid())
            return;
        const QRect r = view_->caretRect(positionOf(from));
        const QRect whole = view_->messageRect(index_);
        view_->setScrollPosition(index_ +
                                 std::clamp(double(r.y() - whole.y()) / std::max(1, whole.height()), 0.0, 0.99));
    }

    /// Tells how the text differs from what was told before.
    void tellText() {
        const QString now = body();
        const QString before = std::exchange(told_, now);
        if (before == now || before.isNull())
            return;
        if (now.startsWith(before)) {
            QAccessibleTextInsertEvent event(this, int(before.size()), now.mid(before.size()));
            QAccessible::updateAccessibility(&event);
            return;
        }
        const auto differ = std::mismatch(now.begin(), now.end(), before.begin(), before.end());
        const auto at = differ.first - now.begin();
        QAccessibleTextUpdateEvent event(this, int(at), before.mid(at), now.mid(at));
        QAccessible::updateAccessibility(&event);
    }

    void tellSelection() {
        int from = 0, to = 0;
        selection(0, &from, &to);
        QAccessibleTextSelectionEvent event(this, from, to);
        event.setCursorPosition(cursorPosition());
        QAccessible::updateAccessibility(&event);
    }

    QString attributes(int, int* from, int* to) const override {
        *from = 0;
        *to = characterCount();
        return {};
    }

    // Actions
    QStringList actionNames() const override { return isValid() ? view_->actionsOf(index_) : QStringList(); }

    QString localizedActionName(const QString& name) const override { return ChatView::actionLabel(name); }

    void doAction(const QString& name) override {
        if (isValid())
            view_->activateAction(index_, name);
    }

    QStringList keyBindingsForAction(const QString&) const override { return {}; }

private:
    const MessageRow& row() const { return view_->document().message(index_); }

    QString speaker() const {
        if (row().role == Role::User)
            return ChatView::tr("You");
        const QString who = MessageDetails::speaker(row(), true);
        return row().model.isEmpty() && row().remote.isEmpty() ? ChatView::tr("Model") : who;
    }

    int offsetOf(const TextPosition& p) const {
        return p.part == Part::Body ? view_->document().plainOffset(p) : 0; // thoughts come before
    }

    TextPosition positionOf(int offset) const {
        return view_->document().positionOfPlain(index_, std::clamp(offset, 0, characterCount()));
    }

    const QString& body() const {
        static const QString none;
        if (!isValid())
            return none;
        const qsizetype size = view_->document().source(index_, Part::Body).size();
        if (size != cachedSize_ || row().state != cachedState_ || cached_.isNull()) {
            cached_ = view_->document().plainText(index_, Part::Body);
            if (cached_.isNull())
                cached_ = QLatin1String("");
            cachedSize_ = size;
            cachedState_ = row().state; // the end of a reply may turn brackets into links
        }
        return cached_;
    }

    QPointer<ChatView> view_;
    int index_;
    mutable QString cached_;
    mutable qsizetype cachedSize_ = -1; // of the source that `cached_` was made from
    mutable MessageState cachedState_ = MessageState::Complete;
    QString told_ = body(); // what a screen reader knows; after the members that body() uses
};

/// The view: its children are the messages.
class ViewInterface final : public QAccessibleWidget {
public:
    explicit ViewInterface(ChatView* view) : QAccessibleWidget(view, QAccessible::List), view_(view) {}

    ~ViewInterface() override { forget(); }

    int childCount() const override { return view_ ? view_->document().count() : 0; }

    QAccessibleInterface* child(int index) const override {
        if (!view_ || index < 0 || index >= childCount())
            return nullptr;
        const auto known = ids_.constFind(index);
        if (known != ids_.constEnd())
            if (QAccessibleInterface* found = QAccessible::accessibleInterface(known.value()))
                return found;
        auto* made = new MessageInterface(*view_, index); // owned by Qt's table of interfaces from here on
        ids_.insert(index, QAccessible::registerAccessibleInterface(made));
        return made;
    }

    int indexOfChild(const QAccessibleInterface* child) const override {
        for (auto it = ids_.constBegin(); it != ids_.constEnd(); ++it)
            if (QAccessible::accessibleInterface(it.value()) == child)
                return it.key();
        return -1;
    }

    QAccessibleInterface* childAt(int x, int y) const override {
        for (int i = 0; i < childCount(); ++i)
            if (view_->messageRect(i).contains(view_->viewport()->mapFromGlobal(QPoint(x, y))))
                return child(i);
        return nullptr;
    }

    QAccessibleInterface* focusChild() const override { return nullptr; }

    /// Calls f for those of the messages [first, last] that somebody asked for.
    template <typename F>
    void eachKnown(int first, int last, F f) {
        for (auto it = ids_.constBegin(); it != ids_.constEnd(); ++it)
            if (it.key() >= first && it.key() <= last)
                if (auto* message = static_cast<MessageInterface*>(QAccessible::accessibleInterface(it.value())))
                    f(*message);
    }

    void forget() {
        for (const QAccessible::Id id : std::as_const(ids_))
            QAccessible::deleteAccessibleInterface(id);
        ids_.clear();
    }

private:
    QPointer<ChatView> view_;
    mutable QHash<int, QAccessible::Id> ids_; // by message
};

QAccessibleInterface* make(const QString& className, QObject* object) {
    if (className != QLatin1String("hearth::ui::ChatView"))
        return nullptr;
    auto* view = qobject_cast<ChatView*>(object);
    return view ? new ViewInterface(view) : nullptr;
}

} // namespace

void ChatAccessible::install() {
    static const bool once = (QAccessible::installFactory(make), true);
    Q_UNUSED(once)
}

void ChatAccessible::contentChanged(ChatView& view, const QVector<int>& messages) {
    if (!QAccessible::isActive())
        return;
    if (auto* made = dynamic_cast<ViewInterface*>(QAccessible::queryAccessibleInterface(&view)))
        for (const int i : messages)
            made->eachKnown(i, i, [](MessageInterface& message) { message.tellText(); });
    QAccessibleEvent event(&view, QAccessible::VisibleDataChanged);
    QAccessible::updateAccessibility(&event);
}

void ChatAccessible::selectionChanged(ChatView& view, const TextPosition& from, const TextPosition& to) {
    if (!QAccessible::isActive())
        return;
    const TextPosition a = view.selectionStart();
    const TextPosition b = view.selectionEnd();
    if (auto* made = dynamic_cast<ViewInterface*>(QAccessible::queryAccessibleInterface(&view)))
        made->eachKnown(std::min({from.message, a.message, b.message}), std::max({to.message, a.message, b.message}),
                        [](MessageInterface& message) { message.tellSelection(); });
}

void ChatAccessible::contentReset(ChatView& view) {
    if (!QAccessible::isActive())
        return;
    if (auto* made = dynamic_cast<ViewInterface*>(QAccessible::queryAccessibleInterface(&view)))
        made->forget();
    QAccessibleEvent event(&view, QAccessible::ObjectReorder);
    QAccessible::updateAccessibility(&event);
}

} // namespace hearth::ui
