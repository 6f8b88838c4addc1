#pragma once

#include "engine/error.h"

#include <QString>

#include <exception>

namespace hearth::app {

/// What the engine says, in the window's language: its own sentence in English; in another language one for its kind of
/// trouble, and below it the engine's own, which is exact. Any thread.
QString toldByEngine(const engine::Reason&, const std::string& english);
QString toldByEngine(const std::exception&);

} // namespace hearth::app
