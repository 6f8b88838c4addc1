#include "engine/kv_cache.h"

#include "engine/error.h"
#include "kernels/quant_types.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace hearth::engine {

namespace {

/// Bytes that one layer adds to a page of its group.
uint64_t keyBytes(const KvLayer& layer, kernels::Type type) {
    return static_cast<uint64_t>(layer.heads) * kPageTokens * kernels::cacheRowBytes(type, layer.kDim);
}

uint64_t valueBytes(const KvLayer& layer, kernels::Type type) {
    return static_cast<uint64_t>(layer.heads) * kPageTokens * kernels::cacheRowBytes(type, layer.vDim);
}

int pagesFor(int tokens) {
    return (tokens + kPageTokens - 1) / kPageTokens;
}

int commonPrefix(std::span<const TokenId> x, std::span<const TokenId> y) {
    const auto n = static_cast<std::ptrdiff_t>(std::min(x.size(), y.size()));
    return static_cast<int>(std::mismatch(x.begin(), x.begin() + n, y.begin()).first - x.begin());
}

} // namespace

Hash128 pageKey(Hash128 parent, std::span<const TokenId> tokens) {
    parent.mix(tokens.size());
    for (const TokenId token : tokens)
        parent.mix(static_cast<uint32_t>(token));
    return parent;
}

KvLayout layoutKv(std::span<const KvLayer> layers, kernels::Type type) {
    KvLayout layout;
    layout.type = type;
    for (size_t i = 0; i < layers.size(); ++i) {
        const KvLayer& layer = layers[i];
        size_t g = 0;
        while (g < layout.groups.size() && layout.groups[g].kind != layer.kind)
            ++g;
        if (g == layout.groups.size())
            layout.groups.push_back({.kind = layer.kind});
        KvGroup& group = layout.groups[g];
        group.layers.push_back(static_cast<int>(i));
        KvPlace place{.group = static_cast<int>(g), .kOffset = group.pageBytes, .vOffset = group.pageBytes};
        if (layer.kind.tag == KvKind::Tag::State) {
            group.pageBytes += (layer.kind.stateBytes + 63) / 64 * 64;
        } else {
            place.heads = layer.heads;
            place.kArea = kernels::cacheArea(type, layer.kDim);
            place.vArea = kernels::cacheArea(type, layer.vDim);
            place.vOffset += keyBytes(layer, type);
            group.pageBytes = place.vOffset + valueBytes(layer, type); // a page of 64 tokens keeps 64-byte alignment
        }
        layout.places.push_back(place);
    }
    return layout;
}

uint64_t KvLayout::bytesPerToken() const {
    uint64_t bytes = 0;
    for (const KvGroup& group : groups)
        if (group.kind.tag == KvKind::Tag::Full || group.kind.tag == KvKind::Tag::Latent)
            bytes += group.pageBytes / kPageTokens;
    return bytes;
}

void Hash128::mix(uint64_t value) {
    a = (a ^ value) * 0x9E3779B97F4A7C15u;
    a ^= a >> 32;
    b = (b + (a ^ std::rotl(value, 29))) * 0xC2B2AE3D27D4EB4Fu;
    b ^= b >> 29;
    a += b;
}

void Hash128::mix(std::string_view text) {
    mix(text.size());
    while (!text.empty()) {
        uint64_t word = 0;
        const size_t n = std::min<size_t>(text.size(), 8);
        std::memcpy(&word, text.data(), n);
        mix(word);
        text.remove_prefix(n);
    }
}

KvCache::KvCache(Options options) : options_(std::move(options)) {
    pools_.resize(options_.layout.groups.size());
    for (int g = 0; g < nGroups(); ++g)
        pools_[static_cast<size_t>(g)].capacity = isState(g) ? kStatePages : std::max(1, options_.pages);
    for (uint64_t space = 0; space < kSpaces; ++space) {
        Node root;
        root.key = options_.key;
        if (space > 0)
            root.key.mix(space);
        root.parent = static_cast<int>(space);
        root.pages.assign(pools_.size(), -1);
        nodes_.push_back(std::move(root));
    }
}

// ---- pages

int KvCache::take(int g) {
    Pool& pool = pools_[static_cast<size_t>(g)];
    if (pool.free.empty() && static_cast<int>(pool.references.size()) >= pool.capacity && !evict(g))
        return -1;
    int page = static_cast<int>(pool.references.size());
    if (pool.free.empty()) {
        pool.references.push_back(1);
        return page;
    }
    std::pop_heap(pool.free.begin(), pool.free.end(), std::greater<>());
    page = pool.free.back();
    pool.free.pop_back();
    pool.references[static_cast<size_t>(page)] = 1;
    return page;
}

void KvCache::retain(int g, int page) {
    if (page >= 0)
        ++pools_[static_cast<size_t>(g)].references[static_cast<size_t>(page)];
}

void KvCache::give(int g, int page) {
    if (page < 0)
        return;
    Pool& pool = pools_[static_cast<size_t>(g)];
    if (--pool.references[static_cast<size_t>(page)] > 0)
        return;
    pool.free.push_back(page);
    std::push_heap(pool.free.begin(), pool.free.end(), std::greater<>());
}

/// Frees at least one page of the group from the index, or says that nothing can be freed.
bool KvCache::evict(int g) {
    const Pool& pool = pools_[static_cast<size_t>(g)];
    const KvKind::Tag tag = group(g).kind.tag;
    if ((tag == KvKind::Tag::Window || tag == KvKind::Tag::State) && evictOnePage(g))
        return true;
    while (pool.free.empty())
        if (!evictLeaf())
            return false;
    return true;
}

/// A window's page or a snapshot can go without the node: the prefix is then usable from elsewhere only.
bool KvCache::evictOnePage(int g) {
    int oldest = -1;
    for (int i = kSpaces; i < static_cast<int>(nodes_.size()); ++i) {
        const Node& node = nodes_[static_cast<size_t>(i)];
        const int page = node.parent < 0 ? -1 : node.pages[static_cast<size_t>(g)];
        if (page < 0 || i == pinned_ || pools_[static_cast<size_t>(g)].references[static_cast<size_t>(page)] > 1)
            continue;
        if (oldest < 0 || node.lastUse < nodes_[static_cast<size_t>(oldest)].lastUse)
            oldest = i;
    }
    if (oldest < 0)
        return false;
    give(g, std::exchange(nodes_[static_cast<size_t>(oldest)].pages[static_cast<size_t>(g)], -1));
    return true;
}

bool KvCache::evictLeaf() {
    int oldest = -1;
    for (int i = kSpaces; i < static_cast<int>(nodes_.size()); ++i) {
        const Node& node = nodes_[static_cast<size_t>(i)];
        if (node.parent < 0 || !node.children.empty() || node.users > 0 || i == pinned_)
            continue;
        if (oldest < 0 || node.lastUse < nodes_[static_cast<size_t>(oldest)].lastUse)
            oldest = i;
    }
    if (oldest < 0)
        return false;
    removeNode(oldest);
    return true;
}

// ---- the index

void KvCache::removeNode(int index) {
    Node& node = nodes_[static_cast<size_t>(index)];
    for (int g = 0; g < nGroups(); ++g)
        give(g, node.pages[static_cast<size_t>(g)]);
    std::erase(nodes_[static_cast<size_t>(node.parent)].children, index);
    if (const auto it = byKey_.find(node.key); it != byKey_.end() && it->second == index)
        byKey_.erase(it);
    node = Node{};
    freeNodes_.push_back(index);
}

int KvCache::childWith(int parent, const Hash128& key, std::span<const TokenId> tokens) const {
    const auto it = byKey_.find(key);
    if (it == byKey_.end())
        return -1;
    const Node& node = nodes_[static_cast<size_t>(it->second)];
    // The hash finds, the tokens decide; the parent stands for the tokens before.
    const bool same = node.parent == parent && node.count == static_cast<int>(tokens.size()) &&
                      std::equal(tokens.begin(), tokens.end(), node.tokens.begin());
    return same ? it->second : -1;
}

int KvCache::insert(int parent, std::span<const TokenId> tokens) {
    int index = static_cast<int>(nodes_.size());
    if (freeNodes_.empty()) {
        nodes_.emplace_back();
    } else {
        index = freeNodes_.back();
        freeNodes_.pop_back();
    }
    Node& node = nodes_[static_cast<size_t>(index)];
    node.key = pageKey(nodes_[static_cast<size_t>(parent)].key, tokens);
    node.parent = parent;
    node.count = static_cast<int>(tokens.size());
    std::copy(tokens.begin(), tokens.end(), node.tokens.begin());
    node.pages.assign(pools_.size(), -1);
    nodes_[static_cast<size_t>(parent)].children.push_back(index);
    byKey_.insert_or_assign(node.key, index);
    return index;
}

/// The node for a page of the sequence below where it stands, made when it is not there, with the pages it lacks.
int KvCache::indexPage(Sequence& s, int page, int count) {
    const std::span<const TokenId> tokens =
        std::span(s.tokens).subspan(static_cast<size_t>(page) * kPageTokens, static_cast<size_t>(count));
    int index = childWith(s.node, pageKey(nodes_[static_cast<size_t>(s.node)].key, tokens), tokens);
    if (index < 0) {
        index = insert(s.node, tokens);
        dropShorter(index);
    }
    Node& node = nodes_[static_cast<size_t>(index)];
    node.lastUse = ++clock_;
    for (int g = 0; g < nGroups(); ++g) {
        int32_t& held = node.pages[static_cast<size_t>(g)];
        if (held < 0 && !isState(g)) {
            held = s.tables[static_cast<size_t>(g)][static_cast<size_t>(page)];
            retain(g, held);
        }
    }
    return index;
}

/// Started pages that the new node continues are of no use any more, unless they hold a snapshot.
void KvCache::dropShorter(int index) {
    const Node& node = nodes_[static_cast<size_t>(index)];
    std::vector<int> shorter;
    for (const int c : nodes_[static_cast<size_t>(node.parent)].children) {
        const Node& child = nodes_[static_cast<size_t>(c)];
        const bool prefix = child.count < node.count &&
                            std::equal(child.tokens.begin(), child.tokens.begin() + child.count, node.tokens.begin());
        bool snapshot = false;
        for (int g = 0; g < nGroups(); ++g)
            snapshot = snapshot || (isState(g) && child.pages[static_cast<size_t>(g)] >= 0);
        if (c != index && prefix && !snapshot && child.users == 0 && c != pinned_)
            shorter.push_back(c);
    }
    for (const int c : shorter)
        removeNode(c);
}

int KvCache::firstNeededPage(int g, int position) const {
    const KvKind& kind = group(g).kind;
    if (kind.tag != KvKind::Tag::Window)
        return 0;
    return std::max(0, position - kind.window + 1) / kPageTokens;
}

bool KvCache::usable(const Match& match) const {
    const int position = match.tokens();
    const auto nodeAt = [&](int page) -> const Node& {
        const bool whole = page < static_cast<int>(match.path.size());
        return nodes_[static_cast<size_t>(whole ? match.path[static_cast<size_t>(page)] : match.partial)];
    };
    for (int g = 0; g < nGroups() && position > 0; ++g) {
        const int last = pagesFor(position) - 1;
        const int first = isState(g) ? last : firstNeededPage(g, position);
        for (int page = first; page <= last; ++page)
            if (nodeAt(page).pages[static_cast<size_t>(g)] < 0)
                return false;
        // A state is usable at the position of its snapshot only: the end of the node.
        if (isState(g) && match.partialTokens > 0 && match.partialTokens != nodeAt(last).count)
            return false;
    }
    return true;
}

KvCache::Match KvCache::find(std::span<const TokenId> prompt, int limit, int space) const {
    prompt = prompt.first(std::min(prompt.size(), static_cast<size_t>(std::max(0, limit))));
    std::vector<int> path;
    for (int node = space; prompt.size() >= (path.size() + 1) * kPageTokens;) {
        const auto tokens = prompt.subspan(path.size() * kPageTokens, kPageTokens);
        node = childWith(node, pageKey(nodes_[static_cast<size_t>(node)].key, tokens), tokens);
        if (node < 0)
            break;
        path.push_back(node);
    }
    // From the longest path down: it and the best started page below it, the first that every group can give.
    for (;; path.pop_back()) {
        Match best{.path = path};
        bool found = usable(best);
        const auto rest = prompt.subspan(path.size() * kPageTokens);
        for (const int c : nodes_[static_cast<size_t>(path.empty() ? space : path.back())].children) {
            const Node& child = nodes_[static_cast<size_t>(c)];
            const int n = commonPrefix(rest, std::span(child.tokens).first(static_cast<size_t>(child.count)));
            const Match candidate{.path = path, .partial = c, .partialTokens = n};
            if (n > best.partialTokens && n < kPageTokens && usable(candidate)) {
                best = candidate;
                found = true;
            }
        }
        if (found)
            return best; // at the latest the empty prefix
    }
}

// ---- sequences

void KvCache::stand(Sequence& s, int node, int indexed) {
    --nodes_[static_cast<size_t>(s.node)].users;
    ++nodes_[static_cast<size_t>(node)].users;
    s.node = node;
    s.indexed = indexed;
}

KvSequence KvCache::open(int space) {
    size_t index = 0;
    while (index < sequences_.size() && sequences_[index].live)
        ++index;
    if (index == sequences_.size())
        sequences_.emplace_back();
    Sequence& s = sequences_[index];
    s.live = true;
    s.tokens.clear();
    s.tables.assign(pools_.size(), {});
    s.space = space;
    s.node = space;
    s.indexed = 0;
    ++nodes_[static_cast<size_t>(space)].users;
    return static_cast<KvSequence>(index);
}

int KvCache::match(std::span<const TokenId> prompt, int limit, int space) const {
    return find(prompt, limit, space).tokens();
}

/// The whole pages of a match, shared.
void KvCache::sharePath(Sequence& s, const Match& match) {
    const int position = match.tokens();
    for (int g = 0; g < nGroups(); ++g) {
        if (isState(g))
            continue;
        std::vector<int32_t>& table = s.tables[static_cast<size_t>(g)];
        const int first = firstNeededPage(g, position);
        for (int page = 0; page < static_cast<int>(match.path.size()); ++page) {
            const Node& node = nodes_[static_cast<size_t>(match.path[static_cast<size_t>(page)])];
            table.push_back(page < first ? -1 : node.pages[static_cast<size_t>(g)]);
            retain(g, table.back());
        }
    }
    for (const int node : match.path)
        nodes_[static_cast<size_t>(node)].lastUse = ++clock_;
}

/// A started page of a node, copied, so that the sequence can write on behind it. False when the pool is exhausted.
bool KvCache::copyPart(Sequence& s, int node) {
    pinned_ = node;
    int g = 0;
    for (; g < nGroups(); ++g) {
        if (isState(g))
            continue;
        const int page = take(g);
        if (page < 0)
            break;
        s.tables[static_cast<size_t>(g)].push_back(page);
        options_.copyPage(g, nodes_[static_cast<size_t>(node)].pages[static_cast<size_t>(g)], page);
    }
    const bool whole = g == nGroups();
    while (!whole && --g >= 0)
        if (!isState(g)) {
            give(g, s.tables[static_cast<size_t>(g)].back());
            s.tables[static_cast<size_t>(g)].pop_back();
        }
    nodes_[static_cast<size_t>(node)].lastUse = ++clock_;
    pinned_ = -1;
    return whole;
}

/// The states as the node's snapshot has them. False when the pool is exhausted.
bool KvCache::copyStates(Sequence& s, int node) {
    pinned_ = node;
    bool room = true;
    for (int g = 0; g < nGroups() && room; ++g) {
        const int slot = isState(g) ? take(g) : 0;
        room = slot >= 0;
        if (!isState(g) || !room)
            continue;
        s.tables[static_cast<size_t>(g)].push_back(slot);
        options_.copyPage(g, nodes_[static_cast<size_t>(node)].pages[static_cast<size_t>(g)], slot);
    }
    pinned_ = -1;
    return room;
}

int KvCache::reuse(KvSequence sequence, std::span<const TokenId> prompt, int limit) {
    Sequence& s = at(sequence);
    const Match match = find(prompt, limit, s.space);
    if (match.tokens() == 0)
        return 0;
    sharePath(s, match);
    const int end = match.path.empty() ? s.space : match.path.back();
    stand(s, end, static_cast<int>(match.path.size()));
    int length = match.tokens();
    bool states = true;
    if (match.partialTokens > 0 && !copyPart(s, match.partial)) {
        length -= match.partialTokens;
        states = !hasStates();
    } else {
        states = copyStates(s, match.partialTokens > 0 ? match.partial : end);
    }
    if (!states) { // without its states the prefix is worth nothing
        forgetAll(s);
        return 0;
    }
    s.tokens.assign(prompt.begin(), prompt.begin() + length);
    return length;
}

void KvCache::forgetAll(Sequence& s) {
    for (int g = 0; g < nGroups(); ++g) {
        for (const int32_t page : s.tables[static_cast<size_t>(g)])
            give(g, page);
        s.tables[static_cast<size_t>(g)].clear();
    }
    giveKeptOf(s);
    s.tokens.clear();
    stand(s, s.space, 0);
}

/// A last page that others hold too is copied before the sequence writes behind it.
bool KvCache::ownLastPage(Sequence& s, int g) {
    if (s.tokens.size() % kPageTokens == 0)
        return true;
    int32_t& page = s.tables[static_cast<size_t>(g)].back();
    if (pools_[static_cast<size_t>(g)].references[static_cast<size_t>(page)] == 1)
        return true;
    const int own = take(g);
    if (own < 0)
        return false;
    options_.copyPage(g, page, own);
    give(g, page);
    page = own;
    return true;
}

bool KvCache::ownState(Sequence& s, int g) {
    std::vector<int32_t>& table = s.tables[static_cast<size_t>(g)];
    if (!table.empty())
        return true;
    const int slot = take(g);
    if (slot < 0)
        return false;
    options_.copyPage(g, -1, slot);
    table.push_back(slot);
    return true;
}

bool KvCache::prepare(KvSequence sequence, int n) {
    Sequence& s = at(sequence);
    const auto before = static_cast<size_t>(pagesFor(static_cast<int>(s.tokens.size())));
    const auto needed = static_cast<size_t>(pagesFor(static_cast<int>(s.tokens.size()) + n));
    bool room = true;
    for (int g = 0; g < nGroups() && room; ++g) {
        if (isState(g)) {
            room = ownState(s, g);
            continue;
        }
        std::vector<int32_t>& table = s.tables[static_cast<size_t>(g)];
        room = ownLastPage(s, g);
        while (room && table.size() < needed) {
            const int page = take(g);
            room = page >= 0;
            if (room)
                table.push_back(page);
        }
    }
    for (int g = 0; g < nGroups() && !room; ++g) {
        std::vector<int32_t>& table = s.tables[static_cast<size_t>(g)];
        while (!isState(g) && table.size() > before) {
            give(g, table.back());
            table.pop_back();
        }
    }
    return room;
}

void KvCache::forgetPassedWindow(Sequence& s) {
    for (int g = 0; g < nGroups(); ++g) {
        if (group(g).kind.tag != KvKind::Tag::Window)
            continue;
        std::vector<int32_t>& table = s.tables[static_cast<size_t>(g)];
        const int first = firstNeededPage(g, static_cast<int>(s.tokens.size()));
        for (int page = first - 1; page >= 0 && table[static_cast<size_t>(page)] >= 0; --page)
            give(g, std::exchange(table[static_cast<size_t>(page)], -1));
    }
}

void KvCache::commit(KvSequence sequence, std::span<const TokenId> tokens) {
    Sequence& s = at(sequence);
    s.tokens.insert(s.tokens.end(), tokens.begin(), tokens.end());
    while (s.tokens.size() >= static_cast<size_t>(s.indexed + 1) * kPageTokens)
        stand(s, indexPage(s, s.indexed, kPageTokens), s.indexed + 1);
    forgetPassedWindow(s);
}

bool KvCache::truncate(KvSequence sequence, int n) {
    Sequence& s = at(sequence);
    if (n >= static_cast<int>(s.tokens.size()))
        return true;
    if (n > 0 && hasStates())
        return false;
    return goBack(s, n);
}

/// Tokens from n on are gone; of states only those of the beginning.
bool KvCache::goBack(Sequence& s, int n) {
    const int pages = pagesFor(std::max(0, n));
    std::vector<int> chain(static_cast<size_t>(s.indexed)); // node of each indexed page
    for (int node = s.node, i = s.indexed; i > 0; node = nodes_[static_cast<size_t>(node)].parent)
        chain[static_cast<size_t>(--i)] = node;
    const auto indexedPage = [&](int g, int page) {
        return page < s.indexed
                   ? nodes_[static_cast<size_t>(chain[static_cast<size_t>(page)])].pages[static_cast<size_t>(g)]
                   : -1;
    };
    for (int g = 0; g < nGroups(); ++g) {
        for (int page = firstNeededPage(g, n); page < pages && !isState(g); ++page)
            if (s.tables[static_cast<size_t>(g)][static_cast<size_t>(page)] < 0 && indexedPage(g, page) < 0)
                return false;
    }
    for (int g = 0; g < nGroups(); ++g) {
        std::vector<int32_t>& table = s.tables[static_cast<size_t>(g)];
        const size_t keep = isState(g) ? (n > 0 ? 1 : 0) : static_cast<size_t>(pages);
        for (; table.size() > keep; table.pop_back())
            give(g, table.back());
        for (int page = firstNeededPage(g, n); page < pages && !isState(g); ++page)
            if (int32_t& held = table[static_cast<size_t>(page)]; held < 0) {
                held = indexedPage(g, page);
                retain(g, held);
            }
    }
    s.tokens.resize(static_cast<size_t>(std::max(0, n)));
    const int indexed = std::min(s.indexed, std::max(0, n) / kPageTokens);
    stand(s, indexed == 0 ? s.space : chain[static_cast<size_t>(indexed - 1)], indexed);
    return true;
}

bool KvCache::keepStates(KvSequence sequence, int n) {
    if (!hasStates())
        return true;
    Sequence& s = at(sequence);
    s.kept.resize(static_cast<size_t>(nGroups()), -1);
    for (int g = 0; g < nGroups(); ++g) {
        if (!isState(g))
            continue;
        int32_t& slot = s.kept[static_cast<size_t>(g)];
        if (slot < 0)
            slot = take(g);
        if (slot < 0) {
            giveKeptOf(s);
            return false;
        }
        options_.copyPage(g, s.tables[static_cast<size_t>(g)].front(), slot);
    }
    s.keptAt = static_cast<int>(s.tokens.size());
    s.keptEnd = s.keptAt + n;
    return true;
}

bool KvCache::giveKeptOf(Sequence& s) {
    bool any = false;
    for (size_t g = 0; g < s.kept.size(); ++g)
        if (s.kept[g] >= 0) {
            give(static_cast<int>(g), s.kept[g]);
            any = true;
        }
    s.kept.clear();
    s.keptAt = -1;
    return any;
}

bool KvCache::giveKept() {
    bool any = false;
    for (Sequence& s : sequences_)
        any = (s.live && s.keptAt < 0 && giveKeptOf(s)) || any;
    return any;
}

bool KvCache::settleStates(KvSequence sequence) {
    Sequence& s = at(sequence);
    const int back = std::exchange(s.keptAt, -1);
    if (back < 0 || static_cast<int>(s.tokens.size()) == s.keptEnd)
        return true;
    for (int g = 0; g < nGroups(); ++g)
        if (isState(g))
            std::swap(s.tables[static_cast<size_t>(g)].front(), s.kept[static_cast<size_t>(g)]);
    return goBack(s, back);
}

KvSequence KvCache::fork(KvSequence sequence) {
    const KvSequence copy = open(at(sequence).space);
    Sequence& s = at(copy);
    const Sequence& original = at(sequence);
    s.tokens = original.tokens;
    stand(s, original.node, original.indexed);
    for (int g = 0; g < nGroups(); ++g) {
        const std::vector<int32_t>& table = original.tables[static_cast<size_t>(g)];
        if (!isState(g)) {
            s.tables[static_cast<size_t>(g)] = table;
            for (const int32_t page : table)
                retain(g, page);
        } else if (!table.empty()) {
            const int slot = take(g);
            if (slot < 0) {
                end(s);
                return -1;
            }
            s.tables[static_cast<size_t>(g)].push_back(slot);
            options_.copyPage(g, table.front(), slot);
        }
    }
    return copy;
}

void KvCache::snapshot(KvSequence sequence) {
    Sequence& s = at(sequence);
    const int started = static_cast<int>(s.tokens.size() % kPageTokens);
    const int node = started > 0 ? indexPage(s, s.indexed, started) : s.node;
    if (node < kSpaces)
        return;
    pinned_ = node;
    for (int g = 0; g < nGroups(); ++g) {
        if (!isState(g) || s.tables[static_cast<size_t>(g)].empty() ||
            nodes_[static_cast<size_t>(node)].pages[static_cast<size_t>(g)] >= 0)
            continue;
        const int slot = take(g);
        if (slot >= 0)
            options_.copyPage(g, s.tables[static_cast<size_t>(g)].front(), slot);
        nodes_[static_cast<size_t>(node)].pages[static_cast<size_t>(g)] = slot;
    }
    pinned_ = -1;
}

/// Pages at the end that nobody holds were never given out: memory that could not be had for them is not asked for
/// again by whoever needs less.
void KvCache::trim() {
    for (Pool& pool : pools_) {
        const size_t before = pool.references.size();
        while (!pool.references.empty() && pool.references.back() == 0)
            pool.references.pop_back();
        if (pool.references.size() == before)
            continue;
        std::erase_if(pool.free, [&](int page) { return page >= static_cast<int>(pool.references.size()); });
        std::make_heap(pool.free.begin(), pool.free.end(), std::greater<>());
    }
}

void KvCache::end(Sequence& s) {
    forgetAll(s);
    --nodes_[static_cast<size_t>(s.space)].users;
    s = Sequence{};
    trim();
}

void KvCache::release(KvSequence sequence) {
    if (settleStates(sequence))
        snapshot(sequence);
    end(at(sequence));
}

void KvCache::drop(KvSequence sequence) {
    end(at(sequence));
}

void KvCache::clear() {
    while (evictLeaf()) {
    }
    trim();
}

int KvCache::length(KvSequence s) const {
    return static_cast<int>(at(s).tokens.size());
}

bool KvCache::hasStates() const {
    return std::any_of(options_.layout.groups.begin(), options_.layout.groups.end(),
                       [](const KvGroup& g) { return g.kind.tag == KvKind::Tag::State; });
}

int KvCache::space(KvSequence s) const {
    return at(s).space;
}

std::span<const TokenId> KvCache::tokens(KvSequence s) const {
    return at(s).tokens;
}

std::span<const int32_t> KvCache::table(KvSequence s, int g) const {
    return at(s).tables[static_cast<size_t>(g)];
}

int KvCache::highestPage(int g) const {
    return static_cast<int>(pools_[static_cast<size_t>(g)].references.size());
}

int KvCache::freePages(int g) const {
    const Pool& pool = pools_[static_cast<size_t>(g)];
    return pool.capacity - highestPage(g) + static_cast<int>(pool.free.size());
}

int KvCache::heldPages(int g) const {
    return pools_[static_cast<size_t>(g)].capacity - freePages(g);
}

int KvCache::prefixes() const {
    return static_cast<int>(nodes_.size() - freeNodes_.size()) - kSpaces;
}

// ---- the index as a store outside sees it

int KvCache::indexedChild(int parent, std::span<const TokenId> tokens) const {
    return childWith(parent, pageKey(nodes_[static_cast<size_t>(parent)].key, tokens), tokens);
}

std::vector<KvCache::IndexedPage> KvCache::indexed(std::span<const TokenId> text, int space) const {
    std::vector<IndexedPage> out;
    const auto add = [&](const Node& node) {
        out.push_back({.key = node.key,
                       .parent = nodes_[static_cast<size_t>(node.parent)].key,
                       .tokens = std::span(node.tokens).first(static_cast<size_t>(node.count)),
                       .pages = node.pages});
    };
    int node = space;
    for (;; text = text.subspan(kPageTokens)) {
        const int next = text.size() < kPageTokens ? -1 : indexedChild(node, text.first(kPageTokens));
        if (next < 0)
            break;
        add(nodes_[static_cast<size_t>(next)]);
        node = next;
    }
    for (const int c : nodes_[static_cast<size_t>(node)].children) {
        const Node& child = nodes_[static_cast<size_t>(c)];
        const auto tokens = std::span(child.tokens).first(static_cast<size_t>(child.count));
        if (child.count < kPageTokens && commonPrefix(tokens, text) == child.count)
            add(child);
    }
    return out;
}

bool KvCache::neededAt(int g, int begin, int end, bool last) const {
    return isState(g) ? last : begin / kPageTokens >= firstNeededPage(g, end);
}

int KvCache::adopt(int parent, std::span<const TokenId> tokens, std::span<const std::span<const std::byte>> pages,
                   const WritePage& writePage) {
    int index = indexedChild(parent, tokens);
    const bool made = index < 0;
    if (made)
        index = insert(parent, tokens);
    nodes_[static_cast<size_t>(index)].lastUse = ++clock_;
    pinned_ = index;
    const auto undo = [&](int g, int page) {
        give(g, page);
        pinned_ = -1;
        if (made)
            removeNode(index);
    };
    for (int g = 0; g < nGroups(); ++g) {
        const std::span<const std::byte> bytes = pages[static_cast<size_t>(g)];
        if (bytes.empty() || holds(index, g))
            continue;
        const int page = take(g);
        if (page < 0) {
            undo(g, page);
            return -1;
        }
        try {
            writePage(g, page, bytes);
        } catch (...) {
            undo(g, page); // nobody may find a page that was not written
            throw;
        }
        nodes_[static_cast<size_t>(index)].pages[static_cast<size_t>(g)] = page;
    }
    pinned_ = -1;
    return index;
}

// ---- sequences as bytes

namespace {

constexpr uint32_t kMagic = 0x31564B48; // "HKV1"

class Writer {
public:
    template <typename T>
    void number(T value) {
        const auto* bytes = reinterpret_cast<const std::byte*>(&value);
        out.insert(out.end(), bytes, bytes + sizeof(T));
    }

    std::vector<std::byte> out;
};

Hash128 checksum(std::span<const std::byte> bytes) {
    Hash128 hash;
    hash.mix(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    return hash;
}

} // namespace

/// Reads a stored state from the front, never past its end.
class KvCache::StateReader {
public:
    explicit StateReader(std::span<const std::byte> bytes) : rest_(bytes) {}

    /// Takes the checksum off the end and compares it.
    void verify() {
        if (rest_.size() < 16)
            tooShort();
        StateReader tail(rest_.last(16));
        Hash128 stored;
        stored.a = tail.number<uint64_t>();
        stored.b = tail.number<uint64_t>();
        rest_ = rest_.first(rest_.size() - 16);
        if (!(stored == checksum(rest_)))
            throw Error("The stored state of a conversation is damaged.");
    }

    std::span<const std::byte> take(uint64_t n) {
        if (n > rest_.size())
            tooShort();
        const auto front = rest_.first(n);
        rest_ = rest_.subspan(n);
        return front;
    }

    template <typename T>
    T number() {
        T value;
        std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
        return value;
    }

    bool empty() const { return rest_.empty(); }

private:
    [[noreturn]] static void tooShort() { throw Error("The stored state of a conversation ends too early."); }

    std::span<const std::byte> rest_;
};

// Layout, little-endian: magic, key (16), groups, tokens, space; for each group: kind, window, page bytes, pages; the
// token ids; for each group and page: one byte "present" and, if so, the page; a 128-bit checksum of all that.
std::vector<std::byte> KvCache::save(KvSequence sequence, const ReadPage& readPage) const {
    const Sequence& s = at(sequence);
    Writer out;
    out.number(kMagic);
    out.number(options_.key.a);
    out.number(options_.key.b);
    out.number(static_cast<uint32_t>(nGroups()));
    out.number(static_cast<uint32_t>(s.tokens.size()));
    out.number(static_cast<uint32_t>(s.space));
    for (int g = 0; g < nGroups(); ++g) {
        out.number(static_cast<uint32_t>(group(g).kind.tag));
        out.number(static_cast<uint32_t>(group(g).kind.window));
        out.number(group(g).pageBytes);
        out.number(static_cast<uint32_t>(s.tables[static_cast<size_t>(g)].size()));
    }
    for (const TokenId token : s.tokens)
        out.number(token);
    for (int g = 0; g < nGroups(); ++g)
        for (const int32_t page : s.tables[static_cast<size_t>(g)]) {
            out.number(static_cast<uint8_t>(page >= 0));
            if (page < 0)
                continue;
            out.out.resize(out.out.size() + group(g).pageBytes);
            readPage(g, page, std::span(out.out).last(group(g).pageBytes));
        }
    const Hash128 sum = checksum(out.out);
    out.number(sum.a);
    out.number(sum.b);
    return std::move(out.out);
}

/// Reads and checks the header up to the tokens.
KvCache::StoredHeader KvCache::checkHeader(StateReader& in) const {
    Hash128 key;
    if (in.number<uint32_t>() != kMagic)
        throw Error("This is not the stored state of a conversation.");
    key.a = in.number<uint64_t>();
    key.b = in.number<uint64_t>();
    if (!(key == options_.key))
        throw Error("The stored state belongs to another model or to other settings.");
    const auto groups = in.number<uint32_t>();
    const auto nTokens = in.number<uint32_t>();
    const auto space = in.number<uint32_t>();
    if (space >= kSpaces || groups != pools_.size() || nTokens > static_cast<uint64_t>(options_.pages) * kPageTokens)
        throw Error("The stored state does not fit this model's cache.");
    for (int g = 0; g < nGroups(); ++g) {
        const bool same = in.number<uint32_t>() == static_cast<uint32_t>(group(g).kind.tag) &&
                          in.number<uint32_t>() == static_cast<uint32_t>(group(g).kind.window) &&
                          in.number<uint64_t>() == group(g).pageBytes;
        const auto pages = in.number<uint32_t>();
        if (!same || pages != static_cast<uint32_t>(tablePages(g, static_cast<int>(nTokens))))
            throw Error("The stored state does not fit this model's layers.");
    }
    return {.tokens = static_cast<int>(nTokens), .space = static_cast<int>(space)};
}

int KvCache::tablePages(int g, int tokens) const {
    return isState(g) ? (tokens > 0 ? 1 : 0) : pagesFor(tokens);
}

KvSequence KvCache::load(std::span<const std::byte> bytes, const WritePage& writePage) {
    StateReader in(bytes);
    in.verify();
    const auto [nTokens, space] = checkHeader(in);
    std::vector<TokenId> tokens(static_cast<size_t>(nTokens));
    for (TokenId& token : tokens)
        token = in.number<TokenId>();
    std::vector<std::vector<std::span<const std::byte>>> payload(pools_.size()); // (groups)(pages); empty: passed
    for (int g = 0; g < nGroups(); ++g)
        for (int page = 0; page < tablePages(g, nTokens); ++page) {
            const bool present = in.number<uint8_t>() != 0;
            if (!present && (isState(g) || page >= firstNeededPage(g, nTokens)))
                throw Error("The stored state lacks a page.");
            payload[static_cast<size_t>(g)].push_back(present ? in.take(group(g).pageBytes)
                                                              : std::span<const std::byte>{});
        }
    if (!in.empty())
        throw Error("The stored state has bytes left over.");
    const KvSequence sequence = open(space);
    if (!prepare(sequence, nTokens)) {
        drop(sequence);
        throw Error("There is no room left for the stored state of a conversation.");
    }
    for (int g = 0; g < nGroups(); ++g)
        for (size_t page = 0; page < payload[static_cast<size_t>(g)].size(); ++page) {
            int32_t& held = at(sequence).tables[static_cast<size_t>(g)][page];
            if (const auto& data = payload[static_cast<size_t>(g)][page]; !data.empty())
                writePage(g, held, data);
            else // passed by a window: nobody may find the empty page in the index
                give(g, std::exchange(held, -1));
        }
    commit(sequence, tokens);
    return sequence;
}

} // namespace hearth::engine
