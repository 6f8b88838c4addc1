#include "tests/bench/engine/limits.h"

#include "kernels/backend.h"
#include "tests/kernels/kernel_data.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include "kernels/cpu/amx_tiles.h"
#include <immintrin.h>
#endif

namespace hearth::bench {

using namespace kernels;

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// A backend's memory of that type and size.
Tensor tensor(Backend& backend, Type type, int64_t rows, int64_t cols) {
    const uint64_t stride = rowBytes(type, cols);
    return {backend.allocate(stride * uint64_t(rows)), type, 0, rows, cols, stride};
}

/// One operation that reads the same small matrix again and again, so that starting it does not count.
OperationList repeatedProduct(Backend& backend, const Tensor& weight) {
    constexpr int kTimes = 32;
    OperationList list{.path = Path::Decode, .rows = 1};
    list.batch.rowCount = tensor(backend, Type::I32, 1, 1);
    const int32_t one = 1;
    backend.write(list.batch.rowCount.memory, 0, std::as_bytes(std::span(&one, 1)));
    const Tensor x = tensor(backend, Type::F32, 1, weight.cols);
    const std::vector<float> numbers = tests::randomFloats(size_t(weight.cols), 1);
    backend.write(x.memory, 0, std::as_bytes(std::span(numbers)));
    Activations normed{.f32 = tensor(backend, Type::F32, 1, weight.cols)};
    if (quantType(weight.type).block > 1)
        normed.q8 = tensor(backend, Type::A8, 1, weight.cols);
    list.operations.push_back(Norm{.x = x, .out = normed});
    MatMul product{.x = normed};
    for (int i = 0; i < kTimes; ++i)
        product.parts.push_back({.weight = weight, .out = tensor(backend, Type::F32, 1, weight.rows)});
    list.operations.push_back(std::move(product));
    return list;
}

#if defined(__x86_64__)

// Register-only products, twelve sums at once so that none waits for another. Each returns the operations of a call.

__attribute__((target("avx2"))) double avx2Products() {
    __m256i sums[12] = {};
    __m256i a = _mm256_set1_epi8(1), b = _mm256_set1_epi8(2);
    for (int i = 0; i < 1000; ++i)
#pragma GCC unroll 12
        for (__m256i& sum : sums) {
            __asm__ volatile("" : "+x"(a), "+x"(b));
            sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(a, b));
        }
    for (const __m256i& sum : sums)
        __asm__ volatile("" ::"x"(sum));
    return 1000.0 * 12 * 64;
}

__attribute__((target("avx512f,avx512bw,avx512vnni"))) double vnniProducts() {
    __m512i sums[12] = {};
    __m512i a = _mm512_set1_epi8(1), b = _mm512_set1_epi8(2);
    for (int i = 0; i < 1000; ++i)
#pragma GCC unroll 12
        for (__m512i& sum : sums) {
            __asm__ volatile("" : "+v"(a), "+v"(b));
            sum = _mm512_dpbusd_epi32(sum, a, b);
        }
    for (const __m512i& sum : sums)
        __asm__ volatile("" ::"v"(sum));
    return 1000.0 * 12 * 128;
}

/// Six sums, tiles 0 to 5, of zeros: where the rows "amx" are in use, the process may use tiles.
double tileProducts() {
    using kernels::cpu::Tiles;
    kernels::cpu::TileShapes shapes;
    for (int tile = 0; tile < 8; ++tile)
        shapes.rows[tile] = 16, shapes.rowBytes[tile] = 64;
    Tiles::configure(shapes);
    for (int i = 0; i < 1000; ++i) {
        Tiles::addProduct<0, 6, 7>(), Tiles::addProduct<1, 6, 7>(), Tiles::addProduct<2, 6, 7>();
        Tiles::addProduct<3, 6, 7>(), Tiles::addProduct<4, 6, 7>(), Tiles::addProduct<5, 6, 7>();
    }
    Tiles::release();
    return 1000.0 * 6 * 2 * 16 * 16 * 32;
}

struct Products {
    std::string_view isa, unit;
    double (*run)();
};

constexpr Products kProducts[] = {
    {"amx", "bf16 AMX", tileProducts},
    {"avx512", "int8 AVX-512 VNNI", vnniProducts},
    {"avx2", "int8 AVX2", avx2Products},
};

#endif

} // namespace

double kernelReadRate(const QuantType& type, int threads) {
    constexpr int64_t kCols = 2048, kBytes = 384 << 10; // less than half of the smallest second-level cache in use
    const auto rowSize = int64_t(rowBytes(type.type, kCols));
    const int64_t rows = std::max<int64_t>(8, kBytes / rowSize / 8 * 8);
    const std::vector<std::byte> bytes = tests::randomWeights(type.type, rows, kCols, 1);
    const auto backend = makeCpuBackend({.threads = threads});
    const Tensor weight{backend->adopt(bytes.data(), bytes.size()), type.type, 0, rows, kCols, uint64_t(rowSize)};
    const OperationList list = repeatedProduct(*backend, weight);
    const auto plan = backend->compile(list);
    const double read = double(bytes.size()) * double(std::get<MatMul>(list.operations.back()).parts.size());
    backend->run(*plan);
    double best = 1e9; // of many: a neighbour makes single runs slower, never faster
    for (const auto begin = Clock::now(); secondsSince(begin) < 0.2;) {
        const auto start = Clock::now();
        backend->run(*plan);
        best = std::min(best, secondsSince(start));
    }
    return read / best;
}

Peak arithmeticPeak(std::string_view isa, int threads) {
#if defined(__x86_64__)
    for (const Products& products : kProducts) {
        if (products.isa != isa)
            continue;
        std::atomic<double> total = 0;
        std::vector<std::thread> workers;
        for (int i = 0; i < threads; ++i)
            workers.emplace_back([&] {
                double done = 0;
                const auto begin = Clock::now();
                while (secondsSince(begin) < 0.2)
                    done += products.run();
                total += done / secondsSince(begin);
            });
        for (std::thread& worker : workers)
            worker.join();
        return {products.unit, total};
    }
#endif
    return {};
}

} // namespace hearth::bench
