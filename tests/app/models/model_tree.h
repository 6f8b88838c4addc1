#pragma once

#include "engine/gguf_writer.h"
#include "kernels/quant_types.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <vector>

namespace hearth::app {

namespace fs = std::filesystem;

/// A folder of the test's own, gone with it however its permissions were changed.
class TempTree {
public:
    TempTree() {
        std::string name = (fs::temp_directory_path() / "hearth-models-XXXXXX").string();
        if (!mkdtemp(name.data()))
            std::abort();
        path_ = name;
    }

    ~TempTree() {
        std::error_code error;
        lock(false);
        fs::remove_all(path_, error);
    }

    TempTree(const TempTree&) = delete;
    TempTree& operator=(const TempTree&) = delete;

    std::string path(const std::string& below = {}) const { return below.empty() ? path_ : path_ + "/" + below; }

    std::string write(const std::string& below, const std::string& bytes) const {
        fs::create_directories(fs::path(path(below)).parent_path());
        std::ofstream(path(below), std::ios::binary) << bytes;
        return path(below);
    }

    void link(const std::string& target, const std::string& below) const {
        fs::create_directories(fs::path(path(below)).parent_path());
        fs::create_symlink(target, path(below));
    }

    /// Nothing in it can be written any more, or again.
    void lock(bool on) const {
        std::error_code error;
        std::vector<fs::path> folders = {path_};
        for (fs::recursive_directory_iterator it(path_, error), end; !error && it != end; it.increment(error))
            if (!it->is_symlink(error) && it->is_directory(error))
                folders.push_back(it->path());
        for (const fs::path& folder : folders)
            fs::permissions(folder, on ? fs::perms(0500) : fs::perms(0700), error);
    }

    /// Every name with its kind, size, times (of access too), links and owner's bits: what any write would change.
    std::string listing(const std::string& below = {}) const {
        std::ostringstream out;
        std::vector<fs::path> paths = {path(below)};
        for (const auto& entry : fs::recursive_directory_iterator(path(below)))
            paths.push_back(entry.path());
        std::sort(paths.begin(), paths.end());
        for (const fs::path& path : paths) {
            struct stat status {};

            lstat(path.c_str(), &status);
            out << path.string() << ' ' << status.st_mode << ' ' << status.st_nlink << ' ' << status.st_ino << ' '
                << status.st_size << ' ' << status.st_blocks << ' ' << status.st_mtim.tv_sec << '.'
                << status.st_mtim.tv_nsec << ' ' << status.st_ctim.tv_sec << '.' << status.st_ctim.tv_nsec << '\n';
        }
        return out.str();
    }

private:
    std::string path_;
};

inline std::string readBytes(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

/// The smallest GGUF that a header reader takes; `salt` makes it another file of the same size.
inline std::string tinyGguf(uint64_t salt = 0, size_t padding = 32) {
    const auto number = [](uint64_t value, size_t bytes) {
        std::string out;
        for (size_t i = 0; i < bytes; ++i)
            out += static_cast<char>(value >> (8 * i) & 0xFF);
        return out;
    };
    return "GGUF" + number(3, 4) + number(0, 8) + number(0, 8) + number(salt, 8) + std::string(padding, 'x');
}

} // namespace hearth::app
