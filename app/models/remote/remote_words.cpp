#include "app/models/remote/remote_words.h"

#include "app/models/net/http_rules.h"
#include "app/models/net/sentences.h"
#include "app/models/remote/chat_reply.h"

#include <algorithm>

namespace hearth::app {
namespace {

using Kind = HttpError::Kind;

QString joined(const QString& first, const QString& second) {
    return second.isEmpty() ? first : first + QLatin1Char(' ') + second;
}

bool isAboutLength(const QString& said) {
    return said.contains(QLatin1String("context"), Qt::CaseInsensitive) &&
           (said.contains(QLatin1String("length"), Qt::CaseInsensitive) ||
            said.contains(QLatin1String("exceed"), Qt::CaseInsensitive));
}

QString statusText(const RemoteEndpoint& e, const HttpError& error, const QString& said) {
    const auto named = [&](const QString& sentence) { return sentence.arg(e.name); };
    switch (error.status) {
    case 401:
    case 403:
        return named(e.hasKey
                         ? Network::tr("%1 does not accept the stored key. Enter another one under Models, Library.")
                         : Network::tr("%1 wants a key. Enter it under Models, Library."));
    case 404:
    case 405:
        return Network::tr("%1 knows no model “%2” at this address. Check both under Models, Library.")
            .arg(e.name, shown(e.model));
    case 400:
    case 413:
    case 422:
        return named(isAboutLength(said) ? Network::tr("This is longer than what %1 can read. Shorten it, or lower the "
                                                       "context under Models, Library, to what the server really has.")
                                         : Network::tr("%1 does not take this request."));
    case 408:
    case 429:
    case 503:
        return joined(named(Network::tr("%1 is busy, or still loading its model.")), retryText(error.retryAfter));
    default:
        break;
    }
    const QString number = QString::number(error.status);
    if (error.status >= 500)
        return joined(Network::tr("%1 has a problem of its own (%2).").arg(e.name, number),
                      retryText(error.retryAfter));
    return Network::tr("%1 answered with %2, which this program does not expect.").arg(e.name, number);
}

} // namespace

QString refusal(const RemoteEndpoint& e, const NetworkGate& gate) {
    if (!e.on)
        return Network::tr("%1 is switched off. Switch it on under Models, Library, or choose another model.")
            .arg(e.name);
    if (gate.state() == NetworkGate::State::Off)
        return Network::tr("The network is switched off, so nothing was sent to %1. The switch is under Models, "
                           "Discover. A model of this machine answers without it.")
            .arg(e.name);
    if (!gate.open())
        return Network::tr("The network was not allowed yet, so nothing was sent to %1. The switch is under Models, "
                           "Discover. A model of this machine answers without it.")
            .arg(e.name);
    if (const HttpError problem = addressProblem(e.base))
        return problem.sentence;
    if (isExposed(e.base) && !e.plainAllowed)
        return Network::tr(
                   "What you write would go to %1 unencrypted, so it was not sent. Use an address with https, or "
                   "allow this under Models, Library.")
            .arg(e.host());
    return {};
}

QString failureText(const RemoteEndpoint& e, const HttpError& error, const QByteArray& body, bool begun) {
    if (error.kind == Kind::Status) {
        const QString said = refusalText(body);
        const QString text = statusText(e, error, said);
        return said.isEmpty() ? text : joined(text, Network::tr("It says: %1").arg(said));
    }
    if (error.kind == Kind::NotAllowed)
        return Network::tr("The network was switched off before the reply of %1 was complete. The switch is under "
                           "Models, Discover.")
            .arg(e.name);
    if (begun)
        return joined(error.kind == Kind::Stalled ? error.sentence : QString(),
                      Network::tr("The connection to %1 ended before the reply was complete. What had come is kept.")
                          .arg(e.name))
            .trimmed();
    if (error.kind == Kind::Connect || error.kind == Kind::Stalled || error.kind == Kind::Cut)
        return joined(error.sentence, Network::tr("Check that the server of %1 runs, and its address under Models, "
                                                  "Library.")
                                          .arg(e.name));
    return error.sentence;
}

QString gaveUpText(const RemoteEndpoint& e, const QString& said) {
    if (isAboutLength(said))
        return joined(
            Network::tr("This is longer than what %1 can read. Shorten it, or lower the context under Models, "
                        "Library, to what the server really has.")
                .arg(e.name),
            Network::tr("It says: %1").arg(said));
    const QString text = Network::tr("%1 gave up on this reply.").arg(e.name);
    return said.isEmpty() ? joined(text, Network::tr("Try again later."))
                          : joined(text, Network::tr("It says: %1").arg(said));
}

QString noReplyText(const RemoteEndpoint& e, bool page) {
    return page ? Network::tr("%1 gave a web page instead of a reply. Check its address under Models, Library; or does "
                              "this network want a login first?")
                      .arg(e.name)
                : Network::tr("What %1 sent is no reply that this program can read. Check under Models, Library, that "
                              "its address is that of an OpenAI-compatible server.")
                      .arg(e.name);
}

QString noWordText(const RemoteEndpoint& e, int seconds) {
    return Network::tr(
               "%1 is there, but sent no word of a reply within %2 s. It may be busy or still loading its model: "
               "test it again later.")
        .arg(e.name)
        .arg(seconds);
}

QString unfinishedText(const RemoteEndpoint& e, std::string_view finish) {
    if (finish == "content_filter")
        return Network::tr("%1 withholds the rest of this reply: its filter stopped it.").arg(e.name);
    if (finish == "tool_calls" || finish == "function_call")
        return Network::tr("%1 wanted to call a tool instead of replying, and this program offers it none.")
            .arg(e.name);
    return {};
}

} // namespace hearth::app
