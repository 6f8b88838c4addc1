// tokenizer.json of Hugging Face's `tokenizers`: each part's name and meaning is that library's.

#include "engine/tokenizer/tokenizer_json.h"

#include "engine/error.h"
#include "engine/tokenizer/json_file.h"
#include "engine/tokenizer/pipeline_tokenizer.h"
#include "engine/tokenizer/token_decoder.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <unordered_map>
#include <unordered_set>

namespace hearth::engine {

namespace {

using nlohmann::json;

constexpr uint64_t kLargestFile = 512u << 20; // bytes
constexpr int64_t kMostTokens = 1 << 24;
constexpr int64_t kMostHoles = 1 << 16; // ids that no token has

struct AddedToken {
    std::string content;
    TokenId id = -1;
    bool special = false, normalized = false;
    SpecialRule rule;
};

std::string textOf(const json& j, const char* key) {
    const auto found = j.is_object() ? j.find(key) : j.end();
    return j.is_object() && found != j.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool flagOf(const json& j, const char* key, bool fallback) {
    const auto found = j.is_object() ? j.find(key) : j.end();
    return j.is_object() && found != j.end() && found->is_boolean() ? found->get<bool>() : fallback;
}

const json& partOf(const json& j, const char* key) {
    static const json none;
    const auto found = j.is_object() ? j.find(key) : j.end();
    return j.is_object() && found != j.end() ? *found : none;
}

/// A token of tokenizer_config.json: its text, or an object with it.
std::string tokenText(const json& config, const char* key) {
    const json& token = partOf(config, key);
    return token.is_string() ? token.get<std::string>() : textOf(token, "content");
}

class JsonReader {
public:
    JsonReader(TokenizerFile file, const TokenizerSettings& settings, const std::string& name)
        : file_(std::move(file)), settings_(settings), name_(name), model_(partOf(file_.rest, "model")) {}

    std::unique_ptr<Tokenizer> build() {
        if (!file_.rest.is_object() || !model_.is_object())
            fail("no model");
        readVocabulary();
        readAddedTokens();
        tokenizer_ = std::make_unique<PipelineTokenizer>(metadata(), false, true);
        readNormalizer(partOf(file_.rest, "normalizer"));
        const json& pre = partOf(file_.rest, "pre_tokenizer");
        readPreTokenizer(pre, true);
        parts_.model = makeModel();
        readSpecials();
        readDecoder();
        readEnds();
        tokenizer_->setParts(std::move(parts_));
        return std::move(tokenizer_);
    }

private:
    [[noreturn]] void fail(const std::string& what) const { throw Error("The file " + name_ + " has " + what + "."); }

    // --- vocabulary

    std::string modelType() const {
        if (const std::string type = textOf(model_, "type"); !type.empty())
            return type;
        return !file_.pieces.empty() ? "Unigram" : !file_.merges.empty() ? "BPE" : "WordPiece"; // old files
    }

    void readVocabulary() {
        int64_t most = static_cast<int64_t>(file_.pieces.size()) - 1;
        for (const auto& [text, id] : file_.vocab)
            most = std::max(most, id);
        const auto entries = static_cast<int64_t>(file_.vocab.size() + file_.pieces.size());
        if (entries == 0)
            fail("no vocabulary");
        if (most >= std::min(kMostTokens, entries + kMostHoles))
            fail("an id of " + std::to_string(most) + " for " + std::to_string(entries) + " tokens");
        texts_.resize(static_cast<size_t>(most) + 1);
        kinds_.assign(texts_.size(), static_cast<int64_t>(FileKind::Unused));
        for (size_t i = 0; i < file_.pieces.size(); i++)
            put(static_cast<int64_t>(i), std::move(file_.pieces[i].text), FileKind::Normal);
        for (auto& [text, id] : file_.vocab) {
            if (id < 0)
                fail("an id in model.vocab that is no whole number");
            put(id, std::move(text), FileKind::Normal);
        }
        if (flagOf(model_, "byte_fallback", false))
            for (size_t id = 0; id < texts_.size(); id++)
                if (byteOfToken(texts_[id]) >= 0)
                    kinds_[id] = static_cast<int64_t>(FileKind::Byte);
    }

    enum class FileKind : int64_t { Normal = 1, Control = 3, UserDefined = 4, Unused = 5, Byte = 6 };

    void put(int64_t id, std::string text, FileKind kind) {
        if (id >= static_cast<int64_t>(texts_.size())) {
            texts_.resize(static_cast<size_t>(id) + 1);
            kinds_.resize(texts_.size(), static_cast<int64_t>(FileKind::Unused));
        }
        ids_[text] = static_cast<TokenId>(id);
        texts_[static_cast<size_t>(id)] = std::move(text);
        kinds_[static_cast<size_t>(id)] = static_cast<int64_t>(kind);
    }

    void readAddedTokens() {
        const json& added = partOf(file_.rest, "added_tokens");
        mostIds_ = static_cast<int64_t>(texts_.size() + added.size()) + kMostHoles;
        if (added.is_array())
            for (const json& t : added)
                addToken(t, partOf(t, "id"));
        const json& more = partOf(settings_.config, "added_tokens_decoder");
        std::unordered_set<std::string> there;
        for (const AddedToken& a : added_)
            there.insert(a.content);
        if (more.is_object())
            for (const auto& [id, t] : more.items())
                if (there.insert(textOf(t, "content")).second)
                    addToken(t, id.size() < 10 && id.find_first_not_of("0123456789") == id.npos && !id.empty()
                                    ? json(std::stol(id))
                                    : json());
    }

    void addToken(const json& t, const json& id) {
        AddedToken a{.content = textOf(t, "content"), .special = flagOf(t, "special", false)};
        a.normalized = flagOf(t, "normalized", !a.special);
        a.rule = {flagOf(t, "lstrip", false), flagOf(t, "rstrip", false), flagOf(t, "single_word", false)};
        if (a.content.empty())
            return;
        if (const auto known = ids_.find(a.content); known != ids_.end())
            a.id = known->second; // the model's own id counts
        else if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= mostIds_)
            fail("an added token with an id that cannot be: " + printable(a.content));
        else
            a.id = static_cast<TokenId>(id.get<int64_t>());
        put(a.id, a.content, a.special ? FileKind::Control : FileKind::UserDefined);
        added_.push_back(std::move(a));
    }

    TokenId idOf(const std::string& text) const {
        const auto found = ids_.find(text);
        return found == ids_.end() || text.empty() ? -1 : found->second;
    }

    /// What the vocabulary asks of a checkpoint.
    Metadata metadata() {
        Metadata m;
        const json& config = settings_.config;
        const auto setId = [&](const char* key, TokenId id) {
            if (id >= 0)
                m.set(std::string("tokenizer.ggml.") + key + "_token_id", static_cast<int64_t>(id));
        };
        TokenId bos = idOf(tokenText(config, "bos_token")), eos = idOf(tokenText(config, "eos_token"));
        setId("bos", bos >= 0 ? bos : idOf(tokenText(config, "cls_token")));
        setId("eos", eos >= 0 ? eos : idOf(tokenText(config, "sep_token")));
        setId("padding", idOf(tokenText(config, "pad_token")));
        setId("mask", idOf(tokenText(config, "mask_token")));
        TokenId unknown = idOf(textOf(model_, "unk_token"));
        if (const json& id = partOf(model_, "unk_id");
            id.is_number_integer() && id.get<int64_t>() >= 0 && id.get<int64_t>() < static_cast<int64_t>(texts_.size()))
            unknown = static_cast<TokenId>(id.get<int64_t>());
        setId("unknown", unknown);
        m.set("tokenizer.ggml.tokens", std::move(texts_));
        m.set("tokenizer.ggml.token_type", std::move(kinds_));
        return m;
    }

    // --- normalizer and pre-tokenizer

    /// {"String": ...} or {"Regex": ...}
    std::pair<std::string, bool> patternOf(const json& part) const {
        const json& p = partOf(part, "pattern");
        if (const std::string regex = textOf(p, "Regex"); !regex.empty())
            return {regex, true};
        const std::string literal = p.is_string() ? p.get<std::string>() : textOf(p, "String");
        if (literal.empty())
            fail("a " + printable(textOf(part, "type")) + " without a pattern");
        return {literal, false};
    }

    void readNormalizer(const json& part) {
        using Form = Normalizer::Form;
        static constexpr std::pair<std::string_view, Form> forms[] = {
            {"NFC", Form::Nfc}, {"NFD", Form::Nfd}, {"NFKC", Form::Nfkc}, {"NFKD", Form::Nfkd}};
        if (part.is_null())
            return;
        const std::string type = textOf(part, "type");
        Normalizer& n = parts_.normalizer;
        for (const auto& [name, form] : forms)
            if (type == name)
                return n.addForm(form);
        if (type == "Sequence") {
            for (const json& step : partOf(part, "normalizers"))
                readNormalizer(step);
        } else if (type == "Lowercase") {
            n.addLowercase();
        } else if (type == "StripAccents") {
            n.addStripAccents();
        } else if (type == "Strip") {
            n.addStrip(flagOf(part, "strip_left", true), flagOf(part, "strip_right", true));
        } else if (type == "Nmt") {
            n.addNmt();
        } else if (type == "Prepend") {
            n.addPrepend(textOf(part, "prepend"));
        } else if (type == "Replace") {
            const auto [pattern, isRegex] = patternOf(part);
            n.addReplace(pattern, isRegex, textOf(part, "content"));
        } else if (type == "Precompiled") {
            n.addCharsMap(fromBase64(textOf(part, "precompiled_charsmap")), true);
        } else if (type == "BertNormalizer") {
            const bool lowercase = flagOf(part, "lowercase", true);
            n.addBert({.cleanText = flagOf(part, "clean_text", true),
                       .spaceHan = flagOf(part, "handle_chinese_chars", true),
                       .stripAccents = flagOf(part, "strip_accents", lowercase),
                       .lowercase = lowercase});
        } else {
            fail("a normalizer that this version does not know: " + printable(type));
        }
    }

    std::string fromBase64(const std::string& text) const {
        std::string out;
        uint32_t bits = 0;
        int count = 0;
        for (const char c : text) {
            const size_t digit =
                std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/").find(c);
            if (digit == std::string_view::npos) {
                if (c == '=' || c == '\n')
                    continue;
                fail("a precompiled_charsmap that is no base64");
            }
            bits = bits << 6 | static_cast<uint32_t>(digit);
            if ((count += 6) >= 8)
                out += static_cast<char>(bits >> (count -= 8));
        }
        return out;
    }

    SplitBehavior behaviorOf(const json& part) const {
        static constexpr std::pair<std::string_view, SplitBehavior> names[] = {
            {"Removed", SplitBehavior::Removed},
            {"Isolated", SplitBehavior::Isolated},
            {"MergedWithPrevious", SplitBehavior::MergedWithPrevious},
            {"MergedWithNext", SplitBehavior::MergedWithNext},
            {"Contiguous", SplitBehavior::Contiguous}};
        const std::string behavior = textOf(part, "behavior");
        for (const auto& [name, value] : names)
            if (name == behavior)
                return value;
        if (!behavior.empty())
            fail("a behavior that this version does not know: " + printable(behavior));
        return SplitBehavior::Isolated;
    }

    PrefixScheme schemeOf(const json& part) const {
        const std::string scheme = textOf(part, "prepend_scheme");
        if (scheme.empty())
            return flagOf(part, "add_prefix_space", true) ? PrefixScheme::Always : PrefixScheme::Never;
        return scheme == "always"  ? PrefixScheme::Always
               : scheme == "first" ? PrefixScheme::First
                                   : PrefixScheme::Never;
    }

    /// `last`: no further step sees the pieces.
    void readPreTokenizer(const json& part, bool last) {
        if (part.is_null())
            return;
        const std::string type = textOf(part, "type");
        PreTokenizer& p = parts_.preTokenizer;
        if (type == "Sequence") {
            const json& steps = partOf(part, "pretokenizers");
            for (size_t i = 0; steps.is_array() && i < steps.size(); i++)
                readPreTokenizer(steps[i], last && i + 1 == steps.size());
        } else if (type == "ByteLevel") {
            readByteLevel(part, last);
        } else if (type == "Metaspace") {
            const std::string blank = textOf(part, "replacement");
            p.addBlanks(blank.empty() ? std::string(kBlank) : blank, schemeOf(part));
            if (flagOf(part, "split", true))
                p.addSplit(Regex::escape(blank.empty() ? kBlank : blank), SplitBehavior::MergedWithNext);
        } else if (type == "Split") {
            const auto [pattern, isRegex] = patternOf(part);
            p.addSplit(isRegex ? pattern : Regex::escape(pattern), behaviorOf(part), flagOf(part, "invert", false));
        } else if (type == "Whitespace") { // words as Rust's \w has them
            p.addSplit(
                R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\s]+)",
                SplitBehavior::Removed, true);
        } else if (type == "WhitespaceSplit") {
            p.addSplit(R"(\s+)", SplitBehavior::Removed);
        } else if (type == "BertPreTokenizer") {
            addBertWords(p);
        } else if (type == "Punctuation") {
            p.addSplit(kBertMark, behaviorOf(part));
        } else if (type == "Digits") {
            p.addSplit(patterns::kNumber,
                       flagOf(part, "individual_digits", false) ? SplitBehavior::Isolated : SplitBehavior::Contiguous);
        } else if (type == "CharDelimiterSplit") {
            p.addSplit(Regex::escape(textOf(part, "delimiter")), SplitBehavior::Removed);
        } else {
            fail("a pre-tokenizer that this version does not know: " + printable(type));
        }
    }

    void readByteLevel(const json& part, bool last) {
        PreTokenizer& p = parts_.preTokenizer;
        if (flagOf(part, "add_prefix_space", true))
            p.addBlanks(" ", PrefixScheme::Always);
        if (flagOf(part, "use_regex", true))
            p.addSplit(patterns::kGpt2);
        if (last)
            byteAlphabet_ = true; // the model reads the bytes themselves
        else
            p.addByteAlphabet(); // further steps see the alphabet's characters
    }

    // --- model

    std::unique_ptr<WordModel> makeModel() {
        const Vocabulary& v = tokenizer_->vocabulary();
        const std::string type = modelType();
        if (type == "BPE") {
            const std::string prefix = textOf(model_, "continuing_subword_prefix");
            const std::string suffix = textOf(model_, "end_of_word_suffix");
            if (prefix.size() > 16 || suffix.size() > 16)
                fail("a subword mark of more than 16 bytes");
            MergeRules rules;
            for (const auto& [left, right] : file_.merges)
                rules.add(left, right);
            return makeBpeModel(v, rules,
                                {.byteAlphabet = byteAlphabet_,
                                 .ignoreMerges = flagOf(model_, "ignore_merges", false),
                                 .byteFallback = flagOf(model_, "byte_fallback", false),
                                 .fuseUnknown = flagOf(model_, "fuse_unk", false),
                                 .lastRankCounts = true,
                                 .prefix = prefix,
                                 .suffix = suffix});
        }
        if (type == "Unigram") {
            std::vector<double> scores(static_cast<size_t>(v.size()), 0);
            for (size_t i = 0; i < file_.pieces.size(); i++)
                scores[i] = file_.pieces[i].score;
            return makeUnigramModel(
                v, {.scores = std::move(scores), .byteFallback = flagOf(model_, "byte_fallback", false)});
        }
        if (type != "WordPiece")
            fail("a model that this version does not know: " + printable(type));
        const json& longest = partOf(model_, "max_input_chars_per_word");
        WordPieceOptions options;
        if (const json& prefix = partOf(model_, "continuing_subword_prefix"); prefix.is_string())
            options.continuing = prefix.get<std::string>();
        if (longest.is_number_integer())
            options.longestWord = static_cast<size_t>(std::clamp<int64_t>(longest.get<int64_t>(), 0, 1 << 16));
        return makeWordPieceModel(v, options);
    }

    // --- special tokens

    void readSpecials() {
        const Vocabulary& v = tokenizer_->vocabulary();
        std::vector<bool> listed(static_cast<size_t>(v.size()), false);
        std::string scratch;
        for (const AddedToken& a : added_) {
            const TokenKind kind = v.kind(a.id);
            listed[static_cast<size_t>(a.id)] = true;
            if (!a.normalized) {
                parts_.raw.add(a.content, a.id, kind, a.rule);
                parts_.mixed.add(a.content, a.id, kind, a.rule);
                continue;
            }
            parts_.normalized.add(parts_.normalizer.run(a.content, true, scratch), a.id, kind, a.rule);
            // Once text is normalized the trusted bytes of a mixed text cannot be told any more.
            if (!parts_.normalizer.empty() && kind == TokenKind::Control)
                parts_.mixed.add(a.content, a.id, kind, a.rule);
        }
        // Control tokens that the file forgot to list: named by the configuration, or well known.
        for (TokenId id = 0; id < v.size(); id++)
            if (v.kind(id) == TokenKind::Control && !listed[static_cast<size_t>(id)]) {
                parts_.raw.add(v.text(id), id, TokenKind::Control);
                parts_.mixed.add(v.text(id), id, TokenKind::Control);
            }
        for (SpecialTokens* tokens : {&parts_.raw, &parts_.mixed, &parts_.normalized})
            tokens->finish(true);
    }

    // --- decoder

    void readDecoder() {
        TokenDecoder decoder;
        addDecoder(partOf(file_.rest, "decoder"), decoder);
        parts_.leadingBlanks = decoder.leadingBlanks();
        parts_.trailingBlanks = decoder.trailingBlanks();
        parts_.shownControlsBegin = true;
        const Vocabulary& v = tokenizer_->vocabulary();
        std::unordered_map<TokenId, std::string> normalized; // decoded as they are found
        std::string scratch;
        for (const AddedToken& a : added_)
            if (a.normalized)
                normalized[a.id] = parts_.normalizer.run(a.content, true, scratch);
        tokenizer_->fillBytes(parts_, [&](TokenId id, std::string& out) {
            const auto changed = normalized.find(id);
            out = decoder.bytes(changed == normalized.end() ? v.text(id) : std::string_view(changed->second));
        });
    }

    void addDecoder(const json& part, TokenDecoder& decoder) {
        if (++decoderSteps_ > 64)
            fail("a decoder of too many steps");
        const std::string type = textOf(part, "type");
        if (part.is_null()) {
            decoder.addJoin();
        } else if (type == "Sequence") {
            for (const json& step : partOf(part, "decoders"))
                addDecoder(step, decoder);
        } else if (type == "ByteLevel") {
            decoder.addByteLevel();
        } else if (type == "ByteFallback") {
            decoder.addByteFallback();
        } else if (type == "Fuse") {
            decoder.addFuse();
        } else if (type == "Metaspace") {
            const std::string blank = textOf(part, "replacement");
            decoder.addMetaspace(blank.empty() ? std::string(kBlank) : blank, schemeOf(part) != PrefixScheme::Never);
        } else if (type == "Replace") {
            const auto [pattern, isRegex] = patternOf(part);
            decoder.addReplace(pattern, isRegex, textOf(part, "content"));
        } else if (type == "Strip") {
            decoder.addStrip(textOf(part, "content"), countOf(part, "start"), countOf(part, "stop"));
        } else if (type == "WordPiece") {
            decoder.addWordPiece(textOf(part, "prefix"), flagOf(part, "cleanup", true));
        } else if (type == "BPEDecoder") {
            decoder.addWordEnd(textOf(part, "suffix"));
        } else {
            fail("a decoder that this version does not know: " + printable(type));
        }
    }

    static size_t countOf(const json& part, const char* key) {
        const json& n = partOf(part, key);
        return n.is_number_integer() ? static_cast<size_t>(std::clamp<int64_t>(n.get<int64_t>(), 0, 64)) : 0;
    }

    // --- beginning and end

    void readEnds() {
        const json& config = settings_.config;
        TokenId begin = -1, end = -1;
        readPostProcessor(partOf(file_.rest, "post_processor"), begin, end);
        tokenizer_->setBos(begin >= 0 ? begin : tokenizer_->bos(), flagOf(config, "add_bos_token", begin >= 0));
        tokenizer_->setEos(end >= 0 ? end : tokenizer_->eos(), flagOf(config, "add_eos_token", end >= 0));
        const json& stops = partOf(settings_.generation, "eos_token_id");
        for (const json& id : stops.is_array() ? stops : json::array({stops}))
            if (const TokenId stop = knownId(id); stop >= 0)
                parts_.stopIds.push_back(stop);
    }

    TokenId knownId(const json& id) const {
        const int64_t value = id.is_number_integer() ? id.get<int64_t>() : -1;
        return value >= 0 && value < tokenizer_->size() ? static_cast<TokenId>(value) : -1;
    }

    void readPostProcessor(const json& part, TokenId& begin, TokenId& end) const {
        const std::string type = textOf(part, "type");
        if (type == "Sequence") {
            for (const json& step : partOf(part, "processors"))
                readPostProcessor(step, begin, end);
        } else if (type == "BertProcessing" || type == "RobertaProcessing") {
            const json &cls = partOf(part, "cls"), &sep = partOf(part, "sep");
            begin = cls.is_array() && cls.size() == 2 ? knownId(cls[1]) : -1;
            end = sep.is_array() && sep.size() == 2 ? knownId(sep[1]) : -1;
        } else if (type == "TemplateProcessing") {
            bool behind = false;
            const json& items = partOf(part, "single");
            for (const json& item : items.is_array() ? items : json::array()) {
                behind |= item.contains("Sequence");
                const json& ids = partOf(
                    partOf(partOf(part, "special_tokens"), textOf(partOf(item, "SpecialToken"), "id").c_str()), "ids");
                if (ids.is_array() && ids.size() == 1)
                    (behind ? end : begin) = knownId(ids[0]);
            }
        }
    }

    TokenizerFile file_;
    const TokenizerSettings& settings_;
    const std::string& name_;
    const json& model_;
    int64_t mostIds_ = 0;            // ids that added tokens may have stay below it
    std::vector<std::string> texts_; // [nVocab]
    std::vector<int64_t> kinds_;     // [nVocab], as GGUF numbers them
    std::unordered_map<std::string, TokenId> ids_;
    std::vector<AddedToken> added_;
    std::unique_ptr<PipelineTokenizer> tokenizer_;
    PipelineTokenizer::Parts parts_;
    bool byteAlphabet_ = false;
    int decoderSteps_ = 0;
};

} // namespace

std::unique_ptr<Tokenizer> tokenizerFromJson(std::string_view text, const TokenizerSettings& settings,
                                             const std::string& name) {
    return JsonReader(TokenizerFile::parse(text, name), settings, name).build();
}

std::unique_ptr<Tokenizer> Tokenizer::fromFolder(const std::string& folderOrFile) {
    namespace fs = std::filesystem;
    std::error_code error;
    const bool isFolder = fs::is_directory(folderOrFile, error);
    const fs::path folder = isFolder ? fs::path(folderOrFile) : fs::path(folderOrFile).parent_path();
    fs::path file = isFolder ? folder / "tokenizer.json" : fs::path(folderOrFile);
    if (isFolder && !fs::exists(file, error))
        file = folder / "tokenizer.model";
    if (!fs::exists(file, error))
        throw Error("The folder " + printable(folderOrFile, 300) + " has neither tokenizer.json nor tokenizer.model.");
    const TokenizerSettings settings{.config = readSmallJson((folder / "tokenizer_config.json").string()),
                                     .generation = readSmallJson((folder / "generation_config.json").string())};
    const std::string text = readTextFile(file.string(), kLargestFile);
    const std::string name = printable(file.filename().string());
    if (file.extension() == ".model")
        return fromMetadata(metadataOfSentencePiece(text, settings, name));
    return tokenizerFromJson(text, settings, name);
}

} // namespace hearth::engine
