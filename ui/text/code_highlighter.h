#pragma once

#include "ui/theme.h"

#include <QStringView>
#include <QVector>

namespace hearth::ui {

/// What a line of code hands to the next one. 0: nothing is open.
enum class CodeState : quint8 { Normal, BlockComment, TripleDouble, TripleSingle, Backtick };

struct CodeRun {
    int start = 0;
    int length = 0;
    Token token = Token::Text;
};

struct CodeLanguage; // a row of the table in code_highlighter.cpp

/// The language that a fence names; null: none that is known, its code stays plain.
const CodeLanguage* codeLanguage(QStringView name);

/// Colours one line and returns what stays open after it. Runs are appended in order, apart. Linear.
CodeState highlightLine(const CodeLanguage&, QStringView line, CodeState, QVector<CodeRun>* runs);

/// What stays open after many lines.
CodeState stateAfter(const CodeLanguage&, QStringView lines, CodeState);

} // namespace hearth::ui
