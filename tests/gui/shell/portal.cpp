// Light and dark from the desktop's portal, over a bus of our own: what it says at the start, and what it says later.
#include "ui/theme.h"

#include <QDBusConnection>
#include <QDBusMessage>
#include <QDBusVariant>
#include <QElapsedTimer>
#include <QProcess>
#include <QSignalSpy>
#include <QTest>
#include <QThread>

#include <atomic>

using namespace hearth::ui;

namespace {

/// What xdg-desktop-portal answers: the value wrapped twice.
class FakePortal : public QObject {
    Q_OBJECT
    Q_CLASSINFO("D-Bus Interface", "org.freedesktop.portal.Settings")

public:
    std::atomic<uint> scheme = 0;
    std::atomic<int> delayMs = 0;

public slots:

    QDBusVariant Read(const QString& area, const QString& key) {
        QThread::msleep(static_cast<unsigned long>(delayMs.load()));
        if (area == QLatin1String("org.freedesktop.appearance") && key == QLatin1String("color-scheme"))
            return QDBusVariant(QVariant::fromValue(QDBusVariant(scheme.load())));
        return QDBusVariant(QString());
    }
};

} // namespace

class PortalTest : public QObject {
    Q_OBJECT

private slots:

    void initTestCase() {
        daemon_.start(QStringLiteral("dbus-daemon"),
                      {QStringLiteral("--session"), QStringLiteral("--nofork"), QStringLiteral("--print-address=1")});
        if (!daemon_.waitForStarted(5000))
            QSKIP("there is no dbus-daemon here");
        QVERIFY(daemon_.waitForReadyRead(5000));
        const QByteArray address = daemon_.readLine().trimmed();
        qputenv("DBUS_SESSION_BUS_ADDRESS", address); // before the first use of the session bus
        portal_.moveToThread(&thread_);
        thread_.start();
        QDBusConnection desktop =
            QDBusConnection::connectToBus(QString::fromLatin1(address), QStringLiteral("desktop"));
        QVERIFY(desktop.isConnected());
        QVERIFY(desktop.registerObject(QStringLiteral("/org/freedesktop/portal/desktop"), &portal_,
                                       QDBusConnection::ExportAllSlots));
        QVERIFY(desktop.registerService(QStringLiteral("org.freedesktop.portal.Desktop")));
    }

    void cleanupTestCase() {
        QDBusConnection::disconnectFromBus(QStringLiteral("desktop"));
        thread_.quit();
        thread_.wait();
        daemon_.kill();
        daemon_.waitForFinished(5000);
    }

    void theThemeFollowsLive() {
        Theme theme;
        QSignalSpy changed(&theme, &Theme::changed);
        QTest::qWait(200); // the bus tells who the portal is
        tell("org.freedesktop.appearance", "color-scheme", 1);
        QTRY_VERIFY(theme.isDark());
        tell("org.freedesktop.appearance", "color-scheme", 2);
        QTRY_VERIFY(!theme.isDark());
        QVERIFY(changed.size() >= 1);
        const auto before = changed.size();
        tell("org.freedesktop.appearance", "contrast", 1);
        tell("org.gnome.other", "color-scheme", 1);
        QTest::qWait(100);
        QCOMPARE(changed.size(), before);
    }

    void aChoiceIsNotOverruled() {
        Theme theme;
        theme.setChoice(ThemeChoice::Light);
        tell("org.freedesktop.appearance", "color-scheme", 1);
        QTest::qWait(100);
        QVERIFY(!theme.isDark());
        theme.setChoice(ThemeChoice::System);
        QTRY_VERIFY(theme.isDark());
    }

    void theFirstFrameHasTheRightColours() {
        for (const uint scheme : {1u, 2u, 0u}) {
            portal_.scheme = scheme;
            Theme theme; // no event loop has run
            QCOMPARE(theme.isDark(), scheme == 1);
        }
    }

    void aSlowPortalDoesNotHoldTheWindow() {
        portal_.delayMs = 2000;
        QElapsedTimer clock;
        clock.start();
        Theme theme;
        QVERIFY2(clock.elapsed() < 500, qPrintable(QString::number(clock.elapsed())));
    }

private:
    static void tell(const char* area, const char* key, uint value) {
        auto message = QDBusMessage::createSignal(QStringLiteral("/org/freedesktop/portal/desktop"),
                                                  QStringLiteral("org.freedesktop.portal.Settings"),
                                                  QStringLiteral("SettingChanged"));
        message << QString::fromLatin1(area) << QString::fromLatin1(key) << QVariant::fromValue(QDBusVariant(value));
        QVERIFY(QDBusConnection(QStringLiteral("desktop")).send(message));
    }

    QProcess daemon_;
    QThread thread_;
    FakePortal portal_;
};

QTEST_MAIN(PortalTest)
#include "portal.moc"
