#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hearth::engine {

/// A tokenizer.json, read once from front to back: its two long lists apart, everything else as a tree. Throws Error
/// with the place where the text is no JSON, or nested too deep.
struct TokenizerFile {
    struct Piece {
        std::string text;
        double score = 0;
    };

    nlohmann::json rest;                                     // without what follows
    std::vector<std::pair<std::string, int64_t>> vocab;      // model.vocab: an object of ids ...
    std::vector<Piece> pieces;                               // ... or a list of [text, score]
    std::vector<std::pair<std::string, std::string>> merges; // model.merges: "a b", or ["a", "b"]

    static TokenizerFile parse(std::string_view json, const std::string& name);
};

/// A small JSON file whole; `null` when it is not there. Throws Error.
nlohmann::json readSmallJson(const std::string& path);
std::string readTextFile(const std::string& path, uint64_t most);

} // namespace hearth::engine
