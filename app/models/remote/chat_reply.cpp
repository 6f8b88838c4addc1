#include "app/models/remote/chat_reply.h"

#include "app/models/hub/hub_json.h"
#include "app/models/net/sentences.h"
#include "app/models/remote/endpoint.h"

#include <algorithm>
#include <array>

namespace hearth::app {
namespace {

using nlohmann::json;

constexpr size_t kMostModels = 1000;
constexpr std::string_view kOpen = "<think>", kClose = "</think>";
constexpr std::string_view kSpace = " \t\r\n";
constexpr size_t kMostSpace = 64; // bytes before the opening mark; behind more nobody thinks

const json kNothing;

const json& field(const json& object, const char* name) {
    if (!object.is_object())
        return kNothing;
    const auto it = object.find(name);
    return it == object.end() ? kNothing : *it;
}

/// JSON of a stranger; bytes that are no UTF-8 become U+FFFD.
std::optional<json> parsed(std::string_view text) {
    const QByteArray bytes(text.data(), qsizetype(text.size()));
    if (auto whole = readJson(bytes))
        return whole;
    const QByteArray mended = QString::fromUtf8(bytes).toUtf8();
    return mended == bytes ? std::nullopt : readJson(mended);
}

/// A text, or parts of one ({"type": "text", "text": …}).
void addText(const json& value, const char* part, std::string& out) {
    if (value.is_string()) {
        out += value.get_ref<const std::string&>();
    } else if (value.is_array()) {
        for (const json& one : value)
            if (const json& text = field(one, part); text.is_string())
                out += text.get_ref<const std::string&>();
    }
}

int count(const json& object, const char* name) {
    const qint64 n = countField(object, name);
    return n >= 0 && n < 1'000'000'000 ? int(n) : -1;
}

/// The choice that was asked for: the one of index 0.
const json& choiceOf(const json& whole) {
    const json& choices = field(whole, "choices");
    if (!choices.is_array() || choices.empty())
        return kNothing;
    for (const json& choice : choices)
        if (countField(choice, "index") == 0)
            return choice;
    return choices.front();
}

/// The places where servers say why: {"error": {"message": …}} (OpenAI, llama.cpp, vLLM), {"error": "…"} (Ollama),
/// {"object": "error", "message": …} (vLLM, SGLang), {"detail": "…"} or {"detail": [{"msg": …}]} (FastAPI, which both
/// are built on), any of these in an array.
QString said(const json& value, int depth = 0) {
    if (value.is_string())
        return shown(QString::fromStdString(value.get_ref<const std::string&>()), 300);
    if (depth > 3)
        return {};
    if (value.is_array())
        return value.empty() ? QString() : said(value.front(), depth + 1);
    for (const char* name : {"error", "message", "detail", "msg", "error_description"})
        if (const QString text = said(field(value, name), depth + 1); !text.isEmpty())
            return text;
    return {};
}

void dropNul(std::string& text) {
    text.erase(std::remove(text.begin(), text.end(), '\0'), text.end());
}

} // namespace

std::optional<ChatPiece> readChat(std::string_view text) {
    const std::optional<json> whole = parsed(text);
    if (!whole || !whole->is_object())
        return std::nullopt;
    ChatPiece piece;
    const json& error = field(*whole, "error");
    const json& object = field(*whole, "object");
    if (!error.is_null() || (object.is_string() && object.get_ref<const std::string&>() == "error")) {
        piece.failed = true;
        piece.said = said(*whole);
        return piece;
    }
    const json& usage = field(*whole, "usage");
    piece.promptTokens = count(usage, "prompt_tokens");
    piece.tokens = count(usage, "completion_tokens");
    piece.cachedTokens = count(field(usage, "prompt_tokens_details"), "cached_tokens");
    const json& choice = choiceOf(*whole);
    if (!choice.is_object()) {
        piece.unknown = !whole->contains("choices") && !usage.is_object();
        return piece;
    }
    const json& delta = field(choice, "delta");
    const json& message = delta.is_object() ? delta : field(choice, "message");
    for (const char* name : {"reasoning_content", "reasoning"}) {
        addText(field(message, name), "text", piece.thoughts);
        if (!piece.thoughts.empty())
            break; // some give both, alike
    }
    const json& content = field(message, "content");
    if (content.is_array())
        for (const json& part : content)
            addText(field(part, "thinking"), "text", piece.thoughts);
    addText(content, "text", piece.text);
    addText(field(message, "refusal"), "text", piece.text);
    if (const json& finish = field(choice, "finish_reason"); finish.is_string())
        piece.finish = finish.get_ref<const std::string&>().substr(0, 40);
    dropNul(piece.text);
    dropNul(piece.thoughts);
    return piece;
}

QString refusalText(const QByteArray& body) {
    if (const auto whole = parsed({body.constData(), size_t(body.size())}))
        return said(*whole);
    const QString text = shown(QString::fromUtf8(body.left(2000)), 300);
    return text.startsWith(QLatin1Char('<')) ? QString() : text; // a web page
}

std::optional<std::vector<RemoteModel>> readModels(const QByteArray& body) {
    const auto whole = parsed({body.constData(), size_t(body.size())});
    const json& data = whole ? field(*whole, "data") : kNothing;
    if (!data.is_array())
        return std::nullopt;
    std::vector<RemoteModel> models;
    for (const json& one : data) {
        const json& id = field(one, "id");
        if (!id.is_string() || models.size() >= kMostModels)
            continue;
        RemoteModel model;
        model.id = QString::fromStdString(id.get_ref<const std::string&>());
        // Sent back as it is, or not at all.
        if (model.id.isEmpty() || model.id.size() > RemoteEndpoint::kLongestModel ||
            shown(model.id, RemoteEndpoint::kLongestModel) != model.id)
            continue;
        model.ownedBy = textField(one, "owned_by", 40).toStdString();
        // vLLM and SGLang say max_model_len, llama.cpp meta.n_ctx.
        for (const int tokens : {count(one, "max_model_len"), count(field(one, "meta"), "n_ctx")})
            if (model.contextTokens == 0 && tokens > 0)
                model.contextTokens = tokens;
        models.push_back(std::move(model));
    }
    return models;
}

void LeadingThoughts::split(std::string& text, std::string& thoughts) {
    held_ += std::exchange(text, {});
    for (;;) {
        if (at_ == At::Begin) {
            const size_t first = held_.find_first_not_of(kSpace);
            const std::string_view rest =
                first == std::string::npos ? std::string_view() : std::string_view(held_).substr(first);
            const size_t space = std::min(first, held_.size());
            if (space <= kMostSpace && rest.size() < kOpen.size() && kOpen.starts_with(rest))
                return;
            if (space <= kMostSpace && rest.starts_with(kOpen)) {
                held_.erase(0, first + kOpen.size());
                at_ = At::Inside;
            } else {
                at_ = At::Answer;
            }
        } else if (at_ == At::Inside) {
            const size_t end = held_.find(kClose);
            if (end != std::string::npos) {
                thoughts += held_.substr(0, end);
                held_.erase(0, end + kClose.size());
                at_ = At::After;
                continue;
            }
            size_t keep = std::min(held_.size(), kClose.size() - 1);
            while (keep > 0 && !kClose.starts_with(std::string_view(held_).substr(held_.size() - keep)))
                --keep;
            thoughts += held_.substr(0, held_.size() - keep);
            held_.erase(0, held_.size() - keep);
            return;
        } else if (at_ == At::After) { // the line breaks around thoughts are shown to nobody
            held_.erase(0, std::min(held_.find_first_not_of(kSpace), held_.size()));
            if (held_.empty())
                return;
            at_ = At::Answer;
        } else {
            text = std::exchange(held_, {});
            return;
        }
    }
}

void LeadingThoughts::finish(std::string& text, std::string& thoughts) {
    (at_ == At::Inside ? thoughts : text) += std::exchange(held_, {});
}

} // namespace hearth::app
