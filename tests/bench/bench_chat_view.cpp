// The conversation view under load: first paint, frames while a reply streams, a resize; one JSON object.
#include "ui/chat/chat_view.h"

#include <QApplication>
#include <QElapsedTimer>
#include <QKeyEvent>

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <ctime>
#include <thread>
#include <vector>

using namespace hearth::ui;

namespace {

constexpr int kCharactersPerToken = 4;
constexpr int kTokensPerFrame = 5; // 300 a second at 60 frames a second

struct Options {
    int tokens = 100000; // of the conversation
    QString shape = QStringLiteral("mixed");
    bool load = false;
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

QVector<MessageRow> conversation(const Options& o) {
    QVector<MessageRow> rows;
    const int each = 500 * kCharactersPerToken;
    const QString shape = o.shape == u"thoughts" ? QStringLiteral("mixed") : o.shape;
    const QString text = shaped(shape, each);
    for (int done = 0; done < o.tokens * kCharactersPerToken; done += each) {
        MessageRow question;
        question.id = rows.size() + 1;
        question.text = QStringLiteral("A question of a line or two about what stands above, please.");
        rows << question;
        MessageRow reply;
        reply.id = rows.size() + 1;
        reply.role = Role::Assistant;
        reply.model = QStringLiteral("model");
        reply.text = text;
        rows << reply;
    }
    MessageRow growing;
    growing.id = rows.size() + 1;
    growing.role = Role::Assistant;
    growing.model = QStringLiteral("model");
    growing.state = MessageState::Streaming;
    rows << growing;
    return rows;
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
        else if (args[i] == u"--load")
            o.load = true;
        else if (args[i] != u"--json") {
            std::fprintf(stderr, "usage: bench_chat_view [--tokens N] [--shape "
                                 "mixed|list|code|table|paragraph|thoughts] [--frames N] [--load] [--json]\n");
            return 2;
        }
    }
    std::atomic<bool> stop{false};
    std::vector<std::thread> busy;
    for (int i = 0; o.load && i < 2; ++i) // what decoding does to the memory and the processor
        busy.emplace_back([&stop] {
            std::vector<float> weights(16u << 20, 1.5f);
            volatile float sum = 0;
            while (!stop)
                for (size_t k = 0; k < weights.size() && !stop; k += 4096) {
                    float part = 0;
                    for (size_t j = k; j < k + 4096; ++j)
                        part += weights[j];
                    sum = part;
                }
            (void)sum;
        });

    Theme theme;
    theme.install();
    const size_t before = mallinfo2().uordblks;
    ChatDocument document;
    ChatView view(document, theme);
    view.resize(o.size);
    view.show();
    paintNow();
    const QVector<MessageRow> rows = conversation(o);
    const double firstPaint = milliseconds([&] {
        document.setMessages(rows);
        paintNow();
    });
    const RowId id = rows.last().id;
    const int step = kTokensPerFrame * kCharactersPerToken;
    const QString text = shaped(o.shape == u"thoughts" ? QStringLiteral("paragraph") : o.shape, o.frames * step);
    std::vector<double> frames, own;
    for (int i = 0; i < o.frames; ++i) {
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
    stop = true;
    for (std::thread& t : busy)
        t.join();
    std::printf(
        "{\"shape\":\"%s\",\"tokens\":%d,\"firstPaintMs\":%.2f,\"streamFrameP50Ms\":%.2f,\"streamFrameP99Ms\":%.2f,"
        "\"streamFrameMaxMs\":%.2f,\"streamFrameCpuP50Ms\":%.2f,\"streamFrameCpuP99Ms\":%.2f,\"keyToPaintMs\":%.2f,"
        "\"resizeMs\":%.2f,\"viewBytes\":%zu,\"load\":%s}\n",
        qPrintable(o.shape), o.tokens, firstPaint, percentile(frames, 0.5), percentile(frames, 0.99),
        percentile(frames, 1.0), percentile(own, 0.5), percentile(own, 0.99), percentile(keys, 0.99), resize,
        after > before ? after - before : 0, o.load ? "true" : "false");
    return 0;
}
