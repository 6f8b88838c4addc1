#include "ui/chat/link_parts.h"

#include "ui/chat/characters.h"
#include "ui/chat/entities.h"

#include <unicode/uchar.h>
#include <unicode/ustring.h>

#include <algorithm>

namespace hearth::ui {
namespace {

constexpr int kMaxLabel = 999; // characters, as CommonMark has it
constexpr int kMaxParens = 32; // nesting inside an address

bool isEscape(QStringView s, qsizetype at) {
    return s[at] == u'\\' && at + 1 < s.size() && isAsciiPunctuation(s[at + 1].unicode());
}

qsizetype scanPointyAddress(QStringView s, qsizetype at, QStringView* inner) {
    for (qsizetype i = at + 1; i < s.size(); ++i) {
        if (isEscape(s, i)) {
            ++i;
        } else if (s[i] == u'>') {
            *inner = s.mid(at + 1, i - at - 1);
            return i + 1;
        } else if (s[i] == u'<' || s[i] == u'\n') {
            return -1;
        }
    }
    return -1;
}

/// A title, looked for from where it begins: for texts in which that is done once.
qsizetype scanTitle(QStringView s, qsizetype at) {
    const char16_t open = s[at].unicode();
    if (open != '"' && open != '\'' && open != '(')
        return -1;
    const QChar close = open == '(' ? u')' : QChar(open);
    for (qsizetype i = at + 1; i < s.size(); ++i) {
        if (s[i] == close)
            return i + 1;
        if (s[i] == QChar(open)) // only of '(': it does not nest
            return -1;
        i += isEscape(s, i) ? 1 : 0;
    }
    return -1;
}

/// Past the blanks and the line end at `from`; -1 when something else stands there.
qsizetype scanLineEnd(QStringView s, qsizetype from) {
    while (from < s.size() && isBlankChar(s[from]))
        ++from;
    return from >= s.size() ? from : s[from] == u'\n' ? from + 1 : -1;
}

} // namespace

QString unescaped(QStringView s) {
    QString out;
    out.reserve(s.size());
    QString decoded;
    for (qsizetype i = 0; i < s.size();) {
        qsizetype end = -1;
        if (isEscape(s, i)) {
            out += s[i + 1];
            i += 2;
        } else if (s[i] == u'&' && (end = scanEntity(s, i, &decoded)) > 0) {
            out += decoded;
            i = end;
        } else {
            out += s[i++];
        }
    }
    return out;
}

qsizetype scanAddress(QStringView s, qsizetype at, QStringView* inner) {
    if (at < s.size() && s[at] == u'<')
        return scanPointyAddress(s, at, inner);
    int depth = 0;
    qsizetype i = at;
    for (; i < s.size(); ++i) {
        const char16_t c = s[i].unicode();
        if (isEscape(s, i)) {
            ++i;
        } else if (c == '(') {
            if (++depth > kMaxParens)
                return -1;
        } else if (c == ')') {
            if (depth-- == 0)
                break;
        } else if (c <= ' ' || c == 0x7F) {
            break;
        }
    }
    if (depth > 0)
        return -1;
    *inner = s.mid(at, i - at);
    return i;
}

qsizetype scanLabel(QStringView s, qsizetype at, QStringView* inner) {
    if (at >= s.size() || s[at] != u'[')
        return -1;
    qsizetype close = at + 1;
    while (close < s.size() && close - at <= kMaxLabel + 1 && s[close] != u']' && s[close] != u'[')
        close += isEscape(s, close) ? 2 : 1;
    if (close >= s.size() || s[close] != u']' || close - at - 1 > kMaxLabel)
        return -1;
    *inner = s.mid(at + 1, close - at - 1);
    return skipSpaces(s, at + 1) == close ? -1 : close + 1;
}

QString normalizedLabel(QStringView label) {
    const QString text = label.toString().simplified();
    // By ICU: Qt folds no letter into two, as ẞ needs it.
    QString folded(3 * text.size(), Qt::Uninitialized); // no letter folds into more
    UErrorCode error = U_ZERO_ERROR;
    const int32_t length =
        u_strFoldCase(reinterpret_cast<UChar*>(folded.data()), int32_t(folded.size()),
                      reinterpret_cast<const UChar*>(text.utf16()), int32_t(text.size()), U_FOLD_CASE_DEFAULT, &error);
    if (U_FAILURE(error))
        return text;
    folded.truncate(length);
    return folded;
}

qsizetype NextOf::after(qsizetype from) {
    if (!known_) {
        known_ = true;
        for (qsizetype i = 0; i < text_.size(); ++i) {
            if (text_[i] == u'\\')
                ++i;
            else if (text_[i] == QChar(mark_))
                at_.push_back(i);
        }
    }
    const auto found = std::lower_bound(at_.begin(), at_.end(), from);
    return found == at_.end() ? -1 : *found;
}

qsizetype TitleScanner::scan(qsizetype at) {
    qsizetype close = -1;
    if (text_[at] == u'"') {
        close = double_.after(at + 1);
    } else if (text_[at] == u'\'') {
        close = single_.after(at + 1);
    } else if (text_[at] == u'(') {
        close = close_.after(at + 1);
        const qsizetype nested = open_.after(at + 1);
        if (nested >= 0 && nested < close)
            return -1;
    }
    return close < 0 ? -1 : close + 1;
}

qsizetype parseDefinition(QStringView text, QString* label, QString* address) {
    QStringView name;
    const qsizetype colon = scanLabel(text, 0, &name);
    if (colon < 0 || colon >= text.size() || text[colon] != u':')
        return 0;
    const qsizetype at = skipSpaces(text, colon + 1);
    QStringView inner;
    const qsizetype end = scanAddress(text, at, &inner);
    if (end < 0 || (inner.isEmpty() && !(at < text.size() && text[at] == u'<')))
        return 0;
    qsizetype taken = scanLineEnd(text, end);
    const qsizetype title = skipSpaces(text, end);
    if (title > end && title < text.size()) {
        const qsizetype titleEnd = scanTitle(text, title);
        const qsizetype after = titleEnd > 0 ? scanLineEnd(text, titleEnd) : -1;
        if (after >= 0)
            taken = after;
    }
    if (taken < 0)
        return 0;
    *label = normalizedLabel(name);
    *address = unescaped(inner);
    return taken;
}

} // namespace hearth::ui
