#pragma once

#include "engine/checkpoint.h"
#include "engine/mapped_file.h"
#include "engine/metadata.h"
#include "engine/safetensors.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::engine {

/// A model as a Hugging Face folder holds it.
struct HfFolder {
    Metadata metadata; // under the names GGUF uses
    std::vector<TensorEntry> tensors;
    std::vector<std::unique_ptr<MappedFile>> files;
};

/// The texts of a folder; empty: not there.
struct HfTexts {
    std::string config;           // config.json
    std::string generationConfig; // generation_config.json: what to sample with, more stop tokens
    std::string tokenizerConfig;  // tokenizer_config.json: chat template, special tokens
    std::string chatTemplate;     // chat_template.jinja
    std::string chatTemplateJson; // chat_template.json, as folders of models that also see have it
    std::string pooling;          // 1_Pooling/config.json of sentence-transformers
};

/// The folder that a path means: a folder itself, or that of a file of safetensors or JSON in it. Empty: neither.
std::string hfFolderOf(const std::string& path);

/// Reads all headers and small files; no weights. Throws Error.
HfFolder readHfFolder(const std::string& path, Checkpoint::Form = Checkpoint::Form::AsItLies);

/// The part of it that needs no files: `stored` is what their headers say.
HfFolder hfFolderFrom(const HfTexts&, const std::vector<StoredTensor>& stored,
                      Checkpoint::Form = Checkpoint::Form::AsItLies);

} // namespace hearth::engine
