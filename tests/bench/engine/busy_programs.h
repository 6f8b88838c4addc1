#pragma once

#include <vector>

#include <sys/types.h>

namespace hearth::bench {

/// Processes that do nothing but use a processor, from registers only, as nice as this one. Gone with the object, and
/// with this process.
class BusyPrograms {
public:
    explicit BusyPrograms(int count); // throws engine::Error
    ~BusyPrograms();
    BusyPrograms(const BusyPrograms&) = delete;
    BusyPrograms& operator=(const BusyPrograms&) = delete;

private:
    void end();

    std::vector<pid_t> running_;
};

} // namespace hearth::bench
