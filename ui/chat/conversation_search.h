#pragma once

#include "ui/chat/chat_document.h"

#include <QSet>
#include <QTimer>

#include <span>
#include <vector>

namespace hearth::ui {

/// Finds a text in what is read of a conversation, whatever its case: in slices of a few ms, so that nothing waits for
/// it. A message that changes is looked through again; thoughts are not searched. GUI thread.
class ConversationSearch : public QObject {
    Q_OBJECT

public:
    explicit ConversationSearch(const ChatDocument&, QObject* parent = nullptr);

    struct Match {
        int message = 0;
        int block = 0;
        int offset = 0; // UTF-16 units in the leaf's text
        int length = 0;

        TextPosition from() const { return {message, Part::Body, block, offset}; }

        TextPosition to() const { return {message, Part::Body, block, offset + length}; }
    };

    void setQuery(const QString&);

    const QString& query() const { return query_; }

    bool isRunning() const { return next_ >= 0; } // more may be found

    int count() const { return int(matches_.size()); }

    const Match& match(int i) const { return matches_[size_t(i)]; }

    std::span<const Match> in(int message) const;
    int firstFrom(const TextPosition&) const; // count(): none there or after it

signals:
    void changed(); // other matches, or the search has ended

private:
    void slice();
    void lookThrough(int message);
    void restartFrom(int message);
    void messageChanged(int message);

    const ChatDocument& document_;
    QString query_;
    std::vector<Match> matches_; // in reading order
    int next_ = -1;              // message to look through; -1: all are
    QTimer timer_;
    QTimer again_;    // a reply that grows is not looked through for each word
    QSet<int> stale_; // messages that changed since they were looked through
};

} // namespace hearth::ui
