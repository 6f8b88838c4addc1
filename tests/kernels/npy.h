#pragma once

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace hearth::tests {

/// A file of the shared reference data, which need not be there.
inline std::string sharedPath(const std::string& name) {
    const char* shared = std::getenv("HEARTH_SHARED");
    return std::string(shared ? shared : HEARTH_SOURCE_DIR "/../shared") + "/data/" + name;
}

/// Bytes of a file; empty when it cannot be read.
inline std::vector<uint8_t> readBytes(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Numbers of a little-endian float32 .npy of version 1, in order; empty when it is anything else.
inline std::vector<float> readNpy(const std::string& path) {
    const std::vector<uint8_t> bytes = readBytes(path);
    if (bytes.size() < 10 || std::string(bytes.begin() + 1, bytes.begin() + 6) != "NUMPY" || bytes[6] != 1)
        return {};
    const size_t start = 10 + bytes[8] + size_t(bytes[9]) * 256;
    if (start > bytes.size() ||
        std::string(bytes.begin() + 10, bytes.begin() + long(start)).find("'<f4'") == std::string::npos)
        return {};
    std::vector<float> numbers((bytes.size() - start) / 4);
    for (size_t i = 0; i < numbers.size(); ++i) {
        uint32_t word = 0;
        for (size_t b = 0; b < 4; ++b)
            word |= uint32_t(bytes[start + 4 * i + b]) << (8 * b);
        __builtin_memcpy(&numbers[i], &word, 4);
    }
    return numbers;
}

} // namespace hearth::tests
