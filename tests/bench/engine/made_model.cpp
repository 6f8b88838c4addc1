#include "tests/bench/engine/made_model.h"

#include "engine/error.h"
#include "engine/gguf_writer.h"
#include "tests/kernels/kernel_data.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace hearth::bench {

namespace {

using engine::Error;
using engine::GgufTensor;
using engine::GgufWriter;
using engine::Metadata;
using engine::Value;
using kernels::QuantType;

constexpr Shape kShapes[] = {
    // name, family, layers, dModel, ffn, heads, kv heads, head dim, experts, used; public models of that size behind
    {"tiny", "llama", 4, 256, 1024, 4, 2, 64, 0, 0},          // to try the rows
    {"starter-like", "llama", 30, 576, 1536, 9, 3, 64, 0, 0}, // SmolLM2-135M
    {"135m", "llama", 30, 576, 1536, 9, 3, 64, 0, 0},         // the same by its size
    {"0.5b", "llama", 24, 896, 4864, 14, 2, 64, 0, 0},        // Qwen2.5-0.5B
    {"1b", "llama", 16, 2048, 8192, 32, 8, 64, 0, 0},         // Llama-3.2-1B
    {"3b", "llama", 28, 3072, 8192, 24, 8, 128, 0, 0},        // Llama-3.2-3B
    {"8b", "llama", 32, 4096, 14336, 32, 8, 128, 0, 0},       // Llama-3.1-8B
    {"moe8x2", "qwen3moe", 24, 1536, 1536, 12, 4, 128, 8, 2}, // Qwen3-MoE with 8 experts: 1.6 B, of which 0.6 B act
    {"mla", "deepseek2", 18, 1536, 768, 16, 1, 192, 16, 4},   // DeepSeek-V3 made small: 1.3 B, of which 0.6 B act
};

// The rest of "mla".
constexpr int kQRank = 768, kKvRank = 512, kNope = 128, kRope = 64, kVDim = 128, kDenseFfn = 4096;

constexpr int kVocab = 49152; // the starter's
constexpr int kContext = 32768;

bool isMla(const Shape& s) {
    return s.family == "deepseek2";
}

/// For rows that do not fill blocks of 256: what quantizers take instead.
const QuantType& typeFor(const QuantType& wanted, int64_t cols) {
    static const std::map<std::string_view, std::string_view> kNarrow = {
        {"Q4_K", "Q5_0"}, {"Q5_K", "Q5_1"}, {"Q6_K", "Q8_0"}, {"NVFP4", "Q8_0"}};
    if (cols % wanted.block == 0)
        return wanted;
    const auto narrow = kNarrow.find(wanted.name);
    return *kernels::findQuantType(narrow == kNarrow.end() ? "IQ4_NL" : narrow->second);
}

/// The tensors of a shape, in the order of the file.
class Tensors {
public:
    Tensors(const Shape& shape, const QuantType& type) : s_(shape), type_(type) {
        matrix("token_embd", kVocab, s_.dModel, 0, kernels::findQuantType("Q6_K")); // the output head, too
        vector("output_norm.weight", s_.dModel);
        for (int i = 0; i < s_.layers; ++i)
            layer(i);
    }

    const std::vector<GgufTensor>& all() const { return all_; }

private:
    void matrix(const std::string& name, int64_t rows, int64_t cols, int64_t experts = 0,
                const QuantType* type = nullptr) {
        all_.push_back({.name = name + ".weight",
                        .type = &typeFor(type ? *type : type_, cols),
                        .nDims = experts > 0 ? 3 : 2,
                        .dims = {cols, rows, std::max<int64_t>(1, experts), 1}});
    }

    void vector(const std::string& name, int64_t n) {
        all_.push_back({.name = name, .type = kernels::findQuantType("F32"), .dims = {n, 1, 1, 1}});
    }

    void attention(const std::string& b) {
        matrix(b + "attn_q", int64_t{s_.nHeads} * s_.headDim, s_.dModel);
        matrix(b + "attn_k", int64_t{s_.nKvHeads} * s_.headDim, s_.dModel);
        matrix(b + "attn_v", int64_t{s_.nKvHeads} * s_.headDim, s_.dModel);
        matrix(b + "attn_output", s_.dModel, int64_t{s_.nHeads} * s_.headDim);
        if (s_.family == "qwen3moe") {
            vector(b + "attn_q_norm.weight", s_.headDim);
            vector(b + "attn_k_norm.weight", s_.headDim);
        }
    }

    void latentAttention(const std::string& b) {
        matrix(b + "attn_q_a", kQRank, s_.dModel);
        vector(b + "attn_q_a_norm.weight", kQRank);
        matrix(b + "attn_q_b", int64_t{s_.nHeads} * (kNope + kRope), kQRank);
        matrix(b + "attn_kv_a_mqa", kKvRank + kRope, s_.dModel);
        vector(b + "attn_kv_a_norm.weight", kKvRank);
        matrix(b + "attn_k_b", kKvRank, kNope, s_.nHeads);
        matrix(b + "attn_v_b", kVDim, kKvRank, s_.nHeads);
        matrix(b + "attn_output", s_.dModel, int64_t{s_.nHeads} * kVDim);
    }

    void ffn(const std::string& b, int n, const std::string& suffix = "", int experts = 0) {
        matrix(b + "ffn_gate" + suffix, n, s_.dModel, experts);
        matrix(b + "ffn_up" + suffix, n, s_.dModel, experts);
        matrix(b + "ffn_down" + suffix, s_.dModel, n, experts);
    }

    void layer(int i) {
        const std::string b = "blk." + std::to_string(i) + ".";
        vector(b + "attn_norm.weight", s_.dModel);
        vector(b + "ffn_norm.weight", s_.dModel);
        isMla(s_) ? latentAttention(b) : attention(b);
        if (s_.nExperts == 0)
            return ffn(b, s_.ffn);
        if (isMla(s_) && i == 0)
            return ffn(b, kDenseFfn);
        matrix(b + "ffn_gate_inp", s_.nExperts, s_.dModel, 0, kernels::findQuantType("F32"));
        ffn(b, s_.ffn, "_exps", s_.nExperts);
        if (isMla(s_)) {
            vector(b + "exp_probs_b.bias", s_.nExperts);
            ffn(b, s_.ffn, "_shexp");
        }
    }

    const Shape& s_;
    const QuantType& type_;
    std::vector<GgufTensor> all_;
};

/// A vocabulary of bytes and of words that mean nothing.
void addTokenizer(Metadata& m) {
    std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
    std::vector<int64_t> types = {2, 3, 3};
    char text[16];
    for (int i = 0; i < 256; ++i) {
        std::snprintf(text, sizeof text, "<0x%02X>", i);
        tokens.push_back(text);
        types.push_back(6);
    }
    for (int i = 0; tokens.size() < kVocab; ++i) {
        std::snprintf(text, sizeof text, "\xE2\x96\x81w%d", i); // U+2581 and a number
        tokens.push_back(text);
        types.push_back(1);
    }
    m.set("tokenizer.ggml.model", std::string("llama"));
    m.set("tokenizer.ggml.tokens", std::move(tokens));
    m.set("tokenizer.ggml.scores", std::vector<double>(kVocab, -1.0));
    m.set("tokenizer.ggml.token_type", std::move(types));
    m.set("tokenizer.ggml.bos_token_id", int64_t{1});
    m.set("tokenizer.ggml.eos_token_id", int64_t{2});
}

Metadata metadataOf(const Shape& s, const QuantType& type) {
    Metadata m;
    m.set("general.architecture", std::string(s.family));
    m.set("general.name", "bench-" + std::string(s.name) + "-" + std::string(type.name));
    const auto set = [&](const char* key, Value value) { m.set(std::string(s.family) + "." + key, std::move(value)); };
    const std::pair<const char*, int> common[] = {
        {"block_count", s.layers},
        {"context_length", kContext},
        {"embedding_length", s.dModel},
        {"attention.head_count", s.nHeads},
        {"attention.head_count_kv", s.nKvHeads},
        {"feed_forward_length", isMla(s) ? kDenseFfn : s.ffn},
        {"attention.key_length", isMla(s) ? kKvRank + kRope : s.headDim},
        {"attention.value_length", isMla(s) ? kKvRank : s.headDim},
        {"rope.dimension_count", isMla(s) ? kRope : s.headDim},
    };
    const std::pair<const char*, int> experts[] = {
        {"expert_count", s.nExperts}, {"expert_used_count", s.nUsed}, {"expert_feed_forward_length", s.ffn}};
    const std::pair<const char*, int> latent[] = {
        {"vocab_size", kVocab},
        {"leading_dense_block_count", 1},
        {"attention.q_lora_rank", kQRank},
        {"attention.kv_lora_rank", kKvRank},
        {"attention.key_length_mla", kNope + kRope},
        {"attention.value_length_mla", kVDim},
        {"expert_shared_count", 1},
        {"expert_gating_func", 2}, // sigmoid
        {"expert_group_count", 4},
        {"expert_group_used_count", 2},
    };
    const auto setAll = [&](auto& list) {
        for (const auto& [key, value] : list)
            set(key, int64_t{value});
    };
    setAll(common);
    if (s.nExperts > 0)
        setAll(experts);
    if (isMla(s)) {
        setAll(latent);
        set("expert_weights_scale", 2.5);
        set("expert_weights_norm", true);
    }
    set("attention.layer_norm_rms_epsilon", 1e-5);
    set("rope.freq_base", 100000.0);
    addTokenizer(m);
    return m;
}

/// Writes a tensor as a megabyte of random blocks, repeated: quick to make, and no cache can hold the tensor.
void fill(GgufWriter& writer, const GgufTensor& t) {
    constexpr int64_t kSample = 1 << 20;
    if (t.nDims == 1) {
        const std::vector<float> numbers = tests::randomFloats(static_cast<size_t>(t.dims[0]), 1, 0.02f);
        writer.write(std::as_bytes(std::span(numbers)));
        return;
    }
    const auto rowBytes = static_cast<int64_t>(kernels::rowBytes(t.type->type, t.dims[0]));
    const int64_t rows = t.dims[1] * t.dims[2];
    const int64_t sampled = std::clamp<int64_t>(kSample / rowBytes, 1, rows);
    const std::vector<std::byte> sample = tests::randomWeights(t.type->type, sampled, t.dims[0], 1);
    for (int64_t done = 0; done < rows; done += sampled)
        writer.write(std::span(sample).first(static_cast<size_t>(std::min(sampled, rows - done) * rowBytes)));
}

/// A folder in memory where there is room for so many bytes.
std::string folderFor(uint64_t bytes) {
    struct statvfs memory {};

    const char* inMemory = "/dev/shm";
    if (statvfs(inMemory, &memory) == 0 && uint64_t{memory.f_bavail} * memory.f_frsize > bytes + bytes / 8)
        return inMemory;
    return std::filesystem::temp_directory_path().string();
}

} // namespace

std::span<const Shape> shapes() {
    return kShapes;
}

const Shape* findShape(std::string_view name) {
    const auto* found =
        std::find_if(std::begin(kShapes), std::end(kShapes), [&](const Shape& s) { return s.name == name; });
    return found == std::end(kShapes) ? nullptr : found;
}

MadeModel::MadeModel(const Shape& shape, const QuantType& type) {
    if (type.ggmlId == kernels::kNoGgmlId)
        throw Error("GGUF files do not have the type " + std::string(type.name) + ".");
    const Tensors tensors(shape, type);
    uint64_t bytes = 0;
    for (const GgufTensor& t : tensors.all())
        bytes += t.bytes();
    std::string folder = folderFor(bytes) + "/hearth-bench-XXXXXX";
    if (!mkdtemp(folder.data()))
        throw Error("There is no place for a model of " + engine::readableBytes(bytes) + " in " + folder + ".");
    const std::string path = folder + "/model.gguf";
    try {
        GgufWriter writer(path, metadataOf(shape, type), tensors.all());
        for (const GgufTensor& t : tensors.all())
            fill(writer, t);
        writer.finish();
        file_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    } catch (...) {
        std::filesystem::remove_all(folder);
        throw;
    }
    std::filesystem::remove_all(folder); // the descriptor keeps it
    if (file_ < 0)
        throw Error("The model that was written to " + path + " cannot be opened.");
}

MadeModel::~MadeModel() {
    close(file_);
}

} // namespace hearth::bench
