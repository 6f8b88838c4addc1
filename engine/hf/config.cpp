#include "engine/hf/config.h"

#include "engine/error.h"
#include "engine/models/family.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace hearth::engine {

namespace {

using nlohmann::json;

constexpr size_t kMaxJsonBytes = size_t{64} << 20;
constexpr size_t kMaxJsonValues = 400'000; // each takes up to about 100 bytes
constexpr int kMaxJsonDepth = 64;

/// Calls f with each name of "a|b|c" until it returns true.
template <typename F>
void eachName(std::string_view names, F&& f) {
    for (size_t begin = 0; begin <= names.size();) {
        const size_t end = std::min(names.find('|', begin), names.size());
        if (f(std::string(names.substr(begin, end - begin))))
            return;
        begin = end + 1;
    }
}

[[noreturn]] void wrongValue(std::string_view key, const json& found, const char* wanted) {
    throw Error("The key " + printable(key) + " of config.json is " +
                printable(found.dump(-1, ' ', false, json::error_handler_t::replace), 60) + ", but " + wanted +
                " is needed.");
}

/// Integers are often written as floats: 4.0.
bool isWhole(const json& value, int64_t& out) {
    if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))
        return false;
    if (value.is_number_integer())
        out = value.get<int64_t>();
    else if (value.is_number_float() && std::abs(value.get<double>()) < 9e15 &&
             value.get<double>() == std::floor(value.get<double>()))
        out = static_cast<int64_t>(value.get<double>());
    else
        return false;
    return true;
}

int64_t wholeOf(std::string_view key, const json& value) {
    int64_t out = 0;
    if (!isWhole(value, out))
        wrongValue(key, value, "an integer");
    return out;
}

double numberOf(std::string_view key, const json& value) {
    if (!value.is_number())
        wrongValue(key, value, "a number");
    return value.get<double>();
}

} // namespace

json parseHfJson(std::string_view text, std::string_view name) {
    const auto fail = [&](const std::string& why) { throw Error(printable(name, 400) + " cannot be read: " + why); };
    if (text.size() > kMaxJsonBytes)
        fail("it has " + readableBytes(text.size()) + ".");
    size_t values = 0;
    const json::parser_callback_t count = [&](int depth, json::parse_event_t, json&) {
        if (depth > kMaxJsonDepth)
            fail("it is nested more than " + std::to_string(kMaxJsonDepth) + " deep.");
        if (++values > kMaxJsonValues)
            fail("it has more than " + std::to_string(kMaxJsonValues) + " values.");
        return true;
    };
    json out;
    try {
        out = json::parse(text, count);
    } catch (const json::exception&) {
        fail("it is not sound JSON.");
    }
    if (!out.is_object())
        fail("it is not a JSON object.");
    return out;
}

HfConfig::HfConfig(json values) : values_(std::move(values)) {
    std::string type = text("model_type", "");
    if (const auto inner = values_.find("text_config"); inner != values_.end() && inner->is_object()) {
        json merged = *inner; // what only the outer one says counts too
        for (const auto& [key, value] : values_.items())
            if (key != "text_config" && !merged.contains(key))
                merged[key] = value;
        if (findHfFamily(merged.value("model_type", json()).is_string() ? merged["model_type"].get<std::string>() : ""))
            type = merged["model_type"].get<std::string>();
        values_ = std::move(merged);
    }
    family_ = findHfFamily(type);
    if (type.empty())
        throw Error("The file config.json says nothing about the kind of the model (model_type is missing).");
    if (!family_)
        throw Error("Models of the kind " + printable(type) + " cannot be run from a folder by this version.");
    if (family_->defaults.empty())
        return;
    const json defaults = json::parse(family_->defaults);
    for (const auto& [key, value] : defaults.items())
        if (!values_.contains(key))
            values_[key] = value;
}

const json* HfConfig::find(std::string_view keys) const {
    const json* found = nullptr;
    eachName(keys, [&](const std::string& name) {
        const auto it = values_.find(name);
        if (it != values_.end() && !it->is_null())
            found = &*it;
        return found != nullptr;
    });
    return found;
}

int64_t HfConfig::integer(std::string_view keys, int64_t fallback) const {
    const json* value = find(keys);
    return value ? wholeOf(keys, *value) : fallback;
}

int64_t HfConfig::require(std::string_view keys, int64_t low, int64_t high) const {
    const json* value = find(keys);
    if (!value)
        throw Error("The key " + printable(keys) + " is missing from config.json.");
    const int64_t out = wholeOf(keys, *value);
    if (out < low || out > high)
        throw Error("The key " + printable(keys) + " of config.json is " + std::to_string(out) + ", but only " +
                    std::to_string(low) + " to " + std::to_string(high) + " make sense.");
    return out;
}

double HfConfig::number(std::string_view keys, double fallback) const {
    const json* value = find(keys);
    return value ? numberOf(keys, *value) : fallback;
}

bool HfConfig::boolean(std::string_view keys, bool fallback) const {
    const json* value = find(keys);
    if (!value)
        return fallback;
    if (!value->is_boolean())
        wrongValue(keys, *value, "true or false");
    return value->get<bool>();
}

std::string HfConfig::text(std::string_view keys, std::string_view fallback) const {
    const json* value = find(keys);
    if (!value)
        return std::string(fallback);
    if (!value->is_string())
        wrongValue(keys, *value, "text");
    return value->get<std::string>();
}

int HfConfig::keyHeads() const {
    return find("num_key_value_heads") ? static_cast<int>(require("num_key_value_heads", 1, 65536)) : heads();
}

int HfConfig::headDim() const {
    if (find("head_dim"))
        return static_cast<int>(require("head_dim", 1, 65536));
    return static_cast<int>(require("hidden_size|n_embd", 1, 1 << 24)) / heads();
}

std::vector<std::string> HfConfig::layerTypes() const {
    std::vector<std::string> types;
    if (const json* list = find("layer_types")) {
        if (!list->is_array())
            wrongValue("layer_types", *list, "an array");
        for (const json& type : *list)
            types.push_back(type.is_string() ? type.get<std::string>() : "");
        if (types.size() < static_cast<size_t>(layers()))
            throw Error("The key layer_types of config.json has " + std::to_string(types.size()) + " entries for " +
                        std::to_string(layers()) + " layers.");
        return types;
    }
    // Older files only say which one of so many is different, or where windows begin.
    const auto every = [&](std::string_view key, const char* most, const char* nth) {
        const json* found = find(key); // 4, or EXAONE's "LLLG"
        const int64_t n = found->is_string() ? static_cast<int64_t>(found->get_ref<const std::string&>().size())
                                             : wholeOf(key, *found);
        for (int i = 0; n > 0 && i < layers(); ++i)
            types.emplace_back((i + 1) % n == 0 ? nth : most);
    };
    if (find("full_attention_interval"))
        every("full_attention_interval", "linear_attention", "full_attention");
    else if (find("sliding_window") && find("sliding_window_pattern|_sliding_window_pattern"))
        every("sliding_window_pattern|_sliding_window_pattern", "sliding_attention", "full_attention");
    else if (find("full_attn_idxs")) { // LFM2
        types.assign(static_cast<size_t>(layers()), "conv");
        for (const json& index : *find("full_attn_idxs"))
            if (int64_t i = 0; isWhole(index, i) && i >= 0 && i < layers())
                types[static_cast<size_t>(i)] = "full_attention";
    } else if (boolean("use_sliding_window", false) && find("sliding_window|max_window_layers")) // Qwen2, Qwen3
        for (int i = 0; i < layers(); ++i)
            types.emplace_back(i >= integer("max_window_layers", 0) ? "sliding_attention" : "full_attention");
    return types;
}

// ---- metadata

namespace {

/// Writes keys under the family's prefix.
class Writer {
public:
    Writer(const HfConfig& config, Metadata& out) : config_(config), out_(out) {}

    void set(std::string_view key, Value value) {
        out_.set(std::string(config_.family().gguf) + "." + std::string(key), std::move(value));
    }

    void removeAll(std::string_view beginning) {
        Metadata kept;
        for (const auto& [key, value] : out_.all())
            if (!key.starts_with(std::string(config_.family().gguf) + "." + std::string(beginning)))
                kept.set(key, value);
        out_ = std::move(kept);
    }

    void copy(const HfKey& row) {
        const json* value = config_.find(row.config);
        if (!value)
            return;
        switch (row.kind) {
        case HfKind::Integer:
            return set(row.gguf, wholeOf(row.config, *value));
        case HfKind::Number:
            return set(row.gguf, numberOf(row.config, *value));
        case HfKind::Boolean:
            return set(row.gguf, config_.boolean(row.config, false));
        case HfKind::Text:
            return set(row.gguf, config_.text(row.config, ""));
        }
    }

private:
    const HfConfig& config_;
    Metadata& out_;
};

std::vector<bool> layersOf(const HfConfig& config, std::string_view type) {
    std::vector<bool> out;
    for (const std::string& t : config.layerTypes())
        out.push_back(out.size() < static_cast<size_t>(config.layers()) && t == type);
    out.resize(static_cast<size_t>(config.layers()));
    return out;
}

/// The settings of rope: a part of their own since transformers 5, there one for each kind of layer where these differ.
json ropeOf(const HfConfig& config, const char* layerType) {
    json rope = json::object();
    if (const json* scaling = config.find("rope_scaling"); scaling && scaling->is_object())
        rope = *scaling;
    if (const json* parameters = config.find("rope_parameters"); parameters && parameters->is_object()) {
        const auto own = parameters->find(layerType);
        rope.update(own != parameters->end() && own->is_object() ? *own : *parameters);
    }
    return rope;
}

double valueOr(const json& object, const char* key, double fallback) {
    const auto it = object.find(key);
    return it == object.end() || it->is_null() ? fallback : numberOf(key, *it);
}

std::string scalingKind(const json& rope) {
    for (const char* key : {"rope_type", "type"})
        if (const auto it = rope.find(key); it != rope.end() && it->is_string())
            return it->get<std::string>() == "su" ? "longrope" : it->get<std::string>();
    return "default";
}

void writeYarn(const HfConfig& config, const json& rope, Writer& out) {
    out.set("rope.scaling.yarn_beta_fast", valueOr(rope, "beta_fast", 32));
    out.set("rope.scaling.yarn_beta_slow", valueOr(rope, "beta_slow", 1));
    // What sine and cosine are multiplied by; the usual is 0.1 ln(factor) + 1. DeepSeek has the log multiplier in the
    // scale of its scores instead.
    const double factor = valueOr(rope, "factor", 1);
    const auto magnitude = [&](double scale) { return factor <= 1 ? 1.0 : 0.1 * scale * std::log(factor) + 1; };
    const double one = valueOr(rope, "mscale", 0), all = valueOr(rope, "mscale_all_dim", 0);
    const double usual = one != 0 && all != 0 ? magnitude(one) / magnitude(all) : magnitude(1);
    const double wanted = valueOr(rope, "attention_factor", usual);
    const bool inScores = all != 0 && config.family().gguf == "deepseek2";
    if (inScores)
        out.set("rope.scaling.yarn_log_multiplier", 0.1 * all);
    const bool whole = inScores || config.family().gguf == "olmo2"; // the key has all of it, not a factor of the usual
    const double attention = wanted / (whole ? 1 : magnitude(1));
    if (std::abs(attention - 1) > 1e-9)
        out.set("rope.scaling.attn_factor", attention);
    if (const auto it = rope.find("truncate"); it != rope.end() && it->is_boolean())
        out.set("rope.scaling.yarn_truncate", it->get<bool>());
    else if (config.family().gguf == "gpt-oss")
        out.set("rope.scaling.yarn_truncate", true); // what the makers' code does where the key is missing
}

void writeScaling(const HfConfig& config, const json& rope, Writer& out) {
    const std::string kind = scalingKind(rope);
    if (kind == "default" || kind == "mrope")
        return;
    const auto context = static_cast<double>(config.integer("max_position_embeddings|n_positions", 0));
    const double original =
        valueOr(rope, "original_max_position_embeddings", config.number("original_max_position_embeddings", context));
    if (!(original >= 0 && original < 1e12))
        throw Error("The key original_max_position_embeddings of config.json makes no sense.");
    out.set("rope.scaling.type", kind);
    out.set("rope.scaling.factor", valueOr(rope, "factor", 1));
    out.set("rope.scaling.original_context_length", static_cast<int64_t>(original));
    if (kind == "yarn")
        writeYarn(config, rope, out);
    if (kind == "llama3") {
        out.set("rope.scaling.low_freq_factor", valueOr(rope, "low_freq_factor", 1));
        out.set("rope.scaling.high_freq_factor", valueOr(rope, "high_freq_factor", 4));
    }
    if (kind == "longrope") {
        // Phi-3's paper, section 2.1: sqrt(1 + ln(scale) / ln(original length)).
        const double scale = original > 0 ? context / original : 1;
        const double lengthened = scale <= 1 ? 1 : std::sqrt(1 + std::log(scale) / std::log(original));
        out.set("rope.scaling.attn_factor", valueOr(rope, "attention_factor", lengthened));
    }
}

void writeRope(const HfConfig& config, Writer& out) {
    const json rope = ropeOf(config, "full_attention");
    const json local = ropeOf(config, "sliding_attention");
    constexpr const char* kTheta = "rope_theta|rotary_emb_base|global_rope_theta";
    const double theta = valueOr(rope, "rope_theta", config.number(kTheta, 10000));
    out.set("rope.freq_base", theta);
    if (config.find("rope_local_base_freq|local_rope_theta"))
        out.set("rope.freq_base_swa", config.number("rope_local_base_freq|local_rope_theta", theta));
    else if (config.find("sliding_window"))
        out.set("rope.freq_base_swa", valueOr(local, "rope_theta", theta));
    if (!config.find("rotary_dim|qk_rope_head_dim")) {
        const double part = valueOr(rope, "partial_rotary_factor",
                                    config.number("partial_rotary_factor|rotary_pct|rope_pct|rotary_emb_fraction", 1));
        if (!(part >= 0 && part <= 1))
            throw Error("The key partial_rotary_factor of config.json is " + std::to_string(part) + ".");
        out.set("rope.dimension_count", static_cast<int64_t>(config.headDim() * part));
    }
    writeScaling(config, rope, out);
}

/// Which layers look back over a window only. Files whose window is switched off may still name one.
void writeWindow(const HfConfig& config, Writer& out) {
    const int64_t window = config.integer("sliding_window|local_attention", 0);
    const std::vector<std::string> types = config.layerTypes();
    const bool any = std::find(types.begin(), types.end(), "sliding_attention") != types.end();
    const bool none = config.family().modelType == "llama"; // a key that other models left behind
    if (none || window <= 0 || !config.boolean("use_sliding_window", true) || (!types.empty() && !any))
        return;
    // Families whose windows alternate have a pattern beside the window, others may have one window a layer.
    constexpr std::string_view kAlternating[] = {"gemma2", "gemma3", "gpt-oss", "olmo2", "exaone4", "cohere2"};
    if (std::find(std::begin(kAlternating), std::end(kAlternating), config.family().gguf) != std::end(kAlternating)) {
        out.set("attention.sliding_window", window);
        if (any)
            out.set("attention.sliding_window_pattern", layersOf(config, "sliding_attention"));
        return;
    }
    const std::vector<bool> layers = layersOf(config, "sliding_attention");
    if (!any || std::find(layers.begin(), layers.end(), false) == layers.end())
        return out.set("attention.sliding_window", window);
    std::vector<int64_t> windows;
    for (const bool has : layers)
        windows.push_back(has ? window : 0);
    out.set("attention.sliding_window", windows);
}

void writeGate(const HfConfig& config, Writer& out) {
    const std::string function = config.text("scoring_func", "");
    if (config.find("num_experts|num_local_experts|n_routed_experts") && !function.empty())
        out.set("expert_gating_func", int64_t{function == "sigmoid" ? 2 : 1});
}

// ---- what one family alone needs

void finishDeepseek(const HfConfig& config, Writer& out) {
    const int64_t rank = config.require("kv_lora_rank", 1, 1 << 20);
    const int64_t rope = config.require("qk_rope_head_dim", 0, 65536);
    out.set("attention.head_count_kv", int64_t{1});
    out.set("attention.key_length", rank + rope);
    out.set("attention.value_length", rank);
    out.set("attention.key_length_mla", config.require("qk_nope_head_dim", 1, 65536) + rope);
}

void finishDeltaNet(const HfConfig& config, Writer& out) {
    out.set("ssm.inner_size",
            config.require("linear_num_value_heads", 1, 65536) * config.require("linear_value_head_dim", 1, 65536));
    out.set("attention.recurrent_layers", layersOf(config, "linear_attention"));
    const json rope = ropeOf(config, "full_attention");
    if (const auto it = rope.find("mrope_section"); it != rope.end() && it->is_array()) {
        std::vector<int64_t> sections;
        for (const json& n : *it)
            sections.push_back(wholeOf("mrope_section", n));
        sections.resize(4);
        out.set("rope.dimension_sections", sections);
    }
}

void finishLfm2(const HfConfig& config, Writer& out) {
    std::vector<int64_t> heads;
    for (const bool attends : layersOf(config, "full_attention"))
        heads.push_back(attends ? config.keyHeads() : 0);
    out.set("attention.head_count_kv", heads);
    if (!config.boolean("block_auto_adjust_ff_dim", false))
        return;
    // The makers' code: two thirds, times a multiplier, rounded up to a multiple.
    const int64_t width = config.require("block_ff_dim|intermediate_size", 1, 1 << 24) * 2 / 3;
    const double multiplier = config.number("block_ffn_dim_multiplier", 1);
    if (!(multiplier > 0 && multiplier <= 64))
        throw Error("The key block_ffn_dim_multiplier of config.json makes no sense.");
    const auto wanted = static_cast<int64_t>(static_cast<double>(width) * multiplier);
    const int64_t multiple = config.require("block_multiple_of", 1, 1 << 24);
    out.set("feed_forward_length", (wanted + multiple - 1) / multiple * multiple);
}

void finishMinicpm(const HfConfig& config, Writer& out) {
    const auto width = static_cast<double>(config.require("hidden_size", 1, 1 << 24));
    out.set("embedding_scale", config.number("scale_emb", 1));
    out.set("residual_scale", config.number("scale_depth", std::sqrt(config.layers())) / std::sqrt(config.layers()));
    out.set("logit_scale", width / static_cast<double>(config.integer("dim_model_base", static_cast<int64_t>(width))));
}

/// NTK by a fixed alpha, as the makers' code stretches the base, and no other scaling. The context is the one that they
/// promise.
void finishHunyuan(const HfConfig& config, Writer& out) {
    const json rope = ropeOf(config, "full_attention");
    const double alpha = valueOr(rope, "alpha", 0);
    if (alpha <= 0 || config.headDim() <= 2)
        return;
    const double theta = valueOr(rope, "rope_theta", config.number("rope_theta", 10000));
    const double dims = config.headDim();
    out.set("rope.freq_base", theta * std::pow(alpha, dims / (dims - 2)));
    out.set("rope.scaling.type", std::string("none"));
    out.set("rope.scaling.factor", 1.0);
    out.set("rope.scaling.original_context_length", int64_t{256} << 10);
    out.set("context_length", int64_t{256} << 10);
}

void finishGemma(const HfConfig& config, Writer& out) {
    if (config.find("query_pre_attn_scalar"))
        out.set("attention.scale", 1.0 / std::sqrt(config.number("query_pre_attn_scalar", 1)));
}

void finishErnieMoe(const HfConfig& config, Writer& out) {
    out.set("expert_shared_feed_forward_length",
            config.integer("moe_intermediate_size", 0) * config.integer("moe_num_shared_experts", 0));
}

void finishSmolLm3(const HfConfig& config, Writer& out) {
    std::vector<bool> rope;
    const json* list = config.find("no_rope_layers");
    const int64_t interval = config.integer("no_rope_layer_interval", 4);
    for (int i = 0; i < config.layers(); ++i) {
        const auto at = static_cast<size_t>(i);
        if (list && list->is_array() && at < list->size())
            rope.push_back((*list)[at] == 1 || (*list)[at] == true);
        else
            rope.push_back(interval <= 0 || (i + 1) % interval != 0);
    }
    out.set("attention.no_rope_interval", interval);
    out.set("attention.rope_layers", rope); // which, where they follow no interval
}

void finishGpt2(const HfConfig& config, Writer& out) {
    if (!config.find("n_inner"))
        out.set("feed_forward_length", 4 * config.require("n_embd", 1, 1 << 24));
}

void finishEncoder(const HfConfig&, Writer& out) {
    out.set("attention.causal", false);
}

void finishModernBert(const HfConfig& config, Writer& out) {
    out.set("attention.causal", false);
    out.set("attention.sliding_window_pattern", config.require("global_attn_every_n_layers", 1, 4096));
    out.set("rope.scaling.type", std::string("none"));
}

void finishCohere(const HfConfig&, Writer& out) {
    out.set("rope.scaling.type", std::string("none"));
}

struct Finish {
    std::string_view gguf;
    void (*finish)(const HfConfig&, Writer&);
};

constexpr Finish kFinish[] = {
    {"deepseek2", finishDeepseek},
    {"qwen3next", finishDeltaNet},
    {"qwen35", finishDeltaNet},
    {"qwen35moe", finishDeltaNet},
    {"lfm2", finishLfm2},
    {"lfm2moe", finishLfm2},
    {"minicpm", finishMinicpm},
    {"hunyuan-dense", finishHunyuan},
    {"gemma2", finishGemma},
    {"gemma3", finishGemma},
    {"ernie4_5-moe", finishErnieMoe},
    {"smollm3", finishSmolLm3},
    {"gpt2", finishGpt2},
    {"bert", finishEncoder},
    {"nomic-bert", finishEncoder},
    {"modern-bert", finishModernBert},
    {"command-r", finishCohere},
    {"cohere2", finishCohere},
};

} // namespace

Metadata metadataOf(const HfConfig& config, Checkpoint::Form form) {
    Metadata metadata;
    metadata.set("general.architecture", std::string(config.family().gguf));
    Writer out(config, metadata);
    for (const HfKey& row : hfKeys())
        out.copy(row);
    out.set("attention.key_length", int64_t{config.headDim()});
    out.set("attention.value_length", int64_t{config.headDim()});
    writeRope(config, out);
    writeWindow(config, out);
    writeGate(config, out);
    for (const HfKey& row : config.family().keys)
        out.copy(row);
    for (const Finish& row : kFinish)
        if (row.gguf == config.family().gguf)
            row.finish(config, out);
    if (form == Checkpoint::Form::Converted) {
        if (!llama3FactorsOf(config).empty())
            out.removeAll("rope.scaling.");
        return metadata;
    }
    if (config.family().permuted)
        out.set("rope.halves", true);
    if (config.family().tiledHeads)
        out.set("ssm.value_heads_tiled", false);
    return metadata;
}

std::vector<float> ropeFactorsOf(const HfConfig& config, std::string_view key) {
    const json rope = ropeOf(config, "full_attention");
    std::vector<float> factors;
    const auto it = rope.find(std::string(key));
    if (scalingKind(rope) != "longrope" || it == rope.end() || !it->is_array())
        return factors;
    for (const json& factor : *it)
        factors.push_back(static_cast<float>(numberOf(key, factor)));
    return factors;
}

std::vector<float> llama3FactorsOf(const HfConfig& config) {
    const json rope = ropeOf(config, "full_attention");
    if (scalingKind(rope) != "llama3")
        return {};
    const double theta = valueOr(rope, "rope_theta", config.number("rope_theta", 10000));
    const double original = valueOr(rope, "original_max_position_embeddings", 8192);
    if (!(original >= 1 && original <= 1 << 27))
        throw Error("The key original_max_position_embeddings of config.json makes no sense.");
    return llama3RopeFactors(config.headDim(), static_cast<float>(theta),
                             static_cast<float>(valueOr(rope, "factor", 1)),
                             static_cast<float>(valueOr(rope, "low_freq_factor", 1)),
                             static_cast<float>(valueOr(rope, "high_freq_factor", 4)), static_cast<int>(original));
}

} // namespace hearth::engine
