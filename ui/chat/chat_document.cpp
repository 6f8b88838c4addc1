#include "ui/chat/chat_document.h"

#include "ui/chat/markdown_writer.h"

#include <QElapsedTimer>
#include <QHash>

#include <algorithm>
#include <vector>

namespace hearth::ui {
namespace {

struct Side {
    QString text;
    std::unique_ptr<BlockSplitter> blocks;
};

struct Entry {
    Side sides[2]; // by Part
    QElapsedTimer thinking;
    double thoughtSeconds = 0; // measured here, until the row knows better
};

QString mark(const BlockSplitter& blocks, const Block& block) {
    if (block.markers == 0 || block.container < 0)
        return {};
    const Container* item = &blocks.container(block.container);
    while (item->quote && item->parent >= 0)
        item = &blocks.container(item->parent);
    const QString indent(2 * std::max<int>(0, item->listDepth), u' ');
    if (block.task >= 0)
        return indent + (block.task ? QStringLiteral("[x] ") : QStringLiteral("[ ] "));
    return indent +
           (item->ordered ? QString::number(item->number) + item->delimiter + u' ' : QStringLiteral("\u2022 "));
}

bool goesOn(const Block& before, const Block& block) {
    return block.slice > 0 && block.root == before.root;
}

QString separator(const Block& before, const Block& block) {
    if (goesOn(before, block)) {
        if (!block.joined)
            return QStringLiteral("\n");
        // A paragraph that was cut between words: the leaf is read without the blank at its end.
        const bool words = before.kind == BlockKind::Paragraph || before.kind == BlockKind::Heading;
        return words && before.text.endsWith(u' ') ? QStringLiteral(" ") : QString();
    }
    const bool listed = block.markers > 0 && before.container >= 0;
    return listed ? QStringLiteral("\n") : QStringLiteral("\n\n");
}

QString leafText(const BlockSplitter& blocks, int i) {
    return blocks.block(i).kind == BlockKind::Rule ? QStringLiteral("---") : blocks.inlines(i).text;
}

/// Leaves [first, last] as text; `from` and `to` cut the outer ones, -1: whole.
QString joined(const BlockSplitter& blocks, int first, int last, int from, int to) {
    QString out;
    for (int i = first; i <= last && i < blocks.count(); ++i) {
        const Block& block = blocks.block(i);
        const QString text = leafText(blocks, i);
        const int begin = i == first ? std::clamp<int>(from, 0, int(text.size())) : 0;
        const int end = i == last && to >= 0 ? std::clamp<int>(to, begin, int(text.size())) : int(text.size());
        if (i > first)
            out += separator(blocks.block(i - 1), block);
        if (begin == 0 && (i > first || end == text.size() || to < 0))
            out += mark(blocks, block);
        out += text.mid(begin, end - begin);
    }
    return out;
}

} // namespace

QString withoutControls(QString text) {
    text.removeIf([](QChar c) {
        const char16_t u = c.unicode();
        return (u < 0x20 && u != '\n' && u != '\t') || (u >= 0x7F && u < 0xA0);
    });
    return text;
}

struct ChatDocument::Private {
    QVector<MessageRow> rows;
    std::vector<Entry> entries;
    QHash<RowId, int> index;

    static Entry entryOf(const MessageRow& row) {
        Entry entry;
        entry.sides[0].text = row.thoughts;
        entry.sides[1].text = row.text;
        entry.thoughtSeconds = row.thoughtSeconds;
        return entry;
    }

    void add(const MessageRow& row) {
        index.insert(row.id, int(rows.size()));
        rows.append(row);
        entries.push_back(entryOf(row));
    }

    void number() {
        index.clear();
        for (int i = 0; i < int(rows.size()); ++i)
            index.insert(rows[i].id, i);
    }

    Side& side(int i, Part part) { return entries[size_t(i)].sides[size_t(part)]; }

    bool growing(int i, Part part) const {
        if (rows[i].state != MessageState::Streaming)
            return false;
        return part == Part::Body || entries[size_t(i)].sides[size_t(Part::Body)].text.isEmpty();
    }

    std::unique_ptr<BlockSplitter> splitterOf(int i) const {
        return std::make_unique<BlockSplitter>(rows[i].role == Role::User ? BlockSplitter::Dialect::Plain
                                                                          : BlockSplitter::Dialect::Markdown);
    }

    const BlockSplitter& split(int i, Part part) {
        Side& s = side(i, part);
        if (!s.blocks) {
            s.blocks = splitterOf(i);
            s.blocks->feed(s.text);
            if (!growing(i, part))
                s.blocks->finish();
        }
        return *s.blocks;
    }

    void append(int i, Part part, const QString& text) {
        Side& s = side(i, part);
        s.text += text;
        if (s.blocks)
            s.blocks->feed(text);
    }

    void finishSide(int i, Part part) {
        if (Side& s = side(i, part); s.blocks)
            s.blocks->finish();
    }
};

ChatDocument::ChatDocument(QObject* parent) : QObject(parent), d_(std::make_unique<Private>()) {}

ChatDocument::~ChatDocument() = default;

void ChatDocument::setMessages(const QVector<MessageRow>& rows) {
    emit aboutToReset();
    d_->rows.clear();
    d_->entries.clear();
    d_->index.clear();
    d_->rows.reserve(rows.size());
    d_->entries.reserve(size_t(rows.size()));
    for (const MessageRow& row : rows)
        d_->add(row);
    emit reset();
}

const QVector<MessageRow>& ChatDocument::messages() const {
    return d_->rows;
}

QString ChatDocument::text(RowId id) const {
    const int i = indexOf(id);
    return i < 0 ? QString() : source(i, Part::Body);
}

void ChatDocument::appendMessage(const MessageRow& row) {
    d_->add(row);
    emit messageAppended(count() - 1);
}

void ChatDocument::appendText(RowId id, const QString& text) {
    const int i = indexOf(id);
    if (i < 0 || text.isEmpty() || d_->rows[i].state != MessageState::Streaming)
        return;
    Entry& entry = d_->entries[size_t(i)];
    if (entry.sides[size_t(Part::Body)].text.isEmpty()) { // the answer begins: the thoughts are whole
        d_->finishSide(i, Part::Thoughts);
        if (entry.thinking.isValid())
            entry.thoughtSeconds = entry.thinking.elapsed() / 1000.0;
    }
    d_->append(i, Part::Body, text);
    emit messageChanged(i);
}

void ChatDocument::appendThoughts(RowId id, const QString& text) {
    const int i = indexOf(id);
    if (i < 0 || text.isEmpty() || d_->rows[i].state != MessageState::Streaming)
        return;
    Entry& entry = d_->entries[size_t(i)];
    if (!entry.thinking.isValid())
        entry.thinking.start();
    // Thoughts after the answer began are rare; they begin their leaves anew.
    if (!d_->growing(i, Part::Thoughts))
        d_->side(i, Part::Thoughts).blocks.reset();
    d_->append(i, Part::Thoughts, text);
    emit messageChanged(i);
}

void ChatDocument::finishMessage(RowId id, MessageState state, double thoughtSeconds, const QString& note) {
    const int i = indexOf(id);
    if (i < 0)
        return;
    const bool thoughtsOpen = d_->growing(i, Part::Thoughts);
    const bool bodyOpen = d_->growing(i, Part::Body);
    MessageRow& row = d_->rows[i];
    row.state = state;
    row.note = note;
    row.text = d_->side(i, Part::Body).text;
    row.thoughts = d_->side(i, Part::Thoughts).text;
    if (thoughtSeconds > 0)
        d_->entries[size_t(i)].thoughtSeconds = thoughtSeconds;
    row.thoughtSeconds = d_->entries[size_t(i)].thoughtSeconds;
    if (thoughtsOpen)
        d_->finishSide(i, Part::Thoughts);
    if (bodyOpen)
        d_->finishSide(i, Part::Body);
    emit messageChanged(i);
}

void ChatDocument::updateMessage(const MessageRow& changed) {
    const int i = indexOf(changed.id);
    if (i < 0)
        return;
    MessageRow& row = d_->rows[i];
    const bool goesOn = changed.state == MessageState::Streaming && row.state != MessageState::Streaming;
    const bool ends = changed.state != MessageState::Streaming && row.state == MessageState::Streaming;
    if (ends) {
        finishMessage(changed.id, changed.state, changed.thoughtSeconds, changed.note);
    } else if (goesOn) {
        // A reply that is continued goes on in the middle of its last line: its leaves open again.
        d_->side(i, Part::Body).blocks.reset();
        d_->side(i, Part::Thoughts).blocks.reset();
        d_->entries[size_t(i)].thinking.invalidate();
    }
    MessageRow kept = changed;
    kept.text = row.text;
    kept.thoughts = row.thoughts;
    if (kept.thoughtSeconds <= 0)
        kept.thoughtSeconds = row.thoughtSeconds;
    row = kept;
    emit messageChanged(i);
}

void ChatDocument::removeFrom(RowId id) {
    const int from = indexOf(id);
    if (from < 0)
        return;
    for (int i = from; i < count(); ++i)
        d_->index.remove(d_->rows[i].id);
    d_->rows.resize(from);
    d_->entries.erase(d_->entries.begin() + from, d_->entries.end());
    emit messagesRemoved(from);
}

void ChatDocument::removeMessage(RowId id) {
    const int at = indexOf(id);
    if (at < 0)
        return;
    d_->rows.remove(at);
    d_->entries.erase(d_->entries.begin() + at);
    d_->number();
    emit messageRemoved(at);
}

void ChatDocument::insertMessage(int at, const MessageRow& row) {
    if (at < 0 || at > count() || indexOf(row.id) >= 0)
        return;
    d_->rows.insert(at, row);
    d_->entries.insert(d_->entries.begin() + at, Private::entryOf(row));
    d_->number();
    emit messageInserted(at);
}

int ChatDocument::count() const {
    return int(d_->rows.size());
}

int ChatDocument::indexOf(RowId id) const {
    return d_->index.value(id, -1);
}

const MessageRow& ChatDocument::message(int index) const {
    return d_->rows.at(index);
}

const QString& ChatDocument::source(int index, Part part) const {
    return d_->side(index, part).text;
}

double ChatDocument::thinkingSeconds(int index) const {
    const Entry& entry = d_->entries[size_t(index)];
    if (d_->growing(index, Part::Thoughts) && entry.thinking.isValid())
        return entry.thinking.elapsed() / 1000.0;
    return d_->rows.at(index).thoughtSeconds > 0 ? d_->rows.at(index).thoughtSeconds : entry.thoughtSeconds;
}

const BlockSplitter& ChatDocument::blocks(int index, Part part) const {
    return d_->split(index, part);
}

bool ChatDocument::isSplit(int index, Part part) const {
    return d_->side(index, part).blocks != nullptr;
}

std::vector<ChatDocument::WholeText> ChatDocument::wholeTexts(int index, Part part) const {
    const Side& side = d_->side(index, part);
    std::unique_ptr<BlockSplitter> own;
    if (!side.blocks) {
        own = d_->splitterOf(index);
        own->feed(side.text);
        own->finish();
    }
    const BlockSplitter& b = side.blocks ? *side.blocks : *own;
    std::vector<WholeText> texts;
    texts.reserve(size_t(b.count()));
    for (int i = 0; i < b.count(); ++i) {
        if (i == 0 || !goesOn(b.block(i - 1), b.block(i)))
            texts.push_back({i, {}, {}});
        else
            texts.back().text += separator(b.block(i - 1), b.block(i));
        texts.back().starts.push_back(int(texts.back().text.size()));
        texts.back().text += b.inlines(i).text;
    }
    return texts;
}

QString ChatDocument::plainText(int index, Part part) const {
    const BlockSplitter& b = blocks(index, part);
    return withoutControls(joined(b, 0, b.count() - 1, 0, -1));
}

namespace {

/// Blanks at the start may be indentation that means code.
QString withoutBlankEnds(QString text) {
    while (text.startsWith(u'\n'))
        text.remove(0, 1);
    while (!text.isEmpty() && text.back().isSpace())
        text.chop(1);
    return text;
}

/// Calls f(message, part, starts, ends) for each text that the stretch touches, in order.
template <typename F>
void eachPart(const ChatDocument& document, const TextPosition& from, const TextPosition& to, F f) {
    for (int m = from.message; m <= to.message && m < document.count(); ++m) {
        for (const Part part : {Part::Thoughts, Part::Body}) {
            const bool before = m == from.message && part < from.part;
            const bool after = m == to.message && part > to.part;
            // Thoughts are copied only by who began or ended the selection in them.
            const bool asked =
                part == Part::Body || (m == from.message && from.part == part) || (m == to.message && to.part == part);
            if (before || after || !asked)
                continue;
            f(m, part, m == from.message && part == from.part, m == to.message && part == to.part);
        }
    }
}

} // namespace

QString ChatDocument::plainText(const TextPosition& from, const TextPosition& to) const {
    QString out;
    eachPart(*this, from, to, [&](int m, Part part, bool starts, bool ends) {
        const BlockSplitter& b = blocks(m, part);
        const QString text = joined(b, starts ? from.block : 0, ends ? to.block : b.count() - 1,
                                    starts ? from.offset : 0, ends ? to.offset : -1);
        if (!out.isEmpty() && !text.isEmpty())
            out += QStringLiteral("\n\n");
        out += text;
    });
    return withoutControls(std::move(out));
}

QString ChatDocument::markdown(const TextPosition& from, const TextPosition& to) const {
    QString out;
    eachPart(*this, from, to, [&](int m, Part part, bool starts, bool ends) {
        const BlockSplitter& b = blocks(m, part);
        const int last = b.count() - 1;
        const bool atStart = !starts || (from.block == 0 && from.offset == 0);
        const bool atEnd = !ends || to.block > last || (to.block == last && to.offset >= b.inlines(last).text.size());
        const QString text = atStart && atEnd ? withoutBlankEnds(source(m, part))
                                              : toMarkdown(b, starts ? from.block : 0, ends ? to.block : last,
                                                           starts ? from.offset : 0, ends ? to.offset : -1);
        if (!out.isEmpty() && !text.isEmpty())
            out += QStringLiteral("\n\n");
        out += text;
    });
    return withoutControls(std::move(out));
}

int ChatDocument::plainOffset(const TextPosition& p) const {
    const BlockSplitter& b = blocks(p.message, p.part);
    qsizetype at = 0;
    for (int i = 0; i <= p.block && i < b.count(); ++i) {
        const QString text = leafText(b, i);
        at += i > 0 ? separator(b.block(i - 1), b.block(i)).size() : 0;
        at += mark(b, b.block(i)).size();
        at += withoutControls(i < p.block ? text : text.left(p.offset)).size();
    }
    return int(at);
}

TextPosition ChatDocument::positionOfPlain(int message, int offset) const {
    const BlockSplitter& b = blocks(message, Part::Body);
    qsizetype left = offset;
    for (int i = 0; i < b.count(); ++i) {
        left -= i > 0 ? separator(b.block(i - 1), b.block(i)).size() : 0;
        left -= mark(b, b.block(i)).size();
        const QString text = leafText(b, i);
        const qsizetype length = withoutControls(text).size();
        if (left > length && i + 1 < b.count()) {
            left -= length;
            continue;
        }
        // Inside the mark or the space before a leaf is at its start.
        qsizetype at = length == text.size() ? std::clamp<qsizetype>(left, 0, length) : 0;
        while (length != text.size() && at < text.size() && withoutControls(text.left(at)).size() < left)
            ++at;
        return {message, Part::Body, i, int(at)};
    }
    return {message, Part::Body, 0, 0};
}

TextPosition ChatDocument::start() const {
    return {0, Part::Body, 0, 0};
}

TextPosition ChatDocument::end() const {
    if (count() == 0)
        return start();
    const BlockSplitter& b = blocks(count() - 1, Part::Body);
    if (b.count() == 0)
        return {count() - 1, Part::Body, 0, 0};
    return {count() - 1, Part::Body, b.count() - 1, int(b.inlines(b.count() - 1).text.size())};
}

} // namespace hearth::ui
