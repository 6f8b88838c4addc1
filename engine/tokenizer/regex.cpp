#include "engine/tokenizer/regex.h"

#include "engine/error.h"
#include "engine/unicode.h"

#include <algorithm>
#include <optional>

namespace hearth::engine {

namespace {

constexpr size_t kLongestPattern = 1 << 16; // bytes
constexpr size_t kMostSteps = 1 << 16;
constexpr int kMostRepeats = 4096;
constexpr int kDeepest = 100; // groups and classes inside each other
constexpr int kInfinite = -1;

enum class NodeKind : uint8_t { Empty, Set, Sequence, Choice, Repeat, Look, Behind, Anchor };

struct Node {
    NodeKind kind = NodeKind::Empty;
    int set = -1;                 // Set, Behind
    int least = 1, most = 1;      // Repeat
    bool lazy = false;            // Repeat
    bool negative = false;        // Look, Behind
    char anchor = 0;              // Anchor: ^ $ A z b B
    std::vector<Node> children{}; // Repeat, Look: one
};

Node sequenceOf(std::vector<Node> children) {
    if (children.size() == 1)
        return std::move(children[0]);
    return {.kind = children.empty() ? NodeKind::Empty : NodeKind::Sequence, .children = std::move(children)};
}

bool mayBeEmpty(const Node& n) {
    switch (n.kind) {
    case NodeKind::Set:
        return false;
    case NodeKind::Sequence:
        return std::all_of(n.children.begin(), n.children.end(), mayBeEmpty);
    case NodeKind::Choice:
        return std::any_of(n.children.begin(), n.children.end(), mayBeEmpty);
    case NodeKind::Repeat:
        return n.least == 0 || mayBeEmpty(n.children[0]);
    default:
        return true;
    }
}

struct NamedClass {
    std::string_view name;
    std::string_view properties[4]; // together
};

// Unicode meanings of Oniguruma's shorthands and bracket names.
constexpr NamedClass kShorthands[] = {
    {"s", {"White_Space"}},
    {"d", {"Nd"}},
    {"w", {"L", "M", "N", "Pc"}},
    {"h", {"ASCII_Hex_Digit"}},
};
constexpr NamedClass kBracketNames[] = {
    {"alpha", {"Alphabetic"}},       {"digit", {"Nd"}},        {"alnum", {"Alphabetic", "Nd"}},
    {"space", {"White_Space"}},      {"upper", {"Uppercase"}}, {"lower", {"Lowercase"}},
    {"punct", {"P", "S"}},           {"cntrl", {"Cc"}},        {"xdigit", {"ASCII_Hex_Digit"}},
    {"word", {"L", "M", "N", "Pc"}},
};

constexpr std::pair<char, char32_t> kControls[] = {{'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'f', '\f'},
                                                   {'v', '\v'}, {'a', '\a'}, {'e', 27}};

} // namespace

/// Pattern -> tree -> steps. Steps are made from the end of the expression to its beginning: each knows what follows.
class RegexBuilder {
public:
    RegexBuilder(std::string_view pattern, Regex& out) : pattern_(pattern), out_(out) {}

    void build() {
        if (pattern_.size() > kLongestPattern)
            fail("more than 64 kB of text");
        const Node tree = choice(0);
        if (!done())
            fail("an unmatched )");
        out_.start_ = emit(tree, step({.op = Regex::Op::Accept}));
        out_.mayBeEmpty_ = mayBeEmpty(tree);
        for (CharSet& s : out_.sets_)
            s.freeze();
        nameMemos();
        findFirstBytes();
    }

private:
    [[noreturn]] void fail(const std::string& what) const {
        throw Error("The tokenizer's expression \"" + printable(pattern_, 200) + "\" has " + what +
                    ", which this version does not know.");
    }

    // --- reading

    bool done() const { return at_ >= pattern_.size(); }

    char peek() const { return done() ? '\0' : pattern_[at_]; }

    bool skip(std::string_view text) {
        if (!pattern_.substr(std::min(at_, pattern_.size())).starts_with(text))
            return false;
        at_ += text.size();
        return true;
    }

    char32_t character() {
        const CodePoint c = decodeUtf8(pattern_.substr(at_));
        at_ += c.length;
        return c.value;
    }

    int addSet(CharSet s) {
        if (foldCase_)
            s.closeOverCase();
        out_.sets_.push_back(std::move(s));
        return static_cast<int>(out_.sets_.size()) - 1;
    }

    Node choice(int depth) {
        if (depth > kDeepest)
            fail("groups nested too deep");
        const bool fold = foldCase_; // (?i) holds to the end of the group
        std::vector<Node> branches;
        do
            branches.push_back(branch(depth));
        while (skip("|"));
        foldCase_ = fold;
        if (branches.size() == 1)
            return std::move(branches[0]);
        return {.kind = NodeKind::Choice, .children = std::move(branches)};
    }

    Node branch(int depth) {
        std::vector<Node> items;
        while (!done() && peek() != '|' && peek() != ')')
            items.push_back(repeated(atom(depth)));
        return sequenceOf(std::move(items));
    }

    Node repeated(Node n) {
        for (int rounds = 0;; rounds++) {
            int least = 0, most = kInfinite;
            if (skip("*")) {
            } else if (skip("+")) {
                least = 1;
            } else if (skip("?")) {
                most = 1;
            } else if (!interval(least, most)) {
                return n;
            }
            if (rounds > kDeepest)
                fail("quantifiers upon quantifiers");
            const bool lazy = skip("?");
            if (!lazy && skip("+")) {
                n = possessive(std::move(n), least, most);
                continue;
            }
            std::vector<Node> child;
            child.push_back(std::move(n));
            n = {.kind = NodeKind::Repeat, .least = least, .most = most, .lazy = lazy, .children = std::move(child)};
        }
    }

    /// `{2}`, `{2,}`, `{2,5}`, `{,5}`; a brace that is none of these stands for itself.
    bool interval(int& least, int& most) {
        if (peek() != '{')
            return false;
        const size_t start = at_++;
        const auto number = [&]() -> std::optional<int> {
            int value = 0;
            const size_t from = at_;
            for (; peek() >= '0' && peek() <= '9'; at_++)
                value = std::min(value * 10 + (peek() - '0'), kMostRepeats + 1);
            return at_ > from ? std::optional(value) : std::nullopt;
        };
        const auto low = number();
        const bool comma = skip(",");
        const auto high = comma ? number() : low;
        if (!skip("}") || (!low && !high)) {
            at_ = start;
            return false;
        }
        least = low.value_or(0);
        most = high.value_or(kInfinite);
        if (least > kMostRepeats || most > kMostRepeats || (most != kInfinite && most < least))
            fail("a repetition beyond its bounds");
        return true;
    }

    /// Of a single character only: `X{n,m}+` is `X{m}` or fewer, at least n, that no further X follows.
    Node possessive(Node n, int least, int most) {
        if (n.kind != NodeKind::Set)
            fail("a possessive quantifier behind a group");
        const auto times = [&](int low, int high) {
            return Node{.kind = NodeKind::Repeat, .least = low, .most = high, .children = {n}};
        };
        const Node noMore{.kind = NodeKind::Look, .negative = true, .children = {n}};
        if (most == kInfinite)
            return sequenceOf({times(least, kInfinite), noMore});
        Node full = times(most, most);
        if (least == most)
            return full;
        return {.kind = NodeKind::Choice, .children = {full, sequenceOf({times(least, most - 1), noMore})}};
    }

    Node setNode(CharSet s) { return {.kind = NodeKind::Set, .set = addSet(std::move(s))}; }

    Node atom(int depth) {
        if (skip("("))
            return group(depth);
        if (skip("[")) {
            CharSet s = bracket(depth + 1);
            return setNode(std::move(s));
        }
        if (skip(".")) {
            CharSet s = CharSet::range('\n', '\n');
            s.complement();
            return setNode(std::move(s));
        }
        if (peek() == '^' || peek() == '$')
            return {.kind = NodeKind::Anchor, .anchor = pattern_[at_++]};
        if (peek() == '*' || peek() == '+' || peek() == '?')
            fail("a quantifier with nothing before it");
        if (!skip("\\"))
            return setNode(single(character()));
        for (const char anchor : {'b', 'B', 'A', 'z', 'Z', 'G'})
            if (skip({&anchor, 1})) {
                if (anchor == 'Z' || anchor == 'G')
                    fail(std::string("\\") + anchor);
                return {.kind = NodeKind::Anchor, .anchor = anchor};
            }
        return setNode(escaped());
    }

    Node group(int depth) {
        const bool fold = foldCase_;
        Node inner;
        if (skip("?:")) {
            inner = choice(depth + 1);
        } else if (skip("?=") || skip("?!")) {
            const bool negative = pattern_[at_ - 1] == '!';
            std::vector<Node> body;
            body.push_back(choice(depth + 1));
            inner = {.kind = NodeKind::Look, .negative = negative, .children = std::move(body)};
        } else if (skip("?<=") || skip("?<!")) {
            const bool negative = pattern_[at_ - 1] == '!';
            const Node body = choice(depth + 1);
            if (body.kind != NodeKind::Set)
                fail("a lookbehind of more than one character");
            inner = {.kind = NodeKind::Behind, .set = body.set, .negative = negative};
        } else if (skip("?i)")) {
            foldCase_ = true; // to the end of the group around it
            return choice(depth + 1);
        } else if (skip("?i:")) {
            foldCase_ = true;
            inner = choice(depth + 1);
            foldCase_ = fold;
        } else if (skip("?-i:")) {
            foldCase_ = false;
            inner = choice(depth + 1);
            foldCase_ = fold;
        } else if (peek() == '?') {
            fail("a group that begins with (" + std::string(pattern_.substr(at_, 3)));
        } else {
            inner = choice(depth + 1);
        }
        if (!skip(")"))
            fail("an unmatched (");
        return inner;
    }

    static CharSet single(char32_t c) { return CharSet::range(c, c); }

    CharSet named(const NamedClass& c, bool negative) const {
        CharSet all;
        for (const std::string_view property : c.properties) {
            CharSet one;
            if (!property.empty() && CharSet::property(property, one))
                all.add(one);
        }
        if (negative)
            all.complement();
        return all;
    }

    /// Behind a backslash: a class or a character.
    CharSet escaped() {
        if (done())
            fail("a backslash at its end");
        const char c = peek();
        for (const NamedClass& shorthand : kShorthands)
            if ((c | 0x20) == shorthand.name[0]) {
                at_++;
                return named(shorthand, c < 'a');
            }
        if (c == 'p' || c == 'P')
            return property();
        return single(escapedCharacter());
    }

    CharSet property() {
        bool negative = pattern_[at_++] == 'P';
        std::string_view name;
        if (skip("{")) {
            const size_t close = pattern_.find('}', at_);
            if (close == pattern_.npos)
                fail("an unmatched {");
            name = pattern_.substr(at_, close - at_);
            at_ = close + 1;
        } else {
            name = pattern_.substr(at_, 1);
            at_ += name.size();
        }
        if (name.starts_with('^')) {
            negative = !negative;
            name.remove_prefix(1);
        }
        CharSet s;
        if (!CharSet::property(name, s))
            fail("the property " + printable(name));
        if (negative)
            s.complement();
        return s;
    }

    char32_t hex(size_t fewest, size_t most) {
        char32_t value = 0;
        size_t n = 0;
        for (; n < most && !done(); n++, at_++) {
            const char c = peek();
            const int digit = c >= '0' && c <= '9'                     ? c - '0'
                              : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                                       : -1;
            if (digit < 0)
                break;
            value = value * 16 + static_cast<char32_t>(digit);
        }
        if (n < fewest || value > 0x10FFFF)
            fail("a number that is no character");
        return value;
    }

    char32_t escapedCharacter() {
        const char c = peek();
        if (skip("u"))
            return hex(4, 4);
        if (skip("x{")) {
            const char32_t value = hex(1, 6);
            if (!skip("}"))
                fail("an unmatched {");
            return value;
        }
        if (skip("x"))
            return hex(1, 2);
        for (const auto& [letter, value] : kControls)
            if (c == letter) {
                at_++;
                return value;
            }
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            fail(std::string("\\") + c);
        return character();
    }

    /// Behind `[`. Sets side by side are joined; `&&` intersects what stands on both sides.
    CharSet bracket(int depth) {
        if (depth > kDeepest)
            fail("classes nested too deep");
        const bool negative = skip("^");
        std::optional<CharSet> met; // of what stood before the last &&
        CharSet side;
        const auto meet = [&] {
            if (met)
                side.intersect(*met);
            met = std::move(side);
            side = CharSet();
        };
        for (bool first = true;; first = false) {
            if (done())
                fail("an unmatched [");
            if (skip("&&"))
                meet();
            else if (!first && skip("]"))
                break;
            else
                side.add(item(depth));
        }
        meet();
        if (foldCase_)
            met->closeOverCase();
        if (negative)
            met->complement();
        return std::move(*met);
    }

    CharSet item(int depth) {
        if (skip("[:"))
            return bracketName();
        if (skip("["))
            return bracket(depth + 1);
        char32_t first = 0;
        if (skip("\\")) {
            const char c = peek();
            if (std::string_view("sSdDwWhHpP").find(c) != std::string_view::npos)
                return escaped();
            first = skip("b") ? U'\b' : escapedCharacter();
        } else {
            first = character();
        }
        const std::string_view rest = pattern_.substr(std::min(at_, pattern_.size()));
        if (rest.size() < 2 || rest[0] != '-' || rest[1] == ']' || rest[1] == '[')
            return single(first);
        at_++;
        const char32_t last = skip("\\") ? escapedCharacter() : character();
        if (last < first)
            fail("a range that ends before it begins");
        return CharSet::range(first, last);
    }

    CharSet bracketName() {
        const size_t close = pattern_.find(":]", at_);
        if (close == pattern_.npos)
            fail("an unmatched [:");
        std::string_view name = pattern_.substr(at_, close - at_);
        at_ = close + 2;
        const bool negative = name.starts_with('^');
        if (negative)
            name.remove_prefix(1);
        for (const NamedClass& c : kBracketNames)
            if (c.name == name)
                return named(c, negative);
        fail("the class " + printable(name));
    }

    // --- making steps

    uint32_t step(Regex::Step s) {
        if (out_.steps_.size() >= kMostSteps)
            fail("too many repetitions");
        out_.steps_.push_back(s);
        return static_cast<uint32_t>(out_.steps_.size()) - 1;
    }

    uint32_t split(uint32_t first, uint32_t second, bool lazy) {
        if (lazy)
            std::swap(first, second);
        return step({.op = Regex::Op::Split, .next = first, .other = second});
    }

    /// The step at which `n`, followed by `next`, begins.
    uint32_t emit(const Node& n, uint32_t next) {
        switch (n.kind) {
        case NodeKind::Empty:
            return next;
        case NodeKind::Set:
            return step({.op = Regex::Op::Set, .set = n.set, .next = next});
        case NodeKind::Behind:
            return step({.op = Regex::Op::Behind, .negative = n.negative, .set = n.set, .next = next});
        case NodeKind::Sequence:
            for (auto child = n.children.rbegin(); child != n.children.rend(); ++child)
                next = emit(*child, next);
            return next;
        case NodeKind::Choice: {
            uint32_t entry = emit(n.children.back(), next);
            for (size_t i = n.children.size() - 1; i-- > 0;)
                entry = split(emit(n.children[i], next), entry, false);
            return entry;
        }
        case NodeKind::Repeat:
            return emitRepeat(n, next);
        case NodeKind::Look: {
            const uint32_t body = emit(n.children[0], step({.op = Regex::Op::Accept}));
            return step({.op = Regex::Op::Look, .negative = n.negative, .next = next, .other = body});
        }
        case NodeKind::Anchor:
            return emitAnchor(n.anchor, next);
        }
        return next;
    }

    uint32_t emitRepeat(const Node& n, uint32_t next) {
        const Node& body = n.children[0];
        uint32_t entry = next;
        if (n.most == kInfinite) {
            entry = step({.op = Regex::Op::Split, .nullable = mayBeEmpty(body)});
            const uint32_t again = emit(body, entry);
            out_.steps_[entry].next = n.lazy ? next : again;
            out_.steps_[entry].other = n.lazy ? again : next;
        } else {
            for (int i = n.least; i < n.most; i++)
                entry = split(emit(body, entry), next, n.lazy);
        }
        for (int i = 0; i < n.least; i++)
            entry = emit(body, entry);
        return entry;
    }

    uint32_t emitAnchor(char anchor, uint32_t next) {
        using Op = Regex::Op;
        if (anchor == 'b' || anchor == 'B') {
            if (out_.wordSet_ < 0) {
                out_.sets_.push_back(named(kShorthands[2], false));
                out_.wordSet_ = static_cast<int>(out_.sets_.size()) - 1;
            }
            return step({.op = anchor == 'b' ? Op::Border : Op::NoBorder, .next = next});
        }
        const Op op = anchor == '^' ? Op::LineBegin : anchor == '$' ? Op::LineEnd : anchor == 'A' ? Op::Begin : Op::End;
        return step({.op = op, .next = next});
    }

    /// Where several ways lead to one step, and where a lookahead begins, failures are remembered.
    void nameMemos() {
        std::vector<int> ways(out_.steps_.size(), 0);
        for (const Regex::Step& s : out_.steps_) {
            if (s.op != Regex::Op::Accept)
                ways[s.next]++;
            if (s.op == Regex::Op::Split)
                ways[s.other]++;
            if (s.op == Regex::Op::Look)
                ways[s.other] += 2;
        }
        ways[out_.start_]++;
        for (size_t i = 0; i < ways.size(); i++)
            if (ways[i] > 1 && out_.steps_[i].op != Regex::Op::Accept) {
                if (out_.nMemos_ >= INT16_MAX)
                    fail("too many branches");
                out_.steps_[i].memo = static_cast<int16_t>(out_.nMemos_++);
            }
    }

    /// The bytes that a match may begin with. Steps that take nothing are walked through.
    void findFirstBytes() {
        std::vector<bool> seen(out_.steps_.size(), false);
        std::vector<uint32_t> open{out_.start_};
        while (!open.empty()) {
            const uint32_t at = open.back();
            open.pop_back();
            if (seen[at])
                continue;
            seen[at] = true;
            const Regex::Step& s = out_.steps_[at];
            if (s.op == Regex::Op::Set)
                addFirstBytes(out_.sets_[s.set]);
            else if (s.op == Regex::Op::Accept)
                out_.mayBegin_.fill(true);
            else
                open.push_back(s.next);
            if (s.op == Regex::Op::Split)
                open.push_back(s.other);
        }
    }

    void addFirstBytes(const CharSet& set) {
        for (unsigned c = 0; c < 128; c++)
            out_.mayBegin_[c] |= set.containsAscii(static_cast<unsigned char>(c));
        if (!set.onlyAscii())
            std::fill(out_.mayBegin_.begin() + 128, out_.mayBegin_.end(), true);
    }

    const std::string_view pattern_;
    Regex& out_;
    size_t at_ = 0;
    bool foldCase_ = false;
};

Regex::Regex(std::string_view pattern) {
    RegexBuilder(pattern, *this).build();
}

std::string Regex::escape(std::string_view literal) {
    std::string out;
    for (const char c : literal) {
        if (std::string_view("\\^$.|?*+()[]{}-&").find(c) != std::string_view::npos)
            out += '\\';
        out += c;
    }
    return out;
}

} // namespace hearth::engine
