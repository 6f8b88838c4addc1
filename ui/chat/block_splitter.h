#pragma once

#include "ui/chat/inline_parser.h"

#include <QString>
#include <QStringView>
#include <QVector>

#include <vector>

namespace hearth::ui {

class LineReader;

enum class BlockKind : quint8 {
    Paragraph,
    Heading, // level 1 to 6
    Code,    // text is shown as it is; info is the language
    Literal, // HTML: shown as text
    Math,    // a formula in lines of its own, with its marks, verbatim
    Rule,
    TableRow, // level 0: the head; info holds one of "l c r -" a column
    Plain,    // a user's text
};

/// A quote or an item of a list that blocks lie in.
struct Container {
    int parent = -1; // index, -1: the message itself
    bool quote = false;
    bool ordered = false;
    int number = 0;      // of an ordered item
    QChar delimiter;     // '.' or ')' of an ordered item
    qint8 depth = 0;     // quotes and items around it
    qint8 listDepth = 0; // items around it
};

/// A leaf: the unit that is parsed, laid out and frozen.
struct Block {
    quint64 id = 0; // of this leaf with this content; a changed open leaf gets a new one
    BlockKind kind = BlockKind::Paragraph;
    quint8 level = 0;
    quint8 markers = 0;  // innermost items around it that begin here and show their mark on its first line
    qint8 task = -1;     // -1: no task; 0 open, 1 done
    bool joined = false; // goes on inside the line where the leaf before it was cut
    int container = -1;  // index into BlockSplitter::container()
    int root = -1;       // code, tables, sliced paragraphs: index of the first leaf of the whole; else its own index
    int slice = 0;       // place in that whole
    QString text;        // Markdown source of the leaf without its containers' marks
    QString info;
};

/// Markdown as it arrives, cut into leaves. What is frozen never changes and is never read again; a tail of open
/// leaves is rebuilt from the open state, whose size is bounded: so feeding costs what is fed. Any way of cutting a
/// text into chunks gives the same leaves. GUI thread, or any one thread.
class BlockSplitter {
public:
    enum class Dialect { Markdown, Plain };

    explicit BlockSplitter(Dialect = Dialect::Markdown);

    void feed(QStringView chunk);
    /// The end: everything freezes, and late link definitions are applied once. Nothing is fed afterwards.
    void finish();

    int count() const { return int(blocks_.size()); }

    int frozenCount() const { return frozen_; }

    const Block& block(int i) const { return blocks_[size_t(i)].block; }

    const Container& container(int i) const { return containers_[i]; }

    /// The leaf as it is read; parsed when first asked for.
    const InlineText& inlines(int i) const;

    // What was done so far, for tests: the claim is that both grow with the text and nothing else.
    qint64 linesRead() const { return linesRead_; } // lines of Markdown that became part of frozen leaves

    qint64 frozenParses() const { return frozenParses_; } // frozen leaves whose inline text was parsed

    static constexpr int kSliceLength = 2000; // characters of a paragraph
    static constexpr int kCodeLines = 64;     // of one slice of code
    static constexpr int kCodeLength = 4096;  // characters of one slice of code
    static constexpr int kLineHead = 4096;    // a longer line is judged by its head
    static constexpr int kMathLength = 4096;  // characters; a longer formula is text
    static constexpr int kInfoLength = 80;    // characters of a fence's info
    static constexpr int kMaxDepth = 32;      // containers; deeper marks are text

private:
    struct Stored {
        Block block;
        mutable InlineText inlines;
        mutable bool parsed = false;
        mutable int definitionsSeen = 0;
    };

    struct OpenContainer {
        enum Kind : quint8 { Quote, List, Item } kind = Quote;

        int node = -1;         // of Quote and Item
        int contentIndent = 0; // Item: columns that its content is indented by
        QChar mark;            // List
        bool ordered = false;  // List
        int nextNumber = 0;    // List
        bool empty = true;     // Item: has no leaf yet
    };

    enum class LeafKind : quint8 { None, Paragraph, Heading, Fence, Indented, Html, Math, Table, Plain };

    struct Leaf {
        LeafKind kind = LeafKind::None;
        QString text;
        int lines = 0; // complete lines in `text`
        int root = -1;
        int slice = 0;
        int level = 0;
        int lastLine = 0; // Paragraph: where its last line begins in `text`; -1: cut away
        QChar fence;
        int fenceLength = 0;
        int fenceIndent = 0;
        int htmlEnd = 0; // which of CommonMark's seven ends closes it
        QString info;
        bool joined = false;
        int pendingBlank = 0; // Indented: blank lines that count only when more code comes
        QStringList blanks;   // what the first of them hold beyond the indent
    };

    struct State {
        std::vector<OpenContainer> open;
        Leaf leaf;
        bool longLine = false; // inside a line longer than kLineHead
    };

    enum class MathAhead { None, Whole, Undecided };

    void append(QStringView chunk);
    void takeLines(qsizetype searchFrom, bool ended);
    MathAhead mathAhead(QStringView text, bool ended);
    MathAhead mathGoesOn(QStringView line) const;
    std::vector<Stored> dropTail();
    void buildTail();
    void keepIdentities(const std::vector<Stored>& tail, int first);
    void applyLateDefinitions();
    bool isUndecided(QStringView line) const;

    void readLine(QStringView line);
    void addText(LineReader&, size_t matched, bool begun);
    size_t matchContainers(LineReader&) const;
    bool continueLeaf(LineReader&);
    void begin(size_t matched, bool begun);
    void leaveLists();
    int depth() const;
    bool openQuote(LineReader&, size_t matched, bool begun);
    bool openItem(LineReader&, size_t matched, bool begun, bool inParagraph);
    bool openLeaf(LineReader&, size_t matched, bool begun, bool inParagraph, bool maybeLazy);
    bool openHeading(LineReader&, size_t matched, bool begun);
    bool openFence(LineReader&, size_t matched, bool begun);
    bool openMath(LineReader&, size_t matched, bool begun);
    bool closeAsHeading(QStringView text);
    bool openTable(QStringView text);
    void appendParagraph(QStringView);
    void cutParagraph(QStringView added);
    void appendLines(QStringView, bool newLine);
    void appendLong(QStringView piece);
    void endLongLine();
    BlockKind kindOfLines() const;
    void closeContainersTo(size_t);
    void closeLeaf();
    bool takeDefinitions(qsizetype limit);
    void emitLeaf(BlockKind, QString text);
    int newNode(Container);

    Dialect dialect_;
    State state_;
    QString pending_;       // the last line, not yet ended; before it lines that may become a formula
    bool returned_ = false; // the last character was '\r': a '\n' that follows belongs to it
    std::vector<Stored> blocks_;
    int frozen_ = 0;
    QVector<Container> containers_;
    int frozenContainers_ = 0;
    LinkDefinitions definitions_;
    bool provisional_ = false; // building the tail: nothing is learned from it
    bool mathBegins_ = false;  // a formula that its first line does not close may begin
    quint64 nextId_ = 1;
    qint64 linesRead_ = 0;
    mutable qint64 frozenParses_ = 0;
};

} // namespace hearth::ui
