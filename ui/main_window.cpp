#include "ui/main_window.h"

#include "ui/chat/chat_document.h"
#include "ui/chat/chat_view.h"
#include "ui/composer.h"
#include "ui/conversation_list.h"
#include "ui/conversation_panel.h"
#include "ui/drop_hint.h"
#include "ui/empty_state.h"
#include "ui/find_bar.h"
#include "ui/first_run.h"
#include "ui/focus_ring.h"
#include "ui/header.h"
#include "ui/language.h"
#include "ui/links.h"
#include "ui/models/model_picker.h"
#include "ui/models/models_panel.h"
#include "ui/notices.h"
#include "ui/page.h"
#include "ui/reveal.h"
#include "ui/settings/settings_panel.h"
#include "ui/sidebar.h"
#include "ui/status_line.h"
#include "ui/text_line.h"
#include "ui/theme.h"

#include <QClipboard>
#include <QCloseEvent>
#include <QDataStream>
#include <QDesktopServices>
#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QGuiApplication>
#include <QIODevice>
#include <QMimeData>
#include <QPainter>
#include <QPointer>
#include <QShortcut>
#include <QStackedWidget>
#include <QUrl>
#include <QVBoxLayout>

#include <algorithm>

namespace hearth::ui {

namespace {

constexpr int kOverlayBelow = 900; // px of window width under which the sidebar lies over the conversation
constexpr quint32 kLayoutMagic = 0x68727468;
constexpr quint16 kLayoutVersion = 1;
constexpr int kHandle = 7; // px in which the mouse finds the sidebar's edge

// Notices of the window itself; the application never sees their actions.
const auto kLinkNotice = QStringLiteral("window.link");
constexpr QSize kWindowSize(1180, 780), kLeastSize(640, 480);
constexpr QSize kAroundWindow(8, 40); // what a window manager adds: borders and a title bar

const auto kDropNotice = QStringLiteral("window.drop");
const auto kModelsPage = QStringLiteral("models");
const auto kOpen = QStringLiteral("open");
const auto kCopy = QStringLiteral("copy");

/// The edge of the sidebar that is dragged.
class Edge : public QWidget {
public:
    Edge(QWidget* parent, std::function<void(int)> moved) : QWidget(parent), moved_(std::move(moved)) {
        setCursor(Qt::SplitHCursor);
    }

protected:
    void mouseMoveEvent(QMouseEvent* event) override {
        if (event->buttons() & Qt::LeftButton)
            moved_(mapToParent(event->position().toPoint()).x());
    }

private:
    std::function<void(int)> moved_;
};

/// Holds what layOut() places, and says when it has another size.
class Ground : public QWidget {
public:
    Ground(QWidget* parent, std::function<void()> resized) : QWidget(parent), resized_(std::move(resized)) {}

protected:
    void resizeEvent(QResizeEvent*) override { resized_(); }

private:
    std::function<void()> resized_;
};

/// What lies behind the sidebar while it is an overlay; a click on it closes the sidebar.
class Scrim : public QWidget {
public:
    Scrim(const Theme& theme, QWidget* parent, std::function<void()> clicked)
        : QWidget(parent), theme_(theme), clicked_(std::move(clicked)) {}

protected:
    void paintEvent(QPaintEvent*) override {
        QColor color = theme_.isDark() ? theme_.color(Token::Sidebar) : theme_.color(Token::Text);
        color.setAlpha(theme_.isDark() ? 160 : 70);
        QPainter(this).fillRect(rect(), color);
    }

    void mousePressEvent(QMouseEvent*) override { clicked_(); }

private:
    const Theme& theme_;
    std::function<void()> clicked_;
};

} // namespace

struct MainWindow::Private {
    MainWindow& window;
    Theme& theme;
    Language language;

    QWidget* ground = nullptr; // holds sidebar and content, placed by layOut()
    Sidebar* sidebar = nullptr;
    Edge* edge = nullptr;
    Scrim* scrim = nullptr;
    QWidget* content = nullptr;
    QStackedWidget* pages = nullptr; // the conversation, then the panels
    ConversationPanel* conversation = nullptr;
    StatusLine* status = nullptr;
    UndoBar* undo = nullptr;
    DropHint* drop = nullptr;
    SettingsPanel* settings = nullptr;
    ModelsPanel* models = nullptr;

    struct Panel {
        QString id;
        Page* page;
    };

    QVector<Panel> panels;
    RowId shown = 0;
    int sidebarWidth = Sidebar::kWidth;
    bool sidebarWanted = true; // beside the conversation, where there is room
    bool overlayOpen = false;  // over it, where there is none
    QUrl link;                 // the address in the notice

    Private(MainWindow& w, Theme& t) : window(w), theme(t) {}

    void build();
    void addPanel(const QString& id, const QString& icon, const char* title, QWidget* content);
    void connectConversation();
    void connectModels();
    void connectFirstRun();
    void addShortcuts();

    bool narrow() const { return window.width() < kOverlayBelow; }

    void layOut();
    void toggleSidebar();
    void placeUndo();
    void openPanel(const QString& id);
    void closePanel();

    bool panelOpen() const { return pages->currentIndex() > 0; }

    void chooseConversation(RowId);
    void startNew();
    void applySettings(const SettingsRow&);
    void refreshTitle();
    void refreshModel();
    void openModelFile();
    void openModelFiles(const QStringList& paths);
    void offerLink(const QUrl&);
    void noticeAction(const QString& key, const QString& id);
    void zoom(int steps); // 0: back to 100 %
    bool escape();
};

void MainWindow::Private::build() {
    ground = new Ground(&window, [this] { layOut(); });
    content = new QWidget(ground);
    pages = new QStackedWidget(content);
    conversation = new ConversationPanel(theme, content);
    pages->addWidget(conversation);
    status = new StatusLine(theme, content);
    auto* stack = new QVBoxLayout(content);
    stack->setContentsMargins(0, 0, 0, 0);
    stack->setSpacing(0);
    stack->addWidget(pages, 1);
    stack->addWidget(status);
    undo = new UndoBar(theme, content);
    drop = new DropHint(theme, &window);
    scrim = new Scrim(theme, ground, [this] { toggleSidebar(); });
    sidebar = new Sidebar(theme, ground);
    edge = new Edge(ground, [this](int x) {
        sidebarWidth = std::clamp(x, Sidebar::kLeast, Sidebar::kMost);
        layOut();
    });

    models = new ModelsPanel(theme);
    settings = new SettingsPanel(theme);
    addPanel(kModelsPage, QStringLiteral("models"), QT_TRANSLATE_NOOP("hearth::ui::MainWindow", "Models"), models);
    addPanel(QStringLiteral("settings"), QStringLiteral("settings"),
             QT_TRANSLATE_NOOP("hearth::ui::MainWindow", "Settings"), settings);

    connectConversation();
    connectModels();
    addShortcuts();
    new FocusRing(theme, window);
    window.setCentralWidget(ground);
}

// A page and its entry at the sidebar's foot.
void MainWindow::Private::addPanel(const QString& id, const QString& icon, const char* title, QWidget* widget) {
    auto* page = new Page(theme, title, widget, pages);
    pages->addWidget(page);
    panels.push_back({id, page});
    sidebar->addPage(id, icon, title);
    connect(page, &Page::closed, &window, [this] { closePanel(); });
    connect(page, &Page::sidebarToggled, &window, [this] { toggleSidebar(); });
}

void MainWindow::Private::connectConversation() {
    MainWindow* w = &window;
    Composer& composer = conversation->composer();
    connect(&composer, &Composer::submitted, w, [this](const QString& text) {
        const RowId edited = conversation->editing();
        if (edited && conversation->composer().isGenerating()) {
            conversation->refuseEdit(text);
            return;
        }
        conversation->endEditing();
        if (edited)
            emit window.messageEdited(edited, text);
        else
            emit window.messageSubmitted(text);
    });
    connect(&composer, &Composer::stopRequested, w, &MainWindow::stopRequested);
    connect(&composer, &Composer::draftChanged, w, [this](const QString& text) {
        if (!conversation->editing()) // a message that is edited is no draft
            emit window.draftChanged(text);
    });

    ChatView& view = conversation->view();
    connect(&view, &ChatView::regenerateRequested, w, &MainWindow::regenerateRequested);
    connect(&view, &ChatView::continueRequested, w, &MainWindow::continueRequested);
    connect(&view, &ChatView::siblingRequested, w, &MainWindow::siblingRequested);
    connect(&view, &ChatView::editRequested, w,
            [this](RowId id) { conversation->startEditing(id, conversation->document().text(id)); });
    connect(&view, &ChatView::deleteRequested, w, &MainWindow::messageDeleteRequested);
    connect(&view, &ChatView::branchRequested, w, &MainWindow::branchRequested);
    connect(&view, &ChatView::quoteRequested, w, [this](const QString& text) { conversation->quote(text); });
    connect(&view, &ChatView::zoomRequested, w, [this](int steps) { zoom(steps); });
    connect(&view, &ChatView::scrollPositionChanged, w, &MainWindow::scrollChanged);
    connect(&view, &ChatView::linkActivated, w, [this](const QUrl& url) { offerLink(url); });

    Header& header = conversation->header();
    connect(&header, &Header::sidebarToggled, w, [this] { toggleSidebar(); });
    connect(&header, &Header::newRequested, w, [this] { startNew(); });
    connect(&header, &Header::deleteRequested, w, [this] {
        if (shown)
            emit window.conversationDeleteRequested(shown);
    });
    connect(&header.title(), &TitleEdit::renamed, w, [this](const QString& title) {
        if (shown)
            emit window.conversationRenamed(shown, title);
    });

    ConversationList& list = sidebar->list();
    connect(&list, &ConversationList::chosen, w, [this](RowId id) { chooseConversation(id); });
    connect(&list, &ConversationList::deleteRequested, w, &MainWindow::conversationDeleteRequested);
    connect(&list.conversations(), &ConversationListModel::renamed, w, [this](RowId id, const QString& title) {
        if (id == shown)
            refreshTitle();
        emit window.conversationRenamed(id, title);
    });
    connect(sidebar, &Sidebar::newRequested, w, [this] { startNew(); });
    connect(sidebar, &Sidebar::pageRequested, w, [this](const QString& id) { openPanel(id); });
    connect(sidebar, &Sidebar::leftSearch, w, [this] {
        if (narrow() && overlayOpen)
            toggleSidebar();
        conversation->composer().setFocus();
    });

    connect(&conversation->notices(), &NoticeStack::action, w,
            [this](const QString& key, const QString& id) { noticeAction(key, id); });
    connect(undo, &UndoBar::undone, w, &MainWindow::undoRequested);
    connect(undo, &UndoBar::ended, w, &MainWindow::undoEnded);
    connect(undo, &UndoBar::resized, w, [this] { placeUndo(); });
    connect(settings, &SettingsPanel::changed, w, [this](const SettingsRow& row) {
        applySettings(row);
        emit window.settingsChanged(row);
    });
    connect(&theme, &Theme::changed, w, [this] { layOut(); });
}

void MainWindow::Private::connectModels() {
    MainWindow* w = &window;
    ModelPicker& picker = conversation->header().picker();
    connect(&picker, &ModelPicker::picked, w, &MainWindow::modelPicked);
    connect(&picker, &ModelPicker::loadCancelled, w, &MainWindow::modelLoadCancelled);
    connect(&picker, &ModelPicker::openFileRequested, w, [this] { openModelFile(); });
    connect(&picker, &ModelPicker::currentChanged, w, [this] { refreshModel(); });
    connect(models, &ModelsPanel::picked, w, &MainWindow::modelPicked);
    connect(models, &ModelsPanel::loadCancelled, w, &MainWindow::modelLoadCancelled);
    connect(models, &ModelsPanel::openFileRequested, w, [this] { openModelFile(); });
    connect(models, &ModelsPanel::revealRequested, w, [](const QString& path) { revealInFileManager(path); });
    connect(models, &ModelsPanel::addressOpened, w, [](const QUrl& url) {
        if (linkOffer(url).opens)
            QDesktopServices::openUrl(url);
    });
    connect(&conversation->empty(), &EmptyState::openModelRequested, w, [this] { openModelFile(); });
    connectFirstRun();
}

void MainWindow::Private::connectFirstRun() {
    MainWindow* w = &window;
    FirstRun& first = conversation->empty().firstRun();
    connect(&first, &FirstRun::languageChosen, w, [this](const QString& language) {
        SettingsRow row = settings->settings();
        row.language = language;
        settings->setSettings(row);
        applySettings(row);
        emit window.settingsChanged(row);
    });
    connect(&first, &FirstRun::modelChosen, w, [this](const QString& id) {
        openPanel(kModelsPage);
        models->openCatalogModel(id);
    });
    connect(&first, &FirstRun::bringRequested, w, [this] {
        openPanel(kModelsPage);
        models->show(ModelsPanel::Section::Import);
    });
    connect(&first, &FirstRun::finished, w, [this] {
        conversation->empty().setFirstRun({});
        conversation->composer().setFocus();
        emit window.firstRunFinished();
    });
}

void MainWindow::Private::addShortcuts() {
    const auto add = [this](const QKeySequence& keys, std::function<void()> action) {
        auto* shortcut = new QShortcut(keys, &window);
        connect(shortcut, &QShortcut::activated, &window, std::move(action));
    };
    add(QKeySequence::New, [this] { startNew(); });
    add(QKeySequence(Qt::CTRL | Qt::Key_B), [this] { toggleSidebar(); });
    add(QKeySequence(Qt::CTRL | Qt::Key_K), [this] {
        if (!sidebar->isVisible())
            toggleSidebar();
        sidebar->focusSearch();
    });
    add(QKeySequence::Open, [this] { openModelFile(); });
    add(QKeySequence::Find, [this] {
        closePanel();
        conversation->openFind();
    });
    for (const int direction : {1, -1})
        add(direction > 0 ? QKeySequence(Qt::Key_F3) : QKeySequence(Qt::SHIFT | Qt::Key_F3), [this, direction] {
            if (conversation->findBar().isVisible())
                conversation->findBar().step(direction);
            else
                conversation->openFind();
        });
    add(QKeySequence(Qt::CTRL | Qt::Key_Plus), [this] { zoom(1); });
    add(QKeySequence(Qt::CTRL | Qt::Key_Equal), [this] { zoom(1); });
    add(QKeySequence(Qt::CTRL | Qt::Key_Minus), [this] { zoom(-1); });
    add(QKeySequence(Qt::CTRL | Qt::Key_0), [this] { zoom(0); });
    add(QKeySequence(Qt::CTRL | Qt::Key_Comma), [this] { openPanel(QStringLiteral("settings")); });
    add(QKeySequence(Qt::SHIFT | Qt::Key_Escape), [this] {
        closePanel();
        conversation->composer().setFocus(Qt::ShortcutFocusReason);
    });
}

void MainWindow::Private::layOut() {
    const QRect area = ground->rect();
    const bool over = narrow();
    const bool visible = over ? overlayOpen : sidebarWanted;
    const int width = over ? std::min(sidebarWidth, area.width() - 48) : sidebarWidth;
    sidebar->setGeometry(0, 0, width, area.height());
    sidebar->setVisible(visible);
    edge->setVisible(visible && !over);
    edge->setGeometry(width - kHandle / 2 - 1, 0, kHandle, area.height());
    scrim->setVisible(visible && over);
    scrim->setGeometry(area);
    content->setGeometry(visible && !over ? area.adjusted(width, 0, 0, 0) : area);
    content->lower();
    if (over) {
        scrim->raise();
        sidebar->raise();
    }
    edge->raise();
    conversation->setWindowHeight(area.height());
    placeUndo();
}

void MainWindow::Private::toggleSidebar() {
    bool& open = narrow() ? overlayOpen : sidebarWanted;
    open = !open;
    const bool hadFocus = sidebar->isAncestorOf(window.focusWidget());
    layOut();
    if (open && narrow())
        sidebar->focusSearch();
    else if (!open && hadFocus)
        conversation->composer().setFocus();
}

// Above the composer, or above the status line of a panel, on the same column.
void MainWindow::Private::placeUndo() {
    if (undo->isHidden())
        return;
    const QRect column = conversation->column(pages->width());
    const int width = column.width();
    const int height = std::max(undo->minimumSizeHint().height(), undo->layout()->totalHeightForWidth(width));
    const int bottom = panelOpen() ? status->y() : conversation->composerTop();
    undo->setGeometry(column.left(), bottom - 8 - height, width, height);
    undo->raise();
}

void MainWindow::Private::openPanel(const QString& id) {
    for (int i = 0; i < panels.size(); ++i) {
        if (panels[i].id != id)
            continue;
        pages->setCurrentIndex(i + 1);
        sidebar->setPage(id);
        overlayOpen = false;
        layOut();
        panels[i].page->takeFocus();
        return;
    }
}

void MainWindow::Private::closePanel() {
    sidebar->setPage(QString());
    if (!panelOpen())
        return;
    pages->setCurrentIndex(0);
    layOut();
    conversation->composer().setFocus();
}

// The draft that still waits belongs to the conversation that is left.
void MainWindow::Private::chooseConversation(RowId id) {
    if (id != shown)
        conversation->abandonEditing();
    conversation->composer().flushDraft();
    closePanel();
    if (id != shown)
        emit window.conversationSelected(id);
    if (narrow() && overlayOpen)
        toggleSidebar();
}

void MainWindow::Private::startNew() {
    conversation->abandonEditing();
    conversation->composer().flushDraft();
    closePanel();
    if (narrow() && overlayOpen)
        toggleSidebar();
    emit window.newConversationRequested();
    conversation->composer().setFocus();
}

void MainWindow::Private::applySettings(const SettingsRow& row) {
    language.setChoice(row.language);
    const bool chinese = row.language.startsWith(QLatin1String("zh"));
    theme.setLocale(chinese ? QLocale(row.language) : QLocale::system());
    theme.setChoice(row.theme);
    theme.setTextSizePercent(row.textSizePercent);
    models->setFolder(row.modelFolder);
}

void MainWindow::Private::refreshTitle() {
    const ConversationRow* row = sidebar->list().conversations().row(shown);
    const QString title = row ? oneLine(row->title) : QString();
    conversation->header().title().setTitle(title);
    conversation->header().setConversation(shown != 0);
    window.setWindowTitle(title.isEmpty() ? MainWindow::tr("Hearth") : MainWindow::tr("%1 \u2013 Hearth").arg(title));
}

void MainWindow::Private::refreshModel() {
    conversation->empty().setModel(conversation->header().picker().current());
}

void MainWindow::Private::openModelFile() {
    openModelFiles(QFileDialog::getOpenFileNames(&window, MainWindow::tr("Open a model file"),
                                                 settings->settings().modelFolder,
                                                 MainWindow::tr("Model files (*.gguf)")));
}

// The first is used, the others are there to be chosen.
void MainWindow::Private::openModelFiles(const QStringList& paths) {
    for (const QString& path : paths.mid(1))
        emit window.modelFileListed(path);
    if (!paths.isEmpty())
        emit window.modelFileOpened(paths[0]);
}

// The address is shown as it will be asked for: without foreign letters that look like others.
void MainWindow::Private::offerLink(const QUrl& url) {
    const LinkOffer offer = linkOffer(url);
    link = url;
    Notice notice{kLinkNotice, offer.address, {}, false};
    if (offer.opens)
        notice.text = MainWindow::tr("This link leads to %1:\n%2").arg(offer.host, offer.address);
    else
        notice.text = MainWindow::tr("This link is not one that Hearth opens:\n%1").arg(offer.address);
    if (offer.opens)
        notice.actions.push_back({kOpen, MainWindow::tr("Open")});
    notice.actions.push_back({kCopy, MainWindow::tr("Copy the address")});
    conversation->notices().show(notice);
}

void MainWindow::Private::noticeAction(const QString& key, const QString& id) {
    if (key != kLinkNotice) {
        emit window.noticeAction(key, id);
        return;
    }
    const LinkOffer offer = linkOffer(link);
    if (id == kOpen && offer.opens)
        QDesktopServices::openUrl(link);
    else if (id == kCopy)
        QGuiApplication::clipboard()->setText(QString::fromLatin1(link.toEncoded()));
    conversation->notices().hide(key);
}

void MainWindow::Private::zoom(int steps) {
    SettingsRow row = settings->settings();
    row.textSizePercent = SettingsPanel::textSizeFrom(row.textSizePercent, steps);
    if (row.textSizePercent == settings->settings().textSizePercent)
        return;
    settings->setSettings(row);
    applySettings(row);
    emit window.settingsChanged(row);
}

// What Escape does, the nearest first.
bool MainWindow::Private::escape() {
    if (narrow() && overlayOpen) {
        toggleSidebar();
        return true;
    }
    if (panelOpen()) {
        closePanel();
        return true;
    }
    if (conversation->findBar().isVisible()) {
        conversation->findBar().close();
        return true;
    }
    if (conversation->editing()) {
        conversation->endEditing();
        return true;
    }
    if (conversation->composer().isGenerating()) {
        emit window.stopRequested();
        return true;
    }
    if (!conversation->composer().edit().hasFocus()) {
        conversation->composer().setFocus();
        return true;
    }
    return false;
}

MainWindow::MainWindow(Theme& theme, QWidget* parent)
    : QMainWindow(parent), d_(std::make_unique<Private>(*this, theme)) {
    theme.install();
    d_->language.setChoice(QString());
    d_->build();
    setAcceptDrops(true);
    setMinimumSize(kLeastSize);
    resize(kWindowSize);
    setWindowIcon(QIcon(QStringLiteral(":/icons/hearth.svg")));
    d_->refreshTitle();
    d_->refreshModel();
    d_->layOut();
    d_->conversation->composer().setFocus();
}

MainWindow::~MainWindow() = default;

QSize MainWindow::sizeFor(const QSize& available) {
    return kWindowSize.boundedTo(available - kAroundWindow).expandedTo(kLeastSize);
}

void MainWindow::setConversations(const QVector<ConversationRow>& rows) {
    d_->sidebar->list().conversations().setRows(rows);
    d_->sidebar->list().setShown(d_->shown);
    d_->sidebar->refreshEmpty();
    d_->refreshTitle();
}

void MainWindow::updateConversation(const ConversationRow& row) {
    d_->sidebar->list().conversations().update(row);
    d_->sidebar->refreshEmpty();
    if (row.id == d_->shown)
        d_->refreshTitle();
}

void MainWindow::removeConversation(RowId id) {
    d_->sidebar->list().conversations().remove(id);
    d_->sidebar->refreshEmpty();
}

void MainWindow::showConversation(const ConversationContent& content) {
    Composer& composer = d_->conversation->composer();
    d_->conversation->endEditing();
    composer.dropDraft();
    d_->shown = content.row.id;
    if (content.row.id)
        d_->sidebar->list().conversations().update(content.row);
    d_->sidebar->list().setShown(content.row.id);
    d_->sidebar->refreshEmpty();
    d_->conversation->document().setMessages(content.messages);
    d_->conversation->view().setScrollPosition(content.scroll);
    composer.setText(content.draft);
    setCurrentModel(content.modelPath);
    setGenerating(content.row.state == ConversationState::Generating);
    d_->conversation->notices().hide(kLinkNotice);
    d_->refreshTitle();
    if (!d_->panelOpen() && !d_->sidebar->list().hasFocus())
        composer.setFocus();
}

RowId MainWindow::shownConversation() const {
    return d_->shown;
}

ChatDocument& MainWindow::document() {
    return d_->conversation->document();
}

void MainWindow::setModels(const QVector<ModelRow>& rows) {
    d_->conversation->header().picker().setModels(rows);
    d_->models->setModels(rows);
}

void MainWindow::updateModel(const ModelRow& row) {
    d_->conversation->header().picker().updateModel(row);
    d_->models->updateModel(row);
}

void MainWindow::setCurrentModel(const QString& path) {
    d_->conversation->header().picker().setCurrent(path);
    d_->models->setCurrent(path);
}

ModelsPanel& MainWindow::modelsPanel() {
    return *d_->models;
}

void MainWindow::setFirstRun(const FirstRunRow& row) {
    d_->conversation->empty().setFirstRun(row);
}

void MainWindow::setStarterHelp(const QString& text) {
    d_->conversation->empty().setHelp(text);
}

void MainWindow::setStatus(const StatusRow& row) {
    d_->status->setStatus(row);
}

void MainWindow::setGenerating(bool generating) {
    d_->conversation->setReplying(generating);
}

void MainWindow::setSettings(const SettingsRow& row) {
    d_->settings->setSettings(row);
    d_->applySettings(row);
}

void MainWindow::showNotice(const Notice& notice) {
    d_->conversation->notices().show(notice);
}

void MainWindow::hideNotice(const QString& key) {
    d_->conversation->notices().hide(key);
}

bool MainWindow::hasNotice(const QString& key) const {
    return d_->conversation->notices().has(key);
}

void MainWindow::showUndo(const QString& text, const QString& undoId) {
    d_->undo->offer(text, undoId);
}

void MainWindow::hideUndo(const QString& undoId) {
    d_->undo->withdraw(undoId);
}

QByteArray MainWindow::saveLayout() const {
    QByteArray bytes;
    QDataStream out(&bytes, QIODevice::WriteOnly);
    out.setVersion(QDataStream::Qt_6_0);
    out << kLayoutMagic << kLayoutVersion << static_cast<qint32>(d_->sidebarWidth) << d_->sidebarWanted
        << saveGeometry();
    return bytes;
}

// Bytes of another version, or damaged ones, leave everything as it is.
void MainWindow::restoreLayout(const QByteArray& bytes) {
    QDataStream in(bytes);
    in.setVersion(QDataStream::Qt_6_0);
    quint32 magic = 0;
    quint16 version = 0;
    qint32 width = 0;
    bool wanted = true;
    QByteArray geometry;
    if (bytes.size() > 4096)
        return;
    in >> magic >> version;
    if (in.status() != QDataStream::Ok || magic != kLayoutMagic || version != kLayoutVersion)
        return;
    in >> width >> wanted >> geometry;
    if (in.status() != QDataStream::Ok)
        return;
    d_->sidebarWidth = std::clamp<int>(width, Sidebar::kLeast, Sidebar::kMost);
    d_->sidebarWanted = wanted;
    restoreGeometry(geometry);
    d_->layOut();
}

void MainWindow::closeEvent(QCloseEvent* event) {
    d_->conversation->composer().flushDraft();
    emit windowClosing();
    event->accept();
}

void MainWindow::keyPressEvent(QKeyEvent* event) {
    if (event->key() == Qt::Key_Escape && d_->escape())
        return;
    QMainWindow::keyPressEvent(event);
}

void MainWindow::changeEvent(QEvent* event) {
    QMainWindow::changeEvent(event);
    if (event->type() == QEvent::LanguageChange && d_->ground)
        d_->refreshTitle();
}

// Whatever the other program proposes, nothing is taken from it: told that a file was moved, it would delete its own.
void MainWindow::dragEnterEvent(QDragEnterEvent* event) {
    if (!event->mimeData()->hasUrls() || !(event->possibleActions() & (Qt::CopyAction | Qt::LinkAction)))
        return;
    const QList<QUrl> urls = event->mimeData()->urls();
    event->setDropAction(event->possibleActions() & Qt::CopyAction ? Qt::CopyAction : Qt::LinkAction);
    event->accept();
    d_->drop->offer(droppedBy(urls, d_->panelOpen()), urls);
}

void MainWindow::dragMoveEvent(QDragMoveEvent* event) {
    if (!event->mimeData()->hasUrls() || !(event->possibleActions() & (Qt::CopyAction | Qt::LinkAction)))
        return;
    event->setDropAction(event->possibleActions() & Qt::CopyAction ? Qt::CopyAction : Qt::LinkAction);
    event->accept();
}

void MainWindow::dragLeaveEvent(QDragLeaveEvent*) {
    d_->drop->hide();
}

void MainWindow::dropEvent(QDropEvent* event) {
    d_->drop->hide();
    event->setDropAction(event->possibleActions() & Qt::CopyAction ? Qt::CopyAction : Qt::LinkAction);
    event->accept();
    const QList<QUrl> urls = event->mimeData()->urls();
    const Dropped dropped = droppedBy(urls, d_->panelOpen());
    hideNotice(kDropNotice);
    if (dropped.kind == Dropped::Kind::Opened) {
        d_->openModelFiles(dropped.paths);
        if (dropped.leftOut > 0)
            showNotice({kDropNotice, leftOutWords(dropped.leftOut), {}, true});
        return;
    }
    if (dropped.kind == Dropped::Kind::Brought) {
        d_->openPanel(kModelsPage);
        d_->models->bring(dropped.paths, dropped.leftOut);
        return;
    }
    const QString name = oneLine(QFileInfo(urls.value(0).toLocalFile()).fileName(), 120);
    showNotice({kDropNotice,
                name.isEmpty() ? tr("Only files and folders of this computer can be dropped here.")
                               : tr("“%1” is no model. Drop a GGUF file here, or a folder of models.").arg(name),
                {},
                true});
    d_->closePanel(); // where the notice is seen
}

} // namespace hearth::ui
