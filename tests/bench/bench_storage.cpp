// How storage behaves at size: bench_storage --messages N [--json] [--seed S]. Makes a database of N messages, English
// and Chinese, in a folder of its own, and measures what the window waits for.
#include "storage/conversations.h"
#include "storage/database.h"
#include "storage/messages.h"
#include "storage/search.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
using namespace hearth::storage;
using Clock = std::chrono::steady_clock;

double msSince(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double quantile(std::vector<double> values, double q) {
    if (values.empty())
        return 0;
    std::sort(values.begin(), values.end());
    return values[std::min(values.size() - 1, static_cast<size_t>(q * static_cast<double>(values.size())))];
}

struct Arguments {
    int64_t messages = 10000;
    unsigned seed = 1;
    bool json = false;
};

int usage(FILE* to, int status) {
    fprintf(to, "usage: bench_storage [--messages N] [--seed S] [--json]\n");
    return status;
}

/// Words by a falling frequency, as in natural text: 3,000 of Latin letters, 2,000 Chinese of one to three characters.
class Texts {
public:
    explicit Texts(unsigned seed) : random_(seed) {
        for (int i = 0; i < 3000; ++i)
            latin_.push_back(latinWord());
        for (int i = 0; i < 2000; ++i)
            chinese_.push_back(chineseWord());
    }

    const std::string& word(bool chinese) {
        const auto& words = chinese ? chinese_ : latin_;
        const double u = std::uniform_real_distribution<double>(0, 1)(random_);
        return words[static_cast<size_t>(u * u * u * static_cast<double>(words.size()))];
    }

    std::string message() {
        const bool chinese = random_() % 2;
        std::string text;
        for (int words = 10 + static_cast<int>(random_() % 150); words > 0; --words) {
            text += word(chinese);
            text += chinese ? (words % 12 ? "" : "。") : " ";
        }
        return text;
    }

    std::string query() {
        const bool chinese = random_() % 2;
        std::string text = word(chinese);
        for (int more = static_cast<int>(random_() % 3); more > 0; --more)
            text += " " + word(chinese);
        return text;
    }

private:
    std::string latinWord() {
        std::string word;
        for (int n = 2 + static_cast<int>(random_() % 8); n > 0; --n)
            word += static_cast<char>('a' + random_() % 26);
        return word;
    }

    std::string chineseWord() {
        std::string word;
        for (int n = 1 + static_cast<int>(random_() % 3); n > 0; --n) {
            const unsigned c = 0x4E00 + random_() % 3000;
            word += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63)),
                     static_cast<char>(0x80 | (c & 63))};
        }
        return word;
    }

    std::mt19937 random_;
    std::vector<std::string> latin_;
    std::vector<std::string> chinese_;
};

/// Chats of 40 messages. Returns what each append took.
std::vector<double> fill(Database& db, Texts& texts, int64_t messages) {
    std::vector<double> times;
    times.reserve(static_cast<size_t>(messages));
    Conversations conversations(db);
    Messages table(db);
    ConversationId chat;
    MessageId last;
    for (int64_t i = 0; i < messages; ++i) {
        if (i % 40 == 0) {
            chat = conversations.create(texts.query(), "");
            last = {};
        }
        const std::string text = texts.message();
        const Clock::time_point start = Clock::now();
        last = table.append(
            {.conversation = chat, .parent = last, .role = i % 2 ? Role::Assistant : Role::User, .text = text});
        times.push_back(msSince(start));
    }
    return times;
}

int measure(const Arguments& arguments, const fs::path& file) {
    Texts texts(arguments.seed);
    std::vector<double> inserts;
    {
        Database db(file, Database::Mode::Write);
        inserts = fill(db, texts, arguments.messages);
    }
    Clock::time_point start = Clock::now();
    Database db(file, Database::Mode::Write);
    const size_t chats = Conversations(db).list().size();
    const double openMs = msSince(start);

    start = Clock::now();
    size_t found = Search(db).searchMessages(texts.query(), 20).size(); // on a connection that has searched nothing yet
    const double firstResultsMs = msSince(start);
    std::vector<double> searches;
    for (int i = 0; i < 300; ++i) {
        const std::string query = texts.query();
        start = Clock::now();
        found += Search(db).searchMessages(query, 50).size();
        searches.push_back(msSince(start));
    }
    const auto bytes = static_cast<long long>(fs::file_size(file));
    const double insertP99 = quantile(inserts, 0.99);
    const char* format =
        arguments.json ? "{\"insertP99Ms\":%.3f,\"searchP50Ms\":%.3f,\"searchP95Ms\":%.3f,\"firstResultsMs\":%.3f,"
                         "\"openMs\":%.3f,\"messages\":%lld,\"databaseBytes\":%lld}\n"
                       : "insert p99 %.3f ms; search p50 %.3f ms, p95 %.3f ms, first results %.3f ms; open %.3f ms; "
                         "%lld messages in %lld bytes\n";
    printf(format, insertP99, quantile(searches, 0.5), quantile(searches, 0.95), firstResultsMs, openMs,
           static_cast<long long>(arguments.messages), bytes);
    fprintf(stderr, "%zu chats, %zu results, insert p50 %.3f ms\n", chats, found, quantile(inserts, 0.5));
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    Arguments arguments;
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        if (name == "--json")
            arguments.json = true;
        else if (name == "--messages" && i + 1 < argc)
            arguments.messages = std::atoll(argv[++i]);
        else if (name == "--seed" && i + 1 < argc)
            arguments.seed = static_cast<unsigned>(std::atoll(argv[++i]));
        else if (name == "--help")
            return usage(stdout, 0);
        else
            return usage(stderr, 2);
    }
    if (arguments.messages < 1 || arguments.messages > 100'000'000)
        return usage(stderr, 2);
    std::string folder = (fs::temp_directory_path() / "hearth-bench-XXXXXX").string();
    if (!mkdtemp(folder.data()))
        return 1;
    int status = 1;
    try {
        status = measure(arguments, folder + "/bench.sqlite");
    } catch (const std::exception& error) {
        fprintf(stderr, "%s\n", error.what());
    }
    std::error_code ignored;
    fs::remove_all(folder, ignored);
    return status;
}
