#pragma once

#include <QElapsedTimer>
#include <QMetaType>
#include <QObject>
#include <QTimer>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace hearth::app {

using ReplyId = uint64_t; // counts the replies asked for since the start; 0: none

enum class ReplyEnd : uint8_t { None, EndOfTurn, MaxTokens, ContextFull, Cancelled, Error };

/// All that happened to one reply since the pipe was last drained; of progress only the newest.
struct ReplyUpdate {
    ReplyId reply = 0;
    bool begun = false;   // the prompt was built: the next two are set
    int promptTokens = 0; // of the whole prompt
    int leftOut = 0;      // messages of the history that did not fit
    bool about = false;   // the model's tokenizer is not known: counts are estimates
    std::string host;     // the conversation is being sent there now; empty: it is not
    bool read = false;    // some of the prompt was read: `progress` is set
    double progress = 0;  // of reading, 0 to 1
    std::string text;     // whole UTF-8 characters
    std::string thoughts; // likewise
    int tokens = 0;       // generated so far in this reply
    double seconds = 0;   // since its first token
    double thoughtSeconds = 0;
    ReplyEnd end = ReplyEnd::None;
    std::string error;       // a sentence, when `end` is Error
    int prefilledTokens = 0; // at the end: computed now, the others came from the cache
    double prefillSeconds = 0;
    bool counted = false; // at the end: the model's own counts are known now, and stand in the next two
    int countedPrompt = 0, countedTokens = 0;
};

/// From the engine thread to the window: pushes are joined behind a short lock, at most one wake-up is pending, and it
/// is drained at the screen's rate. change(): any thread; all else: GUI thread.
class TokenPipe : public QObject {
    Q_OBJECT

public:
    explicit TokenPipe(std::chrono::milliseconds interval = std::chrono::milliseconds(16), QObject* parent = nullptr);

    /// Runs `change` on the update that waits for this reply.
    template <class Change>
    void change(ReplyId reply, Change&& change) {
        bool wake = false;
        {
            const std::lock_guard lock(mutex_);
            change(waiting(reply));
            wake = !wakePending_;
            wakePending_ = true;
        }
        if (wake)
            wakeUp();
    }

    /// Hands over now what waits, without waiting for the next frame.
    void drain();

    /// How many wake-ups were posted, for tests.
    int wakeUps() const { return wakeUps_.load(std::memory_order_relaxed); }

signals:
    void updated(const hearth::app::ReplyUpdate&);

private:
    ReplyUpdate& waiting(ReplyId);
    void wakeUp();
    void wake();

    std::mutex mutex_;
    std::vector<ReplyUpdate> waiting_; // one a reply; few. Guarded by mutex_
    bool wakePending_ = false;         // guarded by mutex_
    std::atomic<int> wakeUps_ = 0;
    std::chrono::milliseconds interval_;
    QElapsedTimer sinceDrain_;
    QTimer timer_;
};

} // namespace hearth::app
