#pragma once

#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonValue>
#include <QTest>

#include <optional>

namespace hearth::ui::test {

/// CommonMark's 652 examples, from the package of another reader of Markdown (their licence keeps them out of this
/// repository). HEARTH_COMMONMARK names the file; tests/run, which installs the package, sets it. Absent: nobody named
/// one and the package is not there.
inline std::optional<QJsonArray> standardExamples() {
    const QString named = qEnvironmentVariable("HEARTH_COMMONMARK");
    QFile file(named.isEmpty() ? QStringLiteral("/usr/share/gocode/src/github.com/yuin/goldmark/_test/spec.json")
                               : named);
    if (!file.open(QIODevice::ReadOnly) && named.isEmpty())
        return std::nullopt;
    return QJsonDocument::fromJson(file.readAll()).array(); // empty where the named one cannot be read: a failure
}

inline const char* const kNoExamples = "the examples of CommonMark are not installed (see installer/dependencies)";

} // namespace hearth::ui::test
