#pragma once

#include "engine/error.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

// A sentence that lupdate finds, in files that know no Qt.
#ifndef QT_TRANSLATE_NOOP
#define QT_TRANSLATE_NOOP(context, sentence) sentence
#endif

namespace hearth::app {

/// What a person is told: a sentence of the context "Models" with %1, %2 ... and what stands there. hearth-cli says it
/// in English, the window in its language.
struct Words {
    const char* sentence = ""; // a literal
    std::vector<std::string> values;

    bool empty() const { return *sentence == '\0'; }

    std::string english() const { return filled(sentence); }

    /// The values in another language's sentence.
    std::string filled(std::string_view translated) const;
};

/// Carries its words to where the language is known.
class ModelError : public engine::Error {
public:
    explicit ModelError(Words words) : engine::Error(words.english()), words_(std::move(words)) {}

    const Words& words() const { return words_; }

private:
    Words words_;
};

} // namespace hearth::app
