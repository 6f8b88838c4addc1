#pragma once

#include <stddef.h>

#include <vector>

namespace hearth::ui {

/// Heights of a column of things, in px: sums, and what lies at a height, in O(log n). Grows and shrinks at its end.
class HeightIndex {
public:
    int count() const { return int(tree_.size()); }

    void append(int height);
    void truncate(int count);
    void set(int i, int height);

    int height(int i) const { return heights_[size_t(i)]; }

    int top(int i) const; // the sum of all heights before i; i may be count()

    int total() const { return total_; }

    /// The thing that y lies in; the last one for y at or past the end, the first one for y < 0. -1: empty.
    int at(int y) const;

private:
    std::vector<int> tree_; // Fenwick's: node i holds the sum of the lowbit(i + 1) heights that end at i
    std::vector<int> heights_;
    int total_ = 0;
};

} // namespace hearth::ui
