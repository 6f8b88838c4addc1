// The composer: what each key does, compositions of an input method, drafts, size.
#include "ui/composer.h"

#include <QApplication>
#include <QClipboard>
#include <QElapsedTimer>
#include <QInputMethodEvent>
#include <QMimeData>
#include <QSignalSpy>
#include <QTest>
#include <QTextBlock>
#include <QToolButton>

using namespace hearth::ui;

class ComposerTest : public QObject {
    Q_OBJECT

private slots:

    void init() {
        theme_ = std::make_unique<Theme>();
        composer_ = std::make_unique<Composer>(*theme_);
        composer_->resize(680, 52);
        composer_->show();
        composer_->setFocus();
        QVERIFY(QTest::qWaitForWindowExposed(composer_.get()));
    }

    void cleanup() {
        composer_.reset();
        theme_.reset();
    }

    void enterSends() {
        QSignalSpy sent(composer_.get(), &Composer::submitted);
        QTest::keyClicks(&edit(), QStringLiteral("Hello"));
        QTest::keyClick(&edit(), Qt::Key_Return);
        QCOMPARE(sent.size(), 1);
        QCOMPARE(sent[0][0].toString(), QStringLiteral("Hello"));
        QVERIFY(composer_->text().isEmpty());
    }

    void keypadEnterSendsToo() {
        QSignalSpy sent(composer_.get(), &Composer::submitted);
        QTest::keyClicks(&edit(), QStringLiteral("Hello"));
        QTest::keyClick(&edit(), Qt::Key_Enter, Qt::KeypadModifier);
        QCOMPARE(sent.size(), 1);
    }

    void shiftEnterBreaksTheLine() {
        QSignalSpy sent(composer_.get(), &Composer::submitted);
        QTest::keyClicks(&edit(), QStringLiteral("one"));
        QTest::keyClick(&edit(), Qt::Key_Return, Qt::ShiftModifier);
        QTest::keyClicks(&edit(), QStringLiteral("two"));
        QCOMPARE(sent.size(), 0);
        QCOMPARE(composer_->text(), QStringLiteral("one\ntwo"));
        QCOMPARE(edit().document()->blockCount(), 2);
    }

    void nothingIsSentFromBlanks() {
        QSignalSpy sent(composer_.get(), &Composer::submitted);
        QTest::keyClick(&edit(), Qt::Key_Return);
        composer_->fill(QStringLiteral("  \n \n"));
        QTest::keyClick(&edit(), Qt::Key_Return);
        QCOMPARE(sent.size(), 0);
    }

    void blankLinesAroundAreDropped() {
        QSignalSpy sent(composer_.get(), &Composer::submitted);
        composer_->fill(QStringLiteral("\n\n    code\nmore \n\n"));
        QTest::keyClick(&edit(), Qt::Key_Return);
        QCOMPARE(sent[0][0].toString(), QStringLiteral("    code\nmore"));
    }

    void theDraftIsClearedBeforeTheMessageGoes() {
        QStringList order;
        connect(composer_.get(), &Composer::draftChanged, this,
                [&](const QString& t) { order << QStringLiteral("draft:") + t; });
        connect(composer_.get(), &Composer::submitted, this,
                [&](const QString& t) { order << QStringLiteral("sent:") + t; });
        QTest::keyClicks(&edit(), QStringLiteral("x"));
        QTest::keyClick(&edit(), Qt::Key_Return);
        QCOMPARE(order, (QStringList{QStringLiteral("draft:"), QStringLiteral("sent:x")}));
        QTest::qWait(400);
        QCOMPARE(order.size(), 2); // no late draft of what has been sent
    }

    void enterOnlyCommitsAComposition() {
        QSignalSpy sent(composer_.get(), &Composer::submitted);
        compose(QStringLiteral("ni hao"));
        QVERIFY(edit().isComposing());
        QTest::keyClick(&edit(), Qt::Key_Return);
        QCOMPARE(sent.size(), 0);
        commit(QStringLiteral("\u4F60\u597D"));
        QVERIFY(!edit().isComposing());
        QCOMPARE(sent.size(), 0);
        QCOMPARE(composer_->text(), QStringLiteral("\u4F60\u597D"));
        QTest::keyClick(&edit(), Qt::Key_Return);
        QCOMPARE(sent.size(), 1);
        QCOMPARE(sent[0][0].toString(), QStringLiteral("\u4F60\u597D"));
    }

    void thePlaceholderHidesWhenACompositionBegins() {
        QVERIFY(edit().showsPlaceholder());
        const QImage empty = picture();
        compose(QStringLiteral("n"));
        QVERIFY(!edit().showsPlaceholder());
        QVERIFY(picture() != empty);
        compose(QString()); // taken back
        QVERIFY(edit().showsPlaceholder());
    }

    void upRecallsTheLastMessageOfAnEmptyField() {
        composer_->setRecall([] { return QStringLiteral("what I said"); });
        QTest::keyClick(&edit(), Qt::Key_Up);
        QCOMPARE(composer_->text(), QStringLiteral("what I said"));
        composer_->setRecall([] { return QStringLiteral("other"); });
        QTest::keyClick(&edit(), Qt::Key_Up); // no longer empty: the key moves the cursor
        QCOMPARE(composer_->text(), QStringLiteral("what I said"));
    }

    void upDoesNotRecallDuringAComposition() {
        composer_->setRecall([] { return QStringLiteral("what I said"); });
        compose(QStringLiteral("ni"));
        QTest::keyClick(&edit(), Qt::Key_Up);
        QVERIFY(composer_->text().isEmpty());
    }

    void theDraftIsToldAtRest() {
        QSignalSpy draft(composer_.get(), &Composer::draftChanged);
        QTest::keyClicks(&edit(), QStringLiteral("ab"));
        QCOMPARE(draft.size(), 0);
        QVERIFY(draft.wait(1000));
        QCOMPARE(draft.size(), 1);
        QCOMPARE(draft[0][0].toString(), QStringLiteral("ab"));
        composer_->setText(QStringLiteral("restored")); // who sets it knows it
        QTest::qWait(400);
        QCOMPARE(draft.size(), 1);
    }

    void aWaitingDraftIsFlushed() {
        QSignalSpy draft(composer_.get(), &Composer::draftChanged);
        QTest::keyClicks(&edit(), QStringLiteral("ab"));
        composer_->flushDraft();
        QCOMPARE(draft.size(), 1);
        composer_->flushDraft();
        QCOMPARE(draft.size(), 1);
    }

    void sendTurnsIntoStopInPlace() {
        auto* button = composer_->findChild<QToolButton*>();
        QVERIFY(!button->isEnabled());
        const QRect place = button->geometry();
        composer_->setGenerating(true);
        QVERIFY(button->isEnabled());
        QCOMPARE(button->accessibleName(), QStringLiteral("Stop"));
        QCOMPARE(button->geometry(), place);
        QSignalSpy stopped(composer_.get(), &Composer::stopRequested);
        QTest::mouseClick(button, Qt::LeftButton);
        QCOMPARE(stopped.size(), 1);
        // What is written meanwhile is sent by Enter, to be queued.
        QSignalSpy sent(composer_.get(), &Composer::submitted);
        QTest::keyClicks(&edit(), QStringLiteral("next"));
        QTest::keyClick(&edit(), Qt::Key_Return);
        QCOMPARE(sent.size(), 1);
        QCOMPARE(stopped.size(), 1);
    }

    void itGrowsToItsMaximumAndNoFurther() {
        composer_->setMaximumCardHeight(300);
        QCOMPARE(composer_->sizeHint().height(), 52);
        composer_->fill(QStringLiteral("1\n2\n3"));
        QCOMPARE(composer_->sizeHint().height(), 52 + 2 * 24);
        composer_->fill(QStringLiteral("x\n").repeated(100));
        QCOMPARE(composer_->sizeHint().height(), 300);
        composer_->fill(QString());
        QCOMPARE(composer_->sizeHint().height(), 52);
    }

    void linesKeepTheirPitchInMixedText() {
        composer_->setMaximumCardHeight(600);
        composer_->fill(QStringLiteral("Latin\n\u4E2D\u6587\u548C Latin\n\U0001F525\nLatin"));
        composer_->resize(680, composer_->sizeHint().height());
        QVector<int> baselines;
        for (QTextBlock block = edit().document()->begin(); block.isValid(); block = block.next()) {
            const QRectF rect = edit().document()->documentLayout()->blockBoundingRect(block);
            QCOMPARE(rect.height(), 24.0);
            const QTextLine line = block.layout()->lineAt(0);
            baselines << qRound(line.y() + line.ascent());
        }
        QCOMPARE(baselines, QVector<int>(4, baselines[0]));
    }

    void twentyThousandLinesDoNotFreeze() {
        QMimeData data;
        data.setText(QStringLiteral("A line of a log, with a few words in it.\r\n").repeated(20000));
        QApplication::clipboard()->setText(data.text());
        QElapsedTimer clock;
        clock.start();
        edit().paste();
        QCoreApplication::processEvents();
        const qint64 pasted = clock.restart();
        for (int i = 0; i < 10; ++i)
            QTest::keyClick(&edit(), Qt::Key_A);
        const qint64 typed = clock.elapsed();
        qInfo("paste of 20,000 lines: %lld ms; 10 keys after it: %lld ms", pasted, typed);
        QCOMPARE(edit().document()->blockCount(), 20001);
        QVERIFY(!composer_->text().contains(u'\r'));
        QVERIFY2(pasted < 1500, "the paste froze the window");
        QVERIFY2(typed < 1000, "typing after it froze the window");
    }

    void pastedMarkupStaysText() {
        auto* data = new QMimeData;
        data->setHtml(QStringLiteral("<b>bold</b>"));
        data->setText(QStringLiteral("bold"));
        QApplication::clipboard()->setMimeData(data);
        edit().paste();
        QCOMPARE(composer_->text(), QStringLiteral("bold"));
    }

    void theTextSizeGrowsTheCard() {
        theme_->setTextSizePercent(200);
        QVERIFY(composer_->sizeHint().height() >= theme_->lineHeight(TextStyle::Message) + 20);
    }

private:
    ComposerEdit& edit() { return composer_->edit(); }

    void compose(const QString& preedit) {
        QInputMethodEvent event(preedit, {});
        QApplication::sendEvent(&edit(), &event);
    }

    void commit(const QString& text) {
        QInputMethodEvent event;
        event.setCommitString(text);
        QApplication::sendEvent(&edit(), &event);
    }

    QImage picture() { return composer_->grab().toImage(); }

    std::unique_ptr<Theme> theme_;
    std::unique_ptr<Composer> composer_;
};

QTEST_MAIN(ComposerTest)
#include "composer.moc"
