#pragma once

#include "engine/tokenizer.h"

#include <cstdint>
#include <span>
#include <string_view>

namespace hearth::engine {

/// How a family writes thoughts and answer in one reply. Texts; empty: the family has no such mark.
struct ThoughtMarks {
    enum class Form : uint8_t {
        Tags,    // open thought close [answerOpen] answer [answerClose]
        Channels // messages, each with a header that says where it goes (kHarmony)
    };

    std::string_view family;            // for people
    std::string_view open, close;       // of a thought
    std::string_view header = {};       // stands behind `open` and belongs to it
    std::string_view answerOpen = {};   // around the answer, behind a thought
    std::string_view answerClose = {};  // ends an answer that was opened, and counts at the end of the reply only
    std::string_view tail = {};         // closes the turn, and is shown to nobody
    std::string_view templateSays = {}; // a text by which its templates are known; empty: `close`
    Form form = Form::Tags;
};

/// The marks that a model uses, known by its template, else by its vocabulary (null: not asked). Null: it does not
/// think. They live for ever.
const ThoughtMarks* findThoughtMarks(std::string_view templateSource, const Tokenizer*);

/// The whole table, for tests.
std::span<const ThoughtMarks> thoughtMarks();

/// The control tokens of gpt-oss's channel format.
struct HarmonyMarks {
    static constexpr std::string_view start = "<|start|>", channel = "<|channel|>", message = "<|message|>",
                                      end = "<|end|>", constrain = "<|constrain|>", call = "<|call|>",
                                      done = "<|return|>";
};

} // namespace hearth::engine
