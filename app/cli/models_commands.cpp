// models list, import, remove, fit: the library of this machine. Nothing here touches the network.

#include "app/cli/commands.h"
#include "app/cli/common.h"
#include "app/models/files/fit.h"
#include "app/models/files/importer.h"
#include "app/models/files/model_facts.h"
#include "app/models/files/model_places.h"
#include "app/models/files/trash.h"
#include "engine/error.h"
#include "engine/model.h"
#include "storage/clock.h"
#include "storage/database.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <unistd.h>

namespace hearth::cli {

namespace fs = std::filesystem;
using app::FoundModel;
using app::StoreKind;
using engine::Error;
using engine::printable;
using engine::readableBytes;

namespace {

volatile std::sig_atomic_t interrupted = 0;

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

fs::path dataFolder() {
    if (const std::string set = variable("HEARTH_DATA"); !set.empty())
        return fs::absolute(set);
    const std::string xdg = variable("XDG_DATA_HOME");
    return (xdg.starts_with('/') ? fs::path(xdg) : fs::path(variable("HOME")) / ".local/share") / "hearth";
}

fs::path databasePath(const Arguments& a) {
    return a.has("--db") ? fs::absolute(a.text("--db")) : dataFolder() / "hearth.db";
}

/// The database, where there is one: without it everything goes on, and nothing is remembered.
struct OpenDatabase {
    OpenDatabase() = default;

    OpenDatabase(const Arguments& a, storage::Database::Mode mode) {
        const fs::path path = databasePath(a);
        if (mode == storage::Database::Mode::Write && fs::exists(path.parent_path())) {
            lock = storage::InstanceLock::tryTake(path);
            if (!lock)
                throw Error("Hearth is open.");
        }
        if (fs::exists(path))
            database = std::make_unique<storage::Database>(path, mode);
        else if (a.has("--db"))
            throw Error("There is no database " + printable(path.string(), 400) + ".");
    }

    std::unique_ptr<storage::InstanceLock> lock;
    std::unique_ptr<storage::Database> database; // null: there is none
};

/// A list is read from an older Hearth's database too: as if there were none.
OpenDatabase openToRead(const Arguments& a) {
    try {
        return OpenDatabase(a, storage::Database::Mode::Read);
    } catch (const storage::Error& error) {
        if (a.has("--db"))
            throw;
        std::cerr << error.what() << '\n';
        return {};
    }
}

app::ModelPlaces placesOf(storage::Database* database) {
    const std::string fallback = (dataFolder() / "models").string();
    app::ModelPlaces places{.folder = fallback};
    if (database)
        places = app::readModelPlaces(storage::Settings(*database), fallback);
    if (const std::string set = variable("HEARTH_MODELS"); !set.empty())
        places.folder = fs::absolute(set).lexically_normal().string();
    return places;
}

std::vector<FoundModel> scan(const app::ModelPlaces& places) {
    const app::StoreScan found = app::scanStores(places.roots(app::StoreEnvironment::ofProcess()));
    if (found.cut)
        std::cerr << "One of the folders holds very many files; some were not looked at.\n";
    return found.models;
}

std::string shownName(const FoundModel& model) {
    if (!model.name.empty())
        return model.name;
    std::string last = model.path.substr(model.path.find_last_of('/') + 1);
    return last.ends_with(".gguf") ? last.substr(0, last.size() - 5) : last;
}

/// A path, or a name as `models list` prints it.
FoundModel modelNamed(const std::string& given, const std::vector<FoundModel>& models) {
    std::error_code error;
    const std::string path = fs::absolute(given, error).lexically_normal().string();
    for (const FoundModel& model : models)
        if (model.path == path || shownName(model) == given ||
            model.path.substr(model.path.find_last_of('/') + 1) == given)
            return model;
    if (std::optional<FoundModel> model = app::modelAt(path)) {
        for (const FoundModel& known : models)
            if (known.path == model->path)
                return known;
        return *std::move(model);
    }
    throw Error("There is no model " + printable(given, 400) + ".");
}

bool showProgress(uint64_t done, uint64_t total) {
    static int shown = -1;
    const int percent =
        total > 0 ? static_cast<int>(100.0 * static_cast<double>(done) / static_cast<double>(total)) : 100;
    if (isatty(STDERR_FILENO) && percent != shown) {
        shown = percent;
        std::cerr << "\r" << percent << " %" << (percent >= 100 ? "\r      \r" : "") << std::flush;
    }
    return interrupted == 0;
}

void stopOnSignals() {
    for (const int signal : {SIGINT, SIGTERM})
        std::signal(signal, [](int) { interrupted = 1; });
}

int stopped() {
    std::cerr << "\nStopped; nothing was changed.\n";
    return 1;
}

void addFacts(nlohmann::ordered_json& out, const app::ModelFacts& facts) {
    out["title"] = facts.name;
    out["family"] = facts.family;
    out["quant"] = facts.quant;
    out["parameters"] = facts.parameters;
    out["trainedContextTokens"] = facts.trainedContext;
    out["license"] = facts.license;
    out["languages"] = facts.languages;
    out["thinks"] = facts.thinks;
    out["chatFamily"] = facts.chatFamily;
    out["templateDiffers"] = facts.templateDiffers;
    nlohmann::ordered_json sampling = nlohmann::ordered_json::object();
    for (const auto& [name, value] : facts.sampling)
        sampling[name] = value;
    out["sampling"] = std::move(sampling);
    out["problem"] = facts.problem.empty() ? facts.cannotRun : facts.problem;
}

nlohmann::ordered_json modelJson(const FoundModel& model, const storage::ModelRecord* record) {
    nlohmann::ordered_json out = {
        {"path", model.path},
        {"name", shownName(model)},
        {"store", app::storeKey(model.store)},
        {"bytes", model.bytes},
        {"files", model.files.size()},
        {"repo", model.repo},
        {"revision", model.revision},
        {"url", model.url},
        {"sha256", model.sha256},
    };
    out["lastUsedAt"] = record ? record->lastUsedAt : 0;
    out["decodeTokensPerSecond"] = record ? record->decodeSpeed : 0;
    out["prefillTokensPerSecond"] = record ? record->prefillSpeed : 0;
    return out;
}

void printModel(const FoundModel& model, const std::optional<app::ModelFacts>& facts) {
    std::string line = printable(shownName(model), 100);
    line.resize(std::max<size_t>(line.size() + 2, 44), ' ');
    std::string size = readableBytes(model.bytes);
    line += size + std::string(size.size() < 9 ? 9 - size.size() : 1, ' ');
    if (facts)
        line += (facts->problem.empty() ? facts->family + " " + facts->quant : "cannot be read") + "  ";
    print(line + printable(model.path, 400) + "\n");
}

} // namespace

int runModelsList(const Arguments& a) {
    const OpenDatabase open = openToRead(a);
    app::ModelPlaces places = placesOf(open.database.get());
    if (a.has("--own")) {
        places.added.clear();
        places.otherStores = false;
    }
    std::vector<storage::ModelRecord> records;
    if (open.database)
        records = storage::Models(*open.database).all();
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const FoundModel& model : scan(places)) {
        const auto record =
            std::find_if(records.begin(), records.end(), [&](const auto& r) { return r.path == model.path; });
        if (record != records.end() && record->hidden)
            continue;
        std::optional<app::ModelFacts> facts;
        if (a.has("--facts"))
            facts = app::readModelFacts(model.path);
        if (!a.has("--json")) {
            printModel(model, facts);
            continue;
        }
        list.push_back(modelJson(model, record == records.end() ? nullptr : &*record));
        if (facts)
            addFacts(list.back(), *facts);
    }
    if (a.has("--json"))
        printJson({{"folder", places.folder}, {"models", std::move(list)}});
    return 0;
}

int runModelsImport(const Arguments& a) {
    constexpr std::string_view hows[] = {"copy", "move", "hardlink", "symlink"};
    const auto how = static_cast<app::ImportHow>(a.choice("--how", hows, 0));
    const bool dry = a.has("--dry-run");
    const OpenDatabase open = dry ? openToRead(a) : OpenDatabase(a, storage::Database::Mode::Write);
    const app::ModelPlaces places = placesOf(open.database.get());
    std::vector<FoundModel> models = scan(places);
    const FoundModel source = modelNamed(a.operands()[0], models);
    std::erase_if(models, [](const FoundModel& model) { return model.store != StoreKind::Own; });
    app::HashCache cache;
    if (open.database)
        cache = app::loadHashes(storage::Models(*open.database));
    stopOnSignals();
    const std::optional<app::ImportPlan> plan = app::planImport(
        {.source = source, .folder = places.folder, .how = how, .name = a.text("--name")}, models, cache, showProgress);
    if (!plan)
        return stopped();
    const bool duplicate = !plan->duplicateOf.empty() && !a.has("--duplicate");
    app::ImportResult result;
    if (!dry && !duplicate) {
        result = app::runImport(*plan, cache, showProgress);
        if (result.stopped)
            return stopped();
    }
    if (open.database && !dry) {
        storage::Models records(*open.database);
        app::storeHashes(records, cache);
        if (!result.path.empty() && source.store != StoreKind::Own)
            records.setOrigin(result.path, {.source = std::string(app::storeKey(source.store)),
                                            .repo = source.repo,
                                            .revision = source.revision,
                                            .url = source.url});
    }
    if (!result.note.empty())
        std::cerr << result.note.english() << '\n';
    const std::string problem = plan->problem.english();
    if (a.has("--json")) {
        nlohmann::ordered_json files = nlohmann::ordered_json::array();
        for (const app::ImportPlan::Item& item : plan->items)
            files.push_back({{"from", item.source}, {"to", item.target}, {"bytes", item.bytes}});
        printJson({{"path", duplicate ? plan->duplicateOf : plan->target},
                   {"done", !result.path.empty()},
                   {"how", app::importName(how)},
                   {"files", std::move(files)},
                   {"writtenBytes", plan->writtenBytes},
                   {"freeBytes", plan->freeBytes},
                   {"duplicateOf", plan->duplicateOf},
                   {"problem", problem}});
    } else if (!plan->duplicateOf.empty()) {
        print("The library has the same bytes: " + plan->duplicateOf + "\n");
        if (!result.path.empty())
            print(result.path + "\n");
    } else if (!dry) {
        print(result.path + "\n");
    } else {
        for (const app::ImportPlan::Item& item : plan->items)
            print(std::string(app::importName(how)) + " " + printable(item.source, 400) + " -> " +
                  printable(item.target, 400) + " (" + readableBytes(item.bytes) + ")\n");
        print(readableBytes(plan->writtenBytes) + " would be written; " + readableBytes(plan->freeBytes) +
              " are free.\n");
    }
    if (dry && !problem.empty())
        throw Error(problem);
    return 0;
}

int runModelsRemove(const Arguments& a) {
    const OpenDatabase open(a, storage::Database::Mode::Write);
    const app::ModelPlaces places = placesOf(open.database.get());
    std::string path, trash;
    if (a.has("--restore")) {
        const std::string& given = a.operands()[0];
        const std::vector<app::TrashedModel> trashed = app::trashedModels(places.folder);
        const auto entry = std::find_if(trashed.begin(), trashed.end(), [&](const app::TrashedModel& one) {
            std::string last = one.path.substr(one.path.find_last_of('/') + 1);
            return one.path == given || last == given || last == given + ".gguf";
        });
        if (entry == trashed.end())
            throw Error("There is no model " + printable(given, 400) + " in the trash.");
        path = app::restoreModel(places.folder, *entry);
        if (open.database) {
            storage::Models records(*open.database);
            records.untrash(entry->path);
            records.moved(entry->path, path);
        }
    } else {
        const FoundModel model = modelNamed(a.operands()[0], scan(places));
        const app::TrashedModel entry = app::trashModel(places.folder, model, storage::nowMs());
        path = entry.path;
        trash = entry.id;
        if (open.database)
            storage::Models(*open.database).trash(entry.path, entry.id, entry.trashedAtMs);
    }
    if (a.has("--json"))
        printJson({{"path", path}, {"trash", trash}});
    else
        print(path + "\n");
    return 0;
}

int runModelsFit(const Arguments& a) {
    const OpenDatabase open = openToRead(a);
    engine::LoadOptions options = loadOptions(a, a.operands()[0], engine::Numerics::Fast);
    if (!app::modelAt(options.path))
        options.path = modelNamed(a.operands()[0], scan(placesOf(open.database.get()))).path;
    const engine::Checkpoint checkpoint = engine::Checkpoint::open(options.path, options.overrides);
    const engine::ModelConfig config = engine::readModelConfig(checkpoint);
    app::MachineMemory machine{.freeBytes = engine::freeSystemMemory()};
    std::optional<app::Bandwidth> bandwidth;
    if (open.database)
        bandwidth =
            app::Bandwidth::fromText(storage::Settings(*open.database).find(app::kBandwidthSetting).value_or(""));
    if (!bandwidth || !bandwidth->holdsHere())
        bandwidth = app::measureBandwidth(storage::nowMs());
    machine.readBandwidth = bandwidth->bytesPerSecond;
    const app::Fit fit =
        app::judgeFit(engine::placementInput(checkpoint, config, options), machine, config.trainedContext);
    if (!a.has("--json")) {
        print(app::pillWords(fit.verdict).english() + ". " + app::fitWords(fit).english() + "\n");
        return 0;
    }
    printJson({{"path", options.path},
               {"verdict", app::verdictName(fit.verdict)},
               {"words", app::fitWords(fit).english()},
               {"neededBytes", fit.neededBytes},
               {"weightBytes", fit.weightBytes},
               {"kvBytes", fit.kvBytes},
               {"scratchBytes", fit.scratchBytes},
               {"usableBytes", fit.usableBytes},
               {"contextTokens", fit.contextTokens},
               {"largestContext", fit.largestContext},
               {"predictedTokensPerSecond", fit.tokensPerSecond},
               {"readGBPerSecond", machine.readBandwidth / 1e9}});
    return 0;
}

} // namespace hearth::cli
