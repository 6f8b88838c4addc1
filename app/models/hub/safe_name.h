#pragma once

#include <QString>

namespace hearth::app {

/// A file name of ours for what a server calls its file: the last part of it, without anything that a file system, a
/// shell or a reader could take for something else. Never empty, never hidden, at most 200 bytes; the ending stays.
QString safeFileName(const QString& fromServer);

/// The name itself where nothing of it lies in the folder (links to nowhere and names in other case count), else with a
/// number: "x (2).gguf".
QString unusedName(const QString& folder, const QString& name);

} // namespace hearth::app
