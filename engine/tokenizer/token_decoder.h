#pragma once

#include "engine/tokenizer/regex.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::engine {

/// What a tokenizer.json's decoder makes of one token that is not the first. Steps that look at the whole text are
/// kept as what they do to its beginning: leadingBlanks().
class TokenDecoder {
public:
    void addByteLevel();
    void addByteFallback();

    void addFuse() { fused_ = true; } // from here on, steps see the whole text

    void addMetaspace(std::string blank, bool blankAtFront);
    void addReplace(std::string_view pattern, bool isRegex, std::string content);
    void addStrip(std::string content, size_t start, size_t stop);
    void addWordPiece(std::string prefix, bool cleanup);
    void addJoin(); // no decoder: tokens with a blank between them

    std::string bytes(std::string_view token) const;

    int leadingBlanks() const { return leadingBlanks_; } // 0 or 1

private:
    std::vector<std::function<std::string(std::string)>> steps_;
    bool fused_ = false;
    int leadingBlanks_ = 0;
};

} // namespace hearth::engine
