#pragma once

#include "ui/main_window.h"
#include "ui/models/model_rows.h"
#include "ui/models/models_panel.h"

namespace hearth::ui::test {

// The page of models as a person would have it who has used the program for a while.
QVector<ModelDetailsRow> someDetails();
NetworkRow someNetwork(NetworkState);
QVector<HubRow> someHubs();
QVector<CatalogRow> someCatalog(bool chinese);
SearchRow someSearch();
HubPageRow somePage();
QVector<DownloadRow> someDownloads();
QVector<StoreRow> someStores();
ImportPlanRow somePlan();
QVector<TrashRow> someTrash();
FirstRunRow someFirstRun(bool chinese);

/// Everything above in the window, its page of models open at a section.
void fillModels(MainWindow&);
void openModels(MainWindow&, ModelsPanel::Section);

} // namespace hearth::ui::test
