#pragma once

#include "engine/jinja/builtins.h"
#include "engine/jinja/program.h"

#include <string>
#include <utility>
#include <vector>

namespace hearth::engine::jinja {

// Expressions. Children belong to the Program.

using Expr = const Expression*; // null where something may be absent

struct CallArguments {
    std::vector<Expr> positional;
    std::vector<std::pair<std::string, Expr>> named;
    Expr spreadList = nullptr; // *x
    Expr spreadDict = nullptr; // **x

    Args values(Run&) const;
};

enum class BinaryOperator : uint8_t { Add, Subtract, Multiply, Divide, FloorDivide, Modulo, Power };
enum class Comparison : uint8_t { Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual, In, NotIn };

struct LiteralNode : Expression {
    Value literal;

    Value compute(Run&) const override { return literal; }
};

struct NameNode : Expression {
    Symbol symbol = 0;
    Value compute(Run&) const override;
};

struct ConcatNode : Expression { // a ~ b ~ c
    std::vector<Expr> parts;
    Value compute(Run&) const override;
};

struct BinaryNode : Expression {
    BinaryOperator op{};
    Expr left = nullptr, right = nullptr;
    Value compute(Run&) const override;
};

struct LogicNode : Expression { // and, or: gives the deciding operand
    bool isAnd = false;
    std::vector<Expr> parts;
    Value compute(Run&) const override;
};

struct NotNode : Expression {
    Expr operand = nullptr;
    Value compute(Run&) const override;
};

struct SignNode : Expression {
    bool negative = false;
    Expr operand = nullptr;
    Value compute(Run&) const override;
};

struct CompareNode : Expression { // a < b <= c
    Expr first = nullptr;
    std::vector<std::pair<Comparison, Expr>> rest;
    Value compute(Run&) const override;
};

struct ConditionNode : Expression { // yes if test else no
    Expr test = nullptr, yes = nullptr, no = nullptr;
    Value compute(Run&) const override;
};

struct SequenceNode : Expression { // [a, b], (a, b)
    bool tuple = false;
    std::vector<Expr> items;
    Value compute(Run&) const override;
};

struct DictNode : Expression {
    std::vector<std::pair<Expr, Expr>> items;
    Value compute(Run&) const override;
};

struct AttributeNode : Expression { // a.b
    Expr object = nullptr;
    std::string name;
    Value compute(Run&) const override;
};

struct ItemNode : Expression { // a[b]
    Expr object = nullptr, key = nullptr;
    Value compute(Run&) const override;
};

struct SliceNode : Expression { // a[begin:end:step]
    Expr object = nullptr, begin = nullptr, end = nullptr, step = nullptr;
    Value compute(Run&) const override;
};

struct CallNode : Expression {
    Expr callee = nullptr;
    CallArguments arguments;
    Value compute(Run&) const override;
};

struct FilterNode : Expression {
    Expr operand = nullptr; // null: the text of a block
    std::string name;
    Filter filter = nullptr; // null: unknown, an error only when it is reached
    CallArguments arguments;
    Value compute(Run&) const override;
    Value apply(Run&, const Value& in) const;
};

struct TestNode : Expression {
    Expr operand = nullptr;
    std::string name;
    Test test = nullptr; // null: unknown
    bool negated = false;
    CallArguments arguments;
    Value compute(Run&) const override;
};

// Statements.

/// What can stand on the left of `=`: a name, ns.attribute, or names in a row.
struct Target {
    Symbol symbol = -1;
    std::string attribute; // of the namespace `symbol`
    std::vector<Target> parts;

    void assign(Run&, const Value&) const;
};

struct DataNode : Statement {
    std::string_view text;
    Flow run(Run&) const override;
};

struct OutputNode : Statement {
    Expr expression = nullptr;
    Flow run(Run&) const override;
};

struct DoNode : Statement {
    Expr expression = nullptr;
    Flow run(Run&) const override;
};

struct IfNode : Statement {
    std::vector<std::pair<Expr, Block>> branches; // test null: else
    Flow run(Run&) const override;
};

struct ForNode : Statement {
    Target target;
    Expr items = nullptr, condition = nullptr;
    bool recursive = false;
    Symbol loopSymbol = 0;
    Block body, otherwise;
    Flow run(Run&) const override;
    void iterateOver(Run&, const Value& items, int depth, Scope* around) const;
};

struct SetNode : Statement {
    Target target;
    Expr expression = nullptr;
    Flow run(Run&) const override;
};

struct SetBlockNode : Statement {
    Target target;
    std::vector<const FilterNode*> filters;
    Block body;
    Flow run(Run&) const override;
};

struct Parameters {
    std::vector<std::pair<Symbol, Expr>> list; // name, default or null
};

struct MacroNode : Statement {
    Symbol name = 0;
    Parameters parameters;
    Symbol varargs = 0, kwargs = 0, caller = 0;
    bool usesVarargs = false, usesKwargs = false;
    Block body;
    Flow run(Run&) const override;
};

struct CallBlockNode : Statement {
    const CallNode* call = nullptr;
    MacroNode caller; // its body and parameters
    Flow run(Run&) const override;
};

struct FilterBlockNode : Statement {
    std::vector<const FilterNode*> filters;
    Block body;
    Flow run(Run&) const override;
};

struct WithNode : Statement {
    std::vector<std::pair<Target, Expr>> assignments;
    Block body;
    Flow run(Run&) const override;
};

struct ScopeNode : Statement {                     // generation, block, autoescape
    enum class Scoping : uint8_t { Own, TopOnly }; // sees what is around it, or only the template's own level
    Block body;
    Scoping scoping{};
    Flow run(Run&) const override;
};

struct JumpNode : Statement { // break, continue
    Flow flow{};

    Flow run(Run&) const override { return flow; }
};

// Shared with filters and methods.
Value attributeOf(Run&, const Value& object, std::string_view name, const std::string* nameForMessages);
Value itemOf(Run&, const Value& object, const Value& key);
Value callValue(Run&, const Value& callee, Args&);
Value binary(Run&, BinaryOperator, const Value&, const Value&);

} // namespace hearth::engine::jinja
