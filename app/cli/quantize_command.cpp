// quantize: a model's matrices in another type, as a GGUF file.

#include "app/cli/commands.h"
#include "app/cli/common.h"
#include "engine/error.h"
#include "engine/quantize.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <iostream>

#include <unistd.h>

namespace hearth::cli {

using engine::printable;
using engine::readableBytes;

namespace {

volatile std::sig_atomic_t interrupted = 0; // by a signal; looked at between pieces of work

/// False: Ctrl+C was pressed.
bool showProgress(double part) {
    static int shown = -1;
    const int percent = static_cast<int>(part * 100);
    if (isatty(STDERR_FILENO) && percent != shown) {
        shown = percent;
        std::cerr << "\rquantizing " << percent << " %" << (part >= 1 ? "\r                \r" : "") << std::flush;
    }
    return interrupted == 0;
}

} // namespace

int runQuantize(const Arguments& a) {
    if (!engine::findMix(a.text("--type")))
        throw UsageError("The option --type is one of " + engine::mixNames() + ", not " + printable(a.text("--type")) +
                         ".");
    std::signal(SIGINT, [](int) { interrupted = 1; });
    std::signal(SIGTERM, [](int) { interrupted = 1; });
    const auto begin = std::chrono::steady_clock::now();
    const engine::Checkpoint checkpoint =
        engine::Checkpoint::open(modelPath(a.operands()[0]), overrides(a), engine::Checkpoint::Form::Converted);
    const std::string& out = a.operands()[1];
    const engine::QuantizeReport report =
        engine::quantizeTo(out, checkpoint,
                           {.type = a.text("--type"),
                            .threads = static_cast<int>(a.whole("--threads", 0, 0, 1024)),
                            .progress = showProgress});
    if (report.stopped) {
        std::cerr << "\nStopped; nothing was written.\n";
        return 1;
    }
    if (report.requantized > 0)
        std::cerr << report.requantized << " tensors were quantized before: their errors add up.\n";
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const double bitsPerNumber =
        8 * static_cast<double>(report.bytes) / static_cast<double>(std::max<uint64_t>(1, report.numbers));
    if (a.has("--json")) {
        nlohmann::ordered_json types = nlohmann::ordered_json::object();
        for (const auto& [type, bytes] : report.bytesByType)
            types[type] = bytes;
        printJson({{"path", out},
                   {"numbers", report.numbers},
                   {"bytes", report.bytes},
                   {"bitsPerNumber", bitsPerNumber},
                   {"bytesByType", std::move(types)},
                   {"requantized", report.requantized},
                   {"seconds", seconds}});
        return 0;
    }
    char text[128];
    std::snprintf(text, sizeof text, "%.2f bits a number, %.1f s", bitsPerNumber, seconds);
    print(out + ": " + readableBytes(report.bytes) + ", " + text + "\n");
    for (const auto& [type, bytes] : report.bytesByType)
        print("  " + type + " " + readableBytes(bytes) + "\n");
    return 0;
}

} // namespace hearth::cli
