#include "samples.h"
#include "ui/chat/chat_view.h"

#include <QClipboard>
#include <QGuiApplication>
#include <QTest>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <iterator>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

using namespace hearth::ui;

namespace {

std::atomic<int> trapped{0};

#if defined(__x86_64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_X86_64;

void refuse(void* context) {
    static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RAX] = -EACCES;
}
#elif defined(__aarch64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_AARCH64;

void refuse(void* context) {
    static_cast<ucontext_t*>(context)->uc_mcontext.regs[0] = (unsigned long long)(-EACCES);
}
#else
constexpr unsigned kArchitecture = 0;

void refuse(void*) {}
#endif

void onTrap(int, siginfo_t*, void* context) {
    ++trapped;
    refuse(context);
}

/// From here on the kernel stops every thread of this process where it asks for an internet socket, for a ring that
/// could ask for one, or for another program; each is counted and refused. False: this kernel cannot.
bool watch() {
    constexpr unsigned kNumber = offsetof(seccomp_data, nr);
    constexpr unsigned kArch = offsetof(seccomp_data, arch);
    constexpr unsigned kDomain = offsetof(seccomp_data, args); // the low half of the first argument
    sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kArch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kNumber),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 6, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execveat, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kDomain),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog program{};
    program.len = std::size(rules);
    program.filter = rules;
    struct sigaction action = {};
    action.sa_sigaction = onTrap;
    action.sa_flags = SA_SIGINFO;
    return kArchitecture != 0 && sigaction(SIGSYS, &action, nullptr) == 0 &&
           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

const char* const kContents[] = {
    "![x](http://127.0.0.1:9/?q=SECRET) ![y](https://example.com/y.png 'z') ![z](//example.com/z.svg)",
    "![x][1] [![b][1]](http://127.0.0.1:9/c)\n\n[1]: http://127.0.0.1:9/?q=SECRET",
    "<img src=http://127.0.0.1:9/a.png srcset='http://127.0.0.1:9/b.png 2x'> <picture><source "
    "srcset=http://127.0.0.1:9/c.webp></picture>\n\n<img src=\"http://127.0.0.1:9/d.png\" width=2000000000>",
    "<style>@import url(http://127.0.0.1:9/e.css); body { background: url('http://127.0.0.1:9/f.png') }</style>",
    "<link rel=icon href=http://127.0.0.1:9/favicon.ico> <link rel=dns-prefetch href=//example.com>\n\n"
    "<iframe src=http://127.0.0.1:9/></iframe><object data=http://127.0.0.1:9/g></object><script "
    "src=http://127.0.0.1:9/h.js></script><video poster=http://127.0.0.1:9/i.png autoplay>",
    "<http://127.0.0.1:9/auto> http://127.0.0.1:9/bare www.example.com/bare a@example.com <b@example.com>",
    "[see](http://127.0.0.1:9/) [bank](https://bank.com@evil.example/) note[^1]\n\n[^1]: ![f](http://127.0.0.1:9/n)",
    "| ![t](http://127.0.0.1:9/t.png) | http://127.0.0.1:9/u |\n|---|---|\n| <img src=http://127.0.0.1:9/v> | x |",
    "```html\n<img src=http://127.0.0.1:9/code.png>\n```\n\n```mermaid\nclick A \"http://127.0.0.1:9/m\"\n```",
    "$$\n\\href{http://127.0.0.1:9/}{x} \\input{/etc/passwd} \\write18{curl 127.0.0.1:9}\n$$",
    "![d](data:image/png;base64,iVBORw0KGgo=) ![f](file:///etc/passwd) ![q](qrc:/x) ![s](smb://127.0.0.1/x)",
};

} // namespace

/// No socket is opened by content: not one, whatever a message holds and whatever the reader does but open a link.
class NoSocketTest : public QObject {
    Q_OBJECT

private slots:
    void initTestCase();
    void theTrapWorks();
    void contentOpensNone_data();
    void contentOpensNone();
};

void NoSocketTest::initTestCase() {
    // All that Qt opens for itself is open before.
    Theme theme;
    ChatDocument document;
    ChatView view(document, theme);
    view.show();
    document.setMessages({test::answer(1, QStringLiteral("plain *text* 中文 `c`"))});
    QCoreApplication::processEvents();
    view.grab();
    if (!watch())
        QSKIP("this kernel does not let a process watch its own calls");
}

void NoSocketTest::theTrapWorks() {
    for (const int domain : {AF_INET, AF_INET6}) {
        trapped = 0;
        errno = 0;
        QCOMPARE(::socket(domain, SOCK_STREAM, 0), -1);
        QCOMPARE(errno, EACCES);
        QCOMPARE(trapped.load(), 1);
    }
    const int local = ::socket(AF_UNIX, SOCK_STREAM, 0); // the session bus may be talked to
    QVERIFY(local >= 0);
    ::close(local);
    QCOMPARE(trapped.load(), 1);
}

void NoSocketTest::contentOpensNone_data() {
    QTest::addColumn<QString>("text");
    QString all;
    for (const char* content : kContents) {
        QTest::newRow(QByteArray(content).left(40).toPercentEncoding()) << QString::fromUtf8(content);
        all += QString::fromUtf8(content) + QStringLiteral("\n\n");
    }
    QTest::newRow("all") << all;
}

void NoSocketTest::contentOpensNone() {
    QFETCH(QString, text);
    trapped = 0;
    Theme theme;
    ChatDocument document;
    ChatView view(document, theme);
    view.resize(640, 480);
    view.show();
    MessageRow streamed = test::answer(3, QString());
    streamed.state = MessageState::Streaming;
    document.setMessages({test::user(1, text), test::answer(2, text), streamed});
    for (qsizetype at = 0; at < text.size(); at += 7) {
        document.appendText(3, text.mid(at, 7));
        QCoreApplication::processEvents();
    }
    document.finishMessage(3, MessageState::Complete, 0, QString());
    for (const double position : {0.0, 0.5, 1.0, 2.0}) {
        view.setScrollPosition(position);
        view.grab();
        for (int y = 10; y < 480; y += 24) // hovers over everything that there is
            for (int x = 40; x < 640; x += 80)
                QTest::mouseMove(view.viewport(), QPoint(x, y));
        QTest::qWait(30);
    }
    view.selectAll();
    QGuiApplication::clipboard()->setText(view.selectedText());
    view.grab();
    QTest::qWait(50);
    QCOMPARE(trapped.load(), 0);
}

QTEST_MAIN(NoSocketTest)
#include "no_socket_test.moc"
