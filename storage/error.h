#pragma once

#include <stdexcept>

namespace hearth::storage {

/// A sentence a person can read: what the database could not do, and what can be done.
class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

} // namespace hearth::storage
