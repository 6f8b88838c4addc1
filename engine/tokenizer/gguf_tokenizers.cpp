// Tokenizers from the `tokenizer.ggml.*` keys of a GGUF file.

#include "engine/error.h"
#include "engine/tokenizer/pipeline_tokenizer.h"

namespace hearth::engine {

namespace {

const NamedPreTokenizer& preTokenizerOf(const Metadata& m) {
    const std::string model = m.text("tokenizer.ggml.model", "");
    const std::string name = m.text("tokenizer.ggml.pre", model == "gemma4" ? "gemma4" : "default");
    const NamedPreTokenizer* p = findPreTokenizer(name);
    if (!p)
        throw Error("The model cuts text by a rule that this version does not know: tokenizer.ggml.pre is \"" +
                    printable(name) + "\".");
    return *p;
}

MergeRules mergesOf(const Metadata& m) {
    const std::vector<std::string>* merges = m.texts("tokenizer.ggml.merges");
    if (!merges)
        throw Error("The file has no merge rules: tokenizer.ggml.merges is missing.");
    MergeRules rules;
    for (const std::string& rule : *merges) {
        const size_t blank = std::min(rule.find(' ', 1), rule.size());
        const std::string_view text = rule;
        rules.add(text.substr(0, blank), text.substr(std::min(blank + 1, rule.size())));
    }
    return rules;
}

void appendWithBlanks(std::string_view text, std::string& out) {
    for (size_t at = 0; at < text.size();) {
        const size_t blank = std::min(text.find(kBlank, at), text.size());
        out.append(text.substr(at, blank - at));
        if (blank < text.size())
            out += ' ';
        at = blank + kBlank.size();
    }
}

/// What a token spelled as text gives: its byte, or its text with blanks.
void appendSpelled(const Vocabulary& v, TokenId id, std::string& out) {
    const int byte = byteOfToken(v.text(id));
    if (v.kind(id) == TokenKind::Byte && byte >= 0)
        out += static_cast<char>(byte);
    else if (v.kind(id) == TokenKind::Control || v.kind(id) == TokenKind::Unknown)
        out.append(v.text(id));
    else
        appendWithBlanks(v.text(id), out);
}

using Parts = PipelineTokenizer::Parts;

std::unique_ptr<Tokenizer> finish(std::unique_ptr<PipelineTokenizer> t, Parts parts) {
    parts.raw = t->ownSpecials();
    parts.mixed = parts.raw;
    t->setParts(std::move(parts));
    return t;
}

std::string charsMapOf(const Metadata& m) {
    std::string blob;
    for (const int64_t byte : m.integers("tokenizer.ggml.precompiled_charsmap"))
        blob += static_cast<char>(byte);
    return blob;
}

} // namespace

std::unique_ptr<Tokenizer> makeByteBpe(const Metadata& m) {
    const NamedPreTokenizer& pre = preTokenizerOf(m);
    auto t = std::make_unique<PipelineTokenizer>(m, pre.addBos);
    const Vocabulary& v = t->vocabulary();
    Parts parts;
    const SplitBehavior behavior = pre.onlyMatches ? SplitBehavior::Removed : SplitBehavior::Isolated;
    if (pre.raw && !pre.onlyMatches)
        parts.normalizer.addReplace(" ", false, std::string(kBlank));
    for (const std::string_view pattern : pre.patterns)
        parts.preTokenizer.addSplit(pattern, behavior, pre.onlyMatches);
    parts.model = makeBpeModel(
        v, mergesOf(m),
        {.byteAlphabet = !pre.raw, .ignoreMerges = pre.ignoreMerges, .byteFallback = pre.raw, .fuseUnknown = true});
    t->fillBytes(parts, [&](TokenId id, std::string& out) {
        if (pre.raw)
            appendSpelled(v, id, out);
        else if (const int byte = byteOfToken(v.text(id)); byte >= 0 && v.kind(id) == TokenKind::Byte)
            out += static_cast<char>(byte);
        else if (v.kind(id) == TokenKind::Normal)
            appendTokenBytes(v.text(id), false, out);
        else
            out = v.text(id);
    });
    return finish(std::move(t), std::move(parts));
}

/// SentencePiece's unigram model (T5, XLM-RoBERTa): its normalizer, then U+2581 for blanks.
std::unique_ptr<Tokenizer> makeUnigram(const Metadata& m) {
    auto t = std::make_unique<PipelineTokenizer>(m, false);
    const Vocabulary& v = t->vocabulary();
    Parts parts;
    const Normalizer::Blanks blanks{.removeExtra = m.boolean("tokenizer.ggml.remove_extra_whitespaces", false),
                                    .atFront = m.boolean("tokenizer.ggml.add_space_prefix", true),
                                    .asSuffix = m.boolean("tokenizer.ggml.treat_whitespace_as_suffix", false)};
    if (const std::string blob = charsMapOf(m); !blob.empty())
        parts.normalizer.addCharsMap(blob, false);
    parts.normalizer.addBlanks(blanks);
    parts.normalizer.addReplace(" ", false, std::string(kBlank));
    parts.leadingBlanks = blanks.atFront && !blanks.asSuffix;
    bool bytes = false;
    for (TokenId id = 0; id < v.size(); id++)
        bytes |= v.kind(id) == TokenKind::Byte;
    parts.model = makeUnigramModel(v, {.scores = m.numbers("tokenizer.ggml.scores"), .byteFallback = bytes});
    t->fillBytes(parts, [&](TokenId id, std::string& out) { appendSpelled(v, id, out); });
    return finish(std::move(t), std::move(parts));
}

/// BERT's (Devlin et al. 2019). Converters write a first piece as U+2581 and its text, a further one without "##".
std::unique_ptr<Tokenizer> makeWordPiece(const Metadata& m) {
    auto t = std::make_unique<PipelineTokenizer>(m, true);
    const Vocabulary& v = t->vocabulary();
    bool marked = false; // U+2581 at first pieces
    for (TokenId id = 0; id < v.size() && !marked; id++)
        marked = v.text(id).size() > kBlank.size() && v.text(id).starts_with(kBlank);
    Parts parts;
    const bool lowercase = m.boolean("tokenizer.ggml.normalizer.lowercase", true);
    parts.normalizer.addBert(
        {.stripAccents = m.boolean("tokenizer.ggml.normalizer.strip_accents", lowercase), .lowercase = lowercase});
    addBertWords(parts.preTokenizer);
    parts.model = makeWordPieceModel(v, marked ? WordPieceOptions{.first = std::string(kBlank), .continuing = ""}
                                               : WordPieceOptions{});
    parts.leadingBlanks = 1;
    t->fillBytes(parts, [&](TokenId id, std::string& out) {
        const std::string_view text = v.text(id);
        const bool control = v.kind(id) == TokenKind::Control || v.kind(id) == TokenKind::Unknown;
        if (marked || control)
            appendSpelled(v, id, out);
        else
            out.append(text.starts_with("##") ? text.substr(2) : " " + std::string(text));
    });
    return finish(std::move(t), std::move(parts));
}

} // namespace hearth::engine
