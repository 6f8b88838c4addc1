// Speed of the kernels without an engine: GB/s of weights for generated tokens, GFLOPS for prompt tokens, and a hash of
// the result. Usage: bench_kernels [--threads N] [--outputs N] [--inputs K] [--type NAME] [--rows R] [--seconds S]

#include "kernels/backend.h"
#include "kernels/quant_types.h"
#include "tests/kernels/kernel_data.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace hearth::kernels;
using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

double processSeconds() {
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return double(t.tv_sec) + double(t.tv_nsec) * 1e-9;
}

struct Options {
    int threads = 0;
    int64_t outputs = 8192, inputs = 2048;
    int rows = 256;
    double seconds = 0.3;
    std::string type; // empty: all
};

Options parse(int argc, char** argv) {
    Options o;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string key = argv[i];
        const char* value = argv[i + 1];
        if (key == "--threads")
            o.threads = std::atoi(value);
        else if (key == "--outputs")
            o.outputs = std::atoll(value);
        else if (key == "--inputs")
            o.inputs = std::atoll(value);
        else if (key == "--rows")
            o.rows = std::atoi(value);
        else if (key == "--seconds")
            o.seconds = std::atof(value);
        else if (key == "--type")
            o.type = value;
    }
    return o;
}

struct Bench {
    Backend& backend;
    Options options;

    Tensor tensor(Type type, int64_t rows, int64_t cols) {
        const uint64_t stride = rowBytes(type, cols);
        return {backend.allocate(stride * uint64_t(rows)), type, 0, rows, cols, stride};
    }

    void run(const QuantType& type, Path path, bool exact) {
        const int rows = path == Path::Decode ? 1 : options.rows;
        const auto bytes = hearth::tests::randomWeights(type.type, options.outputs, options.inputs, 7);
        OperationList list{.path = path, .rows = rows};
        list.batch.rowCount = tensor(Type::I32, 1, 1);
        const int32_t count = rows;
        backend.write(list.batch.rowCount.memory, 0, std::as_bytes(std::span(&count, 1)));
        const Tensor x = tensor(Type::F32, rows, options.inputs), out = tensor(Type::F32, rows, options.outputs);
        std::vector<float> numbers(size_t(rows) * size_t(options.inputs));
        std::mt19937 random(1);
        for (float& f : numbers)
            f = std::normal_distribution<float>()(random);
        backend.write(x.memory, 0, std::as_bytes(std::span(numbers)));
        const MemoryId weights = backend.adopt(bytes.data(), bytes.size());
        Activations normed{.f32 = tensor(Type::F32, rows, options.inputs)};
        if (!exact)
            normed.q8 = tensor(Type::A8, rows, options.inputs);
        list.operations.push_back(Norm{.x = x, .out = normed});
        const Tensor w{weights, type.type, 0, options.outputs, options.inputs, rowBytes(type.type, options.inputs)};
        list.operations.push_back(MatMul{.x = normed, .parts = {{.weight = w, .out = out}}});
        const auto plan = backend.compile(list);
        backend.run(*plan);
        // The best of many runs: a busy neighbour makes single runs slower, never faster.
        double best = 1e9;
        for (const auto begin = Clock::now(); secondsSince(begin) < options.seconds;) {
            const double start = processSeconds();
            const auto startWall = Clock::now();
            backend.run(*plan);
            // One thread: its own time, in which neighbours do not count.
            best = std::min(best, options.threads == 1 ? processSeconds() - start : secondsSince(startWall));
        }
        std::vector<float> result(size_t(rows) * size_t(options.outputs));
        backend.read(out.memory, 0, std::as_writable_bytes(std::span(result)));
        uint64_t hash = 1469598103934665603u; // FNV-1a over the bits
        for (const float f : result) {
            uint32_t bits;
            std::memcpy(&bits, &f, 4);
            hash = (hash ^ bits) * 1099511628211u;
        }
        const double products = double(options.outputs) * double(options.inputs) * rows;
        std::printf("%-7s %-6s %-7s %8.2f GB/s %9.1f GFLOPS  %8.1f us  hash %016llx\n", std::string(type.name).c_str(),
                    exact ? "exact" : "fast", path == Path::Decode ? "decode" : "prefill",
                    double(bytes.size()) / best / 1e9, 2 * products / best / 1e9, best * 1e6,
                    static_cast<unsigned long long>(hash));
        for (const Tensor& t : {list.batch.rowCount, x, out, normed.f32, normed.q8})
            backend.release(t.memory);
        backend.release(weights);
    }
};

} // namespace

int main(int argc, char** argv) {
    const Options options = parse(argc, argv);
    try {
        const auto backend = makeCpuBackend({.threads = options.threads});
        std::vector<std::byte> sample(size_t(256) << 20, std::byte(1));
        std::printf("isa %s, weights %lld x %lld, reading %.1f GB/s\n", backend->isa().c_str(),
                    static_cast<long long>(options.outputs), static_cast<long long>(options.inputs),
                    backend->measureReadBandwidth(sample) / 1e9);
        Bench bench{*backend, options};
        for (const QuantType& type : quantTypes()) {
            if (!options.type.empty() && options.type != type.name)
                continue;
            if (type.block > 1) {
                bench.run(type, Path::Decode, false);
                bench.run(type, Path::Prefill, false);
            }
            bench.run(type, Path::Decode, true);
            bench.run(type, Path::Prefill, true);
        }
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
    return 0;
}
