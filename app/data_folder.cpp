#include "app/data_folder.h"

#include <QCoreApplication>
#include <QDir>
#include <QFileInfo>
#include <QStandardPaths>
#include <QTemporaryFile>

namespace hearth::app {
namespace {

QString chosenPath(const QString& asked, QString& problem) {
    if (!asked.isEmpty())
        return QDir(asked).absolutePath();
    const QString variable = qEnvironmentVariable("HEARTH_DATA");
    if (!variable.isEmpty())
        return QDir(variable).absolutePath();
    // The standard says that a relative path here is invalid. Guessing another folder would split a person's chats.
    const QString xdg = qEnvironmentVariable("XDG_DATA_HOME");
    if (!xdg.isEmpty() && QDir::isRelativePath(xdg)) {
        problem =
            QCoreApplication::translate(
                "DataFolder",
                "XDG_DATA_HOME is “%1”, which is not an absolute path. Correct or unset it, then start Hearth again.")
                .arg(xdg);
        return {};
    }
    return QStandardPaths::writableLocation(QStandardPaths::AppDataLocation);
}

// A file is really made: permissions, read-only mounts and full disks all answer here.
bool canWrite(const QString& folder, QString& why) {
    QTemporaryFile probe(folder + QStringLiteral("/.probe-XXXXXX"));
    if (probe.open() && probe.write("hearth") == 6 && probe.flush())
        return true;
    why = probe.errorString();
    return false;
}

} // namespace

QString DataFolder::file(const QString& name) const {
    return path + QLatin1Char('/') + name;
}

DataFolder findDataFolder(const QString& asked) {
    DataFolder folder;
    folder.path = chosenPath(asked, folder.problem);
    if (!folder.problem.isEmpty())
        return folder;
    if (folder.path.isEmpty()) {
        folder.problem = QCoreApplication::translate(
            "DataFolder", "There is no home folder to keep conversations in. Start Hearth with --data and a folder.");
        return folder;
    }
    QString why;
    if (!QDir().mkpath(folder.path)) {
        folder.problem =
            QCoreApplication::translate(
                "DataFolder", "The data folder %1 cannot be made. Start Hearth with --data and another folder.")
                .arg(folder.path);
    } else if (!canWrite(folder.path, why)) {
        folder.problem =
            QCoreApplication::translate("DataFolder", "Nothing can be written into the data folder %1: %2.")
                .arg(folder.path, why);
    }
    return folder;
}

} // namespace hearth::app
