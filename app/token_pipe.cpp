#include "app/token_pipe.h"

#include <algorithm>

namespace hearth::app {

TokenPipe::TokenPipe(std::chrono::milliseconds interval, QObject* parent) : QObject(parent), interval_(interval) {
    timer_.setSingleShot(true);
    timer_.setTimerType(Qt::PreciseTimer);
    connect(&timer_, &QTimer::timeout, this, &TokenPipe::drain);
}

ReplyUpdate& TokenPipe::waiting(ReplyId reply) {
    for (ReplyUpdate& update : waiting_) {
        if (update.reply == reply)
            return update;
    }
    waiting_.emplace_back().reply = reply;
    return waiting_.back();
}

void TokenPipe::wakeUp() {
    wakeUps_.fetch_add(1, std::memory_order_relaxed);
    QMetaObject::invokeMethod(this, &TokenPipe::wake, Qt::QueuedConnection);
}

void TokenPipe::wake() {
    const qint64 passed = sinceDrain_.isValid() ? sinceDrain_.elapsed() : interval_.count();
    if (passed >= interval_.count())
        drain();
    else if (!timer_.isActive())
        timer_.start(int(interval_.count() - passed));
}

void TokenPipe::drain() {
    timer_.stop();
    sinceDrain_.start();
    std::vector<ReplyUpdate> updates;
    {
        const std::lock_guard lock(mutex_);
        updates.swap(waiting_);
        wakePending_ = false;
    }
    for (const ReplyUpdate& update : updates)
        emit updated(update);
}

} // namespace hearth::app
