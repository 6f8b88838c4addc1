#include "ui/settings/settings_panel.h"

#include "ui/label.h"

#include <QComboBox>
#include <QDesktopServices>
#include <QEvent>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QPushButton>
#include <QScopedValueRollback>
#include <QUrl>
#include <QVBoxLayout>
#include <QWheelEvent>

#include <algorithm>

namespace hearth::ui {

namespace {

constexpr int kTextSizes[] = {80, 90, 100, 110, 125, 150, 175, 200}; // per cent
constexpr int kMaxThreads = 1024;
constexpr int kMemories[] = {2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024}; // GB
constexpr int kIdleMinutes[] = {5, 30, 120};

/// The wheel scrolls the page: it never changes a setting that passes below the mouse.
class Choice : public QComboBox {
public:
    using QComboBox::QComboBox;

protected:
    void wheelEvent(QWheelEvent* event) override { event->ignore(); }
};

} // namespace

SettingsPanel::SettingsPanel(const Theme& theme, QWidget* parent)
    : QWidget(parent), theme_(theme), folder_(new QLineEdit(this)), choose_(new QPushButton(this)),
      reveal_(new QPushButton(this)) {
    auto* stack = new QVBoxLayout(this);
    stack->setContentsMargins(8, 8, 8, 32);
    stack->setSpacing(0);
    language_ = addChoice();
    themes_ = addChoice();
    textSize_ = addChoice();

    folder_->setReadOnly(true);
    folder_->setMinimumWidth(120);
    auto* folderRow = new QWidget(this);
    auto* line = new QHBoxLayout(folderRow);
    line->setContentsMargins(0, 0, 0, 0);
    line->setSpacing(8);
    line->addWidget(folder_, 1);
    line->addWidget(choose_);
    line->addWidget(reveal_);
    addField(folder_, true, folderRow);

    threads_ = addChoice();
    backend_ = addChoice();
    memory_ = addChoice();
    idle_ = addChoice();
    stack->addStretch();

    connect(choose_, &QPushButton::clicked, this, [this] {
        const QString path = QFileDialog::getExistingDirectory(this, tr("Model folder"), row_.modelFolder);
        if (path.isEmpty() || path == row_.modelFolder)
            return;
        row_.modelFolder = path;
        fill();
        emit changed(row_);
    });
    connect(reveal_, &QPushButton::clicked, this,
            [this] { QDesktopServices::openUrl(QUrl::fromLocalFile(row_.modelFolder)); });
    retranslate();
}

QComboBox* SettingsPanel::addChoice() {
    auto* box = new Choice(this);
    box->setFocusPolicy(Qt::StrongFocus);
    box->setSizeAdjustPolicy(QComboBox::AdjustToContents);
    connect(box, &QComboBox::currentIndexChanged, this, &SettingsPanel::read);
    addField(box, fields_.size() >= 3);
    return box;
}

// One field below the other: a label, the control, what it does. This holds at every width and text size.
void SettingsPanel::addField(QWidget* control, bool withHelp, QWidget* row) {
    auto* stack = static_cast<QVBoxLayout*>(layout());
    Field field{new Label(theme_, TextStyle::Interface, Token::Text, Label::Lines::Wrapped, this), nullptr, control};
    field.label->setBold(true);
    field.label->setBuddy(control);
    if (!fields_.isEmpty())
        stack->addSpacing(24);
    stack->addWidget(field.label);
    stack->addSpacing(4);
    stack->addWidget(row ? row : control, 0, row ? Qt::Alignment() : Qt::AlignLeft);
    if (withHelp) {
        field.help = new Label(theme_, TextStyle::Small, Token::Second, Label::Lines::Wrapped, this);
        stack->addSpacing(4);
        stack->addWidget(field.help);
    }
    fields_.push_back(field);
}

int SettingsPanel::textSizeFrom(int percent, int steps) {
    if (steps == 0)
        return 100;
    const auto at = std::lower_bound(std::begin(kTextSizes), std::end(kTextSizes), percent);
    const bool between = at == std::end(kTextSizes) || *at != percent; // a step up leads to `at` itself
    const auto place = at - std::begin(kTextSizes) + steps - (between && steps > 0 ? 1 : 0);
    return kTextSizes[std::clamp<std::ptrdiff_t>(place, 0, std::ssize(kTextSizes) - 1)];
}

void SettingsPanel::setSettings(const SettingsRow& row) {
    row_ = row;
    fill();
}

void SettingsPanel::retranslate() {
    struct Words {
        QString label, help;
    };

    const Words words[] = {
        {tr("Language"), {}},
        {tr("Theme"), {}},
        {tr("Text size"), {}},
        {tr("Model folder"), tr("Models in this folder are offered in every chat.")},
        {tr("Threads"), tr("How many processor cores answer. Automatic is right for most computers.")},
        {tr("Backend"), tr("What computes the answers. Automatic takes the fastest that works here.")},
        {tr("Memory for models"), tr("What models may take together. The one not used for longest leaves first; a "
                                     "model that is larger is loaded alone.")},
        {tr("Unload unused models"), tr("When they leave memory. The next message brings them back. Automatic: the "
                                        "model in use stays, others leave after 30 minutes.")},
    };
    for (int i = 0; i < fields_.size(); ++i) {
        fields_[i].label->setText(words[i].label);
        fields_[i].control->setAccessibleName(words[i].label);
        fields_[i].control->setAccessibleDescription(words[i].help);
        if (fields_[i].help)
            fields_[i].help->setText(words[i].help);
    }
    choose_->setText(tr("Choose\u2026"));
    choose_->setAccessibleName(tr("Choose the model folder"));
    reveal_->setText(tr("Show"));
    reveal_->setAccessibleName(tr("Show the model folder"));
    fill();
}

QString SettingsPanel::idleWords(int minutes) {
    return minutes % 60 == 0 ? tr("After %n hour(s)", nullptr, minutes / 60)
                             : tr("After %n minute(s)", nullptr, minutes);
}

void SettingsPanel::fill() {
    const QScopedValueRollback<bool> guard(filling_, true);
    const auto select = [](QComboBox* box, const QVariant& value, const QString& otherwise) {
        int at = box->findData(value);
        if (at < 0) { // a value of another version, or of another machine: shown as it is, and kept
            box->addItem(otherwise, value);
            at = box->count() - 1;
        }
        box->setCurrentIndex(at);
    };
    language_->clear();
    language_->addItem(tr("System language"), QString());
    language_->addItem(QStringLiteral("English"), QStringLiteral("en"));
    language_->addItem(QStringLiteral("\u7B80\u4F53\u4E2D\u6587"), QStringLiteral("zh_CN"));
    select(language_, row_.language, row_.language);

    themes_->clear();
    themes_->addItem(tr("System theme"), static_cast<int>(ThemeChoice::System));
    themes_->addItem(tr("Light"), static_cast<int>(ThemeChoice::Light));
    themes_->addItem(tr("Dark"), static_cast<int>(ThemeChoice::Dark));
    select(themes_, static_cast<int>(row_.theme), {});

    textSize_->clear();
    for (const int size : kTextSizes)
        textSize_->addItem(tr("%1\u00A0%").arg(size), size);
    select(textSize_, row_.textSizePercent, tr("%1\u00A0%").arg(row_.textSizePercent));

    threads_->clear();
    threads_->addItem(tr("Automatic"), 0);
    for (int n = 1; n <= std::clamp(row_.maxThreads, 1, kMaxThreads); ++n)
        threads_->addItem(QString::number(n), n);
    select(threads_, row_.threads, QString::number(row_.threads));

    backend_->clear();
    backend_->addItem(tr("Automatic"), QStringLiteral("auto"));
    backend_->addItem(QStringLiteral("CPU"), QStringLiteral("cpu"));
    select(backend_, row_.backend, row_.backend);

    memory_->clear();
    memory_->addItem(tr("Automatic"), 0);
    for (const int size : kMemories)
        if (size <= row_.maxMemoryGb)
            memory_->addItem(tr("%1\u00A0GB").arg(size), size);
    select(memory_, row_.modelMemoryGb, tr("%1\u00A0GB").arg(row_.modelMemoryGb));

    idle_->clear();
    idle_->addItem(tr("Automatic"), kIdleAutomatic);
    for (const int minutes : kIdleMinutes)
        idle_->addItem(idleWords(minutes), minutes);
    idle_->addItem(tr("Never"), 0);
    select(idle_, row_.idleMinutes, idleWords(row_.idleMinutes));

    folder_->setText(row_.modelFolder);
    folder_->setCursorPosition(0);
    folder_->setToolTip(QString());
    reveal_->setEnabled(QFileInfo(row_.modelFolder).isDir());
}

void SettingsPanel::read() {
    if (filling_)
        return;
    row_.language = language_->currentData().toString();
    row_.theme = static_cast<ThemeChoice>(themes_->currentData().toInt());
    row_.textSizePercent = textSize_->currentData().toInt();
    row_.threads = threads_->currentData().toInt();
    row_.backend = backend_->currentData().toString();
    row_.modelMemoryGb = memory_->currentData().toInt();
    row_.idleMinutes = idle_->currentData().toInt();
    emit changed(row_);
}

// The folder may have been made since.
void SettingsPanel::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    reveal_->setEnabled(QFileInfo(row_.modelFolder).isDir());
}

void SettingsPanel::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::LanguageChange)
        retranslate();
}

} // namespace hearth::ui
