#pragma once

#include "app/models/download/downloader.h"
#include "app/models/files/fit.h"
#include "app/models/files/importer.h"
#include "app/models/files/model_defaults.h"
#include "app/models/library.h"
#include "storage/models.h"
#include "ui/models/model_rows.h"

namespace hearth::app {

// What the app knows of models as the window's rows. Pure; any thread.

ui::FitRow fitRow(const Fit&);
ui::ModelDefaultsRow defaultsRow(const ModelDefaults&);
ModelDefaults defaultsOf(const ui::ModelDefaultsRow&);
/// `record` may be null: nothing is remembered.
ui::ModelDetailsRow detailsRow(const ModelFile&, const storage::ModelRecord* record, const std::optional<Fit>&,
                               int maxThreads);
/// `hub`: its id, as HubRow has it.
ui::DownloadRow downloadRow(const DownloadStatus&, const QString& hub);
ui::ImportPlanRow planRow(const ImportPlan&);
ImportHow importHow(ui::ImportHow); // of all but InPlace
/// The places that are read where they lie, and what of the library lies there.
QVector<ui::StoreRow> storeRows(const QVector<ModelFile>&, const std::vector<StoreRoot>& foreign,
                                const QStringList& added);

} // namespace hearth::app
