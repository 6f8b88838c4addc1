#include "compositions.h"
#include "samples.h"
#include "tests/processor_time.h"
#include "ui/chat/block_layout.h"
#include "ui/chat/chat_view.h"
#include "ui/chat/height_index.h"
#include "ui/chat/markdown_writer.h"
#include "ui/find_bar.h"

#include <QAbstractButton>
#include <QAccessible>
#include <QApplication>
#include <QBackingStore>
#include <QClipboard>
#include <QContextMenuEvent>
#include <QGuiApplication>
#include <QLineEdit>
#include <QMenu>
#include <QRandomGenerator>
#include <QScrollBar>
#include <QSignalSpy>
#include <QTest>
#include <QTimer>
#include <QWheelEvent>

using namespace hearth::ui;
using test::answer;
using test::user;

namespace {

struct Window {
    Theme theme;
    ChatDocument document;
    ChatView view{document, theme};

    explicit Window(QSize size = QSize(800, 600)) {
        view.resize(size);
        view.show();
        view.activateWindow();
        if (!QTest::qWaitForWindowActive(&view))
            qWarning("the window is not active");
    }

    void show(const QVector<MessageRow>& rows) {
        document.setMessages(rows);
        settle();
    }

    void settle() {
        for (int i = 0; i < 4; ++i)
            QCoreApplication::processEvents();
    }

    void wheel(int notches) {
        QWheelEvent event(QPointF(400, 300), view.viewport()->mapToGlobal(QPointF(400, 300)), QPoint(),
                          QPoint(0, 120 * notches), Qt::NoButton, Qt::NoModifier, Qt::NoScrollPhase, false);
        QCoreApplication::sendEvent(view.viewport(), &event);
        settle();
    }

    QPoint pointOf(const TextPosition& p) { return view.caretRect(p).center(); }

    void drag(QPoint from, QPoint to) {
        QTest::mousePress(view.viewport(), Qt::LeftButton, {}, from);
        QMouseEvent move(QEvent::MouseMove, to, view.viewport()->mapToGlobal(to), Qt::NoButton, Qt::LeftButton, {});
        QCoreApplication::sendEvent(view.viewport(), &move);
        QTest::mouseRelease(view.viewport(), Qt::LeftButton, {}, to);
    }

    QAbstractButton* endButton() { return view.findChild<QAbstractButton*>(); }
};

QVector<MessageRow> longConversation(int turns) {
    QVector<MessageRow> rows;
    for (int i = 0; i < turns; ++i) {
        rows << user(2 * i + 1, QStringLiteral("Question %1?").arg(i));
        QString text;
        for (int k = 0; k < 6; ++k)
            text += QStringLiteral("Paragraph %1 of answer %2, long enough to be wrapped over several lines of the "
                                   "column, which a guess of its height may get wrong: 中文也一样。\n\n")
                        .arg(k)
                        .arg(i);
        rows << answer(2 * i + 2, text + QStringLiteral("```\ncode\nmore code\n```\n\n- a\n- b\n"));
    }
    return rows;
}

MessageRow streaming(RowId id) {
    MessageRow row = answer(id, QString());
    row.state = MessageState::Streaming;
    return row;
}

int pixelsOf(const QImage& image, const QColor& color) {
    int n = 0;
    for (int y = 0; y < image.height(); ++y)
        for (int x = 0; x < image.width(); ++x)
            n += image.pixelColor(x, y) == color ? 1 : 0;
    return n;
}

} // namespace

class ChatViewTest : public QObject {
    Q_OBJECT

private slots:
    void heightIndex();
    void selectsByMouseOverMessages();
    void selectsWordsAndLeaves();
    void selectsByKeyboard();
    void copiesAsItIsRead();
    void followsTheEnd();
    void textNeverJumps();
    void scrollingUpMovesByWhatWasAsked();
    void resizingKeepsThePlace();
    void positionComesBack();
    void onlyWhatIsNearIsLaidOut();
    void askingChangesNothing();
    void marksGrowWithTheText();
    void partialPaintingIsRight();
    void anyTextIsPaintedInParts();
    void longMessagesFold();
    void thoughtsFold();
    void actionsShowOnHoverAndFocusInPlace();
    void linksGoOutOneWay();
    void pitchIsEqual();
    void aContinuedReplyGoesOnInItsLine();
    void anEndedReplyKeepsItsText();
    void removingMessages();
    void screenReaders();
    void enlargedText();
    void codeIsColoured();
    void differencesHaveGrounds();
    void longCodeFolds();
    void growingCodeStaysOpen();
    void wideCodeAndTablesReachOut();
    void draggingThroughAReset();
    void theMenuOutlivesItsMessage();
    void lastCharactersOfWrappedLines();
    void mixedDirectionsAreMarkedWhereTheyStand();
    void screenReadersFollowTextAndSelection();
    void hairlinesAreOneDevicePixel();
    void changingSizeAndLanguageIsSilent();
    void aReopenedReplyShowsWhatGrows();
    void whatCanBeDoneWithAMessage();
    void theMenuByKeys();
    void copiesAsMarkdown();
    void markdownReadsTheSame();
    void findsInTheConversation();
    void findsWhatIsFoldedAndWhatGrows();
    void findsOverTheCutsOfAParagraph();
    void findsInThoughts();
    void moreThanCanBeCountedIsSaid();
    void findingCostsSlices();
    void newLinesAreCounted();
    void ownMessagesAreLookedAt();
    void aDeletedMessageMovesNothing();
    void theCaretGoesWithItsMessage();
    void anotherVersionKeepsThePlace();
    void timesAndDetails();
    void secondsOfThoughtsGoOn();
    void tablesMoveSidewaysAlone();
    void cellsStandAsTheirColumnSays();
    void linesOfCodeAreNumbered();
    void zoomsByTheWheel();
    void emphasisOfHanHasDots();
    void hanKeepsItsDistanceByLayoutOnly();
    void everyFormOfBlockIsDrawn();
    void longThingsArriveInSlices();
};

void ChatViewTest::heightIndex() {
    QRandomGenerator random(1);
    HeightIndex index;
    QVector<int> plain;
    for (int i = 0; i < 3000; ++i) {
        const int what = random.bounded(10);
        if (what < 6 || plain.isEmpty()) {
            const int h = random.bounded(50);
            index.append(h);
            plain.append(h);
        } else if (what < 9) {
            const int at = random.bounded(int(plain.size()));
            const int h = random.bounded(50);
            index.set(at, h);
            plain[at] = h;
        } else {
            const int n = random.bounded(int(plain.size()) + 1);
            if (n > plain.size() / 2) {
                index.truncate(n);
                plain.resize(n);
            }
        }
        int sum = 0;
        const int probe = plain.isEmpty() ? 0 : random.bounded(int(plain.size()));
        for (int k = 0; k < probe; ++k)
            sum += plain[k];
        QCOMPARE(index.top(probe), sum);
        QCOMPARE(index.count(), int(plain.size()));
        if (plain.isEmpty())
            continue;
        const int y = random.bounded(index.total() + 2);
        const int at = index.at(y);
        if (y < index.total()) {
            QVERIFY(index.top(at) <= y && y < index.top(at) + plain[at]);
        } else {
            QCOMPARE(at, int(plain.size()) - 1);
        }
    }
}

void ChatViewTest::selectsByMouseOverMessages() {
    Window w;
    w.show({user(1, QStringLiteral("first question")), answer(2, QStringLiteral("An **answer** here.\n\n- one\n- two")),
            user(3, QStringLiteral("second question"))});
    const QPoint from = w.view.caretRect({0, Part::Body, 0, 6}).center();
    const QPoint to = w.view.caretRect({2, Part::Body, 0, 6}).center();
    w.drag(from, to);
    QVERIFY(w.view.hasSelection());
    const QString expected = QStringLiteral("question\n\nAn answer here.\n\n\u2022 one\n\u2022 two\n\nsecond");
    QCOMPARE(w.view.selectedText(), expected);
    QTest::keySequence(&w.view, QKeySequence::Copy);
    QCOMPARE(QGuiApplication::clipboard()->text(), expected);
    // Upwards it is the same.
    w.drag(to, from);
    QCOMPARE(w.view.selectedText(), expected);
    QTest::mouseClick(w.view.viewport(), Qt::LeftButton, {}, QPoint(300, 590));
    QVERIFY(!w.view.hasSelection());
    // A selection is drawn.
    w.drag(from, to);
    const QImage image = w.view.grab().toImage();
    const QRect inside = w.view.caretRect({1, Part::Body, 0, 3});
    QCOMPARE(image.pixelColor(inside.x() + 1, inside.y() + 1), w.theme.color(Token::Selection));
}

void ChatViewTest::selectsWordsAndLeaves() {
    Window w;
    w.show({answer(1, QStringLiteral("Alpha beta gamma.\n\nDelta."))});
    const QPoint p = w.pointOf({0, Part::Body, 0, 8});
    QTest::mouseDClick(w.view.viewport(), Qt::LeftButton, {}, p);
    QCOMPARE(w.view.selectedText(), QStringLiteral("beta"));
    QTest::mousePress(w.view.viewport(), Qt::LeftButton, {}, p); // the third click of three
    QTest::mouseRelease(w.view.viewport(), Qt::LeftButton, {}, p);
    QCOMPARE(w.view.selectedText(), QStringLiteral("Alpha beta gamma."));
}

void ChatViewTest::selectsByKeyboard() {
    Window w;
    w.show({user(1, QStringLiteral("ab")), answer(2, QStringLiteral("cd ef"))});
    w.view.setFocus();
    w.drag(w.pointOf({0, Part::Body, 0, 1}), w.pointOf({0, Part::Body, 0, 1}));
    for (int i = 0; i < 3; ++i)
        QTest::keyClick(&w.view, Qt::Key_Right, Qt::ShiftModifier);
    QCOMPARE(w.view.selectedText(), QStringLiteral("b\n\nc"));
    QTest::keyClick(&w.view, Qt::Key_End, Qt::ShiftModifier);
    QCOMPARE(w.view.selectedText(), QStringLiteral("b\n\ncd ef"));
    QTest::keyClick(&w.view, Qt::Key_Left, Qt::ShiftModifier | Qt::ControlModifier);
    QCOMPARE(w.view.selectedText(), QStringLiteral("b\n\ncd "));
    QTest::keyClick(&w.view, Qt::Key_Up, Qt::ShiftModifier);
    QVERIFY(!w.view.selectedText().contains(u'c'));
    QTest::keySequence(&w.view, QKeySequence::SelectAll);
    QCOMPARE(w.view.selectedText(), QStringLiteral("ab\n\ncd ef"));
    QTest::keyClick(&w.view, Qt::Key_Escape);
    QVERIFY(!w.view.hasSelection());
}

void ChatViewTest::copiesAsItIsRead() {
    ChatDocument document;
    document.setMessages({answer(1, QStringLiteral("# Head\n\n3. a\n   - b\n4. [x] c\n\n| x | y |\n|---|---|\n| 1 | 2 "
                                                   "|\n\n```\nl1\nl2\n```\n\n> q\x1b[31m"))});
    QCOMPARE(document.plainText(0, Part::Body),
             QStringLiteral("Head\n\n3. a\n  \u2022 b\n[x] c\n\nx\ty\n1\t2\n\nl1\nl2\n\nq[31m"));
}

void ChatViewTest::followsTheEnd() {
    Window w;
    QVector<MessageRow> rows = longConversation(10);
    rows << streaming(100);
    w.show(rows);
    QVERIFY(w.view.atEnd());
    for (int i = 0; i < 60; ++i) {
        w.document.appendText(100, QStringLiteral("Line %1 of the reply.\n\n").arg(i));
        w.settle();
        QVERIFY(w.view.atEnd());
        QCOMPARE(w.view.verticalScrollBar()->value(), w.view.verticalScrollBar()->maximum());
    }
    QVERIFY(!w.endButton()->isVisible());
    w.wheel(3);
    QVERIFY(!w.view.atEnd());
    QVERIFY(w.endButton()->isVisible());
    const int at = w.view.verticalScrollBar()->value();
    w.document.appendText(100, QStringLiteral("more\n\n").repeated(20));
    w.settle();
    QCOMPARE(w.view.verticalScrollBar()->value(), at);
    QVERIFY(w.view.verticalScrollBar()->maximum() > at + 300);
    QTest::mouseClick(w.endButton(), Qt::LeftButton);
    QVERIFY(w.view.atEnd());
    QVERIFY(!w.endButton()->isVisible());
    // Scrolled down to the end by hand: following again.
    w.wheel(2);
    QVERIFY(!w.view.atEnd());
    w.wheel(-3);
    QVERIFY(w.view.atEnd());
}

void ChatViewTest::textNeverJumps() {
    Window w;
    QVector<MessageRow> rows = longConversation(30);
    rows << streaming(100);
    w.show(rows);
    w.view.setScrollPosition(21.4);
    w.settle();
    const TextPosition seen{21, Part::Body, 3, 10};
    const int y = w.view.caretRect(seen).y();
    for (int i = 0; i < 30; ++i) {
        w.document.appendText(100, QStringLiteral("word **word** word\n"));
        w.settle();
        QCOMPARE(w.view.caretRect(seen).y(), y);
    }
    w.document.finishMessage(100, MessageState::Complete, 0, QString());
    w.settle();
    QCOMPARE(w.view.caretRect(seen).y(), y);
}

void ChatViewTest::scrollingUpMovesByWhatWasAsked() {
    // The messages above were never laid out: their guesses become true while the reader passes.
    Window w;
    w.show(longConversation(40));
    for (int step = 0; step < 60; ++step) {
        const double position = w.view.scrollPosition();
        const int message = position < 0 ? w.document.count() - 1 : int(position);
        const int before = w.view.messageRect(message).y();
        const int wanted = std::min(w.view.verticalScrollBar()->value(), 3 * w.theme.lineHeight(TextStyle::Message));
        w.wheel(1);
        const int moved = w.view.messageRect(message).y() - before;
        QVERIFY2(moved == wanted || w.view.verticalScrollBar()->value() == 0,
                 qPrintable(QStringLiteral("%1 of %2").arg(moved).arg(wanted)));
    }
}

void ChatViewTest::resizingKeepsThePlace() {
    Window w;
    w.show(longConversation(20));
    w.view.setScrollPosition(11.5);
    w.settle();
    const double before = w.view.scrollPosition();
    w.view.resize(560, 600);
    w.settle();
    QVERIFY2(std::abs(w.view.scrollPosition() - before) < 0.2, qPrintable(QString::number(w.view.scrollPosition())));
    w.view.resize(800, 600);
    w.settle();
    QVERIFY2(std::abs(w.view.scrollPosition() - before) < 0.2, qPrintable(QString::number(w.view.scrollPosition())));
    // At the end it stays at the end.
    w.view.scrollToEnd();
    w.view.resize(560, 500);
    w.settle();
    QVERIFY(w.view.atEnd());
    QCOMPARE(w.view.verticalScrollBar()->value(), w.view.verticalScrollBar()->maximum());
}

void ChatViewTest::positionComesBack() {
    Window w;
    w.show(longConversation(20));
    w.view.setScrollPosition(7.25);
    w.settle();
    const double position = w.view.scrollPosition();
    QVERIFY(std::abs(position - 7.25) < 0.05);
    Window again;
    again.show(longConversation(20));
    QCOMPARE(again.view.scrollPosition(), -1.0);
    again.view.setScrollPosition(position);
    again.settle();
    QVERIFY(std::abs(again.view.scrollPosition() - position) < 0.01);
    again.view.setScrollPosition(-1);
    QVERIFY(again.view.atEnd());
    again.view.setScrollPosition(1e9);
    again.view.setScrollPosition(0);
    QCOMPARE(again.view.verticalScrollBar()->value(), 0);
}

void ChatViewTest::onlyWhatIsNearIsLaidOut() {
    Window w;
    w.show(longConversation(500));
    QVERIFY2(w.view.layoutCount() < 80, qPrintable(QString::number(w.view.layoutCount())));
    for (int i = 0; i < 20; ++i) {
        w.view.setScrollPosition(i * 45 + 0.3);
        w.settle();
        w.view.grab();
        QVERIFY2(w.view.layoutCount() < 120, qPrintable(QString::number(w.view.layoutCount())));
    }
    // One message of thousands of leaves.
    w.show({answer(1, QStringLiteral("- an item\n").repeated(5000))});
    QVERIFY2(w.view.layoutCount() < 120, qPrintable(QString::number(w.view.layoutCount())));
    w.view.setScrollPosition(0.5);
    QVERIFY2(w.view.layoutCount() < 160, qPrintable(QString::number(w.view.layoutCount())));
}

void ChatViewTest::marksGrowWithTheText() {
    int signs[2];
    for (const int percent : {100, 200}) {
        Window w;
        w.theme.setTextSizePercent(percent);
        w.show({answer(1, QStringLiteral("plain\n\n- item\n  - nested"))});
        const QRect plain = w.view.caretRect({0, Part::Body, 0, 0});
        QCOMPARE(w.view.caretRect({0, Part::Body, 1, 0}).x() - plain.x(), 24 * percent / 100);
        QCOMPARE(w.view.caretRect({0, Part::Body, 2, 0}).x() - plain.x(), 48 * percent / 100);
        const QRect item = w.view.caretRect({0, Part::Body, 1, 0});
        const QRect before(plain.x(), item.y(), item.x() - plain.x() - 2, item.height());
        signs[percent / 200] = pixelsOf(w.view.viewport()->grab().toImage().copy(before), w.theme.color(Token::Second));
    }
    QVERIFY2(signs[1] > 2.5 * signs[0], qPrintable(QStringLiteral("%1 %2").arg(signs[0]).arg(signs[1])));
}

/// A screen reader asks about messages far away: the reader's place, what is laid out and how far it scrolls stay.
void ChatViewTest::askingChangesNothing() {
    Window w;
    w.show(longConversation(60));
    w.view.setScrollPosition(60.3);
    w.settle();
    const QImage before = w.view.viewport()->grab().toImage();
    const int layouts = w.view.layoutCount();
    const int most = w.view.verticalScrollBar()->maximum();
    QAccessibleInterface* view = QAccessible::queryAccessibleInterface(&w.view);
    for (int i = 0; i < w.document.count(); ++i) {
        QVERIFY(!view->child(i)->text(QAccessible::Help).isEmpty());
        view->child(i)->state();
        view->child(i)->rect();
    }
    QCOMPARE(w.view.layoutCount(), layouts);
    QCOMPARE(w.view.verticalScrollBar()->maximum(), most);
    // Where a letter stands needs a layout: what is read does not move for it.
    for (const int i : {3, 21, 41, 55, 61, 99}) {
        const QRect letter = view->child(i)->textInterface()->characterRect(40);
        QVERIFY(letter.height() > 0);
        QCOMPARE(w.view.viewport()->grab().toImage(), before);
        QCOMPARE(letter, view->child(i)->textInterface()->characterRect(40));
    }
    QVERIFY(w.view.layoutCount() < layouts + 40);
}

void ChatViewTest::partialPaintingIsRight() {
    // What stands in the window after many small repaints is what a whole painting gives.
    Window w;
    QVector<MessageRow> rows = longConversation(3);
    rows << streaming(100);
    w.show(rows);
    const QString text = test::english()[1].text + test::chinese()[1].text;
    int frame = 0;
    for (qsizetype at = 0; at < text.size(); at += 9) {
        w.document.appendText(100, text.mid(at, 9));
        w.settle();
        if (++frame % 25)
            continue;
        const auto* shown = static_cast<QImage*>(w.view.backingStore()->paintDevice());
        const QImage inWindow = shown->copy(w.view.rect()).convertToFormat(QImage::Format_RGB32);
        const QImage whole = w.view.grab().toImage().convertToFormat(QImage::Format_RGB32);
        if (inWindow != whole && qEnvironmentVariableIsSet("HEARTH_SCREENSHOTS")) {
            inWindow.save(qEnvironmentVariable("HEARTH_SCREENSHOTS") + QStringLiteral("/partial.png"));
            whole.save(qEnvironmentVariable("HEARTH_SCREENSHOTS") + QStringLiteral("/whole.png"));
        }
        QVERIFY2(inWindow == whole, qPrintable(QStringLiteral("frame %1").arg(frame)));
    }
}

void ChatViewTest::anyTextIsPaintedInParts() {
    QRandomGenerator random(77);
    for (int round = 0; round < 12; ++round) {
        Window w(QSize(1000, 600)); // wide code reaches out of the column
        QVector<MessageRow> rows = longConversation(2);
        MessageRow row = streaming(100);
        row.model = QStringLiteral("model");
        rows << row;
        w.show(rows);
        QString text = round == 0 ? QStringLiteral("```\nx\n%1\ny\n").arg(QString(130, u'x')) +
                                        QStringLiteral("z\n").repeated(20) + QStringLiteral("```\n")
                       : round == 1 ? QStringLiteral("a\u0301\u0302\u0303\u0304g\u0323\u0324 y ").repeated(80)
                                    : QString();
        while (text.size() < 1500)
            text += test::composition(random, test::Words::Mixed, 3) + QStringLiteral("\n\n");
        int frame = 0;
        for (qsizetype at = 0; at < text.size();) {
            const qsizetype n = 1 + qsizetype(random.bounded(30));
            w.document.appendText(100, text.mid(at, n));
            at += n;
            w.settle();
            if (++frame % 4)
                continue;
            const auto* shown = static_cast<QImage*>(w.view.backingStore()->paintDevice());
            const QImage inWindow = shown->copy(w.view.rect()).convertToFormat(QImage::Format_RGB32);
            const QImage whole = w.view.grab().toImage().convertToFormat(QImage::Format_RGB32);
            if (inWindow != whole && qEnvironmentVariableIsSet("HEARTH_SCREENSHOTS")) {
                inWindow.save(qEnvironmentVariable("HEARTH_SCREENSHOTS") + QStringLiteral("/partial.png"));
                whole.save(qEnvironmentVariable("HEARTH_SCREENSHOTS") + QStringLiteral("/whole.png"));
            }
            QVERIFY2(inWindow == whole, qPrintable(QStringLiteral("round %1, frame %2, behind\n%3")
                                                       .arg(round)
                                                       .arg(frame)
                                                       .arg(text.left(at).right(200))));
        }
    }
}

void ChatViewTest::longMessagesFold() {
    Window w;
    QString text;
    for (int i = 0; i < 40; ++i)
        text += QStringLiteral("line %1\n").arg(i);
    w.show({user(1, text), answer(2, QStringLiteral("ok"))});
    const int folded = w.view.messageRect(0).height();
    QVERIFY(folded < 16 * 24 + 80);
    QVERIFY(w.view.activateTarget(QStringLiteral("Show more")));
    w.settle();
    QVERIFY(w.view.messageRect(0).height() > 40 * 24);
    w.view.setScrollPosition(0.99);
    w.settle();
    QVERIFY(w.view.activateTarget(QStringLiteral("Show less")));
    w.settle();
    QCOMPARE(w.view.messageRect(0).height(), folded);
    QVERIFY(w.view.messageRect(0).intersects(w.view.viewport()->rect())); // and it is still there to be seen
    w.show({user(1, QStringLiteral("short"))});
    QVERIFY(!w.view.visibleTargets().contains(QStringLiteral("Show more")));
}

void ChatViewTest::thoughtsFold() {
    Window w;
    MessageRow row = streaming(1);
    w.show({row});
    w.document.appendThoughts(1, QStringLiteral("First thought.\n\nSecond"));
    w.settle();
    QVERIFY(w.view.visibleTargets().join(u' ').contains(QStringLiteral("Thinking")));
    const int growing = w.view.messageRect(0).height();
    w.document.appendThoughts(1, QStringLiteral(" thought.\n\nThird thought.\n").repeated(30));
    w.settle();
    QCOMPARE(w.view.messageRect(0).height(), growing); // one line, however much is thought
    w.document.appendText(1, QStringLiteral("The answer."));
    w.document.finishMessage(1, MessageState::Complete, 34, QString());
    w.settle();
    const QString title = QStringLiteral("Thought for 34 s");
    QVERIFY(w.view.visibleTargets().contains(title));
    const int folded = w.view.messageRect(0).height();
    w.view.clearFocus();
    w.view.setFocus(Qt::TabFocusReason); // the keyboard's way
    QTest::keyClick(&w.view, Qt::Key_Return);
    w.settle();
    QVERIFY(w.view.messageRect(0).height() > folded + 100);
    QVERIFY(w.view.activateTarget(title));
    w.settle();
    QCOMPARE(w.view.messageRect(0).height(), folded);
    // Thoughts are not part of what is copied with the answer.
    w.view.selectAll();
    QCOMPARE(w.view.selectedText(), QStringLiteral("The answer."));
}

void ChatViewTest::actionsShowOnHoverAndFocusInPlace() {
    Window w;
    MessageRow second = answer(2, QStringLiteral("An answer."));
    second.siblingCount = 3;
    second.siblingIndex = 1;
    MessageRow cut = answer(4, QStringLiteral("Cut"));
    cut.state = MessageState::Interrupted;
    w.show({user(1, QStringLiteral("q")), second, user(3, QStringLiteral("r")), cut});
    QVERIFY(!w.view.visibleTargets().contains(QStringLiteral("Regenerate")));
    QVERIFY(w.view.visibleTargets().contains(QStringLiteral("Continue")));
    const int height = w.view.messageRect(1).height();
    QMouseEvent move(QEvent::MouseMove, QPointF(300, w.view.messageRect(1).center().y()),
                     w.view.viewport()->mapToGlobal(QPointF(300, w.view.messageRect(1).center().y())), Qt::NoButton,
                     Qt::NoButton, {});
    QCoreApplication::sendEvent(w.view.viewport(), &move);
    for (const char* label : {"Copy", "Regenerate", "Previous version", "Next version"})
        QVERIFY2(w.view.visibleTargets().contains(QLatin1String(label)), label);
    QCOMPARE(w.view.messageRect(1).height(), height);
    QSignalSpy regenerate(&w.view, &ChatView::regenerateRequested);
    QSignalSpy sibling(&w.view, &ChatView::siblingRequested);
    QSignalSpy goOn(&w.view, &ChatView::continueRequested);
    w.view.activateTarget(QStringLiteral("Regenerate"));
    QCOMPARE(regenerate.takeFirst().at(0).toLongLong(), 2);
    w.view.activateTarget(QStringLiteral("Next version"));
    QCOMPARE(sibling.takeFirst().at(1).toInt(), 2);
    w.view.activateTarget(QStringLiteral("Continue"));
    QCOMPARE(goOn.takeFirst().at(0).toLongLong(), 4);
    w.view.activateTarget(QStringLiteral("Copy"));
    QCOMPARE(QGuiApplication::clipboard()->text(), QStringLiteral("An answer."));
    QEvent leave(QEvent::Leave);
    QCoreApplication::sendEvent(w.view.viewport(), &leave);
    QVERIFY(!w.view.visibleTargets().contains(QStringLiteral("Regenerate")));
    w.view.clearFocus();
    w.view.setFocus(Qt::TabFocusReason);
    QCOMPARE(w.view.visibleTargets().count(QStringLiteral("Regenerate")), 2);
    // Tab walks them, then leaves.
    for (int i = 0; i < 20 && w.view.hasFocus(); ++i)
        QTest::keyClick(&w.view, Qt::Key_Tab);
    QVERIFY(regenerate.isEmpty());
}

void ChatViewTest::linksGoOutOneWay() {
    Window w;
    w.show({answer(1, QStringLiteral("[here](https://example.com/x) and `code`"))});
    QSignalSpy opened(&w.view, &ChatView::linkActivated);
    QSignalSpy hovered(&w.view, &ChatView::linkHovered);
    const QPoint p = w.pointOf({0, Part::Body, 0, 2});
    QMouseEvent move(QEvent::MouseMove, p, w.view.viewport()->mapToGlobal(p), Qt::NoButton, Qt::NoButton, {});
    QCoreApplication::sendEvent(w.view.viewport(), &move);
    QCOMPARE(hovered.takeFirst().at(0).toString(), QStringLiteral("https://example.com/x"));
    QCOMPARE(opened.count(), 0);
    // Dragging over a link selects its text; clicking hands it out.
    w.drag(w.view.caretRect({0, Part::Body, 0, 0}).center(), w.view.caretRect({0, Part::Body, 0, 4}).center());
    QCOMPARE(opened.count(), 0);
    QCOMPARE(w.view.selectedText(), QStringLiteral("here"));
    QTest::mouseClick(w.view.viewport(), Qt::LeftButton, {}, p);
    QCOMPARE(opened.count(), 1);
    QCOMPARE(opened.takeFirst().at(0).toUrl(), QUrl(QStringLiteral("https://example.com/x")));
}

void ChatViewTest::pitchIsEqual() {
    Window w;
    const QString text =
        QStringLiteral("Latin words and 中文字 with `code` and **bold 粗体** and \U0001F600 emoji, ").repeated(12);
    w.show({answer(1, text)});
    const int pitch = w.theme.lineHeight(TextStyle::Message);
    const int first = w.view.caretRect({0, Part::Body, 0, 0}).y();
    const int length = int(w.document.blocks(0, Part::Body).inlines(0).text.size());
    QSet<int> lines;
    for (int i = 0; i < length; i += 5) {
        const QRect r = w.view.caretRect({0, Part::Body, 0, i});
        QCOMPARE((r.y() - first) % pitch, 0);
        QCOMPARE(r.height(), pitch);
        lines.insert(r.y());
    }
    QVERIFY(lines.size() >= 8);
    QCOMPARE(lines.size() * pitch, *std::max_element(lines.begin(), lines.end()) - first + pitch); // no line is skipped
}

void ChatViewTest::aContinuedReplyGoesOnInItsLine() {
    Window w;
    MessageRow row = streaming(1);
    w.show({row});
    w.document.appendText(1, QStringLiteral("The quick bro"));
    w.document.finishMessage(1, MessageState::Interrupted, 0, QString());
    w.settle();
    QVERIFY(w.view.visibleTargets().contains(QStringLiteral("Continue")));
    row.state = MessageState::Streaming;
    w.document.updateMessage(row);
    w.settle();
    w.document.appendText(1, QStringLiteral("wn fox"));
    w.settle();
    w.document.finishMessage(1, MessageState::Complete, 0, QString());
    w.settle();
    QCOMPARE(w.document.text(1), QStringLiteral("The quick brown fox"));
    QCOMPARE(w.document.blocks(0, Part::Body).count(), 1);
    QCOMPARE(w.document.messages()[0].text, QStringLiteral("The quick brown fox"));
    QVERIFY(!w.view.visibleTargets().contains(QStringLiteral("Continue")));
}

void ChatViewTest::anEndedReplyKeepsItsText() {
    ChatDocument document;
    MessageRow row = streaming(5);
    document.setMessages({row});
    document.appendText(5, QStringLiteral("a"));
    row.state = MessageState::Complete;
    row.text = QString();
    document.updateMessage(row);
    QCOMPARE(document.text(5), QStringLiteral("a"));
    QCOMPARE(document.message(0).state, MessageState::Complete);
    document.appendText(5, QStringLiteral("late")); // a token that comes after the end changes nothing
    QCOMPARE(document.text(5), QStringLiteral("a"));
    document.appendText(99, QStringLiteral("nobody"));
    document.finishMessage(99, MessageState::Complete, 0, QString());
    document.removeFrom(99);
    QCOMPARE(document.count(), 1);
}

void ChatViewTest::removingMessages() {
    Window w;
    w.show(longConversation(10));
    w.view.selectAll();
    w.document.removeFrom(5);
    w.settle();
    QCOMPARE(w.document.count(), 4);
    QVERIFY(!w.view.hasSelection());
    w.document.appendMessage(user(50, QStringLiteral("again")));
    w.document.appendMessage(streaming(51));
    w.document.appendText(51, QStringLiteral("yes"));
    w.settle();
    QCOMPARE(w.document.indexOf(51), 5);
    QVERIFY(w.view.atEnd());
    w.document.removeFrom(1);
    w.settle();
    QCOMPARE(w.document.count(), 0);
    w.view.grab();
    w.view.selectAll();
    for (const int key : {Qt::Key_Right, Qt::Key_Up, Qt::Key_End, Qt::Key_PageDown})
        QTest::keyClick(&w.view, Qt::Key(key), Qt::ShiftModifier);
    QVERIFY(!w.view.caretRect({0, Part::Body, 0, 0}).isValid());
    QVERIFY(!w.view.messageRect(0).isValid());
    QVERIFY(w.view.selectedText().isEmpty());
}

void ChatViewTest::screenReaders() {
    Window w;
    w.show({user(1, QStringLiteral("Hello")), answer(2, QStringLiteral("**Hi** there\n\n- one"))});
    QAccessibleInterface* view = QAccessible::queryAccessibleInterface(&w.view);
    QVERIFY(view);
    QCOMPARE(view->role(), QAccessible::List);
    QCOMPARE(view->childCount(), 2);
    QCOMPARE(view->child(0)->text(QAccessible::Name), QStringLiteral("You"));
    QCOMPARE(view->child(1)->text(QAccessible::Name), QStringLiteral("SmolLM2 135M"));
    QCOMPARE(view->child(1)->text(QAccessible::Value), QStringLiteral("Hi there\n\n\u2022 one"));
    QCOMPARE(view->indexOfChild(view->child(1)), 1);
    QVERIFY(view->child(1)->parent() == view);
    QVERIFY(view->child(0)->rect().isValid());
    QCOMPARE(view->child(1)->textInterface()->text(0, 2), QStringLiteral("Hi"));
    QSignalSpy regenerate(&w.view, &ChatView::regenerateRequested);
    view->child(1)->actionInterface()->doAction(QStringLiteral("regenerate"));
    QCOMPARE(regenerate.count(), 1);
    QAccessibleInterface* old = view->child(1);
    Q_UNUSED(old)
    w.document.removeFrom(2);
    w.settle();
    QCOMPARE(view->childCount(), 1);
    QVERIFY(!view->child(1));
}

void ChatViewTest::enlargedText() {
    Window w;
    w.show(test::english());
    const int before = w.view.messageRect(1).height();
    w.theme.setTextSizePercent(200);
    w.settle();
    QVERIFY(w.view.messageRect(1).height() > before * 3 / 2);
    w.view.grab();
}

void ChatViewTest::codeIsColoured() {
    // A comment that began in an earlier slice goes on in a later one.
    Window w;
    w.show(
        {answer(1, QStringLiteral("```c\n/*\n") + QStringLiteral("word\n").repeated(200) + QStringLiteral("*/\n```"))});
    QVERIFY(w.view.activateTarget(QStringLiteral("Show all 202 lines")));
    w.view.scrollToEnd();
    const QImage image = w.view.grab().toImage();
    bool comment = false;
    const QRect last = w.view.caretRect({0, Part::Body, 3, 0});
    for (int x = last.x(); x < last.x() + 60; ++x)
        for (int y = last.y(); y < last.bottom(); ++y)
            comment |= image.pixelColor(x, y) == w.theme.color(Token::Comment);
    QVERIFY(comment);
}

void ChatViewTest::differencesHaveGrounds() {
    Window w;
    w.show({answer(1, QStringLiteral("```diff\n@@ -1 +1 @@\n-old\n+new ") + QString(200, u'x') +
                          QStringLiteral("\n same\n```"))});
    const QImage image = w.view.grab().toImage();
    const auto ground = [&](int line) {
        QString text = QStringLiteral("@@ -1 +1 @@\n-old\n+new ") + QString(200, u'x') + QStringLiteral("\n same");
        const int offset = int(text.split(u'\n').mid(0, line).join(u'\n').size()) + (line > 0 ? 1 : 0);
        const QRect caret = w.view.caretRect({0, Part::Body, 0, offset});
        // From edge to edge: left of the text, where the block begins.
        return image.pixelColor(caret.x() - BlockLayout::kCodeInset + 2, caret.center().y());
    };
    QCOMPARE(ground(0), w.theme.color(Token::Code));
    QCOMPARE(ground(1), w.theme.color(Token::Removed));
    QCOMPARE(ground(2), w.theme.color(Token::Added));
    QCOMPARE(ground(3), w.theme.color(Token::Code));
}

QString codeOfLines(int lines, const QString& line = QStringLiteral("x = %1")) {
    QString code = QStringLiteral("```python\n");
    for (int i = 1; i <= lines; ++i)
        code += line.arg(i) + u'\n';
    return code + QStringLiteral("```\n");
}

void ChatViewTest::longCodeFolds() {
    Window w(QSize(800, 400));
    for (const int lines : {41, 64, 65, 500}) {
        const QString fold = QStringLiteral("Show all %1 lines").arg(lines);
        w.show({user(1, QStringLiteral("?")),
                answer(2, QStringLiteral("Before\n\n") + codeOfLines(lines) + QStringLiteral("\nAfter"))});
        w.view.scrollToEnd();
        const int pitch = w.theme.lineHeight(TextStyle::Code);
        const int folded = w.view.messageRect(1).height();
        QVERIFY2(folded < 41 * pitch + 200, qPrintable(QString::number(folded)));
        QVERIFY2(w.view.visibleTargets().contains(fold), qPrintable(w.view.visibleTargets().join(u'|')));
        QVERIFY(w.view.activateTarget(fold));
        w.settle();
        w.view.scrollToEnd();
        w.settle();
        const int open = w.view.messageRect(1).height();
        QVERIFY2(std::abs(open - folded - (lines - 40) * pitch) <= 1 || lines > 64,
                 qPrintable(QStringLiteral("%1 %2").arg(open).arg(folded)));
        QVERIFY(open >= folded + (lines - 40) * pitch - 4 * pitch);
        // It is pressed at its end, and its head comes into sight.
        QVERIFY(w.view.activateTarget(QStringLiteral("Show less")));
        w.settle();
        QCOMPARE(w.view.messageRect(1).height(), folded);
        w.view.selectAll();
        QVERIFY(w.view.selectedText().contains(QStringLiteral("x = %1\n\nAfter").arg(lines)));
        w.view.grab();
    }
    w.show({user(1, QStringLiteral("?")), answer(2, codeOfLines(40))});
    QVERIFY(!w.view.visibleTargets().join(u'|').contains(QStringLiteral("Show all")));
}

void ChatViewTest::growingCodeStaysOpen() {
    Window w(QSize(800, 400));
    w.show({user(1, QStringLiteral("?")), streaming(2)});
    const QString code = codeOfLines(200);
    for (qsizetype at = 0; at < code.size(); at += 97) {
        w.document.appendText(2, code.mid(at, 97));
        w.settle();
    }
    const int grown = w.view.messageRect(1).height();
    QVERIFY(grown > 200 * w.theme.lineHeight(TextStyle::Code));
    w.document.finishMessage(2, MessageState::Complete, 0, {});
    w.settle();
    QVERIFY(std::abs(w.view.messageRect(1).height() - grown) <= w.theme.lineHeight(TextStyle::Code));
    QVERIFY(w.view.atEnd());
    w.document.setMessages(w.document.messages());
    w.settle();
    QVERIFY(w.view.messageRect(1).height() < grown / 2);
}

void ChatViewTest::wideCodeAndTablesReachOut() {
    const QString wide = codeOfLines(3, QString(200, u'a') + QStringLiteral("%1"));
    const QString table = QStringLiteral("| %1 | %1 |\n|-|-|\n| %1 | %1 |\n").arg(QString(70, u'w'));
    const auto rightEdge = [](Window& w, Token token) {
        const QImage image = w.view.viewport()->grab().toImage();
        int right = 0;
        for (int y = 0; y < image.height(); ++y)
            for (int x = image.width() - 1; x > right; --x)
                if (image.pixelColor(x, y) == w.theme.color(token))
                    right = x;
        return right;
    };
    for (const auto& [view, code] : {std::pair{1200, 1100 - 1}, std::pair{800, 776 - 1}}) {
        Window w(QSize(view, 500));
        const int left = (view - std::min(680, view - 48)) / 2;
        const int most = std::min(left + 840, view - 24) - 1;
        Q_UNUSED(code)
        w.show({user(1, QStringLiteral("?")), answer(2, wide)});
        QCOMPARE(rightEdge(w, Token::Code), most);
        w.show({user(1, QStringLiteral("?")), answer(2, QStringLiteral("```\nshort\n```\n"))});
        QCOMPARE(rightEdge(w, Token::Code), left + std::min(680, view - 48) - 1);
        w.show({user(1, QStringLiteral("?")), answer(2, table)});
        QCOMPARE(rightEdge(w, Token::Outline), most);
    }
}

void ChatViewTest::draggingThroughAReset() {
    Window w;
    w.show(longConversation(3));
    w.view.setScrollPosition(0);
    QSignalSpy changed(&w.view, &ChatView::selectionChanged);
    const QPoint from = w.pointOf({1, Part::Body, 0, 4});
    for (const bool words : {false, true}) {
        w.show(longConversation(3));
        w.view.setScrollPosition(0);
        if (words)
            QTest::mouseDClick(w.view.viewport(), Qt::LeftButton, {}, from);
        QTest::mousePress(w.view.viewport(), Qt::LeftButton, {}, from);
        if (words)
            QTest::mouseDClick(w.view.viewport(), Qt::LeftButton, {}, from);
        changed.clear();
        if (words)
            w.document.removeFrom(2);
        else
            w.show({user(90, QStringLiteral("Another conversation"))});
        QMouseEvent move(QEvent::MouseMove, QPoint(600, 200), w.view.viewport()->mapToGlobal(QPoint(600, 200)),
                         Qt::NoButton, Qt::LeftButton, {});
        QCoreApplication::sendEvent(w.view.viewport(), &move);
        QVERIFY(!w.view.hasSelection());
        QCOMPARE(changed.count(), words ? 1 : 0);
        QTest::mouseRelease(w.view.viewport(), Qt::LeftButton, {}, QPoint(600, 200));
        QVERIFY(!w.view.hasSelection());
    }
    w.show(longConversation(3));
    w.view.selectAll();
    changed.clear();
    w.show(longConversation(1));
    QCOMPARE(changed.count(), 1); // what could be copied is gone
}

void ChatViewTest::theMenuOutlivesItsMessage() {
    Window w;
    w.show(longConversation(3));
    w.view.setScrollPosition(2);
    QGuiApplication::clipboard()->setText(QStringLiteral("kept"));
    bool triggered = false;
    QTimer::singleShot(0, &w.view, [&] {
        w.document.setMessages({});
        auto* menu = qobject_cast<QMenu*>(QApplication::activePopupWidget());
        QVERIFY(menu);
        for (QAction* action : menu->actions())
            if (action->text() == u"Copy")
                triggered = true, action->trigger();
        menu->close();
    });
    QContextMenuEvent event(QContextMenuEvent::Mouse, QPoint(400, 100),
                            w.view.viewport()->mapToGlobal(QPoint(400, 100)));
    QCoreApplication::sendEvent(w.view.viewport(), &event);
    QVERIFY(triggered);
    QCOMPARE(QGuiApplication::clipboard()->text(), QStringLiteral("kept"));
}

void ChatViewTest::lastCharactersOfWrappedLines() {
    Window w;
    // Han of the second plane: two units each, no space to break at.
    const QString han = QString::fromUcs4(U"\U00020BB7", 1);
    w.show({user(1, QStringLiteral("?")), answer(2, han.repeated(120))});
    const QRect first = w.view.caretRect({1, Part::Body, 0, 0});
    const QPoint right(w.view.viewport()->width() - 40, first.center().y());
    w.drag(first.center(), right);
    const QString line = w.view.selectedText();
    QVERIFY(line.size() > 20 && line.size() < 200);
    QCOMPARE(line, han.repeated(line.size() / 2));
    QCOMPARE(w.view.caretRect({1, Part::Body, 0, int(line.size())}).y(), first.y() + first.height());
    // By keys the end of the line stays in the line, between two characters.
    w.view.setSelection({1, Part::Body, 0, 0}, {1, Part::Body, 0, 0});
    QTest::keyClick(&w.view, Qt::Key_End, Qt::ShiftModifier);
    QCOMPARE(w.view.selectedText(), han.repeated(line.size() / 2 - 1));
}

void ChatViewTest::mixedDirectionsAreMarkedWhereTheyStand() {
    Window w;
    const QString text = QStringLiteral("abc \u05d0\u05d1\u05d2\u05d3 123 def ghi");
    w.show({user(1, QStringLiteral("?")), answer(2, text)});
    // From inside Latin to inside Hebrew: the far (first) half of the Hebrew is marked, its other half is not.
    w.view.setSelection({1, Part::Body, 0, 2}, {1, Part::Body, 0, 6});
    const QImage image = w.view.viewport()->grab().toImage();
    const QRect a = w.view.caretRect({1, Part::Body, 0, 2});
    int stretches = 0;
    bool inside = false;
    for (int x = 0; x < image.width(); ++x) {
        const bool marked = image.pixelColor(x, a.top() + 1) == w.theme.color(Token::Selection);
        stretches += marked && !inside ? 1 : 0;
        inside = marked;
    }
    QCOMPARE(stretches, 2);
}

QVector<QPair<QAccessible::Event, QString>>* told = nullptr;

void hear(QAccessibleEvent* event) {
    QString what;
    if (event->type() == QAccessible::TextInserted)
        what = static_cast<QAccessibleTextInsertEvent*>(event)->textInserted();
    if (event->type() == QAccessible::TextSelectionChanged) {
        auto* selection = static_cast<QAccessibleTextSelectionEvent*>(event);
        what = QStringLiteral("%1-%2").arg(selection->selectionStart()).arg(selection->selectionEnd());
    }
    if (told)
        told->append({event->type(), what});
}

void ChatViewTest::screenReadersFollowTextAndSelection() {
    Window w;
    w.show({user(1, QStringLiteral("Hello")), answer(2, QStringLiteral("**Hi** there\n\n- one\n- two")), streaming(3)});
    QAccessible::setActive(true);
    QAccessibleInterface* view = QAccessible::queryAccessibleInterface(&w.view);
    QAccessibleTextInterface* text = view->child(1)->textInterface();
    QAccessibleTextInterface* growing = view->child(2)->textInterface();
    QCOMPARE(text->text(0, -1), QStringLiteral("Hi there\n\n\u2022 one\n\u2022 two"));
    for (int i = 0; i <= text->characterCount(); ++i) { // every place and back
        const TextPosition p = w.document.positionOfPlain(1, i);
        const int back = w.document.plainOffset(p);
        QVERIFY2(back == i || (p.offset == 0 && back > i && back - i <= 4), qPrintable(QString::number(i)));
    }
    QVector<QPair<QAccessible::Event, QString>> events;
    told = &events;
    const auto old = QAccessible::installUpdateHandler(hear);
    text->setSelection(0, 3, 15);
    int from = 0, to = 0;
    text->selection(0, &from, &to);
    QCOMPARE(from, 3);
    QCOMPARE(to, 15);
    QCOMPARE(text->selectionCount(), 1);
    QCOMPARE(text->cursorPosition(), 15);
    QCOMPARE(w.view.selectedText(), text->text(3, 15));
    // Some platforms have no accessibility to switch on: then nothing is told.
    const bool active = QAccessible::isActive();
    QVERIFY(!active || events.contains({QAccessible::TextSelectionChanged, QStringLiteral("3-15")}));
    const QRect r = text->characterRect(3);
    QVERIFY(r.width() > 2 && r.width() < 20);
    QCOMPARE(text->offsetAtPoint(r.center() - QPoint(2, 0)), 3);
    w.document.appendText(3, QStringLiteral("Good"));
    w.settle();
    w.document.appendText(3, QStringLiteral(" day"));
    w.settle();
    QVERIFY(!active || events.contains({QAccessible::TextInserted, QStringLiteral("Good")}));
    QVERIFY(!active || events.contains({QAccessible::TextInserted, QStringLiteral(" day")}));
    QCOMPARE(growing->characterCount(), 8);
    text->removeSelection(0);
    QVERIFY(!w.view.hasSelection());
    QAccessible::installUpdateHandler(old);
    told = nullptr;
}

void ChatViewTest::hairlinesAreOneDevicePixel() {
    Window w;
    w.show({user(1, QStringLiteral("?")), answer(2, QStringLiteral("one\n\n---\n\ntwo"))});
    for (const qreal scale : {1.0, 1.5, 2.0}) {
        QImage image(w.view.viewport()->size() * scale, QImage::Format_ARGB32_Premultiplied);
        image.setDevicePixelRatio(scale);
        w.view.viewport()->render(&image);
        int lines = 0;
        for (int y = 0; y < image.height(); ++y)
            lines += image.pixelColor(image.width() / 2, y) == w.theme.color(Token::Hairline) ? 1 : 0;
        QCOMPARE(lines, 1);
    }
}

void ChatViewTest::changingSizeAndLanguageIsSilent() {
    Window w(QSize(900, 500));
    static QStringList warnings;
    warnings.clear();
    const auto old = qInstallMessageHandler([](QtMsgType type, const QMessageLogContext&, const QString& text) {
        if (type != QtDebugMsg && type != QtInfoMsg)
            warnings.append(text);
    });
    for (const auto& rows : {test::english(), test::chinese(), test::states()}) {
        w.show(rows);
        for (const int percent : {100, 150, 125, 100}) {
            w.theme.setTextSizePercent(percent);
            w.settle();
            w.view.grab();
            QEvent language(QEvent::LanguageChange);
            QCoreApplication::sendEvent(&w.view, &language);
            w.settle();
            w.view.grab();
        }
    }
    qInstallMessageHandler(old);
    QCOMPARE(warnings, QStringList());
}

void ChatViewTest::aReopenedReplyShowsWhatGrows() {
    Window w;
    MessageRow cut = answer(2, QStringLiteral("one\n\ntwo\n\nthree"));
    cut.state = MessageState::Interrupted;
    w.show({user(1, QStringLiteral("?")), cut});
    cut.state = MessageState::Streaming;
    w.document.updateMessage(cut);
    w.document.appendText(2, QString(QStringLiteral(" and more")).repeated(40));
    w.settle();
    Window fresh;
    fresh.show({user(1, QStringLiteral("?")), answer(2, w.document.text(2))});
    QCOMPARE(w.view.messageRect(1).height(), fresh.view.messageRect(1).height());
}

void hoverAt(Window& w, QPoint p) {
    QMouseEvent move(QEvent::MouseMove, p, w.view.viewport()->mapToGlobal(p), Qt::NoButton, Qt::NoButton, {});
    QCoreApplication::sendEvent(w.view.viewport(), &move);
}

void ChatViewTest::whatCanBeDoneWithAMessage() {
    Window w;
    w.show({user(1, QStringLiteral("question")), answer(2, QStringLiteral("An **answer**.")),
            user(3, QStringLiteral("more"))});
    const auto all = [](const char* names) { return QString::fromLatin1(names).split(u' '); };
    QCOMPARE(w.view.actionsOf(0), all("copy copy-markdown quote edit details delete"));
    QCOMPARE(w.view.actionsOf(1), all("copy copy-markdown quote regenerate branch details delete"));
    QCOMPARE(w.view.actionsOf(2), all("copy copy-markdown quote edit regenerate details delete")); // its answer is gone
    for (const QString& name : w.view.actionsOf(0) + w.view.actionsOf(1))
        QVERIFY2(!ChatView::actionLabel(name).isEmpty(), qPrintable(name));
    QSignalSpy edit(&w.view, &ChatView::editRequested), remove(&w.view, &ChatView::deleteRequested),
        branch(&w.view, &ChatView::branchRequested), quote(&w.view, &ChatView::quoteRequested);
    w.view.activateAction(0, QStringLiteral("edit"));
    QCOMPARE(edit.takeFirst().at(0).toLongLong(), 1);
    w.view.activateAction(1, QStringLiteral("edit")); // what the model said stays what it said
    QCOMPARE(edit.count(), 0);
    w.view.activateAction(1, QStringLiteral("delete"));
    QCOMPARE(remove.takeFirst().at(0).toLongLong(), 2);
    w.view.activateAction(1, QStringLiteral("branch"));
    QCOMPARE(branch.takeFirst().at(0).toLongLong(), 2);
    w.view.activateAction(1, QStringLiteral("copy-markdown"));
    QCOMPARE(QGuiApplication::clipboard()->text(), QStringLiteral("An **answer**."));
    w.view.activateAction(1, QStringLiteral("quote"));
    QCOMPARE(quote.takeFirst().at(0).toString(), QStringLiteral("An answer."));
    w.view.setSelection({1, Part::Body, 0, 3}, {1, Part::Body, 0, 9});
    w.view.activateAction(1, QStringLiteral("quote"));
    QCOMPARE(quote.takeFirst().at(0).toString(), QStringLiteral("answer"));
    w.view.activateAction(0, QStringLiteral("quote")); // the selection is another message's
    QCOMPARE(quote.takeFirst().at(0).toString(), QStringLiteral("question"));
    // By the pointer: the person's own messages have theirs below the bubble, in kept space.
    const int height = w.view.messageRect(0).height();
    hoverAt(w, w.view.messageRect(0).center());
    QVERIFY(w.view.visibleTargets().contains(QStringLiteral("Edit")));
    QCOMPARE(w.view.messageRect(0).height(), height);
    QVERIFY(w.view.activateTarget(QStringLiteral("Edit")));
    QCOMPARE(edit.count(), 1);
    // While a reply is written, what it answers stays.
    w.document.appendMessage(streaming(4));
    w.settle();
    QCOMPARE(w.view.actionsOf(0), all("copy copy-markdown quote details"));
    QCOMPARE(w.view.actionsOf(3), all("copy copy-markdown quote"));
    w.document.removeFrom(4);
    w.settle();
    // And while the prompt is read, before there is anything of the reply.
    hoverAt(w, w.view.messageRect(0).center());
    QVERIFY(w.view.visibleTargets().contains(QStringLiteral("Edit")));
    w.view.setReplying(true);
    QVERIFY(!w.view.visibleTargets().contains(QStringLiteral("Edit")));
    QCOMPARE(w.view.actionsOf(0), all("copy copy-markdown quote details"));
    QCOMPARE(w.view.actionsOf(1), all("copy copy-markdown quote details"));
    w.view.setReplying(false);
    QVERIFY(w.view.visibleTargets().contains(QStringLiteral("Edit")));
    QVERIFY(w.view.actionsOf(0).contains(QStringLiteral("edit")));
}

void ChatViewTest::theMenuByKeys() {
    Window w;
    w.show({user(1, QStringLiteral("question")), answer(2, QStringLiteral("An answer."))});
    QStringList labels;
    QTimer::singleShot(0, &w.view, [&] {
        auto* menu = qobject_cast<QMenu*>(QApplication::activePopupWidget());
        QVERIFY(menu);
        for (QAction* action : menu->actions())
            labels << action->text();
        menu->close();
    });
    QContextMenuEvent event(QContextMenuEvent::Keyboard, w.view.rect().center(), QCursor::pos());
    QCoreApplication::sendEvent(w.view.viewport(), &event);
    for (const char* label : {"Copy", "Copy as Markdown", "Quote", "Edit", "Details", "Delete"})
        QVERIFY2(labels.contains(QLatin1String(label)), label);
}

void ChatViewTest::copiesAsMarkdown() {
    Window w;
    const QString text =
        QStringLiteral("# Head\n\nSome **bold** and *slanted* words, `code` and [a link](https://e.org/x).\n\n"
                       "3. three\n   - nested\n4. four\n\n> quoted\n>\n> twice\n\n"
                       "```cpp\nint x;\n\nint y;\n```\n\n| a | b |\n|:-|-:|\n| 1 | 2 |\n");
    w.show({user(1, QStringLiteral("my *text*")), answer(2, text)});
    w.view.selectAll();
    // What is taken whole is as it was written.
    QCOMPARE(w.view.selectedMarkdown(), QStringLiteral("my *text*\n\n") + text.trimmed());
    QTest::keyClick(&w.view, Qt::Key_C, Qt::ControlModifier | Qt::ShiftModifier);
    QCOMPARE(QGuiApplication::clipboard()->text(), w.view.selectedMarkdown());
    // A part of a line keeps its marks.
    const QString line = w.document.blocks(1, Part::Body).inlines(1).text;
    const auto at = [&](const char* word) { return int(line.indexOf(QLatin1String(word))); };
    w.view.setSelection({1, Part::Body, 1, at("old")}, {1, Part::Body, 1, at(".")});
    QCOMPARE(w.view.selectedMarkdown(),
             QStringLiteral("**old** and *slanted* words, `code` and [a link](https://e.org/x)"));
    // From the middle of a leaf to the middle of another.
    w.view.setSelection({1, Part::Body, 2, 2}, {1, Part::Body, 4, 2});
    QCOMPARE(w.view.selectedMarkdown(), QStringLiteral("ree\n- nested\n\n4. fo"));
    // Leaves that are whole, but not the message.
    w.view.setSelection({1, Part::Body, 2, 0}, {1, Part::Body, 8, 3});
    QVERIFY2(w.view.selectedMarkdown().startsWith(QStringLiteral(
                 "3. three\n   - nested\n4. four\n\n> quoted\n>\n> twice\n\n```cpp\nint x;\n\nint y;\n```")),
             qPrintable(w.view.selectedMarkdown()));
}

void ChatViewTest::markdownReadsTheSame() {
    // Leaves written again and read again say the same.
    for (const auto& rows : {test::english(), test::chinese(), test::code()})
        for (const MessageRow& row : rows) {
            if (row.role != Role::Assistant)
                continue;
            ChatDocument document;
            document.setMessages({row});
            const BlockSplitter& b = document.blocks(0, Part::Body);
            const QString written = toMarkdown(b, 0, b.count() - 1);
            ChatDocument again;
            again.setMessages({answer(1, written)});
            QCOMPARE(again.plainText(0, Part::Body), document.plainText(0, Part::Body));
            QCOMPARE(again.blocks(0, Part::Body).count(), b.count());
            for (int i = 0; i < b.count(); ++i) {
                QCOMPARE(again.blocks(0, Part::Body).inlines(i).runs.size(), b.inlines(i).runs.size());
                QCOMPARE(again.blocks(0, Part::Body).block(i).kind, b.block(i).kind);
                // Every leaf cut at both ends still reads as its own text.
                if (b.block(i).kind != BlockKind::Paragraph || b.inlines(i).text.size() < 8)
                    continue;
                const int end = int(b.inlines(i).text.size()) - 2;
                ChatDocument part;
                part.setMessages({answer(1, toMarkdown(b, i, i, 2, end).trimmed())});
                QCOMPARE(part.plainText(0, Part::Body).trimmed(), b.inlines(i).text.mid(2, end - 2).trimmed());
            }
        }
}

struct Finder {
    explicit Finder(Window& w) : bar(w.theme, w.view, w.document) {
        bar.resize(600, 48);
        bar.open();
    }

    void type(const QString& text) {
        edit()->setText(text);
        for (int i = 0; i < 200; ++i) // slices
            QCoreApplication::processEvents();
    }

    QLineEdit* edit() { return bar.findChild<QLineEdit*>(); }

    FindBar bar;
};

void ChatViewTest::findsInTheConversation() {
    Window w;
    QVector<MessageRow> rows = longConversation(30);
    rows << user(100, QStringLiteral("the NEEDLE"))
         << answer(101, QStringLiteral("A **nee**dle, 一根针; needle needle."));
    rows.prepend(user(102, QStringLiteral("first needle")));
    w.show(rows);
    w.view.setScrollPosition(20.2);
    w.settle();
    Finder find(w);
    QCOMPARE(find.bar.countText(), QString());
    find.type(QStringLiteral("needle"));
    QCOMPARE(find.bar.countText(), QStringLiteral("2 of 5")); // the first at or after the reader's place
    QVERIFY(w.view.viewport()->rect().contains(w.view.caretRect({61, Part::Body, 0, 4})));
    QVERIFY(pixelsOf(w.view.viewport()->grab().toImage(), w.theme.color(Token::Find)) > 200);
    QVERIFY(pixelsOf(w.view.viewport()->grab().toImage(), w.theme.color(Token::Accent)) > 40);
    QTest::keyClick(find.edit(), Qt::Key_Return);
    QCOMPARE(find.bar.countText(), QStringLiteral("3 of 5")); // over the marks of its Markdown
    find.bar.step(1);
    find.bar.step(1);
    find.bar.step(1);
    QCOMPARE(find.bar.countText(), QStringLiteral("1 of 5")); // round
    QVERIFY(w.view.viewport()->rect().contains(w.view.caretRect({0, Part::Body, 0, 6})));
    QTest::keyClick(find.edit(), Qt::Key_Return, Qt::ShiftModifier);
    QCOMPARE(find.bar.countText(), QStringLiteral("5 of 5"));
    find.type(QStringLiteral("一根针"));
    QCOMPARE(find.bar.countText(), QStringLiteral("1 of 1"));
    find.type(QStringLiteral("nowhere"));
    QCOMPARE(find.bar.countText(), QStringLiteral("Not found"));
    QCOMPARE(pixelsOf(w.view.viewport()->grab().toImage(), w.theme.color(Token::Find)), 0);
    find.type(QStringLiteral("needle"));
    QTest::keyClick(find.edit(), Qt::Key_Escape);
    QVERIFY(find.bar.isHidden());
    w.view.setScrollPosition(0);
    QCOMPARE(pixelsOf(w.view.viewport()->grab().toImage(), w.theme.color(Token::Find)), 0);
}

void ChatViewTest::findsWhatIsFoldedAndWhatGrows() {
    Window w;
    QString text;
    for (int i = 0; i < 60; ++i)
        text += QStringLiteral("line %1\n").arg(i);
    w.show({user(1, text + QStringLiteral("hidden word")), answer(2, codeOfLines(90) + QStringLiteral("\nend")),
            streaming(3)});
    Finder find(w);
    find.type(QStringLiteral("hidden word"));
    QCOMPARE(find.bar.countText(), QStringLiteral("1 of 1"));
    QVERIFY(w.view.visibleTargets().contains(QStringLiteral("Show less")));
    QVERIFY(w.view.viewport()->rect().contains(w.view.caretRect({0, Part::Body, 0, int(text.size())})));
    find.type(QStringLiteral("x = 88"));
    QCOMPARE(find.bar.countText(), QStringLiteral("1 of 1"));
    const TextPosition place{1, Part::Body, 1,
                             int(w.document.blocks(1, Part::Body).inlines(1).text.indexOf(u"x = 88"))};
    QVERIFY(w.view.viewport()->rect().contains(w.view.caretRect(place)));
    // A reply that grows is looked through again.
    find.type(QStringLiteral("later"));
    QCOMPARE(find.bar.countText(), QStringLiteral("Not found"));
    w.document.appendText(3, QStringLiteral("sooner or later, and later still"));
    QTRY_COMPARE(find.bar.countText(), QStringLiteral("2 found"));
    w.document.removeFrom(3);
    w.settle();
    QCOMPARE(find.bar.countText(), QStringLiteral("Not found"));
}

/// A paragraph of three slices.
QString longParagraph() {
    QString text;
    for (int i = 0; text.size() < 5000; ++i)
        text += QStringLiteral("word%1 ").arg(i);
    return text.trimmed();
}

void ChatViewTest::findsOverTheCutsOfAParagraph() {
    Window w;
    QString han;
    for (int i = 0; i < 4500; ++i)
        han += QChar(0x4E00 + (i * 37) % 20000); // none twice
    w.show({answer(1, longParagraph()), answer(2, han), user(3, han)});
    QCOMPARE(w.document.plainText(0, Part::Body), longParagraph()); // no word grows together with the next
    Finder find(w);
    for (const int message : {0, 1, 2}) {
        const BlockSplitter& b = w.document.blocks(message, Part::Body);
        QVERIFY(b.count() > 1);
        for (int i = 1; i < b.count(); ++i) {
            const QString seam = b.inlines(i - 1).text.right(6) + (message == 0 ? QStringLiteral(" ") : QString()) +
                                 b.inlines(i).text.left(6);
            find.type(seam);
            QCOMPARE(find.bar.countText(), message == 0 ? QStringLiteral("1 of 1") : QStringLiteral("1 of 2"));
            if (message == 2)
                find.bar.step(1);
            QVERIFY(w.view.viewport()->rect().contains(
                w.view.caretRect({message, Part::Body, i - 1, int(b.inlines(i - 1).text.size()) - 6})));
            // Marked on both sides of the cut: in two lines at least.
            const QImage image = w.view.viewport()->grab().toImage();
            const QRect begins = w.view.caretRect({message, Part::Body, i - 1, int(b.inlines(i - 1).text.size()) - 5});
            const QRect ends = w.view.caretRect({message, Part::Body, i, 5});
            QVERIFY(ends.y() > begins.y());
            QVERIFY(pixelsOf(image.copy(begins.translated(2, 0)), w.theme.color(Token::Find)) > 0);
            QVERIFY(pixelsOf(image.copy(ends.translated(-2, 0)), w.theme.color(Token::Find)) > 0);
        }
    }
}

void ChatViewTest::findsInThoughts() {
    Window w;
    QVector<MessageRow> rows = longConversation(3);
    MessageRow thoughtful = answer(50, QStringLiteral("An answer with the needle in it."));
    thoughtful.thoughts = QStringLiteral("First thought.\n\nA needle was thought of.");
    thoughtful.thoughtSeconds = 3;
    rows << user(49, QStringLiteral("Think")) << thoughtful;
    const int message = int(rows.size()) - 1;
    for (int i = 0; i < 4; ++i)
        rows << answer(60 + i, codeOfLines(30));
    w.show(rows);
    w.view.setScrollPosition(0);
    Finder find(w);
    find.type(QStringLiteral("needle"));
    QCOMPARE(find.bar.countText(), QStringLiteral("1 of 2")); // thoughts come before the answer
    QVERIFY(w.view.visibleTargets().contains(QStringLiteral("Thought for 3 s")));
    const QRect place = w.view.caretRect({message, Part::Thoughts, 1, 2});
    QVERIFY(w.view.viewport()->rect().contains(place));
    const QImage image = w.view.viewport()->grab().toImage();
    QVERIFY(pixelsOf(image.copy(place.translated(3, 0)), w.theme.color(Token::Find)) > 0); // they are unfolded
    find.bar.step(1);
    QCOMPARE(find.bar.countText(), QStringLiteral("2 of 2"));
    QVERIFY(w.view.viewport()->rect().contains(w.view.caretRect({message, Part::Body, 0, 19})));
    // Who reads at the top of the message has its thoughts before them.
    find.bar.close();
    w.view.setScrollPosition(message);
    QCOMPARE(w.view.readingPosition(), (TextPosition{message, Part::Thoughts}));
}

void ChatViewTest::moreThanCanBeCountedIsSaid() {
    Window w;
    QVector<MessageRow> rows;
    for (int i = 0; i < 60; ++i)
        rows << user(i + 1, QString(2000, u'a'));
    w.show(rows);
    Finder find(w);
    find.type(QStringLiteral("a"));
    QTRY_COMPARE(find.bar.countText(), QStringLiteral("1 of 100,000+")); // half of the text; from its end on: the first
    QCOMPARE(find.edit()->accessibleDescription(), find.bar.countText());
    find.bar.step(-1);
    QCOMPARE(find.bar.countText(), QStringLiteral("100,000 of 100,000+"));
    find.bar.step(1);
    QCOMPARE(find.bar.countText(), QStringLiteral("1 of 100,000+"));
    find.bar.step(1);
    QCOMPARE(find.bar.countText(), QStringLiteral("2 of 100,000+"));
    // Behind the place where the looking ended nothing changes; before it everything is counted again.
    w.document.appendMessage(user(1000, QStringLiteral("a")));
    w.settle();
    QTRY_COMPARE(find.bar.countText(), QStringLiteral("2 of 100,000+"));
    for (int i = 0; i < 20; ++i)
        w.document.removeMessage(RowId(i + 1));
    find.type(QStringLiteral("a"));
    QTRY_VERIFY(find.bar.countText().endsWith(QStringLiteral("80,001")) ||
                find.bar.countText().startsWith(QStringLiteral("80,001")));
    find.type(QString());
    QCOMPARE(find.bar.countText(), QString());
}

void ChatViewTest::findingCostsSlices() {
    Window w;
    w.show(longConversation(2000)); // over half a million tokens
    Finder find(w);
    find.edit()->setText(QStringLiteral("Paragraph 5 of answer 1999"));
    QElapsedTimer all;
    all.start();
    double longest = 0; // of one turn of the event loop, processor time
    while (find.bar.countText() != u"1 of 1" && all.elapsed() < 60000) {
        const double before = hearth::processorSeconds();
        QCoreApplication::processEvents(QEventLoop::AllEvents, 1);
        longest = std::max(longest, 1e3 * (hearth::processorSeconds() - before));
    }
    QCOMPARE(find.bar.countText(), QStringLiteral("1 of 1"));
    QVERIFY2(longest < 100, qPrintable(QString::number(longest)));
    QVERIFY2(w.view.layoutCount() < 120, qPrintable(QString::number(w.view.layoutCount())));
    int split = 0; // what was looked through leaves nothing behind
    for (int i = 0; i < w.document.count(); ++i)
        split += w.document.isSplit(i, Part::Body) ? 1 : 0;
    QVERIFY2(split < 20, qPrintable(QString::number(split)));
}

void ChatViewTest::newLinesAreCounted() {
    Window w;
    QVector<MessageRow> rows = longConversation(10);
    rows << streaming(100);
    w.show(rows);
    w.document.appendText(100, QStringLiteral("begun\n\n"));
    w.settle();
    QCOMPARE(w.view.unseenLines(), 0);
    w.wheel(5);
    QVERIFY(w.endButton()->isVisible());
    QCOMPARE(w.endButton()->text(), QString()); // nothing came yet
    const int round = w.endButton()->width();
    for (int i = 0; i < 20; ++i) {
        w.document.appendText(100, QStringLiteral("- an item\n"));
        w.settle();
    }
    QVERIFY2(std::abs(w.view.unseenLines() - 23) <= 2, qPrintable(QString::number(w.view.unseenLines()))); // 28 px each
    QCOMPARE(w.endButton()->text(), QStringLiteral("%1 new lines")
                                        .arg(w.view.unseenLines())
                                        .replace(QStringLiteral(" lines"), QStringLiteral(" line(s)")));
    QVERIFY(w.endButton()->accessibleName().contains(w.endButton()->text()));
    QVERIFY(w.endButton()->width() > round + 40);
    QTest::mouseClick(w.endButton(), Qt::LeftButton);
    QVERIFY(w.view.atEnd());
    QCOMPARE(w.view.unseenLines(), 0);
    w.wheel(5);
    QCOMPARE(w.endButton()->text(), QString());
}

void ChatViewTest::ownMessagesAreLookedAt() {
    Window w;
    w.show(longConversation(10));
    w.wheel(20);
    QVERIFY(!w.view.atEnd());
    w.document.appendMessage(streaming(101)); // an answer waits below
    w.settle();
    QVERIFY(!w.view.atEnd());
    w.document.appendMessage(user(100, QStringLiteral("Now this")));
    w.settle();
    QVERIFY(w.view.atEnd());
}

void ChatViewTest::theCaretGoesWithItsMessage() {
    Window w;
    const MessageRow last = answer(2, QStringLiteral("One.\n\nTwo.\n\nThree."));
    w.show({user(1, QStringLiteral("question")), last});
    w.view.setSelection({1, Part::Body, 2, 3}, {1, Part::Body, 2, 3});
    w.document.removeMessage(2);
    QCOMPARE(w.view.selectionEnd(), w.document.start());
    QTest::keyClick(&w.view, Qt::Key_Left, Qt::ShiftModifier);
    QTest::keyClick(&w.view, Qt::Key_Up, Qt::ShiftModifier);
    QCOMPARE(w.view.selectionEnd().message, 0);
    w.view.setSelection({0, Part::Body, 0, 3}, {0, Part::Body, 0, 3});
    w.document.insertMessage(0, answer(3, QString())); // another one stands there now
    QCOMPARE(w.view.selectionEnd(), w.document.start());
    QTest::keyClick(&w.view, Qt::Key_Left, Qt::ShiftModifier);
}

void ChatViewTest::anotherVersionKeepsThePlace() {
    Window w;
    QVector<MessageRow> rows = longConversation(8);
    rows[5].siblingCount = 2;
    QVector<MessageRow> others = rows;
    others[5].id = 100;
    others[5].siblingIndex = 1;
    others[5].text = rows[5].text + rows[7].text + rows[9].text; // longer
    for (int i = 6; i < 16; ++i)
        others[i].id += 100;
    others.resize(12);
    w.show(rows);
    // Its question and its beginning are seen.
    w.view.setScrollPosition(4);
    w.settle();
    const int y = w.view.messageRect(5).top();
    w.show(others);
    QCOMPARE(w.view.messageRect(5).top(), y);
    QVERIFY(!w.view.atEnd());
    w.show(rows);
    QCOMPARE(w.view.messageRect(5).top(), y);
    // Its end is seen, where "‹ 1/2 ›" stands, and not its beginning.
    w.view.setScrollPosition(5.5);
    w.settle();
    const int bottom = w.view.messageRect(5).bottom();
    QVERIFY(bottom > 0 && bottom < w.view.viewport()->height());
    w.show(others);
    QCOMPARE(w.view.messageRect(5).bottom(), bottom);
    w.show(rows);
    QCOMPARE(w.view.messageRect(5).bottom(), bottom);
    // The last message, at the end.
    QVector<MessageRow> last = rows.mid(0, 6), longer = others.mid(0, 6);
    last[5].text = QStringLiteral("Short.");
    w.show(last);
    w.view.scrollToEnd();
    w.settle();
    const int at = w.view.messageRect(5).top();
    w.show(longer);
    QCOMPARE(w.view.messageRect(5).top(), at);
    QVERIFY(!w.view.atEnd());
    // Another conversation begins at its end.
    w.show(longConversation(3).mid(0, 4));
    for (MessageRow& row : rows)
        row.id += 1000;
    w.show(rows);
    QVERIFY(w.view.atEnd());
}

void ChatViewTest::aDeletedMessageMovesNothing() {
    Window w;
    const QVector<MessageRow> rows = longConversation(20);
    w.show(rows);
    w.view.setScrollPosition(21.4);
    w.settle();
    const int y = w.view.caretRect({21, Part::Body, 3, 10}).y();
    w.document.removeMessage(rows[4].id);
    w.settle();
    QCOMPARE(w.document.count(), 39);
    QCOMPARE(w.view.caretRect({20, Part::Body, 3, 10}).y(), y); // the same text, where it was
    w.document.removeMessage(rows[30].id);                      // below
    w.settle();
    QCOMPARE(w.view.caretRect({20, Part::Body, 3, 10}).y(), y);
    w.document.insertMessage(29, rows[30]);
    w.document.insertMessage(4, rows[4]);
    w.settle();
    QCOMPARE(w.document.count(), 40);
    QVERIFY(w.view.viewport()->rect().intersects(w.view.messageRect(4))); // what is brought back is seen
    for (int i = 0; i < 40; ++i)
        QCOMPARE(w.document.indexOf(rows[i].id), i);
    // The same picture as of a conversation that was never touched.
    Window fresh;
    fresh.show(rows);
    fresh.view.setScrollPosition(4);
    w.view.setScrollPosition(4);
    w.settle();
    QCOMPARE(w.view.viewport()->grab().toImage(), fresh.view.viewport()->grab().toImage());
    // The one that is seen, the last one, all of them.
    w.view.scrollToEnd();
    w.document.removeMessage(rows[39].id);
    w.settle();
    QVERIFY(w.view.atEnd());
    while (w.document.count() > 0)
        w.document.removeMessage(w.document.message(0).id);
    w.settle();
    w.document.removeMessage(77);
    w.document.insertMessage(5, rows[0]);
    QCOMPARE(w.document.count(), 0);
    w.view.grab();
}

void ChatViewTest::timesAndDetails() {
    Window w;
    QLocale::setDefault(QLocale(QLocale::English, QLocale::UnitedStates));
    MessageRow row = answer(2, QStringLiteral("An answer."));
    row.time = QDateTime(QDate(2026, 3, 2), QTime(14, 3));
    row.receipt = {1024, 512, 0.8, 312, 4.0, 2};
    w.show({user(1, QStringLiteral("q")), row});
    const QImage before = w.view.grab().toImage();
    hoverAt(w, w.view.messageRect(1).center());
    QVERIFY(w.view.grab().toImage() != before);
    const int height = w.view.messageRect(1).height();
    w.view.activateAction(1, QStringLiteral("details"));
    w.settle();
    QCOMPARE(w.view.messageRect(1).height(), height + 4 + 4 * w.theme.lineHeight(TextStyle::Small));
    QAccessibleInterface* view = QAccessible::queryAccessibleInterface(&w.view);
    const QString told = view->child(1)->text(QAccessible::Help);
    for (const char* part : {"3/2/26", "SmolLM2 135M", "Read 1,024 tokens, 512 of them anew", "0.8 s",
                             "Wrote 312 tokens", "4.0 s", "78.0 tokens/s", "2 oldest message"})
        QVERIFY2(told.contains(QLatin1String(part)), qPrintable(told));
    w.view.activateAction(1, QStringLiteral("details"));
    w.settle();
    QCOMPARE(w.view.messageRect(1).height(), height);
    view->child(0)->actionInterface()->doAction(QStringLiteral("details")); // nothing is known of it: it says so
    w.settle();
    w.view.grab();
}

void ChatViewTest::secondsOfThoughtsGoOn() {
    Window w;
    w.show({user(1, QStringLiteral("?")), streaming(2)});
    w.document.appendThoughts(2, QStringLiteral("Let me see"));
    w.settle();
    QVERIFY(w.view.visibleTargets().contains(QStringLiteral("Thinking")));
    // No word comes, and the seconds go on.
    QTRY_VERIFY_WITH_TIMEOUT(w.view.visibleTargets().contains(QStringLiteral("Thinking 2 s")), 4000);
    w.document.appendText(2, QStringLiteral("So."));
    w.settle();
    QVERIFY2(w.view.visibleTargets().contains(QStringLiteral("Thought for 2 s")),
             qPrintable(w.view.visibleTargets().join(u'|')));
}

QString wideTable(int columns, int rows) {
    QString text;
    for (int r = -1; r <= rows; ++r) {
        for (int c = 0; c < columns; ++c)
            text += r == 0 ? QStringLiteral("|---") : QStringLiteral("| cell %1 %2 ").arg(r).arg(c);
        text += QStringLiteral("|\n");
    }
    return text;
}

void ChatViewTest::tablesMoveSidewaysAlone() {
    Window w;
    w.show({user(1, QStringLiteral("?")),
            answer(2, QStringLiteral("Before\n\n") + wideTable(20, 3) + QStringLiteral("\nAfter"))});
    const TextPosition cell{1, Part::Body, 2, 0}, text{1, Part::Body, 0, 3};
    const int x = w.view.caretRect(cell).x(), still = w.view.caretRect(text).x();
    const QString label = QStringLiteral("Scroll sideways");
    QCOMPARE(w.view.visibleTargets().count(label), 1);
    const auto turn = [&](int angle) {
        const QPoint p = w.view.caretRect(cell).center();
        QWheelEvent event(QPointF(300, p.y()), w.view.viewport()->mapToGlobal(QPointF(300, p.y())), QPoint(),
                          QPoint(angle, 0), Qt::NoButton, Qt::NoModifier, Qt::NoScrollPhase, false);
        QCoreApplication::sendEvent(w.view.viewport(), &event);
    };
    turn(-240);
    QCOMPARE(w.view.caretRect(cell).x(), x - 120);
    QCOMPARE(w.view.caretRect({1, Part::Body, 3, 0}).x(), x - 120); // all of its rows
    QCOMPARE(w.view.caretRect(text).x(), still);
    turn(24000);
    QCOMPARE(w.view.caretRect(cell).x(), x); // not further than its start
    // The bar is dragged.
    const int y = w.view.caretRect({1, Part::Body, 5, 0}).top() - 13;
    w.drag(QPoint(still + 10, y), QPoint(still + 60, y));
    QVERIFY(w.view.caretRect(cell).x() < x - 60);
    QVERIFY(!w.view.hasSelection());
    w.drag(QPoint(still + 60, y), QPoint(still - 300, y));
    QCOMPARE(w.view.caretRect(cell).x(), x);
    // And by the keyboard: Tab, then the arrows.
    w.view.clearFocus();
    w.view.setFocus(Qt::TabFocusReason);
    for (int i = 0; i < 12 && w.view.caretRect(cell).x() == x; ++i) {
        QTest::keyClick(&w.view, Qt::Key_Right);
        if (w.view.caretRect(cell).x() == x)
            QTest::keyClick(&w.view, Qt::Key_Tab);
    }
    QCOMPARE(w.view.caretRect(cell).x(), x - 60);
    QTest::keyClick(&w.view, Qt::Key_Left);
    QCOMPARE(w.view.caretRect(cell).x(), x);
    // Nothing to move, no bar.
    w.show({user(1, QStringLiteral("?")), answer(2, wideTable(2, 3))});
    QVERIFY(!w.view.visibleTargets().contains(label));
}

void ChatViewTest::cellsStandAsTheirColumnSays() {
    Window w;
    w.show({user(1, QStringLiteral("?")),
            answer(2, QStringLiteral("| a long head | a long head | a long head |\n|:--|:-:|--:|\n| x | x | x |\n"))});
    const auto left = [&](int row, int cell) {
        const InlineText& t = w.document.blocks(1, Part::Body).inlines(row);
        return w.view.caretRect({1, Part::Body, row, t.cells[cell]}).x();
    };
    const auto right = [&](int row, int cell) {
        const InlineText& t = w.document.blocks(1, Part::Body).inlines(row);
        const int end = cell + 1 < t.cells.size() ? t.cells[cell + 1] - 1 : int(t.text.size());
        return w.view.caretRect({1, Part::Body, row, end}).x();
    };
    QCOMPARE(left(1, 0), left(0, 0));
    QVERIFY(std::abs(left(1, 1) + right(1, 1) - left(0, 1) - right(0, 1)) <= 2);
    QVERIFY(left(1, 1) > left(0, 1) + 10);
    QVERIFY(std::abs(right(1, 2) - right(0, 2)) <= 1);
}

void ChatViewTest::linesOfCodeAreNumbered() {
    Window w(QSize(800, 900));
    w.show({user(1, QStringLiteral("?")), answer(2, codeOfLines(100))});
    QVERIFY(w.view.activateTarget(QStringLiteral("Show all 100 lines")));
    w.settle();
    const int x = w.view.caretRect({1, Part::Body, 0, 0}).x();
    const int later = w.view.caretRect({1, Part::Body, 1, 0}).x();
    w.view.setScrollPosition(0);
    const int height = w.view.messageRect(1).height();
    QVERIFY(w.view.activateTarget(QStringLiteral("Line numbers")));
    w.settle();
    const int moved = w.view.caretRect({1, Part::Body, 0, 0}).x() - x;
    QVERIFY(moved > 30 && moved < 60);
    QCOMPARE(w.view.caretRect({1, Part::Body, 1, 0}).x() - later, moved); // one edge in all slices
    QVERIFY(std::abs(w.view.messageRect(1).height() - height) <= 1);
    const QImage image = w.view.viewport()->grab().toImage();
    const QRect first = w.view.caretRect({1, Part::Body, 0, 0});
    int ink = 0;
    for (int px = first.x() - moved; px < first.x() - 8; ++px)
        for (int py = first.top(); py < first.bottom(); ++py)
            ink += image.pixelColor(px, py) != w.theme.color(Token::Code) ? 1 : 0;
    QVERIFY(ink > 5);
    w.view.setSelection({1, Part::Body, 0, 0}, {1, Part::Body, 0, 12});
    QCOMPARE(w.view.selectedText(), QStringLiteral("x = 1\nx = 2\n"));
    QVERIFY(w.view.activateTarget(QStringLiteral("Copy code")));
    QVERIFY(QGuiApplication::clipboard()->text().startsWith(QStringLiteral("x = 1\nx = 2\n")));
    QVERIFY(w.view.activateTarget(QStringLiteral("Wrap lines")));
    w.view.setScrollPosition(0);
    QVERIFY(w.view.activateTarget(QStringLiteral("Line numbers")));
    w.settle();
    QCOMPARE(w.view.caretRect({1, Part::Body, 0, 0}).x(), x);
}

void ChatViewTest::zoomsByTheWheel() {
    Window w;
    w.show(longConversation(3));
    QSignalSpy zoom(&w.view, &ChatView::zoomRequested);
    const int at = w.view.verticalScrollBar()->value();
    for (const int angle : {120, 40, 40, 40, -240}) {
        QWheelEvent event(QPointF(400, 300), w.view.viewport()->mapToGlobal(QPointF(400, 300)), QPoint(),
                          QPoint(0, angle), Qt::NoButton, Qt::ControlModifier, Qt::NoScrollPhase, false);
        QCoreApplication::sendEvent(w.view.viewport(), &event);
    }
    QCOMPARE(zoom.count(), 3);
    QCOMPARE(zoom[0][0].toInt() + zoom[1][0].toInt() + zoom[2][0].toInt(), 0);
    QCOMPARE(w.view.verticalScrollBar()->value(), at);
}

void ChatViewTest::emphasisOfHanHasDots() {
    Window w;
    const QString han = QStringLiteral("中文"), far = QString::fromUcs4(U"\U00020BB7", 1);
    const auto ink = [&](const QString& text, int offset, int units) {
        w.show({user(1, QStringLiteral("?")), answer(2, text)});
        const QRect from = w.view.caretRect({1, Part::Body, 0, offset});
        const QRect to = w.view.caretRect({1, Part::Body, 0, offset + units});
        const QImage image = w.view.viewport()->grab().toImage();
        int n = 0;
        for (int x = from.x(); x < to.x(); ++x)
            for (int y = from.bottom() - 2; y <= from.bottom(); ++y)
                n += image.pixelColor(x, y) != w.theme.color(Token::Window) ? 1 : 0;
        return n;
    };
    QVERIFY(ink(QStringLiteral("*%1*").arg(han), 0, 2) >= 4);
    QVERIFY(ink(QStringLiteral("*%1*").arg(far), 0, 2) >= 2);
    QCOMPARE(ink(han, 0, 2), 0);
    QCOMPARE(ink(QStringLiteral("*aeo*"), 0, 3), 0);  // Latin is slanted instead
    QCOMPARE(ink(QStringLiteral("*，。*"), 0, 2), 0); // marks have none
}

void ChatViewTest::hanKeepsItsDistanceByLayoutOnly() {
    Window w;
    const auto x = [&](const QString& text, int offset) {
        w.show({user(1, QStringLiteral("?")), answer(2, text)});
        return w.view.caretRect({1, Part::Body, 0, offset}).x();
    };
    const int em = w.theme.font(TextStyle::Message).pixelSize();
    const int left = x(QStringLiteral("中"), 0);
    const int han = x(QStringLiteral("中"), 1) - left, latin = x(QStringLiteral("ab"), 2) - left;
    const int mixed = x(QStringLiteral("中ab中"), 4) - left;
    QVERIFY2(std::abs(mixed - (2 * han + latin + em / 4)) <= 2, qPrintable(QString::number(mixed)));
    QVERIFY(std::abs(x(QStringLiteral("中，中"), 3) - left - 3 * han) <= 2); // none beside marks
    QVERIFY(std::abs(x(QStringLiteral("中`ab`"), 1) - left - han) <= 2);
    w.show({user(1, QStringLiteral("?")), answer(2, QStringLiteral("中ab中 “引” it’s"))});
    w.view.setSelection({1, Part::Body, 0, 0}, {1, Part::Body, 0, 13});
    QCOMPARE(w.view.selectedText(), QStringLiteral("中ab中 “引” it’s"));
    w.view.activateAction(1, QStringLiteral("copy"));
    QCOMPARE(QGuiApplication::clipboard()->text(), QStringLiteral("中ab中 “引” it’s"));
}

void ChatViewTest::everyFormOfBlockIsDrawn() {
    // Nested and task lists, quotes, rules: where they stand, and that they are there.
    Window w;
    w.show(
        {user(1, QStringLiteral("?")), answer(2, QStringLiteral("plain\n\n- one\n  - two\n    - three\n- [x] done\n- [ "
                                                                "] open\n\n> quote\n>\n> > deeper\n\n---\n\nend"))});
    const auto left = [&](int block) { return w.view.caretRect({1, Part::Body, block, 0}).x(); };
    QCOMPARE(left(1) - left(0), 24);
    QCOMPARE(left(2) - left(1), 24);
    QCOMPARE(left(3) - left(2), 24);
    QCOMPARE(left(4), left(1));
    QCOMPARE(left(6) - left(0), 16);
    QCOMPARE(left(7) - left(6), 16);
    const QImage image = w.view.viewport()->grab().toImage();
    const auto inkLeftOf = [&](int block) {
        const QRect c = w.view.caretRect({1, Part::Body, block, 0});
        int n = 0;
        for (int x = c.x() - 24; x < c.x() - 2; ++x)
            for (int y = c.top(); y <= c.bottom(); ++y)
                n += x >= 0 && image.pixelColor(x, y) != w.theme.color(Token::Window) ? 1 : 0;
        return n;
    };
    QCOMPARE(inkLeftOf(0), 0);
    for (const int block : {1, 2, 3, 4, 5, 6, 7})
        QVERIFY2(inkLeftOf(block) > 5, qPrintable(QString::number(block)));
    QVERIFY(inkLeftOf(4) > inkLeftOf(5)); // what is done has its tick
}

void ChatViewTest::longThingsArriveInSlices() {
    // What is laid out for one more word is a slice, however long the thing has grown.
    const QString han = QStringLiteral("长").repeated(20000);
    QString rows = QStringLiteral("| a | b |\n|---|---|\n");
    for (int i = 0; i < 500; ++i)
        rows += QStringLiteral("| %1 | x |\n").arg(i);
    for (const QString& text : {han, codeOfLines(1000), rows, QStringLiteral("- item\n").repeated(500)}) {
        Window w;
        w.show({user(1, QStringLiteral("?")), streaming(2)});
        w.document.appendText(2, text);
        w.settle();
        const BlockSplitter& b = w.document.blocks(1, Part::Body);
        QVERIFY(b.count() >= 10);
        QVERIFY2(w.view.layoutCount() < 130, qPrintable(QString::number(w.view.layoutCount())));
        const int frozen = b.frozenCount();
        const qint64 parses = b.frozenParses();
        w.document.appendText(2, QStringLiteral("x"));
        w.settle();
        QVERIFY(b.count() - frozen <= 2);
        QVERIFY(b.frozenParses() - parses <= 1);
    }
}

QTEST_MAIN(ChatViewTest)
#include "chat_view_test.moc"
