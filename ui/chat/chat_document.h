#pragma once

#include "ui/chat/block_splitter.h"
#include "ui/rows.h"

#include <QObject>
#include <QStringList>

#include <compare>
#include <memory>
#include <vector>

namespace hearth::ui {

/// A message's two texts, in the order they are read.
enum class Part { Thoughts, Body };

/// A place in the conversation's text as it is read: a leaf and an offset in its InlineText.
struct TextPosition {
    int message = 0;
    Part part = Part::Body;
    int block = 0;
    int offset = 0; // UTF-16 units

    auto operator<=>(const TextPosition&) const = default;
};

/// Control characters never leave the window: a terminal that text is pasted into would obey them.
QString withoutControls(QString);

/// The messages of one conversation as blocks, and nothing about how they look. Appending costs what is appended,
/// however long the reply or the conversation is. GUI thread.
class ChatDocument : public QObject {
    Q_OBJECT

public:
    explicit ChatDocument(QObject* parent = nullptr);
    ~ChatDocument() override;

    void setMessages(const QVector<MessageRow>&);
    const QVector<MessageRow>& messages() const; // without the streamed text of the last one: see text()
    QString text(RowId) const;

    void appendMessage(const MessageRow&);
    void appendText(RowId, const QString& text); // to a Streaming message; text is whole characters
    void appendThoughts(RowId, const QString& text);
    /// The end of a reply: its last open blocks freeze, late link definitions are applied once.
    void finishMessage(RowId, MessageState, double thoughtSeconds, const QString& note);
    void updateMessage(const MessageRow&); // anything but text: siblings, note, state
    void removeFrom(RowId);                // this message and all after it
    void removeMessage(RowId);             // this one alone
    void insertMessage(int index, const MessageRow&);

    int count() const;
    int indexOf(RowId) const; // -1: not here
    const MessageRow& message(int index) const;
    const QString& source(int index, Part) const; // as it was written
    double thinkingSeconds(int index) const;      // as known, or since its first thought arrived

    /// The leaves of a message. It is split when first asked for: what nobody looks at costs nothing.
    const BlockSplitter& blocks(int index, Part) const;
    bool isSplit(int index, Part) const;

    /// A text as it is read, with the leaves it was cut into joined again.
    struct WholeText {
        int first = 0;           // leaf
        QString text;            // UTF-16 units; as the leaves' own, but for what stands at the seams
        std::vector<int> starts; // where the leaves from `first` on begin in it
    };

    /// The texts of a message for one look at them: nothing of it is kept.
    std::vector<WholeText> wholeTexts(int index, Part) const;

    // Text as it is read: what copying and screen readers get.
    QString plainText(const TextPosition& from, const TextPosition& to) const;
    QString plainText(int index, Part) const;
    int plainOffset(const TextPosition&) const;                  // in plainText() of its message and part
    TextPosition positionOfPlain(int message, int offset) const; // of the body; the nearest there is
    /// The same as Markdown: messages and leaves that are taken whole as they were written.
    QString markdown(const TextPosition& from, const TextPosition& to) const;
    TextPosition start() const;
    TextPosition end() const;

signals:
    void aboutToReset(); // the messages are still the old ones
    void reset();
    void messageAppended(int index);
    void messageChanged(int index);
    void messagesRemoved(int from);
    void messageRemoved(int index); // those after it moved up
    void messageInserted(int index);

private:
    struct Private;
    std::unique_ptr<Private> d_;
};

} // namespace hearth::ui
