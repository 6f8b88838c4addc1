#include "engine/unicode.h"

#include <unicode/uchar.h>

#include <array>
#include <memory>

namespace hearth::engine {

namespace {

uint8_t classFromIcu(char32_t c) {
    const uint32_t mask = U_GET_GC_MASK(static_cast<UChar32>(c));
    uint8_t bits = 0;
    bits |= mask & U_GC_L_MASK ? kLetter : 0;
    bits |= mask & U_GC_N_MASK ? kNumber : 0;
    bits |= mask & U_GC_M_MASK ? kMark : 0;
    bits |= mask & U_GC_P_MASK ? kPunctuation : 0;
    bits |= mask & U_GC_S_MASK ? kSymbol : 0;
    bits |= mask & (U_GC_LU_MASK | U_GC_LT_MASK | U_GC_LM_MASK | U_GC_LO_MASK | U_GC_M_MASK) ? kUpperLike : 0;
    bits |= mask & (U_GC_LL_MASK | U_GC_LM_MASK | U_GC_LO_MASK | U_GC_M_MASK) ? kLowerLike : 0;
    bits |= u_isUWhiteSpace(static_cast<UChar32>(c)) ? kSpace : 0;
    return bits;
}

constexpr char32_t kTableEnd = 0x10000; // the basic plane

/// Filled once, at the first character that is not ASCII (about a millisecond).
const uint8_t* basicPlane() {
    static const std::unique_ptr<const uint8_t[]> table = [] {
        auto t = std::make_unique<uint8_t[]>(kTableEnd);
        for (char32_t c = 0; c < kTableEnd; c++)
            t[c] = classFromIcu(c);
        return t;
    }();
    return table.get();
}

constexpr uint8_t asciiClass(unsigned char c) {
    if ((c >= 'A' && c <= 'Z'))
        return kLetter | kUpperLike;
    if (c >= 'a' && c <= 'z')
        return kLetter | kLowerLike;
    if (c >= '0' && c <= '9')
        return kNumber;
    if (c == ' ' || (c >= 9 && c <= 13))
        return kSpace;
    if (c == '$' || c == '+' || c == '<' || c == '=' || c == '>' || c == '^' || c == '`' || c == '|' || c == '~')
        return kSymbol;
    return c > 32 && c < 127 ? kPunctuation : 0;
}

constexpr std::array<uint8_t, 128> kAscii = [] {
    std::array<uint8_t, 128> t{};
    for (unsigned c = 0; c < 128; c++)
        t[c] = asciiClass(static_cast<unsigned char>(c));
    return t;
}();

} // namespace

uint8_t charClass(char32_t c) {
    if (c < 128)
        return kAscii[c];
    return c < kTableEnd ? basicPlane()[c] : classFromIcu(c);
}

bool isUtf8Continuation(char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

CodePoint decodeUtf8(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text[0]);
    if (lead < 0x80)
        return {lead, 1, true};
    const int length = lead >= 0xC2 && lead <= 0xDF   ? 2
                       : (lead & 0xF0) == 0xE0        ? 3
                       : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                      : 0;
    if (length == 0 || text.size() < static_cast<size_t>(length))
        return {};
    char32_t value = lead & (0xFF >> (length + 1));
    for (int i = 1; i < length; i++) {
        if (!isUtf8Continuation(text[i]))
            return {};
        value = value << 6 | (static_cast<unsigned char>(text[i]) & 0x3F);
    }
    const char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < least[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return {};
    return {value, static_cast<uint8_t>(length), true};
}

void appendUtf8(std::string& out, char32_t c) {
    if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        c = 0xFFFD;
    if (c < 0x80) {
        out += static_cast<char>(c);
    } else if (c < 0x800) {
        out += static_cast<char>(0xC0 | c >> 6);
        out += static_cast<char>(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        out += static_cast<char>(0xE0 | c >> 12);
        out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
        out += static_cast<char>(0x80 | (c & 0x3F));
    } else {
        out += static_cast<char>(0xF0 | c >> 18);
        out += static_cast<char>(0x80 | (c >> 12 & 0x3F));
        out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
        out += static_cast<char>(0x80 | (c & 0x3F));
    }
}

std::string toValidUtf8(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (size_t i = 0; i < text.size();) {
        const CodePoint c = decodeUtf8(text.substr(i));
        if (c.valid)
            out.append(text.substr(i, c.length));
        else
            appendUtf8(out, 0xFFFD);
        i += c.length;
    }
    return out;
}

size_t countCodePoints(std::string_view text) {
    size_t n = 0;
    for (size_t i = 0; i < text.size(); n++)
        i += decodeUtf8(text.substr(i)).length;
    return n;
}

} // namespace hearth::engine
