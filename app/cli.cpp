// hearth-cli: the program behind scripts, tests and benchmarks. Results go to standard output, everything else to
// standard error. Exit status: 0 done, 1 the input was bad, 2 wrong usage.

#include "app/cli/commands.h"
#include "engine/error.h"

#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

namespace {

using hearth::cli::Command;
using hearth::cli::Option;
using hearth::cli::UsageError;

const Command* findCommand(std::string_view name) {
    for (const Command& c : hearth::cli::commands())
        if (c.name == name)
            return &c;
    return nullptr;
}

void addRow(std::string& out, std::string_view left, std::string_view right, size_t width) {
    std::string row = "  " + std::string(left);
    row.resize(std::max(row.size() + 2, width), ' ');
    out += row + std::string(right) + "\n";
}

std::string overview() {
    std::string out = "usage: hearth-cli <command> [options]\n\n";
    for (const Command& c : hearth::cli::commands())
        addRow(out, c.name, c.summary, 16);
    addRow(out, "help", "this list, or `help <command>`", 16);
    return out;
}

std::string helpFor(const Command& c) {
    std::string out =
        "usage: hearth-cli " + std::string(c.name) + " " + std::string(c.usage) + "\n" + std::string(c.summary) + "\n";
    if (!c.details.empty())
        out += std::string(c.details) + "\n";
    out += "\n";
    for (const auto& options : {c.options, c.common})
        for (const Option& o : options)
            addRow(out, std::string(o.name) + (o.value.empty() ? "" : " " + std::string(o.value)),
                   std::string(o.help) + (o.required ? " (required)" : ""), 26);
    return out;
}

/// The command that the words begin with, and of how many words its name is.
std::pair<const Command*, size_t> commandOf(const std::vector<std::string>& words) {
    if (words.size() > 1)
        if (const Command* c = findCommand(words[0] + " " + words[1]))
            return {c, 2};
    return {findCommand(words[0]), 1};
}

int help(const std::vector<std::string>& words) {
    if (words.empty()) {
        std::cout << overview();
        return 0;
    }
    const Command* c = commandOf(words).first;
    if (!c)
        throw UsageError("There is no command " + hearth::engine::printable(words[0]) + ".");
    std::cout << helpFor(*c);
    return 0;
}

int run(const std::vector<std::string>& words) {
    if (words.empty()) {
        std::cerr << overview();
        return 2;
    }
    if (words[0] == "help" || words[0] == "--help" || words[0] == "-h")
        return help({words.begin() + 1, words.end()});
    const auto [c, nWords] = commandOf(words);
    if (!c)
        throw UsageError("There is no command " + hearth::engine::printable(words[0]) + ".");
    const std::vector<std::string> rest(words.begin() + static_cast<ptrdiff_t>(nWords), words.end());
    for (const std::string& word : rest)
        if (word == "--help" || word == "-h")
            return help({words.begin(), words.begin() + static_cast<ptrdiff_t>(nWords)});
        else if (word == "--")
            break;
    const int status = c->run(hearth::cli::Arguments(rest, c->options, c->common, c->operands));
    if (std::fflush(stdout) != 0)
        throw hearth::engine::Error("Standard output cannot be written.");
    return status;
}

int complain(const std::string& what, int status) {
    std::cerr << "hearth-cli: " << what << '\n';
    return status;
}

} // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN); // a closed pipe is an error that is reported, not a death
    const std::vector<std::string> words(argv + (argc > 0), argv + argc);
    try {
        return run(words);
    } catch (const UsageError& e) {
        return complain(std::string(e.what()) + " See hearth-cli help.", 2);
    } catch (const hearth::engine::Error& e) {
        return complain(e.what(), 1);
    } catch (const std::bad_alloc&) {
        return complain("There is not enough memory.", 1);
    } catch (const std::exception& e) {
        return complain(e.what(), 1);
    }
}
