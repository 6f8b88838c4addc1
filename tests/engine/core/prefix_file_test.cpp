// What a cache holds of a conversation, kept in a file. A page's bytes are the token ids that were written there.

#include "engine/error.h"
#include "engine/prefix_file.h"
#include "tests/engine/core/gguf_writer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>

using namespace hearth::engine;
using hearth::test::TemporaryFolder;

namespace {

const KvLayer kFull{.heads = 1, .kDim = 2, .vDim = 2};
const KvLayer kWindow100{.kind = {.tag = KvKind::Tag::Window, .window = 100}, .heads = 1, .kDim = 2, .vDim = 2};
const KvLayer kState{.kind = {.tag = KvKind::Tag::State, .stateBytes = 100}};

using Tokens = std::vector<TokenId>;

Tokens tokens(int n, int salt = 0) {
    Tokens t(static_cast<size_t>(n));
    std::iota(t.begin(), t.end(), 100000 * salt + 1);
    return t;
}

Tokens joined(Tokens a, const Tokens& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

/// A cache over memory of its own, as one session of the program has it.
class Session {
public:
    /// `fill`: what memory holds before anything is written.
    explicit Session(const std::vector<KvLayer>& layers, uint64_t key = 1, int pages = 64,
                     hearth::kernels::Type type = hearth::kernels::Type::F16, std::byte fill = {})
        : cache({.layout = layoutKv(layers, type),
                 .key = {.a = key, .b = 0},
                 .pages = pages,
                 .copyPage = [this](int g, int from, int to) { at(g, to) = from < 0 ? blank(g) : at(g, from); }}),
          fill_(fill) {}

    /// A conversation goes on to this text and ends.
    void say(const Tokens& text) {
        const KvSequence s = cache.open();
        cache.reuse(s, text, static_cast<int>(text.size()) - 1);
        const int have = cache.length(s);
        ASSERT_TRUE(cache.prepare(s, static_cast<int>(text.size()) - have));
        for (int i = have; i < static_cast<int>(text.size()); ++i)
            for (int g = 0; g < groups(); ++g) {
                const bool state = isState(g);
                const int page = cache.table(s, g)[state ? 0 : static_cast<size_t>(i / kPageTokens)];
                put(g, page, state ? 0 : i % kPageTokens, text[static_cast<size_t>(i)]);
            }
        cache.commit(s, std::span(text).subspan(static_cast<size_t>(have)));
        cache.release(s);
    }

    void store(PrefixFile& file, const Tokens& text) {
        while (file.append(cache, text, 0, [&](int g, int page, std::span<std::byte> out) {
            std::copy(at(g, page).begin(), at(g, page).end(), out.begin());
        })) {
        }
    }

    /// `writes`: after so many pages memory runs out.
    int restore(PrefixFile& file, const Tokens& prompt, int* writes = nullptr,
                const std::atomic<bool>* cancel = nullptr) {
        const auto write = [&](int g, int page, std::span<const std::byte> in) {
            if (writes && --*writes < 0)
                throw std::bad_alloc();
            at(g, page).assign(in.begin(), in.end());
        };
        return file.restore(cache, prompt, 0, write, cancel);
    }

    /// How many tokens of the prompt need not be computed; each of them is where it should be.
    int known(const Tokens& prompt) {
        const KvSequence s = cache.open();
        const int n = cache.reuse(s, prompt, static_cast<int>(prompt.size()) - 1);
        for (int g = 0; g < groups(); ++g) {
            const KvKind& kind = cache.layout().groups[static_cast<size_t>(g)].kind;
            const int first = kind.tag == KvKind::Tag::Window ? std::max(0, n - kind.window + 1)
                              : isState(g)                    ? n - 1
                                                              : 0;
            for (int i = std::max(0, first); i < n; ++i) {
                const int page = cache.table(s, g)[isState(g) ? 0 : static_cast<size_t>(i / kPageTokens)];
                EXPECT_GE(page, 0);
                EXPECT_EQ(get(g, page, isState(g) ? 0 : i % kPageTokens), prompt[static_cast<size_t>(i)])
                    << "group " << g << ", position " << i;
            }
        }
        cache.drop(s);
        return n;
    }

    /// The page of a stored text that has its position.
    std::span<const std::byte> pageAt(const Tokens& text, int position) {
        const KvSequence s = cache.open();
        EXPECT_GT(cache.reuse(s, joined(text, {5}), static_cast<int>(text.size())), position);
        const int page = cache.table(s, 0)[static_cast<size_t>(position / kPageTokens)];
        cache.drop(s);
        return at(0, page);
    }

    KvCache cache;

private:
    int groups() const { return static_cast<int>(cache.layout().groups.size()); }

    bool isState(int g) const { return cache.layout().groups[static_cast<size_t>(g)].kind.tag == KvKind::Tag::State; }

    std::vector<std::byte> blank(int g) const {
        return std::vector<std::byte>(cache.layout().groups[static_cast<size_t>(g)].pageBytes, fill_);
    }

    std::vector<std::byte>& at(int g, int page) {
        auto& bytes = memory_[{g, page}];
        if (bytes.empty())
            bytes = blank(g);
        return bytes;
    }

    void put(int g, int page, int slot, TokenId token) { std::memcpy(at(g, page).data() + slot * 4, &token, 4); }

    TokenId get(int g, int page, int slot) {
        TokenId token = 0;
        std::memcpy(&token, at(g, page).data() + slot * 4, 4);
        return token;
    }

    std::byte fill_;
    std::map<std::pair<int, int>, std::vector<std::byte>> memory_;
};

std::string readFile(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

class PrefixFileTest : public testing::Test {
protected:
    /// A session in which this is said and stored.
    void keep(const std::vector<KvLayer>& layers, const Tokens& text) const {
        Session session(layers);
        PrefixFile file(path, session.cache);
        session.say(text);
        session.store(file, text);
    }

    TemporaryFolder folder;
    std::string path = folder.path("chat.kv");
};

TEST_F(PrefixFileTest, ANewSessionKnowsTheOld) {
    for (const auto& layers :
         {std::vector<KvLayer>{kFull}, {kFull, kWindow100}, {kFull, kState}, {kWindow100, kState}}) {
        std::filesystem::remove(path);
        const Tokens text = tokens(300);
        {
            Session first(layers);
            PrefixFile file(path, first.cache);
            first.say(text);
            first.store(file, text);
            EXPECT_EQ(file.bytes(), std::filesystem::file_size(path));
        }
        Session second(layers);
        PrefixFile file(path, second.cache);
        EXPECT_EQ(second.known(joined(text, {5})), 0);
        EXPECT_EQ(second.restore(file, joined(text, {5})), 300);
        EXPECT_EQ(second.known(joined(text, {5})), 300);
        EXPECT_EQ(second.restore(file, joined(text, {5})), 300) << "again does no harm";
        EXPECT_EQ(second.known(joined(text, {5})), 300);
        // It goes on there, and the third session knows that too.
        const Tokens longer = joined(text, tokens(200, 2));
        second.say(longer);
        second.store(file, longer);
        Session third(layers);
        PrefixFile again(path, third.cache);
        third.restore(again, joined(longer, {5}));
        EXPECT_EQ(third.known(joined(longer, {5})), 500);
    }
}

TEST_F(PrefixFileTest, BranchesLieBesideEachOther) {
    const Tokens trunk = tokens(150), one = joined(trunk, tokens(100, 1)), two = joined(trunk, tokens(80, 2));
    Session first({kFull});
    PrefixFile file(path, first.cache);
    for (const Tokens& branch : {one, two}) {
        first.say(branch);
        first.store(file, branch);
    }
    const uint64_t bytes = file.bytes();
    first.store(file, one);
    EXPECT_EQ(file.bytes(), bytes) << "what is there is not written again";
    for (const Tokens& branch : {one, two}) {
        Session second({kFull});
        PrefixFile again(path, second.cache);
        second.restore(again, joined(branch, {5}));
        EXPECT_EQ(second.known(joined(branch, {5})), static_cast<int>(branch.size()));
    }
    Session other({kFull});
    PrefixFile again(path, other.cache);
    other.restore(again, joined(trunk, tokens(100, 9)));
    EXPECT_EQ(other.known(joined(trunk, tokens(100, 9))), 150);
    EXPECT_EQ(other.restore(again, tokens(100, 8)), 0);
}

TEST_F(PrefixFileTest, AnotherModelBeginsAnew) {
    const Tokens text = tokens(200);
    keep({kFull}, text);
    Session other({kFull}, 2);
    PrefixFile file(path, other.cache);
    EXPECT_EQ(other.restore(file, text), 0);
    other.say(text);
    other.store(file, text);
    Session otherShape({kFull, kFull}, 2);
    const uint64_t bytes = PrefixFile(path, otherShape.cache).bytes();
    EXPECT_EQ(bytes, std::filesystem::file_size(path));
    Session again({kFull}, 2);
    PrefixFile emptied(path, again.cache);
    EXPECT_EQ(again.restore(emptied, text), 0) << "the other shape began it anew";
}

TEST_F(PrefixFileTest, DamageShortensThePrefix) {
    const Tokens text = tokens(280);
    Session first({kFull, kWindow100});
    {
        PrefixFile file(path, first.cache);
        first.say(text);
        first.store(file, text);
    }
    const std::string sound = readFile(path);
    int shortened = 0;
    for (size_t at = 0; at < sound.size(); at += 97) {
        for (const bool cut : {false, true}) {
            std::string bytes = cut ? sound.substr(0, at) : sound;
            if (!cut)
                bytes[at] = static_cast<char>(bytes[at] ^ 0x41);
            folder.write("chat.kv", bytes);
            Session second({kFull, kWindow100});
            PrefixFile file(path, second.cache);
            second.restore(file, joined(text, {5}));
            const int known = second.known(joined(text, {5})); // and what is known is right
            EXPECT_LE(known, 280);
            shortened += known < 280;
            second.say(joined(text, {6}));
            second.store(file, joined(text, {6}));
            Session third({kFull, kWindow100});
            PrefixFile mended(path, third.cache);
            third.restore(mended, joined(text, {6, 7}));
            EXPECT_GE(third.known(joined(text, {6, 7})), known);
        }
    }
    EXPECT_GT(shortened, 50);
}

TEST_F(PrefixFileTest, TextsKeepTheirTokens) {
    Session session({kFull});
    const PrefixFile::Spoken one{"once", {1, 2}}, two{"once upon \xE6\x97\xA5", {1, 2, 3, 4}}, empty{"", {}};
    {
        PrefixFile file(path, session.cache);
        EXPECT_TRUE(file.spoken().empty());
        session.say(tokens(100));
        EXPECT_TRUE(file.appendSpoken(one));
        session.store(file, tokens(100));
        EXPECT_TRUE(file.appendSpoken(two));
        const uint64_t bytes = file.bytes();
        EXPECT_TRUE(file.appendSpoken(two));
        EXPECT_EQ(file.bytes(), bytes);
        EXPECT_TRUE(file.appendSpoken(empty));
    }
    {
        PrefixFile file(path, session.cache);
        const auto spoken = file.spoken();
        ASSERT_EQ(spoken.size(), 3u);
        EXPECT_EQ(spoken[1].text, two.text);
        EXPECT_EQ(spoken[1].tokens, two.tokens);
        EXPECT_EQ(spoken[2].text, one.text);
        Session other({kFull});
        EXPECT_EQ(other.restore(file, tokens(100)), 100) << "pages between texts";
    }
    const std::string sound = readFile(path);
    for (size_t at = 0; at < sound.size(); at += 13) {
        std::string bytes = sound;
        bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
        folder.write("chat.kv", bytes);
        for (const PrefixFile::Spoken& spoken : PrefixFile(path, session.cache).spoken())
            EXPECT_TRUE((spoken.text == one.text && spoken.tokens == one.tokens) ||
                        (spoken.text == two.text && spoken.tokens == two.tokens) || spoken.text.empty());
    }
}

/// Where a prompt parts from the stored text inside a whole page, a window may need a page before the last ones.
TEST_F(PrefixFileTest, AWindowGoesBackIntoAWholePage) {
    const Tokens text = tokens(640);
    keep({kFull, kWindow100}, text);
    for (const int parting : {596, 577, 640 - 63, 320, 65}) {
        const Tokens prompt = joined(tokens(parting), tokens(20, 3));
        Session second({kFull, kWindow100});
        PrefixFile file(path, second.cache);
        EXPECT_EQ(second.restore(file, prompt), parting);
        EXPECT_EQ(second.known(prompt), parting);
    }
}

TEST_F(PrefixFileTest, MemoryThatRunsOutLeavesNoUnwrittenPage) {
    const Tokens text = tokens(640);
    keep({kFull, kWindow100}, text);
    for (int writes = 0; writes < 12; ++writes) {
        Session second({kFull, kWindow100});
        PrefixFile file(path, second.cache);
        int left = writes;
        EXPECT_THROW(second.restore(file, joined(text, {5}), &left), std::bad_alloc);
        EXPECT_LT(second.known(joined(text, {5})), 640);
        second.cache.clear();
        EXPECT_EQ(second.cache.heldPages(0), 0) << "something stays pinned";
        EXPECT_EQ(second.restore(file, joined(text, {5})), 640);
        EXPECT_EQ(second.known(joined(text, {5})), 640);
    }
}

TEST_F(PrefixFileTest, WhatAPageHeldBeforeIsNotStored) {
    constexpr TokenId kOld = 0x5A5B5C5D;
    Session session({kFull});
    PrefixFile file(path, session.cache);
    session.say(Tokens(200, kOld));
    session.cache.clear(); // its pages are used again as they are
    session.say(tokens(70));
    session.store(file, tokens(70));
    const std::string bytes = readFile(path);
    EXPECT_EQ(bytes.find(std::string(reinterpret_cast<const char*>(&kOld), 4)), std::string::npos);
    EXPECT_EQ(session.known(joined(tokens(70), {5})), 70);
}

/// Nor in caches of blocks, whose tokens have their codes in one place and their scales in others.
TEST_F(PrefixFileTest, WhatABlockHeldBeforeIsNotStored) {
    constexpr auto kOld = std::byte{0x5a};
    constexpr auto kType = hearth::kernels::Type::Q8_0;
    constexpr size_t kTokens = 6, kCodes = 64; // of the second page; two blocks a row
    const KvLayer layer{.heads = 2, .kDim = 64, .vDim = 64};
    Session first({layer}, 1, 64, kType, kOld), second({layer}, 1, 64, kType);
    const Tokens text = tokens(kPageTokens + kTokens);
    PrefixFile file(path, first.cache);
    first.say(text);
    first.store(file, text);
    EXPECT_EQ(second.restore(file, joined(text, {5})), kPageTokens + static_cast<int>(kTokens));
    const auto page = second.pageAt(text, kPageTokens);
    const size_t area = kPageTokens * 68;
    ASSERT_EQ(page.size(), 4 * area);
    for (size_t i = 256; i < page.size(); ++i) { // before lies what Session::put wrote
        const size_t at = i % area;
        const bool isScale = at >= kPageTokens * kCodes;
        const size_t token = isScale ? (at - kPageTokens * kCodes) / 2 % kPageTokens : at / kCodes;
        ASSERT_EQ(page[i], token < kTokens ? kOld : std::byte{}) << i;
    }
}

TEST_F(PrefixFileTest, ReadingCanBeStopped) {
    const Tokens text = tokens(640);
    Session first({kFull});
    PrefixFile file(path, first.cache);
    first.say(text);
    first.store(file, text);
    Session second({kFull});
    std::atomic<bool> cancel = true;
    EXPECT_EQ(second.restore(file, joined(text, {5}), nullptr, &cancel), 0);
}

TEST_F(PrefixFileTest, ASmallCacheTakesWhatFits) {
    const Tokens text = tokens(640);
    keep({kFull}, text);
    Session small({kFull}, 1, 4);
    PrefixFile file(path, small.cache);
    small.restore(file, joined(text, {5}));
    EXPECT_LE(small.known(joined(text, {5})), 256);
    EXPECT_LE(small.cache.heldPages(0), 4);
}

TEST_F(PrefixFileTest, WhatIsNoPlainFileIsRefused) {
    Session session({kFull});
    EXPECT_THROW(PrefixFile(folder.path("missing/chat.kv"), session.cache), Error);
    std::filesystem::create_directory(folder.path("folder.kv"));
    EXPECT_THROW(PrefixFile(folder.path("folder.kv"), session.cache), Error);
    std::filesystem::create_symlink("/etc/passwd", folder.path("link.kv"));
    EXPECT_THROW(PrefixFile(folder.path("link.kv"), session.cache), Error);
}

TEST_F(PrefixFileTest, TheOldestGoFirst) {
    for (int i = 0; i < 5; ++i) {
        const std::string file = folder.write(std::to_string(i) + ".kv", std::string(1000, 'x'));
        std::filesystem::last_write_time(file, std::filesystem::file_time_type::clock::now() - std::chrono::hours(i));
    }
    folder.write("notes.txt", std::string(100000, 'x'));
    prunePrefixFiles(folder.path(""), 3500);
    for (int i = 0; i < 5; ++i)
        EXPECT_EQ(std::filesystem::exists(folder.path(std::to_string(i) + ".kv")), i < 3) << i;
    EXPECT_TRUE(std::filesystem::exists(folder.path("notes.txt")));
    prunePrefixFiles(folder.path("nowhere"), 0);
}

} // namespace
