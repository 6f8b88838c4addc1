#pragma once

#include "engine/metadata.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::engine {

class Checkpoint;

using TokenId = int32_t;

/// A text with its provenance: bytes in `untrusted` ranges came from a user, a document or a tool, and can never form
/// a control token, not even together with trusted bytes beside them. Ranges are sorted and do not overlap.
struct TaggedText {
    struct Range {
        size_t begin = 0, end = 0; // bytes
    };

    std::string text;
    std::vector<Range> untrusted;
};

enum class TokenKind : uint8_t { Normal, Unknown, Control, UserDefined, Unused, Byte };

/// Text <-> token ids. Immutable after construction, so any thread may use it without a lock. Linear in its input.
class Tokenizer {
public:
    /// From a checkpoint's `tokenizer.ggml.*` keys. Throws Error that names the key.
    static std::unique_ptr<Tokenizer> fromMetadata(const Metadata&);
    /// From a `tokenizer.json`, or a Hugging Face folder that holds one (or a `tokenizer.model`). What lies beside it
    /// is read too: tokenizer_config.json, generation_config.json. Throws Error that names the file and the place.
    static std::unique_ptr<Tokenizer> fromFolder(const std::string& folderOrFile);
    /// Of either form of a model.
    static std::unique_ptr<Tokenizer> fromCheckpoint(const Checkpoint&);
    virtual ~Tokenizer() = default;

    /// Plain text: no control token is formed, nothing is added. User-defined tokens (runs of blanks, HTML tags) are
    /// ordinary words of the vocabulary and count, as they do in the reference implementations.
    std::vector<TokenId> encode(std::string_view text) const;
    /// `parseSpecial` semantics for the trusted parts only: control tokens, and user-defined ones that look like a tag
    /// (`<think>`), are recognised where all their bytes are trusted.
    std::vector<TokenId> encode(const TaggedText&) const;
    /// Text in which every special token text counts (`tokenize --special`).
    std::vector<TokenId> encodeSpecial(std::string_view text) const;

    /// Appends the bytes of a token; half a UTF-8 character is possible (see Utf8Stream). Control tokens give nothing
    /// unless `showControl`. An id out of range gives nothing.
    virtual void appendBytes(TokenId, std::string& out, bool showControl = false) const = 0;
    std::string decode(std::span<const TokenId>, bool showControl = false) const;

    virtual int size() const = 0; // number of tokens in the vocabulary
    virtual TokenKind kind(TokenId) const = 0;
    virtual std::string_view tokenText(TokenId) const = 0;      // as the file spells it
    virtual TokenId find(std::string_view tokenText) const = 0; // -1: none

    // -1: none
    TokenId bos() const { return bos_; }

    TokenId eos() const { return eos_; }

    bool addBos() const { return addBos_; }

    bool addEos() const { return addEos_; }

    /// eos, eot, eom and whatever else ends a turn: sorted, unique.
    const std::vector<TokenId>& stopIds() const { return stopIds_; }

protected:
    /// Who may form a tag-like user-defined token in untrusted bytes; control tokens never come from there.
    enum class Untrusted : uint8_t { TagsAreText, TagsCount };

    /// Appends the ids of `text`; `untrusted` lies sorted, without overlaps, inside the text.
    virtual void encodeInto(std::string_view text, std::span<const TaggedText::Range> untrusted, Untrusted,
                            std::vector<TokenId>& out) const = 0;

    /// How many blanks at the start of a decoded text were put there by encode(): 0 or 1.
    virtual int leadingBlanks() const { return 0; }

    /// How many blanks at the end of a decoded text stand for the end of its last word: 0 or 1.
    virtual int trailingBlanks() const { return 0; }

    /// A control token that is shown begins the text: the blank behind it is one of the text's own.
    virtual bool shownControlsBegin() const { return false; }

    TokenId bos_ = -1, eos_ = -1;
    bool addBos_ = false, addEos_ = false;
    std::vector<TokenId> stopIds_;
};

/// Joins the bytes of tokens into whole UTF-8 characters: bytes of an unfinished character are held back, invalid ones
/// become U+FFFD once, never drop later text.
class Utf8Stream {
public:
    std::string push(std::string_view bytes); // what became complete
    std::string finish();                     // the rest; an unfinished character becomes U+FFFD

private:
    std::string held_;
};

} // namespace hearth::engine
