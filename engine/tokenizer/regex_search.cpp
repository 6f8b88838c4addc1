#include "engine/tokenizer/regex.h"
#include "engine/unicode.h"

#include <algorithm>

namespace hearth::engine {

namespace {

/// A match looks at most about this far, which bounds the memory: the frames and memos of one window.
constexpr size_t kWindow = 1 << 20; // bytes

constexpr char32_t kNoCharacter = 0xFFFF; // what an invalid byte counts as: of no category

size_t wordsOf(int nMemos) {
    return (2 * static_cast<size_t>(nMemos) + 63) / 64;
}

} // namespace

void RegexSearch::setText(std::string_view text) {
    text_ = text;
    from_ = 0;
    lastEnd_ = kNone;
    std::fill_n(memos_.begin(), (memoEnd_ - memoBegin_) * wordsOf(regex_.nMemos_), 0);
    memoBegin_ = memoEnd_ = windowBegin_ = 0;
    limit_ = std::min(text.size(), kWindow);
}

/// Called with the place of each new attempt: what lies before is not asked for again.
void RegexSearch::moveWindow(size_t from) {
    const bool nearLimit = limit_ < text_.size() && from + kWindow / 2 > limit_;
    if (from < memoEnd_ && !nearLimit)
        return;
    std::fill_n(memos_.begin(), (memoEnd_ - memoBegin_) * wordsOf(regex_.nMemos_), 0);
    memoBegin_ = memoEnd_ = windowBegin_ = from;
    if (!nearLimit)
        return;
    limit_ = std::min(text_.size(), from + kWindow);
    while (limit_ < text_.size() && isUtf8Continuation(text_[limit_]))
        limit_++;
}

uint64_t* RegexSearch::memo(size_t at) {
    const size_t words = wordsOf(regex_.nMemos_);
    if (at >= memoEnd_) {
        memoEnd_ = at + 1;
        if (memos_.size() < (memoEnd_ - memoBegin_) * words)
            memos_.resize(std::max((memoEnd_ - memoBegin_) * words, 2 * memos_.size()));
    }
    return memos_.data() + (at - memoBegin_) * words;
}

size_t RegexSearch::charEnd(const CharSet& set, size_t at) const {
    if (at >= limit_)
        return kNone;
    const auto byte = static_cast<unsigned char>(text_[at]);
    if (byte < 0x80)
        return set.containsAscii(byte) ? at + 1 : kNone;
    const CodePoint c = decodeUtf8(text_.substr(at));
    return set.contains(c.valid ? c.value : kNoCharacter) ? at + c.length : kNone;
}

bool RegexSearch::before(size_t at, int set) const {
    if (at == 0)
        return false;
    size_t start = at - 1;
    while (start > 0 && at - start < 4 && isUtf8Continuation(text_[start]))
        start--;
    if (start + decodeUtf8(text_.substr(start)).length != at)
        start = at - 1;
    return charEnd(regex_.sets_[set], start) == at;
}

bool RegexSearch::isWord(size_t at) const {
    return charEnd(regex_.sets_[regex_.wordSet_], at) != kNone;
}

bool RegexSearch::holds(const Step& s, size_t at) {
    using Op = Regex::Op;
    switch (s.op) {
    case Op::Behind:
        return before(at, s.set) != s.negative;
    case Op::Look:
        return (attempt(s.other, at, true) != kNone) != s.negative;
    case Op::Begin:
        return at == 0;
    case Op::End:
        return at == limit_;
    case Op::LineBegin:
        return at == 0 || text_[at - 1] == '\n';
    case Op::LineEnd:
        return at == limit_ || text_[at] == '\n';
    case Op::Border:
        return before(at, regex_.wordSet_) != isWord(at);
    case Op::NoBorder:
        return before(at, regex_.wordSet_) == isWord(at);
    default:
        return true;
    }
}

/// The loop `step` came back to where its last round began: nothing would change.
bool RegexSearch::spinning(size_t base, uint32_t step, size_t at) const {
    for (size_t i = stack_.size(); i-- > base;)
        if (stack_[i].step == step)
            return stack_[i].at == at - windowBegin_;
    return false;
}

/// Takes the last choice that is left, and notes what failed on the way there. False: no choice is left.
bool RegexSearch::backtrack(size_t base, uint32_t& step, size_t& at) {
    while (stack_.size() > base) {
        Frame& f = stack_.back();
        const Step& s = regex_.steps_[f.step];
        at = windowBegin_ + f.at;
        if (f.spent) {
            memo(at)[s.memo / 32] |= uint64_t(1) << (s.memo % 32 * 2);
            stack_.pop_back();
            continue;
        }
        step = s.other;
        if (s.memo >= 0)
            f.spent = 1;
        else
            stack_.pop_back();
        return true;
    }
    return false;
}

/// Runs from `step` at `at`; the end of the match, or kNone. `look`: only whether there is one counts, and is noted for
/// every step that led to it.
size_t RegexSearch::attempt(uint32_t step, size_t at, bool look) {
    const size_t base = stack_.size();
    while (true) {
        const Step& s = regex_.steps_[step];
        bool fails = false, held = false;
        if (s.memo >= 0 && at < memoEnd_) {
            const uint64_t bits = memo(at)[s.memo / 32] >> (s.memo % 32 * 2);
            fails = bits & 1;
            held = look && (bits & 2);
        }
        if (!fails && s.nullable)
            fails = spinning(base, step, at);
        if (held || (s.op == Regex::Op::Accept && !fails)) {
            for (size_t i = base; look && i < stack_.size(); i++)
                if (const int m = regex_.steps_[stack_[i].step].memo; m >= 0)
                    memo(windowBegin_ + stack_[i].at)[m / 32] |= uint64_t(2) << (m % 32 * 2);
            stack_.resize(base);
            return at;
        }
        if (!fails) {
            const bool splits = s.op == Regex::Op::Split;
            if (splits || s.memo >= 0)
                stack_.push_back({step, static_cast<uint32_t>(at - windowBegin_) & INT32_MAX, !splits});
            if (s.op == Regex::Op::Set) {
                const size_t end = charEnd(regex_.sets_[s.set], at);
                fails = end == kNone;
                at = fails ? at : end;
            } else if (!splits) {
                fails = !holds(s, at);
            }
        }
        if (!fails)
            step = s.next;
        else if (!backtrack(base, step, at))
            return kNone;
    }
}

bool RegexSearch::next(Regex::Match& match) {
    while (from_ <= text_.size()) {
        if (from_ < text_.size() && !regex_.mayBegin_[static_cast<unsigned char>(text_[from_])]) {
            from_++; // within a character no byte may begin one: continuation bytes fail the same way
            continue;
        }
        if (from_ == text_.size() && !regex_.mayBeEmpty_)
            break;
        moveWindow(from_);
        const size_t end = attempt(regex_.start_, from_, false);
        const size_t begin = from_;
        const size_t after = begin < text_.size() ? begin + decodeUtf8(text_.substr(begin)).length : begin + 1;
        if (end == kNone || (end == begin && lastEnd_ == end)) {
            from_ = after;
            continue;
        }
        from_ = lastEnd_ = end;
        match = {begin, end};
        return true;
    }
    return false;
}

} // namespace hearth::engine
