#pragma once

#include "engine/bench.h"
#include "engine/engine.h"

#include <nlohmann/json.hpp>

#include <span>
#include <string>
#include <vector>

namespace hearth::bench {

using Json = nlohmann::ordered_json;

/// What is measured, and for how long.
struct Setting {
    std::string path;    // of the model
    std::string starter; // the starter model's path
    int threads = 2;
    int prompt = 512;
    int generate = 64;
    int depth = 0;     // tokens of context of the row "depth"; 0: as the goal has it
    int stored = 8000; // tokens of the stored chat
    int repeat = 3;
    double soakSeconds = 60; // the goal's: 600
};

/// A row of the table of CPU speed: a figure, the goal of the same, and what explains it. Throws engine::Error.
struct Row {
    const char* name; // as --rows takes it
    const char* work;
    Json (*measure)(const Setting&);
};

std::span<const Row> speedRows(); // tokens a second and what they are part of
std::span<const Row> chatRows();  // what a person waits for; and a long run

/// An engine of so many threads with the model loaded.
struct Loaded {
    Loaded(const std::string& path, int threads, int contextTokens, engine::KvType = engine::KvType::F16);

    const engine::ModelInfo& info() const { return engine.info(id); }

    engine::Engine engine;
    engine::ModelId id = 0;
};

/// A reply as it came.
struct Outcome {
    std::vector<engine::TokenId> tokens;
    double firstTokenSeconds = 0; // since the request
    engine::GenerationSummary summary;
};

/// Greedy, without an early end and without guesses.
engine::GenerationRequest greedy(std::vector<engine::TokenId> prompt, int maxTokens);
/// Runs one request to its end. Throws engine::Error where the reply failed.
Outcome finish(Loaded&, engine::GenerationRequest);

/// Adds a row's figure and its goal, at least so much or at most.
Json withGoal(Json row, double value, double atLeast);
Json withBound(Json row, double value, double atMost);
/// A row that could not be measured, and why.
Json skipped(const std::string& why);

double median(std::vector<double>);

} // namespace hearth::bench
