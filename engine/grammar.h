#pragma once

#include <memory>
#include <string_view>

namespace hearth::engine {

namespace grammar {
class Automaton;
}

/// What the text of an answer must look like. Immutable, shared by any number of replies and threads.
class Grammar {
public:
    /// GBNF, whose rule `root` is the whole text. Throws Error with line and column.
    static std::shared_ptr<const Grammar> fromGbnf(std::string_view text);
    /// All JSON documents that a JSON schema (2020-12; also the older forms of the same) allows, objects in the order
    /// of their properties, with little white space. Throws Error that names the place by its JSON pointer: a keyword
    /// that cannot be kept is refused, never passed over, unless it asserts nothing.
    static std::shared_ptr<const Grammar> fromJsonSchema(std::string_view json);

    explicit Grammar(std::unique_ptr<const grammar::Automaton>);
    ~Grammar();

    const grammar::Automaton& automaton() const { return *automaton_; }

private:
    std::unique_ptr<const grammar::Automaton> automaton_;
};

} // namespace hearth::engine
