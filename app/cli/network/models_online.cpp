// models search, show, pull: the only commands that touch the network, and only when they are given.

#include "app/cli/commands.h"
#include "app/cli/common.h"
#include "app/models/download/downloader.h"
#include "app/models/hub/hub.h"
#include "app/models/hub/remote_header.h"
#include "app/models/net/network_gate.h"
#include "app/models/net/secrets.h"
#include "app/models/net/sentences.h"
#include "engine/checkpoint.h"
#include "engine/error.h"

#include <QCoreApplication>
#include <QDir>
#include <QElapsedTimer>
#include <QEventLoop>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <iostream>
#include <unistd.h>

namespace hearth::cli {

using app::DownloadStatus;
using app::HubFile;
using app::HubGroup;
using app::HubModel;
using engine::Error;
using nlohmann::ordered_json;

namespace {

[[noreturn]] void fail(const QString& sentence) {
    throw Error(sentence.toStdString());
}

std::string textOf(const QString& text) {
    return text.toStdString();
}

/// What a command needs of Qt, of the network and of a hub. The network is open: the person called this command.
class Online {
public:
    explicit Online(const Arguments& a)
        : app_(argc_, argv_), gate_(app::NetworkGate::State::On), client_(gate_),
          hub_(kindOf(a), client_, QString::fromStdString(a.text("--base"))) {
        std::setlocale(LC_ALL, "C"); // numbers as every program reads them
        const bool face = kindOf(a) == app::Hub::Kind::HuggingFace;
        token_ = qEnvironmentVariable(face ? "HF_TOKEN" : "MODELSCOPE_API_TOKEN");
        hub_.setToken(token_);
    }

    app::NetworkGate& gate() { return gate_; }

    app::HttpClient& client() { return client_; }

    app::Hub& hub() { return hub_; }

    const QString& token() const { return token_; }

    /// Waits for what `ask` will tell, asks once more with the keyring's token where an account is needed; throws Error
    /// with the hub's sentence.
    template <class T>
    T answer(const std::function<void(QObject*, app::Hub::Done<T>)>& ask) {
        app::HubAnswer<T> got = once<T>(ask);
        if (got.error.gated && token_.isEmpty() && readToken())
            got = once<T>(ask);
        if (got.error)
            fail(got.error.sentence);
        return got.value;
    }

    bool readToken() {
        QEventLoop loop;
        app::SystemSecrets(5000).read(app::Secrets::hubToken(app::originText(hub_.base())), &loop,
                                      [&](const app::Secrets::Answer& answer) {
                                          token_ = answer.value;
                                          loop.quit();
                                      });
        loop.exec();
        hub_.setToken(token_);
        return !token_.isEmpty();
    }

private:
    static app::Hub::Kind kindOf(const Arguments& a) {
        constexpr std::string_view kHubs[] = {"huggingface", "modelscope"};
        return static_cast<app::Hub::Kind>(a.choice("--hub", kHubs, 0));
    }

    template <class T>
    static app::HubAnswer<T> once(const std::function<void(QObject*, app::Hub::Done<T>)>& ask) {
        QEventLoop loop;
        app::HubAnswer<T> got;
        bool told = false;
        ask(&loop, [&](const app::HubAnswer<T>& answer) {
            got = answer;
            told = true;
            loop.quit();
        });
        if (!told)
            loop.exec();
        return got;
    }

    int argc_ = 1;
    char name_[11] = "hearth-cli";
    char* argv_[2] = {name_, nullptr};
    QCoreApplication app_;
    app::NetworkGate gate_;
    app::HttpClient client_;
    app::Hub hub_;
    QString token_;
};

ordered_json modelJson(const HubModel& m) {
    ordered_json out = {{"id", textOf(m.id)}, {"license", textOf(m.license)}, {"gated", m.gated}};
    out["downloads"] = m.downloads < 0 ? ordered_json() : ordered_json(m.downloads);
    out["likes"] = m.likes < 0 ? ordered_json() : ordered_json(m.likes);
    out["updated"] = textOf(m.updated.isValid() ? m.updated.toUTC().toString(Qt::ISODate) : QString());
    return out;
}

ordered_json groupJson(const HubGroup& g) {
    ordered_json files = ordered_json::array();
    for (const HubFile& f : g.files)
        files.push_back({{"path", textOf(f.path)},
                         {"bytes", f.size < 0 ? ordered_json() : ordered_json(f.size)},
                         {"sha256", f.sha256.toStdString()}});
    constexpr const char* kKinds[] = {"gguf", "safetensors", "other"};
    return {{"name", textOf(g.name)},   {"kind", kKinds[static_cast<int>(g.kind)]},
            {"quant", textOf(g.quant)}, {"bytes", g.bytes < 0 ? ordered_json() : ordered_json(g.bytes)},
            {"complete", g.complete},   {"files", std::move(files)}};
}

std::string sizeText(qint64 bytes) {
    return bytes < 0 ? "size not told" : engine::readableBytes(static_cast<uint64_t>(bytes));
}

void printModel(const HubModel& m) {
    std::string line = textOf(m.id) + "  " + (m.license.isEmpty() ? "licence not told" : textOf(m.license));
    if (m.gated)
        line += "  gated";
    if (m.downloads >= 0)
        line += "  " + std::to_string(m.downloads) + " downloads";
    print(line + "\n");
}

/// "owner/name", or "owner/name:Q4_K_M".
struct Wanted {
    QString id, file;
};

Wanted wantedOf(const Arguments& a) {
    const QString word = QString::fromStdString(a.operands()[0]);
    Wanted wanted{word.section(QLatin1Char(':'), 0, 0), word.section(QLatin1Char(':'), 1)};
    if (a.has("--file"))
        wanted.file = QString::fromStdString(a.text("--file"));
    return wanted;
}

QString choicesOf(const QVector<HubGroup>& groups) {
    QStringList names;
    for (const HubGroup& g : groups)
        if (g.kind != HubGroup::Kind::Other && names.size() < 40)
            names.append(app::shown(g.quant.isEmpty() ? g.name : g.quant, 60));
    return names.join(QStringLiteral(", "));
}

/// By quant, by name or by a file's name; without a word the only one, or Q4_K_M.
HubGroup chosen(const QVector<HubGroup>& groups, const QString& word, const QString& id) {
    QVector<HubGroup> models;
    for (const HubGroup& g : groups)
        if (g.kind != HubGroup::Kind::Other)
            models.append(g);
    if (models.isEmpty())
        fail(QStringLiteral("%1 holds no files that this program can run.").arg(app::shown(id)));
    const auto is = [](const HubGroup& g, const QString& name) {
        const auto same = [&](const QString& text) { return text.compare(name, Qt::CaseInsensitive) == 0; };
        return same(g.quant) || same(g.name) || std::any_of(g.files.begin(), g.files.end(), [&](const HubFile& f) {
                   return same(f.path) || same(f.path.section(QLatin1Char('/'), -1));
               });
    };
    if (word.isEmpty() && models.size() == 1)
        return models[0];
    for (const HubGroup& g : models)
        if (is(g, word.isEmpty() ? QStringLiteral("Q4_K_M") : word))
            return g;
    fail(QStringLiteral("%1 has these: %2. Name one with --file.").arg(app::shown(id), choicesOf(models)));
}

struct Listing {
    HubModel model;
    QVector<HubGroup> groups;
};

Listing list(Online& online, const QString& id, const QString& revision) {
    Listing out;
    out.model = online.answer<HubModel>([&](QObject* context, app::Hub::Done<HubModel> done) {
        online.hub().model(id, revision, context, std::move(done));
    });
    const auto files = online.answer<QVector<HubFile>>([&](QObject* context, app::Hub::Done<QVector<HubFile>> done) {
        online.hub().files(id, out.model.revision, context, std::move(done));
    });
    out.groups = app::groupFiles(files);
    return out;
}

/// The placement of a model that is not here yet, by its header alone.
engine::Inspection judge(Online& online, const Arguments& a, const Listing& listing, const HubGroup& group) {
    if (group.kind != HubGroup::Kind::Gguf || group.bytes < 0)
        fail(QStringLiteral("%1 can only be judged after its download.").arg(app::shown(group.name)));
    QVector<app::RemoteHeader::File> files;
    for (const HubFile& f : group.files)
        files.append({online.hub().fileUrl(listing.model.id, listing.model.revision, f.path), f.size});
    QEventLoop loop;
    std::shared_ptr<const engine::Checkpoint> header;
    app::HttpError error;
    new app::RemoteHeader(online.client(), files, online.token(), &loop,
                          [&](std::shared_ptr<const engine::Checkpoint> checkpoint, const app::HttpError& e) {
                              header = std::move(checkpoint);
                              error = e;
                              loop.quit();
                          });
    loop.exec();
    if (!header)
        fail(error.sentence);
    engine::LoadOptions options;
    options.path = textOf(group.name);
    options.contextTokens = static_cast<int>(a.whole("--context", 0, 1, 1 << 24));
    return engine::inspectHeader(*header, options, engine::Engine(engine::EngineOptions{}).readBandwidth());
}

ordered_json judgementJson(const engine::Inspection& i, const HubGroup& group) {
    return {{"name", textOf(group.name)},
            {"family", i.info.family},
            {"problem", i.problem},
            {"contextTokens", i.info.contextTokens},
            {"trainedContextTokens", i.info.trainedContextTokens},
            {"weightBytes", i.weightBytes},
            {"kvBytes", i.kvBytes},
            {"kvBytesPerToken", i.info.kvBytesPerToken},
            {"scratchBytes", i.scratchBytes},
            {"totalBytes", i.totalBytes},
            {"freeBytes", i.freeBytes},
            {"fits", i.fits},
            {"largestContext", i.largestContext},
            {"predictedTokensPerSecond", i.predictedTokensPerSecond}};
}

void printJudgement(const engine::Inspection& i, const HubGroup& group) {
    print("\n" + textOf(app::shown(group.name)) + "\n");
    if (!i.problem.empty()) {
        print("  cannot be run: " + i.problem + "\n");
        return;
    }
    using engine::readableBytes;
    print("  weights " + readableBytes(i.weightBytes) + ", cache " + readableBytes(i.kvBytes) + " for " +
          std::to_string(i.info.contextTokens) + " tokens, scratch " + readableBytes(i.scratchBytes) + "\n");
    print("  needed " + readableBytes(i.totalBytes) + ", free " + readableBytes(i.freeBytes) + ": " +
          (i.fits ? "fits" : "does not fit (largest context: " + std::to_string(i.largestContext) + ")") + "\n");
    if (i.predictedTokensPerSecond > 0) {
        char speed[64];
        std::snprintf(speed, sizeof speed, "  expected speed %.1f tokens/s\n", i.predictedTokensPerSecond);
        print(speed);
    }
}

QString libraryFolder(const Arguments& a) {
    if (a.has("--to"))
        return QDir(QString::fromStdString(a.text("--to"))).absolutePath();
    const QString variable = qEnvironmentVariable("HEARTH_MODELS");
    return variable.isEmpty() ? QDir::homePath() + QStringLiteral("/.local/share/hearth/models")
                              : QDir(variable).absolutePath();
}

/// One line that is written over, on a terminal only.
void showProgress(const DownloadStatus& s) {
    if (!isatty(STDERR_FILENO) || s.total <= 0)
        return;
    char line[200];
    if (s.state == DownloadStatus::State::Checking)
        std::snprintf(line, sizeof line, "checking %.0f %%", 100 * s.checked);
    else
        std::snprintf(line, sizeof line, "%.1f %%  %s/s  %lld s left", 100.0 * double(s.bytes) / double(s.total),
                      engine::readableBytes(uint64_t(std::max(0.0, s.bytesPerSecond))).c_str(),
                      (long long)s.secondsLeft);
    std::fprintf(stderr, "\r%-60s", line);
}

app::DownloadRequest requestFor(Online& online, const Arguments& a, const Listing& listing, const HubGroup& group) {
    if (!group.complete)
        fail(QStringLiteral("Parts of %1 are missing at the hub.").arg(app::shown(group.name)));
    app::DownloadRequest request;
    request.title = listing.model.id + QLatin1Char(' ') + (group.quant.isEmpty() ? group.name : group.quant);
    request.folder = libraryFolder(a);
    for (const HubFile& f : group.files)
        request.files.append({.url = online.hub().fileUrl(listing.model.id, listing.model.revision, f.path),
                              .name = f.path,
                              .bytes = f.size,
                              .sha256 = f.sha256});
    request.group = group.kind == HubGroup::Kind::Folder ? listing.model.id.section(QLatin1Char('/'), -1) : group.name;
    request.token = online.token();
    request.tokenName = app::Secrets::hubToken(app::originText(online.hub().base()));
    request.license = listing.model.license;
    request.hub = online.hub().name();
    request.model = listing.model.id;
    return request;
}

/// Until it is in the library; throws Error with why not.
DownloadStatus download(app::NetworkGate& gate, const app::DownloadRequest& request, const Arguments& a,
                        qint64& received) {
    app::DownloadLimits limits;
    limits.connections = static_cast<int>(a.whole("--connections", limits.connections, 1, 8));
    app::Downloader downloader(gate, limits);
    downloader.setRateLimit(a.whole("--limit-rate", 0, 1, int64_t(1) << 50));
    QEventLoop loop;
    DownloadStatus last;
    QString notice;
    QObject::connect(&downloader, &app::Downloader::rowChanged, &loop, [&](const DownloadStatus& row) {
        if (row.notice != notice && row.state != DownloadStatus::State::Failed && !row.notice.isEmpty())
            std::cerr << '\n' << row.notice.toStdString() << '\n';
        notice = row.notice;
        last = row;
        showProgress(row);
        using State = DownloadStatus::State;
        if (row.state == State::Finished || row.state == State::Failed || row.state == State::Paused)
            loop.quit();
    });
    downloader.add(request);
    loop.exec();
    received = downloader.receivedBytes(request.id());
    if (isatty(STDERR_FILENO))
        std::cerr << '\n';
    if (last.state != DownloadStatus::State::Finished)
        fail(last.notice);
    return last;
}

} // namespace

int runModelsSearch(const Arguments& a) {
    Online online(a);
    const int most = static_cast<int>(a.whole("--limit", 20, 1, 100));
    const QString words = QString::fromStdString(a.operands()[0]);
    const auto rows = online.answer<QVector<HubModel>>([&](QObject* context, app::Hub::Done<QVector<HubModel>> done) {
        online.hub().search(words, most, context, std::move(done));
    });
    if (a.has("--json")) {
        ordered_json out = ordered_json::array();
        for (const HubModel& m : rows)
            out.push_back(modelJson(m));
        printJson({{"models", std::move(out)}});
        return 0;
    }
    for (const HubModel& m : rows)
        printModel(m);
    if (rows.isEmpty())
        std::cerr << "Nothing was found.\n";
    return 0;
}

int runModelsShow(const Arguments& a) {
    Online online(a);
    const Wanted wanted = wantedOf(a);
    const Listing listing = list(online, wanted.id, QString::fromStdString(a.text("--revision")));
    std::optional<engine::Inspection> judgement;
    HubGroup group;
    if (!wanted.file.isEmpty()) {
        group = chosen(listing.groups, wanted.file, wanted.id);
        judgement = judge(online, a, listing, group);
    }
    if (a.has("--json")) {
        ordered_json out = modelJson(listing.model);
        out["revision"] = textOf(listing.model.revision);
        out["page"] = textOf(online.hub().pageUrl(listing.model.id).toString());
        out["groups"] = ordered_json::array();
        for (const HubGroup& g : listing.groups)
            out["groups"].push_back(groupJson(g));
        out["card"] = textOf(listing.model.card);
        if (judgement)
            out["fit"] = judgementJson(*judgement, group);
        printJson(out);
        return 0;
    }
    printModel(listing.model);
    for (const HubGroup& g : listing.groups) {
        std::string row = "  " + textOf(app::shown(g.quant.isEmpty() ? g.name : g.quant, 40));
        row.resize(std::max<size_t>(row.size() + 1, 22), ' ');
        print(row + sizeText(g.bytes) + (g.files.size() > 1 ? ", " + std::to_string(g.files.size()) + " files" : "") +
              (g.complete ? "" : ", parts missing") + "\n");
    }
    if (judgement)
        printJudgement(*judgement, group);
    if (a.has("--card"))
        print("\n" + textOf(listing.model.card) + "\n");
    return 0;
}

int runModelsPull(const Arguments& a) {
    Online online(a);
    const Wanted wanted = wantedOf(a);
    const Listing listing = list(online, wanted.id, QString::fromStdString(a.text("--revision")));
    const HubGroup group = chosen(listing.groups, wanted.file, wanted.id);
    const app::DownloadRequest request = requestFor(online, a, listing, group);
    std::cerr << textOf(request.title) << ", " << sizeText(group.bytes) << '\n';
    QElapsedTimer clock;
    clock.start();
    qint64 received = 0;
    const DownloadStatus last = download(online.gate(), request, a, received);
    if (a.has("--json"))
        printJson({{"path", textOf(last.path)},
                   {"bytes", last.total},
                   {"receivedBytes", received},
                   {"seconds", double(clock.elapsed()) / 1000},
                   {"notice", textOf(last.notice)}});
    else
        print(textOf(last.path) + "\n");
    return 0;
}

} // namespace hearth::cli
