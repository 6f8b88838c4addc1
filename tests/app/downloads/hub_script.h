#pragma once

#include "tests/app/downloads/faulty_server.h"

#include <map>
#include <string>

namespace hearth::tests {

/// Teaches a server to speak as Hugging Face does, and as ModelScope does, of one repository; files themselves come
/// from a second server (another origin), by links that say until when they hold.
class HubScript {
public:
    HubScript(FaultyServer& hub, FaultyServer& store, std::string id);

    /// A file of the repository.
    void add(const std::string& path, Content content, const std::string& sha256);

    long bytesPerSecond = 0; // of each connection to the store
    std::string readme = "---\nlicense: apache-2.0\n---\n# A model\n";
    bool gated = false;
    std::string wantedToken;         // empty: anybody may read
    std::atomic<int> generation = 0; // links of earlier ones have expired

private:
    struct File {
        Content content;
        std::string sha256;
    };

    ServerReply locate(const ServerRequest&, const std::string& path);
    ServerReply refuse(const ServerRequest&) const;
    std::string huggingFaceInfo() const;
    std::string huggingFaceTree() const;
    std::string modelScopeTree() const;

    FaultyServer& hub_;
    FaultyServer& store_;
    std::string id_;
    std::map<std::string, File> files_;
};

} // namespace hearth::tests
