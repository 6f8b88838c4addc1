#pragma once

#include "engine/model.h"
#include "engine/tokenizer.h"
#include "kernels/backend.h"

#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace hearth::engine {

/// How the vectors of a text's tokens become one.
enum class Pooling : uint8_t { None, Mean, Cls };

/// Null where the name is unknown: "none", "mean", "cls".
const Pooling* findPooling(std::string_view name);

/// Runs an encoder: a text's tokens look at each other both ways, and nothing is remembered. Plans are built for a few
/// lengths, when first used. Engine thread. Throws std::bad_alloc, kernels::BackendError.
class Encoder {
public:
    Encoder(kernels::Backend&, const ModelConfig&, const ModelWeights&, Numerics);
    Encoder(const Encoder&) = delete;
    Encoder& operator=(const Encoder&) = delete;

    /// The last layer's vectors, (tokens, dModel). At least one token, at most what the model's context has.
    std::vector<float> run(std::span<const TokenId>);

private:
    /// Memory that ends with its owner.
    class Memory {
    public:
        Memory(kernels::Backend& backend, uint64_t bytes) : backend_(&backend), id_(backend.allocate(bytes)) {}

        ~Memory() {
            if (id_ != kernels::kNoMemory)
                backend_->release(id_);
        }

        Memory(Memory&& other) noexcept : backend_(other.backend_), id_(std::exchange(other.id_, kernels::kNoMemory)) {}

        Memory& operator=(Memory&&) = delete;

        kernels::MemoryId id() const { return id_; }

    private:
        kernels::Backend* backend_;
        kernels::MemoryId id_;
    };

    struct Forward {
        Memory inputs, arena, kv; // kv: keys and values of whatever layer is at work
        kernels::Batch batch;
        kernels::Tensor out; // (rows, dModel) f32
        std::unique_ptr<kernels::Plan> plan;
    };

    Forward& forward(int rows);
    Forward build(int rows);

    kernels::Backend& backend_;
    const ModelConfig& config_;
    const ModelWeights& weights_;
    Numerics numerics_;
    std::map<int, Forward> forwards_; // by capacity; few
};

/// Bytes that a text of so many tokens takes while it is read, for `placement`.
uint64_t encoderBytes(const ModelConfig&, int tokens);

/// (nTokens, dModel) vectors of tokens to one vector, or all of them one after the other. Not normalized.
std::vector<float> pool(std::span<const float> vectors, int dModel, Pooling);

} // namespace hearth::engine
