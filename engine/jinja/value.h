#pragma once

#include "engine/jinja/text_ops.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace hearth::engine::jinja {

class Run;

/// What a run has allocated, against its limit. Strings give back what they took; containers live until the run ends.
class Heap {
public:
    explicit Heap(size_t limit) : limit_(limit) {}

    void take(size_t bytes); // throws Failure

    void giveBack(size_t bytes) { used_ -= bytes; }

private:
    size_t limit_;
    size_t used_ = 0;
};

/// An immutable text with its provenance.
class Str {
public:
    Str(TaggedText text, Heap* heap, bool markup = false);
    ~Str();
    Str(const Str&) = delete;

    const TaggedText tagged;
    const bool markup; // Python's Markup: what is added to it is escaped first

private:
    Heap* heap_; // null: a literal, which belongs to the template
    size_t charged_ = 0;
};

using StrPtr = std::shared_ptr<const Str>;

/// Containers and functions. Owned by the run, so that cycles and deep nests cost nothing to take down.
struct Object {
    enum class Kind : uint8_t { List, Tuple, Dict, Namespace, Loop, Function };

    explicit Object(Kind k) : kind(k) {}

    virtual ~Object() = default;
    const Kind kind;
};

struct Undefined {
    const std::string* name = nullptr; // what was looked up; lives in the template
};

struct None {};

class Value {
public:
    Value() = default; // undefined

    Value(Undefined u) : v_(u) {}

    Value(None n) : v_(n) {}

    Value(bool b) : v_(b) {}

    Value(int64_t i) : v_(i) {}

    Value(double d) : v_(d) {}

    Value(StrPtr s) : v_(std::move(s)) {}

    Value(Object* o) : v_(o) {}

    bool isUndefined() const { return std::holds_alternative<Undefined>(v_); }

    bool isNone() const { return std::holds_alternative<None>(v_); }

    bool isBool() const { return std::holds_alternative<bool>(v_); }

    bool isInt() const { return std::holds_alternative<int64_t>(v_); }

    bool isFloat() const { return std::holds_alternative<double>(v_); }

    bool isString() const { return std::holds_alternative<StrPtr>(v_); }

    bool isNumber() const { return isInt() || isFloat() || isBool(); } // Python counts True as 1

    bool isWhole() const { return isInt() || isBool(); }

    Object* object() const {
        const auto* o = std::get_if<Object*>(&v_);
        return o ? *o : nullptr;
    }

    bool is(Object::Kind k) const { return object() && object()->kind == k; }

    bool isSequence() const { return is(Object::Kind::List) || is(Object::Kind::Tuple); }

    bool isDict() const { return is(Object::Kind::Dict); }

    const TaggedText& text() const { return std::get<StrPtr>(v_)->tagged; } // isString()

    bool isMarkup() const { return isString() && std::get<StrPtr>(v_)->markup; }

    int64_t whole() const { return isBool() ? std::get<bool>(v_) : std::get<int64_t>(v_); }

    double number() const { return isFloat() ? std::get<double>(v_) : static_cast<double>(whole()); }

    bool boolean() const { return std::get<bool>(v_); }

    const std::string* undefinedName() const { return std::get<Undefined>(v_).name; }

    const char* typeName() const; // as Python calls it

private:
    std::variant<Undefined, None, bool, int64_t, double, StrPtr, Object*> v_;
};

struct List : Object {
    explicit List(std::vector<Value> v, bool tuple) : Object(tuple ? Kind::Tuple : Kind::List), items(std::move(v)) {}

    std::vector<Value> items;
    std::span<const std::string_view> names; // of the places of a tuple that has them
};

/// Insertion ordered. Used for dicts and namespaces.
struct Dict : Object {
    explicit Dict(Kind k = Kind::Dict) : Object(k) {}

    const Value* find(Run&, const Value& key) const;
    const Value* find(std::string_view key) const;
    void set(Run&, const Value& key, Value value);
    bool erase(Run&, const Value& key);

    std::vector<std::pair<Value, Value>> entries;

private:
    static constexpr size_t kIndexed = 12; // entries from which an index pays

    template <class Equal>
    const std::pair<Value, Value>* locate(uint64_t hash, const Equal& equal) const;

    mutable std::unordered_multimap<uint64_t, uint32_t> index_; // hash of key -> entry; empty below kIndexed
};

/// The arguments of a call.
struct Args {
    std::vector<Value> positional;
    std::vector<std::pair<std::string, Value>> named;

    /// The argument at `index` or called `name`; null: not given.
    const Value* get(size_t index, std::string_view name) const;
    /// Throws Failure when there are more than these.
    void only(const char* function, std::initializer_list<std::string_view> names) const;
};

struct Function : Object {
    Function() : Object(Kind::Function) {}

    virtual Value call(Run&, Args&) = 0;

    virtual Value attribute(Run&, std::string_view) { return {}; }
};

struct Loop : Object {
    Loop() : Object(Kind::Loop) {}

    std::vector<Value> items;
    size_t index = 0;
    int depth = 1;
    Function* recurse = nullptr; // null: not a recursive loop
    Value lastChanged;           // of loop.changed()
    bool changedOnce = false;
};

/// A template's mistake or a limit; the run adds where.
class Failure : public std::exception {
public:
    explicit Failure(std::string what, bool raisedByTemplate = false)
        : raisedByTemplate(raisedByTemplate), what_(std::move(what)) {}

    const char* what() const noexcept override { return what_.c_str(); }

    const bool raisedByTemplate; // raise_exception

private:
    std::string what_;
};

bool truthy(const Value&);
bool equal(Run&, const Value&, const Value&, int depth = 0);
/// <0, 0, >0; throws Failure when Python cannot order the two.
int compare(Run&, const Value&, const Value&, int depth = 0);
bool contains(Run&, const Value& item, const Value& container);
/// Dict keys and members of sets: throws Failure for lists and dicts.
uint64_t hashOf(const Value&);

/// Python's str() and repr().
TaggedText toText(Run&, const Value&);
void appendText(Run&, TaggedText& out, const Value&);
void appendRepr(Run&, TaggedText& out, const Value&, int depth = 0);
std::string floatText(double);

/// What a for loop sees; throws Failure for what is not iterable.
std::vector<Value> iterate(Run&, const Value&);
/// Python's len().
int64_t lengthOf(Run&, const Value&);

} // namespace hearth::engine::jinja
