#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace hearth::engine {

/// A regular file mapped read-only. Where the file is cut short while it is mapped, reading goes on over zeros instead
/// of ending the process by SIGBUS, and `truncated()` tells it. The bytes may be read on any thread.
class MappedFile {
public:
    explicit MappedFile(const std::string& path); // throws Error: not there, not a regular file, not readable
    ~MappedFile();
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    std::span<const std::byte> bytes() const { return {data_, size_}; }

    const std::string& path() const { return path_; }

    bool truncated() const;

private:
    std::string path_;
    const std::byte* data_ = nullptr;
    size_t size_ = 0;
    int guard_ = -1; // slot of the SIGBUS handler's table
};

} // namespace hearth::engine
