#pragma once

#include "ui/models/model_rows.h"
#include "ui/theme.h"

#include <QWidget>

namespace hearth::ui {

class CardList;
struct CardRow;
class Choice;
class Label;
class LabelledField;

/// What is being fetched: how far, how fast, what went wrong and what to do about it. GUI thread.
class DownloadsSection : public QWidget {
    Q_OBJECT

public:
    explicit DownloadsSection(const Theme&, QWidget* parent = nullptr);

    void setDownloads(const QVector<DownloadRow>&); // in the queue's order
    void updateDownload(const DownloadRow&);
    void setRateLimit(qint64 bytesPerSecond); // 0: none

    int unfinished() const;

    CardList& cards() { return *cards_; }

signals:
    void pauseRequested(const QString& id);
    void resumeRequested(const QString& id);
    void cancelRequested(const QString& id); // with what has arrived; a finished one leaves the list only
    void moveRequested(const QString& id, int position);
    void rateLimitChanged(qint64 bytesPerSecond);
    void useRequested(const QString& path);
    void pageRequested(const QString& hub, const QString& model); // the licence is to be accepted there
    void countChanged();

protected:
    void changeEvent(QEvent*) override;

private:
    void retranslate();
    void refresh();
    CardRow cardOf(const DownloadRow&, int place, int count) const;
    void act(const QString& id, const QString& action);

    const Theme& theme_;
    QVector<DownloadRow> rows_;
    qint64 limit_ = 0;
    Label *help_, *none_;
    Choice* limitBox_;
    LabelledField* limitField_;
    CardList* cards_;
    bool filling_ = false;
};

} // namespace hearth::ui
