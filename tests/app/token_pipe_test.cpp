#include "app/token_pipe.h"

#include <QElapsedTimer>
#include <QSignalSpy>
#include <QTest>

#include <thread>

using namespace hearth::app;

class TokenPipeTest : public QObject {
    Q_OBJECT

private slots:

    void manyPushesOneWakeUp() {
        TokenPipe pipe(std::chrono::milliseconds(16));
        std::vector<ReplyUpdate> seen;
        connect(&pipe, &TokenPipe::updated, this, [&](const ReplyUpdate& update) { seen.push_back(update); });
        for (int i = 0; i < 1000; ++i)
            pipe.change(7, [](ReplyUpdate& update) { update.text += "ab"; });
        QCOMPARE(pipe.wakeUps(), 1);
        QCOMPARE(seen.size(), size_t(0)); // never inside a push
        QTRY_COMPARE(seen.size(), size_t(1));
        QCOMPARE(seen[0].reply, ReplyId(7));
        QCOMPARE(seen[0].text.size(), size_t(2000));
        pipe.change(7, [](ReplyUpdate& update) { update.text += "c"; });
        QCOMPARE(pipe.wakeUps(), 2);
        QTRY_COMPARE(seen.size(), size_t(2));
        QCOMPARE(seen[1].text, std::string("c"));
    }

    void drainsAtTheScreensRate() {
        TokenPipe pipe(std::chrono::milliseconds(20));
        int drained = 0;
        std::string text;
        connect(&pipe, &TokenPipe::updated, this, [&](const ReplyUpdate& update) {
            ++drained;
            text += update.text;
        });
        std::atomic<bool> done = false;
        std::string expected;
        QElapsedTimer timer;
        timer.start();
        std::thread producer([&] {
            for (int i = 0; i < 400; ++i) {
                const char c = char('a' + i % 26);
                expected += c;
                pipe.change(1, [c](ReplyUpdate& update) { update.text += c; });
                std::this_thread::sleep_for(std::chrono::microseconds(500));
            }
            done = true;
        });
        while (!done)
            QCoreApplication::processEvents(QEventLoop::AllEvents, 5);
        producer.join();
        QTRY_COMPARE(text.size(), size_t(400));
        QCOMPARE(text, expected);
        const double mostDrains = double(timer.elapsed()) / 20 + 2;
        QVERIFY2(drained <= mostDrains, qPrintable(QString::number(drained)));
        QVERIFY(drained >= 5);
        QVERIFY(pipe.wakeUps() <= drained + 1);
    }

    void repliesStayApartAndEndsComeLast() {
        TokenPipe pipe;
        std::vector<ReplyUpdate> seen;
        connect(&pipe, &TokenPipe::updated, this, [&](const ReplyUpdate& update) { seen.push_back(update); });
        pipe.change(1, [](ReplyUpdate& update) { update.text = "one"; });
        pipe.change(2, [](ReplyUpdate& update) { update.text = "two"; });
        pipe.change(1, [](ReplyUpdate& update) { update.end = ReplyEnd::EndOfTurn; });
        pipe.drain();
        QCOMPARE(seen.size(), size_t(2));
        QCOMPARE(seen[0].text, std::string("one"));
        QVERIFY(seen[0].end == ReplyEnd::EndOfTurn);
        QCOMPARE(seen[1].text, std::string("two"));
        QVERIFY(seen[1].end == ReplyEnd::None);
        pipe.drain();
        QCOMPARE(seen.size(), size_t(2)); // nothing twice
    }

    void aDrainInsideADrainLosesNothing() {
        TokenPipe pipe;
        std::string text;
        connect(&pipe, &TokenPipe::updated, this, [&](const ReplyUpdate& update) {
            text += update.text;
            if (text.size() == 1)
                pipe.change(1, [](ReplyUpdate& again) { again.text += "b"; });
            pipe.drain();
        });
        pipe.change(1, [](ReplyUpdate& update) { update.text = "a"; });
        QTRY_COMPARE(text, std::string("ab"));
    }
};

QTEST_GUILESS_MAIN(TokenPipeTest)
#include "token_pipe_test.moc"
