#pragma once

#include "engine/tokenizer.h"
#include "kernels/tensor.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace hearth::engine {

inline constexpr int kPageTokens = 64; // tokens a page
// Recurrent states that a cache holds at most: those of live sequences, and the snapshots that may be gone back to.
inline constexpr int kStatePages = 12;

/// What a layer keeps of the past.
struct KvKind {
    enum class Tag : uint8_t { Full, Window, Latent, State };
    Tag tag = Tag::Full;
    int window = 0;          // Window: tokens a layer looks back, its own position included
    uint64_t stateBytes = 0; // State: bytes of one layer's recurrent state

    bool operator==(const KvKind&) const = default;
};

/// What one layer stores for each token.
struct KvLayer {
    KvKind kind;
    int heads = 0; // Latent: 1
    int kDim = 0;  // numbers a head; Latent: the compressed latent and the rope part
    int vDim = 0;  // Latent: 0
};

/// Layers of equal kind share a group: one page table, one pool of pages.
struct KvGroup {
    KvKind kind;
    uint64_t pageBytes = 0; // all layers of the group, kPageTokens tokens (State: one state of each layer)
    std::vector<int> layers;
};

/// Where one layer's keys and values lie in a page of its group.
struct KvPlace {
    int group = 0;
    uint64_t kOffset = 0; // bytes from the start of the page
    uint64_t vOffset = 0;
    int heads = 0;
    kernels::CacheArea kArea, vArea; // of one head; empty: a state
};

struct KvLayout {
    kernels::Type type = kernels::Type::F16;
    std::vector<KvGroup> groups;
    std::vector<KvPlace> places; // (nLayers)

    uint64_t bytesPerToken() const; // of every group that grows with the context
};

/// Pure: groups and offsets from what the layers declare.
KvLayout layoutKv(std::span<const KvLayer>, kernels::Type);

/// A 128-bit chained hash: the key of a page is that of the page before it and its own tokens.
struct Hash128 {
    uint64_t a = 0, b = 0;

    bool operator==(const Hash128&) const = default;
    void mix(uint64_t value);
    void mix(std::string_view text);
};

/// The key of the page that these tokens (1 to kPageTokens) fill behind the pages of `parent`.
Hash128 pageKey(Hash128 parent, std::span<const TokenId> tokens);

using KvSequence = int; // handle of a live sequence

/// Who holds which page: page tables of the live sequences and an index of prefixes that outlive them. Bookkeeping
/// only, no backend: bytes are moved by the callback. Engine thread.
///
/// A page has one writer. It becomes shared when it is indexed or forked; a sequence that wants to write into a shared
/// page gets a copy first. Pages that only the index holds are given up, least recently used first, when the pool is
/// empty.
class KvCache {
public:
    static constexpr int kSpaces = 2;

    struct Options {
        KvLayout layout;
        Hash128 key;    // everything that the bytes depend on: model, KV type, numerics, rope settings, overrides
        int pages = 64; // capacity of each group's pool, but for states: those have kStatePages
        /// Copies a page within its group at once; from -1: fills it with zeros (a fresh state).
        std::function<void(int group, int from, int to)> copyPage;
    };

    explicit KvCache(Options);

    /// In one of kSpaces spaces that share pages but no prefix: a rope whose factors change with the length makes other
    /// keys of the same tokens.
    KvSequence open(int space = 0);
    /// Takes over the longest stored prefix of `prompt`, at most `limit` tokens, into an empty sequence. Token-exact.
    int reuse(KvSequence, std::span<const TokenId> prompt, int limit);
    /// How many tokens reuse() would give. Changes nothing.
    int match(std::span<const TokenId> prompt, int limit, int space = 0) const;
    /// Makes room to write the next n tokens: allocates pages, copies a shared last page. False when the pool is
    /// exhausted; then nothing changed.
    bool prepare(KvSequence, int n);
    /// Says that the tokens are written (prepare() came before). Full pages become available to others.
    void commit(KvSequence, std::span<const TokenId>);
    /// Forgets everything from position n on. False where a window or state cannot go back so far; then the sequence
    /// must be dropped and prefilled again.
    bool truncate(KvSequence, int n);
    /// Before n tokens are written of which perhaps only the first ones will be committed: keeps the states as they are
    /// now (prepare() came before), where there are any. False: no room for them.
    bool keepStates(KvSequence, int n);
    /// Where fewer than those were committed, a sequence with states goes back to where they were kept. False where a
    /// window cannot go back so far; then the sequence must be dropped. release() does both itself.
    bool settleStates(KvSequence);
    /// The places of kept states, which a sequence holds until it ends, become free. False: there were none.
    bool giveKept();
    /// Another sequence with the same past, sharing its pages. -1 when a state finds no room.
    KvSequence fork(KvSequence);
    /// Makes the sequence's present position one that reuse() can give, its started page and states included.
    void snapshot(KvSequence);
    /// Ends a sequence: snapshot, then only the index holds its pages.
    void release(KvSequence);
    /// Ends a sequence without storing its last page.
    void drop(KvSequence);
    /// Forgets every stored prefix that no live sequence uses.
    void clear();

    int length(KvSequence) const; // tokens written
    int space(KvSequence) const;  // as open() had it
    bool hasStates() const;       // some layers are recurrent
    std::span<const TokenId> tokens(KvSequence) const;
    /// Pages by position / kPageTokens; -1 where a window has passed (State: one slot).
    std::span<const int32_t> table(KvSequence, int group) const;

    const KvLayout& layout() const { return options_.layout; }

    int highestPage(int group) const; // pages below this number have been given out: what memory must hold
    int freePages(int group) const;   // free now, without giving up stored prefixes
    int heldPages(int group) const;   // by sequences and index together
    int prefixes() const;             // nodes of the index

    // ---- the index as a store outside sees it: nodes by number, the empty prefix of a space is the node `space`.

    struct IndexedPage {
        Hash128 key, parent;
        std::span<const TokenId> tokens; // kPageTokens, or fewer of the last
        std::span<const int32_t> pages;  // (groups); -1: not there
    };

    /// What the index holds of a text, from its start: whole pages, then started ones. Valid until the cache changes.
    std::vector<IndexedPage> indexed(std::span<const TokenId> text, int space) const;
    /// The node of these tokens behind another; -1: none.
    int indexedChild(int parent, std::span<const TokenId> tokens) const;

    bool holds(int node, int group) const {
        return nodes_[static_cast<size_t>(node)].pages[static_cast<size_t>(group)] >= 0;
    }

    /// Whether a prefix of `end` tokens needs the group's page that begins at the token `begin`; `last`: it ends there.
    bool neededAt(int group, int begin, int end, bool last) const;
    using WritePage = std::function<void(int group, int page, std::span<const std::byte>)>;
    /// Puts a page behind another in the index, or adds to it what it lacks; groups without bytes stay empty. The node;
    /// -1: there is no room. What `WritePage` throws leaves the index as it was.
    int adopt(int parent, std::span<const TokenId> tokens, std::span<const std::span<const std::byte>> pages,
              const WritePage&);

    Hash128 key() const { return options_.key; }

    Hash128 rootKey(int space) const { return nodes_[static_cast<size_t>(space)].key; }

    using ReadPage = std::function<void(int group, int page, std::span<std::byte>)>;
    /// A sequence as bytes: a checked header, the tokens, the pages.
    std::vector<std::byte> save(KvSequence, const ReadPage&) const;
    /// Throws Error when the bytes are damaged or belong to another model; then nothing changed.
    KvSequence load(std::span<const std::byte>, const WritePage&);

private:
    /// Pages of one group.
    struct Pool {
        std::vector<int> references; // (pages given out so far)
        std::vector<int> free;       // a heap: the lowest number first, so that memory stays small
        int capacity = 0;
    };

    /// One indexed page: a node of a tree of prefixes. The first kSpaces nodes are roots, the empty prefixes.
    struct Node {
        Hash128 key;
        int parent = -1; // -1: a free node
        std::vector<int> children;
        std::array<TokenId, kPageTokens> tokens{};
        int count = 0;              // tokens that are valid
        std::vector<int32_t> pages; // (groups); -1: given up (window), or no snapshot (state)
        int users = 0;              // live sequences that stand here
        uint64_t lastUse = 0;
    };

    struct Sequence {
        bool live = false;
        int space = 0;
        std::vector<TokenId> tokens;
        std::vector<std::vector<int32_t>> tables; // (groups)(pages)
        int node = 0;                             // covers the full pages up to here
        int indexed = 0;                          // pages that `node` covers
        std::vector<int32_t> kept;                // (groups): states as they were; -1 or empty: none
        int keptAt = -1, keptEnd = 0;             // their position, -1: not to be gone back to; end of what is tried
    };

    /// The best prefix for a prompt: whole nodes, then a part of one more.
    struct Match {
        std::vector<int> path; // nodes that are used whole
        int partial = -1;      // node of which the first `partialTokens` are used
        int partialTokens = 0;

        int tokens() const { return static_cast<int>(path.size()) * kPageTokens + partialTokens; }
    };

    struct KeyHash {
        size_t operator()(const Hash128& h) const { return h.a; }
    };

    const KvGroup& group(int g) const { return options_.layout.groups[static_cast<size_t>(g)]; }

    int nGroups() const { return static_cast<int>(options_.layout.groups.size()); }

    bool isState(int g) const { return group(g).kind.tag == KvKind::Tag::State; }

    Sequence& at(KvSequence s) { return sequences_[static_cast<size_t>(s)]; }

    const Sequence& at(KvSequence s) const { return sequences_[static_cast<size_t>(s)]; }

    int take(int group); // -1: exhausted
    void retain(int group, int page);
    void give(int group, int page);
    bool evict(int group);
    bool evictOnePage(int group);
    bool evictLeaf();
    void removeNode(int node);

    Match find(std::span<const TokenId> prompt, int limit, int space) const;
    bool usable(const Match&) const;
    int firstNeededPage(int group, int position) const;
    int insert(int parent, std::span<const TokenId> tokens);
    int childWith(int parent, const Hash128& key, std::span<const TokenId> tokens) const;
    int indexPage(Sequence&, int page, int count);
    void dropShorter(int node);
    void stand(Sequence&, int node, int indexed);
    void sharePath(Sequence&, const Match&);
    bool copyPart(Sequence&, int node);
    bool copyStates(Sequence&, int node);
    bool goBack(Sequence&, int n);
    bool giveKeptOf(Sequence&);
    void forgetPassedWindow(Sequence&);
    bool ownLastPage(Sequence&, int group);
    bool ownState(Sequence&, int group);
    void forgetAll(Sequence&);
    void end(Sequence&);
    void trim();

    struct StoredHeader {
        int tokens = 0, space = 0;
    };

    class StateReader;
    StoredHeader checkHeader(StateReader&) const;
    int tablePages(int group, int tokens) const;

    Options options_;
    std::vector<Pool> pools_; // (groups)
    std::vector<Node> nodes_;
    std::vector<int> freeNodes_;
    std::unordered_map<Hash128, int, KeyHash> byKey_;
    std::vector<Sequence> sequences_;
    int pinned_ = -1; // a node that must not be given up now
    uint64_t clock_ = 0;
};

} // namespace hearth::engine
