#pragma once

#include "engine/metadata.h"

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace hearth::engine::test {

/// JSON (an object of metadata keys) as a GGUF reader would give it.
inline Metadata metadataFromJson(const nlohmann::json& object) {
    Metadata m;
    for (const auto& [key, v] : object.items()) {
        if (v.is_boolean())
            m.set(key, v.get<bool>());
        else if (v.is_number_integer())
            m.set(key, v.get<int64_t>());
        else if (v.is_number())
            m.set(key, v.get<double>());
        else if (v.is_string())
            m.set(key, v.get<std::string>());
        else if (v.is_array() && !v.empty() && v[0].is_string())
            m.set(key, v.get<std::vector<std::string>>());
        else if (v.is_array() && !v.empty() && v[0].is_number_integer())
            m.set(key, v.get<std::vector<int64_t>>());
        else if (v.is_array())
            m.set(key, v.get<std::vector<double>>());
    }
    return m;
}

inline std::string readFile(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::stringstream s;
    s << in.rdbuf();
    return s.str();
}

inline nlohmann::json readJson(const std::filesystem::path& path) {
    return nlohmann::json::parse(readFile(path));
}

/// The tiny vocabularies of the oracles, by name: {"metadata": ..., "cases": [[text, ids], ...]}.
inline const nlohmann::json& tinyVocabularies() {
    static const nlohmann::json all = readJson(HEARTH_TEST_DATA "/text/tokenizers.json");
    return all;
}

/// Reference data that is not in the repository.
inline std::filesystem::path sharedFolder() {
    const char* set = std::getenv("HEARTH_SHARED");
    return set ? std::filesystem::path(set) : std::filesystem::path(HEARTH_SOURCE_DIR) / ".." / "shared";
}

} // namespace hearth::engine::test
