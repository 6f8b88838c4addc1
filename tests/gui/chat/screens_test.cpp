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

void ChatScreensTest::screens_data() {
    QTest::addColumn<int>("sample");
    QTest::addColumn<bool>("dark");
    QTest::addColumn<int>("width");
    const char* names[] = {"english", "chinese", "states", "code", "languages"};
    for (int sample = 0; sample < 5; ++sample)
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
                                       : test::languages());
    view.setScrollPosition(0);
    QCoreApplication::processEvents();
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
