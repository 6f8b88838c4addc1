#include "engine/tokenizer/pipeline_tokenizer.h"

#include <algorithm>

namespace hearth::engine {

void PipelineTokenizer::setParts(Parts parts) {
    parts_ = std::move(parts);
    stopIds_.insert(stopIds_.end(), parts_.stopIds.begin(), parts_.stopIds.end());
    std::sort(stopIds_.begin(), stopIds_.end());
    stopIds_.erase(std::unique(stopIds_.begin(), stopIds_.end()), stopIds_.end());
}

void PipelineTokenizer::setBos(TokenId id, bool added) {
    bos_ = id;
    addBos_ = added && id >= 0;
}

void PipelineTokenizer::setEos(TokenId id, bool added) {
    eos_ = id;
    addEos_ = added && id >= 0;
}

void PipelineTokenizer::fillBytes(Parts& parts, const std::function<void(TokenId, std::string&)>& decode) const {
    std::string one;
    for (TokenId id = 0; id < size(); id++) {
        one.clear();
        decode(id, one);
        parts.bytes.add(one);
    }
}

void PipelineTokenizer::appendBytes(TokenId id, std::string& out, bool showControl) const {
    if (!vocabulary_.contains(id))
        return;
    const TokenKind k = vocabulary_.kind(id);
    if (showControl || (k != TokenKind::Control && k != TokenKind::Unknown))
        out.append(parts_.bytes.text(id));
}

void PipelineTokenizer::encodeFragment(const Fragment& f, EncodeScratch& scratch, std::vector<TokenId>& out) const {
    Fragment inner = f;
    TaggedText::Range all{0, 0};
    if (!parts_.normalizer.empty()) {
        const std::string_view text = parts_.normalizer.run(f.text(), f.opens, scratch.normalized);
        if (text.data() != f.text().data()) {
            // Places are others now: the provenance of the whole fragment counts for each of its bytes.
            all.end = text.size();
            const bool anyUntrusted = std::any_of(f.untrusted.begin(), f.untrusted.end(),
                                                  [&](const auto& r) { return r.begin < f.end && r.end > f.begin; });
            inner = {.whole = text, .end = text.size(), .opens = f.opens, .first = f.begin == 0, .tags = f.tags};
            if (anyUntrusted)
                inner.untrusted = {&all, 1};
        }
    }
    if (parts_.normalized.empty()) {
        encodeText(inner, scratch, out);
        return;
    }
    cut(
        inner, parts_.normalized, [&](const Fragment& part) { encodeText(part, scratch, out); },
        [&](TokenId id) { out.push_back(id); });
}

void PipelineTokenizer::encodeText(const Fragment& f, EncodeScratch& scratch, std::vector<TokenId>& out) const {
    const WordModel& model = *parts_.model;
    const auto onWord = [&](std::string_view word) {
        while (!word.empty()) {
            const std::string_view part = word.substr(0, model.partEnd(word));
            word.remove_prefix(part.size());
            if (scratch.cache.reuse(part, out))
                continue;
            model.encode(part, scratch.model, out);
            scratch.cache.done(out);
        }
    };
    parts_.preTokenizer.run(f.text(), f.first && f.begin == 0, scratch.words, onWord);
}

} // namespace hearth::engine
