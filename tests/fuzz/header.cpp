// A model that is judged by the first bytes of its file, before it is downloaded: header, facts, whether it fits.

#include "app/models/files/fit.h"
#include "app/models/files/model_facts.h"
#include "engine/error.h"
#include "engine/gguf.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace hearth;
    const auto bytes = std::as_bytes(std::span(data, size));
    try {
        // All of the file, a beginning of a larger one, and a shorter beginning of the same: none of them reads beyond.
        const uint64_t larger = size + (uint64_t(1) << 30);
        std::optional<engine::GgufPart> part = engine::parseGgufBeginning(bytes, larger, "input");
        if (!part) { // then no beginning of it is enough either
            try {
                if (engine::parseGgufBeginning(bytes.first(size / 2), larger, "input"))
                    std::abort();
            } catch (const engine::Error&) {
                std::abort(); // it was well so far
            }
            return 0;
        }
        std::vector<engine::GgufPart> parts;
        parts.push_back(std::move(*part));
        const engine::Checkpoint checkpoint = engine::Checkpoint::fromParts(std::move(parts));
        const app::ModelFacts facts = app::factsOf(checkpoint, "input.gguf");
        if (!facts.problem.empty() || !facts.cannotRun.empty())
            return 0;
        const app::Fit fit = app::judgeFit(facts.placement, {.freeBytes = uint64_t(16) << 30, .readBandwidth = 2e10},
                                           facts.trainedContext);
        if (fit.largestContext < 0 || !(fit.tokensPerSecond >= 0))
            std::abort();
        app::fitWords(fit);
    } catch (const engine::Error&) {
        // A sentence is the right answer to most inputs.
    }
    return 0;
}
