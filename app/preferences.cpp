#include "app/preferences.h"

#include <QThread>

#include <algorithm>
#include <array>
#include <unistd.h>

namespace hearth::app {
namespace {

constexpr const char* kLanguage = "language";
constexpr const char* kTheme = "theme";
constexpr const char* kTextSize = "text.size";
constexpr const char* kModelFolder = "models.folder";
constexpr const char* kThreads = "engine.threads";
constexpr const char* kBackend = "engine.backend";
constexpr const char* kModelMemory = "engine.memory"; // GB
constexpr const char* kIdle = "engine.idle";          // minutes
constexpr const char* kLayout = "window.layout";
constexpr const char* kShown = "window.conversation";
constexpr const char* kLastModel = "models.last";
constexpr const char* kOpened = "models.opened";
constexpr const char* kNewDraft = "draft.new";

constexpr double kGigabyte = 1e9;
constexpr std::array<const char*, 3> kThemes = {"system", "light", "dark"}; // as ThemeChoice counts

void put(StorageWorker& storage, const char* key, const QString& value) {
    storage.post([key, text = value.toStdString()](Store& store) { store.settings.set(key, text); });
}

} // namespace

Preferences readPreferences(Store& store) {
    const auto text = [&store](const char* key) {
        return QString::fromStdString(store.settings.find(key).value_or(std::string()));
    };
    Preferences preferences;
    ui::SettingsRow& settings = preferences.settings;
    settings.language = text(kLanguage);
    const QString theme = text(kTheme);
    for (size_t i = 0; i < kThemes.size(); ++i) {
        if (theme == QLatin1String(kThemes[i]))
            settings.theme = ui::ThemeChoice(i);
    }
    if (const int percent = text(kTextSize).toInt(); percent > 0)
        settings.textSizePercent = std::clamp(percent, 80, 200);
    settings.maxThreads = std::max(1, QThread::idealThreadCount());
    settings.threads = std::clamp(text(kThreads).toInt(), 0, settings.maxThreads);
    settings.modelFolder = text(kModelFolder);
    if (const QString backend = text(kBackend); backend == QLatin1String("cpu") || backend == QLatin1String("cuda"))
        settings.backend = backend;
    const double memory = double(sysconf(_SC_PHYS_PAGES)) * double(sysconf(_SC_PAGE_SIZE));
    settings.maxMemoryGb = int(std::clamp(memory / kGigabyte, 0.0, 1e6));
    settings.modelMemoryGb = std::clamp(text(kModelMemory).toInt(), 0, 1'000'000);
    if (const QString idle = text(kIdle); !idle.isEmpty())
        settings.idleMinutes = std::clamp(idle.toInt(), ui::kIdleAutomatic, 1'000'000);
    preferences.layout = QByteArray::fromBase64(text(kLayout).toLatin1());
    preferences.shown = {text(kShown).toLongLong()};
    preferences.lastModel = text(kLastModel);
    preferences.newDraft = text(kNewDraft);
    preferences.openedModels = text(kOpened).split(QLatin1Char('\n'), Qt::SkipEmptyParts);
    return preferences;
}

void storeSettings(StorageWorker& storage, const ui::SettingsRow& settings) {
    put(storage, kLanguage, settings.language);
    put(storage, kTheme, QLatin1String(kThemes[size_t(settings.theme)]));
    put(storage, kTextSize, QString::number(settings.textSizePercent));
    put(storage, kModelFolder, settings.modelFolder);
    put(storage, kThreads, QString::number(settings.threads));
    put(storage, kBackend, settings.backend);
    put(storage, kModelMemory, QString::number(settings.modelMemoryGb));
    put(storage, kIdle, QString::number(settings.idleMinutes));
}

Residency residencyOf(const ui::SettingsRow& settings) {
    Residency out{.budgetBytes = uint64_t(std::max(0, settings.modelMemoryGb)) * uint64_t(kGigabyte)};
    if (settings.idleMinutes != ui::kIdleAutomatic)
        out.idle = out.currentIdle = std::chrono::minutes(std::max(0, settings.idleMinutes));
    return out;
}

void storeLayout(StorageWorker& storage, const QByteArray& layout) {
    put(storage, kLayout, QString::fromLatin1(layout.toBase64()));
}

void storeShown(StorageWorker& storage, storage::ConversationId id) {
    put(storage, kShown, QString::number(id.value));
}

void storeLastModel(StorageWorker& storage, const QString& path) {
    put(storage, kLastModel, path);
}

void storeNewDraft(StorageWorker& storage, const QString& draft) {
    put(storage, kNewDraft, draft);
}

void storeOpenedModels(StorageWorker& storage, const QStringList& paths) {
    put(storage, kOpened, paths.join(QLatin1Char('\n')));
}

} // namespace hearth::app
