#include "app/storage_worker.h"

#include <pthread.h>

namespace hearth::app {

Store::Store(const std::filesystem::path& path)
    : database(path, storage::Database::Mode::Write), conversations(database), messages(database), models(database),
      remotes(database), settings(database) {}

StorageWorker::StorageWorker(QObject* parent) : QObject(parent) {}

StorageWorker::~StorageWorker() {
    finish();
}

void StorageWorker::open(const std::filesystem::path& database) {
    push([this, database] {
        try {
            store_ = std::make_unique<Store>(database);
        } catch (const std::exception& e) {
            openError_ = e.what();
        }
    });
    thread_ = std::thread([this] { run(); });
}

void StorageWorker::openNothing(const QString& why) {
    push([this, why = why.toStdString()] { openError_ = why; });
    thread_ = std::thread([this] { run(); });
}

void StorageWorker::finish() {
    {
        const std::lock_guard lock(mutex_);
        finishing_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable())
        thread_.join();
}

void StorageWorker::push(std::function<void()> job) {
    {
        const std::lock_guard lock(mutex_);
        queue_.push_back(std::move(job));
    }
    wake_.notify_one();
}

void StorageWorker::run() {
    pthread_setname_np(pthread_self(), "hearth-storage");
    for (;;) {
        std::function<void()> job;
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return finishing_ || !queue_.empty(); });
            if (queue_.empty())
                break;
            job = std::move(queue_.front());
            queue_.pop_front();
        }
        // The jobs of call() and wait() catch for themselves; this is for what fails while they report.
        try {
            job();
        } catch (...) {
        }
    }
    store_.reset();
}

Store& StorageWorker::opened() {
    if (!store_)
        throw storage::Error(openError_.empty() ? "The database is not open." : openError_);
    return *store_;
}

// By way of this object, which outlives the thread: the context may be deleted at any time.
void StorageWorker::deliver(QPointer<QObject> context, std::function<void()> then) {
    QMetaObject::invokeMethod(
        this,
        [context, then = std::move(then)] {
            if (context)
                then();
        },
        Qt::QueuedConnection);
}

void StorageWorker::reportFailure(QPointer<QObject> context, const Otherwise& otherwise, const QString& sentence) {
    QMetaObject::invokeMethod(
        this,
        [this, context, otherwise, sentence] {
            if (otherwise && context)
                otherwise(sentence);
            emit failed(sentence);
        },
        Qt::QueuedConnection);
}

} // namespace hearth::app
