// Hostile and quirky safetensors files, indices and folders, each a valid one with one thing made wrong (or odd).

#include "engine/error.h"
#include "engine/hf/config.h"
#include "engine/hf/folder.h"
#include "engine/hf/source.h"
#include "engine/hf/tensors.h"
#include "engine/model.h"
#include "engine/placement.h"
#include "engine/safetensors.h"
#include "engine/tokenizer.h"
#include "tests/engine/core/gguf_writer.h"
#include "tests/processor_time.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

#include <unistd.h>

using namespace hearth;
using namespace hearth::engine;
using hearth::test::asBytes;
using hearth::test::TemporaryFolder;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

fs::path rootOf(const TemporaryFolder& folder) {
    return fs::path(folder.path("x")).parent_path();
}

std::string withHeader(const std::string& header, const std::string& data) {
    uint64_t size = header.size();
    std::string out(sizeof size, '\0');
    std::memcpy(out.data(), &size, sizeof size);
    return out + header + data;
}

/// The sentence of the error; empty: it was read. Also holds the promises on time and memory.
std::string outcome(const std::function<void()>& read) {
    const double begin = processorSeconds();
    std::string sentence;
    try {
        read();
    } catch (const Error& error) {
        sentence = error.what();
        EXPECT_FALSE(sentence.empty());
        EXPECT_LT(sentence.size(), 2000u);
    }
    EXPECT_LT(processorSeconds() - begin, kMostHostileSeconds);
    return sentence;
}

void expectOutcome(const std::string& sentence, const std::string& expected) {
    if (expected.empty())
        EXPECT_EQ(sentence, "");
    else if (expected == "*")
        EXPECT_NE(sentence, "");
    else
        EXPECT_NE(sentence.find(expected), std::string::npos) << "got: " << sentence;
}

struct HeaderCase {
    const char* name;
    std::string header;
    size_t dataBytes;
    const char* expected; // part of the sentence; "": must be read
};

std::string tensor(const std::string& name, const std::string& type, const std::string& shape,
                   const std::string& offsets) {
    return "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}

const HeaderCase kHeaders[] = {
    {"one tensor", "{" + tensor("a", "F32", "[2]", "[0,8]") + "}", 8, ""},
    {"no tensor", "{}", 0, ""},
    {"metadata", R"({"__metadata__":{"format":"pt"},)" + tensor("a", "F32", "[2]", "[0,8]") + "}", 8, ""},
    {"spaces behind the header", "{" + tensor("a", "F32", "[2]", "[0,8]") + "}      ", 8, ""},
    {"a number without shape", "{" + tensor("a", "F32", "[]", "[0,4]") + "}", 4, ""},
    {"eight dimensions", "{" + tensor("a", "F32", "[1,1,1,1,1,1,1,2]", "[0,8]") + "}", 8, ""},
    {"no numbers", "{" + tensor("a", "F32", "[0]", "[0,0]") + "," + tensor("b", "F32", "[0,3]", "[0,0]") + "}", 0, ""},
    {"an unknown field", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"note":"x"}})", 4, ""},
    {"in another order", "{" + tensor("a", "F32", "[1]", "[4,8]") + "," + tensor("b", "F32", "[1]", "[0,4]") + "}", 8,
     ""},
    {"an unknown type", "{" + tensor("a", "Q9", "[2]", "[0,7]") + "}", 7, ""},
    {"a type in small letters", "{" + tensor("a", "f32", "[2]", "[0,8]") + "}", 8, ""},
    {"F8_E5M2", "{" + tensor("a", "F8_E5M2", "[2]", "[0,2]") + "}", 2, ""},
    {"a hole", "{" + tensor("a", "F32", "[1]", "[0,4]") + "," + tensor("b", "F32", "[1]", "[8,12]") + "}", 12,
     "a hole"},
    {"an overlap", "{" + tensor("a", "F32", "[2]", "[0,8]") + "," + tensor("b", "F32", "[1]", "[4,8]") + "}", 8,
     "an overlap"},
    {"the same bytes twice", "{" + tensor("a", "F32", "[1]", "[0,4]") + "," + tensor("b", "F32", "[1]", "[0,4]") + "}",
     4, "an overlap"},
    {"bytes behind the last", "{" + tensor("a", "F32", "[1]", "[0,4]") + "}", 5, "goes on for 1 bytes"},
    {"beyond the end", "{" + tensor("a", "F32", "[2]", "[0,8]") + "}", 7, "beyond its end"},
    {"far beyond the end", "{" + tensor("a", "F32", "[2]", "[9223372036854775800,9223372036854775807]") + "}", 8,
     "2 numbers of F32, but 7 bytes"},
    {"end before begin", "{" + tensor("a", "F32", "[2]", "[8,0]") + "}", 8, "ends before it begins"},
    {"a negative place", "{" + tensor("a", "F32", "[2]", "[-8,0]") + "}", 8, "holds -8"},
    {"a place of 0.0", "{" + tensor("a", "F32", "[2]", "[0.0,8]") + "}", 8, "holds 0.0"},
    {"a place of 1e3", "{" + tensor("a", "F32", "[2]", "[0,1e3]") + "}", 8, "holds 1e3"},
    {"a place of 2^64", "{" + tensor("a", "F32", "[2]", "[0,18446744073709551616]") + "}", 8,
     "holds 18446744073709551616"},
    {"a place of 2^63", "{" + tensor("a", "F32", "[2]", "[0,9223372036854775808]") + "}", 8, "more than any file"},
    {"a place that is text", "{" + tensor("a", "F32", "[2]", "[\"0\",8]") + "}", 8, "where it makes no sense"},
    {"a place of three", "{" + tensor("a", "F32", "[2]", "[0,8,8]") + "}", 8, "not two numbers"},
    {"a place of one", "{" + tensor("a", "F32", "[2]", "[8]") + "}", 8, "not two numbers"},
    {"a place that is no array", "{" + tensor("a", "F32", "[2]", "8") + "}", 8, "holds 8"},
    {"a negative dimension", "{" + tensor("a", "F32", "[-2]", "[0,8]") + "}", 8, "holds -2"},
    {"nested dimensions", "{" + tensor("a", "F32", "[[2]]", "[0,8]") + "}", 8, "an array"},
    {"nine dimensions", "{" + tensor("a", "F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]") + "}", 8, "more than 8 dimensions"},
    {"a shape that wraps", "{" + tensor("a", "F32", "[4294967296,4294967296,4]", "[0,8]") + "}", 8,
     "more numbers than any file"},
    {"bytes that wrap", "{" + tensor("a", "F64", "[2305843009213693953]", "[0,8]") + "}", 8, "numbers of F64"},
    {"too few bytes", "{" + tensor("a", "F32", "[3]", "[0,8]") + "}", 8, "3 numbers of F32, but 8 bytes"},
    {"a name twice", "{" + tensor("a", "F32", "[1]", "[0,4]") + "," + tensor("a", "F32", "[1]", "[4,8]") + "}", 8,
     "there twice"},
    {"a field twice", R"({"a":{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]}})", 4,
     "two fields named dtype"},
    {"a field missing", R"({"a":{"dtype":"F32","shape":[1]}})", 4, "lacks its dtype, shape or data_offsets"},
    {"a tensor that is a number", R"({"a":7})", 0, "holds 7"},
    {"a tensor that is null", R"({"a":null})", 0, "holds null"},
    {"metadata that is nested", R"({"__metadata__":{"x":{"y":"z"}}})", 0, "an object"},
    {"metadata that counts", R"({"__metadata__":{"x":1}})", 0, "holds 1"},
    {"no name", "{" + tensor("", "F32", "[1]", "[0,4]") + "}", 4, "no name"},
    {"an array at the top", "[1]", 0, "not a JSON object"},
    {"no JSON", "{\"a\":", 0, "no JSON from byte"},
    {"two values", "{}{}", 0, "no JSON from byte"},
    {"invalid UTF-8", "{\"\xff\xfe\":{}}", 0, "no JSON from byte"},
};

TEST(Safetensors, Headers) {
    for (const HeaderCase& c : kHeaders) {
        SCOPED_TRACE(c.name);
        const std::string file = withHeader(c.header, std::string(c.dataBytes, '\0'));
        expectOutcome(outcome([&] { parseSafetensors(asBytes(file), "input"); }), c.expected);
    }
}

TEST(Safetensors, SizesOfTheHeader) {
    const std::string file = withHeader("{" + tensor("a", "F32", "[2]", "[0,8]") + "}", std::string(8, '\0'));
    for (const uint64_t claimed :
         {uint64_t{0}, uint64_t{1}, uint64_t{file.size()}, uint64_t{100'000'001}, uint64_t{1} << 63, UINT64_MAX}) {
        SCOPED_TRACE(claimed);
        std::string wrong = file;
        std::memcpy(wrong.data(), &claimed, sizeof claimed);
        EXPECT_NE(outcome([&] { parseSafetensors(asBytes(wrong), "input"); }), "");
    }
    for (size_t size = 0; size < file.size(); ++size)
        EXPECT_NE(outcome([&] { parseSafetensors(asBytes(file.substr(0, size)), "input"); }), "") << size;
    expectOutcome(outcome([&] { parseSafetensors(asBytes("version https://git-lfs.github.com/spec/v1\noid"), "x"); }),
                  "git-lfs");
}

TEST(Safetensors, DepthIsNoRecursion) {
    for (const char* unit : {"[", "{\"a\":", "{\"__metadata__\":[", "{\"a\":{\"shape\":["}) {
        std::string deep;
        for (int i = 0; i < 100'000; ++i)
            deep += unit;
        EXPECT_NE(outcome([&] { parseSafetensors(asBytes(withHeader(deep, "")), "input"); }), "");
        EXPECT_NE(outcome([&] { parseSafetensorsIndex(deep, "input"); }), "");
        EXPECT_NE(outcome([&] { parseHfJson(deep, "input"); }), "");
    }
}

/// Processor seconds that reading `n` tensors takes.
double secondsFor(size_t n) {
    std::string header = "{";
    for (size_t i = 0; i < n; ++i)
        header += (i ? "," : "") + tensor("model.layers." + std::to_string(i), "F32", "[1]",
                                          "[" + std::to_string(4 * i) + "," + std::to_string(4 * i + 4) + "]");
    const std::string file = withHeader(header + "}", std::string(n * 4, '\0'));
    const double begin = processorSeconds();
    EXPECT_EQ(parseSafetensors(asBytes(file), "input").size(), n);
    return processorSeconds() - begin;
}

TEST(Safetensors, TimeGrowsWithTheInput) {
    const Growth g = growth(4000, secondsFor);
    EXPECT_TRUE(g.isLinear()) << g.once << " -> " << g.eight;
}

struct IndexCase {
    const char* name;
    std::string text;
    const char* expected;
};

std::string mapTo(const std::string& file) {
    return json{{"weight_map", {{"a", file}}}}.dump();
}

const IndexCase kIndices[] = {
    {"one file", mapTo("model-00001-of-00001.safetensors"), ""},
    {"metadata of any kind", R"({"metadata":{"total_size":1e9,"x":[{"y":null}]},"weight_map":{"a":"m.safetensors"}})",
     ""},
    {"a path", mapTo("../model.safetensors"), "not the name of a safetensors file"},
    {"an absolute path", mapTo("/etc/passwd"), "not the name of a safetensors file"},
    {"a path with letters of a drive", mapTo("C:\\model.safetensors"), "not the name of a safetensors file"},
    {"only an ending", mapTo(".safetensors"), "not the name of a safetensors file"},
    {"another kind of file", mapTo("model.bin"), "not the name of a safetensors file"},
    {"a name with a zero", mapTo(std::string("a\0.safetensors", 14)), "not the name of a safetensors file"},
    {"a number for a file", R"({"weight_map":{"a":7}})", "instead of a name"},
    {"an array for a file", R"({"weight_map":{"a":["x"]}})", "not a name"},
    {"an array for the map", R"({"weight_map":["x"]})", "not the name of a safetensors file"},
    {"no map", R"({"metadata":{}})", "names no tensor"},
    {"no JSON", "weights", "no JSON"},
    {"nothing", "", "no JSON"},
};

TEST(Safetensors, Indices) {
    for (const IndexCase& c : kIndices) {
        SCOPED_TRACE(c.name);
        expectOutcome(outcome([&] { parseSafetensorsIndex(c.text, "input"); }), c.expected);
    }
    json many;
    for (int i = 0; i < 20'000; ++i)
        many["weight_map"]["t" + std::to_string(i)] = "m" + std::to_string(i) + ".safetensors";
    expectOutcome(outcome([&] { parseSafetensorsIndex(many.dump(), "input"); }), "more than 1000 files");
    const SafetensorsIndex index =
        parseSafetensorsIndex(R"({"weight_map":{"a":"2.safetensors","b":"1.safetensors"}})", "input");
    EXPECT_EQ(index.files, (std::vector<std::string>{"1.safetensors", "2.safetensors"}));
    EXPECT_EQ(index.tensors[0].file, 1);
}

// ---- whole folders

/// A tiny Llama as a folder, of which a test can make one thing wrong.
struct FolderWriter {
    json config = {{"model_type", "llama"},      {"hidden_size", 8},         {"intermediate_size", 16},
                   {"num_hidden_layers", 1},     {"num_attention_heads", 2}, {"num_key_value_heads", 1},
                   {"vocab_size", 32},           {"rms_norm_eps", 1e-5},     {"max_position_embeddings", 64},
                   {"tie_word_embeddings", true}};

    struct Stored {
        std::string name, type;
        std::vector<int64_t> shape;
        std::string data; // zeros where it is empty
    };

    std::vector<Stored> tensors = {
        {"model.embed_tokens.weight", "F32", {32, 8}},
        {"model.norm.weight", "F32", {8}},
        {"model.layers.0.input_layernorm.weight", "F32", {8}},
        {"model.layers.0.post_attention_layernorm.weight", "F32", {8}},
        {"model.layers.0.self_attn.q_proj.weight", "F32", {8, 8}},
        {"model.layers.0.self_attn.k_proj.weight", "F32", {4, 8}},
        {"model.layers.0.self_attn.v_proj.weight", "F32", {4, 8}},
        {"model.layers.0.self_attn.o_proj.weight", "F32", {8, 8}},
        {"model.layers.0.mlp.gate_proj.weight", "F32", {16, 8}},
        {"model.layers.0.mlp.up_proj.weight", "F32", {16, 8}},
        {"model.layers.0.mlp.down_proj.weight", "F32", {8, 16}},
    };

    Stored& tensor(const std::string& name) {
        return *std::find_if(tensors.begin(), tensors.end(), [&](const Stored& t) { return t.name == name; });
    }

    static std::string fileOf(const std::vector<Stored>& tensors) {
        json header = json::object();
        std::string data;
        for (const Stored& t : tensors) {
            size_t bytes = static_cast<size_t>(std::max(1, storedTypeBytes(t.type)));
            for (const int64_t dim : t.shape)
                bytes *= static_cast<size_t>(dim);
            const std::string own = t.data.empty() ? std::string(bytes, '\0') : t.data;
            header[t.name] = {
                {"dtype", t.type}, {"shape", t.shape}, {"data_offsets", {data.size(), data.size() + own.size()}}};
            data += own;
        }
        std::string text = header.dump(); // padded as published files are, so that numbers are aligned
        text.resize((text.size() + 7) / 8 * 8, ' ');
        return withHeader(text, data);
    }

    static void write(const fs::path& path, const std::string& bytes) {
        std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    }

    void write(const TemporaryFolder& folder) const {
        write(rootOf(folder) / "config.json", config.dump());
        write(rootOf(folder) / "model.safetensors", fileOf(tensors));
    }
};

void readAll(const fs::path& path) {
    Checkpoint checkpoint = Checkpoint::open(path.string());
    const ModelConfig config = readModelConfig(checkpoint);
    planPlacement(placementInput(checkpoint, config, {}));
    checkpoint.derive();
}

std::string outcomeOf(const FolderWriter& writer) {
    const TemporaryFolder folder;
    writer.write(folder);
    return outcome([&] { readAll(rootOf(folder)); });
}

TEST(HfFolder, TinyLlama) {
    EXPECT_EQ(outcomeOf({}), "");
    const TemporaryFolder folder;
    FolderWriter().write(folder);
    // A file of the folder means the folder.
    EXPECT_EQ(outcome([&] { readAll(rootOf(folder) / "model.safetensors"); }), "");
    EXPECT_EQ(outcome([&] { readAll(rootOf(folder) / "config.json"); }), "");
    const Checkpoint checkpoint = Checkpoint::open(rootOf(folder).string());
    EXPECT_EQ(checkpoint.format(), "safetensors, 1 file");
    EXPECT_EQ(checkpoint.metadata().text("general.name", ""), rootOf(folder).filename().string());
    EXPECT_EQ(checkpoint.derivedBytes(), 0u) << "all is read where it lies";
    EXPECT_EQ(readModelConfig(checkpoint).ropeOrder, hearth::kernels::RopeOrder::Neox);
}

struct ConfigCase {
    const char* name;
    json patch; // merged into config.json
    const char* expected;
};

const ConfigCase kConfigs[] = {
    {"heads as a float", {{"num_attention_heads", 2.0}}, ""},
    {"no kind", {{"model_type", nullptr}}, "model_type is missing"},
    {"an unknown kind", {{"model_type", "riddle"}}, "of the kind riddle"},
    {"a kind that is a number", {{"model_type", 7}}, "text is needed"},
    {"no layers", {{"num_hidden_layers", nullptr}}, "num_hidden_layers"},
    {"zero layers", {{"num_hidden_layers", 0}}, "only 1 to"},
    {"2^40 layers", {{"num_hidden_layers", int64_t{1} << 40}}, "only 1 to"},
    {"2^64-1 layers", {{"num_hidden_layers", UINT64_MAX}}, "an integer is needed"},
    {"layers as text", {{"num_hidden_layers", "1"}}, "an integer is needed"},
    {"more layers than there are", {{"num_hidden_layers", 2}}, "blk.1.attn_norm.weight is missing"},
    {"zero heads", {{"num_attention_heads", 0}}, "only 1 to"},
    {"negative heads", {{"num_attention_heads", -2}}, "only 1 to"},
    {"key heads that do not divide", {{"num_attention_heads", 2}, {"num_key_value_heads", 3}}, "heads"},
    {"2^31 heads", {{"num_attention_heads", int64_t{1} << 31}}, "only 1 to"},
    {"65536 heads", {{"num_attention_heads", 65536}}, "*"},
    {"heads as text", {{"num_attention_heads", "2"}}, "an integer is needed"},
    {"no key heads", {{"num_key_value_heads", 0}}, "0 key-value heads"},
    {"negative key heads", {{"num_key_value_heads", -1}}, "only 0 to"},
    {"2^63 key heads", {{"num_key_value_heads", uint64_t{1} << 63}}, "an integer is needed"},
    {"65536 key heads", {{"num_key_value_heads", 65536}}, "*"},
    {"more key heads than heads", {{"num_key_value_heads", 4}}, "heads"},
    {"heads of no number", {{"head_dim", 0}}, "only 1 to"},
    {"heads of 2^31 numbers", {{"head_dim", int64_t{1} << 31}}, "only 1 to"},
    {"heads of 65536 numbers", {{"head_dim", 65536}}, "*"},
    {"a width of 0", {{"hidden_size", 0}}, "only 1 to"},
    {"a width that is not there", {{"hidden_size", 16}}, "is needed"},
    {"a theta that is text", {{"rope_theta", "10000"}}, "a number is needed"},
    {"a scaling that is text", {{"rope_scaling", "yarn"}}, ""},
    {"an unknown scaling", {{"rope_scaling", {{"rope_type", "spiral"}, {"factor", 2}}}}, "spiral"},
    {"a factor that is text", {{"rope_scaling", {{"rope_type", "linear"}, {"factor", "2"}}}}, "a number is needed"},
    {"dimensions of rope beyond all", {{"partial_rotary_factor", 1e300}}, "partial_rotary_factor"},
    {"layer types too few", {{"layer_types", json::array()}}, "entries for 1 layers"},
    {"layer types of another kind", {{"layer_types", 3}}, "an array is needed"},
    {"a window for all layers", {{"sliding_window", 8}}, ""},
    {"weights of another program", {{"quantization_config", {{"quant_method", "gptq"}}}}, "quantized by gptq"},
    {"blocks of 0",
     {{"quantization_config", {{"quant_method", "fp8"}, {"weight_block_size", {0, 128}}}}},
     "weight_block_size"},
};

TEST(HfFolder, Configs) {
    for (const ConfigCase& c : kConfigs) {
        SCOPED_TRACE(c.name);
        FolderWriter writer;
        writer.config.merge_patch(c.patch);
        expectOutcome(outcomeOf(writer), c.expected);
    }
}

TEST(HfFolder, EveryTensorIsMissed) {
    for (size_t i = 0; i < FolderWriter().tensors.size(); ++i) {
        FolderWriter writer;
        SCOPED_TRACE(writer.tensors[i].name);
        writer.tensors.erase(writer.tensors.begin() + static_cast<ptrdiff_t>(i));
        expectOutcome(outcomeOf(writer), "is missing");
    }
}

TEST(HfFolder, ShapesAndTypes) {
    FolderWriter shape;
    shape.tensor("model.layers.0.mlp.up_proj.weight").shape = {8, 16};
    expectOutcome(outcomeOf(shape), "blk.0.ffn_up.weight is 16 x 8, but 8 x 16 is needed");
    FolderWriter type;
    type.tensor("model.layers.0.mlp.up_proj.weight").type = "I64";
    expectOutcome(outcomeOf(type), "is stored as I64");
    FolderWriter odd;
    odd.tensor("model.layers.0.mlp.up_proj.weight").type = "Q9";
    expectOutcome(outcomeOf(odd), "is stored as Q9");
    FolderWriter norm; // whose numbers are changed while it is read
    norm.config["model_type"] = "gemma";
    norm.tensor("model.norm.weight").type = "I64";
    expectOutcome(outcomeOf(norm), "is stored as I64");
    FolderWriter scales;
    scales.tensor("model.layers.0.mlp.up_proj.weight").type = "F8_E4M3";
    expectOutcome(outcomeOf(scales), "its scales are missing");
    scales.tensors.push_back({"model.layers.0.mlp.up_proj.weight_scale_inv", "F32", {2, 1}});
    expectOutcome(outcomeOf(scales), "do not fit its shape");
    scales.tensors.back().shape = {1, 1};
    expectOutcome(outcomeOf(scales), "");
}

TEST(HfFolder, FilesOfTheFolder) {
    const TemporaryFolder folder;
    const fs::path path = rootOf(folder);
    expectOutcome(outcome([&] { readAll(path); }), "no config.json");
    FolderWriter::write(path / "config.json", FolderWriter().config.dump());
    expectOutcome(outcome([&] { readAll(path); }), "no file *.safetensors");
    FolderWriter::write(path / "pytorch_model.bin", "x");
    expectOutcome(outcome([&] { readAll(path); }), "programs of Python");
    // Any name will do where there is one file.
    const std::vector<FolderWriter::Stored> all = FolderWriter().tensors;
    FolderWriter::write(path / "weights.safetensors", FolderWriter::fileOf(all));
    expectOutcome(outcome([&] { readAll(path); }), "");
    // Two files need an index.
    FolderWriter::write(path / "a.safetensors", FolderWriter::fileOf({all.begin(), all.begin() + 5}));
    FolderWriter::write(path / "b.safetensors", FolderWriter::fileOf({all.begin() + 5, all.end()}));
    expectOutcome(outcome([&] { readAll(path); }), "has 3 files of weights");
    json index;
    for (size_t i = 0; i < all.size(); ++i)
        index["weight_map"][all[i].name] = i < 5 ? "a.safetensors" : "b.safetensors";
    FolderWriter::write(path / "model.safetensors.index.json", index.dump());
    expectOutcome(outcome([&] { readAll(path); }), "");
    EXPECT_EQ(Checkpoint::open(path.string()).format(), "safetensors, 2 files");
    // The index and the files must agree.
    json wrong = index;
    wrong["weight_map"][all[0].name] = "b.safetensors";
    FolderWriter::write(path / "model.safetensors.index.json", wrong.dump());
    expectOutcome(outcome([&] { readAll(path); }), "is not in the file b.safetensors");
    FolderWriter::write(path / "model.safetensors.index.json", index.dump());
    FolderWriter::write(path / "b.safetensors", FolderWriter::fileOf({all.begin() + 4, all.end()}));
    expectOutcome(outcome([&] { readAll(path); }), "is in two files");
    fs::remove(path / "b.safetensors");
    expectOutcome(outcome([&] { readAll(path); }), "lacks the file b.safetensors");
    fs::create_directory(path / "b.safetensors");
    expectOutcome(outcome([&] { readAll(path); }), "it is a folder");
}

TEST(HfFolder, SmallFilesThatCannotBeReadDoNotMatter) {
    const TemporaryFolder folder;
    FolderWriter().write(folder);
    for (const char* name : {"generation_config.json", "tokenizer_config.json"})
        for (const char* text :
             {"", "[", "[]", "7", R"({"eos_token_id":{"x":1},"temperature":"hot","chat_template":7})",
              R"({"eos_token_id":[1e9,-1,99999999999],"chat_template":[{"name":7},3]})"}) {
            FolderWriter::write(rootOf(folder) / name, text);
            EXPECT_EQ(outcome([&] { readAll(rootOf(folder)); }), "") << text;
        }
}

TEST(HfFolder, SettingsAndTemplates) {
    const TemporaryFolder folder;
    FolderWriter().write(folder);
    FolderWriter::write(rootOf(folder) / "generation_config.json",
                        R"({"do_sample":true,"temperature":0.6,"top_k":20,"top_p":0.95,"repetition_penalty":1.05,
                            "bos_token_id":3,"eos_token_id":[7,9]})");
    FolderWriter::write(rootOf(folder) / "tokenizer_config.json",
                        R"({"add_bos_token":false,"chat_template":[{"name":"tool_use","template":"T"},
                            {"name":"default","template":"D"}]})");
    const auto read = [&] { return Checkpoint::open(rootOf(folder).string()).metadata(); };
    Metadata m = read();
    EXPECT_DOUBLE_EQ(m.number("general.sampling.temp", 0), 0.6);
    EXPECT_DOUBLE_EQ(m.number("general.sampling.top_k", 0), 20);
    EXPECT_DOUBLE_EQ(m.number("general.sampling.top_p", 0), 0.95);
    EXPECT_DOUBLE_EQ(m.number("general.sampling.penalty_repeat", 0), 1.05);
    EXPECT_EQ(m.integer("tokenizer.ggml.bos_token_id", -1), 3);
    EXPECT_EQ(m.integer("tokenizer.ggml.eos_token_id", -1), 7);
    EXPECT_EQ(m.integers("tokenizer.ggml.eos_token_ids"), (std::vector<int64_t>{7, 9}));
    EXPECT_FALSE(m.boolean("tokenizer.ggml.add_bos_token", true));
    EXPECT_EQ(m.text("tokenizer.chat_template", ""), "D");
    FolderWriter::write(rootOf(folder) / "chat_template.json", R"({"chat_template":"S"})");
    EXPECT_EQ(read().text("tokenizer.chat_template", ""), "S");
    for (const char* broken : {"[", "{}", R"({"chat_template":7})", R"({"chat_template":""})"}) {
        FolderWriter::write(rootOf(folder) / "chat_template.json", broken);
        EXPECT_EQ(read().text("tokenizer.chat_template", ""), "D") << broken;
    }
    FolderWriter::write(rootOf(folder) / "chat_template.json",
                        R"({"chat_template":[{"name":"default","template":"L"}]})");
    EXPECT_EQ(read().text("tokenizer.chat_template", ""), "L");
    FolderWriter::write(rootOf(folder) / "chat_template.jinja", "J");
    FolderWriter::write(rootOf(folder) / "generation_config.json", R"({"do_sample":false,"temperature":0.6})");
    m = read();
    EXPECT_EQ(m.text("tokenizer.chat_template", ""), "J");
    EXPECT_FALSE(m.contains("general.sampling.temp"));
}

/// The window of the only layer; 0: it sees all.
int64_t windowOf(const json& patch) {
    FolderWriter writer;
    writer.config.merge_patch(patch);
    if (writer.config["model_type"] == "qwen3")
        for (const char* norm : {"q_norm", "k_norm"})
            writer.tensors.push_back({std::string("model.layers.0.self_attn.") + norm + ".weight", "F32", {4}});
    const TemporaryFolder folder;
    writer.write(folder);
    const Checkpoint checkpoint = Checkpoint::open(rootOf(folder).string());
    return readModelConfig(checkpoint).layers[0].window;
}

TEST(HfFolder, Windows) {
    EXPECT_EQ(windowOf({{"model_type", "mistral"}, {"sliding_window", 8}}), 8);
    EXPECT_EQ(windowOf({{"model_type", "mistral"}, {"sliding_window", nullptr}}), 0);
    // Llama's code knows no such key; files made from another model's still have it.
    EXPECT_EQ(windowOf({{"model_type", "llama"}, {"sliding_window", 8}}), 0);
    // Qwen's window is off where nothing switches it on.
    for (const char* kind : {"qwen2", "qwen3"}) {
        SCOPED_TRACE(kind);
        json patch = {{"model_type", kind}, {"sliding_window", 8}, {"max_window_layers", 0}};
        EXPECT_EQ(windowOf(patch), 0);
        patch["use_sliding_window"] = false;
        EXPECT_EQ(windowOf(patch), 0);
        patch["use_sliding_window"] = true;
        EXPECT_EQ(windowOf(patch), 8);
        patch["max_window_layers"] = 1;
        EXPECT_EQ(windowOf(patch), 0) << "only layers from this one on";
    }
}

/// config.json, generation_config.json and the tokenizer's own files may each name ends; all of them count.
TEST(HfFolder, StopIds) {
    const TemporaryFolder folder;
    FolderWriter writer;
    writer.config["eos_token_id"] = 1;
    writer.write(folder);
    json vocab;
    for (int i = 0; i < 10; ++i)
        vocab[std::string(1, static_cast<char>('a' + i))] = i;
    FolderWriter::write(rootOf(folder) / "tokenizer.json",
                        json{{"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", json::array()}}}}.dump());
    const auto stops = [&] { return Tokenizer::fromCheckpoint(Checkpoint::open(rootOf(folder).string()))->stopIds(); };
    using Ids = std::vector<TokenId>;
    EXPECT_EQ(stops(), (Ids{1}));
    FolderWriter::write(rootOf(folder) / "generation_config.json", R"({"eos_token_id":[7,2]})");
    EXPECT_EQ(stops(), (Ids{1, 2, 7}));
    FolderWriter::write(rootOf(folder) / "tokenizer_config.json", R"({"eos_token":"d"})");
    EXPECT_EQ(stops(), (Ids{1, 2, 3, 7}));
    // Ids that the tokenizer does not have end nothing.
    FolderWriter::write(rootOf(folder) / "generation_config.json", R"({"eos_token_id":[7,10,-1,4000000000]})");
    EXPECT_EQ(stops(), (Ids{1, 3, 7}));
    // A list in config.json is all there is where no other file names one.
    fs::remove(rootOf(folder) / "generation_config.json");
    fs::remove(rootOf(folder) / "tokenizer_config.json");
    writer.config["eos_token_id"] = {4, 5};
    writer.write(folder);
    EXPECT_EQ(stops(), (Ids{4, 5}));
}

TEST(HfFolder, ModelsThatSeeHaveATextModelInside) {
    FolderWriter writer;
    json inner = writer.config;
    inner["model_type"] = "mistral";
    writer.config = {{"model_type", "mistral3"}, {"text_config", inner}, {"vision_config", json::object()}};
    for (FolderWriter::Stored& t : writer.tensors)
        t.name = "language_model." + t.name;
    writer.tensors.push_back({"vision_tower.patch_conv.weight", "F32", {4, 4}});
    EXPECT_EQ(outcomeOf(writer), "");
}

// ---- numbers

std::vector<float> numbersOf(const FolderWriter& writer, const std::string& name) {
    const TemporaryFolder folder;
    writer.write(folder);
    const Checkpoint checkpoint = Checkpoint::open(rootOf(folder).string());
    const TensorEntry* entry = checkpoint.find(name);
    if (!entry || !entry->type)
        return {};
    std::vector<std::byte> bytes(entry->bytes);
    checkpoint.read(*entry, bytes);
    std::vector<float> out(static_cast<size_t>(entry->cols() * entry->rows()));
    checkpoint.decode(*entry, bytes, 0, entry->rows(), out.data());
    return out;
}

float numberOfE4M3(uint8_t code) {
    float number = 0;
    hearth::kernels::quantType(hearth::kernels::Type::F8_E4M3).decode(&code, &number, 1);
    return number;
}

template <typename T>
std::string raw(const std::vector<T>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

TEST(HfFolder, ScalesOfBlocks) {
    // 5 x 7 numbers in blocks of 2 x 3: the last blocks are begun only.
    FolderWriter writer;
    writer.config["quantization_config"] = {{"quant_method", "fp8"}, {"weight_block_size", {2, 3}}};
    std::vector<uint8_t> bits;
    for (int i = 0; i < 35; ++i)
        bits.push_back(static_cast<uint8_t>(0x20 + i));
    std::vector<float> scales;
    for (int i = 0; i < 9; ++i)
        scales.push_back(0.37f * static_cast<float>(i + 1));
    writer.tensors.push_back({"x.weight", "F8_E4M3", {5, 7}, raw(bits)});
    writer.tensors.push_back({"x.weight_scale_inv", "F32", {3, 3}, raw(scales)});
    const std::vector<float> numbers = numbersOf(writer, "x.weight");
    ASSERT_EQ(numbers.size(), 35u);
    for (size_t i = 0; i < 35; ++i)
        EXPECT_EQ(numbers[i], numberOfE4M3(bits[i]) * scales[i / 7 / 2 * 3 + i % 7 / 3]) << i;
    {
        const TemporaryFolder folder;
        writer.write(folder);
        const Checkpoint checkpoint = Checkpoint::open(rootOf(folder).string());
        const TensorEntry& entry = *checkpoint.find("x.weight");
        EXPECT_EQ(entry.typeName(), "F8_E4M3");
        EXPECT_EQ(checkpoint.bytes(entry).size(), 35u) << "as it lies in the file";
        EXPECT_EQ(entry.storedBytes(), 35u + 36u);
    }
    // One for each row, or one for all.
    writer.tensors.back() = {"x.weight_scale", "F32", {5, 1}, raw(std::vector<float>{1, 2, 3, 4, 5})};
    EXPECT_EQ(numbersOf(writer, "x.weight")[34], numberOfE4M3(bits[34]) * 5);
    writer.tensors.back() = {"x.weight_scale", "F32", {}, raw(std::vector<float>{3})};
    EXPECT_EQ(numbersOf(writer, "x.weight")[34], numberOfE4M3(bits[34]) * 3);
    writer.tensors.back() = {"x.weight_scale_inv", "F32", {3, 2}, ""};
    expectOutcome(outcomeOf(writer), "do not fit its shape");
    for (const char* type : {"F8_E4M3", "F8_E8M0", "I64"}) {
        writer.tensors.back() = {"x.weight_scale_inv", type, {3, 3}, ""};
        expectOutcome(outcomeOf(writer), std::string("are stored as ") + type);
    }
}

/// The tiny Llama with all matrices in FP8, blocks of 3 x 5.
FolderWriter eightBitLlama() {
    FolderWriter writer;
    writer.config["quantization_config"] = {{"quant_method", "fp8"}, {"weight_block_size", {3, 5}}};
    writer.config["tie_word_embeddings"] = false;
    writer.tensors.push_back({"lm_head.weight", "F32", {32, 8}});
    for (size_t i = 0, n = writer.tensors.size(); i < n; ++i) {
        FolderWriter::Stored& t = writer.tensors[i];
        if (t.shape.size() < 2)
            continue;
        t.type = "F8_E4M3";
        for (int64_t k = 0; k < t.shape[0] * t.shape[1]; ++k)
            t.data += static_cast<char>((k * 7 + static_cast<int64_t>(i)) % 0x7E);
        const int64_t rows = (t.shape[0] + 2) / 3, cols = (t.shape[1] + 4) / 5;
        std::vector<float> scales;
        for (int64_t k = 0; k < rows * cols; ++k)
            scales.push_back(0.01f * static_cast<float>(k + 1));
        writer.tensors.push_back({writer.tensors[i].name + "_scale_inv", "F32", {rows, cols}, raw(scales)});
    }
    return writer;
}

/// Counts what would be copied.
class CountingBackend : public hearth::kernels::Backend {
public:
    uint64_t copied = 0;

    std::string name() const override { return "counting"; }

    std::string isa() const override { return "none"; }

    hearth::kernels::MemoryId allocate(uint64_t bytes) override {
        copied += bytes;
        return next_++;
    }

    hearth::kernels::MemoryId adopt(const std::byte*, uint64_t) override { return next_++; }

    void release(hearth::kernels::MemoryId) override {}

    void write(hearth::kernels::MemoryId, uint64_t, std::span<const std::byte>) override {}

    void read(hearth::kernels::MemoryId, uint64_t, std::span<std::byte>) const override {}

    void copy(hearth::kernels::MemoryId, uint64_t, hearth::kernels::MemoryId, uint64_t, uint64_t) override {}

    std::unique_ptr<hearth::kernels::Plan> compile(const hearth::kernels::OperationList&) override { return {}; }

    bool run(hearth::kernels::Plan&, const std::atomic<bool>*) override { return true; }

    double measureReadBandwidth(std::span<const std::byte>) override { return 0; }

private:
    hearth::kernels::MemoryId next_ = 0;
};

TEST(HfFolder, FloatsOfEightBitsAreReadWhereTheyLie) {
    const TemporaryFolder folder;
    eightBitLlama().write(folder);
    Checkpoint checkpoint = Checkpoint::open(rootOf(folder).string());
    const ModelConfig config = readModelConfig(checkpoint);
    EXPECT_EQ(checkpoint.derivedBytes(), 0u);
    EXPECT_TRUE(checkpoint.derive());
    CountingBackend backend;
    std::vector<hearth::kernels::MemoryId> memories;
    const ModelWeights weights = bindWeights(checkpoint, config, Numerics::Exact, backend, memories);
    EXPECT_EQ(backend.copied, 0u) << "nothing is copied, norms are floats already";
    EXPECT_EQ(memories.size(), 1u);
    const hearth::kernels::Tensor& up = weights.layers[0].up.pieces[0].weight;
    EXPECT_EQ(up.type, hearth::kernels::Type::F8_E4M3);
    EXPECT_EQ(up.memory, memories[0]);
    EXPECT_EQ(up.stride, 8u);
    EXPECT_EQ(up.scales.memory, memories[0]);
    EXPECT_EQ(up.scales.blockRows, 3);
    EXPECT_EQ(up.scales.blockCols, 5);
    EXPECT_EQ(up.scales.stride, 8u);
    for (const hearth::kernels::Tensor& table : {weights.embedding, weights.head})
        EXPECT_TRUE(table.scales.present());
    // What is planned is what lies in the file, but for its header.
    uint64_t bytes = 0;
    for (const auto& tensor : placementInput(checkpoint, config, {}).tensors)
        bytes += tensor.bytes;
    const std::span<const std::byte> file = checkpoint.files()[0]->bytes();
    uint64_t header = 0;
    std::memcpy(&header, file.data(), sizeof header);
    EXPECT_EQ(bytes, file.size() - sizeof header - header);
}

TEST(HfFolder, ScalesAsOthersWriteThem) {
    // Mistral: one for a matrix, and one for its inputs, which are floats here.
    FolderWriter mistral = eightBitLlama();
    mistral.config["quantization_config"]["weight_block_size"] = nullptr;
    // compressed-tensors: one for each row, or blocks.
    FolderWriter channels = eightBitLlama(), blocks = eightBitLlama();
    channels.config["quantization_config"] = {{"quant_method", "compressed-tensors"}};
    blocks.config["quantization_config"] = {
        {"quant_method", "compressed-tensors"},
        {"config_groups", {{"group_0", {{"weights", {{"block_structure", {3, 5}}, {"num_bits", 8}}}}}}}};
    for (size_t i = 0, n = mistral.tensors.size(); i < n; ++i) {
        const FolderWriter::Stored t = mistral.tensors[i];
        if (!t.name.ends_with("_scale_inv"))
            continue;
        const std::string base = t.name.substr(0, t.name.size() - std::string_view("weight_scale_inv").size());
        const std::vector<int64_t> shape = mistral.tensor(base + "weight").shape;
        mistral.tensors[i].shape.clear();
        mistral.tensors[i].data = raw(std::vector<float>{0.5f});
        mistral.tensors.push_back({base + "activation_scale", "F32", {}});
        channels.tensors[i] = {base + "weight_scale", "BF16", {shape[0], 1}};
        channels.tensors.push_back({base + "input_scale", "F32", {1}});
        blocks.tensors[i].name = base + "weight_scale";
    }
    channels.tensors.push_back({"model.layers.0.self_attn.k_scale", "F32", {1}});
    channels.tensors.push_back({"model.layers.0.self_attn.v_scale", "F32", {1}});
    for (const FolderWriter& writer : {mistral, channels, blocks}) {
        EXPECT_EQ(outcomeOf(writer), "");
        const TemporaryFolder folder;
        writer.write(folder);
        EXPECT_EQ(Checkpoint::open(rootOf(folder).string()).derivedBytes(), 0u);
    }
    const std::vector<float> numbers = numbersOf(mistral, "output.weight");
    EXPECT_EQ(numbers[1], 0.5f * numberOfE4M3(static_cast<uint8_t>(mistral.tensor("lm_head.weight").data[1])));
    EXPECT_EQ(numbersOf(blocks, "output.weight"), numbersOf(eightBitLlama(), "output.weight"));
    blocks.config["quantization_config"]["config_groups"]["group_0"]["weights"]["block_structure"] = {3, 0};
    expectOutcome(outcomeOf(blocks), "not two counts");
    for (const json& odd : {json(7), json::array({1}), json{{"g", 7}}, json{{"g", {{"weights", "x"}}}}}) {
        channels.config["quantization_config"]["config_groups"] = odd;
        EXPECT_EQ(outcomeOf(channels), "");
    }
    FolderWriter floats; // a scale of something that has none
    floats.tensors.push_back({"model.layers.0.mlp.up_proj.input_scale", "F32", {1}});
    expectOutcome(outcomeOf(floats), "input_scale is not one that this version knows");
}

/// Experts' halves: 3 matrices of 10 rows, blocks of 4: the upper half begins inside a block.
TEST(HfFolder, HalvesOfStackedMatricesInEightBits) {
    FolderWriter writer;
    writer.config["model_type"] = "granitemoe";
    writer.config["quantization_config"] = {{"quant_method", "fp8"}, {"weight_block_size", {4, 4}}};
    std::vector<uint8_t> codes;
    std::vector<float> scales;
    for (int i = 0; i < 3 * 10 * 6; ++i)
        codes.push_back(static_cast<uint8_t>(i % 0x7F));
    for (int i = 0; i < 3 * 3 * 2; ++i)
        scales.push_back(0.25f * static_cast<float>(i + 1));
    const std::string name = "model.layers.0.block_sparse_moe.input_linear.weight";
    writer.tensors.push_back({name, "F8_E4M3", {3, 10, 6}, raw(codes)});
    writer.tensors.push_back({name + "_scale_inv", "F32", {3, 3, 2}, raw(scales)});
    const TemporaryFolder folder;
    writer.write(folder);
    Checkpoint checkpoint = Checkpoint::open(rootOf(folder).string());
    const TensorEntry& upper = *checkpoint.find("blk.0.ffn_up_exps.weight");
    EXPECT_EQ(upper.typeName(), "F8_E4M3");
    EXPECT_EQ(upper.parts.size(), 3u);
    const auto expectNumbers = [&](std::span<const std::byte> bytes) {
        std::vector<float> numbers(3 * 5 * 6);
        checkpoint.decode(upper, bytes, 0, 15, numbers.data());
        for (size_t e = 0; e < 3; ++e)
            for (size_t r = 0; r < 5; ++r)
                for (size_t c = 0; c < 6; ++c)
                    EXPECT_EQ(numbers[(e * 5 + r) * 6 + c], numberOfE4M3(codes[(e * 10 + 5 + r) * 6 + c]) *
                                                                scales[(e * 3 + (5 + r) / 4) * 2 + c / 4]);
    };
    std::vector<std::byte> bytes(upper.bytes);
    checkpoint.read(upper, bytes);
    expectNumbers(bytes);
    EXPECT_TRUE(checkpoint.derive()); // gathered, each part keeps its scales
    EXPECT_TRUE(upper.parts.empty());
    expectNumbers(checkpoint.bytes(upper));
}

/// Rows in another order, as a GGUF of a Llama has them, are made as floats.
TEST(HfFolder, EightBitsInAnotherOrder) {
    const TemporaryFolder folder;
    eightBitLlama().write(folder);
    const auto numbers = [&](Checkpoint::Form form) {
        const Checkpoint checkpoint = Checkpoint::open(rootOf(folder).string(), {}, form);
        const TensorEntry& q = *checkpoint.find("blk.0.attn_q.weight");
        EXPECT_EQ(q.typeName(), form == Checkpoint::Form::AsItLies ? "F8_E4M3" : "F8_E4M3 as F32");
        std::vector<std::byte> bytes(q.bytes);
        checkpoint.read(q, bytes);
        std::vector<float> out(64);
        checkpoint.decode(q, bytes, 0, 8, out.data());
        return out;
    };
    const auto lies = numbers(Checkpoint::Form::AsItLies), converted = numbers(Checkpoint::Form::Converted);
    const size_t order[] = {0, 2, 1, 3, 4, 6, 5, 7}; // of 2 heads of 4
    for (size_t i = 0; i < 64; ++i)
        EXPECT_EQ(converted[i], lies[order[i / 8] * 8 + i % 8]) << i;
}

TEST(HfFolder, NumbersWithoutAlignment) {
    FolderWriter writer;
    const std::vector<float> values = {1, 2, 3, 4};
    writer.tensors.insert(writer.tensors.begin(), {"a.bias", "U8", {3}, "abc"});
    writer.tensors.push_back({"x.weight", "F32", {2, 2}, raw(values)});
    EXPECT_EQ(numbersOf(writer, "x.weight"), values);
    expectOutcome(outcomeOf(writer), "a.bias"); // what the family does not know is named
}

TEST(HfFolder, ExpertsAreStacked) {
    FolderWriter writer;
    writer.config["model_type"] = "qwen3_moe";
    for (int e = 11; e >= 0; --e) // the order of the file is not that of the numbers
        writer.tensors.push_back({"model.layers.0.mlp.experts." + std::to_string(e) + ".up_proj.weight",
                                  "F32",
                                  {1, 2},
                                  raw(std::vector<float>{static_cast<float>(e), 0.5f})});
    const std::vector<float> numbers = numbersOf(writer, "blk.0.ffn_up_exps.weight");
    ASSERT_EQ(numbers.size(), 24u);
    for (size_t e = 0; e < 12; ++e)
        EXPECT_EQ(numbers[2 * e], static_cast<float>(e));
    const TemporaryFolder folder;
    writer.write(folder);
    Checkpoint checkpoint = Checkpoint::open(rootOf(folder).string());
    EXPECT_EQ(checkpoint.find("blk.0.ffn_up_exps.weight")->parts.size(), 12u);
    EXPECT_EQ(checkpoint.find("blk.0.ffn_up_exps.weight")->shapeText(), "2 x 1 x 12");
    EXPECT_GT(checkpoint.derivedBytes(), 0u);
    EXPECT_TRUE(checkpoint.derive());
    EXPECT_EQ(checkpoint.bytes(*checkpoint.find("blk.0.ffn_up_exps.weight")).size(), 96u);
    // A number is missing.
    writer.tensors.erase(writer.tensors.end() - 4);
    expectOutcome(outcomeOf(writer), "number 3 is missing");
    writer.tensors.back().shape = {2, 1};
    writer.tensors.back().data.clear();
    EXPECT_NE(outcomeOf(writer), "");
}

} // namespace
