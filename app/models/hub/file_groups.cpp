#include "app/models/hub/hub_types.h"

#include "engine/gguf.h"

#include <QHash>
#include <QRegularExpression>

#include <algorithm>

namespace hearth::app {
namespace {

bool endsWith(const QString& path, const char* ending) {
    return path.endsWith(QLatin1String(ending), Qt::CaseInsensitive);
}

/// What a folder of safetensors needs to be run; the rest of a repository is documents and other formats.
bool belongsToFolder(const QString& path) {
    if (path.contains(QLatin1Char('/')))
        return false;
    return endsWith(path, ".safetensors") || endsWith(path, ".json") || endsWith(path, ".jinja") ||
           path == QLatin1String("tokenizer.model") || path == QLatin1String("merges.txt") ||
           path == QLatin1String("vocab.txt");
}

/// Adds up; a size that is not told, or a sum that cannot be, makes the whole unknown.
qint64 sum(const QVector<HubFile>& files) {
    qint64 bytes = 0;
    for (const HubFile& file : files)
        if (file.size < 0 || __builtin_add_overflow(bytes, file.size, &bytes))
            return -1;
    return bytes;
}

HubGroup ggufGroup(const QString& path, const engine::SplitName& split) {
    HubGroup group{.kind = HubGroup::Kind::Gguf};
    QString stem = split.count > 0 ? QString::fromStdString(split.prefix) : path.chopped(5);
    group.name = stem.section(QLatin1Char('/'), -1);
    group.quant = quantOf(group.name);
    if (group.quant.isEmpty() && path.contains(QLatin1Char('/'))) // "Q4_K_M/model-00001-of-00002.gguf"
        group.quant = quantOf(path.section(QLatin1Char('/'), -2, -2));
    if (group.name.contains(QLatin1String("mmproj"), Qt::CaseInsensitive) ||
        group.name.endsWith(QLatin1String("imatrix")))
        group.kind = HubGroup::Kind::Other; // helps another file, is no model
    return group;
}

struct Collected {
    HubGroup group;
    QHash<int, int> parts; // number of a part -> index into group.files
    int count = 0;         // parts that there must be; 0: not split
};

void finish(Collected& c) {
    std::sort(c.group.files.begin(), c.group.files.end(),
              [](const HubFile& a, const HubFile& b) { return a.path < b.path; });
    c.group.bytes = sum(c.group.files);
    c.group.complete = c.count == 0 || c.parts.size() == c.count;
}

} // namespace

QString quantOf(const QString& fileName) {
    static const QRegularExpression pattern(
        QStringLiteral(
            "(?<![A-Za-z0-9])((?:UD-)?(?:IQ|TQ|Q)[1-8](?:_[A-Z0-9]{1,3}){1,3}|MXFP4(?:_MOE)?|BF16|F16|FP16|F32|FP8)"
            "(?![A-Za-z0-9])"),
        QRegularExpression::CaseInsensitiveOption);
    QString found;
    for (auto it = pattern.globalMatch(fileName.right(400)); it.hasNext();)
        found = it.next().captured(1).toUpper(); // the last one: the first may be the model's own name
    return found;
}

QVector<HubGroup> groupFiles(const QVector<HubFile>& files) {
    QHash<QString, int> byKey;
    QVector<Collected> all;
    Collected folder{.group = {.kind = HubGroup::Kind::Folder, .name = QStringLiteral("safetensors")}};
    bool hasWeights = false;
    for (const HubFile& file : files) {
        if (!endsWith(file.path, ".gguf")) {
            if (belongsToFolder(file.path)) {
                folder.group.files.append(file);
                hasWeights |= endsWith(file.path, ".safetensors");
            }
            continue;
        }
        engine::SplitName split;
        if (!engine::parseSplitName(file.path.toStdString(), split))
            split = {};
        const QString key = split.count > 0
                                ? QStringLiteral("%1 %2").arg(QString::fromStdString(split.prefix)).arg(split.count)
                                : file.path;
        if (!byKey.contains(key)) {
            byKey.insert(key, all.size());
            all.append({.group = ggufGroup(file.path, split), .count = split.count});
        }
        Collected& c = all[byKey.value(key)];
        if (c.parts.contains(split.number))
            continue; // named twice
        c.parts.insert(split.number, c.group.files.size());
        c.group.files.append(file);
    }
    if (hasWeights)
        all.append(folder);
    QVector<HubGroup> groups;
    for (Collected& c : all) {
        finish(c);
        groups.append(c.group);
    }
    std::stable_sort(groups.begin(), groups.end(), [](const HubGroup& a, const HubGroup& b) {
        return a.kind != b.kind ? a.kind < b.kind : a.bytes < b.bytes;
    });
    return groups;
}

} // namespace hearth::app
