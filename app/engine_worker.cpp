#include "app/engine_worker.h"

#include "app/models/net/engine_words.h"
#include <QCoreApplication>
#include <QFile>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <new>
#include <pthread.h>
#include <stdexcept>

namespace hearth::app {
namespace {

using Clock = std::chrono::steady_clock;

constexpr ReplyId kNoReply = 0;                          // of what is read ahead: nobody hears of it
constexpr uint64_t kMostPrefixBytes = uint64_t{4} << 30; // of all conversations

double secondsSince(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// What an exception says to a person.
QString sentenceOf(const std::exception& e) {
    if (const auto* tooLong = dynamic_cast<const PromptTooLong*>(&e)) {
        return QCoreApplication::translate(
                   "EngineWorker",
                   "This message needs %1 tokens, and the model has room for %2. Shorten it, or choose a model with a "
                   "larger context.")
            .arg(tooLong->needed)
            .arg(tooLong->available);
    }
    if (dynamic_cast<const std::bad_alloc*>(&e))
        return QCoreApplication::translate(
            "EngineWorker", "There is not enough memory. Close other programs, or choose a smaller model or context.");
    return toldByEngine(e);
}

ReplyEnd endOf(engine::StopReason reason) {
    switch (reason) {
    case engine::StopReason::EndOfTurn:
        return ReplyEnd::EndOfTurn;
    case engine::StopReason::MaxTokens:
        return ReplyEnd::MaxTokens;
    case engine::StopReason::ContextFull:
        return ReplyEnd::ContextFull;
    case engine::StopReason::Cancelled:
        return ReplyEnd::Cancelled;
    case engine::StopReason::Error:
        break;
    }
    return ReplyEnd::Error;
}

engine::LoadOptions loadOptions(const LoadRequest& request, const std::string& path) {
    engine::LoadOptions options;
    options.path = path;
    options.contextTokens = request.contextTokens;
    options.kv = request.kv;
    return options;
}

} // namespace

LoadRequest loadRequest(const QString& path, const ModelDefaults& defaults) {
    return {.path = path,
            .contextTokens = defaults.contextTokens.value_or(0),
            .kv = kvTypeNamed(defaults.kv).value_or(engine::KvType::F16)};
}

struct EngineWorker::Loaded {
    engine::ModelId id = 0;
    std::string path;
    LoadRequest request;
    LoadedModel model;
    int replies = 0; // that run
    Clock::time_point used = Clock::now();
};

struct EngineWorker::Running {
    ReplyId id = 0;
    Loaded* model = nullptr;
    std::shared_ptr<std::atomic<bool>> cancel;
    SpokenPrefixes::Entry prompt; // what was read
    SpokenReply spoken;           // what was written after it
    PromptInput input;            // what the prompt was made of
    std::string prefixFile;
    engine::ChatMessage answer; // so far
    Clock::time_point firstToken, thoughtsBegan;
    bool inThoughts = false;
    double thoughtSeconds = 0;
    bool finished = false;
};

EngineWorker::EngineWorker(TokenPipe& pipe, LoadMark mark, QObject* parent)
    : QObject(parent), pipe_(pipe), mark_(std::move(mark)) {
    qRegisterMetaType<LoadedModel>();
}

EngineWorker::~EngineWorker() {
    finish();
}

void EngineWorker::start(const engine::EngineOptions& options, const QString& prefixFolder) {
    options_ = options;
    prefixes_.open(QFile::encodeName(prefixFolder).toStdString());
    thread_ = std::thread([this] { run(); });
}

void EngineWorker::configure(const engine::EngineOptions& options) {
    push([this, options] {
        options_ = options;
        optionsChanged_ = true;
    });
}

void EngineWorker::load(const LoadRequest& request) {
    cancelLoad(); // one at a time, and the newest wish counts
    loadCancel_ = std::make_shared<std::atomic<bool>>(false);
    push([this, request, cancel = loadCancel_] { doLoad(request, cancel); });
}

void EngineWorker::setResidency(const Residency& residency) {
    push([this, residency] {
        residency_ = residency;
        keepBudget();
    });
}

void EngineWorker::unload(const QString& path) {
    push([this, path = QFile::encodeName(path).toStdString()] {
        Loaded* model = find(path);
        if (!model || model->replies > 0)
            return;
        parked_.erase(path);
        if (current_ == path)
            current_.clear();
        doUnload(*model);
    });
}

void EngineWorker::cancelLoad() {
    if (loadCancel_)
        loadCancel_->store(true);
    loadCancel_.reset();
}

void EngineWorker::reply(ReplyRequest request) {
    push([this, request = std::move(request)]() mutable { doReply(std::move(request)); });
}

void EngineWorker::forgetConversation(int64_t conversation) {
    prefixes_.forget(conversation);
    push([this] { removeForgotten(); });
}

void EngineWorker::keepConversations(std::vector<int64_t> alive) {
    std::sort(alive.begin(), alive.end());
    push([this, alive = std::move(alive)] {
        removePrefixFiles([&](int64_t id) { return !std::binary_search(alive.begin(), alive.end(), id); });
    });
}

void EngineWorker::finish() {
    cancelLoad();
    {
        const std::lock_guard lock(mutex_);
        finishing_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable())
        thread_.join();
}

void EngineWorker::push(std::function<void()> command) {
    {
        const std::lock_guard lock(mutex_);
        commands_.push_back(std::move(command));
    }
    wake_.notify_one();
}

void EngineWorker::run() {
    pthread_setname_np(pthread_self(), "hearth-engine");
    for (;;) {
        try {
            runCommands(running_.empty() && !untidy_ && !ahead_);
            unloadIdle();
            {
                const std::lock_guard lock(mutex_);
                if (finishing_)
                    break;
            }
            if (!running_.empty())
                stepOnce();
            else if (ahead_)
                readAhead();
            else if (untidy_)
                tidyOnce();
            cleanUp();
        } catch (const std::exception& e) {
            dropEngine(sentenceOf(e).toStdString());
        } catch (...) {
            dropEngine(
                QCoreApplication::translate("EngineWorker", "The engine failed for a reason that it did not give.")
                    .toStdString());
        }
    }
    engine_.reset();   // may still call back for what runs
    removeForgotten(); // whoever deletes and closes at once
    for (const auto& reply : running_) {
        if (!reply->finished && reply->id != kNoReply)
            endReply(reply->id, ReplyEnd::Cancelled);
    }
    running_.clear();
    models_.clear();
    // Whoever closes the window in order has no model to fear.
    if (markStands_)
        mark_.clear();
}

void EngineWorker::runCommands(bool mayWait) {
    for (;;) {
        std::function<void()> command;
        {
            std::unique_lock lock(mutex_);
            const auto wanted = [this] { return finishing_ || !commands_.empty(); };
            const auto idleEnd = mayWait ? nextIdleEnd() : std::nullopt;
            if (idleEnd)
                wake_.wait_until(lock, *idleEnd, wanted);
            else if (mayWait)
                wake_.wait(lock, wanted);
            if (finishing_ || commands_.empty())
                return;
            command = std::move(commands_.front());
            commands_.pop_front();
        }
        stopReadingAhead();
        command();
        mayWait = false;
    }
}

void EngineWorker::stepOnce() {
    if (!engine_->step()) {
        // The engine has nothing to do, yet replies wait: end them rather than to spin.
        for (const auto& reply : running_) {
            if (!std::exchange(reply->finished, true) && reply->id != kNoReply) {
                endReply(reply->id, ReplyEnd::Error,
                         QCoreApplication::translate("EngineWorker", "The engine lost this reply. Try again.")
                             .toStdString());
            }
        }
    }
}

/// Nobody waits: what models have read is written, a page at a time, so that a command finds the thread free.
void EngineWorker::tidyOnce() {
    untidy_ = engine_ && engine_->tidy();
    if (untidy_ || !prefixes_.isOpen())
        return;
    prefixes_.prune(kMostPrefixBytes);
    if (engine_) // one that went gives its place back when it is closed
        engine_->forgetPrefixFiles([](const std::string& path) { return !std::filesystem::exists(path); });
}

/// The reply is over: its conversation may have to be read as the next turn will see it.
void EngineWorker::noteAhead(Running& reply) {
    Ahead next{.model = reply.model->path, .prefixFile = reply.prefixFile, .input = std::move(reply.input)};
    if (next.input.continueLast && !next.input.messages.empty()) {
        engine::ChatMessage& begun = next.input.messages.back();
        begun.content += reply.answer.content;
        begun.thoughts += reply.answer.thoughts;
        next.input.continueLast = false;
    } else {
        next.input.messages.push_back(std::move(reply.answer));
    }
    next.known = reply.prompt.tokens;
    next.known.insert(next.known.end(), reply.spoken.tokenIds().begin(), reply.spoken.tokenIds().end());
    ahead_ = std::move(next);
}

/// Where the next prompt will not begin with what was read and written, because its template leaves thoughts out of the
/// history or writes an answer in another way, that beginning is read now, while the person reads. Any command ends it.
void EngineWorker::readAhead() {
    constexpr size_t kWorthIt = 16; // tokens
    const Ahead next = *std::exchange(ahead_, std::nullopt);
    Loaded* model = find(next.model);
    if (!model)
        return;
    try {
        // What two different questions have in common does not depend on the question.
        std::vector<engine::TokenId> tokens, other;
        for (const auto& [question, out] : {std::pair{"a", &tokens}, {"B", &other}}) {
            PromptInput input = next.input;
            input.messages.push_back({.role = "user", .content = question});
            *out =
                buildPrompt(*model->model.text, input, model->model.info.contextTokens, model->path, &spoken_).tokens;
        }
        const auto common = [](const auto& a, const auto& b) {
            return size_t(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
        };
        tokens.resize(common(tokens, other));
        if (tokens.size() < common(tokens, next.known) + kWorthIt)
            return;
        auto owned = std::make_unique<Running>();
        Running* reading = owned.get();
        reading->model = model;
        reading->cancel = std::make_shared<std::atomic<bool>>(false);
        engine::GenerationRequest request;
        request.prompt = std::move(tokens);
        request.maxTokens = 0;
        request.priority = engine::Priority::Background;
        request.cancel = reading->cancel;
        request.prefixFile = next.prefixFile;
        request.onFinish = [this, reading](const engine::GenerationSummary&) {
            reading->finished = true;
            untidy_ = true;
        };
        engine_->start(model->id, std::move(request));
        ++model->replies;
        running_.push_back(std::move(owned));
    } catch (const std::exception&) { // a template that refuses this, a context that is full: the next turn tells
    }
}

/// Afterwards nothing is read ahead: whoever loads, unloads or deletes finds the replies that people wait for, only.
void EngineWorker::stopReadingAhead() {
    ahead_.reset();
    bool any = false;
    for (const auto& reply : running_)
        if (reply->id == kNoReply && !reply->finished) {
            reply->cancel->store(true);
            any = true;
        }
    if (any)
        stepOnce(); // ends what is cancelled before anything else
    cleanUp();
}

/// Whoever writes the files lets go of them first.
void EngineWorker::removePrefixFiles(const std::function<bool(int64_t)>& goes) {
    const PrefixFolder::Which which = PrefixFolder::filesOf(goes);
    if (engine_)
        engine_->forgetPrefixFiles(which);
    for (const auto& reply : running_)
        if (which(reply->prefixFile))
            reply->prefixFile.clear();
    prefixes_.remove(which);
}

void EngineWorker::removeForgotten() {
    const std::vector<int64_t> ids = prefixes_.takeForgotten();
    if (!ids.empty())
        removePrefixFiles([&](int64_t id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); });
}

void EngineWorker::makeEngine() {
    if (!engine_)
        engine_ = std::make_unique<engine::Engine>(options_);
}

EngineWorker::Loaded* EngineWorker::find(const std::string& path) {
    // The newest: one with other options may still have replies to finish.
    const auto found =
        std::find_if(models_.rbegin(), models_.rend(), [&](const auto& model) { return model->path == path; });
    return found == models_.rend() ? nullptr : found->get();
}

/// Lets models go that no reply needs: the one that is loaded anew (null: none), then the one not used for longest, as
/// many as must. None goes for a model that does not fit then either. Throws the sentence of that.
void EngineWorker::makeRoom(const engine::LoadOptions& options, const Loaded* replaced) {
    std::vector<Loaded*> idle;
    uint64_t resident = 0;
    for (const auto& model : models_) {
        resident += engine_->residentBytes(model->id);
        if (model->replies == 0)
            idle.push_back(model.get());
    }
    std::sort(idle.begin(), idle.end(), [&](const Loaded* a, const Loaded* b) {
        return std::pair(a != replaced, a->used) < std::pair(b != replaced, b->used);
    });
    std::vector<engine::ModelId> leaving;
    engine::LoadRoom room = engine_->room(options);
    const auto fits = [&] {
        // A model larger than all of the budget may be there alone.
        const bool within =
            residency_.budgetBytes == 0 || resident == 0 ||
            (room.neededBytes <= residency_.budgetBytes && resident <= residency_.budgetBytes - room.neededBytes);
        return room.fits && within;
    };
    for (const Loaded* model : idle) {
        if (model != replaced && fits())
            break;
        leaving.push_back(model->id);
        resident -= std::min(resident, engine_->residentBytes(model->id));
        room = engine_->room(options, leaving);
    }
    if (!room.fits)
        throw engine::Error(room.refusal);
    for (const engine::ModelId id : leaving)
        for (const auto& model : models_)
            if (model->id == id) {
                park(*model);
                break;
            }
}

/// Those not used for longest leave until the others are within the budget.
void EngineWorker::keepBudget() {
    const auto resident = [&] {
        uint64_t bytes = 0;
        for (const auto& model : models_)
            bytes += engine_->residentBytes(model->id);
        return bytes;
    };
    while (residency_.budgetBytes > 0 && resident() > residency_.budgetBytes) {
        Loaded* oldest = nullptr;
        for (const auto& model : models_)
            if (model->replies == 0 && model->path != current_ && (!oldest || model->used < oldest->used))
                oldest = model.get();
        if (!oldest)
            return;
        park(*oldest);
    }
}

/// It leaves by itself: a reply that still asks for it brings it back as it was.
void EngineWorker::park(Loaded& model) {
    parked_[model.path] = model.request;
    doUnload(model);
}

/// It must have no replies.
void EngineWorker::doUnload(Loaded& model) {
    spoken_.forget(model.path);
    prefixes_.forgetRead(); // they are read again with the model
    engine_->unload(model.id);
    emit unloaded(QFile::decodeName(model.path.c_str()));
    std::erase_if(models_, [&](const auto& one) { return one.get() == &model; });
}

std::optional<Clock::time_point> EngineWorker::idleEnd(const Loaded& model) const {
    const std::chrono::seconds limit = model.path == current_ ? residency_.currentIdle : residency_.idle;
    if (limit.count() <= 0 || model.replies > 0)
        return std::nullopt;
    return model.used + limit;
}

std::optional<Clock::time_point> EngineWorker::nextIdleEnd() const {
    std::optional<Clock::time_point> next;
    for (const auto& model : models_)
        if (const auto end = idleEnd(*model); end && (!next || *end < *next))
            next = end;
    return next;
}

void EngineWorker::unloadIdle() {
    for (size_t i = 0; i < models_.size();) {
        Loaded& model = *models_[i];
        const auto end = idleEnd(model);
        if (!end || Clock::now() < *end) {
            ++i;
            continue;
        }
        if (model.path == current_)
            current_.clear();
        park(model);
    }
}

void EngineWorker::doLoad(const LoadRequest& request, const Cancel& cancel) {
    const std::string path = QFile::encodeName(request.path).toStdString();
    if (cancel->load()) {
        emit loadEnded(request.path, {});
        return;
    }
    cleanUp();
    Loaded* already = find(path);
    if (already && already->request == request && !optionsChanged_) {
        current_ = path;
        already->used = Clock::now();
        emit loaded(request.path, already->model);
        return;
    }
    markStands_ = mark_.write({path, LoadMark::Stage::Loading});
    try {
        makeEngine();
        auto model = std::make_unique<Loaded>();
        model->path = path;
        model->request = request;
        Clock::time_point told{};
        const engine::LoadOptions options = loadOptions(request, path);
        makeRoom(options, already);
        model->id = engine_->load(options, [&](double progress) {
            if (secondsSince(told) >= 0.03) {
                told = Clock::now();
                emit loadProgress(request.path, progress);
            }
            return !cancel->load();
        });
        if (model->id == 0) {
            mark_.clear();
            markStands_ = false;
            emit loadEnded(request.path, {});
            return;
        }
        if (engine_->info(model->id).embeds) {
            engine_->unload(model->id);
            throw std::runtime_error(QCoreApplication::translate("EngineWorker",
                                                                 "This model gives vectors for texts and writes none "
                                                                 "itself. Choose one that chats.")
                                         .toStdString());
        }
        model->model = {engine_->info(model->id), engine_->text(model->id)};
        current_ = path;
        model->used = Clock::now();
        parked_.erase(path);
        models_.push_back(std::move(model));
        mark_.write({path, LoadMark::Stage::Loaded});
        emit loaded(request.path, models_.back()->model);
    } catch (const std::exception& e) {
        mark_.clear(); // it answered with an error, so it does not take the program down
        markStands_ = false;
        emit loadEnded(request.path, sentenceOf(e));
    }
}

void EngineWorker::doReply(ReplyRequest request) {
    if (request.cancel && request.cancel->load()) {
        endReply(request.id, ReplyEnd::Cancelled);
        return;
    }
    Loaded* model = find(request.model);
    if (const auto parked = parked_.find(request.model); !model && parked != parked_.end()) {
        // It left between the question and now.
        const LoadRequest again = parked->second;
        parked_.erase(parked);
        doLoad(again, std::make_shared<std::atomic<bool>>(false));
        model = find(request.model);
    }
    if (!model) {
        endReply(
            request.id, ReplyEnd::Error,
            QCoreApplication::translate("EngineWorker", "The model is not loaded any more. Try again.").toStdString());
        return;
    }
    current_ = request.model;
    try {
        startReply(request, *model);
    } catch (const std::exception& e) {
        endReply(request.id, ReplyEnd::Error, sentenceOf(e).toStdString());
    }
}

void EngineWorker::startReply(const ReplyRequest& request, Loaded& model) {
    const engine::ModelText& text = *model.model.text;
    const std::string prefixFile = prefixes_.file(request.conversation, model.model.info.cacheKey);
    if (prefixes_.firstTime(prefixFile)) {
        for (engine::PrefixFile::Spoken& spoken : engine_->spoken(model.id, prefixFile))
            spoken_.remember({model.path, std::move(spoken.text), std::move(spoken.tokens)});
    }
    Prompt prompt = buildPrompt(text, request.prompt, model.model.info.contextTokens, model.path, &spoken_);
    pipe_.change(request.id, [&](ReplyUpdate& update) {
        update.begun = true;
        update.promptTokens = int(prompt.tokens.size());
        update.leftOut = prompt.leftOut;
    });

    auto owned = std::make_unique<Running>();
    Running* reply = owned.get();
    reply->id = request.id;
    reply->model = &model;
    reply->cancel = request.cancel;
    reply->prompt = {model.path, prompt.text, prompt.tokens};

    engine::GenerationRequest generation;
    generation.promptText = std::move(prompt.text);
    generation.prompt = std::move(prompt.tokens);
    generation.sampling = request.sampling.value_or(text.defaultSampling);
    generation.cancel = request.cancel;
    generation.prefixFile = prefixFile;
    reply->prefixFile = prefixFile;
    reply->input = request.prompt;
    reply->input.alreadyLeftOut = prompt.leftOut;
    reply->answer.role = "assistant";
    generation.onPrefill = [this, id = request.id](int done, int total) {
        pipe_.change(id, [&](ReplyUpdate& update) {
            update.read = true;
            update.progress = total > 0 ? double(done) / total : 1;
        });
    };
    generation.onToken = [this, reply](const engine::TokenOut& token) { onToken(*reply, token); };
    generation.onFinish = [this, reply](const engine::GenerationSummary& summary) { onFinish(*reply, summary); };

    if (markStands_)
        mark_.write({model.path, LoadMark::Stage::Answering});
    engine_->setThreads(model.id, request.threads);
    engine_->start(model.id, std::move(generation));
    ++model.replies;
    running_.push_back(std::move(owned));
}

void EngineWorker::onToken(Running& reply, const engine::TokenOut& token) {
    const auto now = Clock::now();
    if (!reply.spoken.begun()) {
        reply.firstToken = now;
        reply.thoughtsBegan = now;
        reply.inThoughts = token.thought;
        if (markStands_) {
            mark_.clear();
            markStands_ = false;
        }
    }
    if (reply.inThoughts)
        reply.thoughtSeconds = std::chrono::duration<double>(now - reply.thoughtsBegan).count();
    reply.inThoughts = token.thought;
    reply.spoken.add(token, *reply.model->model.text->tokenizer);
    (token.thought ? reply.answer.thoughts : reply.answer.content) += token.text;
    pipe_.change(reply.id, [&](ReplyUpdate& update) {
        (token.thought ? update.thoughts : update.text) += token.text;
        update.tokens = reply.spoken.tokens();
        update.seconds = std::chrono::duration<double>(now - reply.firstToken).count();
        update.thoughtSeconds = reply.thoughtSeconds;
    });
}

void EngineWorker::onFinish(Running& reply, const engine::GenerationSummary& summary) {
    reply.finished = true;
    untidy_ = true;
    spoken_.remember(reply.prompt);
    if (summary.stop == engine::StopReason::EndOfTurn)
        noteAhead(reply);
    if (auto whole = reply.spoken.behind(std::move(reply.prompt)))
        spoken_.remember(*std::move(whole));
    pipe_.change(reply.id, [&](ReplyUpdate& update) {
        update.end = endOf(summary.stop);
        update.error = summary.error;
        update.prefilledTokens = summary.prefilledTokens;
        update.prefillSeconds = summary.prefillSeconds;
    });
}

void EngineWorker::endReply(ReplyId id, ReplyEnd end, const std::string& error) {
    pipe_.change(id, [&](ReplyUpdate& update) {
        update.end = end;
        update.error = error;
    });
}

// Forgets finished replies, applies new options once nothing runs.
void EngineWorker::cleanUp() {
    std::erase_if(running_, [](const auto& reply) {
        if (reply->finished) {
            --reply->model->replies;
            reply->model->used = Clock::now();
        }
        return reply->finished;
    });
    const bool restart = optionsChanged_ && running_.empty();
    for (size_t i = models_.size(); i-- > 0;) {
        Loaded& model = *models_[i];
        if (model.replies == 0 && (restart || find(model.path) != &model))
            doUnload(model);
    }
    if (restart) {
        engine_.reset();
        optionsChanged_ = false;
        current_.clear();
    }
}

// After a failure in the middle of a step nothing of the engine can be relied on: a new one is made for the next load.
void EngineWorker::dropEngine(const std::string& error) {
    engine_.reset(); // may still call back for what runs
    for (const auto& reply : running_) {
        if (!reply->finished && reply->id != kNoReply)
            endReply(reply->id, ReplyEnd::Error, error);
    }
    running_.clear();
    ahead_.reset();
    untidy_ = false;
    for (const auto& model : models_)
        emit unloaded(QFile::decodeName(model->path.c_str()));
    models_.clear();
    current_.clear();
    emit failed(QString::fromStdString(error));
}

} // namespace hearth::app
