#pragma once

#include "ui/models/model_rows.h"

#include <QByteArray>
#include <QDate>
#include <QString>
#include <QStringList>
#include <QVector>

#include <utility>

namespace hearth::app {

/// A model of the list that comes with the program, as its makers' card describes it.
struct CatalogModel {
    enum class Thinks : int { No, Always, Switch };

    QString id, name, publisher;
    QString family;              // general.architecture
    double parameters = 0;       // weights
    double activeParameters = 0; // at work for each token; as many as there are, unless experts take turns
    int context = 0;             // tokens, as it was trained
    Thinks thinks = Thinks::No;
    QString licence;
    QStringList languages; // ISO 639; "mul": many more
    QString strengthsEnglish, strengthsChinese;
    QVector<std::pair<QString, QString>> repos; // hub, repository of GGUF files
    QString source;                             // address of the card
    QDate checked;                              // when it was read

    ui::CatalogRow row(bool chinese) const; // without its fit
};

/// The list, and what is wrong with it: a row with a fault is left out and named, the others stay.
struct Catalog {
    QVector<CatalogModel> models;
    QStringList problems; // sentences

    /// Never throws but std::bad_alloc.
    static Catalog read(const QByteArray& json);
    static Catalog builtIn();
};

/// What a model will need at about four and a half bits a weight, before any file of it was looked at. Pure.
/// `bandwidth` 0: not measured.
struct CatalogFit {
    uint64_t neededBytes = 0;
    ui::FitKind kind = ui::FitKind::Unknown;
    double tokensPerSecond = 0;
};

CatalogFit roughFit(const CatalogModel&, uint64_t freeMemory, double bandwidth);

/// The same for the window: the pill and its words.
ui::FitRow roughFitRow(const CatalogModel&, uint64_t freeMemory, double bandwidth);

/// Those to begin with on this machine: the largest that fit well and speak the language, one of a publisher, at most
/// `most`. Pure.
QVector<CatalogModel> suggestions(const QVector<CatalogModel>&, uint64_t freeMemory, double bandwidth, bool chinese,
                                  int most);

} // namespace hearth::app
