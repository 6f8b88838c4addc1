#include "engine/tokenizer.h"

#include "engine/checkpoint.h"
#include "engine/error.h"
#include "engine/tokenizer/tokenizer_json.h"
#include "engine/tokenizer/vocabulary_tokenizer.h"
#include "engine/unicode.h"

#include <algorithm>

namespace hearth::engine {

namespace {

struct TokenizerKind {
    std::string_view model; // tokenizer.ggml.model
    std::unique_ptr<Tokenizer> (*make)(const Metadata&);
};

constexpr TokenizerKind kTokenizerKinds[] = {
    {"gpt2", makeByteBpe}, {"gemma4", makeByteBpe}, {"llama", makeSentencePieceBpe},
    {"t5", makeUnigram},   {"bert", makeWordPiece},
};

/// Sorted, without overlaps, inside the text: whoever made the ranges.
std::vector<TaggedText::Range> tidy(std::vector<TaggedText::Range> ranges, size_t size) {
    std::erase_if(ranges, [&](const TaggedText::Range& r) { return r.begin >= r.end || r.begin >= size; });
    std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
    std::vector<TaggedText::Range> out;
    for (const TaggedText::Range& r : ranges) {
        const size_t end = std::min(r.end, size);
        if (!out.empty() && r.begin <= out.back().end)
            out.back().end = std::max(out.back().end, end);
        else
            out.push_back({r.begin, end});
    }
    return out;
}

/// A GGUF made of a folder may hold its tokenizer.json, and what stood beside it as keys.
std::unique_ptr<Tokenizer> tokenizerInside(const Metadata& m) {
    TokenizerSettings settings;
    settings.config = {{"add_bos_token", m.boolean("tokenizer.ggml.add_bos_token", false)}};
    for (const char* name : {"bos_token", "eos_token"})
        if (const std::string text = m.text(std::string("tokenizer.") + name, ""); !text.empty())
            settings.config[name] = text;
    std::vector<int64_t> stops = m.integers("tokenizer.ggml.eos_token_ids");
    if (stops.empty())
        stops = m.integers("tokenizer.ggml.eos_token_id");
    settings.generation = {{"eos_token_id", stops}};
    return tokenizerFromJson(m.text("tokenizer.huggingface.json", ""), settings, "tokenizer.huggingface.json");
}

} // namespace

std::unique_ptr<Tokenizer> Tokenizer::fromMetadata(const Metadata& m) {
    const std::string model = m.text("tokenizer.ggml.model", "");
    for (const TokenizerKind& kind : kTokenizerKinds)
        if (kind.model == model)
            return kind.make(m);
    if (model.empty() && m.contains("tokenizer.huggingface.json"))
        return tokenizerInside(m);
    if (model.empty())
        throw Error("The file has no tokenizer: tokenizer.ggml.model is missing.");
    throw Error("The model needs a tokenizer that this version does not know: tokenizer.ggml.model is \"" +
                printable(model) + "\".");
}

std::unique_ptr<Tokenizer> Tokenizer::fromCheckpoint(const Checkpoint& checkpoint) {
    if (checkpoint.folder().empty())
        return fromMetadata(checkpoint.metadata());
    std::unique_ptr<Tokenizer> tokenizer = fromFolder(checkpoint.folder());
    // config.json names ends too, and is all there is where generation_config.json is absent.
    std::vector<TokenId>& stops = tokenizer->stopIds_;
    for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eos_token_ids"})
        for (const int64_t id : checkpoint.metadata().integers(key))
            if (id >= 0 && id < tokenizer->size())
                stops.push_back(static_cast<TokenId>(id));
    std::sort(stops.begin(), stops.end());
    stops.erase(std::unique(stops.begin(), stops.end()), stops.end());
    return tokenizer;
}

std::vector<TokenId> Tokenizer::encode(std::string_view text) const {
    const TaggedText::Range all{0, text.size()};
    std::vector<TokenId> ids;
    encodeInto(text, {&all, 1}, Untrusted::TagsCount, ids);
    return ids;
}

std::vector<TokenId> Tokenizer::encode(const TaggedText& tagged) const {
    std::vector<TokenId> ids;
    encodeInto(tagged.text, tidy(tagged.untrusted, tagged.text.size()), Untrusted::TagsAreText, ids);
    return ids;
}

std::vector<TokenId> Tokenizer::encodeSpecial(std::string_view text) const {
    std::vector<TokenId> ids;
    encodeInto(text, {}, Untrusted::TagsCount, ids);
    return ids;
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool showControl) const {
    std::string out;
    bool begun = false; // something but control tokens was seen
    for (const TokenId id : ids) {
        const size_t before = out.size();
        appendBytes(id, out, showControl);
        if (begun || (kind(id) == TokenKind::Control && !(showControl && shownControlsBegin())))
            continue;
        begun = true;
        if (leadingBlanks() > 0 && out.size() > before && out[before] == ' ')
            out.erase(before, 1);
    }
    if (trailingBlanks() > 0 && out.ends_with(' '))
        out.pop_back();
    return out;
}

std::string Utf8Stream::push(std::string_view bytes) {
    held_.append(bytes);
    std::string out;
    size_t at = 0;
    while (at < held_.size()) {
        const std::string_view rest = std::string_view(held_).substr(at);
        const CodePoint c = decodeUtf8(rest);
        if (c.valid) {
            out.append(rest.substr(0, c.length));
            at += c.length;
            continue;
        }
        // The longest beginning of a character: wait for more if the text ends within it, replace it once if not.
        const auto lead = static_cast<unsigned char>(rest[0]);
        const size_t wanted = lead >= 0xF0 && lead <= 0xF4  ? 4
                              : lead >= 0xE0 && lead < 0xF0 ? 3
                              : lead >= 0xC2 && lead < 0xE0 ? 2
                                                            : 1;
        size_t have = 1;
        while (have < wanted && have < rest.size() && isUtf8Continuation(rest[have]))
            have++;
        const auto second = have > 1 ? static_cast<unsigned char>(rest[1]) : 0;
        const bool hopeless = have > 1 && ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
                                           (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F));
        if (have == rest.size() && have < wanted && !hopeless)
            break;
        appendUtf8(out, 0xFFFD);
        at += hopeless ? 1 : have;
    }
    held_.erase(0, at);
    return out;
}

std::string Utf8Stream::finish() {
    std::string out;
    if (!held_.empty())
        appendUtf8(out, 0xFFFD);
    held_.clear();
    return out;
}

} // namespace hearth::engine
