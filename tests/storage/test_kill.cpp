#include "storage/check.h"
#include "storage/conversations.h"
#include "storage/messages.h"
#include "temp_folder.h"

#include <chrono>
#include <csignal>
#include <cstring>
#include <map>
#include <random>
#include <thread>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hearth::storage {

namespace {

/// What the writing process says after each call has returned.
struct Acknowledged {
    int64_t message = 0;
    int64_t bytes = 0; // of its text that were acknowledged
    bool reply = false;
    bool finished = false;
};

/// The text of every message follows from its id, so that what is found can be compared.
std::string textFor(int64_t message, int64_t bytes) {
    std::string text;
    while (static_cast<int64_t>(text.size()) < bytes)
        text += "m" + std::to_string(message) + " at " + std::to_string(text.size()) + " 围炉 ";
    text.resize(static_cast<size_t>(bytes));
    return text;
}

void say(int pipe, const Acknowledged& what) {
    if (::write(pipe, &what, sizeof what) != static_cast<ssize_t>(sizeof what))
        ::_exit(3);
}

/// Chats for ever: a question, a reply that grows as fast as the disk allows, its end.
[[noreturn]] void chatUntilKilled(const std::filesystem::path& file, int pipe, unsigned seed) {
    std::mt19937 random(seed);
    const auto lock = InstanceLock::tryTake(file);
    if (!lock)
        ::_exit(2);
    Database db(file, Database::Mode::Write);
    Messages messages(db);
    messages.recover();
    Conversations conversations(db);
    const ConversationId chat = conversations.create("chat", "");
    Statement next = db.prepare("SELECT coalesce(max(id), 0) + 1 FROM messages");
    MessageId last;
    for (;;) {
        next.reset();
        next.step();
        const int64_t id = next.integer(0);
        next.reset();
        const int64_t size = 20 + random() % 3000;
        last = messages.append({.conversation = chat, .parent = last, .text = textFor(id, size)});
        say(pipe, {last.value, size, false, true});
        last = messages.beginReply(chat, last, "m");
        int64_t grown = 0;
        say(pipe, {last.value, 0, true, false});
        for (int step = static_cast<int>(random() % 60); step > 0; --step) {
            const int64_t more = 1 + random() % 400;
            messages.growReply(last, textFor(last.value, grown + more).substr(static_cast<size_t>(grown)), "");
            grown += more;
            say(pipe, {last.value, grown, true, false});
        }
        messages.finishReply(last, MessageState::Complete, 0, "", "{}");
        say(pipe, {last.value, grown, true, true});
    }
}

/// Reads what was acknowledged until `instant` has passed, kills the writer, and reads the rest.
void killAt(pid_t child, int pipe, std::chrono::steady_clock::time_point instant,
            std::map<int64_t, Acknowledged>& acknowledged) {
    bool killed = false;
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::microseconds>(instant - std::chrono::steady_clock::now());
        if (!killed && left.count() <= 0) {
            ::kill(child, SIGKILL);
            killed = true;
        }
        pollfd waiting{pipe, POLLIN, 0};
        const timespec timeout{0, killed ? 0 : left.count() * 1000 % 1'000'000'000};
        if (::ppoll(&waiting, 1, killed ? nullptr : &timeout, nullptr) <= 0)
            continue;
        Acknowledged what;
        if (::read(pipe, &what, sizeof what) != static_cast<ssize_t>(sizeof what))
            break; // the pipe ends when the writer is dead
        acknowledged[what.message] = what;
    }
    ::waitpid(child, nullptr, 0);
}

void expectNothingLost(Messages& messages, const std::map<int64_t, Acknowledged>& acknowledged) {
    for (const auto& [id, what] : acknowledged) {
        const std::optional<Message> found = messages.find({id});
        ASSERT_TRUE(found) << "message " << id << " was acknowledged and is lost";
        const auto size = static_cast<int64_t>(found->text.size());
        ASSERT_GE(size, what.bytes) << "message " << id << " lost acknowledged text";
        ASSERT_EQ(found->text, textFor(id, size));
        if (what.finished) {
            ASSERT_EQ(found->state, MessageState::Complete);
            continue;
        }
        ASSERT_TRUE(found->state == MessageState::Interrupted || found->state == MessageState::Complete);
        ASSERT_LE(size, what.bytes + 400); // one step may have been written and not yet said
    }
}

} // namespace

TEST(Kill, atFiftyInstantsLosesNothingThatWasAcknowledged) {
    TempFolder folder;
    const auto file = folder / "d.sqlite";
    std::mt19937 random(7);
    std::map<int64_t, Acknowledged> acknowledged;
    int interrupted = 0;
    for (int round = 0; round < 50; ++round) {
        int ends[2];
        ASSERT_EQ(::pipe(ends), 0);
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            ::close(ends[0]);
            try {
                chatUntilKilled(file, ends[1], static_cast<unsigned>(round));
            } catch (const std::exception& error) {
                fprintf(stderr, "writer: %s\n", error.what());
            }
            ::_exit(1);
        }
        ::close(ends[1]);
        if (round % 5 != 0) { // else it may die while it opens the database
            pollfd ready{ends[0], POLLIN, 0};
            ::poll(&ready, 1, 60'000);
        }
        const auto instant = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 120'000);
        killAt(child, ends[0], instant, acknowledged);
        ::close(ends[0]);

        ASSERT_TRUE(InstanceLock::tryTake(file));
        Database db(file, Database::Mode::Write);
        Messages messages(db);
        interrupted += static_cast<int>(messages.recover().size());
        expectNothingLost(messages, acknowledged);
        if (HasFatalFailure())
            FAIL() << "after kill " << round;
        const CheckReport report = check(file);
        ASSERT_TRUE(report.ok()) << "after kill " << round << ": " << report.problems[0];
    }
    EXPECT_GT(acknowledged.size(), 50u);
    EXPECT_GT(interrupted, 10) << "too few kills hit a reply that grew";
    printf("[   figure ] 50 kills, %zu acknowledged messages, %d replies cut off\n", acknowledged.size(), interrupted);
}

} // namespace hearth::storage
