#include "engine/prefix_file.h"

#include "engine/crc32c.h"
#include "engine/error.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace hearth::engine {

namespace {

static_assert(std::endian::native == std::endian::little, "the file's numbers are written as they lie in memory");

constexpr uint32_t kFileMagic = 0x46564B48; // "HKVF"
constexpr uint32_t kPageMagic = 0x47504B48; // "HKPG"
constexpr uint32_t kTextMagic = 0x58544B48; // "HKTX"
constexpr uint32_t kVersion = 1;
constexpr size_t kMostGroups = 64;
constexpr size_t kMostRecords = 1 << 16;               // of each kind
constexpr uint64_t kMostTextBytes = uint64_t{1} << 26; // of a text and its tokens

struct FileHead {
    uint32_t magic = kFileMagic, version = kVersion;
    uint64_t keyA = 0, keyB = 0;
    uint32_t type = 0, groups = 0;

    struct Group {
        uint32_t kind = 0, window = 0;
        uint64_t pageBytes = 0;
    };

    std::array<Group, kMostGroups> group{};
    uint32_t zero = 0, checksum = 0;
};

struct PageHead {
    uint32_t magic = kPageMagic, count = 0;
    uint64_t present = 0, parentA = 0, parentB = 0;
    std::array<int32_t, kPageTokens> tokens{};
    uint32_t payloadChecksum = 0, checksum = 0;
};

struct TextHead {
    uint32_t magic = kTextMagic, zero = 0;
    uint64_t textBytes = 0, tokens = 0;
    uint32_t payloadChecksum = 0, checksum = 0;
};

static_assert(std::has_unique_object_representations_v<TextHead>, "padding would be written");
static_assert(std::has_unique_object_representations_v<FileHead> && std::has_unique_object_representations_v<PageHead>,
              "padding would be written");

template <typename Head>
std::span<std::byte> bytesOf(Head& head) {
    return std::as_writable_bytes(std::span(&head, 1));
}

/// Of all but the checksum itself, which is last.
template <typename Head>
uint32_t checksumOf(const Head& head) {
    return crc32c(std::as_bytes(std::span(&head, 1)).first(sizeof(Head) - sizeof(uint32_t)));
}

bool readAll(int fd, uint64_t offset, std::span<std::byte> out) {
    while (!out.empty()) {
        const ssize_t n = pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        out = out.subspan(static_cast<size_t>(n));
        offset += static_cast<uint64_t>(n);
    }
    return true;
}

bool writeAll(int fd, uint64_t offset, std::span<const std::byte> in) {
    while (!in.empty()) {
        const ssize_t n = pwrite(fd, in.data(), in.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        in = in.subspan(static_cast<size_t>(n));
        offset += static_cast<uint64_t>(n);
    }
    return true;
}

FileHead headOf(const Hash128& key, const KvLayout& layout) {
    FileHead head;
    head.keyA = key.a;
    head.keyB = key.b;
    head.type = static_cast<uint32_t>(layout.type);
    head.groups = static_cast<uint32_t>(layout.groups.size());
    for (size_t g = 0; g < layout.groups.size(); ++g)
        head.group[g] = {.kind = static_cast<uint32_t>(layout.groups[g].kind.tag),
                         .window = static_cast<uint32_t>(layout.groups[g].kind.window),
                         .pageBytes = layout.groups[g].pageBytes};
    head.checksum = checksumOf(head);
    return head;
}

size_t commonTokens(std::span<const TokenId> x, std::span<const TokenId> y) {
    const auto n = static_cast<std::ptrdiff_t>(std::min(x.size(), y.size()));
    return static_cast<size_t>(std::mismatch(x.begin(), x.begin() + n, y.begin()).first - x.begin());
}

} // namespace

// ---- opening

PrefixFile::PrefixFile(std::string path, const KvCache& cache)
    : path_(std::move(path)), cacheKey_(cache.key()), layout_(cache.layout()) {
    if (layout_.groups.size() > kMostGroups)
        throw Error("The cache of this model has too many kinds of layers to be stored.");
    fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    struct stat status {};

    if (fd_ < 0 || fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) {
        const int why = fd_ < 0 ? errno : EINVAL;
        if (fd_ >= 0)
            close(fd_);
        throw Error("The file " + printable(path_, 400) + " cannot be used: " + std::strerror(why) + ".");
    }
    const auto fileBytes = static_cast<uint64_t>(status.st_size);
    try {
        if (readHeader(fileBytes))
            readRecords(fileBytes);
        else
            writeHeader();
    } catch (...) {
        close(fd_);
        throw;
    }
}

PrefixFile::~PrefixFile() {
    close(fd_);
}

bool PrefixFile::deleted() const {
    struct stat status {};

    return fstat(fd_, &status) != 0 || status.st_nlink == 0;
}

bool PrefixFile::readHeader(uint64_t fileBytes) {
    FileHead head;
    const FileHead own = headOf(cacheKey_, layout_);
    return fileBytes >= sizeof head && readAll(fd_, 0, bytesOf(head)) && std::memcmp(&head, &own, sizeof head) == 0;
}

void PrefixFile::writeHeader() {
    FileHead head = headOf(cacheKey_, layout_);
    end_ = sizeof head;
    if (ftruncate(fd_, 0) != 0 || !writeAll(fd_, 0, bytesOf(head))) {
        const int why = errno;
        throw Error("The file " + printable(path_, 400) + " cannot be written: " + std::strerror(why) + ".");
    }
}

void PrefixFile::readRecords(uint64_t fileBytes) {
    end_ = sizeof(FileHead);
    const auto full = [&] { return byKey_.size() >= kMostRecords || texts_.size() >= kMostRecords; };
    while (!full() && (readPage(fileBytes) || readText(fileBytes))) {
    }
}

/// A record from end_ on. False: what is there is no page that counts.
bool PrefixFile::readPage(uint64_t fileBytes) {
    PageHead head;
    if (fileBytes - end_ < sizeof head || !readAll(fd_, end_, bytesOf(head)))
        return false;
    const uint64_t groups = layout_.groups.size();
    const bool sound = head.magic == kPageMagic && head.checksum == checksumOf(head) && head.count > 0 &&
                       head.count <= kPageTokens && head.present != 0 && (groups == 64 || head.present >> groups == 0);
    if (!sound || payloadBytes(head.present) > fileBytes - end_ - sizeof head)
        return false;
    Record record{.parent = {.a = head.parentA, .b = head.parentB},
                  .payload = end_ + sizeof head,
                  .present = head.present,
                  .checksum = head.payloadChecksum,
                  .tokens = {head.tokens.begin(), head.tokens.begin() + head.count}};
    record.key = pageKey(record.parent, record.tokens);
    end_ = record.payload + payloadBytes(head.present);
    keep(std::move(record));
    return true;
}

bool PrefixFile::readText(uint64_t fileBytes) {
    TextHead head;
    if (fileBytes - end_ < sizeof head || !readAll(fd_, end_, bytesOf(head)))
        return false;
    const uint64_t rest = fileBytes - end_ - sizeof head;
    const bool sound = head.magic == kTextMagic && head.checksum == checksumOf(head) &&
                       head.textBytes <= std::min(rest, kMostTextBytes) &&
                       head.tokens <= (std::min(rest, kMostTextBytes) - head.textBytes) / sizeof(TokenId);
    if (!sound)
        return false;
    texts_.push_back({.payload = end_ + sizeof head,
                      .textBytes = head.textBytes,
                      .tokens = head.tokens,
                      .checksum = head.payloadChecksum});
    end_ += sizeof head + head.textBytes + head.tokens * sizeof(TokenId);
    return true;
}

void PrefixFile::keep(Record record) {
    const Hash128 key = record.key;
    auto& place = byKey_[key];
    if (place) // the newer one has more: a snapshot that was taken since
        std::erase(children_[place->parent], place.get());
    place = std::make_unique<Record>(std::move(record));
    children_[place->parent].push_back(place.get());
}

uint64_t PrefixFile::payloadBytes(uint64_t present) const {
    uint64_t bytes = 0;
    for (size_t g = 0; g < layout_.groups.size(); ++g)
        if ((present >> g & 1) != 0)
            bytes += layout_.groups[g].pageBytes;
    return bytes;
}

// ---- reading

/// The record behind these pages that has most of what follows: a whole page, or a part.
const PrefixFile::Record* PrefixFile::best(const Hash128& parent, std::span<const TokenId> rest) const {
    const auto found = children_.find(parent);
    if (found == children_.end())
        return nullptr;
    const Record* best = nullptr;
    size_t most = 0;
    for (const Record* record : found->second)
        if (const size_t n = commonTokens(record->tokens, rest); n > most) {
            most = n;
            best = record;
        }
    return best;
}

/// Where the model has recurrent states the chain ends at a record that has them, and whose tokens are all in the
/// prompt.
PrefixFile::Chain PrefixFile::chain(const KvCache& cache, std::span<const TokenId> prompt, int space) const {
    Chain chain;
    std::vector<size_t> common;
    Hash128 key = cache.rootKey(space);
    for (size_t at = 0; at < prompt.size(); at += kPageTokens) {
        const std::span<const TokenId> rest = prompt.subspan(at);
        const Record* record = best(key, rest);
        if (!record)
            break;
        chain.records.push_back(record);
        common.push_back(commonTokens(record->tokens, rest));
        if (common.back() < kPageTokens)
            break;
        key = record->key;
    }
    const auto usableEnd = [&] {
        const Record& last = *chain.records.back();
        for (size_t g = 0; g < layout_.groups.size(); ++g)
            if (layout_.groups[g].kind.tag == KvKind::Tag::State &&
                ((last.present >> g & 1) == 0 || common.back() != last.tokens.size()))
                return false;
        return true;
    };
    while (!chain.records.empty() && !usableEnd()) {
        chain.records.pop_back();
        common.pop_back();
    }
    for (const size_t n : common)
        chain.tokens += static_cast<int>(n);
    return chain;
}

/// Puts what is wanted of a record behind `parent` in the index, reading it where the cache lacks some of it. False: it
/// is damaged, or there is no room.
bool PrefixFile::loadInto(KvCache& cache, int parent, int& node, const Record& record, const std::vector<bool>& wanted,
                          const KvCache::WritePage& write) {
    node = cache.indexedChild(parent, record.tokens);
    bool lacks = node < 0;
    for (size_t g = 0; g < wanted.size() && !lacks; ++g)
        lacks = wanted[g] && !cache.holds(node, static_cast<int>(g));
    if (!lacks)
        return true;
    buffer_.resize(payloadBytes(record.present));
    if (!readAll(fd_, record.payload, buffer_) || crc32c(buffer_) != record.checksum)
        return false;
    std::vector<std::span<const std::byte>> pages(wanted.size());
    std::span<const std::byte> rest = buffer_;
    for (size_t g = 0; g < wanted.size(); ++g) {
        if ((record.present >> g & 1) == 0)
            continue;
        const uint64_t bytes = layout_.groups[g].pageBytes;
        if (wanted[g])
            pages[g] = rest.first(bytes);
        rest = rest.subspan(bytes);
    }
    node = cache.adopt(parent, record.tokens, pages, write);
    return node >= 0;
}

int PrefixFile::restore(KvCache& cache, std::span<const TokenId> prompt, int space, const KvCache::WritePage& write,
                        const std::atomic<bool>* cancel) {
    const Chain known = chain(cache, prompt, space);
    futimens(fd_, nullptr);        // used now: prunePrefixFiles() takes the oldest first
    int begin = 0, parent = space; // the roots are numbered so
    for (const Record* record : known.records) {
        if (cancel && cancel->load(std::memory_order_relaxed))
            break;
        std::vector<bool> wanted(layout_.groups.size());
        for (size_t g = 0; g < wanted.size(); ++g)
            wanted[g] = (record->present >> g & 1) != 0 &&
                        cache.neededAt(static_cast<int>(g), begin, known.tokens, record == known.records.back());
        int node = -1;
        if (!loadInto(cache, parent, node, *record, wanted, write))
            break;
        parent = node;
        begin += static_cast<int>(record->tokens.size());
    }
    return std::min(begin, known.tokens);
}

// ---- writing

/// A page was another's before it was this one's: what lies behind its tokens is nobody's business.
void PrefixFile::blankRows(std::span<std::byte> page, int group, int from) const {
    const auto first = static_cast<uint64_t>(from), left = static_cast<uint64_t>(kPageTokens - from);
    const auto blank = [&](uint64_t offset, const kernels::CacheArea& area) {
        const auto head = page.subspan(offset, area.bytes(kPageTokens));
        std::ranges::fill(head.subspan(first * area.rowBytes, left * area.rowBytes), std::byte{});
        for (uint64_t block = 0; block < area.blocks; ++block)
            std::ranges::fill(head.subspan(area.scaleAt(block, first, kPageTokens), left * area.kScaleBytes),
                              std::byte{});
    };
    for (const KvPlace& place : layout_.places) {
        if (place.group != group || from >= kPageTokens)
            continue;
        for (uint64_t head = 0; head < static_cast<uint64_t>(place.heads); ++head) {
            blank(place.kOffset + head * place.kArea.bytes(kPageTokens), place.kArea);
            blank(place.vOffset + head * place.vArea.bytes(kPageTokens), place.vArea);
        }
    }
}

bool PrefixFile::mayGrow(uint64_t bytes) const {
    struct statvfs disk {};

    if (end_ + bytes > kMostBytes || fstatvfs(fd_, &disk) != 0)
        return false;
    return uint64_t{disk.f_bavail} * disk.f_frsize >= kFreeReserve + bytes;
}

bool PrefixFile::append(const KvCache& cache, std::span<const TokenId> text, int space, const KvCache::ReadPage& read) {
    for (const KvCache::IndexedPage& page : cache.indexed(text, space)) {
        PageHead head{
            .count = static_cast<uint32_t>(page.tokens.size()), .parentA = page.parent.a, .parentB = page.parent.b};
        for (size_t g = 0; g < page.pages.size(); ++g)
            head.present |= uint64_t{page.pages[g] >= 0} << g;
        const auto known = byKey_.find(page.key);
        if (head.present == 0 || (known != byKey_.end() && (head.present & ~known->second->present) == 0))
            continue;
        if (!mayGrow(sizeof head + payloadBytes(head.present)))
            return false;
        buffer_.resize(payloadBytes(head.present));
        std::span<std::byte> rest = buffer_;
        for (size_t g = 0; g < page.pages.size(); ++g)
            if (page.pages[g] >= 0) {
                read(static_cast<int>(g), page.pages[g], rest.first(layout_.groups[g].pageBytes));
                blankRows(rest.first(layout_.groups[g].pageBytes), static_cast<int>(g),
                          static_cast<int>(page.tokens.size()));
                rest = rest.subspan(layout_.groups[g].pageBytes);
            }
        std::copy(page.tokens.begin(), page.tokens.end(), head.tokens.begin());
        head.payloadChecksum = crc32c(buffer_);
        head.checksum = checksumOf(head);
        // The head last: a record whose bytes were cut off is none.
        if (!writeAll(fd_, end_ + sizeof head, buffer_) || !writeAll(fd_, end_, bytesOf(head)))
            return false;
        keep({.key = page.key,
              .parent = page.parent,
              .payload = end_ + sizeof head,
              .present = head.present,
              .checksum = head.payloadChecksum,
              .tokens = {page.tokens.begin(), page.tokens.end()}});
        end_ += sizeof head + buffer_.size();
        return true;
    }
    return false;
}

bool PrefixFile::appendSpoken(const Spoken& spoken) {
    TextHead head{.textBytes = spoken.text.size(), .tokens = spoken.tokens.size()};
    const auto tokens = std::as_bytes(std::span(spoken.tokens));
    const uint64_t bytes = spoken.text.size() + tokens.size();
    if (bytes > kMostTextBytes || !mayGrow(sizeof head + bytes))
        return false;
    buffer_.resize(spoken.text.size() + tokens.size());
    std::memcpy(buffer_.data(), spoken.text.data(), spoken.text.size());
    std::copy(tokens.begin(), tokens.end(), buffer_.begin() + static_cast<std::ptrdiff_t>(spoken.text.size()));
    head.payloadChecksum = crc32c(buffer_);
    head.checksum = checksumOf(head);
    const auto same = [&](const Text& t) {
        return t.checksum == head.payloadChecksum && t.textBytes == head.textBytes && t.tokens == head.tokens;
    };
    if (std::any_of(texts_.begin(), texts_.end(), same))
        return true;
    if (!writeAll(fd_, end_ + sizeof head, buffer_) || !writeAll(fd_, end_, bytesOf(head)))
        return false;
    texts_.push_back({.payload = end_ + sizeof head,
                      .textBytes = head.textBytes,
                      .tokens = head.tokens,
                      .checksum = head.payloadChecksum});
    end_ += sizeof head + buffer_.size();
    return true;
}

std::vector<PrefixFile::Spoken> PrefixFile::spoken() const {
    std::vector<Spoken> out;
    for (auto text = texts_.rbegin(); text != texts_.rend() && out.size() < kTexts; ++text) {
        std::vector<std::byte> bytes(text->textBytes + text->tokens * sizeof(TokenId));
        if (!readAll(fd_, text->payload, bytes) || crc32c(bytes) != text->checksum)
            continue;
        Spoken spoken;
        spoken.text.assign(reinterpret_cast<const char*>(bytes.data()), text->textBytes);
        spoken.tokens.resize(text->tokens);
        if (text->tokens > 0)
            std::memcpy(spoken.tokens.data(), bytes.data() + text->textBytes, text->tokens * sizeof(TokenId));
        out.push_back(std::move(spoken));
    }
    return out;
}

void prunePrefixFiles(const std::string& folder, uint64_t most) {
    namespace fs = std::filesystem;

    struct File {
        fs::path path;
        fs::file_time_type used;
        uint64_t bytes = 0;
    };

    std::vector<File> files;
    uint64_t sum = 0;
    std::error_code error;
    for (fs::directory_iterator it(folder, error), none; !error && it != none; it.increment(error)) {
        std::error_code skipped;
        if (it->path().extension() != ".kv" || !it->is_regular_file(skipped) || it->is_symlink(skipped))
            continue;
        File file{.path = it->path(), .used = it->last_write_time(skipped), .bytes = it->file_size(skipped)};
        if (skipped)
            continue;
        sum += file.bytes;
        files.push_back(std::move(file));
    }
    std::sort(files.begin(), files.end(), [](const File& a, const File& b) { return a.used < b.used; });
    for (const File& file : files) {
        if (sum <= most)
            return;
        if (fs::remove(file.path, error))
            sum -= file.bytes;
    }
}

} // namespace hearth::engine
