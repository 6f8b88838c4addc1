#include "app/application.h"

#include "app/timings.h"
#include "ui/chat/chat_document.h"
#include "ui/composer.h"

#include <QEvent>
#include <QFileDialog>
#include <QFileInfo>
#include <QGuiApplication>
#include <QSessionManager>
#include <QThread>

#include <algorithm>
#include <cstdio>

namespace hearth::app {
namespace {

constexpr int kTrashDays = 30;
constexpr int kScrollRest = 400; // ms

// Notices by their keys: a second one of a key replaces the first.
const QString kStorageKey = QStringLiteral("storage");
const QString kFailureKey = QStringLiteral("failure");
const QString kHistoryKey = QStringLiteral("history");
const QString kHintKey = QStringLiteral("starter-language");
const QString kRemoteKey = QStringLiteral("remote-gone");
const QString kNoModelKey = QStringLiteral("model-none");
const QString kOpenAction = QStringLiteral("open");

// What the undo bar offers back: the conversation, and what of it.
const QString kTrashUndo = QStringLiteral("trash");
const QString kMessageUndo = QStringLiteral("message");
const QString kBranchUndo = QStringLiteral("branch");

QString undoId(const QString& kind, int64_t conversation, int64_t what = 0) {
    return QStringLiteral("%1:%2:%3").arg(kind).arg(conversation).arg(what);
}

LoadMark markIn(const DataFolder& data) {
    return LoadMark(std::filesystem::path(data.file(QStringLiteral("loading.mark")).toStdString()));
}

} // namespace

/// What the database knows at the start.
struct Application::Remembered {
    Preferences preferences;
    std::vector<storage::Conversation> conversations;
    std::vector<storage::ConversationId> queued;
    std::optional<StoredConversation> shown;
};

Application::Application(Options options, QObject* parent)
    : QObject(parent), options_(std::move(options)), engine_(pipe_, markIn(options_.data)),
      manager_(storage_, library_), desk_(engine_, library_, markIn(options_.data)),
      book_({storage_, router_, [this] { return ++lastReply_; },
             [this](const QString& path) {
                 return isRemotePath(path) ? modelsPage_->remotes().nameOf(path) : desk_.loadedName(path);
             },
             [this] { pipe_.drain(); }, [this](const QString& path) { return replyDefaults(path); }}),
      window_(theme_) {
    if (options_.data.problem.isEmpty())
        storage_.open(options_.data.file(QStringLiteral("hearth.db")).toStdString());
    else
        storage_.openNothing(options_.data.problem);
    connectWindow();
    connectModels();
    modelsPage_ = std::make_unique<ModelsPage>(
        ModelsPage::Services{window_, storage_, library_, manager_, desk_, engine_, pipe_});
    router_.setRemote(&modelsPage_->remotes().engine());
    connectManager();
    connectBook();
    connect(&pipe_, &TokenPipe::updated, &book_, &ConversationBook::update);
    connect(&storage_, &StorageWorker::failed, this, [this](const QString& sentence) {
        window_.showNotice({kStorageKey, sentence, {}, true});
    });
    connect(&engine_, &EngineWorker::failed, this, &Application::showFailure);
    scrollTimer_.setSingleShot(true);
    scrollTimer_.setInterval(kScrollRest);
    connect(&scrollTimer_, &QTimer::timeout, this, &Application::saveScroll);
    // The end of the session: nothing is asked, everything is kept. The signal comes before the program is ended.
    connect(
        qGuiApp, &QGuiApplication::commitDataRequest, this, [this](QSessionManager&) { end(); }, Qt::DirectConnection);
}

Application::~Application() {
    end();
}

// ---- Start.

Application::Remembered Application::readRemembered() {
    try {
        return storage_.wait([](Store& store) {
            Remembered all;
            store.messages.recover();
            all.preferences = readPreferences(store);
            for (storage::Conversation& conversation : store.conversations.list()) {
                // Made for a message that a crash kept from being stored.
                if (!conversation.activeLeaf && conversation.draft.empty())
                    store.conversations.moveToTrash(conversation.id);
                else
                    all.conversations.push_back(std::move(conversation));
            }
            for (const storage::Message& message : store.messages.queued()) {
                if (std::find(all.queued.begin(), all.queued.end(), message.conversation) == all.queued.end())
                    all.queued.push_back(message.conversation);
            }
            if (all.preferences.shown)
                all.shown = loadConversation(store, all.preferences.shown);
            if (all.shown && all.shown->conversation.deletedAt)
                all.shown.reset();
            return all;
        });
    } catch (const std::exception& e) {
        const QString sentence = QString::fromUtf8(e.what());
        std::fprintf(stderr, "hearth: %s\n", qPrintable(sentence));
        window_.showNotice({kStorageKey, sentence, {}, true});
        Remembered nothing;
        nothing.preferences.settings.maxThreads = std::max(1, QThread::idealThreadCount());
        return nothing;
    }
}

void Application::start() {
    started_ = true;
    const Remembered remembered = readRemembered();
    preferences_ = remembered.preferences;
    timings::mark("database read");
    const ui::SettingsRow& settings = preferences_.settings;
    ui::SettingsRow shownSettings = settings;
    shownSettings.modelFolder = modelFolder(settings.modelFolder, options_.data.path);
    window_.setSettings(shownSettings);
    library_.setFolder(shownSettings.modelFolder);
    for (const QString& path : std::as_const(preferences_.openedModels))
        library_.addFile(path);
    if (!options_.openFile.isEmpty()) {
        preferences_.lastModel = QFileInfo(options_.openFile).absoluteFilePath();
        library_.addFile(preferences_.lastModel);
    }

    book_.open(remembered.conversations, remembered.queued);
    if (remembered.shown)
        book_.show(*remembered.shown);
    else
        book_.showNew(defaultModel(), preferences_.newDraft);
    if (!preferences_.layout.isEmpty())
        window_.restoreLayout(preferences_.layout);
    else if (const QScreen* screen = window_.screen())
        window_.resize(ui::MainWindow::sizeFor(screen->availableSize()));
    window_.installEventFilter(this);
    window_.show();
    timings::mark("window shown");
    QTimer::singleShot(1000, this, &Application::afterFirstPaint); // a window that starts minimized is not painted
}

bool Application::eventFilter(QObject* object, QEvent* event) {
    if (object == &window_ && event->type() == QEvent::Paint && !painted_) {
        QTimer::singleShot(0, this, &Application::afterFirstPaint);
    } else if (object == &window_ && event->type() == QEvent::LanguageChange) {
        QTimer::singleShot(0, this, [this] {
            book_.shown()->retranslate();
            updateModelHelp();
            retranslateNotices();
            modelsPage_->retranslate();
        });
    }
    return QObject::eventFilter(object, event);
}

// The window is on the screen: now what takes time.
void Application::afterFirstPaint() {
    if (painted_ || ending_)
        return;
    painted_ = true;
    timings::mark("window on screen");
    const engine::EngineOptions options = engineOptions();
    const bool stored = options_.data.problem.isEmpty();
    engine_.start(options, stored ? options_.data.file(QStringLiteral("prefixes")) : QString());
    desk_.setEngineOptions(options);
    engine_.setResidency(residencyOf(preferences_.settings));
    modelsKnown_ = !stored;
    if (stored) {
        manager_.open(library_.folder());
        modelsPage_->open(options_.data.path, book_.rows().isEmpty());
    } else {
        library_.rescan();
    }
    chooseDefaultModel();
    if (stored) {
        storage_.post([](Store& store) {
            store.conversations.emptyTrash(kTrashDays);
            store.messages.emptyTrash(kTrashDays);
        });
        storage_.call(
            this, [](Store& store) { return store.conversations.list(); },
            [this](const std::vector<storage::Conversation>& alive) {
                std::vector<int64_t> ids;
                for (const storage::Conversation& conversation : alive)
                    ids.push_back(conversation.id.value);
                engine_.keepConversations(std::move(ids));
            });
    }
}

// ---- Connections.

void Application::connectWindow() {
    using ui::MainWindow;
    connect(&window_, &MainWindow::newConversationRequested, this, [this] {
        saveScroll();
        book_.showNew(defaultModel(), preferences_.newDraft);
    });
    connect(&window_, &MainWindow::conversationSelected, this, [this](ui::RowId id) {
        saveScroll();
        book_.show(storage::ConversationId{id});
    });
    connect(&window_, &MainWindow::conversationRenamed, this,
            [this](ui::RowId id, const QString& title) { book_.rename({id}, title); });
    connect(&window_, &MainWindow::conversationDeleteRequested, this,
            [this](ui::RowId id) { book_.moveToTrash({id}); });
    connect(&window_, &MainWindow::undoRequested, this, &Application::undo);

    connect(&window_, &MainWindow::messageSubmitted, this, &Application::submit);
    connect(&window_, &MainWindow::stopRequested, this, [this] { book_.shown()->stop(); });
    connect(&window_, &MainWindow::regenerateRequested, this, [this](ui::RowId id) { book_.shown()->regenerate(id); });
    connect(&window_, &MainWindow::continueRequested, this, [this](ui::RowId id) { book_.shown()->continueReply(id); });
    connect(&window_, &MainWindow::siblingRequested, this,
            [this](ui::RowId id, int index) { book_.shown()->switchSibling(id, index); });
    connect(&window_, &MainWindow::messageEdited, this,
            [this](ui::RowId id, const QString& text) { book_.shown()->editMessage(id, text); });
    connect(&window_, &MainWindow::messageDeleteRequested, this, [this](ui::RowId id) {
        book_.shown()->deleteMessage(id);
        engine_.forgetConversation(book_.shown()->id().value); // its words are in what is kept of the chat
    });
    connect(&window_, &MainWindow::branchRequested, this, [this](ui::RowId id) { book_.shown()->branchFrom(id); });

    connect(&window_, &MainWindow::modelPicked, this, &Application::pickModel);
    connect(&window_, &MainWindow::modelLoadCancelled, &desk_, &ModelDesk::cancel);
    connect(&window_, &MainWindow::modelFileOpened, this, &Application::openModelFile);
    connect(&window_, &MainWindow::modelFileListed, this, &Application::listModelFile);

    connect(&window_, &MainWindow::draftChanged, this, [this](const QString& text) {
        book_.shown()->setDraft(text);
        if (!book_.shown()->id()) {
            preferences_.newDraft = text;
            storeNewDraft(storage_, text);
        }
    });
    connect(&window_, &MainWindow::scrollChanged, this, [this](double scroll) {
        scroll_ = scroll;
        scrollTimer_.start();
    });
    connect(&window_, &MainWindow::settingsChanged, this, &Application::applySettings);
    connect(&window_, &MainWindow::noticeAction, this, [this](const QString& key, const QString& action) {
        if (desk_.act(key, action))
            return;
        window_.hideNotice(key);
        if (action == kOpenAction)
            chooseModelFile();
    });
    connect(&window_, &MainWindow::windowClosing, this, &Application::end);
}

void Application::connectModels() {
    connect(&desk_, &ModelDesk::changed, this, &Application::showModels);
    connect(&desk_, &ModelDesk::rowChanged, &window_, &ui::MainWindow::updateModel);
    connect(&desk_, &ModelDesk::progressed, this, &Application::updateStatus);
    connect(&desk_, &ModelDesk::notice, &window_, &ui::MainWindow::showNotice);
    connect(&desk_, &ModelDesk::noticeOver, &window_, &ui::MainWindow::hideNotice);
    connect(&desk_, &ModelDesk::fileWanted, this, &Application::chooseModelFile);
    connect(&desk_, &ModelDesk::loadFailed, this, [this](const QString& path, const QString& error) {
        if (!error.isEmpty() && path == pick_.path)
            takeBackPick(path);
    });
    connect(&desk_, &ModelDesk::retried, this, [this](const QString& path) {
        if (path == refused_)
            pickModel(path);
    });
    connect(&desk_, &ModelDesk::ready, this, [this](const QString& path) {
        if (path == pick_.path)
            pick_ = {};
        timings::mark("model ready");
        book_.modelReady(path);
        updateStatus();
    });
}

void Application::showModels() {
    window_.setModels(desk_.rows() + modelsPage_->remotes().rows());
    chooseDefaultModel();
    updateModelHelp();
}

void Application::connectBook() {
    connect(&book_, &ConversationBook::rowsReset, this, [this] { window_.setConversations(book_.rows()); });
    connect(&book_, &ConversationBook::rowChanged, &window_, &ui::MainWindow::updateConversation);
    connect(&book_, &ConversationBook::rowRemoved, this, [this](ui::RowId id) {
        window_.removeConversation(id);
        if (book_.shown()->id().value == id)
            book_.showNew(defaultModel(), preferences_.newDraft);
    });
    connect(&book_, &ConversationBook::trashed, this, [this](ui::RowId id, const QString& title) {
        engine_.forgetConversation(id);
        window_.showUndo(title.isEmpty() ? tr("The chat was deleted.") : tr("“%1” was deleted.").arg(title),
                         undoId(kTrashUndo, id));
    });
    connect(&book_, &ConversationBook::shownChanged, this, &Application::showSession);
    connect(&book_, &ConversationBook::shownStored, this, [this] {
        preferences_.newDraft.clear();
        storeNewDraft(storage_, {});
        storeShown(storage_, book_.shown()->id());
        ui::ConversationContent content = book_.shown()->content();
        if (const auto* composer = window_.findChild<ui::Composer*>())
            content.draft = composer->text(); // typed since Enter
        window_.showConversation(content);
    });
    connect(&book_, &ConversationBook::modelWanted, this, &Application::wantModelFor);
}

// The shown session speaks to the window directly; the others are heard through the book only.
void Application::connectSession(ChatSession* session) {
    if (connected_)
        disconnect(connected_, nullptr, this, nullptr);
    connected_ = session;
    connect(session, &ChatSession::messageAdded, this,
            [this](const ui::MessageRow& row) { window_.document().appendMessage(row); });
    connect(session, &ChatSession::messageUpdated, this,
            [this](const ui::MessageRow& row) { window_.document().updateMessage(row); });
    connect(session, &ChatSession::messagesRemovedFrom, this,
            [this](ui::RowId id) { window_.document().removeFrom(id); });
    connect(session, &ChatSession::messageRemoved, this,
            [this](ui::RowId id) { window_.document().removeMessage(id); });
    connect(session, &ChatSession::messageInserted, this,
            [this](int index, const ui::MessageRow& row) { window_.document().insertMessage(index, row); });
    connect(session, &ChatSession::deleted, this, [this, session](ui::RowId id) {
        window_.showUndo(tr("The message was deleted."), undoId(kMessageUndo, session->id().value, id));
    });
    connect(session, &ChatSession::branched, this, [this, session](ui::RowId, ui::RowId leaf) {
        window_.showUndo(tr("The chat goes on from here. What followed is kept as another branch."),
                         undoId(kBranchUndo, session->id().value, leaf));
    });
    connect(session, &ChatSession::branchTaken, this,
            [this, session](ui::RowId leaf) { window_.hideUndo(undoId(kBranchUndo, session->id().value, leaf)); });
    connect(session, &ChatSession::textAdded, this,
            [this](ui::RowId id, const QString& text) { window_.document().appendText(id, text); });
    connect(session, &ChatSession::thoughtsAdded, this,
            [this](ui::RowId id, const QString& text) { window_.document().appendThoughts(id, text); });
    connect(session, &ChatSession::messageFinished, this,
            [this](ui::RowId id, ui::MessageState state, double thoughtSeconds, const QString& note) {
                window_.document().finishMessage(id, state, thoughtSeconds, note);
            });
    connect(session, &ChatSession::reset, this,
            [this, session] { window_.document().setMessages(session->content().messages); });
    connect(session, &ChatSession::replyingChanged, this, [this, session] {
        window_.setGenerating(session->isReplying());
        updateStatus();
    });
    connect(session, &ChatSession::statusChanged, this, &Application::updateStatus);
    connect(session, &ChatSession::historyLeftOut, this, &Application::showHistoryNotice);
    connect(session, &ChatSession::sendFailed, this, [this, session](const QString& text) {
        const auto* composer = window_.findChild<ui::Composer*>();
        const QString typed = composer ? composer->text() : QString(); // since Enter
        session->setDraft(typed.isEmpty() ? text : text + QStringLiteral("\n\n") + typed);
        window_.showConversation(session->content());
    });
    connect(session, &ChatSession::userMessageStored, this, [this, session](const QString&, bool firstWithHan) {
        if (firstWithHan && desk_.isStarter(session->model()))
            showStarterHint();
    });
}

void Application::undo(const QString& id) {
    const QString kind = id.section(QLatin1Char(':'), 0, 0);
    const storage::ConversationId conversation{id.section(QLatin1Char(':'), 1, 1).toLongLong()};
    const storage::MessageId message{id.section(QLatin1Char(':'), 2, 2).toLongLong()};
    if (kind == kTrashUndo)
        book_.restore(conversation);
    else if (kind == kMessageUndo)
        book_.restoreMessage(conversation, message);
    else if (kind == kBranchUndo)
        book_.restoreBranch(conversation, message);
    else
        modelsPage_->undo(id);
}

void Application::showSession() {
    ChatSession* session = book_.shown();
    connectSession(session);
    scroll_.reset();
    scrollTimer_.stop();
    window_.hideNotice(kHintKey);
    window_.hideNotice(kNoModelKey);
    window_.hideNotice(kRemoteKey);
    window_.showConversation(session->content());
    window_.setGenerating(session->isReplying());
    if (!session->model().isEmpty() && !isRemotePath(session->model()) && library_.scanned() &&
        !library_.find(session->model())) {
        library_.addFile(session->model()); // listed as missing, or where it lies now
        library_.rescan();
    }
    storeShown(storage_, session->id());
    showHistoryNotice();
    updateModelHelp();
    updateStatus();
    if (painted_ && session->isWaiting())
        session->proceed(); // its message was sent: what it waits for is loaded, or asked for
}

// ---- Messages and models.

void Application::submit(const QString& text) {
    ChatSession* session = book_.shown();
    if (session->model().isEmpty() && !defaultModel().isEmpty())
        session->setModel(defaultModel());
    if (!session->model().isEmpty() && session->model() != preferences_.lastModel) {
        preferences_.lastModel = session->model();
        storeLastModel(storage_, session->model());
    }
    window_.setCurrentModel(session->model());
    modelsPage_->endFirstRun();
    session->send(text);
}

QString Application::defaultModel() const {
    const auto present = [this](const QString& path) {
        if (const RemoteEndpoint* remote = modelsPage_->remotes().find(path))
            return remote->on && modelsPage_->gate().open();
        return !path.isEmpty() && QFileInfo(path).isFile();
    };
    if (!remotesRead_ && isRemotePath(preferences_.lastModel))
        return {}; // chosen when they are: it may be there
    if (present(preferences_.lastModel))
        return preferences_.lastModel;
    const auto& files = library_.files();
    const auto starter = std::find_if(files.begin(), files.end(), [](const ModelFile& f) { return f.starter; });
    if (starter != files.end())
        return starter->path;
    const auto any = std::find_if(files.begin(), files.end(), [](const ModelFile& f) { return f.chats; });
    return any == files.end() ? QString() : any->path;
}

// At the start the model of the conversation in the window is loaded behind it; later nothing is loaded unasked.
void Application::chooseDefaultModel() {
    if (!painted_ || ending_)
        return;
    ChatSession* session = book_.shown();
    if (session->model().isEmpty()) {
        const QString path = defaultModel();
        if (path.isEmpty())
            return;
        session->setModel(path);
        window_.setCurrentModel(path);
        window_.hideNotice(kNoModelKey);
    }
    if (!started_ || !modelsKnown_)
        return;
    started_ = false;
    wantModel(session->model(), false);
}

void Application::wantModelFor(ChatSession* session) {
    if (!painted_)
        return;
    if (!session->model().isEmpty()) {
        if (modelsKnown_ || isRemotePath(session->model()))
            wantModel(session->model(), false);
        return;
    }
    showNoModelNotice();
}

void Application::pickModel(const QString& path) {
    started_ = false;
    ChatSession* session = book_.shown();
    const bool again = session->model() == pick_.path && session == pick_.session; // that one was not loaded yet
    const Pick before = std::exchange(pick_, {.path = path,
                                              .before = session->model(),
                                              .lastBefore = preferences_.lastModel,
                                              .session = session,
                                              .conversation = session->id()});
    if (again) {
        pick_.before = before.before;
        pick_.lastBefore = before.lastBefore;
    }
    if (pick_.before == path)
        pick_ = {};
    refused_.clear();
    session->setModel(path);
    preferences_.lastModel = path;
    storeLastModel(storage_, path);
    window_.setCurrentModel(path);
    window_.hideNotice(kNoModelKey);
    updateModelHelp();
    wantModel(path, true);
}

// What cannot be loaded is not what was chosen: the model before it stays, in the chat and after the next start.
void Application::takeBackPick(const QString& path) {
    const Pick pick = std::exchange(pick_, {});
    refused_ = path;
    if (preferences_.lastModel == path) {
        preferences_.lastModel = pick.lastBefore == path ? pick.before : pick.lastBefore;
        storeLastModel(storage_, preferences_.lastModel);
    }
    if (!pick.session) { // another chat was opened meanwhile
        storage_.post(
            [id = pick.conversation, path = path.toStdString(), before = pick.before.toStdString()](Store& store) {
                const auto chat = id ? store.conversations.find(id) : std::nullopt;
                if (chat && chat->model == path)
                    store.conversations.setModel(id, before);
            });
    }
    const QPointer<ChatSession> shown = book_.shown();
    if (shown && shown != pick.session && !shown->id() && shown->model() == path) // a new one, begun with it
        shown->setModel(pick.before);
    if (pick.session && pick.session->model() == path)
        pick.session->setModel(pick.before);
    if (shown)
        window_.setCurrentModel(shown->model());
    updateModelHelp();
    updateStatus();
    if (pick.session)
        pick.session->proceed(); // what was said meanwhile
}

// An engine elsewhere is ready as soon as it is known; whether it may be asked is decided with the reply.
void Application::wantModel(const QString& path, bool byHand) {
    if (!isRemotePath(path)) {
        window_.hideNotice(kRemoteKey);
        byHand ? desk_.pick(path) : desk_.want(path);
    } else if (modelsPage_->remotes().find(path)) {
        window_.hideNotice(kRemoteKey);
        book_.modelReady(path);
        updateStatus();
    } else if (remotesRead_) {
        showRemoteGone();
    }
}

void Application::openModelFile(const QString& given) {
    listModelFile(given);
    pickModel(QFileInfo(given).absoluteFilePath());
}

// Read where it lies.
void Application::listModelFile(const QString& given) {
    const QString path = QFileInfo(given).absoluteFilePath();
    if (!library_.find(path)) {
        library_.addFile(path);
        preferences_.openedModels.removeAll(path);
        preferences_.openedModels.append(path);
        storeOpenedModels(storage_, preferences_.openedModels);
        library_.rescan();
    }
}

void Application::chooseModelFile() {
    auto* dialog =
        new QFileDialog(&window_, tr("Open a model file"),
                        library_.files().isEmpty() ? QString() : QFileInfo(library_.files().first().path).path(),
                        tr("Models (*.gguf)"));
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setFileMode(QFileDialog::ExistingFiles);
    connect(dialog, &QFileDialog::filesSelected, this, [this](const QStringList& paths) {
        for (const QString& path : paths.mid(1))
            listModelFile(path);
        if (!paths.isEmpty())
            openModelFile(paths[0]);
    });
    dialog->open();
}

// ---- What the window says about it all.

void Application::updateModelHelp() {
    const QString model = book_.shown() ? book_.shown()->model() : QString();
    if (desk_.isStarter(model)) {
        window_.setStarterHelp(tr("Tiny, English only, to try the program") + QLatin1Char('\n') +
                               tr("For better answers, open a larger GGUF model or drop one onto the window."));
    } else if (model.isEmpty() && library_.scanned() && library_.files().isEmpty()) {
        window_.setStarterHelp(tr("The command installer/run brings the starter model."));
    } else {
        window_.setStarterHelp({});
    }
}

void Application::updateStatus() {
    if (ending_ || !book_.shown())
        return;
    ui::StatusRow status = book_.shown()->status();
    if (status.phase == ui::Phase::Idle && !desk_.loadingPath().isEmpty()) {
        status.phase = ui::Phase::Loading;
        status.progress = desk_.loadingProgress();
    }
    const LoadedModel* model = desk_.resident(book_.shown()->model());
    if (status.contextUsed > 0 && model) {
        status.contextAvailable = model->info.contextTokens;
        status.backend = QString::fromStdString(model->info.backend);
    }
    if (const RemoteEndpoint* remote = modelsPage_->remotes().find(book_.shown()->model())) {
        status.backend = remote->host();
        status.host = remote->host();
        if (status.phase == ui::Phase::Reading) // how far it is nobody tells
            status.phase = ui::Phase::Waiting;
        if (status.contextUsed > 0)
            status.contextAvailable = remote->contextTokens;
    }
    window_.setStatus(status);
}

void Application::showHistoryNotice() {
    const int leftOut = book_.shown() ? book_.shown()->leftOut() : 0;
    if (leftOut == 0) {
        window_.hideNotice(kHistoryKey);
        return;
    }
    window_.showNotice(
        {kHistoryKey,
         tr("The context is full: the model no longer reads the oldest %n message(s).", nullptr, leftOut),
         {},
         false});
}

void Application::showStarterHint() {
    window_.showNotice({kHintKey,
                        tr("The starter model understands English only. For Chinese, open a larger model."),
                        {{kOpenAction, tr("Open a model file…")}},
                        false});
}

void Application::showRemoteGone() {
    window_.showNotice(
        {kRemoteKey, tr("The engine elsewhere that this chat used was removed. Choose another model."), {}, true});
}

void Application::showNoModelNotice() {
    window_.showNotice(
        {kNoModelKey,
         tr("Your message is kept and waits for a model. Open a GGUF file, or drop one onto the window."),
         {{kOpenAction, tr("Open a model file…")}},
         false});
}

// What still stands in the window says the same in the other language.
void Application::retranslateNotices() {
    if (window_.hasNotice(kHistoryKey))
        showHistoryNotice();
    if (window_.hasNotice(kHintKey))
        showStarterHint();
    if (window_.hasNotice(kNoModelKey))
        showNoModelNotice();
    if (window_.hasNotice(kRemoteKey))
        showRemoteGone();
    for (const QString& key : ModelDesk::noticeKeys()) {
        if (window_.hasNotice(key))
            desk_.tellAgain(key);
    }
}

void Application::showFailure(const QString& sentence) {
    window_.showNotice({kFailureKey, sentence, {}, true});
}

void Application::raiseWindow() {
    timings::mark("window raised");
    window_.setWindowState(window_.windowState() & ~Qt::WindowMinimized);
    window_.show();
    window_.raise();
    window_.activateWindow();
}

void Application::connectManager() {
    connect(&manager_, &ModelManager::storeMoved, this, [this](const QString& folder) {
        preferences_.settings.modelFolder = folder == modelFolder({}, options_.data.path) ? QString() : folder;
        storeSettings(storage_, preferences_.settings);
        ui::SettingsRow shown = preferences_.settings;
        shown.modelFolder = folder;
        window_.setSettings(shown);
    });
    connect(&manager_, &ModelManager::modelMoved, this, [this](const QString& from, const QString& to) {
        book_.modelMoved(from, to);
        if (preferences_.lastModel == from) {
            preferences_.lastModel = to;
            storeLastModel(storage_, to);
        }
        window_.setCurrentModel(book_.shown()->model());
    });
    connect(modelsPage_.get(), &ModelsPage::fileBrought, this, &Application::listModelFile);
    connect(&modelsPage_->remotes(), &Remotes::changed, this, [this] {
        remotesRead_ = true;
        showModels();
        for (const RemoteEndpoint& remote : modelsPage_->remotes().all())
            book_.modelReady(remote.path());
        updateStatus();
    });
    desk_.setListed([this](const ModelFile& file) { return manager_.isListed(file); });
    connect(&manager_, &ModelManager::changed, &desk_, &ModelDesk::changed);
    connect(&manager_, &ModelManager::opened, this, [this] {
        modelsKnown_ = true;
        chooseDefaultModel();
        if (painted_ && !ending_ && book_.shown()->isWaiting())
            book_.shown()->proceed();
        manager_.calibrateWhenIdle([this] { return ending_ || book_.anyReplying() || !desk_.loadingPath().isEmpty(); });
    });
    connect(&book_, &ConversationBook::rowChanged, this, [this] {
        if (book_.anyReplying())
            manager_.postponeCalibration();
    });
    connect(&window_, &ui::MainWindow::draftChanged, &manager_, &ModelManager::postponeCalibration);
    desk_.setRequestOf([this](const QString& path) { return loadRequest(path, manager_.defaults(path)); });
    desk_.setInUse([this](const QString& path) { return book_.isReplyingWith(path); });
    connect(&manager_, &ModelManager::changed, &desk_, &ModelDesk::renew);
    connect(&manager_, &ModelManager::opened, &desk_, &ModelDesk::renew);
    connect(&book_, &ConversationBook::rowChanged, &desk_, &ModelDesk::renew);
}

/// What the person has set for a model, on top of what the model recommends.
ReplyDefaults Application::replyDefaults(const QString& path) const {
    const ModelDefaults own = manager_.defaults(path);
    ReplyDefaults out{.ownSampling = own.sampling,
                      .threads = own.threads.value_or(0),
                      .systemPrompt = own.systemPrompt,
                      .thinking = own.thinking};
    if (const LoadedModel* model = desk_.resident(path); model && !own.sampling.empty())
        out.sampling = withOwn(model->text->defaultSampling, own.sampling);
    return out;
}

// ---- Settings.

// The window has taken language, theme and text size already.
void Application::applySettings(const ui::SettingsRow& settings) {
    const ui::SettingsRow before = std::exchange(preferences_.settings, settings);
    const QString ownFolder = modelFolder({}, options_.data.path);
    if (settings.modelFolder == ownFolder)
        preferences_.settings.modelFolder.clear(); // the default stays the default when the data folder moves
    storeSettings(storage_, preferences_.settings);
    if (preferences_.settings.modelFolder != before.modelFolder) {
        manager_.open(modelFolder(preferences_.settings.modelFolder, options_.data.path));
    }
    if (settings.threads != before.threads || settings.backend != before.backend)
        applyEngineSettings();
    if (settings.modelMemoryGb != before.modelMemoryGb || settings.idleMinutes != before.idleMinutes)
        engine_.setResidency(residencyOf(settings));
}

// The model comes back with the next message, under the new options.
void Application::applyEngineSettings() {
    desk_.setEngineOptions(engineOptions());
}

engine::EngineOptions Application::engineOptions() const {
    return {.backend = preferences_.settings.backend.toStdString(),
            .threads = preferences_.settings.threads,
            .mostThreads = QThread::idealThreadCount()}; // for models with threads of their own
}

void Application::saveScroll() {
    scrollTimer_.stop();
    if (scroll_ && book_.shown())
        book_.shown()->setScroll(*scroll_);
    scroll_.reset();
}

// ---- End.

void Application::end() {
    if (ending_)
        return;
    ending_ = true;
    timings::mark("ending");
    saveScroll();
    storeLayout(storage_, window_.saveLayout());
    window_.hide();
    book_.prepareToClose(); // what is there is safe before anything is waited for
    engine_.finish();
    modelsPage_->remotes().engine().finish();
    pipe_.drain();
    book_.close();
    storage_.finish();
    timings::mark("ended");
    emit ended();
}

} // namespace hearth::app
