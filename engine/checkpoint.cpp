#include "engine/checkpoint.h"

#include "engine/error.h"
#include "engine/gguf.h"
#include "engine/hf/folder.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <type_traits>

namespace hearth::engine {

namespace {

constexpr uint64_t kDerivedAlignment = 64;

struct TypeName {
    uint32_t ggmlId;
    std::string_view name;
};

/// Types of files that exist and that this engine has no row for: named so that the error can say what is in the file.
constexpr TypeName kForeignTypes[] = {{9, "Q8_1"}, {15, "Q8_K"}, {24, "I8"}, {25, "I16"},
                                      {26, "I32"}, {27, "I64"},  {28, "F64"}};

/// The whole text as a number of type T, or false.
template <typename T>
bool parsed(std::string_view text, T& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} && end == text.data() + text.size();
}

[[noreturn]] void badOverride(const std::string& key, const std::string& text, const char* wanted) {
    throw Error("The setting " + printable(key) + "=" + printable(text) + " does not fit: " + wanted + " is needed.");
}

int64_t wantInteger(const std::string& key, const std::string& text) {
    int64_t value = 0;
    if (!parsed(text, value))
        badOverride(key, text, "an integer");
    return value;
}

double wantNumber(const std::string& key, const std::string& text) {
    double value = 0;
    if (!parsed(text, value) || !std::isfinite(value))
        badOverride(key, text, "a number");
    return value;
}

bool wantBool(const std::string& key, const std::string& text) {
    if (text == "true" || text == "1")
        return true;
    if (text == "false" || text == "0")
        return false;
    badOverride(key, text, "true or false");
}

std::vector<std::string> splitAtCommas(const std::string& text) {
    std::vector<std::string> parts;
    size_t begin = 0;
    for (size_t comma; (comma = text.find(',', begin)) != std::string::npos; begin = comma + 1)
        parts.push_back(text.substr(begin, comma - begin));
    parts.push_back(text.substr(begin));
    return parts;
}

/// The text in the type of T, the alternative that the key holds now.
template <typename T>
T valueLike(const std::string& key, const std::string& text) {
    if constexpr (std::is_same_v<T, int64_t>)
        return wantInteger(key, text);
    else if constexpr (std::is_same_v<T, double>)
        return wantNumber(key, text);
    else if constexpr (std::is_same_v<T, bool>)
        return wantBool(key, text);
    else if constexpr (std::is_same_v<T, std::string>)
        return text;
    else {
        T values;
        for (const std::string& part : splitAtCommas(text))
            values.push_back(valueLike<typename T::value_type>(key, part));
        return values;
    }
}

/// The type that the text looks like.
Value guessedValue(const std::string& text) {
    if (int64_t i = 0; parsed(text, i))
        return i;
    if (double d = 0; parsed(text, d) && std::isfinite(d))
        return d;
    if (text == "true" || text == "false")
        return text == "true";
    return text;
}

uint64_t alignedSize(const TensorEntry& tensor) {
    return (tensor.bytes + kDerivedAlignment - 1) / kDerivedAlignment * kDerivedAlignment;
}

bool isToDerive(const TensorEntry& tensor, Checkpoint::Parts parts) {
    return tensor.derivation || (parts == Checkpoint::Parts::Gather && !tensor.parts.empty());
}

/// Part `number` of a split checkpoint, checked to be what its name says.
void checkSplit(const Metadata& metadata, const std::string& path, int number, int count) {
    const int64_t no = metadata.integer("split.no", -1);
    const int64_t n = metadata.integer("split.count", -1);
    if (no != number - 1 || n != count)
        throw Error("The file " + printable(path, 400) + " is named as part " + std::to_string(number) + " of " +
                    std::to_string(count) + ", but says inside that it is part " + std::to_string(no + 1) + " of " +
                    std::to_string(n) + ".");
}

} // namespace

TensorScales TensorScales::from(int64_t row) const {
    TensorScales s = *this;
    s.place.offset += static_cast<uint64_t>((firstRow + row) / blockRows) * rowBytes();
    s.firstRow = (firstRow + row) % blockRows;
    return s;
}

void TensorScales::apply(Memories files, std::span<float> row) const {
    const auto width = static_cast<size_t>(type->bytes);
    const std::byte* at = files[static_cast<size_t>(place.file)].data() + place.offset;
    for (size_t begin = 0; begin < row.size(); begin += static_cast<size_t>(blockCols), at += width) {
        std::byte aligned[sizeof(float)] = {};
        std::copy_n(at, width, aligned);
        float scale = 0;
        type->decode(aligned, &scale, 1);
        const size_t end = std::min(row.size(), begin + static_cast<size_t>(blockCols));
        for (size_t i = begin; i < end; ++i)
            row[i] *= scale;
    }
}

TensorScales TensorEntry::scalesFrom(int64_t row) const {
    return scales[static_cast<size_t>(row / rowsOfRun())].from(row % rowsOfRun());
}

uint64_t TensorEntry::storedBytes() const {
    uint64_t sum = bytes;
    for (const TensorScales& s : scales)
        sum += static_cast<uint64_t>((s.firstRow + rowsOfRun() - 1) / s.blockRows + 1) * s.rowBytes();
    return sum;
}

std::string TensorEntry::typeName() const {
    if (!foreignType.empty())
        return printable(foreignType) + (type ? " as " + std::string(type->name) : "");
    if (type)
        return std::string(type->name);
    for (const TypeName& foreign : kForeignTypes)
        if (foreign.ggmlId == ggmlId)
            return std::string(foreign.name);
    return "type " + std::to_string(ggmlId);
}

std::string TensorEntry::shapeText() const {
    std::string text = std::to_string(dims[0]);
    for (int i = 1; i < nDims; ++i)
        text += " x " + std::to_string(dims[static_cast<size_t>(i)]);
    return text;
}

void setFromText(Metadata& metadata, const std::string& key, const std::string& text) {
    const Value* now = metadata.find(key);
    if (!now) {
        metadata.set(key, guessedValue(text));
        return;
    }
    metadata.set(
        key, std::visit([&](const auto& value) -> Value { return valueLike<std::decay_t<decltype(value)>>(key, text); },
                        *now));
}

void Checkpoint::addFile(std::unique_ptr<MappedFile> file) {
    memories_.push_back(file->bytes());
    files_.push_back(std::move(file));
}

void Checkpoint::add(std::vector<TensorEntry> tensors) {
    for (TensorEntry& tensor : tensors) {
        if (!byName_.emplace(tensor.name, tensors_.size()).second)
            throw Error("The tensor " + printable(tensor.name) + " is in two parts of the model.");
        tensors_.push_back(std::move(tensor));
    }
}

void Checkpoint::apply(std::span<const std::pair<std::string, std::string>> overrides) {
    for (const auto& [key, text] : overrides)
        setFromText(metadata_, key, text);
}

Checkpoint Checkpoint::fromPart(GgufPart part) {
    Checkpoint checkpoint;
    checkpoint.format_ = "GGUF v" + std::to_string(part.version);
    checkpoint.metadata_ = std::move(part.metadata);
    checkpoint.add(std::move(part.tensors));
    return checkpoint;
}

Checkpoint Checkpoint::fromParts(std::vector<GgufPart> parts) {
    if (parts.empty())
        throw Error("A model has at least one part.");
    Checkpoint checkpoint = fromPart(std::move(parts[0]));
    for (size_t i = 1; i < parts.size(); ++i) {
        for (TensorEntry& tensor : parts[i].tensors)
            tensor.file = static_cast<int>(i);
        checkpoint.add(std::move(parts[i].tensors));
    }
    return checkpoint;
}

Checkpoint Checkpoint::open(const std::string& path, std::span<const std::pair<std::string, std::string>> overrides,
                            Form form) {
    const std::string folder = hfFolderOf(path);
    Checkpoint checkpoint = folder.empty() ? openGguf(path) : openFolder(folder, form);
    checkpoint.apply(overrides);
    return checkpoint;
}

Checkpoint Checkpoint::openFolder(const std::string& path, Form form) {
    HfFolder folder = readHfFolder(path, form);
    Checkpoint checkpoint;
    for (auto& file : folder.files)
        checkpoint.addFile(std::move(file));
    checkpoint.folder_ = path;
    checkpoint.metadata_ = std::move(folder.metadata);
    const size_t n = checkpoint.files_.size();
    checkpoint.format_ = "safetensors, " + std::to_string(n) + (n == 1 ? " file" : " files");
    checkpoint.add(std::move(folder.tensors));
    checkpoint.deriveIf([](const TensorEntry& t) { return t.derivation && !t.derivation->readsFiles; }, {});
    if (checkpoint.changed())
        throw Error("The files of " + printable(path, 400) + " changed while they were read.");
    return checkpoint;
}

Checkpoint Checkpoint::openGguf(const std::string& path) {
    const auto parse = [](const MappedFile& file) {
        GgufPart part = parseGguf(file.bytes(), file.path());
        if (file.truncated())
            throw Error("The file " + printable(file.path(), 400) + " changed while it was read.");
        return part;
    };
    SplitName split;
    const bool named = parseSplitName(path, split);
    const std::string first = named ? splitPath(split, 1) : path;
    auto file = std::make_unique<MappedFile>(first);
    GgufPart part = parse(*file);
    const int64_t count = part.metadata.integer("split.count", 1);
    if (count > 1 && !named)
        throw Error("The file " + printable(path, 400) + " is one of " + std::to_string(count) +
                    " parts of a model, but was renamed: parts are found by names like model-00001-of-0000" +
                    (count < 10 ? std::to_string(count) : "9") + ".gguf.");
    // One that only looks like a part and holds a whole model is read as what it is.
    const int nParts = named && part.metadata.contains("split.count") ? split.count : 1;
    if (nParts > 1)
        checkSplit(part.metadata, first, 1, nParts);
    Checkpoint checkpoint = fromPart(std::move(part));
    checkpoint.addFile(std::move(file));
    for (int number = 2; number <= nParts; ++number) {
        auto next = std::make_unique<MappedFile>(splitPath(split, number));
        GgufPart nextPart = parse(*next);
        checkSplit(nextPart.metadata, next->path(), number, nParts);
        for (TensorEntry& tensor : nextPart.tensors)
            tensor.file = number - 1;
        checkpoint.add(std::move(nextPart.tensors));
        checkpoint.addFile(std::move(next));
    }
    const int64_t nTensors = checkpoint.metadata_.integer("split.tensors.count", -1);
    if (nParts > 1 && nTensors >= 0 && nTensors != static_cast<int64_t>(checkpoint.tensors_.size()))
        throw Error("The parts of " + printable(first, 400) + " hold " + std::to_string(checkpoint.tensors_.size()) +
                    " tensors together, but should hold " + std::to_string(nTensors) + ".");
    return checkpoint;
}

const TensorEntry* Checkpoint::find(std::string_view name) const {
    const auto it = byName_.find(std::string(name));
    return it == byName_.end() ? nullptr : &tensors_[it->second];
}

std::span<const std::byte> Checkpoint::bytes(const TensorEntry& tensor) const {
    const auto memory = static_cast<size_t>(tensor.file);
    if (memory >= memories_.size() || tensor.derivation || !tensor.parts.empty())
        return {};
    return memories_[memory].subspan(tensor.offset, tensor.bytes);
}

void Checkpoint::read(const TensorEntry& tensor, std::span<std::byte> out) const {
    if (tensor.derivation) {
        tensor.derivation->compute(Memories(memories_).first(files_.size()), out);
        return;
    }
    const auto copy = [&](BytePlace place, size_t at, size_t n) {
        const auto from = memories_[static_cast<size_t>(place.file)].subspan(place.offset, n);
        std::copy(from.begin(), from.end(), out.begin() + static_cast<ptrdiff_t>(at));
    };
    if (tensor.parts.empty())
        copy({tensor.file, tensor.offset}, 0, tensor.bytes);
    const size_t each = tensor.parts.empty() ? 0 : tensor.bytes / tensor.parts.size();
    for (size_t i = 0; i < tensor.parts.size(); ++i)
        copy(tensor.parts[i], i * each, each);
}

void Checkpoint::decode(const TensorEntry& tensor, std::span<const std::byte> bytes, int64_t first, int64_t count,
                        float* out) const {
    const int64_t cols = tensor.cols();
    tensor.type->decode(bytes.data() + static_cast<uint64_t>(first) * kernels::rowBytes(tensor.type->type, cols), out,
                        count * cols);
    for (int64_t i = 0; i < count && !tensor.scales.empty(); ++i)
        tensor.scalesFrom(first + i).apply(memories_, {out + i * cols, static_cast<size_t>(cols)});
}

uint64_t Checkpoint::derivedBytes(Parts parts) const {
    uint64_t sum = 0;
    for (const TensorEntry& tensor : tensors_)
        if (isToDerive(tensor, parts))
            sum += alignedSize(tensor);
    return sum;
}

bool Checkpoint::derive(const std::function<bool(double)>& progress, Parts parts) {
    return deriveIf([parts](const TensorEntry& tensor) { return isToDerive(tensor, parts); }, progress);
}

bool Checkpoint::deriveIf(const std::function<bool(const TensorEntry&)>& which,
                          const std::function<bool(double)>& progress) {
    std::vector<TensorEntry*> chosen;
    uint64_t total = 0, used = 0;
    for (TensorEntry& tensor : tensors_)
        if (which(tensor)) {
            chosen.push_back(&tensor);
            total += alignedSize(tensor);
        }
    if (total == 0)
        return true;
    // Operator new aligns to 16 bytes, which suffices; lines of the cache are kept apart by the offsets.
    auto bytes = std::make_unique_for_overwrite<std::byte[]>(total);
    for (const TensorEntry* tensor : chosen) {
        if (progress && !progress(static_cast<double>(used) / static_cast<double>(total)))
            return false;
        read(*tensor, {bytes.get() + used, tensor->bytes});
        used += alignedSize(*tensor);
    }
    uint64_t offset = 0;
    for (TensorEntry* tensor : chosen) {
        tensor->file = static_cast<int>(memories_.size());
        tensor->offset = offset;
        tensor->derivation.reset();
        tensor->parts.clear();
        offset += alignedSize(*tensor);
    }
    memories_.emplace_back(bytes.get(), total);
    owned_.push_back(std::move(bytes));
    return true;
}

uint64_t Checkpoint::fileBytes() const {
    uint64_t sum = 0; // each is below 2^63 and mapped, so the sum fits the address space
    for (const auto& file : files_)
        sum += file->bytes().size();
    return sum;
}

bool Checkpoint::changed() const {
    return std::any_of(files_.begin(), files_.end(), [](const auto& file) { return file->truncated(); });
}

bool Checkpoint::prefault(const std::function<bool(double)>& progress) const {
    constexpr size_t kPage = 4096;
    constexpr size_t kStep = size_t{16} << 20;
    double total = 0, done = 0;
    for (const TensorEntry& tensor : tensors_)
        total += static_cast<double>(tensor.bytes);
    const auto touch = [&](std::span<const std::byte> data) {
        for (size_t begin = 0; begin < data.size(); begin += kStep) {
            const size_t end = std::min(data.size(), begin + kStep);
            for (size_t i = begin; i < end; i += kPage)
                static_cast<void>(*static_cast<const volatile std::byte*>(&data[i]));
            done += static_cast<double>(end - begin);
            if (progress && !progress(done / total))
                return false;
        }
        return true;
    };
    // Tensor by tensor: what else a file holds (or pretends to hold, when it is sparse) is never touched.
    for (const TensorEntry& tensor : tensors_) {
        if (!touch(bytes(tensor)))
            return false;
        for (const BytePlace& place : tensor.parts)
            if (!touch(memories_[static_cast<size_t>(place.file)].subspan(place.offset,
                                                                          tensor.bytes / tensor.parts.size())))
                return false;
    }
    return true;
}

} // namespace hearth::engine
