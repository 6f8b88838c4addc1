#include "storage/database.h"
#include "temp_folder.h"

#include <csignal>

#include <fcntl.h>
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

// POSIX drops a process's locks on a file whenever it closes any descriptor of that file. The writer's must survive
// readers that come and go, or another program could take the log away from under it.
TEST(FileLock, ofTheWriterSurvivesReadersThatClose) {
    TempFolder folder;
    const auto file = folder / "d.sqlite";
    Database writer(file, Database::Mode::Write);
    writer.execute("INSERT INTO settings VALUES('a', 'b')");
    { const Database reader(file, Database::Mode::Read); }
    EXPECT_FALSE(errorOf([&] { Database(file, Database::Mode::Write).execute("no such statement"); }).empty());
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        const int fd = ::open(file.c_str(), O_RDWR);

        struct flock range {};

        range.l_type = F_WRLCK;
        range.l_whence = SEEK_SET;
        range.l_start = 0x40000002; // SQLite's shared range
        range.l_len = 510;
        ::_exit(::fcntl(fd, F_GETLK, &range) == 0 && range.l_type == F_RDLCK ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0) << "the writer's lock on the file is gone";
}

} // namespace hearth::storage
