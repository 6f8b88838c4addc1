#include "ui/drop_hint.h"

#include "ui/label.h"
#include "ui/style.h"
#include "ui/text_line.h"

#include <QFileInfo>
#include <QPainter>

#include <algorithm>

namespace hearth::ui {

namespace {

constexpr int kInset = 8, kPadding = 16, kWidest = 480; // px at 100 %

bool isModelFile(const QFileInfo& file) {
    return file.isFile() && (file.suffix().compare(QLatin1String("gguf"), Qt::CaseInsensitive) == 0 ||
                             file.suffix().compare(QLatin1String("safetensors"), Qt::CaseInsensitive) == 0);
}

} // namespace

Dropped droppedBy(const QList<QUrl>& urls, bool onPage) {
    QString other;
    for (const QUrl& url : urls) {
        if (!url.isLocalFile())
            continue;
        const QFileInfo file(url.toLocalFile());
        if (file.isDir())
            return {Dropped::Kind::Brought, file.absoluteFilePath()};
        if (isModelFile(file) && onPage)
            return {Dropped::Kind::Brought, file.absoluteFilePath()};
        if (isModelFile(file) && file.suffix().compare(QLatin1String("gguf"), Qt::CaseInsensitive) == 0)
            return {Dropped::Kind::Opened, file.absoluteFilePath()};
        if (other.isEmpty())
            other = file.absoluteFilePath();
    }
    if (onPage && !other.isEmpty())
        return {Dropped::Kind::Brought, other};
    return {};
}

DropHint::DropHint(const Theme& theme, QWidget* parent)
    : QWidget(parent), theme_(theme),
      words_(new Label(theme, TextStyle::Interface, Token::Text, Label::Lines::Wrapped, this)) {
    setAttribute(Qt::WA_TransparentForMouseEvents);
    setFocusPolicy(Qt::NoFocus);
    words_->setAlignment(Qt::AlignHCenter);
    hide();
}

void DropHint::offer(const Dropped& dropped, const QList<QUrl>& urls) {
    const QString name =
        oneLine(QFileInfo(dropped.path.isEmpty() ? urls.value(0).toLocalFile() : dropped.path).fileName(), 120);
    refused_ = dropped.kind == Dropped::Kind::Nothing;
    if (refused_)
        words_->setText(name.isEmpty() ? tr("Only files and folders of this computer can be brought.")
                                       : tr("“%1” is not a model file.").arg(name));
    else if (dropped.kind == Dropped::Kind::Opened)
        words_->setText(tr("Let go to use “%1” in this chat. It is read where it lies.").arg(name));
    else
        words_->setText(tr("Let go to bring “%1”. You choose how before anything happens.").arg(name));
    setGeometry(parentWidget()->rect());
    place();
    raise();
    show();
    update();
}

void DropHint::place() {
    const int width = std::min(kWidest * theme_.textSizePercent() / 100, this->width() - 2 * (kInset + 2 * kPadding));
    const int height = words_->heightForWidth(width);
    words_->setGeometry((this->width() - width) / 2, (this->height() - height) / 2, width, height);
}

void DropHint::resizeEvent(QResizeEvent*) {
    place();
}

void DropHint::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    QColor veil = theme_.color(Token::Window);
    veil.setAlpha(200);
    painter.fillRect(rect(), veil);
    const QColor line = theme_.color(refused_ ? Token::Outline : Token::Accent);
    painter.setPen(QPen(line, 2, refused_ ? Qt::DashLine : Qt::SolidLine));
    painter.drawRoundedRect(QRectF(rect()).adjusted(kInset, kInset, -kInset, -kInset), Theme::kCardRadius,
                            Theme::kCardRadius);
    drawRounded(painter, words_->geometry().adjusted(-kPadding, -kPadding, kPadding, kPadding), Theme::kCardRadius,
                theme_.color(Token::Surface), line);
}

} // namespace hearth::ui
