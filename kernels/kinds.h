#pragma once

#include <cstdint>

namespace hearth::kernels {

enum class NormKind : uint8_t { Rms, Layer };

enum class RopeOrder : uint8_t { Interleaved, Neox }; // pairs (2i, 2i+1) or (i, i + dims/2)

/// Identity: the product of its inputs. ClampedSwiglu (gpt-oss) needs both inputs: g * sigmoid(1.702 g) * (u + 1),
/// where g = min(gate, 7) and u = clamp(up, -7, 7).
enum class ActivationKind : uint8_t { Silu, GeluErf, GeluTanh, Relu2, Sigmoid, Identity, ClampedSwiglu, Count };

enum class RowIndex : uint8_t { Token, Position, First }; // what chooses the row of a table: ids, positions, or row 0

/// How logits become weights: softmax over all experts, sigmoid of each, or softmax over the chosen ones (their order
/// is that of the logits).
enum class GateKind : uint8_t { Softmax, Sigmoid, SoftmaxOfChosen };

enum class GroupScore : uint8_t { Best, TwoBest };

/// What products of prompts may do with float inputs and with weights where a processor multiplies bf16 fastest: leave
/// them as they are; split each into two bf16, whose products, less that of both small parts, are within about 2^-15;
/// or round them to one.
enum class Rounding : uint8_t { None, Split, Whole };

enum class RunEnd : uint8_t { Done, Cancelled, Paused }; // how a run of a plan came back

} // namespace hearth::kernels
