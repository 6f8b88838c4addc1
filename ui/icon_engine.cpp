#include "ui/icon_engine.h"

#include <QFile>
#include <QPainter>
#include <QPixmapCache>
#include <QSvgRenderer>

namespace hearth::ui {

IconEngine::IconEngine(const Theme& theme, const QString& name, Token token)
    : theme_(&theme), name_(name), token_(token) {}

QIconEngine* IconEngine::clone() const {
    return new IconEngine(*this);
}

QPixmap IconEngine::rendered(QSize devicePixels, QIcon::Mode mode) const {
    if (!theme_ || devicePixels.isEmpty() || devicePixels.width() > 4096 || devicePixels.height() > 4096)
        return {};
    const QString color = theme_->color(mode == QIcon::Disabled ? Token::Third : token_).name();
    const QString accent = theme_->color(Token::Accent).name();
    const QString key = QStringLiteral("hearth/%1/%2/%3/%4x%5")
                            .arg(name_, color, accent)
                            .arg(devicePixels.width())
                            .arg(devicePixels.height());
    QPixmap pixmap;
    if (QPixmapCache::find(key, &pixmap))
        return pixmap;

    QFile file(QStringLiteral(":/icons/%1.svg").arg(name_));
    if (!file.open(QIODevice::ReadOnly))
        return {};
    QByteArray svg = file.readAll();
    svg.replace("currentColor", color.toLatin1()).replace("accentColor", accent.toLatin1());
    svg.replace("paperColor", theme_->color(Token::Window).name().toLatin1());
    QImage image(devicePixels, QImage::Format_ARGB32_Premultiplied);
    image.fill(Qt::transparent);
    QPainter painter(&image);
    QSvgRenderer renderer(svg);
    renderer.setAspectRatioMode(Qt::KeepAspectRatio);
    renderer.render(&painter, QRectF(QPointF(0, 0), QSizeF(devicePixels)));
    painter.end();
    pixmap = QPixmap::fromImage(image);
    QPixmapCache::insert(key, pixmap);
    return pixmap;
}

QPixmap IconEngine::pixmap(const QSize& size, QIcon::Mode mode, QIcon::State) {
    return rendered(size, mode);
}

// `size` comes in device pixels.
QPixmap IconEngine::scaledPixmap(const QSize& size, QIcon::Mode mode, QIcon::State, qreal scale) {
    QPixmap pixmap = rendered(size, mode);
    if (!pixmap.isNull())
        pixmap.setDevicePixelRatio(scale);
    return pixmap;
}

void IconEngine::paint(QPainter* painter, const QRect& rect, QIcon::Mode mode, QIcon::State) {
    const qreal ratio = painter->device()->devicePixelRatioF();
    QPixmap pixmap = rendered((QSizeF(rect.size()) * ratio).toSize(), mode);
    if (pixmap.isNull())
        return;
    pixmap.setDevicePixelRatio(ratio);
    painter->drawPixmap(rect.topLeft(), pixmap);
}

} // namespace hearth::ui
