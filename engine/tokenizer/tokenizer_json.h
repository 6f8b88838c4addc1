#pragma once

#include "engine/tokenizer.h"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace hearth::engine {

/// What lies beside a tokenizer.json; null where there is no such file.
struct TokenizerSettings {
    nlohmann::json config;     // tokenizer_config.json
    nlohmann::json generation; // generation_config.json
};

/// From the text of a tokenizer.json, as the `tokenizers` library reads it; `name` stands in errors. Throws Error.
std::unique_ptr<Tokenizer> tokenizerFromJson(std::string_view json, const TokenizerSettings&, const std::string& name);

/// The `tokenizer.ggml.*` keys of a SentencePiece `tokenizer.model`. Throws Error.
Metadata metadataOfSentencePiece(std::string_view model, const TokenizerSettings&, const std::string& name);

} // namespace hearth::engine
