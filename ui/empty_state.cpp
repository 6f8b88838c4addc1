#include "ui/empty_state.h"

#include "ui/first_run.h"
#include "ui/label.h"
#include "ui/style.h"
#include "ui/text_line.h"

#include <QCoreApplication>
#include <QEvent>
#include <QPainter>
#include <QPushButton>
#include <QVBoxLayout>

namespace hearth::ui {

namespace {

constexpr const char* kStarters[] = {
    QT_TRANSLATE_NOOP("hearth::ui::EmptyState", "Explain how a fireplace works in three sentences"),
    QT_TRANSLATE_NOOP("hearth::ui::EmptyState", "Write a short, friendly note to a neighbour"),
    QT_TRANSLATE_NOOP("hearth::ui::EmptyState", "Give me five ideas for a simple dinner"),
};

constexpr int kMarkSide = 64;
constexpr int kColumn = 480; // px at 100 %

/// The mark. A picture without words for a screen reader: the sentence below it speaks.
class Mark : public QWidget {
public:
    Mark(const Theme& theme, QWidget* parent) : QWidget(parent), theme_(theme) { setFixedSize(kMarkSide, kMarkSide); }

protected:
    void paintEvent(QPaintEvent*) override {
        QPainter painter(this);
        theme_.icon(QStringLiteral("mark"), Token::Second).paint(&painter, rect());
    }

private:
    const Theme& theme_;
};

/// A question to begin with: a button whose words wrap.
class StarterButton : public QPushButton {
public:
    StarterButton(const Theme& theme, QWidget* parent)
        : QPushButton(parent), theme_(theme),
          words_(new Label(theme, TextStyle::Interface, Token::Text, Label::Lines::Wrapped, this)) {
        words_->setAttribute(Qt::WA_TransparentForMouseEvents);
        auto* line = new QVBoxLayout(this);
        line->setContentsMargins(12, 6, 12, 6);
        line->addWidget(words_);
    }

    void setWords(const QString& words) {
        setText(words);
        words_->setText(words);
    }

    QSize sizeHint() const override { return layout()->sizeHint(); }

    QSize minimumSizeHint() const override { return layout()->minimumSize(); }

protected:
    void paintEvent(QPaintEvent*) override {
        QPainter painter(this);
        const bool lit = underMouse() || isDown();
        drawRounded(painter, rect(), Theme::kControlRadius, lit ? theme_.color(Token::Hover) : QColor(),
                    theme_.color(Token::Outline));
    }

private:
    const Theme& theme_;
    Label* words_;
};

} // namespace

EmptyState::EmptyState(const Theme& theme, QWidget* parent) : QScrollArea(parent), theme_(theme) {
    setFrameShape(QFrame::NoFrame);
    setWidgetResizable(true);
    setFocusPolicy(Qt::NoFocus);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOn); // on the same column as the messages
    auto* page = new QWidget(this);
    auto* column = new QWidget(page);
    const auto measure = [column, &theme] { column->setMaximumWidth(kColumn * theme.textSizePercent() / 100); };
    measure();
    connect(&theme, &Theme::changed, column, measure);
    const auto label = [&](TextStyle style, Token token) {
        auto* made = new Label(theme, style, token, Label::Lines::Wrapped, column);
        made->setAlignment(Qt::AlignHCenter);
        return made;
    };
    sentence_ = label(TextStyle::Heading1, Token::Text);
    model_ = label(TextStyle::Interface, Token::Second);
    help_ = label(TextStyle::Interface, Token::Second);
    firstRun_ = new FirstRun(theme, column);
    firstRun_->hide();
    open_ = new QPushButton(theme.icon(QStringLiteral("open-file")), QString(), column);
    connect(open_, &QPushButton::clicked, this, &EmptyState::openModelRequested);

    auto* stack = new QVBoxLayout(column);
    stack->setContentsMargins(8, 0, 8, 0);
    stack->setSpacing(0);
    stack->addWidget(new Mark(theme, column), 0, Qt::AlignHCenter);
    stack->addSpacing(16);
    stack->addWidget(sentence_);
    stack->addSpacing(12);
    stack->addWidget(model_);
    stack->addWidget(help_);
    stack->addSpacing(16);
    stack->addWidget(open_, 0, Qt::AlignHCenter);
    stack->addWidget(firstRun_);
    stack->addSpacing(32);
    for (int i = 0; i < 3; ++i) {
        auto* button = new StarterButton(theme, column);
        connect(button, &QPushButton::clicked, this, [this, i] { emit starterChosen(starter(i)); });
        if (i > 0)
            stack->addSpacing(8);
        stack->addWidget(button);
        starters_.push_back(button);
    }

    auto* around = new QVBoxLayout(page);
    around->setContentsMargins(16, 24, 16, 24);
    around->addStretch(2);
    auto* middle = new QHBoxLayout;
    middle->addStretch(1);
    middle->addWidget(column, 100);
    middle->addStretch(1);
    around->addLayout(middle);
    around->addStretch(3);
    setWidget(page);
    page->setAutoFillBackground(false);
    viewport()->setAutoFillBackground(false);
    retranslate();
}

void EmptyState::setModel(const ModelRow* model) {
    hasModel_ = model != nullptr;
    row_ = model ? *model : ModelRow();
    retranslate();
}

void EmptyState::setFirstRun(const FirstRunRow& row) {
    first_ = row.active;
    firstRun_->setRow(row);
    retranslate();
}

void EmptyState::setHelp(const QString& text) {
    helpText_ = text;
    retranslate();
}

// The starter model reads English only: its starters stay English whatever the window speaks.
QString EmptyState::starter(int index) const {
    return row_.starter ? QString::fromUtf8(kStarters[index])
                        : QCoreApplication::translate("hearth::ui::EmptyState", kStarters[index]);
}

void EmptyState::retranslate() {
    sentence_->setText(tr("Ask anything. It stays on this computer."));
    if (hasModel_)
        model_->setText(tr("Answers come from %1.").arg(oneLine(row_.name, 120)));
    else
        model_->setText(tr("No model is chosen yet. Open a model file (.gguf), or drop one onto this window."));
    QString help = helpText_;
    if (help.isEmpty() && row_.starter)
        help = tr("A tiny model, English only, to try the program. For better answers, open a larger model file.");
    help_->setText(help);
    help_->setVisible(!help.isEmpty()); // what answers until another model is there
    model_->setVisible(!first_);
    open_->setVisible(!first_);
    firstRun_->setVisible(first_);
    open_->setText(tr("Open a model file\u2026"));
    for (int i = 0; i < starters_.size(); ++i) {
        static_cast<StarterButton*>(starters_[i])->setWords(starter(i));
        starters_[i]->setAccessibleDescription(tr("Puts this question into the message field"));
        starters_[i]->setVisible(hasModel_ && !first_);
    }
}

void EmptyState::changeEvent(QEvent* event) {
    QScrollArea::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        retranslate();
}

} // namespace hearth::ui
