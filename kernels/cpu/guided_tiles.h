#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace hearth::kernels::cpu {

/// Neighbouring parts of a stage as tiles: as many as they may have at first, for a claim and what a tile begins with
/// cost something, then fewer and fewer, so that all workers end together (see MatVecStage).
class GuidedTiles {
public:
    /// Tiles of at most so many parts.
    GuidedTiles(int64_t most, int threads) : most_(most), share_(2 * int64_t(threads) - 1) {
        set(most_ * share_); // no number of parts has more tiles behind the whole ones: set() will not allocate
    }

    /// How many parts there are; by one thread, before the tiles are claimed.
    void set(int64_t parts) {
        if (parts == parts_) // so it is for most tokens
            return;
        parts_ = parts;
        whole_ = parts > most_ * share_ ? (parts - most_ * share_ + most_ - 1) / most_ : 0;
        ends_.clear();
        for (int64_t begin = whole_ * most_; begin < parts; begin = ends_.back())
            ends_.push_back(begin + std::max<int64_t>(1, (parts - begin) / share_));
    }

    int64_t count() const { return whole_ + int64_t(ends_.size()); }

    /// A tile's first part; of the number of tiles, the number of parts.
    int64_t begin(int64_t tile) const { return tile <= whole_ ? tile * most_ : ends_[size_t(tile - whole_ - 1)]; }

private:
    int64_t most_, share_;
    int64_t parts_ = 0;
    int64_t whole_ = 0;         // tiles of `most` parts, the first ones
    std::vector<int64_t> ends_; // of the others
};

} // namespace hearth::kernels::cpu
