#include "engine/hf/folder.h"

#include "engine/error.h"
#include "engine/hf/config.h"
#include "engine/hf/tensors.h"
#include "engine/tokenizer/tokenizer_json.h"

#include <algorithm>
#include <filesystem>
#include <unordered_map>

namespace hearth::engine {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view kIndexName = "model.safetensors.index.json";
constexpr size_t kMaxTextBytes = size_t{64} << 20;

/// A small file of the folder; empty where it is not there.
std::string readText(const fs::path& path) {
    std::error_code error;
    if (!fs::exists(path, error) || fs::file_size(path, error) == 0)
        return {};
    const MappedFile file(path.string());
    if (file.bytes().size() > kMaxTextBytes)
        throw Error("The file " + printable(path.string(), 400) + " has " + readableBytes(file.bytes().size()) + ".");
    return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

/// Names of the folder's files of weights, in order. `index` is empty where the folder has none.
std::vector<std::string> weightFiles(const fs::path& folder, const SafetensorsIndex& index) {
    if (!index.files.empty())
        return index.files;
    std::error_code error;
    if (fs::exists(folder / "model.safetensors", error))
        return {"model.safetensors"};
    std::vector<std::string> names;
    bool pickled = false;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        const std::string name = entry.path().filename().string();
        if (name.ends_with(".safetensors"))
            names.push_back(name);
        pickled |= name.ends_with(".bin") || name.ends_with(".pt") || name.ends_with(".pth");
    }
    std::sort(names.begin(), names.end());
    if (names.empty())
        throw Error("The folder " + printable(folder.string(), 400) +
                    (pickled ? " has its weights as programs of Python, which are not run. Many models are also there "
                               "as safetensors."
                             : " has no weights: there is no file *.safetensors in it."));
    if (names.size() > 1)
        throw Error("The folder " + printable(folder.string(), 400) + " has " + std::to_string(names.size()) +
                    " files of weights, but no " + std::string(kIndexName) + " that says which belong together.");
    return names;
}

/// Every tensor that the index names must be in the file it names.
void checkIndex(const SafetensorsIndex& index, const std::vector<StoredTensor>& stored) {
    std::unordered_map<std::string_view, int> files;
    files.reserve(stored.size());
    for (const StoredTensor& tensor : stored)
        files.emplace(tensor.name, tensor.file);
    for (const SafetensorsIndex::Entry& entry : index.tensors) {
        const auto it = files.find(entry.tensor);
        if (it == files.end() || it->second != entry.file)
            throw Error("The tensor " + printable(entry.tensor) + " is not in the file " +
                        printable(index.files[static_cast<size_t>(entry.file)]) + ", where " + std::string(kIndexName) +
                        " says that it is.");
    }
}

/// The first number of an id or a list of ids; all of them are added to `stops`.
void readIds(const json& value, std::vector<int64_t>& stops) {
    if (value.is_array())
        for (const json& one : value)
            readIds(one, stops);
    else if (value.is_number_integer() && value >= 0 && value <= INT32_MAX &&
             std::find(stops.begin(), stops.end(), value.get<int64_t>()) == stops.end() && stops.size() < 64)
        stops.push_back(value.get<int64_t>());
}

/// What a small file says, or nothing: one that cannot be read must not keep a model from running.
json readOptional(const std::string& text, std::string_view name) {
    if (text.empty())
        return json::object();
    try {
        return parseHfJson(text, name);
    } catch (const Error&) {
        return json::object();
    }
}

void readSampling(const json& generation, Metadata& out) {
    if (const auto it = generation.find("do_sample"); it != generation.end() && *it == false)
        return; // what else it says then does not count
    static constexpr std::pair<const char*, const char*> kKeys[] = {
        {"temperature", "general.sampling.temp"},
        {"top_k", "general.sampling.top_k"},
        {"top_p", "general.sampling.top_p"},
        {"min_p", "general.sampling.min_p"},
        {"repetition_penalty", "general.sampling.penalty_repeat"},
    };
    for (const auto& [key, name] : kKeys)
        if (const auto it = generation.find(key); it != generation.end() && it->is_number())
            out.set(name, it->get<double>());
}

void readSpecialTokens(const json& config, const json& generation, Metadata& out) {
    for (const char* name : {"bos", "pad"}) {
        std::vector<int64_t> ids;
        for (const json* file : {&config, &generation})
            if (const auto it = file->find(std::string(name) + "_token_id"); it != file->end())
                readIds(*it, ids);
        if (!ids.empty())
            out.set(std::string("tokenizer.ggml.") + (*name == 'b' ? "bos" : "padding") + "_token_id", ids[0]);
    }
    std::vector<int64_t> stops;
    for (const json* file : {&config, &generation})
        if (const auto it = file->find("eos_token_id"); it != file->end())
            readIds(*it, stops);
    if (stops.empty())
        return;
    out.set("tokenizer.ggml.eos_token_id", stops[0]);
    if (stops.size() > 1)
        out.set("tokenizer.ggml.eos_token_ids", stops);
}

/// The key "chat_template" of a file: one template, or several of which "default" counts. Empty: none.
std::string templateIn(const json& file) {
    const auto it = file.find("chat_template");
    if (it == file.end())
        return {};
    if (it->is_string())
        return it->get<std::string>();
    std::string found;
    if (it->is_array())
        for (const json& one : *it) {
            const auto name = one.is_object() ? one.find("name") : one.end();
            const auto source = one.is_object() ? one.find("template") : one.end();
            if (one.is_object() && source != one.end() && source->is_string() &&
                (found.empty() || (name != one.end() && *name == "default")))
                found = source->get<std::string>();
        }
    return found;
}

/// Files of its own first, the newer form before the older one.
std::string chatTemplateOf(const HfTexts& texts, const json& tokenizer) {
    if (!texts.chatTemplate.empty())
        return texts.chatTemplate;
    std::string own = templateIn(readOptional(texts.chatTemplateJson, "chat_template.json"));
    return own.empty() ? templateIn(tokenizer) : own;
}

void readPooling(const json& pooling, Metadata& out) {
    static constexpr std::pair<const char*, int64_t> kModes[] = {
        {"pooling_mode_mean_tokens", 1}, {"pooling_mode_cls_token", 2}, {"pooling_mode_lasttoken", 3}};
    for (const auto& [key, number] : kModes)
        if (const auto it = pooling.find(key); it != pooling.end() && *it == true)
            out.set(out.text("general.architecture", "") + ".pooling_type", number);
}

/// "Qwen3-8B" from ".../Qwen3-8B/", or from ".../models--Qwen--Qwen3-8B/snapshots/9c925d64", as download caches have
/// it.
std::string nameOf(const fs::path& folder) {
    std::error_code error;
    fs::path path = fs::absolute(folder, error).lexically_normal();
    if (!path.has_filename())
        path = path.parent_path();
    if (path.parent_path().filename() != "snapshots")
        return path.filename().string();
    const std::string name = path.parent_path().parent_path().filename().string();
    const size_t owner = name.rfind("--");
    return owner == name.npos ? name : name.substr(owner + 2);
}

/// The tokenizer's file inside the metadata: under the key that GGUF has for it, or as keys of GGUF's own.
void convertTokenizer(const fs::path& folder, const HfTexts& texts, Metadata& out) {
    if (std::string text = readText(folder / "tokenizer.json"); !text.empty()) {
        out.set("tokenizer.huggingface.json", std::move(text));
        return;
    }
    const std::string model = readText(folder / "tokenizer.model");
    if (model.empty())
        return;
    const TokenizerSettings settings{.config = readOptional(texts.tokenizerConfig, "tokenizer_config.json"),
                                     .generation = readOptional(texts.generationConfig, "generation_config.json")};
    const Metadata keys = metadataOfSentencePiece(model, settings, (folder / "tokenizer.model").string());
    for (const auto& [key, value] : keys.all())
        out.set(key, value);
}

} // namespace

std::string hfFolderOf(const std::string& path) {
    std::error_code error;
    if (path.find('\0') != path.npos || path.size() > 4096)
        return {};
    if (fs::is_directory(path, error))
        return path;
    if (!path.ends_with(".safetensors") && !path.ends_with(".json"))
        return {};
    const fs::path folder = fs::path(path).parent_path();
    return fs::exists(folder / "config.json", error) ? (folder.empty() ? "." : folder.string()) : "";
}

HfFolder hfFolderFrom(const HfTexts& texts, const std::vector<StoredTensor>& stored, Checkpoint::Form form) {
    const json raw = parseHfJson(texts.config, "config.json");
    const HfConfig config(raw);
    HfFolder out;
    out.metadata = metadataOf(config, form);
    out.tensors = tensorsOf(config, stored, form);
    const json generation = readOptional(texts.generationConfig, "generation_config.json");
    const json tokenizer = readOptional(texts.tokenizerConfig, "tokenizer_config.json");
    readSampling(generation, out.metadata);
    readSpecialTokens(config.values(), generation, out.metadata);
    for (const char* name : {"bos_token", "eos_token"}) // texts; a template may name them
        if (const auto it = tokenizer.find(name); it != tokenizer.end()) {
            const json& token = it->is_object() && it->contains("content") ? (*it)["content"] : *it;
            if (token.is_string())
                out.metadata.set(std::string("tokenizer.") + name, token.get<std::string>());
        }
    if (std::string chatTemplate = chatTemplateOf(texts, tokenizer); !chatTemplate.empty())
        out.metadata.set("tokenizer.chat_template", std::move(chatTemplate));
    if (const auto it = tokenizer.find("add_bos_token"); it != tokenizer.end() && it->is_boolean())
        out.metadata.set("tokenizer.ggml.add_bos_token", it->get<bool>());
    readPooling(readOptional(texts.pooling, "1_Pooling/config.json"), out.metadata);
    return out;
}

HfFolder readHfFolder(const std::string& path, Checkpoint::Form form) {
    const fs::path folder(path);
    std::error_code error;
    if (!fs::exists(folder / "config.json", error))
        throw Error("The folder " + printable(path, 400) + " is no model: there is no config.json in it.");
    const HfTexts texts{.config = readText(folder / "config.json"),
                        .generationConfig = readText(folder / "generation_config.json"),
                        .tokenizerConfig = readText(folder / "tokenizer_config.json"),
                        .chatTemplate = readText(folder / "chat_template.jinja"),
                        .chatTemplateJson = readText(folder / "chat_template.json"),
                        .pooling = readText(folder / "1_Pooling" / "config.json")};
    SafetensorsIndex index;
    if (fs::exists(folder / kIndexName, error))
        index = parseSafetensorsIndex(readText(folder / kIndexName), (folder / kIndexName).string());
    std::vector<std::unique_ptr<MappedFile>> files;
    std::vector<StoredTensor> stored;
    for (const std::string& name : weightFiles(folder, index)) {
        if (!fs::exists(folder / name, error))
            throw Error("The folder " + printable(path, 400) + " lacks the file " + printable(name) +
                        "; its download is not complete.");
        files.push_back(std::make_unique<MappedFile>((folder / name).string()));
        for (StoredTensor& tensor : parseSafetensors(files.back()->bytes(), files.back()->path())) {
            tensor.file = static_cast<int>(files.size()) - 1;
            stored.push_back(std::move(tensor));
        }
    }
    checkIndex(index, stored);
    HfFolder out = hfFolderFrom(texts, stored, form);
    out.files = std::move(files);
    out.metadata.set("general.name", nameOf(folder));
    if (form == Checkpoint::Form::Converted)
        convertTokenizer(folder, texts, out.metadata);
    return out;
}

} // namespace hearth::engine
