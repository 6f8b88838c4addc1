#include "engine/grammar/config_table.h"

#include <algorithm>
#include <functional>

namespace hearth::engine::grammar {

namespace {

constexpr StateId kEnd = UINT32_MAX; // instead of a state: the end of the text
constexpr uint32_t kBottom = 0;
constexpr uint64_t kMaxClosureWork = 50'000; // items and frames of one configuration

} // namespace

ConfigTable::ConfigTable(const Automaton& automaton) : automaton_(&automaton) {
    frames_.resize(automaton.callees().size());
    const Frame end{.state = kEnd};
    nodes_.intern({&end, 1});
    intern({}); // kDead
    seen_.clear();
    call(0, nodes_[kBottom]);
    if (automaton.rootMayBeEmpty())
        items_.push_back({.state = kEnd});
    start_ = close();
}

bool ConfigTable::canEnd(ConfigId id) const {
    const auto items = configs_[id];
    return !items.empty() && items.back().state == kEnd;
}

bool ConfigTable::canContinue(ConfigId id) const {
    const auto items = configs_[id];
    return !items.empty() && items.front().state != kEnd;
}

ConfigId ConfigTable::intern(std::span<const Item> items) {
    const size_t before = configs_.size();
    const ConfigId id = configs_.intern(items);
    if (configs_.size() > before)
        steps_.resize(steps_.size() + automaton_->classes(), id == kDead ? kDead : kUnknown);
    return id;
}

ConfigId ConfigTable::computeStep(ConfigId from, uint32_t byteClass) {
    seen_.clear();
    for (const Item& item : configs_[from]) {
        ++work_;
        if (item.state == kEnd)
            continue;
        const State& s = automaton_->state(item.state);
        if (s.first <= byteClass && byteClass <= s.last)
            push({.state = s.next, .node = item.node});
    }
    const ConfigId to = close();
    steps_[size_t{from} * automaton_->classes() + byteClass] = to;
    return to;
}

/// The configuration of all that seeds and calls lead to without reading a byte.
ConfigId ConfigTable::close() {
    const uint64_t limit = work_ + kMaxClosureWork;
    const auto tooMuch = [&] { return work_ > limit; };
    while (!seeds_.empty() && !tooMuch())
        follow(false);
    // All that returns has returned, so every caller of this moment is known when a callee's turn comes: whoever could
    // call it later would have a lower rank.
    while (!called_.empty() && !tooMuch())
        enterCalled();
    ConfigId id = kDead;
    if (tooMuch()) {
        gaveUp_ = true;
        seeds_.clear();
        for (const auto& [rank, callee] : called_)
            frames_[callee].clear();
        called_.clear();
    } else {
        std::sort(items_.begin(), items_.end());
        items_.erase(std::unique(items_.begin(), items_.end()), items_.end());
        id = intern(items_);
    }
    items_.clear();
    return id;
}

void ConfigTable::push(const Seed& seed) {
    ++work_;
    if (seen_.insert(seed))
        seeds_.push_back(seed);
}

/// `entering`: nothing was read since the callee was called. Then its end means nothing, for calls never match the
/// empty text.
void ConfigTable::follow(bool entering) {
    const Seed seed = seeds_.back();
    seeds_.pop_back();
    const State& s = automaton_->state(seed.state);
    switch (s.kind) {
    case State::Kind::Bytes:
        items_.push_back({.state = seed.state, .node = seed.node});
        break;
    case State::Kind::Split:
        for (const StateId target : automaton_->targets(s))
            push({.state = target, .node = seed.node});
        break;
    case State::Kind::Call:
        // What has nothing left to do is not returned to: recursion at the end of a rule needs no stack.
        if (s.next == Automaton::kAccept) {
            copied_.assign(nodes_[seed.node].begin(), nodes_[seed.node].end());
            call(s.index, copied_);
        } else {
            const Frame back{.state = s.next, .parent = seed.node};
            call(s.index, {&back, 1});
        }
        break;
    case State::Kind::Loop: {
        const Loop& loop = automaton_->loop(s.index);
        if (seed.count >= loop.min)
            push({.state = s.next, .node = seed.node});
        if (loop.max != kUnbounded && seed.count >= loop.max)
            break;
        const uint32_t most = loop.max == kUnbounded ? loop.min : loop.max;
        const Frame back{.state = seed.state, .count = std::min(seed.count + 1, most), .parent = seed.node};
        call(loop.body, {&back, 1});
        break;
    }
    case State::Kind::Accept:
        if (!entering)
            returnTo(seed.node);
        break;
    }
}

void ConfigTable::returnTo(uint32_t node) {
    for (const Frame& frame : nodes_[node])
        if (frame.state == kEnd)
            items_.push_back({.state = kEnd});
        else
            push({.state = frame.state, .count = frame.count, .node = frame.parent});
}

void ConfigTable::call(uint32_t callee, std::span<const Frame> frames) {
    work_ += frames.size();
    std::vector<Frame>& to = frames_[callee];
    if (to.empty()) {
        called_.emplace_back(automaton_->callees()[callee].rank, callee);
        std::push_heap(called_.begin(), called_.end(), std::greater<>());
    }
    to.insert(to.end(), frames.begin(), frames.end());
}

void ConfigTable::enterCalled() {
    std::pop_heap(called_.begin(), called_.end(), std::greater<>());
    const uint32_t callee = called_.back().second;
    called_.pop_back();
    std::vector<Frame>& frames = frames_[callee];
    std::sort(frames.begin(), frames.end());
    frames.erase(std::unique(frames.begin(), frames.end()), frames.end());
    const uint32_t node = nodes_.intern(frames);
    frames.clear();
    push({.state = automaton_->callees()[callee].entry, .node = node});
    while (!seeds_.empty())
        follow(true);
}

size_t ConfigTable::bytes() const {
    return nodes_.bytes() + configs_.bytes() + steps_.size() * sizeof(ConfigId);
}

void ConfigTable::keepOnly(std::span<ConfigId* const> live) {
    const Interner<Frame> oldNodes = std::exchange(nodes_, {});
    const Interner<Item> oldConfigs = std::exchange(configs_, {});
    steps_ = {};
    // A node is younger than the nodes below it: marks go down, copies go up.
    std::vector<uint32_t> nodeOf(oldNodes.size(), kUnknown);
    std::vector<bool> wanted(oldNodes.size(), false);
    const auto want = [&](ConfigId id) {
        for (const Item& item : oldConfigs[id])
            wanted[item.node] = true;
    };
    wanted[kBottom] = true;
    want(start_);
    for (const ConfigId* id : live)
        want(*id);
    for (size_t node = oldNodes.size(); node-- > 0;)
        if (wanted[node])
            for (const Frame& frame : oldNodes[static_cast<uint32_t>(node)])
                wanted[frame.parent] = true;
    for (uint32_t node = 0; node < oldNodes.size(); ++node)
        if (wanted[node]) {
            copied_.assign(oldNodes[node].begin(), oldNodes[node].end());
            for (Frame& frame : copied_)
                frame.parent = node == kBottom ? kBottom : nodeOf[frame.parent];
            nodeOf[node] = nodes_.intern(copied_); // ids grow as they did: the frames stay sorted
        }
    const auto copy = [&](ConfigId id) {
        items_.assign(oldConfigs[id].begin(), oldConfigs[id].end());
        for (Item& item : items_)
            item.node = nodeOf[item.node];
        return intern(items_);
    };
    intern({});
    start_ = copy(start_);
    for (ConfigId* id : live)
        *id = copy(*id);
    items_.clear();
}

} // namespace hearth::engine::grammar
