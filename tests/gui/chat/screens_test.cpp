#include "samples.h"
#include "ui/chat/chat_view.h"

#include <QDir>
#include <QImage>
#include <QSet>
#include <QTest>

using namespace hearth::ui;

/// Draws whole conversations in both themes and languages. With HEARTH_SCREENSHOTS set to a folder the pictures are
/// kept there, for eyes; without it, only what can be measured is checked.
class ChatScreensTest : public QObject {
    Q_OBJECT

private slots:
    void screens_data();
    void screens();
};

namespace {

QVector<MessageRow> active() {
    QVector<MessageRow> rows;
    rows << test::user(1, QStringLiteral("给我看一段代码，再给一张宽的表。"));
    rows.last().time = QDateTime(QDate(2026, 3, 2), QTime(14, 3));
    rows.last().siblingCount = 2;
    QString table = QStringLiteral("| 城市 |");
    for (int i = 1; i <= 12; ++i)
        table += QStringLiteral(" 第 %1 个月 |").arg(i);
    table += QStringLiteral("\n|:--|") + QStringLiteral("--:|").repeated(12) + QStringLiteral("\n| 北京 |");
    for (int i = 1; i <= 12; ++i)
        table += QStringLiteral(" %1 °C |").arg(i * 3 - 10);
    rows << test::answer(2, QStringLiteral("```python\ndef greet(name: str) -> str:\n    \"\"\"问候\"\"\"\n    return "
                                           "f\"你好，{name}\"\n\nprint(greet(\"世界\"))\n```\n\n") +
                                table + QStringLiteral("\n\n以上。"));
    rows.last().time = QDateTime(QDate(2026, 3, 2), QTime(14, 3));
    rows.last().siblingCount = 3;
    rows.last().siblingIndex = 1;
    rows.last().receipt = {1024, 512, 0.8, 312, 4.0, 2};
    return rows;
}

} // namespace

void ChatScreensTest::screens_data() {
    QTest::addColumn<int>("sample");
    QTest::addColumn<bool>("dark");
    QTest::addColumn<int>("width");
    const char* names[] = {"english", "chinese", "states", "code", "active", "languages"};
    for (int sample = 0; sample < 6; ++sample)
        for (const bool dark : {false, true})
            for (const int width : {916, 376})
                QTest::addRow("%s-%s-%d", names[sample], dark ? "dark" : "light", width) << sample << dark << width;
}

void ChatScreensTest::screens() {
    QFETCH(int, sample);
    QFETCH(bool, dark);
    QFETCH(int, width);
    Theme theme;
    theme.install();
    theme.setChoice(dark ? ThemeChoice::Dark : ThemeChoice::Light);
    ChatDocument document;
    ChatView view(document, theme);
    view.resize(width, 1400);
    view.show();
    document.setMessages(sample == 0   ? test::english()
                         : sample == 1 ? test::chinese()
                         : sample == 2 ? test::states()
                         : sample == 3 ? test::code()
                         : sample == 4 ? active()
                                       : test::languages());
    view.setScrollPosition(0);
    QCoreApplication::processEvents();
    if (sample == 4) { // what shows under the keyboard's focus, and what is switched on
        view.activateWindow();
        QVERIFY(QTest::qWaitForWindowActive(&view));
        view.clearFocus();
        view.setFocus(Qt::TabFocusReason);
        QVERIFY(view.activateTarget(QStringLiteral("Line numbers")));
        view.activateAction(1, QStringLiteral("details"));
        view.setScrollPosition(0);
        QCoreApplication::processEvents();
    }
    const QImage image = view.grab().toImage();
    QCOMPARE(image.pixelColor(2, 2), theme.color(Token::Window));
    QSet<QRgb> colours;
    for (int y = 0; y < image.height(); y += 3)
        for (int x = 0; x < image.width(); x += 3)
            colours.insert(image.pixel(x, y));
    QVERIFY2(colours.size() > 20, "the conversation is not drawn");
    // Nothing is drawn in the margins.
    for (int y = 0; y < image.height(); ++y)
        QCOMPARE(image.pixelColor(8, y), theme.color(Token::Window));
    const QString folder = qEnvironmentVariable("HEARTH_SCREENSHOTS");
    if (!folder.isEmpty()) {
        QDir().mkpath(folder);
        QVERIFY(image.save(QStringLiteral("%1/chat-%2.png").arg(folder, QString::fromLatin1(QTest::currentDataTag()))));
    }
}

QTEST_MAIN(ChatScreensTest)
#include "screens_test.moc"
