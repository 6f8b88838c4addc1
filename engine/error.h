#pragma once

#include <stdexcept>

namespace hearth::engine {

/// A sentence a person can read: what happened, where, and what can be done. Thrown on cold paths only.
class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

} // namespace hearth::engine
