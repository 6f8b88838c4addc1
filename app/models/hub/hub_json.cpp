#include "app/models/hub/hub_json.h"

#include "app/models/net/sentences.h"

#include <algorithm>

namespace hearth::app {

using nlohmann::json;

namespace {

constexpr int kDeepest = 32;
constexpr qint64 kLargestCount = qint64(1) << 53;

const json* field(const json& object, const char* name) {
    if (!object.is_object())
        return nullptr;
    const auto it = object.find(name);
    return it == object.end() ? nullptr : &*it;
}

QString fromJson(const json& value) {
    return value.is_string() ? QString::fromStdString(value.get_ref<const std::string&>()) : QString();
}

} // namespace

std::optional<json> readJson(const QByteArray& bytes, int depth, const std::function<bool(const json&)>& take) {
    bool wanted = true;
    const json::parser_callback_t look = [&](int at, json::parse_event_t event, json& parsed) {
        if (at > kDeepest)
            return false;
        if (event == json::parse_event_t::object_end && at == depth) {
            if (wanted)
                wanted = take(parsed);
            return false;
        }
        return true;
    };
    json out = json::parse(bytes.begin(), bytes.end(), look, /*allow_exceptions=*/false);
    if (out.is_discarded())
        return std::nullopt;
    return out;
}

std::optional<json> readJson(const QByteArray& bytes) {
    return readJson(bytes, -1, [](const json&) { return true; });
}

QString textField(const json& object, const char* name, int longest) {
    const json* value = field(object, name);
    return value ? shown(fromJson(*value), longest) : QString();
}

qint64 countField(const json& object, const char* name) {
    const json* value = field(object, name);
    if (!value)
        return -1;
    if (value->is_number_unsigned()) {
        const auto n = value->get<uint64_t>();
        return n <= uint64_t(kLargestCount) ? qint64(n) : -1;
    }
    if (value->is_number_float()) {
        const double n = value->get<double>();
        return n >= 0 && n <= double(kLargestCount) && n == double(qint64(n)) ? qint64(n) : -1;
    }
    if (value->is_string()) {
        bool ok = false;
        const qint64 n = fromJson(*value).toLongLong(&ok);
        return ok && n >= 0 && n <= kLargestCount ? n : -1;
    }
    return -1;
}

bool truthField(const json& object, const char* name) {
    const json* value = field(object, name);
    if (!value)
        return false;
    if (value->is_boolean())
        return value->get<bool>();
    const QString text = fromJson(*value);
    return !text.isEmpty() && text.compare(QLatin1String("false"), Qt::CaseInsensitive) != 0;
}

QStringList textsField(const json& object, const char* name, int most) {
    QStringList texts;
    const json* value = field(object, name);
    if (value && value->is_string())
        texts.append(shown(fromJson(*value)));
    if (value && value->is_array())
        for (const json& item : *value)
            if (item.is_string() && texts.size() < most)
                texts.append(shown(fromJson(item)));
    return texts;
}

QDateTime timeField(const json& object, const char* name) {
    const json* value = field(object, name);
    if (value && value->is_string())
        return QDateTime::fromString(fromJson(*value).left(64), Qt::ISODateWithMs);
    const qint64 seconds = countField(object, name);
    return seconds > 0 && seconds < 32'503'680'000 ? QDateTime::fromSecsSinceEpoch(seconds) : QDateTime();
}

QByteArray sha256Field(const json& object, const char* name) {
    const json* value = field(object, name);
    if (!value || !value->is_string())
        return {};
    QByteArray digits = QByteArray::fromStdString(value->get_ref<const std::string&>()).left(80).toLower();
    if (digits.startsWith("sha256:"))
        digits.remove(0, 7);
    const bool hex = digits.size() == 64 && std::all_of(digits.begin(), digits.end(), [](char c) {
                         return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                     });
    return hex ? digits : QByteArray();
}

const json& objectField(const json& object, const char* name) {
    static const json none = json::object();
    const json* value = field(object, name);
    return value && value->is_object() ? *value : none;
}

} // namespace hearth::app
