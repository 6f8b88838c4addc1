#pragma once

#include "ui/theme.h"

#include <QStringView>
#include <QVector>

#include <array>
#include <span>

namespace hearth::ui {

/// What a line of code hands to the next one: the things that are open, from the outermost in. The default: nothing
/// is. What the values mean is the language's affair; deeper nesting than kFrames is not opened but read as text.
struct CodeState {
    static constexpr int kFrames = 6;

    std::array<quint8, kFrames> what{};  // 0: nothing
    std::array<quint8, kFrames> depth{}; // of nested comments, of brackets in an interpolation, …
    quint8 size = 0;
    quint8 flags = 0; // of the line before, as the language has it
    quint32 tag = 0;  // hash of the delimiter that ends a here-document or a raw string; 0: none is open

    bool operator==(const CodeState&) const = default;

    bool isFull() const { return size == kFrames; }

    bool push(quint8 thing, quint8 d = 0);
    void truncate(int n);

    void pop() { truncate(size - 1); }
};

/// A stretch of a line in one colour. Added and Removed are colours of the ground, the others of the text.
struct CodeRun {
    int start = 0; // UTF-16 units
    int length = 0;
    Token token = Token::Text;
};

struct CodeLanguage; // a row of the table in code_languages.cpp

/// The language that the info of a fence names, as in "cpp", "{.python}", "js:app.js"; null: none that is known, its
/// code stays plain.
const CodeLanguage* codeLanguage(QStringView info);
std::span<const CodeLanguage> codeLanguages();

/// The name of the language as people write it ("C++"); one that is not known as the fence has it.
QString codeLabel(QStringView info);

/// Colours one line and returns what stays open after it. Runs are appended in order and do not overlap. Linear. A line
/// of more than kPlainLine units stays plain and changes nothing.
CodeState highlightLine(const CodeLanguage&, QStringView line, CodeState, QVector<CodeRun>* runs);

/// What stays open after many lines. `joined`: the first one is the rest of a line that was cut because it is longer
/// than kPlainLine.
CodeState stateAfter(const CodeLanguage&, QStringView lines, CodeState, bool joined = false);

constexpr int kPlainLine = 2000; // UTF-16 units; a longer line is nothing that a person reads

} // namespace hearth::ui
