#pragma once

#include "app/models/net/http_client.h"
#include "app/models/net/network_gate.h"
#include "app/models/remote/endpoint.h"

#include <QByteArray>
#include <QString>

namespace hearth::app {

// What went wrong with a remote engine: each one sentence that says what happened and what can be done.

/// Why nothing is sent although the person asked; empty: nothing speaks against it.
QString refusal(const RemoteEndpoint&, const NetworkGate&);

/// Of a request that did not come to its end. `body`: the beginning of a refusal. `begun`: something of the reply came.
QString failureText(const RemoteEndpoint&, const HttpError&, const QByteArray& body, bool begun);

/// The server gave up in its reply.
QString gaveUpText(const RemoteEndpoint&, const QString& said);

/// What came is no reply: `page`, a web page.
QString noReplyText(const RemoteEndpoint&, bool page);

/// A test heard signs of life at most in all that time.
QString noWordText(const RemoteEndpoint&, int seconds);

/// The sentence of a finish_reason that is no good end; empty: it is one.
QString unfinishedText(const RemoteEndpoint&, std::string_view finish);

} // namespace hearth::app
