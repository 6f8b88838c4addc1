#include "engine/error.h"

#include <array>
#include <cstdio>

namespace hearth::engine {

namespace {

/// Bytes of the valid UTF-8 sequence at the start of `s`; 0 where there is none (Unicode 15, table 3-7).
size_t utf8Length(std::string_view s) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80)
        return 1;
    const size_t n = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || s.size() < n)
        return 0;
    for (size_t i = 1; i < n; ++i)
        if ((byte(i) & 0xC0) != 0x80)
            return 0;
    const bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
    const bool surrogate = lead == 0xED && byte(1) > 0x9F;
    const bool tooLarge = lead == 0xF4 && byte(1) > 0x8F;
    return overlong || surrogate || tooLarge ? 0 : n;
}

} // namespace

std::string printable(std::string_view text, size_t limit) {
    std::string out;
    while (!text.empty()) {
        if (out.size() >= limit) {
            out += "…";
            break;
        }
        const size_t n = utf8Length(text);
        const auto lead = static_cast<unsigned char>(text[0]);
        const bool control = n == 1 && (lead < 0x20 || lead == 0x7F);
        const unsigned char third = n == 3 ? static_cast<unsigned char>(text[2]) : 0;
        // C1 controls, ends of lines and paragraphs, and the marks that turn the direction of what follows.
        const bool hidden = (n == 2 && lead == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0) ||
                            (n == 3 && text.substr(0, 2) == "\xE2\x80" &&
                             (third == 0x8E || third == 0x8F || (third >= 0xA8 && third <= 0xAE))) ||
                            (n == 3 && text.substr(0, 2) == "\xE2\x81" && third >= 0xA6 && third <= 0xAF);
        if (n == 0 || control || hidden)
            out += "?";
        else
            out += text.substr(0, n);
        text.remove_prefix(n == 0 ? 1 : n);
    }
    return out;
}

std::string readableBytes(uint64_t bytes) {
    static constexpr std::array kUnits = {"bytes", "kB", "MB", "GB", "TB", "PB", "EB"};
    double value = static_cast<double>(bytes);
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < kUnits.size()) {
        value /= 1000;
        ++unit;
    }
    char text[32];
    std::snprintf(text, sizeof text, unit >= 3 && value < 100 ? "%.1f %s" : "%.0f %s", value, kUnits[unit]);
    return text;
}

} // namespace hearth::engine
