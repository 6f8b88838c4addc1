#pragma once

#include <stdexcept>

namespace hearth::kernels {

/// What a backend cannot do, in a sentence a person can read.
class BackendError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

} // namespace hearth::kernels
