#include "engine/jinja/nodes.h"

#include <algorithm>
#include <cmath>

namespace hearth::engine::jinja {

Value Expression::value(Run& run) const {
    Run::Deeper deeper(run);
    run.step();
    return compute(run);
}

Value NameNode::compute(Run& run) const {
    return run.lookup(symbol);
}

Value ConcatNode::compute(Run& run) const {
    TaggedText out;
    for (const Expr part : parts) {
        appendText(run, out, part->value(run));
        run.checkText(out);
    }
    return run.text(std::move(out));
}

Value LogicNode::compute(Run& run) const {
    Value v;
    for (const Expr part : parts) {
        v = part->value(run);
        if (truthy(v) != isAnd)
            break;
    }
    return v;
}

Value NotNode::compute(Run& run) const {
    return !truthy(operand->value(run));
}

Value SignNode::compute(Run& run) const {
    const Value v = operand->value(run);
    if (!v.isNumber())
        throw Failure(std::string("a ") + v.typeName() + " has no sign");
    if (v.isFloat())
        return negative ? -v.number() : v.number();
    if (negative && v.whole() == INT64_MIN)
        throw Failure("a number is too large");
    return negative ? -v.whole() : v.whole();
}

Value CompareNode::compute(Run& run) const {
    Value left = first->value(run);
    for (const auto& [op, expr] : rest) {
        Value right = expr->value(run);
        bool holds = false;
        switch (op) {
        case Comparison::Equal:
            holds = equal(run, left, right);
            break;
        case Comparison::NotEqual:
            holds = !equal(run, left, right);
            break;
        case Comparison::Less:
            holds = compare(run, left, right) < 0;
            break;
        case Comparison::LessEqual:
            holds = compare(run, left, right) <= 0;
            break;
        case Comparison::Greater:
            holds = compare(run, left, right) > 0;
            break;
        case Comparison::GreaterEqual:
            holds = compare(run, left, right) >= 0;
            break;
        case Comparison::In:
            holds = contains(run, left, right);
            break;
        case Comparison::NotIn:
            holds = !contains(run, left, right);
            break;
        }
        if (!holds)
            return false;
        left = std::move(right);
    }
    return true;
}

Value ConditionNode::compute(Run& run) const {
    if (truthy(test->value(run)))
        return yes->value(run);
    return no ? no->value(run) : Value();
}

Value SequenceNode::compute(Run& run) const {
    std::vector<Value> values;
    values.reserve(items.size());
    for (const Expr item : items)
        values.push_back(item->value(run));
    return tuple ? run.tuple(std::move(values)) : run.list(std::move(values));
}

Value DictNode::compute(Run& run) const {
    auto* out = run.make<Dict>();
    for (const auto& [key, item] : items) {
        Value k = key->value(run);
        out->set(run, k, item->value(run));
    }
    return out;
}

Value AttributeNode::compute(Run& run) const {
    return attributeOf(run, object->value(run), name, &name);
}

Value ItemNode::compute(Run& run) const {
    return itemOf(run, object->value(run), key->value(run));
}

// --- slices

namespace {

/// Python's slice.indices(): the first index, the one to stop before, the step.
struct SliceRange {
    int64_t begin, end, step;
};

SliceRange sliceRange(const Value& begin, const Value& end, const Value& step, int64_t length) {
    const auto whole = [](const Value& v) {
        if (!v.isWhole())
            throw Failure(std::string("a slice needs whole numbers, not a ") + v.typeName());
        return v.whole();
    };
    const auto given = [](const Value& v) { return !v.isUndefined() && !v.isNone(); };
    SliceRange r{0, 0, given(step) ? whole(step) : 1};
    if (r.step == 0)
        throw Failure("the step of a slice is 0");
    r.step = std::clamp<int64_t>(r.step, -INT64_MAX, INT64_MAX);
    const int64_t low = r.step < 0 ? -1 : 0, high = r.step < 0 ? length - 1 : length;
    const auto bound = [&](const Value& v, int64_t fallback) {
        if (!given(v))
            return fallback;
        const int64_t i = whole(v);
        return std::clamp(i < 0 ? (i < -length ? -1 : i + length) : i, low, high);
    };
    r.begin = bound(begin, r.step < 0 ? high : low);
    r.end = bound(end, r.step < 0 ? low : high);
    return r;
}

template <class Take>
void forEachIndex(const SliceRange& r, const Take& take) {
    for (int64_t i = r.begin; r.step > 0 ? i < r.end : i > r.end;) {
        take(static_cast<size_t>(i));
        if (r.step > 0 ? i > r.end - r.step : i < r.end - r.step)
            break; // the next one would be beyond; also keeps i from overflowing
        i += r.step;
    }
}

} // namespace

Value SliceNode::compute(Run& run) const {
    const Value v = object->value(run);
    const auto part = [&](Expr e) { return e ? e->value(run) : Value(); };
    const Value from = part(begin), to = part(end), by = part(step);
    if (v.isSequence()) {
        const auto& items = static_cast<const List*>(v.object())->items;
        std::vector<Value> out;
        forEachIndex(sliceRange(from, to, by, static_cast<int64_t>(items.size())), [&](size_t i) {
            run.step();
            out.push_back(items[i]);
        });
        return v.is(Object::Kind::Tuple) ? run.tuple(std::move(out)) : run.list(std::move(out));
    }
    if (!v.isString())
        throw Failure(std::string("a ") + v.typeName() + " cannot be sliced");
    const TaggedText& text = v.text();
    run.work(text.text.size());
    const std::vector<size_t> starts = characterStarts(text.text);
    const SliceRange range = sliceRange(from, to, by, static_cast<int64_t>(starts.size()) - 1);
    if (range.step == 1)
        return run.text(range.begin < range.end ? slice(text, starts[range.begin], starts[range.end]) : TaggedText(),
                        v.isMarkup());
    TaggedText out;
    forEachIndex(range, [&](size_t i) {
        run.step();
        append(out, text, starts[i], starts[i + 1]);
    });
    return run.text(std::move(out), v.isMarkup());
}

// --- attributes and items

namespace {

Value loopAttribute(Run& run, Loop& loop, std::string_view name);

struct LoopCall final : Function { // loop.cycle(...), loop.changed(...)

    LoopCall(Loop& l, bool c) : loop(l), cycle(c) {}

    Value call(Run& run, Args& args) override {
        if (cycle) {
            if (args.positional.empty())
                throw Failure("loop.cycle needs something to go through");
            return args.positional[loop.index % args.positional.size()];
        }
        const Value now = run.tuple(args.positional);
        const bool changed = !loop.changedOnce || !equal(run, now, loop.lastChanged);
        loop.lastChanged = now;
        loop.changedOnce = true;
        return changed;
    }

    Loop& loop;
    const bool cycle;
};

Value loopAttribute(Run& run, Loop& loop, std::string_view name) {
    const auto i = static_cast<int64_t>(loop.index);
    const auto n = static_cast<int64_t>(loop.items.size());
    const std::pair<std::string_view, int64_t> numbers[] = {
        {"index", i + 1}, {"index0", i},         {"revindex", n - i},        {"revindex0", n - i - 1},
        {"length", n},    {"depth", loop.depth}, {"depth0", loop.depth - 1},
    };
    for (const auto& [key, value] : numbers)
        if (key == name)
            return value;
    if (name == "first")
        return i == 0;
    if (name == "last")
        return i + 1 == n;
    if (name == "previtem")
        return i > 0 && i <= n ? loop.items[loop.index - 1] : Value();
    if (name == "nextitem")
        return i + 1 < n ? loop.items[loop.index + 1] : Value();
    if (name == "cycle" || name == "changed")
        return run.make<LoopCall>(loop, name == "cycle");
    return {};
}

[[noreturn]] void failUndefined(const Value& v) {
    const std::string* name = v.undefinedName();
    throw Failure(name ? "'" + *name + "' is undefined" : "a value is undefined");
}

} // namespace

Value attributeOf(Run& run, const Value& object, std::string_view name, const std::string* nameForMessages) {
    const Value missing = Undefined{nameForMessages};
    if (object.isUndefined())
        failUndefined(object);
    if (Object* o = object.object()) {
        if (o->kind == Object::Kind::Loop) {
            const Value v = loopAttribute(run, static_cast<Loop&>(*o), name);
            return v.isUndefined() ? missing : v;
        }
        if (o->kind == Object::Kind::Function)
            return static_cast<Function*>(o)->attribute(run, name);
        if (o->kind == Object::Kind::Namespace) {
            const Value* v = static_cast<const Dict*>(o)->find(name);
            return v ? *v : missing;
        }
    }
    if (object.is(Object::Kind::Tuple)) {
        const auto& tuple = static_cast<const List&>(*object.object());
        for (size_t i = 0; i < tuple.names.size(); i++)
            if (tuple.names[i] == name)
                return tuple.items[i];
    }
    if (findMethod(object, name))
        return method(run, object, name);
    if (object.isDict())
        if (const Value* v = static_cast<const Dict*>(object.object())->find(name))
            return *v;
    return missing;
}

Value itemOf(Run& run, const Value& object, const Value& key) {
    if (object.isUndefined())
        failUndefined(object);
    if (object.isDict() || object.is(Object::Kind::Namespace)) {
        if (key.object() && !key.is(Object::Kind::Tuple))
            return {};
        if (const Value* v = static_cast<const Dict*>(object.object())->find(run, key))
            return *v;
    } else if (key.isWhole() && object.isSequence()) {
        const auto& items = static_cast<const List*>(object.object())->items;
        const auto n = static_cast<int64_t>(items.size());
        const int64_t i = key.whole() < 0 ? key.whole() + n : key.whole();
        return i >= 0 && i < n ? items[i] : Value();
    } else if (key.isWhole() && object.isString()) {
        const TaggedText& text = object.text();
        run.work(text.text.size());
        const std::vector<size_t> starts = characterStarts(text.text);
        const auto n = static_cast<int64_t>(starts.size()) - 1;
        const int64_t i = key.whole() < 0 ? key.whole() + n : key.whole();
        return i >= 0 && i < n ? run.text(slice(text, starts[i], starts[i + 1])) : Value();
    }
    return key.isString() ? attributeOf(run, object, key.text().text, nullptr) : Value();
}

// --- calls

Args CallArguments::values(Run& run) const {
    Args out;
    for (const Expr e : positional)
        out.positional.push_back(e->value(run));
    if (spreadList)
        for (Value& v : iterate(run, spreadList->value(run)))
            out.positional.push_back(std::move(v));
    for (const auto& [name, e] : named)
        out.named.emplace_back(name, e->value(run));
    if (spreadDict) {
        const Value v = spreadDict->value(run);
        if (!v.isDict())
            throw Failure("what stands behind ** is not a dict");
        for (const auto& [key, value] : static_cast<const Dict*>(v.object())->entries)
            out.named.emplace_back(key.isString() ? key.text().text : std::string(), value);
    }
    return out;
}

Value callValue(Run& run, const Value& callee, Args& args) {
    if (callee.isUndefined())
        failUndefined(callee);
    Object* o = callee.object();
    if (o && o->kind == Object::Kind::Function)
        return static_cast<Function*>(o)->call(run, args);
    if (o && o->kind == Object::Kind::Loop && static_cast<Loop*>(o)->recurse)
        return static_cast<Loop*>(o)->recurse->call(run, args);
    throw Failure(std::string("a ") + callee.typeName() + " cannot be called");
}

Value CallNode::compute(Run& run) const {
    run.line = line;
    // a.b(...): the method is called without an object for it.
    if (const auto* attribute = dynamic_cast<const AttributeNode*>(callee)) {
        const Value object = attribute->object->value(run);
        if (!object.isUndefined())
            if (const Method m = findMethod(object, attribute->name)) {
                Args args = arguments.values(run);
                return callMethod(run, object, m, args);
            }
        const Value function = attributeOf(run, object, attribute->name, &attribute->name);
        Args args = arguments.values(run);
        return callValue(run, function, args);
    }
    const Value function = callee->value(run);
    Args args = arguments.values(run);
    return callValue(run, function, args);
}

Value FilterNode::apply(Run& run, const Value& in) const {
    run.line = line;
    if (!filter)
        throw Failure("there is no filter called '" + name + "'");
    Args args = arguments.values(run);
    return filter(run, in, args);
}

Value FilterNode::compute(Run& run) const {
    return apply(run, operand->value(run));
}

Value TestNode::compute(Run& run) const {
    run.line = line;
    if (!test)
        throw Failure("there is no test called '" + name + "'");
    const Value v = operand->value(run);
    Args args = arguments.values(run);
    return test(run, v, args) != negated;
}

// --- arithmetic

namespace {

[[noreturn]] void tooLarge() {
    throw Failure("a number is too large");
}

[[noreturn]] void failTypes(const char* what, const Value& a, const Value& b) {
    if (a.isUndefined())
        failUndefined(a);
    if (b.isUndefined())
        failUndefined(b);
    throw Failure(std::string("a ") + a.typeName() + " and a " + b.typeName() + " cannot be " + what);
}

Value repeated(Run& run, const Value& v, int64_t times) {
    times = std::max<int64_t>(times, 0);
    if (v.isString()) {
        const TaggedText& text = v.text();
        if (!text.text.empty() && static_cast<uint64_t>(times) > run.limits().outputBytes / text.text.size())
            run.checkSize(SIZE_MAX);
        run.work(text.text.size() * static_cast<size_t>(times));
        TaggedText out;
        for (int64_t i = 0; i < times && !text.text.empty(); i++)
            append(out, text);
        return run.text(std::move(out), v.isMarkup());
    }
    const auto& items = static_cast<const List*>(v.object())->items;
    if (!items.empty() && static_cast<uint64_t>(times) > run.limits().heapBytes / sizeof(Value) / items.size())
        throw Failure("a list grows too long");
    run.steps(items.size() * static_cast<uint64_t>(times));
    std::vector<Value> out;
    for (int64_t i = 0; i < times && !items.empty(); i++)
        out.insert(out.end(), items.begin(), items.end());
    return v.is(Object::Kind::Tuple) ? run.tuple(std::move(out)) : run.list(std::move(out));
}

Value add(Run& run, const Value& a, const Value& b) {
    if (a.isString() && b.isString() && a.isMarkup() != b.isMarkup()) {
        Args none;
        const Filter escape = findFilter("escape");
        return add(run, escape(run, a, none), escape(run, b, none));
    }
    if (a.isString() && b.isString()) {
        run.checkSize(a.text().text.size() + b.text().text.size());
        run.work(a.text().text.size() + b.text().text.size());
        TaggedText out;
        out.text.reserve(a.text().text.size() + b.text().text.size());
        append(out, a.text());
        append(out, b.text());
        return run.text(std::move(out), a.isMarkup());
    }
    if (a.isSequence() && b.isSequence() && a.object()->kind == b.object()->kind) {
        std::vector<Value> out = static_cast<const List*>(a.object())->items;
        const auto& more = static_cast<const List*>(b.object())->items;
        run.steps(out.size() + more.size());
        out.insert(out.end(), more.begin(), more.end());
        return a.is(Object::Kind::Tuple) ? run.tuple(std::move(out)) : run.list(std::move(out));
    }
    failTypes("added", a, b);
}

int64_t floorDivide(int64_t a, int64_t b) {
    if (b == 0)
        throw Failure("a division by zero");
    if (a == INT64_MIN && b == -1)
        tooLarge();
    return a / b - ((a % b != 0) && ((a < 0) != (b < 0)));
}

Value wholePower(int64_t base, int64_t exponent) {
    if (exponent < 0)
        return std::pow(static_cast<double>(base), static_cast<double>(exponent));
    if (base == 0 || base == 1)
        return exponent == 0 ? int64_t(1) : base;
    if (base == -1)
        return int64_t(exponent % 2 ? -1 : 1);
    int64_t out = 1;
    for (int64_t i = 0; i < exponent; i++) // at most 63 rounds before it overflows
        if (__builtin_mul_overflow(out, base, &out))
            tooLarge();
    return out;
}

Value wholeArithmetic(BinaryOperator op, int64_t a, int64_t b) {
    int64_t out = 0;
    bool overflow = false;
    switch (op) {
    case BinaryOperator::Add:
        overflow = __builtin_add_overflow(a, b, &out);
        break;
    case BinaryOperator::Subtract:
        overflow = __builtin_sub_overflow(a, b, &out);
        break;
    case BinaryOperator::Multiply:
        overflow = __builtin_mul_overflow(a, b, &out);
        break;
    case BinaryOperator::Divide:
        if (b == 0)
            throw Failure("a division by zero");
        return static_cast<double>(a) / static_cast<double>(b);
    case BinaryOperator::FloorDivide:
        return floorDivide(a, b);
    case BinaryOperator::Modulo:
        return b == -1 ? int64_t(0) : a - floorDivide(a, b) * b;
    case BinaryOperator::Power:
        return wholePower(a, b);
    }
    if (overflow)
        tooLarge();
    return out;
}

/// As Python does it: through the remainder, which is exact.
double realFloorDivide(double a, double b) {
    const double m = std::fmod(a, b);
    double quotient = (a - m) / b;
    if (m != 0 && (m < 0) != (b < 0))
        quotient -= 1;
    const double whole = std::floor(quotient);
    return quotient - whole > 0.5 ? whole + 1 : whole;
}

Value realArithmetic(BinaryOperator op, double a, double b) {
    const bool divides =
        op == BinaryOperator::Divide || op == BinaryOperator::FloorDivide || op == BinaryOperator::Modulo;
    if (divides && b == 0)
        throw Failure("a division by zero");
    switch (op) {
    case BinaryOperator::Add:
        return a + b;
    case BinaryOperator::Subtract:
        return a - b;
    case BinaryOperator::Multiply:
        return a * b;
    case BinaryOperator::Divide:
        return a / b;
    case BinaryOperator::FloorDivide:
        return realFloorDivide(a, b);
    case BinaryOperator::Modulo: {
        const double m = std::fmod(a, b);
        return m != 0 && (m < 0) != (b < 0) ? m + b : m;
    }
    case BinaryOperator::Power:
        break;
    }
    return std::pow(a, b);
}

} // namespace

Value binary(Run& run, BinaryOperator op, const Value& a, const Value& b) {
    if (a.isWhole() && b.isWhole())
        return wholeArithmetic(op, a.whole(), b.whole());
    if (a.isNumber() && b.isNumber())
        return realArithmetic(op, a.number(), b.number());
    if (op == BinaryOperator::Add)
        return add(run, a, b);
    if (op == BinaryOperator::Multiply) {
        if ((a.isString() || a.isSequence()) && b.isWhole())
            return repeated(run, a, b.whole());
        if ((b.isString() || b.isSequence()) && a.isWhole())
            return repeated(run, b, a.whole());
    }
    if (op == BinaryOperator::Modulo && a.isMarkup()) {
        const Value out = formatPercent(run, a.text(), escapedTexts(run, b));
        return run.text(out.text(), true);
    }
    if (op == BinaryOperator::Modulo && a.isString())
        return formatPercent(run, a.text(), b);
    constexpr const char* names[] = {"added", "subtracted", "multiplied", "divided", "divided", "divided", "raised"};
    failTypes(names[static_cast<int>(op)], a, b);
}

Value BinaryNode::compute(Run& run) const {
    const Value a = left->value(run);
    const Value b = right->value(run);
    run.line = line;
    return binary(run, op, a, b);
}

} // namespace hearth::engine::jinja
