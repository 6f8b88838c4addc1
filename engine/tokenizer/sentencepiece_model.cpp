// tokenizer.model: SentencePiece's protocol buffer (sentencepiece_model.proto). Only the fields named here are read.

#include "engine/error.h"
#include "engine/tokenizer/tokenizer_json.h"

#include <algorithm>
#include <bit>
#include <optional>

namespace hearth::engine {

namespace {

/// One field of a message: a number (varint or fixed) or bytes.
struct Field {
    uint32_t id = 0;
    uint64_t number = 0;
    std::string_view bytes;
};

class Message {
public:
    Message(std::string_view bytes, const std::string& name) : rest_(bytes), name_(name) {}

    std::optional<Field> next() {
        if (rest_.empty())
            return std::nullopt;
        const uint64_t tag = varint();
        Field f{.id = static_cast<uint32_t>(std::min<uint64_t>(tag >> 3, UINT32_MAX))};
        switch (tag & 7) {
        case 0:
            f.number = varint();
            break;
        case 1:
            f.number = fixed(8);
            break;
        case 2:
            f.bytes = take(varint());
            break;
        case 5:
            f.number = fixed(4);
            break;
        default:
            fail();
        }
        return f;
    }

private:
    [[noreturn]] void fail() const { throw Error("The file " + name_ + " is no SentencePiece model, or is damaged."); }

    std::string_view take(uint64_t bytes) {
        if (bytes > rest_.size())
            fail();
        const std::string_view out = rest_.substr(0, bytes);
        rest_.remove_prefix(bytes);
        return out;
    }

    uint64_t fixed(int bytes) {
        uint64_t value = 0;
        const std::string_view raw = take(static_cast<uint64_t>(bytes));
        for (int i = bytes; i-- > 0;)
            value = value << 8 | static_cast<unsigned char>(raw[i]);
        return value;
    }

    uint64_t varint() {
        uint64_t value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            const auto byte = static_cast<unsigned char>(take(1)[0]);
            value |= static_cast<uint64_t>(byte & 0x7F) << shift;
            if (byte < 0x80)
                return value;
        }
        fail();
    }

    std::string_view rest_;
    const std::string& name_;
};

struct Pieces {
    std::vector<std::string> texts;
    std::vector<double> scores;
    std::vector<int64_t> types; // as GGUF numbers them too
};

void readPiece(Message m, Pieces& out) {
    std::string text;
    double score = 0;
    int64_t type = 1;
    while (const auto f = m.next()) {
        if (f->id == 1)
            text = f->bytes;
        else if (f->id == 2)
            score = std::bit_cast<float>(static_cast<uint32_t>(f->number));
        else if (f->id == 3)
            type = static_cast<int64_t>(std::min<uint64_t>(f->number, 255));
    }
    out.texts.push_back(std::move(text));
    out.scores.push_back(score);
    out.types.push_back(type);
}

const char* const kIdKeys[] = {"unknown", "bos", "eos", "padding"}; // trainer_spec's fields 40 to 43

void readTrainer(Message m, Metadata& out) {
    int64_t ids[] = {0, 1, 2, -1};
    bool unigram = true;
    while (const auto f = m.next()) {
        if (f->id == 3)
            unigram = f->number == 1;
        else if (f->id == 24)
            out.set("tokenizer.ggml.treat_whitespace_as_suffix", f->number != 0);
        else if (f->id >= 40 && f->id <= 43)
            ids[f->id - 40] = static_cast<int32_t>(static_cast<uint32_t>(f->number));
    }
    out.set("tokenizer.ggml.model", std::string(unigram ? "t5" : "llama"));
    for (size_t i = 0; i < std::size(ids); i++)
        if (ids[i] >= 0)
            out.set(std::string("tokenizer.ggml.") + kIdKeys[i] + "_token_id", ids[i]);
}

void readNormalizer(Message m, Metadata& out) {
    bool prefix = true, removeExtra = true;
    while (const auto f = m.next()) {
        if (f->id == 2 && !f->bytes.empty())
            out.set("tokenizer.ggml.precompiled_charsmap",
                    std::vector<int64_t>(reinterpret_cast<const unsigned char*>(f->bytes.data()),
                                         reinterpret_cast<const unsigned char*>(f->bytes.data() + f->bytes.size())));
        else if (f->id == 3)
            prefix = f->number != 0;
        else if (f->id == 4)
            removeExtra = f->number != 0;
    }
    out.set("tokenizer.ggml.add_space_prefix", prefix);
    out.set("tokenizer.ggml.remove_extra_whitespaces", removeExtra);
}

/// tokenizer_config.json's added_tokens_decoder: further tokens, and which of the known ones are special.
void addTokens(const nlohmann::json& added, Pieces& pieces) {
    constexpr size_t mostHoles = 1 << 16;
    if (!added.is_object())
        return;
    for (const auto& [key, token] : added.items()) {
        if (key.empty() || key.size() > 9 || key.find_first_not_of("0123456789") != key.npos || !token.is_object())
            continue;
        const size_t id = std::stoul(key);
        const auto content = token.find("content");
        if (content == token.end() || !content->is_string() || id > pieces.texts.size() + mostHoles)
            continue;
        if (id >= pieces.texts.size()) {
            pieces.texts.resize(id + 1);
            pieces.scores.resize(id + 1, -1000);
            pieces.types.resize(id + 1, 5);
        }
        const bool special = token.contains("special") && token["special"] == true;
        if (pieces.types[id] != 2 && pieces.types[id] != 6)
            pieces.types[id] = special ? 3 : 4;
        pieces.texts[id] = content->get<std::string>();
    }
}

} // namespace

Metadata metadataOfSentencePiece(std::string_view model, const TokenizerSettings& settings, const std::string& name) {
    Metadata out;
    Pieces pieces;
    readTrainer(Message({}, name), out); // what an absent message means
    readNormalizer(Message({}, name), out);
    Message m(model, name);
    while (const auto f = m.next()) {
        if (f->id == 1)
            readPiece(Message(f->bytes, name), pieces);
        else if (f->id == 2)
            readTrainer(Message(f->bytes, name), out);
        else if (f->id == 3)
            readNormalizer(Message(f->bytes, name), out);
    }
    if (pieces.texts.empty())
        throw Error("The file " + name + " is no SentencePiece model: it has no pieces.");
    const auto& config = settings.config;
    for (const auto& [ours, theirs] : {std::pair{"add_bos_token", "add_bos_token"},
                                       {"add_eos_token", "add_eos_token"},
                                       {"add_space_prefix", "add_prefix_space"}})
        if (config.is_object() && config.contains(theirs) && config[theirs].is_boolean())
            out.set(std::string("tokenizer.ggml.") + ours, config[theirs].get<bool>());
    if (config.is_object() && config.contains("added_tokens_decoder"))
        addTokens(config["added_tokens_decoder"], pieces);
    out.set("tokenizer.ggml.tokens", std::move(pieces.texts));
    out.set("tokenizer.ggml.scores", std::move(pieces.scores));
    out.set("tokenizer.ggml.token_type", std::move(pieces.types));
    return out;
}

} // namespace hearth::engine
