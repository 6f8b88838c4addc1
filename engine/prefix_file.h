#pragma once

#include "engine/kv_cache.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace hearth::engine {

/// What a cache holds of one conversation, kept in a file from one session to the next: pages are appended as they
/// become full, branches beside each other. Read as hostile input: what is damaged, and what lies behind it, is as if
/// it had not been stored. A file of another model or of other settings is begun anew. Engine thread.
///
/// Layout, little-endian: a header (magic, version, the cache's key, groups with kind and page bytes, CRC32C), then
/// records of a head of fixed size and a payload, each with its CRC32C. A page: tokens, which groups are there, the key
/// of the pages before, the token ids; the bytes of its pages. A text: its bytes and its token ids.
class PrefixFile {
public:
    /// What was said, as text and as the tokens that were read and written: the same text encoded again may be cut into
    /// other tokens, whose pages nobody has.
    struct Spoken {
        std::string text;
        std::vector<TokenId> tokens;
    };

    /// Opens the file or makes it. Throws Error when that is impossible.
    PrefixFile(std::string path, const KvCache&);
    ~PrefixFile();
    PrefixFile(const PrefixFile&) = delete;
    PrefixFile& operator=(const PrefixFile&) = delete;

    /// Brings into the cache's index what the file has of a prompt and the cache has not. Returns how many tokens of it
    /// the file knew; 0 also where reading failed.
    /// Where `cancel` becomes true it stops at the next page.
    int restore(KvCache&, std::span<const TokenId> prompt, int space, const KvCache::WritePage&,
                const std::atomic<bool>* cancel = nullptr);
    /// Appends the next page that the cache holds of a text and the file lacks. False: there is none, the file has as
    /// much as one may have, or it could not be written; then nothing changed.
    bool append(const KvCache&, std::span<const TokenId> text, int space, const KvCache::ReadPage&);

    /// Appends what was said, unless it is there. False: it could not be written; then nothing changed.
    bool appendSpoken(const Spoken&);
    /// The newest texts, newest first; damaged ones are left out.
    std::vector<Spoken> spoken() const;

    static constexpr uint64_t kMostBytes = uint64_t{2} << 30;   // of a file
    static constexpr uint64_t kFreeReserve = uint64_t{1} << 30; // of the disk that is left to others

    uint64_t bytes() const { return end_; } // of the file that count

    bool empty() const { return byKey_.empty(); } // it has no page

    bool deleted() const; // by somebody, since it was opened

private:
    struct Record {
        Hash128 key, parent;
        uint64_t payload = 0; // offset
        uint64_t present = 0; // a bit a group
        uint32_t checksum = 0;
        std::vector<TokenId> tokens;
    };

    /// A prompt's records in their order, and how much of it they have.
    struct Chain {
        std::vector<const Record*> records;
        int tokens = 0;
    };

    struct Text {
        uint64_t payload = 0; // offset
        uint64_t textBytes = 0, tokens = 0;
        uint32_t checksum = 0;
    };

    static constexpr size_t kTexts = 4; // that spoken() gives at most

    struct KeyHash {
        size_t operator()(const Hash128& h) const { return h.a; }
    };

    bool readHeader(uint64_t fileBytes);
    void writeHeader();
    void readRecords(uint64_t fileBytes);
    bool readPage(uint64_t fileBytes);
    bool readText(uint64_t fileBytes);
    void keep(Record);
    uint64_t payloadBytes(uint64_t present) const;
    const Record* best(const Hash128& parent, std::span<const TokenId> rest) const;
    Chain chain(const KvCache&, std::span<const TokenId> prompt, int space) const;
    bool loadInto(KvCache&, int parent, int& node, const Record&, const std::vector<bool>& wanted,
                  const KvCache::WritePage&);
    void blankRows(std::span<std::byte> page, int group, int from) const;
    bool mayGrow(uint64_t bytes) const;

    std::string path_;
    int fd_ = -1;
    uint64_t end_ = 0; // where the next record goes
    Hash128 cacheKey_;
    KvLayout layout_;
    std::unordered_map<Hash128, std::unique_ptr<Record>, KeyHash> byKey_;
    std::unordered_map<Hash128, std::vector<const Record*>, KeyHash> children_; // by the key of the pages before
    std::vector<Text> texts_;                                                   // oldest first
    std::vector<std::byte> buffer_;                                             // of a page's payload
};

/// Deletes the least recently used of the prefix files in a folder (`*.kv`) until they take at most so many bytes.
/// Files that cannot be deleted stay. Any thread.
void prunePrefixFiles(const std::string& folder, uint64_t most);

} // namespace hearth::engine
