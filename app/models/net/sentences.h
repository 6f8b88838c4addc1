#pragma once

#include <QCoreApplication>
#include <QString>

namespace hearth::app {

/// The context of every sentence about the network.
struct Network {
    Q_DECLARE_TR_FUNCTIONS(Network)
};

/// Text of a server as it may be shown: one line, nothing that turns or hides letters, at most so many characters.
QString shown(const QString& text, int longest = 120);

} // namespace hearth::app
