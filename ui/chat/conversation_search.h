#pragma once

#include "ui/chat/chat_document.h"

#include <QSet>
#include <QTimer>

#include <span>
#include <vector>

namespace hearth::ui {

/// Finds a text in what is read of a conversation, thoughts included, whatever its case: in slices of a few ms, so that
/// nothing waits for it. A message that changes is looked through again. GUI thread.
class ConversationSearch : public QObject {
    Q_OBJECT

public:
    explicit ConversationSearch(const ChatDocument&, QObject* parent = nullptr);

    struct Match {
        int message = 0;
        Part part = Part::Body;
        int block = 0;     // where it begins; one that lies over a cut of its paragraph ends in another leaf
        int offset = 0;    // UTF-16 units in that leaf's text
        int lastBlock = 0; // where it ends
        int end = 0;       // offset in that leaf

        TextPosition from() const { return {message, part, block, offset}; }

        TextPosition to() const { return {message, part, lastBlock, end}; }
    };

    static constexpr int kMost = 100'000; // matches that are kept; who gets more asks for something else

    void setQuery(const QString&);

    const QString& query() const { return query_; }

    bool isRunning() const { return next_ >= 0; } // more may be found

    int count() const { return int(matches_.size()); }

    bool isFull() const { return fullAt_ >= 0; } // there are more than count()

    const Match& match(int i) const { return matches_[size_t(i)]; }

    std::span<const Match> in(int message) const; // in reading order
    int firstFrom(const TextPosition&) const;     // count(): none there or after it

signals:
    void changed(); // other matches, or the search has ended

private:
    void slice();
    void lookThrough(int message);
    void lookAgain();
    void restartFrom(int message);
    void messageChanged(int message);

    const ChatDocument& document_;
    QString query_;
    std::vector<Match> matches_; // in reading order
    int next_ = -1;              // message to look through; -1: all are
    int fullAt_ = -1;            // message in which there were too many; -1: there were not
    QTimer timer_;
    QTimer again_;    // a reply that grows is not looked through for each word
    QSet<int> stale_; // messages that changed since they were looked through
};

} // namespace hearth::ui
