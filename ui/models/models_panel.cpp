#include "ui/models/models_panel.h"

#include "ui/focus_order.h"
#include "ui/models/discover_section.h"
#include "ui/models/downloads_section.h"
#include "ui/models/hub_page.h"
#include "ui/models/import_section.h"
#include "ui/models/library_section.h"
#include "ui/models/section_tabs.h"

#include <QEvent>
#include <QVBoxLayout>

namespace hearth::ui {

namespace {

/// In the order of ModelsPanel::Section.
const QString kSections[] = {QStringLiteral("library"), QStringLiteral("discover"), QStringLiteral("downloads"),
                             QStringLiteral("import")};

} // namespace

ModelsPanel::ModelsPanel(const Theme& theme, QWidget* parent)
    : QWidget(parent), tabs_(new SectionTabs(theme, this)), library_(new LibrarySection(theme, this)),
      discover_(new DiscoverSection(theme, this)), downloads_(new DownloadsSection(theme, this)),
      import_(new ImportSection(theme, this)) {
    auto* stack = new QVBoxLayout(this);
    stack->setContentsMargins(8, 8, 8, 24);
    stack->setSpacing(0);
    stack->addWidget(tabs_);
    stack->addSpacing(16);
    QWidget* const sections[] = {library_, discover_, downloads_, import_};
    for (int i = 0; i < 4; ++i) {
        tabs_->add(kSections[i]);
        stack->addWidget(sections[i]);
        sections[i]->setVisible(i == 0);
    }
    stack->addStretch();
    connect(tabs_, &SectionTabs::changed, this,
            [this, sections = QVector<QWidget*>(std::begin(sections), std::end(sections))] {
                for (int i = 0; i < sections.size(); ++i)
                    sections[i]->setVisible(tabs_->current() == kSections[i]);
                emit sectionShown(section());
            });
    tabs_->setCurrent(kSections[0]);
    connectSections();
    retranslate();
}

void ModelsPanel::connectSections() {
    connect(library_, &LibrarySection::picked, this, &ModelsPanel::picked);
    connect(library_, &LibrarySection::loadCancelled, this, &ModelsPanel::loadCancelled);
    connect(library_, &LibrarySection::unloadRequested, this, &ModelsPanel::unloadRequested);
    connect(library_, &LibrarySection::openFileRequested, this, &ModelsPanel::openFileRequested);
    connect(library_, &LibrarySection::discoverRequested, this, [this] { show(Section::Discover); });
    connect(library_, &LibrarySection::deleteRequested, this, &ModelsPanel::deleteRequested);
    connect(library_, &LibrarySection::forgetRequested, this, &ModelsPanel::forgetRequested);
    connect(library_, &LibrarySection::revealRequested, this, &ModelsPanel::revealRequested);
    connect(library_, &LibrarySection::defaultsChanged, this, &ModelsPanel::defaultsChanged);
    connect(library_, &LibrarySection::restoreRequested, this, &ModelsPanel::restoreRequested);
    connect(library_, &LibrarySection::storeMoveRequested, this, &ModelsPanel::storeMoveRequested);
    connect(library_, &LibrarySection::jobCancelled, this, &ModelsPanel::jobCancelled);
    connect(library_, &LibrarySection::jobDismissed, this, &ModelsPanel::jobDismissed);

    connect(discover_, &DiscoverSection::networkChosen, this, &ModelsPanel::networkChosen);
    connect(discover_, &DiscoverSection::searchRequested, this, &ModelsPanel::searchRequested);
    connect(discover_, &DiscoverSection::pageRequested, this, &ModelsPanel::hubPageRequested);
    connect(discover_, &DiscoverSection::pageClosed, this, &ModelsPanel::hubPageClosed);
    connect(discover_, &DiscoverSection::downloadRequested, this, &ModelsPanel::downloadRequested);
    connect(discover_, &DiscoverSection::useRequested, this, &ModelsPanel::picked);
    connect(discover_, &DiscoverSection::downloadsRequested, this, [this] { show(Section::Downloads); });
    connect(discover_, &DiscoverSection::hubAddressChanged, this, &ModelsPanel::hubAddressChanged);
    connect(discover_, &DiscoverSection::tokenEntered, this, &ModelsPanel::tokenEntered);
    connect(discover_, &DiscoverSection::tokenRemoved, this, &ModelsPanel::tokenRemoved);
    connect(discover_, &DiscoverSection::addressOpened, this, &ModelsPanel::addressOpened);

    connect(downloads_, &DownloadsSection::pauseRequested, this, &ModelsPanel::downloadPaused);
    connect(downloads_, &DownloadsSection::resumeRequested, this, &ModelsPanel::downloadResumed);
    connect(downloads_, &DownloadsSection::cancelRequested, this, &ModelsPanel::downloadRemoved);
    connect(downloads_, &DownloadsSection::moveRequested, this, &ModelsPanel::downloadMoved);
    connect(downloads_, &DownloadsSection::rateLimitChanged, this, &ModelsPanel::rateLimitChanged);
    connect(downloads_, &DownloadsSection::useRequested, this, &ModelsPanel::picked);
    connect(downloads_, &DownloadsSection::pageRequested, this, &ModelsPanel::openHubPage);
    connect(downloads_, &DownloadsSection::countChanged, this, &ModelsPanel::retranslate);

    connect(import_, &ImportSection::importRequested, this, &ModelsPanel::importRequested);
    connect(import_, &ImportSection::importConfirmed, this, &ModelsPanel::importConfirmed);
    connect(import_, &ImportSection::importDismissed, this, &ModelsPanel::importDismissed);
    connect(import_, &ImportSection::otherStoresChanged, this, &ModelsPanel::otherStoresChanged);
    connect(import_, &ImportSection::folderDropped, this, &ModelsPanel::folderDropped);
    connect(import_, &ImportSection::revealRequested, this, &ModelsPanel::revealRequested);
    connect(import_, &ImportSection::jobCancelled, this, &ModelsPanel::jobCancelled);
    connect(import_, &ImportSection::jobDismissed, this, &ModelsPanel::jobDismissed);
}

void ModelsPanel::show(Section section) {
    tabs_->setCurrent(kSections[int(section)]);
}

ModelsPanel::Section ModelsPanel::section() const {
    for (int i = 0; i < 4; ++i)
        if (tabs_->current() == kSections[i])
            return Section(i);
    return Section::Library;
}

void ModelsPanel::setModels(const QVector<ModelRow>& rows) {
    library_->setModels(rows);
}

void ModelsPanel::updateModel(const ModelRow& row) {
    library_->updateModel(row);
}

void ModelsPanel::setDetails(const ModelDetailsRow& row) {
    library_->setDetails(row);
}

void ModelsPanel::setCurrent(const QString& path) {
    library_->setCurrent(path);
}

void ModelsPanel::setFolder(const QString& path) {
    library_->setFolder(path);
}

void ModelsPanel::setTrash(const QVector<TrashRow>& rows) {
    library_->setTrash(rows);
}

void ModelsPanel::setJob(const JobRow& job) {
    library_->setJob(job);
    import_->setJob(job);
}

void ModelsPanel::setNetwork(const NetworkRow& row) {
    discover_->setNetwork(row);
}

void ModelsPanel::setHubs(const QVector<HubRow>& rows) {
    discover_->setHubs(rows);
}

void ModelsPanel::setCatalog(const QVector<CatalogRow>& rows) {
    discover_->setCatalog(rows);
}

void ModelsPanel::setSearch(const SearchRow& row) {
    discover_->setSearch(row);
}

void ModelsPanel::setHubPage(const HubPageRow& row) {
    discover_->setPage(row);
}

void ModelsPanel::openCatalogModel(const QString& id) {
    show(Section::Discover);
    discover_->openCatalogModel(id);
}

void ModelsPanel::openHubPage(const QString& hub, const QString& model) {
    show(Section::Discover);
    discover_->openModel(hub, model);
}

void ModelsPanel::setDownloads(const QVector<DownloadRow>& rows) {
    downloads_->setDownloads(rows);
    library_->refreshFolder();
}

void ModelsPanel::updateDownload(const DownloadRow& row) {
    downloads_->updateDownload(row);
    library_->refreshFolder(); // the first one makes it
}

void ModelsPanel::setRateLimit(qint64 bytesPerSecond) {
    downloads_->setRateLimit(bytesPerSecond);
}

void ModelsPanel::setStores(const QVector<StoreRow>& rows, bool readOthers) {
    import_->setStores(rows, readOthers);
}

void ModelsPanel::setImportPlan(const ImportPlanRow& row) {
    import_->setPlan(row);
}

void ModelsPanel::bring(const QStringList& paths, int leftOut) {
    show(Section::Import);
    import_->bring(paths, leftOut);
}

void ModelsPanel::retranslate() {
    const int unfinished = downloads_->unfinished();
    tabs_->setWords(kSections[0], tr("Library"));
    tabs_->setWords(kSections[1], tr("Discover"));
    tabs_->setWords(kSections[2], unfinished > 0 ? tr("Downloads (%1)").arg(unfinished) : tr("Downloads"));
    tabs_->setWords(kSections[3], tr("Bring your own"));
}

void ModelsPanel::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    orderFocus(*this); // for who comes from outside
}

bool ModelsPanel::focusNextPrevChild(bool next) {
    orderFocus(*this);
    return QWidget::focusNextPrevChild(next);
}

void ModelsPanel::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        retranslate();
}

} // namespace hearth::ui
