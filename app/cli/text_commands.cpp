// tokenize, detokenize, template: what needs a model's text parts, not its weights.

#include "app/cli/commands.h"
#include "app/cli/common.h"
#include "engine/checkpoint.h"
#include "engine/error.h"

#include <cstdio>
#include <ctime>

namespace hearth::cli {

using engine::Error;

namespace {

engine::Checkpoint openModel(const Arguments& a) {
    return engine::Checkpoint::open(modelPath(a.text("--model")), overrides(a));
}

std::string numbered(size_t number, std::string_view wanted) {
    return "Line " + std::to_string(number) + " of standard input is not " + std::string(wanted) + ".";
}

std::optional<std::tm> nowArgument(const Arguments& a) {
    if (!a.has("--now"))
        return std::nullopt;
    const std::string s = a.text("--now");
    std::tm t{};
    const char* end = strptime(s.c_str(), "%Y-%m-%dT%H:%M:%S", &t);
    if (!end || *end)
        throw UsageError("The option --now needs a time as 2025-07-04T09:05:03.");
    std::tm copy = t;
    timegm(&copy); // the weekday and the day of the year
    t.tm_wday = copy.tm_wday;
    t.tm_yday = copy.tm_yday;
    return t;
}

std::unique_ptr<engine::Tokenizer> openTokenizer(const Arguments& a) {
    if (a.has("--model") == a.has("--tokenizer"))
        throw UsageError("Either --model or --tokenizer is needed.");
    return a.has("--model") ? engine::Tokenizer::fromCheckpoint(openModel(a))
                            : engine::Tokenizer::fromFolder(a.text("--tokenizer"));
}

} // namespace

int runTokenize(const Arguments& a) {
    const auto tokenizer = openTokenizer(a);
    forEachLine([&](std::string_view line, size_t number) {
        const auto j = parseLine(line, number, "a string");
        if (!j.is_string())
            throw Error(numbered(number, "a JSON string"));
        const auto& text = j.get_ref<const std::string&>();
        printJson(a.has("--special") ? tokenizer->encodeSpecial(text) : tokenizer->encode(text));
    });
    return 0;
}

int runDetokenize(const Arguments& a) {
    const auto tokenizer = openTokenizer(a);
    forEachLine([&](std::string_view line, size_t number) {
        const auto j = parseLine(line, number, "an array of ids");
        if (!j.is_array())
            throw Error(numbered(number, "a JSON array of ids"));
        std::vector<engine::TokenId> ids;
        for (const auto& id : j) {
            const bool whole = id.is_number_integer() || id.is_number_unsigned();
            if (!whole || id.get<int64_t>() < 0 || id.get<int64_t>() >= tokenizer->size())
                throw Error("Line " + std::to_string(number) + " of standard input has an entry that is no id below " +
                            std::to_string(tokenizer->size()) + ".");
            ids.push_back(id.get<engine::TokenId>());
        }
        engine::Utf8Stream whole;
        std::string text = whole.push(tokenizer->decode(ids, true));
        text += whole.finish();
        printJson(text);
    });
    return 0;
}

int runTemplate(const Arguments& a) {
    if (a.has("--model") == a.has("--template"))
        throw UsageError("Either --model or --template is needed.");
    const auto now = nowArgument(a);
    const auto chatTemplate = a.has("--model")
                                  ? engine::ChatTemplate::fromMetadata(openModel(a).metadata())
                                  : engine::ChatTemplate::fromSource(readWholeFile(a.text("--template")), "", "");
    forEachLine([&](std::string_view line, size_t number) {
        const auto j = parseLine(line, number, "an object");
        if (!j.is_object())
            throw Error(numbered(number, "a JSON object"));
        try {
            printJson({{"text", chatTemplate->renderJson(j, now)}});
        } catch (const Error& e) {
            printJson({{"error", e.what()}});
        }
    });
    return 0;
}

} // namespace hearth::cli
