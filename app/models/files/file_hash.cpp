#include "app/models/files/file_hash.h"

#include "app/models/files/words.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <openssl/evp.h>
#include <unistd.h>
#include <utility>

namespace hearth::app {
namespace {

constexpr size_t kBlock = size_t{4} << 20;
constexpr size_t kSample = size_t{64} << 10;
constexpr uint64_t kSamples = 16;

[[noreturn]] void cannotRead(const std::string& path) {
    throw ModelError({QT_TRANSLATE_NOOP("Models", "The file %1 cannot be read: %2."),
                      {engine::printable(path, 400), std::strerror(errno)}});
}

/// Fills `out` from an offset, less at the end of the file.
size_t readAt(int file, std::span<std::byte> out, uint64_t offset, const std::string& path) {
    size_t have = 0;
    while (have < out.size()) {
        const ssize_t n = pread(file, out.data() + have, out.size() - have, static_cast<off_t>(offset + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            cannotRead(path);
        if (n == 0)
            break;
        have += static_cast<size_t>(n);
    }
    return have;
}

FileStamp stampOrFail(const std::string& path) {
    const std::optional<FileStamp> stamp = stampOf(path);
    if (!stamp) {
        errno = errno ? errno : ENOENT;
        cannotRead(path);
    }
    return *stamp;
}

} // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
    if (!context_ || EVP_DigestInit_ex(context_, EVP_sha256(), nullptr) != 1) {
        EVP_MD_CTX_free(context_);
        throw std::bad_alloc();
    }
}

Sha256::Sha256(Sha256&& other) noexcept : context_(std::exchange(other.context_, nullptr)) {}

Sha256::~Sha256() {
    EVP_MD_CTX_free(context_);
}

void Sha256::add(std::span<const std::byte> bytes) {
    EVP_DigestUpdate(context_, bytes.data(), bytes.size());
}

std::string Sha256::hex() {
    std::array<unsigned char, 32> digest{};
    EVP_DigestFinal_ex(context_, digest.data(), nullptr);
    constexpr char kDigits[] = "0123456789abcdef";
    std::string out;
    for (const unsigned char byte : digest) {
        out += kDigits[byte >> 4];
        out += kDigits[byte & 15];
    }
    return out;
}

const TakenHashes* HashCache::find(const std::string& path, const FileStamp& stamp) const {
    const auto it = entries_.find(path);
    if (it == entries_.end())
        return nullptr;
    // Not the device: some file systems number it anew when they are mounted.
    const FileStamp& known = it->second.stamp;
    const bool same = known.inode == stamp.inode && known.bytes == stamp.bytes && known.modifiedNs == stamp.modifiedNs;
    return same ? &it->second.hashes : nullptr;
}

void HashCache::put(const std::string& path, const FileStamp& stamp, const TakenHashes& hashes) {
    TakenHashes joined = hashes;
    if (const TakenHashes* known = find(path, stamp)) {
        if (joined.sampled.empty())
            joined.sampled = known->sampled;
        if (joined.sha256.empty())
            joined.sha256 = known->sha256;
    }
    entries_[path] = {.stamp = stamp, .hashes = std::move(joined), .fresh = true};
}

void HashCache::load(const std::string& path, const FileStamp& stamp, const TakenHashes& hashes) {
    entries_[path] = {.stamp = stamp, .hashes = hashes};
}

std::string sampledId(const std::string& path, HashCache& cache) {
    const FileStamp stamp = stampOrFail(path);
    if (const TakenHashes* known = cache.find(path, stamp); known && !known->sampled.empty())
        return known->sampled;
    const Descriptor file = openQuietly(path);
    if (!file)
        cannotRead(path);
    Sha256 hash;
    hash.add(std::as_bytes(std::span(&stamp.bytes, 1)));
    std::vector<std::byte> buffer(kSample);
    const uint64_t last = stamp.bytes > kSample ? stamp.bytes - kSample : 0;
    for (uint64_t i = 0; i < kSamples; ++i) {
        // Headers of one model's quants agree, and so may the ends: samples lie over the whole file.
        const uint64_t at = last / (kSamples - 1) * i + (i + 1 == kSamples ? last % (kSamples - 1) : 0);
        hash.add(std::span(buffer).first(readAt(file.fd(), buffer, at, path)));
        if (last == 0)
            break;
    }
    std::string id = hash.hex();
    cache.put(path, stamp, {.sampled = id});
    return id;
}

std::optional<std::string> sha256Of(const std::string& path, HashCache& cache, const FileProgress& progress) {
    const FileStamp stamp = stampOrFail(path);
    if (const TakenHashes* known = cache.find(path, stamp); known && !known->sha256.empty())
        return known->sha256;
    const Descriptor file = openQuietly(path);
    if (!file)
        cannotRead(path);
    posix_fadvise(file.fd(), 0, 0, POSIX_FADV_SEQUENTIAL);
    Sha256 hash;
    std::vector<std::byte> buffer(kBlock);
    for (uint64_t done = 0;;) {
        if (progress && !progress(done, stamp.bytes))
            return std::nullopt;
        const size_t n = readAt(file.fd(), buffer, done, path);
        if (n == 0)
            break;
        hash.add(std::span(buffer).first(n));
        done += n;
    }
    if (stampOf(path) != stamp)
        throw ModelError(
            {QT_TRANSLATE_NOOP("Models", "The file %1 changed while it was read."), {engine::printable(path, 400)}});
    std::string hex = hash.hex();
    cache.put(path, stamp, {.sha256 = hex});
    return hex;
}

std::optional<bool> sameBytes(const std::vector<std::string>& x, const std::vector<std::string>& y, HashCache& cache,
                              const FileProgress& progress) {
    if (x.size() != y.size())
        return false;
    uint64_t total = 0;
    for (size_t i = 0; i < x.size(); ++i) {
        const FileStamp a = stampOrFail(x[i]), b = stampOrFail(y[i]);
        if (a.bytes != b.bytes)
            return false;
        total += 2 * a.bytes;
    }
    for (size_t i = 0; i < x.size(); ++i)
        if (sampledId(x[i], cache) != sampledId(y[i], cache))
            return false;
    uint64_t before = 0;
    const FileProgress within = [&](uint64_t done, uint64_t) { return !progress || progress(before + done, total); };
    for (size_t i = 0; i < x.size(); ++i) {
        const FileStamp a = stampOrFail(x[i]), b = stampOrFail(y[i]);
        if (a.sameFile(b))
            continue;
        const std::optional<std::string> one = sha256Of(x[i], cache, within);
        before += a.bytes;
        const std::optional<std::string> other = one ? sha256Of(y[i], cache, within) : std::nullopt;
        before += b.bytes;
        if (!other)
            return std::nullopt;
        if (*one != *other)
            return false;
    }
    return true;
}

} // namespace hearth::app
