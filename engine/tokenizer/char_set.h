#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

struct USet;

namespace hearth::engine {

/// A set of characters, built once and then asked often: ASCII by bitmap, the rest through ICU's frozen sets. Immutable
/// after freeze(); then any thread may ask.
class CharSet {
public:
    CharSet();
    static CharSet range(char32_t first, char32_t last);
    /// A general category, script or binary property by any of its Unicode names; false: there is none of this name.
    static bool property(std::string_view name, CharSet& out);

    void add(const CharSet&);
    void intersect(const CharSet&);
    void complement();
    void closeOverCase(); // adds what differs from a member by case only
    void freeze();

    bool containsAscii(unsigned char c) const { return ascii_[c >> 6] >> (c & 63) & 1; }

    bool contains(char32_t c) const { return c < 128 ? containsAscii(static_cast<unsigned char>(c)) : beyondAscii(c); }

    bool onlyAscii() const; // no member above U+007F

private:
    bool beyondAscii(char32_t) const;

    std::shared_ptr<USet> set_; // shared by copies, which are made of finished sets only
    std::array<uint64_t, 2> ascii_{};
};

} // namespace hearth::engine
