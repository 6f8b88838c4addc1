#pragma once

#include "ui/text/script_runs.h"
#include "ui/theme.h"

#include <QHash>
#include <QTextCharFormat>
#include <QTextLayout>

namespace hearth::ui {

/// Whose text a leaf is: decides size and colour.
enum class Voice : quint8 { Answer, Thought, User };

/// The faces of the conversation, resolved once for a theme: a format for each combination of style and script, the
/// line pitch, and where the baseline lies in it. Rebuilt when the theme changes. GUI thread.
class TypeSheet {
public:
    explicit TypeSheet(const Theme& theme) : theme_(theme) {}

    void clear() { formats_.clear(), baselines_.clear(); }

    const Theme& theme() const { return theme_; }

    static TextStyle textStyle(Voice voice) {
        return voice == Voice::Thought ? TextStyle::Interface : TextStyle::Message;
    }

    static Token textToken(Voice voice) { return voice == Voice::Thought ? Token::Second : Token::Text; }

    static TextStyle headingStyle(int level);

    QFont font(TextStyle style, bool bold) const { return theme_.font(style, bold); }

    int pitch(TextStyle style) const { return theme_.lineHeight(style); } // px

    int scaled(int px) const { return px * theme_.textSizePercent() / 100; } // what grows with the text

    int baseline(TextStyle) const; // px from a line's top to its baseline, the same for every line of the style

    /// Formats for a text of which `runs` are styled (InlineStyle): Han in the CJK face and never slanted, an eighth
    /// of an em between Han and Latin, links and code in their colours.
    struct Styled {
        int start;
        int length;
        quint16 style;
    };

    QVector<QTextLayout::FormatRange> formats(QStringView text, const QVector<Styled>& runs, TextStyle,
                                              bool bold) const;

private:
    const QTextCharFormat& format(TextStyle, quint16 style, bool bold, bool han, bool spaced) const;

    const Theme& theme_;
    mutable QHash<quint32, QTextCharFormat> formats_;
    mutable QHash<int, int> baselines_;
};

} // namespace hearth::ui
