#include "storage/messages.h"
#include "storage/remotes.h"

#include "storage/conversations.h"
#include "temp_folder.h"

namespace hearth::storage {

using RemotesTest = StorageTest;

TEST_F(RemotesTest, keepsReplacesAndRemoves) {
    Remotes remotes(db);
    EXPECT_TRUE(remotes.all().empty());
    const Remote office{"office", "Office", "https://gpu.example/v1", "qwen3", "vllm", 32768, true, true, false};
    Remote home{"home", "at home 家", "http://192.168.1.7:8080/v1", "m", "", 0, false, false, true};
    remotes.put(office);
    remotes.put(home);
    EXPECT_EQ(remotes.all(), (std::vector<Remote>{home, office})); // by name
    home.on = true;
    home.contextTokens = 4096;
    home.contextGiven = true;
    remotes.put(home);
    EXPECT_EQ(remotes.all(), (std::vector<Remote>{home, office}));
    remotes.remove("home");
    remotes.remove("home");
    EXPECT_EQ(remotes.all(), std::vector<Remote>{office});
}

TEST_F(RemotesTest, aReplyKeepsTheHostThatItCameFrom) {
    Messages messages(db);
    const ConversationId chat = Conversations(db).create("t", "remote:office");
    const MessageId here = messages.beginReply(chat, {}, "smol");
    const MessageId there = messages.beginReply(chat, here, "Office", "gpu.example");
    EXPECT_EQ(messages.find(here)->remote, "");
    EXPECT_EQ(messages.find(there)->remote, "gpu.example"); // from its first token on
    messages.finishReply(here, MessageState::Complete, 0, "", "");
    messages.finishReply(there, MessageState::Complete, 0, "", "");
    // Continued elsewhere the mark is added; continued here it stays.
    messages.reopenReply(here);
    messages.reopenReply(there);
    EXPECT_EQ(messages.find(here)->remote, "");
    messages.addRemote(here, "gpu.example");
    EXPECT_EQ(messages.find(here)->remote, "gpu.example");
    EXPECT_EQ(messages.find(there)->remote, "gpu.example");
    // Continued by another host it keeps both, each once.
    for (const char* host : {"example", "gpu.example", "example"})
        messages.addRemote(there, host);
    EXPECT_EQ(messages.find(there)->remote, "gpu.example, example");
}

} // namespace hearth::storage
