#include "ui/models/models_panel.h"

#include "ui/flow_layout.h"
#include "ui/label.h"
#include "ui/models/model_list.h"
#include "ui/text_line.h"

#include <QDesktopServices>
#include <QEvent>
#include <QFileInfo>
#include <QPushButton>
#include <QUrl>
#include <QVBoxLayout>

namespace hearth::ui {

ModelsPanel::ModelsPanel(const Theme& theme, QWidget* parent)
    : QWidget(parent), help_(new Label(theme, TextStyle::Interface, Token::Second, Label::Lines::Wrapped, this)),
      folder_(new Label(theme, TextStyle::Small, Token::Second, Label::Lines::Wrapped, this)),
      none_(new Label(theme, TextStyle::Interface, Token::Text, Label::Lines::Wrapped, this)),
      list_(new ModelList(theme, this)), open_(new QPushButton(this)), reveal_(new QPushButton(this)) {
    open_->setIcon(theme.icon(QStringLiteral("open-file"), Token::Text));
    reveal_->setIcon(theme.icon(QStringLiteral("reveal"), Token::Text));
    connect(list_, &ModelList::picked, this, &ModelsPanel::picked);
    connect(list_, &ModelList::loadCancelled, this, &ModelsPanel::loadCancelled);
    connect(open_, &QPushButton::clicked, this, &ModelsPanel::openFileRequested);
    connect(reveal_, &QPushButton::clicked, this, [this] { QDesktopServices::openUrl(QUrl::fromLocalFile(path_)); });
    auto* buttons = new FlowLayout(8);
    buttons->addWidget(open_);
    buttons->addWidget(reveal_);
    auto* stack = new QVBoxLayout(this);
    stack->setContentsMargins(8, 8, 8, 24);
    stack->setSpacing(0);
    stack->addWidget(help_);
    stack->addSpacing(4);
    stack->addWidget(folder_);
    stack->addSpacing(16);
    stack->addLayout(buttons);
    stack->addSpacing(24);
    stack->addWidget(none_);
    stack->addWidget(list_);
    stack->addStretch();
    retranslate();
}

void ModelsPanel::setModels(const QVector<ModelRow>& rows) {
    list_->setModels(rows);
    refresh();
}

void ModelsPanel::updateModel(const ModelRow& row) {
    list_->updateModel(row);
    refresh();
}

void ModelsPanel::setCurrent(const QString& path) {
    list_->setCurrent(path);
}

void ModelsPanel::setFolder(const QString& path) {
    path_ = path;
    refresh();
}

void ModelsPanel::refresh() {
    none_->setVisible(list_->count() == 0);
    folder_->setText(oneLine(path_, 1000));
    folder_->setVisible(!path_.isEmpty());
    reveal_->setVisible(!path_.isEmpty());
    reveal_->setEnabled(QFileInfo(path_).isDir());
}

void ModelsPanel::retranslate() {
    help_->setText(tr("A model is one file (.gguf). Put it into the model folder, or open it where it lies: it is read "
                      "in place and never changed."));
    none_->setText(tr("No model here yet."));
    open_->setText(tr("Open a model file\u2026"));
    reveal_->setText(tr("Show the model folder"));
}

void ModelsPanel::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        retranslate();
}

} // namespace hearth::ui
