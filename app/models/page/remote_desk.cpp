#include "app/models/page/remote_desk.h"

#include "app/models/net/sentences.h"
#include "app/models/page/rows.h"
#include "app/models/remote/chat_request.h"
#include "ui/models/library_section.h"
#include "ui/models/models_panel.h"
#include "ui/models/remote_section.h"

#include <QLocale>

#include <algorithm>

namespace hearth::app {
namespace {

const QString kUndo = QStringLiteral("remote-engine:");

/// What a bearer token may be (RFC 6750, section 2.1), and a little more; a line end would begin another header.
bool isKey(const QString& key) {
    return key.size() <= 4096 &&
           std::all_of(key.begin(), key.end(), [](QChar c) { return c > QLatin1Char(' ') && c <= QLatin1Char('~'); });
}

} // namespace

RemoteDesk::RemoteDesk(Surroundings with, QObject* parent) : QObject(parent), with_(with) {
    ui::RemoteSection& section = with_.window.modelsPanel().library().remotes();
    using ui::RemoteSection;
    connect(&section, &RemoteSection::saved, this, &RemoteDesk::save);
    connect(&section, &RemoteSection::switched, this, [this](const QString& path, bool on) {
        with_.remotes.setOn(path, on);
        if (on && with_.gate.open())
            test(path);
    });
    connect(&section, &RemoteSection::testRequested, this, &RemoteDesk::test);
    connect(&section, &RemoteSection::removeRequested, &with_.remotes, &Remotes::remove);
    connect(&section, &RemoteSection::keyRemoved, &with_.remotes, &Remotes::dropKey);
    connect(&section, &RemoteSection::networkAllowed, this, [this] { emit networkChosen(true); });
    connect(&section, &RemoteSection::defaultsChanged, this,
            [this](const QString& path, const ui::ModelDefaultsRow& row) {
                with_.manager.setDefaults(path, defaultsOf(row));
            });
    connect(&with_.manager, &ModelManager::changed, this, [this](const QString& path) {
        if (path.isEmpty() || isRemotePath(path))
            refresh();
    });
    connect(&with_.manager, &ModelManager::opened, this, &RemoteDesk::refresh); // what is set for them is known
    connect(&with_.remotes, &Remotes::changed, this, &RemoteDesk::refresh);
    connect(&with_.remotes, &Remotes::tested, this, &RemoteDesk::onTested);
    connect(&with_.remotes, &Remotes::keyProblem, this, [this](const QString& path, const QString& sentence) {
        keyProblems_.insert(path, sentence);
        refresh();
    });
    connect(&with_.remotes, &Remotes::removed, this, [this](const QString& path, const QString& name) {
        found_.remove(path);
        keyProblems_.remove(path);
        with_.window.showUndo(tr("“%1” was removed.").arg(name), kUndo + path);
    });
    connect(&with_.gate, &NetworkGate::changed, this, &RemoteDesk::refresh);
    refresh();
}

bool RemoteDesk::undo(const QString& id) {
    if (!id.startsWith(kUndo))
        return false;
    with_.remotes.restore(id.mid(kUndo.size()));
    return true;
}

ui::RemoteRow RemoteDesk::rowOf(const RemoteEndpoint& e) const {
    ui::RemoteRow row;
    row.path = e.path();
    row.name = e.name;
    row.address = e.base.toString();
    row.model = e.model;
    row.contextTokens = e.contextTokens;
    row.contextGiven = e.contextGiven;
    row.on = e.on;
    row.hasKey = e.hasKey;
    row.exposed = isExposed(e.base);
    row.plainAllowed = e.plainAllowed;
    row.server = QString::fromLatin1(e.kind->name);
    row.thinks = e.kind->thinking != RemoteKind::Thinking::Fixed;
    for (const std::string& name : samplingOf(*e.kind))
        row.numbers << QString::fromStdString(name);
    row.defaults = defaultsRow(with_.manager.defaults(row.path));
    row.testing = with_.remotes.isTesting(row.path);
    row.problem = keyProblems_.value(row.path);
    const auto found = found_.constFind(row.path);
    if (found == found_.constEnd())
        return row;
    for (const RemoteModel& model : found->models)
        row.offered << model.id;
    if (!found->problem.isEmpty())
        row.problem = found->problem;
    else
        row.told = tr("It answers; its first word took %1 s.")
                       .arg(QLocale().toString(std::max(0.1, found->firstTokenSeconds), 'f',
                                               found->firstTokenSeconds < 9.95 ? 1 : 0));
    return row;
}

void RemoteDesk::refresh() {
    QVector<ui::RemoteRow> rows;
    for (const RemoteEndpoint& e : with_.remotes.all())
        rows.append(rowOf(e));
    const auto state = with_.gate.open()                               ? ui::NetworkState::On
                       : with_.gate.state() == NetworkGate::State::Off ? ui::NetworkState::Off
                                                                       : ui::NetworkState::NotAsked;
    with_.window.modelsPanel().library().remotes().setRemotes(rows, state);
}

void RemoteDesk::save(const ui::RemoteEditRow& typed) {
    ui::RemoteSection& section = with_.window.modelsPanel().library().remotes();
    const RemoteEndpoint* old = typed.path.isEmpty() ? nullptr : with_.remotes.find(typed.path);
    RemoteEndpoint e = old ? *old : RemoteEndpoint{};
    QString problem;
    const std::optional<QUrl> base = baseAddress(typed.address, &problem);
    if (!base) {
        section.setProblem(problem, false);
        return;
    }
    e.base = *base;
    e.plainAllowed = typed.plainAllowed;
    const bool exposed = isExposed(e.base);
    if (exposed && !e.plainAllowed) {
        section.setProblem(tr("What you write would go to %1 unencrypted, and anyone on the way could read it. Use an "
                              "address with https, or allow it here.")
                               .arg(e.host()),
                           true);
        return;
    }
    if (!isKey(typed.key)) {
        section.setProblem(tr("This key has characters that no key has, such as spaces."), exposed);
        return;
    }
    bool isNumber = true;
    const int tokens = typed.contextTokens.isEmpty() ? 0 : QLocale().toInt(typed.contextTokens, &isNumber);
    if (!isNumber ||
        (tokens != 0 && (tokens < RemoteEndpoint::kLeastContext || tokens > RemoteEndpoint::kMostContext))) {
        section.setProblem(tr("The context is a number of tokens from %L1 to %L2.")
                               .arg(RemoteEndpoint::kLeastContext)
                               .arg(RemoteEndpoint::kMostContext),
                           exposed);
        return;
    }
    e.model = shown(typed.model, RemoteEndpoint::kLongestModel);
    e.name = shown(typed.name, RemoteEndpoint::kLongestName);
    if (e.name.isEmpty())
        e.name =
            e.model.isEmpty() ? e.host() : shown(e.model.section(QLatin1Char('/'), -1), RemoteEndpoint::kLongestName);
    const bool same = old && old->base == e.base && old->model == e.model;
    if (!same)
        e.kind = &remoteKind({}); // another server, perhaps
    e.contextGiven = tokens > 0;
    if (e.contextGiven)
        e.contextTokens = tokens;
    else if (!same || old->contextGiven)
        e.contextTokens = RemoteEndpoint::kDefaultContext; // until it tells
    if (!typed.path.isEmpty()) {
        found_.remove(typed.path);
        keyProblems_.remove(typed.path);
    }
    section.closeEditor();
    const bool on = old && e.on;
    with_.remotes.put(e, typed.key);
    if (on && with_.gate.open())
        test(typed.path);
}

void RemoteDesk::test(const QString& path) {
    found_.remove(path);
    with_.remotes.test(path);
    refresh();
}

void RemoteDesk::onTested(const QString& path, const RemoteFindings& found) {
    found_.insert(path, found);
    refresh();
}

} // namespace hearth::app
