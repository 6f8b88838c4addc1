#include "engine/tokenizer/json_file.h"

#include "engine/error.h"

#include <filesystem>
#include <fstream>

namespace hearth::engine {

namespace {

using nlohmann::json;

constexpr size_t kDeepest = 64;                   // levels; real files have about eight
constexpr size_t kMostEntries = 1 << 24;          // of vocab and merges
constexpr uint64_t kLargestSmallFile = 64u << 20; // bytes

/// Which of the long lists a value belongs to.
enum class Place : uint8_t { Tree, Vocab, Pieces, Merges };

/// SAX handler: builds the tree, but for model.vocab and model.merges.
class Handler {
public:
    Handler(TokenizerFile& out, const std::string& name) : out_(out), name_(name) {}

    // nlohmann's SAX interface.
    bool null() { return value(nullptr); }

    bool boolean(bool v) { return value(v); }

    bool number_integer(int64_t v) { return number(static_cast<double>(v), v); }

    bool number_unsigned(uint64_t v) {
        return number(static_cast<double>(v), v > INT64_MAX ? -1 : static_cast<int64_t>(v));
    }

    bool number_float(double v, const std::string&) { return number(v, -1, json(v)); }

    bool binary(json::binary_t&) { return true; }

    bool string(std::string& v) {
        if (place_ == Place::Merges)
            return mergeText(v);
        if (place_ == Place::Pieces && level() == listLevel_ + 1) {
            out_.pieces.back().text = std::move(v);
            return true;
        }
        if (place_ != Place::Tree)
            fail("a text where a number is expected in model.vocab");
        return value(std::move(v));
    }

    bool key(std::string& k) {
        key_ = std::move(k);
        return true;
    }

    bool start_object(size_t) {
        if (entersLongList("vocab", Place::Vocab))
            return true;
        if (place_ != Place::Tree)
            fail("an object where none is expected in model." + listName());
        return open(json::object());
    }

    bool start_array(size_t) {
        if (place_ == Place::Tree &&
            (entersLongList("merges", Place::Merges) || entersLongList("vocab", Place::Pieces)))
            return true;
        if (place_ == Place::Tree)
            return open(json::array());
        if (place_ == Place::Vocab || level() != listLevel_)
            fail("a list where none is expected in model." + listName());
        if (place_ == Place::Pieces)
            out_.pieces.emplace_back();
        else
            out_.merges.emplace_back();
        checkCount(place_ == Place::Pieces ? out_.pieces.size() : out_.merges.size());
        sides_ = 0;
        extra_++;
        return true;
    }

    bool end_object() { return close(); }

    bool end_array() { return close(); }

    bool parse_error(size_t at, const std::string&, const json::exception&) {
        throw Error("The file " + name_ + " is no JSON at byte " + std::to_string(at) + ".");
    }

private:
    [[noreturn]] void fail(const std::string& what) const { throw Error("The file " + name_ + " has " + what + "."); }

    size_t level() const { return open_.size() + extra_; }

    std::string listName() const { return place_ == Place::Merges ? "merges" : "vocab"; }

    void checkCount(size_t n) const {
        if (n > kMostEntries)
            fail("too many entries in model." + listName());
    }

    bool entersLongList(std::string_view name, Place place) {
        if (place_ != Place::Tree || open_.size() != 2 || key_ != name || keys_.back() != "model")
            return false;
        place_ = place;
        listLevel_ = level() + 1;
        extra_ = 1;
        return true;
    }

    bool mergeText(std::string& v) {
        if (level() == listLevel_) { // "a b"
            const size_t blank = std::min(v.find(' '), v.size());
            if (blank == v.size())
                fail("a merge rule of one part: " + printable(v));
            out_.merges.emplace_back(v.substr(0, blank), v.substr(blank + 1));
            checkCount(out_.merges.size());
            return true;
        }
        if (++sides_ > 2)
            fail("a merge rule of more than two parts");
        (sides_ == 1 ? out_.merges.back().first : out_.merges.back().second) = std::move(v);
        return true;
    }

    bool number(double v, int64_t whole) { return number(v, whole, whole >= 0 ? json(whole) : json(v)); }

    bool number(double v, int64_t whole, json tree) {
        if (place_ == Place::Tree)
            return value(std::move(tree));
        if (place_ == Place::Vocab) {
            out_.vocab.emplace_back(std::move(key_), whole);
            checkCount(out_.vocab.size());
        } else if (place_ == Place::Pieces && level() == listLevel_ + 1) {
            out_.pieces.back().score = v;
        } else {
            fail("a number where none is expected in model." + listName());
        }
        return true;
    }

    bool value(json v) {
        if (place_ != Place::Tree)
            fail("a value of another type in model." + listName());
        add(std::move(v));
        return true;
    }

    json* add(json v) {
        if (open_.empty()) {
            out_.rest = std::move(v);
            return &out_.rest;
        }
        json& parent = *open_.back();
        if (parent.is_array()) {
            parent.push_back(std::move(v));
            return &parent.back();
        }
        return &(parent[key_] = std::move(v));
    }

    bool open(json v) {
        if (open_.size() >= kDeepest)
            fail("values nested too deep");
        keys_.push_back(key_);
        open_.push_back(add(std::move(v)));
        return true;
    }

    bool close() {
        if (place_ != Place::Tree) {
            if (--extra_ == 0)
                place_ = Place::Tree;
            return true;
        }
        open_.pop_back();
        keys_.pop_back();
        return true;
    }

    TokenizerFile& out_;
    const std::string& name_;
    std::vector<json*> open_;       // objects and lists of the tree around the next value
    std::vector<std::string> keys_; // under which they stand
    std::string key_;               // of the next value
    Place place_ = Place::Tree;
    size_t extra_ = 0;     // levels inside a long list
    size_t listLevel_ = 0; // of its entries
    int sides_ = 0;        // of a merge rule read so far
};

} // namespace

TokenizerFile TokenizerFile::parse(std::string_view text, const std::string& name) {
    TokenizerFile file;
    Handler handler(file, name);
    json::sax_parse(text.begin(), text.end(), &handler);
    return file;
}

std::string readTextFile(const std::string& path, uint64_t most) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error))
        throw Error("There is no file " + printable(path, 300) + ".");
    const uintmax_t size = std::filesystem::file_size(path, error);
    if (error || size > most)
        throw Error("The file " + printable(path, 300) + " is larger than " + readableBytes(most) + ".");
    std::ifstream in(path, std::ios::binary);
    std::string text(size, '\0');
    in.read(text.data(), static_cast<std::streamsize>(size));
    if (!in)
        throw Error("The file " + printable(path, 300) + " cannot be read.");
    return text;
}

json readSmallJson(const std::string& path) {
    std::error_code error;
    if (!std::filesystem::exists(path, error))
        return nullptr;
    return TokenizerFile::parse(readTextFile(path, kLargestSmallFile), printable(path, 300)).rest;
}

} // namespace hearth::engine
