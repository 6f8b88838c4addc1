#include "engine/jinja/builtins.h"

#include <array>

namespace hearth::engine::jinja {

namespace {

constexpr std::string_view kDays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
constexpr std::string_view kMonths[] = {"January", "February", "March",     "April",   "May",      "June",
                                        "July",    "August",   "September", "October", "November", "December"};
constexpr size_t kLongestPattern = 1024;

std::string padded(int value, int width, char fill = '0') {
    std::string s = std::to_string(value);
    return s.size() < static_cast<size_t>(width) ? std::string(width - s.size(), fill) + s : s;
}

template <size_t n>
std::string_view nameOf(const std::string_view (&names)[n], int i) {
    return i >= 0 && i < static_cast<int>(n) ? names[i] : "?";
}

/// Patterns that stand for others.
std::string_view compound(char c) {
    switch (c) {
    case 'c':
        return "%a %b %e %H:%M:%S %Y";
    case 'D':
    case 'x':
        return "%m/%d/%y";
    case 'F':
        return "%Y-%m-%d";
    case 'R':
        return "%H:%M";
    case 'T':
    case 'X':
        return "%H:%M:%S";
    case 'r':
        return "%I:%M:%S %p";
    default:
        return {};
    }
}

std::string field(char c, bool unpadded, const std::tm& t) {
    const auto number = [&](int value, int width, char fill = '0') {
        return padded(value, unpadded ? 1 : width, fill);
    };
    switch (c) {
    case 'a':
        return std::string(nameOf(kDays, t.tm_wday).substr(0, 3));
    case 'A':
        return std::string(nameOf(kDays, t.tm_wday));
    case 'b':
    case 'h':
        return std::string(nameOf(kMonths, t.tm_mon).substr(0, 3));
    case 'B':
        return std::string(nameOf(kMonths, t.tm_mon));
    case 'C':
        return number((t.tm_year + 1900) / 100, 2);
    case 'd':
        return number(t.tm_mday, 2);
    case 'e':
        return number(t.tm_mday, 2, ' ');
    case 'f':
        return "000000";
    case 'H':
        return number(t.tm_hour, 2);
    case 'I':
        return number(t.tm_hour % 12 == 0 ? 12 : t.tm_hour % 12, 2);
    case 'j':
        return number(t.tm_yday + 1, 3);
    case 'm':
        return number(t.tm_mon + 1, 2);
    case 'M':
        return number(t.tm_min, 2);
    case 'n':
        return "\n";
    case 'p':
        return t.tm_hour < 12 ? "AM" : "PM";
    case 'S':
        return number(t.tm_sec, 2);
    case 't':
        return "\t";
    case 'u':
        return std::to_string(t.tm_wday == 0 ? 7 : t.tm_wday);
    case 'U':
        return number((t.tm_yday + 7 - t.tm_wday) / 7, 2);
    case 'w':
        return std::to_string(t.tm_wday);
    case 'W':
        return number((t.tm_yday + 7 - (t.tm_wday + 6) % 7) / 7, 2);
    case 'y':
        return number((t.tm_year + 1900) % 100, 2);
    case 'Y':
        return std::to_string(t.tm_year + 1900);
    case 'z':
    case 'Z':
        return {}; // a local time without a zone, as in Python
    case '%':
        return "%";
    default:
        return std::string("%") + (unpadded ? "-" : "") + c;
    }
}

} // namespace

std::string formatTime(std::string_view pattern, const std::tm& t) {
    if (pattern.size() > kLongestPattern)
        throw Failure("a pattern for the time is too long");
    std::string out;
    for (size_t i = 0; i < pattern.size(); i++) {
        if (pattern[i] != '%' || i + 1 >= pattern.size()) {
            out += pattern[i];
            continue;
        }
        const bool unpadded = pattern[i + 1] == '-' && i + 2 < pattern.size();
        i += unpadded ? 2 : 1;
        const std::string_view other = compound(pattern[i]);
        out += other.empty() ? field(pattern[i], unpadded, t) : formatTime(other, t);
    }
    return out;
}

} // namespace hearth::engine::jinja
