#pragma once

// The panels of codes that AVX-512's unpackInt8 makes, and 16 weight rows on their way there. Included after
// codes_512.h. Internal linkage on purpose.
namespace hearth::kernels::cpu {
namespace {

/// 32 inputs of 32 outputs: four inputs of an output side by side, as dpbusd wants them. A weight is scale * q + min.
template <int kGroup>
struct PanelGroup {
    uint8_t q[8][kPanelOutputs][4];
    float scale[32 / kGroup][kPanelOutputs];
    float min[32 / kGroup][kPanelOutputs];
};

/// Weights without mins of their own: code - kOffset is what is scaled.
template <typename Format>
constexpr bool kIsCentred = requires {
    Format::kOffset;
};

/// In panels codes of centred formats are kCentre too large whatever the format, so that one product serves all.
constexpr int kCentre = 128;

template <typename Format>
constexpr int offsetOfCodes() {
    if constexpr (kIsCentred<Format>)
        return Format::kOffset;
    return kCentre;
}

template <typename Format>
constexpr bool kHasMins16 = Format::kGroup == 16 && !kIsCentred<Format>;

template <typename Format>
inline Codes loadAny(const uint8_t* b, int groups) {
    if (Format::kBlock == 256 || groups >= 8)
        return Format::template load<4>(b);
    uint8_t padded[256 / 32 * 34 + 64] = {};
    std::memcpy(padded, b, size_t(groups * 32 / Format::kBlock * Format::kBytes));
    return Format::template load<4>(padded);
}

/// Codes and scales of 16 weight rows, one a row of each matrix.
struct Rows16 {
    __m512i q[4][16];
    __m512i scales[16];
    __m512i mins[16]; // of formats with groups of 16 and mins of their own
};

template <typename Format>
inline void loadRows(const Unpack& a, int first, int64_t chunk, int groups, Rows16& rows) {
    constexpr int kChunkBytes = 256 / Format::kBlock * Format::kBytes;
    const __m512i centre = _mm512_set1_epi8(char(kCentre - offsetOfCodes<Format>()));
    for (int n = 0; n < 16; ++n) {
        if (first + n >= a.outputs) {
            for (int i = 0; i < 4; ++i)
                rows.q[i][n] = _mm512_setzero_si512();
            rows.scales[n] = rows.mins[n] = _mm512_setzero_si512();
            continue;
        }
        const auto* row = reinterpret_cast<const uint8_t*>(a.weights + uint64_t(first + n) * a.stride);
        // The next panel's part of this row: no reader of streams foresees it. Past the end nothing is read.
        for (int64_t ahead = 0; ahead < kChunkBytes + 63; ahead += 64)
            _mm_prefetch(reinterpret_cast<const char*>(row) + (chunk + kPanelInputsInt8 / 256) * kChunkBytes + ahead,
                         _MM_HINT_T1);
        const Codes codes = loadAny<Format>(row + chunk * kChunkBytes, groups);
        for (int i = 0; i < 4; ++i)
            rows.q[i][n] = kIsCentred<Format> ? _mm512_add_epi8(codes.q[i], centre) : codes.q[i];
        rows.scales[n] = _mm512_castps_si512(Format::kGroup == 32 ? codes.scaleMin : codes.scale16);
        if constexpr (kHasMins16<Format>)
            rows.mins[n] = _mm512_castps_si512(codes.min16);
    }
}

/// Up to 8 groups of 32 inputs of 16 outputs, turned: vector j of q[i] has the inputs from 8i + 4 (j % 2) on of group
/// j / 2. A weight is scale * code + min.
template <typename Format>
struct TurnedRows {
    static constexpr int kParts = 32 / Format::kGroup;

    Rows16 rows;
    Vec scale[16], min[16]; // by group, and its halves

    inline TurnedRows(const Unpack& a, int first, int64_t chunk, int groups) {
        loadRows<Format>(a, first, chunk, groups, rows);
        for (auto& q : rows.q)
            transpose(q);
        transpose(rows.scales);
        if constexpr (kHasMins16<Format>)
            transpose(rows.mins);
        for (int i = 0; i < groups * kParts; ++i) {
            scale[i] = _mm512_castsi512_ps(rows.scales[i]);
            min[i] = mul(scale[i], splat(-float(kCentre)));
            if constexpr (!kIsCentred<Format>)
                min[i] = _mm512_castsi512_ps(kParts == 1 ? rows.scales[8 + i] : rows.mins[i]);
        }
    }
};

} // namespace
} // namespace hearth::kernels::cpu
