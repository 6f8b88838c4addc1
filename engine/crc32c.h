#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace hearth::engine {

/// The CRC of Castagnoli's polynomial (RFC 3720, B.4), continued from an earlier one; 0 begins. It says whether bytes
/// on the disk are still what was written. Any thread.
uint32_t crc32c(std::span<const std::byte> bytes, uint32_t before = 0);

/// The same by table, for processors without the instruction and for the test.
uint32_t crc32cByTable(std::span<const std::byte> bytes, uint32_t before = 0);

} // namespace hearth::engine
