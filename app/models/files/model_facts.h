#pragma once

#include "engine/checkpoint.h"
#include "engine/engine.h"
#include "engine/placement.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hearth::app {

/// What a model is, as its header and what lies beside it tell.
struct ModelFacts {
    std::string problem;   // why its header cannot be read, a sentence; the rest is empty then
    std::string cannotRun; // why this engine does not run it, a sentence; empty: it does
    engine::Reason reason; // of either, to be said in another language
    std::string name, family, quant, format;
    std::string author, license, licenseLink;
    std::vector<std::string> languages; // as it names them: "en", "zh"
    uint64_t parameters = 0, bytes = 0;
    int trainedContext = 0, layers = 0, experts = 0, expertsUsed = 0;
    bool embeds = false;  // gives vectors, not text
    bool adapter = false; // changes another model, is none itself

    bool hasTemplate = false;
    std::string chatFamily;       // how its turns are written: "ChatML"
    std::string publishedAs;      // the published template it has; empty: none that we know
    bool templateDiffers = false; // it has one, and it is no known one
    bool thinks = false;
    bool choosesThinking = false;                         // can be told to, or not to
    std::vector<std::pair<std::string, double>> sampling; // what it recommends: {"temperature", 0.6}

    /// What its cache takes, of each type (see kvTypeNames()) that it can be of.
    std::vector<std::pair<std::string, engine::KvSize>> caches;
    engine::PlacementInput placement; // at the context of a load that asks for none; tensors joined (see joined())
};

/// Of a file or folder; never throws but std::bad_alloc. Takes as long as reading the header does. Any thread.
ModelFacts readModelFacts(const std::string& path);
/// Of a checkpoint that may be a header only, as a download's first bytes give.
ModelFacts factsOf(const engine::Checkpoint&, const std::string& path);

/// The names of settings in ModelFacts::sampling and the keys of a GGUF, in the order in which they are shown.
struct SamplingKey {
    std::string_view name, key;
};

std::vector<SamplingKey> samplingKeys();

/// The front matter of a model card (the lines between two "---"): license and languages, as the hub knows them.
struct CardFacts {
    std::string license, licenseName, licenseLink;
    std::vector<std::string> languages;
};

CardFacts readCardFacts(std::string_view card);

} // namespace hearth::app
