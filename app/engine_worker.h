#pragma once

#include "app/chat/prompt_builder.h"
#include "app/load_mark.h"
#include "app/models/files/model_defaults.h"
#include "app/prefix_folder.h"
#include "app/token_pipe.h"
#include "engine/engine.h"

#include <QMetaType>
#include <QObject>
#include <QString>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace hearth::app {

struct ReplyRequest {
    ReplyId id = 0;
    std::string model; // path
    PromptInput prompt;
    std::optional<engine::SamplerSettings> sampling; // absent: the model's own
    // What of it the person set, named as in ModelDefaults: all that an engine elsewhere is told.
    std::vector<std::pair<std::string, double>> ownSampling;
    int threads = 0;                           // at most; 0: as the engine's options say
    int64_t conversation = 0;                  // whose past is kept on disk for the next session; 0: of none
    std::shared_ptr<std::atomic<bool>> cancel; // set directly by the window: seen before the next operation
};

/// What a conversation needs of the engine.
class ReplySource {
public:
    virtual ~ReplySource() = default;
    virtual void reply(ReplyRequest) = 0; // what becomes of it comes through the pipe
};

struct LoadRequest {
    QString path;
    int contextTokens = 0; // 0: the model's own
    engine::KvType kv = engine::KvType::F16;

    friend bool operator==(const LoadRequest&, const LoadRequest&) = default;
};

/// As a person has set it for this model.
LoadRequest loadRequest(const QString& path, const ModelDefaults&);

struct LoadedModel {
    engine::ModelInfo info;
    std::shared_ptr<const engine::ModelText> text; // immutable: any thread counts tokens with it
};

/// How long models stay that nobody uses.
struct Residency {
    uint64_t budgetBytes = 0;            // of all models together; 0: as the memory allows
    std::chrono::seconds idle{1800};     // a model that is not the current one leaves after so long; 0: never
    std::chrono::seconds currentIdle{0}; // the current one likewise
};

/// The engine thread: owns the engine, takes commands from a queue, steps while there is work and sleeps otherwise. One
/// model is the current one, the last that was wanted. Others stay in memory, ready, until another needs the room (the
/// one that was not used for longest leaves first, and only when it is known that the new one then fits) or they were
/// idle for long. A model that left is parked: its weights stay in the system's file cache as long as that likes, and a
/// reply that still asks for it brings it back. All functions: GUI thread.
class EngineWorker : public QObject, public ReplySource {
    Q_OBJECT

public:
    EngineWorker(TokenPipe&, LoadMark, QObject* parent = nullptr);
    ~EngineWorker() override;

    /// `prefixFolder`: where what models have read of conversations is kept between sessions; empty: nowhere.
    void start(const engine::EngineOptions&, const QString& prefixFolder = {});
    /// As soon as no reply runs: everything is unloaded, the next load uses these options.
    void configure(const engine::EngineOptions&);
    /// A model that is there already becomes the current one at once. Otherwise it is loaded; then the answer is
    /// loaded() or loadEnded().
    void load(const LoadRequest&);
    /// At once: a model that is there already may have to leave. The current one stays in any case.
    void setResidency(const Residency&);
    /// A model that no reply needs leaves; then unloaded().
    void unload(const QString& path);
    /// Ends the load that runs or waits; it is answered by loadEnded() without an error.
    void cancelLoad();
    void reply(ReplyRequest) override;
    /// What is kept on disk of this conversation goes.
    void forgetConversation(int64_t);
    /// What is kept on disk of all others goes.
    void keepConversations(std::vector<int64_t>);
    /// Cancels what runs and ends the thread. The pipe then holds the last words of every reply.
    void finish();

signals: // emitted on the engine thread
    void loadProgress(const QString& path, double progress);
    void loaded(const QString& path, const hearth::app::LoadedModel&);
    void loadEnded(const QString& path, const QString& error); // not loaded; an empty error: cancelled
    void unloaded(const QString& path);
    void failed(const QString& sentence);

private:
    struct Loaded;
    struct Running;

    /// A conversation as its next turn will see it.
    struct Ahead {
        std::string model, prefixFile;
        PromptInput input;
        std::vector<engine::TokenId> known; // what the cache has of it
    };

    using Cancel = std::shared_ptr<std::atomic<bool>>;

    void push(std::function<void()>);
    // All below: engine thread.
    void run();
    void runCommands(bool mayWait);
    void stepOnce();
    void tidyOnce();
    void noteAhead(Running&);
    void readAhead();
    void stopReadingAhead();
    void removePrefixFiles(const std::function<bool(int64_t conversation)>& goes);
    void removeForgotten();
    void makeEngine();
    void makeRoom(const engine::LoadOptions&, const Loaded* replaced);
    void keepBudget();
    void unloadIdle();
    std::optional<std::chrono::steady_clock::time_point> idleEnd(const Loaded&) const;
    std::optional<std::chrono::steady_clock::time_point> nextIdleEnd() const;
    void doUnload(Loaded&);
    void park(Loaded&);
    void doLoad(const LoadRequest&, const Cancel&);
    void doReply(ReplyRequest);
    void startReply(const ReplyRequest&, Loaded&);
    void onToken(Running&, const engine::TokenOut&);
    void onFinish(Running&, const engine::GenerationSummary&);
    void endReply(ReplyId, ReplyEnd, const std::string& error = {});
    void cleanUp();
    void dropEngine(const std::string& error);
    Loaded* find(const std::string& path);

    TokenPipe& pipe_;
    const LoadMark mark_;
    PrefixFolder prefixes_;

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::function<void()>> commands_; // guarded by mutex_
    bool finishing_ = false;                     // guarded by mutex_
    Cancel loadCancel_;                          // of the newest load; GUI thread

    // Engine thread.
    engine::EngineOptions options_;
    bool optionsChanged_ = false;
    std::unique_ptr<engine::Engine> engine_;
    std::vector<std::unique_ptr<Loaded>> models_;
    std::vector<std::unique_ptr<Running>> running_;
    std::string current_; // path of the model that was wanted last
    Residency residency_;
    std::map<std::string, LoadRequest> parked_; // that left by themselves
    bool markStands_ = false;
    SpokenPrefixes spoken_;
    std::optional<Ahead> ahead_; // to be read when nobody waits
    bool untidy_ = false;        // the engine has something to write when it is idle

    std::thread thread_;
};

} // namespace hearth::app

Q_DECLARE_METATYPE(hearth::app::LoadedModel)
