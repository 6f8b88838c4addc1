#include "ui/chat/height_index.h"

namespace hearth::ui {

void HeightIndex::append(int height) {
    // A new node sums its own height and those of the nodes below it.
    const size_t position = tree_.size() + 1;
    int sum = height;
    for (size_t step = 1; (position & step) == 0; step <<= 1)
        sum += tree_[position - step - 1];
    tree_.push_back(sum);
    heights_.push_back(height);
    total_ += height;
}

void HeightIndex::truncate(int count) {
    while (int(tree_.size()) > count) {
        total_ -= heights_.back();
        tree_.pop_back();
        heights_.pop_back();
    }
}

void HeightIndex::set(int i, int height) {
    const int change = height - heights_[size_t(i)];
    if (change == 0)
        return;
    heights_[size_t(i)] = height;
    total_ += change;
    for (size_t position = size_t(i) + 1; position <= tree_.size(); position += position & (~position + 1))
        tree_[position - 1] += change;
}

int HeightIndex::top(int i) const {
    int sum = 0;
    for (size_t position = size_t(i); position > 0; position -= position & (~position + 1))
        sum += tree_[position - 1];
    return sum;
}

int HeightIndex::at(int y) const {
    if (tree_.empty())
        return -1;
    size_t step = 1;
    while (step * 2 <= tree_.size())
        step *= 2;
    size_t position = 0; // how many things lie above y as a whole
    int left = y;
    for (; step > 0; step /= 2)
        if (position + step <= tree_.size() && tree_[position + step - 1] <= left) {
            position += step;
            left -= tree_[position - 1];
        }
    return int(position < tree_.size() ? position : tree_.size() - 1);
}

} // namespace hearth::ui
