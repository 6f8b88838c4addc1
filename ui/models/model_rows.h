#pragma once

#include "ui/rows.h"

#include <QDate>
#include <QStringList>

#include <optional>
#include <utility>

namespace hearth::ui {

// What the page of models shows. Plain values; sentences and names come in the window's language. GUI thread.

enum class FitKind { Unknown, Gpu, GpuAndMemory, Memory, Slow, WillNotFit };

/// Whether a model fits this machine.
struct FitRow {
    FitKind kind = FitKind::Unknown;
    QString words;              // the numbers in a sentence; empty: none yet
    double tokensPerSecond = 0; // predicted; 0: not known
    bool rough = false;         // from the number of its weights alone, before a file was looked at
};

/// What a person has set for one model; what is absent is as the model or the program has it.
struct ModelDefaultsRow {
    std::optional<int> contextTokens, threads;
    QString kv;                                   // "f16", "q8_0", "q4_0"; empty: the program's
    QVector<std::pair<QString, double>> sampling; // names: temperature, topK, topP, minP, repetitionPenalty
    QString systemPrompt;
    std::optional<bool> thinking;

    friend bool operator==(const ModelDefaultsRow&, const ModelDefaultsRow&) = default;
};

/// What the library knows of a model beyond its ModelRow.
struct ModelDetailsRow {
    QString path;         // ModelRow::path
    QStringList facts;    // "qwen3", "8.2 B", "Q4_K_M"
    QString licence;      // "apache-2.0"; empty: not told
    QString store;        // whose it is: "Ollama"; empty: no other program's
    bool own = false;     // lies in the program's own folder: can be deleted. Else it can be taken off the list
    bool starter = false; // came with the program
    qint64 bytes = 0;
    QDateTime lastUsed;           // invalid: never
    double tokensPerSecond = 0;   // measured, of generated tokens; 0: not yet
    double promptPerSecond = 0;   // measured, of read tokens
    QString templateNote;         // how its turns are written, and whether that differs from its family's
    QString problem;              // why it cannot be used, a sentence
    FitRow fit;                   // at the context of its defaults
    int trainedContext = 0;       // tokens; 0: not known
    int automaticContext = 0;     // of a load that asks for none; 0: not known
    int maxThreads = 0;           // of this machine
    bool thinks = false;          // can be told to write down thoughts, or not to
    QStringList caches;           // what ModelDefaultsRow::kv can be
    ModelDefaultsRow defaults;    // the person's own
    ModelDefaultsRow recommended; // by its makers: what stands where nothing is set
    bool remote = false;          // a server elsewhere: nothing of this machine can be set for it
    QStringList numbers;          // then: what of ModelDefaultsRow::sampling it takes
};

/// A server elsewhere that answers as a model.
struct RemoteRow {
    QString path; // ModelRow::path; empty: a new one, not stored yet
    QString name, address, model;
    int contextTokens = 0;
    bool contextGiven = false; // by the person; otherwise as the server tells
    bool on = false, hasKey = false;
    bool exposed = false;      // what is sent there can be read on the way
    bool plainAllowed = false; // and the person agreed to that
    QString server;            // "vLLM"; empty: not known
    bool testing = false;
    bool thinks = false;       // it can be told to write down thoughts, or not to
    QStringList numbers;       // what of ModelDefaultsRow::sampling it takes
    ModelDefaultsRow defaults; // the person's own
    QString told;              // what the last test found, a sentence
    QString problem;           // what it failed on, or why nothing can be sent, a sentence
    QStringList offered;       // models that it has, as far as that is known
};

/// What a person typed about one.
struct RemoteEditRow {
    QString path; // empty: a new one
    QString name, address, model;
    QString key; // empty: as it is
    QString contextTokens;
    bool plainAllowed = false;
};

/// A model that was deleted and can come back.
struct TrashRow {
    QString id, name;
    qint64 bytes = 0;
    QDateTime trashed;
    int daysLeft = 0;
};

/// A job on files: an import, or the move of the whole folder. One at a time.
struct JobRow {
    bool running = false;
    QString title;       // "Moving the models"
    double progress = 0; // 0 to 1
    QString problem;     // it ended with this sentence
};

// ---- Discover

enum class NetworkState { NotAsked, Off, On };

/// Whether the program may use the network, and whom it talks to.
struct NetworkRow {
    NetworkState state = NetworkState::NotAsked;
    QStringList hosts;     // that searching and downloading ask
    QStringList contacted; // in this session
};

struct HubRow {
    QString id;      // "huggingface", "modelscope"
    QString name;    // "Hugging Face"
    QString address; // in use; can be a mirror's
    bool hasToken = false;
    QString problem; // of the keyring
};

/// A model of the catalogue that comes with the program.
struct CatalogRow {
    QString id, name, publisher;
    QString strengths; // one line
    QString licence;
    QStringList languages;                       // codes; "mul": many more
    double parameters = 0, activeParameters = 0; // the second is smaller where experts take turns
    int context = 0;                             // tokens
    bool thinks = false;
    FitRow fit;
    QVector<std::pair<QString, QString>> repos; // hub id, repository
    QDate checked;
    QString source; // address
};

/// A model as a hub lists it.
struct HubModelRow {
    QString id; // "owner/name"
    QString licence;
    bool gated = false;
    qint64 downloads = -1, likes = -1; // -1: not told
    QDateTime updated;
};

enum class LoadState { Idle, Loading, Ready, Failed };

struct SearchRow {
    LoadState state = LoadState::Idle;
    QString hub, words;
    QString problem; // a sentence
    QVector<HubModelRow> models;
};

/// A model's files that belong together: one download.
struct FileGroupRow {
    QString id;    // HubGroup::name
    QString quant; // "Q4_K_M"; empty: not told
    qint64 bytes = -1;
    int files = 1;
    QString problem; // why it cannot be used: an unknown family, a missing part
    FitRow fit;
    bool judging = false;   // its header is being read
    bool suggested = false; // the best that fits
    bool queued = false;    // among the downloads
    QString path;           // in the library already; empty: not
};

/// The page of one model of a hub.
struct HubPageRow {
    LoadState state = LoadState::Idle;
    QString hub, id, address; // the page for people
    QString licence;
    bool gated = false;
    QString problem; // a sentence
    QString card;    // Markdown, nothing in it to fetch
    QVector<FileGroupRow> files;
};

// ---- Downloads

enum class DownloadState { Waiting, Running, Checking, Paused, Failed, Finished };

struct DownloadRow {
    QString id, title;
    QString hub, model; // for the way to its page
    DownloadState state = DownloadState::Waiting;
    qint64 bytes = 0, total = 0;
    double bytesPerSecond = 0;
    qint64 secondsLeft = -1; // -1: not known
    double checked = 0;      // 0 to 1, while Checking
    QString notice;          // a sentence: why it failed, or began anew
    bool gated = false;      // failed for want of an accepted licence or a token
    QString path;            // in the library, when Finished
};

// ---- Bring your own

/// A place that is read where it lies: another program's store, or a folder the person added.
struct StoreRow {
    QString key;  // "ollama"; "folder" for added ones
    QString name; // "Ollama"; empty: its path says it
    QString path;
    int models = 0;
    qint64 bytes = 0;
    int incomplete = 0; // downloads of that program that have not ended
};

enum class ImportHow { InPlace, Copy, Move, HardLink, SymbolicLink };

/// What bringing a file or folder would do; nothing was changed to find out.
struct ImportPlanRow {
    QString path; // empty: nothing is planned
    QString name;
    bool folder = false; // of several models: can only be read in place
    ImportHow how = ImportHow::InPlace;
    LoadState state = LoadState::Ready;
    QString target;
    int files = 1;
    qint64 bytes = 0, writtenBytes = 0, freeBytes = -1; // -1: not asked
    QString duplicateOf;                                // a model of the library with the same bytes
    QString problem;
};

// ---- First run

struct FirstRunRow {
    bool active = false;
    QString language;                // as in SettingsRow
    QVector<CatalogRow> suggestions; // best first, those that fit
    QString machine;                 // "16 GB of memory are free, no GPU"
    bool starter = false;            // the starter model is there
    QString modelFolder, dataFolder;
};

} // namespace hearth::ui
