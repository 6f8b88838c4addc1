// tokenizer.json and tokenizer.model: the ids of the `tokenizers` library, provenance, and files that are broken.

#include "engine/error.h"
#include "engine/tokenizer/normalizer.h"
#include "engine/tokenizer/tokenizer_json.h"
#include "tests/engine/text/vocabulary_files.h"
#include "tests/processor_time.h"
#include "tests/repeated.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <random>

#include <sys/resource.h>
#include <unistd.h>

namespace hearth::engine {
namespace {

using Ids = std::vector<TokenId>;
using nlohmann::json;

/// Small tokenizers that the reference implementation trained, with its answers (make_tokenizer_cases.py).
const json& trained() {
    static const json all = test::readJson(HEARTH_TEST_DATA "/text/tokenizer_json.json");
    return all;
}

std::unique_ptr<Tokenizer> fromJson(const json& tokenizer, const TokenizerSettings& settings = {}) {
    return tokenizerFromJson(tokenizer.dump(), settings, "tokenizer.json");
}

int controls(const Tokenizer& t, const Ids& ids) {
    return static_cast<int>(std::count_if(ids.begin(), ids.end(), [&](TokenId id) {
        return t.kind(id) == TokenKind::Control && t.tokenText(id) != "<unk>" && t.tokenText(id) != "[UNK]";
    }));
}

std::string shown(const Tokenizer& t, const Ids& ids) {
    Utf8Stream whole;
    std::string text = whole.push(t.decode(ids, true));
    return text + whole.finish();
}

/// Compares all cases; gives how many agree.
int compare(const Tokenizer& t, const json& cases, const std::string& name) {
    int good = 0;
    for (const json& c : cases) {
        const std::string text = c["text"];
        const Ids ids = c["ids"], plain = c.value("plain", c.value("ids_plain", ids));
        const Ids gotPlain = t.encode(text);
        EXPECT_EQ(t.encodeSpecial(text), ids) << name << ": " << text;
        // The reference's unigram model may read a special token into plain text. Ours never does.
        if (controls(t, plain) == 0) {
            EXPECT_EQ(gotPlain, plain) << name << ", plain: " << text;
        }
        EXPECT_EQ(controls(t, gotPlain), 0) << name << ": " << text;
        EXPECT_EQ(shown(t, ids), c.value("decoded", text)) << name;
        good += !testing::Test::HasFailure();
    }
    return good;
}

TEST(TokenizerJson, GivesTheReferenceIdsAndTexts) {
    for (const auto& [name, entry] : trained().items()) {
        const auto t = fromJson(entry["tokenizer"]);
        compare(*t, entry["cases"], name);
        for (const json& c : entry["cases"]) {
            Ids added = c["ids"];
            if (t->addBos())
                added.insert(added.begin(), t->bos());
            if (t->addEos())
                added.push_back(t->eos());
            EXPECT_EQ(added, c.value("added", c["ids"].get<Ids>())) << name;
        }
    }
}

TEST(TokenizerJson, NoTextOfAUserBecomesAControlToken) {
    for (const auto& [name, entry] : trained().items()) {
        const auto t = fromJson(entry["tokenizer"]);
        std::string marks;
        for (const json& token : entry["tokenizer"]["added_tokens"])
            marks += "x " + token["content"].get<std::string>() + " " + token["content"].get<std::string>() + "\n";
        EXPECT_EQ(controls(*t, t->encode(TaggedText{marks, {{0, marks.size()}}})), 0) << name;
        const std::string mark = entry["tokenizer"]["added_tokens"][name.starts_with("bert") ? 2 : 1]["content"];
        for (size_t cut = 1; cut < mark.size(); cut++) {
            EXPECT_EQ(controls(*t, t->encode(TaggedText{mark, {{0, cut}}})), 0) << name;
            EXPECT_EQ(controls(*t, t->encode(TaggedText{mark, {{cut, mark.size()}}})), 0) << name;
            EXPECT_EQ(controls(*t, t->encode(TaggedText{mark, {{cut, cut + 1}}})), 0) << name;
        }
        EXPECT_EQ(t->encode(TaggedText{mark, {}}), Ids{t->find(mark)}) << name;
        const TaggedText mixed{mark + "hi " + mark + mark, {{mark.size(), 2 * mark.size() + 3}}};
        EXPECT_EQ(controls(*t, t->encode(mixed)), 2) << name;
    }
}

/// Special tokens that are looked for in the normalized text have lost their places in the raw one.
TEST(TokenizerJson, NormalizedControlTokensKeepTheirProvenance) {
    json j = trained()["bpe_words"]["tokenizer"];
    j["added_tokens"][1]["normalized"] = true; // </s>; the normalizer lowers case
    const auto t = fromJson(j);
    const TokenId end = t->find("</s>");
    EXPECT_EQ(t->encodeSpecial("a</S>").back(), end);
    EXPECT_EQ(t->encode(TaggedText{"a</S>", {}}).back(), end);
    EXPECT_EQ(controls(*t, t->encode(TaggedText{"a</S>", {{0, 5}}})), 0);
    EXPECT_EQ(controls(*t, t->encode(TaggedText{"a</S>b", {{5, 6}}})), 0); // places unknown: trusted less, never more
    EXPECT_EQ(controls(*t, t->encode(TaggedText{"a</s>b", {{5, 6}}})), 1);
    EXPECT_EQ(controls(*t, t->encode(TaggedText{"a</s>b", {{4, 6}}})), 0);
}

TEST(TokenizerJson, ProvenanceNeverChangesOrdinaryText) {
    for (const auto& [name, entry] : trained().items()) {
        const auto t = fromJson(entry["tokenizer"]);
        for (const json& c : entry["cases"]) {
            const std::string text = c["text"];
            if (text.find('<') == text.npos && text.find('[') == text.npos) {
                EXPECT_EQ(t->encode(TaggedText{text, {{0, text.size() / 2}}}), t->encode(text)) << name << ": " << text;
            }
        }
    }
}

/// A file may call any token its unknown one; the text of a user becomes none that does something else.
TEST(TokenizerJson, WhatIsUnknownIsNoControlToken) {
    const std::string odd = "a\xF0\x9F\xA7\xBF b";
    int tried = 0;
    for (const auto& [name, entry] : trained().items()) {
        json j = entry["tokenizer"];
        for (const json& token : entry["tokenizer"]["added_tokens"]) {
            if (token["content"] == "<unk>" || token["content"] == "[UNK]")
                continue;
            j["model"]["unk_id"] = token["id"];
            j["model"]["unk_token"] = token["content"];
            const auto t = fromJson(j);
            EXPECT_EQ(controls(*t, t->encode(odd)), 0) << name << " " << token["content"];
            ++tried;
        }
    }
    EXPECT_GE(tried, 5);
}

TEST(TokenizerJson, SettingsBesideIt) {
    const json j = trained()["bpe_gpt4"]["tokenizer"];
    const auto t =
        fromJson(j, {.config = {{"bos_token", "<s>"},
                                {"eos_token", {{"content", "</s>"}}},
                                {"add_bos_token", true},
                                {"added_tokens_decoder", {{"777", {{"content", "<late>"}, {"special", true}}}}}},
                     .generation = {{"eos_token_id", {0, 2, 1 << 20}}}});
    EXPECT_EQ(t->bos(), t->find("<s>"));
    EXPECT_TRUE(t->addBos());
    EXPECT_FALSE(t->addEos());
    EXPECT_EQ(t->stopIds(), (Ids{0, t->find("</s>"), 2}));
    EXPECT_EQ(t->find("<late>"), 777);
    EXPECT_EQ(t->encodeSpecial("<late>"), Ids{777});
    EXPECT_EQ(t->kind(700), TokenKind::Unused);
}

TEST(TokenizerJson, OlderSpellings) {
    json j = trained()["bpe_gpt4"]["tokenizer"];
    const Ids want = fromJson(j)->encode("hello the world");
    for (json& merge : j["model"]["merges"])
        merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
    j["model"].erase("type");
    EXPECT_EQ(fromJson(j)->encode("hello the world"), want);
}

TEST(TokenizerJson, TimeGrowsWithTheInputOnly) {
    for (const auto& [name, entry] : trained().items()) {
        const auto t = fromJson(entry["tokenizer"]);
        for (const char* unit : {"a", " ", "\n", "he", "\xE4\xBD\xA0", "\xCC\x81", "1", "<", " <x>", "A'", "\xFF"}) {
            const Growth g = growth(15'000 / std::strlen(unit), [&](size_t n) {
                const std::string text = repeated(unit, n);
                const double start = processorSeconds();
                t->encode(text);
                return processorSeconds() - start;
            });
            EXPECT_TRUE(g.isLinear()) << name << " '" << unit << "': " << g.once << " -> " << g.eight;
        }
    }
}

TEST(TokenizerJson, EveryOddByteIsTaken) {
    std::mt19937 random(5);
    for (const auto& [name, entry] : trained().items()) {
        const auto t = fromJson(entry["tokenizer"]);
        for (int round = 0; round < 100; round++) {
            std::string text;
            for (auto n = random() % 40; n > 0; n--)
                text += random() % 3 ? static_cast<char>(random() % 256) : " \n'a1\xC5"[random() % 6];
            t->decode(t->encode(text));
            t->encodeSpecial(text);
        }
    }
}

// --- broken files

void mustThrow(const std::string& text, const std::string& part) {
    try {
        tokenizerFromJson(text, {}, "tokenizer.json");
        ADD_FAILURE() << "loaded, though \"" << part << "\" was expected: " << text.substr(0, 200);
    } catch (const Error& e) {
        EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
        EXPECT_NE(std::string(e.what()).find("tokenizer"), std::string::npos) << e.what();
    }
}

TEST(BrokenTokenizerJson, IsNamedInASentence) {
    for (const char* text : {"", "{", "nul", "{\"model\":", "\xFF", "{} {}"})
        mustThrow(text, "no JSON");
    for (const char* text : {"{}", "[]", "7", "null", R"({"model":7})", R"({"model":{"vocab":{},"merges":[]}})"})
        mustThrow(text, "no ");
    mustThrow(std::string(100'000, '['), "nested too deep");
    mustThrow(R"({"model":{"vocab":)" + std::string(100'000, '['), "vocab");
    mustThrow(R"({"model":{"merges":)" + std::string(100'000, '['), "merges");
    for (const char* vocab :
         {R"({"a":-1})", R"({"a":1.5})", R"({"a":"b"})", R"({"a":null})", R"({"a":{}})", R"({"a":[]})",
          R"({"a":4294967296})", R"({"a":18446744073709551615})", R"({"a":16000000})", R"([["a"],["b",{}]])",
          R"([["a",[]]])", R"([7])", R"([["a","b","c"],null])"})
        mustThrow(std::string(R"({"model":{"type":"BPE","vocab":)") + vocab + "}}", "");
    for (const char* merges : {R"(["ab"])", R"([["a","b","c"]])", R"([[["a"]]])", R"([7])", R"([{}])", R"([null])"})
        mustThrow(std::string(R"({"model":{"type":"BPE","vocab":{"a":0},"merges":)") + merges + "}}", "merge");
}

TEST(BrokenTokenizerJson, UnknownPartsAreNamed) {
    const json good = trained()["bpe_gpt4"]["tokenizer"];
    for (const char* part : {"normalizer", "pre_tokenizer", "decoder"}) {
        json j = good;
        j[part] = {{"type", "Mystery"}};
        mustThrow(j.dump(), "Mystery");
        j[part] = 7;
        EXPECT_ANY_THROW(fromJson(j));
    }
    json j = good;
    j["model"]["type"] = "Mystery";
    mustThrow(j.dump(), "Mystery");
    j = good;
    j["pre_tokenizer"] = {{"type", "Split"}, {"pattern", {{"Regex", "(?>a)"}}}, {"behavior", "Isolated"}};
    mustThrow(j.dump(), "(?>a)");
    j["pre_tokenizer"]["pattern"] = {{"Regex", "a"}};
    j["pre_tokenizer"]["behavior"] = "Mystery";
    mustThrow(j.dump(), "Mystery");
    j = good;
    j["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "!!!"}};
    mustThrow(j.dump(), "base64");
    j["normalizer"]["precompiled_charsmap"] = "/////w==";
    mustThrow(j.dump(), "charsmap");
}

TEST(BrokenTokenizerJson, NoStepGrowsWithoutBound) {
    const json good = trained()["bpe_gpt4"]["tokenizer"];
    const std::string text(20'000, 'a');
    json twice = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", std::string(60, 'a')}};
    json j = good;
    j["normalizer"] = {{"type", "Sequence"}, {"normalizers", json::array()}};
    for (int i = 0; i < 60; i++)
        j["normalizer"]["normalizers"].push_back(twice);
    EXPECT_LT(fromJson(j)->encode(text).size(), 40 * text.size());
    j["normalizer"]["normalizers"].insert(j["normalizer"]["normalizers"].end(), 60, twice);
    mustThrow(j.dump(), "steps");
    twice["content"] = std::string(1000, 'a');
    j["normalizer"] = twice;
    mustThrow(j.dump(), "bytes");
    j = good;
    j["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", json::array()}};
    j["pre_tokenizer"]["pretokenizers"].insert(j["pre_tokenizer"]["pretokenizers"].end(), 5000,
                                               {{"type", "WhitespaceSplit"}});
    mustThrow(j.dump(), "steps");
    j["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "______"}};
    mustThrow(j.dump(), "blank");
    j = good;
    j["decoder"] = {{"type", "Sequence"}, {"decoders", json::array()}};
    j["decoder"]["decoders"].insert(j["decoder"]["decoders"].end(), 50, twice);
    mustThrow(j.dump(), "bytes");
    j = good;
    j["model"]["continuing_subword_prefix"] = std::string(1000, '#');
    mustThrow(j.dump(), "mark");
}

/// Steps that each stay within bounds do not multiply.
TEST(BrokenTokenizerJson, StepsTogetherGrowNoFurtherThanOne) {
    json j = trained()["bpe_gpt4"]["tokenizer"];
    const std::string text(20'000, 'a');
    j["normalizer"] = {{"type", "Sequence"}, {"normalizers", json::array()}};
    for (int i = 0; i < 3; i++)
        j["normalizer"]["normalizers"].push_back(
            {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "a a a "}});
    const auto t = fromJson(j);
    EXPECT_LT(t->decode(t->encode(text)).size(), 17 * text.size());
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/// A step that would go beyond its bound stops there: it does not take all that memory first.
TEST(BrokenTokenizerJson, StepsStopAtTheirBound) {
    const std::string text(size_t{6} << 20, 'a');
    std::string map(std::string("\x00\x04\x00\x00", 4) + std::string(1024, '\0') + std::string(120, 'b'));
    const auto unit = [&](size_t i, uint32_t u) { std::memcpy(&map[4 + 4 * i], &u, 4); };
    unit(0, 1u << 10); // children of the root at 1 ^ byte
    unit(1 ^ 'a', 'a' | 1 << 8 | 2u << 10);
    unit(1 ^ 'a' ^ 2, 1u << 31); // a leaf: the replacement at 0
    ASSERT_EQ(CharsMap(map).find("a", true).replacement.size(), 120u);
    std::vector<Normalizer> all(4);
    all[0].addReplace("a", false, std::string(64, 'b'));
    all[1].addReplace("a", true, std::string(64, 'b'));
    all[2].addCharsMap(map, false);
    all[3].addCharsMap(map, true);
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
    for (size_t i = 0; i < all.size(); i++) {
        std::string out;
        uint64_t pages = 0;
        std::ifstream("/proc/self/statm") >> pages;
        rlimit tight = before;
        tight.rlim_cur = pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) + 48 * text.size(); // 16, 32 as it grows
        ASSERT_EQ(setrlimit(RLIMIT_AS, &tight), 0);
        bool enough = true;
        try {
            EXPECT_EQ(all[i].run(text, true, out), text) << i;
        } catch (const std::bad_alloc&) {
            enough = false;
        }
        ASSERT_EQ(setrlimit(RLIMIT_AS, &before), 0);
        EXPECT_TRUE(enough) << i;
    }
}
#endif

/// Ids far apart would make a vocabulary of holes.
TEST(BrokenTokenizerJson, AddedTokensDoNotLeadOneAnotherAway) {
    json j = trained()["bpe_gpt4"]["tokenizer"];
    for (int i = 1; i <= 20; i++)
        j["added_tokens"].push_back({{"id", 60'000 * i}, {"content", "<far" + std::to_string(i) + ">"}});
    mustThrow(j.dump(), "<far2>");
    j = trained()["bpe_gpt4"]["tokenizer"];
    json decoder;
    for (int i = 1; i <= 20; i++)
        decoder[std::to_string(60'000 * i)] = {{"content", "<far" + std::to_string(i) + ">"}};
    EXPECT_THROW(fromJson(j, {.config = {{"added_tokens_decoder", decoder}}, .generation = {}}), Error);
}

TEST(BrokenTokenizerJson, TimeGrowsWithTheAddedTokens) {
    const auto seconds = [&](size_t n) {
        json j = trained()["bpe_gpt4"]["tokenizer"], decoder;
        for (size_t i = 0; i < n; i++) {
            const json token = {{"content", "<" + std::to_string(i) + ">"}, {"special", true}};
            decoder[std::to_string(1000 + i)] = token;
            j["added_tokens"].push_back(token);
            j["added_tokens"].back()["id"] = 1000 + i;
        }
        const std::string text = j.dump();
        const TokenizerSettings settings{.config = {{"added_tokens_decoder", decoder}}, .generation = {}};
        const double start = processorSeconds();
        tokenizerFromJson(text, settings, "tokenizer.json");
        return processorSeconds() - start;
    };
    const Growth g = growth(2'000, seconds);
    EXPECT_TRUE(g.isLinear()) << g.once << " -> " << g.eight;
}

TEST(BrokenTokenizerJson, OddButValidLoads) {
    json j = trained()["bpe_gpt4"]["tokenizer"];
    j["added_tokens"].push_back({{"id", 5}, {"content", "<s>"}, {"special", true}}); // the model's own id counts
    j["added_tokens"].push_back({{"id", 4000}, {"content", "<far>"}, {"special", true}});
    j["added_tokens"].push_back(7);
    j["model"]["merges"].push_back({"not", "there"});
    j["model"]["merges"].push_back(j["model"]["merges"][0]);
    j["post_processor"] = "what";
    j["something_new"] = json::array({json::object()});
    const auto t = fromJson(j);
    EXPECT_EQ(t->find("<s>"), 0);
    EXPECT_EQ(t->encodeSpecial("<far>"), Ids{4000});
    j["added_tokens"].push_back({{"id", -1}, {"content", "<bad>"}});
    mustThrow(j.dump(), "<bad>");
    j = trained()["bpe_llama2"]["tokenizer"]; // no token for any byte: unknown, and no endless loop
    for (const char* digits = "0123456789ABCDEF"; const char high : std::string(digits))
        for (const char low : std::string(digits))
            j["model"]["vocab"].erase(std::string("<0x") + high + low + ">");
    const auto bare = fromJson(j);
    EXPECT_EQ(bare->encode("\xF0\x9F\xA7\xBF").back(), bare->find("<unk>"));
}

TEST(CharsMap, AnyBlobIsHarmless) {
    std::mt19937 random(17);
    for (int round = 0; round < 3000; round++) {
        std::string blob(4 + random() % 120, '\0');
        for (char& c : blob)
            c = static_cast<char>(random() % 4 ? random() % 256 : 0);
        const uint32_t bytes = random() % 8 ? static_cast<uint32_t>(random() % (blob.size() / 4) * 4) : random();
        std::memcpy(blob.data(), &bytes, 4);
        try {
            const CharsMap map(blob);
            for (int i = 0; i < 20; i++) {
                std::string text(1 + random() % 8, '\0');
                for (char& c : text)
                    c = static_cast<char>(random());
                const CharsMap::Hit hit = map.find(text, i % 2);
                EXPECT_LE(hit.length, text.size());
            }
        } catch (const Error&) {
        }
    }
}

TEST(SentencePieceModel, AnyBytesAreAnErrorOrATokenizer) {
    std::mt19937 random(23);
    // message ModelProto { pieces { piece "<unk>" type UNKNOWN } ... trainer_spec { model_type: BPE } }
    const std::string good = std::string("\x0A\x09\x0A\x05<unk>\x18\x02", 11) +
                             std::string("\x0A\x08\x0A\x01"
                                         "a\x15\x00\x00\x80\xBF",
                                         10) +
                             std::string("\x0A\x08\x0A\x01"
                                         "b\x15\x00\x00\x00\xC0",
                                         10) +
                             std::string("\x0A\x09\x0A\x02"
                                         "ab\x15\x00\x00\x00\xBF",
                                         11) +
                             std::string("\x12\x02\x18\x02", 4) + std::string("\x1A\x04\x18\x00\x20\x00", 6);
    const auto t = Tokenizer::fromMetadata(metadataOfSentencePiece(good, {}, "tokenizer.model"));
    EXPECT_EQ(t->encode("abb"), (Ids{3, 2}));
    for (int round = 0; round < 4000; round++) {
        std::string bytes = good;
        for (auto n = 1 + random() % 4; n > 0; n--)
            bytes[random() % bytes.size()] = static_cast<char>(random());
        bytes.resize(random() % (bytes.size() + 1));
        try {
            Tokenizer::fromMetadata(metadataOfSentencePiece(bytes, {}, "tokenizer.model"))->encode("abc \xE4\xBD\xA0");
        } catch (const Error&) {
        }
    }
}

// --- published tokenizers, where they are at hand

std::string unpacked(const std::filesystem::path& path) {
    std::string out;
    FILE* pipe = popen(("xz -dc '" + path.string() + "'").c_str(), "r");
    if (!pipe)
        return out;
    char block[1 << 16];
    for (size_t n; (n = fread(block, 1, sizeof block, pipe)) > 0;)
        out.append(block, n);
    pclose(pipe);
    return out;
}

TEST(PublishedTokenizer, GivesTheReferenceIdsAndTexts) {
    const auto folder = test::sharedFolder() / "data/tokenizers";
    if (!std::filesystem::exists(folder))
        GTEST_SKIP() << "no published tokenizers at " << folder;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        const std::string file = entry.path().filename(), name = file.substr(0, file.find('.'));
        if (!file.ends_with(".tokenizer.json.xz"))
            continue;
        const auto t = tokenizerFromJson(unpacked(entry.path()), {}, file);
        const json cases = test::readJson(folder / (name + ".cases.json"))["cases"];
        std::cout << name << ": " << compare(*t, cases, name) << " of " << cases.size() << '\n';
    }
}

TEST(PublishedTokenizer, IsFastOnAscii) {
    const auto file = test::sharedFolder() / "data/tokenizers/qwen3.tokenizer.json.xz";
    if (!std::filesystem::exists(file))
        GTEST_SKIP() << "no published tokenizer at " << file;
    const auto t = tokenizerFromJson(unpacked(file), {}, "qwen3");
    std::string text;
    for (const auto& entry : std::filesystem::directory_iterator(HEARTH_SOURCE_DIR "/engine/tokenizer"))
        text += test::readFile(entry.path());
    std::erase_if(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
    while (text.size() < 4'000'000)
        text += text;
    double best = 0;
    for (int round = 0; round < 3; round++) {
        const double start = processorSeconds();
        const size_t ids = t->encode(text).size();
        best = std::max(best, static_cast<double>(text.size()) / (processorSeconds() - start) / 1e6);
        EXPECT_GT(ids, text.size() / 10);
    }
    std::cout << "qwen3: " << best << " MB/s a core\n";
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    EXPECT_GT(best, 1.0);
#else
    EXPECT_GT(best, 4.0); // far below what it does, so that busy machines do not fail the test
#endif
}

} // namespace
} // namespace hearth::engine
