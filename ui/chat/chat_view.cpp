#include "ui/chat/chat_view.h"

#include "ui/chat/chat_accessible.h"
#include "ui/chat/height_index.h"
#include "ui/chat/message_details.h"
#include "ui/chat/message_layout.h"
#include "ui/chat/text_selection.h"
#include "ui/text_line.h"

#include <QAbstractButton>
#include <QApplication>
#include <QClipboard>
#include <QContextMenuEvent>
#include <QMenu>
#include <QPaintEvent>
#include <QPainter>
#include <QScrollBar>
#include <QTimer>
#include <QToolTip>

#include <algorithm>
#include <optional>

namespace hearth::ui {
namespace {

constexpr int kColumn = 680;      // px, at 100 % text
constexpr int kWideColumn = 840;  // px, the same, of code and tables
constexpr int kSideMargin = 24;   // px, at least, on both sides of the column
constexpr int kBottomMargin = 24; // px below the last message
constexpr int kDoneMs = 1500;     // how long a tool says that it was done
constexpr int kDragScrollMs = 16;

/// Back to the end: a button that floats above the text and says how much came there meanwhile.
class EndButton : public QAbstractButton {
public:
    EndButton(const Theme& theme, QWidget* parent) : QAbstractButton(parent), theme_(theme) {
        setFocusPolicy(Qt::TabFocus);
        setCursor(Qt::PointingHandCursor);
        setLines(0);
        hide();
    }

    void setLines(int lines) {
        setText(lines > 0 ? ChatView::tr("%n new line(s)", nullptr, lines) : QString());
        const QString name = ChatView::tr("To the end");
        setAccessibleName(text().isEmpty() ? name : name + QStringLiteral(" · ") + text());
        setToolTip(name);
        const int side = theme_.controlHeight();
        const int words =
            text().isEmpty() ? 0 : 8 + QFontMetrics(theme_.font(TextStyle::Interface)).horizontalAdvance(text());
        resize(side + words + (words > 0 ? 8 : 0), side);
        update();
    }

protected:
    void paintEvent(QPaintEvent*) override {
        QPainter painter(this);
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(QPen(theme_.color(hasFocus() ? Token::Accent : Token::Outline), hasFocus() ? 2 : 1));
        painter.setBrush(theme_.color(underMouse() ? Token::Hover : Token::Window));
        const qreal radius = height() / 2.0 - 1;
        painter.drawRoundedRect(QRectF(rect()).adjusted(1, 1, -1, -1), radius, radius);
        const int icon = height() / 2;
        const int left = (height() - icon) / 2;
        theme_.icon(QStringLiteral("arrow-down"), Token::Second).paint(&painter, QRect(left, left, icon, icon));
        painter.setPen(theme_.color(Token::Text));
        painter.setFont(theme_.font(TextStyle::Interface));
        drawTextLine(painter, rect().adjusted(left + icon + 8, 0, 0, 0), text());
    }

    void enterEvent(QEnterEvent*) override { update(); }

    void leaveEvent(QEvent*) override { update(); }

private:
    const Theme& theme_;
};

/// Names of actions, for screen readers and tests, and their words.
struct ActionName {
    const char* name;
    const char* label;
};

constexpr ActionName kActions[] = {
    {"copy", QT_TRANSLATE_NOOP("hearth::ui::ChatView", "Copy")},
    {"copy-markdown", QT_TRANSLATE_NOOP("hearth::ui::ChatView", "Copy as Markdown")},
    {"quote", QT_TRANSLATE_NOOP("hearth::ui::ChatView", "Quote")},
    {"edit", QT_TRANSLATE_NOOP("hearth::ui::ChatView", "Edit")},
    {"regenerate", QT_TRANSLATE_NOOP("hearth::ui::ChatView", "Regenerate")},
    {"continue", QT_TRANSLATE_NOOP("hearth::ui::ChatView", "Continue")},
    {"branch", QT_TRANSLATE_NOOP("hearth::ui::ChatView", "Branch from here")},
    {"details", QT_TRANSLATE_NOOP("hearth::ui::ChatView", "Details")},
    {"delete", QT_TRANSLATE_NOOP("hearth::ui::ChatView", "Delete")},
};

} // namespace

struct ChatView::Private {
    ChatView& q;
    ChatDocument& document;
    const Theme& theme;
    TypeSheet type;
    Column column;
    HeightIndex heights;                                 // of messages
    std::vector<std::unique_ptr<MessageLayout>> layouts; // null: never seen, its height is a guess

    // Where the reader is: the text at the top edge, not a number of px, so that nothing moves when heights above
    // become true.
    int anchorMessage = 0;
    MessageLayout::Anchor anchor;
    bool following = true;
    int scrollTop = 0;
    bool inLayout = false;
    double lastTold = -2;

    // Selection: two places in the text.
    TextPosition selectionAnchor, selectionHead;
    TextPosition unitFrom, unitTo; // the word or leaf a double or triple click began with

    enum Unit { Letter, Word, Leaf } unit = Letter;

    bool selecting = false;
    QPoint dragPoint;
    int dragTimer = 0;
    int clicks = 0;
    QPoint lastClick;
    qint64 lastClickAt = 0;
    int wishedX = -1; // px, of moving up and down

    QVector<Target> targets;
    std::optional<Target> hovered, pressed, focused, done;
    int hoveredMessage = -1;
    bool keyboardFocus = false;
    bool readOnly = false;
    QTimer doneTimer;
    QTimer flushTimer;
    QVector<int> changed; // messages to look at in the next frame
    QSet<int> fresh;      // messages that came since the last frame
    int unseen = 0;       // px that came below while the reader was elsewhere
    QTimer thinkingTimer; // the seconds of thoughts go on between words
    const ConversationSearch* search = nullptr;
    std::optional<ConversationSearch::Match> current; // the match that is looked at
    int zoomAngle = 0;                                // eighths of a degree
    double barScale = 0;                              // px of scrolling a px of the bar that is dragged; 0: none is
    int barX = 0;

    /// Where the reader was before a reset: in the message at the top edge.
    struct Place {
        RowId id = 0, before = 0; // the message and the one before it
        int index = 0;
        int versions = 1;
        MessageLayout::Anchor anchor;
        int bottom = 0; // px of the viewport
    } place;

    bool replying = false;
    EndButton* endButton;

    Private(ChatView& view, ChatDocument& doc, const Theme& t)
        : q(view), document(doc), theme(t), type(t), endButton(new EndButton(t, &view)) {}

    int viewHeight() const { return q.viewport()->height(); }

    int contentHeight() const { return heights.total() + kBottomMargin; }

    int maxScroll() const { return std::max(0, contentHeight() - viewHeight()); }

    // Messages

    Column columnNow() const {
        const int view = q.viewport()->width();
        const int percent = std::max(100, theme.textSizePercent());
        const int width = std::max(80, std::min(kColumn * percent / 100, view - 2 * kSideMargin));
        const int left = (view - width) / 2;
        // The left edge is everybody's: what is wide reaches to the right.
        return {view, left, width, std::max(width, std::min(kWideColumn * percent / 100, view - kSideMargin - left))};
    }

    bool showsName(int i) const {
        const MessageRow& row = document.message(i);
        if (row.role != Role::Assistant)
            return false;
        for (int k = i - 1; k >= 0; --k)
            if (document.message(k).role == Role::Assistant)
                return document.message(k).model != row.model;
        return true;
    }

    int guessedHeight(int i) const {
        const MessageRow& row = document.message(i);
        if (row.role == Role::System)
            return 0;
        const int pitch = type.pitch(TextStyle::Message);
        const int width = row.role == Role::User ? column.width * 85 / 100 - 32 : column.width;
        const int text = estimatedTextHeight(document.source(i, Part::Body), width, pitch,
                                             theme.font(TextStyle::Message).pixelSize());
        const int fold = MessageLayout::kFoldLines * pitch + 28;
        return MessageLayout::kTurnGap + (row.role == Role::User ? 16 + std::min(text, fold) : 28 + text);
    }

    MessageLayout& layoutFor(int i) {
        auto& layout = layouts[size_t(i)];
        if (!layout) {
            layout = std::make_unique<MessageLayout>(document, i, type, column, showsName(i));
            layout->setBusy(replying);
            heights.set(i, layout->height());
        }
        return *layout;
    }

    int top(int i) const { return heights.top(i) - scrollTop; } // viewport px

    // Laying out

    void rebuild() {
        column = columnNow();
        layouts.clear();
        heights = {};
        for (int i = 0; i < document.count(); ++i)
            addMessage(i);
        following = true;
        anchorMessage = 0;
        anchor = {};
        endDrag();
        const bool wasSelected = q.hasSelection();
        forgetTargets();
        hoveredMessage = -1;
        changed.clear();
        fresh.clear();
        unseen = 0;
        current.reset();
        selectionAnchor = selectionHead = document.start();
        layOut();
        q.viewport()->update();
        if (wasSelected)
            emit q.selectionChanged();
    }

    /// The text under a drag is gone.
    void endDrag() {
        selecting = false;
        unit = Letter;
        unitFrom = unitTo = document.start();
        clicks = 0;
        wishedX = -1;
        if (dragTimer != 0)
            q.killTimer(std::exchange(dragTimer, 0));
    }

    void addMessage(int i) {
        layouts.emplace_back();
        heights.append(guessedHeight(i));
    }

    /// Others have other places now: their layouts stay.
    void renumber() {
        heights = {};
        for (int i = 0; i < int(layouts.size()); ++i) {
            if (layouts[size_t(i)])
                layouts[size_t(i)]->setPlace(i, showsName(i));
            heights.append(layouts[size_t(i)] ? layouts[size_t(i)]->height() : guessedHeight(i));
        }
        released.clear();
        fresh.clear();
        forgetTargets();
        hoveredMessage = -1;
    }

    void forgetTargets() {
        const bool wasLink = hovered && hovered->kind == TargetKind::Link;
        hovered.reset();
        pressed.reset();
        focused.reset();
        done.reset();
        barScale = 0;
        if (wasLink)
            emit q.linkHovered({});
    }

    void keepPlace();
    void findPlace();
    void removeMessage(int i);
    void insertMessage(int i);
    void takePlace(int from);

    void relayout() {
        column = columnNow();
        const bool inText = anchor.zone == MessageLayout::Anchor::Body && anchorMessage < int(layouts.size()) &&
                            layouts[size_t(anchorMessage)];
        const BlockLayout* before =
            inText ? layouts[size_t(anchorMessage)]->layoutOf(Part::Body, anchor.block) : nullptr;
        const int oldHeight = before ? before->height() : 0;
        for (auto& layout : layouts)
            if (layout)
                layout->relayout(column);
        for (int i = 0; i < int(layouts.size()); ++i)
            heights.set(i, layouts[size_t(i)] ? layouts[size_t(i)]->height() : guessedHeight(i));
        if (oldHeight > 0) { // the same line stays at the top, or near it
            const BlockLayout* now = layoutFor(anchorMessage).ensureLayout(Part::Body, anchor.block);
            if (now)
                anchor.offset = int(qint64(anchor.offset) * now->height() / oldHeight);
        }
        layOut();
        q.viewport()->update();
    }

    void layOut() {
        if (inLayout)
            return;
        inLayout = true;
        if (document.count() == 0) {
            scrollTop = 0;
        } else if (following) {
            layFromEnd();
        } else {
            layFromAnchor();
        }
        releaseFar();
        updateScrollBar();
        collectTargets();
        placeEndButton();
        inLayout = false;
        tellPosition();
    }

    void layFromEnd() {
        int left = viewHeight() - kBottomMargin;
        for (int i = document.count() - 1; i >= 0 && left > 0; --i) {
            MessageLayout& layout = layoutFor(i);
            left = layout.ensureBackward(left);
            heights.set(i, layout.height());
        }
        scrollTop = maxScroll();
        setAnchor(scrollTop);
    }

    void layFromAnchor() {
        anchorMessage = std::clamp(anchorMessage, 0, document.count() - 1);
        int left = viewHeight() + anchor.offset;
        for (int i = anchorMessage; i < document.count() && left > 0; ++i) {
            MessageLayout& layout = layoutFor(i);
            left = layout.ensureForward(i == anchorMessage ? anchor : MessageLayout::Anchor{}, left);
            heights.set(i, layout.height());
        }
        scrollTop = heights.top(anchorMessage) + layoutFor(anchorMessage).yOf(anchor);
        if (scrollTop > maxScroll()) {
            layFromEnd();
        } else if (scrollTop < 0) {
            scrollTop = 0;
            setAnchor(0);
        }
    }

    void setAnchor(int y) {
        if (document.count() == 0)
            return;
        anchorMessage = std::max(0, heights.at(y));
        const bool known = layouts[size_t(anchorMessage)] != nullptr;
        const int above = heights.top(anchorMessage);
        const int guessed = std::max(1, heights.height(anchorMessage));
        MessageLayout& layout = layoutFor(anchorMessage);
        // A message seen for the first time: the same share of it stays above the edge.
        const int in = known ? y - above : int(qint64(y - above) * layout.height() / guessed);
        anchor = layout.anchorAt(in);
    }

    /// Moves by px with the text on screen as the fixed point, so that a guess above does not show as a jump.
    void scrollBy(int px) {
        if (px < 0) {
            int left = -px + viewHeight() / 2;
            for (int i = anchorMessage; i >= 0 && left > 0; --i) {
                MessageLayout& layout = layoutFor(i);
                left = i == anchorMessage ? layout.ensureAbove(anchor, left) : layout.ensureBackward(left);
                heights.set(i, layout.height());
            }
            scrollTop = heights.top(anchorMessage) + layoutFor(anchorMessage).yOf(anchor);
        }
        const int y = std::clamp(scrollTop + px, 0, maxScroll());
        following = y >= maxScroll() && px >= 0;
        setAnchor(y);
        layOut();
        if (!following && scrollTop >= maxScroll() && px >= 0)
            following = true;
        placeEndButton();
    }

    void jumpTo(int y) {
        following = y >= maxScroll();
        setAnchor(std::clamp(y, 0, maxScroll()));
        layOut();
    }

    void releaseFar() {
        const int margin = viewHeight();
        const int first = heights.at(std::max(0, scrollTop - margin));
        const int last = heights.at(scrollTop + viewHeight() + margin);
        for (int i = 0; i < int(layouts.size()); ++i) {
            if (!layouts[size_t(i)] || (released.size() > size_t(i) && released[size_t(i)] && (i < first || i > last)))
                continue;
            if (released.size() <= size_t(i))
                released.resize(layouts.size(), false);
            const int y = heights.top(i);
            layouts[size_t(i)]->release(scrollTop - margin - y, scrollTop + viewHeight() + margin - y);
            released[size_t(i)] = i < first || i > last;
        }
    }

    std::vector<bool> released; // messages far off that hold no layouts

    void updateScrollBar() {
        QScrollBar* bar = q.verticalScrollBar();
        const QSignalBlocker blocker(bar);
        bar->setPageStep(viewHeight());
        bar->setSingleStep(type.pitch(TextStyle::Message));
        bar->setRange(0, maxScroll());
        bar->setValue(scrollTop);
    }

    void placeEndButton() {
        const bool wanted = !following && !readOnly && scrollTop < maxScroll() - 8;
        if (!wanted)
            unseen = 0;
        if (wanted || endButton->isVisible())
            endButton->setLines(q.unseenLines());
        if (wanted != endButton->isVisible())
            endButton->setVisible(wanted);
        const QRect view = q.viewport()->geometry();
        endButton->move(view.center().x() - endButton->width() / 2, view.bottom() - endButton->height() - 12);
    }

    void tellPosition() {
        const double now = q.scrollPosition();
        if (now == lastTold)
            return;
        lastTold = now;
        emit q.scrollPositionChanged(now);
    }

    // Changes of the document

    void schedule(int message) {
        if (!changed.contains(message))
            changed.append(message);
        if (!flushTimer.isActive())
            flushTimer.start(0);
    }

    void flush() {
        flushTimer.stop();
        if (changed.isEmpty())
            return;
        const int oldTop = scrollTop;
        const int oldRight = rightEdge();
        int dirty = viewHeight();
        const QVector<int> seen = std::exchange(changed, {});
        for (const int i : seen) {
            if (i >= document.count())
                continue;
            const bool grows = document.message(i).state == MessageState::Streaming;
            if (!layouts[size_t(i)] && !grows) {
                heights.set(i, guessedHeight(i));
                dirty = 0;
                continue;
            }
            MessageLayout& layout = layoutFor(i);
            if (released.size() > size_t(i))
                released[size_t(i)] = false;
            const int before = fresh.contains(i) ? 0 : heights.height(i);
            layout.sync(column);
            heights.set(i, layout.height());
            if (!following)
                unseen += std::max(0, layout.height() - before);
            const int from = layout.takeDirtyFrom();
            if (from != INT_MAX)
                dirty = std::min(dirty, heights.top(i) + from - oldTop);
        }
        fresh.clear();
        layOut();
        repaintFrom(dirty, scrollTop - oldTop, std::max(oldRight, rightEdge()));
        if (!thinkingTimer.isActive() && thinkingMessage() >= 0)
            thinkingTimer.start();
        if (QAccessible::isActive())
            ChatAccessible::contentChanged(q, seen);
    }

    int thinkingMessage() const {
        const int last = document.count() - 1;
        return last >= 0 && layouts[size_t(last)] && layouts[size_t(last)]->isThinking() ? last : -1;
    }

    void tickThinking() {
        const int i = thinkingMessage();
        if (i < 0) {
            thinkingTimer.stop();
            return;
        }
        updateMessage(i);
        collectTargets();
    }

    /// Of what is painted now, px of the viewport.
    int rightEdge() {
        int right = column.left + column.width;
        eachVisible([&](int i, const MessageLayout& layout) {
            right = std::max(right, layout.rightEdge(-top(i), viewHeight() - top(i)));
        });
        return right;
    }

    /// What stood at `dirty` (viewport px, before the text moved up by `moved`) and everything below is painted anew;
    /// the rest, up to `right`, is moved.
    void repaintFrom(int dirty, int moved, int right) {
        QWidget* view = q.viewport();
        if (moved < 0 || moved >= view->height() || dirty <= 0) {
            view->update();
            return;
        }
        // Beside the column nothing stands: on a large screen that is more than half of what would be moved.
        const QRect band = QRect(column.left - 16, 0, right - column.left + 32, view->height()) & view->rect();
        if (moved > 0)
            view->scroll(0, -moved, band);
        view->update(band.left(), dirty - moved - 8, band.width(), view->height() - (dirty - moved) + 8);
    }

    // Targets

    bool active(int i) const { return !readOnly && (i == hoveredMessage || keyboardFocus); }

    template <typename F>
    void eachVisible(F f) {
        if (document.count() == 0)
            return;
        for (int i = std::max(0, heights.at(scrollTop)); i < document.count() && top(i) < viewHeight(); ++i)
            f(i, layoutFor(i));
    }

    void collectTargets() {
        targets.clear();
        eachVisible([&](int i, MessageLayout& layout) {
            const int from = int(targets.size());
            layout.collectTargets(targets, -top(i), viewHeight() - top(i), active(i));
            for (int k = from; k < targets.size(); ++k)
                targets[k].rect.translate(0, top(i));
        });
        targets.removeIf([&](const Target& t) { return t.rect.bottom() < 0 || t.rect.top() > viewHeight(); });
    }

    std::optional<Target> targetAt(QPoint p) const {
        for (const Target& t : targets)
            if (t.rect.contains(p))
                return t;
        return std::nullopt;
    }

    int messageAt(QPoint p) const {
        if (p.x() < 0 || p.y() < 0 || p.x() >= q.viewport()->width() || p.y() >= viewHeight() || document.count() == 0)
            return -1;
        const int y = p.y() + scrollTop;
        return y < heights.total() ? heights.at(y) : -1;
    }

    void updateMessage(int i) {
        if (i >= 0 && i < document.count())
            q.viewport()->update(0, top(i), q.viewport()->width(), heights.height(i));
    }

    void hover(QPoint p) {
        const int message = messageAt(p);
        if (message != hoveredMessage) {
            updateMessage(hoveredMessage);
            hoveredMessage = message;
            updateMessage(message);
            collectTargets();
        }
        const std::optional<Target> now = targetAt(p);
        const bool same = now.has_value() == hovered.has_value() && (!now || now->same(*hovered));
        if (!same) {
            if (hovered)
                updateMessage(hovered->message);
            const bool wasLink = hovered && hovered->kind == TargetKind::Link;
            hovered = now;
            if (hovered)
                updateMessage(hovered->message);
            if (hovered && hovered->kind == TargetKind::Link)
                emit q.linkHovered(hovered->address);
            else if (wasLink)
                emit q.linkHovered({});
        }
        q.viewport()->setCursor(hovered ? Qt::PointingHandCursor : onText(p) ? Qt::IBeamCursor : Qt::ArrowCursor);
    }

    bool moveSideways(const Target& t, int px) {
        if (!layoutFor(t.message).scrollSideways(t.part, t.block, px))
            return false;
        collectTargets();
        updateMessage(t.message);
        updateMessage(t.message + 1); // the bar lies in the gap
        return true;
    }

    bool onText(QPoint p) const {
        return p.x() >= column.left - 8 && p.x() < column.left + column.wide + 8 && messageAt(p) >= 0;
    }

    void activate(const Target& t) {
        const RowId id = document.message(t.message).id;
        const MessageRow& row = document.message(t.message);
        switch (t.kind) {
        case TargetKind::Link:
            emit q.linkActivated(QUrl(t.address, QUrl::TolerantMode));
            break;
        case TargetKind::CopyCode:
            copyText(layoutFor(t.message).copiedCode(t.part, t.block), t);
            break;
        case TargetKind::Copy:
            copyText(document.plainText(t.message, Part::Body), t);
            break;
        case TargetKind::NumberCode:
            change(t.message, [&](MessageLayout& l) { l.toggleNumbers(t.part, t.block); });
            break;
        case TargetKind::Sideways: // dragged, or moved by the arrow keys
            break;
        case TargetKind::Edit:
            if (!busy())
                emit q.editRequested(id);
            break;
        case TargetKind::More:
            showMenu(t.message, {}, q.viewport()->mapToGlobal(t.rect.bottomLeft() + QPoint(0, 4)));
            break;
        case TargetKind::WrapCode:
            change(t.message, [&](MessageLayout& l) { l.toggleWrap(t.part, t.block); });
            break;
        case TargetKind::Thoughts:
            change(t.message, [](MessageLayout& l) { l.toggleThoughts(); });
            break;
        case TargetKind::FoldCode:
            foldCode(t);
            break;
        case TargetKind::Fold:
            change(t.message, [](MessageLayout& l) { l.toggleFold(); });
            break;
        case TargetKind::Regenerate:
            emit q.regenerateRequested(id);
            break;
        case TargetKind::Continue:
            emit q.continueRequested(id);
            break;
        case TargetKind::Previous:
            emit q.siblingRequested(id, row.siblingIndex - 1);
            break;
        case TargetKind::Next:
            emit q.siblingRequested(id, row.siblingIndex + 1);
            break;
        }
    }

    /// Changes how a message is shown, with its top or what is above it staying where it is.
    template <typename F>
    void change(int message, F f) {
        if (message == anchorMessage && anchor.zone != MessageLayout::Anchor::Head && top(message) < 0)
            setAnchor(scrollTop);
        const bool shrinksBelow = message == anchorMessage;
        following = false;
        MessageLayout& layout = layoutFor(message);
        const int before = layout.height();
        f(layout);
        heights.set(message, layout.height());
        if (shrinksBelow && layout.height() < before && anchor.zone != MessageLayout::Anchor::Head)
            anchor = layout.anchorAt(std::min(scrollTop - heights.top(message), std::max(0, layout.height() - 80)));
        layOut();
        following = scrollTop >= maxScroll();
        placeEndButton();
        q.viewport()->update();
    }

    /// Code that folds below its head leaves the head in sight.
    void foldCode(const Target& t) {
        MessageLayout& layout = layoutFor(t.message);
        if (!layout.isCodeUnfolded(t.part, t.block)) {
            change(t.message, [&](MessageLayout& l) { l.toggleCodeFold(t.part, t.block); });
            return;
        }
        following = false;
        setAnchor(scrollTop);
        const auto zone = t.part == Part::Thoughts ? MessageLayout::Anchor::Thoughts : MessageLayout::Anchor::Body;
        const int root = document.blocks(t.message, t.part).block(t.block).root;
        if (anchorMessage == t.message && anchor.zone == zone && anchor.block >= root && anchor.block <= t.block)
            anchor = {zone, root, 0};
        layout.toggleCodeFold(t.part, t.block);
        heights.set(t.message, layout.height());
        layOut();
        following = scrollTop >= maxScroll();
        placeEndButton();
        q.viewport()->update();
    }

    void showMenu(int message, const QString& link, QPoint globalAt);

    bool busy() const {
        return replying ||
               (document.count() > 0 && document.message(document.count() - 1).state == MessageState::Streaming);
    }

    void copyText(const QString& text, const Target& t) {
        QGuiApplication::clipboard()->setText(text);
        done = t;
        doneTimer.start(kDoneMs);
        updateMessage(t.message);
    }

    // Selection

    TextPosition from() const { return std::min(selectionAnchor, selectionHead); }

    TextPosition to() const { return std::max(selectionAnchor, selectionHead); }

    TextPosition positionAt(QPoint p, bool pastEnd = false) {
        if (document.count() == 0)
            return document.start();
        const int i = std::clamp(heights.at(p.y() + scrollTop), 0, document.count() - 1);
        MessageLayout& layout = layoutFor(i);
        return layout.positionAt(QPoint(p.x(), p.y() - top(i)), pastEnd);
    }

    void select(TextPosition anchorAt, TextPosition head) {
        if (anchorAt == selectionAnchor && head == selectionHead)
            return;
        const TextPosition oldFrom = from(), oldTo = to();
        selectionAnchor = anchorAt;
        selectionHead = head;
        // Only messages in which the selection changed are painted again.
        const int first = std::min(oldFrom.message, from().message);
        const int last = std::max(oldTo.message, to().message);
        eachVisible([&](int i, MessageLayout&) {
            if (i >= first && i <= last)
                updateMessage(i);
        });
        emit q.selectionChanged();
        if (QAccessible::isActive())
            ChatAccessible::selectionChanged(q, oldFrom, oldTo);
    }

    void extendTo(QPoint p) {
        const TextPosition at = positionAt(p, unit == Letter);
        if (unit == Letter) {
            select(selectionAnchor, at);
            return;
        }
        const auto [a, b] = unit == Word ? wordAround(document, at) : leafAround(document, at);
        if (at < unitFrom)
            select(unitTo, a);
        else
            select(unitFrom, std::max(b, unitTo));
    }

    void toPrimary() {
        QClipboard* clipboard = QGuiApplication::clipboard();
        if (clipboard->supportsSelection() && q.hasSelection())
            clipboard->setText(q.selectedText(), QClipboard::Selection);
    }

    void moveHead(QKeyEvent* event);
    TextPosition movedByLine(TextPosition, int lines);
    void ensureVisible(const TextPosition&);
    void ensureVisible(const QRect&);
    bool scrollKey(int key);
};

ChatView::ChatView(ChatDocument& document, const Theme& theme, QWidget* parent)
    : QAbstractScrollArea(parent), d_(std::make_unique<Private>(*this, document, theme)) {
    ChatAccessible::install();
    setFrameShape(QFrame::NoFrame);
    setFocusPolicy(Qt::StrongFocus);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    viewport()->setMouseTracking(true);
    viewport()->setAttribute(Qt::WA_OpaquePaintEvent);
    setAccessibleName(tr("Conversation"));
    d_->flushTimer.setSingleShot(true);
    d_->thinkingTimer.setInterval(1000);
    connect(&d_->thinkingTimer, &QTimer::timeout, this, [this] { d_->tickThinking(); });
    d_->doneTimer.setSingleShot(true);
    connect(&d_->flushTimer, &QTimer::timeout, this, [this] { d_->flush(); });
    connect(&d_->doneTimer, &QTimer::timeout, this, [this] {
        d_->done.reset();
        viewport()->update();
    });
    connect(d_->endButton, &QAbstractButton::clicked, this, &ChatView::scrollToEnd);
    connect(verticalScrollBar(), &QScrollBar::valueChanged, this, [this](int value) {
        const int delta = value - d_->scrollTop;
        if (delta == 0)
            return;
        if (std::abs(delta) <= 2 * d_->viewHeight())
            d_->scrollBy(delta);
        else
            d_->jumpTo(value);
        viewport()->update();
    });
    connect(&theme, &Theme::changed, this, [this] {
        d_->type.clear();
        d_->relayout();
    });
    connect(&document, &ChatDocument::aboutToReset, this, [this] { d_->keepPlace(); });
    connect(&document, &ChatDocument::reset, this, [this] {
        d_->released.clear();
        d_->rebuild();
        d_->findPlace();
        ChatAccessible::contentReset(*this);
    });
    connect(&document, &ChatDocument::messageAppended, this, [this](int i) {
        d_->addMessage(i);
        d_->fresh.insert(i);
        if (d_->document.message(i).role == Role::User) // who says something looks at it
            d_->following = true;
        d_->schedule(i);
    });
    connect(&document, &ChatDocument::messageRemoved, this, [this](int i) { d_->removeMessage(i); });
    connect(&document, &ChatDocument::messageInserted, this, [this](int i) { d_->insertMessage(i); });
    connect(&document, &ChatDocument::messageChanged, this, [this](int i) { d_->schedule(i); });
    connect(&document, &ChatDocument::messagesRemoved, this, [this](int from) {
        d_->layouts.resize(size_t(from));
        d_->released.resize(std::min(d_->released.size(), size_t(from)));
        d_->heights.truncate(from);
        d_->changed.removeIf([from](int i) { return i >= from; });
        if (d_->hovered && d_->hovered->message >= from && d_->hovered->kind == TargetKind::Link)
            emit linkHovered({});
        for (std::optional<Target>* t : {&d_->hovered, &d_->pressed, &d_->focused, &d_->done})
            if (*t && (*t)->message >= from)
                t->reset();
        if (d_->hoveredMessage >= from)
            d_->hoveredMessage = -1;
        if (d_->current && d_->current->message >= from)
            d_->current.reset();
        d_->fresh.removeIf([from](int i) { return i >= from; });
        if (d_->to().message >= from || (d_->selecting && d_->unitTo.message >= from)) {
            d_->endDrag();
            clearSelection();
        }
        d_->layOut();
        viewport()->update();
        ChatAccessible::contentReset(*this);
    });
    d_->rebuild();
}

ChatView::~ChatView() = default;

const ChatDocument& ChatView::document() const {
    return d_->document;
}

// Position

double ChatView::scrollPosition() const {
    if (d_->following || d_->document.count() == 0)
        return -1;
    const int i = d_->anchorMessage;
    const int height = std::max(1, d_->heights.height(i));
    return i + std::clamp(double(d_->scrollTop - d_->heights.top(i)) / height, 0.0, 0.999999);
}

void ChatView::setScrollPosition(double position) {
    d_->flush();
    if (position < 0 || d_->document.count() == 0) {
        scrollToEnd();
        return;
    }
    const int i = std::clamp(int(position), 0, d_->document.count() - 1);
    MessageLayout& layout = d_->layoutFor(i);
    d_->anchorMessage = i;
    d_->anchor = layout.anchorAt(int((position - i) * layout.height()));
    d_->following = false;
    d_->layOut();
    viewport()->update();
}

bool ChatView::atEnd() const {
    return d_->following;
}

void ChatView::scrollToEnd() {
    d_->flush();
    d_->following = true;
    d_->layOut();
    viewport()->update();
}

// Selection

TextPosition ChatView::selectionStart() const {
    return d_->selectionAnchor;
}

TextPosition ChatView::selectionEnd() const {
    return d_->selectionHead;
}

void ChatView::setSelection(const TextPosition& anchor, const TextPosition& head) {
    d_->select(anchor, head);
}

TextPosition ChatView::positionAt(QPoint p) const {
    return d_->positionAt(p);
}

bool ChatView::hasSelection() const {
    return d_->selectionAnchor != d_->selectionHead;
}

QString ChatView::selectedMarkdown() const {
    return hasSelection() ? d_->document.markdown(d_->from(), d_->to()) : QString();
}

QStringList ChatView::detailsOf(int message) const {
    return message >= 0 && message < d_->document.count() ? MessageDetails::lines(d_->document, message)
                                                          : QStringList();
}

int ChatView::unseenLines() const {
    return (d_->unseen + d_->type.pitch(TextStyle::Message) / 2) / std::max(1, d_->type.pitch(TextStyle::Message));
}

QString ChatView::selectedText() const {
    return hasSelection() ? d_->document.plainText(d_->from(), d_->to()) : QString();
}

void ChatView::copySelection() {
    if (hasSelection())
        QGuiApplication::clipboard()->setText(selectedText());
}

void ChatView::selectAll() {
    d_->select(d_->document.start(), d_->document.end());
}

void ChatView::clearSelection() {
    d_->select(d_->document.start(), d_->document.start());
}

int ChatView::layoutCount() const {
    int n = 0;
    for (const auto& layout : d_->layouts)
        n += layout ? layout->layoutCount() : 0;
    return n;
}

QRect ChatView::messageRect(int index) const {
    if (index < 0 || index >= d_->document.count())
        return {};
    return QRect(0, d_->top(index), viewport()->width(), d_->heights.height(index));
}

QRect ChatView::caretRect(const TextPosition& p) const {
    if (p.message < 0 || p.message >= d_->document.count())
        return {};
    const int before = d_->heights.height(p.message);
    MessageLayout& layout = d_->layoutFor(p.message);
    layout.ensureLayout(p.part, p.block);
    d_->heights.set(p.message, layout.height());
    const QRect caret = layout.caret(p);
    if (layout.height() != before)
        d_->layOut(); // a guess became true: what is read stays where it is
    return caret.translated(0, d_->top(p.message));
}

QStringList ChatView::visibleTargets() const {
    QStringList labels;
    for (const Target& t : d_->targets)
        labels.append(t.label);
    return labels;
}

bool ChatView::activateTarget(const QString& label) {
    for (const Target& t : d_->targets)
        if (t.label == label) {
            d_->activate(Target(t));
            return true;
        }
    return false;
}

QStringList ChatView::actionsOf(int message) const {
    if (message < 0 || message >= d_->document.count() || d_->readOnly)
        return {};
    const MessageRow& row = d_->document.message(message);
    const bool user = row.role == Role::User;
    const bool growing = row.state == MessageState::Streaming;
    const bool busy = d_->busy(); // what a reply is being written to stays as it is
    QStringList names{QStringLiteral("copy"), QStringLiteral("copy-markdown"), QStringLiteral("quote")};
    if (user && !busy)
        names << QStringLiteral("edit");
    const bool unanswered = user && !busy && message + 1 == d_->document.count() && row.state == MessageState::Complete;
    if (unanswered || (!user && !busy))
        names << QStringLiteral("regenerate");
    if (row.state == MessageState::Interrupted)
        names << QStringLiteral("continue");
    // Not on a question: what is said next would follow it as a second one, beside the answer and out of its reach.
    if (!user && !busy && message + 1 < d_->document.count())
        names << QStringLiteral("branch");
    if (!growing)
        names << QStringLiteral("details");
    if (!busy)
        names << QStringLiteral("delete");
    return names;
}

QString ChatView::actionLabel(const QString& name) {
    for (const ActionName& action : kActions)
        if (name == QLatin1String(action.name))
            return tr(action.label);
    return {};
}

void ChatView::activateAction(int message, const QString& action) {
    if (!actionsOf(message).contains(action))
        return;
    const RowId id = d_->document.message(message).id;
    Target t;
    t.message = message;
    if (action == u"copy") {
        d_->activate(t);
    } else if (action == u"copy-markdown") {
        d_->copyText(withoutControls(d_->document.source(message, Part::Body)), t);
    } else if (action == u"quote") {
        const bool selected = hasSelection() && d_->from().message == message && d_->to().message == message;
        emit quoteRequested(selected ? selectedText() : d_->document.plainText(message, Part::Body));
    } else if (action == u"edit") {
        emit editRequested(id);
    } else if (action == u"regenerate") {
        emit regenerateRequested(id);
    } else if (action == u"continue") {
        emit continueRequested(id);
    } else if (action == u"branch") {
        emit branchRequested(id);
    } else if (action == u"delete") {
        emit deleteRequested(id);
    } else if (action == u"details") {
        d_->change(message, [](MessageLayout& l) { l.toggleDetails(); });
        d_->ensureVisible(QRect(0, d_->top(message) + d_->heights.height(message) - 1, 1, 1));
    }
}

// Search

void ChatView::setSearch(const ConversationSearch* search) {
    if (d_->search)
        d_->search->disconnect(this);
    d_->search = search;
    d_->current.reset();
    if (search)
        connect(search, &ConversationSearch::changed, this, [this] { viewport()->update(); });
    viewport()->update();
}

void ChatView::showMatch(int index) {
    if (!d_->search || index < 0 || index >= d_->search->count()) {
        d_->current.reset();
        viewport()->update();
        return;
    }
    d_->flush();
    const ConversationSearch::Match match = d_->search->match(index);
    d_->current = match;
    MessageLayout& layout = d_->layoutFor(match.message);
    layout.reveal(match.part, match.block, match.offset);
    layout.scrollSidewaysTo(match.part, match.block, match.offset);
    d_->heights.set(match.message, layout.height());
    const QRect place = caretRect(match.from());
    if (place.top() < 0 || place.bottom() > d_->viewHeight() - place.height()) { // in the middle, once it has to move
        d_->following = false;
        d_->anchorMessage = match.message;
        layout.ensureLayout(match.part, match.block); // it may have been too far away to be kept
        d_->anchor = layout.anchorAt(layout.caret(match.from()).y());
        d_->layOut();
        d_->scrollBy(caretRect(match.from()).y() - (d_->viewHeight() - place.height()) / 2);
    }
    d_->collectTargets();
    viewport()->update();
}

TextPosition ChatView::readingPosition() const {
    const TextPosition at = d_->positionAt(QPoint(d_->column.left, 0));
    // Above a message's text its thoughts are still to come.
    const bool above = d_->anchor.zone == MessageLayout::Anchor::Head && at == TextPosition{d_->anchorMessage};
    return above ? TextPosition{at.message, Part::Thoughts} : at;
}

void ChatView::setReadOnly(bool readOnly) {
    d_->readOnly = readOnly;
    d_->collectTargets();
    viewport()->update();
}

void ChatView::setReplying(bool replying) {
    if (replying == std::exchange(d_->replying, replying))
        return;
    for (const auto& layout : d_->layouts)
        if (layout)
            layout->setBusy(replying);
    d_->collectTargets();
    viewport()->update();
}

// Events

bool ChatView::viewportEvent(QEvent* event) {
    switch (event->type()) {
    case QEvent::Leave:
        d_->hover(QPoint(-1, -1));
        break;
    case QEvent::ToolTip:
        // Only our own words: a tip guesses rich text.
        if (d_->hovered && d_->hovered->kind != TargetKind::Link && d_->hovered->kind != TargetKind::Thoughts &&
            d_->hovered->kind != TargetKind::Fold && d_->hovered->kind != TargetKind::Continue &&
            d_->hovered->kind != TargetKind::Sideways)
            QToolTip::showText(QCursor::pos(), d_->hovered->label, viewport(), d_->hovered->rect);
        else
            QToolTip::hideText();
        return true;
    default:
        break;
    }
    return QAbstractScrollArea::viewportEvent(event);
}

void ChatView::paintEvent(QPaintEvent* event) {
    QPainter painter(viewport());
    const QRect area = event->rect();
    painter.fillRect(area, d_->theme.color(Token::Window));
    painter.setClipRect(area);
    d_->eachVisible([&](int i, MessageLayout& layout) {
        const int y = d_->top(i);
        if (y > area.bottom() || y + d_->heights.height(i) < area.top())
            return;
        const auto local = [&](const std::optional<Target>& t) -> std::optional<Target> {
            if (!t || t->message != i)
                return std::nullopt;
            return t;
        };
        const std::optional<Target> hovered = local(d_->hovered), focused = local(d_->focused), done = local(d_->done);
        MessageLayout::PaintState state;
        state.clip = area.translated(0, -y);
        state.from = d_->from();
        state.to = d_->to();
        state.active = d_->active(i);
        state.hovered = hovered ? &*hovered : nullptr;
        state.focused = focused ? &*focused : nullptr;
        state.done = done ? &*done : nullptr;
        if (d_->search)
            state.found = d_->search->in(i);
        if (d_->current && d_->current->message == i)
            state.current = &*d_->current;
        painter.save();
        painter.translate(0, y);
        layout.paint(painter, state);
        painter.restore();
    });
    if (!d_->focused || !d_->keyboardFocus)
        return;
    for (const Target& t : d_->targets) {
        if (!t.same(*d_->focused))
            continue;
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(QPen(d_->theme.color(Token::Accent), 2));
        painter.setBrush(Qt::NoBrush);
        painter.drawRoundedRect(QRectF(t.rect).adjusted(-1, -1, 1, 1), Theme::kControlRadius, Theme::kControlRadius);
    }
}

void ChatView::resizeEvent(QResizeEvent* event) {
    QAbstractScrollArea::resizeEvent(event);
    const Column now = d_->columnNow();
    if (now.width != d_->column.width || now.left != d_->column.left)
        d_->relayout();
    else
        d_->layOut();
    viewport()->update();
}

void ChatView::scrollContentsBy(int, int) {} // the scroll bar's valueChanged does it

void ChatView::mousePressEvent(QMouseEvent* event) {
    d_->keyboardFocus = false;
    d_->focused.reset();
    if (event->button() != Qt::LeftButton)
        return;
    d_->flush();
    const QPoint p = event->position().toPoint();
    d_->pressed = d_->targetAt(p);
    const qint64 now = qint64(event->timestamp());
    const bool again =
        now - d_->lastClickAt < QApplication::doubleClickInterval() && (p - d_->lastClick).manhattanLength() < 6;
    d_->clicks = again && d_->clicks == 2 ? 3 : 1;
    d_->lastClick = p;
    d_->lastClickAt = now;
    d_->wishedX = -1;
    if (d_->pressed && d_->pressed->kind == TargetKind::Sideways) {
        d_->barScale = d_->layoutFor(d_->pressed->message).sidewaysScale(d_->pressed->part, d_->pressed->block);
        d_->barX = p.x();
        return;
    }
    if (d_->pressed && d_->pressed->kind != TargetKind::Link)
        return;
    const TextPosition at = d_->positionAt(p, d_->clicks == 1);
    d_->selecting = true;
    if (d_->clicks == 3) {
        d_->unit = Private::Leaf;
        std::tie(d_->unitFrom, d_->unitTo) = leafAround(d_->document, at);
        d_->select(d_->unitFrom, d_->unitTo);
    } else if (event->modifiers() & Qt::ShiftModifier) {
        d_->unit = Private::Letter;
        d_->select(d_->selectionAnchor, at);
    } else {
        d_->unit = Private::Letter;
        d_->select(at, at);
    }
    viewport()->update();
}

void ChatView::mouseDoubleClickEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton)
        return;
    const QPoint p = event->position().toPoint();
    d_->pressed = d_->targetAt(p);
    if (d_->pressed && d_->pressed->kind != TargetKind::Link)
        return;
    d_->clicks = 2;
    d_->lastClick = p;
    d_->lastClickAt = qint64(event->timestamp());
    d_->unit = Private::Word;
    d_->selecting = true;
    std::tie(d_->unitFrom, d_->unitTo) = wordAround(d_->document, d_->positionAt(p));
    d_->select(d_->unitFrom, d_->unitTo);
}

void ChatView::mouseMoveEvent(QMouseEvent* event) {
    const QPoint p = event->position().toPoint();
    if (d_->barScale > 0 && d_->pressed) {
        const int px = int((p.x() - d_->barX) * d_->barScale);
        if (px != 0 && d_->moveSideways(*d_->pressed, px))
            d_->barX = p.x();
        return;
    }
    if (!d_->selecting) {
        d_->hover(p);
        return;
    }
    d_->dragPoint = p;
    d_->extendTo(p);
    const bool outside = p.y() < 0 || p.y() >= d_->viewHeight();
    if (outside && d_->dragTimer == 0)
        d_->dragTimer = startTimer(kDragScrollMs);
    else if (!outside && d_->dragTimer != 0)
        killTimer(std::exchange(d_->dragTimer, 0));
}

void ChatView::mouseReleaseEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton)
        return;
    if (d_->dragTimer != 0)
        killTimer(std::exchange(d_->dragTimer, 0));
    const bool selected = d_->selecting && hasSelection();
    d_->selecting = false;
    d_->barScale = 0;
    const QPoint p = event->position().toPoint();
    const std::optional<Target> at = d_->targetAt(p);
    if (!selected && d_->pressed && at && at->same(*d_->pressed))
        d_->activate(*at);
    d_->pressed.reset();
    d_->toPrimary();
    d_->hover(p);
}

void ChatView::timerEvent(QTimerEvent* event) {
    if (event->timerId() != d_->dragTimer) {
        QAbstractScrollArea::timerEvent(event);
        return;
    }
    // The further outside, the faster.
    const int out = d_->dragPoint.y() < 0 ? d_->dragPoint.y() : d_->dragPoint.y() - d_->viewHeight();
    d_->scrollBy(std::clamp(out / 4 + (out < 0 ? -1 : 1), -60, 60));
    d_->extendTo(QPoint(d_->dragPoint.x(), std::clamp(d_->dragPoint.y(), 0, d_->viewHeight() - 1)));
    viewport()->update();
}

void ChatView::wheelEvent(QWheelEvent* event) {
    if (event->modifiers() & Qt::ControlModifier) {
        d_->zoomAngle += event->angleDelta().y(); // a fine wheel turns in small steps
        const int steps = d_->zoomAngle / 120;
        d_->zoomAngle -= steps * 120;
        if (steps != 0)
            emit zoomRequested(steps);
        event->accept();
        return;
    }
    const QPoint pixels = event->pixelDelta();
    const QPoint angle = event->angleDelta();
    const bool sideways = std::abs(angle.x()) > std::abs(angle.y()) || event->modifiers() & Qt::ShiftModifier;
    if (sideways) {
        const int step = angle.x() != 0 ? angle.x() : angle.y();
        const QPoint p = event->position().toPoint();
        const int i = d_->messageAt(p);
        const int px = pixels.isNull() ? -step * 60 / 120 : -(pixels.x() != 0 ? pixels.x() : pixels.y());
        if (i >= 0 && d_->layoutFor(i).scrollSideways(QPoint(p.x(), p.y() - d_->top(i)), px)) {
            d_->collectTargets();
            d_->updateMessage(i);
        }
        event->accept();
        return;
    }
    const int px = pixels.isNull() ? -angle.y() * 3 * d_->type.pitch(TextStyle::Message) / 120 : -pixels.y();
    if (px != 0) {
        d_->flush();
        d_->scrollBy(px);
        d_->hover(event->position().toPoint());
        viewport()->update();
    }
    event->accept();
}

void ChatView::keyPressEvent(QKeyEvent* event) {
    d_->flush();
    const bool sideways = d_->focused && d_->focused->kind == TargetKind::Sideways &&
                          (event->key() == Qt::Key_Left || event->key() == Qt::Key_Right);
    if (event->matches(QKeySequence::Copy)) {
        copySelection();
    } else if (event->key() == Qt::Key_C && event->modifiers() == (Qt::ControlModifier | Qt::ShiftModifier)) {
        if (hasSelection())
            QGuiApplication::clipboard()->setText(selectedMarkdown());
    } else if (sideways) {
        d_->moveSideways(Target(*d_->focused), event->key() == Qt::Key_Left ? -60 : 60);
    } else if (event->matches(QKeySequence::SelectAll)) {
        selectAll();
    } else if (event->key() == Qt::Key_Escape && (hasSelection() || d_->focused)) {
        clearSelection();
        d_->focused.reset();
        viewport()->update();
    } else if ((event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter || event->key() == Qt::Key_Space) &&
               d_->focused) {
        d_->activate(Target(*d_->focused));
    } else if (event->modifiers() & Qt::ShiftModifier && event->key() >= Qt::Key_Home &&
               event->key() <= Qt::Key_PageDown) {
        d_->moveHead(event);
    } else if (!d_->scrollKey(event->key())) {
        event->ignore();
        return;
    }
    event->accept();
}

bool ChatView::Private::scrollKey(int key) {
    const int line = type.pitch(TextStyle::Message) * 2;
    const int page = std::max(line, viewHeight() - line);
    switch (key) {
    case Qt::Key_Up:
        scrollBy(-line);
        break;
    case Qt::Key_Down:
        scrollBy(line);
        break;
    case Qt::Key_PageUp:
        scrollBy(-page);
        break;
    case Qt::Key_PageDown:
    case Qt::Key_Space:
        scrollBy(page);
        break;
    case Qt::Key_Home:
        jumpTo(0);
        break;
    case Qt::Key_End:
        q.scrollToEnd();
        break;
    default:
        return false;
    }
    q.viewport()->update();
    return true;
}

void ChatView::Private::keepPlace() {
    flush();
    place = {};
    const int i = anchorMessage;
    if (i >= document.count())
        return;
    const MessageRow& row = document.message(i);
    place = {row.id, i > 0 ? document.message(i - 1).id : 0, i, row.siblingCount, anchor, top(i) + heights.height(i)};
}

/// Another version is shown: the text at the top edge stays there. Where it is of the version itself the end of it
/// stays if it was seen, and with it what was pressed; else its beginning is shown.
void ChatView::Private::findPlace() {
    const Place old = std::exchange(place, {});
    if (!old.id || document.count() == 0)
        return;
    const int same = document.indexOf(old.id);
    const int i = same >= 0 ? same : old.index;
    if (same < 0 && (i >= document.count() || document.message(i).siblingCount != old.versions || old.versions < 2 ||
                     (i > 0 && document.message(i - 1).id != old.before)))
        return; // another conversation
    following = false;
    anchorMessage = i;
    anchor = {};
    if (same >= 0 && old.anchor.zone != MessageLayout::Anchor::Thoughts) // they are folded again
        anchor = old.anchor;
    layOut();
    if (same < 0 && old.bottom <= viewHeight()) {
        MessageLayout& layout = layoutFor(i);
        layout.ensureBackward(viewHeight());
        heights.set(i, layout.height());
        scrollBy(top(i) + layout.height() - old.bottom);
    }
    following = scrollTop >= maxScroll();
    placeEndButton();
    tellPosition();
}

void ChatView::Private::removeMessage(int i) {
    const bool touched = to().message >= i; // a bare caret, too
    layouts.erase(layouts.begin() + i);
    if (anchorMessage > i)
        --anchorMessage;
    else if (anchorMessage == i)
        anchor = {};
    takePlace(i);
    if (touched)
        q.clearSelection();
}

void ChatView::Private::insertMessage(int i) {
    const bool touched = to().message >= i; // a bare caret, too
    layouts.emplace(layouts.begin() + i);
    if (anchorMessage >= i)
        ++anchorMessage;
    takePlace(i);
    if (touched)
        q.clearSelection();
    // What was brought back is seen.
    const QRect place = q.messageRect(i);
    if (place.bottom() < 48 || place.top() > viewHeight() - 48)
        q.setScrollPosition(i);
}

/// Messages from here on have other places.
void ChatView::Private::takePlace(int from) {
    if (selecting)
        endDrag();
    changed.removeIf([from](int at) { return at >= from; });
    renumber();
    for (int i = from; i < document.count(); ++i)
        if (document.message(i).state == MessageState::Streaming)
            schedule(i);
    current.reset();
    layOut();
    q.viewport()->update();
    ChatAccessible::contentReset(q);
}

/// Shift with an arrow, Home, End or a page key: the selection's free end moves.
void ChatView::Private::moveHead(QKeyEvent* event) {
    if (document.count() == 0)
        return;
    if (!q.hasSelection() && selectionHead == document.start() && scrollTop > 0) {
        const TextPosition at = positionAt(QPoint(column.left, 0)); // begins with what is on the screen
        selectionAnchor = selectionHead = at;
    }
    const bool words = event->modifiers() & Qt::ControlModifier;
    TextPosition head = selectionHead;
    const int page = std::max(1, viewHeight() / type.pitch(TextStyle::Message) - 1);
    const int key = event->key();
    if (key != Qt::Key_Up && key != Qt::Key_Down && key != Qt::Key_PageUp && key != Qt::Key_PageDown)
        wishedX = -1;
    switch (key) {
    case Qt::Key_Left:
        head = movedBy(document, head, -1, words);
        break;
    case Qt::Key_Right:
        head = movedBy(document, head, 1, words);
        break;
    case Qt::Key_Up:
        head = movedByLine(head, -1);
        break;
    case Qt::Key_Down:
        head = movedByLine(head, 1);
        break;
    case Qt::Key_PageUp:
        head = movedByLine(head, -page);
        break;
    case Qt::Key_PageDown:
        head = movedByLine(head, page);
        break;
    case Qt::Key_Home:
    case Qt::Key_End:
        if (words) {
            head = key == Qt::Key_Home ? document.start() : document.end();
        } else if (const BlockLayout* layout = layoutFor(head.message).ensureLayout(head.part, head.block)) {
            head.offset = key == Qt::Key_Home ? layout->lineStart(head.offset) : layout->lineEnd(head.offset);
        }
        break;
    default:
        return;
    }
    select(selectionAnchor, head);
    ensureVisible(head);
    toPrimary();
}

TextPosition ChatView::Private::movedByLine(TextPosition p, int lines) {
    const QRect here = q.caretRect(p);
    if (wishedX < 0)
        wishedX = here.x();
    const int wanted = here.center().y() + lines * here.height();
    ensureVisible(QRect(here.x(), wanted - here.height(), 1, 2 * here.height()));
    const int shift = q.caretRect(p).y() - here.y(); // the text may have scrolled
    // Through the gaps between leaves to the next line.
    TextPosition at = positionAt(QPoint(wishedX, wanted + shift));
    for (int y = wanted; at == p && y > wanted - 120 && y < wanted + 120; y += lines < 0 ? -8 : 8)
        at = positionAt(QPoint(wishedX, y + shift));
    return at;
}

void ChatView::Private::ensureVisible(const TextPosition& p) {
    ensureVisible(q.caretRect(p));
}

void ChatView::Private::ensureVisible(const QRect& r) {
    if (r.top() < 0)
        scrollBy(r.top() - 8);
    else if (r.bottom() >= viewHeight())
        scrollBy(r.bottom() - viewHeight() + 8);
    else
        return;
    q.viewport()->update();
}

void ChatView::focusInEvent(QFocusEvent* event) {
    QAbstractScrollArea::focusInEvent(event);
    d_->keyboardFocus = event->reason() == Qt::TabFocusReason || event->reason() == Qt::BacktabFocusReason;
    if (d_->keyboardFocus) {
        d_->collectTargets();
        d_->focused.reset();
        if (!d_->targets.isEmpty())
            d_->focused = event->reason() == Qt::TabFocusReason ? d_->targets.first() : d_->targets.last();
    }
    viewport()->update();
}

void ChatView::focusOutEvent(QFocusEvent* event) {
    QAbstractScrollArea::focusOutEvent(event);
    if (event->reason() == Qt::PopupFocusReason)
        return;
    d_->keyboardFocus = false;
    d_->focused.reset();
    d_->collectTargets();
    viewport()->update();
}

/// Tab goes through what can be pressed on the screen, then out.
bool ChatView::focusNextPrevChild(bool next) {
    if (!hasFocus())
        return QAbstractScrollArea::focusNextPrevChild(next);
    d_->keyboardFocus = true;
    d_->collectTargets();
    viewport()->update();
    int at = -1;
    for (int i = 0; i < d_->targets.size() && d_->focused; ++i)
        if (d_->targets[i].same(*d_->focused))
            at = i;
    if (at < 0)
        d_->focused.reset(); // it was scrolled away: on with what is on the screen
    int wanted = d_->focused ? at + (next ? 1 : -1) : next ? 0 : int(d_->targets.size()) - 1;
    // A link over several lines is one stop.
    while (!next && wanted > 0 && d_->focused && d_->targets[wanted].same(*d_->focused))
        --wanted;
    if (wanted < 0 || wanted >= d_->targets.size())
        return QAbstractScrollArea::focusNextPrevChild(next);
    d_->focused = d_->targets[wanted];
    return true;
}

void ChatView::contextMenuEvent(QContextMenuEvent* event) {
    if (event->reason() == QContextMenuEvent::Keyboard) {
        // Of the message that has the focus, else of the one at the top.
        const int i = d_->focused ? d_->focused->message : d_->document.count() > 0 ? readingPosition().message : -1;
        const QString link = d_->focused && d_->focused->kind == TargetKind::Link ? d_->focused->address : QString();
        const int y = d_->focused ? d_->focused->rect.bottom() : std::max(0, messageRect(i).top());
        d_->showMenu(i, link, viewport()->mapToGlobal(QPoint(d_->column.left, std::clamp(y, 0, d_->viewHeight()))));
        return;
    }
    const std::optional<Target> at = d_->targetAt(event->pos());
    const bool link = at && at->kind == TargetKind::Link;
    d_->showMenu(d_->messageAt(event->pos()), link ? at->address : QString(), event->globalPos());
}

void ChatView::Private::showMenu(int message, const QString& link, QPoint globalAt) {
    QMenu menu(&q);
    if (q.hasSelection()) {
        QAction* copy = menu.addAction(tr("Copy the selection"), &q, &ChatView::copySelection);
        copy->setShortcut(QKeySequence::Copy);
        QAction* markdown = menu.addAction(tr("Copy the selection as Markdown"), &q,
                                           [this] { QGuiApplication::clipboard()->setText(q.selectedMarkdown()); });
        markdown->setShortcut(QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_C));
        menu.addSeparator();
    }
    if (!link.isEmpty()) {
        menu.addAction(tr("Copy link"), &q, [link] { QGuiApplication::clipboard()->setText(withoutControls(link)); });
        menu.addSeparator();
    }
    if (message >= 0 && message < document.count() && !readOnly) {
        const RowId id = document.message(message).id;
        for (const QString& name : q.actionsOf(message)) {
            if (name == u"delete")
                menu.addSeparator();
            menu.addAction(actionLabel(name), &q, [this, id, name] {
                // While the menu was open the conversation may have changed.
                if (const int now = document.indexOf(id); now >= 0)
                    q.activateAction(now, name);
            });
        }
        menu.addSeparator();
    }
    QAction* all = menu.addAction(tr("Select all"), &q, &ChatView::selectAll);
    all->setShortcut(QKeySequence::SelectAll);
    menu.exec(globalAt);
}

void ChatView::changeEvent(QEvent* event) {
    QAbstractScrollArea::changeEvent(event);
    if (event->type() != QEvent::LanguageChange)
        return;
    setAccessibleName(tr("Conversation"));
    d_->endButton->setLines(unseenLines());
    d_->relayout();
}

} // namespace hearth::ui
