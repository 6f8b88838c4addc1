#pragma once

#include "engine/metadata.h"
#include "engine/tokenizer.h"

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::engine {

/// A way to write turns that many models share, and a template of ours for it: for files that bring none.
struct ChatFamily {
    std::string_view name;
    std::array<std::string_view, 3> marks; // control tokens that make it known; all that are not empty
    std::string_view modelSays = {}; // without marks: a part of the model's name or its architecture, small letters
    std::string_view source;
};

/// The whole table, for tests. The last row is the plain form, which every model can go on with.
std::span<const ChatFamily> chatFamilies();

/// The family of a file, by its vocabulary, else by its name; the plain form when nothing is known.
const ChatFamily& chatFamilyOf(const Metadata&, const Tokenizer* = nullptr);
/// The family that a template's source speaks of; null: none of them.
const ChatFamily* chatFamilyOfTemplate(std::string_view source);

/// The published template with this source, blanks aside; empty: none that we know.
std::string_view publishedTemplate(std::string_view source);

/// What a person should know of a file's template, a sentence each: that it is no known one of its family, that it
/// drops or changes what is said, brings in a web address, or acts upon words in a message. Facts, never a reason not
/// to run. Mostly empty. Takes 0.8 s at most.
std::vector<std::string> inspectTemplate(const Metadata&);

} // namespace hearth::engine
