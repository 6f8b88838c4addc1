// Hostile and quirky GGUF headers, each a valid file with one field made wrong (or odd).

#include "engine/error.h"
#include "engine/gguf.h"
#include "engine/model.h"
#include "engine/placement.h"
#include "tests/engine/core/gguf_writer.h"
#include "tests/processor_time.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include <sys/stat.h>
#include <unistd.h>

using namespace hearth;
using namespace hearth::engine;
using hearth::test::asBytes;
using hearth::test::GgufWriter;
using hearth::test::TemporaryFolder;
using hearth::test::tinyLlama;
using W = GgufWriter;

namespace {

constexpr uint64_t kMost = UINT64_MAX;

/// All that happens to a header before anything is loaded.
void readAll(const std::string& bytes) {
    const Checkpoint checkpoint = Checkpoint::fromPart(parseGguf(asBytes(bytes), "input"));
    const ModelConfig config = readModelConfig(checkpoint);
    planPlacement(placementInput(checkpoint, config, {}));
}

uint64_t residentBytes() {
    std::ifstream in("/proc/self/statm");
    uint64_t total = 0, resident = 0;
    in >> total >> resident;
    return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

/// The sentence of the error; empty: it was read. Also holds the promises on time and memory.
std::string outcome(const std::function<void()>& read, [[maybe_unused]] uint64_t inputBytes) {
    [[maybe_unused]] const uint64_t before = residentBytes();
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
#ifndef __SANITIZE_ADDRESS__
    const uint64_t after = residentBytes();
    EXPECT_LE(after, before + (uint64_t{64} << 20) + 2 * inputBytes);
#endif
    return sentence;
}

struct Case {
    const char* name;
    std::function<void(GgufWriter&)> change;
    const char* expected; // part of the sentence; "": must load; "*": either, without harm
};

void claimKey(GgufWriter& w, uint32_t type, std::string payload) {
    w.set("x", type, std::move(payload));
}

const Case kCases[] = {
    {"version 0", [](W& w) { w.version = 0; }, "version 0"},
    {"version 1", [](W& w) { w.version = 1; }, "version 1"},
    {"version 2", [](W& w) { w.version = 2; }, ""},
    {"version 4", [](W& w) { w.version = 4; }, "version 4"},
    {"version 2^31", [](W& w) { w.version = 1u << 31; }, "version 2147483648"},
    {"big-endian", [](W& w) { w.version = 0x03000000; }, "big-endian"},
    {"big-endian magic", [](W& w) { w.magic = 0x47475546; }, "GGUF"},
    {"2^64-1 tensors", [](W& w) { w.nTensors = kMost; }, "tensors"},
    {"2^63 tensors", [](W& w) { w.nTensors = uint64_t{1} << 63; }, "tensors"},
    {"2^32 tensors", [](W& w) { w.nTensors = uint64_t{1} << 32; }, "tensors"},
    {"as many tensors as bytes", [](W& w) { w.nTensors = w.bytes().size() + 1; }, "input"},
    {"2^64-1 keys", [](W& w) { w.nKeys = kMost; }, "keys"},
    {"65,536 keys", [](W& w) { w.nKeys = 65536; }, "input"},
    {"one tensor more than there is", [](W& w) { w.nTensors = w.tensors.size() + 1; }, "input"},

    {"key of length 0", [](W& w) { w.setU32("", 1); }, "no name"},
    {"key of length 2^64-1", [](W& w) { w.key("llama.block_count").nameBytes = kMost; }, "remain"},
    {"key of length 65,536", [](W& w) { w.setU32(std::string(65536, 'k'), 1); }, "65536"},
    {"key longer than the file", [](W& w) { w.key("llama.block_count").nameBytes = 1 << 30; }, "remain"},
    {"key with a zero byte", [](W& w) { w.setU32(std::string("a\0b", 3), 1); }, ""},
    {"key with invalid UTF-8", [](W& w) { w.setU32("\xFF\xFE", 1); }, ""},
    {"key with a newline", [](W& w) { w.setU32("a\nb", 1); }, ""},
    {"key with ../", [](W& w) { w.setU32("../../etc/passwd", 1); }, ""},
    {"the same key twice", [](W& w) { w.keys.push_back(w.keys.front()); }, "twice"},

    {"value type 13", [](W& w) { claimKey(w, 13, W::raw(0)); }, "type 13"},
    {"value type 255", [](W& w) { claimKey(w, 255, W::raw(0)); }, "type 255"},
    {"value type -1", [](W& w) { claimKey(w, ~0u, W::raw(0)); }, "type 4294967295"},
    {"text of 2^64-1 bytes", [](W& w) { claimKey(w, W::Text, W::raw(kMost)); }, "remain"},
    {"text of 2^63 bytes", [](W& w) { claimKey(w, W::Text, W::raw(uint64_t{1} << 63)); }, "remain"},
    {"text of 2^31 bytes", [](W& w) { claimKey(w, W::Text, W::raw(uint64_t{1} << 31)); }, "remain"},
    {"uint64 above 2^63", [](W& w) { claimKey(w, W::U64, W::raw(kMost)); }, "larger"},
    {"array of arrays", [](W& w) { claimKey(w, W::Array, W::raw(uint32_t{W::Array}) + W::raw(uint64_t{1})); },
     "array of arrays"},
    {"arrays nested 100,000 deep",
     [](W& w) {
         std::string payload;
         for (int i = 0; i < 100000; ++i)
             payload += W::raw(uint32_t{W::Array}) + W::raw(uint64_t{1});
         claimKey(w, W::Array, payload);
     },
     "array of arrays"},
    {"array elements of type 255", [](W& w) { claimKey(w, W::Array, W::raw(255u) + W::raw(uint64_t{1})); }, "255"},
    {"array of 2^64-1 numbers", [](W& w) { claimKey(w, W::Array, W::raw(uint32_t{W::F64}) + W::raw(kMost)); },
     "more than the file"},
    {"array of 2^61 numbers", [](W& w) { claimKey(w, W::Array, W::raw(uint32_t{W::F64}) + W::raw(uint64_t{1} << 61)); },
     "more than the file"},
    {"array of 2^64-1 texts", [](W& w) { claimKey(w, W::Array, W::raw(uint32_t{W::Text}) + W::raw(kMost)); },
     "more than the file"},
    {"array of 20 million bytes",
     [](W& w) {
         claimKey(w, W::Array, W::raw(uint32_t{W::U8}) + W::raw(uint64_t{20'000'000}) + std::string(20'000'000, 'x'));
     },
     "elements"},
    {"nearly 2 million empty texts",
     [](W& w) {
         claimKey(w, W::Array, W::raw(uint32_t{W::Text}) + W::raw(uint64_t{1'990'000}) + std::string(15'920'000, '\0'));
     },
     ""},
    {"more than 2 million empty texts",
     [](W& w) {
         claimKey(w, W::Array, W::raw(uint32_t{W::Text}) + W::raw(uint64_t{2'010'000}) + std::string(16'080'000, '\0'));
     },
     "elements"},
    {"an empty array", [](W& w) { claimKey(w, W::Array, W::raw(uint32_t{W::Text}) + W::raw(uint64_t{0})); }, ""},

    {"alignment 0", [](W& w) { w.setU32("general.alignment", 0); }, "alignment"},
    {"alignment 1", [](W& w) { w.setU32("general.alignment", 1); }, "alignment"},
    {"alignment 3", [](W& w) { w.setU32("general.alignment", 3); }, "alignment"},
    {"alignment 13", [](W& w) { w.setU32("general.alignment", 13); }, "alignment"},
    {"alignment 2^31", [](W& w) { w.setU32("general.alignment", 1u << 31); }, "alignment"},
    {"alignment as text", [](W& w) { w.setText("general.alignment", "32"); }, "general.alignment"},
    {"alignment as uint64",
     [](W& w) {
         w.alignment = 64;
         w.set("general.alignment", W::U64, W::raw(uint64_t{64}));
     },
     ""},
    {"alignment 4096",
     [](W& w) {
         w.alignment = 4096;
         w.setU32("general.alignment", 4096);
     },
     ""},

    {"0 dimensions", [](W& w) { w.tensors[0].nDims = 0; }, "dimensions"},
    {"5 dimensions", [](W& w) { w.tensors[0].nDims = 5; }, "dimensions"},
    {"2^32-1 dimensions", [](W& w) { w.tensors[0].nDims = ~0u; }, "dimensions"},
    {"dimension 0", [](W& w) { w.tensors[0].dims[0] = 0; }, "dimension"},
    {"dimension 2^63", [](W& w) { w.tensors[0].dims[0] = uint64_t{1} << 63; }, "dimension"},
    {"dimension -1", [](W& w) { w.tensors[0].dims[0] = kMost; }, "dimension"},
    {"dimensions that wrap to 0",
     [](W& w) {
         w.tensors[0].dims = {uint64_t{1} << 32, uint64_t{1} << 32};
     },
     "more numbers"},
    {"dimensions that wrap to little",
     [](W& w) {
         w.tensors[0].dims = {(uint64_t{1} << 32) + 1, uint64_t{1} << 31, 4};
     },
     "more numbers"},
    {"bytes that wrap when padded",
     [](W& w) {
         w.tensors[0].dims = {uint64_t{1} << 61, 2};
     },
     "larger"},
    {"2^62 numbers",
     [](W& w) {
         w.tensors[0].dims = {uint64_t{1} << 60, 4};
     },
     "larger"},
    {"a tensor beyond the end", [](W& w) { w.tensors.back().dims[0] = 1 << 20; }, "beyond its end"},
    {"4,096 tensors whose sum wraps",
     [](W& w) {
         for (int i = 0; i < 4096; ++i)
             w.tensors.push_back({.name = "t" + std::to_string(i), .dims = {uint64_t{1} << 52, 1}});
     },
     "beyond its end"},
    {"half a block",
     [](W& w) {
         w.tensors[0].type = 2;
         w.tensors[0].dims = {33, 1};
     },
     "blocks"},

    {"tensor of an unknown type", [](W& w) { w.tensor("blk.0.attn_q.weight").type = 200; }, "type 200"},
    {"tensor of type -1", [](W& w) { w.tensor("blk.0.attn_q.weight").type = ~0u; }, "4294967295"},
    {"tensor of a removed type", [](W& w) { w.tensor("blk.0.attn_q.weight").type = 4; }, "type 4"},
    {"tensor of a type of others", [](W& w) { w.tensor("blk.0.attn_q.weight").type = 15; }, "Q8_K"},
    {"a norm as I64", [](W& w) { w.tensor("blk.0.attn_norm.weight").type = 27; }, "I64"},
    {"a norm quantized",
     [](W& w) {
         W::Tensor& t = w.tensor("blk.0.attn_norm.weight");
         t.type = 8;
         t.data = std::string(34, '\0');
     },
     "floating-point"},
    {"a norm as F16",
     [](W& w) {
         W::Tensor& t = w.tensor("blk.0.attn_norm.weight");
         t.type = 1;
         t.data = std::string(64, '\0');
     },
     ""},

    {"offset not aligned", [](W& w) { w.tensors[1].offset = 7; }, "multiple"},
    {"offset 2^64-32", [](W& w) { w.tensors[1].offset = kMost - 31; }, "beyond its end"},
    {"offset at the end of the file", [](W& w) { w.tensors[1].offset = w.bytes().size() / 32 * 32; }, "beyond its end"},
    {"tensors that overlap", [](W& w) { w.tensors[1].offset = 0; }, "*"},
    {"tensors in descending order", [](W& w) { std::swap(w.tensors[1], w.tensors[5]); }, ""},
    {"the same tensor twice", [](W& w) { w.tensors.push_back(w.tensors.front()); }, "twice"},
    {"tensor without a name", [](W& w) { w.tensors.push_back({.name = "", .dims = {1}, .data = "1234"}); }, "no name"},
    {"tensor name of 200 bytes",
     [](W& w) { w.tensors.push_back({.name = std::string(200, 'n'), .dims = {1}, .data = "1234"}); }, "not one that"},
    {"tensor name with a zero byte",
     [](W& w) { w.tensors.push_back({.name = std::string("a\0b", 3), .dims = {1}, .data = "1234"}); },
     "a?b is not one"},
    {"a tensor that the family does not know",
     [](W& w) { w.tensors.push_back({.name = "blk.0.attn_q.lora", .dims = {1}, .data = "1234"}); },
     "blk.0.attn_q.lora is not one that this version knows of the family llama"},
    {"a tensor of a layer that only guesses ahead",
     [](W& w) { w.tensors.push_back({.name = "blk.2.nextn.eh_proj.weight", .dims = {1}, .data = "1234"}); }, ""},
    {"tensor name longer than the file", [](W& w) { w.tensors[0].nameBytes = kMost; }, "remain"},

    {"transposed",
     [](W& w) { std::swap(w.tensor("blk.0.ffn_up.weight").dims[0], w.tensor("blk.0.ffn_up.weight").dims[1]); },
     "blk.0.ffn_up.weight"},
    {"head of one row less",
     [](W& w) {
         w.tensors.push_back(w.tensor("token_embd.weight"));
         w.tensors.back().name = "output.weight";
         --w.tensors.back().dims[1];
     },
     "output.weight"},
    {"block_count 0", [](W& w) { w.setU32("llama.block_count", 0); }, "block_count"},
    {"block_count 3", [](W& w) { w.setU32("llama.block_count", 3); }, "blk.2."},
    {"block_count 513", [](W& w) { w.setU32("llama.block_count", 513); }, "block_count"},
    {"block_count 2^32-1", [](W& w) { w.setU32("llama.block_count", ~0u); }, "block_count"},
    {"block_count as text", [](W& w) { w.setText("llama.block_count", "2"); }, "block_count"},
    {"block_count missing", [](W& w) { w.remove("llama.block_count"); }, "block_count"},
    {"head_count 0", [](W& w) { w.setU32("llama.attention.head_count", 0); }, "has 0 heads"},
    {"head_count larger than the model", [](W& w) { w.setU32("llama.attention.head_count", 4096); }, "heads"},
    {"head_count_kv 0", [](W& w) { w.setU32("llama.attention.head_count_kv", 0); }, "0 key-value heads"},
    {"head_count_kv above heads", [](W& w) { w.setU32("llama.attention.head_count_kv", 8); }, "share"},
    {"head_count_kv no divisor", [](W& w) { w.setU32("llama.attention.head_count_kv", 3); }, "share"},
    {"values a layer",
     [](W& w) {
         w.setArray("llama.attention.head_count_kv", W::I32, std::vector<int32_t>{2, 2});
     },
     ""},
    {"fewer values than layers",
     [](W& w) { w.setArray("llama.attention.head_count_kv", W::I32, std::vector<int32_t>{2}); }, "layers"},
    {"an absurd value for one layer",
     [](W& w) {
         w.setArray("llama.feed_forward_length", W::I64, std::vector<int64_t>{64, -1});
     },
     "layer 1"},
    {"rope dims odd", [](W& w) { w.setU32("llama.rope.dimension_count", 7); }, "rope"},
    {"rope dims above the head", [](W& w) { w.setU32("llama.rope.dimension_count", 64); }, "rope"},
    {"rope factors of the wrong length",
     [](W& w) {
         w.addF32("rope_freqs.weight", {3}, {1, 1, 1});
     },
     "rope_freqs.weight"},
    {"rope factors that are 0",
     [](W& w) {
         w.addF32("rope_freqs.weight", {4}, {0, 0, 0, 0});
     },
     "*"}, // the header alone does not read them
    {"rope scaling of an unknown kind", [](W& w) { w.setText("llama.rope.scaling.type", "magic"); }, "magic"},
    {"rope base NaN", [](W& w) { w.setF32("llama.rope.freq_base", std::nanf("")); }, "freq_base"},
    {"norm epsilon negative", [](W& w) { w.setF32("llama.attention.layer_norm_rms_epsilon", -1); }, "epsilon"},
    {"sliding window 0", [](W& w) { w.setU32("llama.attention.sliding_window", 0); }, ""},
    {"experts without their number a token", [](W& w) { w.setU32("llama.expert_count", 8); }, "expert_used_count"},
    {"more experts a token than there are",
     [](W& w) {
         w.setU32("llama.expert_count", 8);
         w.setU32("llama.expert_used_count", 9);
     },
     "expert_used_count"},
    {"groups that experts do not fill",
     [](W& w) {
         w.setU32("llama.expert_count", 8);
         w.setU32("llama.expert_used_count", 2);
         w.setU32("llama.expert_group_count", 3);
     },
     "groups"},
    {"an unknown family", [](W& w) { w.setText("general.architecture", "made-up"); }, "made-up"},
    {"no family", [](W& w) { w.remove("general.architecture"); }, "general.architecture"},
    {"a family as a number", [](W& w) { w.setU32("general.architecture", 1); }, "general.architecture"},
    {"a family of a megabyte of bells", [](W& w) { w.setText("general.architecture", std::string(1 << 20, '\a')); },
     "cannot be run"},
    {"scores shorter", [](W& w) { w.setArray("tokenizer.ggml.scores", W::F32, std::vector<float>{1}); }, "*"},
    {"duplicate token texts", [](W& w) { w.setTexts("tokenizer.ggml.tokens", std::vector<std::string>(263, "same")); },
     ""},
    {"vocabulary padded past the tokenizer",
     [](W& w) {
         w.setTexts("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>"});
     },
     ""},
    {"another alignment of version 2",
     [](W& w) {
         w.version = 2;
         w.alignment = 8;
         w.setU32("general.alignment", 8);
     },
     ""},
};

/// The tiny model with a third layer that only guesses ahead: tensors of any name are allowed there.
GgufWriter withGuessingLayer() {
    GgufWriter w = tinyLlama();
    w.setU32("llama.block_count", 3);
    w.setU32("llama.nextn_predict_layers", 1);
    return w;
}

TEST(Gguf, ValidFileIsRead) {
    const std::string bytes = tinyLlama().bytes();
    const Checkpoint checkpoint = Checkpoint::fromPart(parseGguf(asBytes(bytes), "input"));
    const ModelConfig config = readModelConfig(checkpoint);
    EXPECT_EQ(config.layers.size(), 2u);
    EXPECT_EQ(config.headDim, 8);
    EXPECT_EQ(config.layers[1].nKvHeads, 2);
    EXPECT_EQ(config.nVocab, 263);
    EXPECT_EQ(checkpoint.metadata().text("general.name", ""), "Tiny");
    EXPECT_EQ(checkpoint.find("blk.1.ffn_down.weight")->shapeText(), "64 x 32");
    EXPECT_EQ(mainType(checkpoint), "F32");
}

TEST(Gguf, BeginningOfAFile) {
    const std::string bytes = tinyLlama().bytes();
    const GgufPart whole = parseGguf(asBytes(bytes), "input");
    const uint64_t header = whole.tensors.front().offset; // or a little less: the data is aligned
    for (size_t n = 0; n <= bytes.size(); n += n < header + 64 ? 7 : 1001) {
        const auto part = parseGgufBeginning(asBytes(bytes).first(n), bytes.size(), "input");
        EXPECT_TRUE(part || n < header) << n;
        EXPECT_FALSE(part && n + 64 < header) << n;
        if (part) {
            EXPECT_EQ(part->tensors.size(), whole.tensors.size());
            EXPECT_EQ(part->tensors.back().offset, whole.tensors.back().offset);
        }
    }
    // The file's size counts, not that of what is here.
    EXPECT_THROW(parseGgufBeginning(asBytes(bytes).first(header), header, "input"), Error);
}

TEST(Gguf, BeginningsOfWrongFiles) {
    for (const Case& c : kCases) {
        SCOPED_TRACE(c.name);
        GgufWriter w = tinyLlama();
        c.change(w);
        const std::string bytes = w.bytes();
        for (size_t n = 0; n < bytes.size(); n += std::max<size_t>(97, bytes.size() / 40))
            try {
                parseGgufBeginning(asBytes(bytes).first(n), bytes.size(), "input");
            } catch (const Error& error) {
                EXPECT_FALSE(std::string(error.what()).empty());
            }
    }
}

TEST(Gguf, OneFieldWrong) {
    for (const Case& c : kCases) {
        SCOPED_TRACE(c.name);
        GgufWriter w = tinyLlama();
        c.change(w);
        const std::string bytes = w.bytes();
        const std::string sentence = outcome([&] { readAll(bytes); }, bytes.size());
        if (std::string_view(c.expected).empty()) {
            EXPECT_EQ(sentence, "");
        } else if (std::string_view(c.expected) != "*") {
            EXPECT_NE(sentence.find(c.expected), std::string::npos) << "the sentence was: " << sentence;
        }
    }
}

TEST(Gguf, EveryTruncationIsRefused) {
    const std::string bytes = tinyLlama().bytes();
    const size_t header = bytes.find("output_norm.weight") + 64;
    for (size_t n = 0; n < header; n += n < 64 ? 1 : 97) {
        const std::string part = bytes.substr(0, n);
        EXPECT_NE(outcome([&] { readAll(part); }, n), "") << n << " bytes";
    }
    EXPECT_NE(outcome([&] { readAll(bytes.substr(0, bytes.size() - 1)); }, bytes.size()), "");
}

TEST(Gguf, EveryTensorMissingInTurn) {
    const GgufWriter whole = tinyLlama();
    for (const auto& tensor : whole.tensors) {
        GgufWriter w = whole;
        w.remove(tensor.name);
        const std::string sentence = outcome([&] { readAll(w.bytes()); }, 0);
        EXPECT_NE(sentence.find(tensor.name), std::string::npos) << sentence;
        EXPECT_NE(sentence.find("llama"), std::string::npos) << "what could be read is not named: " << sentence;
    }
}

TEST(Gguf, NoSingleByteDoesHarm) {
    const std::string bytes = tinyLlama({.layers = 1}).bytes();
    const size_t header = bytes.find("output_norm.weight") + 48;
    for (size_t i = 0; i < header; ++i)
        for (const char value : {'\0', '\x7F', '\xFF'}) {
            std::string changed = bytes;
            changed[i] = value;
            try {
                readAll(changed);
            } catch (const Error&) {
                // Refused with a sentence.
            }
        }
}

TEST(Gguf, TimeGrowsWithTheInput) {
    const auto seconds = [](size_t n) {
        GgufWriter w = withGuessingLayer();
        w.setTexts("tokenizer.ggml.merges", std::vector<std::string>(n, "a b"));
        for (size_t i = 0; i < n / 16; ++i)
            w.tensors.push_back(
                {.name = "blk.2.extra." + std::to_string(i), .dims = {8}, .data = std::string(32, 'x')});
        const std::string bytes = w.bytes();
        const double begin = processorSeconds();
        readAll(bytes);
        return processorSeconds() - begin;
    };
    const Growth g = growth(50'000, seconds);
    EXPECT_TRUE(g.isLinear()) << g.once << " -> " << g.eight;
}

// ---- files

std::string openOutcome(const std::string& path) {
    return outcome([&] { readModelConfig(Checkpoint::open(path)); }, 0);
}

TEST(GgufFile, SpecialFilesAreRefused) {
    const TemporaryFolder folder;
    EXPECT_NE(openOutcome(folder.path("nothing")).find("No such file"), std::string::npos);
    EXPECT_NE(openOutcome(folder.path("")).find("folder"), std::string::npos);
    EXPECT_NE(openOutcome(folder.write("empty", "")).find("empty"), std::string::npos);
    EXPECT_NE(openOutcome("/dev/zero").find("not an ordinary file"), std::string::npos);
    EXPECT_NE(openOutcome("/dev/random").find("not an ordinary file"), std::string::npos);
    EXPECT_NE(openOutcome("/proc/self/mem"), "");
    EXPECT_NE(openOutcome(std::string("a\0b", 3)), "");
    ASSERT_EQ(mkfifo(folder.path("fifo").c_str(), 0600), 0);
    EXPECT_NE(openOutcome(folder.path("fifo")).find("not an ordinary file"), std::string::npos);
    std::filesystem::create_symlink(folder.path("loop"), folder.path("loop"));
    EXPECT_NE(openOutcome(folder.path("loop")), "");
    const std::string locked = folder.write("locked", tinyLlama().bytes());
    chmod(locked.c_str(), 0);
    if (geteuid() != 0) {
        EXPECT_NE(openOutcome(locked).find("Permission denied"), std::string::npos);
    }
}

TEST(GgufFile, OtherFormatsAreRefused) {
    const TemporaryFolder folder;
    for (const std::string& start :
         {std::string("PK\x03\x04"),
          std::string("\x7F"
                      "ELF"),
          std::string("{\"a\":1}"), std::string("<!DOCTYPE html>"), std::string(1 << 16, 'x')})
        EXPECT_NE(openOutcome(folder.write("other", start)).find("GGUF"), std::string::npos);
    for (const size_t n : {1, 2, 3, 4, 7, 23})
        EXPECT_NE(openOutcome(folder.write("short", tinyLlama().bytes().substr(0, n))), "");
}

TEST(GgufFile, TrailingGarbageLoads) {
    const TemporaryFolder folder;
    EXPECT_EQ(openOutcome(folder.write("zip", tinyLlama().bytes() + "PK\x03\x04 and more")), "");
}

TEST(GgufFile, SparseTerabyte) {
    const TemporaryFolder folder;
    const std::string path = folder.write("sparse", tinyLlama().bytes());
    if (truncate(path.c_str(), off_t{1} << 40) != 0)
        GTEST_SKIP() << "this file system cannot make a sparse file of a terabyte";
    EXPECT_EQ(openOutcome(path), "");
    const Checkpoint checkpoint = Checkpoint::open(path);
    EXPECT_TRUE(checkpoint.prefault({})); // touches tensors only
    GgufWriter large = withGuessingLayer();
    large.tensors.push_back({.name = "blk.2.hole", .dims = {uint64_t{1} << 36}});
    const std::string claims = folder.write("sparse2", large.bytes());
    ASSERT_EQ(truncate(claims.c_str(), off_t{1} << 40), 0);
    EXPECT_EQ(openOutcome(claims), "");
}

/// Three parts of a model, with their numbers as given.
struct Parts {
    explicit Parts(const TemporaryFolder& folder, const std::function<void(int, GgufWriter&)>& change = {}) {
        const GgufWriter whole = tinyLlama();
        for (int part = 0; part < 3; ++part) {
            GgufWriter w;
            if (part == 0)
                w.keys = whole.keys;
            w.set("split.no", GgufWriter::U16, GgufWriter::raw(static_cast<uint16_t>(part)));
            w.set("split.count", GgufWriter::U16, GgufWriter::raw(uint16_t{3}));
            w.set("split.tensors.count", GgufWriter::I32, GgufWriter::raw(static_cast<int32_t>(whole.tensors.size())));
            for (size_t i = 0; i < whole.tensors.size(); ++i)
                if (static_cast<int>(i * 3 / whole.tensors.size()) == part)
                    w.tensors.push_back(whole.tensors[i]);
            if (change)
                change(part, w);
            paths.push_back(folder.write("m-0000" + std::to_string(part + 1) + "-of-00003.gguf", w.bytes()));
        }
    }

    std::vector<std::string> paths;
};

TEST(GgufFile, SplitFilesAreOneModel) {
    const TemporaryFolder folder;
    const Parts parts(folder);
    const Checkpoint checkpoint = Checkpoint::open(parts.paths[0]);
    EXPECT_EQ(checkpoint.files().size(), 3u);
    EXPECT_EQ(checkpoint.tensors().size(), tinyLlama().tensors.size());
    for (const auto& tensor : tinyLlama().tensors) {
        const std::span<const std::byte> bytes = checkpoint.bytes(*checkpoint.find(tensor.name));
        ASSERT_EQ(bytes.size(), tensor.data.size());
        EXPECT_EQ(std::memcmp(bytes.data(), tensor.data.data(), bytes.size()), 0) << tensor.name;
    }
    EXPECT_EQ(openOutcome(parts.paths[2]), ""); // any part will do
}

TEST(GgufFile, BrokenSplitsAreRefused) {
    const TemporaryFolder folder;
    {
        const Parts parts(folder);
        std::filesystem::remove(parts.paths[1]);
        EXPECT_NE(openOutcome(parts.paths[0]).find("00002-of-00003"), std::string::npos);
    }
    const auto no = [](uint16_t value) { return GgufWriter::raw(value); };
    {
        const Parts parts(folder, [&](int part, GgufWriter& w) {
            if (part == 1)
                w.set("split.no", GgufWriter::U16, no(2));
        });
        EXPECT_NE(openOutcome(parts.paths[0]).find("part 3"), std::string::npos);
    }
    {
        const Parts parts(folder, [&](int, GgufWriter& w) { w.set("split.no", GgufWriter::U16, no(0)); });
        EXPECT_NE(openOutcome(parts.paths[0]), "");
    }
    {
        const Parts parts(folder, [&](int part, GgufWriter& w) {
            if (part == 2)
                w.set("split.count", GgufWriter::U16, no(4));
        });
        EXPECT_NE(openOutcome(parts.paths[0]), "");
    }
    {
        const Parts parts(folder, [&](int, GgufWriter& w) { w.setU32("split.tensors.count", 7); });
        EXPECT_NE(openOutcome(parts.paths[0]).find("7"), std::string::npos);
    }
    {
        const Parts parts(folder, [&](int part, GgufWriter& w) {
            if (part == 1)
                w.tensors.push_back(tinyLlama().tensors.front());
        });
        EXPECT_NE(openOutcome(parts.paths[0]).find("two parts"), std::string::npos);
    }
    const Parts parts(folder);
    std::filesystem::rename(parts.paths[0], folder.path("renamed.gguf"));
    EXPECT_NE(openOutcome(folder.path("renamed.gguf")).find("parts"), std::string::npos);
}

TEST(GgufFile, CutShortWhileMapped) {
    const TemporaryFolder folder;
    const std::string path = folder.write("m.gguf", tinyLlama({.dModel = 128, .ffnDim = 512}).bytes());
    const Checkpoint checkpoint = Checkpoint::open(path);
    EXPECT_FALSE(checkpoint.changed());
    ASSERT_EQ(truncate(path.c_str(), 8192), 0);
    const std::span<const std::byte> last = checkpoint.bytes(checkpoint.tensors().back());
    EXPECT_EQ(last.back(), std::byte{0}); // instead of SIGBUS
    EXPECT_TRUE(checkpoint.changed());
}

TEST(GgufFile, OverridesChangeWhatIsRead) {
    const TemporaryFolder folder;
    const std::string path = folder.write("m.gguf", tinyLlama().bytes());
    const auto open = [&](const std::string& key, const std::string& value) {
        const std::vector<std::pair<std::string, std::string>> overrides = {{key, value}};
        return readModelConfig(Checkpoint::open(path, overrides));
    };
    EXPECT_EQ(open("llama.attention.sliding_window", "8").layers[0].window, 8);
    EXPECT_FLOAT_EQ(open("llama.rope.freq_base", "500").ropes.front().theta, 500.0f);
    EXPECT_THROW(open("llama.rope.freq_base", "many"), Error);
    EXPECT_THROW(open("llama.attention.sliding_window", "true"), Error);
}

TEST(Printable, KeepsLettersAndDropsWhatHides) {
    EXPECT_EQ(printable("围炉… “x” ‰ A‑B"), "围炉… “x” ‰ A‑B");
    for (const char* hidden : {"\u200e", "\u200f", "\u2028", "\u2029", "\u202a", "\u202e", "\u2066", "\u2069", "\u0085",
                               "\n", "\x7f", "\xff"})
        EXPECT_EQ(printable(std::string("a") + hidden + "b"), "a?b");
}

} // namespace
