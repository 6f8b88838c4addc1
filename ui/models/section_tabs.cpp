#include "ui/models/section_tabs.h"

#include "ui/flow_layout.h"
#include "ui/style.h"

#include <QPainter>

namespace hearth::ui {

namespace {

/// The chosen one has a line below it, not only another ground.
class TabButton : public QPushButton {
public:
    TabButton(const Theme& theme, QWidget* parent) : QPushButton(parent), theme_(theme) {
        setCheckable(true);
        setAutoExclusive(true);
        setButtonLook(*this, ButtonLook::Plain);
    }

protected:
    void paintEvent(QPaintEvent* event) override {
        QPushButton::paintEvent(event);
        if (isChecked())
            QPainter(this).fillRect(QRect(12, height() - 3, width() - 24, 2), theme_.color(Token::Accent));
    }

private:
    const Theme& theme_;
};

} // namespace

SectionTabs::SectionTabs(const Theme& theme, QWidget* parent) : QWidget(parent), theme_(theme) {
    setLayout(new FlowLayout(4));
}

void SectionTabs::add(const QString& id) {
    auto* button = new TabButton(theme_, this);
    layout()->addWidget(button);
    tabs_.push_back({id, button});
    connect(button, &QPushButton::toggled, this, [this, id](bool on) {
        if (!on || id == current_)
            return;
        current_ = id;
        emit changed(id);
    });
}

void SectionTabs::setWords(const QString& id, const QString& words) {
    if (QPushButton* button = tab(id))
        button->setText(words);
}

void SectionTabs::setCurrent(const QString& id) {
    if (QPushButton* button = tab(id))
        button->setChecked(true);
}

QPushButton* SectionTabs::tab(const QString& id) const {
    for (const Tab& tab : tabs_)
        if (tab.id == id)
            return tab.button;
    return nullptr;
}

} // namespace hearth::ui
