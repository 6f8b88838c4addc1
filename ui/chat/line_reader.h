#pragma once

#include "ui/chat/characters.h"

#include <QString>

namespace hearth::ui {

/// A line being consumed, with CommonMark's tab stops of four columns.
class LineReader {
public:
    explicit LineReader(QStringView line) : line_(line) { findNext(); }

    void advance(int columns) {
        while (columns > 0 && at_ < line_.size()) {
            if (line_[at_] == u'\t') {
                const int width = 4 - (column_ % 4);
                const int rest = partial_ > 0 ? partial_ : width;
                const int take = std::min(rest, columns);
                partial_ = rest - take;
                columns -= take;
                column_ += take;
                if (partial_ == 0)
                    ++at_;
            } else {
                ++at_;
                ++column_;
                --columns;
            }
        }
        findNext();
    }

    void advanceChars(qsizetype n) {
        at_ = next_ + n;
        column_ = nextColumn_ + int(n);
        partial_ = 0;
        findNext();
    }

    bool blank() const { return next_ >= line_.size(); }

    int indent() const { return nextColumn_ - column_; }

    QStringView text() const { return line_.mid(next_); } // after the indent

    QChar first() const { return next_ < line_.size() ? line_[next_] : QChar(); }

    bool spaceHere() const { return at_ < line_.size() && isBlankChar(line_[at_]); }

    /// What is left, a half consumed tab as spaces.
    QString rest() const {
        if (partial_ > 0)
            return QString(partial_, u' ') + line_.mid(at_ + 1).toString();
        return line_.mid(at_).toString();
    }

private:
    void findNext() {
        next_ = at_;
        nextColumn_ = column_;
        int partial = partial_;
        while (next_ < line_.size() && isBlankChar(line_[next_])) {
            nextColumn_ += line_[next_] == u' ' ? 1 : partial > 0 ? partial : 4 - (nextColumn_ % 4);
            partial = 0;
            ++next_;
        }
    }

    QStringView line_;
    qsizetype at_ = 0;
    int column_ = 0;
    int partial_ = 0; // columns left of a tab that is consumed in part
    qsizetype next_ = 0;
    int nextColumn_ = 0;
};

} // namespace hearth::ui
