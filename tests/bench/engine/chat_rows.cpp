// What a person waits for: loading, the first token of a stored chat, a text polished with guesses; and a long run.

#include "engine/error.h"
#include "engine/mapped_file.h"
#include "tests/bench/engine/allocations.h"
#include "tests/bench/engine/rows.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace hearth::bench {

using namespace engine;

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// A folder of its own, gone at the end.
class Folder {
public:
    Folder() {
        if (!mkdtemp(path_.data()))
            throw Error("No folder can be made in " + std::filesystem::temp_directory_path().string() + ".");
    }

    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    Folder(const Folder&) = delete;

    const std::string& path() const { return path_; }

private:
    std::string path_ = (std::filesystem::temp_directory_path() / "hearth-bench-XXXXXX").string();
};

/// Brings a file into memory. Returns its bytes.
uint64_t warm(const std::string& path) {
    const MappedFile file(path);
    unsigned sum = 0;
    for (size_t i = 0; i < file.bytes().size(); i += 4096)
        sum += static_cast<unsigned>(file.bytes()[i]);
    [[maybe_unused]] static volatile unsigned seen;
    seen = sum;
    return file.bytes().size();
}

Json load(const Setting& s) {
    const uint64_t bytes = warm(s.path);
    std::vector<double> loading, first;
    for (int i = 0; i < std::max(3, s.repeat); ++i) {
        const auto begin = Clock::now();
        Loaded model(s.path, s.threads, 0);
        loading.push_back(secondsSince(begin));
        first.push_back(finish(model, greedy(madeUpTokens(1, model.info().nVocab, 1), 1)).firstTokenSeconds);
    }
    // The goal is that of a file of 630 MB; larger ones have more pages to map.
    return withBound({{"fileBytes", bytes}, {"firstTokenSeconds", median(first)}}, median(loading),
                     0.1 * std::max(1.0, static_cast<double>(bytes) / 630e6));
}

/// A chat is told and written down; then another session goes on with it.
Json stored(const Setting& s) {
    constexpr int kTokens = 16, kNew = 8;
    const Folder folder;
    const std::string file = folder.path() + "/chat.kv";
    std::vector<TokenId> chat;
    {
        Loaded model(s.path, s.threads, s.stored + kNew + kTokens + 1);
        const int n = std::min(s.stored, model.info().contextTokens - kNew - kTokens - 1);
        chat = madeUpTokens(n, model.info().nVocab, 1);
        GenerationRequest told = greedy(chat, 1);
        told.prefixFile = file;
        finish(model, std::move(told));
        while (model.engine.tidy()) {
        }
    }
    warm(file);
    Loaded model(s.path, s.threads, s.stored + kNew + kTokens + 1);
    const std::vector<TokenId> added = madeUpTokens(kNew, model.info().nVocab, 2);
    const size_t told = chat.size();
    chat.insert(chat.end(), added.begin(), added.end());
    GenerationRequest again = greedy(std::move(chat), 1 + kTokens);
    again.prefixFile = file;
    const Outcome outcome = finish(model, std::move(again));
    const double step = outcome.summary.decodeSeconds / kTokens;
    return withBound({{"threads", s.threads},
                      {"tokens", told},
                      {"fileBytes", std::filesystem::file_size(file)},
                      {"prefilledTokens", outcome.summary.prefilledTokens},
                      {"firstTokenSeconds", outcome.firstTokenSeconds},
                      {"stepSeconds", step}},
                     outcome.firstTokenSeconds - step, 0.3);
}

/// The text of tests/data: what is asked for, and the paragraphs it is asked of.
struct Polish {
    std::string wish;
    std::vector<std::string> paragraphs;
};

Polish readPolish() {
    const std::string path = HEARTH_TEST_DATA "/bench/polish.txt";
    std::ifstream in(path);
    const std::string all{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    std::vector<std::string> parts;
    for (size_t at = 0; at < all.size();) {
        const size_t end = std::min(all.find("\n\n", at), all.size());
        parts.push_back(all.substr(at, end - at));
        at = end + 2;
    }
    if (parts.size() < 2)
        throw Error("The file " + path + " cannot be read.");
    return {parts.front(), {parts.begin() + 1, parts.end()}};
}

/// A question as the model's own template has it.
std::vector<TokenId> asked(const ModelText& text, std::string question) {
    TemplateInput input;
    input.messages.push_back({.role = "user", .content = std::move(question)});
    std::vector<TokenId> tokens = text.tokenizer->encode(text.chatTemplate->render(input));
    if (text.tokenizer->addBos() && (tokens.empty() || tokens.front() != text.tokenizer->bos()))
        tokens.insert(tokens.begin(), text.tokenizer->bos());
    return tokens;
}

/// What polishing gave, all paragraphs together.
struct Polished {
    std::vector<TokenId> tokens;
    double decodeSeconds = 0;
    int guessed = 0, right = 0;
};

/// Paragraph by paragraph, for the starter loses its way in a text of 400 words.
Polished polish(Loaded& model, const Polish& text, bool guessing) {
    constexpr int kMost = 200; // tokens of a paragraph
    Polished all;
    for (const std::string& paragraph : text.paragraphs) {
        GenerationRequest request = greedy(asked(*model.engine.text(model.id), text.wish + "\n\n" + paragraph), kMost);
        request.stopAtEnd = true;
        request.guessAhead = guessing;
        const Outcome one = finish(model, std::move(request));
        all.tokens.insert(all.tokens.end(), one.tokens.begin(), one.tokens.end());
        all.decodeSeconds += one.summary.decodeSeconds;
        all.guessed += one.summary.guessedTokens;
        all.right += one.summary.rightGuesses;
    }
    return all;
}

Json guess(const Setting& s) {
    if (!std::filesystem::exists(s.starter))
        return skipped("The starter model is not at " + s.starter + ".");
    Loaded model(s.starter, s.threads, 1024);
    const Polish text = readPolish();
    std::vector<double> plain, ahead;
    Polished without, with;
    for (int i = 0; i < s.repeat; ++i) {
        without = polish(model, text, false);
        with = polish(model, text, true);
        plain.push_back(without.decodeSeconds);
        ahead.push_back(with.decodeSeconds);
    }
    const auto tokens = static_cast<double>(without.tokens.size());
    const bool same = without.tokens == with.tokens;
    Json row = withGoal({{"threads", s.threads},
                         {"tokens", without.tokens.size()},
                         {"tokensPerSecondPlain", tokens / median(plain)},
                         {"tokensPerSecond", tokens / median(ahead)},
                         {"guessedTokens", with.guessed},
                         {"rightGuesses", with.right},
                         {"sameText", same}},
                        median(plain) / median(ahead), 1.6);
    row["met"] = row["met"].get<bool>() && same;
    return row;
}

/// Replies to one prompt, again and again, while allocations between their tokens are counted.
class Soak {
public:
    explicit Soak(const Setting& s) : model_(s.path, s.threads, kContext) {}

    /// One reply.
    void reply() {
        int given = 0;
        GenerationRequest request = greedy(madeUpTokens(kPrompt, model_.info().nVocab, ++salt_), kReply);
        request.onToken = [&given](const TokenOut& token) { given += token.id >= 0; };
        model_.engine.start(model_.id, std::move(request));
        const auto until = [&](int n) {
            while (given < n && model_.engine.step()) {
            }
        };
        until(2); // beginning and end of a reply may allocate
        const uint64_t before = allocations();
        until(kReply - 1);
        allocations_ += allocations() - before;
        counted_ += given - 2;
        until(kReply + 1);
        tokens_ += given;
    }

    /// Until every page of the cache has been in use.
    void warmUp() {
        while (tokens_ < 2 * kContext)
            reply();
        allocations_ = 0;
        counted_ = tokens_ = 0;
    }

    double allocationsPerToken() const {
        return counted_ > 0 ? static_cast<double>(allocations_) / static_cast<double>(counted_) : 0;
    }

    int64_t tokens() const { return tokens_; }

private:
    static constexpr int kContext = 512, kPrompt = 64, kReply = 192;

    Loaded model_;
    uint64_t allocations_ = 0, salt_ = 0;
    int64_t counted_ = 0, tokens_ = 0;
};

Json soak(const Setting& s) {
    constexpr double kFlat = 1 << 20; // bytes that the C library may keep or give back
    constexpr double kNone = 0.1;     // for a token: a text's tokens grow in steps, a page of 64 has an entry
    if (!allocationsAreCounted())
        return skipped("This build cannot count allocations.");
    Soak run(s);
    run.warmUp();
    const uint64_t before = residentBytes();
    const auto begin = Clock::now();
    do
        run.reply();
    while (secondsSince(begin) < s.soakSeconds);
    const double growth = static_cast<double>(residentBytes()) - static_cast<double>(before);
    Json row = withBound({{"threads", s.threads},
                          {"seconds", secondsSince(begin)},
                          {"tokens", run.tokens()},
                          {"residentBytes", before},
                          {"residentGrowthBytes", growth}},
                         run.allocationsPerToken(), kNone);
    row["met"] = row["met"].get<bool>() && growth <= kFlat;
    return row;
}

constexpr Row kRows[] = {
    {"load", "seconds until a model is ready, warm file cache", load},
    {"stored", "seconds to the first token of a stored chat, less one decode step", stored},
    {"guess", "a text polished by the starter model with guesses against without", guess},
    {"soak", "allocations a token of a long run; memory", soak},
};

} // namespace

std::span<const Row> chatRows() {
    return kRows;
}

} // namespace hearth::bench
