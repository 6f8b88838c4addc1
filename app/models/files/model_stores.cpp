#include "app/models/files/model_stores.h"

#include "engine/gguf.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <set>
#include <unistd.h>

namespace hearth::app {
namespace {

using nlohmann::json;

constexpr size_t kMostManifestBytes = 1 << 20; // real ones have 1 KB; those with a layer for each tensor 200 KB
constexpr size_t kMostModels = 20000;
constexpr int kMostJsonDepth = 16;

struct Named {
    StoreKind kind;
    std::string_view key, name;
};

constexpr Named kStores[] = {
    {StoreKind::Own, "own", ""},
    {StoreKind::Folder, "folder", ""},
    {StoreKind::Ollama, "ollama", "Ollama"},
    {StoreKind::HuggingFace, "huggingface", "Hugging Face"},
    {StoreKind::LmStudio, "lmstudio", "LM Studio"},
    {StoreKind::LlamaCpp, "llamacpp", "llama.cpp"},
    {StoreKind::Gpt4All, "gpt4all", "GPT4All"},
};

bool endsWith(std::string_view name, std::string_view end) { // of ASCII letters in any case
    if (name.size() < end.size())
        return false;
    const std::string_view tail = name.substr(name.size() - end.size());
    return std::equal(tail.begin(), tail.end(), end.begin(), [](unsigned char x, unsigned char y) {
        return (x >= 'A' && x <= 'Z' ? x + ('a' - 'A') : x) == y;
    });
}

bool isGgufName(std::string_view name) {
    return endsWith(name, ".gguf");
}

/// What reads pictures for a model is no model by itself.
bool isProjectorName(std::string_view name) {
    return name.find("mmproj") != std::string_view::npos;
}

bool isHidden(std::string_view name) {
    return name.starts_with('.');
}

std::string lastPart(const std::string& path) {
    return path.substr(path.find_last_of('/') + 1);
}

std::string folderOf(const std::string& path) {
    const size_t slash = path.find_last_of('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

bool isHex(std::string_view text, size_t size) {
    return text.size() == size && std::all_of(text.begin(), text.end(),
                                              [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// Text of a small JSON file; discarded where it is none or nests too deep.
json readJson(const std::string& path, size_t most) {
    const std::optional<std::string> text = readSmallFile(path, most);
    if (!text)
        return json(json::value_t::discarded);
    bool deep = false;
    const auto shallow = [&](int depth, json::parse_event_t, json&) {
        deep = deep || depth > kMostJsonDepth;
        return depth <= kMostJsonDepth;
    };
    json parsed = json::parse(*text, shallow, false);
    return deep ? json(json::value_t::discarded) : parsed;
}

std::string textAt(const json& object, const char* key) {
    const auto found = object.is_object() ? object.find(key) : object.end();
    return object.is_object() && found != object.end() && found->is_string() ? found->get<std::string>()
                                                                             : std::string();
}

std::string linkTarget(const std::string& path) {
    std::array<char, 4096> buffer;
    const ssize_t n = readlink(path.c_str(), buffer.data(), buffer.size());
    return n > 0 ? std::string(buffer.data(), static_cast<size_t>(n)) : std::string();
}

/// A store being read.
class Scan {
public:
    /// `strict`: nothing that is no whole model. Else a person's own folders give all that calls itself one, so that
    /// its fault can be told.
    Scan(StoreScan& out, const std::atomic<bool>* cancel, bool strict = false)
        : out_(out), cancel_(cancel), strict_(strict) {}

    using Describe = std::function<void(FoundModel&)>;

    void root(const StoreRoot&);
    /// GGUF files and folders of safetensors, so many levels below a root.
    void tree(const StoreRoot&, int depth, const Describe&);
    /// A file, whatever its name, if it is a GGUF and the first of its parts.
    void gguf(const std::string& path, StoreKind, const Describe&);

private:
    bool stopped() const { return (cancel_ && cancel_->load()) || out_.models.size() >= kMostModels; }

    void ollama(const std::string& root);
    void ollamaManifest(const std::string& blobs, const std::vector<std::string>& parts, const std::string& path);
    void huggingFace(const std::string& root);
    void repository(const std::string& root, const std::string& folder);
    void folder(const std::string& path, std::vector<std::string> weights, StoreKind, const Describe&);
    void add(FoundModel);

    StoreScan& out_;
    const std::atomic<bool>* cancel_;
    const bool strict_;
    std::set<std::pair<uint64_t, uint64_t>> known_; // device and inode
};

void Scan::add(FoundModel model) {
    if (known_.insert({model.stamp.device, model.stamp.inode}).second)
        out_.models.push_back(std::move(model));
}

void Scan::gguf(const std::string& path, StoreKind kind, const Describe& describe) {
    engine::SplitName split;
    const bool isPart = engine::parseSplitName(path, split);
    if (isPart && split.number != 1)
        return;
    const bool whole = strict_ || (kind != StoreKind::Own && kind != StoreKind::Folder);
    FoundModel model{.path = path, .store = kind};
    for (int number = 1; number <= (isPart ? split.count : 1); ++number) {
        std::string part = isPart ? engine::splitPath(split, number) : path;
        const std::optional<FileStamp> stamp = stampOf(part);
        if (!stamp) {
            out_.incomplete += number > 1;
            if (whole || number == 1)
                return;
            break;
        }
        if (number == 1)
            model.stamp = *stamp;
        model.bytes += stamp->bytes;
        model.files.push_back(std::move(part));
    }
    if (whole && !beginsAsGguf(path))
        return;
    describe(model);
    add(std::move(model));
}

/// `weights`: names of its safetensors files.
void Scan::folder(const std::string& path, std::vector<std::string> weights, StoreKind kind, const Describe& describe) {
    std::sort(weights.begin(), weights.end());
    FoundModel model{.path = path, .store = kind};
    for (const std::string& name : weights) {
        std::string file = path + "/" + name;
        const std::optional<FileStamp> stamp = stampOf(file);
        if (!stamp) {
            ++out_.incomplete;
            return;
        }
        if (model.files.empty())
            model.stamp = *stamp;
        model.bytes += stamp->bytes;
        model.files.push_back(std::move(file));
    }
    describe(model);
    add(std::move(model));
}

void Scan::tree(const StoreRoot& root, int depth, const Describe& describe) {
    struct Weights {
        std::vector<std::string> names;
        bool config = false;
    };

    std::map<std::string, Weights> folders;
    std::vector<std::string> ggufs;
    FolderWalk walk({.depth = depth});
    walk.run(
        root.path, [&](const WalkEntry& entry) { return !isHidden(entry.name) && !stopped(); },
        [&](const WalkEntry& entry) {
            if (isHidden(entry.name))
                return;
            if (isGgufName(entry.name) && !isProjectorName(entry.name) && !entry.name.starts_with("incomplete-"))
                ggufs.push_back(entry.path);
            else if (endsWith(entry.name, ".safetensors") && !entry.name.starts_with("adapter_"))
                folders[folderOf(entry.path)].names.emplace_back(entry.name);
            else if (entry.name == "config.json")
                folders[folderOf(entry.path)].config = true;
            else if (entry.name.ends_with(".part") || entry.name.ends_with(".downloadInProgress") ||
                     entry.name.starts_with("incomplete-"))
                ++out_.incomplete;
        });
    std::sort(ggufs.begin(), ggufs.end());
    for (const std::string& path : ggufs)
        if (!stopped())
            gguf(path, root.kind, describe);
    for (auto& [path, weights] : folders)
        if (!stopped() && weights.config && !weights.names.empty())
            folder(path, std::move(weights.names), root.kind, describe);
    out_.entries += walk.entries();
    out_.cut = out_.cut || walk.cut();
}

// ---- Ollama: manifests/<registry>/<namespace>/<model>/<tag> name the blobs by digest
// https://pkg.go.dev/github.com/ollama/ollama/server/internal/manifest

void Scan::ollama(const std::string& root) {
    const std::string manifests = root + "/manifests", blobs = root + "/blobs";
    std::vector<std::string> found;
    FolderWalk walk({.depth = 4});
    walk.run(
        manifests, [&](const WalkEntry&) { return !stopped(); },
        [&](const WalkEntry& entry) {
            if (entry.depth == 3)
                found.push_back(entry.path);
        });
    std::sort(found.begin(), found.end());
    for (const std::string& path : found) {
        std::vector<std::string> parts; // registry, namespace, model, tag
        for (size_t at = manifests.size() + 1; at < path.size();) {
            const size_t end = std::min(path.find('/', at), path.size());
            parts.push_back(path.substr(at, end - at));
            at = end + 1;
        }
        if (!stopped() && parts.size() == 4)
            ollamaManifest(blobs, parts, path);
    }
    out_.entries += walk.entries();
    out_.cut = out_.cut || walk.cut();
}

void Scan::ollamaManifest(const std::string& blobs, const std::vector<std::string>& parts, const std::string& path) {
    const json manifest = readJson(path, kMostManifestBytes);
    if (!manifest.is_object() || !manifest.contains("layers") || !manifest["layers"].is_array())
        return;
    for (const json& layer : manifest["layers"]) {
        const std::string digest = textAt(layer, "digest");
        if (textAt(layer, "mediaType") != "application/vnd.ollama.image.model" || !digest.starts_with("sha256:"))
            continue;
        // The one thing of a manifest that becomes part of a path.
        const std::string hash = digest.substr(7);
        if (!isHex(hash, 64))
            continue;
        const bool official = parts[0] == "registry.ollama.ai";
        const auto describe = [&](FoundModel& model) {
            model.name = (official ? "" : parts[0] + "/") + (official && parts[1] == "library" ? "" : parts[1] + "/") +
                         parts[2] + ":" + parts[3];
            model.sha256 = hash;
            if (parts[0] == "hf.co" || parts[0] == "huggingface.co")
                model.repo = parts[1] + "/" + parts[2];
        };
        gguf(blobs + "/sha256-" + hash, StoreKind::Ollama, describe);
        return; // a second model layer is the first one's continuation in no version that we know
    }
}

// ---- Hugging Face: models--<org>--<name>/{refs/main, snapshots/<revision>/<file> -> ../../blobs/<hash>}
// https://huggingface.co/docs/huggingface_hub/guides/manage-cache

void Scan::huggingFace(const std::string& root) {
    const std::vector<std::string> names = namesIn(root);
    out_.entries += names.size();
    for (const std::string& name : names)
        if (!stopped() && name.starts_with("models--"))
            repository(root + "/" + name, name.substr(8));
}

void Scan::repository(const std::string& path, const std::string& encoded) {
    std::string repo = encoded;
    if (const size_t dashes = repo.find("--"); dashes != std::string::npos)
        repo.replace(dashes, 2, "/");
    std::string main = readSmallFile(path + "/refs/main", 256).value_or("");
    main.resize(std::min(main.size(), main.find_first_of(" \r\n\t")));
    std::vector<std::string> revisions = namesIn(path + "/snapshots", 1000);
    std::stable_partition(revisions.begin(), revisions.end(), [&](const std::string& r) { return r == main; });
    for (const std::string& name : namesIn(path + "/blobs"))
        out_.incomplete += name.ends_with(".incomplete");
    for (const std::string& revision : revisions) {
        const auto describe = [&](FoundModel& model) {
            model.repo = repo;
            model.name = repo;
            model.revision = revision;
            if (const std::string blob = lastPart(linkTarget(model.files.front()));
                model.files.size() == 1 && isHex(blob, 64))
                model.sha256 = blob; // of files in LFS; others have the 40 digits of git
        };
        tree({StoreKind::HuggingFace, path + "/snapshots/" + revision}, 3, describe);
    }
}

void Scan::root(const StoreRoot& root) {
    switch (root.kind) {
    case StoreKind::Ollama:
        return ollama(root.path);
    case StoreKind::HuggingFace:
        return huggingFace(root.path);
    case StoreKind::LlamaCpp: // <org>_<repo>_<file>.gguf and beside it <the same>.json with its origin
        return tree(root, 1, [&](FoundModel& model) {
            ++out_.entries;
            model.url = textAt(readJson(model.files.front() + ".json", 1 << 16), "url");
            if (!model.url.starts_with("https://"))
                model.url.clear();
        });
    case StoreKind::LmStudio: // <publisher>/<repo>/<file>.gguf
        return tree(root, 4, [&](FoundModel& model) {
            const std::string below = folderOf(model.files.front())
                                          .substr(std::min(root.path.size() + 1, folderOf(model.files.front()).size()));
            if (std::count(below.begin(), below.end(), '/') == 1)
                model.repo = below;
        });
    case StoreKind::Gpt4All:
        return tree(root, 0, [](FoundModel&) {});
    case StoreKind::Own:
    case StoreKind::Folder:
        return tree(root, 4, [](FoundModel&) {});
    }
}

// ---- where they are

/// GPT4All's settings, as Qt writes them: modelPath=/some/folder, in quotes where it has special letters.
std::string gpt4allFolder(const std::string& settings) {
    const std::string text = "\n" + readSmallFile(settings, 1 << 20).value_or("");
    const size_t key = text.find("\nmodelPath=");
    if (key == std::string::npos)
        return {};
    const size_t begin = key + 11;
    std::string value = text.substr(begin, std::min(text.find_first_of("\r\n", begin), text.size()) - begin);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
        value = value.substr(1, value.size() - 2);
    for (size_t at = 0; (at = value.find("\\\\", at)) != std::string::npos; ++at)
        value.erase(at, 1);
    return value;
}

} // namespace

std::string_view storeName(StoreKind kind) {
    return kStores[static_cast<size_t>(kind)].name;
}

std::string_view storeKey(StoreKind kind) {
    return kStores[static_cast<size_t>(kind)].key;
}

StoreEnvironment StoreEnvironment::ofProcess() {
    const auto variable = [](const char* name) {
        const char* value = std::getenv(name);
        return std::string(value ? value : "");
    };
    return {.home = variable("HOME"), .variable = variable};
}

std::vector<StoreRoot> foreignRoots(const StoreEnvironment& environment) {
    std::vector<StoreRoot> roots;
    const auto add = [&](StoreKind kind, const std::string& path) {
        StoreRoot root{kind, path};
        if (path.size() < 2 || path.front() != '/' || path.size() > 4000 || !isFolder(path))
            return;
        while (root.path.ends_with('/'))
            root.path.pop_back();
        if (std::find(roots.begin(), roots.end(), root) == roots.end())
            roots.push_back(std::move(root));
    };
    const auto variable = [&](const char* name) { return environment.variable(name); };
    const auto within = [](const std::string& base, const char* below) { return base.empty() ? base : base + below; };
    const std::string& home = environment.home;
    const auto xdg = [&](const char* name, const char* fallback) {
        const std::string set = variable(name);
        return set.starts_with('/') ? set : within(home, fallback);
    };
    const std::string cache = xdg("XDG_CACHE_HOME", "/.cache");

    add(StoreKind::Ollama, variable("OLLAMA_MODELS"));
    add(StoreKind::Ollama, within(home, "/.ollama/models"));
    add(StoreKind::Ollama, "/usr/share/ollama/.ollama/models"); // of the service

    add(StoreKind::HuggingFace, variable("HF_HUB_CACHE"));
    add(StoreKind::HuggingFace, variable("HUGGINGFACE_HUB_CACHE"));
    add(StoreKind::HuggingFace, within(variable("HF_HOME"), "/hub"));
    add(StoreKind::HuggingFace, within(cache, "/huggingface/hub"));

    const std::optional<std::string> pointer = readSmallFile(within(home, "/.lmstudio-home-pointer"), 4096);
    std::string lmStudio = pointer.value_or("");
    lmStudio.resize(std::min(lmStudio.size(), lmStudio.find_first_of("\r\n")));
    for (const std::string& base : {lmStudio, within(home, "/.lmstudio"), within(cache, "/lm-studio")}) {
        if (!base.starts_with('/'))
            continue;
        add(StoreKind::LmStudio, textAt(readJson(base + "/settings.json", 1 << 20), "downloadsFolder"));
        add(StoreKind::LmStudio, base + "/models");
    }

    add(StoreKind::LlamaCpp, variable("LLAMA_CACHE"));
    add(StoreKind::LlamaCpp, within(cache, "/llama.cpp"));

    add(StoreKind::Gpt4All, gpt4allFolder(xdg("XDG_CONFIG_HOME", "/.config") + "/nomic.ai/GPT4All.ini"));
    add(StoreKind::Gpt4All, xdg("XDG_DATA_HOME", "/.local/share") + "/nomic.ai/GPT4All");
    return roots;
}

StoreScan scanStores(const std::vector<StoreRoot>& roots, const std::atomic<bool>* cancel) {
    StoreScan out;
    Scan scan(out, cancel);
    for (const StoreRoot& root : roots)
        scan.root(root);
    return out;
}

std::optional<FoundModel> modelAt(const std::string& given) {
    std::string path = given;
    while (path.size() > 1 && path.ends_with('/'))
        path.pop_back();
    if (endsWith(path, ".safetensors") || lastPart(path) == "config.json")
        path = folderOf(path);
    StoreScan out;
    Scan scan(out, nullptr, true);
    if (isFolder(path)) {
        scan.tree({StoreKind::Folder, path}, 0, [](FoundModel&) {});
        // A folder of safetensors is the model; one that holds a single GGUF means that.
        const auto whole = std::find_if(out.models.begin(), out.models.end(),
                                        [&](const FoundModel& model) { return model.path == path; });
        if (whole != out.models.end())
            return *whole;
    } else {
        if (engine::SplitName split; engine::parseSplitName(path, split))
            path = engine::splitPath(split, 1);
        scan.gguf(path, StoreKind::Folder, [](FoundModel&) {});
    }
    return out.models.size() == 1 ? std::optional(out.models.front()) : std::nullopt;
}

} // namespace hearth::app
