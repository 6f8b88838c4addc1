#pragma once

#include <QRandomGenerator>
#include <QString>

namespace hearth::ui::test {

/// What a random text is made of.
enum class Words {
    Latin, // CommonMark and GFM where all readers agree what they say
    Mixed, // also Chinese, formulas, bare addresses, emoji, combining marks
};

/// Markdown put together at random from every construct, nested in lists and quotes to `depth`.
QString composition(QRandomGenerator&, Words, int depth = 3);

/// Marks and words in any order: what no grammar would write.
QString noise(QRandomGenerator&, Words, int pieces);

} // namespace hearth::ui::test
