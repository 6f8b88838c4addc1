#pragma once

#include "kernels/quant_types.h"

#include <span>
#include <string>
#include <string_view>

namespace hearth::bench {

/// What a model of some size is made of; with experts, `ffn` is that of one expert.
struct Shape {
    std::string_view name, family;
    int layers, dModel, ffn, nHeads, nKvHeads, headDim, nExperts, nUsed;
};

std::span<const Shape> shapes();
const Shape* findShape(std::string_view name); // null: unknown

/// A GGUF of that shape filled with random but valid blocks, for speed does not depend on what weights say. It lies in
/// memory (or, where that is too small, in the folder for temporary files) under no name, so it goes with the process
/// however that ends. Throws Error.
class MadeModel {
public:
    MadeModel(const Shape&, const kernels::QuantType&);
    ~MadeModel();
    MadeModel(const MadeModel&) = delete;
    MadeModel& operator=(const MadeModel&) = delete;

    std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

private:
    int file_ = -1;
};

} // namespace hearth::bench
