#include "app/models/remote/sse.h"

#include <utility>

namespace hearth::app {

bool SseReader::feed(std::string_view bytes) {
    if (over_)
        return false;
    total_ += bytes.size();
    while (!bytes.empty()) {
        if (afterCr_ && bytes.front() == '\n') // the second half of a line's end
            bytes.remove_prefix(1);
        afterCr_ = false;
        if (bytes.empty())
            break;
        const size_t end = bytes.find_first_of("\r\n");
        const std::string_view part = bytes.substr(0, end);
        if (line_.size() + part.size() > kLongestLine) {
            tooLarge_ = over_ = true;
            return false;
        }
        if (end == std::string_view::npos) {
            line_ += part;
            break;
        }
        afterCr_ = bytes[end] == '\r';
        bytes.remove_prefix(end + 1);
        bool more = false;
        if (line_.empty()) {
            more = line(part);
        } else {
            line_ += part;
            more = line(line_);
            line_.clear();
        }
        if (!more) {
            over_ = true;
            return false;
        }
    }
    if (total_ > kLargestStream)
        tooLarge_ = over_ = true;
    return !over_;
}

void SseReader::finish() {
    if (over_)
        return;
    over_ = true;
    if (line_.empty() || line(line_))
        dispatch();
}

bool SseReader::line(std::string_view text) {
    if (!begun_ && text.starts_with("\xEF\xBB\xBF"))
        text.remove_prefix(3);
    begun_ = true;
    if (text.empty())
        return dispatch();
    const size_t colon = text.find(':');
    const std::string_view field = text.substr(0, colon);
    std::string_view value = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
    if (value.starts_with(' '))
        value.remove_prefix(1);
    if (field == "event") {
        event_.name = value.substr(0, 64);
    } else if (field == "data" || field == "error") {
        if (field == "error")
            event_.name = field;
        if (hasData_)
            event_.data += '\n';
        event_.data += value;
        hasData_ = true;
    }
    if (event_.data.size() > kLargestEvent)
        tooLarge_ = true;
    return !tooLarge_;
}

bool SseReader::dispatch() {
    SseEvent event = std::exchange(event_, {});
    if (!std::exchange(hasData_, false))
        return true;
    if (event.name.empty())
        event.name = "message";
    any_ = true;
    return take_(event);
}

} // namespace hearth::app
