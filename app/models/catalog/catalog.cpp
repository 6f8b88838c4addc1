#include "app/models/catalog/catalog.h"

#include "engine/models/family.h"
#include "ui/models/model_words.h"

#include <nlohmann/json.hpp>

#include <QCoreApplication>
#include <QFile>
#include <QSet>
#include <QUrl>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace hearth::app {
namespace {

using Json = nlohmann::json;

constexpr double kBytesPerWeight = 0.6; // Q4_K_M, its larger output matrix included
constexpr double kRoomBytes = 1e9;      // for a context and what is computed with
constexpr double kSlow = 5;             // tokens a second; one reads faster
constexpr double kUsable = 0.9;         // of the free memory
constexpr double kMostParameters = 5e12;
constexpr int kMostContext = 1 << 28;

/// What a row lacks, to be said with its name.
struct Fault : std::runtime_error {
    using std::runtime_error::runtime_error;
};

QString text(const Json& row, const char* key) {
    const auto at = row.find(key);
    if (at == row.end() || !at->is_string() || at->get_ref<const std::string&>().empty())
        throw Fault(std::string("has no ") + key);
    return QString::fromStdString(at->get<std::string>());
}

double number(const Json& row, const char* key, double most) {
    const auto at = row.find(key);
    if (at == row.end() || !at->is_number())
        throw Fault(std::string("has no ") + key);
    const double value = at->get<double>();
    if (!(value >= 1 && value <= most))
        throw Fault(std::string(key) + " makes no sense");
    return value;
}

QString webAddress(const Json& row, const char* key) {
    const QString address = text(row, key);
    const QUrl url(address, QUrl::StrictMode);
    if (!url.isValid() || url.scheme() != QLatin1String("https") || url.host().isEmpty())
        throw Fault(std::string(key) + " is no address");
    return address;
}

void readThinks(const Json& row, CatalogModel& model) {
    const QString thinks = text(row, "thinks");
    if (thinks == QLatin1String("no"))
        model.thinks = CatalogModel::Thinks::No;
    else if (thinks == QLatin1String("always"))
        model.thinks = CatalogModel::Thinks::Always;
    else if (thinks == QLatin1String("switch"))
        model.thinks = CatalogModel::Thinks::Switch;
    else
        throw Fault("thinks in a way that is not known");
}

void readLanguages(const Json& row, CatalogModel& model) {
    const auto at = row.find("languages");
    if (at != row.end() && at->is_array())
        for (const Json& code : *at)
            if (code.is_string())
                model.languages << QString::fromStdString(code.get<std::string>());
    if (model.languages.isEmpty())
        throw Fault("has no languages");
}

void readRepos(const Json& row, CatalogModel& model) {
    const auto at = row.find("repos");
    if (at != row.end() && at->is_object())
        for (const auto& [hub, repo] : at->items())
            if (repo.is_string() && repo.get_ref<const std::string&>().find('/') != std::string::npos)
                model.repos.append({QString::fromStdString(hub), QString::fromStdString(repo.get<std::string>())});
    if (model.repos.isEmpty())
        throw Fault("has no repos");
}

CatalogModel readRow(const Json& row) {
    CatalogModel model;
    model.id = text(row, "id");
    model.name = text(row, "name");
    model.publisher = text(row, "publisher");
    model.family = text(row, "family");
    const std::string family = model.family.toStdString();
    if (std::ranges::none_of(engine::architectures(), [&](const auto& a) { return a.name == family; }))
        throw Fault("is of the family " + family + ", which this program does not run");
    model.parameters = number(row, "parameters", kMostParameters);
    model.activeParameters =
        row.contains("activeParameters") ? number(row, "activeParameters", model.parameters) : model.parameters;
    model.context = int(number(row, "context", kMostContext));
    readThinks(row, model);
    model.licence = text(row, "licence");
    readLanguages(row, model);
    const auto strengths = row.find("strengths");
    if (strengths == row.end() || !strengths->is_object())
        throw Fault("has no strengths");
    model.strengthsEnglish = text(*strengths, "en");
    model.strengthsChinese = text(*strengths, "zh");
    readRepos(row, model);
    model.source = webAddress(row, "source");
    model.checked = QDate::fromString(text(row, "checked"), Qt::ISODate);
    if (!model.checked.isValid())
        throw Fault("has no date in checked");
    return model;
}

} // namespace

ui::CatalogRow CatalogModel::row(bool chinese) const {
    ui::CatalogRow row;
    row.id = id;
    row.name = name;
    row.publisher = publisher;
    row.strengths = chinese ? strengthsChinese : strengthsEnglish;
    row.licence = licence;
    row.languages = languages;
    row.parameters = parameters;
    row.activeParameters = activeParameters;
    row.context = context;
    row.thinks = thinks != Thinks::No;
    row.repos = repos;
    row.checked = checked;
    row.source = source;
    return row;
}

Catalog Catalog::read(const QByteArray& json) {
    Catalog catalog;
    const Json all = Json::parse(json.begin(), json.end(), nullptr, false);
    if (all.is_discarded() || !all.is_object() || !all.contains("models") || !all["models"].is_array()) {
        catalog.problems << QStringLiteral("The catalogue is no JSON object with models.");
        return catalog;
    }
    QSet<QString> ids;
    int place = 0;
    for (const Json& row : all["models"]) {
        ++place;
        const auto id = row.is_object() ? row.find("id") : row.end();
        const QString name = row.is_object() && id != row.end() && id->is_string()
                                 ? QString::fromStdString(id->get<std::string>())
                                 : QString::number(place);
        try {
            if (!row.is_object())
                throw Fault("is no object");
            const CatalogModel model = readRow(row);
            if (ids.contains(model.id))
                throw Fault("is there twice");
            ids.insert(model.id);
            catalog.models.append(model);
        } catch (const Fault& fault) {
            catalog.problems
                << QStringLiteral("Row %1 of the catalogue %2.").arg(name, QString::fromUtf8(fault.what()));
        }
    }
    return catalog;
}

Catalog Catalog::builtIn() {
    QFile file(QStringLiteral(":/catalog/catalog.json"));
    if (!file.open(QIODevice::ReadOnly)) {
        Catalog none;
        none.problems << QStringLiteral("The catalogue is not in the program.");
        return none;
    }
    return read(file.readAll());
}

CatalogFit roughFit(const CatalogModel& model, uint64_t freeMemory, double bandwidth) {
    CatalogFit fit;
    fit.neededBytes = uint64_t(model.parameters * kBytesPerWeight + kRoomBytes);
    if (freeMemory == 0)
        return fit;
    if (bandwidth > 0)
        fit.tokensPerSecond = bandwidth / (model.activeParameters * kBytesPerWeight);
    if (double(fit.neededBytes) > double(freeMemory) * kUsable)
        fit.kind = ui::FitKind::WillNotFit;
    else if (fit.tokensPerSecond > 0 && fit.tokensPerSecond < kSlow)
        fit.kind = ui::FitKind::Slow;
    else
        fit.kind = ui::FitKind::Memory;
    if (fit.kind == ui::FitKind::WillNotFit)
        fit.tokensPerSecond = 0;
    return fit;
}

ui::FitRow roughFitRow(const CatalogModel& model, uint64_t freeMemory, double bandwidth) {
    const CatalogFit fit = roughFit(model, freeMemory, bandwidth);
    ui::FitRow row;
    row.kind = fit.kind;
    row.tokensPerSecond = fit.tokensPerSecond;
    row.rough = true;
    if (fit.kind != ui::FitKind::Unknown)
        row.words = QCoreApplication::translate(
                        "Catalog", "A file of four bits a weight needs about %1 of memory, and %2 are free.")
                        .arg(ui::bytesWords(qint64(fit.neededBytes)), ui::bytesWords(qint64(freeMemory)));
    return row;
}

QVector<CatalogModel> suggestions(const QVector<CatalogModel>& models, uint64_t freeMemory, double bandwidth,
                                  bool chinese, int most) {
    QVector<CatalogModel> fitting;
    for (const CatalogModel& model : models)
        if (model.languages.contains(chinese ? QLatin1String("zh") : QLatin1String("en")) &&
            roughFit(model, freeMemory, bandwidth).kind == ui::FitKind::Memory)
            fitting.append(model);
    std::stable_sort(fitting.begin(), fitting.end(),
                     [](const CatalogModel& a, const CatalogModel& b) { return a.parameters > b.parameters; });
    QVector<CatalogModel> chosen;
    QSet<QString> publishers;
    for (const CatalogModel& model : fitting) {
        if (chosen.size() == most)
            break;
        if (publishers.contains(model.publisher))
            continue;
        publishers.insert(model.publisher);
        chosen.append(model);
    }
    return chosen;
}

} // namespace hearth::app
