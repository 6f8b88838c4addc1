#pragma once

#include "app/models/files/file_walk.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::app {

/// Whose files they are. All but Own are read in place and never written to, moved or deleted.
enum class StoreKind : uint8_t { Own, Folder, Ollama, HuggingFace, LmStudio, LlamaCpp, Gpt4All };

/// "Ollama"; a name of a product, the same in every language. Own and Folder have none.
std::string_view storeName(StoreKind);
/// For settings and JSON: "own", "folder", "ollama", "huggingface", "lmstudio", "llamacpp", "gpt4all".
std::string_view storeKey(StoreKind);

struct StoreRoot {
    StoreKind kind = StoreKind::Own;
    std::string path; // absolute

    friend bool operator==(const StoreRoot&, const StoreRoot&) = default;
};

/// A model that lies in a store.
struct FoundModel {
    std::string path; // what the engine opens: a GGUF file (of a split one the first part), or a folder of safetensors
    StoreKind store = StoreKind::Own;
    std::string name;               // what that program calls it: "llama3.2:1b", "org/name"; may be empty
    std::string repo, revision;     // on the hub, where the store tells
    std::string url;                // where it came from, where the store tells
    std::string sha256;             // of a single file, where the store tells: not computed, not checked
    std::vector<std::string> files; // all parts; of a folder its weights
    uint64_t bytes = 0;             // of these
    FileStamp stamp;                // of files.front()
};

struct StoreScan {
    std::vector<FoundModel> models; // in the order of the roots; a file that two names lead to once
    size_t entries = 0;             // names that were looked at
    size_t incomplete = 0;          // downloads of other programs that have not ended
    bool cut = false;               // a root holds more than is sensible, and the rest was left out
};

/// What decides where programs keep their models.
struct StoreEnvironment {
    std::string home;
    std::function<std::string(const char* name)> variable; // empty: not set

    static StoreEnvironment ofProcess();
};

/// Where the other programs keep their models, as far as there is such a folder. Reads their settings.
std::vector<StoreRoot> foreignRoots(const StoreEnvironment&);

/// Finds the models of these roots by names and first bytes; headers are not read. Opens for reading only, copies and
/// writes nothing, never throws but std::bad_alloc. `cancel` may be null. Any thread.
StoreScan scanStores(const std::vector<StoreRoot>&, const std::atomic<bool>* cancel = nullptr);

/// The model that a path means, as scanStores() would find it there: a GGUF, a part of a split one, a folder of
/// safetensors or a file of it. Nothing: neither.
std::optional<FoundModel> modelAt(const std::string& path);

} // namespace hearth::app
