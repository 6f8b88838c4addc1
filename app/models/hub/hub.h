#pragma once

#include "app/models/hub/hub_types.h"
#include "app/models/net/http_client.h"

#include <QObject>
#include <QPointer>
#include <QSet>

#include <functional>
#include <memory>
#include <optional>

namespace hearth::app {

/// What the program asks of a hub, in one hub's words. Stateless; any thread. Parsers take replies of strangers: they
/// keep what makes sense and leave out what does not; nothing: it is not such a reply at all.
class HubDialect {
public:
    virtual ~HubDialect() = default;

    template <class T>
    struct Page {
        QVector<T> rows;
        QUrl next; // empty: this was the last
    };

    virtual QString name() const = 0;
    virtual QString defaultBase() const = 0;
    virtual QString defaultRevision() const = 0;
    virtual HttpRequest search(const QUrl& base, const QString& words, int most) const = 0;
    virtual std::optional<Page<HubModel>> readSearch(const QByteArray& reply, int most) const = 0;
    virtual HttpRequest model(const QUrl& base, const QString& id, const QString& revision) const = 0;
    virtual std::optional<HubModel> readModel(const QByteArray& reply) const = 0;
    virtual HttpRequest files(const QUrl& base, const QString& id, const QString& revision) const = 0;
    virtual std::optional<Page<HubFile>> readFiles(const QByteArray& reply, const HttpHead&, int most) const = 0;
    virtual QUrl file(const QUrl& base, const QString& id, const QString& revision, const QString& path) const = 0;
    virtual QUrl page(const QUrl& base, const QString& id) const = 0; // for people
};

std::unique_ptr<HubDialect> huggingFace();
std::unique_ptr<HubDialect> modelScope();

/// "owner/name" or "name" of letters, digits, "-", "_", "."; nothing that changes an address.
bool isModelId(const QString&);
bool isRevision(const QString&);

/// One hub at one address. On the thread of its client.
class Hub : public QObject {
    Q_OBJECT

public:
    enum class Kind : int { HuggingFace, ModelScope };

    /// `base` empty: the hub's own address, or what HF_ENDPOINT or MODELSCOPE_ENDPOINT says.
    Hub(Kind, HttpClient&, const QString& base = {}, QObject* parent = nullptr);

    QString name() const { return dialect_->name(); }

    QUrl base() const { return base_; }

    QString defaultRevision() const { return dialect_->defaultRevision(); }

    /// Sent to the base's own origin only.
    void setToken(const QString& token) { token_ = token; }

    template <class T>
    using Done = std::function<void(const HubAnswer<T>&)>;

    /// Models with GGUF files, the most downloaded first.
    void search(const QString& words, int most, QObject* context, Done<QVector<HubModel>>);
    /// With its card.
    void model(const QString& id, const QString& revision, QObject* context, Done<HubModel>);
    void files(const QString& id, const QString& revision, QObject* context, Done<QVector<HubFile>>);

    QUrl fileUrl(const QString& id, const QString& revision, const QString& path) const;

    QUrl pageUrl(const QString& id) const { return dialect_->page(base_, id); }

private:
    struct Listing;
    void ask(HttpRequest, QObject* context, std::function<void(const HttpCall&)>);
    void nextPage(const std::shared_ptr<Listing>&, const QUrl&);
    void fetchCard(const HubModel&, QObject* context, Done<HubModel>);

    std::unique_ptr<HubDialect> dialect_;
    HttpClient& client_;
    QUrl base_;
    QString token_;
};

} // namespace hearth::app
