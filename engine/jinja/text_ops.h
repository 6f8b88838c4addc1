#pragma once

#include "engine/tokenizer.h"

#include <optional>
#include <string_view>
#include <vector>

namespace hearth::engine::jinja {

// Operations on texts that keep the provenance of every byte. What the operation itself adds (a separator's own bytes
// aside) is trusted: it comes from the template or from us.

void append(TaggedText& out, std::string_view trusted);
void append(TaggedText& out, std::string_view bytes, bool untrusted);
void append(TaggedText& out, const TaggedText& in);
void append(TaggedText& out, const TaggedText& in, size_t begin, size_t end); // bytes

bool untrustedAt(const TaggedText&, size_t byte);
TaggedText slice(const TaggedText&, size_t begin, size_t end);
TaggedText trusted(std::string_view);

size_t characterCount(const TaggedText&);
/// Where each character begins, and the end of the text: count + 1 entries.
std::vector<size_t> characterStarts(std::string_view);

enum class Side { Both, Left, Right };
/// Python's strip; without `chars`, blanks.
TaggedText strip(const TaggedText&, Side, std::optional<std::string_view> chars = {});
/// Python's split. An empty separator means runs of blanks. most < 0: no limit.
std::vector<TaggedText> split(const TaggedText&, std::string_view separator, int64_t most = -1);
std::vector<TaggedText> splitFromRight(const TaggedText&, std::string_view separator, int64_t most);
std::vector<TaggedText> splitLines(const TaggedText&, bool keepEnds);
TaggedText replace(const TaggedText&, const TaggedText& from, const TaggedText& to, int64_t most = -1);

enum class Case { Upper, Lower, Title, Capitalize, Swap, Fold };
TaggedText mapCase(const TaggedText&, Case);
TaggedText reversed(const TaggedText&);
/// The filter `title`: words begin behind blanks, hyphens and opening brackets only.
TaggedText titleWords(const TaggedText&);
TaggedText escapeHtml(const TaggedText&);

bool isBlank(char32_t);     // Python's str.isspace
bool isPrintable(char32_t); // Python's str.isprintable

} // namespace hearth::engine::jinja
