#include "storage/database.h"
#include "temp_folder.h"

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

namespace hearth::storage {

TEST(InstanceLock, isHeldByOneAndFreedAtTheEnd) {
    TempFolder folder;
    const auto file = folder / "d.sqlite";
    auto first = InstanceLock::tryTake(file);
    ASSERT_TRUE(first);
    EXPECT_FALSE(InstanceLock::tryTake(file));
    EXPECT_TRUE(InstanceLock::tryTake(folder / "other.sqlite"));
    first.reset();
    EXPECT_TRUE(InstanceLock::tryTake(file));
}

TEST(InstanceLock, saysWhyItCannotBeMade) {
    TempFolder folder;
    std::filesystem::create_directory(folder / "d.sqlite.lock");
    EXPECT_NE(errorOf([&] { InstanceLock::tryTake(folder / "d.sqlite"); }).find("lock"), std::string::npos);
}

TEST(InstanceLock, anotherProcessHoldsItUntilItIsKilled) {
    TempFolder folder;
    const auto file = folder / "d.sqlite";
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        const auto held = InstanceLock::tryTake(file);
        const char answer = held ? 'y' : 'n';
        if (::write(ready[1], &answer, 1) == 1)
            ::pause();
        ::_exit(0);
    }
    char answer = 0;
    ASSERT_EQ(::read(ready[0], &answer, 1), 1);
    EXPECT_EQ(answer, 'y');
    EXPECT_FALSE(InstanceLock::tryTake(file));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    EXPECT_TRUE(InstanceLock::tryTake(file));
    ::close(ready[0]);
    ::close(ready[1]);
}

} // namespace hearth::storage
