// Published templates against the reference implementation's texts, and our own cases for every feature.

#include "engine/chat_template.h"

#include "engine/error.h"
#include "tests/engine/text/vocabulary_files.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

namespace hearth::engine {
namespace {

using test::readFile;
using test::sharedFolder;

std::tm referenceNow() { // Friday, 2025-07-04 09:05:03, as in the reference
    std::tm t{};
    t.tm_year = 125;
    t.tm_mon = 6;
    t.tm_mday = 4;
    t.tm_hour = 9;
    t.tm_min = 5;
    t.tm_sec = 3;
    t.tm_wday = 5;
    t.tm_yday = 184;
    return t;
}

/// How many of the cases agree.
int checkCases(const std::string& name, const std::string& source, const nlohmann::ordered_json& cases) {
    const auto chatTemplate = ChatTemplate::fromSource(source, "", "");
    int agree = 0;
    for (const auto& c : cases) {
        std::string got, error;
        try {
            got = chatTemplate->renderJson(c["kwargs"], referenceNow());
        } catch (const Error& e) {
            error = e.what();
        }
        const std::string where = name + ": " + c["name"].get<std::string>();
        if (c.contains("expected")) {
            EXPECT_EQ(error, "") << where;
            EXPECT_EQ(got, c["expected"].get<std::string>()) << where;
            agree += error.empty() && got == c["expected"].get<std::string>();
        } else if (c["error"]["type"] == "TemplateError") {
            // The template raised it itself: ours must fail with the same words.
            const bool fails = error.find(c["error"]["message"].get<std::string>()) != std::string::npos;
            EXPECT_TRUE(fails) << where << ": " << error;
            agree += fails;
        } else {
            agree++; // a mistake that Python finds: a more lenient answer is right, too
        }
    }
    return agree;
}

TEST(JinjaOracles, PublishedTemplates) {
    const auto folder = sharedFolder() / "data/chat_templates";
    if (!std::filesystem::exists(folder))
        GTEST_SKIP() << "no published templates in " << folder;
    int templates = 0, count = 0, agree = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() != ".jinja")
            continue;
        const std::string name = entry.path().stem().string();
        const auto cases = nlohmann::ordered_json::parse(readFile(folder / (name + ".cases.json")));
        agree += checkCases(name, readFile(entry.path()), cases["cases"]);
        count += static_cast<int>(cases["cases"].size());
        templates++;
    }
    std::cout << templates << " templates, " << agree << " of " << count << " cases agree\n";
    EXPECT_GE(templates, 1);
}

// tests/data/jinja/*.json: {"source", "kwargs", "expected" | "fails"}; expected texts are Jinja2's own.
TEST(JinjaOracles, OwnCases) {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(HEARTH_TEST_DATA "/jinja")) {
        if (entry.path().extension() != ".json")
            continue;
        for (const auto& c : nlohmann::ordered_json::parse(readFile(entry.path()))) {
            const std::string source = c["source"];
            std::string got, error;
            try {
                const auto t = ChatTemplate::fromSource(source, "", "");
                got = t->renderJson(c.value("kwargs", nlohmann::ordered_json::object()), referenceNow());
            } catch (const Error& e) {
                error = e.what();
            }
            if (c.contains("expected")) {
                EXPECT_EQ(error, "") << source;
                EXPECT_EQ(got, c["expected"].get<std::string>()) << source;
            } else {
                EXPECT_NE(error, "") << source << " gave " << got;
            }
            count++;
        }
    }
    EXPECT_GT(count, 100);
}

} // namespace
} // namespace hearth::engine
