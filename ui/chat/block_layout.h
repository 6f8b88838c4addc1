#pragma once

#include "ui/chat/block_splitter.h"
#include "ui/chat/type_sheet.h"
#include "ui/text/code_highlighter.h"

#include <QPainter>
#include <QRect>
#include <QTextLayout>

#include <memory>
#include <vector>

namespace hearth::ui {

class BlockLayout;

/// What a leaf is laid out for.
struct LayoutRequest {
    const BlockSplitter& blocks;
    int index = 0;
    int width = 0; // px of the column it stands in
    Voice voice = Voice::Answer;
    bool wrapCode = false;
    const TypeSheet& type;
    CodeState codeState = {};      // what is open where this slice of code begins
    int shownLines = -1;           // of code: the others are folded away; -1: all
    bool foldFoot = false;         // of code: space below for what folds and unfolds it
    int firstLine = 0;             // of code: the number of its first line; 0: no numbers
    BlockLayout* before = nullptr; // of the same leaf when it was shorter: its lines are taken over
    QVector<int> columns = {};     // px, of a table: as an earlier row had them; empty: not known yet
};

/// The offsets of a leaf's text that are selected: [from, to).
struct SelectedRange {
    int from = 0;
    int to = 0;
    bool whole = false; // the selection goes on after the leaf: the end of its last line is marked, too
};

/// One leaf as lines of glyphs at a fixed pitch. Immutable once made; coordinates are px from its top left. Its height
/// does not contain the space above it: see gapAbove().
class BlockLayout {
public:
    explicit BlockLayout(const LayoutRequest&);
    ~BlockLayout();

    quint64 blockId() const { return blockId_; }

    int length() const { return int(text_.text.size()); } // UTF-16 units

    int height() const { return height_; }

    int naturalWidth() const { return naturalWidth_; } // px that its widest line takes, with its indent

    int lineCount() const;
    int lineBottom(int line) const; // px

    int contentLeft() const { return left_; }

    const QVector<int>& columns() const { return columns_; } // px, of a row

    /// Code and tables that are wider than their place scroll by this many px at most.
    int overflow() const { return std::max(0, contentWidth_ - viewWidth_); }

    int viewLeft() const { return kind_ == BlockKind::Code ? left_ + kCodeInset + gutter_ : left_; }

    int viewWidth() const { return viewWidth_; } // px that what scrolls is seen through

    /// Right edge of what is painted, px; text is taken to fill its column.
    int right() const { return kind_ == BlockKind::TableRow ? left_ + std::min(contentWidth_, viewWidth_) : width_; }

    struct Paint {
        int scrollX = 0;
        SelectedRange selected;
        QVector<std::pair<int, int>> found; // [from, to) of what is searched for
        int current = -1;                   // which of them is looked at
        bool last = true;                   // of a whole in slices: it has the lower corners
        int lines = -1;                     // paints only so many; -1: all
        QRect clip;                         // in the block's coordinates
    };

    void paint(QPainter&, const Paint&) const;

    /// `pastEnd`: right of a wrapped line is after its last character, which is also where the next line begins;
    /// else before it, so that the caret stays in the line.
    int offsetAt(QPoint, int scrollX = 0, bool pastEnd = false) const;
    /// The caret at an offset: 1 px wide, as high as the line.
    QRect caret(int offset, int scrollX = 0) const;
    /// px from the top where what is painted begins to differ from an earlier layout of the same leaf.
    int firstChange(const BlockLayout& before) const;
    QVector<QRect> rectsOf(int from, int to, int scrollX = 0) const;
    int lineStart(int offset) const;
    int lineEnd(int offset) const;

    static constexpr int kCodeHead = 32, kCodePadding = 12, kCodeInset = 16, kCodeFoot = 28; // px
    static constexpr int kListIndent = 24, kQuoteIndent = 16;                                // px
    static constexpr int kSampledRows = 16; // of a table decide its columns' widths
    static constexpr int kNumberGap = 16;   // px between a line's number and its text
    /// Slices of one block of code that are coloured: half a million characters, less than 50 ms of work however
    /// hostile they are. By number and not by the clock, so that the same text always looks the same.
    static constexpr int kColouredSlices = 128;
    /// The language that a leaf of code is coloured by; null: it stays plain.
    static const CodeLanguage* languageOf(const Block&);

private:
    /// One QTextLayout and where it stands: a paragraph, a line of code, a cell.
    struct Piece {
        std::unique_ptr<QTextLayout> layout;
        int start = 0; // offset in the leaf's text
        int length = 0;
        QPoint at;     // px
        int width = 0; // px, of a cell
        int lines = 0;
        int natural = 0;            // px of its widest line
        Token ground = Token::Code; // of a line of code: Added or Removed in a difference
        CodeState endState;         // of a line of code
    };

    struct Mark {
        QString text;
        int x; // right edge of a number, left edge of a sign
        int task;
        int depth;
    };

    void placeContainers(const LayoutRequest&);
    void layText(const LayoutRequest&);
    void layCode(const LayoutRequest&);
    QVector<QTextLayout::FormatRange> colours(const QVector<CodeRun>&, Token* ground) const;
    int takeLines(BlockLayout* before);
    void layRow(const LayoutRequest&);
    Piece makePiece(const LayoutRequest&, int start, int length, int width, TextStyle, bool bold, Qt::Alignment,
                    bool wrap, const QVector<QTextLayout::FormatRange>& colours = {});
    QVector<int> columnWidths(const LayoutRequest&, int available) const;
    void paintFrame(QPainter&, const Paint&) const;
    void paintGrounds(QPainter&, const Paint&) const;
    void paintMarks(QPainter&) const;
    void paintNumbers(QPainter&, const Paint&) const;
    void paintPiece(QPainter&, const Piece&, const Paint&, int firstLine) const;
    void paintFound(QPainter&, const Piece&, const Paint&) const;
    void paintDots(QPainter&, const Piece&, const Paint&) const;
    void paintCodeBackground(QPainter&, const Piece&, const Paint&) const;
    const Piece* pieceAt(QPoint) const;
    const Piece* pieceOf(int offset) const;

    int lastInLine(const Piece&, const QTextLine&) const;

    int shift(const Paint& p) const { return scrolls_ ? p.scrollX : 0; }

    const TypeSheet& type_;
    const InlineText text_; // shared with the splitter, whose leaves may move
    quint64 blockId_;
    BlockKind kind_;
    Voice voice_;
    TextStyle style_ = TextStyle::Message;
    int pitch_ = 0;
    int left_ = 0;  // px, where the text begins
    int width_ = 0; // px, of the column
    int height_ = 0;
    int top_ = 0; // px, where the first line begins
    int naturalWidth_ = 0;
    int contentWidth_ = 0; // px, of what scrolls
    int viewWidth_ = 0;    // px, that it is seen through
    int slice_ = 0;
    int firstLine_ = 0;
    int gutter_ = 0; // px that numbers take
    bool headRow_ = false;
    bool scrolls_ = false;
    int reused_ = 0;      // lines of code that are those of an earlier layout
    bool joined_ = false; // the first line of code is the rest of one that was cut
    CodeState codeState_;
    QString info_;
    QVector<int> quoteBars_; // x in px
    QVector<int> columns_;   // px
    std::vector<Mark> marks_;
    std::vector<Piece> pieces_;
};

/// px between a leaf and the one before it. Does not depend on whether a list is tight or loose. Pure.
int gapAbove(const BlockSplitter&, int index, Voice);
/// px below the last leaf that belong to it: the lower edge of code.
int gapBelow(const BlockSplitter&, Voice);

/// The height of a leaf that was never laid out, with the space above it. Pure.
int estimatedHeight(const BlockSplitter&, int index, int width, Voice, const TypeSheet&);
/// The same for a whole text that was never split.
int estimatedTextHeight(QStringView text, int width, int pitch, int fontSize);

} // namespace hearth::ui
