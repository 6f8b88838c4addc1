#pragma once

#include "engine/jinja/run.h"

#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

namespace hearth::engine::jinja {

/// A parsed template; immutable, any thread. All mistakes and limits come out as engine::Error with a line.
class Template {
public:
    explicit Template(std::string_view source, const Limits& limits = {});
    ~Template();

    /// `fill` sets the variables of this run (Run::setGlobal). It ends within `seconds`, where the limits give more.
    TaggedText render(std::optional<std::tm> now, const std::function<void(Run&)>& fill, double seconds = 1.0) const;

private:
    const Limits limits_;
    std::unique_ptr<const Program> program_;
};

} // namespace hearth::engine::jinja
