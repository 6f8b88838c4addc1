#pragma once

#include "engine/jinja/value.h"

#include <chrono>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hearth::engine::jinja {

/// A template is a program from a stranger: whatever it does ends within these.
struct Limits {
    size_t sourceBytes = 1 << 20;
    int parseDepth = 200;
    int callDepth = 64;            // macros inside macros
    int nesting = 2000;            // expressions and blocks being computed, over all calls
    uint64_t steps = 10'000'000;   // an operation each; long texts and lists count for their size
    double seconds = 1.0;          // wall clock
    size_t outputBytes = 16 << 20; // also of any one text
    size_t heapBytes = 64 << 20;
    int64_t rangeItems = 100'000; // as Jinja's own sandbox has it
};

using Symbol = int; // a name of the template, by its place in Program::symbols

/// Variables of a block. Few each, so a list.
struct Scope {
    Scope* parent = nullptr;
    std::vector<std::pair<Symbol, Value>> variables;
    bool captured = false; // a macro may look at it later: not used again for another block

    Value* find(Symbol);
};

class Program;

/// The state of one rendering; one thread. Everything a template made dies with it.
class Run {
public:
    Run(const Program&, const Limits&, std::optional<std::tm> now);
    ~Run();
    Run(const Run&) = delete;

    Heap& heap() { return heap_; }

    const Limits& limits() const { return limits_; }

    void step() {
        if (++steps_ >= nextCheck_)
            checkLimits();
    }

    void steps(uint64_t n) {
        steps_ += n;
        if (steps_ >= nextCheck_)
            checkLimits();
    }

    void work(size_t bytes) { steps(bytes / 64); } // moving or reading so many bytes

    void checkSize(size_t textBytes) const; // of a text about to be made

    void checkText(const TaggedText& growing) const { checkSize(growing.text.size()); }

    Value text(TaggedText, bool markup = false);
    Value text(std::string_view trusted);
    Value list(std::vector<Value>);
    Value tuple(std::vector<Value>);

    template <class T, class... A>
    T* make(A&&... a) {
        heap_.take(sizeof(T) + sizeof(void*));
        auto owned = std::make_unique<T>(std::forward<A>(a)...);
        T* raw = owned.get();
        objects_.push_back(std::move(owned));
        return raw;
    }

    // Variables.
    void setGlobal(std::string_view name, Value); // ignored when the template never says it
    Value lookup(Symbol);
    void assign(Symbol, Value); // in the innermost scope
    const std::string& nameOf(Symbol) const;

    Scope* scope() { return scope_; }

    void captureScopes(); // the present ones stay as they are

    /// A new innermost scope while it lives.
    class Inner {
    public:
        explicit Inner(Run&);
        Inner(Run&, Scope* parent);
        ~Inner();
        Inner(const Inner&) = delete;

    private:
        Run& run_;
        Scope* outer_;
    };

    /// One level of computing deeper while it lives.
    class Deeper {
    public:
        explicit Deeper(Run& run) : run_(run) {
            if (++run.nesting_ > run.limits_.nesting)
                tooDeep(run);
        }

        ~Deeper() { run_.nesting_--; }

        Deeper(const Deeper&) = delete;

    private:
        [[noreturn]] static void tooDeep(Run&);
        Run& run_;
    };

    /// A macro's call; what it writes is collected.
    class Call {
    public:
        explicit Call(Run&);
        ~Call();
        Call(const Call&) = delete;

        TaggedText written;

    private:
        Run& run_;
        TaggedText* outer_;
    };

    /// Collects what is written while it lives.
    class Collect {
    public:
        explicit Collect(Run& run) : run_(run), outer_(run.out_) { run.out_ = &written; }

        ~Collect() { run_.out_ = outer_; }

        Collect(const Collect&) = delete;

        TaggedText written;

    private:
        Run& run_;
        TaggedText* outer_;
    };

    TaggedText& out() { return *out_; }

    TaggedText takeOutput() { return std::move(output_); }

    std::tm now() const;

    int line = 1; // being run, for messages

private:
    void checkLimits();
    Scope* freshScope(Scope* parent);

    const Program& program_;
    const Limits limits_;
    Heap heap_;
    std::optional<std::tm> now_;
    uint64_t steps_ = 0, nextCheck_ = 0;
    std::chrono::steady_clock::time_point start_;
    int nesting_ = 0, calls_ = 0;
    std::vector<Value> globals_; // [symbols]
    std::vector<std::unique_ptr<Object>> objects_;
    std::vector<std::unique_ptr<Scope>> scopes_;
    std::vector<Scope*> freeScopes_;
    Scope* scope_ = nullptr; // null: the template's own level
    TaggedText output_;
    TaggedText* out_ = &output_;
};

} // namespace hearth::engine::jinja
