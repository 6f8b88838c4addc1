#pragma once

#include "ui/chat/inline_parser.h"

#include <vector>

namespace hearth::ui {

/// One piece of a leaf's text: text, or a run of delimiters of which some may be used up.
struct Piece {
    QStringView text;
    int count = -1; // delimiters left; -1: plain text
    quint16 style = StylePlain;
};

/// A style over pieces [from, to). Inner ranges stand before those around them.
struct StyledRange {
    int from;
    int to;
    quint16 style; // one of strong, emphasis, strike, link; link with image
    int link;
};

/// Runs of `*`, `_` and `~` among pieces, matched as CommonMark's "process emphasis" has it. Linear.
class DelimiterStack {
public:
    DelimiterStack(std::vector<Piece>& pieces, std::vector<StyledRange>& ranges) : pieces_(pieces), ranges_(ranges) {}

    /// The newest piece is a run of `length` times `mark`.
    void push(char16_t mark, int length, bool opens, bool closes);

    int top() const { return last_; }

    /// Matches the delimiters above `bottom`; they are all gone afterwards. -1: all.
    void process(int bottom);

private:
    struct Delimiter {
        int piece = 0;
        char16_t mark = 0;
        int length = 0; // as written
        bool opens = false;
        bool closes = false;
        int previous = -1;
        int next = -1;
    };

    static int floorKey(const Delimiter&);
    static bool matches(const Delimiter& opener, const Delimiter& closer);
    int applyPair(int opener, int closer);
    void unlink(int);

    std::vector<Piece>& pieces_;
    std::vector<StyledRange>& ranges_;
    std::vector<Delimiter> delimiters_; // a list by `previous` and `next`; indices grow along it
    int first_ = -1;
    int last_ = -1;
};

/// Pieces and their ranges as one text with runs that do not overlap; addresses in it become links. Linear.
void assemble(const std::vector<Piece>&, const std::vector<StyledRange>&, InlineText* out);

} // namespace hearth::ui
