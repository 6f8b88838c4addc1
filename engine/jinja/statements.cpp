#include "engine/jinja/nodes.h"

namespace hearth::engine::jinja {

Flow runBlock(const Block& block, Run& run) {
    Run::Deeper deeper(run);
    for (const Statement* s : block) {
        run.step();
        run.line = s->line;
        if (const Flow flow = s->run(run); flow != Flow::On)
            return flow;
    }
    return Flow::On;
}

Flow DataNode::run(Run& run) const {
    append(run.out(), text);
    run.work(text.size());
    run.checkText(run.out());
    return Flow::On;
}

Flow OutputNode::run(Run& run) const {
    appendText(run, run.out(), expression->value(run));
    run.checkText(run.out());
    return Flow::On;
}

Flow DoNode::run(Run& run) const {
    expression->value(run);
    return Flow::On;
}

Flow IfNode::run(Run& run) const {
    for (const auto& [test, body] : branches)
        if (!test || truthy(test->value(run)))
            return runBlock(body, run);
    return Flow::On;
}

void Target::assign(Run& run, const Value& v) const {
    if (!parts.empty()) {
        const std::vector<Value> values = iterate(run, v);
        if (values.size() != parts.size())
            throw Failure(std::to_string(values.size()) + " values cannot be given to " + std::to_string(parts.size()) +
                          " names");
        for (size_t i = 0; i < parts.size(); i++)
            parts[i].assign(run, values[i]);
    } else if (attribute.empty()) {
        run.assign(symbol, v);
    } else {
        const Value ns = run.lookup(symbol);
        if (!ns.is(Object::Kind::Namespace))
            throw Failure("'" + run.nameOf(symbol) + "' is not a namespace, so its attributes cannot be set");
        static_cast<Dict*>(ns.object())->set(run, run.text(attribute), v);
    }
}

// --- loops

namespace {

/// loop(items) inside a recursive loop.
struct Recursion final : Function {
    Recursion(const ForNode& n, Scope* s, int d) : node(n), scope(s), depth(d) {}

    Value call(Run& run, Args& args) override {
        if (args.positional.size() != 1)
            throw Failure("loop() needs what it shall go through");
        Run::Call call(run);
        Run::Inner inner(run, scope);
        node.iterateOver(run, args.positional[0], depth + 1, scope);
        return run.text(std::move(call.written));
    }

    const ForNode& node;
    Scope* const scope;
    int depth;
};

} // namespace

void ForNode::iterateOver(Run& run, const Value& source, int depth, Scope* around) const {
    auto* loop = run.make<Loop>();
    loop->depth = depth;
    loop->recurse = recursive ? run.make<Recursion>(*this, around, depth) : nullptr;
    loop->items = iterate(run, source);
    const size_t charged = loop->items.size() * sizeof(Value);
    run.heap().take(charged);
    if (condition) {
        std::vector<Value> kept;
        for (const Value& item : loop->items) {
            Run::Inner inner(run);
            target.assign(run, item);
            if (truthy(condition->value(run)))
                kept.push_back(item);
        }
        loop->items = std::move(kept);
    }
    for (loop->index = 0; loop->index < loop->items.size(); loop->index++) {
        run.step();
        Run::Inner inner(run);
        run.assign(loopSymbol, loop);
        target.assign(run, loop->items[loop->index]);
        if (runBlock(body, run) == Flow::Break)
            break;
    }
    const bool empty = loop->items.empty();
    std::vector<Value>().swap(loop->items); // a template may still hold the loop, but not what it went through
    run.heap().giveBack(charged);
    if (empty)
        runBlock(otherwise, run);
}

Flow ForNode::run(Run& run) const {
    const Value source = items->value(run);
    if (recursive)
        run.captureScopes();
    iterateOver(run, source, 1, run.scope());
    return Flow::On;
}

// --- assignments

Flow SetNode::run(Run& run) const {
    target.assign(run, expression->value(run));
    return Flow::On;
}

Flow SetBlockNode::run(Run& run) const {
    Value v;
    {
        Run::Collect collect(run);
        Run::Inner inner(run);
        runBlock(body, run);
        v = run.text(std::move(collect.written));
    }
    for (const FilterNode* f : filters)
        v = f->apply(run, v);
    target.assign(run, v);
    return Flow::On;
}

Flow FilterBlockNode::run(Run& run) const {
    Value v;
    {
        Run::Collect collect(run);
        Run::Inner inner(run);
        runBlock(body, run);
        v = run.text(std::move(collect.written));
    }
    for (const FilterNode* f : filters)
        v = f->apply(run, v);
    appendText(run, run.out(), v);
    run.checkText(run.out());
    return Flow::On;
}

Flow WithNode::run(Run& run) const {
    std::vector<Value> values;
    for (const auto& [target, expression] : assignments)
        values.push_back(expression->value(run));
    Run::Inner inner(run);
    for (size_t i = 0; i < values.size(); i++)
        assignments[i].first.assign(run, values[i]);
    return runBlock(body, run);
}

Flow ScopeNode::run(Run& run) const {
    Run::Inner inner(run, scoping == Scoping::Own ? run.scope() : nullptr);
    return runBlock(body, run);
}

// --- macros

namespace {

struct Macro final : Function {
    Macro(const MacroNode& n, Scope* s) : node(n), scope(s) {}

    Value call(Run& run, Args& args) override {
        Run::Call call(run);
        Run::Inner inner(run, scope);
        const int line = run.line;
        bind(run, args);
        runBlock(node.body, run);
        run.line = line;
        return run.text(std::move(call.written));
    }

    Value attribute(Run& run, std::string_view name) override {
        if (name == "name")
            return run.text(run.nameOf(node.name));
        return {};
    }

    void bind(Run& run, Args& args) const {
        const auto& list = node.parameters.list;
        for (size_t i = 0; i < list.size(); i++) {
            const auto& [symbol, fallback] = list[i];
            if (const Value* given = args.get(i, run.nameOf(symbol)))
                run.assign(symbol, *given);
            else
                run.assign(symbol, fallback ? fallback->value(run) : Value(Undefined{&run.nameOf(symbol)}));
        }
        std::vector<Value> more;
        for (size_t i = list.size(); i < args.positional.size(); i++)
            more.push_back(args.positional[i]);
        if (!more.empty() && !node.usesVarargs)
            throw Failure("the macro '" + run.nameOf(node.name) + "' takes at most " + std::to_string(list.size()) +
                          " arguments");
        auto* named = run.make<Dict>();
        run.assign(node.caller, Value(Undefined{&run.nameOf(node.caller)}));
        for (const auto& [name, value] : args.named) {
            if (name == "caller")
                run.assign(node.caller, value);
            else if (!isParameter(run, name))
                named->set(run, run.text(name), value);
        }
        if (!named->entries.empty() && !node.usesKwargs)
            throw Failure("the macro '" + run.nameOf(node.name) + "' has no argument called '" +
                          named->entries[0].first.text().text + "'");
        if (node.usesVarargs)
            run.assign(node.varargs, run.tuple(std::move(more)));
        if (node.usesKwargs)
            run.assign(node.kwargs, named);
    }

    bool isParameter(Run& run, std::string_view name) const {
        for (const auto& [symbol, fallback] : node.parameters.list)
            if (run.nameOf(symbol) == name)
                return true;
        return false;
    }

    const MacroNode& node;
    Scope* const scope; // where it was defined
};

} // namespace

Flow MacroNode::run(Run& run) const {
    run.captureScopes();
    run.assign(name, run.make<Macro>(*this, run.scope()));
    return Flow::On;
}

Flow CallBlockNode::run(Run& run) const {
    run.captureScopes();
    const Value function = call->callee->value(run);
    Args args = call->arguments.values(run);
    args.named.emplace_back("caller", run.make<Macro>(caller, run.scope()));
    appendText(run, run.out(), callValue(run, function, args));
    run.checkText(run.out());
    return Flow::On;
}

} // namespace hearth::engine::jinja
