// tokenizer.json: any file, then texts in which special tokens may and may not count.

#include "engine/error.h"
#include "engine/tokenizer/tokenizer_json.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace hearth::engine;
    try {
        const auto t = tokenizerFromJson({reinterpret_cast<const char*>(data), size}, {}, "input");
        std::string text =
            "Hello  world's 123\r\n\n\t \xE4\xBD\xA0\xE5\xA5\xBD e\xCC\x81 \xF0\x9F\x98\x80 \xFF<s>ab</s>[CLS] ##x";
        for (TokenId id = 0; id < t->size() && text.size() < 4096; id += 1 + t->size() / 64)
            text.append(t->tokenText(id));
        t->decode(t->encodeSpecial(text), true);
        // Text of a user: no control token but the one that stands for what is unknown.
        const TokenId unknown = t->find("<unk>") >= 0 ? t->find("<unk>") : t->find("[UNK]");
        for (const TokenId id : t->encode(TaggedText{text, {{0, text.size()}}}))
            if (id < 0 || id >= t->size() || (t->kind(id) == TokenKind::Control && id != unknown && unknown >= 0))
                std::abort();
    } catch (const Error&) {
        // A sentence is the right answer to most inputs.
    }
    return 0;
}
