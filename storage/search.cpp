#include "storage/search.h"

#include "storage/database.h"
#include "storage/fts_tokenizer.h"

#include <sqlite3.h>

#include <algorithm>

namespace hearth::storage {

namespace {

constexpr int kSnippetBefore = 60; // bytes shown before the first place
constexpr int kSnippetBytes = 240;

struct IndexNames {
    const char* table;
    const char* column;
};

constexpr IndexNames kIndexes[] = {{"message_index", "text"}, {"title_index", "title"}};

const IndexNames& namesOf(SearchIndex index) {
    return kIndexes[static_cast<int>(index)];
}

/// A part of the query that stands by itself: a word, or a run of characters of a script without spaces.
struct Term {
    std::string text;                // folded; of a run, the characters
    std::vector<std::string> tokens; // what the index is asked for, side by side
    int end = 0;                     // bytes into the query
    bool unspaced = false;
};

/// Neighbouring pairs of one run overlap, so they are one term; all else is a term of its own.
std::vector<Term> termsOf(std::string_view query) {
    struct Collector {
        std::vector<Term> terms;
        int lastStart = -1;
    } collector;

    const auto collect = [](void* context, const Token& token) {
        auto& into = *static_cast<Collector*>(context);
        const bool overlaps = !into.terms.empty() && token.start < into.terms.back().end;
        if (!overlaps)
            into.terms.emplace_back();
        Term& term = into.terms.back();
        term.tokens.emplace_back(token.text);
        term.end = token.end;
        return true;
    };
    cutIntoTokens(query, TokenPurpose::Query, collect, &collector);
    return std::move(collector.terms);
}

/// In FTS5's language: each token quoted, those of a run joined as a phrase, the last word open at its end when the
/// user may still be typing it.
std::string matchExpression(const std::vector<Term>& terms, std::string_view query) {
    std::string expression;
    for (const Term& term : terms) {
        if (!expression.empty())
            expression += " AND ";
        for (size_t i = 0; i < term.tokens.size(); ++i)
            expression += (i ? " + \"" : "\"") + term.tokens[i] + "\"";
    }
    const bool typing = !terms.empty() && terms.back().end == static_cast<int>(query.size());
    const bool word =
        typing && terms.back().tokens.size() == 1 && static_cast<unsigned char>(terms.back().tokens[0].back()) < 0x80;
    return word ? expression + " *" : expression;
}

struct Found {
    const std::vector<Term>* terms = nullptr;
    std::vector<std::pair<int, int>> places;
};

bool startsWith(std::string_view text, std::string_view beginning) {
    return text.substr(0, beginning.size()) == beginning;
}

/// Where the terms' tokens occur in a text. Only what a snippet can show is looked for.
std::vector<std::pair<int, int>> placesIn(std::string_view text, const std::vector<Term>& terms) {
    Found found{&terms, {}};
    const auto look = [](void* context, const Token& token) {
        auto& into = *static_cast<Found*>(context);
        for (const Term& term : *into.terms)
            for (const std::string& wanted : term.tokens)
                if (token.text == wanted || (&term == &into.terms->back() && term.tokens.size() == 1 &&
                                             !token.samePlace && startsWith(token.text, wanted))) {
                    into.places.emplace_back(token.start, token.end);
                    return into.places.front().first + kSnippetBytes > token.end;
                }
        return true;
    };
    cutIntoTokens(text, TokenPurpose::Document, look, &found);
    return std::move(found.places);
}

bool isContinuation(char c) {
    return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

/// Cuts a window of the text around the first place, never through a character, and moves the places into it.
void makeSnippet(std::string_view text, const std::vector<Term>& terms, SearchHit& hit) {
    const std::vector<std::pair<int, int>> places = placesIn(text, terms);
    const int size = static_cast<int>(text.size());
    int begin = places.empty() ? 0 : std::max(0, places.front().first - kSnippetBefore);
    int end = std::min(size, begin + kSnippetBytes);
    while (begin > 0 && isContinuation(text[begin]))
        --begin;
    while (end < size && end > begin && isContinuation(text[end]))
        --end;
    hit.snippet = text.substr(begin, end - begin);
    for (const auto& [from, to] : places) {
        if (from < begin || to > end)
            continue;
        if (!hit.matches.empty() && from - begin <= hit.matches.back().second)
            hit.matches.back().second = std::max(hit.matches.back().second, to - begin);
        else
            hit.matches.emplace_back(from - begin, to - begin);
    }
}

std::vector<SearchHit> search(Database& db, const char* sql, std::string_view query, int limit) {
    const std::vector<Term> terms = termsOf(query);
    std::vector<SearchHit> hits;
    if (terms.empty() || limit <= 0)
        return hits;
    Statement select = db.prepare(sql);
    select.bind(1, matchExpression(terms, query)).bind(2, limit);
    while (select.step()) {
        SearchHit hit{{select.integer(0)}, {select.integer(1)}, select.text(2), {}, {}};
        makeSnippet(select.text(3), terms, hit);
        hits.push_back(std::move(hit));
    }
    return hits;
}

void tell(Database& db, SearchIndex index, const char* command, int64_t row, std::string_view text) {
    const IndexNames& names = namesOf(index);
    const std::string table = names.table;
    if (*command) {
        Statement statement =
            db.prepare("INSERT INTO " + table + "(" + table + ", rowid, " + names.column + ") VALUES(?3, ?1, ?2)");
        statement.bind(1, row).bind(2, text).bind(3, command).run();
    } else {
        Statement statement = db.prepare("INSERT INTO " + table + "(rowid, " + names.column + ") VALUES(?1, ?2)");
        statement.bind(1, row).bind(2, text).run();
    }
}

/// Whether it is the index that is wrong (its tables contradict each other, or are not there), not the disk or the
/// lock.
bool indexIsToBlame(const Error& error) {
    const int code = error.code() & 0xff;
    return code == SQLITE_CORRUPT || code == SQLITE_CONSTRAINT || code == SQLITE_ERROR;
}

/// Does `part` whole or not at all. False: the index is wrong. FTS5 writes when a savepoint ends, and that one is lost
/// when this fails: hence the inner one.
template <class F>
bool attempt(Database& db, F&& part) {
    db.execute("SAVEPOINT search_index");
    try {
        db.execute("SAVEPOINT search_change");
        part();
        db.execute("RELEASE search_change");
        db.execute("RELEASE search_index");
        return true;
    } catch (const Error& error) {
        if (!indexIsToBlame(error))
            throw;
    }
    db.execute("ROLLBACK TO search_index");
    db.execute("RELEASE search_index");
    return false;
}

/// A damaged index must never cost a message: it is built anew from the rows as they stand when the change is written.
/// Where even that fails, search is the poorer and the message is kept.
void change(Database& db, SearchIndex index, const char* command, int64_t row, std::string_view text) {
    if (!attempt(db, [&] { tell(db, index, command, row, text); }))
        attempt(db, [&] { rebuildIndex(db, index); });
}

} // namespace

std::vector<SearchHit> Search::searchMessages(std::string_view query, int limit) const {
    return search(
        db_,
        "SELECT m.conversation_id, m.id, c.title, m.text FROM message_index i "
        "CROSS JOIN messages m ON m.id = i.rowid CROSS JOIN conversations c ON c.id = m.conversation_id "
        "WHERE message_index MATCH ?1 AND c.deleted_at = 0 AND NOT EXISTS (SELECT 1 FROM message_trash t WHERE "
        "t.message_id = m.id) ORDER BY i.rowid DESC LIMIT ?2",
        query, limit);
}

std::vector<SearchHit> Search::searchTitles(std::string_view query, int limit) const {
    return search(db_,
                  "SELECT c.id, 0, c.title, c.title FROM title_index i CROSS JOIN conversations c ON c.id = i.rowid "
                  "WHERE title_index MATCH ?1 AND c.deleted_at = 0 ORDER BY c.activity DESC LIMIT ?2",
                  query, limit);
}

void rebuildIndex(Database& db, SearchIndex index) {
    const std::string table = namesOf(index).table;
    // FTS5 does not open an index whose first records are damaged, so they are made those of an empty one (as FTS5's
    // format has them: no averages, no levels). Writing to its tables is forbidden otherwise.
    sqlite3_db_config(db.handle(), SQLITE_DBCONFIG_DEFENSIVE, 0, nullptr);
    try {
        for (const char* part : {"_data", "_idx", "_docsize"})
            db.execute("DELETE FROM " + table + part);
        db.execute("INSERT INTO " + table + "_data(id, block) VALUES(1, x''), (10, x'00000000000000')");
        db.execute("INSERT INTO " + table + "(" + table + ") VALUES('rebuild')");
    } catch (...) {
        sqlite3_db_config(db.handle(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
        throw;
    }
    sqlite3_db_config(db.handle(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
}

void addToIndex(Database& db, SearchIndex index, int64_t row, std::string_view text) {
    change(db, index, "", row, text);
}

void removeFromIndex(Database& db, SearchIndex index, int64_t row, std::string_view text) {
    change(db, index, "delete", row, text);
}

} // namespace hearth::storage
