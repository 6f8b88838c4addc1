#include "storage/settings.h"
#include "temp_folder.h"

namespace hearth::storage {

using SettingsTest = StorageTest;

TEST_F(SettingsTest, keepsReplacesAndRemoves) {
    Settings settings(db);
    EXPECT_EQ(settings.find("theme"), std::nullopt);
    settings.set("theme", "dark");
    settings.set("language", "");
    EXPECT_EQ(settings.find("theme"), "dark");
    EXPECT_EQ(settings.find("language"), "");
    settings.set("theme", "light");
    EXPECT_EQ(settings.find("theme"), "light");
    settings.remove("theme");
    EXPECT_EQ(settings.find("theme"), std::nullopt);
}

TEST_F(SettingsTest, keepsEveryByte) {
    Settings settings(db);
    const std::string bytes("a\0b\xff围", 7);
    settings.set("window.geometry", bytes);
    EXPECT_EQ(settings.find("window.geometry"), bytes);
}

} // namespace hearth::storage
