#include "engine/grammar/utf8_ranges.h"

#include <algorithm>

namespace hearth::engine::grammar {

namespace {

constexpr char32_t kLastOfLength[] = {0x7F, 0x7FF, 0xFFFF, kLastChar};

std::array<uint8_t, 4> encoded(char32_t c, int length) {
    constexpr uint8_t kLead[] = {0, 0xC0, 0xE0, 0xF0};
    std::array<uint8_t, 4> bytes{};
    for (int i = length - 1; i > 0; --i, c >>= 6)
        bytes[static_cast<size_t>(i)] = static_cast<uint8_t>(0x80 | (c & 0x3F));
    bytes[0] = static_cast<uint8_t>(kLead[length - 1] | c);
    return bytes;
}

/// Characters of one length. Split where the lower bytes do not run over their whole range, so that each piece is a
/// product of byte ranges.
void split(char32_t first, char32_t last, int length, std::vector<ByteSequence>& out) {
    for (int i = 1; i < length; ++i) {
        const char32_t mask = (char32_t{1} << (6 * i)) - 1;
        if ((first & ~mask) == (last & ~mask))
            continue;
        if ((first & mask) != 0) {
            split(first, first | mask, length, out);
            return split((first | mask) + 1, last, length, out);
        }
        if ((last & mask) != mask) {
            split(first, (last & ~mask) - 1, length, out);
            return split(last & ~mask, last, length, out);
        }
    }
    const auto low = encoded(first, length), high = encoded(last, length);
    ByteSequence s;
    s.length = length;
    for (size_t i = 0; i < static_cast<size_t>(length); ++i)
        s.bytes[i] = {low[i], high[i]};
    out.push_back(s);
}

} // namespace

std::vector<ByteSequence> utf8Sequences(std::span<const CharRange> ranges) {
    std::vector<ByteSequence> out;
    for (const CharRange& r : ranges) {
        char32_t first = r.first;
        for (int length = 1; length <= 4 && first <= r.last; ++length) {
            const char32_t end = std::min(r.last, kLastOfLength[length - 1]);
            if (first > end)
                continue;
            split(first, end, length, out);
            first = end + 1;
        }
    }
    return out;
}

} // namespace hearth::engine::grammar
