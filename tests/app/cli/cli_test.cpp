// Runs hearth-cli as a script does: arguments and standard input in; standard output, one-line errors and a status out.

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include <bit>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <regex>
#include <spawn.h>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

extern char** environ;

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Result {
    int status = -1; // 128 + signal when killed
    std::string out, error;
};

std::string readFile(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::stringstream s;
    s << in.rdbuf();
    return s.str();
}

class Cli : public testing::Test {
protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "hearth-cli-test-XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        folder_ = name;
    }

    void TearDown() override { fs::remove_all(folder_); }

    fs::path write(const std::string& name, const std::string& bytes) const {
        std::ofstream(folder_ / name, std::ios::binary) << bytes;
        return folder_ / name;
    }

    pid_t start(const std::vector<std::string>& words, const std::string& input) const {
        write("in", input);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, 0, (folder_ / "in").c_str(), O_RDONLY, 0);
        const int create = O_WRONLY | O_CREAT | O_TRUNC;
        posix_spawn_file_actions_addopen(&actions, 1, (folder_ / "out").c_str(), create, 0600);
        posix_spawn_file_actions_addopen(&actions, 2, (folder_ / "error").c_str(), create, 0600);
        std::vector<char*> argv = {const_cast<char*>(HEARTH_CLI)};
        for (const std::string& w : words)
            argv.push_back(const_cast<char*>(w.c_str()));
        argv.push_back(nullptr);
        pid_t pid = -1;
        EXPECT_EQ(posix_spawn(&pid, HEARTH_CLI, &actions, nullptr, argv.data(), environ), 0);
        posix_spawn_file_actions_destroy(&actions);
        return pid;
    }

    Result finish(pid_t pid) const {
        int status = 0;
        waitpid(pid, &status, 0);
        return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), readFile(folder_ / "out"),
                readFile(folder_ / "error")};
    }

    Result run(const std::vector<std::string>& words, const std::string& input = {}) const {
        return finish(start(words, input));
    }

    /// The status, and one line of complaint.
    void mustFail(const std::vector<std::string>& words, int status, const std::string& part,
                  const std::string& input = {}) const {
        const Result r = run(words, input);
        EXPECT_EQ(r.status, status) << r.error;
        EXPECT_NE(r.error.find(part), std::string::npos) << r.error;
        EXPECT_EQ(std::count(r.error.begin(), r.error.end(), '\n'), 1) << r.error;
        EXPECT_LT(r.error.size(), 600u);
    }

    fs::path folder_;
};

std::vector<json> lines(const std::string& text) {
    std::vector<json> out;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);)
        out.push_back(json::parse(line));
    return out;
}

std::vector<float> npyNumbers(const fs::path& path) {
    const std::string bytes = readFile(path);
    const size_t header = 10 + static_cast<unsigned char>(bytes.at(8)) + 256 * static_cast<unsigned char>(bytes.at(9));
    EXPECT_EQ(header % 64, 0u);
    std::vector<float> out((bytes.size() - header) / 4);
    std::memcpy(out.data(), bytes.data() + header, out.size() * 4);
    return out;
}

const fs::path kData = HEARTH_TEST_DATA;

const fs::path kTinyModel = kData / "quant_models/Q4_0"; // model.gguf or model.gguf.xz, expected.json, logits.npy

std::string joined(const json& ids) {
    std::string out;
    for (const auto& id : ids)
        out += (out.empty() ? "" : ",") + std::to_string(id.get<int>());
    return out;
}

// --- usage

TEST_F(Cli, WrongUsageIsTwo) {
    EXPECT_EQ(run({}).status, 2);
    mustFail({"nonsense"}, 2, "no command nonsense");
    mustFail({"chat"}, 2, "--model");
    mustFail({"chat", "--model"}, 2, "needs a value");
    mustFail({"chat", "--model", "a", "--wrong"}, 2, "--wrong");
    mustFail({"chat", "--model", "a", "--model", "b"}, 2, "twice");
    mustFail({"chat", "--model", "a", "--json=yes"}, 2, "takes no value");
    mustFail({"chat", "--model", "a", "--max-tokens", "many"}, 2, "whole number");
    mustFail({"chat", "--model", "a", "--temperature", "nan"}, 2, "number");
    mustFail({"chat", "--model", "a", "--backend", "tpu"}, 2, "cpu");
    mustFail({"chat", "--model", "a", "--kv", "q2"}, 2, "f16");
    mustFail({"eval", "--model", "a", "--tokens", "1", "--logits", "x", "--numerics", "exact", "--kv", "f16"}, 2,
             "f32");
    mustFail({"chat", "--model", "a", "--set", "novalue"}, 2, "KEY=VALUE");
    mustFail({"inspect"}, 2, "missing");
    mustFail({"inspect", "a", "b"}, 2, "too many");
    mustFail({"help", "nonsense"}, 2, "no command");
    mustFail({"template"}, 2, "--template");
    mustFail({"chat", "--model", "a", "--grammar", "b", "--json-schema", "c"}, 2, "not both");
    mustFail({"template", "--template", "x", "--now", "yesterday"}, 2, "--now");
}

TEST_F(Cli, EveryCommandIsDocumented) {
    const Result all = run({"help"});
    EXPECT_EQ(all.status, 0);
    for (const char* name : {"chat", "eval", "generate", "perplexity", "tokenize", "detokenize", "template",
                             "dequantize", "quantize", "inspect", "bench"}) {
        EXPECT_NE(all.out.find(name), std::string::npos);
        const Result one = run({"help", name});
        EXPECT_EQ(one.status, 0);
        EXPECT_TRUE(one.out.starts_with(std::string("usage: hearth-cli ") + name));
        EXPECT_EQ(run({name, "--help"}).out, one.out);
    }
}

TEST_F(Cli, BadInputIsOne) {
    mustFail({"inspect", "/nonexistent/x.gguf"}, 1, "/nonexistent/x.gguf");
    mustFail({"inspect", folder_.string()}, 1, "");
    mustFail({"inspect", write("bad.gguf", "no model").string()}, 1, "GGUF");
    mustFail({"tokenize", "--model", write("bad.gguf", "").string()}, 1, "");
    mustFail({"dequantize", "--type", "Q9_Z", "--in", write("blocks", "x").string(), "--out", (folder_ / "x").string()},
             1, "Q9_Z");
    mustFail({"dequantize", "--type", "Q4_0", "--in", write("half", "abc").string(), "--out", (folder_ / "x").string()},
             1, "Q4_0");
    mustFail({"dequantize", "--type", "Q4_0", "--in", "/nonexistent", "--out", (folder_ / "x").string()}, 1,
             "/nonexistent");
    mustFail(
        {"encode", "--type", "Q4_0", "--in", write("bad.npy", "\x93NUMPY").string(), "--out", (folder_ / "x").string()},
        1, "npy");
    mustFail({"chat", "--model", "a", "--grammar", write("bad.gbnf", "root ::=\n  (\"a\"").string()}, 1,
             "line 2, column 3");
    mustFail({"chat", "--model", "a", "--grammar", "/nonexistent.gbnf"}, 1, "/nonexistent.gbnf");
    mustFail({"chat", "--model", "a", "--json-schema", write("bad.json", R"({"items": {"not": {}}})").string()}, 1,
             "#/items/not");
    mustFail({"template", "--template", write("bad.jinja", "a\n{% if %}").string()}, 1, "line 2");
    mustFail({"template", "--template", write("t.jinja", "x").string()}, 1, "Line 2", "{}\nnot json\n");
}

TEST_F(Cli, OddArgumentsAreHarmless) {
    const std::string huge(130'000, 'm'); // the kernel's limit for one argument
    mustFail({"inspect", huge}, 1, "");
    mustFail({"chat", "--model", "%n%s%n"}, 1, "%n%s%n");
    mustFail({"chat", "--model", "\xFF\xFE.gguf"}, 1, "");
    mustFail({"inspect", "--", "-x"}, 1, "-x");
    mustFail({"inspect", "app://open?x=1"}, 1, "app://");
    mustFail({"chat", "--model", ""}, 2, "empty");
    mustFail({"%n"}, 2, "%n");
    mustFail({"inspect", "a\nb"}, 1, "");
}

// --- texts

TEST_F(Cli, TemplatesRenderLineByLine) {
    const auto file =
        write("t.jinja", "{% for m in messages %}[{{ m.content }}]{% endfor %}{{ strftime_now('%d %b %Y %A') if date }}"
                         "{{ raise_exception('no tools') if tools }}");
    const Result r = run({"template", "--template", file.string(), "--now", "2025-07-04T09:05:03"},
                         "{\"messages\":[{\"content\":\"a \\u4f60\"}]}\n\n{\"date\":true}\n{\"tools\":[1]}\n");
    EXPECT_EQ(r.status, 0) << r.error;
    const auto got = lines(r.out);
    ASSERT_EQ(got.size(), 3u);
    EXPECT_EQ(got[0], json({{"text", "[a \u4f60]"}}));
    EXPECT_EQ(got[1], json({{"text", "04 Jul 2025 Friday"}}));
    EXPECT_NE(got[2]["error"].get<std::string>().find("no tools"), std::string::npos);
}

class CliModel : public Cli {
protected:
    void SetUp() override {
        Cli::SetUp();
        model_ = kTinyModel / "model.gguf";
        const fs::path packed = kTinyModel / "model.gguf.xz";
        if (!fs::exists(model_) && fs::exists(packed)) {
            model_ = folder_ / "tiny.gguf";
            const std::string unpack = "xz -dc '" + packed.string() + "' > '" + model_.string() + "'";
            ASSERT_EQ(std::system(unpack.c_str()), 0);
        }
        if (!fs::exists(model_))
            GTEST_SKIP() << "no tiny model in " << kTinyModel;
        expected_ = json::parse(readFile(kTinyModel / "expected.json"));
    }

    fs::path tinyModel() const { return model_; }

    fs::path model_;
    json expected_;
};

TEST_F(CliModel, GenerateIsGreedy) {
    const Result r =
        run({"generate", "--model", tinyModel().string(), "--tokens", joined(expected_["ids"]), "-n", "8", "--json"});
    EXPECT_EQ(r.status, 0) << r.error;
    const json got = json::parse(r.out);
    const auto& want = expected_["greedy"];
    ASSERT_EQ(got["tokens"].size(), 8u);
    for (size_t i = 0; i < std::min<size_t>(8, want.size()); i++)
        EXPECT_EQ(got["tokens"][i], want[i]) << i;
}

TEST_F(CliModel, QuantizeWritesAModelThatRuns) {
    const fs::path out = folder_ / "q8.gguf";
    const Result r =
        run({"quantize", tinyModel().string(), out.string(), "--type", "Q8_0", "--threads", "2", "--json"});
    ASSERT_EQ(r.status, 0) << r.error;
    const json report = json::parse(r.out);
    EXPECT_EQ(report["bytes"], fs::file_size(out));
    EXPECT_GT(report["bytesByType"]["Q8_0"], 0);
    EXPECT_NE(r.error.find("errors add up"), std::string::npos) << "it was quantized before";
    const Result same = run({"generate", "--model", out.string(), "--tokens", joined(expected_["ids"]), "-n", "2"});
    EXPECT_EQ(same.status, 0) << same.error;
    EXPECT_EQ(json::parse(same.out)["tokens"][0], expected_["greedy"][0]);
    mustFail({"quantize", tinyModel().string(), out.string(), "--type", "Q4_X"}, 2, "Q4_K_M");
    mustFail({"quantize", tinyModel().string()}, 2, "");
    mustFail({"quantize", tinyModel().string(), "/nonexistent/x.gguf", "--type", "Q8_0"}, 1, "/nonexistent/x.gguf");
    mustFail({"quantize", write("bad.gguf", "no model").string(), out.string(), "--type", "Q8_0"}, 1, "GGUF");
}

TEST_F(CliModel, EvalWritesLogits) {
    const auto ids = write("ids", expected_["ids"].dump());
    std::vector<float> first;
    for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--chunk", "7"}, {"--restore-at", "9"}}) {
        const fs::path out = folder_ / "l.npy";
        std::vector<std::string> words = {"eval",       "--model",          tinyModel().string(),
                                          "--tokens",   "@" + ids.string(), "--logits",
                                          out.string(), "--last",           "4"};
        words.insert(words.end(), more.begin(), more.end());
        const Result r = run(words);
        ASSERT_EQ(r.status, 0) << r.error;
        EXPECT_EQ(json::parse(r.out)["argmax"], expected_["argmax"]);
        const auto got = npyNumbers(out), want = npyNumbers(kTinyModel / "logits.npy");
        ASSERT_EQ(got.size(), want.size());
        for (size_t i = 0; i < got.size(); i++)
            ASSERT_NEAR(got[i], want[i], 5e-3) << i;
    }
    mustFail({"eval", "--model", tinyModel().string(), "--tokens", "1,99999999", "--logits", (folder_ / "x").string()},
             1, "99999999");
    mustFail({"eval", "--model", tinyModel().string(), "--tokens", ",", "--logits", (folder_ / "x").string()}, 1,
             "no tokens");
    mustFail({"eval", "--model", tinyModel().string(), "--tokens", "1,2", "--last", "3", "--logits",
              (folder_ / "x").string()},
             2, "--last");
    mustFail({"eval", "--model", tinyModel().string(), "--tokens", "1", "--logits", "/nonexistent/x"}, 1,
             "/nonexistent/x");
}

TEST_F(CliModel, TextsAndIds) {
    const Result ids =
        run({"tokenize", "--model", tinyModel().string()}, "\"hello the world\"\n\"\\u4f60\\u597d\"\n\"\"\n");
    ASSERT_EQ(ids.status, 0) << ids.error;
    EXPECT_EQ(lines(ids.out).size(), 3u);
    const Result back = run({"detokenize", "--model", tinyModel().string()}, ids.out);
    EXPECT_EQ(lines(back.out), (std::vector<json>{"hello the world", "\u4f60\u597d", ""}));
    mustFail({"tokenize", "--model", tinyModel().string()}, 1, "Line 2", "\"a\"\n[1]\n");
    mustFail({"detokenize", "--model", tinyModel().string()}, 1, "Line 1", "[99999999]\n");
    mustFail({"detokenize", "--model", tinyModel().string()}, 1, "Line 1", "[\"a\"]\n");
    // A tokenizer.json alone, or a folder with one.
    write("tokenizer.json", R"({"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"<s>":3},"merges":["a b"]},)"
                            R"("added_tokens":[{"id":3,"content":"<s>","special":true}],"decoder":{"type":"Fuse"}})");
    for (const fs::path& path : {folder_ / "tokenizer.json", folder_}) {
        EXPECT_EQ(run({"tokenize", "--tokenizer", path.string()}, "\"<s>abb\"").out, "[2,1]\n");
        EXPECT_EQ(run({"tokenize", "--tokenizer", path.string(), "--special"}, "\"<s>abb\"").out, "[3,2,1]\n");
        EXPECT_EQ(run({"detokenize", "--tokenizer", path.string()}, "[3,2,1]").out, "\"<s>abb\"\n");
    }
    mustFail({"tokenize"}, 2, "--tokenizer");
    mustFail({"tokenize", "--tokenizer", "x", "--model", "y"}, 2, "--tokenizer");
    mustFail({"tokenize", "--tokenizer", (folder_ / "none.json").string()}, 1, "none.json");
    mustFail({"tokenize", "--tokenizer", write("bad.json", "{").string()}, 1, "no JSON");
}

TEST_F(CliModel, InspectSaysWhatItIs) {
    const Result r = run({"inspect", tinyModel().string(), "--json", "--tensors", "--context", "64"});
    ASSERT_EQ(r.status, 0) << r.error;
    const json got = json::parse(r.out);
    EXPECT_EQ(got["family"], "llama");
    EXPECT_EQ(got["contextTokens"], 64);
    for (const char* key : {"name", "format", "quant", "parameters", "weightBytes", "kvBytes", "scratchBytes",
                            "totalBytes", "freeBytes", "fits", "predictedTokensPerSecond", "tensors", "bytesByType"})
        EXPECT_TRUE(got.contains(key)) << key;
    EXPECT_GT(got["tensors"].size(), 3u);
    EXPECT_NE(run({"inspect", tinyModel().string()}).out.find("llama"), std::string::npos);
}

TEST_F(CliModel, APathThatIsNoUtf8IsAPath) {
    const fs::path odd = folder_ / "m\xFF.gguf";
    fs::copy_file(tinyModel(), odd);
    EXPECT_EQ(run({"inspect", odd.string()}).status, 0);
    EXPECT_EQ(run({"inspect", odd.string(), "--json"}).status, 0);
}

TEST_F(CliModel, SetOverridesMetadata) {
    const Result r = run({"inspect", tinyModel().string(), "--json", "--set", "general.name=Renamed"});
    ASSERT_EQ(r.status, 0) << r.error;
    EXPECT_EQ(json::parse(r.out)["name"], "Renamed");
}

TEST_F(CliModel, BenchPrintsItsKeys) {
    const Result r =
        run({"bench", "--model", tinyModel().string(), "--prompt", "16", "--generate", "4", "--repeat", "1", "--json"});
    ASSERT_EQ(r.status, 0) << r.error;
    const json got = json::parse(r.out);
    for (const char* key : {"prefillTokensPerSecond", "decodeTokensPerSecond", "decodeGBPerSecond", "readGBPerSecond",
                            "firstTokenSeconds", "loadSeconds", "peakBytes"})
        EXPECT_GT(got.at(key).get<double>(), 0) << key;
    EXPECT_FALSE(got["logitsHash"].get<std::string>().empty());
    EXPECT_FALSE(got["isa"].get<std::string>().empty());
}

TEST_F(CliModel, ChatAnswersTurns) {
    const Result one = run({"chat", "--model", tinyModel().string(), "--prompt", "hello", "--max-tokens", "5",
                            "--temperature", "0", "--json"});
    ASSERT_EQ(one.status, 0) << one.error;
    const json got = json::parse(one.out);
    for (const char* key :
         {"text", "thoughts", "tokens", "stop", "promptTokens", "prefilledTokens", "prefillSeconds", "decodeSeconds"})
        EXPECT_TRUE(got.contains(key)) << key;
    EXPECT_LE(got["tokens"], 5);
    const Result two = run({"chat", "--model", tinyModel().string(), "--max-tokens", "3", "--temperature", "0",
                            "--json", "--system", "be kind"},
                           "hello\n\nagain\n");
    ASSERT_EQ(two.status, 0) << two.error;
    const auto turns = lines(two.out);
    ASSERT_EQ(turns.size(), 2u);
    EXPECT_GT(turns[1]["promptTokens"], turns[0]["promptTokens"]);
    EXPECT_LT(turns[1]["prefilledTokens"], turns[1]["promptTokens"]); // the first turn came from the cache
}

TEST_F(CliModel, ChatKeepsToAGrammar) {
    const fs::path grammar = write("g.gbnf", "root ::= (\"yes\" | \"no\") \", \" [a-c]{3}");
    const Result held = run({"chat", "--model", tinyModel().string(), "--prompt", "hello", "--temperature", "1",
                             "--seed", "5", "--grammar", grammar.string(), "--json"});
    ASSERT_EQ(held.status, 0) << held.error;
    const json got = json::parse(held.out);
    EXPECT_TRUE(std::regex_match(got["text"].get<std::string>(), std::regex("(yes|no), [a-c]{3}"))) << got;
    EXPECT_EQ(got["stop"], "endOfTurn");
    const fs::path schema =
        write("s.json", R"({"type": "array", "items": {"type": "integer", "maximum": 9}, "minItems": 2,
        "maxItems": 4})");
    const Result list =
        run({"chat", "--model", tinyModel().string(), "--temperature", "0", "--json-schema", schema.string()},
            "hello\nagain\n");
    ASSERT_EQ(list.status, 0) << list.error;
    EXPECT_NE(list.out.find('['), std::string::npos);
}

TEST_F(CliModel, InterruptStopsTheReplyCleanly) {
    const pid_t pid = start({"chat", "--model", tinyModel().string(), "--prompt", "hello", "--temperature", "1",
                             "--seed", "3", "--json", "--context", "100000", "--set", "llama.context_length=1000000"},
                            "");
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    kill(pid, SIGINT);
    const Result r = finish(pid);
    // Either it was still loading (the default way of SIGINT), had ended by itself, or stopped within the reply.
    if (r.status == 0)
        EXPECT_TRUE(json::parse(r.out).contains("stop")) << r.out;
    else
        EXPECT_EQ(r.status, 128 + SIGINT) << r.error;
}

// --- blocks

/// FNV-1a over the bits of the numbers, as tests/data/quants/decoded.txt has it.
uint64_t hashOf(const std::vector<float>& numbers) {
    uint64_t hash = 14695981039346656037u;
    for (const float f : numbers)
        hash = (hash ^ std::bit_cast<uint32_t>(f)) * 1099511628211u;
    return hash;
}

TEST_F(Cli, BlocksAreTheReferenceNumbers) {
    std::ifstream in(kData / "quants" / "decoded.txt");
    int types = 0;
    uint64_t want = 0;
    for (std::string type; in >> type >> std::hex >> want; ++types) {
        const fs::path out = folder_ / "x.npy", blocks = kData / "quants" / (type + ".bin");
        const Result r = run({"dequantize", "--type", type, "--in", blocks.string(), "--out", out.string()});
        ASSERT_EQ(r.status, 0) << type << r.error;
        EXPECT_EQ(hashOf(npyNumbers(out)), want) << type;
    }
    EXPECT_EQ(types, 25);
}

} // namespace
