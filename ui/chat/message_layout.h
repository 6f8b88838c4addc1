#pragma once

#include "ui/chat/block_layout.h"
#include "ui/chat/chat_document.h"
#include "ui/chat/conversation_search.h"
#include "ui/chat/height_index.h"

#include <QCoreApplication>
#include <QHash>

#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace hearth::ui {

enum class TargetKind : quint8 {
    Thoughts,
    Link,
    CopyCode,
    NumberCode,
    WrapCode,
    FoldCode,
    Sideways, // the bar that moves code or a table
    Fold,
    Continue,
    Copy,
    Regenerate,
    Edit,
    More, // the message's menu
    Previous,
    Next
};

/// Something in the conversation that can be pressed: found by the mouse, by Tab, and by a screen reader.
struct Target {
    TargetKind kind = TargetKind::Copy;
    int message = 0;
    Part part = Part::Body;
    int block = 0;
    int sub = 0; // of links: which one in the leaf
    QRect rect;  // viewport
    QString label;
    QString address; // of links

    bool same(const Target& o) const {
        return kind == o.kind && message == o.message && part == o.part && block == o.block && sub == o.sub;
    }
};

/// The column that messages stand in, px.
struct Column {
    int viewWidth = 0;
    int left = 0;
    int width = 0;
    int wide = 0; // that code and tables may take, from `left` on
};

/// One message: its name, thoughts, leaves, state and actions, from top to bottom. Keeps the height of every leaf and
/// the layout of those that are on the screen. Coordinates: x of the viewport, y from the message's own top.
class MessageLayout {
    Q_DECLARE_TR_FUNCTIONS(hearth::ui::ChatView)

public:
    MessageLayout(const ChatDocument&, int index, const TypeSheet&, const Column&, bool showName);

    void sync(const Column&);     // the document changed, at its end or in its state
    void relayout(const Column&); // another width or theme: heights become guesses
    /// Messages before this one came or went.
    void setPlace(int index, bool showName);

    /// While a reply is prepared or written nothing can be said anew: no pencil.
    void setBusy(bool busy) { busy_ = busy; }

    int index() const { return index_; }

    int height() const { return footTop() + foot_; }

    /// A place that stays on the same text whatever gets its true height around it.
    struct Anchor {
        enum Zone : quint8 { Head, Thoughts, Body, Foot } zone = Head;

        int block = 0;
        int offset = 0; // px below the top of that block or zone
    };

    Anchor anchorAt(int y) const;
    int yOf(const Anchor&) const;

    /// Lays out leaves downward from an anchor, or upward from the end, until `px` are covered; returns what of them
    /// is left (≤ 0: covered).
    int ensureForward(const Anchor&, int px);
    int ensureBackward(int px);
    int ensureAbove(const Anchor&, int px);
    /// Drops layouts outside [top, bottom); their heights stay.
    void release(int top, int bottom);
    int layoutCount() const;

    struct PaintState {
        QRect clip;            // message coordinates
        TextPosition from, to; // selection; equal: none
        bool active = false;   // hovered or focused: actions are shown
        const Target* hovered = nullptr;
        const Target* focused = nullptr;
        const Target* done = nullptr; // just copied
        std::span<const ConversationSearch::Match> found;
        const ConversationSearch::Match* current = nullptr;
    };

    void paint(QPainter&, const PaintState&) const;

    void collectTargets(QVector<Target>&, int top, int bottom, bool active) const;
    TextPosition positionAt(QPoint, bool pastEnd = false) const;
    QRect caret(const TextPosition&) const;
    const BlockLayout* layoutOf(Part, int block) const; // null: not on the screen
    const BlockLayout* ensureLayout(Part, int block, BlockLayout* before = nullptr);
    int scrollXOf(Part, int block) const;

    void toggleThoughts();
    void toggleFold();
    void toggleDetails();
    void toggleWrap(Part, int block);
    void toggleNumbers(Part, int block);
    /// Opens what is folded over a place.
    void reveal(Part, int block, int offset);
    void toggleCodeFold(Part, int block);
    bool isCodeUnfolded(Part, int block) const; // of code that folds
    /// Code or a table under the point moves sideways; false: nothing to move there.
    bool scrollSideways(QPoint, int px);
    bool scrollSideways(Part, int block, int px);
    /// px of scrolling that a px of the bar stands for.
    double sidewaysScale(Part, int block) const;
    /// Moves code or a table so that this offset is in sight; false: it is.
    bool scrollSidewaysTo(Part, int block, int offset);

    bool isThinking() const { return thinking(); }

    bool thoughtsOpen() const { return thoughtsOpen_; }

    QString copiedCode(Part, int block) const;
    /// Right edge of what is painted between two heights, at least the column's; px of the viewport.
    int rightEdge(int top, int bottom) const;
    /// What grew at the end since the last call: y from which the message must be painted again.
    int takeDirtyFrom();

    static constexpr int kTurnGap = 24, kBubblePaddingX = 16, kBubblePaddingY = 8, kFoldLines = 12; // px; lines
    static constexpr int kFoldCodeLines = 40;
    static constexpr int kThoughtIndent = 12; // px from the hairline to the text
    static constexpr int kActionHeight = 24, kActionWidth = 28, kVersionWidth = 36;
    static constexpr int kVersionsWidth = 2 * kActionWidth + kVersionWidth; // "‹ 2/3 ›"

private:
    struct SliceEnd {
        quint64 block = 0; // id of the slice
        CodeState state;   // what is open after it
    };

    struct Whole { // code or a table, in slices
        int scrollX = 0;
        bool wrap = false;
        bool numbers = false;  // its lines are numbered
        bool wide = false;     // its longest line needs more than the column
        bool streamed = false; // grew before the reader's eyes: it stays as it is
        bool unfolded = false;
        int columns = 0;    // of its longest line; Han take two
        int lines = 0;      // counted when it is whole
        int foldBlock = -1; // the slice that is shown in part while it is folded; -1: it never is
        int foldLines = 0;  // lines of that slice that are shown
        int lastBlock = -1;
        std::vector<SliceEnd> ends;     // of code, each slice
        std::vector<quint64> columnsOf; // ids of the rows that a table's columns were measured by
        QVector<int> columnWidths;      // px, of a table
        std::vector<int> firstLines;    // of code: the number of each slice's first line
    };

    struct Section {
        HeightIndex heights;
        std::vector<std::unique_ptr<BlockLayout>> layouts;
        QHash<int, Whole> wholes; // by root
        int frozen = 0;           // leaves that were frozen when last seen
        int foldsFor = -1;        // leaves there were when code that folds was looked for
    };

    const MessageRow& row() const { return document_.message(index_); }

    bool isUser() const { return row().role != Role::Assistant; }

    bool hidden() const { return row().role == Role::System; } // instructions are the persona's affair

    bool growing() const { return row().state == MessageState::Streaming; }

    bool thinking() const;

    bool hasThoughts() const { return !document_.source(index_, Part::Thoughts).isEmpty(); }

    const Whole* wholeOf(Part, int block) const; // null: nothing is known of it
    bool isFoldedAway(Part, int block) const;
    bool hasFoldFoot(Part, int block) const;
    void measureWholes(Part, int from);
    void findFolds(Part);
    int guessedHeight(Part, int block) const;
    int widthOf(Part, int block) const;

    bool folded() const { return foldable_ && !unfolded_; }

    const BlockSplitter& blocks(Part p) const { return document_.blocks(index_, p); }

    Section& section(Part p) { return sections_[size_t(p)]; }

    const Section& section(Part p) const { return sections_[size_t(p)]; }

    Voice voice(Part p) const { return isUser() ? Voice::User : p == Part::Thoughts ? Voice::Thought : Voice::Answer; }

    int partLeft(Part) const;
    int partWidth(Part) const;
    int bubbleWidth() const;
    QRect bubbleRect() const;
    void syncSection(Part);
    CodeState codeStateAt(Part, int block);
    int firstLineAt(Part, int block);
    bool knowsColumns(Part, int block);
    void resetWhole(Part, int root);
    int overflowOf(Part, int block) const;
    void measure();

    int thoughtsTop() const { return head_; }

    int thoughtsHeight() const { return thoughtsOpen_ ? section(Part::Thoughts).heights.total() : 0; }

    int bodyTop() const { return head_ + thoughtsHeight() + middle_; }

    int bodyHeight() const;

    int footTop() const { return bodyTop() + bodyHeight(); }

    int partTop(Part p) const { return p == Part::Thoughts ? thoughtsTop() : bodyTop(); }

    int blockTop(Part, int block) const; // of its layout, below its gap
    int shownBlocks(Part) const;
    bool isLast(Part, int block) const;
    SelectedRange selectedIn(Part, int block, const PaintState&) const;
    void findIn(Part, int block, const PaintState&, BlockLayout::Paint&) const;
    void paintHead(QPainter&, const PaintState&) const;
    void paintPart(QPainter&, const PaintState&, Part) const;
    void paintCodeTools(QPainter&, const PaintState&, Part, int block, int top) const;
    void paintFoot(QPainter&, const PaintState&) const;
    void paintNote(QPainter&) const;
    void paintFootLine(QPainter&, const PaintState&) const;
    void paintFootTarget(QPainter&, const PaintState&, const Target&) const;
    void paintSideways(QPainter&, const PaintState&, Part, int block, int top) const;
    void paintCaret(QPainter&) const;
    std::optional<QPointF> caretCentre() const;
    void paintTool(QPainter&, const PaintState&, const Target&, const QString& icon) const;
    void paintLine(QPainter&, QRect, TextStyle, Token, const QString&, Qt::Alignment = Qt::AlignLeft) const;
    QString thoughtsTitle() const;
    QString lastThought() const;
    QString headWords() const;
    int turnGap() const;
    int thoughtsTitleTop() const;
    QRect thoughtsTitleRect() const;
    int noteTop() const;
    QString noteText() const;
    int layNote(QTextLayout&) const;
    Target target(TargetKind, QRect, const QString& label) const;
    QVector<Target> footTargets(bool active) const;
    QVector<Target> answerTargets(bool active) const;
    QVector<Target> userTargets(bool active) const;
    QVector<Target> codeTargets(Part, int block, int top) const;
    Target sidewaysTarget(Part, int block, int top) const;
    void appendVersions(QVector<Target>&, int x, int y) const;
    QString timeText() const;
    int actionsLeft() const;

    int footLineTop() const { return height() - kActionHeight; }

    const ChatDocument& document_;
    int index_;
    const TypeSheet& type_;
    Column column_;
    bool showName_;
    Section sections_[2];
    bool thoughtsOpen_ = false;
    bool details_ = false;
    bool foldable_ = false;
    bool busy_ = false;
    bool unfolded_ = false;
    QString headText_;                     // as measure() found it
    int head_ = 0, middle_ = 0, foot_ = 0; // px
    int noteHeight_ = 0;
    int dirtyFrom_ = 0;
};

} // namespace hearth::ui
