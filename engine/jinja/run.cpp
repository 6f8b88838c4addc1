#include "engine/jinja/run.h"

#include "engine/jinja/builtins.h"
#include "engine/jinja/program.h"

#include <algorithm>

namespace hearth::engine::jinja {

namespace {

constexpr uint64_t kStepsBetweenLooks = 1024; // at the clock

} // namespace

Value* Scope::find(Symbol s) {
    for (auto& [symbol, value] : variables)
        if (symbol == s)
            return &value;
    return nullptr;
}

Run::Run(const Program& program, const Limits& limits, std::optional<std::tm> now)
    : program_(program), limits_(limits), heap_(limits.heapBytes), now_(now), nextCheck_(kStepsBetweenLooks),
      start_(std::chrono::steady_clock::now()), globals_(program.symbols().size()) {
    for (size_t i = 0; i < globals_.size(); i++)
        globals_[i] = makeGlobal(*this, program.symbols()[i]);
}

Run::~Run() = default;

void Run::checkLimits() {
    nextCheck_ = steps_ + kStepsBetweenLooks;
    if (steps_ > limits_.steps)
        throw Failure("it takes too many steps");
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start_;
    if (passed.count() > limits_.seconds)
        throw Failure("it takes too long");
}

void Run::checkSize(size_t bytes) const {
    if (bytes > limits_.outputBytes)
        throw Failure("a text grows beyond " + std::to_string(limits_.outputBytes >> 20) + " MiB");
}

Value Run::text(TaggedText t, bool markup) {
    checkText(t);
    return std::make_shared<const Str>(std::move(t), &heap_, markup);
}

Value Run::text(std::string_view s) {
    return text(TaggedText{std::string(s), {}});
}

Value Run::list(std::vector<Value> items) {
    heap_.take(items.size() * sizeof(Value));
    return make<List>(std::move(items), false);
}

Value Run::tuple(std::vector<Value> items) {
    heap_.take(items.size() * sizeof(Value));
    return make<List>(std::move(items), true);
}

void Run::setGlobal(std::string_view name, Value v) {
    const auto& symbols = program_.symbols();
    const auto it = std::find(symbols.begin(), symbols.end(), name);
    if (it != symbols.end())
        globals_[static_cast<size_t>(it - symbols.begin())] = std::move(v);
}

Value Run::lookup(Symbol s) {
    for (Scope* scope = scope_; scope; scope = scope->parent)
        if (const Value* v = scope->find(s))
            return *v;
    const Value& v = globals_[s];
    return v.isUndefined() ? Value(Undefined{&nameOf(s)}) : v;
}

void Run::assign(Symbol s, Value v) {
    if (!scope_) {
        globals_[s] = std::move(v);
        return;
    }
    if (Value* there = scope_->find(s)) {
        *there = std::move(v);
        return;
    }
    heap_.take(sizeof(scope_->variables[0]));
    scope_->variables.emplace_back(s, std::move(v));
}

const std::string& Run::nameOf(Symbol s) const {
    return program_.symbols()[s];
}

void Run::captureScopes() {
    for (Scope* s = scope_; s && !s->captured; s = s->parent)
        s->captured = true;
}

Scope* Run::freshScope(Scope* parent) {
    Scope* s;
    if (freeScopes_.empty()) {
        heap_.take(sizeof(Scope) + 2 * sizeof(void*));
        scopes_.push_back(std::make_unique<Scope>());
        s = scopes_.back().get();
    } else {
        s = freeScopes_.back();
        freeScopes_.pop_back();
    }
    s->parent = parent;
    return s;
}

Run::Inner::Inner(Run& run) : Inner(run, run.scope_) {}

Run::Inner::Inner(Run& run, Scope* parent) : run_(run), outer_(run.scope_) {
    run.scope_ = run.freshScope(parent);
}

Run::Inner::~Inner() {
    Scope* s = run_.scope_;
    run_.scope_ = outer_;
    if (s->captured)
        return;
    run_.heap_.giveBack(s->variables.size() * sizeof(s->variables[0]));
    s->variables.clear();
    run_.freeScopes_.push_back(s);
}

void Run::Deeper::tooDeep(Run& run) {
    run.nesting_--;
    throw Failure("it is nested too deeply");
}

Run::Call::Call(Run& run) : run_(run), outer_(run.out_) {
    if (run.calls_ >= run.limits_.callDepth)
        throw Failure("macros call each other more than " + std::to_string(run.limits_.callDepth) + " levels deep");
    run.calls_++;
    run.out_ = &written;
}

Run::Call::~Call() {
    run_.calls_--;
    run_.out_ = outer_;
}

std::tm Run::now() const {
    if (now_)
        return *now_;
    const std::time_t t = std::time(nullptr);
    std::tm local{};
    localtime_r(&t, &local);
    return local;
}

} // namespace hearth::engine::jinja
