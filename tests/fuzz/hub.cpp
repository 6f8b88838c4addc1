// What a hub says: replies to searches, models, file lists, cards, headers. The first byte chooses which.

#include "app/models/hub/hub.h"
#include "app/models/hub/hub_json.h"
#include "app/models/hub/safe_name.h"

#include <QDateTime>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace {

using namespace hearth::app;

void require(bool holds) {
    if (!holds)
        std::abort();
}

void readAs(const HubDialect& dialect, int what, const QByteArray& reply) {
    HttpHead head;
    if (what == 0) {
        if (const auto page = dialect.readSearch(reply, 40)) {
            require(page->rows.size() <= 40);
            for (const HubModel& model : page->rows)
                require(isModelId(model.id) && model.downloads >= -1 && model.likes >= -1);
        }
    } else if (what == 1) {
        if (const auto model = dialect.readModel(reply))
            require(model->revision.isEmpty() || isRevision(model->revision));
    } else {
        head.link = reply.left(reply.indexOf('\n'));
        if (const auto page = dialect.readFiles(reply.mid(reply.indexOf('\n') + 1), head, 1000)) {
            require(page->rows.size() <= 1000);
            for (const HubGroup& group : groupFiles(page->rows))
                require(!group.files.isEmpty() && group.bytes >= -1);
        }
    }
}

void checkName(const QString& name) {
    const QString safe = safeFileName(name);
    const QByteArray bytes = safe.toUtf8();
    require(!safe.isEmpty() && bytes.size() <= 200 && !safe.startsWith(QLatin1Char('.')) &&
            !safe.startsWith(QLatin1Char('-')) && !bytes.contains('/') && !bytes.contains('\\') &&
            !bytes.contains('\0') && !bytes.contains('\n') && !bytes.contains(':'));
    require(bytes.size() > 150 || safeFileName(safe) == safe); // a cut may change a letter
    quantOf(name);
    isModelId(name);
}

void checkHeads(const QByteArray& text) {
    if (const auto range = parseContentRange(text))
        require(range->first >= 0 && range->last >= range->first && (range->total < 0 || range->total > range->last));
    require(retryAfterSeconds(text, QDateTime::fromSecsSinceEpoch(1'790'000'000)) >= -1);
    const QUrl url = QUrl::fromEncoded(text);
    const HttpError error = addressProblem(url);
    require(error || !url.host().isEmpty());
    redirectProblem(QUrl(QStringLiteral("https://hub.example/x")), url, 1, Reach::Public, Reach::Public);
    statusError({.status = 403, .host = url.host(), .errorCode = text, .errorMessage = text});
    contentError(url.host(), text, text);
    looksLikeNoModel(text, text);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0)
        return 0;
    static const std::unique_ptr<HubDialect> dialects[] = {huggingFace(), modelScope()};
    const QByteArray rest(reinterpret_cast<const char*>(data) + 1, qsizetype(size) - 1);
    const int what = (data[0] - '0') & 15; // the corpus begins with digits
    if (what < 6)
        readAs(*dialects[what / 3], what % 3, rest);
    else if (what == 6)
        require(plainCard(QString::fromUtf8(rest)).size() <= 2 * rest.size() + 16);
    else if (what == 7)
        checkName(QString::fromUtf8(rest));
    else
        checkHeads(rest);
    return 0;
}
