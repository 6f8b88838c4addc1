#include "app/models/remote/remotes.h"

#include "app/models/net/sentences.h"

#include <algorithm>

namespace hearth::app {
namespace {

HttpLimits testLimits(HttpLimits replies) {
    constexpr int kConnectMs = 15'000, kWordMs = 60'000; // some load their model before the first word
    replies.connectMs = std::min(replies.connectMs, kConnectMs);
    replies.headMs = std::min(replies.headMs, kWordMs);
    replies.stallMs = std::min(replies.stallMs, kWordMs);
    return replies;
}

} // namespace

Remotes::Remotes(StorageWorker& storage, TokenPipe& pipe, NetworkGate& gate, Secrets& secrets, HttpLimits limits,
                 QObject* parent)
    : QObject(parent), storage_(storage), gate_(gate), secrets_(secrets),
      engine_(
          pipe, gate, secrets,
          [this](const QString& id) -> std::optional<RemoteEndpoint> {
              for (const RemoteEndpoint& e : std::as_const(all_))
                  if (e.id == id)
                      return e;
              return std::nullopt;
          },
          limits),
      testClient_(gate, testLimits(limits)) {}

Remotes::~Remotes() = default;

void Remotes::read() {
    storage_.call(
        this, [](Store& store) { return store.remotes.all(); },
        [this](const std::vector<storage::Remote>& rows) {
            all_.clear();
            for (const storage::Remote& row : rows)
                all_.append(endpointOf(row));
            emit changed();
        },
        [this](const QString&) { emit changed(); }); // there are none, as far as is known
}

RemoteEndpoint* Remotes::at(const QString& path) {
    for (RemoteEndpoint& e : all_)
        if (e.path() == path)
            return &e;
    return nullptr;
}

const RemoteEndpoint* Remotes::find(const QString& path) const {
    return const_cast<Remotes*>(this)->at(path);
}

std::optional<QString> Remotes::nameOf(const QString& path) const {
    const RemoteEndpoint* e = find(path);
    return e ? std::optional(e->name) : std::nullopt;
}

QVector<ui::ModelRow> Remotes::rows() const {
    QVector<ui::ModelRow> rows;
    for (const RemoteEndpoint& e : all_) {
        ui::ModelRow row;
        row.path = e.path();
        row.name = e.name;
        row.detail = e.model.isEmpty() ? e.host() : shown(e.model, 100) + QStringLiteral(" · ") + e.host();
        row.state = ui::ModelState::Loaded; // there is nothing to wait for
        row.remote = e.host();
        row.off = !e.on;
        rows.append(row);
    }
    return rows;
}

void Remotes::keep(const RemoteEndpoint& e) {
    storage_.post([row = storedEndpoint(e)](Store& store) { store.remotes.put(row); });
    if (RemoteEndpoint* old = at(e.path()))
        *old = e;
    else
        all_.append(e);
    std::stable_sort(all_.begin(), all_.end(), [](const RemoteEndpoint& a, const RemoteEndpoint& b) {
        return a.name.compare(b.name, Qt::CaseInsensitive) < 0;
    });
}

void Remotes::put(RemoteEndpoint e, const QString& key) {
    const RemoteEndpoint* old = e.id.isEmpty() ? nullptr : find(e.path());
    if (!old)
        e.id = newRemoteId(e.name);
    endTest(e.path());
    // A key is for the address that it was entered for.
    if (old && old->hasKey && remoteKeyName(*old) != remoteKeyName(e)) {
        const RemoteEndpoint before = *old;
        engine_.keyChanged(before, {});
        secrets_.remove(remoteKeyName(before), this, [](const Secrets::Answer&) {});
        e.hasKey = false;
    }
    e.hasKey = e.hasKey || !key.isEmpty();
    if (!key.isEmpty())
        storeKey(e, key);
    keep(e);
    emit changed();
    emit stored(e.path());
}

void Remotes::storeKey(const RemoteEndpoint& e, const QString& key) {
    engine_.keyChanged(e, key);
    secrets_.write(remoteKeyName(e), key, this, [this, path = e.path()](const Secrets::Answer& answer) {
        if (answer.noKeyring)
            emit keyProblem(path, Network::tr("There is no keyring on this system, so the key is kept until Hearth is "
                                              "closed."));
        else if (!answer.problem.isEmpty())
            emit keyProblem(path,
                            answer.problem + QLatin1Char(' ') + Network::tr("The key is kept until Hearth is closed."));
    });
}

void Remotes::setOn(const QString& path, bool on) {
    const RemoteEndpoint* old = find(path);
    if (!old || old->on == on)
        return;
    RemoteEndpoint e = *old;
    e.on = on;
    if (!on) {
        engine_.stop(e.id);
        endTest(path);
    }
    keep(e);
    emit changed();
}

void Remotes::dropKey(const QString& path) {
    const RemoteEndpoint* old = find(path);
    if (!old)
        return;
    RemoteEndpoint e = *old;
    endTest(path);
    engine_.keyChanged(e, {});
    secrets_.remove(remoteKeyName(e), this, [this, path](const Secrets::Answer& answer) {
        if (!answer.problem.isEmpty() && !answer.noKeyring)
            emit keyProblem(path, answer.problem);
    });
    e.hasKey = false;
    keep(e);
    emit changed();
}

void Remotes::remove(const QString& path) {
    const RemoteEndpoint* found = find(path);
    if (!found)
        return;
    const RemoteEndpoint e = *found;
    const auto record = std::make_shared<std::optional<storage::ModelRecord>>();
    removed_.insert(path, {e, {}, record});
    all_.removeIf([&](const RemoteEndpoint& one) { return one.id == e.id; });
    endTest(path);
    engine_.stop(e.id);
    if (e.hasKey) // read first: it comes back with the engine
        engine_.withKey(e, this, [this, e, path](const QString& key, const QString&) {
            if (find(path)) // it is back already
                return;
            if (const auto gone = removed_.find(path); gone != removed_.end())
                gone->key = key;
            engine_.keyChanged(e, {});
            secrets_.remove(remoteKeyName(e), this, [](const Secrets::Answer&) {});
        });
    storage_.post([id = e.id.toStdString(), path = path.toStdString(), record](Store& store) {
        store.remotes.remove(id);
        *record = store.models.find(path);
        store.models.forget(path);
    });
    emit changed();
    emit removed(path, e.name);
}

void Remotes::restore(const QString& path) {
    const auto gone = removed_.find(path);
    if (gone == removed_.end() || find(path))
        return;
    const Removed back = *gone;
    removed_.erase(gone);
    if (back.endpoint.hasKey && !back.key.isEmpty())
        storeKey(back.endpoint, back.key);
    keep(back.endpoint);
    storage_.post([record = back.record](Store& store) {
        if (!*record)
            return;
        const storage::ModelRecord& m = **record;
        store.models.used(m.path, m.lastUsedAt);
        store.models.measured(m.path, m.decodeSpeed, m.prefillSpeed, m.measuredAt);
        store.models.setDefaults(m.path, m.defaults);
    });
    emit changed();
}

bool Remotes::isTesting(const QString& path) const {
    return std::any_of(probes_.begin(), probes_.end(), [&](const auto& probe) { return probe.first == path; });
}

/// What it found so far is of what the engine was: nothing more is sent, and nobody is told.
void Remotes::endTest(const QString& path) {
    std::erase_if(probes_, [&](const auto& probe) { return probe.first == path; });
}

void Remotes::test(const QString& path) {
    const RemoteEndpoint* e = find(path);
    if (!e)
        return;
    endTest(path);
    probes_.emplace_back(
        path, std::make_unique<RemoteProbe>(engine_, gate_, testClient_, *e, [this, path](const RemoteFindings& found) {
            const auto at =
                std::find_if(probes_.begin(), probes_.end(), [&](const auto& probe) { return probe.first == path; });
            if (at != probes_.end()) {
                at->second.release()->deleteLater(); // it is what calls
                probes_.erase(at);
            }
            const RemoteEndpoint* now = find(path);
            if (!now)
                return;
            RemoteEndpoint learnt = *now;
            learnt.kind = found.endpoint.kind;
            learnt.contextTokens = found.endpoint.contextTokens;
            if (learnt.model.isEmpty())
                learnt.model = found.endpoint.model;
            keep(learnt);
            emit changed();
            emit tested(path, found);
        }));
}

} // namespace hearth::app
