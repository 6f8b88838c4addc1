#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace hearth::app {

/// The CRC of Castagnoli's polynomial (RFC 3720, B.4), continued from an earlier one; 0 begins. It says whether a chunk
/// on the disk is still what was received; whether that was right, SHA-256 says.
uint32_t crc32c(uint32_t before, std::span<const std::byte> bytes);

/// The same by table, for processors without the instruction and for the test.
uint32_t crc32cByTable(uint32_t before, std::span<const std::byte> bytes);

} // namespace hearth::app
