#pragma once

#include "app/models/net/http_rules.h"

#include <QByteArray>
#include <QDateTime>
#include <QString>
#include <QStringList>
#include <QUrl>
#include <QVector>

namespace hearth::app {

/// A model as a hub lists it.
struct HubModel {
    QString id;       // "owner/name"; its identity at the hub
    QString revision; // the commit that files() and fileUrl() then mean; empty: not told
    QString license;  // "apache-2.0"; empty: not told
    bool gated = false;
    bool isPrivate = false;
    qint64 downloads = -1, likes = -1; // -1: not told
    QDateTime updated;
    QStringList tags;
    QString card; // Markdown without HTML, pictures or anything else to fetch; of model() only
};

struct HubFile {
    QString path;      // in the repository, as the hub names it; never a path of this machine
    qint64 size = -1;  // bytes; -1: not told
    QByteArray sha256; // 64 lower-case digits; empty: not told
};

/// Files that make one model: a file, the parts of a split one, or a folder of safetensors.
struct HubGroup {
    enum class Kind : int { Gguf, Folder, Other };
    Kind kind = Kind::Other;
    QString name;           // "qwen2.5-0.5b-instruct-q4_k_m"
    QString quant;          // "Q4_K_M"; empty: its name does not tell
    QVector<HubFile> files; // parts in their order
    qint64 bytes = 0;       // of all; -1: not all told
    bool complete = true;   // no part is missing
};

/// Files by what they make: models first, by size. Other: what belongs to no model this program could run.
QVector<HubGroup> groupFiles(const QVector<HubFile>&);

/// From a file's name: "Q4_K_M", "IQ2_XXS", "BF16"; empty: none.
QString quantOf(const QString& fileName);

/// A card as plain Markdown: front matter, HTML, pictures and comments gone; links stay as text and address.
QString plainCard(const QString& readme);

template <class T>
struct HubAnswer {
    T value;
    HttpError error;
};

} // namespace hearth::app
