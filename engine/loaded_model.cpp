#include "engine/loaded_model.h"

#include "engine/chat_template_families.h"
#include "engine/error.h"
#include "engine/latent_form.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <filesystem>

namespace hearth::engine {

namespace {

// Raised when the same file and settings begin to give other numbers: stored states then no longer fit.
constexpr uint64_t kNumericsVersion = 16;

/// The sampling that the file recommends (general.sampling.*), over the program's defaults.
SamplerSettings recommendedSampling(const Metadata& metadata) {
    SamplerSettings s;
    const auto number = [&](const char* key, float fallback) {
        const Value* value = metadata.find(key);
        if (!value || (!std::holds_alternative<double>(*value) && !std::holds_alternative<int64_t>(*value)))
            return fallback; // a recommendation that cannot be read is none
        const double recommended = metadata.number(key, fallback);
        return std::abs(recommended) <= 1e9 ? static_cast<float>(recommended) : fallback; // nor is NaN
    };
    const auto integer = [&](const char* key, int fallback) {
        return static_cast<int>(
            std::clamp(number(key, static_cast<float>(fallback)), -1.0f, static_cast<float>(1 << 20)));
    };
    s.temperature = number("general.sampling.temp", s.temperature);
    s.topK = integer("general.sampling.top_k", s.topK);
    s.topP = number("general.sampling.top_p", s.topP);
    s.minP = number("general.sampling.min_p", s.minP);
    s.repetitionPenalty = number("general.sampling.penalty_repeat", s.repetitionPenalty);
    s.frequencyPenalty = number("general.sampling.penalty_freq", s.frequencyPenalty);
    s.presencePenalty = number("general.sampling.penalty_present", s.presencePenalty);
    s.penaltyWindow = integer("general.sampling.penalty_last_n", s.penaltyWindow);
    return s.validated();
}

void addNotice(std::string& notice, const std::string& sentence) {
    notice += (notice.empty() ? "" : " ") + sentence;
}

/// A template that cannot be read must not keep its model from running: messages then go in the family's form.
std::unique_ptr<const ChatTemplate> readTemplate(const Metadata& metadata, const Tokenizer& tokenizer,
                                                 std::string& notice) {
    try {
        return ChatTemplate::fromMetadata(metadata, &tokenizer);
    } catch (const Error& error) {
        addNotice(notice,
                  std::string("The chat template of this file cannot be used, so messages are given to the model in "
                              "the usual form of its family: ") +
                      error.what());
        return ChatTemplate::ofFamily(metadata, &tokenizer);
    }
}

/// Stands where a model's tokenizer cannot be read: the ids that end a turn are known, texts are not.
class NoTokenizer final : public Tokenizer {
public:
    NoTokenizer(const Metadata& m, std::string why) : why_(std::move(why)) {
        bos_ = static_cast<TokenId>(m.integer("tokenizer.ggml.bos_token_id", -1));
        eos_ = static_cast<TokenId>(m.integer("tokenizer.ggml.eos_token_id", -1));
        for (const int64_t id : m.integers("tokenizer.ggml.eos_token_ids"))
            stopIds_.push_back(static_cast<TokenId>(id));
        if (stopIds_.empty() && eos_ >= 0)
            stopIds_.push_back(eos_);
        std::sort(stopIds_.begin(), stopIds_.end());
    }

    void appendBytes(TokenId, std::string&, bool) const override {}

    int size() const override { return 0; }

    TokenKind kind(TokenId) const override { return TokenKind::Normal; }

    std::string_view tokenText(TokenId) const override { return {}; }

    TokenId find(std::string_view) const override { return -1; }

protected:
    void encodeInto(std::string_view, std::span<const TaggedText::Range>, Untrusted,
                    std::vector<TokenId>&) const override {
        throw Error("This model can be given no text: " + why_);
    }

private:
    std::string why_;
};

/// A folder whose tokenizer cannot be read still runs on token ids.
std::unique_ptr<const Tokenizer> readTokenizer(const Checkpoint& checkpoint, std::string& notice) {
    try {
        return Tokenizer::fromCheckpoint(checkpoint);
    } catch (const Error& error) {
        if (checkpoint.folder().empty())
            throw;
        addNotice(notice, std::string("This model takes and gives numbers of tokens only, no text: ") + error.what());
        return std::make_unique<NoTokenizer>(checkpoint.metadata(), error.what());
    }
}

std::shared_ptr<const ModelText> readText(const Checkpoint& checkpoint, int contextTokens, std::string& notice) {
    const Metadata& metadata = checkpoint.metadata();
    auto text = std::make_shared<ModelText>();
    text->tokenizer = readTokenizer(checkpoint, notice);
    text->chatTemplate = readTemplate(metadata, *text->tokenizer, notice);
    text->defaultSampling = recommendedSampling(metadata);
    text->contextTokens = contextTokens;
    return text;
}

uint64_t asBits(float value) {
    uint32_t bits = 0;
    static_assert(sizeof bits == sizeof value);
    __builtin_memcpy(&bits, &value, sizeof bits);
    return bits;
}

void mixValue(Hash128& key, const std::string& value) {
    key.mix(value);
}

void mixValue(Hash128& key, double value) {
    key.mix(std::bit_cast<uint64_t>(value));
}

void mixValue(Hash128& key, int64_t value) {
    key.mix(static_cast<uint64_t>(value));
}

void mixValue(Hash128& key, bool value) {
    key.mix(static_cast<uint64_t>(value));
}

template <typename T>
void mixValue(Hash128& key, const std::vector<T>& values) {
    key.mix(values.size());
    for (const auto& value : values)
        mixValue(key, value);
}

} // namespace

ModelInfo infoFrom(const Checkpoint& checkpoint, const std::string& path) {
    const Metadata& metadata = checkpoint.metadata();
    const auto text = [&](const char* key) {
        const Value* value = metadata.find(key);
        const auto* string = value ? std::get_if<std::string>(value) : nullptr;
        return string ? printable(*string, 200) : std::string();
    };
    ModelInfo info;
    info.path = path;
    info.name = text("general.name");
    if (info.name.empty())
        info.name = printable(std::filesystem::path(path).stem().string(), 200);
    info.family = text("general.architecture");
    info.quant = mainType(checkpoint);
    info.parameters = parameterCount(checkpoint);
    info.fileBytes = checkpoint.fileBytes();
    info.templateNotes = inspectTemplate(metadata);
    return info;
}

LoadedModel::LoadedModel(kernels::Backend& backend, const LoadOptions& options)
    : backend_(backend), checkpoint_(Checkpoint::open(options.path, options.overrides)),
      config_(readModelConfig(checkpoint_)), rowPace_(options.timeSteps) {
    const auto hasState = [&](const LayerConfig& layer) { return stateBytes(config_, layer) > 0; };
    // A chunk that expands may pause and begin anew, which recurrent states do not bear.
    if (backend.expandsLatents() && canExpandLatents(config_.latent) && std::ranges::none_of(config_.layers, hasState))
        latentForm_ = options.latentForm;
}

LoadedModel::~LoadedModel() {
    encoder_.reset();
    runner_.reset();
    cache_.reset();
    memory_.reset();
    for (const kernels::MemoryId memory : memories_)
        backend_.release(memory);
}

std::unique_ptr<LoadedModel> LoadedModel::load(kernels::Backend& backend, const LoadOptions& options,
                                               const std::function<bool(double)>& progress, uint64_t freeBytes) {
    const auto begin = std::chrono::steady_clock::now();
    const auto goOn = [&](double done) { return !progress || progress(done); };
    if (!goOn(0))
        return nullptr;
    std::unique_ptr<LoadedModel> model(new LoadedModel(backend, options));
    PlacementInput input = placementInput(model->checkpoint_, model->config_, options);
    input.devices.push_back({.freeBytes = freeBytes});
    const Placement placement = planPlacement(input);
    model->describe(options, input);
    model->resident_ = residentMemory(input, placement);
    if (!placement.fits)
        throw Error(reasonNotToFit(placement, model->info_.name),
                    doesNotFit(placement, model->info_.name, input.contextTokens));
    if (!goOn(0.05))
        return nullptr;
    model->text_ = readText(model->checkpoint_, input.contextTokens, model->info_.notice);
    constexpr auto kParts = Checkpoint::Parts::Keep;                              // each expert is read where it lies
    const double derived = model->checkpoint_.derivedBytes(kParts) > 0 ? 0.4 : 0; // part of the time
    if (!goOn(0.1) || !model->checkpoint_.derive([&](double done) { return goOn(0.1 + derived * done); }, kParts) ||
        !model->checkpoint_.prefault([&](double done) { return goOn(0.1 + derived + (0.85 - derived) * done); }))
        return nullptr;
    model->weights_ = bindWeights(model->checkpoint_, model->config_, options.numerics, backend, model->memories_);
    if (model->config_.causal)
        model->buildCache(options, placement);
    else
        model->encoder_ = std::make_unique<Encoder>(backend, model->config_, model->weights_, options.numerics);
    if (model->checkpoint_.changed())
        throw Error({Trouble::Changed, {printable(options.path, 400)}},
                    "The file " + printable(options.path, 400) + " changed while it was loaded.");
    if (!goOn(1))
        return nullptr;
    model->info_.loadSeconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return model;
}

void LoadedModel::describe(const LoadOptions& options, const PlacementInput& input) {
    info_ = infoFrom(checkpoint_, options.path);
    info_.contextTokens = input.contextTokens;
    info_.trainedContextTokens = config_.trainedContext;
    info_.embeds = !config_.causal;
    info_.embeddingSize = config_.causal ? 0 : config_.dModel;
    info_.nVocab = config_.nVocab;
    info_.kvBytesPerToken = input.kvBytesPerToken;
    info_.kvShareOfHeads = kvShareOfHeads(config_);
    info_.backend = backend_.name();
    info_.isa = backend_.isa();
    for (const PlacedTensor& tensor : input.tensors)
        info_.bytesPerToken += tensor.bytesPerToken;
}

void LoadedModel::buildCache(const LoadOptions& options, const Placement& placement) {
    KvCache::Options cache;
    cache.layout = layoutKv(kvLayers(config_), kvTypeFor(options));
    cache.key = cacheKey(options, cache.layout.type);
    char key[17];
    std::snprintf(key, sizeof key, "%016llx", static_cast<unsigned long long>(cache.key.a ^ cache.key.b));
    info_.cacheKey = key;
    // One context and the page that a branch copies; twice that where memory allows, for what earlier chats left.
    const int once = info_.contextTokens / kPageTokens + 2;
    cache.pages = placement.freeBytes - placement.totalBytes > 2 * placement.kvBytes ? 2 * once : once;
    memory_ = std::make_unique<KvMemory>(backend_, cache.layout, cache.pages);
    cache.copyPage = [memory = memory_.get()](int group, int from, int to) { memory->copyPage(group, from, to); };
    cache_ = std::make_unique<KvCache>(std::move(cache));
    runner_ = std::make_unique<StepRunner>(StepRunner::Options{.backend = backend_,
                                                               .config = config_,
                                                               .weights = weights_,
                                                               .cache = *cache_,
                                                               .memory = *memory_,
                                                               .numerics = options.numerics,
                                                               .floatPrompts = floatPrompts(config_, options),
                                                               .contextTokens = info_.contextTokens});
}

Hash128 LoadedModel::cacheKey(const LoadOptions& options, kernels::Type kvType) const {
    Hash128 key;
    key.mix(kNumericsVersion);
    key.mix(backend_.name()); // sums of another order have other bits
    key.mix(backend_.isa());
    key.mix(static_cast<uint64_t>(options.numerics));
    key.mix(static_cast<uint64_t>(kvType));
    key.mix(static_cast<uint64_t>(floatPrompts(config_, options)));
    key.mix(static_cast<uint64_t>(latentForm_));
    key.mix(info_.name);
    key.mix(checkpoint_.fileBytes());
    for (const TensorEntry& tensor : checkpoint_.tensors()) {
        key.mix(tensor.name);
        key.mix(tensor.ggmlId);
        key.mix(tensor.offset);
        // The first bytes tell two fine-tunes of the same shapes apart.
        const std::span<const std::byte> bytes = checkpoint_.bytes(tensor);
        key.mix(std::string_view(reinterpret_cast<const char*>(bytes.data()), std::min<size_t>(bytes.size(), 64)));
    }
    for (const RopeConfig& rope : config_.ropes) {
        key.mix(asBits(rope.theta));
        key.mix(static_cast<uint64_t>(rope.dims));
        key.mix(asBits(rope.attentionFactor));
        for (const float factor : rope.factors)
            key.mix(asBits(factor));
    }
    // Scales, windows, gates: whatever a family reads, overrides included. Words do not change what they are turned
    // into.
    for (const auto& [name, value] : checkpoint_.metadata().all())
        if (name.rfind("tokenizer.", 0) != 0) {
            key.mix(name);
            std::visit([&](const auto& v) { mixValue(key, v); }, value);
        }
    return key;
}

int LoadedModel::space(size_t tokens) const {
    const auto beyond = [&](const RopeConfig& rope) {
        return rope.border > 0 && tokens > static_cast<size_t>(rope.border);
    };
    return std::any_of(config_.ropes.begin(), config_.ropes.end(), beyond) ? 1 : 0;
}

bool LoadedModel::expands(int newTokens, int cachedTokens) const {
    return latentForm_ == LatentForm::Auto ? expandsLatents(config_.latent, newTokens, cachedTokens)
                                           : latentForm_ == LatentForm::Expanded;
}

bool LoadedModel::prepare(KvSequence sequence, int n) {
    if (!cache_->prepare(sequence, n))
        return false;
    for (size_t g = 0; g < cache_->layout().groups.size(); ++g)
        memory_->ensure(static_cast<int>(g), cache_->highestPage(static_cast<int>(g)));
    return true;
}

/// Few stay open: those of the conversations of this hour.
PrefixFile* LoadedModel::prefixFile(const std::string& path) {
    constexpr size_t kMostOpen = 16;
    const auto found = prefixFiles_.find(path);
    if (found != prefixFiles_.end() && !(found->second && found->second->deleted()))
        return found->second.get();
    prefixFiles_.erase(path);
    if (prefixFiles_.size() >= kMostOpen)
        prefixFiles_.clear();
    std::unique_ptr<PrefixFile> file;
    try {
        file = std::make_unique<PrefixFile>(path, *cache_);
    } catch (const Error&) { // the prompt is computed as if nothing had been kept
    }
    return prefixFiles_.emplace(path, std::move(file)).first->second.get();
}

void LoadedModel::restorePrefix(const std::string& path, std::span<const TokenId> prompt,
                                const std::atomic<bool>* cancel) {
    const int space = this->space(prompt.size());
    if (cache_->match(prompt, static_cast<int>(prompt.size()), space) + kPageTokens >= static_cast<int>(prompt.size()))
        return; // nothing to gain
    const auto write = [&](int group, int page, std::span<const std::byte> in) { memory_->write(group, page, in); };
    try {
        PrefixFile* file = prefixFile(path);
        if (!file || file->empty())
            return;
        const int pages = static_cast<int>(prompt.size()) / kPageTokens + 1;
        for (int g = 0; g < static_cast<int>(cache_->layout().groups.size()); ++g)
            memory_->reserve(g, cache_->highestPage(g) + pages);
        file->restore(*cache_, prompt, space, write, cancel);
    } catch (const std::bad_alloc&) { // what came back so far is whole
    } catch (const kernels::BackendError&) {
    }
}

void LoadedModel::storeSpoken(const std::string& path, const PrefixFile::Spoken& spoken) {
    if (PrefixFile* file = prefixFile(path))
        file->appendSpoken(spoken);
}

std::vector<PrefixFile::Spoken> LoadedModel::spoken(const std::string& path) {
    try {
        if (const PrefixFile* file = prefixFile(path))
            return file->spoken();
    } catch (const std::bad_alloc&) { // it is read as if it were new
    }
    return {};
}

void LoadedModel::closePrefixFiles(const std::function<bool(const std::string&)>& which) {
    std::erase_if(prefixFiles_, [&](const auto& entry) { return which(entry.first); });
}

bool LoadedModel::storePrefix(const std::string& path, std::span<const TokenId> text) {
    PrefixFile* file = prefixFile(path);
    return file && file->append(*cache_, text, space(text.size()), [&](int group, int page, std::span<std::byte> out) {
        memory_->read(group, page, out);
    });
}

std::vector<std::byte> LoadedModel::save(KvSequence sequence) const {
    return cache_->save(sequence,
                        [&](int group, int page, std::span<std::byte> out) { memory_->read(group, page, out); });
}

KvSequence LoadedModel::restore(std::span<const std::byte> bytes) {
    return cache_->load(bytes,
                        [&](int group, int page, std::span<const std::byte> in) { memory_->write(group, page, in); });
}

} // namespace hearth::engine
