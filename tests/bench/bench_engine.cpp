// How fast the engine is, and what part of the machine's limits that is:
//   bench_engine --model M | --shape 8b --type Q4_K|all [--rows a,b] [--json]; see usage() for the rest.
// Prints one object: the keys of `hearth-cli bench`, and under "rows" one object for each row of the table of CPU
// speed.

#include "engine/error.h"
#include "tests/bench/engine/made_model.h"
#include "tests/bench/engine/rows.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>

namespace {

using namespace hearth;
using bench::Json;
using bench::Row;
using bench::Setting;

std::vector<Row> allRows() {
    std::vector<Row> rows;
    for (const auto& part : {bench::speedRows(), bench::chatRows()})
        rows.insert(rows.end(), part.begin(), part.end());
    return rows;
}

int usage(FILE* to, int status) {
    std::string shapes, rows;
    for (const bench::Shape& shape : bench::shapes())
        shapes += " " + std::string(shape.name);
    for (const Row& row : allRows())
        rows += "\n    " + std::string(row.name) + std::string(10 - std::strlen(row.name), ' ') + row.work;
    std::fprintf(
        to,
        "usage: bench_engine --model M | --shape S [--type T|all] [--rows A,B|none] [--threads N] [--prompt N]\n"
        "       [--generate N] [--depth N] [--stored N] [--repeat N] [--soak SECONDS] [--starter M] [--json]\n"
        "  shapes:%s\n  rows (all by default):%s\n",
        shapes.c_str(), rows.c_str());
    return status;
}

/// Where installer/run puts the starter model.
std::string starterPath() {
    const auto from = [](const char* name) { return std::string(std::getenv(name) ? std::getenv(name) : ""); };
    std::string folder = from("HEARTH_MODELS");
    if (folder.empty() && !from("HEARTH_DATA").empty())
        folder = from("HEARTH_DATA") + "/models";
    if (folder.empty())
        folder =
            (from("XDG_DATA_HOME").empty() ? from("HOME") + "/.local/share" : from("XDG_DATA_HOME")) + "/hearth/models";
    return folder + "/SmolLM2-135M-Instruct.Q4_1.gguf";
}

struct Arguments {
    std::string model, shape, type = "Q4_K";
    std::string rows; // with commas; empty: all
    bool json = false, help = false;
    Setting setting;
};

/// A whole number of at least 1 where a name says so; nothing: not one of these.
bool setNumber(Setting& s, const std::string& name, const char* text) {
    const std::pair<const char*, int*> numbers[] = {{"--threads", &s.threads},   {"--prompt", &s.prompt},
                                                    {"--generate", &s.generate}, {"--depth", &s.depth},
                                                    {"--stored", &s.stored},     {"--repeat", &s.repeat}};
    for (const auto& [known, number] : numbers)
        if (name == known) {
            char* end = nullptr;
            const long value = std::strtol(text, &end, 10);
            *number = static_cast<int>(value);
            return *end == '\0' && value >= 1 && value <= 1 << 24;
        }
    return false;
}

/// Nothing: wrong usage.
std::optional<Arguments> parse(int argc, char** argv) {
    Arguments a;
    a.setting.starter = starterPath();
    a.setting.threads = std::min(2, std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
    const std::pair<const char*, std::string*> texts[] = {{"--model", &a.model},
                                                          {"--shape", &a.shape},
                                                          {"--type", &a.type},
                                                          {"--rows", &a.rows},
                                                          {"--starter", &a.setting.starter}};
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        if (name == "--json" || name == "--help") {
            (name == "--json" ? a.json : a.help) = true;
            continue;
        }
        if (++i == argc)
            return std::nullopt;
        const auto* text = std::find_if(std::begin(texts), std::end(texts), [&](auto& t) { return name == t.first; });
        if (text != std::end(texts))
            *text->second = argv[i];
        else if (name == "--soak")
            a.setting.soakSeconds = std::atof(argv[i]);
        else if (!setNumber(a.setting, name, argv[i]))
            return std::nullopt;
    }
    return a.help || a.model.empty() != a.shape.empty() ? std::optional(a) : std::nullopt;
}

/// The rows that were asked for. Throws Error: an unknown name.
std::vector<Row> chosenRows(std::string names) {
    const std::vector<Row> all = allRows();
    if (names.empty())
        return all;
    std::vector<Row> chosen;
    if (names == "none")
        return chosen;
    for (size_t at = 0; at <= names.size();) {
        const size_t comma = std::min(names.find(',', at), names.size());
        const std::string name = names.substr(at, comma - at);
        const auto row = std::find_if(all.begin(), all.end(), [&](const Row& r) { return r.name == name; });
        if (row == all.end())
            throw engine::Error("There is no row " + engine::printable(name) + "; see --help.");
        chosen.push_back(*row);
        at = comma + 1;
    }
    return chosen;
}

/// What `hearth-cli bench` prints, with the same names.
Json wholeRun(const Setting& s) {
    bench::Loaded model(s.path, s.threads, s.prompt + s.generate + 64);
    const engine::BenchResult r =
        model.engine.bench(model.id, {.prompt = s.prompt, .generate = s.generate, .repeat = s.repeat});
    return {{"model", model.info().name},
            {"threads", s.threads},
            {"prefillTokensPerSecond", r.prefillTokensPerSecond},
            {"decodeTokensPerSecond", r.decodeTokensPerSecond},
            {"decodeGBPerSecond", r.decodeGBPerSecond},
            {"readGBPerSecond", r.readGBPerSecond},
            {"decodeOfReadBandwidth", r.decodeGBPerSecond / r.readGBPerSecond},
            {"firstTokenSeconds", r.firstTokenSeconds},
            {"loadSeconds", r.loadSeconds},
            {"peakBytes", r.peakBytes},
            {"logitsHash", r.logitsHash},
            {"isa", r.isa}};
}

Json measured(const Row& row, const Setting& s) {
    std::fprintf(stderr, "%s: %s\n", row.name, row.work);
    Json out = {{"row", row.name}, {"work", row.work}};
    out.update(row.measure(s));
    return out;
}

void printPlain(const Json& result) {
    for (const auto& [key, value] : result.items())
        if (key != "rows")
            std::printf("%-24s %s\n", key.c_str(), value.dump().c_str());
    for (const Json& row : result["rows"])
        std::printf("%s\n", row.dump().c_str());
}

Json runOf(const Setting& setting, const std::vector<Row>& rows) {
    Json result = wholeRun(setting);
    result["rows"] = Json::array();
    for (const Row& row : rows)
        result["rows"].push_back(measured(row, setting));
    return result;
}

Json runOfType(const bench::Shape& shape, const kernels::QuantType& type, Setting setting,
               const std::vector<Row>& rows) {
    const bench::MadeModel made(shape, type);
    setting.path = made.path();
    Json result = {{"type", type.name}};
    result.update(runOf(setting, rows));
    return result;
}

/// Every format that files have, one after the other: an object a line.
int runOfAllTypes(const bench::Shape& shape, const Setting& setting, const std::vector<Row>& rows) {
    for (const kernels::QuantType& type : kernels::quantTypes())
        if (type.ggmlId != kernels::kNoGgmlId) {
            std::printf("%s\n", runOfType(shape, type, setting, rows).dump().c_str());
            std::fflush(stdout);
        }
    return 0;
}

int run(Arguments a) {
    const std::vector<Row> rows = chosenRows(a.rows);
    const bench::Shape* shape = bench::findShape(a.shape);
    const kernels::QuantType* type = kernels::findQuantType(a.type);
    if (!a.shape.empty() && !shape)
        throw engine::Error("There is no shape " + engine::printable(a.shape) + "; see --help.");
    if (shape && a.type == "all")
        return runOfAllTypes(*shape, a.setting, rows);
    if (shape && !type)
        throw engine::Error("There is no type " + engine::printable(a.type) + ".");
    a.setting.path = a.model;
    const Json result = shape ? runOfType(*shape, *type, a.setting, rows) : runOf(a.setting, rows);
    if (a.json)
        std::printf("%s\n", result.dump().c_str());
    else
        printPlain(result);
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    const std::optional<Arguments> arguments = parse(argc, argv);
    if (!arguments || arguments->help)
        return usage(arguments ? stdout : stderr, arguments ? 0 : 2);
    try {
        return run(*arguments);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
