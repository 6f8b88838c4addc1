#include "app/cli/common.h"

#include "engine/error.h"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <unistd.h>

namespace hearth::cli {

namespace fs = std::filesystem;
using engine::Error;
using engine::printable;

std::string modelPath(const std::string& given) {
    std::error_code error;
    if (given.empty())
        throw UsageError("The name of the model is empty.");
    if (given.size() > 4096 || fs::exists(given, error) || given.find('/') != std::string::npos)
        return given;
    const char* set = std::getenv("HEARTH_MODELS");
    const char* home = std::getenv("HOME");
    const fs::path folder = set && *set ? fs::path(set) : fs::path(home ? home : "/") / ".local/share/hearth/models";
    for (const fs::path& path : {folder / given, folder / (given + ".gguf")})
        if (fs::exists(path, error))
            return path.string();
    return given;
}

engine::EngineOptions engineOptions(const Arguments& a) {
    constexpr std::string_view backends[] = {"auto", "cpu", "cuda"};
    return {.backend = std::string(backends[a.choice("--backend", backends, 0)]),
            .threads = static_cast<int>(a.whole("--threads", 0, 0, 1024))};
}

std::vector<std::pair<std::string, std::string>> overrides(const Arguments& a) {
    std::vector<std::pair<std::string, std::string>> out;
    for (const std::string& pair : a.all("--set")) {
        const size_t equals = pair.find('=');
        if (equals == std::string::npos || equals == 0)
            throw UsageError("The option --set needs KEY=VALUE, not " + printable(pair) + ".");
        out.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
    }
    return out;
}

engine::LoadOptions loadOptions(const Arguments& a, const std::string& model, engine::Numerics byDefault) {
    constexpr std::string_view numerics[] = {"exact", "fast"};
    constexpr std::string_view types[] = {"f32", "f16", "bf16", "q8_0", "q4_0"};
    engine::LoadOptions out;
    out.path = modelPath(model);
    out.contextTokens = static_cast<int>(a.whole("--context", 0, 1, 1 << 24));
    out.numerics = static_cast<engine::Numerics>(a.choice("--numerics", numerics, static_cast<size_t>(byDefault)));
    const size_t kv = out.numerics == engine::Numerics::Exact ? 0 : 1;
    out.kv = static_cast<engine::KvType>(a.choice("--kv", types, kv));
    if (out.numerics == engine::Numerics::Exact && out.kv != engine::KvType::F32)
        throw UsageError("Exact numerics keep the cache in f32; for another --kv add --numerics fast.");
    out.overrides = overrides(a);
    return out;
}

namespace {

/// Progress on one line of a terminal.
bool showProgress(double part) {
    static int shown = -1;
    const int percent = static_cast<int>(part * 100);
    if (isatty(STDERR_FILENO) && percent != shown) {
        shown = percent;
        std::cerr << "\rloading " << percent << " %" << (part >= 1 ? "\r             \r" : "") << std::flush;
    }
    return true;
}

} // namespace

LoadedModel::LoadedModel(const Arguments& a, engine::Numerics byDefault)
    : engine(engineOptions(a)), id(engine.load(loadOptions(a, a.text("--model"), byDefault), showProgress)) {
    if (const std::string& notice = engine.info(id).notice; !notice.empty())
        std::cerr << notice << '\n';
}

engine::ModelId LoadedModel::loadAnother(const Arguments& a, const std::string& model, engine::Numerics byDefault) {
    engine::LoadOptions options = loadOptions(a, model, byDefault);
    options.overrides.clear(); // those are of the first one
    return engine.load(options, showProgress);
}

std::vector<engine::TokenId> tokensArgument(const Arguments& a, int nVocab) {
    std::string s = a.text("--tokens");
    if (s.starts_with('@'))
        s = readWholeFile(s.substr(1));
    std::vector<engine::TokenId> out;
    for (size_t at = 0; at < s.size();) {
        if (std::strchr(" \t\r\n,[]", s[at])) {
            at++;
            continue;
        }
        int64_t id = 0;
        const auto [end, error] = std::from_chars(s.data() + at, s.data() + s.size(), id);
        if (error != std::errc() || id < 0 || id >= nVocab)
            throw Error("Token " + std::to_string(out.size() + 1) + " of --tokens is no id below " +
                        std::to_string(nVocab) + ": " + printable(std::string_view(s).substr(at, 20)) + ".");
        out.push_back(static_cast<engine::TokenId>(id));
        at = static_cast<size_t>(end - s.data());
    }
    if (out.empty())
        throw Error("There are no tokens in --tokens.");
    return out;
}

std::string readWholeFile(const std::string& path) {
    std::error_code error;
    if (fs::is_directory(path, error))
        throw Error("The file " + printable(path) + " is a folder.");
    std::ifstream in(path, std::ios::binary);
    if (!in)
        throw Error("The file " + printable(path) + " cannot be opened: " + std::strerror(errno) + ".");
    std::string out{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (in.bad())
        throw Error("The file " + printable(path) + " cannot be read.");
    return out;
}

void writeWholeFile(const std::string& path, std::string_view bytes) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    if (!out)
        throw Error("The file " + printable(path) + " cannot be written: " + std::strerror(errno) + ".");
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    out.close();
    if (!out)
        throw Error("The file " + printable(path) + " could not be written whole.");
}

void forEachLine(const std::function<void(std::string_view, size_t)>& use) {
    std::string line;
    for (size_t number = 1; std::getline(std::cin, line); number++)
        if (line.find_first_not_of(" \t\r") != std::string::npos)
            use(line, number);
}

nlohmann::ordered_json parseLine(std::string_view line, size_t number, std::string_view wanted) {
    auto j = nlohmann::ordered_json::parse(line, nullptr, false);
    if (j.is_discarded())
        throw Error("Line " + std::to_string(number) + " of standard input is not JSON; " + std::string(wanted) +
                    " is expected.");
    return j;
}

void print(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
        throw Error("Standard output cannot be written.");
}

void printJson(const nlohmann::ordered_json& j) {
    print(j.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

} // namespace hearth::cli
