#pragma once

#include "ui/models/model_rows.h"
#include "ui/theme.h"

#include <QFrame>
#include <QWidget>

class QBoxLayout;
class QPushButton;

namespace hearth::ui {

class FlowLayout;
class Label;

/// Whether it fits: a sign and words in a rounded field, never a colour alone. GUI thread.
class FitPill : public QWidget {
    Q_OBJECT

public:
    explicit FitPill(const Theme&, QWidget* parent = nullptr);

    void setFit(const FitRow&, bool judging = false);

    QSize sizeHint() const override;

    QSize minimumSizeHint() const override { return sizeHint(); }

protected:
    void paintEvent(QPaintEvent*) override;
    void changeEvent(QEvent*) override;

private:
    void describe();

    const Theme& theme_;
    FitRow fit_;
    bool judging_ = false;
    QString words_;
};

/// A bar of progress, with words for a screen reader. GUI thread.
class ProgressLine : public QWidget {
    Q_OBJECT

public:
    explicit ProgressLine(const Theme&, QWidget* parent = nullptr);

    void setProgress(double); // 0 to 1

    QSize sizeHint() const override { return {120, kHeight}; }

    QSize minimumSizeHint() const override { return {40, kHeight}; }

protected:
    void paintEvent(QPaintEvent*) override;

private:
    static constexpr int kHeight = 4; // px

    const Theme& theme_;
    double progress_ = 0;
};

/// What one card of a list says, whatever it is about.
struct CardRow {
    QString id;
    QString title;
    QString mark;   // a word beside the title: "In use", "Suggested"
    QString state;  // at the right of the title
    QString detail; // small, below the title
    QString text;   // wrapped
    QString note;   // a sentence about what is wrong, with its sign
    bool isError = false;
    QString hint; // small and wrapped, at the end
    bool showsFit = false;
    FitRow fit;
    bool judging = false;
    double progress = -1; // -1: none

    struct Action {
        QString id, label;
        bool primary = false;
        bool enabled = true;
        QString icon; // empty: words only
    };

    QVector<Action> actions;
};

/// The card "job" of a job on files that runs or ended with a problem; none otherwise. `percent` takes a number.
QVector<CardRow> jobCards(const JobRow&, const QString& percent, const QString& stop, const QString& dismiss);

/// One thing in a list: what it is, how it fits, how far it is, what can be done with it. GUI thread.
class Card : public QFrame {
    Q_OBJECT

public:
    Card(const Theme&, const CardRow&, QWidget* parent = nullptr);

    void setRow(const CardRow&); // keeps its buttons, and the focus, while the actions are the same ones

    const CardRow& row() const { return row_; }

    QPushButton* button(const QString& action) const; // null: it has none of that name
    void setExtra(QWidget*);                          // below everything; null: none. Takes it over

signals:
    void acted(const QString& id, const QString& action);

protected:
    void paintEvent(QPaintEvent*) override;

private:
    void fill();
    void makeButtons();

    const Theme& theme_;
    CardRow row_;
    Label *title_, *mark_, *state_, *detail_, *text_, *note_, *hint_, *fitWords_;
    QWidget* noteRow_;
    FitPill* pill_;
    ProgressLine* bar_;
    QWidget* buttonRow_;
    QVector<QPushButton*> buttons_;
    QWidget* extra_ = nullptr;
};

/// Cards, one below the other. GUI thread.
class CardList : public QWidget {
    Q_OBJECT

public:
    explicit CardList(const Theme&, QWidget* parent = nullptr);

    void setCards(const QVector<CardRow>&);

    int count() const { return int(cards_.size()); }

    Card* card(int index) const { return cards_.value(index); }

    Card* card(const QString& id) const; // null: not here

signals:
    void acted(const QString& id, const QString& action);

private:
    const Theme& theme_;
    QBoxLayout* layout_;
    QVector<Card*> cards_;
};

} // namespace hearth::ui
