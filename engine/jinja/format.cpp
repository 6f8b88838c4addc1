#include "engine/jinja/builtins.h"
#include "engine/jinja/nodes.h"
#include "engine/unicode.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace hearth::engine::jinja {

namespace {

constexpr int kWidestField = 10'000; // of a field: more is a mistake or an attack

/// One field of a pattern: %-08.3f or {:<8.3f}.
struct Field {
    std::string fill = " ";
    char align = '\0'; // < > ^ =
    char sign = '-';
    bool alternate = false, grouped = false;
    int width = 0, precision = -1;
    char type = '\0';
};

void appendPadded(TaggedText& out, const TaggedText& body, const Field& f, char defaultAlign) {
    const auto missing = static_cast<int64_t>(f.width) - static_cast<int64_t>(characterCount(body));
    const char align = f.align ? f.align : defaultAlign;
    const int64_t before = missing <= 0 ? 0 : align == '<' ? 0 : align == '^' ? missing / 2 : missing;
    size_t from = 0;
    if (align == '=' && !body.text.empty() && (body.text[0] == '-' || body.text[0] == '+' || body.text[0] == ' '))
        append(out, body, 0, from = 1); // the sign stands before the filling
    for (int64_t i = 0; i < before; i++)
        append(out, f.fill);
    append(out, body, from, body.text.size());
    for (int64_t i = before; i < missing; i++)
        append(out, f.fill);
}

std::string grouped(std::string digits) {
    size_t end = digits.find_first_of(".e");
    end = end == std::string::npos ? digits.size() : end;
    for (size_t i = end; i > 3;) {
        i -= 3;
        digits.insert(i, ",");
    }
    return digits;
}

std::string withSign(bool negative, const Field& f, std::string digits) {
    const char sign = negative ? '-' : f.sign;
    return sign == '-' && !negative ? digits : sign + digits;
}

std::string wholeText(int64_t value, const Field& f) {
    const bool negative = value < 0;
    const uint64_t size = negative ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
    const int base = f.type == 'x' || f.type == 'X' ? 16 : f.type == 'o' ? 8 : f.type == 'b' ? 2 : 10;
    char buffer[72];
    std::string digits(buffer, std::to_chars(buffer, buffer + sizeof buffer, size, base).ptr);
    if (f.type == 'X')
        std::transform(digits.begin(), digits.end(), digits.begin(), [](char c) { return c >= 'a' ? c - 32 : c; });
    if (f.grouped)
        digits = grouped(std::move(digits));
    if (f.alternate && base != 10)
        digits = std::string("0") + f.type + digits;
    if (f.precision > static_cast<int>(digits.size()))
        digits.insert(0, f.precision - digits.size(), '0');
    return withSign(negative, f, std::move(digits));
}

/// %d of a number that no int64 holds: its digits are written out.
std::string hugeText(double value, const Field& f) {
    char digits[400];
    const char* end =
        std::to_chars(digits, digits + sizeof digits, std::abs(std::trunc(value)), std::chars_format::fixed, 0).ptr;
    return withSign(value < 0, f, std::string(static_cast<const char*>(digits), end));
}

/// As printf prints %e, %f and %g, whatever the locale.
std::string printedReal(double value, char type, int precision) {
    const char lower = static_cast<char>(type | 0x20);
    const auto format = lower == 'e'   ? std::chars_format::scientific
                        : lower == 'f' ? std::chars_format::fixed
                                       : std::chars_format::general;
    std::string out(static_cast<size_t>(precision) + 400, '\0');
    out.resize(static_cast<size_t>(std::to_chars(out.data(), out.data() + out.size(), value, format, precision).ptr -
                                   out.data()));
    if (type != lower)
        std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c == 'e' ? 'E' : c; });
    return out;
}

std::string realText(double value, const Field& f) {
    const bool percent = f.type == '%';
    const double shown = std::abs(percent ? value * 100 : value);
    std::string digits;
    if (!std::isfinite(value)) {
        digits = std::isnan(value) ? "nan" : "inf";
    } else {
        digits = printedReal(shown, percent ? 'f' : f.type == 'n' ? 'g' : f.type, f.precision < 0 ? 6 : f.precision);
    }
    if (f.grouped)
        digits = grouped(std::move(digits));
    if (percent)
        digits += '%';
    return withSign(std::signbit(value) && !std::isnan(value), f, std::move(digits));
}

int64_t wholeOf(const Value& v) {
    if (v.isWhole())
        return v.whole();
    if (v.isFloat() && std::abs(v.number()) < 9.2e18)
        return static_cast<int64_t>(v.number());
    throw Failure(std::string("a whole number is needed in a pattern, not a ") + v.typeName());
}

double realOf(const Value& v) {
    if (!v.isNumber())
        throw Failure(std::string("a number is needed in a pattern, not a ") + v.typeName());
    return v.number();
}

bool takeNumber(std::string_view text, size_t& at, int& out) {
    const size_t begin = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9')
        at++;
    if (at == begin)
        return false;
    if (std::from_chars(text.data() + begin, text.data() + at, out).ec != std::errc() || out > kWidestField)
        throw Failure("a field of a pattern is too wide");
    return true;
}

TaggedText precisionCut(const TaggedText& t, int precision) {
    if (precision < 0)
        return t;
    const std::vector<size_t> starts = characterStarts(t.text);
    return slice(t, 0, starts[std::min<size_t>(precision, starts.size() - 1)]);
}

/// Python's ascii(): what is beyond ASCII becomes an escape.
TaggedText asciiOnly(const TaggedText& t) {
    TaggedText out;
    for (size_t i = 0; i < t.text.size();) {
        const CodePoint c = decodeUtf8(std::string_view(t.text).substr(i));
        char escape[16];
        if (c.value < 0x80) {
            append(out, t, i, i + c.length);
        } else {
            std::snprintf(escape, sizeof escape,
                          c.value < 0x100     ? "\\x%02x"
                          : c.value < 0x10000 ? "\\u%04x"
                                              : "\\U%08x",
                          static_cast<unsigned>(c.value));
            append(out, escape, untrustedAt(t, i));
        }
        i += c.length;
    }
    return out;
}

/// The arguments of a % pattern: a tuple, a dict or one value.
class PercentArguments {
public:
    explicit PercentArguments(const Value& v) : value_(v) {}

    const Value& next() {
        if (!value_.is(Object::Kind::Tuple)) {
            if (used_++ > 0)
                notEnough();
            return value_;
        }
        const auto& items = static_cast<const List*>(value_.object())->items;
        if (used_ >= items.size())
            notEnough();
        return items[used_++];
    }

    const Value& named(Run&, std::string_view key) {
        named_ = true;
        const Value* v = value_.isDict() ? static_cast<const Dict*>(value_.object())->find(key) : nullptr;
        if (!v)
            throw Failure("the pattern names '" + std::string(key) + "', which is not there");
        return *v;
    }

    void finish() const {
        const bool tuple = value_.is(Object::Kind::Tuple);
        const size_t given = tuple ? static_cast<const List*>(value_.object())->items.size() : 1;
        if (used_ < given && !named_ && !value_.isDict() && !value_.isUndefined() && (tuple || !value_.isSequence()))
            throw Failure("a pattern was given more values than it has places");
    }

private:
    [[noreturn]] static void notEnough() { throw Failure("a pattern has more places than values"); }

    const Value& value_;
    size_t used_ = 0;
    bool named_ = false;
};

Field percentFlags(std::string_view p, size_t& at, PercentArguments& arguments) {
    Field f;
    for (; at < p.size() && std::string_view("-+ #0").find(p[at]) != std::string_view::npos; at++) {
        if (p[at] == '-')
            f.align = '<';
        else if (p[at] == '+' || (p[at] == ' ' && f.sign != '+'))
            f.sign = p[at];
        else if (p[at] == '#')
            f.alternate = true;
        else if (p[at] == '0')
            f.fill = "0";
    }
    const auto starOrNumber = [&](int& out) {
        if (at < p.size() && p[at] == '*') {
            at++;
            const int64_t n = wholeOf(arguments.next());
            if (n < -kWidestField || n > kWidestField)
                throw Failure("a field of a pattern is too wide");
            out = static_cast<int>(n);
            return true;
        }
        return takeNumber(p, at, out);
    };
    starOrNumber(f.width);
    if (f.width < 0) {
        f.align = '<';
        f.width = -f.width;
    }
    if (at < p.size() && p[at] == '.') {
        at++;
        f.precision = 0;
        starOrNumber(f.precision);
        f.precision = std::max(f.precision, 0);
    }
    while (at < p.size() && (p[at] == 'l' || p[at] == 'h' || p[at] == 'L'))
        at++;
    if (f.align == '<')
        f.fill = " ";
    return f;
}

void appendPercentField(Run& run, TaggedText& out, Field f, const Value& v) {
    const bool zeros = f.fill == "0";
    TaggedText body;
    switch (f.type) {
    case 's':
        body = precisionCut(toText(run, v), f.precision);
        break;
    case 'r':
    case 'a':
        appendRepr(run, body, v);
        body = f.type == 'a' ? asciiOnly(body) : body;
        body = precisionCut(body, f.precision);
        break;
    case 'c':
        body = v.isString() ? v.text() : trusted(std::string(1, static_cast<char>(wholeOf(v) & 0x7F)));
        break;
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        body = trusted(v.isFloat() && std::isfinite(v.number()) && std::abs(v.number()) >= 9.2e18
                           ? hugeText(v.number(), f)
                           : wholeText(wholeOf(v), f));
        break;
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
        body = trusted(realText(realOf(v), f));
        break;
    default:
        throw Failure(std::string("a pattern has the unknown field '%") + f.type + "'");
    }
    const bool text = f.type == 's' || f.type == 'r' || f.type == 'a' || f.type == 'c';
    if (text)
        f.fill = " ";
    appendPadded(out, body, f, zeros && !text ? '=' : '>');
}

} // namespace

Value formatPercent(Run& run, const TaggedText& pattern, const Value& values) {
    const std::string_view p = pattern.text;
    PercentArguments arguments(values);
    TaggedText out;
    for (size_t at = 0; at < p.size();) {
        run.step();
        const size_t hit = std::min(p.find('%', at), p.size());
        append(out, pattern, at, hit);
        run.checkText(out);
        if (hit == p.size())
            break;
        at = hit + 1;
        if (at < p.size() && p[at] == '%') {
            append(out, pattern, at, at + 1);
            at++;
            continue;
        }
        const Value* named = nullptr;
        if (at < p.size() && p[at] == '(') {
            const size_t close = p.find(')', at);
            if (close == p.npos)
                throw Failure("a name in a pattern is not closed");
            named = &arguments.named(run, p.substr(at + 1, close - at - 1));
            at = close + 1;
        }
        Field f = percentFlags(p, at, arguments);
        if (at >= p.size())
            throw Failure("a pattern ends within a field");
        f.type = p[at++];
        appendPercentField(run, out, f, named ? *named : arguments.next());
    }
    arguments.finish();
    return run.text(std::move(out));
}

namespace {

/// [[fill]align][sign][#][0][width][,][.precision][type]
Field braceField(std::string_view spec) {
    Field f;
    size_t at = 0;
    const auto isAlign = [&](size_t i) {
        return i < spec.size() && std::string_view("<>^=").find(spec[i]) != spec.npos;
    };
    const size_t first = spec.empty() ? 0 : characterStarts(spec)[1];
    if (first > 0 && isAlign(first)) {
        f.fill = spec.substr(0, first);
        f.align = spec[first];
        at = first + 1;
    } else if (isAlign(0)) {
        f.align = spec[0];
        at = 1;
    }
    if (at < spec.size() && (spec[at] == '+' || spec[at] == '-' || spec[at] == ' '))
        f.sign = spec[at++];
    if (at < spec.size() && spec[at] == '#') {
        f.alternate = true;
        at++;
    }
    if (at < spec.size() && spec[at] == '0') {
        if (!f.align) {
            f.align = '=';
            f.fill = "0";
        }
        at++;
    }
    takeNumber(spec, at, f.width);
    if (at < spec.size() && (spec[at] == ',' || spec[at] == '_')) {
        f.grouped = true;
        at++;
    }
    if (at < spec.size() && spec[at] == '.') {
        at++;
        if (!takeNumber(spec, at, f.precision))
            throw Failure("a pattern's precision is missing");
    }
    if (at < spec.size())
        f.type = spec[at++];
    if (at != spec.size())
        throw Failure("a pattern's field '" + std::string(spec.substr(0, 32)) + "' is not understood");
    return f;
}

void appendBraceField(Run& run, TaggedText& out, const Value& v, std::string_view spec) {
    if (spec.empty()) {
        appendText(run, out, v);
        return;
    }
    Field f = braceField(spec);
    if (v.isWhole() && (!f.type || std::string_view("dxXobn").find(f.type) != std::string_view::npos)) {
        f.type = f.type ? f.type : 'd';
        appendPadded(out, trusted(wholeText(v.whole(), f)), f, '>');
    } else if (v.isWhole() && f.type == 'c') {
        std::string character;
        appendUtf8(character, static_cast<char32_t>(std::clamp<int64_t>(v.whole(), 0, 0x10FFFF)));
        appendPadded(out, trusted(character), f, '<');
    } else if (v.isNumber() && std::string_view("eEfFgGn%").find(f.type) != std::string_view::npos && f.type) {
        appendPadded(out, trusted(realText(v.number(), f)), f, '>');
    } else if (v.isFloat() && !f.type) {
        if (f.precision >= 0)
            f.type = 'g';
        appendPadded(out,
                     trusted(f.type ? realText(v.number(), f)
                                    : withSign(std::signbit(v.number()), f, floatText(std::abs(v.number())))),
                     f, '>');
    } else if (!f.type || f.type == 's') {
        appendPadded(out, precisionCut(toText(run, v), f.precision), f, '<');
    } else {
        throw Failure(std::string("a ") + v.typeName() + " does not fit the field '" + std::string(spec.substr(0, 32)) +
                      "'");
    }
}

/// "0.name[key]": the argument, then attributes and items.
Value fieldValue(Run& run, std::string_view name, Args& args, size_t& automatic) {
    const size_t end = std::min(name.find_first_of(".["), name.size());
    const std::string_view first = name.substr(0, end);
    size_t index = 0;
    const bool isNumber = std::from_chars(first.data(), first.data() + first.size(), index).ec == std::errc();
    const Value* v = first.empty() ? args.get(automatic++, "")
                     : isNumber    ? args.get(index, "")
                                   : args.get(SIZE_MAX, first);
    if (!v)
        throw Failure("a pattern names '" + std::string(first) + "', which is not there");
    Value out = *v;
    for (size_t at = end; at < name.size();) {
        run.step();
        if (name[at] == '.') {
            const size_t stop = std::min(name.find_first_of(".[", at + 1), name.size());
            out = attributeOf(run, out, name.substr(at + 1, stop - at - 1), nullptr);
            at = stop;
        } else {
            const size_t stop = name.find(']', at);
            if (name[at] != '[' || stop == name.npos)
                throw Failure("a pattern's field is not understood");
            const std::string_view key = name.substr(at + 1, stop - at - 1);
            int64_t number = 0;
            const bool numeric =
                std::from_chars(key.data(), key.data() + key.size(), number).ptr == key.data() + key.size() &&
                !key.empty();
            out = itemOf(run, out, numeric ? Value(number) : run.text(key));
            at = stop + 1;
        }
    }
    return out;
}

/// The brace that closes the one at `open`; a field's specification may hold fields of its own. npos: none.
size_t closingBrace(std::string_view p, size_t open) {
    int depth = 0;
    for (size_t i = open; i < p.size(); i++) {
        depth += p[i] == '{' ? 1 : p[i] == '}' ? -1 : 0;
        if (depth == 0)
            return i;
    }
    return p.npos;
}

/// "{:>{width}}": the fields inside a specification, one level deep.
std::string filledSpec(Run& run, std::string_view spec, Args& args, size_t& automatic) {
    std::string out;
    for (size_t at = 0; at < spec.size();) {
        const size_t open = std::min(spec.find('{', at), spec.size());
        out += spec.substr(at, open - at);
        const size_t close = spec.find('}', open);
        if (open == spec.size() || close == spec.npos)
            break;
        out += toText(run, fieldValue(run, spec.substr(open + 1, close - open - 1), args, automatic)).text;
        at = close + 1;
    }
    return out;
}

} // namespace

Value formatBraces(Run& run, const TaggedText& pattern, Args& args) {
    const std::string_view p = pattern.text;
    TaggedText out;
    size_t automatic = 0;
    for (size_t at = 0; at < p.size();) {
        run.step();
        const size_t hit = std::min(p.find_first_of("{}", at), p.size());
        append(out, pattern, at, hit);
        run.checkText(out);
        if (hit == p.size())
            break;
        if (hit + 1 < p.size() && p[hit + 1] == p[hit]) {
            append(out, pattern, hit, hit + 1);
            at = hit + 2;
            continue;
        }
        const size_t close = p[hit] == '{' ? closingBrace(p, hit) : p.npos;
        if (close == p.npos)
            throw Failure("a brace in a pattern stands alone");
        std::string_view field = p.substr(hit + 1, close - hit - 1);
        at = close + 1;
        std::string spec;
        if (const size_t colon = field.find(':'); colon != field.npos) {
            spec = field.substr(colon + 1);
            field = field.substr(0, colon);
        }
        char conversion = '\0';
        if (const size_t mark = field.find('!'); mark != field.npos) {
            conversion = mark + 1 < field.size() ? field[mark + 1] : '\0';
            field = field.substr(0, mark);
        }
        Value v = fieldValue(run, field, args, automatic);
        if (conversion == 'r' || conversion == 'a') {
            TaggedText shown;
            appendRepr(run, shown, v);
            v = run.text(conversion == 'a' ? asciiOnly(shown) : std::move(shown));
        } else if (conversion == 's') {
            v = run.text(toText(run, v));
        } else if (conversion) {
            throw Failure("a pattern has an unknown conversion");
        }
        if (spec.find('{') != spec.npos)
            spec = filledSpec(run, spec, args, automatic);
        appendBraceField(run, out, v, spec);
    }
    return run.text(std::move(out));
}

} // namespace hearth::engine::jinja
