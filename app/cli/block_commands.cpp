// dequantize, encode: raw blocks of a quantized type and float32.

#include "app/cli/commands.h"
#include "app/cli/common.h"
#include "app/cli/npy.h"

#include <span>

namespace hearth::cli {

int runDequantize(const Arguments& a) {
    const std::string blocks = readWholeFile(a.text("--in"));
    const std::vector<float> numbers = engine::dequantize(a.text("--type"), std::as_bytes(std::span(blocks)));
    const size_t shape[] = {numbers.size()};
    writeNpy(a.text("--out"), numbers, shape);
    return 0;
}

int runEncode(const Arguments& a) {
    const std::vector<std::byte> blocks = engine::quantize(a.text("--type"), readNpy(a.text("--in")));
    writeWholeFile(a.text("--out"), {reinterpret_cast<const char*>(blocks.data()), blocks.size()});
    return 0;
}

} // namespace hearth::cli
