#include "engine/crc32c.h"

#include <gtest/gtest.h>

#include <random>
#include <span>
#include <string>
#include <vector>

namespace hearth::engine {
namespace {

TEST(Crc32c, KnownValues) {
    const auto isFor = [](const std::string& text, uint32_t value) {
        const auto bytes = std::as_bytes(std::span(text));
        EXPECT_EQ(crc32c(bytes), value) << text;
        EXPECT_EQ(crc32cByTable(bytes), value) << text;
    };
    isFor("123456789", 0xE3069283u);           // the check value of the catalogues
    isFor(std::string(32, '\0'), 0x8A9136AAu); // RFC 3720, appendix B.4
    isFor(std::string(32, '\xFF'), 0x62A8AB43u);
    isFor("", 0);
}

// The table reads byte after byte, the instruction in streams side by side.
TEST(Crc32c, AnyLengthAndPlaceAndCutIsTheSame) {
    std::mt19937 random(3);
    std::vector<std::byte> all(100'000);
    for (std::byte& b : all)
        b = static_cast<std::byte>(random());
    const std::span<const std::byte> bytes(all);
    for (const size_t length : {0, 1, 7, 8, 9, 4095, 4096, 12287, 12288, 12289, 12295, 24575, 24576, 40000, 99991})
        for (const size_t at : {0, 1, 8}) {
            const auto part = bytes.subspan(at, length);
            const uint32_t whole = crc32cByTable(part);
            EXPECT_EQ(crc32c(part), whole) << length << " from " << at;
            const size_t cut = length == 0 ? 0 : random() % length;
            EXPECT_EQ(crc32c(part.subspan(cut), crc32c(part.first(cut))), whole) << length << " cut at " << cut;
        }
}

} // namespace
} // namespace hearth::engine
