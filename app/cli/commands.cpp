#include "app/cli/commands.h"

namespace hearth::cli {

namespace {

constexpr Option kModel = {"--model", "M", "a GGUF file, or its name in the models' folder", true};
constexpr Option kJson = {"--json", "", "one JSON object instead of text"};
constexpr Option kContext = {"--context", "N", "tokens of context (the model's own, at most 8192)"};
constexpr Option kSet = {"--set", "KEY=VALUE", "overrides a metadata key of the model before it is read", false, true};
constexpr Option kTokens = {"--tokens", "IDS", "token ids with commas, or @FILE", true};

constexpr Option kRunOptions[] = {
    {"--backend", "B", "cpu, cuda or auto"},
    {"--threads", "N", "threads (one for each physical core)"},
    {"--kv", "T", "type of the cache: f32, f16, bf16, q8_0 or q4_0"},
    {"--numerics", "N", "exact (f32 activations and cache) or fast"},
    kSet,
};

constexpr Option kChat[] = {
    kModel,
    {"--system", "S", "the system prompt"},
    {"--prompt", "P", "one turn; without it turns are read from standard input, a line each"},
    {"--max-tokens", "N", "length of a reply at most"},
    {"--temperature", "T", "0: always the likeliest token"},
    {"--seed", "S", "the same seed gives the same reply"},
    {"--grammar", "FILE", "the answer matches this grammar (GBNF)"},
    {"--json-schema", "FILE", "the answer is a JSON document that this schema allows"},
    {"--speculate", "HOW", "lookup (guess from what was said before, the default), a model that guesses, or off"},
    kContext,
    kJson,
};
constexpr Option kEval[] = {
    kModel,
    kTokens,
    {"--logits", "OUT.npy", "where the logits go: float32 [K, nVocab]", true},
    {"--last", "K", "only the last K positions (all)"},
    {"--chunk", "N", "cuts the prefill"},
    {"--restore-at", "N", "stores the cache there, drops it, restores it"},
    kContext,
};
constexpr Option kGenerate[] = {kModel, kTokens, {"-n", "N", "how many tokens (16)"}, kContext, kJson};
constexpr Option kEmbed[] = {
    kModel,
    {"--tokens", "IDS", "token ids with commas, or @FILE, instead of texts from standard input"},
    {"--pooling", "P", "mean, cls, or none: an array for each token (as the model's makers do)"},
    kContext,
    kJson,
};
constexpr Option kPerplexity[] = {
    kModel, {"--text", "F", "a file of UTF-8 text", true}, {"--context", "N", "tokens of a window (1024)"}, kJson};
constexpr Option kTokenizerOf = {"--model", "M", "the tokenizer of this model"};
constexpr Option kTokenizer = {"--tokenizer", "FILE", "a tokenizer.json, or a folder with one"};
constexpr Option kTokenize[] = {kTokenizerOf, kTokenizer, kSet, {"--special", "", "text may name control tokens"}};
constexpr Option kDetokenize[] = {kTokenizerOf, kTokenizer, kSet};
constexpr Option kTemplate[] = {
    {"--model", "M", "the template of this model"},
    {"--template", "FILE", "a template of its own"},
    {"--now", "TIME", "the time for strftime_now, as 2025-07-04T09:05:03"},
    kSet,
};
constexpr Option kBlocks[] = {
    {"--type", "T", "a quantized type, as Q4_K", true},
    {"--in", "FILE", "what is read", true},
    {"--out", "FILE", "what is written", true},
};
constexpr Option kQuantize[] = {
    {"--type", "T", "F32, F16, BF16, Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q3_K_M, Q2_K, IQ4_XS and others", true},
    {"--threads", "N", "threads (one for each physical core)"},
    kSet,
    kJson,
};
constexpr Option kDatabase = {"--db", "FILE",
                              "the database (HEARTH_DATA, else ~/.local/share/hearth, and hearth.db in it)"};
constexpr Option kModelsList[] = {
    {"--own", "", "only those of the models' folder"},
    {"--facts", "", "reads every header too: quant, licence, context, whether it can be run"},
    kDatabase,
    kJson,
};
constexpr Option kModelsImport[] = {
    {"--how", "HOW", "copy (as it is), move, hardlink or symlink"},
    {"--name", "N", "what it is called there (as it is)"},
    {"--dry-run", "", "only says what would happen"},
    {"--duplicate", "", "brings it though the library has the same bytes"},
    kDatabase,
    kJson,
};
constexpr Option kModelsRemove[] = {
    {"--restore", "", "brings it back from the trash"},
    kDatabase,
    kJson,
};
constexpr Option kModelsFit[] = {kContext, kDatabase, kJson};
constexpr Option kInspect[] = {kContext, kJson, {"--tensors", "", "every tensor too"}};
constexpr Option kBench[] = {
    kModel,
    {"--prompt", "N", "tokens of the prompt (512)"},
    {"--generate", "N", "tokens generated (64)"},
    {"--depth", "N", "tokens in the cache before (0)"},
    {"--sequences", "N", "generated at the same time (1)"},
    {"--repeat", "N", "the median of so many runs counts (3)"},
    kContext,
    kJson,
};

#ifdef HEARTH_NETWORK
constexpr Option kHub = {"--hub", "H", "huggingface (as it is) or modelscope"};
constexpr Option kBase = {"--base", "URL", "the hub's address, such as a mirror's (HF_ENDPOINT, MODELSCOPE_ENDPOINT)"};
constexpr Option kRevision = {"--revision", "R", "a branch, tag or commit (the newest)"};
constexpr Option kModelsSearch[] = {kHub, kBase, {"--limit", "N", "models at most (20)"}, kJson};
constexpr Option kModelsShow[] = {
    kHub,
    kBase,
    kRevision,
    {"--file", "F", "judges this file by its header: its quant or name"},
    {"--context", "N", "tokens of context to judge it with (the model's own, at most 8192)"},
    {"--card", "", "the model's card too"},
    kJson,
};
constexpr Option kModelsPull[] = {
    kHub,
    kBase,
    kRevision,
    {"--file", "F", "which: a quant such as Q4_K_M, or a file's name (the only one, else Q4_K_M)"},
    {"--to", "FOLDER", "the library (HEARTH_MODELS, else ~/.local/share/hearth/models)"},
    {"--connections", "N", "at once (4)"},
    {"--limit-rate", "N", "bytes a second at most"},
    kJson,
};
#endif

constexpr Command kCommands[] = {
    {"chat", "--model M [--prompt P]", "talk with a model",
     "The reply is streamed; thoughts go to standard error. Ctrl+C stops a reply.", kChat, kRunOptions, 0, runChat},
    {"eval", "--model M --tokens IDS --logits OUT.npy", "logits for token ids",
     "Prints {\"argmax\": [one for each position]}. Numerics are exact unless set.", kEval, kRunOptions, 0, runEval},
    {"generate", "--model M --tokens IDS", "greedy continuation of token ids",
     "Prints {\"tokens\": [...]}; does not stop at the end of a turn. Numerics are exact unless set.", kGenerate,
     kRunOptions, 0, runGenerate},
    {"embed", "--model M", "vectors for texts",
     "Reads a text a line, prints one JSON array of numbers a line, not normalized. Numerics are exact unless set.",
     kEmbed, kRunOptions, 0, runEmbed},
    {"perplexity", "--model M --text F", "how well a model predicts a text",
     "Windows that do not overlap; all but the first token of each are scored; an incomplete last one is dropped.",
     kPerplexity, kRunOptions, 0, runPerplexity},
    {"tokenize",
     "--model M | --tokenizer FILE",
     "texts to token ids",
     "Reads one JSON string a line, prints one JSON array of ids a line; none are added.",
     kTokenize,
     {},
     0,
     runTokenize},
    {"detokenize",
     "--model M | --tokenizer FILE",
     "token ids to texts",
     "Reads one JSON array of ids a line, prints one JSON string a line.",
     kDetokenize,
     {},
     0,
     runDetokenize},
    {"template",
     "--model M | --template FILE",
     "render a chat template",
     "Reads one JSON object of variables a line, prints {\"text\": ...} or {\"error\": ...} a line.",
     kTemplate,
     {},
     0,
     runTemplate},
    {"dequantize", "--type T --in BLOCKS.bin --out X.npy", "raw blocks to float32", "", kBlocks, {}, 0, runDequantize},
    {"encode", "--type T --in X.npy --out BLOCKS.bin", "float32 to raw blocks", "", kBlocks, {}, 0, runEncode},
    {"quantize",
     "IN OUT --type T",
     "a model's matrices in another type",
     "IN is a GGUF file or a folder, OUT a GGUF file, which appears when it is whole.",
     kQuantize,
     {},
     2,
     runQuantize},
    {"models list",
     "",
     "the models of this machine",
     "Those of the models' folder, of the folders that the settings name, and of Ollama, the Hugging Face cache, LM "
     "Studio, "
     "llama.cpp and GPT4All, which are read where they lie.",
     kModelsList,
     {},
     0,
     runModelsList},
    {"models import",
     "PATH",
     "brings a model into the library",
     "PATH is a GGUF file, any part of a split one, a folder of safetensors, or a model's name in `models list`. It "
     "enters "
     "by one rename when it is whole. One whose bytes the library has is not brought twice.",
     kModelsImport,
     {},
     1,
     runModelsImport},
    {"models remove",
     "M",
     "puts a model of the library into its trash",
     "From there it comes back with --restore for 30 days. Models of other programs are never touched.",
     kModelsRemove,
     {},
     1,
     runModelsRemove},
    {"models fit", "M", "whether a model fits this machine now",
     "Says what it needs and what is free, how fast it will be, and the largest context that fits.", kModelsFit,
     kRunOptions, 1, runModelsFit},
    {"inspect", "M", "what a file is, and whether it fits", "", kInspect, kRunOptions, 1, runInspect},
    {"bench", "--model M", "how fast a model runs here",
     "The bandwidth of the machine is measured in alternation with the model.", kBench, kRunOptions, 0, runBench},
#ifdef HEARTH_NETWORK
    {"models search",
     "WORDS",
     "models at a hub",
     "The most downloaded ones with GGUF files. HF_TOKEN gives an access token.",
     kModelsSearch,
     {},
     1,
     runModelsSearch},
    {"models show",
     "OWNER/NAME[:QUANT]",
     "a model at a hub: licence, files, sizes",
     "With a quant, its header is read (some MB) and judged against the memory that is free now.",
     kModelsShow,
     {},
     1,
     runModelsShow},
    {"models pull",
     "OWNER/NAME[:QUANT]",
     "downloads a model into the library",
     "Prints where it lies. Whatever interrupts it, the same command goes on where it was; what is complete is "
     "compared "
     "with the hub's SHA-256 before it enters the library. HF_TOKEN, or the keyring, gives an access token.",
     kModelsPull,
     {},
     1,
     runModelsPull},
#endif
};

} // namespace

std::span<const Command> commands() {
    return kCommands;
}

} // namespace hearth::cli
