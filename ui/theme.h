#pragma once

#include "ui/rows.h"

#include <QColor>
#include <QFont>
#include <QIcon>
#include <QObject>

#include <memory>

namespace hearth::ui {

/// The colour tokens of the look, in the order of its table. Hex values stand in theme.cpp and nowhere else.
enum class Token {
    Window,
    Sidebar,
    Surface,
    Code,
    Hover,
    Text,
    Second,
    Third,
    Outline,
    Hairline,
    Accent,
    OnAccent,
    Link,
    Error,
    Warning,
    Good,
    Selection,
    Find,
    Added,
    Removed,
    Keyword,
    String,
    Number,
    Function,
    TypeName,
    Comment,
    Count
};

enum class TextStyle { Message, Interface, Small, Heading1, Heading2, Heading3, Code };

/// Colours, fonts and measures in use. One object, owned by the application, handed to whoever paints; GUI thread.
/// Follows the desktop's light or dark live unless the person chose.
class Theme : public QObject {
    Q_OBJECT

public:
    explicit Theme(QObject* parent = nullptr);
    ~Theme() override;

    void setChoice(ThemeChoice);
    void setTextSizePercent(int percent); // 80 to 200
    bool isDark() const;

    QColor color(Token) const;
    QFont font(TextStyle, bool bold = false, bool italic = false) const;
    int lineHeight(TextStyle) const; // px between baselines, text size applied

    /// An icon of resources/icons by name, tinted with a token, cached for each colour and scale.
    QIcon icon(const QString& name, Token = Token::Second) const;

    static constexpr int kSpace[] = {4, 8, 12, 16, 24, 32, 48};
    static constexpr int kControlHeight = 32, kRowHeight = 36, kControlRadius = 6, kCodeRadius = 8, kCardRadius = 12;

signals:
    void changed(); // colours or fonts: repaint, lay out again

private:
    struct Private;
    std::unique_ptr<Private> d_;
};

} // namespace hearth::ui
