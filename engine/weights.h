#pragma once

#include "engine/checkpoint.h"
#include "engine/model.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace hearth::engine {

/// Which numbers of a tensor of the file a view takes, and where the view goes.
struct Binding {
    /// Matrix: any type, as it lies. Vector: f32, converted where the file has another float type; so is FloatMatrix.
    enum class Kind : uint8_t { Matrix, Vector, FloatMatrix };

    TensorSpec spec; // of the whole tensor
    Kind kind = Kind::Matrix;
    kernels::Tensor* slot = nullptr;
    int64_t first = 0, count = -1; // rows of a matrix, columns of a vector; -1: all
};

/// The one list of what a model consists of, part by part in a fixed order: checks and binding both walk it. Part 0 is
/// what is no layer's, part i + 1 is layer i. The slots point into `weights`, whose vectors get their sizes here.
std::vector<Binding> bindings(const ModelConfig&, size_t part, ModelWeights& weights);

/// Throws Error when a tensor is missing, has the wrong shape, a type that cannot be read, or a name that the family
/// does not know: what is not computed would make every answer a little wrong.
void checkTensors(const Checkpoint&, const ModelConfig&);

/// The layer that a tensor's name speaks of; -1: none.
int layerOf(std::string_view name);

/// A float vector of a given length. Throws Error.
std::vector<float> readVector(const Checkpoint&, const TensorEntry&, int64_t length);

} // namespace hearth::engine
