#pragma once

#include "kernels/cpu/memories.h"
#include "kernels/cpu/stages.h"
#include "kernels/error.h"
#include "kernels/quant_types.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace hearth::kernels::cpu {

inline constexpr int64_t kLargest = std::numeric_limits<int32_t>::max(); // of rows and columns

/// Checks the tensors of one operation and resolves them to addresses.
class Checker {
public:
    Checker(const Memories& memories, std::string place) : memories_(memories), place_(std::move(place)) {}

    [[noreturn]] void fail(const std::string& what) const { throw BackendError(place_ + ": " + what + "."); }

    /// The sentence is joined only where it is said: a model has tens of thousands of experts' matrices to check.
    template <typename... Parts>
    void require(bool ok, const Parts&... parts) const {
        if (ok)
            return;
        std::string what;
        (append(what, parts), ...);
        fail(what);
    }

    /// A weight or cache table as it lies in the file, of any alignment.
    Rows raw(const Tensor& t, const std::string& name, int64_t rows, int64_t cols) const {
        require(t.present(), name, " is missing");
        const Memories::Memory* memory = memories_.find(t.memory);
        require(memory != nullptr, name, " names a memory that does not exist");
        require(t.rows >= 1 && t.rows <= kLargest && t.cols >= 1 && t.cols <= kLargest, name,
                " has an impossible shape, ", t.rows, " x ", t.cols);
        require(t.rows >= rows && (cols < 0 || t.cols == cols), name, " is ", t.rows, " x ", t.cols, ", but at least ",
                rows, " rows of ", cols < 0 ? "any" : std::to_string(cols), " are needed");
        const uint64_t row = rowBytes(t.type, t.cols);
        require(row != 0, name, " has rows of ", t.cols, " numbers, which do not fill whole blocks");
        require(t.stride >= row, name, " has rows closer together than they are long");
        uint64_t end = 0;
        require(!__builtin_mul_overflow(uint64_t(t.rows - 1), t.stride, &end) &&
                    !__builtin_add_overflow(end, row, &end) && !__builtin_add_overflow(end, t.offset, &end) &&
                    end <= memory->bytes,
                name, " reaches past the end of its memory");
        return {memory->data + t.offset, t.stride, t.rows, t.cols, t.type, scales(t, name)};
    }

    /// Every block that the tensor begins has a scale; absent ones are all 1.
    WeightScales scales(const Tensor& t, const std::string& name) const {
        static constexpr float kOne = 1.0f;
        const BlockScales& s = t.scales;
        if (t.type != Type::F8_E4M3) {
            require(!s.present(), name, "'s scales are there, but its type has no use for them");
            return {};
        }
        if (!s.present())
            return {.data = reinterpret_cast<const std::byte*>(&kOne), .blockRows = kLargest, .blockCols = kLargest};
        const Memories::Memory* memory = memories_.find(s.memory);
        require(memory != nullptr, name, "'s scales name a memory that does not exist");
        require(s.type == Type::F32 || s.type == Type::F16 || s.type == Type::BF16, name,
                "'s scales have a type that is not supported");
        require(s.blockRows >= 1 && s.blockRows <= kLargest && s.blockCols >= 1 && s.blockCols <= kLargest &&
                    s.firstRow >= 0 && s.firstRow < s.blockRows,
                name, "'s scales have impossible blocks");
        const uint64_t row = rowBytes(s.type, (t.cols - 1) / s.blockCols + 1);
        const auto below = uint64_t((s.firstRow + t.rows - 1) / s.blockRows); // the first row of blocks
        require(below == 0 || s.stride >= row, name, "'s scales have rows closer together than they are long");
        uint64_t end = 0;
        require(!__builtin_mul_overflow(below, s.stride, &end) && !__builtin_add_overflow(end, row, &end) &&
                    !__builtin_add_overflow(end, s.offset, &end) && end <= memory->bytes,
                name, "'s scales reach past the end of their memory");
        return {.data = memory->data + s.offset,
                .type = s.type,
                .stride = s.stride,
                .blockRows = s.blockRows,
                .blockCols = s.blockCols,
                .firstRow = s.firstRow};
    }

    Rows typed(const Tensor& t, const std::string& name, Type type, int64_t rows, int64_t cols) const {
        const Rows r = raw(t, name, rows, cols);
        require(t.type == type, name, " has the wrong type");
        require(reinterpret_cast<uintptr_t>(r.data) % 4 == 0 && r.stride % 4 == 0, name, " is not aligned to 4 bytes");
        return r;
    }

    Rows f32(const Tensor& t, const std::string& name, int64_t rows, int64_t cols) const {
        return typed(t, name, Type::F32, rows, cols);
    }

    Rows output(const Tensor& t, const std::string& name, Type type, int64_t rows, int64_t cols) const {
        const Rows r = typed(t, name, type, rows, cols);
        require(memories_.find(t.memory)->own, name, " lies in memory that is only read");
        return r;
    }

    /// One row of constants; null where the tensor is absent.
    const float* constants(const Tensor& t, const std::string& name, int64_t cols) const {
        return t.present() ? f32(t, name, 1, cols).f32(0) : nullptr;
    }

    ActivationRows activations(const Activations& a, const std::string& name, int64_t rows, int64_t cols,
                               bool written) const {
        require(a.f32.present() || a.q8.present(), name, " is missing");
        ActivationRows r;
        if (a.f32.present())
            r.f32 = written ? output(a.f32, name, Type::F32, rows, cols) : f32(a.f32, name, rows, cols);
        if (a.q8.present())
            r.q8 = written ? output(a.q8, name, Type::A8, rows, cols) : typed(a.q8, name, Type::A8, rows, cols);
        return r;
    }

    /// Columns of whichever form is there.
    static int64_t cols(const Activations& a) { return a.f32.present() ? a.f32.cols : a.q8.cols; }

    const Memories& memories() const { return memories_; }

private:
    static void append(std::string& to, std::string_view text) { to += text; }

    static void append(std::string& to, int64_t number) { to += std::to_string(number); }

    const Memories& memories_;
    std::string place_;
};

inline bool overlap(const Rows& a, const Rows& b) {
    if (!a || !b)
        return false;
    const std::byte* aEnd = a.row(a.rows - 1) + rowBytes(a.type, a.cols);
    const std::byte* bEnd = b.row(b.rows - 1) + rowBytes(b.type, b.cols);
    return a.data < bEnd && b.data < aEnd;
}

inline int64_t rowsOf(const ActivationRows& a) {
    return a.f32 && a.q8 ? std::min(a.f32.rows, a.q8.rows) : a.f32 ? a.f32.rows : a.q8.rows;
}

} // namespace hearth::kernels::cpu
