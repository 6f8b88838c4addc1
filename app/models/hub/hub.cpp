#include "app/models/hub/hub.h"

#include "app/models/net/sentences.h"

#include <algorithm>

namespace hearth::app {
namespace {

constexpr qint64 kLargestReply = 32 << 20; // bytes of JSON
constexpr qint64 kLargestCard = 2 << 20;
constexpr int kMostFiles = 20'000; // of a repository; a model has a few hundred
constexpr int kMostPages = 100;

bool isWord(const QString& text) {
    return !text.isEmpty() && text.size() <= 128 && text != QLatin1String(".") && text != QLatin1String("..") &&
           std::all_of(text.begin(), text.end(), [](QChar c) {
               return c.isLetterOrNumber() || c == QLatin1Char('-') || c == QLatin1Char('_') || c == QLatin1Char('.');
           });
}

HttpError noSense(const QString& host) {
    return {.kind = HttpError::Kind::Content,
            .sentence = Network::tr("The answer of %1 makes no sense. Is it the address of a hub?").arg(host)};
}

HttpError badName(const QString& name) {
    return {.kind = HttpError::Kind::BadAddress,
            .sentence = Network::tr("%1 is not the name of a model: it looks like owner/name.").arg(shown(name))};
}

} // namespace

bool isModelId(const QString& id) {
    const QStringList parts = id.split(QLatin1Char('/'));
    return parts.size() <= 2 && std::all_of(parts.begin(), parts.end(), isWord);
}

bool isRevision(const QString& revision) {
    const QStringList parts = revision.split(QLatin1Char('/')); // a branch may have one
    return parts.size() <= 4 && std::all_of(parts.begin(), parts.end(), isWord);
}

/// A list of files that comes page by page.
struct Hub::Listing {
    QVector<HubFile> files;
    QSet<QString> names; // each once
    QSet<QUrl> pages;    // asked for already
    QPointer<QObject> context;
    Done<QVector<HubFile>> done;
};

Hub::Hub(Kind kind, HttpClient& client, const QString& base, QObject* parent)
    : QObject(parent), dialect_(kind == Kind::HuggingFace ? huggingFace() : modelScope()), client_(client) {
    QString address = base;
    if (address.isEmpty())
        address = qEnvironmentVariable(kind == Kind::HuggingFace ? "HF_ENDPOINT" : "MODELSCOPE_ENDPOINT");
    if (address.isEmpty())
        address = dialect_->defaultBase();
    base_ =
        QUrl(address.contains(QLatin1String("://")) ? address : QStringLiteral("https://") + address, QUrl::StrictMode);
}

void Hub::ask(HttpRequest request, QObject* context, std::function<void(const HttpCall&)> done) {
    request.token = sameOrigin(request.url, base_) ? token_ : QString();
    if (request.collectAtMost == 0)
        request.collectAtMost = kLargestReply;
    HttpCall* call = client_.start(request);
    connect(call, &HttpCall::done, context, [call, done = std::move(done)] { done(*call); });
    connect(context, &QObject::destroyed, call, [call] { call->cancel(); });
    connect(this, &QObject::destroyed, call, [call] { call->cancel(); });
}

void Hub::search(const QString& words, int most, QObject* context, Done<QVector<HubModel>> done) {
    most = std::clamp(most, 1, 100);
    ask(dialect_->search(base_, words.left(200), most), context, [this, most, done](const HttpCall& call) {
        if (call.error()) {
            done({{}, call.error()});
            return;
        }
        const auto page = dialect_->readSearch(call.body(), most);
        page ? done({page->rows, {}}) : done({{}, noSense(call.head().url.host())});
    });
}

void Hub::model(const QString& id, const QString& revision, QObject* context, Done<HubModel> done) {
    const QString wanted = revision.isEmpty() ? defaultRevision() : revision;
    if (!isModelId(id) || !isRevision(wanted)) {
        done({{}, badName(id)});
        return;
    }
    ask(dialect_->model(base_, id, wanted), context, [this, id, wanted, done, context](const HttpCall& call) {
        if (call.error()) {
            done({{}, call.error()});
            return;
        }
        auto model = dialect_->readModel(call.body());
        if (!model) {
            done({{}, noSense(call.head().url.host())});
            return;
        }
        model->id = id; // what was asked for, whatever the reply calls it
        if (model->revision.isEmpty())
            model->revision = wanted;
        fetchCard(*model, context, done);
    });
}

void Hub::fetchCard(const HubModel& model, QObject* context, Done<HubModel> done) {
    HttpRequest request{.url = fileUrl(model.id, model.revision, QStringLiteral("README.md"))};
    request.collectAtMost = kLargestCard;
    ask(request, context, [model, done](const HttpCall& call) {
        HubModel whole = model;
        if (!call.error()) // without one the model is still a model
            whole.card = plainCard(QString::fromUtf8(call.body()));
        done({whole, {}});
    });
}

void Hub::files(const QString& id, const QString& revision, QObject* context, Done<QVector<HubFile>> done) {
    const QString wanted = revision.isEmpty() ? defaultRevision() : revision;
    if (!isModelId(id) || !isRevision(wanted)) {
        done({{}, badName(id)});
        return;
    }
    auto listing = std::make_shared<Listing>();
    listing->context = context;
    listing->done = std::move(done);
    nextPage(listing, dialect_->files(base_, id, wanted).url);
}

void Hub::nextPage(const std::shared_ptr<Listing>& listing, const QUrl& url) {
    if (!listing->context)
        return;
    listing->pages.insert(url);
    HttpRequest request{.url = url, .accept = "application/json"};
    ask(request, listing->context, [this, listing](const HttpCall& call) {
        if (call.error()) {
            listing->done({{}, call.error()});
            return;
        }
        const QString host = call.head().url.host();
        auto page = dialect_->readFiles(call.body(), call.head(), kMostFiles - int(listing->files.size()));
        if (!page) {
            listing->done({{}, noSense(host)});
            return;
        }
        for (const HubFile& file : page->rows)
            if (!listing->names.contains(file.path)) {
                listing->names.insert(file.path);
                listing->files.append(file);
            }
        const QUrl next = page->next.isEmpty() ? QUrl() : call.head().url.resolved(page->next);
        // Pages in a circle, too many, or of another server: what there is so far is the list.
        const bool more = !next.isEmpty() && listing->files.size() < kMostFiles && listing->pages.size() < kMostPages &&
                          !listing->pages.contains(next) && sameOrigin(next, base_);
        more ? nextPage(listing, next) : listing->done({listing->files, {}});
    });
}

QUrl Hub::fileUrl(const QString& id, const QString& revision, const QString& path) const {
    return dialect_->file(base_, id, revision.isEmpty() ? defaultRevision() : revision, path);
}

} // namespace hearth::app
