#include "ui/chat/conversation_search.h"

#include <QElapsedTimer>

#include <algorithm>
#include <utility>

namespace hearth::ui {
namespace {

constexpr int kSliceMs = 4;   // of the GUI thread at a time
constexpr int kAgainMs = 200; // a growing message is looked through this often

/// Where an offset of a whole text lies: the leaf, and the offset in it. A place at a seam is the end of the leaf
/// before it when a match ends there, else the start of the one after it.
std::pair<int, int> placeIn(const ChatDocument::WholeText& whole, int at, bool ends) {
    const auto after = ends ? std::lower_bound(whole.starts.begin() + 1, whole.starts.end(), at)
                            : std::upper_bound(whole.starts.begin() + 1, whole.starts.end(), at);
    return {whole.first + int(after - whole.starts.begin()) - 1, at - *(after - 1)};
}

} // namespace

ConversationSearch::ConversationSearch(const ChatDocument& document, QObject* parent)
    : QObject(parent), document_(document) {
    timer_.setSingleShot(true);
    again_.setSingleShot(true);
    again_.setInterval(kAgainMs);
    connect(&timer_, &QTimer::timeout, this, &ConversationSearch::slice);
    connect(&again_, &QTimer::timeout, this, &ConversationSearch::lookAgain);
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
    if (fullAt_ >= 0 && message > fullAt_) // nobody looked there
        return;
    fullAt_ = -1;
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
    if (fullAt_ >= 0 && message > fullAt_)
        return;
    stale_.insert(message);
    if (!again_.isActive())
        again_.start();
}

void ConversationSearch::slice() {
    QElapsedTimer timer;
    timer.start();
    while (next_ < document_.count() && !isFull() && timer.elapsed() < kSliceMs)
        lookThrough(next_++);
    if (next_ < document_.count() && !isFull())
        timer_.start(0);
    else
        next_ = -1;
    emit changed();
}

void ConversationSearch::lookThrough(int message) {
    std::vector<Match> found;
    if (document_.message(message).role != Role::System) {
        for (const Part part : {Part::Thoughts, Part::Body}) {
            for (const ChatDocument::WholeText& whole : document_.wholeTexts(message, part)) {
                const QString& text = whole.text;
                for (qsizetype at = text.indexOf(query_, 0, Qt::CaseInsensitive); at >= 0 && found.size() <= kMost;
                     at = text.indexOf(query_, at + query_.size(), Qt::CaseInsensitive)) {
                    const auto [block, offset] = placeIn(whole, int(at), false);
                    const auto [lastBlock, end] = placeIn(whole, int(at + query_.size()), true);
                    found.push_back({message, part, block, offset, lastBlock, end});
                }
            }
        }
    }
    const auto order = [](const Match& m, int at) { return m.message < at; };
    const auto first = std::lower_bound(matches_.begin(), matches_.end(), message, order);
    const auto last = std::lower_bound(first, matches_.end(), message + 1, order);
    matches_.insert(matches_.erase(first, last), found.begin(), found.end());
    if (matches_.size() > kMost) {
        fullAt_ = matches_[kMost].message;
        matches_.resize(kMost);
    }
}

/// What changed since it was looked through. In a full search fewer matches here let others in behind.
void ConversationSearch::lookAgain() {
    const QSet<int> stale = std::exchange(stale_, {});
    if (isFull() && !stale.isEmpty()) {
        restartFrom(*std::min_element(stale.begin(), stale.end()));
        return;
    }
    for (const int message : stale)
        if (message < document_.count())
            lookThrough(message);
    emit changed();
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
