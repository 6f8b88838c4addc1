#pragma once

#include <QMutex>
#include <QObject>
#include <QSet>
#include <QString>
#include <QStringList>

#include <atomic>

namespace hearth::app {

/// The one place that decides whether this program may use the network at all. Every HttpClient has one and asks it
/// before each request and each redirect. Closed until the person opens it. Any thread; changed() comes on the thread
/// that called set().
class NetworkGate : public QObject {
    Q_OBJECT

public:
    /// NotAsked: the person has not decided yet; Off: the person wants none. Both are closed.
    enum class State : int { NotAsked, Off, On };

    explicit NetworkGate(State state = State::NotAsked, QObject* parent = nullptr) : QObject(parent), state_(state) {}

    State state() const { return state_.load(); }

    bool open() const { return state() == State::On; }

    void set(State);

    /// Why nothing is contacted.
    QString refusal() const;

    /// Called for each connection; what the settings show as "contacted in this session".
    void note(const QString& host);
    QStringList contacted() const; // sorted

signals:
    void changed(bool open);

private:
    std::atomic<State> state_;
    mutable QMutex mutex_;
    QSet<QString> contacted_;
};

} // namespace hearth::app
