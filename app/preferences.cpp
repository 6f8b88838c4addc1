#include "app/preferences.h"

#include <QThread>

#include <algorithm>
#include <array>

namespace hearth::app {
namespace {

constexpr const char* kLanguage = "language";
constexpr const char* kTheme = "theme";
constexpr const char* kTextSize = "text.size";
constexpr const char* kModelFolder = "models.folder";
constexpr const char* kThreads = "engine.threads";
constexpr const char* kBackend = "engine.backend";
constexpr const char* kLayout = "window.layout";
constexpr const char* kShown = "window.conversation";
constexpr const char* kLastModel = "models.last";
constexpr const char* kOpened = "models.opened";
constexpr const char* kNewDraft = "draft.new";

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
