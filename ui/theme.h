#pragma once

#include "ui/rows.h"

#include <QColor>
#include <QDBusVariant>
#include <QFont>
#include <QIcon>
#include <QLocale>
#include <QObject>
#include <QPalette>

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

    /// Puts our style, palette and font on the application and keeps them there; further calls do nothing.
    void install();

    void setChoice(ThemeChoice);
    ThemeChoice choice() const;
    void setTextSizePercent(int percent); // 80 to 200
    int textSizePercent() const;
    void setLocale(const QLocale&); // decides which face draws Han: SC, or TC for Taiwan, Hong Kong and Macau
    bool isDark() const;

    QColor color(Token) const;
    static QColor tokenColor(Token, bool dark);
    QPalette palette() const;
    QFont font(TextStyle, bool bold = false, bool italic = false) const;
    /// The same, with the Han face first: for punctuation beside Han.
    QFont hanFont(TextStyle, bool bold = false) const;
    int lineHeight(TextStyle) const; // px between baselines, text size applied

    /// An icon of resources/icons by name, tinted with a token, cached for each colour and scale. It follows the theme
    /// by itself: no need to set it again after changed().
    QIcon icon(const QString& name, Token = Token::Second) const;

    /// Heights that hold a line of interface text at the present text size; 32, 36 and 48 at 100 %.
    int controlHeight() const;
    int rowHeight() const;
    int headerHeight() const;
    int statusHeight() const; // 28 at 100 %
    int iconSize() const;     // 20 at 100 %, grows with the text

    static constexpr int kSpace[] = {4, 8, 12, 16, 24, 32, 48};
    static constexpr int kControlHeight = 32, kRowHeight = 36, kControlRadius = 6, kCodeRadius = 8, kCardRadius = 12;
    static constexpr int kFocusWidth = 2, kFocusOffset = 2;

signals:
    void changed(); // colours or fonts: repaint, lay out again

private slots:
    void portalSettingChanged(const QString& area, const QString& key, const QDBusVariant& value);

private:
    struct Private;
    std::unique_ptr<Private> d_;
};

} // namespace hearth::ui
