#pragma once

#include "app/cli/arguments.h"

#include <span>
#include <string_view>

namespace hearth::cli {

/// One row of the program: what it is called, what it takes, what it does. Exit status: 0 done, 1 the input was bad.
struct Command {
    std::string_view name;    // of one word or two
    std::string_view usage;   // behind the name, in the help
    std::string_view summary; // one line
    std::string_view details; // more, for `help <command>`
    std::span<const Option> options;
    std::span<const Option> common; // those of commands that run a model
    size_t operands = 0;
    int (*run)(const Arguments&);
};

std::span<const Command> commands();

int runChat(const Arguments&);
int runEval(const Arguments&);
int runGenerate(const Arguments&);
int runEmbed(const Arguments&);
int runPerplexity(const Arguments&);
int runTokenize(const Arguments&);
int runDetokenize(const Arguments&);
int runTemplate(const Arguments&);
int runDequantize(const Arguments&);
int runEncode(const Arguments&);
int runQuantize(const Arguments&);
int runModelsList(const Arguments&);
int runModelsImport(const Arguments&);
int runModelsRemove(const Arguments&);
int runModelsFit(const Arguments&);
int runInspect(const Arguments&);
int runBench(const Arguments&);
int runModelsSearch(const Arguments&); // those that touch the network: not in a build without Qt
int runModelsShow(const Arguments&);
int runModelsPull(const Arguments&);

} // namespace hearth::cli
