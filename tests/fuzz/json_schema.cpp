// JSON schemas: any text. What is read as a schema is followed for some bytes, by tokens and by masks, and back again.

#include "engine/error.h"
#include "tests/fuzz/grammar_walk.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace hearth::engine;
    try {
        hearth::test::walk(Grammar::fromJsonSchema({reinterpret_cast<const char*>(data), size}), size);
    } catch (const Error&) {
        // A sentence is the right answer to most inputs.
    }
    return 0;
}
