#pragma once

#include "engine/engine.h"

#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <vector>

namespace hearth::test {

/// Where reference data lies: tests/data first, then the shared folder. Empty: nowhere.
std::string findData(const std::string& name);

/// The names of all folders "group/..." of both places, sorted.
std::vector<std::string> dataFolders(const std::string& group);

nlohmann::json readJson(const std::string& path);

/// A float32 array of NumPy's format, flat.
std::vector<float> readNpy(const std::string& path);

/// A file that may be packed: "x" itself, or "x.xz" unpacked into a temporary file that goes with the object.
class UnpackedFile {
public:
    explicit UnpackedFile(const std::string& path);
    ~UnpackedFile();
    UnpackedFile(const UnpackedFile&) = delete;
    UnpackedFile& operator=(const UnpackedFile&) = delete;

    const std::string& path() const { return path_; }

private:
    std::string path_;
    bool temporary_ = false;
};

/// Names of HEARTH_ISA that this machine has; with the tiles of AMX emulated (tests/kernels/tiles_test.cpp) where the
/// program is linked with them and they are wanted.
std::vector<std::string> isas(bool emulated = false);

/// An engine that runs with the given rows.
std::unique_ptr<engine::Engine> engineWith(const std::string& isa, int threads = 2);

/// Greedy continuation of token ids. `stopAtEnd`: without the stop token.
std::vector<engine::TokenId> greedy(engine::Engine&, engine::ModelId, const std::vector<engine::TokenId>& prompt, int n,
                                    bool stopAtEnd = false);

/// How far logits are from the wanted ones.
struct Distance {
    double max = 0;
    double rms = 0;
    double excess = 0; // largest |got - want| - (atol + rtol |want|)
};

Distance distance(const float* got, const float* want, size_t n, double atol = 0, double rtol = 0);
int argmax(const float* logits, size_t n);

} // namespace hearth::test
