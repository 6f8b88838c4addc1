#include "engine/chat_template.h"
#include "engine/thought_marks.h"

#include <algorithm>
#include <array>
#include <utility>

namespace hearth::engine {

using Parts = ThoughtSplitter::Parts;

/// A reply's tokens on their way into two streams.
class ThoughtSplitter::Stream {
public:
    virtual ~Stream() = default;
    virtual void push(TokenId, Parts& out) = 0;
    virtual void finish(Parts& out) = 0;
    virtual bool inside() const = 0;

    virtual bool inAnswer() const { return !inside(); }

    virtual std::vector<TokenId> marks() const { return {}; }

    virtual TokenId opening() const { return -1; }

    virtual void keepAnswerWhole() {}
};

namespace {

std::string_view withoutBlanksBehind(std::string_view s) {
    const size_t end = s.find_last_not_of(" \t\r\n");
    return s.substr(0, end == s.npos ? 0 : end + 1);
}

/// Control tokens, and user-defined ones that are marks (others are runs of blanks and the like).
bool isMark(const Tokenizer& tokenizer, TokenId id) {
    const TokenKind kind = tokenizer.kind(id);
    if (kind != TokenKind::UserDefined)
        return kind == TokenKind::Control;
    const std::string_view text = tokenizer.tokenText(id);
    return text.size() > 2 && text.find_first_not_of(" \t\r\n") != text.npos &&
           std::string_view("<[").find(text[0]) != std::string_view::npos;
}

/// A mark as a row of tokens, where the first of them is a token of its own.
std::vector<TokenId> asTokens(const Tokenizer& tokenizer, std::string_view mark) {
    if (const TokenId whole = tokenizer.find(mark); whole >= 0 && !mark.empty())
        return {whole};
    std::vector<TokenId> ids = mark.empty() ? std::vector<TokenId>() : tokenizer.encodeSpecial(mark);
    if (ids.empty() || !isMark(tokenizer, ids.front()))
        ids.clear();
    return ids;
}

// --- models without thoughts

class PlainStream final : public ThoughtSplitter::Stream {
public:
    explicit PlainStream(const Tokenizer& t) : tokenizer_(t) {}

    void push(TokenId id, Parts& out) override { tokenizer_.appendBytes(id, out.answer); }

    void finish(Parts&) override {}

    bool inside() const override { return false; }

private:
    const Tokenizer& tokenizer_;
};

// --- tags

class TagStream final : public ThoughtSplitter::Stream {
public:
    TagStream(const Tokenizer& t, const ThoughtMarks& m, std::string_view promptText, std::span<const TokenId> prompt)
        : tokenizer_(t), marks_(m) {
        const std::string_view texts[] = {m.open, m.close, m.answerOpen, m.answerClose, m.tail};
        for (size_t i = 0; i < kMarks; i++)
            ids_[i] = asTokens(t, texts[i]);
        byToken_ = !ids_[Open].empty() && !ids_[Close].empty();
        if (endsInside(promptText, prompt))
            enter(State::Thought);
    }

    void push(TokenId id, Parts& out) override {
        pending_.push_back(id);
        while (!pending_.empty()) {
            size_t longest = 0;
            const int mark = matched(longest);
            if (mark >= 0) {
                pending_.clear();
                take(static_cast<Mark>(mark), out);
            } else if (longest == pending_.size()) {
                return; // the beginning of a mark
            } else {
                tokenizer_.appendBytes(pending_.front(), held_);
                pending_.erase(pending_.begin());
                scan(out);
            }
        }
    }

    void finish(Parts& out) override {
        for (const TokenId id : std::exchange(pending_, {}))
            tokenizer_.appendBytes(id, held_);
        scan(out);
        if ((state_ == State::Answer && closedAnswer(held_)) || isHeader(held_))
            held_.clear();
        (state_ == State::Thought ? out.thoughts : out.answer) += held_;
        held_.clear();
    }

    bool inside() const override { return state_ == State::Thought; }

    std::vector<TokenId> marks() const override {
        std::vector<TokenId> all;
        for (const std::vector<TokenId>& ids : ids_)
            all.insert(all.end(), ids.begin(), ids.begin() + std::min<std::ptrdiff_t>(1, std::ssize(ids)));
        return all;
    }

    TokenId opening() const override {
        return byToken_ && state_ == State::Begin && ids_[Open].size() == 1 ? ids_[Open].front() : -1;
    }

    void keepAnswerWhole() override { whole_ = true; }

private:
    enum Mark { Open, Close, AnswerOpen, AnswerClose, Tail, kMarks };
    enum class State : uint8_t {
        Begin,   // nothing but blanks so far
        Thought, //
        Behind,  // a thought: the answer has not begun
        Answer
    };

    /// The mark that the pending tokens are, and how many of them may be the beginning of one.
    int matched(size_t& longest) const {
        for (int mark = 0; mark < kMarks; mark++) {
            const std::vector<TokenId>& ids = ids_[static_cast<size_t>(mark)];
            if (!counts(static_cast<Mark>(mark)) || ids.size() < pending_.size() ||
                !std::equal(pending_.begin(), pending_.end(), ids.begin()))
                continue;
            longest = pending_.size();
            if (ids.size() == pending_.size())
                return mark;
        }
        return -1;
    }

    /// Whether a mark made of tokens means something here.
    bool counts(Mark mark) const {
        switch (mark) {
        case Open:
            return byToken_;
        case Close:
            return byToken_ && state_ == State::Thought;
        case AnswerOpen:
            return state_ != State::Thought && state_ != State::Answer;
        case AnswerClose:
            return state_ == State::Answer && wrapped_;
        case Tail:
        case kMarks:
            break;
        }
        return true;
    }

    void take(Mark mark, Parts& out) {
        switch (mark) {
        case Open:
            if (state_ == State::Answer)
                out.answer += held_;
            if (state_ != State::Thought)
                enter(State::Thought);
            break;
        case Close:
            if (!isHeader(held_))
                out.thoughts += std::string_view(held_).substr(0, lineBreaksAt(held_));
            enter(State::Behind);
            break;
        case AnswerOpen:
            enter(State::Behind);
            wrapped_ = !marks_.answerClose.empty();
            break;
        case AnswerClose:
            out.answer += std::string_view(held_).substr(0, lineBreaksAt(held_));
            enter(State::Behind);
            break;
        case Tail:
        case kMarks:
            break;
        }
    }

    void enter(State state) {
        if (state == State::Behind && state_ == State::Thought)
            wrapped_ = marks_.answerOpen.empty() && !marks_.answerClose.empty();
        state_ = state;
        fresh_ = true;
        headed_ = marks_.header.empty();
        held_.clear();
    }

    /// Where the line breaks at the end of a text begin.
    static size_t lineBreaksAt(std::string_view text) {
        const size_t last = text.find_last_not_of("\r\n");
        return last == text.npos ? 0 : last + 1;
    }

    /// Hands out what is held as far as it is decided.
    void scan(Parts& out) {
        for (bool again = true; again;) {
            switch (state_) {
            case State::Begin:
                again = scanBegin(out);
                break;
            case State::Thought:
                again = scanThought(out);
                break;
            case State::Behind:
                again = scanBehind();
                break;
            case State::Answer:
                again = false;
                scanAnswer(out);
                break;
            }
        }
    }

    enum class Fit { No, Begins, Whole };

    static Fit fit(std::string_view held, std::string_view mark) {
        if (mark.empty())
            return Fit::No;
        return held.starts_with(mark) ? Fit::Whole : mark.starts_with(held) ? Fit::Begins : Fit::No;
    }

    /// Blanks, then perhaps a mark by text. True: go on in the new state.
    bool scanBegin(Parts& out) {
        if (whole_ && !held_.empty()) {
            state_ = State::Answer;
            return true;
        }
        const size_t start = std::min(held_.find_first_not_of(" \t\r\n"), held_.size());
        const std::string_view candidate = std::string_view(held_).substr(start);
        if (candidate.empty())
            return false; // blanks before a mark belong to nothing
        const Fit thought = byToken_ ? Fit::No : fit(candidate, marks_.open);
        const Fit answer = ids_[AnswerOpen].empty() ? fit(candidate, marks_.answerOpen) : Fit::No;
        if (thought == Fit::Whole || answer == Fit::Whole) {
            const size_t length = (thought == Fit::Whole ? marks_.open : marks_.answerOpen).size();
            std::string rest = held_.substr(start + length);
            enter(thought == Fit::Whole ? State::Thought : State::Behind);
            wrapped_ = answer == Fit::Whole && !marks_.answerClose.empty();
            held_ = std::move(rest);
            return true;
        }
        if (thought == Fit::Begins || answer == Fit::Begins)
            return false;
        out.answer += std::exchange(held_, {}); // with the blanks before it
        state_ = State::Answer;
        return false;
    }

    bool scanThought(Parts& out) {
        if (fresh_ && !skipThoughtsBeginning())
            return false;
        if (!byToken_)
            if (const size_t hit = held_.find(marks_.close); hit != std::string::npos) {
                out.thoughts += std::string_view(held_).substr(0, lineBreaksAt(std::string_view(held_).substr(0, hit)));
                std::string rest = held_.substr(hit + marks_.close.size());
                enter(State::Behind);
                held_ = std::move(rest);
                return true;
            }
        const size_t keep = byToken_ ? held_.size() : tagStart(held_, marks_.close);
        const size_t shown = lineBreaksAt(std::string_view(held_).substr(0, keep));
        out.thoughts += std::string_view(held_).substr(0, shown);
        held_.erase(0, shown);
        return false;
    }

    /// A thought that is nothing but its header so far, or the beginning of it.
    bool isHeader(std::string_view text) const {
        return state_ == State::Thought && !headed_ && marks_.header.starts_with(text);
    }

    /// Line breaks and the header. False: perhaps there is more of them.
    bool skipThoughtsBeginning() {
        if (!headed_)
            switch (fit(held_, marks_.header)) {
            case Fit::Begins:
                return false;
            case Fit::Whole:
                held_.erase(0, marks_.header.size());
                break;
            case Fit::No:
                break;
            }
        held_.erase(0, std::min(held_.find_first_not_of("\r\n"), held_.size()));
        headed_ = true;
        fresh_ = held_.empty();
        return !held_.empty();
    }

    bool scanBehind() {
        if (whole_) {
            state_ = State::Answer;
            wrapped_ = false;
            return true;
        }
        held_.erase(0, std::min(held_.find_first_not_of("\r\n"), held_.size()));
        if (held_.empty())
            return false;
        if (ids_[AnswerOpen].empty() && !wrapped_)
            switch (fit(std::string_view(held_).substr(std::min(held_.find_first_not_of(' '), held_.size())),
                        marks_.answerOpen)) {
            case Fit::Begins:
                return false;
            case Fit::Whole:
                held_.erase(0, held_.find(marks_.answerOpen) + marks_.answerOpen.size());
                wrapped_ = !marks_.answerClose.empty();
                return true;
            case Fit::No:
                break;
            }
        state_ = State::Answer;
        return true;
    }

    void scanAnswer(Parts& out) {
        size_t shown = held_.size();
        if (wrapped_) {
            const std::string_view behind = withoutBlanksBehind(held_);
            const size_t close =
                closedAnswer(held_) ? behind.size() - marks_.answerClose.size() : tagStart(held_, marks_.answerClose);
            shown = lineBreaksAt(std::string_view(held_).substr(0, close));
        }
        out.answer += std::string_view(held_).substr(0, shown);
        held_.erase(0, shown);
    }

    /// The text ends with the mark that closes an answer, and blanks.
    bool closedAnswer(std::string_view text) const {
        return wrapped_ && withoutBlanksBehind(text).ends_with(marks_.answerClose);
    }

    /// Where an unfinished tag begins at the end of a text; its end when there is none.
    static size_t tagStart(std::string_view text, std::string_view tag) {
        for (size_t n = std::min(tag.size() - 1, text.size()); n > 0; n--)
            if (text.substr(text.size() - n) == tag.substr(0, n))
                return text.size() - n;
        return text.size();
    }

    bool endsInside(std::string_view text, std::span<const TokenId> prompt) const {
        const std::string_view end = withoutBlanksBehind(text);
        if (end.ends_with(withoutBlanksBehind(marks_.open)) ||
            (!marks_.header.empty() &&
             end.ends_with(std::string(marks_.open) + std::string(withoutBlanksBehind(marks_.header)))))
            return true;
        // An answer that goes on inside its thought: the last mark of the prompt is the opening one.
        size_t at = prompt.size();
        const auto isOwn = [&](TokenId id) {
            return byToken_ && (id == ids_[Open].back() || id == ids_[Close].back());
        };
        while (at > 0 && !isMark(tokenizer_, prompt[at - 1]) && !isOwn(prompt[at - 1]))
            at--;
        if (byToken_) {
            // A mark of several tokens may end in ordinary ones; those end in a mark.
            const std::vector<TokenId>& open = ids_[Open];
            return at >= open.size() &&
                   std::equal(open.begin(), open.end(), prompt.begin() + static_cast<std::ptrdiff_t>(at - open.size()));
        }
        if (at < 2) // no mark but the beginning of the text: what follows may be the user's
            return false;
        const std::string tail = tokenizer_.decode(prompt.subspan(at));
        const size_t open = tail.rfind(marks_.open);
        return open != std::string::npos && tail.find(marks_.close, open) == std::string::npos;
    }

    const Tokenizer& tokenizer_;
    const ThoughtMarks& marks_;
    std::array<std::vector<TokenId>, kMarks> ids_; // empty: the mark is ordinary text
    bool byToken_ = false;                         // the marks of thoughts are tokens: only these count, anywhere
    State state_ = State::Begin;
    bool fresh_ = true;            // nothing of this state has been shown
    bool headed_ = false;          // the header has come, or there is none
    bool wrapped_ = false;         // the answer was opened by a mark, so another closes it
    bool whole_ = false;           // nothing is taken away from the answer
    std::vector<TokenId> pending_; // may become a mark
    std::string held_;             // text that is not decided yet
};

// --- channels

/// <|start|>assistant<|channel|>NAME<|message|>TEXT<|end|>, and so on until <|return|> or <|call|>. What is final, or
/// said to the user before a call, is the answer; what is analysis, or addressed to a tool, belongs to the thoughts.
class ChannelStream final : public ThoughtSplitter::Stream {
public:
    ChannelStream(const Tokenizer& t, std::span<const TokenId> prompt)
        : tokenizer_(t), start_(t.find(HarmonyMarks::start)), channel_(t.find(HarmonyMarks::channel)),
          message_(t.find(HarmonyMarks::message)), end_(t.find(HarmonyMarks::end)) {
        // The prompt's last message is the reply's beginning.
        size_t at = prompt.size();
        while (at > 0 && prompt[at - 1] != start_)
            at--;
        Parts nothing;
        for (; at > 0 && at < prompt.size(); at++)
            push(prompt[at], nothing);
        header_ = named_ ? header_ : std::string(); // "assistant"
        beginning_ = state_ == State::Header && !named_;
        shown_[0] = shown_[1] = false;
        if (!prompt.empty() && std::find(prompt.begin(), prompt.end(), start_) == prompt.end()) {
            state_ = State::Message; // a text that goes on, no conversation
            thought_ = fresh_ = beginning_ = false;
        }
    }

    void push(TokenId id, Parts& out) override {
        if (id == start_ || id == end_ || id == channel_ || id == message_)
            beginning_ = false;
        if (id == start_ || id == end_) {
            endBetween(out);
            state_ = id == end_ ? State::Between : State::Header;
            header_.clear();
            named_ = false;
        } else if (id == channel_) {
            state_ = State::Header;
            header_ += ' ';
            named_ = true;
        } else if (id == message_) {
            state_ = State::Message;
            thought_ = belongsToThoughts();
            fresh_ = true;
        } else if (state_ == State::Message) {
            std::string& to = thought_ ? out.thoughts : out.answer;
            if (std::exchange(fresh_, false) && shown_[thought_])
                to += "\n\n"; // between two messages of one stream
            shown_[thought_] = true;
            tokenizer_.appendBytes(id, to);
        } else if (state_ == State::Header) {
            tokenizer_.appendBytes(id, header_);
            if (beginning_ && !maybeRecipient())
                beAnswer(out);
        } else {
            tokenizer_.appendBytes(id, header_);
            if (!maybeRole())
                beAnswer(out);
        }
    }

    void finish(Parts& out) override {
        endBetween(out);
        if (beginning_)
            beAnswer(out);
        header_.clear();
    }

    bool inside() const override { return state_ == State::Message ? thought_ : named_ && belongsToThoughts(); }

    bool inAnswer() const override { return state_ == State::Message && !thought_; }

private:
    enum class State : uint8_t {
        Header,  // up to <|message|>
        Message, // up to <|end|>
        Between  // no mark has come yet
    };

    /// Before the first mark, only the name of a tool may stand: " to=functions.x".
    bool maybeRecipient() const {
        constexpr std::string_view beginning = " to=";
        const std::string_view h = header_;
        return h.starts_with(beginning) ? h.find_first_of("\n", 0) == h.npos : beginning.starts_with(h);
    }

    /// Behind a message, a header may come without its first mark: "assistant", perhaps with a recipient.
    bool maybeRole() const {
        constexpr std::string_view role = "assistant", recipient = " to=";
        std::string_view h = header_;
        h.remove_prefix(std::min(h.find_first_not_of(" \r\n"), h.size()));
        if (!h.starts_with(role))
            return role.starts_with(h);
        h.remove_prefix(role.size());
        return h.find('\n') == h.npos && recipient.starts_with(h.substr(0, recipient.size()));
    }

    /// Text behind a message that was no header.
    void endBetween(Parts& out) {
        if (state_ == State::Between && !withoutBlanksBehind(header_).empty())
            beAnswer(out);
    }

    /// What looked like a header is text: of a reply without channels, or behind a message.
    void beAnswer(Parts& out) {
        if (shown_[0])
            out.answer += "\n\n";
        out.answer += std::exchange(header_, {});
        beginning_ = false;
        state_ = State::Message;
        thought_ = fresh_ = false;
        shown_[0] = true;
    }

    bool belongsToThoughts() const {
        return header_.find("analysis") != std::string::npos || header_.find("to=") != std::string::npos;
    }

    const Tokenizer& tokenizer_;
    const TokenId start_, channel_, message_, end_;
    State state_ = State::Header;
    std::string header_;     // in the words of the model
    bool named_ = false;     // the header has a channel
    bool beginning_ = false; // no mark has come yet
    bool thought_ = false, fresh_ = true;
    bool shown_[2] = {}; // [thought]: the stream has text already
};

} // namespace

ThoughtSplitter::ThoughtSplitter(const Tokenizer& tokenizer, const ChatTemplate& chatTemplate,
                                 std::string_view promptText, std::span<const TokenId> prompt) {
    const ThoughtMarks* marks = findThoughtMarks(chatTemplate.source(), &tokenizer);
    if (!marks)
        stream_ = std::make_unique<PlainStream>(tokenizer);
    else if (marks->form == ThoughtMarks::Form::Tags)
        stream_ = std::make_unique<TagStream>(tokenizer, *marks, promptText, prompt);
    else if (tokenizer.find(HarmonyMarks::message) >= 0)
        stream_ = std::make_unique<ChannelStream>(tokenizer, prompt);
    else
        stream_ = std::make_unique<PlainStream>(tokenizer);
}

ThoughtSplitter::~ThoughtSplitter() = default;

void ThoughtSplitter::push(TokenId id, Parts& out) {
    stream_->push(id, out);
}

void ThoughtSplitter::finish(Parts& out) {
    stream_->finish(out);
}

bool ThoughtSplitter::inside() const {
    return stream_->inside();
}

bool ThoughtSplitter::inAnswer() const {
    return stream_->inAnswer();
}

std::vector<TokenId> ThoughtSplitter::marks() const {
    return stream_->marks();
}

TokenId ThoughtSplitter::opening() const {
    return stream_->opening();
}

void ThoughtSplitter::keepAnswerWhole() {
    stream_->keepAnswerWhole();
}

} // namespace hearth::engine
