#include "app/models/files/model_facts.h"

#include "app/models/files/file_walk.h"
#include "app/models/files/model_defaults.h"
#include "engine/chat_template.h"
#include "engine/chat_template_families.h"
#include "engine/error.h"
#include "engine/model.h"
#include "engine/thought_marks.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace hearth::app {
namespace {

using engine::Metadata;
using engine::Value;

constexpr size_t kMostCard = size_t{1} << 20;
constexpr size_t kMostLanguages = 64;

// https://github.com/ggml-org/llama.cpp/blob/master/gguf-py/gguf/constants.py, Keys.General
constexpr SamplingKey kSampling[] = {
    {"temperature", "general.sampling.temp"},
    {"topK", "general.sampling.top_k"},
    {"topP", "general.sampling.top_p"},
    {"minP", "general.sampling.min_p"},
    {"repetitionPenalty", "general.sampling.penalty_repeat"},
};

/// A key's text; empty where it is absent or something else. A broken key must not hide the rest.
std::string textOf(const Metadata& metadata, std::string_view key, size_t most = 200) {
    const Value* value = metadata.find(key);
    const auto* text = value ? std::get_if<std::string>(value) : nullptr;
    return text ? engine::printable(*text, most) : std::string();
}

const std::string* wholeText(const Metadata& metadata, std::string_view key) {
    const Value* value = metadata.find(key);
    return value ? std::get_if<std::string>(value) : nullptr;
}

double numberOf(const Metadata& metadata, std::string_view key) {
    const Value* value = metadata.find(key);
    if (const auto* number = value ? std::get_if<double>(value) : nullptr)
        return *number;
    if (const auto* number = value ? std::get_if<int64_t>(value) : nullptr)
        return static_cast<double>(*number);
    return std::nan("");
}

std::vector<std::string> textsOf(const Metadata& metadata, std::string_view key) {
    const Value* value = metadata.find(key);
    std::vector<std::string> out;
    if (const auto* texts = value ? std::get_if<std::vector<std::string>>(value) : nullptr)
        for (const std::string& text : *texts)
            if (out.size() < kMostLanguages)
                out.push_back(engine::printable(text, 40));
    return out;
}

/// All experts as one tensor, all else as another: placement adds them up only, and a list of models stays small.
engine::PlacementInput joined(const engine::PlacementInput& in) {
    engine::PlacementInput out = in;
    out.tensors = {{.name = "weights"}, {.name = "experts", .expert = true}};
    const auto add = [](uint64_t& sum, uint64_t bytes) { sum = sum > UINT64_MAX - bytes ? UINT64_MAX : sum + bytes; };
    for (const engine::PlacedTensor& tensor : in.tensors) {
        engine::PlacedTensor& sum = out.tensors[tensor.expert ? 1 : 0];
        add(sum.bytes, tensor.bytes);
        add(sum.bytesPerToken, tensor.bytesPerToken);
    }
    return out;
}

void readTemplate(const Metadata& metadata, ModelFacts& facts) {
    const std::string* source = wholeText(metadata, "tokenizer.chat_template");
    facts.hasTemplate = source && !source->empty();
    if (facts.embeds)
        return;
    const engine::ChatFamily* said = facts.hasTemplate ? engine::chatFamilyOfTemplate(*source) : nullptr;
    facts.chatFamily = (said ? *said : engine::chatFamilyOf(metadata)).name;
    if (!facts.hasTemplate)
        return;
    facts.publishedAs = engine::publishedTemplate(*source);
    facts.templateDiffers = facts.publishedAs.empty();
    facts.thinks = engine::findThoughtMarks(*source, nullptr) != nullptr;
    facts.choosesThinking = engine::choosesThinking(*source);
}

std::vector<std::pair<std::string, engine::KvSize>> cachesOf(const engine::ModelConfig& config) {
    std::vector<std::pair<std::string, engine::KvSize>> out;
    for (const std::string_view name : kvTypeNames())
        try {
            out.emplace_back(name, engine::kvSize(config, {.path = {}, .kv = *kvTypeNamed(name), .overrides = {}}));
        } catch (const engine::Error&) { // not of this type
        }
    return out;
}

void readPlacement(const engine::Checkpoint& checkpoint, ModelFacts& facts) {
    try {
        const engine::ModelConfig config = engine::readModelConfig(checkpoint);
        facts.trainedContext = config.trainedContext;
        facts.layers = static_cast<int>(config.layers.size());
        facts.experts = config.experts.count;
        facts.expertsUsed = config.experts.used;
        facts.embeds = !config.causal;
        facts.placement = joined(engine::placementInput(checkpoint, config, {}));
        facts.caches = cachesOf(config);
    } catch (const engine::Error& error) {
        facts.cannotRun = error.what();
        facts.reason = error.reason();
    }
}

// ---- model cards

std::string_view trimmed(std::string_view text) {
    const size_t first = text.find_first_not_of(" \t\r'\"");
    if (first == text.npos)
        return {};
    return text.substr(first, text.find_last_not_of(" \t\r'\",") + 1 - first);
}

/// "[en, zh]" or "en".
void addLanguages(std::string_view list, std::vector<std::string>& out) {
    while (!list.empty()) {
        const size_t comma = std::min(list.find(','), list.size());
        std::string_view one = trimmed(list.substr(0, comma));
        while (one.starts_with('[') || one.ends_with(']'))
            one = trimmed(one.starts_with('[') ? one.substr(1) : one.substr(0, one.size() - 1));
        if (!one.empty() && out.size() < kMostLanguages)
            out.push_back(engine::printable(one, 40));
        list.remove_prefix(std::min(list.size(), comma + 1));
    }
}

void readCard(const engine::Checkpoint& checkpoint, ModelFacts& facts) {
    if (checkpoint.folder().empty())
        return;
    const CardFacts card = readCardFacts(readSmallFile(checkpoint.folder() + "/README.md", kMostCard).value_or(""));
    if (facts.license.empty())
        facts.license = card.license == "other" && !card.licenseName.empty() ? card.licenseName : card.license;
    if (facts.licenseLink.empty())
        facts.licenseLink = card.licenseLink;
    if (facts.languages.empty())
        facts.languages = card.languages;
}

} // namespace

std::vector<SamplingKey> samplingKeys() {
    return {std::begin(kSampling), std::end(kSampling)};
}

CardFacts readCardFacts(std::string_view card) {
    CardFacts out;
    if (!card.starts_with("---"))
        return out;
    card.remove_prefix(std::min(card.size(), card.find('\n')));
    std::string_view key;
    while (!card.empty()) {
        card.remove_prefix(1); // the end of the line before
        const size_t end = std::min(card.find('\n'), card.size());
        std::string_view line = card.substr(0, end);
        card.remove_prefix(end);
        if (line.starts_with("---"))
            break;
        if (const std::string_view item = trimmed(line); item.starts_with("- ") && key == "language") {
            addLanguages(item.substr(2), out.languages);
            continue;
        }
        const size_t colon = line.find(':');
        if (line.empty() || line[0] == ' ' || line[0] == '#' || line[0] == '-' || colon == line.npos)
            continue;
        key = line.substr(0, colon);
        const std::string value = engine::printable(trimmed(line.substr(colon + 1)), 200);
        if (key == "license")
            out.license = value;
        else if (key == "license_name")
            out.licenseName = value;
        else if (key == "license_link")
            out.licenseLink = value;
        else if (key == "language")
            addLanguages(value, out.languages);
    }
    return out;
}

ModelFacts factsOf(const engine::Checkpoint& checkpoint, const std::string& path) {
    const Metadata& metadata = checkpoint.metadata();
    ModelFacts facts;
    facts.name = textOf(metadata, "general.name");
    if (facts.name.empty()) {
        std::string last = path.substr(path.find_last_of('/') + 1);
        facts.name = engine::printable(last.ends_with(".gguf") ? last.substr(0, last.size() - 5) : last, 200);
    }
    facts.family = textOf(metadata, "general.architecture");
    facts.format = checkpoint.format();
    facts.quant = engine::mainType(checkpoint);
    facts.parameters = engine::parameterCount(checkpoint);
    facts.bytes = checkpoint.fileBytes();
    facts.author = textOf(metadata, "general.organization");
    if (facts.author.empty())
        facts.author = textOf(metadata, "general.author");
    facts.license = textOf(metadata, "general.license");
    if (const std::string name = textOf(metadata, "general.license.name"); facts.license == "other" && !name.empty())
        facts.license = name;
    facts.licenseLink = textOf(metadata, "general.license.link");
    facts.languages = textsOf(metadata, "general.languages");
    facts.adapter = textOf(metadata, "general.type") == "adapter";
    for (const SamplingKey& key : kSampling)
        if (const double number = numberOf(metadata, key.key); std::abs(number) <= 1e9)
            facts.sampling.emplace_back(key.name, number);
    readPlacement(checkpoint, facts);
    readTemplate(metadata, facts);
    readCard(checkpoint, facts);
    return facts;
}

ModelFacts readModelFacts(const std::string& path) {
    try {
        return factsOf(engine::Checkpoint::open(path), path);
    } catch (const engine::Error& error) {
        ModelFacts facts;
        facts.problem = error.what();
        facts.reason = error.reason();
        return facts;
    }
}

} // namespace hearth::app
