#pragma once

#include <span>
#include <string>
#include <vector>

namespace hearth::cli {

/// NumPy's .npy, version 1.0, float32, row-major. Throw engine::Error.
void writeNpy(const std::string& path, std::span<const float> numbers, std::span<const size_t> shape);
std::vector<float> readNpy(const std::string& path); // any shape, flattened

} // namespace hearth::cli
