#include "app/first_instance.h"

#include <QCryptographicHash>
#include <QDir>
#include <QFileInfo>
#include <QLocalSocket>

namespace hearth::app {
namespace {

constexpr int kPatience = 2000;         // ms for the first window to answer
constexpr qsizetype kLongestPath = 100; // bytes; sun_path holds 108
constexpr char kRaise[] = "raise\n";
constexpr char kRaised[] = "raised\n";

} // namespace

QString instanceSocket(const QString& dataFolder) {
    const QByteArray hash =
        QCryptographicHash::hash(QDir(dataFolder).canonicalPath().toUtf8(), QCryptographicHash::Sha256).toHex();
    const QString name = QStringLiteral("/hearth-%1.socket").arg(QString::fromLatin1(hash.left(16)));
    for (const QString& folder : {qEnvironmentVariable("XDG_RUNTIME_DIR"), dataFolder}) {
        const QFileInfo info(folder);
        if (!folder.isEmpty() && info.isAbsolute() && info.isDir() && info.isWritable() &&
            QFile::encodeName(folder + name).size() <= kLongestPath)
            return folder + name;
    }
    return QDir::tempPath() + name;
}

bool raiseFirstInstance(const QString& dataFolder) {
    QLocalSocket socket;
    socket.connectToServer(instanceSocket(dataFolder));
    if (!socket.waitForConnected(kPatience))
        return false;
    socket.write(kRaise);
    socket.waitForBytesWritten(kPatience);
    return socket.waitForReadyRead(kPatience) && socket.readAll().startsWith(kRaised);
}

FirstInstance::FirstInstance(const QString& dataFolder, QObject* parent) : QObject(parent) {
    const QString socket = instanceSocket(dataFolder);
    QLocalServer::removeServer(socket); // left by a crash: the instance lock says that nobody listens
    server_.setSocketOptions(QLocalServer::UserAccessOption);
    server_.setMaxPendingConnections(4);
    connect(&server_, &QLocalServer::newConnection, this, [this] {
        while (QLocalSocket* peer = server_.nextPendingConnection()) {
            connect(peer, &QLocalSocket::disconnected, peer, &QObject::deleteLater);
            connect(peer, &QLocalSocket::readyRead, this, [this, peer] {
                const bool asked = peer->read(sizeof kRaise - 1) == kRaise;
                if (asked) {
                    peer->write(kRaised);
                    peer->flush();
                    emit raiseAsked();
                }
                peer->disconnectFromServer();
            });
        }
    });
    server_.listen(socket);
}

} // namespace hearth::app
