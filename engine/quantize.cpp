#include "engine/quantize.h"

#include "engine/error.h"
#include "engine/gguf_writer.h"
#include "kernels/cpu/isa.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <exception>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <string_view>
#include <thread>

namespace hearth::engine {

namespace {

using kernels::QuantType;
using kernels::quantType;
using kernels::rowBytes;
using kernels::Type;

constexpr Mix kMixes[] = {
    // name, type of most matrices, general.file_type
    {"F32", Type::F32, 0},      {"F16", Type::F16, 1},      {"BF16", Type::BF16, 32},     {"Q4_0", Type::Q4_0, 2},
    {"Q4_1", Type::Q4_1, 3},    {"Q5_0", Type::Q5_0, 8},    {"Q5_1", Type::Q5_1, 9},      {"Q8_0", Type::Q8_0, 7},
    {"Q2_K", Type::Q2_K, 10},   {"Q2_K_S", Type::Q2_K, 21}, {"Q3_K_S", Type::Q3_K, 11},   {"Q3_K_M", Type::Q3_K, 12},
    {"Q3_K_L", Type::Q3_K, 13}, {"Q4_K_S", Type::Q4_K, 14}, {"Q4_K_M", Type::Q4_K, 15},   {"Q5_K_S", Type::Q5_K, 16},
    {"Q5_K_M", Type::Q5_K, 17}, {"Q6_K", Type::Q6_K, 18},   {"IQ4_NL", Type::IQ4_NL, 25}, {"IQ4_XS", Type::IQ4_XS, 30},
    {"TQ1_0", Type::TQ1_0, 36}, {"TQ2_0", Type::TQ2_0, 37}, {"MXFP4", Type::MXFP4, 38},   {"MXFP4_MOE", Type::Q8_0, 38},
};

constexpr std::pair<std::string_view, std::string_view> kOtherNames[] = {
    {"Q3_K", "Q3_K_M"}, {"Q4_K", "Q4_K_M"}, {"Q5_K", "Q5_K_M"}};

/// The matrices that some mixes treat in their own way.
enum class Part : uint8_t { Value, Key, Qkv, AttentionOutput, Down, Experts };

struct PartName {
    std::string_view inName;
    Part part;
};

constexpr PartName kPartNames[] = {
    {"attn_v.weight", Part::Value}, {"attn_k.weight", Part::Key},
    {"attn_qkv.weight", Part::Qkv}, {"attn_output.weight", Part::AttentionOutput},
    {"ffn_down", Part::Down},       {"_exps.", Part::Experts},
};

/// Layers and models that a rule is for.
enum class When : uint8_t {
    Always,
    FirstTwo,
    FirstFour,
    FirstSixteenth,
    FirstEighth,
    ManyBits, // the first eighth, the last eighth, and every third between
    FewKeyHeads,
    EightExperts,
    EightyLayers,
};

/// First match counts; an empty mix means any that is quantized.
struct Rule {
    std::string_view mix;
    Part part;
    When when;
    Type type;
};

// The usual mixes: where a matrix is small and its errors spread far, it gets more bits.
constexpr Rule kRules[] = {
    {"", Part::Value, When::EightExperts, Type::Q8_0},
    {"", Part::Key, When::EightExperts, Type::Q8_0},
    {"MXFP4_MOE", Part::Experts, When::Always, Type::MXFP4},
    {"Q2_K", Part::Value, When::FewKeyHeads, Type::Q4_K},
    {"Q2_K", Part::Value, When::Always, Type::Q3_K},
    {"Q2_K", Part::AttentionOutput, When::EightExperts, Type::Q5_K},
    {"Q2_K", Part::AttentionOutput, When::Always, Type::Q3_K},
    {"Q2_K", Part::Down, When::Always, Type::Q3_K},
    {"Q2_K_S", Part::Value, When::FewKeyHeads, Type::Q4_K},
    {"Q2_K_S", Part::Down, When::FirstEighth, Type::Q4_K},
    {"Q3_K_S", Part::Value, When::EightyLayers, Type::Q5_K},
    {"Q3_K_S", Part::AttentionOutput, When::EightExperts, Type::Q5_K},
    {"Q3_K_M", Part::Value, When::FirstTwo, Type::Q5_K},
    {"Q3_K_M", Part::Value, When::EightyLayers, Type::Q5_K},
    {"Q3_K_M", Part::Value, When::Always, Type::Q4_K},
    {"Q3_K_M", Part::AttentionOutput, When::EightExperts, Type::Q5_K},
    {"Q3_K_M", Part::AttentionOutput, When::Always, Type::Q4_K},
    {"Q3_K_M", Part::Down, When::FirstSixteenth, Type::Q5_K},
    {"Q3_K_M", Part::Down, When::Always, Type::Q4_K},
    {"Q3_K_M", Part::Qkv, When::Always, Type::Q4_K},
    {"Q3_K_L", Part::Value, When::Always, Type::Q5_K},
    {"Q3_K_L", Part::AttentionOutput, When::EightExperts, Type::Q3_K},
    {"Q3_K_L", Part::AttentionOutput, When::Always, Type::Q5_K},
    {"Q3_K_L", Part::Down, When::Always, Type::Q5_K},
    {"Q3_K_L", Part::Qkv, When::Always, Type::Q4_K},
    {"Q4_K_S", Part::Value, When::FirstFour, Type::Q5_K},
    {"Q4_K_S", Part::Value, When::EightyLayers, Type::Q5_K},
    {"Q4_K_S", Part::AttentionOutput, When::EightExperts, Type::Q5_K},
    {"Q4_K_S", Part::Down, When::FirstEighth, Type::Q5_K},
    {"Q4_K_M", Part::Value, When::ManyBits, Type::Q6_K},
    {"Q4_K_M", Part::Value, When::EightyLayers, Type::Q5_K},
    {"Q4_K_M", Part::AttentionOutput, When::EightExperts, Type::Q5_K},
    {"Q4_K_M", Part::Down, When::ManyBits, Type::Q6_K},
    {"Q4_K_M", Part::Qkv, When::Always, Type::Q5_K},
    {"Q5_K_M", Part::Value, When::ManyBits, Type::Q6_K},
    {"Q5_K_M", Part::Down, When::ManyBits, Type::Q6_K},
    {"Q5_K_M", Part::Qkv, When::Always, Type::Q6_K},
    {"IQ4_NL", Part::Value, When::FewKeyHeads, Type::Q5_K},
    {"IQ4_NL", Part::AttentionOutput, When::EightExperts, Type::Q5_K},
    {"IQ4_NL", Part::Down, When::FirstEighth, Type::Q5_K},
    {"IQ4_XS", Part::Value, When::FewKeyHeads, Type::Q5_K},
    {"IQ4_XS", Part::AttentionOutput, When::EightExperts, Type::Q5_K},
    {"IQ4_XS", Part::Down, When::FirstEighth, Type::Q5_K},
};

/// Matrices that stay numbers whatever the mix: small, and their errors are everybody's.
constexpr std::string_view kKeptNames[] = {
    "_norm.",     "ffn_gate_inp", "position_embd", "token_types", "ssm_conv1d",           "shortconv.conv",
    "attn_rel_b", "time_mix_",    "altup_",        "laurel_",     "per_layer_model_proj",
};

/// What takes the place of a type whose blocks the rows of a matrix do not fill.
struct Fallback {
    Type type, instead;
};

constexpr Fallback kFallbacks[] = {
    {Type::Q2_K, Type::IQ4_NL}, {Type::Q3_K, Type::IQ4_NL},   {Type::Q4_K, Type::Q5_0},    {Type::Q5_K, Type::Q5_1},
    {Type::Q6_K, Type::Q8_0},   {Type::IQ4_XS, Type::IQ4_NL}, {Type::TQ1_0, Type::IQ4_NL}, {Type::TQ2_0, Type::IQ4_NL},
};

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

bool isFloat(Type type) {
    return quantType(type).block == 1;
}

/// N of "blk.N.", else 0.
int64_t layerOf(std::string_view name) {
    int64_t layer = 0;
    if (const size_t at = name.find("blk."); at != std::string_view::npos)
        std::from_chars(name.data() + at + 4, name.data() + name.size(), layer);
    return layer;
}

bool holds(When when, const MixFacts& m, int64_t i) {
    switch (when) {
    case When::Always:
        return true;
    case When::FirstTwo:
        return i < 2;
    case When::FirstFour:
        return i < 4;
    case When::FirstSixteenth:
        return i < m.layers / 16;
    case When::FirstEighth:
        return i < m.layers / 8;
    case When::ManyBits:
        return i < m.layers / 8 || i >= 7 * m.layers / 8 || (i - m.layers / 8) % 3 == 2;
    case When::FewKeyHeads:
        return m.headsPerKeyHead >= 4;
    case When::EightExperts:
        return m.experts == 8;
    case When::EightyLayers:
        return m.layers == 80;
    }
    return false;
}

Type typeOfRules(const Mix& mix, const MixFacts& facts, const TensorEntry& tensor) {
    if (isFloat(mix.base))
        return mix.base;
    if (tensor.name == "output.weight" || (facts.tied && tensor.name == "token_embd.weight"))
        return mix.base == Type::Q8_0 ? Type::Q8_0 : Type::Q6_K;
    for (const Rule& rule : kRules) {
        const auto named = [&](const PartName& p) { return p.part == rule.part && contains(tensor.name, p.inName); };
        if ((rule.mix.empty() || rule.mix == mix.name) &&
            std::any_of(std::begin(kPartNames), std::end(kPartNames), named) &&
            holds(rule.when, facts, layerOf(tensor.name)))
            return rule.type;
    }
    return mix.base;
}

Type fitting(Type type, int64_t cols) {
    for (const Fallback& f : kFallbacks)
        if (f.type == type && rowBytes(type, cols) == 0)
            type = f.instead;
    return rowBytes(type, cols) != 0 ? type : Type::F16;
}

/// A matrix that a mix may change; everything else keeps its numbers.
bool isMatrix(const TensorEntry& tensor) {
    const auto kept = [&](std::string_view name) { return contains(tensor.name, name); };
    return tensor.nDims >= 2 && tensor.rows() > 1 && tensor.name.ends_with("weight") &&
           std::none_of(std::begin(kKeptNames), std::end(kKeptNames), kept);
}

/// The largest number that a key holds, whether it has one for all layers or one for each.
int64_t largest(const Metadata& metadata, const std::string& key, int64_t fallback) {
    const std::vector<int64_t> values = metadata.integers(key);
    return values.empty() ? fallback : *std::max_element(values.begin(), values.end());
}

Metadata outputMetadata(const Checkpoint& checkpoint, const Mix& mix) {
    Metadata out;
    for (const auto& [key, value] : checkpoint.metadata().all())
        if (!key.starts_with("split."))
            out.set(key, value);
    out.set("general.file_type", int64_t{mix.fileType});
    out.set("general.quantization_version", int64_t{2});
    return out;
}

/// A number that is not finite, or a worker's exception: the first one counts.
struct Failure {
    void set(std::exception_ptr e) {
        const std::lock_guard lock(mutex);
        if (!first)
            first = std::move(e);
    }

    std::mutex mutex;
    std::exception_ptr first;
};

/// Rows of one tensor from one type to another, many at once.
class Conversion {
public:
    Conversion(const Checkpoint& checkpoint, const TensorEntry& from, std::span<const std::byte> bytes,
               const QuantType& to, int threads)
        : checkpoint_(checkpoint), from_(from), bytes_(bytes), to_(to), threads_(threads),
          rowsAtOnce_(std::max<int64_t>(1, kNumbers / from.cols())) {}

    /// Rows [first, first + rows) at most kBatch calls of rowsAtOnce_: `out` takes them.
    int64_t batchRows() const { return rowsAtOnce_ * kBatch; }

    uint64_t outRowBytes() const { return rowBytes(to_.type, from_.cols()); }

    void run(int64_t first, int64_t rows, std::span<std::byte> out) const {
        std::atomic<int64_t> next{0};
        Failure failure;
        const auto work = [&] {
            try {
                std::vector<float> numbers(static_cast<size_t>(rowsAtOnce_ * from_.cols()));
                for (int64_t at; (at = next.fetch_add(rowsAtOnce_)) < rows;) {
                    const int64_t n = std::min(rowsAtOnce_, rows - at);
                    convert(first + at, n, numbers.data(), out.data() + static_cast<uint64_t>(at) * outRowBytes());
                }
            } catch (...) {
                failure.set(std::current_exception());
                next = rows;
            }
        };
        {
            std::vector<std::jthread> others;
            for (int i = 1; i < threads_; ++i)
                others.emplace_back(work);
            work();
        }
        if (failure.first)
            std::rethrow_exception(failure.first);
    }

private:
    static constexpr int64_t kNumbers = 256 << 10, kBatch = 32;

    void convert(int64_t row, int64_t rows, float* numbers, std::byte* out) const {
        const int64_t n = rows * from_.cols();
        checkpoint_.decode(from_, bytes_, row, rows, numbers);
        for (int64_t i = 0; i < n; ++i)
            if (!std::isfinite(numbers[i]))
                throw Error("The tensor " + printable(from_.name) + " holds a number that is not finite in row " +
                            std::to_string(row + i / from_.cols()) + ".");
        to_.encode(numbers, out, n);
    }

    const Checkpoint& checkpoint_;
    const TensorEntry& from_;
    std::span<const std::byte> bytes_;
    const QuantType& to_;
    int threads_;
    int64_t rowsAtOnce_;
};

/// Counts numbers against all of them.
struct Progress {
    const std::function<bool(double)>& tell;
    uint64_t total;
    uint64_t done = 0;

    bool add(uint64_t numbers) {
        done += numbers;
        return !tell || tell(static_cast<double>(done) / static_cast<double>(std::max<uint64_t>(1, total)));
    }
};

uint64_t numbersOf(const TensorEntry& tensor) {
    return static_cast<uint64_t>(tensor.cols()) * static_cast<uint64_t>(tensor.rows());
}

/// False: stopped.
bool writeTensor(GgufWriter& file, const Checkpoint& checkpoint, const TensorEntry& from, const QuantType& to,
                 int threads, Progress& progress) {
    std::span<const std::byte> bytes = checkpoint.bytes(from);
    std::vector<std::byte> made; // what no file of a folder holds as it is needed
    if (from.derivation || !from.parts.empty()) {
        made.resize(from.bytes);
        checkpoint.read(from, made);
        bytes = made;
    }
    if (bytes.size() != from.bytes)
        throw Error("The bytes of the tensor " + printable(from.name) + " are not there.");
    if (from.type == &to) {
        file.write(bytes);
        return progress.add(numbersOf(from));
    }
    const Conversion conversion(checkpoint, from, bytes, to, threads);
    std::vector<std::byte> out;
    for (int64_t row = 0; row < from.rows(); row += conversion.batchRows()) {
        const int64_t rows = std::min(conversion.batchRows(), from.rows() - row);
        out.resize(static_cast<uint64_t>(rows) * conversion.outRowBytes());
        conversion.run(row, rows, out);
        file.write(out);
        if (!progress.add(static_cast<uint64_t>(rows * from.cols())))
            return false;
    }
    return true;
}

/// The type of a tensor in the new file.
Type newType(const Mix& mix, const MixFacts& facts, const TensorEntry& tensor) {
    if (!tensor.type)
        throw Error("The tensor " + printable(tensor.name) + " has the type " + tensor.typeName() +
                    ", which cannot be read.");
    return mixedType(mix, facts, tensor);
}

bool sameFile(const std::string& a, const std::string& b) {
    std::error_code ignored;
    return std::filesystem::equivalent(a, b, ignored);
}

} // namespace

const Mix* findMix(std::string_view name) {
    for (const auto& [other, meant] : kOtherNames)
        if (name == other)
            name = meant;
    const auto* mix = std::find_if(std::begin(kMixes), std::end(kMixes), [&](const Mix& m) { return m.name == name; });
    return mix == std::end(kMixes) ? nullptr : mix;
}

std::string mixNames() {
    std::string names;
    for (const Mix& mix : kMixes)
        names += (names.empty() ? "" : ", ") + std::string(mix.name);
    return names;
}

MixFacts MixFacts::of(const Checkpoint& checkpoint) {
    const Metadata& m = checkpoint.metadata();
    const std::string prefix = m.text("general.architecture", "") + ".";
    const int64_t heads = largest(m, prefix + "attention.head_count", 1);
    const int64_t keyHeads = largest(m, prefix + "attention.head_count_kv", heads);
    return {.layers = largest(m, prefix + "block_count", 0),
            .headsPerKeyHead = keyHeads > 0 ? heads / keyHeads : 1,
            .experts = largest(m, prefix + "expert_count", 0),
            .tied = !checkpoint.find("output.weight")};
}

Type mixedType(const Mix& mix, const MixFacts& facts, const TensorEntry& tensor) {
    if (!isMatrix(tensor))
        return tensor.type && !isFloat(tensor.type->type) ? tensor.type->type : Type::F32;
    return fitting(typeOfRules(mix, facts, tensor), tensor.cols());
}

namespace {

/// Only a model is replaced by a model: a slip must not cost a configuration, or somebody's notes.
void refuseForeignFile(const std::string& path) {
    std::error_code absent;
    if (!std::filesystem::is_regular_file(path, absent) || std::filesystem::file_size(path, absent) == 0)
        return;
    char mark[4] = {};
    std::ifstream(path, std::ios::binary).read(mark, sizeof mark);
    if (std::string_view(mark, sizeof mark) != "GGUF")
        throw Error("The file " + printable(path, 400) + " is there already and is no GGUF file; it is left as it is.");
}

} // namespace

QuantizeReport quantizeTo(const std::string& path, const Checkpoint& checkpoint, const QuantizeOptions& options) {
    const Mix* mix = findMix(options.type);
    if (!mix)
        throw Error("There is no type " + printable(options.type) + " to quantize to; known are " + mixNames() + ".");
    for (const auto& file : checkpoint.files())
        if (sameFile(path, file->path()))
            throw Error("The file " + printable(path, 400) + " is read and cannot be written at the same time.");
    refuseForeignFile(path);
    const MixFacts facts = MixFacts::of(checkpoint);
    QuantizeReport report;
    std::vector<GgufTensor> tensors;
    std::map<std::string, uint64_t> byType;
    for (const TensorEntry& tensor : checkpoint.tensors()) {
        const QuantType& type = quantType(newType(*mix, facts, tensor));
        tensors.push_back({tensor.name, &type, tensor.nDims, tensor.dims});
        byType[std::string(type.name)] += tensors.back().bytes();
        report.numbers += numbersOf(tensor);
        report.requantized += tensor.type != &type && !isFloat(tensor.type->type) && !isFloat(type.type);
    }
    report.bytesByType.assign(byType.begin(), byType.end());
    std::stable_sort(report.bytesByType.begin(), report.bytesByType.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    const int threads = options.threads > 0 ? options.threads : kernels::cpu::usableCores();
    Progress progress{options.progress, report.numbers};
    GgufWriter file(path, outputMetadata(checkpoint, *mix), tensors);
    report.bytes = file.fileBytes();
    for (size_t i = 0; i < tensors.size(); ++i)
        if (!writeTensor(file, checkpoint, checkpoint.tensors()[i], *tensors[i].type, threads, progress)) {
            report.stopped = true;
            return report;
        }
    if (checkpoint.changed())
        throw Error("The model's files changed while they were read.");
    file.finish();
    return report;
}

} // namespace hearth::engine
