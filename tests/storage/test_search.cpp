#include "storage/conversations.h"
#include "storage/messages.h"
#include "storage/search.h"
#include "temp_folder.h"

namespace hearth::storage {

class SearchTest : public StorageTest {
protected:
    Conversations conversations{db};
    Messages messages{db};
    Search search{db};
    ConversationId chat = conversations.create("Shop 客户", "");

    MessageId say(const std::string& text) { return messages.append({.conversation = chat, .text = text}); }

    size_t count(const std::string& query) { return search.searchMessages(query, 100).size(); }

    /// The marked parts of the first hit, joined by |.
    std::string marked(const std::string& query) {
        const std::vector<SearchHit> hits = search.searchMessages(query, 1);
        if (hits.empty())
            return "nothing";
        std::string out;
        for (const auto& [from, to] : hits[0].matches)
            out += (out.empty() ? "" : "|") + hits[0].snippet.substr(from, to - from);
        return out;
    }
};

TEST_F(SearchTest, findsChineseWordsOfTwoCharacters) {
    say("我早上喝了一杯咖啡,很好喝。");
    say("这个的价格是多少?");
    say("下周三去医院复诊");
    say("格价不是词");
    EXPECT_EQ(count("咖啡"), 1u);
    EXPECT_EQ(count("价格"), 1u);
    EXPECT_EQ(count("复诊"), 1u);
    EXPECT_EQ(count("咖"), 1u);
    EXPECT_EQ(count("格"), 2u);
    EXPECT_EQ(count("一杯咖啡"), 1u);
    EXPECT_EQ(count("一杯价格"), 0u);
    EXPECT_EQ(count("咖啡 早上"), 1u);
    EXPECT_EQ(count("早啡"), 0u);
}

TEST_F(SearchTest, findsFoldedWordsAllOfThemTheLastBegun) {
    say("The Café in Zürich opens at noon");
    EXPECT_EQ(count("cafe"), 1u);
    EXPECT_EQ(count("ZURICH café"), 1u);
    EXPECT_EQ(count("cafe zur"), 1u);
    EXPECT_EQ(count("caf zurich"), 0u); // only the last word may be unfinished
    EXPECT_EQ(count("zur "), 0u);       // a space ends a word
    EXPECT_EQ(count("noon midnight"), 0u);
}

TEST_F(SearchTest, mixedTextIsFoundByItsParts) {
    say("我买了iPhone15,价格不错 😀");
    EXPECT_EQ(count("iphone15"), 1u);
    EXPECT_EQ(count("买了iphone"), 1u);
    EXPECT_EQ(count("价格 iPh"), 1u);
    EXPECT_EQ(count("😀"), 1u);
}

TEST_F(SearchTest, theQueryLanguageOfTheIndexIsOnlyText) {
    say("and or not near text");
    for (const char* query :
         {"\"", "*", "a OR", "NOT", "NEAR(", "text:", "-text", "^text", "(", "'; DROP TABLE x", "text*"})
        EXPECT_NO_THROW(search.searchMessages(query, 5)) << query;
    EXPECT_EQ(count("text:"), 1u);
    EXPECT_EQ(count("NOT"), 1u);
    EXPECT_EQ(count(""), 0u);
    EXPECT_EQ(count(" ,。"), 0u);
    EXPECT_TRUE(search.searchMessages("text", 0).empty());
    EXPECT_NO_THROW(search.searchMessages(std::string(100000, 'x') + "\xff", 5));
}

TEST_F(SearchTest, newestComesFirstAndTheLimitHolds) {
    for (int i = 0; i < 30; ++i)
        say("apple " + std::to_string(i));
    const std::vector<SearchHit> hits = search.searchMessages("apple", 3);
    ASSERT_EQ(hits.size(), 3u);
    EXPECT_EQ(hits[0].snippet, "apple 29");
    EXPECT_EQ(hits[2].snippet, "apple 27");
    EXPECT_EQ(hits[0].title, "Shop 客户");
    EXPECT_EQ(hits[0].conversation, chat);
    EXPECT_TRUE(hits[0].message);
}

TEST_F(SearchTest, snippetsShowAndMarkThePlace) {
    std::string text;
    for (int i = 0; i < 200; ++i)
        text += "很长的一段话。";
    say(text + "这里有咖啡和Coffee。" + text);
    const SearchHit hit = search.searchMessages("咖啡 coffee", 1).at(0);
    EXPECT_LE(hit.snippet.size(), 244u);
    EXPECT_NE(hit.snippet.find("咖啡和Coffee"), std::string::npos);
    EXPECT_EQ(marked("咖啡 coffee"), "咖啡|Coffee");
    EXPECT_EQ(marked("cof"), "Coffee");
    EXPECT_EQ(marked("这里有"), "这里有");
}

TEST_F(SearchTest, titlesAreFoundAndFollowARename) {
    ASSERT_EQ(search.searchTitles("客户", 5).size(), 1u);
    EXPECT_EQ(search.searchTitles("sho", 5).at(0).conversation, chat);
    conversations.rename(chat, "Companion");
    EXPECT_TRUE(search.searchTitles("客户", 5).empty());
    EXPECT_EQ(search.searchTitles("comp", 5).size(), 1u);
}

TEST_F(SearchTest, aReaderSearches) {
    say("found by a reader");
    Database reader(db.path(), Database::Mode::Read);
    EXPECT_EQ(Search(reader).searchMessages("reader", 5).size(), 1u);
}

} // namespace hearth::storage
