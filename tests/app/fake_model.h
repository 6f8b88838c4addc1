#pragma once

#include "engine/engine.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::test {

/// A tokenizer whose every token is easy to foresee: one a byte (ids 0 to 255), and the control tokens of ChatML where
/// all their bytes are trusted.
class ByteTokenizer : public engine::Tokenizer {
public:
    static constexpr engine::TokenId kStart = 256, kEnd = 257, kPair = 258; // <|im_start|>, <|im_end|>, "ab"

    ByteTokenizer() { stopIds_ = {kEnd}; }

    void appendBytes(engine::TokenId id, std::string& out, bool showControl) const override {
        if (id == kPair)
            out += "ab";
        else if (id < 256)
            out += char(id);
        else if (showControl)
            out += tokenText(id);
    }

    int size() const override { return 259; }

    engine::TokenKind kind(engine::TokenId id) const override {
        return id == kStart || id == kEnd ? engine::TokenKind::Control : engine::TokenKind::Normal;
    }

    std::string_view tokenText(engine::TokenId id) const override {
        return id == kStart ? "<|im_start|>" : id == kEnd ? "<|im_end|>" : id == kPair ? "ab" : "";
    }

    engine::TokenId find(std::string_view text) const override {
        return text == "<|im_start|>" ? kStart : text == "<|im_end|>" ? kEnd : -1;
    }

protected:
    void encodeInto(std::string_view text, std::span<const engine::TaggedText::Range> untrusted, Untrusted,
                    std::vector<engine::TokenId>& ids) const override {
        const auto trusted = [&](size_t begin, size_t length) {
            for (const auto& range : untrusted) {
                if (range.begin < begin + length && range.end > begin)
                    return false;
            }
            return true;
        };
        for (size_t i = 0; i < text.size();) {
            const std::string_view rest = text.substr(i);
            if (rest.starts_with("<|im_start|>") && trusted(i, 12)) {
                ids.push_back(kStart);
                i += 12;
            } else if (rest.starts_with("<|im_end|>") && trusted(i, 10)) {
                ids.push_back(kEnd);
                i += 10;
            } else if (rest.starts_with("ab")) { // so that a text has more than one spelling
                ids.push_back(kPair);
                i += 2;
            } else {
                ids.push_back(uint8_t(text[i++]));
            }
        }
    }
};

inline constexpr const char* kChatMl =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
    "'\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

inline std::shared_ptr<const engine::ModelText> byteModel(int contextTokens) {
    auto text = std::make_shared<engine::ModelText>();
    text->tokenizer = std::make_unique<ByteTokenizer>();
    text->chatTemplate = engine::ChatTemplate::fromSource(kChatMl, "", "<|im_end|>");
    text->contextTokens = contextTokens;
    return text;
}

} // namespace hearth::test
