#pragma once

#include <QStringView>

namespace hearth::ui {

/// Whether a host, as an address or a mark has it ("127.0.0.1:8080", "[::1]", "localhost"), is this machine whatever
/// the network: a name other than localhost can mean any. Pure.
bool isThisMachine(QStringView host);

} // namespace hearth::ui
