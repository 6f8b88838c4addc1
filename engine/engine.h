#pragma once

#include "engine/chat_template.h"
#include "engine/encoder.h"
#include "engine/error.h"
#include "engine/grammar.h"
#include "engine/grammar/token_trie.h"
#include "engine/numerics.h"
#include "engine/prefix_file.h"
#include "engine/sampler.h"
#include "engine/tokenizer.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hearth::engine {

class Checkpoint;

/// Q8_0 and Q4_0 keep blocks of 32 numbers of a head: 1/2 and 1/4 of F16, and a scale.
enum class KvType : uint8_t { F32, F16, BF16, Q8_0, Q4_0 };

/// How prompt tokens meet the cached latents of MLA: as it is cheaper for the request, or always in one way (tests).
enum class LatentForm : uint8_t { Auto, Absorbed, Expanded };

struct EngineOptions {
    std::string backend = "auto"; // "cpu", "cuda", "auto"
    int threads = 0;              // 0: one a physical core
    int mostThreads = 0;          // that setThreads() can give a model, where these are more
};

inline constexpr int kSmallWidth = 1024; // numbers of a token in the residual stream

struct LoadOptions {
    std::string path;      // a GGUF file (the first part of a split one)
    int contextTokens = 0; // 0: the model's own, at most 8192
    Numerics numerics = Numerics::Fast;
    KvType kv = KvType::F16;                                    // Exact always uses F32
    std::vector<std::pair<std::string, std::string>> overrides; // metadata key, value (`--set`)
    /// Prompt tokens meet the weights as floats in fast numerics too. Absent: in models of less than kSmallWidth, whose
    /// logits 8-bit activations disturb most and which are fast anyway.
    std::optional<bool> floatPrompts;
    LatentForm latentForm = LatentForm::Auto;
    /// Whether guesses are tried by what steps took on this machine. If not, by what is assumed of any, so that the
    /// same requests try the same guesses everywhere: tests.
    bool timeSteps = true;
};

/// What is known of a loaded model; data only.
struct ModelInfo {
    std::string path;
    std::string name;   // general.name, else the file's
    std::string family; // "llama"
    std::string quant;  // "Q4_K": the type of most weights
    uint64_t parameters = 0;
    uint64_t fileBytes = 0;
    int contextTokens = 0; // available in this load
    int trainedContextTokens = 0;
    int nVocab = 0;
    bool embeds = false;   // an encoder: it gives vectors, not text
    int embeddingSize = 0; // numbers of such a vector
    std::string cacheKey;  // 16 hexadecimal digits: what the bytes of a stored cache depend on
    uint64_t kvBytesPerToken = 0;
    double kvShareOfHeads = 1; // of what the keys and values of every query head would take
    std::string backend;       // "CPU"
    std::string isa;
    uint64_t bytesPerToken = 0; // of weights, read for each generated token
    double loadSeconds = 0;
    std::string notice;                     // what a person should know of this file, a sentence; mostly empty
    std::vector<std::string> templateNotes; // the same of its chat template (see inspectTemplate)
};

/// The parts of a model that are text. Immutable, shared with any thread: the composer counts tokens with it.
struct ModelText {
    std::unique_ptr<const Tokenizer> tokenizer;
    std::unique_ptr<const ChatTemplate> chatTemplate;
    SamplerSettings defaultSampling; // the file's own recommendation where it has one
    int contextTokens = 0;
    grammar::LazyTokenTrie trie; // for grammars
};

/// Where one tensor of a file would lie.
struct InspectedTensor {
    std::string name;
    std::string type;  // "Q4_K"
    std::string shape; // "576 x 1536", innermost first
    uint64_t bytes = 0;
    std::string device; // "CPU"
};

/// What a file is and what running it would take, found without loading it.
struct Inspection {
    ModelInfo info;      // backend and isa are empty
    std::string format;  // "GGUF v3"
    std::string problem; // why it cannot be run, a sentence; empty: it can
    std::vector<InspectedTensor> tensors;
    std::vector<std::pair<std::string, uint64_t>> bytesByType; // largest first
    Metadata metadata;

    // Placement, where there is no problem.
    uint64_t weightBytes = 0;
    uint64_t kvBytes = 0; // of the whole context
    uint64_t scratchBytes = 0;
    uint64_t totalBytes = 0;
    uint64_t freeBytes = 0; // now
    bool fits = false;
    int largestContext = 0;              // that fits, at most the one asked for
    double predictedTokensPerSecond = 0; // 0: the bandwidth is unknown
};

/// Reads a file's header and plans its placement. `readBandwidth` in bytes a second as Engine::readBandwidth() measures
/// it, 0: unknown. Any thread. Throws Error when the file cannot be read at all.
Inspection inspectFile(const LoadOptions&, double readBandwidth = 0);
/// The same of a header alone, such as that of a file which is not here yet; `path` of the options is only a name.
Inspection inspectHeader(const Checkpoint&, const LoadOptions&, double readBandwidth = 0);

/// Raw blocks of a quantized type as numbers, and back. Throw Error: unknown type, sizes that do not fill blocks, a
/// type without an encoder.
std::vector<float> dequantize(std::string_view type, std::span<const std::byte> blocks);
std::vector<std::byte> quantize(std::string_view type, std::span<const float> numbers);

struct BenchOptions {
    int prompt = 512;  // 0: not timed
    int generate = 64; // 0: not timed
    int depth = 0;     // tokens in the cache before prompt and generation
    int sequences = 1; // generated at the same time
    int repeat = 3;    // the median counts
};

struct BenchResult {
    double prefillTokensPerSecond = 0;
    double decodeTokensPerSecond = 0; // of all sequences together
    double decodeGBPerSecond = 0;     // weights and cache read while generating
    double readGBPerSecond = 0;       // the machine's, measured in alternation
    double firstTokenSeconds = 0;     // prompt and first token, cold cache
    double loadSeconds = 0;
    uint64_t peakBytes = 0; // resident, of the process
    std::string logitsHash; // of the last logits, hexadecimal
    std::string isa;
};

using ModelId = uint32_t;
using SequenceId = uint64_t;

enum class StopReason : uint8_t { EndOfTurn, MaxTokens, ContextFull, Cancelled, Error };
enum class Priority : uint8_t { Chat, Background };

struct TokenOut {
    TokenId id = -1;
    std::string text;     // whole UTF-8 characters only, may be empty
    bool thought = false; // belongs to the thoughts, not to the answer
};

struct GenerationSummary {
    StopReason stop = StopReason::EndOfTurn;
    std::string error; // a sentence, when stop is Error
    int promptTokens = 0;
    int prefilledTokens = 0; // of these, computed now; the others came from the cache
    int generatedTokens = 0;
    int guessedTokens = 0; // that were fed before it was known whether they follow
    int rightGuesses = 0;  // of these, those that did
    double prefillSeconds = 0;
    double decodeSeconds = 0;
};

/// All callbacks run on the engine thread, inside Engine::step() (onFinish also inside unload()).
struct GenerationRequest {
    std::vector<TokenId> prompt; // as rendered; bos included
    std::string promptText;      // for ThoughtSplitter; may be empty
    SamplerSettings sampling;
    int maxTokens = -1;    // -1: to the end of the context
    bool stopAtEnd = true; // stop at the model's stop ids
    /// What the answer (not the thoughts before it) must look like; null: anything. The reply ends with EndOfTurn when
    /// nothing may follow; one that ends otherwise (MaxTokens) is the beginning of such a text.
    std::shared_ptr<const Grammar> grammar;
    /// Tokens that repeat earlier ones are guessed and checked several at once, where that pays (see speculation.h).
    /// The text does not depend on it.
    bool guessAhead = true;
    /// A smaller model of the same vocabulary that guesses where nothing repeats; 0: none.
    ModelId draft = 0;
    /// A file in which the model's cache of this conversation is kept from one session to the next, so that its past is
    /// not read again; empty: none. It is read before the prompt is, and written by Engine::tidy().
    std::string prefixFile;
    Priority priority = Priority::Chat;
    std::shared_ptr<std::atomic<bool>> cancel; // set from any thread; seen before the next operation
    std::function<void(int done, int total)> onPrefill;
    std::function<void(const TokenOut&)> onToken;
    std::function<void(const GenerationSummary&)> onFinish;
};

/// What a load would take, and find.
struct LoadRoom {
    uint64_t neededBytes = 0, freeBytes = 0;
    bool fits = false;
    std::string refusal; // what load() would throw; empty: it fits
};

/// The public surface. One object, one thread (the engine's); nothing here blocks but load() and step(), and step()
/// returns after about 100 ms at most. Throws Error.
class Engine {
public:
    explicit Engine(const EngineOptions&);
    ~Engine();

    /// Maps and checks the file, builds the plans. `progress` (0 to 1) returns false to cancel: then load returns 0.
    ModelId load(const LoadOptions&, const std::function<bool(double)>& progress = {});
    /// Whether a load would fit beside the models that are there, when some of them left first. Reads the header.
    /// Throws Error where that cannot be read or run.
    LoadRoom room(const LoadOptions&, std::span<const ModelId> leaving = {}) const;
    /// What a loaded model takes when its context is full.
    uint64_t residentBytes(ModelId) const;

    /// At most so many threads compute for this model, from the next step on; 0: as the options say. Its numbers do not
    /// depend on it.
    void setThreads(ModelId, int threads);

    /// Its sequences finish as Cancelled, at once. Called from inside a callback it waits for the end of step().
    void unload(ModelId);

    const ModelInfo& info(ModelId) const;
    std::shared_ptr<const ModelText> text(ModelId) const;

    SequenceId start(ModelId, GenerationRequest);
    /// Schedules, runs and finishes one batch. False when there is nothing to do.
    bool step();
    /// Does a little of what can wait for an idle moment: writes a page of a prefix file. False: nothing is left.
    bool tidy();
    /// What a prefix file has of this model's, newest first: prompts that begin with such a text should begin with its
    /// tokens.
    std::vector<PrefixFile::Spoken> spoken(ModelId, const std::string& prefixFile);
    /// Nothing more is written to these files, by running replies neither, and they are closed: they are about to be
    /// deleted.
    void forgetPrefixFiles(const std::function<bool(const std::string& path)>& which);

    /// Feeds tokens from an empty cache and gives the logits (nVocab each, f32) of the last `last` positions (all when
    /// <= 0): `eval`, `perplexity`, tests. `chunk` cuts the prefill; `restoreAt` stores the cache there, drops it,
    /// restores it.
    struct EvalOptions {
        int last = 0;
        int chunk = 0;
        int restoreAt = 0;
    };

    std::vector<float> eval(ModelId, std::span<const TokenId>, const EvalOptions&);
    /// The same, position by position, without holding them all: for `perplexity` and long inputs.
    void eval(ModelId, std::span<const TokenId>, const EvalOptions&,
              const std::function<void(int position, std::span<const float> logits)>&);

    /// The vectors that an encoder gives for a text's tokens: (tokens, embeddingSize), or one of embeddingSize where
    /// `pooling` joins them. Not normalized. Throws Error, also for models that are no encoders.
    std::vector<float> embed(ModelId, std::span<const TokenId>, Pooling);
    /// How the model's makers join the vectors of a text.
    Pooling pooling(ModelId) const;

    /// Bytes a second at which weights are read, all threads, measured now (about 0.1 s) over the model's own tensors.
    double readBandwidth(ModelId);
    /// The same over memory of the engine's own, before any model is loaded.
    double readBandwidth();

    /// Times this model alone; nothing else must be running.
    BenchResult bench(ModelId, const BenchOptions&);

    std::string backend() const; // "CPU"
    std::string isa() const;     // "avx2": the rows in use

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace hearth::engine
