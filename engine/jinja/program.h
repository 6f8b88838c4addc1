#pragma once

#include "engine/jinja/run.h"

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace hearth::engine::jinja {

struct Node {
    virtual ~Node() = default;
    int line = 0;
};

struct Expression : Node {
    Value value(Run&) const; // counts steps and depth, then compute()

protected:
    virtual Value compute(Run&) const = 0;
};

enum class Flow : uint8_t { On, Break, Continue };

struct Statement : Node {
    virtual Flow run(Run&) const = 0;
};

using Block = std::vector<const Statement*>;

Flow runBlock(const Block&, Run&);

/// A parsed template. Nodes lie in one list, so that taking down a deep tree needs no stack. Immutable; any thread.
class Program {
public:
    /// Throws SyntaxError.
    static std::unique_ptr<const Program> parse(std::string_view source, const Limits&);

    const Block& body() const { return body_; }

    const std::vector<std::string>& symbols() const { return symbols_; }

private:
    friend class Parser;

    std::string source_; // normalized; data nodes point into it
    std::vector<std::string> symbols_;
    std::unordered_map<std::string, Symbol> symbolIds_;
    std::vector<std::unique_ptr<Node>> nodes_;
    Block body_;
};

} // namespace hearth::engine::jinja
