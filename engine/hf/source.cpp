#include "engine/hf/source.h"

#include "engine/error.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace hearth::engine {

namespace {

const kernels::QuantType& f32() {
    return kernels::quantType(kernels::Type::F32);
}

uint64_t bytesOf(const std::vector<HfRows>& rows) {
    uint64_t sum = 0;
    for (const HfRows& r : rows)
        sum += static_cast<uint64_t>(r.count) * r.source.rowBytes();
    return sum;
}

/// Runs of rows that lie one behind the other become one.
std::vector<std::pair<BytePlace, uint64_t>> runsOf(const std::vector<HfRows>& rows) {
    std::vector<std::pair<BytePlace, uint64_t>> runs;
    for (const HfRows& r : rows) {
        const BytePlace place = r.source.rowPlace(r.matrix, r.first);
        const uint64_t bytes = static_cast<uint64_t>(r.count) * r.source.rowBytes();
        if (!runs.empty() && runs.back().first.file == place.file &&
            runs.back().first.offset + runs.back().second == place.offset)
            runs.back().second += bytes;
        else
            runs.emplace_back(place, bytes);
    }
    return runs;
}

/// The equal parts that the tensor can be read in where it lies; empty: it cannot.
std::vector<BytePlace> partsOf(const TensorEntry& entry, const std::vector<HfRows>& rows, uint64_t aligned) {
    std::vector<BytePlace> parts;
    const auto n = static_cast<uint64_t>(entry.dims[2]);
    if (entry.nDims != 3 || n < 2 || entry.bytes % n != 0)
        return parts;
    for (const auto& [place, bytes] : runsOf(rows)) {
        if (bytes % (entry.bytes / n) != 0)
            return {};
        for (uint64_t at = 0; at < bytes; at += entry.bytes / n)
            parts.push_back({place.file, place.offset + at});
    }
    const bool unaligned =
        std::any_of(parts.begin(), parts.end(), [&](BytePlace p) { return p.offset % aligned != 0; });
    return parts.size() != n || unaligned ? std::vector<BytePlace>() : parts;
}

/// FP8 where it lies, as runs of rows that have scales of their own: one behind the other, or the parts of the tensor.
/// False: it cannot be read so.
bool placeCodes(TensorEntry& entry, const std::vector<HfRows>& rows) {
    std::vector<HfRows> runs;
    for (const HfRows& r : rows) {
        if (!runs.empty() && runs.back().matrix == r.matrix && runs.back().first + runs.back().count == r.first &&
            runs.back().source.place.file == r.source.place.file &&
            runs.back().source.place.offset == r.source.place.offset)
            runs.back().count += r.count;
        else
            runs.push_back(r);
    }
    if (std::any_of(runs.begin(), runs.end(), [&](const HfRows& r) { return r.count != runs[0].count; }))
        return false;
    const bool whole = runsOf(rows).size() == 1;
    if (!whole && (entry.nDims != 3 || entry.dims[2] != static_cast<int64_t>(runs.size())))
        return false;
    for (const HfRows& run : runs) {
        entry.scales.push_back(run.source.scales->of(run.matrix, run.first));
        entry.parts.push_back(run.source.rowPlace(run.matrix, run.first));
    }
    if (whole) {
        entry.file = entry.parts[0].file;
        entry.offset = entry.parts[0].offset;
        entry.parts.clear();
    }
    entry.bytes = bytesOf(rows);
    return true;
}

float changed(float x, HfValue value) {
    return value == HfValue::PlusOne ? 1.0f + x : value == HfValue::NegatedExp ? -std::exp(x) : x;
}

template <typename F>
void setDerivation(TensorEntry& entry, F&& compute, bool readsFiles = true) {
    entry.derivation = std::make_shared<const Derivation>(Derivation{std::forward<F>(compute), readsFiles});
}

void storeFloat(std::span<std::byte> out, int64_t i, float x) {
    std::memcpy(out.data() + static_cast<size_t>(i) * sizeof x, &x, sizeof x);
}

/// What needs the tensor names its type.
void setUnreadable(TensorEntry& entry, const HfSource& source) {
    entry.type = nullptr;
    entry.foreignType = source.storedType;
    entry.file = source.place.file;
    entry.offset = source.place.offset;
    entry.bytes = 0;
}

void setType(TensorEntry& entry, const kernels::QuantType& type) {
    entry.type = &type;
    entry.ggmlId = type.ggmlId;
}

} // namespace

uint64_t HfSource::rowBytes() const {
    return static_cast<uint64_t>(cols) * (type ? static_cast<uint64_t>(type->bytes) : 1);
}

BytePlace HfSource::rowPlace(int64_t matrix, int64_t row) const {
    return {place.file, place.offset + static_cast<uint64_t>(matrix * rows + row) * rowBytes()};
}

TensorScales HfSource::Scales::of(int64_t matrix, int64_t row) const {
    TensorScales s = first;
    s.place.offset += static_cast<uint64_t>(matrix * rows) * s.rowBytes();
    return s.from(row);
}

void readHfRow(Memories files, const HfSource& source, int64_t matrix, int64_t row, float* out) {
    const BytePlace place = source.rowPlace(matrix, row);
    const std::byte* bytes = files[static_cast<size_t>(place.file)].data() + place.offset;
    // Files may be written without any alignment; decoders read numbers in their place.
    const std::vector<std::byte> aligned(bytes, bytes + source.rowBytes());
    source.type->decode(aligned.data(), out, source.cols);
    if (source.fp8())
        source.scales->of(matrix, row).apply(files, {out, static_cast<size_t>(source.cols)});
}

void placeRows(TensorEntry& entry, std::vector<HfRows> rows, HfValue value) {
    const HfSource& first = rows.front().source;
    for (const HfRows& r : rows)
        if (!r.source.readable())
            return setUnreadable(entry, r.source);
    const bool computed = value != HfValue::AsItIs || std::any_of(rows.begin(), rows.end(), [&](const HfRows& r) {
                              return r.source.type != first.type;
                          });
    if (!computed && first.fp8() && placeCodes(entry, rows))
        return setType(entry, *first.type);
    if (!computed && !first.fp8()) {
        entry.bytes = bytesOf(rows);
        setType(entry, *first.type);
        const auto runs = runsOf(rows);
        const auto aligned = static_cast<uint64_t>(first.type->bytes);
        if (runs.size() == 1 && runs[0].first.offset % aligned == 0) {
            entry.file = runs[0].first.file;
            entry.offset = runs[0].first.offset;
        } else if (entry.parts = partsOf(entry, rows, aligned); entry.parts.empty()) {
            setDerivation(entry, [runs](Memories files, std::span<std::byte> out) {
                size_t at = 0;
                for (const auto& [place, bytes] : runs) {
                    const auto from = files[static_cast<size_t>(place.file)].subspan(place.offset, bytes);
                    std::copy(from.begin(), from.end(), out.begin() + static_cast<ptrdiff_t>(at));
                    at += bytes;
                }
            });
        }
        return;
    }
    setType(entry, f32());
    if (first.fp8())
        entry.foreignType = first.storedType;
    uint64_t numbers = 0;
    for (const HfRows& r : rows)
        numbers += static_cast<uint64_t>(r.count) * static_cast<uint64_t>(r.source.cols);
    entry.bytes = numbers * sizeof(float);
    setDerivation(entry, [rows = std::move(rows), value](Memories files, std::span<std::byte> out) {
        std::vector<float> row;
        int64_t at = 0;
        for (const HfRows& r : rows)
            for (int64_t i = 0; i < r.count; ++i) {
                row.resize(static_cast<size_t>(r.source.cols));
                readHfRow(files, r.source, r.matrix, r.first + i, row.data());
                for (const float x : row)
                    storeFloat(out, at++, changed(x, value));
            }
    });
}

void placeFloats(TensorEntry& entry, const std::vector<float>& values) {
    setType(entry, f32());
    entry.bytes = values.size() * sizeof(float);
    setDerivation(
        entry, [values](Memories, std::span<std::byte> out) { std::memcpy(out.data(), values.data(), out.size()); },
        false);
}

void placeTransposed(TensorEntry& entry, std::vector<HfRows> blocks, int64_t first, int64_t step) {
    const HfSource& source = blocks.front().source;
    if (!source.readable())
        return setUnreadable(entry, source);
    const kernels::QuantType& type = source.fp8() ? f32() : *source.type;
    const int64_t columns = (source.cols - first + step - 1) / step;
    setType(entry, type);
    const auto width = static_cast<size_t>(type.bytes);
    entry.bytes = 0;
    for (const HfRows& block : blocks)
        entry.bytes += static_cast<uint64_t>(block.count) * static_cast<uint64_t>(columns) * width;
    setDerivation(entry, [=, blocks = std::move(blocks)](Memories files, std::span<std::byte> out) {
        std::vector<float> row;
        std::byte* to = out.data();
        for (const HfRows& block : blocks) {
            for (int64_t r = 0; r < block.count; ++r) {
                const BytePlace place = block.source.rowPlace(block.matrix, block.first + r);
                const std::byte* from = files[static_cast<size_t>(place.file)].data() + place.offset;
                if (block.source.fp8()) {
                    row.resize(static_cast<size_t>(block.source.cols));
                    readHfRow(files, block.source, block.matrix, block.first + r, row.data());
                    from = reinterpret_cast<const std::byte*>(row.data());
                }
                for (int64_t c = 0; c < columns; ++c)
                    std::memcpy(to + static_cast<size_t>(c * block.count + r) * width,
                                from + static_cast<size_t>(first + c * step) * width, width);
            }
            to += static_cast<size_t>(block.count * columns) * width;
        }
    });
}

void placeColumns(TensorEntry& entry, const HfSource& source, const std::vector<int64_t>& order) {
    if (!source.readable())
        return setUnreadable(entry, source);
    setType(entry, f32());
    entry.bytes = static_cast<uint64_t>(source.matrices * source.rows) * order.size() * sizeof(float);
    setDerivation(entry, [source, order](Memories files, std::span<std::byte> out) {
        std::vector<float> row(static_cast<size_t>(source.cols));
        int64_t at = 0;
        for (int64_t m = 0; m < source.matrices; ++m)
            for (int64_t r = 0; r < source.rows; ++r) {
                readHfRow(files, source, m, r, row.data());
                for (const int64_t c : order)
                    storeFloat(out, at++, row[static_cast<size_t>(c)]);
            }
    });
}

void placeEveryNth(TensorEntry& entry, const HfSource& source, int64_t first, int64_t step) {
    std::vector<int64_t> order;
    for (int64_t c = first; c < source.cols; c += step)
        order.push_back(c);
    placeColumns(entry, source, order);
}

void placeMxfp4(TensorEntry& entry, const StoredTensor& nibbles, const StoredTensor& scales, int64_t first,
                int64_t step) {
    constexpr uint32_t kGgmlId = 39;
    constexpr size_t kHalf = 16; // bytes of nibbles a block; a scale stands before them
    const int64_t matrices = nibbles.shape[0], rows = nibbles.shape[1], blocks = nibbles.shape[2];
    const int64_t chosen = (rows - first + step - 1) / step;
    entry.ggmlId = kGgmlId;
    entry.type = kernels::findQuantType(kGgmlId);
    entry.bytes =
        static_cast<uint64_t>(matrices) * static_cast<uint64_t>(chosen) * static_cast<uint64_t>(blocks) * (kHalf + 1);
    setDerivation(entry, [=, nibbleAt = BytePlace{nibbles.file, nibbles.offset},
                          scaleAt = BytePlace{scales.file, scales.offset}](Memories files, std::span<std::byte> out) {
        const std::byte* from = files[static_cast<size_t>(nibbleAt.file)].data() + nibbleAt.offset;
        const std::byte* scale = files[static_cast<size_t>(scaleAt.file)].data() + scaleAt.offset;
        std::byte* to = out.data();
        for (int64_t m = 0; m < matrices; ++m)
            for (int64_t r = first; r < rows; r += step)
                for (int64_t b = 0; b < blocks; ++b) {
                    const auto block = static_cast<size_t>((m * rows + r) * blocks + b);
                    const std::byte* in = from + block * kHalf;
                    *to++ = scale[block];
                    // There, neighbours share a byte; here, numbers i and i + 16 do.
                    const auto nibble = [in](size_t i) {
                        return i % 2 == 0 ? in[i / 2] & std::byte{15} : in[i / 2] >> 4;
                    };
                    for (size_t i = 0; i < kHalf; ++i)
                        *to++ = nibble(i) | nibble(i + kHalf) << 4;
                }
    });
}

} // namespace hearth::engine
