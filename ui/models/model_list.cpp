#include "ui/models/model_list.h"

#include "ui/style.h"
#include "ui/text_line.h"

#include <QEvent>
#include <QKeyEvent>
#include <QPainter>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace hearth::ui {

namespace {

constexpr int kPadding = 12;
constexpr int kBar = 4; // px, the progress of loading

double share(double progress) {
    return std::isfinite(progress) ? std::clamp(progress, 0.0, 1.0) : 0.0;
}

} // namespace

QString modelStateWords(const ModelRow& row) {
    if (!row.remote.isEmpty())
        return row.off ? ModelList::tr("Switched off") : ModelList::tr("Leaves this machine");
    switch (row.state) {
    case ModelState::NotLoaded:
        return ModelList::tr("Not loaded");
    case ModelState::Loading:
        return ModelList::tr("Loading %1\u00A0%").arg(static_cast<int>(std::floor(share(row.progress) * 100)));
    case ModelState::Loaded:
        return ModelList::tr("Loaded");
    case ModelState::Missing:
        return ModelList::tr("Missing");
    }
    return {};
}

ModelItem::ModelItem(const Theme& theme, const ModelRow& row, QWidget* parent)
    : QAbstractButton(parent), theme_(theme), row_(row), cancel_(new QToolButton(this)) {
    setFocusPolicy(Qt::StrongFocus);
    setAttribute(Qt::WA_Hover);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    cancel_->setIcon(theme.icon(QStringLiteral("close")));
    connect(cancel_, &QToolButton::clicked, this, [this] { emit cancelled(row_.path); });
    connect(&theme, &Theme::changed, this, [this] {
        updateGeometry();
        update();
    });
    describe();
}

void ModelItem::setRow(const ModelRow& row) {
    row_ = row;
    describe();
}

void ModelItem::setCurrent(bool current) {
    current_ = current;
    describe();
}

void ModelItem::describe() {
    const QString name = oneLine(row_.name, 200);
    QStringList parts{name};
    if (!row_.detail.isEmpty())
        parts << oneLine(row_.detail, 200);
    parts << modelStateWords(row_);
    if (current_)
        parts << tr("in use here");
    setAccessibleName(parts.join(QStringLiteral(", ")));
    setToolTip(plainToolTip(oneLine(row_.remote.isEmpty() ? row_.path : row_.remote, 1000)));
    cancel_->setVisible(row_.state == ModelState::Loading);
    cancel_->setToolTip(tr("Cancel loading"));
    cancel_->setAccessibleName(tr("Cancel loading %1").arg(name));
    update();
}

QSize ModelItem::sizeHint() const {
    const int lines = theme_.lineHeight(TextStyle::Interface) + theme_.lineHeight(TextStyle::Small);
    return {400, lines + 2 * 8 + kBar};
}

QSize ModelItem::minimumSizeHint() const {
    return {200, sizeHint().height()};
}

void ModelItem::resizeEvent(QResizeEvent*) {
    const int side = theme_.controlHeight();
    cancel_->setGeometry(width() - side - 4, (height() - side) / 2, side, side);
}

void ModelItem::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    if (underMouse() || isDown() || current_)
        drawRounded(painter, rect(), Theme::kControlRadius, theme_.color(Token::Hover), {});
    const int icon = theme_.iconSize();
    const int nameHeight = theme_.lineHeight(TextStyle::Interface), smallHeight = theme_.lineHeight(TextStyle::Small);
    const int left = kPadding + icon + 8;
    int right = width() - kPadding;
    if (current_)
        theme_.icon(QStringLiteral("check"), Token::Accent)
            .paint(&painter, QRect(kPadding, 8 + (nameHeight - icon) / 2, icon, icon));
    if (row_.state == ModelState::Loading)
        right = cancel_->x() - 8;

    const bool missing = row_.state == ModelState::Missing;
    painter.setFont(theme_.font(TextStyle::Small));
    const QString state = modelStateWords(row_);
    const int stateWidth = painter.fontMetrics().horizontalAdvance(state) + 1;
    painter.setPen(theme_.color(missing ? Token::Warning : Token::Second));
    drawTextLine(painter, QRect(right - stateWidth, 8, stateWidth, nameHeight), state, Qt::AlignRight);
    painter.setPen(theme_.color(Token::Second));
    drawTextLine(painter, QRect(left, 8 + nameHeight, right - left, smallHeight), oneLine(row_.detail, 200));
    painter.setFont(theme_.font(TextStyle::Interface, current_));
    painter.setPen(theme_.color(missing ? Token::Second : Token::Text));
    drawTextLine(painter, QRect(left, 8, right - stateWidth - 12 - left, nameHeight), oneLine(row_.name, 200));

    if (row_.state == ModelState::Loading) {
        const QRectF groove(left, height() - 8 + 2 - kBar / 2.0, right - left, kBar);
        drawRounded(painter, groove, kBar / 2.0, theme_.color(Token::Hairline), {});
        QRectF done = groove;
        done.setWidth(std::max<qreal>(kBar, groove.width() * share(row_.progress)));
        drawRounded(painter, done, kBar / 2.0, theme_.color(Token::Accent), {});
    }
}

void ModelItem::changeEvent(QEvent* event) {
    QAbstractButton::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        describe();
}

void ModelItem::keyPressEvent(QKeyEvent* event) {
    switch (event->key()) {
    case Qt::Key_Return:
    case Qt::Key_Enter:
        click();
        return;
    case Qt::Key_Down:
        focusNextChild();
        return;
    case Qt::Key_Up:
        focusPreviousChild();
        return;
    default:
        QAbstractButton::keyPressEvent(event);
    }
}

ModelList::ModelList(const Theme& theme, QWidget* parent)
    : QWidget(parent), theme_(theme), layout_(new QVBoxLayout(this)) {
    layout_->setContentsMargins(4, 4, 4, 4);
    layout_->setSpacing(4);
}

ModelItem* ModelList::add(const ModelRow& row) {
    auto* item = new ModelItem(theme_, row, this);
    item->setCurrent(row.path == current_);
    connect(item, &QAbstractButton::clicked, this, [this, item] { emit picked(item->row().path); });
    connect(item, &ModelItem::cancelled, this, &ModelList::loadCancelled);
    layout_->addWidget(item);
    items_.push_back(item);
    return item;
}

// The same models again, as they come while one loads, keep their widgets and with them the focus.
void ModelList::setModels(const QVector<ModelRow>& rows) {
    const auto same = [](const ModelItem* item, const ModelRow& row) { return item->row().path == row.path; };
    if (std::equal(items_.begin(), items_.end(), rows.begin(), rows.end(), same)) {
        for (int i = 0; i < items_.size(); ++i)
            items_[i]->setRow(rows[i]);
        return;
    }
    for (ModelItem* item : items_) { // one of them may be what called
        item->hide();
        layout_->removeWidget(item);
        item->deleteLater();
    }
    items_.clear();
    for (const ModelRow& row : rows)
        add(row);
}

void ModelList::updateModel(const ModelRow& row) {
    for (ModelItem* item : items_) {
        if (item->row().path == row.path) {
            item->setRow(row);
            return;
        }
    }
    add(row);
}

void ModelList::setCurrent(const QString& path) {
    current_ = path;
    for (ModelItem* item : items_)
        item->setCurrent(item->row().path == path);
}

void ModelList::focusCurrent() {
    for (ModelItem* item : items_) {
        if (item->row().path == current_) {
            item->setFocus(Qt::PopupFocusReason);
            return;
        }
    }
    if (!items_.isEmpty())
        items_.first()->setFocus(Qt::PopupFocusReason);
}

} // namespace hearth::ui
