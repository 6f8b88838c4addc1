#include "storage/check.h"

#include "storage/database.h"
#include "storage/fts_tokenizer.h"

namespace hearth::storage {

namespace {

constexpr int kMostProblems = 20; // of one kind: more would not be read

/// Sums of hashes: equal when two collections hold the same words at the same places, in whatever order.
struct WordSum {
    uint64_t sum = 0;
    int64_t words = 0;

    void add(std::string_view word, int64_t row, int64_t place) {
        uint64_t h = 0xcbf29ce484222325u; // FNV-1a
        const auto mix = [&h](uint64_t byte) { h = (h ^ byte) * 0x100000001b3u; };
        for (const char c : word)
            mix(static_cast<unsigned char>(c));
        for (int shift = 0; shift < 64; shift += 8)
            mix(static_cast<uint64_t>(row) >> shift & 255);
        for (int shift = 0; shift < 32; shift += 8)
            mix(static_cast<uint64_t>(place) >> shift & 255);
        sum += h ^ h >> 32;
        ++words;
    }

    bool operator==(const WordSum&) const = default;
};

struct IndexCheck {
    const char* what;
    const char* rows; // SELECT id, text
    const char* vocabulary;
};

constexpr IndexCheck kIndexChecks[] = {
    {"messages", "SELECT id, text FROM messages",
     "CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, message_index, instance)"},
    {"titles", "SELECT id, title FROM conversations",
     "CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, title_index, instance)"},
};

WordSum wordsOfRows(Database& db, const char* sql) {
    struct Walk {
        WordSum sum;
        int64_t row = 0;
        int64_t place = -1;
    } walk;

    const auto add = [](void* context, const Token& token) {
        auto& w = *static_cast<Walk*>(context);
        w.place += token.samePlace ? 0 : 1;
        w.sum.add(token.text, w.row, w.place);
        return true;
    };
    Statement rows = db.prepare(sql);
    while (rows.step()) {
        walk.row = rows.integer(0);
        walk.place = -1;
        cutIntoTokens(rows.text(1), TokenPurpose::Document, add, &walk);
    }
    return walk.sum;
}

WordSum wordsOfIndex(Database& db, const char* vocabulary) {
    db.execute(vocabulary);
    WordSum sum;
    {
        Statement words = db.prepare("SELECT term, doc, offset FROM temp.words");
        while (words.step())
            sum.add(words.text(0), words.integer(1), words.integer(2));
    }
    db.execute("DROP TABLE temp.words");
    return sum;
}

/// Runs one check; what it cannot even read is a problem, not the end of the others.
template <class F>
void guarded(CheckReport& report, F&& part) {
    try {
        part();
    } catch (const Error& error) {
        report.problems.push_back(error.what());
    }
}

void checkIntegrity(Database& db, CheckReport& report) {
    Statement integrity = db.prepare("PRAGMA integrity_check(" + std::to_string(kMostProblems) + ")");
    while (integrity.step())
        if (integrity.text(0) != "ok")
            report.problems.push_back("The file is damaged: " + integrity.text(0) + ".");
}

void checkReferences(Database& db, CheckReport& report) {
    Statement lost =
        db.prepare("SELECT m.id FROM messages m WHERE NOT EXISTS (SELECT 1 FROM conversations c WHERE c.id "
                   "= m.conversation_id) OR (m.parent_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM "
                   "messages p WHERE p.id = m.parent_id AND p.conversation_id = m.conversation_id)) LIMIT " +
                   std::to_string(kMostProblems));
    while (lost.step())
        report.problems.push_back("Message " + std::to_string(lost.integer(0)) +
                                  " hangs on a message or conversation that is not there.");
}

} // namespace

CheckReport check(const std::filesystem::path& path) {
    Database db(path, Database::Mode::Read);
    db.execute("PRAGMA query_only = OFF"); // for the temporary table below; the file itself is opened read-only
    db.execute("BEGIN");                   // one moment of the file, whoever writes meanwhile
    CheckReport report;
    guarded(report, [&] { checkIntegrity(db, report); });
    guarded(report, [&] { checkReferences(db, report); });
    guarded(report, [&] {
        Statement counts = db.prepare("SELECT (SELECT count(*) FROM conversations), (SELECT count(*) FROM messages)");
        counts.step();
        report.conversations = counts.integer(0);
        report.messages = counts.integer(1);
    });
    for (const IndexCheck& index : kIndexChecks)
        guarded(report, [&] {
            if (wordsOfRows(db, index.rows) != wordsOfIndex(db, index.vocabulary))
                report.problems.push_back(std::string("The search index of the ") + index.what +
                                          " does not match them; search may miss some.");
        });
    return report;
}

} // namespace hearth::storage
