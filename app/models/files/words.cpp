#include "app/models/files/words.h"

namespace hearth::app {

std::string Words::filled(std::string_view text) const {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        const bool place = text[i] == '%' && i + 1 < text.size() && text[i + 1] >= '1' && text[i + 1] <= '9';
        const size_t index = place ? static_cast<size_t>(text[i + 1] - '1') : values.size();
        if (index < values.size()) {
            out += values[index];
            ++i;
        } else {
            out += text[i];
        }
    }
    return out;
}

} // namespace hearth::app
