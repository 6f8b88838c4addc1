#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hearth::storage {

class Database;

/// Where a model came from, as far as it is known.
struct ModelOrigin {
    std::string source; // "huggingface", "modelscope", "ollama", ...; empty: the person's own
    std::string repo, revision, url, license;

    friend bool operator==(const ModelOrigin&, const ModelOrigin&) = default;
};

/// What is remembered of a model, whether or not it is there now. Its path is its identity.
struct ModelRecord {
    std::string path;
    ModelOrigin origin;
    int64_t lastUsedAt = 0;  // ms since 1970; 0: never
    double decodeSpeed = 0;  // tokens a second as measured in a reply; 0: not yet
    double prefillSpeed = 0; // the same for prompts
    int64_t measuredAt = 0;  // ms since 1970
    std::string defaults;    // its own settings, JSON; empty: none
    bool hidden = false;     // not to be listed, though it lies there
    std::string trashPath;   // where it lies in the trash; empty: it is not there
    int64_t trashedAt = 0;   // ms since 1970

    friend bool operator==(const ModelRecord&, const ModelRecord&) = default;
};

/// Which file a hash was taken of. A file that differs in any of these is another one.
struct HashedFile {
    std::string path;
    int64_t inode = 0, bytes = 0;
    int64_t modifiedNs = 0; // since 1970
};

struct FileHashes {
    std::string sampled; // of its size and some of its bytes; empty: not taken
    std::string sha256;  // of all of it, 64 hexadecimal digits; empty: not taken

    friend bool operator==(const FileHashes&, const FileHashes&) = default;
};

/// The tables `models` and `file_hashes`. Each writing function is one transaction. Storage thread only. Throws Error.
class Models {
public:
    explicit Models(Database& db) : db_(db) {}

    std::optional<ModelRecord> find(const std::string& path) const;
    std::vector<ModelRecord> all() const; // by path

    void setOrigin(const std::string& path, const ModelOrigin&);
    void used(const std::string& path, int64_t atMs);
    /// What is 0 was not measured and stays as it was.
    void measured(const std::string& path, double decodeSpeed, double prefillSpeed, int64_t atMs);
    void setDefaults(const std::string& path, const std::string& json);
    void hide(const std::string& path, bool hidden);
    void trash(const std::string& path, const std::string& trashPath, int64_t atMs);
    void untrash(const std::string& path);
    /// The same model lies elsewhere now; what was remembered of the new place goes.
    void moved(const std::string& from, const std::string& to);
    void forget(const std::string& path);

    std::vector<std::pair<HashedFile, FileHashes>> allHashes() const; // by path
    /// Empty where the file changed since, or none was taken.
    FileHashes hashes(const HashedFile&) const;
    /// What is empty stays as it was, if the file is still the same.
    void setHashes(const HashedFile&, const FileHashes&);

private:
    Database& db_;
};

} // namespace hearth::storage
