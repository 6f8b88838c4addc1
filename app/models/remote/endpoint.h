#pragma once

#include "storage/remotes.h"

#include <QString>
#include <QStringView>
#include <QUrl>

#include <optional>
#include <string>
#include <string_view>

namespace hearth::app {

/// What a server understands beyond the fields that all of them do. It says who it is in `owned_by` of its list of
/// models.
struct RemoteKind {
    const char* id;      // as stored, and as `owned_by` has it
    const char* name;    // as a person knows it
    bool samplesMore;    // top_k and min_p
    const char* penalty; // the field of the repetition penalty; null: it has none

    enum class Continues { No, ByItself, Asked } continues;   // a last message of the assistant is written on
    enum class Thinking { Fixed, Template, Effort } thinking; // how thoughts are switched off, if they can be
};

/// By `owned_by`; the last one, of which nothing is assumed, where it is none of them.
const RemoteKind& remoteKind(std::string_view ownedBy);

/// A server elsewhere that speaks the interface of OpenAI, as a model of the library.
struct RemoteEndpoint {
    QString id, name;
    QUrl base; // "https://example/v1"
    QString model;
    const RemoteKind* kind = &remoteKind({});
    int contextTokens = kDefaultContext;
    bool contextGiven = false; // by the person: what the server tells of it is not taken
    bool on = false;
    bool hasKey = false;
    bool plainAllowed = false;

    static constexpr int kDefaultContext = 4096, kLeastContext = 512, kMostContext = 16'777'216; // tokens
    static constexpr int kLongestName = 80, kLongestModel = 400;                                 // characters

    /// What stands for it where a model's path does.
    QString path() const;
    /// "gpu.example", "127.0.0.1:8080": as replies are marked with.
    QString host() const;
};

/// "remote:ID": no path of a file, which are all absolute.
bool isRemotePath(QStringView path);
bool isRemotePath(std::string_view path);
QString remoteId(const QString& path); // empty: it is none

/// Tolerant: what a database has that cannot be is as nothing is set.
RemoteEndpoint endpointOf(const storage::Remote&);
storage::Remote storedEndpoint(const RemoteEndpoint&);

/// The address as a person types it: without a scheme, with the path of one of the interface's requests at its end, or
/// with none at all. Nothing: it is no address; `problem` then has a sentence.
std::optional<QUrl> baseAddress(const QString& typed, QString* problem);

/// Whether what is sent there can be read on the way, and so needs the person's word: http to anything but this machine
/// and private addresses. A name counts as far away, since what it means can change.
bool isExposed(const QUrl& base);

/// "GPU at work" becomes "gpu-at-work-" and twelve digits by chance: a chat of an engine that was removed never goes to
/// another one, whatever its name.
QString newRemoteId(const QString& name);

/// Under which its key lies in the keyring: bound to the address, so that another one never gets it.
QString remoteKeyName(const RemoteEndpoint&);

} // namespace hearth::app
