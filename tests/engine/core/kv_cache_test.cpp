// Bookkeeping of the KV cache, without a backend: a page's content is a line of text here.

#include "engine/error.h"
#include "engine/kv_cache.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <numeric>
#include <string>

using namespace hearth::engine;

namespace {

/// A cache whose pages are tracked: which token was written where.
class TestCache {
public:
    explicit TestCache(std::vector<KvLayer> layers, int pages = 64, uint64_t key = 1)
        : cache({.layout = layoutKv(layers, hearth::kernels::Type::F16),
                 .key = {.a = key, .b = 0},
                 .pages = pages,
                 .copyPage = [this](int group, int from, int to) {
                     ++copies;
                     content[{group, to}] = from < 0 ? std::map<int, TokenId>{} : content[{group, from}];
                 }}) {}

    /// Prefills what is missing of the prompt; returns how many tokens were computed.
    int feed(KvSequence s, const std::vector<TokenId>& prompt) {
        const int have = cache.length(s);
        const int n = static_cast<int>(prompt.size()) - have;
        EXPECT_TRUE(cache.prepare(s, n));
        for (int i = have; i < have + n; ++i)
            write(s, i, prompt[static_cast<size_t>(i)]);
        cache.commit(s, std::span(prompt).subspan(static_cast<size_t>(have)));
        return n;
    }

    int start(KvSequence s, const std::vector<TokenId>& prompt) {
        const int reused = cache.reuse(s, prompt, static_cast<int>(prompt.size()) - 1);
        check(s);
        return reused;
    }

    void write(KvSequence s, int position, TokenId token) {
        for (int g = 0; g < groups(); ++g)
            if (kind(g).tag != KvKind::Tag::State) {
                const int page = cache.table(s, g)[static_cast<size_t>(position / kPageTokens)];
                content[{g, page}][position % kPageTokens] = token;
            } else {
                content[{g, cache.table(s, g)[0]}][0] = position; // a state knows where it stands
            }
    }

    /// Every position that the sequence may look at holds the token that it should.
    void check(KvSequence s) {
        const auto tokens = cache.tokens(s);
        for (int g = 0; g < groups(); ++g) {
            if (kind(g).tag == KvKind::Tag::State) {
                if (!tokens.empty()) {
                    EXPECT_EQ((content[{g, cache.table(s, g)[0]}][0]), static_cast<int>(tokens.size()) - 1);
                }
                continue;
            }
            const int n = static_cast<int>(tokens.size());
            const int first = kind(g).tag == KvKind::Tag::Window ? std::max(0, n - kind(g).window + 1) : 0;
            for (int i = first; i < n; ++i) {
                const int page = cache.table(s, g)[static_cast<size_t>(i / kPageTokens)];
                ASSERT_GE(page, 0) << "group " << g << ", position " << i;
                EXPECT_EQ((content[{g, page}][i % kPageTokens]), tokens[static_cast<size_t>(i)])
                    << "group " << g << ", position " << i;
            }
        }
    }

    int groups() const { return static_cast<int>(cache.layout().groups.size()); }

    const KvKind& kind(int g) const { return cache.layout().groups[static_cast<size_t>(g)].kind; }

    std::map<std::pair<int, int>, std::map<int, TokenId>> content; // (group, page) -> slot -> token
    int copies = 0;
    KvCache cache;
};

const KvLayer kFull{.heads = 2, .kDim = 8, .vDim = 8};
const KvLayer kWindow100{.kind = {.tag = KvKind::Tag::Window, .window = 100}, .heads = 2, .kDim = 8, .vDim = 8};
const KvLayer kState{.kind = {.tag = KvKind::Tag::State, .stateBytes = 100}};

std::vector<TokenId> tokens(int n, int salt = 0) {
    std::vector<TokenId> t(static_cast<size_t>(n));
    std::iota(t.begin(), t.end(), 1000 * salt);
    return t;
}

std::vector<TokenId> joined(std::vector<TokenId> a, const std::vector<TokenId>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

TEST(KvLayout, LayersOfEqualKindShareAGroup) {
    const std::vector<KvLayer> layers = {kFull, kWindow100, kFull, kState, kState};
    const KvLayout layout = layoutKv(layers, hearth::kernels::Type::F16);
    ASSERT_EQ(layout.groups.size(), 3u);
    EXPECT_EQ(layout.groups[0].layers, (std::vector<int>{0, 2}));
    const uint64_t layer = 2 * 64 * 8 * 2 * 2; // heads, tokens, numbers, bytes, k and v
    EXPECT_EQ(layout.groups[0].pageBytes, 2 * layer);
    EXPECT_EQ(layout.places[2].kOffset, layer);
    EXPECT_EQ(layout.places[2].vOffset, layer + layer / 2);
    EXPECT_EQ(layout.groups[2].pageBytes, 2 * 128u);
    EXPECT_EQ(layout.bytesPerToken(), 2 * layer / 64);
    EXPECT_EQ(layoutKv(layers, hearth::kernels::Type::F32).groups[0].pageBytes, 4 * layer);
    // Heads of 8 numbers fill one block of 32.
    EXPECT_EQ(layoutKv(layers, hearth::kernels::Type::Q8_0).groups[0].pageBytes, 2 * 2 * 64 * 34 * 2u);
    EXPECT_EQ(layoutKv(layers, hearth::kernels::Type::Q4_0).groups[0].pageBytes, 2 * 2 * 64 * 18 * 2u);
}

TEST(KvCache, APrefixIsFoundAgain) {
    TestCache t({kFull});
    const KvSequence a = t.cache.open();
    EXPECT_EQ(t.start(a, tokens(200)), 0);
    t.feed(a, tokens(200));
    t.cache.release(a);
    const KvSequence b = t.cache.open();
    EXPECT_EQ(t.start(b, joined(tokens(200), {7, 7, 7})), 200); // three pages and eight tokens of a fourth
    EXPECT_EQ(t.copies, 1);
    t.feed(b, joined(tokens(200), {7, 7, 7}));
    t.check(b);
}

TEST(KvCache, TheLastTokenIsAlwaysComputed) {
    TestCache t({kFull});
    const KvSequence a = t.cache.open();
    t.feed(a, tokens(128));
    t.cache.release(a);
    const KvSequence b = t.cache.open();
    EXPECT_EQ(t.start(b, tokens(128)), 127);
}

TEST(KvCache, OtherTokensAreNotMistakenForAPrefix) {
    TestCache t({kFull});
    const KvSequence a = t.cache.open();
    t.feed(a, tokens(200));
    t.cache.release(a);
    std::vector<TokenId> other = tokens(200);
    other[70] = -5;
    const KvSequence b = t.cache.open();
    EXPECT_EQ(t.start(b, other), 70);
    other = tokens(200);
    other[0] = -5;
    const KvSequence c = t.cache.open();
    EXPECT_EQ(t.start(c, other), 0);
}

TEST(KvCache, ATruncatedBranchDoesNotHarmTheOther) {
    TestCache t({kFull});
    const KvSequence a = t.cache.open();
    t.feed(a, tokens(100));
    const KvSequence b = t.cache.fork(a);
    EXPECT_TRUE(t.cache.truncate(b, 70));
    t.feed(b, joined(tokens(70), tokens(60, 3)));
    t.feed(a, joined(tokens(100), tokens(60, 4)));
    t.check(a);
    t.check(b);
    EXPECT_EQ(t.cache.length(b), 130);
    t.cache.release(a);
    t.check(b);
    const KvSequence c = t.cache.open();
    EXPECT_EQ(t.start(c, joined(joined(tokens(100), tokens(60, 4)), {1})), 160);
}

TEST(KvCache, ConcurrentSequencesShareFullPages) {
    TestCache t({kFull});
    const KvSequence a = t.cache.open();
    t.feed(a, tokens(130));
    const KvSequence b = t.cache.open(); // a is still alive
    EXPECT_EQ(t.start(b, joined(tokens(128), tokens(10, 9))), 128);
    EXPECT_EQ(t.cache.table(a, 0)[1], t.cache.table(b, 0)[1]);
    EXPECT_EQ(t.cache.heldPages(0), 3);
}

TEST(KvCache, SnapshotThenWritingOnCopies) {
    TestCache t({kFull});
    const KvSequence a = t.cache.open();
    t.feed(a, tokens(100));
    t.cache.snapshot(a);
    t.feed(a, joined(tokens(100), tokens(20, 2)));
    t.check(a);
    const KvSequence b = t.cache.open();
    EXPECT_EQ(t.start(b, joined(tokens(100), tokens(20, 5))), 100);
    t.check(b);
}

TEST(KvCache, LeastRecentlyUsedGoesFirst) {
    TestCache t({kFull}, 10);
    for (int salt = 1; salt <= 3; ++salt) {
        const KvSequence s = t.cache.open();
        t.start(s, tokens(192, salt));
        t.feed(s, tokens(192, salt));
        t.cache.release(s);
    }
    EXPECT_EQ(t.cache.match(tokens(192, 1), 192), 192); // all nine pages are there
    KvSequence s = t.cache.open();
    t.start(s, tokens(192, 1)); // used again: 2 is now the oldest
    t.cache.release(s);
    s = t.cache.open();
    t.feed(s, tokens(192, 4));
    t.cache.release(s);
    EXPECT_LT(t.cache.match(tokens(192, 2), 192), 192);
    EXPECT_EQ(t.cache.match(tokens(192, 4), 192), 192);
    EXPECT_GE(t.cache.match(tokens(192, 1), 192), 190);
}

TEST(KvCache, WhatIsInUseIsNeverGivenUp) {
    TestCache t({kFull}, 8);
    const KvSequence a = t.cache.open();
    t.feed(a, tokens(256));
    const KvSequence b = t.cache.open();
    EXPECT_TRUE(t.cache.prepare(b, 256));
    const int held = t.cache.heldPages(0);
    const KvSequence c = t.cache.open();
    EXPECT_FALSE(t.cache.prepare(c, 1)); // nothing left, nothing to give up
    EXPECT_EQ(t.cache.heldPages(0), held);
    t.check(a);
    t.cache.drop(b);
    EXPECT_TRUE(t.cache.prepare(c, 1));
}

TEST(KvCache, AFailedPrepareChangesNothing) {
    TestCache t({kFull, kWindow100}, 4);
    const KvSequence a = t.cache.open();
    t.feed(a, tokens(100));
    EXPECT_FALSE(t.cache.prepare(a, 1000));
    EXPECT_EQ(t.cache.heldPages(0), 2);
    EXPECT_EQ(t.cache.heldPages(1), 2);
    t.feed(a, tokens(256));
    t.check(a);
}

TEST(KvCache, PagesThatNobodyHoldsNeedNoMemory) {
    TestCache t({kFull}, 16);
    const KvSequence small = t.cache.open();
    t.feed(small, tokens(100));
    const KvSequence large = t.cache.open();
    ASSERT_TRUE(t.cache.prepare(large, 600)); // as where memory for it cannot be had
    EXPECT_EQ(t.cache.highestPage(0), 12);
    t.cache.drop(large);
    EXPECT_EQ(t.cache.highestPage(0), 2);
    EXPECT_EQ(t.cache.freePages(0), 14);
    t.cache.release(small);
    EXPECT_EQ(t.cache.highestPage(0), 2); // still a stored prefix
    t.cache.clear();
    EXPECT_EQ(t.cache.highestPage(0), 0);
    EXPECT_EQ(t.cache.freePages(0), 16);
    const KvSequence next = t.cache.open();
    t.feed(next, tokens(1000));
    t.check(next);
}

TEST(KvCache, AWindowKeepsWhatItNeeds) {
    TestCache t({kFull, kWindow100}, 40);
    const KvSequence a = t.cache.open();
    for (int n = 10; n <= 640; n += 10) {
        t.feed(a, tokens(n));
        t.check(a);
    }
    EXPECT_EQ(t.cache.table(a, 1)[0], -1);
    EXPECT_GE(t.cache.table(a, 1)[9], 0);
    t.cache.release(a);
    const KvSequence b = t.cache.open();
    EXPECT_EQ(t.start(b, tokens(700)), 640);
    t.feed(b, tokens(700));
    t.check(b);
}

TEST(KvCache, AWindowsPagesGoWithoutTheFullOnes) {
    TestCache t({kFull, kWindow100}, 12);
    const KvSequence a = t.cache.open();
    for (int n = 64; n <= 640; n += 64)
        t.feed(a, tokens(n));
    t.cache.release(a);
    // Another sequence needs pages of the window's pool; the oldest of them go.
    const KvSequence b = t.cache.open();
    t.feed(b, tokens(256, 5));
    t.check(b);
    t.cache.release(b);
    const KvSequence c = t.cache.open();
    const int reused = t.start(c, tokens(700));
    EXPECT_EQ(reused % 1, 0);
    t.check(c); // whatever was reused is right
}

/// What is tried is taken back unless all of it was committed; the sequence then stands where the trial began.
TEST(KvCache, TriedTokensAreTakenBackFromStates) {
    for (const int committed : {0, 1, 5, 9, 10}) {
        TestCache t({kFull, kState});
        const KvSequence a = t.cache.open();
        t.feed(a, tokens(125)); // a page ends inside the trial
        ASSERT_TRUE(t.cache.prepare(a, 10));
        ASSERT_TRUE(t.cache.keepStates(a, 10));
        for (int i = 125; i < 135; ++i)
            t.write(a, i, i);
        for (int i = 125; i < 125 + committed; ++i)
            t.cache.commit(a, std::vector<TokenId>{i});
        EXPECT_TRUE(t.cache.settleStates(a));
        EXPECT_EQ(t.cache.length(a), committed == 10 ? 135 : 125);
        t.check(a);
        t.feed(a, tokens(200));
        t.check(a);
        EXPECT_TRUE(t.cache.settleStates(a)) << "nothing is tried any more";
        EXPECT_EQ(t.cache.length(a), 200);
    }
}

TEST(KvCache, AReleasedTrialLeavesNothingWrong) {
    TestCache t({kFull, kState});
    for (const bool whole : {false, true}) {
        const KvSequence a = t.cache.open();
        t.start(a, tokens(100, whole));
        t.feed(a, tokens(100, whole));
        ASSERT_TRUE(t.cache.prepare(a, 3));
        ASSERT_TRUE(t.cache.keepStates(a, 3));
        for (int i = 100; i < 103; ++i)
            t.write(a, i, 1000 * whole + i);
        t.cache.commit(a, std::vector<TokenId>{1000 * whole + 100});
        if (whole)
            t.cache.commit(a, std::vector<TokenId>{1000 * whole + 101, 1000 * whole + 102});
        t.cache.release(a);
        const KvSequence b = t.cache.open();
        EXPECT_EQ(t.start(b, tokens(150, whole)), whole ? 103 : 100);
        t.feed(b, tokens(150, whole));
        t.check(b);
        t.cache.drop(b);
    }
}

TEST(KvCache, KeptStatesAreGivenBack) {
    TestCache t({kFull, kState});
    for (int i = 0; i < 50; ++i) {
        const KvSequence a = t.cache.open();
        t.feed(a, tokens(10, i));
        ASSERT_TRUE(t.cache.prepare(a, 2));
        ASSERT_TRUE(t.cache.keepStates(a, 2));
        t.cache.drop(a);
    }
    EXPECT_EQ(t.cache.heldPages(1), 0);
    std::vector<KvSequence> live;
    for (int i = 0; i < kStatePages; ++i) {
        live.push_back(t.cache.open());
        t.feed(live.back(), tokens(3, i));
    }
    EXPECT_FALSE(t.cache.keepStates(live[0], 1)) << "no room";
    EXPECT_TRUE(t.cache.settleStates(live[0]));
    t.check(live[0]);
    EXPECT_FALSE(t.cache.giveKept());
    t.cache.drop(live[1]);
    EXPECT_TRUE(t.cache.keepStates(live[0], 1));
    EXPECT_FALSE(t.cache.giveKept()) << "they are in use";
    EXPECT_TRUE(t.cache.settleStates(live[0]));
    EXPECT_EQ(t.cache.heldPages(1), kStatePages);
    EXPECT_TRUE(t.cache.giveKept()) << "somebody needs the room more";
    EXPECT_EQ(t.cache.heldPages(1), kStatePages - 1);
    t.check(live[0]);
}

TEST(KvCache, WithoutStatesNothingIsTakenBack) {
    TestCache t({kFull});
    const KvSequence a = t.cache.open();
    t.feed(a, tokens(20));
    ASSERT_TRUE(t.cache.prepare(a, 5));
    ASSERT_TRUE(t.cache.keepStates(a, 5));
    t.cache.commit(a, std::vector<TokenId>{20});
    EXPECT_TRUE(t.cache.settleStates(a));
    EXPECT_EQ(t.cache.length(a), 21);
}

TEST(KvCache, AStateIsUsableAtItsSnapshotOnly) {
    TestCache t({kFull, kState});
    const KvSequence a = t.cache.open();
    t.feed(a, tokens(100));
    t.cache.snapshot(a);
    t.feed(a, joined(tokens(100), tokens(50, 2)));
    t.cache.release(a); // a snapshot at 150 too
    EXPECT_EQ(t.cache.match(joined(tokens(100), tokens(80, 9)), 180), 100);
    EXPECT_EQ(t.cache.match(tokens(90), 90), 0);
    KvSequence b = t.cache.open();
    EXPECT_EQ(t.start(b, joined(tokens(100), tokens(80, 9))), 100);
    t.feed(b, joined(tokens(100), tokens(80, 9)));
    t.check(b);
    EXPECT_FALSE(t.cache.truncate(b, 120));
    b = t.cache.open();
    EXPECT_EQ(t.start(b, joined(joined(tokens(100), tokens(50, 2)), {1})), 150);
}

TEST(KvCache, TruncateGoesBackIntoAWindow) {
    TestCache t({kFull, kWindow100});
    const KvSequence a = t.cache.open();
    for (int n = 64; n <= 640; n += 64)
        t.feed(a, tokens(n));
    EXPECT_TRUE(t.cache.truncate(a, 300)); // the index still has the window's pages
    t.check(a);
    t.feed(a, joined(tokens(300), tokens(30, 3)));
    t.check(a);
    EXPECT_TRUE(t.cache.truncate(a, 0));
    EXPECT_EQ(t.cache.length(a), 0);
    t.feed(a, tokens(10, 8));
    t.check(a);
}

TEST(KvCache, TenTurns) {
    TestCache t({kFull, kWindow100}, 200);
    std::vector<TokenId> history = tokens(50);
    for (int turn = 1; turn <= 10; ++turn) {
        const std::vector<TokenId> message = tokens(30, turn);
        history = joined(history, message);
        const KvSequence s = t.cache.open();
        t.start(s, history);
        const int computed = t.feed(s, history);
        if (turn > 1) {
            EXPECT_LE(computed, 30 + 64);
        }
        history = joined(history, tokens(77, 100 + turn)); // the reply
        t.feed(s, history);
        t.check(s);
        t.cache.release(s);
    }
}

TEST(KvCache, PagesAreNeverLost) {
    TestCache t({kFull, kWindow100, kState}, 20);
    uint64_t random = 1;
    const auto next = [&](int n) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        return static_cast<int>((random >> 33) % static_cast<uint64_t>(n));
    };
    std::vector<KvSequence> live;
    for (int i = 0; i < 3000; ++i) {
        const int what = next(6);
        if (live.size() < 4 && what <= 1) {
            const KvSequence s = t.cache.open();
            t.start(s, tokens(1 + next(300), next(3)));
            live.push_back(s);
        } else if (!live.empty()) {
            const size_t which = static_cast<size_t>(next(static_cast<int>(live.size())));
            const KvSequence s = live[which];
            if (what == 2) {
                if (next(2) == 0)
                    t.cache.release(s);
                else
                    t.cache.drop(s);
                live.erase(live.begin() + static_cast<std::ptrdiff_t>(which));
            } else if (what == 3) {
                t.cache.truncate(s, next(t.cache.length(s) + 1));
            } else if (const int n = 1 + next(100); t.cache.length(s) + n < 500 && t.cache.prepare(s, n)) {
                std::vector<TokenId> more;
                for (int k = 0; k < n; ++k) {
                    more.push_back(next(3));
                    t.write(s, t.cache.length(s) + k, more.back());
                }
                t.cache.commit(s, more);
            }
        }
        for (const KvSequence s : live)
            if (i % 50 == 0)
                t.check(s);
    }
    for (const KvSequence s : live)
        t.cache.release(s);
    t.cache.clear();
    for (int g = 0; g < t.groups(); ++g)
        EXPECT_EQ(t.cache.heldPages(g), 0) << "group " << g;
    EXPECT_EQ(t.cache.prefixes(), 0);
}

// ---- stored states

class KvState : public testing::Test {
protected:
    std::vector<std::byte> stored() {
        const KvSequence s = from.cache.open();
        from.feed(s, tokens(150));
        const auto bytes = from.cache.save(s, [&](int group, int page, std::span<std::byte> out) {
            std::memset(out.data(), 100 * group + page, out.size());
        });
        return bytes;
    }

    KvSequence load(TestCache& to, std::span<const std::byte> bytes) {
        written.clear();
        return to.cache.load(bytes, [&](int group, int page, std::span<const std::byte> in) {
            written[{group, page}] = static_cast<int>(in[in.size() - 1]);
        });
    }

    std::string refusal(TestCache& to, std::span<const std::byte> bytes) {
        const int held = to.cache.heldPages(0);
        try {
            load(to, bytes);
        } catch (const Error& error) {
            EXPECT_EQ(to.cache.heldPages(0), held);
            return error.what();
        }
        return {};
    }

    TestCache from{{kFull, kWindow100}};
    std::map<std::pair<int, int>, int> written;
};

TEST_F(KvState, ComesBack) {
    const auto bytes = stored();
    TestCache to({kFull, kWindow100});
    const KvSequence s = load(to, bytes);
    EXPECT_EQ(to.cache.length(s), 150);
    EXPECT_EQ(std::vector<TokenId>(to.cache.tokens(s).begin(), to.cache.tokens(s).end()), tokens(150));
    EXPECT_EQ(written.size(), 6u);
    EXPECT_EQ((written[{1, to.cache.table(s, 1)[2]}]), 102);
    EXPECT_EQ(to.cache.match(tokens(150), 150), 128);
}

/// The pages that a window had passed were not stored: a prefix that would need them must not be given to anybody.
TEST_F(KvState, PassedPagesAreNotFound) {
    TestCache long_({kFull, kWindow100});
    const KvSequence s = long_.cache.open();
    for (int n = 64; n <= 320; n += 64) // the window moves on with every commit
        long_.feed(s, tokens(n));
    const auto bytes = long_.cache.save(s, [](int, int, std::span<std::byte>) {});
    TestCache to({kFull, kWindow100});
    load(to, bytes);
    EXPECT_EQ(to.cache.match(tokens(320), 320), 320);
    EXPECT_EQ(to.cache.match(tokens(320), 128), 0) << "its window would be empty pages";
}

/// Spaces share no prefix, but the same pool.
TEST(KvCache, SpacesShareNoPrefix) {
    TestCache t({kFull});
    const KvSequence first = t.cache.open(), second = t.cache.open(1);
    t.feed(first, tokens(128));
    EXPECT_EQ(t.cache.match(tokens(128), 128), 128);
    EXPECT_EQ(t.cache.match(tokens(128), 128, 1), 0);
    EXPECT_EQ(t.start(second, tokens(128)), 0);
    t.feed(second, tokens(128));
    EXPECT_EQ(t.cache.heldPages(0), 4);
    EXPECT_EQ(t.cache.space(second), 1);
    const KvSequence copy = t.cache.fork(second);
    EXPECT_EQ(t.cache.space(copy), 1);
    for (const KvSequence s : {first, second, copy})
        t.cache.release(s);
    t.cache.clear();
    EXPECT_EQ(t.cache.heldPages(0), 0);
    EXPECT_EQ(t.cache.prefixes(), 0);
}

TEST_F(KvState, EveryDamageIsRefused) {
    const auto bytes = stored();
    TestCache to({kFull, kWindow100});
    for (size_t i = 0; i < bytes.size(); i += i < 1000 ? 1 : 997) {
        std::vector<std::byte> damaged = bytes;
        damaged[i] ^= std::byte{0x40};
        EXPECT_NE(refusal(to, damaged), "") << "byte " << i;
    }
    for (size_t n = 0; n < bytes.size(); n += n < 1000 ? 1 : 997)
        EXPECT_NE(refusal(to, std::span(bytes).first(n)), "") << n << " bytes";
    std::vector<std::byte> longer = bytes;
    longer.push_back(std::byte{0});
    EXPECT_NE(refusal(to, longer), "");
}

TEST_F(KvState, OtherModelsAreRefused) {
    const auto bytes = stored();
    TestCache otherKey({kFull, kWindow100}, 64, 2);
    EXPECT_NE(refusal(otherKey, bytes).find("another model"), std::string::npos);
    TestCache otherLayers({kFull, kFull});
    EXPECT_NE(refusal(otherLayers, bytes).find("not fit"), std::string::npos);
    TestCache moreLayers({kFull, kFull, kWindow100});
    EXPECT_NE(refusal(moreLayers, bytes).find("layers"), std::string::npos);
    TestCache small({kFull, kWindow100}, 2);
    EXPECT_NE(refusal(small, bytes).find("not fit"), std::string::npos);
}

/// A damaged header with a right checksum: what somebody would write by hand.
TEST_F(KvState, ForgedHeadersAreRefused) {
    const auto bytes = stored();
    TestCache to({kFull, kWindow100});
    for (size_t at = 0; at < 64; at += 4)
        for (const uint32_t value : {0u, 1u, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFFFu}) {
            std::vector<std::byte> forged(bytes.begin(), bytes.end() - 16);
            const bool otherSpace = at == 28 && value < uint32_t{KvCache::kSpaces}; // as good as the first
            if (otherSpace || std::memcmp(forged.data() + at, &value, 4) == 0)
                continue;
            std::memcpy(forged.data() + at, &value, 4);
            Hash128 sum;
            sum.mix(std::string_view(reinterpret_cast<const char*>(forged.data()), forged.size()));
            const auto* sumBytes = reinterpret_cast<const std::byte*>(&sum);
            forged.insert(forged.end(), sumBytes, sumBytes + 16);
            EXPECT_NE(refusal(to, forged), "") << "field at " << at << " is " << value;
        }
}

} // namespace
