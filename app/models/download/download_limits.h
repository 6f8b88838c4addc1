#pragma once

#include "app/models/net/http_client.h"

#include <functional>

namespace hearth::app {

/// How a download behaves; the tests have shorter times.
struct DownloadLimits {
    HttpLimits http;
    int connections = 4; // of one file
    int attempts = 8;    // failures in a row without progress before it gives up
    int backoffMs = 500; // before the second attempt; doubles
    int longestBackoffMs = 30'000;
    qint64 longestRetryAfter = 300;                         // seconds that a server may make us wait by itself
    qint64 spaceMargin = 256ll << 20;                       // bytes that stay free on the disk, and 1 % of the download
    std::function<qint64(const QString& folder)> freeBytes; // empty: the system is asked
};

/// A share of the line: so many bytes a second for all connections together. One thread.
class RateLimit {
public:
    void set(qint64 bytesPerSecond); // 0: none

    bool limited() const { return bytesPerSecond_ > 0; }

    /// Bytes that may be read now, at most `wanted`; they count as read.
    qint64 take(qint64 wanted);
    /// They have been read already: the next ones wait longer.
    qint64 takeAnyway(qint64 wanted);

private:
    qint64 bytesPerSecond_ = 0;
    double left_ = 0; // bytes
    QElapsedTimer clock_;
};

} // namespace hearth::app
