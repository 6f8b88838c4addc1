#include "engine/gguf_writer.h"

#include "engine/error.h"
#include "engine/gguf.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <type_traits>

#include <fcntl.h>
#include <unistd.h>

namespace hearth::engine {

namespace {

constexpr uint64_t kAlignment = 32;
constexpr std::string_view kAlignmentKey = "general.alignment";
/// A text of bytes that is kept as an array of them, which others read as nothing else.
constexpr std::string_view kByteArrays[] = {"tokenizer.ggml.precompiled_charsmap"};

[[noreturn]] void failed(const std::string& path, const std::string& what) {
    throw Error("The file " + printable(path, 400) + " cannot be written: " + what + ".");
}

std::string reason() {
    return std::string(std::strerror(errno));
}

/// The header's bytes, little-endian as the machine is (gguf.cpp asserts it).
class Bytes {
public:
    template <typename T>
    void number(T value) {
        const auto* p = reinterpret_cast<const char*>(&value);
        out_.append(p, sizeof(T));
    }

    void text(std::string_view text) {
        number(uint64_t{text.size()});
        out_.append(text);
    }

    const std::string& all() const { return out_; }

private:
    std::string out_;
};

bool isFloat(double v) {
    return std::isnan(v) || static_cast<double>(static_cast<float>(v)) == v;
}

void scalar(Bytes& out, int64_t v) {
    if (v >= 0 && v <= std::numeric_limits<uint32_t>::max()) {
        out.number(GgufValue::U32);
        out.number(static_cast<uint32_t>(v));
    } else if (v < 0 && v >= std::numeric_limits<int32_t>::min()) {
        out.number(GgufValue::I32);
        out.number(static_cast<int32_t>(v));
    } else {
        out.number(GgufValue::I64);
        out.number(v);
    }
}

void scalar(Bytes& out, double v) {
    out.number(isFloat(v) ? GgufValue::F32 : GgufValue::F64);
    if (isFloat(v))
        out.number(static_cast<float>(v));
    else
        out.number(v);
}

void scalar(Bytes& out, bool v) {
    out.number(GgufValue::Bool);
    out.number(uint8_t{v});
}

void scalar(Bytes& out, const std::string& v) {
    out.number(GgufValue::Text);
    out.text(v);
}

template <typename Stored, typename T>
void elements(Bytes& out, GgufValue type, const std::vector<T>& values) {
    out.number(GgufValue::Array);
    out.number(type);
    out.number(uint64_t{values.size()});
    for (const auto& value : values)
        out.number(static_cast<Stored>(value));
}

void array(Bytes& out, std::string_view key, const std::vector<int64_t>& v) {
    const auto fits = [&](int64_t low, int64_t high) {
        return std::all_of(v.begin(), v.end(), [&](int64_t i) { return i >= low && i <= high; });
    };
    if (std::find(std::begin(kByteArrays), std::end(kByteArrays), key) != std::end(kByteArrays) && fits(-128, 255))
        elements<uint8_t>(out, GgufValue::U8, v);
    else if (fits(std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()))
        elements<int32_t>(out, GgufValue::I32, v);
    else
        elements<int64_t>(out, GgufValue::I64, v);
}

void array(Bytes& out, std::string_view, const std::vector<double>& v) {
    if (std::all_of(v.begin(), v.end(), isFloat))
        elements<float>(out, GgufValue::F32, v);
    else
        elements<double>(out, GgufValue::F64, v);
}

void array(Bytes& out, std::string_view, const std::vector<bool>& v) {
    elements<uint8_t>(out, GgufValue::Bool, v);
}

void array(Bytes& out, std::string_view, const std::vector<std::string>& v) {
    out.number(GgufValue::Array);
    out.number(GgufValue::Text);
    out.number(uint64_t{v.size()});
    for (const std::string& text : v)
        out.text(text);
}

void putValue(Bytes& out, const std::string& key, const Value& value) {
    out.text(key);
    std::visit(
        [&](const auto& v) {
            if constexpr (requires { scalar(out, v); })
                scalar(out, v);
            else
                array(out, key, v);
        },
        value);
}

uint64_t aligned(uint64_t position) {
    return (position + kAlignment - 1) / kAlignment * kAlignment;
}

std::string headerOf(const Metadata& metadata, std::span<const GgufTensor> tensors) {
    const bool own = metadata.contains(kAlignmentKey); // that of another file; here it is what it is without the key
    Bytes out;
    out.number(uint32_t{0x46554747}); // "GGUF"
    out.number(uint32_t{3});
    out.number(uint64_t{tensors.size()});
    out.number(uint64_t{metadata.all().size() - own});
    for (const auto& [key, value] : metadata.all())
        if (key != kAlignmentKey)
            putValue(out, key, value);
    uint64_t offset = 0;
    for (const GgufTensor& tensor : tensors) {
        out.text(tensor.name);
        out.number(static_cast<uint32_t>(tensor.nDims));
        for (int i = 0; i < tensor.nDims; ++i)
            out.number(static_cast<uint64_t>(tensor.dims[static_cast<size_t>(i)]));
        out.number(tensor.type->ggmlId);
        out.number(offset);
        offset = aligned(offset + tensor.bytes());
    }
    return out.all();
}

} // namespace

uint64_t GgufTensor::bytes() const {
    return kernels::rowBytes(type->type, dims[0]) * static_cast<uint64_t>(dims[1] * dims[2] * dims[3]);
}

GgufWriter::GgufWriter(const std::string& path, const Metadata& metadata, std::span<const GgufTensor> tensors)
    : path_(path), temporary_(path + ".part-" + std::to_string(getpid())) {
    const std::string header = headerOf(metadata, tensors);
    total_ = aligned(header.size());
    for (const GgufTensor& tensor : tensors) {
        sizes_.push_back(tensor.bytes());
        total_ = aligned(total_ + sizes_.back());
    }
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored))
        failed(path, "something else than a file stands there");
    const auto space = std::filesystem::space(std::filesystem::absolute(path, ignored).parent_path(), ignored);
    if (!ignored && space.available < total_)
        failed(path,
               "it needs " + readableBytes(total_) + ", and " + readableBytes(space.available) + " are free there");
    ::unlink(temporary_.c_str()); // of a program that had our number and was killed
    file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file_ < 0)
        failed(path, reason());
    try {
        put(header.data(), header.size());
        pad();
    } catch (...) {
        ::close(file_);
        ::unlink(temporary_.c_str());
        throw;
    }
}

GgufWriter::~GgufWriter() {
    if (file_ < 0)
        return;
    ::close(file_);
    ::unlink(temporary_.c_str());
}

void GgufWriter::put(const void* bytes, size_t size) {
    const auto* p = static_cast<const char*>(bytes);
    while (size > 0) {
        const ssize_t written = ::write(file_, p, std::min<size_t>(size, size_t{64} << 20));
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            failed(path_, written < 0 ? reason() : "nothing more is taken");
        p += written;
        size -= static_cast<size_t>(written);
        position_ += static_cast<uint64_t>(written);
    }
}

void GgufWriter::pad() {
    static constexpr char kZeros[kAlignment] = {};
    put(kZeros, aligned(position_) - position_);
}

void GgufWriter::write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        if (tensor_ >= sizes_.size())
            failed(path_, "more was given than its tensors hold");
        const size_t now = std::min<uint64_t>(bytes.size(), sizes_[tensor_] - inTensor_);
        put(bytes.data(), now);
        bytes = bytes.subspan(now);
        inTensor_ += now;
        if (inTensor_ == sizes_[tensor_]) {
            pad();
            ++tensor_;
            inTensor_ = 0;
        }
    }
}

void GgufWriter::finish() {
    if (tensor_ != sizes_.size() || position_ != total_)
        failed(path_, "its tensors are not complete");
    if (::fsync(file_) != 0)
        failed(path_, reason());
    if (::rename(temporary_.c_str(), path_.c_str()) != 0)
        failed(path_, reason());
    ::close(file_);
    file_ = -1;
    // The name is safe when its folder is.
    std::error_code ignored;
    const std::string folder = std::filesystem::absolute(path_, ignored).parent_path().string();
    if (const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); directory >= 0) {
        ::fsync(directory);
        ::close(directory);
    }
}

} // namespace hearth::engine
