#pragma once

#include "kernels/backend.h"
#include "tests/kernels/kernel_data.h"

#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace hearth::tests {

inline std::vector<std::string> isaNames() {
    std::vector<std::string> names;
    for (const char* name : {"amx", "amx-emulated", "avx512", "avx512-emulated", "avxvnni", "avx2", "reference"})
        try {
            names.push_back(makeCpuBackend({.threads = 1, .isa = name})->isa());
        } catch (const BackendError&) {
        }
    return names;
}

/// Those of them that multiply in tiles.
inline std::vector<std::string> tiledIsaNames() {
    std::vector<std::string> names = isaNames();
    std::erase_if(names, [](const std::string& isa) { return !cpu::chooseIsa(isa).kernels.gemmBf16; });
    return names;
}

/// Tests of tiles. Where there is neither AMX nor AVX-512 with bf16, nor anything that emulates it, neither the rows of
/// AMX nor their emulation can run: nothing that such a machine ever computes goes untested.
class TileTest : public testing::Test {
protected:
    void SetUp() override {
        if (names.empty())
            GTEST_SKIP()
                << "this processor has neither AMX nor AVX-512 with bf16, so it never runs what is tested here";
    }

    const std::vector<std::string> names = tiledIsaNames();
};

/// A backend and its tensors.
class Machine {
public:
    explicit Machine(int threads = 1, const std::string& isa = {})
        : backend(makeCpuBackend({.threads = threads, .isa = isa})) {}

    Tensor tensor(Type type, int64_t rows, int64_t cols) {
        const uint64_t stride = rowBytes(type, cols);
        return {backend->allocate(stride * uint64_t(rows)), type, 0, rows, cols, stride};
    }

    Tensor floats(int64_t rows, int64_t cols, const std::vector<float>& numbers) {
        const Tensor t = tensor(Type::F32, rows, cols);
        backend->write(t.memory, 0, std::as_bytes(std::span(numbers)));
        return t;
    }

    Tensor indices(const std::vector<int32_t>& numbers, int64_t rows = 1) {
        const Tensor t = tensor(Type::I32, rows, int64_t(numbers.size()) / rows);
        backend->write(t.memory, 0, std::as_bytes(std::span(numbers)));
        return t;
    }

    void set(const Tensor& t, const std::vector<int32_t>& numbers) {
        backend->write(t.memory, 0, std::as_bytes(std::span(numbers)));
    }

    std::vector<float> read(const Tensor& t) {
        std::vector<float> numbers(size_t(t.rows * t.cols));
        backend->read(t.memory, 0, std::as_writable_bytes(std::span(numbers)));
        return numbers;
    }

    Tensor weights(Type type, int64_t rows, int64_t cols, uint32_t seed) {
        Tensor t = adopted(randomWeights(type, rows, cols, seed), type);
        t.rows = rows, t.cols = cols, t.stride = rowBytes(type, cols);
        if (const TestScales s = testScales(type, rows, cols); !s.bytes.empty())
            t.scales = {.memory = adopted(s.bytes, s.type).memory,
                        .type = s.type,
                        .offset = 1,
                        .stride = s.stride(),
                        .blockRows = s.blockRows,
                        .blockCols = s.blockCols,
                        .firstRow = s.firstRow};
        return t;
    }

    Tensor adopted(std::vector<std::byte> bytes, Type type) {
        kept.push_back(std::move(bytes));
        return {.memory = backend->adopt(kept.back().data(), kept.back().size()), .type = type};
    }

    Batch batch(int rows) {
        return {.rowCount = indices({rows}),
                .ids = indices(std::vector<int32_t>(size_t(rows), 0)),
                .positions = indices(std::vector<int32_t>(size_t(rows), 0)),
                .sequences = indices(std::vector<int32_t>(size_t(rows), 0)),
                .outputRows = indices(std::vector<int32_t>(size_t(rows), 0)),
                .outputCount = indices({0})};
    }

    struct Row {
        int32_t position, sequence, id = 0;
    };

    /// Live rows of the next run.
    void setRows(const Batch& b, const std::vector<Row>& rows) {
        set(b.rowCount, {int32_t(rows.size())});
        const auto column = [&](const Tensor& t, int32_t Row::*field) {
            std::vector<int32_t> numbers;
            for (const Row& r : rows)
                numbers.push_back(r.*field);
            set(t, numbers);
        };
        column(b.positions, &Row::position), column(b.sequences, &Row::sequence), column(b.ids, &Row::id);
    }

    /// Rows [first, first + count) of (n, cols) numbers, written to the front of t.
    void setPart(const Tensor& t, const std::vector<float>& all, int64_t first, int64_t count) {
        backend->write(t.memory, 0,
                       std::as_bytes(std::span(all).subspan(size_t(first * t.cols), size_t(count * t.cols))));
    }

    void run(const OperationList& list) {
        const auto plan = backend->compile(list);
        EXPECT_TRUE(backend->run(*plan));
    }

    std::unique_ptr<Backend> backend;
    std::vector<std::vector<std::byte>> kept;
};

inline std::string refusal(Machine& m, const OperationList& list) {
    try {
        m.backend->compile(list);
    } catch (const BackendError& e) {
        return e.what();
    }
    return "accepted";
}

} // namespace hearth::tests
