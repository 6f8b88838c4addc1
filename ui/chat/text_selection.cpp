#include "ui/chat/text_selection.h"

#include <QTextBoundaryFinder>

#include <algorithm>

namespace hearth::ui {
namespace {

const QString& leafText(const ChatDocument& document, const TextPosition& p) {
    static const QString none;
    const BlockSplitter& blocks = document.blocks(p.message, p.part);
    return p.block < blocks.count() ? blocks.inlines(p.block).text : none;
}

/// The leaf before or after; false at the conversation's ends. Thoughts are entered from inside them only.
bool step(const ChatDocument& document, TextPosition& p, int direction) {
    TextPosition q = p;
    for (;;) {
        q.block += direction;
        if (q.block >= 0 && q.block < document.blocks(q.message, q.part).count())
            break;
        if (q.part == Part::Thoughts && direction > 0) {
            q.part = Part::Body;
            q.block = -1;
            continue;
        }
        q.part = Part::Body;
        q.message += direction;
        if (q.message < 0 || q.message >= document.count())
            return false;
        q.block = direction > 0 ? -1 : document.blocks(q.message, q.part).count();
    }
    p = q;
    return true;
}

} // namespace

std::pair<TextPosition, TextPosition> wordAround(const ChatDocument& document, const TextPosition& p) {
    const QString& text = leafText(document, p);
    QTextBoundaryFinder finder(QTextBoundaryFinder::Word, text);
    const int at = std::clamp<int>(p.offset, 0, std::max<int>(0, int(text.size()) - 1));
    finder.setPosition(at);
    if (!finder.isAtBoundary())
        finder.toPreviousBoundary();
    TextPosition from = p;
    TextPosition to = p;
    from.offset = std::max<int>(0, int(finder.position()));
    const qsizetype end = finder.toNextBoundary();
    to.offset = end < 0 ? int(text.size()) : int(end);
    return {from, to};
}

std::pair<TextPosition, TextPosition> leafAround(const ChatDocument& document, const TextPosition& p) {
    TextPosition from = p;
    TextPosition to = p;
    from.offset = 0;
    to.offset = int(leafText(document, p).size());
    return {from, to};
}

TextPosition movedBy(const ChatDocument& document, const TextPosition& p, int direction, bool words) {
    if (document.count() == 0)
        return p;
    const QString& text = leafText(document, p);
    TextPosition q = p;
    if (direction > 0 ? p.offset < text.size() : p.offset > 0) {
        QTextBoundaryFinder finder(words ? QTextBoundaryFinder::Word : QTextBoundaryFinder::Grapheme, text);
        finder.setPosition(p.offset);
        qsizetype at = direction > 0 ? finder.toNextBoundary() : finder.toPreviousBoundary();
        // Words: over the space behind, as text editors go.
        while (words && at > 0 && at < text.size() && text[direction > 0 ? at - 1 : at].isSpace())
            at = direction > 0 ? finder.toNextBoundary() : finder.toPreviousBoundary();
        q.offset = at < 0 ? (direction > 0 ? int(text.size()) : 0) : int(at);
        return q;
    }
    if (!step(document, q, direction))
        return p;
    q.offset = direction > 0 ? 0 : int(leafText(document, q).size());
    return q;
}

} // namespace hearth::ui
