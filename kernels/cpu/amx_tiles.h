#pragma once

#include <cstdint>

#if defined(HEARTH_TEST_TILES)
#include <cstring>
#endif

// Tiles of AMX: eight registers of up to 16 rows of 64 bytes (Intel 64 and IA-32 Architectures Software Developer's
// Manual, volume 1, chapter 18). Internal linkage on purpose.
namespace hearth::kernels::cpu {
namespace {

/// What LDTILECFG reads: palette 1 of up to eight tiles.
struct alignas(64) TileShapes {
    uint8_t palette = 1;
    uint8_t startRow = 0;
    uint8_t reserved[14] = {};
    uint16_t rowBytes[16] = {};
    uint8_t rows[16] = {}; // 0: a tile that is not there
};

static_assert(sizeof(TileShapes) == 64);

constexpr int kTileRows = 16, kTileBytes = 1024; // of a whole tile

#if !defined(HEARTH_TEST_TILES)

/// The instructions. Own words for them, because the compilers' do not all tell that memory is read. Tiles belong to a
/// thread: between `configure` and `release` it has them, else each of the others is an illegal instruction.
struct Tiles {
    static inline void configure(const TileShapes& shapes) { __asm__ volatile("ldtilecfg %0" ::"m"(shapes)); }

    static inline void release() { __asm__ volatile("tilerelease"); }

    template <int kTile>
    static inline void clear() {
        __asm__ volatile("tilezero %%tmm%c0" ::"i"(kTile));
    }

    /// Rows `stride` bytes apart.
    template <int kTile>
    static inline void load(const void* from, int64_t stride) {
        __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(kTile) : "memory");
    }

    /// For what is not read again soon: it leaves the first-level cache to what is.
    template <int kTile>
    static inline void loadOnce(const void* from, int64_t stride) {
        __asm__ volatile("tileloaddt1 (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(kTile) : "memory");
    }

    template <int kTile>
    static inline void store(void* to, int64_t stride) {
        __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(kTile) : "memory");
    }

    /// sums (M, N) f32 += a (M, K) x b (K / 2, N, 2), bf16.
    template <int kSums, int kA, int kB>
    static inline void addProduct() {
        __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSums), "i"(kA), "i"(kB));
    }

    /// sums (M, N) i32 += a (M, K) x b (K / 4, N, 4), signed bytes.
    template <int kSums, int kA, int kB>
    static inline void addInts() {
        __asm__ volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSums), "i"(kA), "i"(kB));
    }
};

#else

/// The same in plain C++, for machines without tiles, after the manual's pseudo code. What would be an illegal
/// instruction is one here too.
struct Tiles {
    static void configure(const TileShapes& shapes) {
        for (int t = 0; t < 8; ++t)
            if (shapes.palette != 1 || shapes.rows[t] > 16 || shapes.rowBytes[t] > 64 ||
                (shapes.rows[t] == 0) != (shapes.rowBytes[t] == 0))
                __builtin_trap();
        state = {};
        state.shapes = shapes;
        state.configured = true;
    }

    static void release() { state = {}; }

    template <int kTile>
    static void clear() {
        require(kTile);
        std::memset(state.data[kTile], 0, sizeof state.data[kTile]);
    }

    template <int kTile>
    static void load(const void* from, int64_t stride) {
        clear<kTile>();
        for (int r = 0; r < state.shapes.rows[kTile]; ++r)
            std::memcpy(state.data[kTile][r], static_cast<const char*>(from) + r * stride,
                        state.shapes.rowBytes[kTile]);
    }

    template <int kTile>
    static void loadOnce(const void* from, int64_t stride) {
        load<kTile>(from, stride);
    }

    template <int kTile>
    static void store(void* to, int64_t stride) {
        require(kTile);
        for (int r = 0; r < state.shapes.rows[kTile]; ++r)
            std::memcpy(static_cast<char*>(to) + r * stride, state.data[kTile][r], state.shapes.rowBytes[kTile]);
    }

    template <int kSums, int kA, int kB>
    static void addProduct() {
        requireShapes<kSums, kA, kB>();
        const TileShapes& s = state.shapes;
        const int columns = s.rowBytes[kSums] / 4, pairs = s.rowBytes[kA] / 4;
        for (int m = 0; m < s.rows[kSums]; ++m) {
            float sums[16], even[16] = {}, odd[16] = {};
            for (int k = 0; k < pairs; ++k) {
                const Pair a = pairAt(kA, m, k);
                for (int n = 0; n < columns; ++n) {
                    const Pair b = pairAt(kB, k, n);
                    even[n] = normal(__builtin_fmaf(a.even, b.even, even[n]));
                    odd[n] = normal(__builtin_fmaf(a.odd, b.odd, odd[n]));
                }
            }
            std::memcpy(sums, state.data[kSums][m], sizeof sums);
            for (int n = 0; n < columns; ++n)
                sums[n] = normal(normal(sums[n]) + normal(even[n] + odd[n]));
            std::memcpy(state.data[kSums][m], sums, size_t(columns) * 4);
        }
    }

    template <int kSums, int kA, int kB>
    static void addInts() {
        requireShapes<kSums, kA, kB>();
        const TileShapes& s = state.shapes;
        for (int m = 0; m < s.rows[kSums]; ++m) {
            int32_t sums[16];
            std::memcpy(sums, state.data[kSums][m], sizeof sums);
            for (int k = 0; k < s.rowBytes[kA]; ++k)
                for (int n = 0; n < s.rowBytes[kSums] / 4; ++n)
                    sums[n] += int(int8_t(state.data[kA][m][k])) * int8_t(state.data[kB][k / 4][4 * n + k % 4]);
            std::memcpy(state.data[kSums][m], sums, s.rowBytes[kSums]);
        }
    }

private:
    struct Pair {
        float even, odd;
    };

    struct State {
        TileShapes shapes;
        bool configured;
        unsigned char data[8][16][64];
    };

    static void require(int tile) {
        if (!state.configured || state.shapes.rows[tile] == 0)
            __builtin_trap();
    }

    template <int kSums, int kA, int kB>
    static void requireShapes() {
        require(kSums), require(kA), require(kB);
        const TileShapes& s = state.shapes;
        if (kSums == kA || kA == kB || kSums == kB || s.rows[kSums] != s.rows[kA] ||
            s.rowBytes[kSums] != s.rowBytes[kB] || s.rowBytes[kA] != 4 * s.rows[kB])
            __builtin_trap();
    }

    static float ofBits(uint32_t bits) {
        float f;
        std::memcpy(&f, &bits, 4);
        return normal(f);
    }

    /// Numbers below the normal ones are zeros.
    static float normal(float f) { return __builtin_fabsf(f) < 0x1p-126f ? __builtin_copysignf(0.0f, f) : f; }

    static Pair pairAt(int tile, int row, int column) {
        uint32_t both;
        std::memcpy(&both, state.data[tile][row] + 4 * column, 4);
        return {ofBits(both << 16), ofBits(both & 0xffff0000u)};
    }

    static inline thread_local State state = {};
};

#endif

/// Tiles of whole rows, so many each.
inline void configureRows(const int (&rows)[8]) {
    TileShapes shapes;
    for (int tile = 0; tile < 8; ++tile) {
        shapes.rows[tile] = uint8_t(rows[tile]);
        shapes.rowBytes[tile] = rows[tile] > 0 ? kTileBytes / kTileRows : 0;
    }
    Tiles::configure(shapes);
}

/// Tiles 0 to 3: sums of the first and the second 16 rows x the first and the second 16 outputs; 4, 5: those rows'
/// inputs; 6, 7: those outputs' weights.
inline void configureFor(int rows) {
    const int first = rows < kTileRows ? rows : kTileRows, second = rows - first;
    configureRows({first, first, second, second, first, second, kTileRows, kTileRows});
}

/// Rows two tiles at a time: f<kTall>(first, end), kTall: more than one tile of them; the tiles are configured. They
/// are this thread's from here to the end of the call only: nothing has to be remembered by threads, and none holds
/// tiles while it sleeps. That costs some hundred cycles for thousands of work.
template <typename F>
inline void forTileRows(int rows, const F& f) {
    constexpr int kBoth = 2 * kTileRows;
    int row = 0;
    if (rows >= kBoth)
        configureFor(kBoth);
    for (; row + kBoth <= rows; row += kBoth)
        f.template operator()<true>(row, row + kBoth);
    if (row < rows)
        configureFor(rows - row);
    if (rows - row > kTileRows)
        f.template operator()<true>(row, rows);
    else if (row < rows)
        f.template operator()<false>(row, rows);
    Tiles::release();
}

} // namespace
} // namespace hearth::kernels::cpu
