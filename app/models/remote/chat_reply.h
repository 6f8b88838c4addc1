#pragma once

#include <QByteArray>
#include <QString>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::app {

// What a server answers, read tolerantly: every field may be missing, null or of another kind. OpenAI API reference:
// "The chat completion object", "The chat completion chunk object", "List models", "Error codes"; the additions of
// vLLM ("Reasoning Outputs"), SGLang, llama.cpp and Ollama (see endpoint.cpp). Pure; any thread.

/// A piece of a reply, or all of it.
struct ChatPiece {
    std::string text, thoughts;         // UTF-8 without NUL
    std::string finish;                 // finish_reason; empty: it goes on
    int promptTokens = -1, tokens = -1; // as the server counted; -1: not told
    int cachedTokens = -1;              // of the prompt
    bool unknown = false;               // an object, but none of this interface
    bool failed = false;                // the server gave up
    QString said;                       // why; may be empty
};

/// A chunk of a stream or a whole reply. Nothing: it is no object of JSON.
std::optional<ChatPiece> readChat(std::string_view json);

/// The server's own words in a refusal, one line, whatever form it has; empty: none that a person could use.
QString refusalText(const QByteArray& body);

struct RemoteModel {
    QString id;
    std::string ownedBy;
    int contextTokens = 0; // that it serves; 0: not told
};

/// Nothing: it is no list of models.
std::optional<std::vector<RemoteModel>> readModels(const QByteArray& body);

/// Tells thoughts that a server left in the text: only where the reply begins with the opening mark, as everywhere in
/// this program. One for each reply.
class LeadingThoughts {
public:
    /// Moves what is a thought from `text` to `thoughts`; what may yet become a mark is held back.
    void split(std::string& text, std::string& thoughts);
    /// What was held back, as what it is now.
    void finish(std::string& text, std::string& thoughts);

private:
    enum class At { Begin, Inside, After, Answer } at_ = At::Begin;
    std::string held_;
};

} // namespace hearth::app
