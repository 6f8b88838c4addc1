#pragma once

#include "ui/theme.h"

#include <QLabel>

namespace hearth::ui {

/// Plain text at the theme's fixed line pitch: either one line, elided, or wrapped. Never guesses rich text. GUI
/// thread.
class Label : public QLabel {
    Q_OBJECT

public:
    enum class Lines { One, Wrapped };

    Label(const Theme&, TextStyle, Token, Lines = Lines::One, QWidget* parent = nullptr);

    void setToken(Token);
    void setBold(bool);

    bool elides() const { return lines_ == Lines::One; }

    /// Whether the text stands in the widget whole, neither elided nor cut.
    bool fits() const;

    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;
    int heightForWidth(int width) const override;

protected:
    void paintEvent(QPaintEvent*) override;

private:
    QFont labelFont() const;
    /// Lays the text out for a width in px; returns the number of lines and paints them when there is a painter.
    int layOut(int width, QPainter*, qreal* widest = nullptr) const;

    const Theme& theme_;
    TextStyle style_;
    Token token_;
    Lines lines_;
    bool bold_ = false;
};

} // namespace hearth::ui
