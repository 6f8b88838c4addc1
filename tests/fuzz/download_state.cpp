// What a download left on the disk: its state, then behind a zero byte the journal of its chunks. Whatever lies there,
// a restart reads it, keeps its sums straight and writes it again.

#include "app/models/download/chunk_map.h"
#include "app/models/download/download_record.h"

#include <QCoreApplication>
#include <QCryptographicHash>
#include <QDir>
#include <QFile>
#include <QTemporaryDir>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace {

using namespace hearth::app;

constexpr qint64 kFileBytes = 5 * ChunkMap::kChunkBytes + 12'345;

void require(bool holds) {
    if (!holds)
        std::abort();
}

void write(const QString& path, const QByteArray& bytes) {
    QFile file(path);
    require(file.open(QIODevice::WriteOnly | QIODevice::Truncate) && file.write(bytes) == bytes.size());
}

void checkSums(const ChunkMap& map) {
    qint64 bytes = 0, have = 0;
    for (qint64 i = 0; i < map.count(); ++i)
        if (map.has(i)) {
            bytes += map.bytesOf(i);
            ++have;
        }
    require(map.arrivedBytes() == bytes && map.complete() == (have == map.count()));
}

void checkJournal(const QString& path) {
    ChunkMap map;
    require(map.open(path, kFileBytes));
    checkSums(map);
    require(map.put(3, 42) && map.drop(2));
    checkSums(map);
    ChunkMap again;
    require(again.open(path, kFileBytes));
    checkSums(again);
    require(again.arrivedBytes() == map.arrivedBytes() && again.has(3) && again.crc(3) == 42 && !again.has(2));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const QTemporaryDir dir;
    // The folder's name is made of the addresses: here of the corpus's one.
    const QString folder =
        dir.path() + QStringLiteral("/.hearth-") +
        QString::fromLatin1(
            QCryptographicHash::hash("http://hub.example/a.gguf\n", QCryptographicHash::Sha256).toHex().left(16));
    QDir().mkpath(folder);
    const QByteArray all(reinterpret_cast<const char*>(data), qsizetype(size));
    const auto end = all.indexOf('\0');
    write(folder + QStringLiteral("/state.json"), all.left(end));
    write(folder + QStringLiteral("/0.chunks"), end < 0 ? QByteArray() : all.mid(end + 1));
    if (const auto record = DownloadRecord::load(folder)) {
        const auto files = record->request.files.size();
        require(files > 0 && record->validators.size() == files && record->whole.size() == files &&
                record->sha256.size() == files);
        require(record->save());
        const auto again = DownloadRecord::load(folder);
        require(again && again->request.files.size() == files && again->position == record->position &&
                again->enters == record->enters && again->request.title == record->request.title);
    }
    checkJournal(folder + QStringLiteral("/0.chunks"));
    return 0;
}
