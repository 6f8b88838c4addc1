#pragma once

#include "app/engine_worker.h"
#include "app/models/remote/endpoint.h"

namespace hearth::app {

/// Gives each request to the engine of this machine or to those elsewhere, by its model: conversations know no
/// difference. GUI thread.
class ReplyRouter : public ReplySource {
public:
    explicit ReplyRouter(ReplySource& here) : here_(here) {}

    void setRemote(ReplySource* elsewhere) { elsewhere_ = elsewhere; }

    void reply(ReplyRequest request) override {
        ReplySource& source = elsewhere_ && isRemotePath(request.model) ? *elsewhere_ : here_;
        source.reply(std::move(request));
    }

private:
    ReplySource& here_;
    ReplySource* elsewhere_ = nullptr;
};

} // namespace hearth::app
