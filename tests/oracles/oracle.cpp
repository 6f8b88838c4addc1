#include "tests/oracles/oracle.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <stdexcept>

#include <unistd.h>

namespace hearth::test {

using namespace engine;

namespace {

std::vector<std::string> dataRoots() {
    const char* shared = std::getenv("HEARTH_SHARED");
    return {HEARTH_TEST_DATA, std::string(shared ? shared : HEARTH_SOURCE_DIR "/../shared") + "/data"};
}

} // namespace

std::vector<std::string> dataFolders(const std::string& group) {
    std::set<std::string> names;
    for (const std::string& root : dataRoots()) {
        std::error_code absent;
        for (const auto& entry : std::filesystem::directory_iterator(root + "/" + group, absent))
            if (std::filesystem::exists(entry.path() / "expected.json"))
                names.insert(group + "/" + entry.path().filename().string());
    }
    return {names.begin(), names.end()};
}

std::string findData(const std::string& name) {
    for (const std::string& root : dataRoots())
        if (std::filesystem::exists(root + "/" + name))
            return root + "/" + name;
    return {};
}

nlohmann::json readJson(const std::string& path) {
    std::ifstream in(path);
    return nlohmann::json::parse(in);
}

std::vector<float> readNpy(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (bytes.size() < 10 || bytes.compare(0, 6, "\x93NUMPY") != 0 || bytes.find("'<f4'") == std::string::npos)
        throw std::runtime_error(path + " is not a float32 array");
    const size_t header = 10 + static_cast<unsigned char>(bytes[8]) + 256u * static_cast<unsigned char>(bytes[9]);
    std::vector<float> values((bytes.size() - header) / sizeof(float));
    std::copy_n(bytes.data() + header, values.size() * sizeof(float), reinterpret_cast<char*>(values.data()));
    return values;
}

UnpackedFile::UnpackedFile(const std::string& path) : path_(path) {
    if (std::filesystem::exists(path))
        return;
    static int count = 0;
    temporary_ = true;
    path_ = (std::filesystem::temp_directory_path() /
             ("hearth-oracle-" + std::to_string(getpid()) + "-" + std::to_string(++count) + ".gguf"))
                .string();
    const std::string command = "xz -dc '" + path + ".xz' > '" + path_ + "'";
    if (std::system(command.c_str()) != 0)
        throw std::runtime_error("xz could not unpack " + path + ".xz");
}

UnpackedFile::~UnpackedFile() {
    std::error_code ignored;
    if (temporary_)
        std::filesystem::remove(path_, ignored);
}

std::unique_ptr<Engine> engineWith(const std::string& isa, int threads) {
    setenv("HEARTH_ISA", isa.c_str(), 1);
    auto engine = std::make_unique<Engine>(EngineOptions{.threads = threads});
    unsetenv("HEARTH_ISA");
    return engine;
}

std::vector<std::string> isas(bool emulated) {
    std::vector<std::string> names = {"reference", "avx2", "avxvnni", "avx512", "amx"};
    if (emulated)
        names.push_back("amx-emulated");
    std::vector<std::string> found;
    for (const std::string& isa : names)
        try {
            if (engineWith(isa)->isa() == isa)
                found.push_back(isa);
        } catch (const std::exception&) {
            // Not on this machine.
        }
    return found;
}

std::vector<TokenId> greedy(Engine& engine, ModelId model, const std::vector<TokenId>& prompt, int n, bool stopAtEnd) {
    std::vector<TokenId> tokens;
    GenerationRequest request;
    request.prompt = prompt;
    request.sampling.temperature = 0;
    request.maxTokens = n;
    request.stopAtEnd = stopAtEnd;
    request.onToken = [&](const TokenOut& token) {
        if (token.id >= 0)
            tokens.push_back(token.id);
    };
    engine.start(model, std::move(request));
    while (engine.step()) {
    }
    return tokens;
}

Distance distance(const float* got, const float* want, size_t n, double atol, double rtol) {
    Distance d;
    double squares = 0;
    for (size_t i = 0; i < n; ++i) {
        const double difference = std::fabs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
        const double bounded = std::isfinite(difference) ? difference : 1e30;
        d.max = std::max(d.max, bounded);
        d.excess = std::max(d.excess, bounded - (atol + rtol * std::fabs(static_cast<double>(want[i]))));
        squares += bounded * bounded;
    }
    d.rms = std::sqrt(squares / static_cast<double>(std::max<size_t>(1, n)));
    return d;
}

int argmax(const float* logits, size_t n) {
    return static_cast<int>(std::max_element(logits, logits + n) - logits);
}

} // namespace hearth::test
