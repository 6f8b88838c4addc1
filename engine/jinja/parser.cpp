#include "engine/jinja/lexer.h"
#include "engine/jinja/nodes.h"

#include <algorithm>
#include <deque>
#include <initializer_list>

namespace hearth::engine::jinja {

using Kind = Token::Kind;

/// Recursive descent over Jinja2's grammar (its parser.py gives the order of the operators).
class Parser {
public:
    Parser(Program& program, const Limits& limits) : program_(program), limits_(limits), lexer_(program.source_) {
        advance();
    }

    void run() {
        program_.body_ = statements({});
        if (token_.kind != Kind::End)
            fail("an unexpected {% " + std::string(token_.text) + " %}");
    }

private:
    class Deeper {
    public:
        explicit Deeper(Parser& p) : p_(p) {
            if (++p.depth_ > p.limits_.parseDepth)
                p.fail("it is nested more than " + std::to_string(p.limits_.parseDepth) + " levels deep");
        }

        ~Deeper() { p_.depth_--; }

        Deeper(const Deeper&) = delete;

    private:
        Parser& p_;
    };

    [[noreturn]] void fail(const std::string& what) const { throw SyntaxError(what, token_.position); }

    void advance() {
        if (ahead_.empty()) {
            token_ = lexer_.next();
        } else {
            token_ = std::move(ahead_.front());
            ahead_.pop_front();
        }
    }

    const Token& peek() {
        if (ahead_.empty())
            ahead_.push_back(lexer_.next());
        return ahead_.front();
    }

    bool isOperator(std::string_view op) const { return token_.kind == Kind::Operator && token_.text == op; }

    bool isName(std::string_view name) const { return token_.kind == Kind::Name && token_.text == name; }

    bool skipOperator(std::string_view op) {
        if (!isOperator(op))
            return false;
        advance();
        return true;
    }

    bool skipName(std::string_view name) {
        if (!isName(name))
            return false;
        advance();
        return true;
    }

    void expectOperator(std::string_view op) {
        if (!skipOperator(op))
            fail("'" + std::string(op) + "' is missing");
    }

    void expectName(std::string_view name) {
        if (!skipName(name))
            fail("'" + std::string(name) + "' is missing");
    }

    std::string_view takeName() {
        if (token_.kind != Kind::Name)
            fail("a name is missing");
        const std::string_view name = token_.text;
        advance();
        return name;
    }

    void expectBlockEnd() {
        if (token_.kind != Kind::BlockEnd)
            fail("'%}' is missing");
        advance();
    }

    Symbol symbol(std::string_view name) {
        const auto [it, fresh] =
            program_.symbolIds_.try_emplace(std::string(name), static_cast<Symbol>(program_.symbols_.size()));
        if (fresh)
            program_.symbols_.emplace_back(name);
        return it->second;
    }

    template <class T>
    T* node() {
        auto owned = std::make_unique<T>();
        T* raw = owned.get();
        raw->line = lineOf(token_.position);
        program_.nodes_.push_back(std::move(owned));
        return raw;
    }

    /// Positions only grow, so counting goes on where it stopped.
    int lineOf(size_t position) {
        if (position > counted_) {
            const std::string_view part = std::string_view(program_.source_).substr(counted_, position - counted_);
            line_ += static_cast<int>(std::count(part.begin(), part.end(), '\n'));
            counted_ = position;
        }
        return line_;
    }

    // --- statements

    /// Up to a block tag with one of these names (the name is the current token then), or the end.
    Block statements(std::initializer_list<std::string_view> ends) {
        Deeper deeper(*this);
        Block block;
        for (;;) {
            if (token_.kind == Kind::End) {
                if (ends.size() > 0)
                    fail("{% " + std::string(*(ends.end() - 1)) + " %} is missing");
                return block;
            }
            if (token_.kind == Kind::Data) {
                auto* data = node<DataNode>();
                data->text = token_.text;
                block.push_back(data);
                advance();
            } else if (token_.kind == Kind::VariableBegin) {
                auto* output = node<OutputNode>();
                advance();
                output->expression = tuple(true);
                if (token_.kind != Kind::VariableEnd)
                    fail("'}}' is missing");
                advance();
                block.push_back(output);
            } else {
                advance(); // BlockBegin
                if (token_.kind != Kind::Name)
                    fail("the name of a tag is missing");
                if (std::find(ends.begin(), ends.end(), token_.text) != ends.end())
                    return block;
                if (const Statement* s = statement())
                    block.push_back(s);
            }
        }
    }

    /// {% name ... %}; a null statement has no effect.
    const Statement* statement() {
        struct Row {
            std::string_view name;
            const Statement* (Parser::*parse)();
        };

        static constexpr Row rows[] = {
            {"if", &Parser::ifStatement},       {"for", &Parser::forStatement},
            {"set", &Parser::setStatement},     {"macro", &Parser::macroStatement},
            {"call", &Parser::callStatement},   {"filter", &Parser::filterStatement},
            {"with", &Parser::withStatement},   {"generation", &Parser::generationStatement},
            {"block", &Parser::blockStatement}, {"autoescape", &Parser::autoescapeStatement},
            {"break", &Parser::breakStatement}, {"continue", &Parser::continueStatement},
            {"do", &Parser::doStatement},
        };
        for (const Row& row : rows)
            if (isName(row.name))
                return (this->*row.parse)();
        fail("the tag {% " + std::string(token_.text) + " %} is unknown here");
    }

    void endTag() {
        advance(); // its name
        expectBlockEnd();
    }

    const Statement* ifStatement() {
        auto* out = node<IfNode>();
        advance();
        for (;;) {
            const Expression* test = tuple(false);
            expectBlockEnd();
            out->branches.emplace_back(test, statements({"elif", "else", "endif"}));
            if (!skipName("elif"))
                break;
        }
        if (isName("else")) {
            endTag();
            out->branches.emplace_back(nullptr, statements({"endif"}));
        }
        endTag();
        return out;
    }

    const Statement* forStatement() {
        auto* out = node<ForNode>();
        advance();
        out->target = target(false);
        expectName("in");
        out->items = tuple(false);
        if (skipName("if"))
            out->condition = expression();
        out->recursive = skipName("recursive");
        out->loopSymbol = symbol("loop");
        expectBlockEnd();
        loops_++;
        out->body = statements({"else", "endfor"});
        loops_--;
        if (isName("else")) {
            endTag();
            out->otherwise = statements({"endfor"});
        }
        endTag();
        return out;
    }

    /// One name, ns.attribute (where allowed), or several with commas.
    Target target(bool withNamespace) {
        Target first = singleTarget(withNamespace);
        if (!isOperator(","))
            return first;
        Target all;
        all.parts.push_back(std::move(first));
        while (skipOperator(",")) {
            if (token_.kind != Kind::Name && !isOperator("("))
                break;
            all.parts.push_back(singleTarget(withNamespace));
        }
        return all;
    }

    Target singleTarget(bool withNamespace) {
        Deeper deeper(*this);
        if (skipOperator("(")) {
            Target inner = target(withNamespace);
            expectOperator(")");
            return inner;
        }
        Target t;
        t.symbol = symbol(takeName());
        if (withNamespace && skipOperator("."))
            t.attribute = takeName();
        return t;
    }

    const Statement* setStatement() {
        const int line = lineOf(token_.position);
        advance();
        Target to = target(true);
        if (skipOperator("=")) {
            auto* out = node<SetNode>();
            out->line = line;
            out->target = std::move(to);
            out->expression = tuple(true);
            expectBlockEnd();
            return out;
        }
        auto* out = node<SetBlockNode>();
        out->target = std::move(to);
        out->filters = filterChain();
        expectBlockEnd();
        out->body = statements({"endset"});
        endTag();
        return out;
    }

    std::vector<const FilterNode*> filterChain() {
        std::vector<const FilterNode*> out;
        while (skipOperator("|"))
            out.push_back(filter(nullptr));
        return out;
    }

    Parameters parameters() {
        Parameters out;
        expectOperator("(");
        while (!isOperator(")")) {
            if (!out.list.empty()) {
                expectOperator(",");
                if (isOperator(")"))
                    break;
            }
            const Symbol name = symbol(takeName());
            const Expression* fallback = skipOperator("=") ? expression() : nullptr;
            out.list.emplace_back(name, fallback);
        }
        advance();
        return out;
    }

    void macroBody(MacroNode& macro, std::string_view end) {
        macro.varargs = symbol("varargs");
        macro.kwargs = symbol("kwargs");
        macro.caller = symbol("caller");
        MacroNode* outer = macro_;
        const int loops = std::exchange(loops_, 0);
        macro_ = &macro;
        macro.body = statements({end});
        macro_ = outer;
        loops_ = loops;
        endTag();
    }

    const Statement* macroStatement() {
        auto* out = node<MacroNode>();
        advance();
        out->name = symbol(takeName());
        out->parameters = parameters();
        expectBlockEnd();
        macroBody(*out, "endmacro");
        return out;
    }

    const Statement* callStatement() {
        auto* out = node<CallBlockNode>();
        advance();
        if (isOperator("("))
            out->caller.parameters = parameters();
        out->caller.name = symbol("caller");
        const Expression* call = expression();
        out->call = dynamic_cast<const CallNode*>(call);
        if (!out->call)
            fail("{% call %} needs the call of a macro");
        expectBlockEnd();
        macroBody(out->caller, "endcall");
        return out;
    }

    const Statement* filterStatement() {
        auto* out = node<FilterBlockNode>();
        advance();
        out->filters.push_back(filter(nullptr));
        for (const FilterNode* f : filterChain())
            out->filters.push_back(f);
        expectBlockEnd();
        out->body = statements({"endfilter"});
        endTag();
        return out;
    }

    const Statement* withStatement() {
        auto* out = node<WithNode>();
        advance();
        while (token_.kind != Kind::BlockEnd) {
            if (!out->assignments.empty())
                expectOperator(",");
            Target to = singleTarget(false);
            expectOperator("=");
            out->assignments.emplace_back(std::move(to), expression());
        }
        expectBlockEnd();
        out->body = statements({"endwith"});
        endTag();
        return out;
    }

    using Scoping = ScopeNode::Scoping;

    const Statement* scopeStatement(std::string_view end, Scoping scoping) {
        auto* out = node<ScopeNode>();
        out->scoping = scoping;
        expectBlockEnd();
        out->body = statements({end});
        advance();
        if (token_.kind == Kind::Name) // {% endblock name %}
            advance();
        expectBlockEnd();
        return out;
    }

    const Statement* generationStatement() {
        advance();
        return scopeStatement("endgeneration", Scoping::Own);
    }

    const Statement* blockStatement() {
        advance();
        takeName();
        const bool scoped = skipName("scoped");
        skipName("required");
        return scopeStatement("endblock", scoped ? Scoping::Own : Scoping::TopOnly);
    }

    const Statement* autoescapeStatement() {
        advance();
        expression();
        return scopeStatement("endautoescape", Scoping::Own);
    }

    const Statement* jump(Flow flow) {
        if (loops_ == 0)
            fail("{% " + std::string(token_.text) + " %} outside of a loop");
        auto* out = node<JumpNode>();
        out->flow = flow;
        endTag();
        return out;
    }

    const Statement* breakStatement() { return jump(Flow::Break); }

    const Statement* continueStatement() { return jump(Flow::Continue); }

    const Statement* doStatement() {
        auto* out = node<DoNode>();
        advance();
        out->expression = tuple(true);
        expectBlockEnd();
        return out;
    }

    // --- expressions

    /// One expression, or several with commas as a tuple. Without `conditions`, `if` is left for the tag.
    const Expression* tuple(bool conditions, bool inParentheses = false) {
        const auto ends = [&] {
            return token_.kind == Kind::VariableEnd || token_.kind == Kind::BlockEnd || isOperator(")") ||
                   isName("recursive") || (!conditions && isName("if"));
        };
        auto one = [&] { return conditions ? expression() : logic(false); };
        std::vector<Expr> items;
        bool isTuple = false;
        while (!ends()) {
            if (!items.empty() && !isTuple)
                break;
            items.push_back(one());
            if (!skipOperator(","))
                break;
            isTuple = true;
        }
        if (!isTuple && !items.empty())
            return items[0];
        if (items.empty() && !inParentheses)
            fail("an expression is missing");
        auto* out = node<SequenceNode>();
        out->tuple = true;
        out->items = std::move(items);
        return out;
    }

    const Expression* expression() {
        const Expression* out = logic(false);
        while (skipName("if")) {
            auto* condition = node<ConditionNode>();
            condition->yes = out;
            condition->test = logic(false);
            if (skipName("else")) {
                Deeper deeper(*this);
                condition->no = expression();
            }
            out = condition;
        }
        return out;
    }

    const Expression* logic(bool isAnd) {
        const auto operand = [&] { return isAnd ? negation() : logic(true); };
        const std::string_view word = isAnd ? "and" : "or";
        const Expression* first = operand();
        if (!isName(word))
            return first;
        auto* out = node<LogicNode>();
        out->isAnd = isAnd;
        out->parts.push_back(first);
        while (skipName(word))
            out->parts.push_back(operand());
        return out;
    }

    const Expression* negation() {
        if (!isName("not"))
            return comparison();
        Deeper deeper(*this);
        auto* out = node<NotNode>();
        advance();
        out->operand = negation();
        return out;
    }

    bool takeComparison(Comparison& out) {
        struct Row {
            std::string_view text;
            Comparison comparison;
        };

        static constexpr Row rows[] = {
            {"==", Comparison::Equal},     {"!=", Comparison::NotEqual}, {"<", Comparison::Less},
            {"<=", Comparison::LessEqual}, {">", Comparison::Greater},   {">=", Comparison::GreaterEqual},
        };
        if (token_.kind == Kind::Operator)
            for (const Row& row : rows)
                if (token_.text == row.text) {
                    out = row.comparison;
                    advance();
                    return true;
                }
        if (skipName("in")) {
            out = Comparison::In;
            return true;
        }
        if (isName("not") && peek().kind == Kind::Name && peek().text == "in") {
            advance();
            advance();
            out = Comparison::NotIn;
            return true;
        }
        return false;
    }

    const Expression* comparison() {
        const Expression* first = sum();
        Comparison c;
        if (!takeComparison(c))
            return first;
        auto* out = node<CompareNode>();
        out->first = first;
        do
            out->rest.emplace_back(c, sum());
        while (takeComparison(c));
        return out;
    }

    using Level = const Expression* (Parser::*)();

    struct OperatorRow {
        std::string_view text;
        BinaryOperator op;
    };

    template <size_t n>
    const Expression* leftToRight(const OperatorRow (&rows)[n], Level operand) {
        const Expression* left = (this->*operand)();
        for (;;) {
            const OperatorRow* hit = nullptr;
            if (token_.kind == Kind::Operator)
                for (const OperatorRow& row : rows)
                    if (token_.text == row.text)
                        hit = &row;
            if (!hit)
                return left;
            auto* out = node<BinaryNode>();
            advance();
            out->op = hit->op;
            out->left = left;
            out->right = (this->*operand)();
            left = out;
        }
    }

    const Expression* sum() {
        static constexpr OperatorRow rows[] = {{"+", BinaryOperator::Add}, {"-", BinaryOperator::Subtract}};
        return leftToRight(rows, &Parser::concatenation);
    }

    const Expression* concatenation() {
        const Expression* first = product();
        if (!isOperator("~"))
            return first;
        auto* out = node<ConcatNode>();
        out->parts.push_back(first);
        while (skipOperator("~"))
            out->parts.push_back(product());
        return out;
    }

    const Expression* product() {
        static constexpr OperatorRow rows[] = {{"*", BinaryOperator::Multiply},
                                               {"/", BinaryOperator::Divide},
                                               {"//", BinaryOperator::FloorDivide},
                                               {"%", BinaryOperator::Modulo}};
        return leftToRight(rows, &Parser::power);
    }

    const Expression* power() {
        static constexpr OperatorRow rows[] = {{"**", BinaryOperator::Power}};
        return leftToRight(rows, &Parser::filtered);
    }

    const Expression* filtered() { return unary(true); }

    const Expression* unary(bool withFilters) {
        Deeper deeper(*this);
        const Expression* out;
        if (isOperator("-") || isOperator("+")) {
            auto* sign = node<SignNode>();
            sign->negative = isOperator("-");
            advance();
            sign->operand = unary(false);
            out = sign;
        } else {
            out = primary();
        }
        out = postfix(out);
        return withFilters ? filters(out) : out;
    }

    template <class V>
    const Expression* literal(V&& value) {
        auto* out = node<LiteralNode>();
        out->literal = Value(std::forward<V>(value));
        return out;
    }

    const Expression* primary() {
        switch (token_.kind) {
        case Kind::Name:
            return name();
        case Kind::String: {
            std::string text;
            while (token_.kind == Kind::String) {
                text += token_.string;
                advance();
            }
            return literal(std::make_shared<const Str>(TaggedText{std::move(text), {}}, nullptr));
        }
        case Kind::Integer: {
            const int64_t value = token_.integer;
            advance();
            return literal(value);
        }
        case Kind::Float: {
            const double value = token_.number;
            advance();
            return literal(value);
        }
        default:
            break;
        }
        if (skipOperator("(")) {
            const Expression* inner = tuple(true, true);
            expectOperator(")");
            return inner;
        }
        if (isOperator("["))
            return listLiteral();
        if (isOperator("{"))
            return dictLiteral();
        fail("an expression is missing");
    }

    const Expression* name() {
        const std::string_view text = token_.text;
        if (text == "true" || text == "True" || text == "false" || text == "False") {
            const bool value = text[0] == 't' || text[0] == 'T';
            advance();
            return literal(value);
        }
        if (text == "none" || text == "None") {
            advance();
            return literal(None{});
        }
        auto* out = node<NameNode>();
        out->symbol = symbol(text);
        if (macro_ && text == "varargs")
            macro_->usesVarargs = true;
        if (macro_ && text == "kwargs")
            macro_->usesKwargs = true;
        advance();
        return out;
    }

    const Expression* listLiteral() {
        auto* out = node<SequenceNode>();
        advance();
        while (!isOperator("]")) {
            if (!out->items.empty()) {
                expectOperator(",");
                if (isOperator("]"))
                    break;
            }
            out->items.push_back(expression());
        }
        advance();
        return out;
    }

    const Expression* dictLiteral() {
        auto* out = node<DictNode>();
        advance();
        while (!isOperator("}")) {
            if (!out->items.empty()) {
                expectOperator(",");
                if (isOperator("}"))
                    break;
            }
            const Expression* key = expression();
            expectOperator(":");
            out->items.emplace_back(key, expression());
        }
        advance();
        return out;
    }

    const Expression* postfix(const Expression* out) {
        for (;;) {
            if (isOperator(".")) {
                out = attribute(out);
            } else if (isOperator("[")) {
                out = subscript(out);
            } else if (isOperator("(")) {
                auto* call = node<CallNode>();
                call->callee = out;
                call->arguments = arguments();
                out = call;
            } else {
                return out;
            }
        }
    }

    const Expression* attribute(const Expression* object) {
        advance(); // .
        if (token_.kind == Kind::Integer) {
            auto* out = node<ItemNode>();
            out->object = object;
            out->key = literal(token_.integer);
            advance();
            return out;
        }
        auto* out = node<AttributeNode>();
        out->object = object;
        out->name = takeName();
        return out;
    }

    const Expression* subscript(const Expression* object) {
        const int line = lineOf(token_.position);
        advance(); // [
        const Expression* parts[3] = {};
        int colons = 0;
        while (!isOperator("]")) {
            if (skipOperator(":")) {
                if (++colons > 2)
                    fail("a slice has too many parts");
            } else {
                if (parts[colons])
                    fail("']' is missing");
                parts[colons] = expression();
                if (isOperator(",") && colons == 0)
                    parts[0] = tupleKey(parts[0]);
            }
        }
        advance();
        if (colons > 0) {
            auto* out = node<SliceNode>();
            out->line = line;
            out->object = object;
            out->begin = parts[0];
            out->end = parts[1];
            out->step = parts[2];
            return out;
        }
        if (!parts[0])
            fail("an index is missing");
        auto* out = node<ItemNode>();
        out->line = line;
        out->object = object;
        out->key = parts[0];
        return out;
    }

    const Expression* tupleKey(const Expression* first) { // a[1, 2]
        auto* out = node<SequenceNode>();
        out->tuple = true;
        out->items.push_back(first);
        while (skipOperator(","))
            out->items.push_back(expression());
        return out;
    }

    CallArguments arguments() {
        CallArguments out;
        expectOperator("(");
        bool first = true;
        while (!isOperator(")")) {
            if (!first) {
                expectOperator(",");
                if (isOperator(")"))
                    break;
            }
            first = false;
            if (skipOperator("*")) {
                out.spreadList = expression();
            } else if (skipOperator("**")) {
                out.spreadDict = expression();
            } else if (token_.kind == Kind::Name && peek().kind == Kind::Operator && peek().text == "=") {
                std::string name(takeName());
                advance(); // =
                out.named.emplace_back(std::move(name), expression());
            } else {
                if (!out.named.empty())
                    fail("an argument without a name stands behind one with a name");
                out.positional.push_back(expression());
            }
        }
        advance();
        return out;
    }

    std::string dottedName() {
        std::string name(takeName());
        while (skipOperator(".")) {
            name += '.';
            name += takeName();
        }
        return name;
    }

    const FilterNode* filter(const Expression* operand) {
        auto* out = node<FilterNode>();
        out->operand = operand;
        out->name = dottedName();
        out->filter = findFilter(out->name);
        if (isOperator("("))
            out->arguments = arguments();
        return out;
    }

    const Expression* filters(const Expression* out) {
        for (;;) {
            if (skipOperator("|")) {
                out = filter(out);
            } else if (isName("is")) {
                out = test(out);
            } else if (isOperator("(")) { // what a filter gave is called
                auto* call = node<CallNode>();
                call->callee = out;
                call->arguments = arguments();
                out = call;
            } else {
                return out;
            }
        }
    }

    const Expression* test(const Expression* operand) {
        auto* out = node<TestNode>();
        advance(); // is
        out->operand = operand;
        out->negated = skipName("not");
        out->name = dottedName();
        out->test = findTest(out->name);
        if (isOperator("(")) {
            out->arguments = arguments();
            return out;
        }
        const bool operandFollows =
            token_.kind == Kind::String || token_.kind == Kind::Integer || token_.kind == Kind::Float ||
            isOperator("[") || isOperator("{") ||
            (token_.kind == Kind::Name && !isName("else") && !isName("or") && !isName("and") && !isName("is") &&
             !isName("if") && !isName("not") && !isName("in") && !isName("recursive"));
        if (operandFollows)
            out->arguments.positional.push_back(postfix(primary()));
        return out;
    }

    Program& program_;
    const Limits& limits_;
    Lexer lexer_;
    Token token_;
    std::deque<Token> ahead_;
    int depth_ = 0, loops_ = 0;
    MacroNode* macro_ = nullptr; // being parsed
    size_t counted_ = 0;
    int line_ = 1;
};

std::unique_ptr<const Program> Program::parse(std::string_view source, const Limits& limits) {
    auto program = std::make_unique<Program>();
    program->source_ = normalizedSource(source);
    Parser(*program, limits).run();
    return program;
}

} // namespace hearth::engine::jinja
