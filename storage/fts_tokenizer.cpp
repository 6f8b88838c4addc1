#include "storage/fts_tokenizer.h"

#include "storage/error.h"

#include <sqlite3.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

#include <string>

namespace hearth::storage {

namespace {

constexpr int kLongestWord = 64; // code points; the rest of a longer one (a hash, a picture in base64) is not indexed

enum class Kind {
    Separator,
    Word,     // letters, digits and their marks
    Unspaced, // a character of a script that does not separate its words
    Symbol,   // stands alone: emoji
    Ignored,  // joiners and selectors: neither part nor end of a word
};

bool isUnspaced(UChar32 c) {
    UErrorCode status = U_ZERO_ERROR;
    switch (uscript_getScript(c, &status)) {
    case USCRIPT_HAN:
    case USCRIPT_HIRAGANA:
    case USCRIPT_KATAKANA:
    case USCRIPT_HANGUL:
    case USCRIPT_BOPOMOFO:
        return u_isalnum(c) || u_charType(c) == U_MODIFIER_LETTER;
    default:
        break;
    }
    if (c == 0x30FC || c == 0xFF70) // the mark that lengthens a vowel belongs to two scripts
        return true;
    return u_getIntPropertyValue(c, UCHAR_LINE_BREAK) == U_LB_COMPLEX_CONTEXT; // Thai, Lao, Khmer, Burmese
}

Kind kindOf(UChar32 c) {
    if (c < 0x80) {
        const bool word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        return word ? Kind::Word : Kind::Separator;
    }
    if (u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT))
        return Kind::Ignored;
    if (isUnspaced(c))
        return Kind::Unspaced;
    if (u_isalnum(c) || (U_GET_GC_MASK(c) & U_GC_M_MASK))
        return Kind::Word;
    return u_charType(c) == U_OTHER_SYMBOL ? Kind::Symbol : Kind::Separator;
}

/// NFKC with case folded, accents taken off. `out` is appended to. What ICU cannot fold stays as it is.
void fold(const icu::UnicodeString& word, std::string& out) {
    UErrorCode status = U_ZERO_ERROR;
    static const icu::Normalizer2* const folding = icu::Normalizer2::getNFKCCasefoldInstance(status);
    static const icu::Normalizer2* const decomposing = icu::Normalizer2::getNFDInstance(status);
    static const icu::Normalizer2* const composing = icu::Normalizer2::getNFCInstance(status);
    if (U_FAILURE(status) || !folding || !decomposing || !composing) {
        word.toUTF8String(out);
        return;
    }
    const icu::UnicodeString parts = decomposing->normalize(folding->normalize(word, status), status);
    icu::UnicodeString plain;
    for (int32_t i = 0; i < parts.length(); i = parts.moveIndex32(i, 1))
        if (u_charType(parts.char32At(i)) != U_NON_SPACING_MARK)
            plain.append(parts.char32At(i));
    // A character that is nothing but a mark is kept, or it would become an empty token.
    const icu::UnicodeString& kept = plain.isEmpty() ? parts : plain;
    composing->normalize(kept, status).toUTF8String(out);
}

/// Walks through a text once and hands out tokens.
class Cutter {
public:
    Cutter(std::string_view text, TokenPurpose purpose, TokenSink sink, void* context)
        : text_(text), query_(purpose == TokenPurpose::Query), sink_(sink), context_(context) {}

    void run() {
        const auto* bytes = reinterpret_cast<const uint8_t*>(text_.data());
        const auto size = static_cast<int32_t>(text_.size());
        for (int32_t at = 0; at < size && going_;) {
            const int32_t start = at;
            UChar32 c = 0;
            U8_NEXT(bytes, at, size, c);
            take(c, c < 0 ? Kind::Separator : kindOf(c), start, at);
        }
        endWord();
        endRun();
    }

private:
    void take(UChar32 c, Kind kind, int start, int end) {
        if (kind == Kind::Ignored)
            return;
        if (kind != Kind::Word)
            endWord();
        if (kind != Kind::Unspaced)
            endRun();
        if (kind == Kind::Word)
            addToWord(c, start, end);
        else if (kind == Kind::Unspaced)
            addToRun(c, start, end);
        else if (kind == Kind::Symbol)
            emit(std::string_view(text_).substr(start, end - start), start, end, false);
    }

    void addToWord(UChar32 c, int start, int end) {
        if (wordLength_ == 0)
            wordStart_ = start;
        wordEnd_ = end;
        if (wordLength_++ >= kLongestWord)
            return;
        if (c < 0x80) {
            const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : static_cast<char>(c);
            ascii_ += lower;
        } else {
            wordIsAscii_ = false;
        }
        word_.append(c);
    }

    void endWord() {
        if (wordLength_ == 0)
            return;
        folded_.clear();
        if (wordIsAscii_)
            folded_ = ascii_;
        else
            fold(word_, folded_);
        emit(folded_, wordStart_, wordEnd_, false);
        word_.remove();
        ascii_.clear();
        wordLength_ = 0;
        wordIsAscii_ = true;
    }

    // A character is handed out when the next one is known, because the pair stands at its place.
    void addToRun(UChar32 c, int start, int end) {
        std::string current;
        if ((c >= 0xF900 && c <= 0xFAFF) || c >= 0xFF00)
            fold(icu::UnicodeString(c), current); // compatibility forms: half-width kana and the like
        else
            current.assign(text_.substr(start, end - start));
        if (runLength_ > 0) {
            if (!query_)
                emit(last_, lastStart_, lastEnd_, false);
            emit(last_ + current, lastStart_, end, !query_);
        }
        last_ = std::move(current);
        lastStart_ = start;
        lastEnd_ = end;
        ++runLength_;
    }

    void endRun() {
        if (runLength_ > 0 && !(query_ && runLength_ > 1))
            emit(last_, lastStart_, lastEnd_, false);
        runLength_ = 0;
    }

    void emit(std::string_view token, int start, int end, bool samePlace) {
        if (going_ && !token.empty())
            going_ = sink_(context_, Token{token, start, end, samePlace});
    }

    std::string_view text_;
    bool query_;
    TokenSink sink_;
    void* context_;
    bool going_ = true;

    icu::UnicodeString word_;
    std::string ascii_; // the word while it has nothing but ASCII: no need to ask ICU
    std::string folded_;
    bool wordIsAscii_ = true;
    int wordLength_ = 0; // code points
    int wordStart_ = 0;
    int wordEnd_ = 0;

    std::string last_; // last character of a run, folded
    int lastStart_ = 0;
    int lastEnd_ = 0;
    int runLength_ = 0;
};

using TokenCallback = int (*)(void*, int, const char*, int, int, int);

struct FtsCall {
    void* context;
    TokenCallback callback;
    int code = SQLITE_OK;
};

bool handToFts(void* context, const Token& token) {
    auto& call = *static_cast<FtsCall*>(context);
    call.code = call.callback(call.context, token.samePlace ? FTS5_TOKEN_COLOCATED : 0, token.text.data(),
                              static_cast<int>(token.text.size()), token.start, token.end);
    return call.code == SQLITE_OK;
}

int createTokenizer(void*, const char**, int, Fts5Tokenizer** out) {
    static int stateless;
    *out = reinterpret_cast<Fts5Tokenizer*>(&stateless);
    return SQLITE_OK;
}

int tokenize(Fts5Tokenizer*, void* context, int flags, const char* text, int size, TokenCallback callback) {
    FtsCall call{context, callback};
    const TokenPurpose purpose = flags & FTS5_TOKENIZE_QUERY ? TokenPurpose::Query : TokenPurpose::Document;
    try {
        if (text && size > 0)
            cutIntoTokens({text, static_cast<size_t>(size)}, purpose, handToFts, &call);
    } catch (const std::bad_alloc&) {
        return SQLITE_NOMEM; // no exception may pass through SQLite
    }
    return call.code;
}

fts5_api* ftsOf(sqlite3* db) {
    fts5_api* api = nullptr;
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(db, "SELECT fts5(?1)", -1, &statement, nullptr) == SQLITE_OK) {
        sqlite3_bind_pointer(statement, 1, static_cast<void*>(&api), "fts5_api_ptr", nullptr);
        sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
    return api;
}

} // namespace

void cutIntoTokens(std::string_view text, TokenPurpose purpose, TokenSink sink, void* context) {
    Cutter(text, purpose, sink, context).run();
}

void registerTokenizer(sqlite3* db) {
    static fts5_tokenizer functions{createTokenizer, [](Fts5Tokenizer*) {}, tokenize};
    fts5_api* fts = ftsOf(db);
    if (!fts)
        throw Error("The SQLite library of this system has no full-text search (FTS5). Install the distribution's "
                    "libsqlite3.");
    const int code = fts->xCreateTokenizer(fts, "hearth", nullptr, &functions, nullptr);
    if (code != SQLITE_OK)
        fail(db, code);
}

} // namespace hearth::storage
