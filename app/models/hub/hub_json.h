#pragma once

#include <nlohmann/json.hpp>

#include <QByteArray>
#include <QDateTime>
#include <QString>
#include <QStringList>

#include <functional>
#include <optional>

namespace hearth::app {

/// Reads a stranger's JSON in memory proportional to what is kept: each object that lies `depth` levels deep is handed
/// over and then forgotten, anything deeper than 32 levels is dropped. `take` returns false when it has enough; the
/// rest is then only looked at for its form. Nothing: it is not JSON.
std::optional<nlohmann::json> readJson(const QByteArray&, int depth,
                                       const std::function<bool(const nlohmann::json&)>& take);

/// The whole of a small reply.
std::optional<nlohmann::json> readJson(const QByteArray&);

/// Fields as they are meant, whatever type they have: missing, null and nonsense give the fallback.
QString textField(const nlohmann::json&, const char* name, int longest = 400);
qint64 countField(const nlohmann::json&, const char* name); // 0 to 2^53; else -1
bool truthField(const nlohmann::json&, const char* name);   // true, or a text that is not "false"
QStringList textsField(const nlohmann::json&, const char* name, int most = 100);
QDateTime timeField(const nlohmann::json&, const char* name);    // ISO 8601, or seconds since 1970
QByteArray sha256Field(const nlohmann::json&, const char* name); // 64 hexadecimal digits, "sha256:" before them or not
const nlohmann::json& objectField(const nlohmann::json&, const char* name); // an empty object where there is none

} // namespace hearth::app
