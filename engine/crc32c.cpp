#include "engine/crc32c.h"

#include <array>
#include <cstring>

namespace hearth::engine {
namespace {

using ByteTable = std::array<uint32_t, 256>;

constexpr ByteTable makeTable() {
    ByteTable table{};
    for (uint32_t i = 0; i < 256; ++i) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit)
            value = (value >> 1) ^ ((value & 1) != 0 ? 0x82F63B78u : 0u); // the polynomial, bits turned round
        table[i] = value;
    }
    return table;
}

constexpr ByteTable kTable = makeTable();

#if defined(__x86_64__)

/// Bytes of each of the three streams that are read side by side: one alone waits three cycles for each eight bytes.
constexpr size_t kStream = 4096;

inline uint64_t wordAt(const std::byte* bytes) {
    uint64_t word;
    std::memcpy(&word, bytes, 8);
    return word;
}

/// What kStream zero bytes make of a CRC's register. That is linear over GF(2), so each of its four bytes has a table.
class Past {
public:
    Past() {
        std::array<uint32_t, 32> ofBit{};
        for (size_t bit = 0; bit < 32; ++bit) {
            uint32_t value = uint32_t{1} << bit;
            for (size_t i = 0; i < kStream; ++i)
                value = (value >> 8) ^ kTable[value & 0xFF];
            ofBit[bit] = value;
        }
        for (size_t byte = 0; byte < 4; ++byte)
            for (size_t i = 0; i < 256; ++i)
                for (size_t bit = 0; bit < 8; ++bit)
                    of_[byte][i] ^= (i >> bit & 1) != 0 ? ofBit[8 * byte + bit] : 0;
    }

    uint32_t operator()(uint32_t crc) const {
        return of_[0][crc & 0xFF] ^ of_[1][crc >> 8 & 0xFF] ^ of_[2][crc >> 16 & 0xFF] ^ of_[3][crc >> 24];
    }

private:
    std::array<ByteTable, 4> of_{};
};

__attribute__((target("sse4.2"))) uint32_t threeStreams(uint32_t crc, const std::byte* bytes) {
    static const Past past;
    uint64_t a = crc, b = 0, c = 0;
    for (size_t i = 0; i < kStream; i += 8) {
        a = __builtin_ia32_crc32di(a, wordAt(bytes + i));
        b = __builtin_ia32_crc32di(b, wordAt(bytes + kStream + i));
        c = __builtin_ia32_crc32di(c, wordAt(bytes + 2 * kStream + i));
    }
    const uint32_t ab = past(static_cast<uint32_t>(a)) ^ static_cast<uint32_t>(b);
    return past(ab) ^ static_cast<uint32_t>(c);
}

__attribute__((target("sse4.2"))) uint32_t byInstruction(uint32_t before, const std::byte* bytes, size_t n) {
    uint32_t crc = ~before;
    for (; n >= 3 * kStream; n -= 3 * kStream, bytes += 3 * kStream)
        crc = threeStreams(crc, bytes);
    uint64_t wide = crc;
    for (; n >= 8; n -= 8, bytes += 8)
        wide = __builtin_ia32_crc32di(wide, wordAt(bytes));
    crc = static_cast<uint32_t>(wide);
    for (; n > 0; --n, ++bytes)
        crc = __builtin_ia32_crc32qi(crc, static_cast<uint8_t>(*bytes));
    return ~crc;
}

#endif

} // namespace

uint32_t crc32cByTable(std::span<const std::byte> bytes, uint32_t before) {
    uint32_t crc = ~before;
    for (const std::byte b : bytes)
        crc = (crc >> 8) ^ kTable[(crc ^ static_cast<uint32_t>(b)) & 0xFF];
    return ~crc;
}

uint32_t crc32c(std::span<const std::byte> bytes, uint32_t before) {
#if defined(__x86_64__)
    static const bool has = __builtin_cpu_supports("sse4.2") != 0;
    if (has)
        return byInstruction(before, bytes.data(), bytes.size());
#endif
    return crc32cByTable(bytes, before);
}

} // namespace hearth::engine
