#include "engine/safetensors.h"

#include "engine/error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <unordered_set>

namespace hearth::engine {

namespace {

using nlohmann::json;

// Limits far above every published file. They bound the memory that a header can ask for.
constexpr uint64_t kMaxHeaderBytes = 100'000'000; // the format's own limit
constexpr size_t kMaxTensors = 262144;
constexpr size_t kMaxNameBytes = 4096;
constexpr size_t kMaxDims = 8;
constexpr size_t kMaxFiles = 1000;
constexpr int kMaxDepth = 64; // of what the index says besides the map

struct TypeWidth {
    std::string_view name;
    int bytes;
};

constexpr TypeWidth kTypes[] = {
    {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"F8_E8M0", 1}, {"I64", 8},
    {"I32", 4}, {"I16", 2}, {"I8", 1},  {"U64", 8},  {"U32", 4},     {"U16", 2},     {"U8", 1},      {"BOOL", 1},
};

/// The names of JSON's events, with every value that no subclass wants refused.
class StrictReader : public json::json_sax_t {
public:
    explicit StrictReader(std::string_view name, std::string_view what) : name_(name), what_(what) {}

    [[noreturn]] void fail(const std::string& why) const {
        throw Error(printable(name_, 400) + " is not a sound " + std::string(what_) + ": " + why + ".");
    }

    bool null() override { return unwanted("null"); }

    bool boolean(bool) override { return unwanted("true or false"); }

    bool number_integer(number_integer_t value) override { return unwanted(std::to_string(value)); }

    bool number_unsigned(number_unsigned_t value) override { return unwanted(std::to_string(value)); }

    bool number_float(number_float_t, const string_t& text) override { return unwanted(printable(text)); }

    bool string(string_t& value) override { return unwanted("\"" + printable(value) + "\""); }

    bool binary(binary_t&) override { return unwanted("bytes"); }

    bool start_array(std::size_t) override { return unwanted("an array"); }

    bool end_array() override { return true; }

    bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
        fail("it is no JSON from byte " + std::to_string(position) + " on");
    }

protected:
    [[noreturn]] virtual bool unwanted(const std::string& found) const {
        fail("it holds " + found + " where none may be");
    }

private:
    std::string_view name_, what_;
};

/// {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ..., "__metadata__": {"key": "text"}}
class HeaderReader final : public StrictReader {
public:
    explicit HeaderReader(std::string_view name) : StrictReader(name, "safetensors file") {}

    std::vector<StoredTensor> tensors;

    bool start_object(std::size_t) override {
        if (depth_ > 1 || inArray_)
            unwanted("an object");
        depth_++;
        if (depth_ == 2 && !metadata_)
            tensors.push_back({.name = name_});
        seen_ = 0;
        return true;
    }

    bool key(string_t& key) override {
        if (depth_ == 1) {
            if (key.size() > kMaxNameBytes)
                fail("the name of a tensor has " + std::to_string(key.size()) + " bytes");
            if (tensors.size() >= kMaxTensors)
                fail("it has more than " + std::to_string(kMaxTensors) + " tensors");
            metadata_ = key == "__metadata__";
            name_ = key;
            return true;
        }
        field_ = key == "dtype" ? Type : key == "shape" ? Shape : key == "data_offsets" ? Offsets : Other;
        if (!metadata_ && field_ != Other && (seen_ & field_) != 0)
            fail("the tensor " + printable(name_) + " has two fields named " + printable(key));
        seen_ |= field_;
        return true;
    }

    bool end_object() override {
        depth_--;
        if (depth_ == 1 && !metadata_)
            finish(tensors.back());
        return true;
    }

    bool string(string_t& value) override {
        if (depth_ != 2 || inArray_ || (!metadata_ && field_ != Type && field_ != Other))
            unwanted("\"" + printable(value) + "\"");
        if (!metadata_ && field_ == Type)
            tensors.back().type = value.substr(0, 64);
        return true;
    }

    bool start_array(std::size_t) override {
        if (depth_ != 2 || metadata_ || inArray_ || (field_ != Shape && field_ != Offsets))
            unwanted("an array");
        inArray_ = true;
        nOffsets_ = 0;
        return true;
    }

    bool end_array() override {
        inArray_ = false;
        if (field_ == Offsets && nOffsets_ != 2)
            fail("the place of the tensor " + printable(name_) + " is not two numbers");
        return true;
    }

    bool number_unsigned(number_unsigned_t value) override {
        if (!inArray_)
            unwanted(std::to_string(value));
        if (value > static_cast<uint64_t>(INT64_MAX))
            fail("the tensor " + printable(name_) + " says " + std::to_string(value) + ", more than any file has");
        if (field_ == Shape) {
            if (tensors.back().shape.size() == kMaxDims)
                fail("the tensor " + printable(name_) + " has more than " + std::to_string(kMaxDims) + " dimensions");
            tensors.back().shape.push_back(static_cast<int64_t>(value));
        } else if (nOffsets_ < 2) {
            (nOffsets_ == 0 ? begin_ : end_) = value;
            nOffsets_++;
        } else {
            fail("the place of the tensor " + printable(name_) + " is not two numbers");
        }
        return true;
    }

protected:
    [[noreturn]] bool unwanted(const std::string& found) const override {
        fail(name_.empty() ? "its header holds " + found
                           : "the entry of " + printable(name_) + " holds " + found + " where it makes no sense");
    }

private:
    enum Field : unsigned { Other = 0, Type = 1, Shape = 2, Offsets = 4 };

    void finish(StoredTensor& tensor) const {
        if (seen_ != (Type | Shape | Offsets))
            fail("the entry of " + printable(name_) + " lacks its dtype, shape or data_offsets");
        if (name_.empty())
            fail("a tensor has no name");
        if (end_ < begin_)
            fail("the tensor " + printable(name_) + " ends before it begins");
        tensor.offset = begin_;
        tensor.bytes = end_ - begin_;
    }

    int depth_ = 0;
    bool metadata_ = false; // inside __metadata__
    bool inArray_ = false;
    Field field_ = Other;
    unsigned seen_ = 0; // fields of this tensor
    std::string name_;
    uint64_t begin_ = 0, end_ = 0;
    int nOffsets_ = 0;
};

/// Numbers of the shape times their width must be the bytes. A type of unknown width is believed.
void checkBytes(const HeaderReader& in, const StoredTensor& tensor) {
    unsigned __int128 numbers = 1;
    for (const int64_t dim : tensor.shape) {
        numbers *= static_cast<unsigned __int128>(dim);
        if (numbers > static_cast<unsigned __int128>(INT64_MAX))
            in.fail("the tensor " + printable(tensor.name) + " has more numbers than any file");
    }
    const int width = storedTypeBytes(tensor.type);
    if (width > 0 && numbers * static_cast<unsigned>(width) != tensor.bytes)
        in.fail("the tensor " + printable(tensor.name) + " has " + std::to_string(static_cast<uint64_t>(numbers)) +
                " numbers of " + printable(tensor.type) + ", but " + std::to_string(tensor.bytes) + " bytes");
}

/// Turns offsets within the data into offsets within the file. Together the tensors must be all of the data.
void placeTensors(const HeaderReader& in, std::vector<StoredTensor>& tensors, uint64_t data, uint64_t fileBytes) {
    std::unordered_set<std::string_view> names;
    names.reserve(tensors.size());
    std::vector<const StoredTensor*> inOrder;
    inOrder.reserve(tensors.size());
    for (const StoredTensor& tensor : tensors) {
        if (!names.insert(tensor.name).second)
            in.fail("the tensor " + printable(tensor.name) + " is there twice");
        checkBytes(in, tensor);
        if (tensor.offset > fileBytes - data || tensor.bytes > fileBytes - data - tensor.offset)
            in.fail("the tensor " + printable(tensor.name) + " lies beyond its end; the file was cut short, or its " +
                    "download is not complete");
        inOrder.push_back(&tensor);
    }
    std::sort(inOrder.begin(), inOrder.end(), [](const StoredTensor* x, const StoredTensor* y) {
        return x->offset != y->offset ? x->offset < y->offset : x->bytes < y->bytes;
    });
    uint64_t end = 0;
    for (const StoredTensor* tensor : inOrder) {
        if (tensor->offset != end)
            in.fail("there is " + std::string(tensor->offset < end ? "an overlap" : "a hole") + " before the tensor " +
                    printable(tensor->name));
        end = tensor->offset + tensor->bytes;
    }
    if (end != fileBytes - data)
        in.fail("it goes on for " + std::to_string(fileBytes - data - end) + " bytes behind its last tensor");
    for (StoredTensor& tensor : tensors)
        tensor.offset += data;
}

/// {"metadata": {...}, "weight_map": {"tensor": "file", ...}}
class IndexReader final : public StrictReader {
public:
    explicit IndexReader(std::string_view name) : StrictReader(name, "index of a sharded model") {}

    std::map<std::string, int, std::less<>> files;
    std::vector<SafetensorsIndex::Entry> tensors;

    bool start_object(std::size_t) override { return enter(); }

    bool start_array(std::size_t) override { return enter(); }

    bool end_object() override { return leave(); }

    bool end_array() override { return leave(); }

    bool key(string_t& key) override {
        if (depth_ == 1)
            inMap_ = key == "weight_map";
        else if (inMap_)
            tensor_ = key;
        return true;
    }

    bool string(string_t& value) override {
        if (depth_ != 2 || !inMap_)
            return true;
        if (tensors.size() >= kMaxTensors)
            fail("it names more than " + std::to_string(kMaxTensors) + " tensors");
        const auto known = files.find(value);
        tensors.push_back({tensor_, known != files.end() ? known->second : add(value)});
        return true;
    }

    // What stands beside the map may be anything.
    bool null() override { return outsideMap("null"); }

    bool boolean(bool) override { return outsideMap("true or false"); }

    bool number_integer(number_integer_t) override { return outsideMap("a number"); }

    bool number_unsigned(number_unsigned_t) override { return outsideMap("a number"); }

    bool number_float(number_float_t, const string_t&) override { return outsideMap("a number"); }

private:
    bool outsideMap(const char* found) const {
        if (depth_ > 1 && inMap_)
            fail("the file of " + printable(tensor_) + " is " + found + " instead of a name");
        return true;
    }

    bool enter() {
        if (depth_ >= 2 && inMap_)
            fail("the file of " + printable(tensor_) + " is not a name");
        if (++depth_ > kMaxDepth)
            fail("it is nested more than " + std::to_string(kMaxDepth) + " deep");
        return true;
    }

    bool leave() {
        --depth_;
        return true;
    }

    int add(const std::string& file) {
        constexpr std::string_view kEnd = ".safetensors";
        if (file.size() <= kEnd.size() || file.size() > 255 || !file.ends_with(kEnd) ||
            file.find_first_of(std::string_view("/\\\0", 3)) != file.npos)
            fail("\"" + printable(file) + "\" is not the name of a safetensors file beside it");
        if (files.size() >= kMaxFiles)
            fail("it names more than " + std::to_string(kMaxFiles) + " files");
        return files.emplace(file, static_cast<int>(files.size())).first->second;
    }

    int depth_ = 0;
    bool inMap_ = false;
    std::string tensor_;
};

} // namespace

int storedTypeBytes(std::string_view type) {
    for (const TypeWidth& row : kTypes)
        if (row.name == type)
            return row.bytes;
    return 0;
}

std::vector<StoredTensor> parseSafetensors(std::span<const std::byte> file, std::string_view name) {
    static_assert(std::endian::native == std::endian::little, "numbers are read as they lie in the file");
    HeaderReader in(name);
    const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
    if (text.starts_with("version https://git-lfs"))
        in.fail("it is only the pointer that git-lfs left in its place; the file itself was not downloaded");
    uint64_t headerBytes = 0;
    if (file.size() < sizeof headerBytes)
        in.fail("it has " + std::to_string(file.size()) + " bytes");
    std::memcpy(&headerBytes, file.data(), sizeof headerBytes);
    if (headerBytes > kMaxHeaderBytes || headerBytes > file.size() - sizeof headerBytes)
        in.fail("its header claims " + std::to_string(headerBytes) + " bytes, and the file has " +
                std::to_string(file.size()));
    const std::string_view header = text.substr(sizeof headerBytes, headerBytes);
    if (!header.starts_with('{'))
        in.fail("its header is not a JSON object");
    json::sax_parse(header.begin(), header.end(), &in);
    placeTensors(in, in.tensors, sizeof headerBytes + headerBytes, file.size());
    return std::move(in.tensors);
}

SafetensorsIndex parseSafetensorsIndex(std::string_view text, std::string_view name) {
    IndexReader in(name);
    if (text.size() > kMaxHeaderBytes)
        in.fail("it has " + std::to_string(text.size()) + " bytes");
    json::sax_parse(text.begin(), text.end(), &in);
    if (in.tensors.empty())
        in.fail("it names no tensor");
    // Files in the order of their names, whatever tensor came first.
    SafetensorsIndex index;
    std::vector<int> place(in.files.size());
    for (const auto& [file, number] : in.files) {
        place[static_cast<size_t>(number)] = static_cast<int>(index.files.size());
        index.files.push_back(file);
    }
    index.tensors = std::move(in.tensors);
    for (SafetensorsIndex::Entry& entry : index.tensors)
        entry.file = place[static_cast<size_t>(entry.file)];
    return index;
}

} // namespace hearth::engine
