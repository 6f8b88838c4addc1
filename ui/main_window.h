#pragma once

#include "ui/models/model_rows.h"

#include <QMainWindow>

#include <memory>

namespace hearth::ui {

class ChatDocument;
class ModelsPanel;
class Theme;

/// The window. Knows no engine and no SQL: rows come in through the functions below, what the person does goes out as
/// signals. GUI thread. The private half is the shell's own affair.
class MainWindow : public QMainWindow {
    Q_OBJECT

public:
    explicit MainWindow(Theme&, QWidget* parent = nullptr);
    ~MainWindow() override;

    /// The first start's size on a screen that has so much room.
    static QSize sizeFor(const QSize& available);

    // Conversations
    void setConversations(const QVector<ConversationRow>&); // sorted as they shall stand: newest first
    void updateConversation(const ConversationRow&);        // changed, or new (then it comes first)
    void removeConversation(RowId);
    /// Shows a conversation, or the empty state (`row.id` 0). Its draft, its scroll position and its model with it.
    void showConversation(const ConversationContent&);
    RowId shownConversation() const;

    /// The messages of the conversation that is shown. Streaming goes here directly: appendText() at the screen's rate.
    ChatDocument& document();

    // Models
    void setModels(const QVector<ModelRow>&);
    void updateModel(const ModelRow&);
    void setCurrentModel(const QString& path); // of the shown conversation
    /// The page of models: its rows and signals are the application's affair. Those that this window needs too
    /// (picked, loadCancelled, openFileRequested, revealRequested, addressOpened) it answers itself.
    ModelsPanel& modelsPanel();
    void setFirstRun(const FirstRunRow&);     // the three steps in the empty state
    void setStarterHelp(const QString& text); // the empty state's line on what the model in use is; empty: none

    // State
    void setStatus(const StatusRow&);
    void setGenerating(bool); // of the shown conversation: Send or Stop
    void setSettings(const SettingsRow&);
    void showNotice(const Notice&);
    void hideNotice(const QString& key);
    bool hasNotice(const QString& key) const;                  // neither hidden nor dismissed
    void showUndo(const QString& text, const QString& undoId); // the undo bar, 8 s
    void hideUndo(const QString& undoId);                      // if it is the one that is offered

    // Window
    QByteArray saveLayout() const; // geometry, sidebar width; with restoreLayout across starts
    void restoreLayout(const QByteArray&);

signals:
    void newConversationRequested();
    void conversationSelected(hearth::ui::RowId);
    void conversationRenamed(hearth::ui::RowId, const QString& title);
    void conversationDeleteRequested(hearth::ui::RowId);
    void undoRequested(const QString& undoId);
    void undoEnded(const QString& undoId); // it can be undone no more, unless it was just asked for

    void messageSubmitted(const QString& text);
    void stopRequested();
    void regenerateRequested(hearth::ui::RowId message);
    void continueRequested(hearth::ui::RowId message);
    void siblingRequested(hearth::ui::RowId message, int index);
    void messageEdited(hearth::ui::RowId message, const QString& text); // to be said anew, as another version
    void messageDeleteRequested(hearth::ui::RowId message);
    void branchRequested(hearth::ui::RowId message); // the conversation goes on from it

    void modelPicked(const QString& path);
    void modelLoadCancelled(const QString& path);
    void firstRunFinished();
    void modelFileOpened(const QString& path); // "Open a model file…", or dropped onto the window
    void modelFileListed(const QString& path); // likewise: the others, where it is several

    void draftChanged(const QString& text); // of the shown conversation; at rest for 300 ms
    void scrollChanged(double scroll);
    void settingsChanged(const hearth::ui::SettingsRow&);
    void noticeAction(const QString& noticeKey, const QString& actionId);
    void windowClosing();

protected:
    void closeEvent(QCloseEvent*) override;
    void dragEnterEvent(QDragEnterEvent*) override;
    void dragMoveEvent(QDragMoveEvent*) override;
    void dragLeaveEvent(QDragLeaveEvent*) override;
    void dropEvent(QDropEvent*) override;
    void keyPressEvent(QKeyEvent*) override;
    void changeEvent(QEvent*) override;

private:
    struct Private;
    std::unique_ptr<Private> d_;
};

} // namespace hearth::ui
