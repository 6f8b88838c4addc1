// The Jinja interpreter: any source, rendered with a conversation. What came from a message must stay marked.

#include "engine/chat_template.h"
#include "engine/error.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace hearth::engine;
    try {
        const auto chatTemplate =
            ChatTemplate::fromSource(std::string(reinterpret_cast<const char*>(data), size), "<s>", "</s>");
        TemplateInput input;
        input.messages = {{.role = "system", .content = "Be brief."},
                          {.role = "user", .content = " What is <b>2+2</b>? \xE4\xBD\xA0\n"},
                          {.role = "assistant", .content = "4, {{ x }} 'said'", .thoughts = "hm"}};
        input.variables = nlohmann::ordered_json::parse(
            R"({"n": 5, "f": 2.5, "s": "Hello", "l": [3, 1, 2], "d": {"b": 1, "a": {"c": [null, true]}}, "tools": [{"name": "t"}]})");
        input.now = std::tm{};
        const TaggedText out = chatTemplate->render(input);
        size_t last = 0;
        for (const auto& r : out.untrusted) { // sorted, apart, inside the text
            if (r.begin < last || r.end <= r.begin || r.end > out.text.size())
                std::abort();
            last = r.end;
        }
    } catch (const Error&) {
        // A sentence is the right answer to most inputs.
    }
    return 0;
}
