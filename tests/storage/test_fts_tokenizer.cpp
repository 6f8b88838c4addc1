#include "storage/fts_tokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hearth::storage {

namespace {

/// Tokens joined by a space; one at the place of the one before it is joined by a slash.
std::string cut(const std::string& text, TokenPurpose purpose = TokenPurpose::Document) {
    std::string out;
    cutIntoTokens(
        text, purpose,
        [](void* context, const Token& token) {
            auto& all = *static_cast<std::string*>(context);
            if (!all.empty())
                all += token.samePlace ? '/' : ' ';
            all += token.text;
            return true;
        },
        &out);
    return out;
}

std::string cutQuery(const std::string& text) {
    return cut(text, TokenPurpose::Query);
}

} // namespace

TEST(Tokenizer, chineseGivesCharactersAndPairs) {
    EXPECT_EQ(cut("咖啡价格"), "咖/咖啡 啡/啡价 价/价格 格");
    EXPECT_EQ(cut("茶"), "茶");
    EXPECT_EQ(cut("好,的"), "好 的");
    EXPECT_EQ(cut("好。的,x"), "好 的 x");
    EXPECT_EQ(cutQuery("咖啡价格"), "咖啡 啡价 价格");
    EXPECT_EQ(cutQuery("茶"), "茶");
    EXPECT_EQ(cutQuery("茶 咖啡"), "茶 咖啡");
}

TEST(Tokenizer, wordsAreFolded) {
    EXPECT_EQ(cut("Hello, WORLD_2 don't"), "hello world 2 don t");
    EXPECT_EQ(cut("Café CAFE\xcc\x81 Ångström ß"), "cafe cafe angstrom ss");
    EXPECT_EQ(cut("ＦＵＬＬ１２"), "full12");
    EXPECT_EQ(cut("Привет мир Ёлка"), "привет мир елка");
    EXPECT_EQ(cut("iPhone15的价格"), "iphone15 的/的价 价/价格 格");
    EXPECT_EQ(cut("soft\xc2\xadhyphen zero\xe2\x80\x8bwidth"), "softhyphen zerowidth");
}

TEST(Tokenizer, otherScriptsWithoutSpaces) {
    EXPECT_EQ(cutQuery("コーヒー"), "コー ーヒ ヒー");
    EXPECT_EQ(cutQuery("ｺｰﾋｰ"), "コー ーヒ ヒー");
    EXPECT_EQ(cutQuery("커피"), "커피");
    EXPECT_EQ(cutQuery("กาแฟ"), "กา าแ แฟ");
}

TEST(Tokenizer, symbolsStandAlone) {
    EXPECT_EQ(cut("ok \xf0\x9f\x98\x80\xf0\x9f\x98\x80!"), "ok \xf0\x9f\x98\x80 \xf0\x9f\x98\x80");
}

TEST(Tokenizer, invalidBytesOnlySeparate) {
    EXPECT_EQ(cut("a\xff"
                  "b\xe5\x92"),
              "a b");
    EXPECT_EQ(cut(std::string("a\0b", 3)), "a b");
    EXPECT_EQ(cut(""), "");
    EXPECT_EQ(cut("\xcc\x81"), "\xcc\x81"); // a mark with nothing below it
}

TEST(Tokenizer, longWordsAreCut) {
    EXPECT_EQ(cut(std::string(5000, 'a') + " b"), std::string(64, 'a') + " b");
    std::string marks = "e";
    for (int i = 0; i < 1000; ++i)
        marks += "\xcc\x81";
    EXPECT_EQ(cut(marks), "e");
}

TEST(Tokenizer, placesAreBytesOfTheText) {
    const std::string text = "x 咖啡 Été";
    std::vector<std::string> parts;

    struct Context {
        const std::string& text;
        std::vector<std::string>& parts;
    } context{text, parts};

    cutIntoTokens(
        text, TokenPurpose::Document,
        [](void* c, const Token& token) {
            auto& [whole, into] = *static_cast<Context*>(c);
            into.push_back(whole.substr(token.start, token.end - token.start));
            return into.size() < 4;
        },
        &context);
    EXPECT_EQ(parts, (std::vector<std::string>{"x", "咖", "咖啡", "啡"})); // and it stops when told
}

} // namespace hearth::storage
