#include "app/models/download/download_worker.h"

#include "app/models/net/network_gate.h"
#include "app/models/net/sentences.h"
#include "engine/checkpoint.h"

#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QLocale>
#include <QStorageInfo>

#include <algorithm>
#include <sys/stat.h>
#include <unistd.h>

namespace hearth::app {
namespace {

constexpr int kTickMs = 100;
constexpr qint64 kSpeedMs = 5000;          // over which speed is measured
constexpr qint64 kLargestFile = 1ll << 44; // 16 TiB

QString sizeText(qint64 bytes) {
    return QLocale().formattedDataSize(bytes, 1, QLocale::DataSizeSIFormat);
}

qint64 takenOnDisk(const QString& path) {
    struct stat info {};

    return ::stat(QFile::encodeName(path).constData(), &info) == 0 ? qint64(info.st_blocks) * 512 : 0;
}

bool sameContent(const WantedFile& a, const WantedFile& b) {
    return a.bytes == b.bytes && (a.sha256.isEmpty() || b.sha256.isEmpty() || a.sha256 == b.sha256);
}

qint64 arrivedByJournals(const DownloadRecord& record) {
    qint64 bytes = 0;
    for (int i = 0; i < record.request.files.size(); ++i) {
        const qint64 size = record.request.files[i].bytes;
        if (size < 0 || size > kLargestFile) // nothing that was ever begun
            continue;
        if (record.whole[i]) {
            bytes += size;
        } else if (QFileInfo::exists(record.journalPath(i))) {
            ChunkMap map;
            if (map.open(record.journalPath(i), size))
                bytes += map.arrivedBytes();
        }
    }
    return bytes;
}

/// One that waits comes back after a restart, too. What an earlier session left stays as it is: see adopt(). A folder
/// that cannot be written is told when the download begins.
void remember(const DownloadRecord& record) {
    if (!QFileInfo::exists(record.statePath()) && QDir().mkpath(record.workFolder()))
        record.save();
}

} // namespace

DownloadWorker::DownloadWorker(NetworkGate& gate, DownloadLimits limits, Downloader& owner)
    : gate_(gate), limits_(std::move(limits)), owner_(owner) {
    tick_.setParent(this);
    tick_.setInterval(kTickMs);
    connect(&tick_, &QTimer::timeout, this, &DownloadWorker::tick);
    clock_.start();
}

DownloadWorker::~DownloadWorker() = default;

DownloadWorker::Job* DownloadWorker::find(const QString& id) {
    for (auto& job : jobs_)
        if (job->record.request.id() == id)
            return job.get();
    return nullptr;
}

void DownloadWorker::add(const DownloadRequest& request) {
    Job* known = find(request.id());
    const bool runs = known && (known->state == State::Running || known->state == State::Checking);
    if (!known) {
        jobs_.push_back(std::make_unique<Job>());
        known = jobs_.back().get();
    }
    if (!runs) {
        known->record = {};
        known->record.request = request;
        known->record.validators.resize(request.files.size());
        known->record.whole.resize(request.files.size());
        known->record.sha256.resize(request.files.size());
        known->token = request.token;
        known->state = State::Waiting;
        known->tokenAsked = known->waitsForToken = false;
        known->notice.clear();
        remember(known->record);
    }
    renumber();
    begin();
    tell();
}

void DownloadWorker::addRestored(const DownloadRecord& record) {
    if (find(record.request.id()))
        return;
    auto job = std::make_unique<Job>();
    job->record = record;
    job->state = State::Paused;
    job->arrivedBefore = arrivedByJournals(record);
    jobs_.push_back(std::move(job));
    tell();
}

void DownloadWorker::begin() {
    const auto running = std::any_of(jobs_.begin(), jobs_.end(), [](const auto& job) {
        return job->state == State::Running || job->state == State::Checking;
    });
    const auto next = std::find_if(jobs_.begin(), jobs_.end(),
                                   [](const auto& job) { return job->state == State::Waiting && !job->waitsForToken; });
    if (running || next == jobs_.end())
        return;
    if (!client_) { // here, so that its threads are as patient as this one
        stepBack();
        client_ = std::make_unique<HttpClient>(gate_, limits_.http);
    }
    (*next)->state = State::Running;
    (*next)->notice.clear();
    (*next)->gated = false;
    (*next)->speed.clear();
    tick_.start();
    lookForIt(**next);
}

/// Reads what lies under the name in the library, in another thread; then goes on.
void DownloadWorker::lookForIt(Job& job) {
    job.stopReader = std::make_shared<std::atomic<bool>>(false);
    job.reader = std::thread([this, request = job.record.request, stop = job.stopReader] {
        const QString path = alreadyThere(request, [&] { return stop->load(); });
        QMetaObject::invokeMethod(this, [this, id = request.id(), path, stop] {
            Job* known = find(id);
            if (!known || stop->load() || known->stopReader != stop)
                return;
            known->reader.join();
            if (path.isEmpty()) {
                prepare(*known);
            } else {
                known->path = path;
                removeWorkFolder(known->record.workFolder());
                halt(*known, State::Finished);
            }
        });
    });
}

void DownloadWorker::prepare(Job& job) {
    const DownloadRequest& request = job.record.request;
    for (const WantedFile& file : request.files)
        if (file.bytes < 0 || file.bytes > kLargestFile) {
            halt(job, State::Failed, Network::tr("The hub does not say how large %1 is.").arg(shown(file.name)));
            return;
        }
    const QString folder = job.record.workFolder();
    if (request.files.isEmpty() || !QDir().mkpath(folder)) {
        halt(job, State::Failed, Network::tr("The folder %1 cannot be written.").arg(shown(request.folder, 300)));
        return;
    }
    job.lock = lockWorkFolder(folder);
    if (job.lock < 0) {
        halt(job, State::Failed, Network::tr("Another program is downloading this just now."));
        return;
    }
    if (!adopt(job))
        return;
    if (const QString problem = spaceProblem(job); !problem.isEmpty()) {
        if (arrivedByJournals(job.record) == 0)
            removeWorkFolder(folder);
        halt(job, State::Failed, problem);
        return;
    }
    if (!job.record.save()) {
        halt(job, State::Failed, Network::tr("The folder %1 cannot be written.").arg(shown(request.folder, 300)));
        return;
    }
    nextFile(job);
}

/// Goes on with what an earlier session left, as far as it is of the same files. False: it cannot be removed.
bool DownloadWorker::adopt(Job& job) {
    const auto left = DownloadRecord::load(job.record.workFolder());
    if (!left)
        return true;
    DownloadRecord& record = job.record;
    record.enters = left->enters;
    for (int i = 0; i < record.request.files.size(); ++i) {
        WantedFile& wanted = record.request.files[i];
        if (sameContent(wanted, left->request.files[i])) {
            if (wanted.sha256.isEmpty())
                wanted.sha256 = left->request.files[i].sha256;
            record.validators[i] = left->validators[i];
            record.whole[i] = left->whole[i];
            record.sha256[i] = left->sha256[i];
            continue;
        }
        job.notice = Network::tr("%1 is another file at the hub now. It begins anew.").arg(shown(wanted.name));
        if ((QFileInfo::exists(record.partPath(i)) && !QFile::remove(record.partPath(i))) ||
            (QFileInfo::exists(record.journalPath(i)) && !QFile::remove(record.journalPath(i)))) {
            halt(job, State::Failed,
                 Network::tr("The folder %1 cannot be written.").arg(shown(record.workFolder(), 300)));
            return false;
        }
    }
    return true;
}

/// Of all files, before the first byte.
QString DownloadWorker::spaceProblem(const Job& job) const {
    qint64 needed = 0;
    for (int i = 0; i < job.record.request.files.size(); ++i) {
        const qint64 missing = job.record.request.files[i].bytes - takenOnDisk(job.record.partPath(i));
        if (!job.record.whole[i] && __builtin_add_overflow(needed, std::max<qint64>(0, missing), &needed))
            needed = std::numeric_limits<qint64>::max() / 2;
    }
    const QString& folder = job.record.request.folder;
    const qint64 free = limits_.freeBytes ? limits_.freeBytes(folder) : QStorageInfo(folder).bytesAvailable();
    const qint64 margin = limits_.spaceMargin + needed / 100;
    if (needed == 0 || free < 0 || free - margin >= needed)
        return {};
    return Network::tr("There is not enough space: %1 and a reserve of %2 are needed, %3 are free in %4.")
        .arg(sizeText(needed), sizeText(margin), sizeText(free), shown(folder, 300));
}

void DownloadWorker::nextFile(Job& job) {
    if (job.fetch)
        job.received += job.fetch->receivedBytes();
    job.fetch.reset();
    const auto file = std::find(job.record.whole.begin(), job.record.whole.end(), false);
    if (file == job.record.whole.end()) {
        enter(job);
        return;
    }
    const int i = job.file = int(file - job.record.whole.begin());
    const WantedFile& wanted = job.record.request.files[i];
    FetchPlan plan{.url = wanted.url,
                   .partPath = job.record.partPath(i),
                   .journalPath = job.record.journalPath(i),
                   .name = wanted.name,
                   .bytes = wanted.bytes,
                   .sha256 = wanted.sha256,
                   .validator = job.record.validators[i]};
    if (sameOrigin(wanted.url, job.record.request.files[0].url))
        plan.token = job.token;
    job.fetch = std::make_unique<FileFetch>(*client_, rate_, limits_, plan);
    Job* at = &job;
    connect(job.fetch.get(), &FileFetch::validatorChanged, this, [at] {
        at->record.validators[at->file] = at->fetch->validator();
        at->record.request.files[at->file].bytes = at->fetch->bytes();
        at->record.save();
    });
    connect(job.fetch.get(), &FileFetch::restarted, this, [at](const QString& why) { at->notice = why; });
    connect(
        job.fetch.get(), &FileFetch::done, this, [this, at] { onFetched(*at); }, Qt::QueuedConnection);
    job.fetch->start();
}

void DownloadWorker::onFetched(Job& job) {
    if (!job.fetch || job.state == State::Paused)
        return;
    const HttpError error = job.fetch->error();
    if (error.gated && askToken(job, error.sentence))
        return;
    if (error) {
        halt(job, error.kind == HttpError::Kind::NotAllowed ? State::Paused : State::Failed, error.sentence,
             error.gated);
        return;
    }
    job.record.whole[job.file] = true;
    job.record.sha256[job.file] = job.fetch->sha256();
    job.record.save();
    nextFile(job);
}

/// A token may lie in the keyring, or have been given since: the owner is asked, once. False: nobody is to be asked.
bool DownloadWorker::askToken(Job& job, const QString& refusal) {
    const QString name = job.record.request.tokenName;
    if (!asksTokens_ || name.isEmpty() || std::exchange(job.tokenAsked, true))
        return false;
    job.waitsForToken = true;
    job.refusal = refusal;
    halt(job, State::Waiting, Network::tr("The keyring is asked for your token."));
    QMetaObject::invokeMethod(&owner_,
                              [owner = &owner_, id = job.record.request.id(), name] { owner->askToken(id, name); });
    return true;
}

void DownloadWorker::giveToken(const QString& id, const QString& token) {
    Job* job = find(id);
    if (!job || !std::exchange(job->waitsForToken, false))
        return; // it was paused meanwhile
    if (token.isEmpty()) {
        const QString host = job->record.request.files[0].url.host();
        halt(*job, State::Failed,
             Network::tr("%1 wants your token, and the keyring did not give it. Enter it on the model's page, then try "
                         "again.")
                 .arg(shown(host)),
             true);
    } else if (token == job->token) {
        halt(*job, State::Failed, job->refusal, true);
    } else {
        job->token = token;
        begin();
        tell();
    }
}

void DownloadWorker::enter(Job& job) {
    try {
        // Without an announced sum, the file itself must at least say that it is a model.
        const DownloadRequest& request = job.record.request;
        for (int i = 0; i < request.files.size(); ++i)
            if (request.files[i].sha256.isEmpty() && request.files.size() == 1 &&
                QFileInfo::exists(job.record.partPath(i)) &&
                request.files[i].name.endsWith(QLatin1String(".gguf"), Qt::CaseInsensitive))
                engine::Checkpoint::open(QFile::encodeName(job.record.partPath(i)).toStdString());
        job.path = enterLibrary(job.record);
        halt(job, State::Finished, job.notice);
    } catch (const std::exception& e) {
        halt(job, State::Failed, QString::fromUtf8(e.what()));
    }
}

/// Ends what a job does; it keeps what has arrived.
void DownloadWorker::halt(Job& job, State state, const QString& notice, bool gated) {
    if (job.reader.joinable()) {
        job.stopReader->store(true);
        job.reader.join();
    }
    if (job.fetch) {
        job.arrivedBefore = arrived(job);
        job.received += job.fetch->receivedBytes();
        if (FileFetch* fetch = job.fetch.release()) { // it may be what calls
            fetch->disconnect(this);
            fetch->deleteLater();
        }
    }
    if (job.lock >= 0)
        ::close(std::exchange(job.lock, -1));
    job.waitsForToken = job.waitsForToken && state == State::Waiting;
    job.state = state;
    job.notice = notice;
    job.gated = gated;
    job.speed.clear();
    begin();
    tell();
}

void DownloadWorker::pause(const QString& id) {
    Job* job = find(id);
    if (job && (job->state == State::Running || job->state == State::Checking || job->state == State::Waiting))
        halt(*job, State::Paused);
}

void DownloadWorker::resume(const QString& id) {
    Job* job = find(id);
    if (!job || (job->state != State::Paused && job->state != State::Failed))
        return;
    job->state = State::Waiting;
    job->tokenAsked = false;
    begin();
    tell();
}

void DownloadWorker::remove(const QString& id) {
    const auto at =
        std::find_if(jobs_.begin(), jobs_.end(), [&](const auto& job) { return job->record.request.id() == id; });
    if (at == jobs_.end())
        return;
    const bool finished = (*at)->state == State::Finished;
    if (!finished)
        halt(**at, State::Paused); // so that the next one begins
    const auto again =
        std::find_if(jobs_.begin(), jobs_.end(), [&](const auto& job) { return job->record.request.id() == id; });
    const QString folder = (*again)->record.workFolder();
    jobs_.erase(again);
    if (!finished) // after its fetch is gone
        QTimer::singleShot(0, this, [folder] { removeWorkFolder(folder); });
    tell();
}

void DownloadWorker::move(const QString& id, int position) {
    const auto at =
        std::find_if(jobs_.begin(), jobs_.end(), [&](const auto& job) { return job->record.request.id() == id; });
    if (at == jobs_.end())
        return;
    auto job = std::move(*at);
    jobs_.erase(at);
    jobs_.insert(jobs_.begin() + std::clamp(position, 0, int(jobs_.size())), std::move(job));
    renumber();
    tell();
}

void DownloadWorker::renumber() {
    for (size_t i = 0; i < jobs_.size(); ++i) {
        DownloadRecord& record = jobs_[i]->record;
        if (record.position != qint64(i) && QFileInfo::exists(record.statePath())) {
            record.position = qint64(i);
            record.save();
        }
        record.position = qint64(i);
    }
}

void DownloadWorker::setRateLimit(qint64 bytesPerSecond) {
    rate_.set(bytesPerSecond);
}

void DownloadWorker::stop() {
    tick_.stop();
    for (auto& job : jobs_) {
        job->state = State::Paused; // none begins
        if (job->reader.joinable()) {
            job->stopReader->store(true);
            job->reader.join();
        }
        job->fetch.reset();
        if (job->lock >= 0)
            ::close(std::exchange(job->lock, -1));
    }
    jobs_.clear();
    client_.reset();
}

qint64 DownloadWorker::received(const Job& job) const {
    return job.received + (job.fetch ? job.fetch->receivedBytes() : 0);
}

qint64 DownloadWorker::arrived(const Job& job) const {
    if (!job.fetch)
        return job.arrivedBefore;
    qint64 bytes = 0;
    for (int i = 0; i < job.record.whole.size(); ++i)
        if (job.record.whole[i])
            bytes += job.record.request.files[i].bytes;
    return bytes + job.fetch->arrivedBytes();
}

DownloadStatus DownloadWorker::status(Job& job) {
    const DownloadRequest& request = job.record.request;
    DownloadStatus s{.id = request.id(),
                     .title = request.title,
                     .license = request.license,
                     .hub = request.hub,
                     .model = request.model};
    s.state = job.state == State::Running && job.fetch && job.fetch->checking() ? State::Checking : job.state;
    for (const WantedFile& file : request.files)
        if (file.bytes < 0 || __builtin_add_overflow(s.total, file.bytes, &s.total))
            s.total = 0;
    s.bytes = job.state == State::Finished ? s.total : arrived(job);
    s.files = int(request.files.size());
    s.notice = job.notice;
    s.gated = job.gated;
    s.path = job.path;
    s.checked = job.fetch ? job.fetch->checked() : 0;
    if (job.speed.size() > 1) {
        const qint64 ms = job.speed.back().ms - job.speed.front().ms;
        s.bytesPerSecond = ms > 0 ? 1000.0 * double(job.speed.back().bytes - job.speed.front().bytes) / double(ms) : 0;
    }
    if (s.bytesPerSecond > 1 && s.total > s.bytes)
        s.secondsLeft = qint64(double(s.total - s.bytes) / s.bytesPerSecond);
    return s;
}

void DownloadWorker::tick() {
    bool running = false;
    for (auto& job : jobs_) {
        if (job->state != State::Running)
            continue;
        running = true;
        job->speed.push_back({clock_.elapsed(), received(*job)});
        while (job->speed.size() > 2 && job->speed.back().ms - job->speed.front().ms > kSpeedMs)
            job->speed.pop_front();
    }
    tell();
    if (!running)
        tick_.stop();
}

void DownloadWorker::tell() {
    QVector<DownloadStatus> rows;
    QHash<QString, qint64> bytes;
    for (auto& job : jobs_) {
        rows.append(status(*job));
        bytes.insert(rows.back().id, received(*job));
    }
    QMetaObject::invokeMethod(&owner_, [owner = &owner_, rows, bytes] { owner->take(rows, bytes); });
}

} // namespace hearth::app
