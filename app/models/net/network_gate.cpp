#include "app/models/net/network_gate.h"

#include "app/models/net/sentences.h"

#include <QMutexLocker>

namespace hearth::app {

void NetworkGate::set(State state) {
    const bool was = state_.exchange(state) == State::On;
    if (was != (state == State::On))
        emit changed(state == State::On);
}

QString NetworkGate::refusal() const {
    return state() == State::Off ? Network::tr("The network is switched off on the page of models.")
                                 : Network::tr("The network was not allowed yet.");
}

void NetworkGate::note(const QString& host) {
    const QMutexLocker lock(&mutex_);
    contacted_.insert(host);
}

QStringList NetworkGate::contacted() const {
    const QMutexLocker lock(&mutex_);
    QStringList hosts(contacted_.begin(), contacted_.end());
    hosts.sort();
    return hosts;
}

} // namespace hearth::app
