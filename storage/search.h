#pragma once

#include "storage/ids.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hearth::storage {

class Database;

/// One found message, or (message: none) one found title.
struct SearchHit {
    ConversationId conversation;
    MessageId message;
    std::string title;
    std::string snippet;                      // the words around the first place found
    std::vector<std::pair<int, int>> matches; // byte ranges in the snippet, half open
};

/// Full text over finished messages and titles. All words of a query must occur; the last one may be only begun;
/// Chinese is found from one character on. The trash is not searched. Storage thread, or a reader's own. Throws Error.
class Search {
public:
    explicit Search(Database& db) : db_(db) {}

    std::vector<SearchHit> searchMessages(std::string_view query, int limit) const; // newest first
    std::vector<SearchHit> searchTitles(std::string_view query, int limit) const;   // newest first

private:
    Database& db_;
};

enum class SearchIndex { Messages, Titles };

/// The tables' own duty, inside the transaction that changes the row: each row's text is in its index, as it stands in
/// the row (a reply that grows is there with what it had before). An index that is found damaged is built anew.
void addToIndex(Database&, SearchIndex, int64_t row, std::string_view text);
void removeFromIndex(Database&, SearchIndex, int64_t row, std::string_view text);
void rebuildIndex(Database&, SearchIndex);

} // namespace hearth::storage
