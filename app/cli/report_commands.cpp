// inspect, bench: what a file is, and how fast it runs.

#include "app/cli/commands.h"
#include "app/cli/common.h"
#include "engine/error.h"

#include <cstdio>

namespace hearth::cli {

using engine::readableBytes;

namespace {

nlohmann::ordered_json inspectionJson(const engine::Inspection& i, bool tensors) {
    nlohmann::ordered_json types = nlohmann::ordered_json::object();
    for (const auto& [type, bytes] : i.bytesByType)
        types[type] = bytes;
    nlohmann::ordered_json out = {
        {"path", i.info.path},
        {"name", i.info.name},
        {"format", i.format},
        {"family", i.info.family},
        {"quant", i.info.quant},
        {"parameters", i.info.parameters},
        {"fileBytes", i.info.fileBytes},
        {"trainedContextTokens", i.info.trainedContextTokens},
        {"nVocab", i.info.nVocab},
        {"bytesByType", std::move(types)},
        {"problem", i.problem},
        {"notice", i.info.notice},
        {"templateNotes", i.info.templateNotes},
        {"contextTokens", i.info.contextTokens},
        {"weightBytes", i.weightBytes},
        {"kvBytes", i.kvBytes},
        {"kvBytesPerToken", i.info.kvBytesPerToken},
        {"kvShareOfHeads", i.info.kvShareOfHeads},
        {"embeddingSize", i.info.embeddingSize},
        {"scratchBytes", i.scratchBytes},
        {"totalBytes", i.totalBytes},
        {"freeBytes", i.freeBytes},
        {"fits", i.fits},
        {"largestContext", i.largestContext},
        {"predictedTokensPerSecond", i.predictedTokensPerSecond},
    };
    nlohmann::ordered_json devices = nlohmann::ordered_json::object(); // bytes of weights by where they go
    for (const auto& t : i.tensors)
        if (!t.device.empty())
            devices[t.device] = devices.value(t.device, uint64_t(0)) + t.bytes;
    out["weightBytesByDevice"] = std::move(devices);
    if (tensors) {
        out["tensors"] = nlohmann::ordered_json::array();
        for (const auto& t : i.tensors)
            out["tensors"].push_back(
                {{"name", t.name}, {"type", t.type}, {"shape", t.shape}, {"bytes", t.bytes}, {"device", t.device}});
    }
    return out;
}

void printRow(std::string_view label, const std::string& value) {
    std::string row(label);
    row.resize(std::max<size_t>(row.size() + 1, 20), ' ');
    print(row + value + "\n");
}

std::string rounded(double value, int digits = 1) {
    char buffer[64];
    std::snprintf(buffer, sizeof buffer, "%.*f", digits, value);
    return buffer;
}

std::string cacheText(const engine::Inspection& i) {
    if (i.info.embeds)
        return "none: the model gives vectors of " + std::to_string(i.info.embeddingSize) + " numbers, no text";
    std::string text = readableBytes(i.kvBytes) + ", " + std::to_string(i.info.kvBytesPerToken) + " bytes a token";
    if (i.info.kvShareOfHeads < 1)
        text += ", " + rounded(100 * i.info.kvShareOfHeads) + " % of keys and values of all heads";
    return text;
}

void printInspection(const engine::Inspection& i, bool tensors) {
    printRow("name", engine::printable(i.info.name));
    printRow("format", i.format);
    printRow("family", engine::printable(i.info.family));
    printRow("quantization", i.info.quant);
    printRow("parameters", rounded(static_cast<double>(i.info.parameters) / 1e6) + " million");
    printRow("file", readableBytes(i.info.fileBytes));
    for (const auto& [type, bytes] : i.bytesByType)
        printRow("  " + type, readableBytes(bytes));
    if (i.problem.empty()) {
        printRow("context", std::to_string(i.info.contextTokens) + " of " +
                                std::to_string(i.info.trainedContextTokens) + " tokens");
        printRow("weights", readableBytes(i.weightBytes));
        printRow("cache", cacheText(i));
        printRow("scratch", readableBytes(i.scratchBytes));
        printRow("needed", readableBytes(i.totalBytes) + ", free " + readableBytes(i.freeBytes));
        printRow("fits now", i.fits ? "yes" : "no (largest context: " + std::to_string(i.largestContext) + ")");
        if (i.predictedTokensPerSecond > 0)
            printRow("expected speed", rounded(i.predictedTokensPerSecond) + " tokens/s");
    } else {
        printRow("cannot be run", i.problem);
    }
    if (!i.info.notice.empty())
        printRow("notice", i.info.notice);
    for (const std::string& note : i.info.templateNotes)
        printRow("template", note);
    if (tensors)
        for (const auto& t : i.tensors)
            printRow(t.name, t.type + "  " + t.shape + "  " + readableBytes(t.bytes) + "  " + t.device);
}

} // namespace

int runInspect(const Arguments& a) {
    const engine::LoadOptions options = loadOptions(a, a.operands()[0], engine::Numerics::Fast);
    engine::Inspection inspection = engine::inspectFile(options);
    if (inspection.problem.empty()) // worth measuring the machine
        inspection = engine::inspectFile(options, engine::Engine(engineOptions(a)).readBandwidth());
    if (a.has("--json"))
        printJson(inspectionJson(inspection, a.has("--tensors")));
    else
        printInspection(inspection, a.has("--tensors"));
    return 0;
}

int runBench(const Arguments& a) {
    const engine::BenchOptions options = {
        .prompt = static_cast<int>(a.whole("--prompt", 512, 1, 1 << 24)),
        .generate = static_cast<int>(a.whole("--generate", 64, 1, 1 << 24)),
        .depth = static_cast<int>(a.whole("--depth", 0, 0, 1 << 24)),
        .sequences = static_cast<int>(a.whole("--sequences", 1, 1, 1024)),
        .repeat = static_cast<int>(a.whole("--repeat", 3, 1, 1000)),
    };
    LoadedModel model(a, engine::Numerics::Fast);
    const engine::BenchResult r = model.engine.bench(model.id, options);
    if (a.has("--json")) {
        printJson({{"prefillTokensPerSecond", r.prefillTokensPerSecond},
                   {"decodeTokensPerSecond", r.decodeTokensPerSecond},
                   {"decodeGBPerSecond", r.decodeGBPerSecond},
                   {"readGBPerSecond", r.readGBPerSecond},
                   {"firstTokenSeconds", r.firstTokenSeconds},
                   {"loadSeconds", r.loadSeconds},
                   {"peakBytes", r.peakBytes},
                   {"logitsHash", r.logitsHash},
                   {"isa", r.isa}});
        return 0;
    }
    printRow("prefill", rounded(r.prefillTokensPerSecond) + " tokens/s");
    printRow("decode", rounded(r.decodeTokensPerSecond) + " tokens/s");
    const double part = r.readGBPerSecond > 0 ? 100 * r.decodeGBPerSecond / r.readGBPerSecond : 0;
    printRow("decode reads", rounded(r.decodeGBPerSecond, 2) + " of " + rounded(r.readGBPerSecond, 2) + " GB/s (" +
                                 rounded(part, 0) + " %)");
    printRow("first token", rounded(r.firstTokenSeconds, 3) + " s");
    printRow("loading", rounded(r.loadSeconds, 3) + " s");
    printRow("peak memory", readableBytes(r.peakBytes));
    printRow("logits", r.logitsHash);
    printRow("instructions", r.isa);
    return 0;
}

} // namespace hearth::cli
