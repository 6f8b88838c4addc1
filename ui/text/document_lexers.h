#pragma once

#include "ui/text/code_lexer.h"

namespace hearth::ui {

// Languages that a table of words and strings cannot say. Each reads one line and leaves in its state what goes on.

/// HTML and XML with script, style and PHP inside; `php`: a text that is PHP unless it begins with a tag.
void lexMarkup(CodeLine&, bool php);
/// CSS and its dialects, in [from, to); frames of the state below `base` belong to the language around it.
void lexCss(CodeLine&, int base, qsizetype from, qsizetype to);
void lexYaml(const CodeLanguage&, CodeLine&);
void lexLatex(CodeLine&);
void lexDiff(CodeLine&);

} // namespace hearth::ui
