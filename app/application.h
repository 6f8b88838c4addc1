#pragma once

#include "app/chat/conversation_book.h"
#include "app/data_folder.h"
#include "app/engine_worker.h"
#include "app/models/library.h"
#include "app/models/model_desk.h"
#include "app/models/model_manager.h"
#include "app/models/page/models_page.h"
#include "app/models/remote/reply_router.h"
#include "app/preferences.h"
#include "app/storage_worker.h"
#include "app/token_pipe.h"
#include "ui/main_window.h"
#include "ui/theme.h"

#include <QObject>
#include <QPointer>
#include <QTimer>

#include <optional>

namespace hearth::app {

/// Owns everything and makes all connections: the one place where window, engine and storage meet. GUI thread; the
/// engine's and the storage's threads live inside their workers.
class Application : public QObject {
    Q_OBJECT

public:
    struct Options {
        DataFolder data;
        QString openFile; // a model file given on the command line
    };

    explicit Application(Options, QObject* parent = nullptr);
    ~Application() override;

    /// Reads what is remembered and shows the window; the model loads behind it.
    void start();
    /// Stops what runs, keeps its text, stores everything, asks nothing. Then ended().
    void end();
    void raiseWindow();
    /// What went wrong, in one inline line: also for exceptions that arrived at the event loop.
    void showFailure(const QString& sentence);

    ui::MainWindow& window() { return window_; }

    ConversationBook& book() { return book_; }

    ModelDesk& desk() { return desk_; }

    ModelManager& manager() { return manager_; }

    ModelsPage& modelsPage() { return *modelsPage_; }

signals:
    void ended();

protected:
    bool eventFilter(QObject*, QEvent*) override;

private:
    struct Remembered;

    Remembered readRemembered();
    void afterFirstPaint();
    void connectWindow();
    void connectModels();
    void connectBook();
    void connectSession(ChatSession*);

    void showSession();
    void undo(const QString& undoId);
    void submit(const QString& text);
    void pickModel(const QString& path);
    void takeBackPick(const QString& path);
    void wantModel(const QString& path, bool byHand);
    void showModels();
    void openModelFile(const QString& path);
    void listModelFile(const QString& path);
    void chooseModelFile();
    void wantModelFor(ChatSession*);
    void chooseDefaultModel();
    QString defaultModel() const;
    void applySettings(const ui::SettingsRow&);
    void applyEngineSettings();
    engine::EngineOptions engineOptions() const;
    ReplyDefaults replyDefaults(const QString& path) const;
    void connectManager();
    void updateStatus();
    void updateModelHelp();
    void showHistoryNotice();
    void showStarterHint();
    void showNoModelNotice();
    void showRemoteGone();
    void retranslateNotices();
    void saveScroll();

    /// A model that was chosen and is still to be loaded, and what was chosen before.
    struct Pick {
        QString path, before, lastBefore; // lastBefore: for new chats
        QPointer<ChatSession> session;
        storage::ConversationId conversation;
    };

    Options options_;
    ui::Theme theme_;
    TokenPipe pipe_;
    StorageWorker storage_;
    EngineWorker engine_;
    Library library_;
    ModelManager manager_;
    ModelDesk desk_;
    ReplyRouter router_{engine_};
    ReplyId lastReply_ = 0;
    ConversationBook book_;
    ui::MainWindow window_;
    std::unique_ptr<ModelsPage> modelsPage_; // after the window: it fills one of its pages
    QPointer<ChatSession> connected_;        // the session whose signals go to the window
    Preferences preferences_;
    Pick pick_;
    QString refused_; // chosen last, and taken back: it could not be loaded
    QTimer scrollTimer_;
    std::optional<double> scroll_; // waits to be stored
    bool remotesRead_ = false;
    bool painted_ = false, ending_ = false, started_ = false;
    bool modelsKnown_ = false; // what was set for them, before one is loaded
};

} // namespace hearth::app
