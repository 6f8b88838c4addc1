#include "engine/jinja/builtins.h"
#include "engine/jinja/run.h"

namespace hearth::engine::jinja {

namespace {

using Native = Value (*)(Run&, Args&);

struct NativeFunction final : Function {
    explicit NativeFunction(Native n) : native(n) {}

    Value call(Run& run, Args& args) override { return native(run, args); }

    const Native native;
};

Value callRange(Run& run, Args& args) {
    for (const Value& v : args.positional)
        if (!v.isWhole())
            throw Failure(std::string("range needs whole numbers, not a ") + v.typeName());
    const auto n = args.positional.size();
    if (n < 1 || n > 3 || !args.named.empty())
        throw Failure("range takes one to three numbers");
    const int64_t begin = n > 1 ? args.positional[0].whole() : 0;
    const int64_t end = args.positional[n > 1 ? 1 : 0].whole();
    const int64_t step = n > 2 ? args.positional[2].whole() : 1;
    if (step == 0)
        throw Failure("the step of a range is 0");
    // In double: a difference of two int64 may not fit.
    const double count = (static_cast<double>(end) - static_cast<double>(begin)) / static_cast<double>(step);
    if (count > static_cast<double>(run.limits().rangeItems))
        throw Failure("a range of more than " + std::to_string(run.limits().rangeItems) + " numbers");
    std::vector<Value> out;
    for (int64_t i = begin; step > 0 ? i < end : i > end;) {
        run.step();
        out.push_back(i);
        if (__builtin_add_overflow(i, step, &i))
            break;
    }
    return run.list(std::move(out));
}

Value makeDict(Run& run, Args& args, Object::Kind kind) {
    auto* out = run.make<Dict>(kind);
    if (!args.positional.empty()) {
        const Value& from = args.positional[0];
        if (from.isDict()) {
            for (const auto& [k, v] : static_cast<const Dict*>(from.object())->entries)
                out->set(run, k, v);
        } else {
            for (const Value& pair : iterate(run, from)) {
                const std::vector<Value> both = iterate(run, pair);
                if (both.size() != 2)
                    throw Failure("a dict is made from pairs");
                out->set(run, both[0], both[1]);
            }
        }
    }
    for (const auto& [name, value] : args.named)
        out->set(run, run.text(name), value);
    return out;
}

Value callDict(Run& run, Args& args) {
    return makeDict(run, args, Object::Kind::Dict);
}

Value callNamespace(Run& run, Args& args) {
    return makeDict(run, args, Object::Kind::Namespace);
}

Value callRaise(Run& run, Args& args) {
    std::string what = args.positional.empty() ? std::string("no reason given") : toText(run, args.positional[0]).text;
    throw Failure(std::move(what), true);
}

Value callStrftimeNow(Run& run, Args& args) {
    if (args.positional.size() != 1 || !args.positional[0].isString())
        throw Failure("strftime_now needs a pattern");
    return run.text(formatTime(args.positional[0].text().text, run.now()));
}

/// joiner(", "): nothing at the first call, then the separator.
struct Joiner final : Function {
    explicit Joiner(Value s) : separator(std::move(s)) {}

    Value call(Run& run, Args&) override {
        return std::exchange(used, true) ? separator : run.text(std::string_view());
    }

    const Value separator;
    bool used = false;
};

Value callJoiner(Run& run, Args& args) {
    const Value* given = args.get(0, "sep");
    return run.make<Joiner>(given ? *given : run.text(", "));
}

struct Cycler final : Function {
    explicit Cycler(std::vector<Value> v) : items(std::move(v)) {}

    Value call(Run&, Args&) override { return items[at]; }

    Value attribute(Run& run, std::string_view name) override;

    std::vector<Value> items;
    size_t at = 0;
};

struct CyclerStep final : Function { // cycler.next, cycler.reset

    CyclerStep(Cycler& c, bool n) : cycler(c), next(n) {}

    Value call(Run&, Args&) override {
        const Value now = cycler.items[cycler.at];
        cycler.at = next ? (cycler.at + 1) % cycler.items.size() : 0;
        return next ? now : Value(None{});
    }

    Cycler& cycler;
    const bool next;
};

Value Cycler::attribute(Run& run, std::string_view name) {
    if (name == "current")
        return items[at];
    if (name == "next" || name == "reset")
        return run.make<CyclerStep>(*this, name == "next");
    return {};
}

Value callCycler(Run& run, Args& args) {
    if (args.positional.empty())
        throw Failure("cycler needs something to go through");
    return run.make<Cycler>(args.positional);
}

struct GlobalRow {
    std::string_view name;
    Native native;
};

constexpr GlobalRow kGlobals[] = {
    {"cycler", callCycler},
    {"dict", callDict},
    {"joiner", callJoiner},
    {"namespace", callNamespace},
    {"raise_exception", callRaise},
    {"range", callRange},
    {"strftime_now", callStrftimeNow},
};

} // namespace

Value makeGlobal(Run& run, const std::string& name) {
    for (const GlobalRow& row : kGlobals)
        if (row.name == name)
            return run.make<NativeFunction>(row.native);
    return {};
}

} // namespace hearth::engine::jinja
