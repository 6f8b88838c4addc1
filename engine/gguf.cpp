#include "engine/gguf.h"

#include "engine/error.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <type_traits>
#include <unordered_set>

namespace hearth::engine {

namespace {

// Limits far above every published file. They bound the memory that a header can ask for: an element of an array takes
// up to 32 bytes here and as little as one byte there.
constexpr uint64_t kMaxKeys = 65536;
constexpr uint64_t kMaxTensors = 131072;
constexpr uint64_t kMaxArrayElements = 2'000'000; // strings of a file together; numbers too
constexpr uint64_t kMaxNameBytes = 65535;         // keys and tensor names
constexpr uint32_t kMaxAlignment = 1 << 20;
constexpr uint32_t kDefaultAlignment = 32;

using ValueType = GgufValue;

/// Thrown when a header goes on behind the bytes that are there.
struct MoreWanted {};

/// Reads little-endian numbers and texts from the front of the file, and knows what it is reading for the errors.
class Reader {
public:
    /// `beginning`: the file's first bytes, or all of it.
    Reader(std::span<const std::byte> beginning, uint64_t fileBytes, std::string_view name)
        : file_(beginning), fileBytes_(fileBytes), name_(name) {}

    uint64_t position() const { return position_; }

    uint64_t remaining() const { return fileBytes_ - position_; } // of the file

    uint64_t fileBytes() const { return fileBytes_; }

    [[noreturn]] void fail(const std::string& what, Trouble trouble = Trouble::Damaged) const {
        throw Error({trouble, {printable(name_, 400)}},
                    printable(name_, 400) + " is not a sound GGUF file: " + what + ".");
    }

    template <typename T>
    T number(const char* what) {
        static_assert(std::endian::native == std::endian::little, "GGUF is read as it lies in the file");
        if (remaining() < sizeof(T))
            fail(std::string("it ends inside ") + what);
        want(sizeof(T));
        T value;
        std::memcpy(&value, file_.data() + position_, sizeof(T));
        position_ += sizeof(T);
        return value;
    }

    std::string_view text(const char* what, uint64_t limit) {
        const auto size = number<uint64_t>(what);
        if (size > remaining())
            fail(std::string(what) + " has " + std::to_string(size) + " bytes, but " + std::to_string(remaining()) +
                 " remain");
        if (size > limit)
            fail(std::string(what) + " has " + std::to_string(size) + " bytes; at most " + std::to_string(limit) +
                 " make sense");
        want(size);
        const std::string_view view(reinterpret_cast<const char*>(file_.data() + position_), size);
        position_ += size;
        return view;
    }

private:
    void want(uint64_t bytes) const {
        if (bytes > file_.size() - position_)
            throw MoreWanted();
    }

    std::span<const std::byte> file_;
    uint64_t fileBytes_;
    std::string_view name_;
    uint64_t position_ = 0;
};

/// What arrays of this file have taken so far.
struct ArrayBudget {
    uint64_t texts = 0;
    uint64_t numbers = 0;
};

/// Integers keep their value in int64_t.
template <typename T>
int64_t widened(Reader& in, std::string_view key, T value) {
    if constexpr (std::is_same_v<T, uint64_t>)
        if (value > static_cast<uint64_t>(INT64_MAX))
            in.fail("the value of " + printable(key) + " is larger than any count can be");
    return static_cast<int64_t>(value);
}

bool readBool(Reader& in) {
    return in.number<uint8_t>("a truth value") != 0;
}

template <typename T>
std::vector<int64_t> readIntegers(Reader& in, std::string_view key, uint64_t n) {
    std::vector<int64_t> values(n);
    for (int64_t& value : values)
        value = widened(in, key, in.number<T>("an array"));
    return values;
}

template <typename T>
std::vector<double> readNumbers(Reader& in, uint64_t n) {
    std::vector<double> values(n);
    for (double& value : values)
        value = in.number<T>("an array");
    return values;
}

std::vector<bool> readBools(Reader& in, uint64_t n) {
    std::vector<bool> values(n);
    for (uint64_t i = 0; i < n; ++i)
        values[i] = readBool(in);
    return values;
}

std::vector<std::string> readTexts(Reader& in, uint64_t n) {
    std::vector<std::string> values;
    values.reserve(n);
    for (uint64_t i = 0; i < n; ++i)
        values.emplace_back(in.text("a text of an array", UINT64_MAX));
    return values;
}

/// Bytes that an element takes in the file at least; 0: arrays of this type are not read.
uint64_t leastBytes(ValueType type) {
    static constexpr uint64_t kBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 0, 8, 8, 8};
    return type < ValueType::Count ? kBytes[static_cast<uint32_t>(type)] : 0;
}

Value readArray(Reader& in, std::string_view key, ArrayBudget& budget) {
    const auto type = static_cast<ValueType>(in.number<uint32_t>("the type of an array"));
    const auto n = in.number<uint64_t>("the length of an array");
    const uint64_t least = leastBytes(type);
    if (type == ValueType::Array)
        in.fail("the value of " + printable(key) + " is an array of arrays");
    if (least == 0)
        in.fail("the array " + printable(key) + " has elements of the unknown type " +
                std::to_string(static_cast<uint32_t>(type)));
    if (n > in.remaining() / least)
        in.fail("the array " + printable(key) + " has " + std::to_string(n) + " elements, more than the file can hold");
    uint64_t& used = type == ValueType::Text ? budget.texts : budget.numbers;
    if (n > kMaxArrayElements - used)
        in.fail("its arrays have more than " + std::to_string(kMaxArrayElements) + " elements");
    used += n;
    switch (type) {
    case ValueType::U8:
        return readIntegers<uint8_t>(in, key, n);
    case ValueType::I8:
        return readIntegers<int8_t>(in, key, n);
    case ValueType::U16:
        return readIntegers<uint16_t>(in, key, n);
    case ValueType::I16:
        return readIntegers<int16_t>(in, key, n);
    case ValueType::U32:
        return readIntegers<uint32_t>(in, key, n);
    case ValueType::I32:
        return readIntegers<int32_t>(in, key, n);
    case ValueType::U64:
        return readIntegers<uint64_t>(in, key, n);
    case ValueType::I64:
        return readIntegers<int64_t>(in, key, n);
    case ValueType::F32:
        return readNumbers<float>(in, n);
    case ValueType::F64:
        return readNumbers<double>(in, n);
    case ValueType::Bool:
        return readBools(in, n);
    case ValueType::Text:
        return readTexts(in, n);
    default:
        in.fail("an array has an unknown type");
    }
}

Value readValue(Reader& in, std::string_view key, ArrayBudget& budget) {
    const auto type = in.number<uint32_t>("the type of a value");
    const char* what = "a metadata value";
    switch (static_cast<ValueType>(type)) {
    case ValueType::U8:
        return int64_t{in.number<uint8_t>(what)};
    case ValueType::I8:
        return int64_t{in.number<int8_t>(what)};
    case ValueType::U16:
        return int64_t{in.number<uint16_t>(what)};
    case ValueType::I16:
        return int64_t{in.number<int16_t>(what)};
    case ValueType::U32:
        return int64_t{in.number<uint32_t>(what)};
    case ValueType::I32:
        return int64_t{in.number<int32_t>(what)};
    case ValueType::U64:
        return widened(in, key, in.number<uint64_t>(what));
    case ValueType::I64:
        return in.number<int64_t>(what);
    case ValueType::F32:
        return double{in.number<float>(what)};
    case ValueType::F64:
        return in.number<double>(what);
    case ValueType::Bool:
        return readBool(in);
    case ValueType::Text:
        return std::string(in.text("a metadata text", UINT64_MAX));
    case ValueType::Array:
        return readArray(in, key, budget);
    default:
        in.fail("the value of " + printable(key) + " has the unknown type " + std::to_string(type));
    }
}

Metadata readMetadata(Reader& in, uint64_t nKeys) {
    Metadata metadata;
    ArrayBudget budget;
    for (uint64_t i = 0; i < nKeys; ++i) {
        const std::string_view key = in.text("the name of a metadata key", kMaxNameBytes);
        if (key.empty())
            in.fail("a metadata key has no name");
        if (metadata.contains(key))
            in.fail("the metadata key " + printable(key) + " is there twice");
        metadata.set(std::string(key), readValue(in, key, budget));
    }
    return metadata;
}

uint32_t alignmentOf(const Reader& in, const Metadata& metadata) {
    const int64_t alignment = metadata.integer("general.alignment", kDefaultAlignment);
    if (alignment < 8 || alignment > kMaxAlignment || !std::has_single_bit(static_cast<uint64_t>(alignment)))
        in.fail("its alignment is " + std::to_string(alignment) + ", which is not a power of two from 8 to 1048576");
    return static_cast<uint32_t>(alignment);
}

/// Bytes of a tensor whose type is known; fails where they cannot be counted.
uint64_t tensorBytes(const Reader& in, const TensorEntry& tensor) {
    const kernels::QuantType& type = *tensor.type;
    if (tensor.cols() % type.block != 0)
        in.fail("the rows of " + printable(tensor.name) + " have " + std::to_string(tensor.cols()) +
                " numbers, which does not fill blocks of " + std::to_string(type.block));
    // At most 2^63 numbers (checked), and at most 4 bytes a number.
    const auto blocks =
        static_cast<unsigned __int128>(tensor.cols() / type.block) * static_cast<unsigned __int128>(tensor.rows());
    const unsigned __int128 bytes = blocks * static_cast<unsigned>(type.bytes);
    if (bytes > static_cast<unsigned __int128>(INT64_MAX))
        in.fail("the tensor " + printable(tensor.name) + " is larger than any file");
    return static_cast<uint64_t>(bytes);
}

TensorEntry readTensor(Reader& in) {
    TensorEntry tensor;
    tensor.name = in.text("the name of a tensor", kMaxNameBytes);
    if (tensor.name.empty())
        in.fail("a tensor has no name");
    const auto nDims = in.number<uint32_t>("the shape of a tensor");
    if (nDims < 1 || nDims > 4)
        in.fail("the tensor " + printable(tensor.name) + " has " + std::to_string(nDims) + " dimensions");
    tensor.nDims = static_cast<int>(nDims);
    unsigned __int128 numbers = 1;
    for (uint32_t i = 0; i < nDims; ++i) {
        const auto dim = in.number<uint64_t>("the shape of a tensor");
        if (dim == 0 || dim > static_cast<uint64_t>(INT64_MAX))
            in.fail("the tensor " + printable(tensor.name) + " has a dimension of " + std::to_string(dim));
        numbers *= dim;
        if (numbers > static_cast<unsigned __int128>(INT64_MAX))
            in.fail("the tensor " + printable(tensor.name) + " has more numbers than any file");
        tensor.dims[i] = static_cast<int64_t>(dim);
    }
    tensor.ggmlId = in.number<uint32_t>("the type of a tensor");
    tensor.type = kernels::findQuantType(tensor.ggmlId);
    tensor.offset = in.number<uint64_t>("the place of a tensor");
    return tensor;
}

/// Turns offsets within the data into offsets within the file, and checks that every tensor lies in it.
void placeTensors(const Reader& in, std::vector<TensorEntry>& tensors, uint32_t alignment, uint64_t fileBytes) {
    const uint64_t data = (in.position() + alignment - 1) / alignment * alignment; // position <= file size < 2^63
    std::unordered_set<std::string_view> names;
    names.reserve(tensors.size());
    for (TensorEntry& tensor : tensors) {
        if (!names.insert(tensor.name).second)
            in.fail("the tensor " + printable(tensor.name) + " is there twice");
        if (tensor.offset % alignment != 0)
            in.fail("the tensor " + printable(tensor.name) + " lies at " + std::to_string(tensor.offset) +
                    ", which is no multiple of the alignment " + std::to_string(alignment));
        if (tensor.type)
            tensor.bytes = tensorBytes(in, tensor);
        if (data > fileBytes || tensor.offset > fileBytes - data || tensor.bytes > fileBytes - data - tensor.offset)
            in.fail("the tensor " + printable(tensor.name) + " lies beyond its end; the file was cut short, or its " +
                    "download is not complete");
        tensor.offset += data;
    }
}

uint32_t readVersion(Reader& in) {
    if (in.remaining() < 4 || in.number<uint32_t>("its mark") != 0x46554747) // "GGUF"
        in.fail("it does not begin with the letters GGUF");
    const auto version = in.number<uint32_t>("its version");
    if (version == 0x02000000 || version == 0x03000000)
        in.fail("it was written for a big-endian machine", Trouble::Other);
    if (version == 1)
        in.fail("it has the version 1 of the format, which nobody writes since 2023; a newer copy of the model will do",
                Trouble::Other);
    if (version != 2 && version != 3)
        in.fail("it has the version " + std::to_string(version) + " of the format, and only 2 and 3 are known",
                Trouble::Other);
    return version;
}

} // namespace

namespace {

GgufPart readPart(Reader& in) {
    GgufPart part;
    part.version = readVersion(in);
    const auto nTensors = in.number<uint64_t>("its number of tensors");
    const auto nKeys = in.number<uint64_t>("its number of metadata keys");
    if (nTensors > kMaxTensors)
        in.fail("it claims " + std::to_string(nTensors) + " tensors");
    if (nKeys > kMaxKeys)
        in.fail("it claims " + std::to_string(nKeys) + " metadata keys");
    part.metadata = readMetadata(in, nKeys);
    const uint32_t alignment = alignmentOf(in, part.metadata);
    for (uint64_t i = 0; i < nTensors; ++i)
        part.tensors.push_back(readTensor(in));
    placeTensors(in, part.tensors, alignment, in.fileBytes());
    return part;
}

} // namespace

GgufPart parseGguf(std::span<const std::byte> file, std::string_view name) {
    Reader in(file, file.size(), name);
    return readPart(in);
}

std::optional<GgufPart> parseGgufBeginning(std::span<const std::byte> beginning, uint64_t fileBytes,
                                           std::string_view name) {
    Reader in(beginning, std::max<uint64_t>(fileBytes, beginning.size()), name);
    try {
        return readPart(in);
    } catch (const MoreWanted&) {
        return std::nullopt;
    }
}

bool parseSplitName(std::string_view path, SplitName& out) {
    // "-00002-of-00003.gguf" is 20 characters long.
    constexpr std::string_view kPattern = "-#####-of-#####.gguf";
    if (path.size() <= kPattern.size())
        return false;
    const std::string_view tail = path.substr(path.size() - kPattern.size());
    for (size_t i = 0; i < kPattern.size(); ++i) {
        const bool digit = tail[i] >= '0' && tail[i] <= '9';
        if (kPattern[i] == '#' ? !digit : tail[i] != kPattern[i])
            return false;
    }
    out.prefix = path.substr(0, path.size() - kPattern.size());
    std::from_chars(tail.data() + 1, tail.data() + 6, out.number);
    std::from_chars(tail.data() + 10, tail.data() + 15, out.count);
    return out.number >= 1 && out.number <= out.count;
}

std::string splitPath(const SplitName& name, int number) {
    char tail[48];
    std::snprintf(tail, sizeof tail, "-%05d-of-%05d.gguf", number, name.count);
    return name.prefix + tail;
}

} // namespace hearth::engine
