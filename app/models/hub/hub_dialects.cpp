#include "app/models/hub/hub.h"
#include "app/models/hub/hub_json.h"

#include <QUrlQuery>

#include <algorithm>

namespace hearth::app {

using nlohmann::json;

namespace {

QUrl under(const QUrl& base, const QString& path) {
    QUrl url = base;
    QString before = base.path();
    while (before.endsWith(QLatin1Char('/')))
        before.chop(1);
    url.setPath(before + path, QUrl::DecodedMode);
    return url;
}

HttpRequest jsonRequest(const QUrl& url) {
    return {.url = url, .accept = "application/json"};
}

QString licenseOf(const json& object) {
    QString license = textField(objectField(object, "cardData"), "license");
    if (license == QLatin1String("other")) {
        const QString name = textField(objectField(object, "cardData"), "license_name");
        license = name.isEmpty() ? license : name;
    }
    if (!license.isEmpty())
        return license;
    const QStringList tags = textsField(object, "tags");
    for (const QString& tag : tags)
        if (tag.startsWith(QLatin1String("license:")))
            return tag.mid(8);
    return {};
}

HubModel readRow(const json& object) {
    HubModel model;
    model.id = textField(object, "id");
    if (model.id.isEmpty())
        model.id = textField(object, "modelId");
    model.revision = textField(object, "sha");
    if (!isRevision(model.revision))
        model.revision.clear();
    model.license = licenseOf(object);
    model.gated = truthField(object, "gated"); // false, "auto" or "manual"
    model.isPrivate = truthField(object, "private");
    model.downloads = countField(object, "downloads");
    model.likes = countField(object, "likes");
    model.updated = timeField(object, "lastModified");
    model.tags = textsField(object, "tags");
    return model;
}

/// `<https://…>; rel="next"` (RFC 8288), the only thing that the hub puts there.
QUrl nextPage(const QByteArray& link) {
    for (const QByteArray& part : link.left(8192).split(',')) {
        const auto open = part.indexOf('<'), close = part.indexOf('>');
        if (open >= 0 && close > open && part.mid(close).contains("rel=\"next\""))
            return QUrl::fromEncoded(part.mid(open + 1, close - open - 1));
    }
    return {};
}

/// https://huggingface.co/docs/hub/api, and for the tree and `resolve` https://huggingface.co/docs/huggingface_hub
/// (list_repo_tree, hf_hub_url), as far as they are documented there.
class HuggingFace : public HubDialect {
public:
    QString name() const override { return QStringLiteral("Hugging Face"); }

    QString defaultBase() const override { return QStringLiteral("https://huggingface.co"); }

    QString defaultRevision() const override { return QStringLiteral("main"); }

    HttpRequest search(const QUrl& base, const QString& words, int most) const override {
        QUrl url = under(base, QStringLiteral("/api/models"));
        QUrlQuery query;
        query.addQueryItem(QStringLiteral("search"), QString::fromLatin1(QUrl::toPercentEncoding(words)));
        query.addQueryItem(QStringLiteral("filter"), QStringLiteral("gguf"));
        query.addQueryItem(QStringLiteral("sort"), QStringLiteral("downloads"));
        query.addQueryItem(QStringLiteral("direction"), QStringLiteral("-1"));
        query.addQueryItem(QStringLiteral("limit"), QString::number(most));
        query.addQueryItem(QStringLiteral("full"), QStringLiteral("true"));
        url.setQuery(query);
        return jsonRequest(url);
    }

    std::optional<Page<HubModel>> readSearch(const QByteArray& reply, int most) const override {
        Page<HubModel> page;
        const auto rest = readJson(reply, 1, [&](const json& object) {
            HubModel model = readRow(object);
            if (isModelId(model.id))
                page.rows.append(std::move(model));
            return page.rows.size() < most;
        });
        return rest && rest->is_array() ? std::optional(page) : std::nullopt;
    }

    HttpRequest model(const QUrl& base, const QString& id, const QString& revision) const override {
        return jsonRequest(under(base, QStringLiteral("/api/models/%1/revision/%2").arg(id, revision)));
    }

    std::optional<HubModel> readModel(const QByteArray& reply) const override {
        const auto object = readJson(reply);
        if (!object || !object->is_object())
            return std::nullopt;
        return readRow(*object);
    }

    HttpRequest files(const QUrl& base, const QString& id, const QString& revision) const override {
        QUrl url = under(base, QStringLiteral("/api/models/%1/tree/%2").arg(id, revision));
        url.setQuery(QStringLiteral("recursive=true"));
        return jsonRequest(url);
    }

    std::optional<Page<HubFile>> readFiles(const QByteArray& reply, const HttpHead& head, int most) const override {
        Page<HubFile> page;
        const auto rest = readJson(reply, 1, [&](const json& object) {
            const QString type = textField(object, "type");
            HubFile file{.path = textField(object, "path", 1000), .size = countField(object, "size")};
            const json& lfs = objectField(object, "lfs");
            file.sha256 = sha256Field(lfs, "oid");
            if (const qint64 size = countField(lfs, "size"); size >= 0)
                file.size = size; // that of the file; without it a pointer may be meant
            if (!file.path.isEmpty() && (type.isEmpty() || type == QLatin1String("file")))
                page.rows.append(std::move(file));
            return page.rows.size() < most;
        });
        page.next = nextPage(head.link);
        return rest && rest->is_array() ? std::optional(page) : std::nullopt;
    }

    QUrl file(const QUrl& base, const QString& id, const QString& revision, const QString& path) const override {
        return under(base, QStringLiteral("/%1/resolve/%2/").arg(id, revision) + path);
    }

    QUrl page(const QUrl& base, const QString& id) const override { return under(base, QLatin1Char('/') + id); }
};

/// https://www.modelscope.cn/docs, its OpenAPI for the search, and the interface that its own Python client uses for
/// the rest (modelscope/hub/api.py, file_download.py; Apache-2.0), which is documented nowhere else.
class ModelScope : public HubDialect {
public:
    QString name() const override { return QStringLiteral("ModelScope"); }

    QString defaultBase() const override { return QStringLiteral("https://www.modelscope.cn"); }

    QString defaultRevision() const override { return QStringLiteral("master"); }

    HttpRequest search(const QUrl& base, const QString& words, int most) const override {
        QUrl url = under(base, QStringLiteral("/openapi/v1/models"));
        QUrlQuery query;
        query.addQueryItem(QStringLiteral("search"), QString::fromLatin1(QUrl::toPercentEncoding(words)));
        query.addQueryItem(QStringLiteral("filter.library"), QStringLiteral("gguf"));
        query.addQueryItem(QStringLiteral("sort"), QStringLiteral("downloads"));
        query.addQueryItem(QStringLiteral("page_number"), QStringLiteral("1"));
        query.addQueryItem(QStringLiteral("page_size"), QString::number(std::min(most, 50)));
        url.setQuery(query);
        return jsonRequest(url);
    }

    std::optional<Page<HubModel>> readSearch(const QByteArray& reply, int most) const override {
        Page<HubModel> page;
        // {"success": true, "data": {"models": [{...}]}}
        const auto rest = readJson(reply, 3, [&](const json& object) {
            HubModel model = row(object);
            if (isModelId(model.id))
                page.rows.append(std::move(model));
            return page.rows.size() < most;
        });
        const bool is = rest && rest->is_object() && (rest->contains("data") || rest->contains("Data"));
        return is ? std::optional(page) : std::nullopt;
    }

    HttpRequest model(const QUrl& base, const QString& id, const QString& revision) const override {
        QUrl url = under(base, QStringLiteral("/api/v1/models/") + id);
        url.setQuery(QStringLiteral("Revision=") + QString::fromLatin1(QUrl::toPercentEncoding(revision)));
        return jsonRequest(url);
    }

    std::optional<HubModel> readModel(const QByteArray& reply) const override {
        const auto object = readJson(reply);
        if (!object || !object->is_object() || !object->contains("Data"))
            return std::nullopt;
        return row(objectField(*object, "Data"));
    }

    HttpRequest files(const QUrl& base, const QString& id, const QString& revision) const override {
        QUrl url = under(base, QStringLiteral("/api/v1/models/%1/repo/files").arg(id));
        url.setQuery(QStringLiteral("Recursive=true&Revision=") +
                     QString::fromLatin1(QUrl::toPercentEncoding(revision)));
        return jsonRequest(url);
    }

    std::optional<Page<HubFile>> readFiles(const QByteArray& reply, const HttpHead&, int most) const override {
        Page<HubFile> page;
        // {"Code": 200, "Data": {"Files": [{...}]}}
        const auto rest = readJson(reply, 3, [&](const json& object) {
            HubFile file{.path = textField(object, "Path", 1000), .size = countField(object, "Size")};
            file.sha256 = sha256Field(object, "Sha256");
            if (!file.path.isEmpty() && textField(object, "Type") != QLatin1String("tree"))
                page.rows.append(std::move(file));
            return page.rows.size() < most;
        });
        return rest && rest->is_object() && rest->contains("Data") ? std::optional(page) : std::nullopt;
    }

    QUrl file(const QUrl& base, const QString& id, const QString& revision, const QString& path) const override {
        QUrl url = under(base, QStringLiteral("/api/v1/models/%1/repo").arg(id));
        url.setQuery(QStringLiteral("Revision=%1&FilePath=%2")
                         .arg(QString::fromLatin1(QUrl::toPercentEncoding(revision)),
                              QString::fromLatin1(QUrl::toPercentEncoding(path))),
                     QUrl::StrictMode);
        return url;
    }

    QUrl page(const QUrl& base, const QString& id) const override {
        return under(base, QStringLiteral("/models/") + id);
    }

private:
    static HubModel row(const json& object) {
        HubModel model = readRow(object);
        if (model.id.isEmpty()) // of model(): owner and name apart
            model.id = textField(object, "Path") + QLatin1Char('/') + textField(object, "Name");
        if (model.license.isEmpty())
            model.license = textField(object, "License");
        if (model.license.isEmpty())
            model.license = textField(object, "license");
        if (model.downloads < 0)
            model.downloads = countField(object, "Downloads");
        if (model.likes < 0)
            model.likes = countField(object, "Stars");
        for (const char* name : {"last_modified", "LastUpdatedTime"})
            if (!model.updated.isValid())
                model.updated = timeField(object, name);
        return model;
    }
};

} // namespace

std::unique_ptr<HubDialect> huggingFace() {
    return std::make_unique<HuggingFace>();
}

std::unique_ptr<HubDialect> modelScope() {
    return std::make_unique<ModelScope>();
}

} // namespace hearth::app
