#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace hearth::app {

/// A small file that says which model is being tried. It is on the disk before a model is loaded and goes away after
/// its first token, so that a model which takes the program down is known at the next start. Holds no state: any
/// thread, one at a time.
class LoadMark {
public:
    enum class Stage { Loading, Loaded, Answering };

    struct Entry {
        std::string path; // of the model
        Stage stage = Stage::Loading;
    };

    explicit LoadMark(std::filesystem::path file) : file_(std::move(file)) {}

    std::optional<Entry> read() const;
    bool write(const Entry&) const; // on the disk when it returns true
    void clear() const;

private:
    std::filesystem::path file_;
};

} // namespace hearth::app
