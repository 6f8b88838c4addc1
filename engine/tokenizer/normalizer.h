#pragma once

#include "engine/tokenizer/regex.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::engine {

/// SentencePiece's compiled table of replacements (`precompiled_charsmap`): a double-array trie of byte sequences, then
/// the replacements, each ended by a NUL. Every index is checked: the table comes from a file.
class CharsMap {
public:
    /// Throws Error when the blob cannot be one. Empty: no replacement.
    explicit CharsMap(std::string_view blob);

    struct Hit {
        size_t length = 0; // bytes of the text; 0: no entry begins here
        std::string_view replacement;
    };

    Hit find(std::string_view text, bool longest) const;

private:
    uint32_t unit(size_t index) const { return index < units_.size() ? units_[index] : 0; }

    std::vector<uint32_t> units_;
    std::string replacements_;
};

/// What a tokenizer does to a text before it cuts it into words: steps one after the other. Bytes that are not UTF-8
/// stay as they are. Immutable; any thread.
class Normalizer {
public:
    enum class Form : uint8_t { Nfc, Nfd, Nfkc, Nfkd };

    struct Bert {
        bool cleanText = true, spaceHan = true, stripAccents = true, lowercase = true;
    };

    /// How sentencepiece treats blanks (U+0020 here; U+2581 once `escape` has been done).
    struct Blanks {
        bool removeExtra = false; // at both ends, and of several only one stays
        bool atFront = false;     // one is put before the text
        bool asSuffix = false;    // ... behind it instead
    };

    void addForm(Form);
    void addLowercase();
    void addStripAccents();
    void addStrip(bool left, bool right);
    void addNmt();
    void addBert(Bert);
    void addPrepend(std::string);
    void addReplace(std::string_view pattern, bool isRegex, std::string content);
    /// `graphemes`: as the `tokenizers` library uses the table, by grapheme, shortest entry first; otherwise as
    /// sentencepiece does, longest entry first.
    void addCharsMap(std::string_view blob, bool graphemes);
    void addBlanks(Blanks);

    bool empty() const { return steps_.empty(); }

    /// The text itself where nothing changes, else what was written to `out`. `first`: it begins the input or follows
    /// a control token. `frontLost`: what the text began with was dropped.
    std::string_view run(std::string_view text, bool first, std::string& out, bool* frontLost = nullptr) const;

    /// One step: `text` to the end of `out`, which is empty. One that may multiply the text stops soon after `most`
    /// bytes; then all of its work is dropped.
    struct Step {
        virtual ~Step() = default;

        virtual bool changesNothing(std::string_view) const { return false; }

        virtual bool dropsFront(std::string_view) const { return false; }

        virtual void run(std::string_view text, bool first, std::string& out, size_t most) const = 0;
    };

private:
    void add(std::shared_ptr<const Step>);

    std::vector<std::shared_ptr<const Step>> steps_;
};

} // namespace hearth::engine
