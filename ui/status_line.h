#pragma once

#include "ui/rows.h"
#include "ui/theme.h"

#include <QWidget>

namespace hearth::ui {

class Label;

/// The line at the foot of the window: left in words what goes on, right the figures. Silent when idle. GUI thread.
class StatusLine : public QWidget {
    Q_OBJECT

public:
    explicit StatusLine(const Theme&, QWidget* parent = nullptr);

    void setStatus(const StatusRow&);
    static QString words(const StatusRow&);   // "Reading 43 %"
    static QString figures(const StatusRow&); // "12.4 t/s · 3,412 / 8,192 · CPU"

protected:
    void changeEvent(QEvent*) override;

private:
    void refresh();
    void measure();

    const Theme& theme_;
    Label* left_;
    Label* right_;
    StatusRow row_;
};

} // namespace hearth::ui
