// Templates that want too much: an Error in bounded time and memory, or a result. Never a crash.

#include "engine/chat_template.h"
#include "engine/error.h"
#include "tests/processor_time.h"
#include "tests/repeated.h"

#include <gtest/gtest.h>

#include <functional>

namespace hearth::engine {
namespace {

using nlohmann::ordered_json;

struct Outcome {
    std::string text, error;
};

/// Parses and renders within the time that anyone would wait.
Outcome outcome(const std::string& source, const ordered_json& context = ordered_json::object()) {
    const double start = processorSeconds();
    Outcome out;
    try {
        out.text = ChatTemplate::fromSource(source, "<s>", "</s>")->renderJson(context, std::nullopt);
    } catch (const Error& e) {
        out.error = e.what();
    }
    EXPECT_LT(processorSeconds() - start, kMostHostileSeconds) << source.substr(0, 60);
    EXPECT_LT(out.error.size(), 1000u);
    return out;
}

void mustFail(const std::string& source, std::string_view part, const ordered_json& context = ordered_json::object()) {
    const Outcome o = outcome(source, context);
    EXPECT_NE(o.error.find(part), std::string::npos) << source.substr(0, 60) << " -> '" << o.error << "'";
}

/// A bomb of text ends by its size, or by its time where a sanitizer or a busy neighbour slows it.
void mustEnd(const std::string& source) {
    const Outcome o = outcome(source);
    EXPECT_TRUE(o.error.find("MiB") != std::string::npos || o.error.find("takes too long") != std::string::npos)
        << source.substr(0, 60) << " -> '" << o.error << "'";
}

TEST(JinjaHostile, DeepNesting) {
    mustFail(repeated("{% if true %}", 50'000), "nested");
    mustFail(repeated("{% if true %}", 50'000) + repeated("{% endif %}", 50'000), "");
    mustFail("{{ " + repeated("(", 100'000), "nested");
    mustFail("{{ " + repeated("not ", 100'000) + "x }}", "nested");
    mustFail("{{ " + repeated("-", 100'000) + "x }}", "nested");
    mustFail("{{ " + repeated("[", 100'000), "nested");
    mustFail("{{ " + repeated("{1:", 100'000), "nested");
    mustFail("{{ " + repeated("1 if 1 else ", 50'000) + "1 }}", "nested");
    mustFail("{{ " + repeated("x[", 50'000), "nested");
    mustFail("{{ " + repeated("f(", 50'000), "nested");
    mustFail("{% for " + repeated("(", 50'000), "nested");
    mustFail(repeated("{% for i in x %}", 300), "nested");
    mustFail(repeated("{% macro m() %}", 300), "nested");
    // 150 levels are fine.
    EXPECT_EQ(outcome("{{ " + repeated("(", 150) + "1" + repeated(")", 150) + " }}").text, "1");
    EXPECT_EQ(outcome(repeated("{% if true %}", 150) + "x" + repeated("{% endif %}", 150)).text, "x");
}

TEST(JinjaHostile, LongChains) { // these nest without brackets
    mustFail("{{ a" + repeated(".a", 100'000) + " }}", "");
    mustFail("{{ 1" + repeated(" + 1", 100'000) + " }}", "nested");
    mustFail("{{ 'a'" + repeated("|upper", 50'000) + " }}", "nested");
    mustFail("{{ x" + repeated("()", 100'000) + " }}", "");
    mustFail("{{ x" + repeated("[0]", 100'000) + " }}", "");
    EXPECT_EQ(outcome("{{ 'a'" + repeated(" ~ 'a'", 50'000) + " }}").text.size(), 50'001u);
    EXPECT_EQ(outcome("{{ 1" + repeated(" + 1", 500) + " }}").text, "501");
    EXPECT_EQ(outcome("{{ 0" + repeated(" or 0", 100'000) + " }}").text, "0");
    EXPECT_EQ(outcome("{{ 1" + repeated(" < 2", 1) + " }}").text, "True");
    EXPECT_EQ(outcome("{% if 0 %}" + repeated("{% elif 0 %}", 20'000) + "{% else %}x{% endif %}").text, "x");
}

TEST(JinjaHostile, Ranges) {
    mustFail("{{ range(10**12) }}", "range");
    mustFail("{{ range(-9223372036854775807, 9223372036854775807) }}", "range");
    mustFail("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "");
    mustFail("{% for i in range(100000) %}{{ range(100000) | length }}{% endfor %}", "");
    EXPECT_EQ(outcome("{{ range(9223372036854775806, 9223372036854775807) | list }}").text, "[9223372036854775806]");
    EXPECT_EQ(outcome("{{ range(5, 0) | list }}").text, "[]");
}

TEST(JinjaHostile, BombsOfText) {
    // Size or time, whichever ends first on this machine.
    mustFail("{{ 'x' * 10**9 }}", "MiB");
    mustFail("{{ 'x' * 9223372036854775807 }}", "");
    mustFail("{{ [0] * 10**12 }}", "too long");
    mustFail("{{ [0] * 5000000 }}", "");
    std::string doubling = "{% set a = 'xxxxxxxx' %}";
    mustFail(doubling + repeated("{% set a = a + a %}", 64), "");
    mustFail(doubling + repeated("{% set a = a ~ a %}", 64), "");
    mustFail("{% set a = [1] %}" + repeated("{% set a = a + a %}", 64), "");
    mustFail("{% set a = 'x' * 100000 %}{{ [a] * 100000 | join }}", "");
    mustFail("{{ (['x' * 100000] * 100000) | join }}", "");
    mustFail("{{ ['a', 'b', 'c'] * 1000 | join('y' * 100000) }}", "");
    mustFail("{{ 'x' * 100000 }}" + repeated("{{ 'x' * 1000000 }}", 20), "");
    mustFail("{% for i in range(100000) %}{{ 'x' * 1000 }}{% endfor %}", "");
    mustFail("{{ ('a' * 1000000) | replace('a', 'b' * 1000000) }}", "");
    mustFail("{{ ('a' * 1000000) | replace('', 'b' * 1000000) }}", "");
    mustFail("{{ ('a\n' * 1000000) | indent(10**9) }}", "large");
    mustFail("{{ ('a\n' * 1000000) | indent(60000) }}", "");
    mustFail("{% set ns = namespace(a='x' * 1000000) %}{% set ns.l = [] %}{% for i in range(100000) %}"
             "{% set ns.l = ns.l + [ns.a ~ i] %}{% endfor %}",
             "");
    mustFail("{% macro m() %}" + repeated("x", 1000) +
                 "{% endmacro %}{% for i in range(100000) %}{{ m() }}{% endfor %}",
             "");
}

TEST(JinjaHostile, FiltersWithAbsurdNumbers) {
    mustFail("{{ 'x'.expandtabs(10**9) }}", "large");
    mustFail("{{ 'x' | wordwrap(0) }}", "at least 1");
    mustFail("{{ ('x' * 10**7) | wordwrap(1) }}", "1 MiB");
    mustEnd("{{ ('&' * 10**7) | e }}");
    mustEnd("{{ ('<' * 10**7) | safe + '<' + ('&' * 10**7) }}");
    mustFail("{{ '{:>{w}}'.format('a', w=10**9) }}", "wide");
    mustFail("{{ '{:>{w'.format('a', w=1) }}", "");
    EXPECT_EQ(outcome("{{ ('&' * 10**5) | striptags | length }}").text, "100000");
    EXPECT_EQ(outcome("{{ 1e308 | filesizeformat | length > 0 }}").text, "True");
    EXPECT_EQ(outcome("{{ 1e400 }} {{ -1e400 }} {{ 1e-400 }}").text, "inf -inf 0.0");
    mustFail("{{ 'a' | indent(10**9) }}", "large");
    mustFail("{{ [1] | batch(0) }}", "batch");
    mustFail("{{ [1] | batch(10**9, 'x') }}", "");
    mustFail("{{ [1] | slice(10**9, 'x') }}", "");
    mustFail("{{ [1] | slice(0) }}", "");
    EXPECT_EQ(outcome("{{ 1.5 | round(10**9) }}").text, "1.5");
    EXPECT_EQ(outcome("{{ 1.5 | round(-10**9) }}").text, "0.0");
    mustFail("{{ 'x' | center(10**9) }}", "large");
    mustFail("{{ 'x'.ljust(10**9) }}", "large");
    mustFail("{{ [1] | tojson(indent=10**9) }}", "large");
    mustFail("{{ '%n' | format(1) }}", "unknown field");
    mustFail("{{ '%*d' | format(10**9, 1) }}", "wide");
    mustFail("{{ '%1000000000d' % 1 }}", "wide");
    mustFail("{{ '%.1000000000f' % 1 }}", "wide");
    mustFail("{{ '{:>1000000000}'.format(1) }}", "wide");
    mustFail("{{ '{:99999999999999999999}'.format(1) }}", "wide");
    EXPECT_EQ(outcome("{{ '%*d|%-*d|' | format(5, 1, 4, 2) }}").text, "    1|2   |");
    mustFail("{{ strftime_now('%' * 1000000) }}", "long");
    EXPECT_EQ(outcome("{{ strftime_now('%' * 10) }}").text, "%%%%%");
    mustFail("{{ 9223372036854775807 + 1 }}", "large");
    mustFail("{{ 99999999999999999999999 }}", "large");
    mustFail("{{ -9223372036854775807 - 2 }}", "large");
    mustFail("{{ (-9223372036854775807 - 1) // -1 }}", "large");
    EXPECT_EQ(outcome("{{ (-9223372036854775807 - 1) % -1 }}").text, "0");
    mustFail("{{ 10 ** 100 }}", "large");
    EXPECT_EQ(outcome("{{ 'abc'[9223372036854775807:] }}{{ 'abc'[-9223372036854775807:2:9223372036854775807] }}").text,
              "a");
    EXPECT_EQ(outcome("{{ [1,2,3][::-9223372036854775807] }}").text, "[3]");
}

TEST(JinjaHostile, EndlessWork) {
    mustFail("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "macros");
    mustFail("{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}", "macros");
    mustFail("{% for x in [[]] recursive %}{{ loop([[]]) }}{% endfor %}", "");
    mustFail("{% macro m(n) %}{% if n > 0 %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}", "");
    // A list that grows while it is gone through: the loop sees the list as it was.
    EXPECT_EQ(outcome("{% set l = [1, 2] %}{% for i in l %}{% set _ = l.append(i) %}{% endfor %}{{ l }}").text,
              "[1, 2, 1, 2]");
    mustFail("{% set l = [1] %}{% for i in range(100000) %}{% for j in l %}{% set _ = l.append(1) %}{% endfor %}{% "
             "endfor %}",
             "");
    mustFail("{% set l = range(50000) | list %}{% for i in l %}{% if i in l and (0 - 1) in l %}{% endif %}{% endfor %}",
             "too");
    mustFail("{% set a = 'x' * 10000000 %}{% for i in range(100000) %}{% if 'y' in a %}{% endif %}{% endfor %}", "too");
    mustFail("{% set a = 'x' * 1000000 %}{% for i in range(100000) %}{% set b = a | upper | length %}{% endfor %}",
             "too");
}

TEST(JinjaHostile, CyclesAndDeepData) {
    mustFail("{% set ns = namespace() %}{% set ns.l = [] %}{% set _ = ns.l.append(ns.l) %}{{ ns.l }}", "levels");
    mustFail("{% set l = [] %}{% set _ = l.append(l) %}{{ l | tojson }}", "levels");
    mustFail("{% set l = [] %}{% set _ = l.append(l) %}{% set m = [] %}{% set _ = m.append(m) %}{{ l == m }}", "");
    mustFail("{% set d = {} %}{% set _ = d.update(x=d) %}{{ d }}{{ d | tojson }}", "levels");
    EXPECT_EQ(outcome("{% set ns = namespace() %}{% set ns.me = ns %}{{ ns.me.me.x }}|").text, "|");
    mustFail("{% set ns = namespace(a=[]) %}{% for i in range(50000) %}{% set ns.a = [ns.a] %}{% endfor %}{{ ns.a }}",
             "levels");
    mustFail("{% set ns = namespace(a=[]) %}{% for i in range(50000) %}{% set ns.a = [ns.a] %}{% endfor %}{{ ns.a == "
             "[ns.a] }}",
             "levels");
    ordered_json deep = 1;
    for (int i = 0; i < 5000; i++)
        deep = ordered_json::array({std::move(deep)});
    mustFail("{{ x }}", "levels", {{"x", std::move(deep)}});
    mustFail("{{ ('[' * 100000) | from_json }}", "");
    mustFail("{{ ('[' * 100000 + ']' * 100000) | from_json }}", "");
}

TEST(JinjaHostile, BrokenSources) {
    for (const char* source : {"{%",
                               "{{",
                               "{#",
                               "{% raw %}",
                               "{% raw -%}",
                               "{{ '",
                               "{% if x",
                               "{{ x",
                               "{%-",
                               "{{-",
                               "{{ x -}",
                               "{% set x %}",
                               "{% for",
                               "{% macro m(",
                               "{{ '\\",
                               "{{ \"\\u12",
                               "{% raw %}{% endraw",
                               "{{ x | }}",
                               "{{ x is }}",
                               "{{ x[1:2:3:4] }}",
                               "{{ ] }}",
                               "{{ (] }}",
                               "{{ @ }}",
                               "{{ x = 1 }}"})
        EXPECT_NE(outcome(source).error, "") << source;
    for (const char* source :
         {"", "{", "{ {", "}}", "%}", "#}", "{}", "\n", "{{ 'a\\", "{{'\\x4'}}", "{#-#}", "{#--#}", "{#+#}", "{{''}}"})
        outcome(source);
    mustFail(std::string("{{ a\0b }}", 9), "unexpected");
    EXPECT_EQ(outcome(std::string("a\0b{{ 1 }}", 10)).text, std::string("a\0b1", 4));
    EXPECT_EQ(outcome("\xFF\xFE{{ '\xC3' ~ 'x\xE4\xBD' }}").text, "\xFF\xFE\xC3x\xE4\xBD");
    EXPECT_EQ(outcome("{{ s | upper | length }}", {{"s", "\xFF\xC3(\xE4"}}).error, "");
    EXPECT_EQ(outcome("a\r\nb\r{{ 1 }}\r\n").text, "a\nb\n1");
    mustFail(repeated("x", 10'000'000), "not read");
    mustFail(repeated("{{ 1 }}", 2'000'000), "not read");
    EXPECT_EQ(outcome(repeated("{{ 1 }}", 100'000)).text.size(), 100'000u);
    EXPECT_EQ(outcome(repeated("{# c #}", 100'000)).text, "");
    EXPECT_EQ(outcome(repeated("{% raw %}x{% endraw %}", 10'000)).text.size(), 10'000u);
    EXPECT_EQ(outcome(repeated("{", 999'999)).text.size(), 0u);
}

TEST(JinjaHostile, ErrorsNameTheLine) {
    mustFail("a\nb\n  {{ zz.y }}", "line 3");
    mustFail("a\n{% if %}", "line 2, column");
    mustFail("a\n\n{{ 1 | nosuch }}", "line 3");
}

TEST(JinjaHostile, RaiseException) {
    const Outcome o = outcome("{{ raise_exception('<b>\n' * 300000) }}");
    EXPECT_LT(o.error.size(), 1000u);
    EXPECT_EQ(o.error.find('\n'), std::string::npos);
    EXPECT_EQ(outcome("{{ raise_exception('No system role') }}").error, "The chat template refuses: No system role");
}

TEST(JinjaHostile, OddMessages) {
    const std::string source =
        "{% for m in messages %}{{ m.role }}:{{ m['content'] }}{% if m.content is string %}s{% endif %}"
        "{% for c in m.tool_calls or [] %}{{ c.function.name }}{% endfor %};{% endfor %}";
    const ordered_json odd = {
        {"messages", ordered_json::parse(R"([{}, {"role": null, "content": null}, {"role": 5, "content": ["x"]},
        {"content": {"a": 1}}, {"role": "user", "content": "x", "tool_calls": []}, {"role": "tool", "tool_calls": [{"function": {}}]}])")}};
    EXPECT_EQ(outcome(source, odd).error, "");
    mustFail(source, "undefined", {{"messages", ordered_json::parse(R"([{"tool_calls": [{}]}])")}});
    mustFail(source, "", {{"messages", 5}});
    EXPECT_EQ(outcome(source, {{"messages", nullptr}}).error.empty(), false);
    TemplateInput many;
    for (int i = 0; i < 100'000; i++)
        many.messages.push_back({.role = i % 2 ? "assistant" : "user", .content = "hello"});
    const auto t =
        ChatTemplate::fromSource("{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}{% endfor %}", "", "");
    try {
        t->render(many);
    } catch (const Error& e) {
        EXPECT_NE(std::string(e.what()), "");
    }
    many.messages.resize(10'000);
    EXPECT_GT(t->render(many).text.size(), 100'000u);
}

TEST(JinjaHostile, TimeGrowsWithTheTemplate) {
    const std::vector<std::array<std::string, 3>> shapes = {
        {"", "{{ 1 }}", ""},
        {"{{ 'a'", " ~ 'b'", " }}"},
        {"", "{# x #}", ""},
        {"", "{%- if 1 -%} a {%- endif -%}  ", ""},
        {"", "{", ""},
        {"{{ [", "1,", "] }}"},
        {"{{ '", "\\n", "' }}"},
        {"", "\n  ", ""},
        {"", "{% raw %}{% x", "{% endraw %}"},
        {"", "{% set a = 1 %}\n   ", ""},
        {"{{ {", "'a':1,", "} }}"},
    };
    for (const auto& [prefix, unit, suffix] : shapes) {
        const auto seconds = [&](size_t n) {
            const std::string source = prefix + repeated(unit, n) + suffix;
            const double start = processorSeconds();
            try {
                ChatTemplate::fromSource(source, "", "")->renderJson(ordered_json::object(), std::nullopt);
            } catch (const Error&) {
            }
            return processorSeconds() - start;
        };
        const Growth g = growth(50'000 / unit.size(), seconds);
        EXPECT_TRUE(g.isLinear()) << unit << ": " << g.once << " -> " << g.eight;
    }
}

} // namespace
} // namespace hearth::engine
