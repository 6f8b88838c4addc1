#include "engine/grammar.h"

#include "engine/grammar/automaton.h"

#include <utility>

namespace hearth::engine {

Grammar::Grammar(std::unique_ptr<const grammar::Automaton> automaton) : automaton_(std::move(automaton)) {}

Grammar::~Grammar() = default;

std::shared_ptr<const Grammar> Grammar::fromGbnf(std::string_view text) {
    return std::make_shared<const Grammar>(std::make_unique<const grammar::Automaton>(grammar::parseGbnf(text)));
}

std::shared_ptr<const Grammar> Grammar::fromJsonSchema(std::string_view json) {
    return std::make_shared<const Grammar>(std::make_unique<const grammar::Automaton>(grammar::rulesOfSchema(json)));
}

} // namespace hearth::engine
