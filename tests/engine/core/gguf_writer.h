#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

namespace hearth::test {

/// Writes GGUF files by code, so that a test can make any one field of a valid file wrong.
class GgufWriter {
public:
    enum Type : uint32_t { U8, I8, U16, I16, U32, I32, F32, Bool, Text, Array, U64, I64, F64 };

    struct Key {
        std::string name;
        uint32_t type;
        std::string payload;
        std::optional<uint64_t> nameBytes; // claimed instead of the true length
    };

    struct Tensor {
        std::string name;
        std::vector<uint64_t> dims; // innermost first
        uint32_t type = 0;
        std::string data;
        std::optional<uint64_t> offset; // claimed
        std::optional<uint32_t> nDims;
        std::optional<uint64_t> nameBytes;
    };

    uint32_t magic = 0x46554747;
    uint32_t version = 3;
    std::optional<uint64_t> nTensors, nKeys; // claimed
    uint64_t alignment = 32;                 // used for the layout; write the key to have the reader use it too
    std::vector<Key> keys;
    std::vector<Tensor> tensors;

    template <typename T>
    static std::string raw(T value) {
        std::string out(sizeof(T), '\0');
        std::memcpy(out.data(), &value, sizeof(T));
        return out;
    }

    static std::string rawText(const std::string& text) { return raw(uint64_t{text.size()}) + text; }

    Key& key(const std::string& name) {
        for (Key& k : keys)
            if (k.name == name)
                return k;
        keys.push_back({.name = name, .type = U32});
        return keys.back();
    }

    void remove(const std::string& name) {
        std::erase_if(keys, [&](const Key& k) { return k.name == name; });
        std::erase_if(tensors, [&](const Tensor& t) { return t.name == name; });
    }

    void set(const std::string& name, uint32_t type, std::string payload) {
        Key& k = key(name);
        k.type = type;
        k.payload = std::move(payload);
    }

    void setU32(const std::string& name, uint32_t value) { set(name, U32, raw(value)); }

    void setF32(const std::string& name, float value) { set(name, F32, raw(value)); }

    void setBool(const std::string& name, bool value) { set(name, Bool, raw(uint8_t{value})); }

    void setText(const std::string& name, const std::string& value) { set(name, Text, rawText(value)); }

    void setTexts(const std::string& name, const std::vector<std::string>& values) {
        std::string payload = raw(uint32_t{Text}) + raw(uint64_t{values.size()});
        for (const std::string& value : values)
            payload += rawText(value);
        set(name, Array, payload);
    }

    template <typename T>
    void setArray(const std::string& name, uint32_t elementType, const std::vector<T>& values) {
        std::string payload = raw(elementType) + raw(uint64_t{values.size()});
        for (const T value : values)
            payload += raw(value);
        set(name, Array, payload);
    }

    Tensor& tensor(const std::string& name) {
        for (Tensor& t : tensors)
            if (t.name == name)
                return t;
        tensors.push_back({.name = name});
        return tensors.back();
    }

    void addF32(const std::string& name, std::vector<uint64_t> dims, const std::vector<float>& values) {
        Tensor& t = tensor(name);
        t.dims = std::move(dims);
        t.type = 0;
        t.data.assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    }

    std::string bytes() const {
        std::string out =
            raw(magic) + raw(version) + raw(nTensors.value_or(tensors.size())) + raw(nKeys.value_or(keys.size()));
        for (const Key& k : keys)
            out += raw(k.nameBytes.value_or(k.name.size())) + k.name + raw(k.type) + k.payload;
        uint64_t at = 0;
        for (const Tensor& t : tensors) {
            out += raw(t.nameBytes.value_or(t.name.size())) + t.name;
            out += raw(t.nDims.value_or(static_cast<uint32_t>(t.dims.size())));
            for (const uint64_t dim : t.dims)
                out += raw(dim);
            out += raw(t.type) + raw(t.offset.value_or(at));
            at += (t.data.size() + alignment - 1) / alignment * alignment;
        }
        for (const Tensor& t : tensors) {
            out.resize((out.size() + alignment - 1) / alignment * alignment);
            out += t.data;
        }
        return out;
    }
};

/// Shapes of the tiny models below.
struct TinyShape {
    int layers = 2;
    int dModel = 32;
    int nHeads = 4;
    int nKvHeads = 2;
    int ffnDim = 64;
    int context = 2048;
    int window = 0;
    int convLayers = 0; // the first ones are short convolutions, whose states are recurrent
    uint64_t seed = 1;
    std::string lastWord = "b"; // of the vocabulary
};

/// A valid llama, or with convolutions an LFM2, of a few thousand weights, with a tokenizer of 256 byte tokens and some
/// words.
inline GgufWriter tinyLlama(const TinyShape& s = {}) {
    GgufWriter w;
    const auto u64 = [](int n) { return static_cast<uint64_t>(n); };
    const std::string family = s.convLayers > 0 ? "lfm2" : "llama";
    w.setText("general.architecture", family);
    w.setText("general.name", "Tiny");
    w.setU32(family + ".block_count", static_cast<uint32_t>(s.layers));
    w.setU32(family + ".context_length", static_cast<uint32_t>(s.context));
    w.setU32(family + ".embedding_length", static_cast<uint32_t>(s.dModel));
    w.setU32(family + ".feed_forward_length", static_cast<uint32_t>(s.ffnDim));
    w.setU32(family + ".attention.head_count", static_cast<uint32_t>(s.nHeads));
    if (s.convLayers > 0) {
        std::vector<int32_t> kvHeads(static_cast<size_t>(s.layers), s.nKvHeads);
        std::fill_n(kvHeads.begin(), s.convLayers, 0);
        w.setArray(family + ".attention.head_count_kv", GgufWriter::I32, kvHeads);
    } else {
        w.setU32(family + ".attention.head_count_kv", static_cast<uint32_t>(s.nKvHeads));
    }
    if (s.window > 0)
        w.setU32(family + ".attention.sliding_window", static_cast<uint32_t>(s.window));
    w.setF32(family + ".attention.layer_norm_rms_epsilon", 1e-5f);
    w.setF32(family + ".rope.freq_base", 10000.0f);
    std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
    std::vector<int32_t> types = {2, 3, 3};
    for (int i = 0; i < 256; ++i) {
        char text[8];
        std::snprintf(text, sizeof text, "<0x%02X>", i);
        tokens.push_back(text);
        types.push_back(6);
    }
    for (const std::string& word :
         {std::string("\xE2\x96\x81"), std::string("\xE2\x96\x81the"), std::string("a"), s.lastWord}) {
        tokens.push_back(word);
        types.push_back(1);
    }
    const uint64_t nVocab = tokens.size();
    w.setText("tokenizer.ggml.model", "llama");
    w.setTexts("tokenizer.ggml.tokens", tokens);
    w.setArray("tokenizer.ggml.scores", GgufWriter::F32, std::vector<float>(nVocab, -1.0f));
    w.setArray("tokenizer.ggml.token_type", GgufWriter::I32, types);
    w.setU32("tokenizer.ggml.bos_token_id", 1);
    w.setU32("tokenizer.ggml.eos_token_id", 2);

    uint64_t state = s.seed * 0x9E3779B97F4A7C15u + 1;
    const auto random = [&](uint64_t n, float scale) {
        std::vector<float> values(n);
        for (float& value : values) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            value = scale * (static_cast<float>(state >> 40) / static_cast<float>(1 << 23) - 1.0f);
        }
        return values;
    };
    const uint64_t d = u64(s.dModel), f = u64(s.ffnDim), kv = d / u64(s.nHeads) * u64(s.nKvHeads);
    const auto matrix = [&](const std::string& name, uint64_t rows, uint64_t cols) {
        w.addF32(name, {cols, rows}, random(rows * cols, 2.0f / std::sqrt(static_cast<float>(cols))));
    };
    const auto norm = [&](const std::string& name) { w.addF32(name, {d}, std::vector<float>(d, 1.0f)); };
    w.addF32("token_embd.weight", {d, nVocab}, random(nVocab * d, 1.0f));
    constexpr int kConvInputs = 3;
    if (s.convLayers > 0)
        w.setU32("lfm2.shortconv.l_cache", kConvInputs);
    for (int i = 0; i < s.layers; ++i) {
        const std::string p = "blk." + std::to_string(i) + ".";
        norm(p + "attn_norm.weight");
        if (i < s.convLayers) {
            matrix(p + "shortconv.in_proj.weight", 3 * d, d);
            matrix(p + "shortconv.conv.weight", d, kConvInputs);
            matrix(p + "shortconv.out_proj.weight", d, d);
        } else {
            matrix(p + "attn_q.weight", d, d);
            matrix(p + "attn_k.weight", kv, d);
            matrix(p + "attn_v.weight", kv, d);
            matrix(p + "attn_output.weight", d, d);
            if (s.convLayers > 0)
                for (const char* name : {"attn_q_norm.weight", "attn_k_norm.weight"})
                    w.addF32(p + name, {d / u64(s.nHeads)}, std::vector<float>(d / u64(s.nHeads), 1.0f));
        }
        norm(p + "ffn_norm.weight");
        matrix(p + "ffn_gate.weight", f, d);
        matrix(p + "ffn_up.weight", f, d);
        matrix(p + "ffn_down.weight", d, f);
    }
    norm("output_norm.weight");
    return w;
}

/// A folder of its own for a test, gone at the end.
class TemporaryFolder {
public:
    TemporaryFolder() {
        static int count = 0;
        path_ = std::filesystem::temp_directory_path() /
                ("hearth-test-" + std::to_string(getpid()) + "-" + std::to_string(++count));
        std::filesystem::create_directories(path_);
    }

    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    std::string path(const std::string& name) const { return (path_ / name).string(); }

    std::string write(const std::string& name, const std::string& bytes) const {
        std::ofstream(path(name), std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        return path(name);
    }

private:
    std::filesystem::path path_;
};

inline std::span<const std::byte> asBytes(const std::string& text) {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

} // namespace hearth::test
