#include "engine/grammar/automaton.h"

#include "engine/error.h"
#include "engine/grammar/utf8_ranges.h"

#include <algorithm>
#include <bitset>
#include <map>
#include <tuple>
#include <unordered_map>

namespace hearth::engine::grammar {

namespace {

constexpr size_t kMaxStates = 1'000'000;
constexpr StateId kNoState = std::numeric_limits<StateId>::max(); // matches nothing

/// For every expression whether a property holds that grows from the leaves: "matches something", "may be empty". Each
/// expression is looked at once more for each of its parts that turns true, so the whole is linear.
class Property {
public:
    using Leaf = bool (*)(const Expr&); // what is true whatever the parts are

    Property(const Rules& rules, Leaf leaf) : rules_(rules), exprs_(rules.exprs()) {
        holds_.assign(exprs_.size(), false);
        missing_.assign(exprs_.size(), 0);
        findUsers();
        std::vector<ExprId> work;
        for (ExprId e = 0; e < exprs_.size(); ++e)
            if (leaf(exprs_[e]) || (exprs_[e].kind == Expr::Kind::Sequence && exprs_[e].parts.empty()))
                set(e, work);
        while (!work.empty()) {
            const ExprId e = work.back();
            work.pop_back();
            for (uint32_t i = usersBegin_[e]; i < usersBegin_[e + 1]; ++i)
                if (const ExprId user = users_[i]; !holds_[user] && --missing_[user] == 0)
                    set(user, work);
        }
    }

    bool operator[](ExprId e) const { return holds_[e]; }

private:
    void set(ExprId e, std::vector<ExprId>& work) {
        holds_[e] = true;
        work.push_back(e);
    }

    template <class Use>
    void forEachPart(ExprId e, Use use) const {
        if (exprs_[e].kind == Expr::Kind::Rule)
            use(rules_.rules()[exprs_[e].rule].body);
        else
            for (const ExprId part : exprs_[e].parts)
                use(part);
    }

    /// users_[usersBegin_[e] ..]: the expressions that e is a part of, once for each time.
    void findUsers() {
        usersBegin_.assign(exprs_.size() + 1, 0);
        for (ExprId e = 0; e < exprs_.size(); ++e) {
            forEachPart(e, [&](ExprId part) { ++usersBegin_[part + 1]; });
            missing_[e] = exprs_[e].kind == Expr::Kind::Sequence ? static_cast<uint32_t>(exprs_[e].parts.size()) : 1;
        }
        for (size_t i = 1; i < usersBegin_.size(); ++i)
            usersBegin_[i] += usersBegin_[i - 1];
        users_.resize(usersBegin_.back());
        std::vector<uint32_t> next = usersBegin_;
        for (ExprId e = 0; e < exprs_.size(); ++e)
            forEachPart(e, [&](ExprId part) { users_[next[part]++] = e; });
    }

    const Rules& rules_;
    const std::vector<Expr>& exprs_;
    std::vector<bool> holds_;
    std::vector<uint32_t> missing_; // parts that have to turn true still
    std::vector<ExprId> users_;
    std::vector<uint32_t> usersBegin_;
};

bool matchesAlways(const Expr& e) {
    return e.kind == Expr::Kind::Text || (e.kind == Expr::Kind::Class && !e.ranges.empty()) ||
           (e.kind == Expr::Kind::Repeat && e.min == 0);
}

bool emptyAlways(const Expr& e) {
    return (e.kind == Expr::Kind::Text && e.text.empty()) || (e.kind == Expr::Kind::Repeat && e.min == 0);
}

} // namespace

/// Builds the states from the back: an expression is compiled in front of the state that follows it.
class Compiler {
public:
    Compiler(const Rules& rules, Automaton& out)
        : rules_(rules), out_(out), matches_(rules, matchesAlways), mayBeEmpty_(rules, emptyAlways) {}

    void run() {
        const ExprId root = rules_.rules()[0].body;
        if (!matches_[root])
            throw Error("The grammar allows no text at all.");
        out_.rootMayBeEmpty_ = mayBeEmpty_[root];
        add({.kind = State::Kind::Accept});
        callee(root, 0);
        // Callees are found while others are compiled.
        for (size_t i = 0; i < bodies_.size(); ++i) {
            const StateId entry = compile(bodies_[i], Automaton::kAccept);
            out_.callees_[i].entry = entry;
        }
        rank();
        classify();
    }

private:
    StateId add(const State& s) {
        if (out_.states_.size() >= kMaxStates)
            throw Error("The grammar is too large: it takes more than " + std::to_string(kMaxStates) + " states.");
        out_.states_.push_back(s);
        return static_cast<StateId>(out_.states_.size() - 1);
    }

    StateId bytes(uint8_t first, uint8_t last, StateId next) {
        return add({.kind = State::Kind::Bytes, .first = first, .last = last, .next = next});
    }

    StateId split(std::vector<StateId> targets) {
        std::erase(targets, kNoState);
        if (targets.size() == 1)
            return targets[0];
        const auto first = static_cast<uint32_t>(out_.targets_.size());
        out_.targets_.insert(out_.targets_.end(), targets.begin(), targets.end());
        if (out_.targets_.size() > 4 * kMaxStates)
            throw Error("The grammar is too large: it takes more than " + std::to_string(kMaxStates) + " states.");
        return add({.kind = State::Kind::Split, .index = first, .count = static_cast<uint32_t>(targets.size())});
    }

    /// The callee of an expression; `rule`: whose name errors give, kNoState: none.
    uint32_t callee(ExprId body, RuleId rule) {
        const auto [it, isNew] = calleeOf_.try_emplace(body, static_cast<uint32_t>(bodies_.size()));
        if (isNew) {
            bodies_.push_back(body);
            names_.push_back(rule);
            out_.callees_.push_back({});
        }
        return it->second;
    }

    /// The depth of the recursion is that of the brackets in the grammar: at most kMaxDepth.
    StateId compile(ExprId id, StateId next) {
        const Expr& e = rules_.exprs()[id];
        if (!matches_[id])
            return kNoState;
        switch (e.kind) {
        case Expr::Kind::Text:
            for (size_t i = e.text.size(); i-- > 0;)
                next = bytes(static_cast<uint8_t>(e.text[i]), static_cast<uint8_t>(e.text[i]), next);
            return next;
        case Expr::Kind::Class:
            return characters(e, next);
        case Expr::Kind::Sequence:
            for (size_t i = e.parts.size(); i-- > 0;)
                next = compile(e.parts[i], next);
            return next;
        case Expr::Kind::Choice: {
            std::vector<StateId> targets;
            for (const ExprId part : e.parts)
                targets.push_back(compile(part, next));
            return split(std::move(targets));
        }
        case Expr::Kind::Repeat:
            return repeat(e, next);
        case Expr::Kind::Rule: {
            const ExprId body = rules_.rules()[e.rule].body;
            const StateId call = add({.kind = State::Kind::Call, .next = next, .index = callee(body, e.rule)});
            return mayBeEmpty_[body] ? split({call, next}) : call;
        }
        case Expr::Kind::Nothing:
            break;
        }
        return kNoState;
    }

    StateId characters(const Expr& e, StateId next) {
        std::vector<StateId> targets;
        std::map<std::tuple<uint8_t, uint8_t, StateId>, StateId> known; // equal tails are one
        for (const ByteSequence& s : utf8Sequences(e.ranges)) {
            StateId at = next;
            for (size_t i = static_cast<size_t>(s.length); i-- > 0;) {
                const auto [it, isNew] = known.try_emplace({s.bytes[i].first, s.bytes[i].last, at}, 0);
                if (isNew)
                    it->second = bytes(s.bytes[i].first, s.bytes[i].last, at);
                at = it->second;
            }
            targets.push_back(at);
        }
        return split(std::move(targets));
    }

    StateId repeat(const Expr& e, StateId next) {
        const ExprId body = e.parts[0];
        // Turns that match nothing may make up what is missing.
        const uint32_t min = mayBeEmpty_[body] ? 0 : e.min;
        if (e.max == 0 || !matches_[body])
            return next;
        if (e.max == 1)
            return min == 1 ? compile(body, next) : split({compile(body, next), next});
        if (e.max == kUnbounded && min <= 1) {
            const StateId again = add({.kind = State::Kind::Split});
            const StateId turn = compile(body, again);
            State s = out_.states_[split({turn, next, Automaton::kAccept})]; // a split that is surely one
            s.count = 2;
            out_.states_[again] = s;
            return min == 1 ? turn : again;
        }
        const auto index = static_cast<uint32_t>(out_.loops_.size());
        out_.loops_.push_back({.min = min, .max = e.max, .body = callee(body, kNoState)});
        const StateId loop = add({.kind = State::Kind::Loop, .next = next, .index = index});
        return loop;
    }

    // ---- ranks

    /// What may be called before a byte is read, from the entry of a callee.
    std::vector<uint32_t> calledFirst(uint32_t callee) {
        std::vector<uint32_t> out;
        std::vector<StateId> work = {out_.callees_[callee].entry};
        while (!work.empty()) {
            const StateId id = work.back();
            work.pop_back();
            if (seen_[id] == callee + 1)
                continue;
            seen_[id] = callee + 1;
            const State& s = out_.states_[id];
            if (s.kind == State::Kind::Split) {
                const auto targets = out_.targets(s);
                work.insert(work.end(), targets.begin(), targets.end());
            } else if (s.kind == State::Kind::Call) {
                out.push_back(s.index);
            } else if (s.kind == State::Kind::Loop) {
                out.push_back(out_.loops_[s.index].body);
                if (out_.loops_[s.index].min == 0)
                    work.push_back(s.next);
            }
        }
        return out;
    }

    /// Depth first without recursion: a callee gets its rank when all that it calls first have theirs.
    void rank() {
        enum : uint8_t { New, Open, Done };

        struct Visit {
            uint32_t callee;
            std::vector<uint32_t> calls;
        };

        seen_.assign(out_.states_.size(), 0);
        std::vector<uint8_t> mark(out_.callees_.size(), New);
        auto next = static_cast<uint32_t>(out_.callees_.size());
        std::vector<Visit> path;
        for (uint32_t start = 0; start < out_.callees_.size(); ++start) {
            if (mark[start] != New)
                continue;
            mark[start] = Open;
            path.push_back({start, calledFirst(start)});
            while (!path.empty()) {
                Visit& top = path.back();
                if (top.calls.empty()) {
                    mark[top.callee] = Done;
                    out_.callees_[top.callee].rank = --next;
                    path.pop_back();
                    continue;
                }
                const uint32_t to = top.calls.back();
                top.calls.pop_back();
                if (mark[to] == Open)
                    throwLeftRecursion(to, top.callee);
                if (mark[to] == New) {
                    mark[to] = Open;
                    path.push_back({to, calledFirst(to)});
                }
            }
        }
    }

    [[noreturn]] void throwLeftRecursion(uint32_t a, uint32_t b) const {
        const RuleId rule = names_[a] != kNoState ? names_[a] : names_[b];
        std::string name = rule != kNoState ? rules_.rules()[rule].name : std::string();
        throw Error("The grammar is left-recursive: " + (name.empty() ? "a rule" : "the rule " + printable(name)) +
                    " begins with itself. Write the repetition with * or with the rule at the end.");
    }

    // ---- byte classes

    void classify() {
        std::bitset<257> border;
        for (const State& s : out_.states_)
            if (s.kind == State::Kind::Bytes) {
                border.set(s.first);
                border.set(size_t{s.last} + 1);
            }
        uint32_t current = 0;
        for (size_t b = 0; b < 256; ++b) {
            if (b > 0 && border.test(b))
                ++current;
            out_.classOf_[b] = static_cast<uint8_t>(current);
        }
        out_.classes_ = current + 1;
        for (State& s : out_.states_)
            if (s.kind == State::Kind::Bytes) {
                s.first = out_.classOf_[s.first];
                s.last = out_.classOf_[s.last];
            }
    }

    const Rules& rules_;
    Automaton& out_;
    Property matches_, mayBeEmpty_;
    std::unordered_map<ExprId, uint32_t> calleeOf_; // by its body
    std::vector<ExprId> bodies_;
    std::vector<RuleId> names_;
    std::vector<uint32_t> seen_; // a state: last callee that reached it, + 1
};

Automaton::Automaton(const Rules& rules) {
    Compiler(rules, *this).run();
}

} // namespace hearth::engine::grammar
