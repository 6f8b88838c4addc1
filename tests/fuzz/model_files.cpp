// What other programs wrote beside their models, and what a person set for one: eight files behind each other with a
// zero byte between them, put where those programs have them.

#include "app/models/files/fit.h"
#include "app/models/files/model_defaults.h"
#include "app/models/files/model_facts.h"
#include "app/models/files/model_stores.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <unistd.h>

namespace {

using namespace hearth::app;
namespace fs = std::filesystem;

/// Where each part goes, below a home of the target's own.
constexpr const char* kPlaces[] = {
    ".ollama/models/manifests/registry.ollama.ai/library/x/1b",
    ".lmstudio/settings.json",
    ".lmstudio-home-pointer",
    ".cache/huggingface/hub/models--a--b/refs/main",
    ".cache/llama.cpp/a_b_c.json",
    ".config/nomic.ai/GPT4All.ini",
    ".cache/huggingface/hub/models--a--b/snapshots/1/config.json",
    ".cache/huggingface/hub/models--a--b/snapshots/1/model.safetensors.index.json",
};
constexpr size_t kParts = std::size(kPlaces);

/// Made once, gone with the process.
struct Home {
    std::string path = (fs::temp_directory_path() / ("hearth-fuzz-" + std::to_string(getpid()))).string();

    Home() {
        for (const char* place : kPlaces)
            fs::create_directories(fs::path(path + '/' + place).parent_path());
        const std::string gguf = "GGUF" + std::string(60, '\3');
        fs::create_directories(path + "/.ollama/models/blobs");
        write(".ollama/models/blobs/sha256-" + std::string(64, 'a'), gguf);
        write(".cache/llama.cpp/a_b_c.gguf", gguf);
        write(".cache/huggingface/hub/models--a--b/snapshots/1/model-00001-of-00002.safetensors", gguf);
        fs::create_directories(path + "/elsewhere");
        write("elsewhere/d.gguf", gguf);
    }

    ~Home() {
        std::error_code error;
        fs::remove_all(path, error);
    }

    void write(const std::string& below, std::string_view bytes) const {
        std::ofstream(path + '/' + below, std::ios::binary | std::ios::trunc) << bytes;
    }
};

/// A settings file may name any folder; here only those in the home, so that no input looks through this machine.
std::string harmless(std::string_view text, const std::string& home) {
    std::string out;
    for (const char c : text)
        if (c == '@')
            out += home + '/';
        else if (c != '/' && c != '.')
            out += c;
    return out;
}

void checkDefaults(std::string_view text) {
    const ModelDefaults defaults = ModelDefaults::fromJson(text);
    if (ModelDefaults::fromJson(defaults.toJson()) != defaults)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const Home home;
    const std::string_view all(reinterpret_cast<const char*>(data), size);
    checkDefaults(all);
    readCardFacts(all);
    Bandwidth::fromText(all);
    size_t begin = 0;
    for (size_t i = 0; i < kParts; ++i) {
        const size_t end = std::min(all.find('\0', begin), all.size());
        const std::string_view part = all.substr(std::min(begin, all.size()), end - std::min(begin, end));
        const bool namesFolders = i == 1 || i == 2 || i == 5;
        home.write(kPlaces[i], namesFolders ? harmless(part, home.path) : std::string(part));
        begin = end + 1;
    }
    const StoreEnvironment environment{home.path, [](const char*) { return std::string(); }};
    for (const FoundModel& model : scanStores(foreignRoots(environment)).models)
        for (const std::string& file : model.files) // whatever a manifest says: nothing outside of what was looked at
            if (!file.starts_with(home.path) || file.find("/../") != std::string::npos)
                std::abort();
    return 0;
}
