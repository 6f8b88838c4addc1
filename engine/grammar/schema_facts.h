#pragma once

#include "engine/grammar/json_text.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace hearth::engine::grammar {

using Json = nlohmann::ordered_json;

/// Schemas that hold together: those of the file, by their place in memory, so that equal ones are found again.
using Conjunction = std::vector<const Json*>;

// Types as bits; a number is an integer or one with a fraction.
enum TypeBits : uint8_t {
    kNull = 1,
    kBoolean = 2,
    kInteger = 4,
    kFraction = 8,
    kNumber = kInteger | kFraction,
    kString = 16,
    kArray = 32,
    kObject = 64,
    kAllTypes = 127,
};

/// What a conjunction asserts, merged.
struct Facts {
    struct ObjectPart { // of one schema; its `additional` holds for what its `properties` do not name
        const Json* properties = nullptr;
        const Json* additional = nullptr;
    };

    struct ArrayPart {
        const Json* prefix = nullptr;
        const Json* rest = nullptr; // for elements behind the prefix
    };

    uint8_t types = kAllTypes;
    uint8_t hinted = 0;                      // types that other keywords speak of
    std::optional<std::vector<Json>> values; // of enum and const

    NumberBounds number;
    uint64_t minLength = 0, maxLength = kUnbounded;
    std::vector<std::string> patterns; // each once
    std::string patternPlace;

    std::vector<ArrayPart> arrays;
    uint64_t minItems = 0, maxItems = kUnbounded;

    std::vector<ObjectPart> objects;
    std::vector<std::string> required; // each once
    uint64_t minProperties = 0, maxProperties = kUnbounded;

    bool uniqueItems = false;

    /// Nothing said of types: what the other keywords speak of is meant.
    uint8_t emittedTypes() const { return types == kAllTypes && hinted != 0 ? hinted : types; }

    std::vector<std::string> properties() const; // in the order of the file
    bool isRequired(std::string_view name) const;
    Conjunction ofProperty(std::string_view name) const;
    Conjunction ofAdditional() const;
    bool allowsAdditional() const; // and is asked to have some
    size_t prefixLength() const;
    Conjunction ofElement(size_t index) const; // prefixLength(): all behind the prefix
};

/// Reads the keywords of a schema. A table tells what each of them means; one that is not in it is refused.
class SchemaReader {
public:
    explicit SchemaReader(const Json& root) : root_(root) {}

    /// The schemas of a conjunction with all that they refer to by $ref and allOf.
    Conjunction flattened(const Conjunction&);
    /// `anyOf` and `oneOf` multiplied out: a document fits the conjunction if it fits one of these.
    std::vector<Conjunction> alternatives(const Conjunction& flat);
    Facts facts(const Conjunction& flat);

    [[noreturn]] void fail(const Json* place, const std::string& keyword, const std::string& what) const;
    std::string pointerTo(const Json* place) const; // "#/properties/name"

private:
    struct Keyword;
    friend struct Keywords;

    const Json& resolve(const Json& schema, const std::string& ref) const;
    void checkExclusive(const Json& schema, const Conjunction& rest, const Json& branches);
    bool neverBoth(const Conjunction& emitted, const Conjunction& other, int depth);
    bool numbersApart(const Facts&, const Facts&) const;

    const Json& root_;
    int alternativesMade_ = 0;
    int pairsCompared_ = 0;
};

/// Whether the values of an enumeration fit the other assertions. Throws Error where that is not decided here.
bool fits(const Json& value, const Facts&, const SchemaReader&, const Json* place);
uint8_t typeOf(const Json& value);

} // namespace hearth::engine::grammar
