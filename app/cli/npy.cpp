#include "app/cli/npy.h"

#include "app/cli/common.h"
#include "engine/error.h"

#include <cstring>
#include <string_view>

namespace hearth::cli {

using engine::Error;
using engine::printable;

namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);

} // namespace

void writeNpy(const std::string& path, std::span<const float> numbers, std::span<const size_t> shape) {
    std::string dims;
    for (const size_t n : shape)
        dims += std::to_string(n) + ", ";
    if (shape.size() > 1)
        dims.resize(dims.size() - 2); // "(3, 4)", but "(3, )"
    std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + dims + "), }";
    const size_t fixed = kMagic.size() + 4;
    header.append((64 - (fixed + header.size() + 1) % 64) % 64, ' ');
    header += '\n';
    std::string bytes(kMagic);
    bytes += {'\1', '\0', static_cast<char>(header.size() & 0xFF), static_cast<char>(header.size() >> 8)};
    bytes += header;
    bytes.append(reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes());
    writeWholeFile(path, bytes);
}

std::vector<float> readNpy(const std::string& path) {
    const std::string bytes = readWholeFile(path);
    const auto fail = [&](const char* what) {
        return Error("The file " + printable(path) + " is no .npy that can be read: " + what + ".");
    };
    if (bytes.size() < 12 || !bytes.starts_with(kMagic))
        throw fail("it begins wrongly");
    const auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(bytes[i])); };
    const bool wide = bytes[6] >= 2;
    const size_t length = byte(8) | byte(9) << 8 | (wide ? byte(10) << 16 | byte(11) << 24 : 0);
    const size_t begin = wide ? 12 : 10;
    if (length > bytes.size() - begin)
        throw fail("its header is cut off");
    const std::string_view header = std::string_view(bytes).substr(begin, length);
    if (header.find("'<f4'") == header.npos)
        throw fail("its numbers are not float32");
    if (header.find("'fortran_order': False") == header.npos)
        throw fail("its order is not C's");
    const std::string_view data = std::string_view(bytes).substr(begin + length);
    if (data.size() % sizeof(float) != 0)
        throw fail("it ends within a number");
    std::vector<float> out(data.size() / sizeof(float));
    std::memcpy(out.data(), data.data(), data.size());
    return out;
}

} // namespace hearth::cli
