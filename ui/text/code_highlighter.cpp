#include "ui/text/code_highlighter.h"

#include "ui/text/code_lexer.h"
#include "ui/text/document_lexers.h"

#include <algorithm>

namespace hearth::ui {

bool CodeState::push(quint8 thing, quint8 d) {
    if (isFull())
        return false;
    what[size] = thing;
    depth[size] = d;
    ++size;
    return true;
}

void CodeState::truncate(int n) {
    for (int i = n; i < size; ++i)
        what[size_t(i)] = depth[size_t(i)] = 0;
    size = quint8(std::min<int>(size, n));
}

CodeState highlightLine(const CodeLanguage& language, QStringView text, CodeState state, QVector<CodeRun>* runs) {
    if (text.size() > kPlainLine)
        return state;
    CodeLine line{text, state, runs};
    switch (language.lexer) {
    case Lexer::Code: {
        CodeLexer lexer(language, line);
        lexer.run(0, text.size());
        lexer.endLine();
        break;
    }
    case Lexer::Markup:
    case Lexer::Php:
        lexMarkup(line, language.lexer == Lexer::Php);
        break;
    case Lexer::Css:
        lexCss(line, 0, 0, text.size());
        break;
    case Lexer::Yaml:
        lexYaml(language, line);
        break;
    case Lexer::Latex:
        lexLatex(line);
        break;
    case Lexer::Diff:
        lexDiff(line);
        break;
    }
    return state;
}

CodeState stateAfter(const CodeLanguage& language, QStringView lines, CodeState state, bool joined) {
    const qsizetype first = joined ? lines.indexOf(u'\n') + 1 : 0;
    if (joined && first == 0)
        return state;
    for (qsizetype from = first; from <= lines.size();) {
        qsizetype end = lines.indexOf(u'\n', from);
        if (end < 0)
            end = lines.size();
        state = highlightLine(language, lines.mid(from, end - from), state, nullptr);
        from = end + 1;
    }
    return state;
}

} // namespace hearth::ui
