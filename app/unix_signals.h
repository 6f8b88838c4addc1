#pragma once

#include <QObject>
#include <QSocketNotifier>

#include <memory>

namespace hearth::app {

/// SIGTERM, SIGINT and SIGHUP as a Qt signal, by way of a pipe: a handler may do nothing but write. One object a
/// process.
class UnixSignals : public QObject {
    Q_OBJECT

public:
    explicit UnixSignals(QObject* parent = nullptr);
    ~UnixSignals() override;

signals:
    void endAsked();

private:
    int ends_[2] = {-1, -1}; // read, write
    std::unique_ptr<QSocketNotifier> notifier_;
};

} // namespace hearth::app
