#include "ui/chat/chat_accessible.h"

#include "ui/chat/chat_view.h"

#include <QAccessibleWidget>
#include <QHash>
#include <QPointer>

#include <algorithm>

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

    // Text
    void selection(int, int* from, int* to) const override { *from = *to = 0; }

    int selectionCount() const override { return 0; }

    void addSelection(int, int) override {}

    void removeSelection(int) override {}

    void setSelection(int, int, int) override {}

    int cursorPosition() const override { return 0; }

    void setCursorPosition(int) override {}

    QString text(int from, int to) const override { return body().mid(from, to < 0 ? -1 : std::max(0, to - from)); }

    int characterCount() const override { return int(body().size()); }

    QRect characterRect(int) const override { return rect(); }

    int offsetAtPoint(const QPoint&) const override { return 0; }

    void scrollToSubstring(int, int) override {
        if (isValid())
            view_->setScrollPosition(index_);
    }

    QString attributes(int, int* from, int* to) const override {
        *from = 0;
        *to = characterCount();
        return {};
    }

    // Actions
    QStringList actionNames() const override {
        QStringList names{QStringLiteral("copy")};
        if (isValid() && row().role == Role::Assistant && row().state != MessageState::Streaming)
            names.append(QStringLiteral("regenerate"));
        if (isValid() && row().state == MessageState::Interrupted)
            names.append(QStringLiteral("continue"));
        return names;
    }

    QString localizedActionName(const QString& name) const override {
        return name == u"copy"         ? ChatView::tr("Copy")
               : name == u"regenerate" ? ChatView::tr("Regenerate")
               : name == u"continue"   ? ChatView::tr("Continue")
                                       : QString();
    }

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
        return row().model.isEmpty() ? ChatView::tr("Model") : row().model;
    }

    const QString& body() const {
        static const QString none;
        if (!isValid())
            return none;
        const qsizetype size = view_->document().source(index_, Part::Body).size();
        if (size != cachedSize_ || cached_.isNull()) {
            cached_ = view_->document().plainText(index_, Part::Body);
            cachedSize_ = size;
        }
        return cached_;
    }

    QPointer<ChatView> view_;
    int index_;
    mutable QString cached_;
    mutable qsizetype cachedSize_ = -1; // of the source that `cached_` was made from
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

void ChatAccessible::contentChanged(ChatView& view) {
    if (!QAccessible::isActive())
        return;
    QAccessibleEvent event(&view, QAccessible::VisibleDataChanged);
    QAccessible::updateAccessibility(&event);
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
