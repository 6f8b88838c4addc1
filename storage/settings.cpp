#include "storage/settings.h"

#include "storage/database.h"

namespace hearth::storage {

std::optional<std::string> Settings::find(const std::string& key) const {
    Statement select = db_.prepare("SELECT value FROM settings WHERE key = ?1");
    if (!select.bind(1, key).step())
        return std::nullopt;
    return select.text(0);
}

void Settings::set(const std::string& key, const std::string& value) {
    db_.prepare("INSERT INTO settings(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value")
        .bind(1, key)
        .bind(2, value)
        .run();
}

void Settings::remove(const std::string& key) {
    db_.prepare("DELETE FROM settings WHERE key = ?1").bind(1, key).run();
}

} // namespace hearth::storage
