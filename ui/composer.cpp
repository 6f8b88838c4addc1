#include "ui/composer.h"

#include "ui/focus_ring.h"
#include "ui/style.h"
#include "ui/text_line.h"

#include <QGuiApplication>
#include <QInputMethod>
#include <QKeyEvent>
#include <QMimeData>
#include <QPainter>
#include <QPlainTextDocumentLayout>
#include <QScrollBar>
#include <QTextBlock>

#include <cmath>

namespace hearth::ui {

namespace {

constexpr int kDraftRestMs = 300;
constexpr int kPadding = 10; // px between the card and its button
constexpr int kTextLeft = 14;
constexpr int kMinimumHeight = 52;

/// Places each line of a block at the fixed pitch, whatever fonts stand in it. Works block by block, as the layout
/// below it does: a block that was never shown costs nothing.
class PitchLayout : public QPlainTextDocumentLayout {
public:
    PitchLayout(QTextDocument* document, const Theme& theme) : QPlainTextDocumentLayout(document), theme_(theme) {}

    QRectF blockBoundingRect(const QTextBlock& block) const override {
        QRectF rect = QPlainTextDocumentLayout::blockBoundingRect(block);
        QTextLayout* layout = block.layout();
        if (!layout || layout->lineCount() == 0)
            return rect;
        const qreal pitch = theme_.lineHeight(TextStyle::Message);
        const QFontMetricsF metrics(document()->defaultFont());
        const qreal baseline = std::round((pitch - metrics.ascent() - metrics.descent()) / 2 + metrics.ascent());
        for (int i = 0; i < layout->lineCount(); ++i) {
            QTextLine line = layout->lineAt(i);
            line.setPosition(QPointF(line.x(), i * pitch + baseline - line.ascent()));
        }
        rect.setHeight(layout->lineCount() * pitch + (block.next().isValid() ? 0 : 2 * document()->documentMargin()));
        return rect;
    }

private:
    const Theme& theme_;
};

} // namespace

ComposerEdit::ComposerEdit(const Theme& theme, QWidget* parent) : QPlainTextEdit(parent), theme_(theme) {
    auto* document = new QTextDocument(this);
    document->setDocumentLayout(new PitchLayout(document, theme));
    document->setDocumentMargin(0);
    setDocument(document);
    setFrameShape(QFrame::NoFrame);
    setWordWrapMode(QTextOption::WrapAtWordBoundaryOrAnywhere);
    setVerticalScrollBarPolicy(Qt::ScrollBarAsNeeded);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    setTabChangesFocus(true);
    viewport()->setAutoFillBackground(false);
    setAutoFillBackground(false);
    applyFont();
    connect(&theme, &Theme::changed, this, &ComposerEdit::applyFont);
}

void ComposerEdit::applyFont() {
    const QFont font = theme_.font(TextStyle::Message);
    setFont(font);
    document()->setDefaultFont(font);
    QPalette colors = palette();
    colors.setColor(QPalette::Base, Qt::transparent);
    setPalette(colors);
}

void ComposerEdit::setPlaceholder(const QString& text) {
    placeholder_ = text;
    viewport()->update();
}

bool ComposerEdit::isComposing() const {
    const QTextLayout* layout = textCursor().block().layout();
    return layout && !layout->preeditAreaText().isEmpty();
}

bool ComposerEdit::showsPlaceholder() const {
    return document()->isEmpty() && !isComposing();
}

int ComposerEdit::textHeight(int limit) const {
    qreal height = 0;
    for (QTextBlock block = document()->begin(); block.isValid() && height < limit; block = block.next())
        height += document()->documentLayout()->blockBoundingRect(block).height();
    return static_cast<int>(std::ceil(std::min<qreal>(height, limit)));
}

void ComposerEdit::keyPressEvent(QKeyEvent* event) {
    const bool enter = event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter;
    if (enter && isComposing()) {
        // The key belongs to the composition: it becomes text, and nothing is sent.
        QGuiApplication::inputMethod()->commit();
        event->accept();
        return;
    }
    if (enter && !(event->modifiers() & (Qt::ShiftModifier | Qt::ControlModifier | Qt::AltModifier))) {
        event->accept();
        if (!event->isAutoRepeat())
            emit submitted();
        return;
    }
    if (enter) { // a line break, never the line separator of Shift+Enter, which would be copied as such
        textCursor().insertBlock();
        ensureCursorVisible();
        event->accept();
        return;
    }
    if (event->key() == Qt::Key_Up && event->modifiers() == Qt::NoModifier && document()->isEmpty() && !isComposing()) {
        emit recallRequested();
        event->accept();
        return;
    }
    const bool page = event->key() == Qt::Key_PageUp || event->key() == Qt::Key_PageDown;
    if (page && verticalScrollBar()->maximum() == 0) {
        emit pageKey(event->key() == Qt::Key_PageUp ? -1 : 1);
        event->accept();
        return;
    }
    if (event->key() == Qt::Key_Escape) { // the window's
        event->ignore();
        return;
    }
    QPlainTextEdit::keyPressEvent(event);
}

void ComposerEdit::inputMethodEvent(QInputMethodEvent* event) {
    QPlainTextEdit::inputMethodEvent(event);
    viewport()->update(); // the placeholder goes when a composition begins
}

void ComposerEdit::paintEvent(QPaintEvent* event) {
    QPlainTextEdit::paintEvent(event);
    if (!showsPlaceholder())
        return;
    QPainter painter(viewport());
    painter.setFont(font());
    painter.setPen(theme_.color(Token::Third));
    drawTextLine(painter, QRect(2, 0, viewport()->width() - 2, theme_.lineHeight(TextStyle::Message)), placeholder_);
}

bool ComposerEdit::canInsertFromMimeData(const QMimeData* data) const {
    return data->hasText() && !data->hasUrls(); // files belong to the window
}

void ComposerEdit::insertFromMimeData(const QMimeData* data) {
    QString text = data->text();
    text.replace(QLatin1String("\r\n"), QLatin1String("\n"));
    text.remove(QChar::Null);
    textCursor().insertText(text);
    ensureCursorVisible();
}

Composer::Composer(const Theme& theme, QWidget* parent)
    : QWidget(parent), theme_(theme), edit_(new ComposerEdit(theme, this)), button_(new QToolButton(this)) {
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    setButtonLook(*button_, ButtonLook::Primary);
    button_->setToolButtonStyle(Qt::ToolButtonIconOnly);
    button_->setFocusPolicy(Qt::TabFocus);
    draftTimer_.setSingleShot(true);
    draftTimer_.setInterval(kDraftRestMs);
    connect(&draftTimer_, &QTimer::timeout, this, [this] { emit draftChanged(text()); });
    connect(edit_, &QPlainTextEdit::textChanged, this, [this] {
        draftTimer_.start();
        updateButton();
    });
    connect(edit_->document()->documentLayout(), &QAbstractTextDocumentLayout::documentSizeChanged, this,
            &Composer::updateHeight);
    connect(edit_, &ComposerEdit::submitted, this, &Composer::submit);
    connect(edit_, &ComposerEdit::pageKey, this, &Composer::pageKey);
    connect(edit_, &ComposerEdit::recallRequested, this, [this] {
        if (const QString last = recall_ ? recall_() : QString(); !last.isEmpty())
            fill(last);
    });
    connect(button_, &QToolButton::clicked, this, [this] {
        if (generating_)
            emit stopRequested();
        else
            submit();
    });
    connect(&theme, &Theme::changed, this, &Composer::updateHeight);
    edit_->installEventFilter(this);
    edit_->setProperty(kRingAroundParent, true);
    setProperty(kRingRadius, Theme::kCardRadius);
    setFocusProxy(edit_);
    retranslate();
    updateHeight();
}

void Composer::setGenerating(bool generating) {
    generating_ = generating;
    updateButton();
}

void Composer::setText(const QString& text) {
    edit_->setPlainText(text);
    edit_->moveCursor(QTextCursor::End);
    draftTimer_.stop();
    updateHeight();
}

void Composer::fill(const QString& text) {
    edit_->selectAll();
    edit_->insertPlainText(text);
    edit_->moveCursor(QTextCursor::End);
    edit_->setFocus();
}

QString Composer::text() const {
    return edit_->toPlainText();
}

void Composer::setRecall(std::function<QString()> recall) {
    recall_ = std::move(recall);
}

void Composer::setMaximumCardHeight(int px) {
    if (px == maximum_)
        return;
    maximum_ = px;
    updateHeight();
}

void Composer::flushDraft() {
    if (!draftTimer_.isActive())
        return;
    draftTimer_.stop();
    emit draftChanged(text());
}

void Composer::dropDraft() {
    draftTimer_.stop();
}

// Blank lines around a message say nothing; blanks at its start may be indentation.
void Composer::submit() {
    QString message = text();
    while (message.startsWith(u'\n'))
        message.remove(0, 1);
    qsizetype end = message.size();
    while (end > 0 && message[end - 1].isSpace())
        --end;
    message.truncate(end);
    if (message.trimmed().isEmpty())
        return;
    edit_->selectAll();
    edit_->textCursor().removeSelectedText();
    draftTimer_.stop();
    emit draftChanged(QString()); // first: a message that cannot be sent comes back as a draft
    emit submitted(message);
}

void Composer::retranslate() {
    edit_->setPlaceholder(tr("Write a message"));
    edit_->setAccessibleName(tr("Message"));
    edit_->setAccessibleDescription(tr("Enter sends, Shift+Enter breaks the line"));
    updateButton();
}

void Composer::updateButton() {
    button_->setIcon(theme_.icon(generating_ ? QStringLiteral("stop") : QStringLiteral("send"),
                                 generating_ || !edit_->document()->isEmpty() ? Token::OnAccent : Token::Third));
    button_->setEnabled(generating_ || !edit_->document()->isEmpty());
    button_->setToolTip(generating_ ? tr("Stop (Esc)") : tr("Send (Enter)"));
    button_->setAccessibleName(generating_ ? tr("Stop") : tr("Send"));
}

int Composer::cardHeight() const {
    const int around = theme_.controlHeight() + 2 * kPadding - theme_.lineHeight(TextStyle::Message);
    const int least = std::max(kMinimumHeight, theme_.controlHeight() + 2 * kPadding);
    const int most = std::max(least, maximum_);
    return std::clamp(edit_->textHeight(most) + around, least, most);
}

void Composer::updateHeight() {
    const int height = cardHeight();
    if (height == height_)
        return;
    height_ = height;
    updateGeometry();
}

QSize Composer::sizeHint() const {
    return {680, cardHeight()};
}

QSize Composer::minimumSizeHint() const {
    return {200, cardHeight()};
}

void Composer::resizeEvent(QResizeEvent*) {
    const int side = theme_.controlHeight();
    button_->setGeometry(width() - kPadding - side, height() - kPadding - side, side, side);
    const int vertical = (side + 2 * kPadding - theme_.lineHeight(TextStyle::Message)) / 2;
    edit_->setGeometry(kTextLeft, vertical, button_->x() - 8 - kTextLeft, height() - 2 * vertical);
    updateHeight();
}

void Composer::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    drawRounded(painter, rect(), Theme::kCardRadius, theme_.color(Token::Surface),
                theme_.color(edit_->hasFocus() && !FocusRing::keyboardInUse() ? Token::Accent : Token::Outline));
}

void Composer::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        retranslate();
}

void Composer::mousePressEvent(QMouseEvent*) {
    edit_->setFocus(Qt::MouseFocusReason);
}

bool Composer::eventFilter(QObject* object, QEvent* event) {
    if (event->type() == QEvent::FocusIn || event->type() == QEvent::FocusOut)
        update();
    return QWidget::eventFilter(object, event);
}

} // namespace hearth::ui
