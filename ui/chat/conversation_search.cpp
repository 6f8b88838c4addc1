#include "ui/chat/conversation_search.h"

#include <QElapsedTimer>

#include <algorithm>
#include <utility>

namespace hearth::ui {
namespace {

constexpr int kSliceMs = 4;       // of the GUI thread at a time
constexpr int kAgainMs = 200;     // a growing message is looked through this often
constexpr size_t kMost = 100'000; // matches; who gets more asks for something else

} // namespace

ConversationSearch::ConversationSearch(const ChatDocument& document, QObject* parent)
    : QObject(parent), document_(document) {
    timer_.setSingleShot(true);
    again_.setSingleShot(true);
    again_.setInterval(kAgainMs);
    connect(&timer_, &QTimer::timeout, this, &ConversationSearch::slice);
    connect(&again_, &QTimer::timeout, this, [this] {
        for (const int message : std::exchange(stale_, {}))
            if (message < document_.count())
                lookThrough(message);
        emit changed();
    });
    connect(&document, &ChatDocument::reset, this, [this] { restartFrom(0); });
    connect(&document, &ChatDocument::messagesRemoved, this, &ConversationSearch::restartFrom);
    connect(&document, &ChatDocument::messageRemoved, this, &ConversationSearch::restartFrom);
    connect(&document, &ChatDocument::messageInserted, this, &ConversationSearch::restartFrom);
    connect(&document, &ChatDocument::messageAppended, this, &ConversationSearch::messageChanged);
    connect(&document, &ChatDocument::messageChanged, this, &ConversationSearch::messageChanged);
}

void ConversationSearch::setQuery(const QString& query) {
    if (query == query_)
        return;
    query_ = query;
    restartFrom(0);
}

void ConversationSearch::restartFrom(int message) {
    const auto from = std::lower_bound(matches_.begin(), matches_.end(), message,
                                       [](const Match& m, int at) { return m.message < at; });
    matches_.erase(from, matches_.end());
    stale_.removeIf([message](int at) { return at >= message; });
    next_ = query_.isEmpty() ? -1 : next_ < 0 ? message : std::min(next_, message);
    timer_.stop();
    if (next_ >= 0)
        timer_.start(0);
    emit changed();
}

void ConversationSearch::messageChanged(int message) {
    if (query_.isEmpty() || (next_ >= 0 && message >= next_)) // it comes
        return;
    stale_.insert(message);
    if (!again_.isActive())
        again_.start();
}

void ConversationSearch::slice() {
    QElapsedTimer timer;
    timer.start();
    while (next_ < document_.count() && matches_.size() < kMost && timer.elapsed() < kSliceMs)
        lookThrough(next_++);
    if (next_ < document_.count() && matches_.size() < kMost)
        timer_.start(0);
    else
        next_ = -1;
    emit changed();
}

void ConversationSearch::lookThrough(int message) {
    std::vector<Match> found;
    if (document_.message(message).role != Role::System) {
        const QStringList texts = document_.leafTexts(message, Part::Body);
        for (int block = 0; block < int(texts.size()); ++block) {
            const QString& text = texts[block];
            for (qsizetype at = text.indexOf(query_, 0, Qt::CaseInsensitive); at >= 0 && found.size() < kMost;
                 at = text.indexOf(query_, at + query_.size(), Qt::CaseInsensitive))
                found.push_back({message, block, int(at), int(query_.size())});
        }
    }
    const auto order = [](const Match& m, int at) { return m.message < at; };
    const auto first = std::lower_bound(matches_.begin(), matches_.end(), message, order);
    const auto last = std::lower_bound(first, matches_.end(), message + 1, order);
    matches_.insert(matches_.erase(first, last), found.begin(), found.end());
}

std::span<const ConversationSearch::Match> ConversationSearch::in(int message) const {
    const auto order = [](const Match& m, int at) { return m.message < at; };
    const auto first = std::lower_bound(matches_.begin(), matches_.end(), message, order);
    const auto last = std::lower_bound(first, matches_.end(), message + 1, order);
    return {first, last};
}

int ConversationSearch::firstFrom(const TextPosition& p) const {
    const auto found = std::lower_bound(matches_.begin(), matches_.end(), p,
                                        [](const Match& m, const TextPosition& at) { return m.from() < at; });
    return int(found - matches_.begin());
}

} // namespace hearth::ui
