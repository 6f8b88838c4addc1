#pragma once

#include "app/models/files/file_walk.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

struct evp_md_ctx_st;

namespace hearth::app {

/// Bytes done and bytes in all; false: stop.
using FileProgress = std::function<bool(uint64_t done, uint64_t total)>;

/// A running SHA-256 (FIPS 180-4).
class Sha256 {
public:
    Sha256();
    ~Sha256();
    Sha256(Sha256&&) noexcept;
    Sha256(const Sha256&) = delete;
    Sha256& operator=(const Sha256&) = delete;

    void add(std::span<const std::byte>);
    std::string hex(); // 64 small digits; nothing may be added after

private:
    evp_md_ctx_st* context_;
};

/// Identity of one file, as far as it was taken.
struct TakenHashes {
    std::string sampled, sha256;
};

/// What is known of files already, so that none is read twice while it stays the same. One thread.
class HashCache {
public:
    const TakenHashes* find(const std::string& path, const FileStamp&) const; // null: nothing, or the file changed
    void put(const std::string& path, const FileStamp&, const TakenHashes&);  // what is empty stays

    struct Entry {
        FileStamp stamp;
        TakenHashes hashes;
        bool fresh = false;
    };

    /// Those of an earlier session: not fresh.
    void load(const std::string& path, const FileStamp&, const TakenHashes&);

    const std::map<std::string, Entry>& entries() const { return entries_; } // fresh ones are to be stored

private:
    std::map<std::string, Entry> entries_;
};

/// A cheap identity: files of one size that agree in it are very likely the same. Reads 1 MiB at most. Throws
/// ModelError.
std::string sampledId(const std::string& path, HashCache&);
/// Of the whole file. Nothing: stopped. Throws ModelError.
std::optional<std::string> sha256Of(const std::string& path, HashCache&, const FileProgress& progress = {});

/// Whether two models, of the same number of files, hold the same bytes: sizes first, then samples, then everything.
/// Nothing: stopped. Throws ModelError.
std::optional<bool> sameBytes(const std::vector<std::string>& x, const std::vector<std::string>& y, HashCache&,
                              const FileProgress& progress = {});

} // namespace hearth::app
