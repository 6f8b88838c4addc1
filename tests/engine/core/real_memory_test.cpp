// What placement says that running a model takes, against what the system says that the process took: a child loads the
// model, fills its whole context and generates.

#include "engine/engine.h"
#include "tests/oracles/oracle.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

using namespace hearth::engine;
using namespace hearth::test;

namespace {

/// Of a line such as "VmHWM:   1234 kB", in bytes.
uint64_t memory(const char* file, const std::string& key) {
    std::ifstream in(file);
    for (std::string word; in >> word;)
        if (word == key) {
            uint64_t kilobytes = 0;
            in >> kilobytes;
            return kilobytes * 1024;
        }
    return 0;
}

/// Bytes of this process in memory, by what they belong to.
struct Resident {
    uint64_t model = 0;   // pages of the model's file
    uint64_t program = 0; // pages of the program's own file and of libraries: their code and tables
    uint64_t other = 0;   // of no file: heap, stacks, cache, scratch

    uint64_t all() const { return model + program + other; }
};

/// Reads /proc/self/smaps: a line "begin-end rwxp offset device inode /path" for each mapping, lines of its figures
/// below.
Resident resident(const std::string& model) {
    std::ifstream in("/proc/self/smaps");
    Resident out;
    uint64_t* of = &out.other;
    for (std::string line; std::getline(in, line);) {
        const std::string first = line.substr(0, line.find(' '));
        if (first == "Rss:") {
            *of += std::stoull(line.substr(first.size())) * 1024;
        } else if (first.back() != ':') {
            const size_t path = line.find('/');
            of = path == std::string::npos ? &out.other : line.substr(path) == model ? &out.model : &out.program;
        }
    }
    return out;
}

struct Figures {
    Resident grown;    // in the end
    uint64_t most = 0; // on the way, all together
};

/// Loads, fills the context and generates; the engine itself is there before.
Figures fill(const LoadOptions& options) {
    malloc_trim(0); // what the parent has used and freed would be used again, and then is no growth
    Engine engine({.backend = "cpu", .threads = 2});
    const std::string file = std::filesystem::canonical(options.path);
    const Resident before = resident(file);
    std::ofstream("/proc/self/clear_refs") << "5"; // the most ever begins anew
    const ModelId id = engine.load(options);
    const ModelInfo& info = engine.info(id);
    std::vector<TokenId> prompt;
    for (int i = 0; i < options.contextTokens - 17; ++i)
        prompt.push_back(static_cast<TokenId>(5 + i * 7 % (info.nVocab - 5)));
    // In chunks as large as they may be, which a slow machine's are not.
    engine.eval(id, prompt, {.last = 16, .chunk = 0, .restoreAt = 0});
    GenerationRequest request;
    request.prompt = prompt;
    request.maxTokens = 16;
    request.stopAtEnd = false;
    bool done = false;
    request.onFinish = [&](const GenerationSummary& summary) { done = summary.stop == StopReason::MaxTokens; };
    engine.start(id, std::move(request));
    while (engine.step()) {
    }
    if (!done)
        std::_Exit(1);
    const Resident after = resident(file);
    return {.grown = {.model = after.model - before.model,
                      .program = after.program - before.program,
                      .other = after.other - before.other},
            .most = memory("/proc/self/status", "VmHWM:") - before.all()};
}

Figures fillInChild(const LoadOptions& options) {
    int ends[2];
    Figures figures;
    if (pipe(ends) != 0)
        return figures;
    const pid_t child = fork();
    if (child == 0) {
        const Figures mine = fill(options);
        std::_Exit(write(ends[1], &mine, sizeof mine) == sizeof mine ? 0 : 1);
    }
    close(ends[1]);
    if (read(ends[0], &figures, sizeof figures) != sizeof figures)
        figures = {};
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    return figures;
}

void compare(const std::string& path, std::initializer_list<int> contexts) {
    for (const int context : contexts) {
        const LoadOptions options{.path = path, .contextTokens = context, .overrides = {}};
        const Inspection said = inspectFile(options);
        ASSERT_EQ(said.problem, "");
        const auto mb = [](uint64_t bytes) { return static_cast<double>(bytes) / 1e6; };
        // What the first run touches of the program's own code is no part of the model, and depends on the compiler.
        const auto taken = [](const Figures& of) { return of.grown.model + of.grown.other; };
        const auto most = [](const Figures& of) { return of.most - of.grown.program; };
        const auto agrees = [&](const Figures& of) {
            return std::abs(mb(said.totalBytes) / mb(taken(of)) - 1) < 0.05 &&
                   mb(most(of)) < 1.05 * mb(said.totalBytes);
        };
        Figures real = fillInChild(options);
        // A run of fifty or so takes half a MB more, in the end or on the way, probably what the allocator kept:
        // one run of three must agree.
        for (int again = 0; again < 2 && !agrees(real); ++again)
            real = fillInChild(options);
        std::printf(
            "%s, %d tokens: said %.1f MB (weights %.1f, cache %.1f, scratch %.1f), real %.1f MB (%.1f of it not "
            "the file's), %.1f MB at most; %+.1f %%; code %.1f MB besides\n",
            said.info.name.c_str(), context, mb(said.totalBytes), mb(said.weightBytes), mb(said.kvBytes),
            mb(said.scratchBytes), mb(taken(real)), mb(real.grown.other), mb(most(real)),
            100 * (mb(said.totalBytes) / mb(taken(real)) - 1), mb(real.grown.program));
        EXPECT_TRUE(agrees(real)) << "more than 5 % apart";
    }
}

} // namespace

TEST(RealMemory, OfTheStarterModel) {
    const char* folder = std::getenv("HEARTH_MODELS");
    const std::string path = std::string(folder ? folder : "") + "/SmolLM2-135M-Instruct.Q4_1.gguf";
    if (!folder || access(path.c_str(), R_OK) != 0)
        GTEST_SKIP() << "the starter model is not here";
    compare(path, {1024, 4096, 8192});
}

TEST(RealMemory, OfALatentModel) {
    const UnpackedFile file(findData("oracles/deepseek_v2") + "/model.gguf");
    compare(file.path(), {128, 256, 512});
}

/// A benchmark checkpoint of 1b shapes, as shared/tools/make_bench_model.py makes one.
TEST(RealMemory, OfTheOneBillionShape) {
    const char* path = std::getenv("HEARTH_BENCH_MODEL");
    if (!path || access(path, R_OK) != 0)
        GTEST_SKIP() << "HEARTH_BENCH_MODEL names no model";
    compare(path, {512, 2048, 4096});
}
