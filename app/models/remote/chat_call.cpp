#include "app/models/remote/chat_call.h"

#include "app/models/net/sentences.h"
#include "app/models/remote/remote_words.h"

#include <QTimer>

#include <algorithm>

namespace hearth::app {
namespace {

constexpr qsizetype kAtATime = 64 << 10;      // bytes between two looks at other events
constexpr qsizetype kLargestWhole = 16 << 20; // bytes of a reply that is no stream
constexpr qsizetype kSniffed = 64;            // bytes, to know what an answer without a type is

} // namespace

ChatCall::ChatCall(HttpClient& client, const RemoteEndpoint& endpoint, const QString& key, const QByteArray& body,
                   QObject* parent)
    : QObject(parent), endpoint_(endpoint), reader_([this](const SseEvent& event) { return onEvent(event); }) {
    HttpRequest request;
    request.url = endpoint.base;
    request.url.setPath(endpoint.base.path() + QStringLiteral("/chat/completions"));
    request.method = "POST";
    request.body = body;
    request.contentType = "application/json";
    request.accept = "text/event-stream, application/json";
    request.token = key;
    request.followRedirects = false; // neither the key nor what was written goes anywhere else
    call_ = client.start(request);
    connect(call_, &HttpCall::readable, this, &ChatCall::readSlice);
    connect(call_, &HttpCall::done, this, &ChatCall::onDone);
}

ChatCall::~ChatCall() {
    ended_ = true;
    if (call_) {
        call_->disconnect(this);
        call_->cancel();
    }
}

void ChatCall::cancel() {
    if (ended_)
        return;
    if (call_) {
        call_->disconnect(this);
        call_->cancel();
    }
    end({.cancelled = true});
}

// A slice of what has come; between two of them other events are looked at, also when the connection has ended.
void ChatCall::readSlice() {
    if (ended_ || waiting_ || (!call_ && !outcome_))
        return;
    QByteArray bytes;
    if (call_) {
        bytes = QByteArray(kAtATime, Qt::Uninitialized);
        bytes.truncate(call_->read(bytes.data(), bytes.size()));
    } else {
        bytes = rest_.first(std::min(kAtATime, rest_.size()));
        rest_.remove(0, bytes.size());
    }
    const QPointer<ChatCall> alive(this);
    if (!bytes.isEmpty())
        read(bytes);
    if (!alive || ended_)
        return;
    if ((call_ ? call_->available() : rest_.size()) > 0) {
        waiting_ = true;
        QTimer::singleShot(0, this, [this] {
            waiting_ = false;
            readSlice();
        });
    } else if (outcome_) {
        conclude();
    }
}

/// What comes, by its type or by how it begins.
ChatCall::Form ChatCall::formOf(const QByteArray& beginning) const {
    const QByteArray type = (call_ ? call_->head().contentType : type_).toLower();
    if (type.contains("event-stream"))
        return Form::Stream;
    if (type.contains("json"))
        return Form::Whole;
    const QByteArray start = beginning.trimmed();
    if (type.contains("html") || start.startsWith('<'))
        return Form::Page;
    return start.isEmpty() ? Form::Unknown : start.startsWith('{') ? Form::Whole : Form::Stream;
}

void ChatCall::read(const QByteArray& bytes) {
    if (form_ == Form::Unknown) {
        whole_ += bytes;
        form_ = formOf(whole_.left(kSniffed));
        if (form_ == Form::Stream) {
            const QByteArray first = std::exchange(whole_, {});
            read(first);
        } else if (form_ == Form::Page) {
            stop(noReplyText(endpoint_, true));
        } else if (whole_.size() > kLargestWhole) {
            stop(noReplyText(endpoint_, false));
        }
        return;
    }
    if (form_ == Form::Whole) {
        whole_ += bytes;
        if (whole_.size() > kLargestWhole)
            stop(noReplyText(endpoint_, false));
        return;
    }
    const QPointer<ChatCall> alive(this);
    const bool more = reader_.feed({bytes.constData(), size_t(bytes.size())});
    if (!alive || ended_ || more)
        return;
    if (reader_.tooLarge())
        stop(Network::tr("What %1 sends has no end. It was stopped; what had come is kept.").arg(endpoint_.name));
    else
        stop({}); // [DONE]: the connection is not needed any more
}

// False: nothing more is wanted.
bool ChatCall::onEvent(const SseEvent& event) {
    if (ended_)
        return false;
    any_ = true;
    if (event.data == "[DONE]") {
        done_ = true;
        return false;
    }
    if (event.name != "message" && event.name != "error")
        return true; // a sign of life, mostly
    std::optional<ChatPiece> piece = readChat(event.data);
    if (event.name == "error" && (!piece || !piece->failed)) {
        const QByteArray data(event.data.data(), qsizetype(event.data.size()));
        piece = ChatPiece{.failed = true, .said = refusalText(data)};
    }
    if (!piece) {
        stop(begun_ ? Network::tr("Something in the reply of %1 cannot be read. What had come before it is kept.")
                          .arg(endpoint_.name)
                    : noReplyText(endpoint_, false));
        return false;
    }
    const QPointer<ChatCall> alive(this);
    take(*piece);
    return alive && !ended_;
}

void ChatCall::take(const ChatPiece& read) {
    if (read.failed) {
        stop(gaveUpText(endpoint_, read.said));
        return;
    }
    ChatPiece piece = read;
    thoughts_.split(piece.text, piece.thoughts);
    if (!piece.finish.empty()) {
        finish_ = piece.finish;
        thoughts_.finish(piece.text, piece.thoughts);
    }
    begun_ |= !piece.text.empty() || !piece.thoughts.empty();
    emit this->piece(piece);
}

/// The connection is closed from here: with a problem, or because the reply is complete.
void ChatCall::stop(const QString& problem) {
    if (ended_)
        return;
    if (call_) {
        call_->disconnect(this);
        call_->cancel();
    }
    if (!problem.isEmpty()) {
        end({.finish = finish_, .problem = problem});
        return;
    }
    const QString unfinished = unfinishedText(endpoint_, finish_);
    end({.complete = unfinished.isEmpty(), .finish = finish_, .problem = unfinished});
}

void ChatCall::onDone() {
    if (ended_ || !call_)
        return;
    using Kind = HttpError::Kind;
    outcome_ = call_->error();
    type_ = call_->head().contentType;
    if (outcome_->kind == Kind::Status)
        refusal_ = call_->body();
    if (!*outcome_ || outcome_->kind == Kind::Cut || outcome_->kind == Kind::Stalled) { // what has arrived counts
        rest_.resize(call_->available());
        rest_.truncate(call_->read(rest_.data(), rest_.size()));
    }
    call_ = nullptr; // deletes itself
    if (outcome_->kind == Kind::Cancelled)
        end({.cancelled = true});
    else
        readSlice();
}

// The connection has ended and all that came is read.
void ChatCall::conclude() {
    const QPointer<ChatCall> alive(this);
    if (form_ == Form::Stream)
        reader_.finish();
    if (!alive || ended_)
        return;
    if (form_ == Form::Whole && !*outcome_) {
        const auto piece = readChat({whole_.constData(), size_t(whole_.size())});
        if (!piece || piece->unknown) {
            stop(noReplyText(endpoint_, false));
            return;
        }
        take(*piece);
        if (!alive || ended_)
            return;
        done_ = true;
    }
    if (!finish_.empty() || done_)
        stop({});
    else if (*outcome_)
        stop(failureText(endpoint_, *outcome_, refusal_, begun_));
    else if (!begun_ && !any_)
        stop(noReplyText(endpoint_, false));
    else
        stop(failureText(endpoint_, {.kind = HttpError::Kind::Cut}, {}, true));
}

void ChatCall::end(ChatEnd result) {
    if (ended_)
        return;
    ended_ = true;
    ChatPiece last; // what was held back, in case it would have become a mark
    thoughts_.finish(last.text, last.thoughts);
    const QPointer<ChatCall> alive(this);
    if (!last.text.empty() || !last.thoughts.empty())
        emit piece(last);
    if (alive)
        emit ended(result);
}

} // namespace hearth::app
