#include "app/models/remote/chat_request.h"

#include "app/chat/history.h"
#include "app/models/net/sentences.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace hearth::app {
namespace {

using nlohmann::json;

constexpr int kMessageTokens = 6; // marks around each message, about
constexpr int kLeastReply = 256;  // tokens, where the context seems to be full already

/// Scripts by how their letters are cut, in tenths of a token a letter.
struct Letters {
    char32_t first, last;
    int tenths;
};

constexpr Letters kLetters[] = {
    {0x0080, 0x052F, 5},   // Latin with marks, Greek, Cyrillic
    {0x1E00, 0x1FFF, 5},   // more of them
    {0x2E80, 0xD7FF, 10},  // Han, kana, hangul
    {0xF900, 0xFAFF, 10},  // Han
    {0x20000, 0x3FFFF, 20} // rare Han
};

/// The code point at `i`, which moves behind it. What is no UTF-8 counts byte by byte.
char32_t nextPoint(std::string_view text, size_t& i) {
    const auto at = [&](size_t k) { return k < text.size() ? uint8_t(text[k]) : 0; };
    const uint8_t lead = at(i);
    const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    char32_t point = more == 3 ? lead & 7 : more == 2 ? lead & 15 : more == 1 ? lead & 31 : lead;
    ++i;
    for (int k = 0; k < more && i < text.size() && (at(i) & 0xC0) == 0x80; ++k, ++i)
        point = point << 6 | (at(i) & 63);
    return point;
}

bool isWord(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

json messagesOf(const History& history, size_t turns) {
    json messages = json::array();
    const auto add = [&](const engine::ChatMessage& m) {
        messages.push_back({{"role", m.role}, {"content", m.content}});
    };
    if (history.hasSystem)
        add(history.messages.front());
    for (size_t i = history.first(turns); i < history.messages.size(); ++i)
        add(history.messages[i]);
    return messages;
}

/// What can be set, and the field that each kind of server has for it; null: it has none.
struct SamplingField {
    std::string_view name; // as ModelDefaults has it
    double least, most;    // of the interface
    const char* (*field)(const RemoteKind&);
};

constexpr SamplingField kSampling[] = {
    {"temperature", 0, 2, [](const RemoteKind&) { return "temperature"; }},
    {"topP", 0, 1, [](const RemoteKind&) { return "top_p"; }},
    {"topK", 0, 1e6, [](const RemoteKind& kind) { return kind.samplesMore ? "top_k" : nullptr; }},
    {"minP", 0, 1, [](const RemoteKind& kind) { return kind.samplesMore ? "min_p" : nullptr; }},
    {"repetitionPenalty", 0.1, 10, [](const RemoteKind& kind) { return kind.penalty; }},
};

void addSampling(json& body, const RemoteKind& kind, const std::vector<std::pair<std::string, double>>& set) {
    for (const auto& [name, given] : set)
        for (const SamplingField& one : kSampling) {
            const char* field = one.field(kind);
            if (one.name != name || !field || !std::isfinite(given))
                continue;
            const double value = std::clamp(given, one.least, one.most);
            if (one.name == "topK")
                body[field] = value >= 1 ? int(value) : -1; // -1: all, for each of them
            else
                body[field] = value;
        }
}

} // namespace

std::vector<std::string> samplingOf(const RemoteKind& kind) {
    std::vector<std::string> names;
    for (const SamplingField& one : kSampling)
        if (one.field(kind))
            names.emplace_back(one.name);
    return names;
}

int aboutTokens(std::string_view text) {
    int64_t tenths = 0;
    for (size_t i = 0; i < text.size();) {
        const uint8_t c = uint8_t(text[i]);
        if (isWord(c)) {
            size_t end = i;
            while (end < text.size() && isWord(uint8_t(text[end])))
                ++end;
            tenths += 10 * int64_t(1 + (end - i - 1) / 6);
            i = end;
        } else if (c == ' ') { // belongs to the word behind it; many of them are one
            while (i < text.size() && text[i] == ' ')
                ++i;
            tenths += 1;
        } else if (c < 0x80) {
            tenths += 9;
            ++i;
        } else {
            const char32_t point = nextPoint(text, i);
            const auto* row = std::find_if(std::begin(kLetters), std::end(kLetters), [&](const Letters& letters) {
                return point >= letters.first && point <= letters.last;
            });
            tenths += row == std::end(kLetters) ? 15 : row->tenths;
        }
    }
    return int(std::min<int64_t>((tenths + 9) / 10, INT32_MAX));
}

QString cannotAsk(const RemoteEndpoint& endpoint, const PromptInput& input) {
    if (arrange(input).continueLast && endpoint.kind->continues == RemoteKind::Continues::No)
        return Network::tr("%1 cannot go on with a reply that was begun. Ask for a new version of it instead.")
            .arg(endpoint.name);
    return {};
}

ChatRequest chatRequest(const RemoteEndpoint& endpoint, const PromptInput& input,
                        const std::vector<std::pair<std::string, double>>& sampling, double scale) {
    const History history = arrange(input);
    const RemoteKind& kind = *endpoint.kind;
    const int budget = promptBudget(endpoint.contextTokens);
    std::vector<int> about; // of each message
    for (const engine::ChatMessage& message : history.messages)
        about.push_back(int(std::min(1e8, scale * (kMessageTokens + aboutTokens(message.content)))));
    const auto tokens = [&](size_t turns) {
        int64_t sum = history.hasSystem ? about.front() : 0;
        for (size_t i = history.first(turns); i < about.size(); ++i)
            sum += about[i];
        return size_t(sum);
    };
    size_t turns = firstCandidate(history, input.alreadyLeftOut, budget);
    if (tokens(turns) > size_t(budget) && turns + 1 < history.turnStarts.size())
        turns = turnsToLeaveOut(history, turns + 1, budget, tokens);

    ChatRequest request;
    request.aboutTokens = int(std::min<size_t>(tokens(turns), INT32_MAX));
    request.leftOut = history.leftOut(turns);
    json body = {{"model", endpoint.model.toStdString()},
                 {"messages", messagesOf(history, turns)},
                 {"stream", true},
                 {"stream_options", {{"include_usage", true}}}};
    addSampling(body, kind, sampling);
    if (kind.continues == RemoteKind::Continues::ByItself) // these two write on past the end of the context
        body["max_tokens"] = std::max(kLeastReply, endpoint.contextTokens - request.aboutTokens);
    if (history.continueLast && kind.continues == RemoteKind::Continues::Asked) {
        body["continue_final_message"] = true;
        body["add_generation_prompt"] = false;
    }
    if (history.thinking && kind.thinking == RemoteKind::Thinking::Template) // llama.cpp, vLLM, SGLang: alike
        body["chat_template_kwargs"] = {{"enable_thinking", *history.thinking}};
    if (history.thinking == false && kind.thinking == RemoteKind::Thinking::Effort)
        body["reasoning_effort"] = "none";
    request.body = QByteArray::fromStdString(body.dump(-1, ' ', false, json::error_handler_t::replace));
    return request;
}

} // namespace hearth::app
