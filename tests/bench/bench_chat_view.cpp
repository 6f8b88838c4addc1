// The conversation view under load: first paint from the click on (rows read from SQLite), frames while a reply
// streams, keys, a resize; one JSON object. --load: while hearth-cli decodes the starter model with two threads
// (HEARTH_MODELS), or, without it, two threads read memory as decoding does.
#include "app/chat/stored_conversation.h"
#include "ui/chat/chat_view.h"

#include <QApplication>
#include <QDir>
#include <QElapsedTimer>
#include <QFileInfo>
#include <QKeyEvent>
#include <QProcess>
#include <QTemporaryDir>

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <thread>
#include <vector>

using hearth::ui::ChatDocument;
using hearth::ui::ChatView;
using hearth::ui::MessageRow;
using hearth::ui::RowId;
using hearth::ui::Theme;

namespace {

constexpr int kCharactersPerToken = 4;
constexpr int kTokensPerFrame = 5; // 300 a second at 60 frames a second

struct Options {
    int tokens = 100000; // of the conversation
    QString shape = QStringLiteral("mixed");
    bool load = false;
    bool paced = false; // 60 frames a second, as they come in life; else one right after the other
    int frames = 600;
    QSize size{1280, 800};
};

/// Text of a shape, at least `characters` long.
QString shaped(const QString& shape, int characters) {
    QString out;
    if (shape == u"code")
        out = QStringLiteral("```cpp\n");
    if (shape == u"table")
        out = QStringLiteral("| name | value | note |\n|:--|--:|---|\n");
    for (int i = 0; out.size() < characters; ++i) {
        if (shape == u"list") {
            out +=
                QString(2 * (i % 4), u' ') + QStringLiteral("- item %1 with **bold** words and `code` in it\n").arg(i);
        } else if (shape == u"code") {
            out += QStringLiteral("    int value%1 = compute(%1, \"text\"); // a comment\n").arg(i);
        } else if (shape == u"table") {
            out += QStringLiteral("| row %1 | %2 | some words about it |\n").arg(i).arg(i * 7);
        } else if (shape == u"paragraph") {
            for (int k = 0; k < 200; ++k)
                out += QChar(0x4E00 + (i * 211 + k * 37) % 4000);
        } else {
            out += QStringLiteral("## Part %1\n\nA paragraph with *emphasis*, **strong words**, `code` and "
                                  "中文混排的句子，as people write. It goes on for a while.\n\n"
                                  "1. first\n2. second\n   - nested\n\n```python\ndef f(x):\n    return x + "
                                  "%1\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> quoted\n\n")
                       .arg(i);
        }
    }
    return out;
}

/// The whole thing that a shape is about, in one message: 2,000 items, 3,000 lines, 2,000 rows, 20,000 Han.
QString wholeOf(const QString& shape) {
    const int characters = shape == u"list"        ? 2000 * 47
                           : shape == u"code"      ? 3000 * 52
                           : shape == u"table"     ? 2000 * 37
                           : shape == u"paragraph" ? 20000
                                                   : 0;
    return characters > 0 ? shaped(shape, characters) : QString();
}

/// Turns of a question and an answer up to the number of tokens, the whole thing of the shape in the last one.
int64_t store(hearth::app::StorageWorker& worker, const Options& o) {
    const int each = 500 * kCharactersPerToken;
    const QString shape = o.shape == u"thoughts" ? QStringLiteral("mixed") : o.shape;
    const std::string text = shaped(shape, each).toStdString();
    const std::string whole = wholeOf(shape).toStdString();
    const int turns = std::max(1, o.tokens * kCharactersPerToken / each);
    return worker.wait([&](hearth::app::Store& store) {
        using namespace hearth::storage;
        const ConversationId id = store.conversations.create("bench", "model");
        Message m;
        m.conversation = id;
        m.model = "model";
        for (int i = 0; i < turns; ++i) {
            m.role = hearth::storage::Role::User;
            m.text = "A question of a line or two about what stands above, please.";
            m.parent = store.messages.append(m);
            m.role = hearth::storage::Role::Assistant;
            m.text = i + 1 == turns && !whole.empty() ? whole : text;
            m.parent = store.messages.append(m);
        }
        return id.value;
    });
}

void paintNow() {
    for (int i = 0; i < 3; ++i)
        QCoreApplication::processEvents();
}

/// Of this thread alone: what a frame costs when other programs hold the processor.
double cpuMilliseconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return double(now.tv_sec) * 1e3 + double(now.tv_nsec) / 1e6;
}

template <typename F>
double milliseconds(F f) {
    QElapsedTimer timer;
    timer.start();
    f();
    return double(timer.nsecsElapsed()) / 1e6;
}

double percentile(std::vector<double> v, double p) {
    std::sort(v.begin(), v.end());
    return v.empty() ? 0 : v[std::min(v.size() - 1, size_t(p * double(v.size())))];
}

/// What decoding does to the processor and the memory.
class Load {
public:
    explicit Load(bool wanted) {
        if (!wanted)
            return;
        const QDir models(qEnvironmentVariable("HEARTH_MODELS"));
        const QString model = models.filePath(QStringLiteral("SmolLM2-135M-Instruct.Q4_1.gguf"));
        const QString program = QCoreApplication::applicationDirPath() + QStringLiteral("/../../app/hearth-cli");
        if (QFileInfo(model).isFile() && QFileInfo(program).isExecutable()) {
            decoder_.setProgram(program);
            decoder_.setArguments({QStringLiteral("bench"), QStringLiteral("--model"), model,
                                   QStringLiteral("--threads"), QStringLiteral("2"), QStringLiteral("--prompt"),
                                   QStringLiteral("16"), QStringLiteral("--generate"), QStringLiteral("1000"),
                                   QStringLiteral("--repeat"), QStringLiteral("50")});
            decoder_.setStandardOutputFile(QProcess::nullDevice());
            decoder_.setStandardErrorFile(QProcess::nullDevice());
            decoder_.start();
            decoder_.waitForStarted();
            std::this_thread::sleep_for(std::chrono::seconds(2)); // it loads
            return;
        }
        for (int i = 0; i < 2; ++i)
            busy_.emplace_back([this] {
                std::vector<float> weights(16u << 20, 1.5f);
                volatile float sum = 0;
                while (!stop_)
                    for (size_t k = 0; k < weights.size() && !stop_; k += 4096) {
                        float part = 0;
                        for (size_t j = k; j < k + 4096; ++j)
                            part += weights[j];
                        sum = part;
                    }
                (void)sum;
            });
    }

    ~Load() {
        stop_ = true;
        for (std::thread& t : busy_)
            t.join();
        if (decoder_.state() != QProcess::NotRunning) {
            decoder_.kill();
            decoder_.waitForFinished();
        }
    }

    const char* name() const {
        return decoder_.state() == QProcess::Running ? "starter" : busy_.empty() ? "none" : "memory";
    }

private:
    QProcess decoder_;
    std::atomic<bool> stop_{false};
    std::vector<std::thread> busy_;
};

} // namespace

int main(int argc, char** argv) {
    QApplication app(argc, argv);
    Options o;
    const QStringList args = app.arguments();
    for (int i = 1; i < args.size(); ++i) {
        const bool more = i + 1 < args.size();
        if (args[i] == u"--tokens" && more)
            o.tokens = std::clamp(args[++i].toInt(), 1, 10000000);
        else if (args[i] == u"--shape" && more)
            o.shape = args[++i];
        else if (args[i] == u"--frames" && more)
            o.frames = std::clamp(args[++i].toInt(), 1, 1000000);
        else if (args[i] == u"--size" && more) { // of the window, WIDTHxHEIGHT in px of the desktop
            const QStringList sides = args[++i].split(u'x');
            o.size = {std::clamp(sides.first().toInt(), 640, 10000), std::clamp(sides.last().toInt(), 480, 10000)};
        } else if (args[i] == u"--load")
            o.load = true;
        else if (args[i] == u"--paced")
            o.paced = true;
        else if (args[i] != u"--json") {
            std::fprintf(
                stderr,
                "usage: bench_chat_view [--tokens N] [--shape "
                "mixed|list|code|table|paragraph|thoughts] [--frames N] [--size WxH] [--load] [--paced] [--json]\n");
            return 2;
        }
    }
    QTemporaryDir folder;
    hearth::app::StorageWorker worker;
    worker.open(folder.filePath(QStringLiteral("bench.db")).toStdString());
    const hearth::storage::ConversationId conversation{store(worker, o)};
    Load load(o.load);

    Theme theme;
    theme.install();
    const size_t before = mallinfo2().uordblks;
    ChatDocument document;
    ChatView view(document, theme);
    view.resize(o.size);
    view.show();
    paintNow();
    // Another conversation is in the window when the person clicks: the faces are loaded.
    MessageRow shown;
    shown.id = RowId(1) << 40; // in no stored conversation: the same id would keep the reader's place
    shown.role = hearth::ui::Role::Assistant;
    shown.text = shaped(QStringLiteral("mixed"), 100);
    document.setMessages({shown});
    paintNow();
    RowId id = 0;
    double read = 0;
    const double cpuBefore = cpuMilliseconds();
    QElapsedTimer click;
    click.start();
    const auto sinceClick = [&] { return double(click.nsecsElapsed()) / 1e6; };
    const double firstPaint = milliseconds([&] { // as a click on the list does it
        const auto stored =
            worker.wait([&](hearth::app::Store& store) { return hearth::app::loadConversation(store, conversation); });
        read = sinceClick();
        QVector<MessageRow> rows;
        rows.reserve(qsizetype(stored->branch.size()));
        for (const hearth::app::StoredMessage& m : stored->branch)
            rows.append(hearth::app::messageRow(m));
        id = rows.last().id + 1;
        document.setMessages(rows);
        paintNow();
    });
    const double firstPaintCpu = cpuMilliseconds() - cpuBefore;
    MessageRow growing;
    growing.id = id;
    growing.role = hearth::ui::Role::Assistant;
    growing.model = QStringLiteral("model");
    growing.state = hearth::ui::MessageState::Streaming;
    document.appendMessage(growing);
    paintNow();
    const int step = kTokensPerFrame * kCharactersPerToken;
    const QString text = shaped(o.shape == u"thoughts" ? QStringLiteral("paragraph") : o.shape, o.frames * step);
    std::vector<double> frames, own;
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < o.frames; ++i) {
        if (o.paced)
            std::this_thread::sleep_until(begin + i * std::chrono::microseconds(16667));
        const double start = cpuMilliseconds();
        frames.push_back(milliseconds([&] {
            if (o.shape == u"thoughts")
                document.appendThoughts(id, text.mid(i * step, step));
            else
                document.appendText(id, text.mid(i * step, step));
            paintNow();
        }));
        own.push_back(cpuMilliseconds() - start);
    }
    std::vector<double> keys;
    for (int i = 0; i < 20; ++i)
        keys.push_back(milliseconds([&] {
            QKeyEvent press(QEvent::KeyPress, i < 10 ? Qt::Key_PageUp : Qt::Key_PageDown, Qt::NoModifier);
            QCoreApplication::sendEvent(&view, &press);
            paintNow();
        }));
    const double resize = milliseconds([&] {
        view.resize(o.size.width() - 560, o.size.height());
        paintNow();
    });
    const size_t after = mallinfo2().uordblks;
    std::printf(
        "{\"shape\":\"%s\",\"tokens\":%d,\"firstPaintMs\":%.2f,\"readMs\":%.2f,\"firstPaintCpuMs\":%.2f,"
        "\"streamFrameP50Ms\":%.2f,\"streamFrameP99Ms\":%.2f,"
        "\"streamFrameMaxMs\":%.2f,\"streamFrameCpuP50Ms\":%.2f,\"streamFrameCpuP99Ms\":%.2f,\"keyToPaintMs\":%.2f,"
        "\"resizeMs\":%.2f,\"viewBytes\":%zu,\"load\":\"%s\"}\n",
        qPrintable(o.shape), o.tokens, firstPaint, read, firstPaintCpu, percentile(frames, 0.5),
        percentile(frames, 0.99), percentile(frames, 1.0), percentile(own, 0.5), percentile(own, 0.99),
        percentile(keys, 0.99), resize, after > before ? after - before : 0, load.name());
    return 0;
}
