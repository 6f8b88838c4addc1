#include "ui/models/model_picker.h"

#include "ui/focus_ring.h"
#include "ui/label.h"
#include "ui/models/model_list.h"
#include "ui/style.h"
#include "ui/text_line.h"

#include <QEvent>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QPainter>
#include <QPushButton>
#include <QScreen>
#include <QScrollArea>
#include <QToolButton>

#include <algorithm>

namespace hearth::ui {

namespace {

constexpr int kPopupWidth = 420, kPopupList = 360; // px

/// The picker's face: name and state, elided in the middle of nothing: the state always stands whole.
class PickerButton : public QToolButton {
public:
    PickerButton(const Theme& theme, QWidget* parent) : QToolButton(parent), theme_(theme) {}

    void setWords(const QString& name, const QString& state) {
        name_ = name;
        state_ = state;
        setText(state.isEmpty() ? name : name + QStringLiteral(" \u00B7 ") + state);
        updateGeometry();
        update();
    }

    QSize sizeHint() const override {
        const QFontMetrics metrics(theme_.font(TextStyle::Interface));
        return {metrics.horizontalAdvance(text()) + 4 + 12 + 4 + theme_.iconSize() + 8, theme_.controlHeight()};
    }

    QSize minimumSizeHint() const override {
        const QFontMetrics metrics(theme_.font(TextStyle::Interface));
        const int tail = state_.isEmpty() ? 0 : metrics.horizontalAdvance(QStringLiteral(" \u00B7 ") + state_);
        const int head = std::min(metrics.horizontalAdvance(name_), metrics.horizontalAdvance(u'm') * 5);
        return {12 + head + tail + 4 + theme_.iconSize() + 8, theme_.controlHeight()};
    }

protected:
    void paintEvent(QPaintEvent*) override {
        QPainter painter(this);
        if (underMouse() || isDown() || isChecked())
            drawRounded(painter, rect(), Theme::kControlRadius, theme_.color(Token::Hover), {});
        const int icon = theme_.iconSize();
        const QRect arrow(width() - 8 - icon, (height() - icon) / 2, icon, icon);
        theme_.icon(QStringLiteral("chevron-down")).paint(&painter, arrow);
        painter.setFont(theme_.font(TextStyle::Interface));
        const QFontMetrics metrics = painter.fontMetrics();
        const QString tail = state_.isEmpty() ? QString() : QStringLiteral(" \u00B7 ") + state_;
        const int room = arrow.left() - 4 - 12;
        const int tailWidth = tail.isEmpty() ? 0 : metrics.horizontalAdvance(tail);
        const QString head = metrics.elidedText(name_, Qt::ElideRight, std::max(0, room - tailWidth));
        const int headWidth = metrics.horizontalAdvance(head);
        painter.setPen(theme_.color(Token::Text));
        drawTextLine(painter, QRect(12, 0, headWidth + 1, height()), head);
        painter.setPen(theme_.color(Token::Second));
        drawTextLine(painter, QRect(12 + headWidth, 0, tailWidth + 1, height()), tail);
    }

private:
    const Theme& theme_;
    QString name_, state_;
};

} // namespace

ModelPopup::ModelPopup(const Theme& theme, QWidget* parent)
    : QFrame(parent, Qt::Popup), theme_(theme), list_(new ModelList(theme)), scroll_(new QScrollArea(this)),
      none_(new Label(theme, TextStyle::Interface, Token::Second, Label::Lines::Wrapped, this)),
      open_(new QPushButton(this)) {
    new FocusRing(theme, *this);
    scroll_->setFrameShape(QFrame::NoFrame);
    scroll_->setWidgetResizable(true);
    scroll_->setFocusPolicy(Qt::NoFocus);
    scroll_->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    auto* page = new QWidget;
    auto* inner = new QVBoxLayout(page);
    inner->setContentsMargins(0, 0, 0, 0);
    inner->addWidget(list_);
    inner->addStretch();
    scroll_->setWidget(page);
    setButtonLook(*open_, ButtonLook::Plain);
    open_->setIcon(theme.icon(QStringLiteral("open-file")));
    connect(open_, &QPushButton::clicked, this, [this] {
        hide();
        emit openFileRequested();
    });
    auto* stack = new QVBoxLayout(this);
    stack->setContentsMargins(8, 8, 8, 8);
    stack->setSpacing(8);
    stack->addWidget(none_);
    stack->addWidget(scroll_, 1);
    stack->addWidget(open_, 0, Qt::AlignLeft);
    retranslate();
}

void ModelPopup::retranslate() {
    setAccessibleName(tr("Models"));
    none_->setText(tr("No model in the model folder yet."));
    open_->setText(tr("Open a model file\u2026"));
}

void ModelPopup::changeEvent(QEvent* event) {
    QFrame::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        retranslate();
}

void ModelPopup::openBelow(const QWidget& anchor) {
    const bool empty = list_->count() == 0;
    none_->setVisible(empty);
    scroll_->setVisible(!empty);
    const QRect screen = anchor.screen() ? anchor.screen()->availableGeometry() : QRect(0, 0, 1180, 780);
    const int width = std::min({kPopupWidth * std::max(100, theme_.textSizePercent()) / 100,
                                anchor.window()->width() - 32, screen.width() - 32});
    const int rest = theme_.controlHeight() + 3 * 8 + 16;
    const int list = empty ? none_->heightForWidth(width - 32) : list_->sizeHint().height();
    const int height = std::min({list, kPopupList, anchor.window()->height() - 96}) + rest;
    QPoint place = anchor.mapToGlobal(QPoint(anchor.width() - width, anchor.height() + 4));
    const int leftmost = anchor.window()->mapToGlobal(QPoint(16, 0)).x();
    place.setX(std::max(place.x(), leftmost));
    place.setX(std::clamp(place.x(), screen.left(), std::max(screen.left(), screen.right() - width)));
    place.setY(std::clamp(place.y(), screen.top(), std::max(screen.top(), screen.bottom() - height)));
    setGeometry(QRect(place, QSize(width, height)));
    show();
    list_->focusCurrent();
    if (empty)
        open_->setFocus(Qt::PopupFocusReason);
}

void ModelPopup::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), theme_.color(Token::Window));
    drawRounded(painter, rect(), 0.5, theme_.color(Token::Window), theme_.color(Token::Outline));
}

void ModelPopup::keyPressEvent(QKeyEvent* event) {
    if (event->key() == Qt::Key_Escape) {
        hide();
        return;
    }
    QFrame::keyPressEvent(event);
}

ModelPicker::ModelPicker(const Theme& theme, QWidget* parent)
    : QWidget(parent), theme_(theme), button_(new PickerButton(theme, this)), cancel_(new QToolButton(this)),
      popup_(new ModelPopup(theme, this)) {
    auto* line = new QHBoxLayout(this);
    line->setContentsMargins(0, 0, 0, 0);
    line->setSpacing(4);
    line->addWidget(button_, 1);
    line->addWidget(cancel_);
    button_->setFocusPolicy(Qt::TabFocus);
    cancel_->setIcon(theme.icon(QStringLiteral("close")));
    connect(button_, &QToolButton::clicked, this, &ModelPicker::openPopup);
    connect(cancel_, &QToolButton::clicked, this, [this] { emit loadCancelled(path_); });
    connect(&popup_->list(), &ModelList::picked, this, [this](const QString& path) {
        popup_->hide();
        emit picked(path);
    });
    connect(&popup_->list(), &ModelList::loadCancelled, this, &ModelPicker::loadCancelled);
    connect(popup_, &ModelPopup::openFileRequested, this, &ModelPicker::openFileRequested);
    connect(&theme, &Theme::changed, this, &ModelPicker::refresh);
    refresh();
}

void ModelPicker::setModels(const QVector<ModelRow>& rows) {
    rows_ = rows;
    popup_->list().setModels(rows);
    refresh();
}

void ModelPicker::updateModel(const ModelRow& row) {
    const auto same = [&](const ModelRow& other) { return other.path == row.path; };
    if (const auto it = std::find_if(rows_.begin(), rows_.end(), same); it != rows_.end())
        *it = row;
    else
        rows_.push_back(row);
    popup_->list().updateModel(row);
    if (row.path == path_)
        refresh();
}

void ModelPicker::setCurrent(const QString& path) {
    path_ = path;
    popup_->list().setCurrent(path);
    refresh();
}

const ModelRow* ModelPicker::current() const {
    if (path_.isEmpty())
        return nullptr;
    for (const ModelRow& row : rows_)
        if (row.path == path_)
            return &row;
    return nullptr;
}

QString ModelPicker::buttonText() const {
    return button_->text();
}

void ModelPicker::refresh() {
    const ModelRow* row = current();
    QString name, state;
    if (row) {
        name = oneLine(row->name, 120);
        if (!row->remote.isEmpty())
            state = row->off ? tr("switched off") : tr("leaves this machine");
        else if (row->state == ModelState::NotLoaded)
            state = tr("not loaded");
        else if (row->state == ModelState::Missing)
            state = tr("missing");
        else if (row->state == ModelState::Loading)
            state = modelStateWords(*row).toLower();
    } else if (!path_.isEmpty()) { // a conversation remembers a model that is nowhere any more
        name = oneLine(QFileInfo(path_.section(QLatin1String("remote:"), -1)).completeBaseName(), 120);
        state = tr("missing");
    } else {
        name = tr("Choose a model");
    }
    static_cast<PickerButton*>(button_)->setWords(name, state);
    button_->setAccessibleName(tr("Model: %1").arg(button_->text()));
    button_->setToolTip(plainToolTip(path_.isEmpty() ? tr("Model of this chat")
                                     : row && !row->remote.isEmpty()
                                         ? tr("What you write here is sent to %1").arg(oneLine(row->remote, 300))
                                         : oneLine(path_, 1000)));
    cancel_->setVisible(row && row->state == ModelState::Loading);
    cancel_->setToolTip(tr("Cancel loading"));
    cancel_->setAccessibleName(tr("Cancel loading"));
    emit currentChanged();
}

void ModelPicker::openPopup() {
    popup_->openBelow(*button_);
}

void ModelPicker::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        refresh();
}

} // namespace hearth::ui
