#include "engine/jinja/builtins.h"

#include <string>
#include <utility>

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

/// The year and week that ISO 8601 counts a day to: weeks begin on Monday, the first holds the year's first Thursday.
std::pair<int, int> isoWeek(const std::tm& t) {
    const auto leap = [](int year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; };
    int year = t.tm_year + 1900;
    int thursday = t.tm_yday - (t.tm_wday + 6) % 7 + 3; // of this week, as a day of the year
    if (thursday < 0)
        thursday += leap(--year) ? 366 : 365;
    else if (thursday >= (leap(year) ? 366 : 365))
        thursday -= leap(year++) ? 366 : 365;
    return {year, thursday / 7 + 1};
}

/// `flag`: '-' no padding, '_' blanks, '0' zeros, '^' upper case, '#' the other case; 0: none.
std::string field(char c, char flag, const std::tm& t) {
    const auto number = [&](int value, int width, char fill = '0') {
        return padded(value, flag == '-' ? 1 : width, flag == '_' ? ' ' : flag == '0' ? '0' : fill);
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
    case 'g':
        return number(isoWeek(t).first % 100, 2);
    case 'G':
        return std::to_string(isoWeek(t).first);
    case 'H':
        return number(t.tm_hour, 2);
    case 'I':
        return number(t.tm_hour % 12 == 0 ? 12 : t.tm_hour % 12, 2);
    case 'j':
        return number(t.tm_yday + 1, 3);
    case 'k':
        return number(t.tm_hour, 2, ' ');
    case 'l':
        return number(t.tm_hour % 12 == 0 ? 12 : t.tm_hour % 12, 2, ' ');
    case 'm':
        return number(t.tm_mon + 1, 2);
    case 'M':
        return number(t.tm_min, 2);
    case 'n':
        return "\n";
    case 'p':
        return t.tm_hour < 12 ? "AM" : "PM";
    case 'P':
        return t.tm_hour < 12 ? "am" : "pm";
    case 's': {
        std::tm copy = t;
        return std::to_string(timegm(&copy));
    }
    case 'S':
        return number(t.tm_sec, 2);
    case 't':
        return "\t";
    case 'u':
        return std::to_string(t.tm_wday == 0 ? 7 : t.tm_wday);
    case 'U':
        return number((t.tm_yday + 7 - t.tm_wday) / 7, 2);
    case 'V':
        return number(isoWeek(t).second, 2);
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
        return std::string("%") + (flag ? std::string(1, flag) : "") + c;
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
        const bool flagged = std::string_view("-_0^#").find(pattern[i + 1]) != std::string_view::npos;
        const char flag = flagged && i + 2 < pattern.size() ? pattern[i + 1] : '\0';
        i += flag ? 2 : 1;
        const std::string_view other = compound(pattern[i]);
        std::string part = other.empty() ? field(pattern[i], flag, t) : formatTime(other, t);
        const bool lower = flag == '#' && pattern[i] == 'p'; // the only field in capitals
        for (char& c : part)
            if (lower && c >= 'A' && c <= 'Z')
                c = static_cast<char>(c + 32);
            else if (!lower && (flag == '^' || flag == '#') && c >= 'a' && c <= 'z')
                c = static_cast<char>(c - 32);
        out += part;
    }
    return out;
}

} // namespace hearth::engine::jinja
