#include "ui/models/defaults_editor.h"

#include "ui/flow_layout.h"
#include "ui/label.h"
#include "ui/models/fields.h"
#include "ui/models/model_words.h"

#include <QEvent>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QScopedValueRollback>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace hearth::ui {

namespace {

/// The range of each number that sampling takes.
struct NumberKind {
    const char* name;
    const char* words;
    double least, most;
    bool whole;
};

constexpr NumberKind kNumbers[] = {
    {"temperature", QT_TRANSLATE_NOOP("hearth::ui::DefaultsEditor", "Temperature"), 0, 5, false},
    {"topK", QT_TRANSLATE_NOOP("hearth::ui::DefaultsEditor", "Top K"), 0, 100000, true},
    {"topP", QT_TRANSLATE_NOOP("hearth::ui::DefaultsEditor", "Top P"), 0, 1, false},
    {"minP", QT_TRANSLATE_NOOP("hearth::ui::DefaultsEditor", "Min P"), 0, 1, false},
    {"repetitionPenalty", QT_TRANSLATE_NOOP("hearth::ui::DefaultsEditor", "Repetition penalty"), 0.1, 10, false},
};

constexpr int kContexts[] = {2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144};
constexpr const char* kCaches[] = {"f16", "q8_0", "q4_0"};
constexpr int kMostThreads = 1024;

std::optional<double> valueOf(const ModelDefaultsRow& row, const char* name) {
    for (const auto& [key, value] : row.sampling)
        if (key == QLatin1String(name))
            return value;
    return std::nullopt;
}

QString numberText(double value) {
    return QLocale().toString(value, 'g', 6);
}

} // namespace

DefaultsEditor::DefaultsEditor(const Theme& theme, QWidget* parent)
    : QWidget(parent), theme_(theme), context_(new Choice), kv_(new Choice), threads_(new Choice),
      thinking_(new Choice), help_(new Label(theme, TextStyle::Small, Token::Second, Label::Lines::Wrapped, this)),
      problem_(new Label(theme, TextStyle::Small, Token::Error, Label::Lines::Wrapped, this)),
      promptLabel_(new Label(theme, TextStyle::Small, Token::Second, Label::Lines::One, this)),
      prompt_(new TextBox(theme, 3, this)), reset_(new QPushButton(this)) {
    auto* choices = new FlowLayout(12);
    const auto field = [&](QWidget* control, int characters) {
        auto* made = new LabelledField(theme, control, characters, this);
        choices->addWidget(made);
        return made;
    };
    contextField_ = field(context_, 0);
    kvField_ = field(kv_, 0);
    threadsField_ = field(threads_, 0);
    thinkingField_ = field(thinking_, 0);
    for (Choice* choice : {context_, kv_, threads_, thinking_})
        connect(choice, &QComboBox::currentIndexChanged, this, &DefaultsEditor::read);
    auto* numbers = new FlowLayout(12);
    for (const NumberKind& kind : kNumbers) {
        auto* edit = new QLineEdit;
        edit->setMaxLength(12);
        auto* made = new LabelledField(theme, edit, 10, this);
        numbers->addWidget(made);
        numbers_.push_back({kind.name, edit, made});
        connect(edit, &QLineEdit::editingFinished, this, &DefaultsEditor::read);
    }
    promptLabel_->setBuddy(&prompt_->edit());
    connect(prompt_, &TextBox::finished, this, &DefaultsEditor::read);
    connect(reset_, &QPushButton::clicked, this, [this] {
        row_ = {};
        fill();
        emit changed(row_);
    });

    auto* stack = new QVBoxLayout(this);
    stack->setContentsMargins(0, 8, 0, 0);
    stack->setSpacing(12);
    stack->addWidget(help_);
    stack->addLayout(choices);
    stack->addLayout(numbers);
    auto* text = new QVBoxLayout;
    text->setSpacing(4);
    text->addWidget(promptLabel_);
    text->addWidget(prompt_);
    stack->addLayout(text);
    stack->addWidget(problem_);
    stack->addWidget(reset_, 0, Qt::AlignLeft);
    problem_->hide();
    retranslate();
}

void DefaultsEditor::setDetails(const ModelDetailsRow& details) {
    const bool same = details.path == details_.path && details.defaults == row_ &&
                      details.trainedContext == details_.trainedContext &&
                      details.automaticContext == details_.automaticContext && details.thinks == details_.thinks &&
                      details.caches == details_.caches && details.remote == details_.remote &&
                      details.numbers == details_.numbers;
    details_ = details;
    row_ = details.defaults;
    if (!same)
        fill();
}

void DefaultsEditor::retranslate() {
    contextField_->setWords(tr("Context"));
    kvField_->setWords(tr("Memory of the context"));
    threadsField_->setWords(tr("Threads"));
    thinkingField_->setWords(tr("Thinking"));
    for (int i = 0; i < numbers_.size(); ++i)
        numbers_[i].field->setWords(tr(kNumbers[i].words));
    promptLabel_->setText(tr("System prompt"));
    prompt_->edit().setAccessibleName(tr("System prompt"));
    prompt_->edit().setPlaceholderText(tr("What the model is told before every chat"));
    fill();
}

void DefaultsEditor::fill() {
    const QScopedValueRollback<bool> guard(filling_, true);
    problem_->hide();
    help_->setText(
        details_.remote
            ? tr("For every chat with this engine, from the next reply on. What is left empty is as the server has it.")
            : tr("For every chat with this model. Another context, or another memory of it, loads the model again; the "
                 "rest holds from the next reply on."));
    reset_->setText(details_.remote ? tr("Back to what the server has") : tr("Back to what is recommended"));
    for (LabelledField* field : {contextField_, kvField_, threadsField_})
        field->setVisible(!details_.remote);
    context_->clear();
    context_->addItem(details_.automaticContext > 0 ? tr("Automatic (%1)").arg(tokensWords(details_.automaticContext))
                                                    : tr("Automatic"),
                      0);
    for (const int tokens : kContexts)
        if (details_.trainedContext == 0 || tokens <= details_.trainedContext)
            context_->addItem(tr("%1 tokens").arg(tokensWords(tokens)), tokens);
    const int context = row_.contextTokens.value_or(0);
    context_->select(context, tr("%1 tokens").arg(tokensWords(context)));

    kv_->clear();
    kv_->addItem(tr("Automatic"), QString());
    const QString words[] = {tr("Exact (f16)"), tr("Half the size (q8_0)"), tr("A quarter (q4_0)")};
    for (int i = 0; i < 3; ++i)
        if (const QString name = QString::fromLatin1(kCaches[i]); details_.caches.contains(name))
            kv_->addItem(words[i], name);
    kv_->select(row_.kv, row_.kv);

    threads_->clear();
    threads_->addItem(tr("Automatic"), 0);
    for (int n = 1; n <= std::clamp(details_.maxThreads, 1, kMostThreads); ++n)
        threads_->addItem(QString::number(n), n);
    threads_->select(row_.threads.value_or(0), QString::number(row_.threads.value_or(0)));

    thinking_->clear();
    thinking_->addItem(tr("As the model does"), -1);
    thinking_->addItem(tr("Always"), 1);
    thinking_->addItem(tr("Never"), 0);
    thinking_->select(row_.thinking ? int(*row_.thinking) : -1, {});
    thinkingField_->setVisible(details_.thinks);

    for (const Number& number : numbers_) {
        number.field->setVisible(!details_.remote || details_.numbers.contains(QLatin1String(number.name)));
        const std::optional<double> own = valueOf(row_, number.name);
        const std::optional<double> theirs = valueOf(details_.recommended, number.name);
        number.edit->setText(own ? numberText(*own) : QString());
        number.edit->setPlaceholderText(theirs            ? numberText(*theirs)
                                        : details_.remote ? tr("the server\u2019s")
                                                          : tr("automatic"));
    }
    if (prompt_->edit().toPlainText() != row_.systemPrompt)
        prompt_->edit().setPlainText(row_.systemPrompt);
    reset_->setEnabled(row_ != ModelDefaultsRow());
}

void DefaultsEditor::read() {
    if (filling_)
        return;
    ModelDefaultsRow row;
    if (const int tokens = context_->currentData().toInt(); tokens > 0)
        row.contextTokens = tokens;
    row.kv = kv_->currentData().toString();
    if (const int threads = threads_->currentData().toInt(); threads > 0)
        row.threads = threads;
    if (const int thinking = thinking_->currentData().toInt(); thinking >= 0)
        row.thinking = thinking == 1;
    for (int i = 0; i < numbers_.size(); ++i) {
        const NumberKind& kind = kNumbers[i];
        const QString text = numbers_[i].edit->text().trimmed();
        if (text.isEmpty())
            continue;
        bool fine = false;
        double value = QLocale().toDouble(text, &fine);
        if (!fine)
            value = QLocale::c().toDouble(text, &fine);
        if (!fine || !(value >= kind.least && value <= kind.most) || (kind.whole && value != std::floor(value))) {
            problem_->setText(tr("%1 takes a number from %2 to %3.")
                                  .arg(tr(kind.words), numberText(kind.least), numberText(kind.most)));
            problem_->show();
            return;
        }
        row.sampling.append({QString::fromLatin1(kind.name), value});
    }
    row.systemPrompt = prompt_->edit().toPlainText().trimmed();
    problem_->hide();
    if (row == row_)
        return;
    row_ = row;
    reset_->setEnabled(row_ != ModelDefaultsRow());
    emit changed(row_);
}

void DefaultsEditor::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        retranslate();
}

} // namespace hearth::ui
