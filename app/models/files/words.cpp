#include "app/models/files/words.h"

namespace hearth::app {

std::string Words::english() const {
    std::string out;
    for (const char* c = sentence; *c; ++c) {
        const size_t index = *c == '%' && c[1] >= '1' && c[1] <= '9' ? static_cast<size_t>(c[1] - '1') : values.size();
        if (index < values.size()) {
            out += values[index];
            ++c;
        } else {
            out += *c;
        }
    }
    return out;
}

} // namespace hearth::app
