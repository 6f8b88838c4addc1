#include "engine/engine.h"

#include "engine/clock.h"
#include "engine/error.h"
#include "engine/loaded_model.h"
#include "engine/reply.h"
#include "engine/scheduler.h"

#include <algorithm>
#include <functional>
#include <map>
#include <new>
#include <utility>

namespace hearth::engine {

namespace {

constexpr int kSnapshotTokens = 1024; // of a prompt between two snapshots of recurrent states

std::unique_ptr<kernels::Backend> makeBackend(const EngineOptions& options) {
    if (options.backend != "auto" && options.backend != "cpu")
        throw Error("The backend " + printable(options.backend) + " is not there; \"cpu\" and \"auto\" are.");
    try {
        return kernels::makeCpuBackend({.threads = std::max(0, options.threads), .mostThreads = options.mostThreads});
    } catch (const kernels::BackendError& error) {
        throw Error(error.what());
    }
}

std::string changedWhileInUse(const LoadedModel& model) {
    return "The file " + printable(model.info().path, 400) +
           " changed while it was in use. Load the model again when the file is whole.";
}

void requireGenerator(LoadedModel& m) {
    if (m.encoder())
        throw Error("The model " + m.info().name + " gives vectors for texts and writes none itself.");
}

std::unique_ptr<Drafter> makeDrafter(LoadedModel& draft, LoadedModel& model) {
    requireGenerator(draft);
    if (!sameVocabulary(*draft.text()->tokenizer, *model.text()->tokenizer))
        throw Error("The model " + draft.info().name + " cannot guess for " + model.info().name +
                    ": their vocabularies differ.");
    return std::make_unique<Drafter>(draft);
}

} // namespace

/// Schedule, run, finish: the scheduler decides, the model's runner computes, the replies take the results.
struct Engine::Impl {
    explicit Impl(const EngineOptions& options) : backend(makeBackend(options)) {}

    std::unique_ptr<kernels::Backend> backend;
    std::map<ModelId, std::unique_ptr<LoadedModel>> models;
    ModelId lastModel = 0;
    uint64_t ownBefore = 0;                      // bytes of this process before the first of them
    std::vector<std::unique_ptr<Reply>> replies; // in the order of their arrival
    SequenceId lastSequence = 0;
    uint64_t lastTicket = 0;
    Scheduler scheduler;
    bool stepping = false;
    std::vector<ModelId> unloadLater;

    // Of schedule() and runDecode(), kept so that nothing is allocated for a token.
    std::vector<Candidate> candidates;
    std::vector<Reply*> batch;
    std::vector<StepRow> rows;
    std::vector<SequenceId> owners; // of the rows

    /// A text whose pages are to be stored.
    struct Unstored {
        ModelId model = 0;
        std::string file;
        PrefixFile::Spoken spoken; // its text is empty where it is not known
    };

    std::vector<Unstored> unstored;

    LoadedModel& model(ModelId id) const;
    Reply* find(SequenceId) const;

    uint64_t freeBytes(std::span<const ModelId> leaving) const;
    bool step();
    void endRefused();
    void endCancelled();
    const Schedule& schedule();
    Chunking chunking(const Reply&);
    void crossBorders();
    void admit(LoadedModel&, Reply&);
    void runPrefill(LoadedModel&, Reply&, int tokens);
    void runDecode(ModelId, LoadedModel&, std::span<const SequenceId>);
    std::span<const TokenId> guess(LoadedModel&, Reply&);
    bool dropDrafters(const LoadedModel&);
    bool makeRoom(LoadedModel&, Reply&, int tokens);
    void endWithoutRoom(Reply&);
    void endInside(LoadedModel&, Reply&);
    void settle(LoadedModel&, Reply&);
    Reply* lastHolder(const LoadedModel&) const;
    void take(Reply&, std::span<float> logits);
    void end(Reply&, StopReason, const std::string& error = {});
    void failAll(ModelId, const std::string& error);
    void unload(ModelId);
};

LoadedModel& Engine::Impl::model(ModelId id) const {
    const auto it = models.find(id);
    if (it == models.end())
        throw Error("This model is not loaded.");
    return *it->second;
}

/// For one more model, when some of those that are there left first.
uint64_t Engine::Impl::freeBytes(std::span<const ModelId> leaving) const {
    ResidentMemory stays, leaves;
    for (const auto& [id, model] : models) {
        const bool goes = std::find(leaving.begin(), leaving.end(), id) != leaving.end();
        (goes ? leaves : stays).fileBytes += model->memory().fileBytes;
        (goes ? leaves : stays).ownBytes += model->memory().ownBytes;
    }
    const uint64_t own = models.empty() ? 0 : ownProcessMemory();
    return freeBeside(stays, leaves, freeSystemMemory(), own - std::min(own, ownBefore));
}

Reply* Engine::Impl::find(SequenceId id) const {
    const auto it = std::find_if(replies.begin(), replies.end(), [&](const auto& r) { return r->id() == id; });
    return it == replies.end() ? nullptr : it->get();
}

// ---- schedule

const Schedule& Engine::Impl::schedule() {
    candidates.clear();
    for (const auto& reply : replies) {
        const int position = reply->kv < 0 ? 0 : model(reply->model()).cache().length(reply->kv);
        const int pending = static_cast<int>(reply->tokens().size()) - position;
        candidates.push_back({.id = reply->id(),
                              .model = reply->model(),
                              .priority = reply->priority(),
                              .decoding = reply->kv >= 0 && reply->begun() && pending == 1 + reply->behind,
                              .position = position,
                              .pending = pending,
                              .chunking = chunking(*reply)});
    }
    return scheduler.next(candidates, [&](ModelId id) -> const ChunkPace& { return model(id).pace(); });
}

Chunking Engine::Impl::chunking(const Reply& reply) {
    if (reply.expands)
        return Chunking::Whole;
    return model(reply.model()).cache().hasStates() ? Chunking::Timed : Chunking::Pausing;
}

void Engine::Impl::endRefused() {
    for (size_t i = 0; i < replies.size();) {
        Reply& reply = *replies[i];
        if (reply.refusal().empty())
            ++i;
        else
            end(reply, StopReason::Error, reply.refusal());
    }
}

void Engine::Impl::endCancelled() {
    for (size_t i = 0; i < replies.size();) {
        Reply& reply = *replies[i];
        if (reply.cancelled())
            end(reply, StopReason::Cancelled);
        else
            ++i;
    }
}

// ---- run

/// A reply that became longer than its rope's first set of factors serves computes its keys again with the second.
void Engine::Impl::crossBorders() {
    for (const auto& reply : replies) {
        if (reply->kv < 0)
            continue;
        LoadedModel& m = model(reply->model());
        if (m.cache().space(reply->kv) != m.space(reply->tokens().size()))
            m.cache().release(std::exchange(reply->kv, -1));
    }
}

/// Opens the sequence and takes over what the cache has of its prompt. The last token is computed always: its logits
/// are wanted.
void Engine::Impl::admit(LoadedModel& m, Reply& reply) {
    if (reply.kv >= 0)
        return;
    if (!reply.started)
        reply.begin = Clock::now();
    if (!reply.started && !reply.prefixFile().empty())
        m.restorePrefix(reply.prefixFile(), reply.tokens(), reply.cancelFlag());
    reply.started = true;
    reply.behind = 0;
    reply.kv = m.cache().open(m.space(reply.tokens().size()));
    const int reused = m.cache().reuse(reply.kv, reply.tokens(), static_cast<int>(reply.tokens().size()) - 1);
    reply.ticket = ++lastTicket;
    reply.chunkSeconds = 0;
    reply.expands = m.expands(static_cast<int>(reply.tokens().size()) - reused, reused);
    reply.prefilled(reused, 0);
}

/// Of the replies that hold pages of this model the one that is served last: background after chats, the youngest.
Reply* Engine::Impl::lastHolder(const LoadedModel& m) const {
    Reply* last = nullptr;
    for (const auto& reply : replies) {
        const bool holds = reply->kv >= 0 && &model(reply->model()) == &m;
        if (holds && (!last || reply->priority() >= last->priority()))
            last = reply.get();
    }
    return last;
}

/// Ends all guessing by this model. False: there was none.
bool Engine::Impl::dropDrafters(const LoadedModel& m) {
    bool any = false;
    for (const auto& reply : replies)
        if (reply->drafter && &reply->drafter->model() == &m) {
            reply->drafter.reset();
            any = true;
        }
    return any;
}

/// Room for more tokens of a reply. Where there is none, whoever is served last gives up its pages and computes them
/// again later, be it this one: two that took pages from each other in turn would both compute without end. False: it
/// was put back (kv is -1), or it is alone and still does not fit.
bool Engine::Impl::makeRoom(LoadedModel& m, Reply& reply, int tokens) {
    while (!m.prepare(reply.kv, tokens)) {
        if (dropDrafters(m) || m.cache().giveKept())
            continue;
        Reply& last = *lastHolder(m); // at least `reply` holds pages
        const KvSequence kv = std::exchange(last.kv, -1);
        if (&last == &reply && !lastHolder(m)) {
            reply.kv = kv;
            return false;
        }
        m.cache().release(kv);
        if (&last == &reply)
            return false;
    }
    return true;
}

/// What follows when makeRoom() gave none: a reply that was put back waits for its turn, one that is alone ends.
void Engine::Impl::endWithoutRoom(Reply& reply) {
    if (reply.kv >= 0)
        end(reply, StopReason::Error, "The memory for this context is used up.");
}

void Engine::Impl::runPrefill(LoadedModel& m, Reply& reply, int n) {
    const bool fresh = reply.kv < 0;
    admit(m, reply);
    const int position = m.cache().length(reply.kv);
    const std::span<const TokenId> rest = reply.tokens().subspan(static_cast<size_t>(position));
    // What the cache gave was not known when the chunk was planned.
    const double seconds = replies.size() == 1 ? kAloneChunkSeconds : kSharedChunkSeconds;
    const Chunking cut = chunking(reply);
    if (fresh)
        n = m.pace().chunk(position, static_cast<int>(rest.size()), seconds, cut);
    else if (reply.chunkSeconds > 0)
        n = reply.chunkTokens; // whatever was learned since, it is the chunk that paused
    if (!makeRoom(m, reply, n))
        return endWithoutRoom(reply);
    std::vector<StepRow> rows;
    for (int i = 0; i < n; ++i)
        rows.push_back({.id = rest[static_cast<size_t>(i)], .position = position + i, .sequence = reply.kv});
    std::vector<int> wanted;
    if (n == static_cast<int>(rest.size()))
        wanted.push_back(n - 1);
    const auto begin = Clock::now();
    std::span<float> logits;
    const StepRunner::Chunk chunk{.rows = rows,
                                  .wanted = wanted,
                                  .expanded = reply.expands,
                                  .seconds = cut == Chunking::Timed ? 0 : seconds,
                                  .ticket = reply.ticket};
    const kernels::RunEnd end =
        m.runner().prefill(chunk, reply.cancelFlag(), [&](size_t, std::span<float> given) { logits = given; });
    if (end == kernels::RunEnd::Cancelled)
        return endInside(m, reply);
    if (m.checkpoint().changed())
        return failAll(reply.model(), changedWhileInUse(m));
    reply.chunkSeconds += secondsSince(begin);
    if (end == kernels::RunEnd::Paused) {
        reply.chunkTokens = n;
        if (m.pace().secondsPerToken() > 0)
            reply.prefilled(
                position + std::min(n - 1, static_cast<int>(reply.chunkSeconds / m.pace().secondsPerToken())), 0);
        return;
    }
    m.pace().measured(n, std::exchange(reply.chunkSeconds, 0));
    m.cache().commit(reply.kv, rest.first(static_cast<size_t>(n)));
    // A recurrent model can go back to snapshots only: some on the way, so that another prompt can share a beginning.
    if (m.cache().hasStates() && (position + n) / kSnapshotTokens > position / kSnapshotTokens)
        m.cache().snapshot(reply.kv);
    reply.prefilled(position + n, n);
    if (!logits.empty())
        take(reply, logits);
}

/// Tokens to feed together with those of a reply that is alone.
std::span<const TokenId> Engine::Impl::guess(LoadedModel& m, Reply& reply) {
    const int own = 1 + reply.behind;
    std::span<const TokenId> guessed;
    try {
        guessed = reply.guess(kDecodeRows - own, m.config().nVocab,
                              {.pace = m.rowPace(), .own = own, .readAgain = m.cache().hasStates()});
    } catch (const std::bad_alloc&) { // of the model that guesses; the reply goes on without it
        reply.drafter.reset();
    } catch (const kernels::BackendError&) {
        reply.drafter.reset();
    }
    const int all = own + static_cast<int>(guessed.size());
    const bool fits =
        m.space(reply.tokens().size() + guessed.size()) == m.cache().space(reply.kv) && m.prepare(reply.kv, all);
    return fits ? guessed : std::span<const TokenId>();
}

void Engine::Impl::runDecode(ModelId id, LoadedModel& m, std::span<const SequenceId> ids) {
    batch.clear(), rows.clear(), owners.clear();
    for (const SequenceId sequence : ids) {
        Reply* reply = find(sequence);
        if (!reply || reply->kv < 0)
            continue; // ended, or made room for one before it
        if (!makeRoom(m, *reply, 1 + reply->behind)) {
            endWithoutRoom(*reply);
            continue;
        }
        batch.push_back(reply);
    }
    // Whoever was put back to make room is not part of this step.
    std::erase_if(batch, [](const Reply* reply) { return reply->kv < 0; });
    // One whose states are to read some tokens again takes as many rows: the others wait for one step.
    const bool alone = batch.size() == 1;
    const auto late = std::find_if(batch.begin(), batch.end(), [](const Reply* reply) { return reply->behind > 0; });
    if (late != batch.end())
        batch = {*late};
    const auto add = [&](const Reply& reply, TokenId token, size_t position) {
        rows.push_back({.id = token, .position = static_cast<int>(position), .sequence = reply.kv});
        owners.push_back(reply.id());
    };
    for (const Reply* reply : batch)
        for (size_t i = reply->tokens().size() - 1 - static_cast<size_t>(reply->behind); i < reply->tokens().size();
             ++i)
            add(*reply, reply->tokens()[i], i);
    const size_t own = rows.size(); // what follows are guesses
    if (alone)
        for (const TokenId token : guess(m, *batch.front()))
            add(*batch.front(), token, batch.front()->tokens().size() - own + rows.size());
    if (rows.empty())
        return;
    const std::atomic<bool>* cancel = batch.size() == 1 ? batch.front()->cancelFlag() : nullptr;
    const auto begin = Clock::now();
    // What is kept for guesses belongs to their price.
    if (rows.size() > own && !m.cache().keepStates(rows.front().sequence, static_cast<int>(rows.size())))
        rows.resize(own), owners.resize(own);
    if (rows.size() > own)
        batch.front()->guessesFed(static_cast<int>(rows.size() - own));
    const auto onLogits = [&](size_t i, std::span<float> logits) {
        if (i == 0)
            m.rowPace().measured(static_cast<int>(rows.size()), secondsSince(begin));
        if (m.checkpoint().changed())
            return;
        Reply* reply = find(owners[i]);
        if (reply && reply->behind > 0) { // what follows is known
            --reply->behind;
            m.cache().commit(reply->kv, {&rows[i].id, 1});
            return;
        }
        // A guess counts while all before it were right.
        const bool stands = reply && static_cast<int>(reply->tokens().size()) == rows[i].position + 1 &&
                            reply->tokens().back() == rows[i].id;
        if (!stands)
            return;
        if (i >= own)
            reply->guessedRight();
        m.cache().commit(reply->kv, reply->tokens().last(1));
        take(*reply, logits);
    };
    const bool ran = m.runner().decode(rows, cancel, std::ref(onLogits)); // by reference: a copy would be allocated
    if (m.checkpoint().changed())
        failAll(id, changedWhileInUse(m));
    else if (!ran)
        endInside(m, *batch.front());
    else if (Reply* reply = rows.size() > own ? find(owners.front()) : nullptr)
        settle(m, *reply);
}

/// After guesses: recurrent states that have read wrong ones go back, and read the right ones again with the next step.
void Engine::Impl::settle(LoadedModel& m, Reply& reply) {
    if (m.cache().settleStates(reply.kv))
        reply.behind = static_cast<int>(reply.tokens().size()) - 1 - m.cache().length(reply.kv);
    else
        m.cache().drop(std::exchange(reply.kv, -1));
}

/// Ends a reply that was cancelled inside a step. Recurrent states have moved on by an unknown part of it, so nobody
/// may find them again; keys and values beyond the sequence's length do no harm.
void Engine::Impl::endInside(LoadedModel& m, Reply& reply) {
    if (m.cache().hasStates())
        m.cache().drop(std::exchange(reply.kv, -1));
    end(reply, StopReason::Cancelled);
}

// ---- finish

void Engine::Impl::take(Reply& reply, std::span<float> logits) {
    if (const std::optional<StopReason> stop = reply.accept(logits))
        end(reply, *stop);
}

/// Takes the reply out, keeps its past in the cache, and tells whoever waits for it.
void Engine::Impl::end(Reply& reply, StopReason stop, const std::string& error) {
    const auto it = std::find_if(replies.begin(), replies.end(), [&](const auto& r) { return r.get() == &reply; });
    const std::unique_ptr<Reply> ended = std::move(*it);
    replies.erase(it);
    if (ended->kv >= 0) {
        model(ended->model()).cache().release(ended->kv);
        if (!ended->prefixFile().empty())
            unstored.push_back(
                {.model = ended->model(),
                 .file = ended->prefixFile(),
                 .spoken = {.text = ended->spelled(), .tokens = {ended->tokens().begin(), ended->tokens().end()}}});
    }
    ended->drafter.reset(); // whoever is told may unload its model
    ended->finish(stop, error);
}

/// The numbers of a model are worthless: its replies end, and so does what the cache holds.
void Engine::Impl::failAll(ModelId id, const std::string& error) {
    for (const auto& reply : replies)
        if (reply->model() == id && reply->kv >= 0) {
            model(id).cache().drop(reply->kv);
            reply->kv = -1;
        }
    model(id).cache().clear();
    for (size_t i = 0; i < replies.size();)
        if (replies[i]->model() == id)
            end(*replies[i], StopReason::Error, error);
        else
            ++i;
}

bool Engine::Impl::step() {
    endRefused();
    endCancelled();
    crossBorders();
    const Schedule& now = schedule();
    if (now.empty())
        return !replies.empty();
    LoadedModel& m = model(now.model);
    backend->limitThreads(m.threads());
    try {
        if (!now.decode.empty())
            runDecode(now.model, m, now.decode);
        if (Reply* reply = find(now.prefill))
            runPrefill(m, *reply, now.prefillTokens);
    } catch (const std::bad_alloc&) {
        failAll(now.model, "There is not enough memory for this context. A smaller one would fit.");
    } catch (const kernels::BackendError& error) {
        failAll(now.model, error.what());
    }
    return true;
}

void Engine::Impl::unload(ModelId id) {
    for (size_t i = 0; i < replies.size();)
        if (replies[i]->model() == id)
            end(*replies[i], StopReason::Cancelled);
        else
            ++i;
    dropDrafters(model(id));
    std::erase_if(unstored, [&](const Unstored& text) { return text.model == id; });
    models.erase(id);
}

// ---- the public surface

Engine::Engine(const EngineOptions& options) : impl_(std::make_unique<Impl>(options)) {}

Engine::~Engine() {
    while (!impl_->models.empty())
        impl_->unload(impl_->models.begin()->first);
}

LoadRoom Engine::room(const LoadOptions& options, std::span<const ModelId> leaving) const {
    const Checkpoint checkpoint = Checkpoint::open(options.path, options.overrides);
    PlacementInput input = placementInput(checkpoint, readModelConfig(checkpoint), options);
    input.devices.push_back({.freeBytes = impl_->freeBytes(leaving)});
    const Placement placement = planPlacement(input);
    LoadRoom room{
        .neededBytes = placement.totalBytes, .freeBytes = usableBytes(placement.freeBytes), .fits = placement.fits};
    if (room.fits)
        return room;
    const Value* name = checkpoint.metadata().find("general.name");
    const auto* text = name ? std::get_if<std::string>(name) : nullptr;
    room.refusal = doesNotFit(placement, text && !text->empty() ? *text : options.path, input.contextTokens);
    return room;
}

uint64_t Engine::residentBytes(ModelId id) const {
    const ResidentMemory& memory = impl_->model(id).memory();
    return memory.fileBytes + memory.ownBytes;
}

ModelId Engine::load(const LoadOptions& options, const std::function<bool(double)>& progress) {
    try {
        if (impl_->models.empty())
            impl_->ownBefore = ownProcessMemory();
        auto model = LoadedModel::load(*impl_->backend, options, progress, impl_->freeBytes({}));
        if (!model)
            return 0;
        impl_->models.emplace(++impl_->lastModel, std::move(model));
        return impl_->lastModel;
    } catch (const kernels::BackendError& error) {
        throw Error("The model " + printable(options.path, 400) + " cannot be run: " + error.what());
    } catch (const std::bad_alloc&) {
        throw Error({Trouble::NoMemory, {printable(options.path, 400)}},
                    "There is not enough memory to load " + printable(options.path, 400) + ".");
    }
}

void Engine::unload(ModelId id) {
    if (impl_->models.find(id) == impl_->models.end())
        return;
    if (impl_->stepping)
        impl_->unloadLater.push_back(id);
    else
        impl_->unload(id);
}

void Engine::setThreads(ModelId id, int threads) {
    impl_->model(id).setThreads(std::max(0, threads));
}

const ModelInfo& Engine::info(ModelId id) const {
    return impl_->model(id).info();
}

std::shared_ptr<const ModelText> Engine::text(ModelId id) const {
    return impl_->model(id).text();
}

SequenceId Engine::start(ModelId id, GenerationRequest request) {
    LoadedModel& model = impl_->model(id);
    requireGenerator(model);
    std::unique_ptr<Drafter> drafter;
    if (request.draft != 0)
        drafter = makeDrafter(impl_->model(request.draft), model);
    impl_->replies.push_back(
        std::make_unique<Reply>(++impl_->lastSequence, id, std::move(request), model.text(), model.config().nVocab));
    impl_->replies.back()->drafter = std::move(drafter);
    return impl_->lastSequence;
}

bool Engine::step() {
    if (impl_->stepping)
        throw Error("step() was called from inside one of its own callbacks.");
    impl_->stepping = true;

    struct Done {
        Impl& impl;

        ~Done() { impl.stepping = false; }
    } done{*impl_};

    const bool more = impl_->step();
    while (!impl_->unloadLater.empty()) {
        const ModelId id = impl_->unloadLater.back();
        impl_->unloadLater.pop_back();
        impl_->unload(id);
    }
    return more;
}

bool Engine::tidy() {
    std::vector<Impl::Unstored>& all = impl_->unstored;
    if (all.empty())
        return false;
    Impl::Unstored& text = all.front();
    try {
        LoadedModel& m = impl_->model(text.model);
        if (m.storePrefix(text.file, text.spoken.tokens))
            return true;
        if (!text.spoken.text.empty())
            m.storeSpoken(text.file, text.spoken);
    } catch (const std::bad_alloc&) { // it is read again next time
    }
    all.erase(all.begin());
    return !all.empty();
}

std::vector<PrefixFile::Spoken> Engine::spoken(ModelId id, const std::string& prefixFile) {
    return impl_->model(id).spoken(prefixFile);
}

void Engine::forgetPrefixFiles(const std::function<bool(const std::string&)>& which) {
    std::erase_if(impl_->unstored, [&](const Impl::Unstored& text) { return which(text.file); });
    for (const auto& reply : impl_->replies)
        if (!reply->prefixFile().empty() && which(reply->prefixFile()))
            reply->forgetPrefixFile();
    for (const auto& [id, model] : impl_->models)
        model->closePrefixFiles(which);
}

namespace {

/// A sequence of its own for `eval`, gone at the end however that comes.
class Evaluation {
public:
    using OnLogits = std::function<void(int, std::span<const float>)>;

    Evaluation(LoadedModel& model, std::span<const TokenId> tokens) : m_(model), tokens_(tokens) {
        kv_ = m_.cache().open(m_.space(tokens.size()));
        expands_ = m_.expands(static_cast<int>(tokens.size()), 0);
    }

    ~Evaluation() { drop(); }

    Evaluation(const Evaluation&) = delete;
    Evaluation& operator=(const Evaluation&) = delete;

    /// Tokens [begin, end), with the logits of those from `first` on.
    void feed(int begin, int end, int first, const OnLogits& onLogits) {
        std::vector<StepRow> rows;
        std::vector<int> wanted;
        for (int i = begin; i < end; ++i) {
            rows.push_back({.id = tokens_[static_cast<size_t>(i)], .position = i, .sequence = kv_});
            if (i >= first)
                wanted.push_back(i - begin);
        }
        if (!m_.prepare(kv_, end - begin))
            throw Error("The memory for this context is used up.");
        m_.runner().prefill({.rows = rows, .wanted = wanted, .expanded = expands_}, nullptr,
                            [&](size_t i, std::span<float> logits) { onLogits(begin + wanted[i], logits); });
        m_.cache().commit(kv_, tokens_.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
    }

    /// Stores the past, forgets it, brings it back.
    void storeAndRestore() {
        const std::vector<std::byte> stored = m_.save(kv_);
        drop();
        m_.cache().clear();
        kv_ = m_.restore(stored);
    }

private:
    void drop() {
        if (kv_ >= 0)
            m_.cache().drop(std::exchange(kv_, -1));
    }

    LoadedModel& m_;
    std::span<const TokenId> tokens_;
    KvSequence kv_ = -1;
    bool expands_ = false;
};

void checkTokens(std::span<const TokenId> tokens, const LoadedModel& m) {
    if (tokens.empty())
        throw Error("There are no tokens to evaluate.");
    if (tokens.size() > static_cast<size_t>(m.info().contextTokens))
        throw Error("There are " + std::to_string(tokens.size()) +
                    " tokens, but the context of this model as loaded has " + std::to_string(m.info().contextTokens) +
                    ".");
    for (const TokenId token : tokens)
        if (token < 0 || token >= m.config().nVocab)
            throw Error("The token " + std::to_string(token) + " is out of range: the model knows " +
                        std::to_string(m.config().nVocab) + ".");
}

} // namespace

void Engine::eval(ModelId id, std::span<const TokenId> tokens, const EvalOptions& options,
                  const Evaluation::OnLogits& onLogits) {
    LoadedModel& m = impl_->model(id);
    requireGenerator(m);
    checkTokens(tokens, m);
    impl_->backend->limitThreads(m.threads());
    const int n = static_cast<int>(tokens.size());
    const int first = options.last > 0 ? std::max(0, n - options.last) : 0;
    try {
        Evaluation evaluation(m, tokens);
        for (int at = 0; at < n;) {
            int end = options.chunk > 0 ? at + std::min(options.chunk, kChunkRows)
                                        : (at + kChunkRows) / kPageTokens * kPageTokens;
            if (options.restoreAt > at)
                end = std::min(end, options.restoreAt);
            end = std::min(end, n);
            evaluation.feed(at, end, first, onLogits);
            if (end == options.restoreAt)
                evaluation.storeAndRestore();
            at = end;
        }
    } catch (const kernels::BackendError& error) {
        throw Error(error.what());
    } catch (const std::bad_alloc&) {
        throw Error("There is not enough memory for this context.");
    }
    if (m.checkpoint().changed())
        throw Error(changedWhileInUse(m));
}

std::vector<float> Engine::eval(ModelId id, std::span<const TokenId> tokens, const EvalOptions& options) {
    std::vector<float> all;
    eval(id, tokens, options,
         [&](int, std::span<const float> logits) { all.insert(all.end(), logits.begin(), logits.end()); });
    return all;
}

std::vector<float> Engine::embed(ModelId id, std::span<const TokenId> tokens, Pooling pooling) {
    LoadedModel& m = impl_->model(id);
    if (!m.encoder())
        throw Error("The model " + m.info().name + " writes text and gives no vectors for texts.");
    checkTokens(tokens, m);
    impl_->backend->limitThreads(m.threads());
    try {
        const std::vector<float> vectors = m.encoder()->run(tokens);
        if (m.checkpoint().changed())
            throw Error(changedWhileInUse(m));
        return pool(vectors, m.config().dModel, pooling);
    } catch (const kernels::BackendError& error) {
        throw Error(error.what());
    } catch (const std::bad_alloc&) {
        throw Error("There is not enough memory for a text of " + std::to_string(tokens.size()) + " tokens.");
    }
}

Pooling Engine::pooling(ModelId id) const {
    const Metadata& metadata = impl_->model(id).checkpoint().metadata();
    const std::string key = metadata.text("general.architecture", "") + ".pooling_type";
    constexpr int64_t kCls = 2; // 1: mean
    return metadata.integer(key, 1) == kCls ? Pooling::Cls : Pooling::Mean;
}

double Engine::readBandwidth(ModelId id) {
    constexpr size_t kMost = size_t{1} << 30;
    std::span<const std::byte> sample = impl_->model(id).checkpoint().files().front()->bytes();
    impl_->backend->limitThreads(0);
    return impl_->backend->measureReadBandwidth(sample.first(std::min(sample.size(), kMost)));
}

double Engine::readBandwidth() {
    const std::vector<std::byte> sample(size_t{256} << 20, std::byte{1});
    impl_->backend->limitThreads(0);
    return impl_->backend->measureReadBandwidth(sample);
}

std::string Engine::backend() const {
    return impl_->backend->name();
}

std::string Engine::isa() const {
    return impl_->backend->isa();
}

} // namespace hearth::engine
