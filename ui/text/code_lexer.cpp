#include "ui/text/code_lexer.h"

#include <algorithm>

namespace hearth::ui {
namespace {

constexpr qsizetype kLongestDelimiter = 64; // of a here-document
constexpr qsizetype kLongestRawName = 16;   // C++ allows no more
constexpr int kMostHashes = 255;            // that CodeState::depth can count

bool isWordStart(QChar c) {
    return c.isLetter() || c == u'_';
}

bool isWordInner(QChar c) {
    return c.isLetterOrNumber() || c == u'_';
}

bool isDigit(QChar c) {
    return c >= u'0' && c <= u'9';
}

bool hasChar(const char* chars, QChar c) {
    return c.unicode() < 128 && c.unicode() > 0 && QLatin1String(chars).contains(c);
}

/// Like this: a type by the custom of most languages.
bool isCapitalised(QStringView word) {
    return word.size() > 1 && word[0].isUpper() &&
           std::any_of(word.begin(), word.end(), [](QChar c) { return c.isLower(); });
}

/// FNV-1a; never 0, which means that there is none.
quint32 tagOf(QStringView word) {
    quint32 hash = 2166136261u;
    for (const QChar c : word)
        hash = (hash ^ c.unicode()) * 16777619u;
    return hash ? hash : 1;
}

} // namespace

void CodeLine::add(qsizetype from, qsizetype to, Token token) const {
    if (!runs || to <= from || token == Token::Text)
        return;
    if (!runs->isEmpty()) {
        CodeRun& last = runs->last();
        if (last.token == token && last.start + last.length == from) {
            last.length = int(to) - last.start;
            return;
        }
    }
    runs->append({int(from), int(to - from), token});
}

CodeLexer::CodeLexer(const CodeLanguage& language, CodeLine& line, int base)
    : language_(language), line_(line), base_(base) {}

qsizetype CodeLexer::run(qsizetype from, qsizetype to, QLatin1String stop) {
    at_ = spanFrom_ = from;
    end_ = to;
    stop_ = stop;
    if (from == 0)
        lineHead();
    while (at_ < end_ && !stopped_) {
        const quint8 open = top();
        if (open == 0 || open >= kBraceHole)
            code();
        else
            span(language_.spans[size_t(open - 1)]);
    }
    if (const quint8 open = top(); open > 0 && open < kBraceHole) // its opening is the last thing in the line
        line_.add(spanFrom_, at_, language_.spans[size_t(open - 1)].token);
    return at_;
}

void CodeLexer::endLine() {
    CodeState& state = line_.state;
    for (int i = base_; i < state.size; ++i) {
        const quint8 what = state.what[size_t(i)];
        if (what >= kBraceHole || language_.spans[size_t(what - 1)].traits & ManyLines)
            continue;
        if (!continued_ || i + 1 < state.size)
            truncate(i);
        break;
    }
    if (pending_ > 0 && state.push(quint8(pending_), pendingDepth_))
        state.tag = pendingTag_;
    if (has(Shell))
        state.flags = line_.text.endsWith(u'\\') && !command_ ? 1 : 0;
}

void CodeLexer::truncate(int size) {
    CodeState& state = line_.state;
    state.truncate(size);
    for (int i = base_; i < size; ++i) {
        const quint8 what = state.what[size_t(i)];
        if (what < kBraceHole && language_.spans[size_t(what - 1)].end >= CodeSpan::End::RawName)
            return;
    }
    state.tag = 0;
}

bool CodeLexer::startsWith(qsizetype at, const char* mark) const {
    qsizetype i = at;
    for (; *mark; ++mark, ++i)
        if (i >= end_ || line_.text[i] != QLatin1Char(*mark))
            return false;
    return i > at;
}

qsizetype CodeLexer::wordEnd(qsizetype at) const {
    while (at < end_ && isWordInner(line_.text[at]))
        ++at;
    return at;
}

qsizetype CodeLexer::skipSpaces(qsizetype at) const {
    while (at < end_ && line_.text[at].isSpace())
        ++at;
    return at;
}

// Spans: strings, comments of many lines

/// Opens the span that begins at `at_`; it is coloured from `from` on.
bool CodeLexer::open(qsizetype from) {
    const QChar first = line_.text[at_];
    for (size_t i = 0; i < language_.spans.size(); ++i) {
        const CodeSpan& s = language_.spans[i];
        if (first != QLatin1Char(*s.open) || *s.prefixes)
            continue;
        if (s.end == CodeSpan::End::HereDoc) {
            if (openHereDoc(s, int(i)))
                return true;
            continue;
        }
        if (s.traits & LineStart && at_ != 0)
            continue;
        quint8 depth = 0;
        quint32 tag = 0;
        const qsizetype length = openingLength(s, &depth, &tag);
        if (length == 0 || !line_.state.push(quint8(i + 1), depth))
            continue;
        spanFrom_ = from;
        at_ += length;
        return true;
    }
    return false;
}

/// The same for spans whose opening follows a word that ends at `at_`.
bool CodeLexer::openPrefixed(qsizetype from, QStringView word) {
    const QChar next = charAt(at_);
    if (word.size() > 3 || (next != u'"' && next != u'\'' && next != u'#'))
        return false;
    const QString small = word.toString().toLower();
    for (size_t i = 0; i < language_.spans.size(); ++i) {
        const CodeSpan& s = language_.spans[i];
        if (!*s.prefixes || !hasWord(s.prefixes, small))
            continue;
        quint8 depth = 0;
        quint32 tag = 0;
        const qsizetype length = openingLength(s, &depth, &tag);
        if (length == 0 || (tag != 0 && line_.state.tag != 0) || !line_.state.push(quint8(i + 1), depth))
            continue;
        if (tag != 0)
            line_.state.tag = tag;
        spanFrom_ = from;
        at_ += length;
        return true;
    }
    // b'…', L"…", N'…': as without the letter, which belongs to it.
    const bool letters = small.size() <= 2 &&
                         std::all_of(small.cbegin(), small.cend(), [](QChar c) { return hasChar("rbufnelxc8", c); });
    return next != u'#' && letters && !has(Tags | Shell) && open(from);
}

/// How long the opening of a span at `at_` is; 0: none begins there.
qsizetype CodeLexer::openingLength(const CodeSpan& s, quint8* depth, quint32* tag) const {
    qsizetype at = at_;
    switch (s.end) {
    case CodeSpan::End::Fixed:
        *depth = 1;
        return startsWith(at, s.open) ? QLatin1String(s.open).size() : 0;
    case CodeSpan::End::Hashes: {
        if (at > 0 && line_.text[at - 1] == u'#') // counted already
            return 0;
        while (charAt(at) == u'#')
            ++at;
        const qsizetype hashes = at - at_;
        *depth = quint8(std::min<qsizetype>(hashes, kMostHashes));
        return charAt(at) == u'"' && hashes <= kMostHashes ? hashes + 1 : 0;
    }
    case CodeSpan::End::Levels: {
        if (!startsWith(at, s.open))
            return 0;
        at += QLatin1String(s.open).size();
        const qsizetype from = at;
        while (charAt(at) == u'=')
            ++at;
        *depth = quint8(std::min<qsizetype>(at - from, kMostHashes));
        return charAt(at) == u'[' && at - from <= kMostHashes ? at + 1 - at_ : 0;
    }
    case CodeSpan::End::RawName: {
        if (!startsWith(at, s.open))
            return 0;
        const qsizetype from = ++at;
        while (at - from <= kLongestRawName && at < end_ && !QStringView(u"( )\\\"").contains(line_.text[at]))
            ++at;
        *depth = quint8(at - from);
        *tag = tagOf(line_.text.mid(from, at - from));
        return charAt(at) == u'(' ? at + 1 - at_ : 0;
    }
    case CodeSpan::End::HereDoc:
        break;
    }
    return 0;
}

/// `<<WORD`, `<<-'WORD'`, `<<~WORD`, `<<<WORD`: the text begins in the next line.
bool CodeLexer::openHereDoc(const CodeSpan& s, int index) {
    if (!startsWith(at_, s.open) || pending_ > 0 || line_.state.tag != 0 || (at_ > 0 && line_.text[at_ - 1] == u'<') ||
        parens_ >= 2)
        return false;
    qsizetype at = at_ + QLatin1String(s.open).size();
    const bool shell = has(Shell);
    const bool indented = charAt(at) == u'-' || charAt(at) == u'~' || language_.lexer == Lexer::Php;
    if (charAt(at) == u'-' || charAt(at) == u'~')
        ++at;
    if (shell || language_.lexer == Lexer::Php)
        at = skipSpaces(at);
    const QChar quote = charAt(at);
    const bool quoted = quote == u'\'' || quote == u'"' || (shell && quote == u'\\');
    const bool verbatim = quote == u'\'' || (shell && quoted);
    if (verbatim != bool(s.traits & Verbatim))
        return false;
    const qsizetype from = at + (quoted ? 1 : 0);
    const qsizetype to = wordEnd(from);
    const bool capital = from < to && (line_.text[from].isUpper() || line_.text[from] == u'_');
    if (to == from || to - from > kLongestDelimiter || isDigit(line_.text[from]) ||
        (!shell && !quoted && !indented && !capital) || (quoted && quote != u'\\' && charAt(to) != quote))
        return false;
    pending_ = index + 1;
    pendingDepth_ = indented ? 1 : 0;
    pendingTag_ = tagOf(line_.text.mid(from, to - from));
    const qsizetype end = to + (quoted && quote != u'\\' ? 1 : 0);
    line_.add(at_, end, s.token);
    at_ = end;
    before_ = Before::Value;
    return true;
}

/// Whether this line is the last of the here-document that is open.
bool CodeLexer::hereDocEnds() {
    const qsizetype from = depth() != 0 ? skipSpaces(0) : 0;
    const qsizetype to = wordEnd(from);
    const bool alone = language_.lexer == Lexer::Php || skipSpaces(to) == end_;
    if (to == from || to - from > kLongestDelimiter || !alone ||
        tagOf(line_.text.mid(from, to - from)) != line_.state.tag)
        return false;
    line_.add(from, to, Token::String);
    truncate(line_.state.size - 1);
    at_ = to;
    return true;
}

/// How long the closing of the open span at `at_` is; 0: it does not end there.
qsizetype CodeLexer::closingLength(const CodeSpan& s) const {
    const quint8 depth = line_.state.depth[size_t(line_.state.size - 1)];
    qsizetype at = at_;
    switch (s.end) {
    case CodeSpan::End::Fixed:
        return startsWith(at, s.close) ? QLatin1String(s.close).size() : 0;
    case CodeSpan::End::Hashes: {
        if (line_.text[at++] != u'"')
            return 0;
        while (charAt(at) == u'#' && at - at_ <= depth)
            ++at;
        return at - at_ == depth + 1 ? depth + 1 : 0;
    }
    case CodeSpan::End::Levels: {
        if (line_.text[at++] != u']')
            return 0;
        while (charAt(at) == u'=' && at - at_ <= depth)
            ++at;
        return at - at_ == depth + 1 && charAt(at) == u']' ? depth + 2 : 0;
    }
    case CodeSpan::End::RawName:
        return line_.text[at] == u')' && charAt(at + 1 + depth) == u'"' &&
                       tagOf(line_.text.mid(at + 1, depth)) == line_.state.tag
                   ? depth + 2
                   : 0;
    case CodeSpan::End::HereDoc:
        break;
    }
    return 0;
}

/// Reads on in the open span until it ends, an interpolation begins or the line is over.
void CodeLexer::span(const CodeSpan& s) {
    const QLatin1Char closing(s.end == CodeSpan::End::Hashes ? '"' : s.end == CodeSpan::End::RawName ? ')' : *s.close);
    while (at_ < end_) {
        const QChar c = line_.text[at_];
        if (c == closing) {
            if (s.traits & Doubled && charAt(at_ + 1) == c) {
                at_ += 2;
                continue;
            }
            if (const qsizetype length = closingLength(s); length > 0) {
                at_ += length;
                if (s.traits & Nested && --depth() > 0)
                    continue;
                closeSpan(s);
                return;
            }
        }
        if (s.traits & Nested && startsWith(at_, s.open)) {
            depth() = quint8(std::min(255, depth() + 1));
            at_ += QLatin1String(s.open).size();
            continue;
        }
        if (*s.hole && c == QLatin1Char(*s.hole)) {
            if (s.traits & TwoIsText && charAt(at_ + 1) == c) {
                at_ += 2;
                continue;
            }
            if (openHole(s))
                return;
        }
        if (s.traits & DollarNames && c == u'$' && skipName(s))
            continue;
        if ((s.traits & Backslash && c == u'\\') || (s.traits & Backtick && c == u'`')) {
            continued_ = at_ + 1 >= end_;
            ++at_;
        }
        at_ = std::min(at_ + 1, end_);
    }
    line_.add(spanFrom_, end_, s.token);
    spanFrom_ = end_;
}

/// An interpolation; false: text.
bool CodeLexer::openHole(const CodeSpan& s) {
    if (!startsWith(at_, s.hole))
        return false;
    const QLatin1String hole(s.hole);
    const qsizetype from = at_;
    if (!line_.state.push(hole.back() == u'(' ? kRoundHole : kBraceHole, 1))
        return false;
    line_.add(spanFrom_, from, s.token);
    at_ += hole.size() - (hole.back() == u'$' ? 1 : 0); // PHP's {$ begins with a name
    before_ = Before::Operator;
    expected_ = Token::Text;
    command_ = hole.back() == u'(';
    return true;
}

/// `$name` or `${name}` in a string stands out by having no colour.
bool CodeLexer::skipName(const CodeSpan& s) {
    qsizetype to = at_ + 1;
    if (charAt(to) == u'{' && has(Shell)) {
        while (to < end_ && line_.text[to] != u'}' && line_.text[to] != u'"')
            ++to;
        to = std::min(to + (charAt(to) == u'}' ? 1 : 0), end_);
    } else if (isWordStart(charAt(to)) || (has(Shell) && hasChar("?#@*!0123456789", charAt(to)))) {
        to = isWordStart(charAt(to)) ? wordEnd(to) : to + 1;
    } else {
        return false;
    }
    line_.add(spanFrom_, at_, s.token);
    at_ = spanFrom_ = to;
    return true;
}

void CodeLexer::closeSpan(const CodeSpan& s) {
    Token token = s.token;
    if (has(KeyStrings) && token == Token::String && charAt(skipSpaces(at_)) == u':')
        token = Token::Function;
    line_.add(spanFrom_, at_, token);
    truncate(line_.state.size - 1);
    spanFrom_ = at_;
    if (s.token != Token::Comment) {
        before_ = Before::Value;
        command_ = false;
    }
}

// Code

/// What counts only where a line begins.
void CodeLexer::lineHead() {
    const quint8 open = top();
    if (open > 0 && open < kBraceHole && language_.spans[size_t(open - 1)].end == CodeSpan::End::HereDoc)
        hereDocEnds();
    if (has(Shell))
        shellHead();
    if (line_.state.size != base_ || at_ != 0)
        return;
    if (startsWith(0, "#!/")) {
        line_.add(0, end_, Token::Comment);
        at_ = end_;
        return;
    }
    const qsizetype first = skipSpaces(0);
    if (first == end_)
        return;
    (has(Preprocessor) && preprocessor(first)) || (has(Sections) && section(first)) ||
        (has(KeyWords) && keyWord(first));
}

bool CodeLexer::preprocessor(qsizetype at) {
    if (line_.text[at] != u'#')
        return false;
    const qsizetype from = skipSpaces(at + 1);
    const qsizetype to = wordEnd(from);
    if (to == from)
        return false;
    const QStringView word = line_.text.mid(from, to - from);
    line_.add(at, to, Token::Keyword);
    at_ = to;
    if (hasWord("include import include_next", word)) {
        const qsizetype open = skipSpaces(to);
        const qsizetype close = line_.text.left(end_).indexOf(u'>', open);
        if (charAt(open) == u'<' && close > open) {
            line_.add(open, close + 1, Token::String);
            at_ = close + 1;
        }
    } else if (hasWord("error warning region endregion", word)) {
        at_ = end_;
    }
    return true;
}

/// `[name]`, `[[name.other]]`, not a line of an array.
bool CodeLexer::section(qsizetype at) {
    if (line_.text[at] != u'[')
        return false;
    qsizetype to = at;
    while (charAt(to) == u'[')
        ++to;
    const QChar first = charAt(to);
    if (!isWordStart(first) && first != u'"')
        return false;
    while (to < end_ && line_.text[to] != u']' && line_.text[to] != u',')
        ++to;
    if (charAt(to) != u']')
        return false;
    while (charAt(to) == u']')
        ++to;
    const QChar next = charAt(skipSpaces(to));
    if (!next.isNull() && !hasChar("#;", next))
        return false;
    line_.add(at, to, Token::TypeName);
    at_ = to;
    return true;
}

/// `name = value`. Values without quotes are plain but for numbers and constants.
bool CodeLexer::keyWord(qsizetype at) {
    qsizetype to = at;
    const bool loose = has(AnyCase); // INI: any text, no quotes needed
    while (to < end_ && (isWordInner(line_.text[to]) || hasChar("-. \"'", line_.text[to])))
        ++to;
    if (to == at || (charAt(to) != u'=' && !(loose && charAt(to) == u':')))
        return false;
    qsizetype last = to;
    while (last > at && line_.text[last - 1].isSpace())
        --last;
    line_.add(at, last, Token::Function);
    at_ = to + 1;
    const QStringView value = line_.text.mid(at_, end_ - at_).trimmed();
    if (!loose || value.isEmpty() || value[0] == u'"')
        return true;
    const bool isNumber = std::all_of(value.begin(), value.end(), [](QChar c) { return isDigit(c) || c == u'.'; });
    if (isNumber || listedWord(language_, value).token == Token::Number) {
        at_ = skipSpaces(at_);
        line_.add(at_, at_ + value.size(), Token::Number);
    }
    at_ = end_;
    return true;
}

void CodeLexer::code() {
    const QChar c = line_.text[at_];
    if (c.isSpace()) {
        if (parens_ == 0) {
            command_ = command_ || assigned_;
            assigned_ = false;
        }
        ++at_;
        return;
    }
    if (!stop_.isEmpty() && c == stop_.front() && startsWith(at_, stop_.data())) {
        stopped_ = true;
        return;
    }
    if (has(Shell)) {
        if (!lineComment() && !open(at_) && !hole() && !shellCode())
            ++at_;
        return;
    }
    if (has(Tags) && tagPart())
        return;
    if (isDigit(c) || (c == u'.' && isDigit(charAt(at_ + 1)) && before_ == Before::Operator &&
                       (at_ == 0 || line_.text[at_ - 1] != u'.')))
        number();
    else if (isWordStart(c) || (hasChar(language_.wordStart, c) && startsName(c, charAt(at_ + 1))))
        word();
    else if (!punctuation())
        ++at_;
}

/// Whether a sign that may begin a word does: $name, @name, @@name, and $ itself in JavaScript.
bool CodeLexer::startsName(QChar sign, QChar next) const {
    return isWordStart(next) || (sign == u'@' && next == u'@') || (sign == u'$' && hasChar(language_.wordInner, sign));
}

/// Everything that is neither a word nor a number; false: a character that means nothing.
bool CodeLexer::punctuation() {
    const QChar c = line_.text[at_];
    if (c == u'\\' && hasChar("\"'", charAt(at_ + 1))) { // opens nothing: CMake's arguments, macros
        at_ += 2;
        return true;
    }
    if (!beginsSomething(language_, c) && top() < kBraceHole) {
        passed(c);
        return false;
    }
    const bool afterWord = at_ > 0 && isWordInner(line_.text[at_ - 1]);
    if (c == u'\'' && has(Lifetimes) && lifetime())
        return true;
    // An apostrophe inside a word of some text opens nothing.
    if ((c != u'\'' || !afterWord) && open(at_))
        return true;
    if (lineComment() || hole() || annotation() || hashMark() || symbol() || dollarQuote() || regex() || tag())
        return true;
    passed(c);
    return false;
}

/// After a character that means nothing by itself.
void CodeLexer::passed(QChar c) {
    before_ = c == u')' || c == u']' || c == u'}' ? Before::Value : Before::Operator;
    if (c != u'.' && c != u':' && c != u'\\')
        expected_ = Token::Text;
}

bool CodeLexer::lineComment() {
    const QLatin1String all(language_.lineComments);
    const QChar c = line_.text[at_];
    if (!all.contains(c) || c == u' ')
        return false;
    for (qsizetype i = 0; i < all.size();) {
        qsizetype next = all.indexOf(u' ', i);
        if (next < 0)
            next = all.size();
        const QLatin1String mark = all.mid(i, next - i);
        i = next + 1;
        if (!line_.text.mid(at_, end_ - at_).startsWith(mark))
            continue;
        if (mark.front() == u'#' && has(HashAttributes) && charAt(at_ + 1) == u'[')
            continue;
        const bool apart = at_ == 0 || line_.text[at_ - 1].isSpace() || hasChar(";|&()", line_.text[at_ - 1]);
        if (has(Shell | KeyWords) && !apart)
            continue;
        qsizetype to = end_;
        if (!stop_.isEmpty())
            if (const qsizetype found = line_.text.left(end_).indexOf(stop_, at_); found >= 0)
                to = found;
        line_.add(at_, to, Token::Comment);
        at_ = to;
        return true;
    }
    return false;
}

/// Brackets inside an interpolation: the last one ends it.
bool CodeLexer::hole() {
    const quint8 open = top();
    if (open < kBraceHole)
        return false;
    const QChar c = line_.text[at_];
    const bool round = open == kRoundHole;
    if (c == (round ? u'(' : u'{')) {
        depth() = quint8(std::min(255, depth() + 1));
    } else if (c == (round ? u')' : u'}') && --depth() == 0) {
        line_.state.pop();
        spanFrom_ = ++at_;
        return true;
    }
    return false;
}

void CodeLexer::number() {
    const qsizetype from = at_;
    const bool hex = line_.text[at_] == u'0' && (charAt(at_ + 1) == u'x' || charAt(at_ + 1) == u'X');
    for (++at_; at_ < end_; ++at_) {
        const QChar c = line_.text[at_];
        const QChar next = charAt(at_ + 1);
        const QChar last = line_.text[at_ - 1].toLower();
        if (isWordInner(c))
            continue;
        if (c == u'.' && next != u'.' && !isWordStart(next) && !line_.text.mid(from, at_ - from).contains(u'.'))
            continue;
        if ((c == u'+' || c == u'-') && isDigit(next) && (hex ? last == u'p' : last == u'e'))
            continue;
        if (c == u'\'' && has(LooseNumbers) && isWordInner(next))
            continue;
        if (has(Sections) && hasChar("-:+.", c) && isDigit(next)) // dates
            continue;
        break;
    }
    line_.add(from, at_, Token::Number);
    before_ = Before::Value;
    expected_ = Token::Text;
}

void CodeLexer::word() {
    const qsizetype from = at_;
    const bool variable = line_.text[from] == u'$';
    for (++at_; at_ < end_; ++at_) {
        const QChar c = line_.text[at_];
        if (isWordInner(c) || (c == u'@' && line_.text[from] == u'@' && at_ == from + 1))
            continue;
        if (variable ? c != u'$' || !hasChar(language_.wordInner, c) : !hasChar(language_.wordInner, c))
            break;
        if (c == u'?' || c == u'!') { // only as the last character, and no operator
            const QChar next = charAt(at_ + 1);
            if (next != u'=' && !isWordInner(next))
                ++at_;
            break;
        }
    }
    const QStringView word = line_.text.mid(from, at_ - from);
    if (openPrefixed(from, word))
        return;
    const ListedWord listed = listedWord(language_, word);
    const Token token = wordToken(from, word, listed);
    if (token == Token::Function && has(BangCalls) && charAt(at_) == u'!')
        ++at_;
    line_.add(from, at_, token);
    const unsigned roles = token == Token::Keyword ? listed.roles : unsigned(IsValue);
    before_ = roles & IsValue ? Before::Value : Before::Operator;
    expected_ = roles & NamesType ? Token::TypeName : roles & NamesCall ? Token::Function : Token::Text;
}

Token CodeLexer::wordToken(qsizetype from, QStringView word, const ListedWord& listed) const {
    const bool member = from > 0 && ((line_.text[from - 1] == u'.' && (from < 2 || line_.text[from - 2] != u'.')) ||
                                     (from > 1 && line_.text[from - 1] == u'>' && line_.text[from - 2] == u'-'));
    const bool called = charAt(at_) == u'(';
    if (!member && listed.token != Token::Text && !(listed.token == Token::Keyword && isName(listed)))
        return listed.token;
    const bool capital = has(CapitalTypes) && isCapitalised(word);
    if (called && !(capital && (!has(CapitalCalls) || expected_ == Token::TypeName)))
        return Token::Function;
    if (has(BangCalls) && charAt(at_) == u'!' && QStringView(u"([{").contains(charAt(at_ + 1)) && at_ + 1 < end_)
        return Token::Function;
    if (has(DashedCalls) && word[0].isLetter() && (word.contains(u'-') || charAt(at_) == u']'))
        return word.contains(u'-') ? Token::Function : Token::TypeName;
    if (expected_ != Token::Text && !hasChar("$@", word[0]))
        return expected_;
    return capital ? Token::TypeName : Token::Text;
}

/// Whether a keyword, which ends at `at_`, is but a name here.
bool CodeLexer::isName(const ListedWord& word) const {
    const QChar next = charAt(at_);
    if ((next == u':' && charAt(at_ + 1) != u':') || (next == u'?' && charAt(at_ + 1) == u':'))
        return !(word.roles & BeforeColon);
    if (!(word.roles & AlsoName))
        return false;
    const qsizetype after = next == u' ' ? at_ + 1 : at_;
    const bool assigned = charAt(after) == u'=' && charAt(after + 1) != u'=' && charAt(after + 1) != u'>';
    return assigned || hasChar("(.,)]", next);
}

bool CodeLexer::annotation() {
    if (!has(Annotations) || line_.text[at_] != u'@' || !isWordStart(charAt(at_ + 1)) ||
        (at_ > 0 && isWordInner(line_.text[at_ - 1])))
        return false;
    qsizetype to = wordEnd(at_ + 1);
    while (charAt(to) == u'.' && isWordStart(charAt(to + 1)))
        to = wordEnd(to + 1);
    line_.add(at_, to, Token::TypeName);
    at_ = to;
    before_ = Before::Value;
    return true;
}

/// Rust's and PHP's #[name, Swift's #word.
bool CodeLexer::hashMark() {
    if (line_.text[at_] != u'#')
        return false;
    if (has(HashAttributes)) {
        const qsizetype open = at_ + (charAt(at_ + 1) == u'!' ? 2 : 1);
        if (charAt(open) != u'[')
            return false;
        const qsizetype to = wordEnd(open + 1);
        line_.add(at_, to, Token::TypeName);
        at_ = to;
        return true;
    }
    if (!has(HashWords) || !isWordStart(charAt(at_ + 1)))
        return false;
    const qsizetype to = wordEnd(at_ + 1);
    line_.add(at_, to, Token::Keyword);
    at_ = to;
    return true;
}

/// 'name, which no quote ends.
bool CodeLexer::lifetime() {
    const QChar next = charAt(at_ + 1);
    if (next == u'\\' || charAt(at_ + 2) == u'\'' || (next.isHighSurrogate() && charAt(at_ + 3) == u'\''))
        return false;
    const qsizetype to = isWordStart(next) ? wordEnd(at_ + 1) : at_ + 1;
    line_.add(at_, to, to > at_ + 1 ? Token::TypeName : Token::Text);
    at_ = to;
    return true;
}

bool CodeLexer::symbol() {
    if (!has(Symbols) || line_.text[at_] != u':' || !isWordStart(charAt(at_ + 1)) ||
        (at_ > 0 && (isWordInner(line_.text[at_ - 1]) || line_.text[at_ - 1] == u':')))
        return false;
    qsizetype to = wordEnd(at_ + 1);
    if (hasChar("?!", charAt(to)))
        ++to;
    line_.add(at_, to, Token::Number);
    at_ = to;
    before_ = Before::Value;
    return true;
}

/// The marks around a function's body, which is code itself.
bool CodeLexer::dollarQuote() {
    if (!has(DollarQuotes) || line_.text[at_] != u'$' || isDigit(charAt(at_ + 1)))
        return false;
    const qsizetype to = std::min(wordEnd(at_ + 1), at_ + kLongestDelimiter);
    if (charAt(to) != u'$')
        return false;
    line_.add(at_, to + 1, Token::String);
    at_ = to + 1;
    return true;
}

bool CodeLexer::regex() {
    if (!has(Regex) || line_.text[at_] != u'/' || before_ == Before::Value || noRegex_ || charAt(at_ + 1) == u' ')
        return false;
    bool inClass = false;
    for (qsizetype at = at_ + 1; at < end_; ++at) {
        const QChar c = line_.text[at];
        if (c == u'\\')
            ++at;
        else if (c == u'[' || c == u']')
            inClass = c == u'[';
        else if (c == u'/' && !inClass) {
            const qsizetype to = wordEnd(at + 1); // flags
            line_.add(at_, to, Token::String);
            at_ = to;
            before_ = Before::Value;
            return true;
        }
    }
    noRegex_ = true; // so that no character is looked at for every / before it
    return false;
}

// Tags amid code (JSX), as far as one line tells

bool CodeLexer::tag() {
    if (!has(Tags) || line_.text[at_] != u'<' || before_ == Before::Value || tagOpen_ ||
        (at_ > 0 && isWordInner(line_.text[at_ - 1]) && charAt(at_ + 1) != u'/'))
        return false;
    const qsizetype from = at_ + (charAt(at_ + 1) == u'/' ? 2 : 1);
    qsizetype to = from;
    while (to < end_ && (isWordInner(line_.text[to]) || hasChar(".-:", line_.text[to])))
        ++to;
    if ((to > from && !isWordStart(line_.text[from])) || (to == from && charAt(to) != u'>'))
        return false;
    line_.add(from, to, Token::Keyword);
    at_ = to;
    tagOpen_ = true;
    tagBraces_ = 0;
    return true;
}

/// Inside a tag or its text: names of attributes, the end of the tag, braces around code.
bool CodeLexer::tagPart() {
    const QChar c = line_.text[at_];
    if (tagOpen_) {
        if (tagBraces_ == 0 && isWordStart(c)) {
            qsizetype to = at_;
            while (to < end_ && (isWordInner(line_.text[to]) || hasChar("-:", line_.text[to])))
                ++to;
            line_.add(at_, to, Token::Function);
            at_ = to;
            return true;
        }
        tagBraces_ += c == u'{' ? 1 : c == u'}' ? -1 : 0;
        if (c != u'>' || tagBraces_ > 0)
            return false;
        tagOpen_ = false;
        const bool alone = at_ > 0 && line_.text[at_ - 1] == u'/';
        ++at_;
        before_ = Before::Operator;
        if (!alone && textBraces_ == 0 && !hasChar("();,", charAt(at_)))
            tagText();
        return true;
    }
    if (textBraces_ > 0 && (c == u'{' || c == u'}')) {
        textBraces_ += c == u'{' ? 1 : -1;
        if (textBraces_ > 0)
            return false;
        ++at_;
        tagText();
        return true;
    }
    return false;
}

void CodeLexer::tagText() {
    while (at_ < end_ && line_.text[at_] != u'<' && line_.text[at_] != u'{')
        ++at_;
    before_ = Before::Operator;
    if (charAt(at_) == u'{') {
        textBraces_ = 1;
        ++at_;
    }
}

} // namespace hearth::ui
