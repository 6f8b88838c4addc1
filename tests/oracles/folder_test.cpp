// Hugging Face folders against the GGUF that a converter made of the same model: the same configuration, the same
// tensors, the same numbers.

#include "engine/checkpoint.h"
#include "engine/error.h"
#include "engine/quantize.h"
#include "kernels/backend.h"
#include "kernels/error.h"
#include "tests/oracles/oracle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>

#include <unistd.h>

using namespace hearth::engine;
using namespace hearth::test;
namespace fs = std::filesystem;

namespace {

/// Where folders of oracles lie: the reference data, and HEARTH_ORACLES where that is set.
std::vector<std::string> oracleRoots() {
    const char* shared = std::getenv("HEARTH_SHARED");
    std::vector<std::string> roots = {HEARTH_TEST_DATA "/oracles",
                                      std::string(shared ? shared : HEARTH_SOURCE_DIR "/../shared") + "/data/oracles"};
    if (const char* more = std::getenv("HEARTH_ORACLES"))
        roots.emplace_back(more);
    std::erase_if(roots, [](const std::string& root) { return !fs::is_directory(root); });
    return roots;
}

/// Folders that hold both forms of a model.
std::vector<std::string> pairs() {
    std::set<std::string> found;
    for (const std::string& root : oracleRoots())
        for (const auto& entry : fs::directory_iterator(root))
            if (fs::exists(entry.path() / "hf/config.json") &&
                (fs::exists(entry.path() / "model.gguf.xz") || fs::exists(entry.path() / "model.gguf")))
                found.insert(entry.path().string());
    return {found.begin(), found.end()};
}

/// What a GGUF holds and a folder gives in another way.
bool isConverted(const std::string& key) {
    return key.starts_with("general.") || key.starts_with("tokenizer.") || key.ends_with(".classifier.pooling_type") ||
           key.ends_with(".pooling_type") || key.ends_with(".nextn_predict_layers");
}

bool sameValue(const Value& want, const Value& got) {
    const auto number = [](const Value& v, double& out) {
        if (const auto* i = std::get_if<int64_t>(&v))
            out = static_cast<double>(*i);
        else if (const auto* d = std::get_if<double>(&v))
            out = *d;
        else
            return false;
        return true;
    };
    double x = 0, y = 0;
    if (number(want, x) && number(got, y))
        return std::abs(x - y) <= 1e-6 * std::abs(x);
    return want == got;
}

std::vector<float> numbersOf(const Checkpoint& checkpoint, const TensorEntry& tensor) {
    std::vector<std::byte> bytes(tensor.bytes);
    checkpoint.read(tensor, bytes);
    std::vector<float> out(static_cast<size_t>(tensor.cols() * tensor.rows()));
    if (tensor.type)
        checkpoint.decode(tensor, bytes, 0, tensor.rows(), out.data());
    return out;
}

/// The rows of each head in the order in which a GGUF has them where its rope turns neighbours.
std::vector<float> permuted(const std::vector<float>& in, int64_t cols, int64_t heads) {
    const int64_t rows = static_cast<int64_t>(in.size()) / cols, dim = rows / heads;
    std::vector<float> out(in.size());
    for (int64_t h = 0; h < heads; ++h)
        for (int64_t i = 0; i < dim; ++i) {
            const int64_t from = h * dim + (i % 2) * (dim / 2) + i / 2;
            std::copy_n(in.begin() + from * cols, cols, out.begin() + (h * dim + i) * cols);
        }
    return out;
}

/// `n` runs of `each` numbers, from `first` on, that lie in the order of key heads, each with its `group` value heads,
/// in the order in which neighbours belong to different key heads.
void tile(std::vector<float>& numbers, size_t first, size_t n, size_t each, size_t group) {
    const std::vector<float> in(numbers.begin() + static_cast<ptrdiff_t>(first),
                                numbers.begin() + static_cast<ptrdiff_t>(first + n * each));
    for (size_t i = 0; i < n; ++i)
        std::copy_n(in.begin() + static_cast<ptrdiff_t>((i % (n / group) * group + i / (n / group)) * each), each,
                    numbers.begin() + static_cast<ptrdiff_t>(first + i * each));
}

/// The numbers of a gated delta net's tensor in the order of a GGUF.
void tileHeads(std::vector<float>& numbers, const TensorEntry& tensor, const Metadata& m, const std::string& family) {
    const auto key = [&](const char* name) { return static_cast<size_t>(m.integer(family + name, 1)); };
    const size_t heads = key("ssm.time_step_rank"), dim = key("ssm.inner_size") / heads;
    const size_t group = heads / key("ssm.group_count"), keys = 2 * key("ssm.state_size") * key("ssm.group_count");
    const auto cols = static_cast<size_t>(tensor.cols());
    const std::string& name = tensor.name;
    const auto is = [&](const char* part) { return name.find(part) != std::string::npos; };
    if (is(".ssm_a") && !is("alpha"))
        tile(numbers, 0, heads, 1, group);
    else if (is(".ssm_dt."))
        tile(numbers, 0, heads, 1, group);
    else if (is(".ssm_alpha.") || is(".ssm_beta."))
        tile(numbers, 0, heads, cols, group);
    else if (is(".attn_gate."))
        tile(numbers, 0, heads, dim * cols, group);
    else if (is(".ssm_conv1d.") || is(".attn_qkv."))
        tile(numbers, keys * cols, heads, dim * cols, group);
    else if (is(".ssm_out."))
        for (size_t row = 0; row < static_cast<size_t>(tensor.rows()); ++row)
            tile(numbers, row * cols, heads, dim, group);
}

void expectSameMetadata(const Metadata& want, const Metadata& got) {
    for (const auto& [key, value] : want.all()) {
        if (isConverted(key))
            continue;
        const Value* own = got.find(key);
        // A key that only repeats what its absence means may be left out.
        if (!own && sameValue(value, int64_t{0}))
            continue;
        ASSERT_TRUE(own) << key << " is missing";
        EXPECT_TRUE(sameValue(value, *own)) << key;
    }
    EXPECT_EQ(want.text("general.architecture", ""), got.text("general.architecture", ""));
}

/// Bit for bit, whatever the order of rows. `converted`: in a GGUF's order and with all its tensors.
void expectSameTensors(const Checkpoint& want, const Checkpoint& got, bool converted = false) {
    const Metadata& m = got.metadata();
    const std::string family = m.text("general.architecture", "") + ".";
    const bool neox = m.boolean(family + "rope.halves", false);
    for (const TensorEntry& tensor : want.tensors()) {
        SCOPED_TRACE(tensor.name);
        const TensorEntry* own = got.find(tensor.name);
        if (!converted && !own && tensor.name == "rope_freqs.weight" &&
            m.text(family + "rope.scaling.type", "") == "llama3")
            continue; // computed from the keys
        ASSERT_TRUE(own);
        const bool computed = tensor.name == "rope_freqs.weight"; // here in double
        EXPECT_EQ(own->dims, tensor.dims) << own->shapeText();
        ASSERT_EQ(own->cols() * own->rows(), tensor.cols() * tensor.rows());
        std::vector<float> numbers = numbersOf(got, *own);
        const bool q = tensor.name.find(".attn_q.") != std::string::npos;
        if (neox && (q || tensor.name.find(".attn_k.") != std::string::npos))
            numbers = permuted(numbers, own->nDims == 1 ? 1 : own->cols(),
                               m.integers(family + (q ? "attention.head_count" : "attention.head_count_kv"))[0]);
        if (!m.boolean(family + "ssm.value_heads_tiled", true))
            tileHeads(numbers, *own, m, family);
        EXPECT_LE(distance(numbers.data(), numbersOf(want, tensor).data(), numbers.size()).max, computed ? 1e-5 : 0);
    }
    for (const TensorEntry& tensor : got.tensors())
        EXPECT_TRUE(want.find(tensor.name)) << tensor.name << " is not in the GGUF";
}

TEST(Folders, HoldWhatTheirGgufHolds) {
    int compared = 0;
    for (const std::string& folder : pairs()) {
        SCOPED_TRACE(folder);
        const UnpackedFile file(folder + "/model.gguf");
        const Checkpoint want = Checkpoint::open(file.path());
        try {
            Checkpoint got = Checkpoint::open(folder + "/hf");
            expectSameMetadata(want.metadata(), got.metadata());
            expectSameTensors(want, got);
            ASSERT_TRUE(got.derive());
            EXPECT_EQ(got.derivedBytes(), 0u);
            expectSameTensors(want, got);
            const Checkpoint converted = Checkpoint::open(folder + "/hf", {}, Checkpoint::Form::Converted);
            EXPECT_FALSE(
                converted.metadata().contains(converted.metadata().text("general.architecture", "") + ".rope.halves"));
            expectSameMetadata(want.metadata(), converted.metadata());
            expectSameTensors(want, converted, true);
            EXPECT_GT(Tokenizer::fromMetadata(converted.metadata())->size(), 0);
        } catch (const Error& error) {
            ADD_FAILURE() << error.what();
        }
        ++compared;
    }
    RecordProperty("compared", compared);
    std::printf("%d folders compared\n", compared);
}

// ---- logits

/// A folder of an oracle: "hf", or another form of it, which may have a reference of its own.
struct FolderCase {
    std::string folder;    // ".../deepseek_v3/hf_fp8"
    std::string reference; // its path up to the ending: ".../deepseek_v3/hf_fp8" or ".../deepseek_v3/"
    nlohmann::json expected;
};

std::vector<FolderCase> folderCases() {
    std::vector<FolderCase> cases;
    for (const std::string& root : oracleRoots())
        for (const auto& oracle : fs::directory_iterator(root)) {
            if (!oracle.is_directory())
                continue;
            for (const auto& form : fs::directory_iterator(oracle.path())) {
                const std::string path = form.path().string();
                if (!form.path().filename().string().starts_with("hf") || !fs::exists(form.path() / "config.json"))
                    continue;
                const bool own = fs::exists(path + ".json");
                const std::string reference = own ? path + "_" : oracle.path().string() + "/";
                cases.push_back({path, reference, readJson(own ? path + ".json" : reference + "expected.json")});
            }
        }
    return cases;
}

/// Greedy ids and logits of a folder in exact numerics, the prompt in one piece and cut.
void expectReference(Engine& engine, ModelId model, const FolderCase& c) {
    const double atol = c.expected["tolerance"]["atol"], rtol = c.expected["tolerance"]["rtol"];
    const auto nVocab = static_cast<size_t>(engine.info(model).nVocab);
    for (const auto& [prompt, file] : {std::pair{"long", "logits.npy"}, std::pair{"short", "logits_short.npy"}}) {
        const nlohmann::json& want = c.expected["prompts"][prompt];
        const auto ids = want["ids"].get<std::vector<TokenId>>();
        const std::vector<float> last = readNpy(c.reference + file);
        for (const Engine::EvalOptions& pieces :
             std::initializer_list<Engine::EvalOptions>{{}, {.chunk = 1}, {.chunk = 7, .restoreAt = 3}}) {
            const std::vector<float> logits = engine.eval(model, ids, pieces);
            ASSERT_EQ(logits.size(), ids.size() * nVocab);
            for (size_t i = 0; i < ids.size(); ++i)
                EXPECT_EQ(argmax(&logits[i * nVocab], nVocab), want["argmax"][i].get<int>()) << "position " << i;
            EXPECT_LE(
                distance(logits.data() + logits.size() - last.size(), last.data(), last.size(), atol, rtol).excess, 0);
        }
        if (want.contains("greedy")) {
            const auto tokens = want["greedy"].get<std::vector<TokenId>>();
            EXPECT_EQ(greedy(engine, model, ids, static_cast<int>(tokens.size())), tokens);
        }
    }
}

/// Vectors of every token, and their mean.
void expectVectors(Engine& engine, ModelId model, const FolderCase& c) {
    const double atol = c.expected["tolerance"]["atol"], rtol = c.expected["tolerance"]["rtol"];
    for (const auto& [prompt, file] :
         {std::pair{"long", "embeddings.npy"}, std::pair{"short", "embeddings_short.npy"}}) {
        const nlohmann::json& want = c.expected["prompts"][prompt];
        const auto ids = want["ids"].get<std::vector<TokenId>>();
        const std::vector<float> each = readNpy(c.reference + file), got = engine.embed(model, ids, Pooling::None);
        ASSERT_EQ(got.size(), each.size());
        EXPECT_LE(distance(got.data(), each.data(), each.size(), atol, rtol).excess, 0);
        const auto mean = want["pooled"]["mean"].get<std::vector<float>>();
        const std::vector<float> pooled = engine.embed(model, ids, Pooling::Mean);
        ASSERT_EQ(pooled.size(), mean.size());
        EXPECT_LE(distance(pooled.data(), mean.data(), mean.size(), atol, rtol).excess, 0);
    }
}

TEST(Folders, GiveTheReferenceLogits) {
    int run = 0;
    for (const FolderCase& c : folderCases()) {
        SCOPED_TRACE(c.folder);
        const auto engine = std::make_unique<Engine>(EngineOptions{.threads = 2});
        try {
            const ModelId model = engine->load({.path = c.folder, .numerics = Numerics::Exact});
            const bool encoder = c.expected.value("kind", "decoder") == "encoder";
            (encoder ? expectVectors : expectReference)(*engine, model, c);
            ++run;
        } catch (const Error& error) {
            ADD_FAILURE() << error.what();
        }
    }
    EXPECT_GE(run, 1);
    std::printf("%d folders run\n", run);
}

/// Sets an environment variable for a while.
class Environment {
public:
    Environment(const char* name, const std::string& value) : name_(name) {
        if (const char* before = std::getenv(name))
            before_ = before;
        setenv(name, value.c_str(), 1);
    }

    ~Environment() {
        if (before_)
            setenv(name_, before_->c_str(), 1);
        else
            unsetenv(name_);
    }

private:
    const char* name_;
    std::optional<std::string> before_;
};

/// FP8 with scales of blocks, where it lies: the reference's logits from every instruction set, the same bits from any
/// number of threads and pieces of the prompt.
TEST(Folders, EightBitFloatsOnEveryInstructionSet) {
    const std::string folder = findData("oracles/deepseek_v3/hf_fp8");
    ASSERT_FALSE(folder.empty());
    const FolderCase c{folder, folder + "_", readJson(folder + ".json")};
    const auto ids = c.expected["prompts"]["long"]["ids"].get<std::vector<TokenId>>();
    int run = 0;
    for (const char* isa : {"avx512", "avxvnni", "avx2", "reference"}) {
        try {
            hearth::kernels::makeCpuBackend({.threads = 1, .isa = isa});
        } catch (const hearth::kernels::BackendError&) {
            continue; // not on this machine
        }
        SCOPED_TRACE(isa);
        const Environment chosen("HEARTH_ISA", isa);
        for (const Numerics numerics : {Numerics::Exact, Numerics::Fast}) {
            std::vector<float> bits;
            for (const int threads : {1, 2}) {
                const auto engine = std::make_unique<Engine>(EngineOptions{.threads = threads});
                const ModelId model = engine->load({.path = folder, .numerics = numerics});
                if (numerics == Numerics::Exact)
                    expectReference(*engine, model, c);
                for (const int chunk : {0, 1, 7}) {
                    const std::vector<float> logits = engine->eval(model, ids, {.chunk = chunk});
                    if (bits.empty())
                        bits = logits;
                    EXPECT_EQ(bits, logits) << threads << " threads, pieces of " << chunk;
                }
            }
        }
        ++run;
    }
    EXPECT_GE(run, 1);
}

/// Of an FP8 folder only k_b, which MLA needs turned, is made; all else is read where it lies.
TEST(Folders, EightBitFloatsAreNotCopied) {
    Checkpoint checkpoint = Checkpoint::open(findData("oracles/deepseek_v3/hf_fp8"));
    uint64_t turned = 0;
    int lie = 0;
    for (const TensorEntry& tensor : checkpoint.tensors()) {
        if (tensor.name.find(".attn_k_b.") != std::string::npos)
            turned += (tensor.bytes + 63) / 64 * 64;
        else
            EXPECT_FALSE(tensor.derivation) << tensor.name;
        lie += tensor.typeName() == "F8_E4M3" ? 1 : 0;
    }
    EXPECT_EQ(checkpoint.derivedBytes(Checkpoint::Parts::Keep), turned);
    EXPECT_EQ(lie, 3 * 5 + 3 + 2 * 6); // attention with v_b, one dense block, two of experts with shared ones
}

/// A GGUF written from a folder is the same model, for every program: it has the rows in a GGUF's order.
TEST(Folders, BecomeGgufFiles) {
    for (const char* name : {"llama/hf", "qwen3/hf", "deepseek_v3/hf", "deepseek_v3/hf_fp8"}) {
        SCOPED_TRACE(name);
        const std::string folder = findData(std::string("oracles/") + name);
        if (folder.empty())
            continue; // in the shared data only
        const std::string path = testing::TempDir() + "hearth-folder-" + std::to_string(getpid()) + ".gguf";
        quantizeTo(path, Checkpoint::open(folder, {}, Checkpoint::Form::Converted), {.type = "F32", .threads = 2});
        const auto engine = std::make_unique<Engine>(EngineOptions{.threads = 2});
        const std::vector<TokenId> ids = {0, 9, 30, 31, 32, 40, 41, 200};
        const auto logits = [&](const std::string& model) {
            return engine->eval(engine->load({.path = model, .numerics = Numerics::Exact}), ids, {});
        };
        const std::vector<float> want = logits(folder), got = logits(path);
        ASSERT_EQ(want.size(), got.size());
        EXPECT_LE(distance(got.data(), want.data(), want.size()).max, 1e-5);
        EXPECT_EQ(Tokenizer::fromCheckpoint(Checkpoint::open(path))->encode("Hello, world"),
                  Tokenizer::fromCheckpoint(Checkpoint::open(folder))->encode("Hello, world"));
        fs::remove(path);
    }
}

} // namespace
