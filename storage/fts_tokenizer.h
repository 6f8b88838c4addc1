#pragma once

#include <string_view>

struct sqlite3;

namespace hearth::storage {

/// Cuts text for the search index. Chinese, Japanese and Korean (and other scripts written without spaces) give single
/// characters and, at the same place, pairs of neighbours; words give their folded form: NFKC, no case, no accents. A
/// query takes the pairs only, so that two characters side by side are one look-up.
enum class TokenPurpose { Document, Query };

struct Token {
    std::string_view text; // folded; valid during the call
    int start = 0;         // bytes into the text, half open
    int end = 0;
    bool samePlace = false; // it stands where the token before it stands
};

/// Returns false to stop.
using TokenSink = bool (*)(void* context, const Token&);

/// Text that is not UTF-8 separates. Any thread.
void cutIntoTokens(std::string_view text, TokenPurpose, TokenSink, void* context);

/// Makes the tokenizer `hearth` known to one connection. Throws Error.
void registerTokenizer(sqlite3*);

} // namespace hearth::storage
