// The GGUF reader and what is built from its numbers alone: configuration, tensor list, placement.

#include "engine/gguf.h"
#include "engine/error.h"
#include "engine/model.h"
#include "engine/placement.h"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace hearth::engine;
    try {
        parseGgufBeginning({reinterpret_cast<const std::byte*>(data), size / 2}, size, "input"); // as over a line
    } catch (const Error&) {
    }
    try {
        const GgufPart part = parseGguf({reinterpret_cast<const std::byte*>(data), size}, "input");
        const Checkpoint checkpoint = Checkpoint::fromPart(part);
        const ModelConfig config = readModelConfig(checkpoint);
        planPlacement(placementInput(checkpoint, config, {}));
    } catch (const Error&) {
        // A sentence is the right answer to most inputs.
    }
    return 0;
}
