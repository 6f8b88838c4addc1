#pragma once

#include "app/models/net/secrets.h"

#include <QHash>
#include <QString>

namespace hearth::tests {

/// A keyring in memory that answers at once.
class FakeSecrets : public app::Secrets {
public:
    void read(const QString& name, QObject*, Done done) override {
        ++reads;
        done({values.value(name), problem, false});
    }

    void write(const QString& name, const QString& value, QObject*, Done done) override {
        values.insert(name, value);
        done({value, {}, false});
    }

    void remove(const QString& name, QObject*, Done done) override {
        values.remove(name);
        done({});
    }

    QHash<QString, QString> values;
    QString problem; // of every reading
    int reads = 0;
};

} // namespace hearth::tests
