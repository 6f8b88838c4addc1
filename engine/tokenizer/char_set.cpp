#include "engine/tokenizer/char_set.h"

#include <unicode/uset.h>

#include <string>

namespace hearth::engine {

CharSet::CharSet() : set_(uset_openEmpty(), uset_close) {}

CharSet CharSet::range(char32_t first, char32_t last) {
    CharSet s;
    uset_addRange(s.set_.get(), static_cast<UChar32>(first), static_cast<UChar32>(last));
    return s;
}

bool CharSet::property(std::string_view name, CharSet& out) {
    std::u16string wide(name.begin(), name.end()), value;
    if (const size_t equals = wide.find(u'='); equals != wide.npos) {
        value = wide.substr(equals + 1);
        wide.resize(equals);
    }
    UErrorCode error = U_ZERO_ERROR;
    uset_applyPropertyAlias(out.set_.get(), wide.data(), static_cast<int32_t>(wide.size()), value.data(),
                            static_cast<int32_t>(value.size()), &error);
    return U_SUCCESS(error);
}

void CharSet::add(const CharSet& other) {
    uset_addAll(set_.get(), other.set_.get());
}

void CharSet::intersect(const CharSet& other) {
    uset_retainAll(set_.get(), other.set_.get());
}

void CharSet::complement() {
    uset_complement(set_.get());
}

void CharSet::closeOverCase() {
    uset_closeOver(set_.get(), USET_CASE_INSENSITIVE);
    uset_removeAllStrings(set_.get()); // "ss" for the sharp s: characters only
}

void CharSet::freeze() {
    uset_freeze(set_.get());
    ascii_ = {};
    for (unsigned c = 0; c < 128; c++)
        if (uset_contains(set_.get(), static_cast<UChar32>(c)))
            ascii_[c >> 6] |= uint64_t(1) << (c & 63);
}

bool CharSet::onlyAscii() const {
    return uset_containsNone(set_.get(), CharSet::range(128, 0x10FFFF).set_.get());
}

bool CharSet::beyondAscii(char32_t c) const {
    return uset_contains(set_.get(), static_cast<UChar32>(c));
}

} // namespace hearth::engine
