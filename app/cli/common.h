#pragma once

#include "app/cli/arguments.h"
#include "engine/engine.h"

#include <nlohmann/json.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::cli {

/// A path as given where such a file is, else the file of this name in the models' folder.
std::string modelPath(const std::string& given);

engine::EngineOptions engineOptions(const Arguments&);
engine::LoadOptions loadOptions(const Arguments&, const std::string& model, engine::Numerics byDefault);
std::vector<std::pair<std::string, std::string>> overrides(const Arguments&);

/// An engine with the model of `--model`, its progress on standard error when that is a terminal.
struct LoadedModel {
    LoadedModel(const Arguments&, engine::Numerics byDefault);

    /// A second one beside it, by its file or name.
    engine::ModelId loadAnother(const Arguments&, const std::string& model, engine::Numerics byDefault);

    engine::Engine engine;
    engine::ModelId id;
};

/// "1,2,3" or "@FILE" (commas, blanks or a JSON array); each an id of the vocabulary.
std::vector<engine::TokenId> tokensArgument(const Arguments&, int nVocab);

std::string readWholeFile(const std::string& path);
void writeWholeFile(const std::string& path, std::string_view bytes);

/// For each line of standard input that is not blank; its number from 1.
void forEachLine(const std::function<void(std::string_view line, size_t number)>&);
/// One line of JSON; throws engine::Error with the line's number.
nlohmann::ordered_json parseLine(std::string_view line, size_t number, std::string_view wanted);

void print(std::string_view);                  // to standard output; throws engine::Error when it is closed
void printJson(const nlohmann::ordered_json&); // one line

} // namespace hearth::cli
