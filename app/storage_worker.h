#pragma once

#include "storage/conversations.h"
#include "storage/database.h"
#include "storage/messages.h"
#include "storage/models.h"
#include "storage/remotes.h"
#include "storage/settings.h"

#include <QObject>
#include <QPointer>
#include <QString>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>

namespace hearth::app {

/// The writing connection and its tables. Storage thread only.
struct Store {
    explicit Store(const std::filesystem::path&);

    storage::Database database;
    storage::Conversations conversations;
    storage::Messages messages;
    storage::Models models;
    storage::Remotes remotes;
    storage::Settings settings;
};

/// The storage thread, the only holder of the writing connection. Work is done in the order in which it was given; its
/// result comes back as a queued call. All functions: GUI thread.
class StorageWorker : public QObject {
    Q_OBJECT

public:
    using Otherwise = std::function<void(const QString& sentence)>;

    explicit StorageWorker(QObject* parent = nullptr);
    ~StorageWorker() override;

    /// Starts the thread and opens the database there. What follows waits behind it.
    void open(const std::filesystem::path& database);
    /// Without a database: every call fails with this sentence.
    void openNothing(const QString& why);

    /// `work(Store&)` on the storage thread, then `then(result)` here, unless `context` is gone by then. A failure goes
    /// to `otherwise` where one is given, and to failed().
    template <class Work, class Then>
    void call(QObject* context, Work work, Then then, Otherwise otherwise = {}) {
        QPointer<QObject> alive(context);
        push([this, alive, work = std::move(work), then = std::move(then), otherwise]() mutable {
            using Result = std::invoke_result_t<Work&, Store&>;
            try {
                Store& store = opened();
                if constexpr (std::is_void_v<Result>) {
                    work(store);
                    deliver(alive, std::move(then));
                } else {
                    deliver(alive,
                            [then = std::move(then), result = work(store)]() mutable { then(std::move(result)); });
                }
            } catch (const std::exception& e) {
                reportFailure(alive, otherwise, QString::fromUtf8(e.what()));
            }
        });
    }

    template <class Work>
    void post(Work work) {
        call(
            this, [work = std::move(work)](Store& store) mutable { work(store); }, [] {});
    }

    /// Waits for the result; throws what the work threw. For the start only, before a window is there.
    template <class Work>
    auto wait(Work work) -> std::invoke_result_t<Work&, Store&> {
        auto task = std::make_shared<std::packaged_task<std::invoke_result_t<Work&, Store&>()>>(
            [this, work = std::move(work)]() mutable { return work(opened()); });
        auto result = task->get_future();
        push([task] { (*task)(); });
        return result.get();
    }

    /// Does what is queued, closes the database, ends the thread. Results that are still on their way are dropped.
    void finish();

signals:
    void failed(const QString& sentence);

private:
    void push(std::function<void()>);
    void run();
    Store& opened(); // throws the sentence of a failed open
    void deliver(QPointer<QObject>, std::function<void()>);
    void reportFailure(QPointer<QObject>, const Otherwise&, const QString&);

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::function<void()>> queue_; // guarded by mutex_
    bool finishing_ = false;                  // guarded by mutex_
    std::unique_ptr<Store> store_;            // storage thread
    std::string openError_;                   // storage thread
    std::thread thread_;
};

} // namespace hearth::app
