#pragma once

#include <QLocalServer>
#include <QObject>
#include <QString>

namespace hearth::app {

/// The socket over which a second start finds the first window of the same data folder: in XDG_RUNTIME_DIR, else in the
/// data folder.
QString instanceSocket(const QString& dataFolder);

/// Asks the program that holds the data folder to show its window. False: none answered.
bool raiseFirstInstance(const QString& dataFolder);

/// Listens for later starts. Made only by the holder of the instance lock. GUI thread.
class FirstInstance : public QObject {
    Q_OBJECT

public:
    explicit FirstInstance(const QString& dataFolder, QObject* parent = nullptr);

signals:
    void raiseAsked();

private:
    QLocalServer server_;
};

} // namespace hearth::app
