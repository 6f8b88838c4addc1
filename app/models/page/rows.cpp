#include "app/models/page/rows.h"

#include "app/models/model_manager.h"
#include "app/models/net/engine_words.h"
#include "ui/models/model_words.h"

#include <QCoreApplication>
#include <QDateTime>
#include <QFile>

namespace hearth::app {
namespace {

QString text(const std::string& utf8) {
    return QString::fromStdString(utf8);
}

QString pathText(const std::string& path) {
    return QFile::decodeName(path.c_str());
}

QString templateNote(const ModelFacts& facts) {
    if (facts.embeds)
        return {};
    if (!facts.hasTemplate)
        return QCoreApplication::translate("ModelsPage", "It has no chat template: %1 is used.")
            .arg(text(facts.chatFamily));
    if (facts.templateDiffers)
        return QCoreApplication::translate("ModelsPage",
                                           "Its chat template is none that was published. Turns are written as %1.")
            .arg(text(facts.chatFamily));
    return QCoreApplication::translate("ModelsPage", "Its chat template is the one of %1.")
        .arg(text(facts.publishedAs));
}

} // namespace

// The sentence has the speed in it already.
ui::FitRow fitRow(const Fit& fit) {
    ui::FitRow row;
    switch (fit.verdict) {
    case FitVerdict::Gpu:
        row.kind = ui::FitKind::Gpu;
        break;
    case FitVerdict::GpuAndMemory:
        row.kind = ui::FitKind::GpuAndMemory;
        break;
    case FitVerdict::Memory:
        row.kind = ui::FitKind::Memory;
        break;
    case FitVerdict::Slow:
        row.kind = ui::FitKind::Slow;
        break;
    case FitVerdict::WillNotFit:
        row.kind = ui::FitKind::WillNotFit;
        break;
    }
    row.words = told(fitWords(fit));
    return row;
}

ui::ModelDefaultsRow defaultsRow(const ModelDefaults& defaults) {
    ui::ModelDefaultsRow row;
    row.contextTokens = defaults.contextTokens;
    row.threads = defaults.threads;
    row.kv = text(defaults.kv);
    for (const auto& [name, value] : defaults.sampling)
        row.sampling.append({text(name), value});
    row.systemPrompt = text(defaults.systemPrompt);
    row.thinking = defaults.thinking;
    return row;
}

ModelDefaults defaultsOf(const ui::ModelDefaultsRow& row) {
    ModelDefaults defaults;
    defaults.contextTokens = row.contextTokens;
    defaults.threads = row.threads;
    defaults.kv = row.kv.toStdString();
    for (const auto& [name, value] : row.sampling)
        defaults.sampling.emplace_back(name.toStdString(), value);
    defaults.systemPrompt = row.systemPrompt.toStdString();
    defaults.thinking = row.thinking;
    return defaults;
}

ui::ModelDetailsRow detailsRow(const ModelFile& file, const storage::ModelRecord* record, const std::optional<Fit>& fit,
                               int maxThreads) {
    ui::ModelDetailsRow row;
    row.path = file.path;
    row.store = text(std::string(storeName(file.found.store)));
    row.own = file.found.store == StoreKind::Own && !file.missing && !file.found.path.empty();
    row.starter = file.starter;
    row.bytes = file.bytes;
    row.maxThreads = maxThreads;
    if (file.facts) {
        const ModelFacts& facts = *file.facts;
        row.facts = QStringList{text(facts.family), ui::parameterWords(double(facts.parameters)), text(facts.quant),
                                ui::bytesWords(file.bytes)};
        row.licence = text(facts.license);
        row.problem = toldByEngine(facts.reason, !facts.problem.empty() ? facts.problem : facts.cannotRun);
        if (row.problem.isEmpty()) {
            row.templateNote = templateNote(facts);
            row.thinks = facts.choosesThinking;
            for (const auto& [kv, size] : facts.caches)
                row.caches.append(text(kv));
            row.trainedContext = facts.trainedContext;
            row.automaticContext = facts.placement.contextTokens;
            for (const auto& [name, value] : facts.sampling)
                row.recommended.sampling.append({text(name), value});
            if (facts.embeds)
                row.problem = QCoreApplication::translate("ModelsPage",
                                                          "It gives vectors for memory and search, and does not chat.");
            else if (facts.adapter)
                row.problem =
                    QCoreApplication::translate("ModelsPage", "It changes another model and is none by itself.");
        }
    }
    if (record) {
        if (row.licence.isEmpty())
            row.licence = text(record->origin.license);
        if (record->lastUsedAt > 0)
            row.lastUsed = QDateTime::fromMSecsSinceEpoch(record->lastUsedAt);
        row.tokensPerSecond = record->decodeSpeed;
        row.promptPerSecond = record->prefillSpeed;
        row.defaults = defaultsRow(ModelDefaults::fromJson(record->defaults));
    }
    if (fit)
        row.fit = fitRow(*fit);
    return row;
}

ui::DownloadRow downloadRow(const DownloadStatus& status, const QString& hub) {
    ui::DownloadRow row;
    row.id = status.id;
    row.title = status.title;
    row.hub = hub;
    row.model = status.model;
    constexpr ui::DownloadState kStates[] = {ui::DownloadState::Waiting,  ui::DownloadState::Running,
                                             ui::DownloadState::Checking, ui::DownloadState::Paused,
                                             ui::DownloadState::Failed,   ui::DownloadState::Finished};
    row.state = kStates[size_t(status.state)];
    row.bytes = status.bytes;
    row.total = status.total;
    row.bytesPerSecond = status.bytesPerSecond;
    row.secondsLeft = status.secondsLeft;
    row.checked = status.checked;
    row.notice = status.notice;
    row.gated = status.gated;
    row.path = status.path;
    return row;
}

ImportHow importHow(ui::ImportHow how) {
    switch (how) {
    case ui::ImportHow::Move:
        return ImportHow::Move;
    case ui::ImportHow::HardLink:
        return ImportHow::HardLink;
    case ui::ImportHow::SymbolicLink:
        return ImportHow::SymbolicLink;
    case ui::ImportHow::InPlace:
    case ui::ImportHow::Copy:
        break;
    }
    return ImportHow::Copy;
}

ui::ImportPlanRow planRow(const ImportPlan& plan) {
    constexpr ui::ImportHow kHow[] = {ui::ImportHow::Copy, ui::ImportHow::Move, ui::ImportHow::HardLink,
                                      ui::ImportHow::SymbolicLink};
    ui::ImportPlanRow row;
    row.path = pathText(plan.request.source.path);
    row.name = text(plan.request.source.name);
    row.how = kHow[size_t(plan.request.how)];
    row.target = pathText(plan.target);
    row.files = int(plan.request.source.files.size());
    row.bytes = qint64(plan.request.source.bytes);
    row.writtenBytes = qint64(plan.writtenBytes);
    row.freeBytes = qint64(plan.freeBytes);
    row.duplicateOf = pathText(plan.duplicateOf);
    if (!plan.problem.empty())
        row.problem = told(plan.problem);
    return row;
}

QVector<ui::StoreRow> storeRows(const QVector<ModelFile>& files, const std::vector<StoreRoot>& foreign,
                                const QStringList& added) {
    QVector<ui::StoreRow> rows;
    for (const StoreRoot& root : foreign)
        rows.append({text(std::string(storeKey(root.kind))), text(std::string(storeName(root.kind))),
                     pathText(root.path), 0, 0, 0});
    for (const QString& folder : added)
        rows.append({text(std::string(storeKey(StoreKind::Folder))), {}, folder, 0, 0, 0});
    for (const ModelFile& file : files) {
        for (ui::StoreRow& row : rows) {
            if (file.missing || !file.path.startsWith(row.path + QLatin1Char('/')) ||
                text(std::string(storeKey(file.found.store))) != row.key)
                continue;
            ++row.models;
            row.bytes += file.bytes;
            break;
        }
    }
    return rows;
}

} // namespace hearth::app
