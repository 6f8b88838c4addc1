#include "app/models/hub/remote_header.h"

#include "app/models/net/engine_words.h"
#include "app/models/net/sentences.h"

#include <algorithm>

namespace hearth::app {

using Kind = HttpError::Kind;

RemoteHeader::RemoteHeader(HttpClient& client, const QVector<File>& files, const QString& token, QObject* context,
                           Done done)
    : QObject(&client), client_(client), files_(files), token_(token), context_(context), done_(std::move(done)) {
    connect(context, &QObject::destroyed, this, &QObject::deleteLater);
    QTimer::singleShot(0, this, [this] { files_.isEmpty() ? finish() : ask(); });
}

RemoteHeader::~RemoteHeader() {
    if (call_) {
        call_->disconnect(this);
        call_->cancel();
    }
}

void RemoteHeader::ask() {
    const File& file = files_[file_];
    const qint64 have = beginning_.size(), last = std::min(wanted_, file.bytes) - 1;
    HttpRequest request{
        .url = file.url, .rangeFirst = have, .rangeLast = last, .collectAtMost = std::max<qint64>(1, last - have + 1)};
    if (sameOrigin(file.url, files_[0].url))
        request.token = token_;
    call_ = client_.start(request);
    connect(call_, &HttpCall::done, this, [this, call = call_.data()] { onDone(*call); });
}

void RemoteHeader::onDone(const HttpCall& call) {
    received_ += call.body().size();
    const QString host = call.head().url.host();
    const bool whole = call.head().status == 200 && files_[file_].bytes > beginning_.size() + call.body().size();
    if (call.error().kind == Kind::TooLarge || (!call.error() && whole)) {
        end({}, {.kind = Kind::Content,
                 .sentence =
                     Network::tr("%1 gives no parts of a file, so this model can only be judged after its download.")
                         .arg(host)});
        return;
    }
    if (call.error()) {
        end({}, call.error());
        return;
    }
    const auto range = parseContentRange(call.head().contentRange);
    if (call.head().status == 206 && (!range || range->first != beginning_.size())) {
        end({},
            {.kind = Kind::Content,
             .sentence = Network::tr("%1 sends other parts of the file than those that were asked for.").arg(host)});
        return;
    }
    beginning_ += call.body();
    if (looksLikeNoModel(call.head().contentType, beginning_)) {
        end({}, contentError(host, call.head().contentType, beginning_.left(1024)));
        return;
    }
    next();
}

/// Tries what is there; asks for twice as much where the header goes on.
void RemoteHeader::next() {
    const std::span bytes(beginning_.constData(), size_t(beginning_.size()));
    std::optional<engine::GgufPart> part;
    try {
        const std::string name = files_[file_].url.fileName().toStdString();
        part = engine::parseGgufBeginning(std::as_bytes(bytes), uint64_t(files_[file_].bytes), name);
    } catch (const std::exception& e) {
        end({}, {.kind = Kind::Content, .sentence = toldByEngine(e)});
        return;
    }
    if (!part && wanted_ >= kMostBytes) {
        end({}, {.kind = Kind::TooLarge,
                 .sentence = Network::tr("The header of this model is larger than any that makes sense.")});
        return;
    }
    if (!part) {
        wanted_ = std::min(kMostBytes, 2 * wanted_);
        ask();
        return;
    }
    parts_.push_back(std::move(*part));
    beginning_.clear();
    wanted_ = kFirstBytes;
    ++file_;
    file_ < files_.size() ? ask() : finish();
}

void RemoteHeader::finish() {
    try {
        end(std::make_shared<engine::Checkpoint>(engine::Checkpoint::fromParts(std::move(parts_))), {});
    } catch (const std::exception& e) {
        end({}, {.kind = Kind::Content, .sentence = toldByEngine(e)});
    }
}

void RemoteHeader::end(std::shared_ptr<const engine::Checkpoint> checkpoint, const HttpError& error) {
    const Done done = std::exchange(done_, {});
    if (done && context_)
        done(std::move(checkpoint), error);
    deleteLater();
}

} // namespace hearth::app
