#pragma once

#include <QString>

namespace hearth::app {

/// Where everything that the program remembers lies: `hearth.db`, its lock, the mark of a load, `models/`.
struct DataFolder {
    QString path;    // absolute; empty only where `problem` is set
    QString problem; // a sentence; empty: the folder is there and can be written

    QString file(const QString& name) const;
};

/// `asked` (--data), else HEARTH_DATA, else QStandardPaths::AppDataLocation. Makes the folder. Never throws.
DataFolder findDataFolder(const QString& asked);

} // namespace hearth::app
