#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace hearth::app {

/// One event of a stream, its lines of data joined.
struct SseEvent {
    std::string name; // "message" unless it says otherwise
    std::string data;
};

/// Takes a stream of server-sent events apart, however it is cut into pieces (HTML Standard, section 9.2.6,
/// "Interpreting an event stream"). Besides, a field `error` counts as an event of that name: llama.cpp's server once
/// wrote errors so. A stranger's bytes: what is longer than the limits ends it. One thread.
class SseReader {
public:
    static constexpr size_t kLongestLine = 1 << 20;    // bytes
    static constexpr size_t kLargestEvent = 4 << 20;   // bytes of data
    static constexpr size_t kLargestStream = 64 << 20; // bytes

    using Take = std::function<bool(const SseEvent&)>; // false: nothing more is wanted

    explicit SseReader(Take take) : take_(std::move(take)) {}

    /// False: it is over, because of a limit or by the taker's wish.
    bool feed(std::string_view bytes);
    /// The stream ended: what stands there without a line's end counts, which the standard would throw away.
    void finish();

    /// A limit was passed.
    bool tooLarge() const { return tooLarge_; }

    bool any() const { return any_; } // an event was handed over

private:
    bool line(std::string_view);
    bool dispatch();

    Take take_;
    std::string line_; // of which the end has not come
    SseEvent event_;
    size_t total_ = 0;
    bool hasData_ = false, afterCr_ = false, begun_ = false, any_ = false, tooLarge_ = false, over_ = false;
};

} // namespace hearth::app
