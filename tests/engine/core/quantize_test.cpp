// Quantizing whole files: the mixes are those of published files, what is written is a sound model, and nothing is left
// behind when something fails.

#include "engine/quantize.h"

#include "engine/error.h"
#include "engine/gguf_writer.h"
#include "tests/oracles/oracle.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include <sys/stat.h>

using namespace hearth::engine;
using namespace hearth::test;
using hearth::kernels::Type;

namespace {

namespace fs = std::filesystem;

class Quantize : public testing::Test {
protected:
    void SetUp() override {
        folder_ = fs::temp_directory_path() / ("hearth-quantize-" + std::to_string(getpid()));
        fs::create_directories(folder_);
    }

    void TearDown() override { fs::remove_all(folder_); }

    std::string path(const std::string& name) const { return (folder_ / name).string(); }

    std::vector<std::string> files() const {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(folder_))
            names.push_back(entry.path().filename().string());
        std::sort(names.begin(), names.end());
        return names;
    }

    /// A model of float matrices; tensor `name` holds `numbers` where they are given.
    std::string writeModel(const std::string& name, const Metadata& metadata, const std::vector<GgufTensor>& tensors,
                           float odd = 1.0f) const {
        GgufWriter file(path(name), metadata, tensors);
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        for (const GgufTensor& tensor : tensors) {
            std::vector<float> numbers(tensor.bytes() / 4);
            for (float& f : numbers)
                f = normal(random);
            numbers[numbers.size() / 2] *= odd;
            file.write(std::as_bytes(std::span(numbers)));
        }
        file.finish();
        return path(name);
    }

    static GgufTensor matrix(const std::string& name, int64_t cols, int64_t rows) {
        return {name, &hearth::kernels::quantType(Type::F32), 2, {cols, rows, 1, 1}};
    }

    fs::path folder_;
};

std::string bytesOf(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string errorOf(const std::function<void()>& run) {
    try {
        run();
    } catch (const Error& e) {
        return e.what();
    }
    return {};
}

TEST_F(Quantize, MixesAreThoseOfPublishedFiles) {
    int compared = 0;
    for (const std::string kind : {"", "gqa-", "moe-", "mla-", "window-"})
        for (const char* type : {"Q4_0", "Q8_0", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K", "Q3_K_M", "IQ4_XS"}) {
            const std::string folder = findData("quant_models/" + kind + type);
            if (folder.empty())
                continue;
            SCOPED_TRACE(folder);
            const UnpackedFile file(folder + "/model.gguf");
            const Checkpoint model = Checkpoint::open(file.path());
            const MixFacts facts = MixFacts::of(model);
            for (const TensorEntry& tensor : model.tensors())
                EXPECT_EQ(hearth::kernels::quantType(mixedType(*findMix(type), facts, tensor)).name, tensor.type->name)
                    << tensor.name;
            EXPECT_EQ(model.metadata().integer("general.file_type", -1), findMix(type)->fileType);
            ++compared;
        }
    EXPECT_GE(compared, 3) << "the models that lie in tests/data at least";
}

TEST_F(Quantize, NumbersThatStayAreTheSameModel) {
    const std::string folder = findData("quant_models/Q4_0");
    ASSERT_FALSE(folder.empty());
    const UnpackedFile file(folder + "/model.gguf");
    const auto ids = readJson(folder + "/expected.json")["ids"].get<std::vector<TokenId>>();
    quantizeTo(path("f32.gguf"), Checkpoint::open(file.path()), {.type = "F32", .threads = 2});
    quantizeTo(path("same.gguf"), Checkpoint::open(file.path()), {.type = "Q4_0", .threads = 1});
    const auto engine = engineWith("");
    const auto logits = [&](const std::string& model) {
        return engine->eval(engine->load({.path = model, .numerics = Numerics::Exact, .kv = KvType::F32}), ids, {});
    };
    const std::vector<float> want = logits(file.path());
    EXPECT_EQ(logits(path("same.gguf")), want) << "blocks are copied";
    const std::vector<float> floats = logits(path("f32.gguf"));
    ASSERT_EQ(floats.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i)
        ASSERT_NEAR(floats[i], want[i], 1e-3);
    EXPECT_EQ(files(), (std::vector<std::string>{"f32.gguf", "same.gguf"})) << "nothing is left beside them";
}

TEST_F(Quantize, EveryMixDecodesToWhatItWasMadeFrom) {
    Metadata metadata;
    metadata.set("general.architecture", std::string("llama"));
    metadata.set("llama.block_count", int64_t{2});
    const std::string source = writeModel("in.gguf", metadata,
                                          {matrix("token_embd.weight", 512, 9), matrix("blk.0.attn_v.weight", 256, 67),
                                           matrix("blk.1.ffn_down.weight", 96, 5), matrix("blk.1.odd.weight", 33, 3),
                                           matrix("blk.0.attn_norm.weight", 512, 1), matrix("output.weight", 512, 9)});
    const Checkpoint in = Checkpoint::open(source);
    std::string names = mixNames();
    int mixes = 0;
    for (size_t begin = 0; begin < names.size();
         begin = names.find(' ', begin) == std::string::npos ? names.size() : names.find(' ', begin) + 1) {
        const std::string mix = names.substr(begin, names.find_first_of(", ", begin) - begin);
        SCOPED_TRACE(mix);
        ++mixes;
        const auto report = quantizeTo(path("out.gguf"), in, {.type = mix, .threads = 2});
        EXPECT_EQ(report.bytes, fs::file_size(path("out.gguf")));
        EXPECT_EQ(report.requantized, 0);
        const Checkpoint out = Checkpoint::open(path("out.gguf"));
        ASSERT_EQ(out.tensors().size(), in.tensors().size());
        for (const TensorEntry& tensor : out.tensors()) {
            SCOPED_TRACE(tensor.name + " " + tensor.typeName());
            const TensorEntry& from = *in.find(tensor.name);
            EXPECT_EQ(tensor.dims, from.dims);
            EXPECT_EQ(tensor.type->type, mixedType(*findMix(mix), MixFacts::of(in), from));
            const auto n = static_cast<size_t>(from.cols() * from.rows());
            std::vector<float> want(n), got(n);
            from.type->decode(in.bytes(from).data(), want.data(), static_cast<int64_t>(n));
            tensor.type->decode(out.bytes(tensor).data(), got.data(), static_cast<int64_t>(n));
            double error = 0, squares = 0;
            for (size_t i = 0; i < n; ++i) {
                error += std::pow(static_cast<double>(got[i]) - static_cast<double>(want[i]), 2);
                squares += std::pow(static_cast<double>(want[i]), 2);
            }
            EXPECT_LE(std::sqrt(error / squares), mix.starts_with("TQ") ? 0.9 : 0.35);
        }
    }
    EXPECT_GE(mixes, 24);
}

TEST_F(Quantize, ThreadsMakeNoDifference) {
    Metadata metadata;
    metadata.set("general.architecture", std::string("llama"));
    const Checkpoint in =
        Checkpoint::open(writeModel("in.gguf", metadata, {matrix("blk.0.ffn_up.weight", 2048, 1100)}));
    quantizeTo(path("one.gguf"), in, {.type = "Q4_K_M", .threads = 1});
    quantizeTo(path("three.gguf"), in, {.type = "Q4_K", .threads = 3});
    EXPECT_EQ(bytesOf(path("one.gguf")), bytesOf(path("three.gguf")));
}

TEST_F(Quantize, MetadataKeepsItsMeaning) {
    Metadata metadata;
    metadata.set("general.architecture", std::string("llama"));
    metadata.set("general.alignment", int64_t{64});
    metadata.set("split.count", int64_t{1});
    metadata.set("a.negative", int64_t{-5});
    metadata.set("a.large", int64_t{5'000'000'000});
    metadata.set("a.number", 0.1);
    metadata.set("a.truth", true);
    metadata.set("a.text", std::string("\xE5\x9B\xB4\xE7\x82\x89"));
    metadata.set("a.integers", std::vector<int64_t>{1, -1, 5'000'000'000});
    metadata.set("a.numbers", std::vector<double>{0.5, 0.1});
    metadata.set("a.truths", std::vector<bool>{true, false});
    metadata.set("a.texts", std::vector<std::string>{"", "b"});
    metadata.set("a.empty", std::vector<int64_t>{});
    metadata.set("tokenizer.ggml.precompiled_charsmap", std::vector<int64_t>{0, 200, 255});
    const Checkpoint in = Checkpoint::open(writeModel("in.gguf", metadata, {matrix("x.weight", 32, 2)}));
    quantizeTo(path("out.gguf"), in, {.type = "Q8_0"});
    auto want = metadata.all(), got = Checkpoint::open(path("out.gguf")).metadata().all();
    for (const char* gone : {"general.alignment", "split.count"})
        want.erase(want.find(gone));
    EXPECT_EQ(std::get<int64_t>(got.at("general.file_type")), 7);
    for (const char* added : {"general.file_type", "general.quantization_version"})
        got.erase(got.find(added));
    EXPECT_EQ(got, want);
}

TEST_F(Quantize, WhatFailsLeavesWhatWasThere) {
    Metadata metadata;
    metadata.set("general.architecture", std::string("llama"));
    const std::vector<GgufTensor> tensors = {matrix("blk.0.ffn_up.weight", 256, 8),
                                             matrix("blk.0.ffn_gate.weight", 256, 8)};
    const std::string sound = writeModel("sound.gguf", metadata, tensors);
    const std::string broken = writeModel("broken.gguf", metadata, tensors, NAN);
    std::ofstream(path("out.gguf")) << "GGUF was there";
    std::ofstream(path("config.json")) << "{}";
    const auto quantize = [&](const std::string& in, const std::string& out, const std::string& type) {
        return errorOf([&] { quantizeTo(path(out), Checkpoint::open(in), {.type = type, .threads = 2}); });
    };
    EXPECT_NE(quantize(sound, "out.gguf", "Q9").find("Q4_K_M"), std::string::npos) << "names what there is";
    EXPECT_NE(quantize(broken, "out.gguf", "Q4_K").find("blk.0.ffn_up.weight"), std::string::npos);
    EXPECT_NE(quantize(broken, "out.gguf", "Q4_K").find("row 4"), std::string::npos);
    EXPECT_NE(quantize(sound, "sound.gguf", "Q4_K").find("at the same time"), std::string::npos);
    EXPECT_NE(quantize(sound, "config.json", "Q4_K").find("no GGUF file"), std::string::npos);
    EXPECT_EQ(fs::file_size(folder_ / "config.json"), 2u);
    EXPECT_NE(quantize(sound, "missing/out.gguf", "Q4_K").find("missing/out.gguf"), std::string::npos);
    fs::create_directory(folder_ / "folder.gguf");
    EXPECT_NE(quantize(sound, "folder.gguf", "Q4_K").find("folder.gguf"), std::string::npos);
    fs::remove(folder_ / "folder.gguf");
    ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
    EXPECT_NE(quantize(sound, "pipe", "Q4_K").find("something else"), std::string::npos);
    fs::remove(folder_ / "pipe");
    int calls = 0;
    const auto report = quantizeTo(path("out.gguf"), Checkpoint::open(sound),
                                   {.type = "Q4_K", .progress = [&](double) { return ++calls < 2; }});
    EXPECT_TRUE(report.stopped);
    EXPECT_EQ(bytesOf(path("out.gguf")), "GGUF was there");
    EXPECT_EQ(files(), (std::vector<std::string>{"broken.gguf", "config.json", "out.gguf", "sound.gguf"}));
}

TEST_F(Quantize, AnUnfinishedFileIsNotThere) {
    Metadata metadata;
    const std::vector<GgufTensor> tensors = {matrix("x.weight", 32, 2)};
    std::ofstream(path("x.gguf.part-" + std::to_string(getpid()))) << "of one that was killed";
    {
        GgufWriter file(path("x.gguf"), metadata, tensors);
        EXPECT_NE(errorOf([&] { file.finish(); }).find("not complete"), std::string::npos);
        const std::vector<std::byte> tooMuch(257);
        EXPECT_NE(errorOf([&] { file.write(tooMuch); }).find("more"), std::string::npos);
    }
    EXPECT_TRUE(files().empty());
}

} // namespace
