#pragma once

#include <optional>
#include <string>

namespace hearth::storage {

class Database;

/// The table `settings`: text by key ("language", "theme", "window.geometry", "models.folder", ...). Storage thread
/// only.
class Settings {
public:
    explicit Settings(Database& db) : db_(db) {}

    std::optional<std::string> find(const std::string& key) const;
    void set(const std::string& key, const std::string& value);
    void remove(const std::string& key);

private:
    Database& db_;
};

} // namespace hearth::storage
