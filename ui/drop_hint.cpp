#include "ui/drop_hint.h"

#include "ui/label.h"
#include "ui/models/model_words.h"
#include "ui/style.h"
#include "ui/text_line.h"

#include <QFileInfo>
#include <QPainter>
#include <QRegularExpression>
#include <QSet>

#include <algorithm>

namespace hearth::ui {

namespace {

constexpr int kInset = 8, kPadding = 16, kWidest = 480; // px at 100 %

bool hasSuffix(const QFileInfo& file, QLatin1String suffix) {
    return file.isFile() && file.suffix().compare(suffix, Qt::CaseInsensitive) == 0;
}

/// Parts of one model have one name; any other file has its own.
QString modelName(const QString& path) {
    static const QRegularExpression part(QStringLiteral("-[0-9]{5}(-of-[0-9]{5}\\.gguf)$"));
    return QString(path).replace(part, QStringLiteral("\\1"));
}

} // namespace

Dropped droppedBy(const QList<QUrl>& urls, bool onPage) {
    QVector<QFileInfo> files;
    for (const QUrl& url : urls)
        if (url.isLocalFile())
            files.append(QFileInfo(url.toLocalFile()));
    const bool brought =
        onPage || std::any_of(files.begin(), files.end(), [](const auto& file) { return file.isDir(); });
    Dropped out;
    QStringList others;
    QSet<QString> names;
    for (const QFileInfo& file : files) {
        const QString path = file.absoluteFilePath();
        const bool model = file.isDir() || hasSuffix(file, QLatin1String("gguf")) ||
                           (brought && hasSuffix(file, QLatin1String("safetensors")));
        if (names.contains(modelName(path)))
            continue;
        names.insert(modelName(path));
        (model ? out.paths : others).append(path);
    }
    if (out.paths.isEmpty() && onPage)
        out.paths = others.mid(0, 1); // the page says what is wrong with it
    if (out.paths.isEmpty())
        return {};
    out.kind = brought ? Dropped::Kind::Brought : Dropped::Kind::Opened;
    out.leftOut = int(urls.size() - files.size() + others.size()) - (others.value(0) == out.paths[0] ? 1 : 0);
    return out;
}

QString leftOutWords(int files) {
    return files > 0 ? DropHint::tr("%n other file(s) left out: no model.", nullptr, files) : QString();
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
    const QString path = dropped.paths.value(0, urls.value(0).toLocalFile());
    const QString name = oneLine(QFileInfo(path).fileName(), 120);
    const int more = int(dropped.paths.size()) - 1;
    QString words;
    refused_ = dropped.kind == Dropped::Kind::Nothing;
    if (refused_)
        words = name.isEmpty() ? tr("Only files and folders of this computer can be brought.")
                               : tr("“%1” is not a model file.").arg(name);
    else if (dropped.kind == Dropped::Kind::Opened)
        words = more > 0 ? tr("Let go to use “%1” in this chat and to list %n more. They are read where they lie.",
                              nullptr, more)
                         : tr("Let go to use “%1” in this chat. It is read where it lies.");
    else
        words = more > 0 ? tr("Let go to bring “%1” and %n more, one after the other. You choose how before anything "
                              "happens.",
                              nullptr, more)
                         : tr("Let go to bring “%1”. You choose how before anything happens.");
    words_->setText(refused_ ? words : sentences({words.arg(name), leftOutWords(dropped.leftOut)}));
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
