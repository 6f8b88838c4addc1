#pragma once

#include "app/chat/prompt_builder.h"
#include "app/models/remote/endpoint.h"

#include <QByteArray>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hearth::app {

/// About how many tokens a text is. The tokenizer elsewhere is not known: a little more than most count, so that what
/// is cut by it fits.
int aboutTokens(std::string_view utf8);

/// What is sent for a reply.
struct ChatRequest {
    QByteArray body;     // of POST {base}/chat/completions
    int aboutTokens = 0; // of the whole prompt
    int leftOut = 0;     // oldest messages of the history that had no room
};

/// What of sampling a server takes, named as in ModelDefaults.
std::vector<std::string> samplingOf(const RemoteKind&);

/// What cannot be asked of this kind of server; a sentence, empty: all of it can.
QString cannotAsk(const RemoteEndpoint&, const PromptInput&);

/// The history is cut to the stated context as on this machine, whole turns and more at once than needed; the last turn
/// always goes, since only the server knows whether it fits. `sampling`: what the person set, as ModelDefaults has it;
/// of the rest the server's own values hold. `scale`: by how much its counts have differed from ours.
/// Pure; any thread.
ChatRequest chatRequest(const RemoteEndpoint&, const PromptInput&,
                        const std::vector<std::pair<std::string, double>>& sampling, double scale = 1);

} // namespace hearth::app
