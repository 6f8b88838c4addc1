#pragma once

#include "ui/theme.h"

#include <QList>
#include <QString>
#include <QStringList>
#include <QUrl>
#include <QWidget>

namespace hearth::ui {

class Label;

/// What files that are dropped mean.
struct Dropped {
    enum class Kind : int { Nothing, Opened, Brought }; // opened in the chat, or brought on the page of models
    Kind kind = Kind::Nothing;
    QStringList paths; // in the order in which they were given; of a model in parts the first of these
    int leftOut = 0;   // of those that were dropped: no models
};

/// A folder is brought wherever it is dropped, for its models may lie deep in it. `onPage`: a page lies over the chat,
/// where an answer about the file can be seen; then a file is brought too, whatever it is.
Dropped droppedBy(const QList<QUrl>&, bool onPage);
/// Empty: none was.
QString leftOutWords(int files);

/// The window's answer while files are dragged over it: a frame, and what letting go would do. GUI thread.
class DropHint : public QWidget {
    Q_OBJECT

public:
    explicit DropHint(const Theme&, QWidget* parent);

    void offer(const Dropped&, const QList<QUrl>&);

protected:
    void paintEvent(QPaintEvent*) override;
    void resizeEvent(QResizeEvent*) override;

private:
    void place();

    const Theme& theme_;
    Label* words_;
    bool refused_ = false;
};

} // namespace hearth::ui
