#pragma once

#include <compare>
#include <cstdint>

namespace hearth::storage {

/// Row ids that cannot be mixed up. 0: none.
template <class Tag>
struct Id {
    int64_t value = 0;

    explicit operator bool() const { return value != 0; }

    friend auto operator<=>(const Id&, const Id&) = default;
};

using ConversationId = Id<struct ConversationTag>;
using MessageId = Id<struct MessageTag>;
using PersonaId = Id<struct PersonaTag>;

} // namespace hearth::storage
