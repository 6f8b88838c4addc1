#include "app/application.h"
#include "app/data_folder.h"
#include "app/first_instance.h"
#include "app/timings.h"
#include "app/unix_signals.h"
#include "storage/database.h"

#include <QApplication>
#include <QCommandLineParser>
#include <QPointer>

#include <cstdio>
#include <memory>

namespace {

using namespace hearth;

/// Where the GUI thread begins: an exception that reaches the event loop becomes a notice, not the end of the program.
class GuiApplication : public QApplication {
public:
    using QApplication::QApplication;

    bool notify(QObject* receiver, QEvent* event) override {
        QString sentence;
        try {
            return QApplication::notify(receiver, event);
        } catch (const std::exception& e) {
            sentence = QString::fromUtf8(e.what());
        } catch (...) {
            sentence =
                QCoreApplication::translate("Application", "Something failed for a reason that it did not give.");
        }
        if (application)
            application->showFailure(sentence);
        else
            std::fprintf(stderr, "hearth: %s\n", qPrintable(sentence));
        return false;
    }

    QPointer<app::Application> application;
};

struct Arguments {
    QString data;
    QString file;
};

Arguments parse(const QStringList& list) {
    QCommandLineParser parser;
    parser.setApplicationDescription(
        QCoreApplication::translate("main", "Private conversation with open-weight models."));
    parser.addHelpOption();
    parser.addVersionOption();
    const QCommandLineOption data(QStringLiteral("data"),
                                  QCoreApplication::translate("main", "Keep everything in this folder."),
                                  QStringLiteral("DIR"));
    const QCommandLineOption timings(QStringLiteral("timings"),
                                     QCoreApplication::translate("main", "Say on stderr what happened when."));
    parser.addOptions({data, timings});
    parser.addPositionalArgument(QStringLiteral("FILE"),
                                 QCoreApplication::translate("main", "A model file (GGUF) to open."),
                                 QStringLiteral("[FILE]"));
    parser.process(list);
    if (parser.isSet(timings))
        app::timings::enable();
    return {parser.value(data), parser.positionalArguments().value(0)};
}

// A second start shows the first window. What holds the lock without a window is another program of ours.
int leaveToFirst(const app::DataFolder& data) {
    if (app::raiseFirstInstance(data.path))
        return 0;
    std::fprintf(stderr, "hearth: %s\n",
                 qPrintable(QCoreApplication::translate(
                                "main", "Another program is writing to %1. End it, then start Hearth again.")
                                .arg(data.path)));
    return 1;
}

} // namespace

int main(int argc, char** argv) {
    QCoreApplication::setApplicationName(QStringLiteral("hearth"));
    QCoreApplication::setApplicationVersion(QStringLiteral(HEARTH_VERSION));
    QGuiApplication::setDesktopFileName(QStringLiteral("hearth"));
    QGuiApplication::setQuitOnLastWindowClosed(false); // the application ends by itself, after it has stored
    GuiApplication qt(argc, argv);
    const Arguments arguments = parse(QCoreApplication::arguments());
    app::timings::mark("toolkit ready");
    app::DataFolder data = app::findDataFolder(arguments.data);
    std::unique_ptr<storage::InstanceLock> lock;
    if (data.problem.isEmpty()) {
        try {
            lock = storage::InstanceLock::tryTake(data.file(QStringLiteral("hearth.db")).toStdString());
            if (!lock)
                return leaveToFirst(data);
        } catch (const std::exception& e) {
            data.problem = QString::fromUtf8(e.what());
        }
    }

    app::UnixSignals unixSignals;
    app::Application application({data, arguments.file});
    qt.application = &application;
    std::unique_ptr<app::FirstInstance> first;
    if (lock) {
        first = std::make_unique<app::FirstInstance>(data.path);
        QObject::connect(first.get(), &app::FirstInstance::raiseAsked, &application, &app::Application::raiseWindow);
    }
    QObject::connect(&unixSignals, &app::UnixSignals::endAsked, &application, &app::Application::end);
    QObject::connect(&application, &app::Application::ended, &qt, &QCoreApplication::quit, Qt::QueuedConnection);
    try {
        application.start();
        return QCoreApplication::exec();
    } catch (const std::exception& e) {
        std::fprintf(stderr, "hearth: %s\n", e.what());
        return 1;
    }
}
