#include "storage/conversations.h"
#include "storage/messages.h"
#include "storage/search.h"
#include "temp_folder.h"

#include <atomic>
#include <thread>

namespace hearth::storage {

// One thread writes as the storage thread does, two read with connections of their own. A reader must see each moment
// whole: a branch never has a gap, and what was once seen stays.
TEST(Threads, readersSeeWholeMomentsWhileTheWriterWrites) {
    TempFolder folder;
    const auto file = folder / "d.sqlite";
    Database db(file, Database::Mode::Write);
    const ConversationId chat = Conversations(db).create("chat", "");
    std::atomic<bool> done = false;
    std::atomic<int> reads = 0;

    const auto readAlong = [&] {
        Database reader(file, Database::Mode::Read);
        size_t seen = 0;
        while (!done) {
            const Conversation now = Conversations(reader).find(chat).value();
            const std::vector<Message> branch = Messages(reader).branch(now.activeLeaf);
            ASSERT_GE(branch.size() + 1, seen);
            seen = std::max(seen, branch.size());
            for (size_t i = 0; i < branch.size(); ++i)
                ASSERT_EQ(branch[i].role, i % 2 ? Role::Assistant : Role::User);
            const auto hits = Search(reader).searchMessages("咖啡", 5);
            ASSERT_LE(hits.size(), 5u);
            ++reads;
        }
    };
    std::thread one(readAlong);
    std::thread two(readAlong);

    Messages messages(db);
    MessageId last;
    for (int turn = 0; turn < 60 || reads < 20; ++turn) {
        last = messages.append({.conversation = chat, .parent = last, .text = "咖啡 " + std::to_string(turn)});
        last = messages.beginReply(chat, last, "m");
        for (int step = 0; step < 10; ++step)
            messages.growReply(last, "a piece of the answer 价格 ", "");
        messages.finishReply(last, MessageState::Complete, 0, "", "");
        db.checkpoint(100);
    }
    done = true;
    one.join();
    two.join();
    EXPECT_GE(reads.load(), 20);
}

} // namespace hearth::storage
