#pragma once

#include "ui/theme.h"

#include <QIconEngine>
#include <QPointer>

namespace hearth::ui {

/// Draws one SVG of resources/icons in a token's present colour. In the files, `currentColor` stands for that token and
/// `accentColor` for the accent, `paperColor` for the window behind. GUI thread.
class IconEngine : public QIconEngine {
public:
    IconEngine(const Theme&, const QString& name, Token);

    void paint(QPainter*, const QRect&, QIcon::Mode, QIcon::State) override;
    QPixmap pixmap(const QSize&, QIcon::Mode, QIcon::State) override;
    QPixmap scaledPixmap(const QSize&, QIcon::Mode, QIcon::State, qreal scale) override;
    QIconEngine* clone() const override;

    QString key() const override { return QStringLiteral("hearth"); }

    bool isNull() override { return false; }

private:
    QPixmap rendered(QSize devicePixels, QIcon::Mode) const;

    QPointer<const Theme> theme_;
    QString name_;
    Token token_;
};

} // namespace hearth::ui
