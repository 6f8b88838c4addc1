#include "app/models/page/discover_desk.h"

#include "app/models/files/model_facts.h"
#include "app/models/hub/remote_header.h"
#include "app/models/net/engine_words.h"
#include "app/models/net/sentences.h"
#include "app/models/page/rows.h"

#include <algorithm>
#include <cmath>

namespace hearth::app {
namespace {

constexpr int kMostResults = 40;
constexpr int kMostHeaders = 4; // that are read for one page; a repository is of one model, mostly

const QString kHubs[] = {QStringLiteral("huggingface"), QStringLiteral("modelscope")};

/// The model that a person means who puts its page's address, as a browser shows it, where words are searched. A
/// mirror's address stands for the hub that it mirrors.
struct PastedModel {
    QString hub, model;
};

struct PageHost {
    const char* host;
    int hub; // of kHubs
};

constexpr PageHost kPageHosts[] = {
    {"huggingface.co", 0},
    {"hf.co", 0},
    {"modelscope.cn", 1},
    {"modelscope.ai", 1},
};

std::optional<PastedModel> pastedModel(const QString& words, const QUrl& base, int baseHub) {
    const QString text = words.trimmed();
    const QUrl url(text.contains(QLatin1String("://")) ? text : QStringLiteral("https://") + text, QUrl::StrictMode);
    if (!url.isValid() || !text.contains(QLatin1Char('/')))
        return std::nullopt;
    const QString host = url.host().startsWith(QLatin1String("www.")) ? url.host().mid(4) : url.host();
    int hub = host == base.host() ? baseHub : -1;
    QString path = url.path();
    for (const PageHost& known : kPageHosts)
        if (host == QLatin1String(known.host))
            hub = known.hub;
    if (hub < 0)
        return std::nullopt;
    if (const QString before = QStringLiteral("/models/"); path.startsWith(before)) // at ModelScope
        path = path.mid(before.size());
    const QStringList parts = path.split(QLatin1Char('/'), Qt::SkipEmptyParts);
    const QString model = parts.value(0) + QLatin1Char('/') + parts.value(1);
    return parts.size() >= 2 && isModelId(model) ? std::optional(PastedModel{kHubs[hub], model}) : std::nullopt;
}

bool isUnpacked(const QString& quant) { // larger than what any person gains from it
    return quant == QLatin1String("F32") || quant == QLatin1String("F16") || quant == QLatin1String("BF16") ||
           quant == QLatin1String("FP16");
}

} // namespace

DiscoverDesk::DiscoverDesk(Surroundings around, QObject* parent)
    : QObject(parent), around_(std::move(around)), client_(around_.gate), catalog_(Catalog::builtIn()) {
    for (int i = 0; i < 2; ++i) {
        hubs_[i].id = kHubs[i];
        makeHub(hubs_[i]);
    }
    using ui::ModelsPanel;
    ModelsPanel& panel = around_.panel;
    connect(&panel, &ModelsPanel::networkChosen, this, &DiscoverDesk::networkChosen);
    connect(&panel, &ModelsPanel::searchRequested, this, &DiscoverDesk::search);
    connect(&panel, &ModelsPanel::hubPageRequested, this, &DiscoverDesk::openPage);
    connect(&panel, &ModelsPanel::hubPageClosed, this, &DiscoverDesk::closePage);
    connect(&panel, &ModelsPanel::downloadRequested, this,
            [this](const QString&, const QString&, const QString& group) { download(group); });
    connect(&panel, &ModelsPanel::hubAddressChanged, this, [this](const QString& hub, const QString& address) {
        setAddress(hub, address);
        emit addressChanged(hub, desk(hub).address);
    });
    connect(&panel, &ModelsPanel::tokenEntered, this, &DiscoverDesk::keepToken);
    connect(&panel, &ModelsPanel::tokenRemoved, this, &DiscoverDesk::dropToken);
    showHubs();
    refreshNetwork();
}

DiscoverDesk::~DiscoverDesk() = default;

QString DiscoverDesk::hubId(const QString& name) {
    return name.contains(QLatin1String("model"), Qt::CaseInsensitive) ? kHubs[1] : kHubs[0];
}

DiscoverDesk::HubDesk& DiscoverDesk::desk(const QString& id) {
    return hubs_[id == kHubs[1] ? 1 : 0];
}

// What waits for the old one is not told any more.
void DiscoverDesk::makeHub(HubDesk& desk) {
    desk.hub = std::make_unique<Hub>(desk.id == kHubs[1] ? Hub::Kind::ModelScope : Hub::Kind::HuggingFace, client_,
                                     desk.address);
    desk.token.clear();
    desk.tokenRead = false;
    desk.problem.clear();
}

void DiscoverDesk::setAddress(const QString& hub, const QString& address) {
    HubDesk& at = desk(hub);
    if (address == at.address)
        return;
    closePage();
    searching_.reset();
    at.address = address;
    makeHub(at);
    showHubs();
    refreshNetwork();
}

void DiscoverDesk::showHubs() {
    QVector<ui::HubRow> rows;
    for (const HubDesk& at : hubs_)
        rows.append({at.id, at.hub->name(), at.hub->base().toString(), !at.token.isEmpty(), at.problem});
    around_.panel.setHubs(rows);
}

void DiscoverDesk::refreshNetwork() {
    ui::NetworkRow row;
    switch (around_.gate.state()) {
    case NetworkGate::State::NotAsked:
        row.state = ui::NetworkState::NotAsked;
        break;
    case NetworkGate::State::Off:
        row.state = ui::NetworkState::Off;
        break;
    case NetworkGate::State::On:
        row.state = ui::NetworkState::On;
        break;
    }
    for (const HubDesk& at : hubs_)
        row.hosts << at.hub->base().host();
    row.hosts.removeDuplicates(); // one mirror of both
    row.contacted = around_.gate.contacted();
    around_.panel.setNetwork(row);
}

void DiscoverDesk::refreshCatalog() {
    const MachineMemory memory = around_.memory();
    QVector<ui::CatalogRow> rows;
    for (const CatalogModel& model : catalog_.models) {
        ui::CatalogRow row = model.row(around_.isChinese());
        row.fit = roughFitRow(model, memory.freeBytes, memory.readBandwidth);
        rows.append(row);
    }
    around_.panel.setCatalog(rows);
}

// ---- Searching

void DiscoverDesk::search(const QString& hub, const QString& words) {
    if (const auto pasted = pastedModel(words, desk(hub).hub->base(), hub == kHubs[1] ? 1 : 0)) {
        around_.panel.setSearch({});
        around_.panel.openHubPage(pasted->hub, pasted->model);
        return;
    }
    searching_ = std::make_unique<QObject>();
    desk(hub).hub->search(
        words, kMostResults, searching_.get(), [this, hub, words](const HubAnswer<QVector<HubModel>>& answer) {
            ui::SearchRow row;
            row.hub = hub;
            row.words = words;
            row.state = answer.error ? ui::LoadState::Failed : ui::LoadState::Ready;
            row.problem = answer.error.sentence;
            for (const HubModel& model : answer.value)
                row.models.append({model.id, model.license, model.gated, model.downloads, model.likes, model.updated});
            around_.panel.setSearch(row);
            refreshNetwork();
        });
}

// ---- A model's page

void DiscoverDesk::openPage(const QString& hub, const QString& model) {
    closePage();
    page_.state = ui::LoadState::Loading;
    page_.hub = hub;
    page_.id = model;
    askModel(false);
}

void DiscoverDesk::closePage() {
    asking_.reset();
    page_ = {};
    model_ = {};
    groups_.clear();
    judged_.clear();
}

void DiscoverDesk::askModel(bool withToken) {
    asking_ = std::make_unique<QObject>();
    HubDesk& at = desk(page_.hub);
    // The keyring is asked only where an account is needed.
    if (withToken && !at.tokenRead) {
        around_.secrets.read(tokenName(at), asking_.get(), [this, id = at.id](const Secrets::Answer& answer) {
            HubDesk& read = desk(id);
            read.tokenRead = true;
            read.problem = answer.problem;
            read.token = answer.value;
            read.hub->setToken(read.token);
            showHubs();
            if (!read.token.isEmpty())
                QMetaObject::invokeMethod(
                    this, [this] { askModel(false); }, Qt::QueuedConnection);
        });
        return;
    }
    at.hub->model(page_.id, {}, asking_.get(), [this](const HubAnswer<HubModel>& answer) {
        refreshNetwork();
        if (answer.error) {
            pageFailed(answer.error);
            return;
        }
        model_ = answer.value;
        page_.licence = model_.license;
        page_.gated = model_.gated;
        page_.card = model_.card;
        page_.address = desk(page_.hub).hub->pageUrl(page_.id).toString();
        askFiles();
    });
}

void DiscoverDesk::askFiles() {
    desk(page_.hub).hub->files(page_.id, model_.revision, asking_.get(),
                               [this](const HubAnswer<QVector<HubFile>>& answer) {
                                   if (answer.error) {
                                       pageFailed(answer.error);
                                       return;
                                   }
                                   for (const HubGroup& group : groupFiles(answer.value))
                                       if (group.kind != HubGroup::Kind::Other)
                                           groups_.append(group);
                                   page_.state = ui::LoadState::Ready;
                                   showPage();
                                   judgeNext();
                               });
}

void DiscoverDesk::pageFailed(const HttpError& error) {
    page_.problem = error.sentence;
    page_.state = ui::LoadState::Failed;
    page_.gated = page_.gated || error.gated;
    if (page_.address.isEmpty())
        page_.address = desk(page_.hub).hub->pageUrl(page_.id).toString();
    showPage();
    if (error.gated && desk(page_.hub).token.isEmpty() && !desk(page_.hub).tokenRead)
        askModel(true);
}

QString DiscoverDesk::kindOf(const HubGroup& group) {
    QString name = group.name.toLower();
    if (const int at = int(name.lastIndexOf(group.quant.toLower())); !group.quant.isEmpty() && at >= 0)
        name.remove(at, group.quant.size());
    return name;
}

// One header for files that differ in their quant only; a few hundred KB to a few MB.
void DiscoverDesk::judgeNext() {
    for (const HubGroup& group : std::as_const(groups_)) {
        if (group.kind != HubGroup::Kind::Gguf || group.bytes <= 0 || !group.complete)
            continue;
        const QString kind = kindOf(group);
        if (judged_.contains(kind) || judged_.size() >= kMostHeaders)
            continue;
        judged_[kind].asked = true;
        QVector<RemoteHeader::File> files;
        for (const HubFile& file : group.files)
            files.append({desk(page_.hub).hub->fileUrl(model_.id, model_.revision, file.path), file.size});
        showPage();
        new RemoteHeader(client_, files, desk(page_.hub).token, asking_.get(),
                         [this, kind, bytes = group.bytes](std::shared_ptr<const engine::Checkpoint> header,
                                                           const HttpError& error) {
                             Judged& judged = judged_[kind];
                             judged.asked = false;
                             judged.header = std::move(header);
                             judged.bytes = bytes;
                             judged.problem = error.sentence;
                             page_.gated = page_.gated || error.gated;
                             refreshNetwork();
                             showPage();
                             judgeNext();
                         });
        return;
    }
}

std::optional<Fit> DiscoverDesk::fitOf(const HubGroup& group) const {
    const auto judged = judged_.constFind(kindOf(group));
    if (judged == judged_.constEnd() || !judged->header || judged->bytes <= 0 || group.bytes <= 0)
        return std::nullopt;
    const ModelFacts facts = factsOf(*judged->header, group.name.toStdString());
    if (!facts.problem.empty() || !facts.cannotRun.empty())
        return std::nullopt;
    engine::PlacementInput in = facts.placement;
    const double scale = double(group.bytes) / double(judged->bytes);
    for (engine::PlacedTensor& tensor : in.tensors) {
        tensor.bytes = uint64_t(double(tensor.bytes) * scale);
        tensor.bytesPerToken = uint64_t(double(tensor.bytesPerToken) * scale);
    }
    return judgeFit(in, around_.memory(), facts.trainedContext);
}

ui::FileGroupRow DiscoverDesk::fileRow(const HubGroup& group) const {
    ui::FileGroupRow row;
    row.id = group.name;
    row.quant = group.quant;
    row.bytes = group.bytes;
    row.files = int(group.files.size());
    row.path = around_.inLibrary(group);
    row.queued = row.path.isEmpty() && around_.isQueued(requestFor(group).id());
    if (!group.complete) {
        row.problem = tr("Parts of it are missing at the hub.");
        return row;
    }
    if (group.bytes < 0) {
        row.problem = tr("The hub does not tell its size, so it is not fetched.");
        return row;
    }
    const auto judged = judged_.constFind(kindOf(group));
    if (judged == judged_.constEnd())
        return row;
    row.judging = judged->asked;
    if (judged->header) {
        const ModelFacts facts = factsOf(*judged->header, group.name.toStdString());
        row.problem = toldByEngine(facts.reason, !facts.problem.empty() ? facts.problem : facts.cannotRun);
        if (const std::optional<Fit> fit = fitOf(group))
            row.fit = fitRow(*fit);
    } else {
        row.fit.words = judged->problem;
    }
    return row;
}

void DiscoverDesk::showPage() {
    page_.files.clear();
    int best = -1;
    qint64 bestBytes = 0;
    for (const HubGroup& group : std::as_const(groups_)) {
        const ui::FileGroupRow row = fileRow(group);
        const bool fits = row.fit.kind == ui::FitKind::Gpu || row.fit.kind == ui::FitKind::GpuAndMemory ||
                          row.fit.kind == ui::FitKind::Memory;
        if (fits && row.problem.isEmpty() && !isUnpacked(row.quant) && row.bytes > bestBytes) {
            best = int(page_.files.size());
            bestBytes = row.bytes;
        }
        page_.files.append(row);
    }
    if (best >= 0)
        page_.files[best].suggested = true;
    around_.panel.setHubPage(page_);
}

void DiscoverDesk::refreshFiles() {
    if (page_.state == ui::LoadState::Ready)
        showPage();
}

// ---- Downloads

DownloadRequest DiscoverDesk::requestFor(const HubGroup& group) const {
    const HubDesk& at = hubs_[page_.hub == kHubs[1] ? 1 : 0];
    DownloadRequest request;
    request.title = model_.id + QLatin1Char(' ') + (group.quant.isEmpty() ? group.name : group.quant);
    request.folder = around_.folder();
    for (const HubFile& file : group.files)
        request.files.append({.url = at.hub->fileUrl(model_.id, model_.revision, file.path),
                              .name = file.path,
                              .bytes = file.size,
                              .sha256 = file.sha256});
    request.group = group.kind == HubGroup::Kind::Folder ? model_.id.section(QLatin1Char('/'), -1) : group.name;
    request.token = at.token;
    request.tokenName = tokenName(at);
    request.license = model_.license;
    request.hub = at.hub->name();
    request.model = model_.id;
    return request;
}

void DiscoverDesk::download(const QString& name) {
    for (const HubGroup& group : std::as_const(groups_))
        if (group.name == name && group.complete && group.bytes >= 0) {
            emit downloadWanted(requestFor(group));
            refreshFiles();
            return;
        }
}

// ---- Tokens

QString DiscoverDesk::tokenName(const HubDesk& at) const {
    return Secrets::hubToken(originText(at.hub->base()));
}

void DiscoverDesk::token(const QString& name, QObject* context, const std::function<void(const QString&)>& done) {
    for (const HubDesk& at : hubs_)
        if (at.hub && !at.token.isEmpty() && tokenName(at) == name) {
            done(at.token);
            return;
        }
    around_.secrets.read(name, context, [done](const Secrets::Answer& answer) { done(answer.value); });
}

void DiscoverDesk::keepToken(const QString& hub, const QString& token) {
    HubDesk& at = desk(hub);
    at.token = token;
    at.tokenRead = true;
    at.problem.clear();
    at.hub->setToken(token);
    showHubs();
    around_.secrets.write(tokenName(at), token, this, [this, hub](const Secrets::Answer& answer) {
        desk(hub).problem = answer.problem; // it holds for this session all the same
        showHubs();
    });
    if (!page_.id.isEmpty() && page_.hub == hub)
        openPage(hub, QString(page_.id));
}

void DiscoverDesk::dropToken(const QString& hub) {
    HubDesk& at = desk(hub);
    at.token.clear();
    at.hub->setToken({});
    showHubs();
    around_.secrets.remove(tokenName(at), this, [this, hub](const Secrets::Answer& answer) {
        desk(hub).problem = answer.problem;
        showHubs();
    });
}

} // namespace hearth::app
