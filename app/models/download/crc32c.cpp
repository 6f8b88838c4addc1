#include "app/models/download/crc32c.h"

#include <array>
#include <cstring>

namespace hearth::app {
namespace {

constexpr std::array<uint32_t, 256> makeTable() {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit)
            value = (value >> 1) ^ (value & 1 ? 0x82F63B78u : 0u); // the polynomial, bits turned round
        table[i] = value;
    }
    return table;
}

constexpr std::array<uint32_t, 256> kTable = makeTable();

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t crcByInstruction(uint32_t before, const std::byte* bytes, size_t n) {
    uint64_t crc = ~before;
    for (; n >= 8; n -= 8, bytes += 8) {
        uint64_t word;
        std::memcpy(&word, bytes, 8);
        crc = __builtin_ia32_crc32di(crc, word);
    }
    auto low = static_cast<uint32_t>(crc);
    for (; n > 0; --n, ++bytes)
        low = __builtin_ia32_crc32qi(low, static_cast<uint8_t>(*bytes));
    return ~low;
}
#endif

} // namespace

uint32_t crc32cByTable(uint32_t before, std::span<const std::byte> bytes) {
    uint32_t crc = ~before;
    for (const std::byte b : bytes)
        crc = (crc >> 8) ^ kTable[(crc ^ static_cast<uint32_t>(b)) & 0xFF];
    return ~crc;
}

uint32_t crc32c(uint32_t before, std::span<const std::byte> bytes) {
#if defined(__x86_64__)
    static const bool has = __builtin_cpu_supports("sse4.2");
    if (has)
        return crcByInstruction(before, bytes.data(), bytes.size());
#endif
    return crc32cByTable(before, bytes);
}

} // namespace hearth::app
