#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace hearth::app {

/// Where what models have read of conversations is kept between sessions: a file for each conversation and model. Knows
/// names and ages of files only; the engine writes them. Engine thread, but for forget().
class PrefixFolder {
public:
    using Which = std::function<bool(const std::string& path)>;

    /// Before anything else. Empty: nothing is kept.
    void open(std::filesystem::path folder);

    bool isOpen() const { return !folder_.empty(); }

    /// The file of a conversation and of a model's cache (engine::ModelInfo::cacheKey); empty: nothing is kept of it.
    /// The folder is made, for its owner's eyes.
    std::string file(int64_t conversation, const std::string& cacheKey);
    /// Whether a file was not named here before: what it has is to be read.
    bool firstTime(const std::string& file);

    /// They are to be read again.
    void forgetRead() { read_.clear(); }

    /// A conversation's files are to go: any thread. Whoever owns the engine takes them then, and has them removed.
    void forget(int64_t conversation);
    std::vector<int64_t> takeForgotten();
    /// Files of such conversations; nothing else that lies in the folder.
    static Which filesOf(std::function<bool(int64_t conversation)>);
    /// Whoever writes them must have let go of them.
    void remove(const Which&);
    /// Those not used for longest go until all take so many bytes at most.
    void prune(uint64_t mostBytes) const;

private:
    std::filesystem::path folder_;
    std::set<std::string> read_;
    std::mutex mutex_;
    std::vector<int64_t> forgotten_; // guarded by mutex_
};

} // namespace hearth::app
