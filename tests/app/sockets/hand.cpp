// A hand inside the real program: a plugin that Qt itself loads when its environment names it, and that does what the
// lines on standard input say with the widgets that are visible. The program knows nothing of it.
//
//   wait TEXT          until something visible says TEXT
//   gone TEXT          until nothing does
//   press NAME         a button, by its accessible name or its label
//   reach NAME|BY      the same; where it is not to be seen another button is pressed first, which brings it
//   write NAME|TEXT    into a field, by its accessible name; a letter after the other
//   paste NAME|TEXT    through the clipboard
//   enter NAME         the key in a field
//   choose NAME|TEXT   in a list that opens
//   tell               everything visible, for whoever writes a test
//   picture FILE       of the window
//   end                closes the window
//
// Each line is answered on standard output by "ok" or "no: why".

#include <QAbstractButton>
#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QElapsedTimer>
#include <QGenericPlugin>
#include <QKeyEvent>
#include <QLabel>
#include <QLineEdit>
#include <QPixmap>
#include <QPlainTextEdit>
#include <QSocketNotifier>
#include <QTimer>

#include <cstdio>
#include <unistd.h>
#include <utility>

namespace {

constexpr int kPatience = 60000; // ms

QString plain(QString text) {
    return text.remove(QLatin1Char('&')).replace(QChar::Nbsp, QLatin1Char(' ')).simplified();
}

/// What a widget says, to the eye or to a screen reader.
QStringList saidBy(const QWidget* widget) {
    QStringList said{plain(widget->accessibleName())};
    for (const char* property : {"text", "placeholderText", "plainText", "currentText"})
        if (const QVariant value = widget->property(property); value.isValid())
            said << plain(value.toString());
    said.removeAll(QString());
    said.removeDuplicates();
    return said;
}

QList<QWidget*> visible() {
    QList<QWidget*> widgets;
    for (QWidget* top : QApplication::topLevelWidgets()) {
        if (!top->isVisible())
            continue;
        widgets << top;
        for (QWidget* widget : top->findChildren<QWidget*>())
            if (widget->isVisible())
                widgets << widget;
    }
    return widgets;
}

bool anySays(const QString& text) {
    for (const QWidget* widget : visible())
        for (const QString& said : saidBy(widget))
            if (said.contains(text))
                return true;
    return false;
}

/// The widget of this class and name; whole names go before beginnings.
template <class T>
T* named(const QString& name) {
    for (const bool whole : {true, false})
        for (QWidget* widget : visible())
            if (T* it = qobject_cast<T*>(widget))
                for (const QString& said : saidBy(widget))
                    if (whole ? said == name : said.startsWith(name))
                        return it;
    return nullptr;
}

QWidget* field(const QString& name) {
    if (auto* line = named<QLineEdit>(name))
        return line;
    return named<QPlainTextEdit>(name);
}

void key(QWidget* to, int code, Qt::KeyboardModifiers with, const QString& text) {
    QKeyEvent press(QEvent::KeyPress, code, with, text), release(QEvent::KeyRelease, code, with, text);
    QCoreApplication::sendEvent(to, &press);
    QCoreApplication::sendEvent(to, &release);
}

} // namespace

class Hand : public QObject {
    Q_OBJECT

public:
    Hand() : input_(0, QSocketNotifier::Read) {
        connect(&input_, &QSocketNotifier::activated, this, [this] {
            char bytes[4096];
            const ssize_t n = ::read(0, bytes, sizeof bytes);
            if (n <= 0) {
                input_.setEnabled(false);
                return;
            }
            pending_.append(bytes, n);
            if (!busy_)
                QTimer::singleShot(0, this, &Hand::next);
        });
    }

private:
    void next() {
        const qsizetype end = pending_.indexOf('\n');
        if (end < 0 || busy_)
            return;
        line_ = QString::fromUtf8(pending_.left(end)).trimmed();
        pending_.remove(0, end + 1);
        busy_ = true;
        brought_ = false;
        watch_.start();
        attempt();
    }

    // Windows come when they come: what cannot be done yet is tried again.
    void attempt() {
        const QString verb = line_.section(QLatin1Char(' '), 0, 0), rest = line_.section(QLatin1Char(' '), 1);
        const QString what = rest.section(QLatin1Char('|'), 0, 0), text = rest.section(QLatin1Char('|'), 1);
        const QString why = done(verb, what, text);
        if (!why.isEmpty() && watch_.elapsed() < kPatience) {
            QTimer::singleShot(20, this, &Hand::attempt);
            return;
        }
        std::printf("%s\n", why.isEmpty() ? "ok" : qPrintable(QStringLiteral("no: ") + why));
        std::fflush(stdout);
        busy_ = false;
        QTimer::singleShot(0, this, &Hand::next);
    }

    /// Empty: it is done.
    QString done(const QString& verb, const QString& what, const QString& text) {
        if (verb == u"wait")
            return anySays(what) ? QString() : QStringLiteral("nothing says it");
        if (verb == u"gone")
            return anySays(what) ? QStringLiteral("it is still there") : QString();
        if (verb == u"press")
            return press(what);
        if (verb == u"reach") {
            if (!named<QAbstractButton>(what) && !std::exchange(brought_, true))
                press(text);
            return press(what);
        }
        if (verb == u"write" || verb == u"paste" || verb == u"enter")
            return fill(verb, what, text);
        if (verb == u"choose")
            return choose(what, text);
        if (verb == u"tell")
            return tell();
        if (verb == u"picture")
            return window() && window()->grab().save(what) ? QString() : QStringLiteral("not written");
        if (verb == u"end")
            return window() && window()->close() ? QString() : QStringLiteral("no window");
        return QStringLiteral("no such verb");
    }

    static QWidget* window() {
        for (QWidget* top : QApplication::topLevelWidgets())
            if (top->isVisible() && top->inherits("hearth::ui::MainWindow"))
                return top;
        return nullptr;
    }

    static QString press(const QString& name) {
        auto* button = named<QAbstractButton>(name);
        if (!button || !button->isEnabled())
            return QStringLiteral("no such button, or not enabled");
        QTimer::singleShot(0, button, &QAbstractButton::click); // it may open a dialog of its own
        return {};
    }

    static QString fill(const QString& verb, const QString& name, const QString& text) {
        QWidget* to = field(name);
        if (!to || !to->isEnabled())
            return QStringLiteral("no such field, or not enabled");
        to->setFocus(Qt::OtherFocusReason);
        if (verb == u"enter") {
            key(to, Qt::Key_Return, {}, QStringLiteral("\r"));
        } else if (verb == u"paste") {
            QGuiApplication::clipboard()->setText(text);
            QMetaObject::invokeMethod(to, "selectAll");
            QMetaObject::invokeMethod(to, "paste");
        } else {
            for (const QChar c : text)
                key(to, 0, {}, QString(c));
        }
        return {};
    }

    static QString choose(const QString& name, const QString& text) {
        auto* list = named<QComboBox>(name);
        for (int i = 0; list && list->isEnabled() && i < list->count(); ++i)
            if (plain(list->itemText(i)) == text) {
                list->setCurrentIndex(i);
                return {};
            }
        return QStringLiteral("no such list, or not in it");
    }

    static QString tell() {
        for (const QWidget* widget : visible())
            if (const QStringList said = saidBy(widget); !said.isEmpty())
                std::printf("# %s%s: %s\n", widget->metaObject()->className(), widget->isEnabled() ? "" : " (off)",
                            qPrintable(said.join(QStringLiteral(" | "))));
        return {};
    }

    QSocketNotifier input_;
    QByteArray pending_;
    QString line_;
    QElapsedTimer watch_;
    bool busy_ = false, brought_ = false;
};

class HandPlugin : public QGenericPlugin {
    Q_OBJECT
    Q_PLUGIN_METADATA(IID QGenericPluginFactoryInterface_iid FILE "hand.json")

public:
    QObject* create(const QString& name, const QString&) override {
        return name == QLatin1String("hearth-hand") ? new Hand : nullptr;
    }
};

#include "hand.moc"
