#pragma once

#include <QLayout>
#include <QVector>

namespace hearth::ui {

/// Buttons beside each other, and on the next line where the width ends. GUI thread.
class FlowLayout : public QLayout {
public:
    explicit FlowLayout(int spacing);
    ~FlowLayout() override;

    void addItem(QLayoutItem*) override;
    int count() const override;
    QLayoutItem* itemAt(int index) const override;
    QLayoutItem* takeAt(int index) override;

    Qt::Orientations expandingDirections() const override { return {}; }

    bool hasHeightForWidth() const override { return true; }

    int heightForWidth(int width) const override;
    QSize sizeHint() const override;
    QSize minimumSize() const override;
    void setGeometry(const QRect&) override;

private:
    /// Returns the height of all lines in `area`; moves the widgets when `place`.
    int flow(const QRect& area, bool place) const;

    QVector<QLayoutItem*> items_;
    int spacing_; // px between buttons and between lines
};

} // namespace hearth::ui
