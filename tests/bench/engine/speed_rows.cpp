// Decode against the memory, prefill against the arithmetic, and what context, company and neighbours leave of them.

#include "engine/checkpoint.h"
#include "tests/bench/engine/busy_programs.h"
#include "tests/bench/engine/limits.h"
#include "tests/bench/engine/rows.h"

#include <algorithm>

namespace hearth::bench {

using namespace engine;

namespace {

constexpr int kSpare = 128; // tokens of context beside what is measured

BenchResult decode(Loaded& model, const Setting& s, int depth = 0, int sequences = 1, int repeat = 1) {
    return model.engine.bench(
        model.id, {.prompt = 0, .generate = s.generate, .depth = depth, .sequences = sequences, .repeat = repeat});
}

/// The rate of the kernel of the type that most weights have.
double kernelGBPerSecond(const Loaded& model, int threads) {
    const kernels::QuantType* type = kernels::findQuantType(model.info().quant);
    return type ? kernelReadRate(*type, threads) / 1e9 : 0;
}

Json decodeWith(const Setting& s, int threads) {
    Loaded model(s.path, threads, s.generate + kSpare);
    const double kernel = kernelGBPerSecond(model, threads);
    const BenchResult r = decode(model, s, 0, 1, s.repeat);
    const double limit = kernel > 0 ? std::min(kernel, r.readGBPerSecond) : r.readGBPerSecond;
    return withGoal({{"threads", threads},
                     {"tokensPerSecond", r.decodeTokensPerSecond},
                     {"decodeGBPerSecond", r.decodeGBPerSecond},
                     {"readGBPerSecond", r.readGBPerSecond},
                     {"kernelGBPerSecond", kernel}},
                    r.decodeGBPerSecond / limit, 0.85);
}

Json decodeOneThread(const Setting& s) {
    return decodeWith(s, 1);
}

Json decodeAllThreads(const Setting& s) {
    return decodeWith(s, s.threads);
}

/// Multiplications that a token of a prompt takes: every weight matrix of the layers once, of experts the chosen ones.
double productsPerToken(const Checkpoint& file) {
    const std::string family = file.metadata().text("general.architecture", "");
    const auto count = static_cast<double>(file.metadata().integer(family + ".expert_count", 1));
    const auto used = static_cast<double>(file.metadata().integer(family + ".expert_used_count", 1));
    double sum = 0;
    for (const TensorEntry& t : file.tensors())
        if (t.name.starts_with("blk.") && t.nDims > 1) {
            const bool experts = t.name.find("_exps.") != std::string::npos;
            sum += static_cast<double>(t.cols()) * static_cast<double>(t.rows()) * (experts ? used / count : 1);
        }
    return sum;
}

Json prefill(const Setting& s) {
    Loaded model(s.path, s.threads, s.prompt + kSpare);
    const Peak before = arithmeticPeak(model.engine.isa(), s.threads);
    const BenchResult r = model.engine.bench(model.id, {.prompt = s.prompt, .generate = 0, .repeat = s.repeat});
    const Peak after = arithmeticPeak(model.engine.isa(), s.threads);
    const double done = 2 * productsPerToken(Checkpoint::open(s.path)) * r.prefillTokensPerSecond;
    Json row = {{"threads", s.threads},
                {"prompt", s.prompt},
                {"tokensPerSecond", r.prefillTokensPerSecond},
                {"firstTokenSeconds", r.firstTokenSeconds},
                {"teraOperationsPerSecond", done / 1e12}};
    const double peak = 0.5 * (before.operationsPerSecond + after.operationsPerSecond);
    if (peak == 0)
        return row;
    row["peakTeraOperationsPerSecond"] = peak / 1e12;
    row["peakOf"] = std::string(before.unit);
    if (before.unit == "bf16 AMX") // models of less than kSmallWidth take three products for one
        return withGoal(std::move(row), done / peak, 0.33);
    row["value"] = done / peak; // the goals for other instructions are relative to another engine: see bench_peers
    return row;
}

/// Latent caches are bound by arithmetic, and smaller ones of blocks are read as fast as they come: their goal is the
/// speed; elsewhere it is the bytes a second.
Json atDepthWith(const Setting& s, KvType kv) {
    const bool latent = Checkpoint::open(s.path).metadata().text("general.architecture", "") == "deepseek2";
    const int wanted = s.depth > 0 ? s.depth : latent ? 4096 : 8192;
    Loaded model(s.path, s.threads, wanted + s.generate + kSpare, kv);
    const int depth = std::min(wanted, model.info().contextTokens - s.generate - kSpare);
    if (depth < 1)
        return skipped("The model's context is too short.");
    const BenchResult before = decode(model, s), deep = decode(model, s, depth), after = decode(model, s);
    const double tokens = 0.5 * (before.decodeTokensPerSecond + after.decodeTokensPerSecond);
    const double bytes = 0.5 * (before.decodeGBPerSecond + after.decodeGBPerSecond);
    Json row = {{"threads", s.threads},
                {"depth", depth},
                {"tokensPerSecond", deep.decodeTokensPerSecond},
                {"tokensPerSecondAt0", tokens},
                {"decodeGBPerSecond", deep.decodeGBPerSecond},
                {"decodeGBPerSecondAt0", bytes},
                {"ofSpeedAt0", deep.decodeTokensPerSecond / tokens}};
    if (latent)
        return withGoal(std::move(row), deep.decodeTokensPerSecond / tokens, deep.isa == "amx" ? 0.75 : 0.5);
    if (kv != KvType::F16)
        return withGoal(std::move(row), deep.decodeTokensPerSecond / tokens, 0.76);
    return withGoal(std::move(row), deep.decodeGBPerSecond / bytes, 0.93);
}

Json atDepth(const Setting& s) {
    return atDepthWith(s, KvType::F16);
}

Json atDepthQ8(const Setting& s) {
    return atDepthWith(s, KvType::Q8_0);
}

Json fourSequences(const Setting& s) {
    Loaded model(s.path, s.threads, s.generate + kSpare);
    const double kernel = kernelGBPerSecond(model, s.threads);
    std::vector<double> one, four, read;
    for (int i = 0; i < s.repeat; ++i) {
        one.push_back(decode(model, s).decodeTokensPerSecond);
        const BenchResult r = decode(model, s, 0, 4);
        four.push_back(r.decodeTokensPerSecond);
        read.push_back(r.readGBPerSecond);
    }
    const bool byMemory = kernel > median(read);
    return withGoal({{"threads", s.threads},
                     {"tokensPerSecondOfOne", median(one)},
                     {"tokensPerSecondOfFour", median(four)},
                     {"readGBPerSecond", median(read)},
                     {"kernelGBPerSecond", kernel},
                     {"boundBy", byMemory ? "memory" : "arithmetic"}},
                    median(four) / median(one), byMemory ? 3 : 2);
}

Json beside(const Setting& s, int programs, double goal) {
    Loaded model(s.path, s.threads, s.generate + kSpare);
    std::vector<double> quiet, busy;
    for (int i = 0; i < s.repeat; ++i) {
        quiet.push_back(decode(model, s).decodeTokensPerSecond);
        const BusyPrograms others(programs);
        busy.push_back(decode(model, s).decodeTokensPerSecond);
    }
    return withGoal({{"threads", s.threads},
                     {"busyPrograms", programs},
                     {"tokensPerSecondQuiet", median(quiet)},
                     {"tokensPerSecond", median(busy)}},
                    median(busy) / median(quiet), goal);
}

Json besideOne(const Setting& s) {
    return beside(s, 1, 0.60);
}

Json besideTwo(const Setting& s) {
    return beside(s, 2, 0.40);
}

constexpr Row kRows[] = {
    {"decode1", "decode with one thread, of the memory's rate or the kernel's own", decodeOneThread},
    {"decode", "decode with all threads, of the memory's rate or the kernel's own", decodeAllThreads},
    {"prefill", "a prompt, of the arithmetic peak", prefill},
    {"depth", "decode in a long context against an empty one", atDepth},
    {"depthq8", "the same with a cache of 8-bit blocks", atDepthQ8},
    {"batch", "four sequences in a batch against one", fourSequences},
    {"busy1", "decode beside one busy program against alone", besideOne},
    {"busy2", "decode beside two busy programs against alone", besideTwo},
};

} // namespace

std::span<const Row> speedRows() {
    return kRows;
}

} // namespace hearth::bench
