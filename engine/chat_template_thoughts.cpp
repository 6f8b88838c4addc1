#include "engine/chat_template.h"

#include <algorithm>
#include <utility>

namespace hearth::engine {

namespace {

std::string_view withoutBlanksBehind(std::string_view s) {
    const size_t end = s.find_last_not_of(" \t\r\n");
    return s.substr(0, end == s.npos ? 0 : end + 1);
}

bool endsInsideThought(std::string_view prompt, std::string_view open) {
    return !open.empty() && withoutBlanksBehind(prompt).ends_with(open);
}

} // namespace

ThoughtSplitter::ThoughtSplitter(const Tokenizer& tokenizer, const ChatTemplate& chatTemplate, std::string_view prompt)
    : tokenizer_(&tokenizer), openText_(chatTemplate.thoughtOpen()), closeText_(chatTemplate.thoughtClose()) {
    if (closeText_.empty())
        return;
    open_ = tokenizer.find(openText_);
    close_ = tokenizer.find(closeText_);
    inside_ = endsInsideThought(prompt, openText_);
    begun_ = inside_;
}

bool ThoughtSplitter::push(TokenId id, bool& isMark) {
    isMark = false;
    released_.clear();
    if (closeText_.empty())
        return false;
    if (open_ >= 0 && close_ >= 0) { // the tags are tokens: only these count, anywhere
        isMark = inside_ ? id == close_ : id == open_;
        if (isMark)
            inside_ = id == open_;
        return inside_ || isMark;
    }
    return pushText(id, isMark);
}

/// The tags are ordinary text: an opening one counts at the beginning of the reply, a closing one inside a thought.
/// Tokens that may be part of a tag are held back; `released()` gives them when they are not.
bool ThoughtSplitter::pushText(TokenId id, bool& isMark) {
    std::string bytes;
    tokenizer_->appendBytes(id, bytes);
    if (!inside_ && begun_)
        return false;
    held_ += bytes;
    const std::string& tag = inside_ ? closeText_ : openText_;
    // Blanks before the opening tag belong to nothing.
    const size_t start = inside_ ? tagStart(tag) : std::min(held_.find_first_not_of(" \t\r\n"), held_.size());
    const std::string_view candidate = std::string_view(held_).substr(start);
    if (candidate.starts_with(tag)) {
        released_ = inside_ ? held_.substr(0, start) : std::string();
        isMark = true;
        const bool wasInside = inside_;
        inside_ = !inside_;
        begun_ = true;
        held_.clear();
        return wasInside || inside_;
    }
    if (std::string_view(tag).starts_with(candidate) && (!candidate.empty() || !inside_)) {
        isMark = true; // perhaps: nothing is shown yet
        return inside_;
    }
    // Not a tag. What was held before this token is given back.
    released_ = held_.substr(0, held_.size() - bytes.size());
    held_.clear();
    begun_ = true;
    return inside_;
}

/// Where a (perhaps unfinished) tag begins in what is held; its end when there is none.
size_t ThoughtSplitter::tagStart(std::string_view tag) const {
    const std::string_view held = held_;
    if (const size_t whole = held.find(tag); whole != held.npos)
        return whole;
    const size_t most = std::min(tag.size() - 1, held.size());
    for (size_t n = most; n > 0; n--)
        if (held.substr(held.size() - n) == tag.substr(0, n))
            return held.size() - n;
    return held.size();
}

std::string ThoughtSplitter::released() {
    return std::exchange(released_, {});
}

std::string ThoughtSplitter::finish() {
    return std::exchange(held_, {});
}

} // namespace hearth::engine
