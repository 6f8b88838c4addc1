#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::engine::jinja {

/// A mistake in a template's source, with its place.
class SyntaxError : public std::exception {
public:
    SyntaxError(std::string what, size_t position) : position(position), what_(std::move(what)) {}

    const char* what() const noexcept override { return what_.c_str(); }

    const size_t position; // byte in the source

private:
    std::string what_;
};

struct Token {
    enum class Kind : uint8_t {
        Data,
        BlockBegin,
        BlockEnd,
        VariableBegin,
        VariableEnd,
        Name,
        String,
        Integer,
        Float,
        Operator,
        End
    };

    Kind kind = Kind::End;
    std::string_view text; // Data, Name, Operator: in the source
    std::string string;    // String: unescaped
    int64_t integer = 0;
    double number = 0;
    size_t position = 0;
};

/// Jinja2's lexer with trim_blocks and lstrip_blocks on, as transformers sets them. Gives one token at a time.
class Lexer {
public:
    /// The source has "\n" line ends only (see normalizedSource).
    explicit Lexer(std::string_view source) : source_(source) {}

    Token next();

private:
    enum class State : uint8_t { Data, Block, Variable };

    bool lexData(Token&);
    void lexRaw(size_t bodyBegin, Token&);
    void skipComment(size_t begin);
    bool rawBegin(size_t at, size_t& bodyBegin) const;
    std::string_view stripped(std::string_view text, char sign, bool block) const;
    bool atEndMark(size_t& after) const;
    Token lexInside();
    Token lexNumber();
    Token lexString();
    Token lexOperator();
    size_t skipBlanks(size_t at) const;
    void leave(size_t after);

    std::string_view source_;
    size_t at_ = 0;
    State state_ = State::Data;
    bool lineStarts_ = true; // the last thing taken ended with a line break
    std::string open_;       // brackets open inside a tag
    size_t pendingBegin_ = 0;
    Token::Kind pending_ = Token::Kind::End; // a begin mark behind the data that was given
};

/// Line breaks as "\n", without the last one: what Jinja2 does before it reads a template.
std::string normalizedSource(std::string_view source);

} // namespace hearth::engine::jinja
