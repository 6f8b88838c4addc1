#pragma once

#include <stdexcept>
#include <string>

struct sqlite3;

namespace hearth::storage {

/// A sentence a person can read: what the database could not do, and what can be done.
class Error : public std::runtime_error {
public:
    explicit Error(const std::string& sentence, int code = 0) : std::runtime_error(sentence), code_(code) {}

    int code() const { return code_; } // SQLite's extended result code; 0: not SQLite's

    bool isDiskFull() const; // nothing acknowledged is lost; the same call works again when there is space
    bool isDamage() const;   // pages of the file contradict each other

private:
    int code_ = 0;
};

/// Throws the sentence for what `connection` just answered. `connection` may be null.
[[noreturn]] void fail(sqlite3* connection, int code);

} // namespace hearth::storage
