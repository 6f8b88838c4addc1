#pragma once

#include "ui/rows.h"

#include <QObject>

#include <memory>

namespace hearth::ui {

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

signals:
    void reset();
    void messageAppended(int index);
    void messageChanged(int index);
    void messagesRemoved(int from);

private:
    struct Private;
    std::unique_ptr<Private> d_;
};

} // namespace hearth::ui
