#pragma once

#include "ui/theme.h"

#include <QPushButton>
#include <QWidget>

namespace hearth::ui {

/// The names of a page's sections in a row; the arrow keys go from one to the next. GUI thread.
class SectionTabs : public QWidget {
    Q_OBJECT

public:
    explicit SectionTabs(const Theme&, QWidget* parent = nullptr);

    void add(const QString& id);
    void setWords(const QString& id, const QString&);
    void setCurrent(const QString& id); // tells, where it is another one

    QString current() const { return current_; }

    QPushButton* tab(const QString& id) const;

signals:
    void changed(const QString& id);

private:
    struct Tab {
        QString id;
        QPushButton* button;
    };

    const Theme& theme_;
    QVector<Tab> tabs_;
    QString current_;
};

} // namespace hearth::ui
