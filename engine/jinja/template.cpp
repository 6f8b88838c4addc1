#include "engine/jinja/template.h"

#include "engine/error.h"
#include "engine/jinja/lexer.h"
#include "engine/jinja/program.h"

#include <algorithm>
#include <new>
#include <stdexcept>

namespace hearth::engine::jinja {

namespace {

constexpr size_t kLongestMessage = 500; // bytes; a template may raise megabytes

std::string placeOf(std::string_view source, size_t position) {
    const std::string_view before = source.substr(0, std::min(position, source.size()));
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const size_t column = before.size() - (before.rfind('\n') + 1) + 1;
    return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

} // namespace

Template::Template(std::string_view source, const Limits& limits) : limits_(limits) {
    if (source.size() > limits.sourceBytes)
        throw Error("The chat template has " + readableBytes(source.size()) + "; more than " +
                    readableBytes(limits.sourceBytes) + " are not read.");
    try {
        program_ = Program::parse(source, limits_);
    } catch (const SyntaxError& e) {
        throw Error("The chat template cannot be read: " + printable(e.what(), kLongestMessage) + " (" +
                    placeOf(normalizedSource(source), e.position) + ").");
    }
}

Template::~Template() = default;

TaggedText Template::render(std::optional<std::tm> now, const std::function<void(Run&)>& fill, double seconds) const {
    std::string what;
    int line = 0;
    try {
        Limits limits = limits_;
        limits.seconds = std::min(limits.seconds, seconds);
        Run run(*program_, limits, now);
        try {
            fill(run);
            runBlock(program_->body(), run);
            return run.takeOutput();
        } catch (const Failure& e) {
            line = run.line;
            what = printable(e.what(), kLongestMessage);
            if (e.raisedByTemplate)
                throw Error("The chat template refuses: " + what);
        } catch (const std::bad_alloc&) {
            what = "there is not enough memory";
        } catch (const std::length_error&) {
            what = "a text grows too long";
        }
    } catch (const Failure& e) { // while the run was being set up
        what = printable(e.what(), kLongestMessage);
    }
    throw Error("The chat template failed in line " + std::to_string(line) + ": " + what + ".");
}

} // namespace hearth::engine::jinja
