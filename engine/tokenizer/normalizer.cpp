#include "engine/tokenizer/normalizer.h"

#include "engine/error.h"
#include "engine/unicode.h"

#include <unicode/brkiter.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <cstring>

namespace hearth::engine {

namespace {

constexpr size_t kMostGrowth = 16;     // of a text by one step
constexpr size_t kLongestContent = 64; // bytes that a step puts in one place
constexpr size_t kMostSteps = 64;

bool isAscii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

/// onValid(std::string_view) for each run of whole characters; bytes between them go to `out` as they are.
template <class OnValid>
void forEachValidRun(std::string_view text, std::string& out, const OnValid& onValid) {
    size_t begin = 0;
    for (size_t at = 0; at < text.size();) {
        const CodePoint c = decodeUtf8(text.substr(at));
        if (!c.valid) {
            if (begin < at)
                onValid(text.substr(begin, at - begin));
            out += text[at];
            begin = at + 1;
        }
        at += c.length;
    }
    if (begin < text.size())
        onValid(text.substr(begin));
}

/// onCharacter(char32_t) for each character; invalid bytes go to `out` as they are.
template <class OnCharacter>
void forEachCharacter(std::string_view text, std::string& out, const OnCharacter& onCharacter) {
    for (size_t at = 0; at < text.size();) {
        const CodePoint c = decodeUtf8(text.substr(at));
        if (c.valid)
            onCharacter(c.value);
        else
            out += text[at];
        at += c.length;
    }
}

icu::UnicodeString wide(std::string_view text) {
    return icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
}

const icu::Normalizer2& instanceOf(Normalizer::Form form) {
    UErrorCode error = U_ZERO_ERROR;
    const icu::Normalizer2* n = form == Normalizer::Form::Nfc    ? icu::Normalizer2::getNFCInstance(error)
                                : form == Normalizer::Form::Nfd  ? icu::Normalizer2::getNFDInstance(error)
                                : form == Normalizer::Form::Nfkc ? icu::Normalizer2::getNFKCInstance(error)
                                                                 : icu::Normalizer2::getNFKDInstance(error);
    if (U_FAILURE(error))
        throw Error("The Unicode library has no data for normal forms.");
    return *n;
}

constexpr size_t kBlock = 1 << 24;        // bytes that are normalized at once: ICU counts in 32 bits
constexpr size_t kLongestBlock = 1 << 28; // ... where no ASCII character comes for so long

/// A block ends before an ASCII character, which never joins what is before it.
template <class OnBlock>
void forEachBlock(std::string_view text, const OnBlock& onBlock) {
    for (size_t at = 0; at < text.size();) {
        size_t end = std::min(text.size(), at + kBlock);
        while (end < text.size() && static_cast<unsigned char>(text[end]) >= 0x80 &&
               (end - at < kLongestBlock || isUtf8Continuation(text[end])))
            end++;
        onBlock(text.substr(at, end - at));
        at = end;
    }
}

class FormStep final : public Normalizer::Step {
public:
    explicit FormStep(Normalizer::Form form) : normalizer_(instanceOf(form)) {}

    bool changesNothing(std::string_view text) const override {
        if (isAscii(text))
            return true;
        UErrorCode error = U_ZERO_ERROR;
        const icu::StringPiece piece(text.data(), static_cast<int32_t>(std::min(text.size(), kBlock)));
        return text.size() <= kBlock && normalizer_.isNormalizedUTF8(piece, error) && U_SUCCESS(error);
    }

    void run(std::string_view text, bool, std::string& out, size_t most) const override {
        forEachValidRun(text, out, [&](std::string_view part) {
            forEachBlock(part, [&](std::string_view block) {
                UErrorCode error = U_ZERO_ERROR;
                if (out.size() <= most)
                    normalizer_.normalize(wide(block), error).toUTF8String(out);
            });
        });
    }

private:
    const icu::Normalizer2& normalizer_;
};

/// The full mapping of one character, as Rust's char::to_lowercase gives it: no context.
void appendLower(char32_t c, std::string& out) {
    appendUtf8(out, static_cast<char32_t>(u_tolower(static_cast<UChar32>(c))));
    if (c == 0x130)
        appendUtf8(out, 0x307); // the only one that becomes two
}

struct LowercaseStep final : Normalizer::Step {
    void run(std::string_view text, bool, std::string& out, size_t) const override {
        forEachCharacter(text, out, [&](char32_t c) { appendLower(c, out); });
    }
};

/// BERT's normalizer asks tables of Unicode 8 in the reference: what came later has no category.
bool isKnownToBert(char32_t c) {
    UVersionInfo age;
    u_charAge(static_cast<UChar32>(c), age);
    return age[0] <= 8;
}

bool isNonspacingMark(char32_t c) {
    return u_charType(static_cast<UChar32>(c)) == U_NON_SPACING_MARK && isKnownToBert(c);
}

struct StripAccentsStep final : Normalizer::Step {
    bool changesNothing(std::string_view text) const override { return isAscii(text); }

    void run(std::string_view text, bool, std::string& out, size_t) const override {
        forEachCharacter(text, out, [&](char32_t c) {
            if (!(charClass(c) & kMark))
                appendUtf8(out, c);
        });
    }
};

struct StripStep final : Normalizer::Step {
    bool left, right;

    StripStep(bool l, bool r) : left(l), right(r) {}

    bool dropsFront(std::string_view text) const override {
        const CodePoint c = text.empty() ? CodePoint{} : decodeUtf8(text);
        return left && c.valid && (charClass(c.value) & kSpace);
    }

    void run(std::string_view text, bool, std::string& out, size_t) const override {
        size_t begin = text.size(), end = 0; // of what is not blank
        for (size_t at = 0; at < text.size();) {
            const CodePoint c = decodeUtf8(text.substr(at));
            const bool blank = c.valid && (charClass(c.value) & kSpace);
            if (!blank) {
                begin = std::min(begin, at);
                end = at + c.length;
            }
            at += c.length;
        }
        begin = left ? begin : 0;
        end = right ? end : text.size();
        if (begin < end)
            out = text.substr(begin, end - begin);
    }
};

/// The character clean-up of sentencepiece's "nmt" rules: controls vanish, odd blanks become blanks.
struct NmtStep final : Normalizer::Step {
    static bool isDropped(char32_t c) {
        return (c >= 1 && c <= 8) || c == 11 || (c >= 14 && c <= 31) || c == 127 || c == 143 || c == 159;
    }

    bool dropsFront(std::string_view text) const override { return !text.empty() && isDropped(decodeUtf8(text).value); }

    void run(std::string_view text, bool, std::string& out, size_t) const override {
        forEachCharacter(text, out, [&](char32_t c) {
            const bool blank = c == 9 || c == 10 || c == 12 || c == 13 || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                               c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
            if (!isDropped(c))
                appendUtf8(out, blank ? U' ' : c);
        });
    }
};

/// The blocks that BERT sets apart (Devlin et al. 2019, tokenization.py), with the gap that the Rust library has.
bool isHan(char32_t c) {
    constexpr char32_t ranges[][2] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
                                      {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
    return std::any_of(std::begin(ranges), std::end(ranges), [c](const auto& r) { return c >= r[0] && c <= r[1]; });
}

class BertStep final : public Normalizer::Step {
public:
    explicit BertStep(Normalizer::Bert options) : options_(options) {}

    void run(std::string_view text, bool, std::string& out, size_t most) const override {
        std::string clean;
        forEachCharacter(text, clean, [&](char32_t c) { addCleaned(c, clean); });
        std::string plain;
        if (options_.stripAccents && !isAscii(clean)) {
            std::string apart;
            FormStep(Normalizer::Form::Nfd).run(clean, false, apart, most);
            if (apart.size() > most) { // not all of it
                out = std::move(apart);
                return;
            }
            forEachCharacter(apart, plain, [&](char32_t c) {
                if (!isNonspacingMark(c))
                    appendUtf8(plain, c);
            });
        } else {
            plain = std::move(clean);
        }
        if (options_.lowercase)
            LowercaseStep().run(plain, false, out, most);
        else
            out = std::move(plain);
    }

private:
    void addCleaned(char32_t c, std::string& out) const {
        if (options_.cleanText) {
            const bool kept = c == '\t' || c == '\n' || c == '\r';
            if (c == 0 || c == 0xFFFD || (!kept && isControl(c)))
                return;
            if (kept || (charClass(c) & kSpace))
                c = ' ';
        }
        const bool apart = options_.spaceHan && isHan(c);
        if (apart)
            out += ' ';
        appendUtf8(out, c);
        if (apart)
            out += ' ';
    }

    static bool isControl(char32_t c) {
        const auto type = u_charType(static_cast<UChar32>(c));
        return (type == U_CONTROL_CHAR || type == U_FORMAT_CHAR || type == U_PRIVATE_USE_CHAR || type == U_SURROGATE) &&
               isKnownToBert(c);
    }

    const Normalizer::Bert options_;
};

struct PrependStep final : Normalizer::Step {
    std::string content;

    explicit PrependStep(std::string s) : content(std::move(s)) {}

    void run(std::string_view text, bool, std::string& out, size_t) const override {
        if (!text.empty())
            out.append(content).append(text);
    }
};

class ReplaceStep final : public Normalizer::Step {
public:
    ReplaceStep(std::string_view pattern, bool isRegex, std::string content)
        : literal_(isRegex ? std::string() : std::string(pattern)), content_(std::move(content)) {
        if (isRegex)
            regex_ = std::make_unique<const Regex>(pattern);
    }

    bool changesNothing(std::string_view text) const override {
        return !regex_ && (literal_.empty() || text.find(literal_) == text.npos);
    }

    void run(std::string_view text, bool, std::string& out, size_t most) const override {
        size_t done = 0;
        if (!regex_) {
            for (size_t at = text.find(literal_); at != text.npos && out.size() <= most;
                 at = text.find(literal_, done)) {
                out.append(text.substr(done, at - done)).append(content_);
                done = at + literal_.size();
            }
        } else {
            RegexSearch search(*regex_);
            search.setText(text);
            for (Regex::Match m; out.size() <= most && search.next(m); done = m.end)
                out.append(text.substr(done, m.begin - done)).append(content_);
        }
        out.append(text.substr(done));
    }

private:
    std::string literal_, content_;
    std::unique_ptr<const Regex> regex_;
};

class CharsMapStep final : public Normalizer::Step {
public:
    CharsMapStep(std::string_view blob, bool graphemes) : map_(blob), graphemes_(graphemes) {}

    void run(std::string_view text, bool, std::string& out, size_t most) const override {
        if (graphemes_)
            forEachValidRun(text, out, [&](std::string_view part) {
                forEachBlock(part, [&](std::string_view block) { runGraphemes(block, out, most); });
            });
        else
            runLongest(text, out, most);
    }

private:
    void runLongest(std::string_view text, std::string& out, size_t most) const {
        for (size_t at = 0; at < text.size() && out.size() <= most;) {
            const CharsMap::Hit hit = map_.find(text.substr(at), true);
            const size_t length = hit.length > 0 ? hit.length : decodeUtf8(text.substr(at)).length;
            out.append(hit.length > 0 ? hit.replacement : text.substr(at, length));
            at += length;
        }
    }

    void runGraphemes(std::string_view text, std::string& out, size_t most) const {
        if (out.size() > most)
            return;
        UErrorCode error = U_ZERO_ERROR;
        const std::unique_ptr<icu::BreakIterator> breaks(
            icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), error));
        if (U_FAILURE(error))
            throw Error("The Unicode library has no data for graphemes.");
        const icu::UnicodeString s = wide(text);
        breaks->setText(s);
        std::string grapheme;
        for (int32_t begin = 0, end = breaks->next(); end != icu::BreakIterator::DONE && out.size() <= most;
             begin = end, end = breaks->next()) {
            grapheme.clear();
            s.tempSubStringBetween(begin, end).toUTF8String(grapheme);
            if (grapheme.size() < 6)
                if (const CharsMap::Hit hit = map_.find(grapheme, false); hit.length > 0) {
                    out.append(hit.replacement);
                    continue;
                }
            for (size_t at = 0; at < grapheme.size();) {
                const std::string_view c =
                    std::string_view(grapheme).substr(at, decodeUtf8(std::string_view(grapheme).substr(at)).length);
                const CharsMap::Hit hit = map_.find(c, false);
                out.append(hit.length > 0 ? hit.replacement : c);
                at += c.size();
            }
        }
    }

    const CharsMap map_;
    const bool graphemes_;
};

class BlanksStep final : public Normalizer::Step {
public:
    explicit BlanksStep(Normalizer::Blanks options) : options_(options) {}

    void run(std::string_view text, bool first, std::string& out, size_t) const override {
        if (options_.removeExtra)
            while (text.starts_with(' '))
                text.remove_prefix(1);
        if (text.empty())
            return;
        if (options_.atFront && !options_.asSuffix && first)
            out += ' ';
        for (const char c : text)
            if (!options_.removeExtra || c != ' ' || !out.ends_with(' '))
                out += c;
        if (options_.removeExtra)
            while (out.ends_with(' '))
                out.pop_back();
        if (options_.atFront && options_.asSuffix)
            out += ' ';
    }

private:
    const Normalizer::Blanks options_;
};

void checkContent(const std::string& content) {
    if (content.size() > kLongestContent)
        throw Error("The tokenizer's normalizer puts in a text of more than " + std::to_string(kLongestContent) +
                    " bytes.");
}

} // namespace

CharsMap::CharsMap(std::string_view blob) {
    if (blob.empty())
        return;
    uint32_t bytes = 0;
    if (blob.size() >= sizeof bytes)
        std::memcpy(&bytes, blob.data(), sizeof bytes);
    if (blob.size() < sizeof bytes || bytes % 4 != 0 || bytes > blob.size() - sizeof bytes)
        throw Error("The tokenizer's precompiled_charsmap says that its table is longer than it is.");
    units_.resize(bytes / 4);
    if (bytes > 0)
        std::memcpy(units_.data(), blob.data() + sizeof bytes, bytes);
    replacements_ = blob.substr(sizeof bytes + bytes);
}

/// Units of a Darts-clone double array: bits 0-7 and 31 label, bit 8 has a leaf, bits 10-30 offset (in units of 256
/// when bit 9 is set); a leaf holds its value in bits 0-30.
CharsMap::Hit CharsMap::find(std::string_view text, bool longest) const {
    const auto offset = [](uint32_t u) { return (u >> 10) << ((u & (1u << 9)) >> 6); };
    Hit hit;
    if (units_.empty())
        return hit;
    uint32_t node = offset(unit(0));
    for (size_t at = 0; at < text.size(); at++) {
        const auto byte = static_cast<unsigned char>(text[at]);
        node ^= byte;
        const uint32_t u = unit(node);
        if (byte == 0 || (u & 0x800000FFu) != byte)
            break;
        node ^= offset(u);
        if (!(u >> 8 & 1))
            continue;
        const size_t start = unit(node) & 0x7FFFFFFF;
        if (start >= replacements_.size())
            break;
        const size_t end = std::min(replacements_.find('\0', start), replacements_.size());
        if (end - start > 2 * kLongestContent)
            break;
        hit = {at + 1, std::string_view(replacements_).substr(start, end - start)};
        if (!longest)
            break;
    }
    return hit;
}

void Normalizer::add(std::shared_ptr<const Step> step) {
    if (steps_.size() >= kMostSteps)
        throw Error("The tokenizer's normalizer has more than " + std::to_string(kMostSteps) + " steps.");
    steps_.push_back(std::move(step));
}

void Normalizer::addForm(Form form) {
    add(std::make_shared<FormStep>(form));
}

void Normalizer::addLowercase() {
    add(std::make_shared<LowercaseStep>());
}

void Normalizer::addStripAccents() {
    add(std::make_shared<StripAccentsStep>());
}

void Normalizer::addStrip(bool left, bool right) {
    add(std::make_shared<StripStep>(left, right));
}

void Normalizer::addNmt() {
    add(std::make_shared<NmtStep>());
}

void Normalizer::addBert(Bert options) {
    add(std::make_shared<BertStep>(options));
}

void Normalizer::addPrepend(std::string content) {
    checkContent(content);
    add(std::make_shared<PrependStep>(std::move(content)));
}

void Normalizer::addReplace(std::string_view pattern, bool isRegex, std::string content) {
    checkContent(content);
    add(std::make_shared<ReplaceStep>(pattern, isRegex, std::move(content)));
}

void Normalizer::addCharsMap(std::string_view blob, bool graphemes) {
    add(std::make_shared<CharsMapStep>(blob, graphemes));
}

void Normalizer::addBlanks(Blanks options) {
    add(std::make_shared<BlanksStep>(options));
}

std::string_view Normalizer::run(std::string_view text, bool first, std::string& out, bool* frontLost) const {
    std::string next;
    const size_t most = kMostGrowth * (text.size() + 64); // by all steps: a stranger's tables would multiply
    for (const auto& step : steps_) {
        if (step->changesNothing(text))
            continue;
        next.clear();
        if (frontLost)
            *frontLost |= step->dropsFront(text);
        step->run(text, first, next, most);
        if (next.size() > most)
            continue;
        out.swap(next);
        text = out;
    }
    return text;
}

} // namespace hearth::engine
