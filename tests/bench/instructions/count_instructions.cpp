// What callgrind counts: a short prompt and eight tokens of a tiny model, one thread. See check_instructions.py, which
// runs it. Usage: count_instructions MODEL.gguf [TOKENS]; prints the compiler and whether it optimized.

#include "engine/engine.h"

#include <cstdio>
#include <cstdlib>
#include <exception>

using namespace hearth::engine;

namespace {

GenerationRequest request(int promptTokens, int salt, int maxTokens, int nVocab, int& given) {
    GenerationRequest r;
    for (int i = 0; i < promptTokens; ++i)
        r.prompt.push_back((salt + i * 37 + i * i) % nVocab);
    r.sampling.temperature = 0;
    r.maxTokens = maxTokens;
    r.stopAtEnd = false;
    r.guessAhead = false; // whether a guess is tried depends on how long steps took
    r.onToken = [&given](const TokenOut& token) { given += token.id >= 0; };
    return r;
}

} // namespace

// Named without mangling, for callgrind's options: it counts inside these two only.
extern "C" [[gnu::noipa]] void hearthCountedPrompt(Engine& engine, const int& given) {
    while (given == 0 && engine.step()) {
    }
}

extern "C" [[gnu::noipa]] void hearthCountedTokens(Engine& engine) {
    while (engine.step()) {
    }
}

int main(int argc, char** argv) {
#if defined(__OPTIMIZE__) && defined(NDEBUG) && !defined(__clang__)
    std::printf("g++ %d.%d\n", __GNUC__, __GNUC_MINOR__);
#else
    std::printf("another build\n");
#endif
    if (argc < 2)
        return 2;
    try {
        Engine engine({.backend = "cpu", .threads = 1});
        // 8-bit activations, as in models of ordinary width.
        const ModelId model = engine.load({.path = argv[1], .floatPrompts = false});
        const int nVocab = engine.info(model).nVocab;
        int given = 0;
        engine.start(model, request(8, 1, 2, nVocab, given)); // what happens only once does not count
        while (engine.step()) {
        }
        given = 0;
        const int tokens = argc > 2 ? std::atoi(argv[2]) : 8;
        engine.start(model, request(60, 5, 1 + tokens, nVocab, given)); // fits one page, hence one chunk
        hearthCountedPrompt(engine, given);
        hearthCountedTokens(engine);
        return given == 1 + tokens ? 0 : 1;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
