#include "app/models/net/secrets.h"

#include "app/models/net/sentences.h"

#include <QTimer>

#include <memory>
#include <qt6keychain/keychain.h>

namespace hearth::app {
namespace {

const QString kService = QStringLiteral("Hearth");

QString problemOf(const QKeychain::Job& job) {
    switch (job.error()) {
    case QKeychain::NoError:
    case QKeychain::EntryNotFound:
        return {};
    case QKeychain::NoBackendAvailable:
    case QKeychain::NotImplemented:
        return Network::tr(
            "There is no keyring on this system, so tokens cannot be kept. The variable HF_TOKEN can give one.");
    case QKeychain::AccessDenied:
    case QKeychain::AccessDeniedByUser:
        return Network::tr("The keyring was not opened.");
    default:
        return Network::tr("The keyring does not work: %1").arg(shown(job.errorString(), 200));
    }
}

/// Tells once, whichever comes first: the keyring's answer or the end of the wait.
void start(QKeychain::Job* job, QObject* context, int waitMs, Secrets::Done done,
           const std::function<QString()>& value = {}) {
    auto once = std::make_shared<Secrets::Done>(std::move(done));
    const auto tell = [once](const Secrets::Answer& answer) {
        if (const auto heard = std::exchange(*once, {}))
            heard(answer);
    };
    QObject::connect(job, &QKeychain::Job::finished, context, [job, tell, value] {
        const QString problem = problemOf(*job);
        const bool none = job->error() == QKeychain::NoBackendAvailable || job->error() == QKeychain::NotImplemented;
        tell({problem.isEmpty() && value ? value() : QString(), problem, none});
    });
    QTimer::singleShot(waitMs, context, [tell] { tell({{}, Network::tr("The keyring does not answer.")}); });
    job->setInsecureFallback(false); // never into a file
    job->start();
}

} // namespace

void SystemSecrets::read(const QString& name, QObject* context, Done done) {
    auto* job = new QKeychain::ReadPasswordJob(kService);
    job->setKey(name);
    start(job, context, waitMs_, std::move(done), [job] { return job->textData(); });
}

void SystemSecrets::write(const QString& name, const QString& value, QObject* context, Done done) {
    auto* job = new QKeychain::WritePasswordJob(kService);
    job->setKey(name);
    job->setTextData(value);
    start(job, context, waitMs_, std::move(done));
}

void SystemSecrets::remove(const QString& name, QObject* context, Done done) {
    auto* job = new QKeychain::DeletePasswordJob(kService);
    job->setKey(name);
    start(job, context, waitMs_, std::move(done));
}

} // namespace hearth::app
