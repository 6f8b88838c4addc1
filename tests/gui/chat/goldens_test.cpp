#include "samples.h"
#include "ui/chat/chat_view.h"

#include <QDir>
#include <QImage>
#include <QMouseEvent>
#include <QPainter>
#include <QRawFont>
#include <QScrollBar>
#include <QTest>

#include <algorithm>
#include <cstdlib>

using namespace hearth::ui;

namespace {

constexpr int kWidth = 760;        // px of the view
constexpr int kTolerance = 8;      // steps of a channel that do not count
constexpr double kShare = 0.00002; // of the pixels that may differ by more: an edge's rounding
const auto kMadeWith = QStringLiteral("made with");

QString revisionOf(const QString& family) {
    const QByteArray head = QRawFont::fromFont(QFont(family)).fontTable("head");
    return QStringLiteral("%1 %2").arg(family, QString::fromLatin1(head.mid(4, 4).toHex()));
}

/// Letters are as the faces and their rasterizer have them: pictures of others say nothing.
QString madeWith() {
    return QStringLiteral("Qt %1, %2, %3")
        .arg(QString::fromLatin1(qVersion()), revisionOf(QStringLiteral("Noto Sans")),
             revisionOf(QStringLiteral("Noto Sans CJK SC")));
}

/// Five bits a channel are enough to see, and half the size.
QImage coarse(QImage image) {
    for (int y = 0; y < image.height(); ++y) {
        auto* line = reinterpret_cast<QRgb*>(image.scanLine(y));
        for (int x = 0; x < image.width(); ++x)
            line[x] = 0xFF000000 | (line[x] & 0xF8F8F8);
    }
    return image;
}

/// The whole conversation with its thoughts open, two device pixels a px brought back to one.
QImage rendered(const QVector<MessageRow>& rows, bool dark, int scale) {
    Theme theme;
    theme.install();
    theme.setChoice(dark ? ThemeChoice::Dark : ThemeChoice::Light);
    ChatDocument document;
    ChatView view(document, theme);
    view.setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    view.setFocusPolicy(Qt::NoFocus); // who has it depends on the window system
    view.resize(kWidth, 400);
    view.show();
    document.setMessages(rows);
    view.setScrollPosition(1);
    for (const QString& label : view.visibleTargets())
        if (label.startsWith(QStringLiteral("Thought")))
            view.activateTarget(label);
    view.setScrollPosition(0);
    for (int round = 0; round < 3; ++round) { // until no height is a guess
        QCoreApplication::processEvents();
        view.resize(kWidth, view.height() + view.verticalScrollBar()->maximum());
    }
    QCoreApplication::processEvents();
    const QPoint over(kWidth / 2, view.messageRect(1).center().y()); // shows what can be done with the answer
    QMouseEvent move(QEvent::MouseMove, over, view.viewport()->mapToGlobal(over), Qt::NoButton, Qt::NoButton, {});
    QCoreApplication::sendEvent(view.viewport(), &move);
    QImage image(view.size() * scale, QImage::Format_RGB32);
    image.setDevicePixelRatio(scale);
    image.fill(Qt::magenta);
    QPainter painter(&image);
    view.viewport()->render(&painter, QPoint());
    painter.end();
    image.setDevicePixelRatio(1);
    return coarse(image.scaled(view.size(), Qt::IgnoreAspectRatio, Qt::SmoothTransformation)
                      .convertToFormat(QImage::Format_RGB32));
}

/// Pixels that differ, and where the first of them is.
int different(const QImage& a, const QImage& b, QPoint* first) {
    int n = 0;
    for (int y = 0; y < a.height(); ++y)
        for (int x = 0; x < a.width(); ++x) {
            const QRgb p = a.pixel(x, y), q = b.pixel(x, y);
            const int most =
                std::max({std::abs(qRed(p) - qRed(q)), std::abs(qGreen(p) - qGreen(q)), std::abs(qBlue(p) - qBlue(q))});
            if (most > kTolerance && n++ == 0)
                *first = {x, y};
        }
    return n;
}

} // namespace

/// A rich conversation looks as it did when somebody last looked at it. UPDATE_GOLDEN=1 takes the pictures anew; they
/// lie in tests/data/goldens, and a change of them is to be looked at. HEARTH_SCREENSHOTS=<folder> keeps those that
/// differ.
class GoldensTest : public QObject {
    Q_OBJECT

private slots:
    void looksAsBefore_data();
    void looksAsBefore();
};

void GoldensTest::looksAsBefore_data() {
    QTest::addColumn<bool>("chinese");
    QTest::addColumn<bool>("dark");
    QTest::addColumn<int>("scale");
    for (const bool chinese : {false, true})
        for (const bool dark : {false, true})
            for (const int scale : {1, 2})
                QTest::addRow("chat-%s-%s-%d", chinese ? "zh" : "en", dark ? "dark" : "light", scale)
                    << chinese << dark << scale;
}

void GoldensTest::looksAsBefore() {
    QFETCH(bool, chinese);
    QFETCH(bool, dark);
    QFETCH(int, scale);
    QImage now = rendered(chinese ? test::chinese() : test::english(), dark, scale);
    const QString name = QString::fromLatin1(QTest::currentDataTag()) + QStringLiteral(".png");
    const QString path = QStringLiteral(HEARTH_TEST_DATA "/goldens/") + name;
    if (qEnvironmentVariableIsSet("UPDATE_GOLDEN")) {
        now.setText(kMadeWith, madeWith());
        QVERIFY(QDir().mkpath(QStringLiteral(HEARTH_TEST_DATA "/goldens")));
        QVERIFY(now.save(path, "PNG", 0));
        return;
    }
    const QImage golden(path);
    QVERIFY2(!golden.isNull(), qPrintable(path));
    if (golden.text(kMadeWith) != madeWith())
        QSKIP(qPrintable(QStringLiteral("here are %1, the picture has %2").arg(madeWith(), golden.text(kMadeWith))));
    QPoint first;
    const int pixels =
        now.size() == golden.size() ? different(now, golden.convertToFormat(QImage::Format_RGB32), &first) : -1;
    const bool same = pixels >= 0 && pixels <= kShare * now.width() * now.height();
    if (const QString folder = qEnvironmentVariable("HEARTH_SCREENSHOTS"); !same && !folder.isEmpty())
        now.save(folder + u'/' + name);
    QCOMPARE(now.size(), golden.size());
    QVERIFY2(same, qPrintable(QStringLiteral("%1: %2 pixels differ, first at %3, %4")
                                  .arg(name)
                                  .arg(pixels)
                                  .arg(first.x())
                                  .arg(first.y())));
}

QTEST_MAIN(GoldensTest)
#include "goldens_test.moc"
