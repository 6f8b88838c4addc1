#pragma once

#include "app/models/files/words.h"
#include "engine/placement.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace hearth::app {

/// Memory of this machine at the moment of the question.
struct MachineMemory {
    uint64_t freeBytes = 0;      // see engine::freeSystemMemory()
    uint64_t givenBackBytes = 0; // by loaded models that leave for the one in question
    double readBandwidth = 0;    // bytes a second; 0: not measured yet
    uint64_t gpuFreeBytes = 0;   // 0: no GPU that the engine uses
    double gpuBandwidth = 0;
};

/// From best to worst.
enum class FitVerdict : uint8_t { Gpu, GpuAndMemory, Memory, Slow, WillNotFit };

struct Fit {
    FitVerdict verdict = FitVerdict::WillNotFit;
    uint64_t neededBytes = 0, weightBytes = 0, kvBytes = 0, scratchBytes = 0;
    uint64_t usableBytes = 0;    // of the memory that is free, what was given back included
    uint64_t givenBackBytes = 0; // of these
    int contextTokens = 0;       // that was asked for
    int largestContext = 0;      // that fits, at most what the model was trained for; 0: none
    double tokensPerSecond = 0;  // generated, half of the context in use; 0: not known
};

/// Slower than this a reply is written slower than one reads. Tokens a second.
inline constexpr double kReadingSpeed = 5;

/// Pure. `trainedContext` bounds largestContext; 0: what is asked for does.
Fit judgeFit(const engine::PlacementInput&, const MachineMemory&, int trainedContext = 0);

/// The pill ("fits memory") and the numbers behind it in a sentence.
Words pillWords(FitVerdict);
Words fitWords(const Fit&);
/// For JSON: "gpu", "gpuAndMemory", "memory", "slow", "no".
std::string_view verdictName(FitVerdict);

/// The speed of this machine's memory, remembered with the processor it belongs to. A machine that is busy while it is
/// measured seems slower than it is, and never faster: the fastest of a few times is the one that holds.
struct Bandwidth {
    std::string processor; // processorName()
    double bytesPerSecond = 0;
    int64_t measuredAtMs = 0; // since 1970
    int times = 1;            // that it was measured; after kBandwidthTimes no more

    std::string toText() const;                                 // for the setting kBandwidthSetting
    static std::optional<Bandwidth> fromText(std::string_view); // nothing: it makes no sense
    bool holdsHere() const;                                     // this is the processor it was measured on
};

inline constexpr int kBandwidthTimes = 3; // in as many sessions
inline constexpr const char* kBandwidthSetting = "models.bandwidth";

/// "AMD EPYC ... x 2"; the number of processors that the system shows.
std::string processorName();
/// Takes a second at most, all processors; `stop` is asked ten times a second, and then nothing was measured. Not on
/// the GUI thread. Throws engine::Error.
Bandwidth measureBandwidth(int64_t nowMs, const std::function<bool()>& stop = {});

} // namespace hearth::app
