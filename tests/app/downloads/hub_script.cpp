#include "tests/app/downloads/hub_script.h"

#include <nlohmann/json.hpp>

namespace hearth::tests {

using nlohmann::json;

namespace {

const std::string kCommit = "0123456789abcdef0123456789abcdef01234567";

ServerReply jsonReply(const json& value) {
    return ServerReply::text(200, value.dump(), "application/json; charset=utf-8");
}

} // namespace

HubScript::HubScript(FaultyServer& hub, FaultyServer& store, std::string id)
    : hub_(hub), store_(store), id_(std::move(id)) {
    const auto guarded = [this](auto answer) {
        return [this, answer](const ServerRequest& r) {
            const bool may = wantedToken.empty() || r.header("authorization") == "Bearer " + wantedToken;
            return may ? ServerReply(answer(r)) : refuse(r);
        };
    };
    hub.on("/api/models", [this](const ServerRequest& r) {
        json rows = json::array();
        if (id_.find(r.argument("search")) != std::string::npos)
            rows.push_back({{"id", id_},
                            {"downloads", 12345},
                            {"likes", 7},
                            {"gated", false},
                            {"tags", {"gguf", "license:apache-2.0"}},
                            {"lastModified", "2025-07-04T09:05:03.000Z"}});
        return jsonReply(rows);
    });
    hub.on("/api/models/" + id_ + "/revision/main", guarded([this](const ServerRequest&) {
               return ServerReply::text(200, huggingFaceInfo(), "application/json");
           }));
    hub.on("/api/models/" + id_ + "/tree/" + kCommit, guarded([this](const ServerRequest&) {
               return ServerReply::text(200, huggingFaceTree(), "application/json");
           }));
    hub.on("/openapi/v1/models", [this](const ServerRequest&) {
        return jsonReply({{"success", true},
                          {"data",
                           {{"models",
                             {{{"id", id_},
                               {"downloads", 99},
                               {"license", "mit"},
                               {"tags", {"library:gguf"}},
                               {"last_modified", "2025-07-04T09:05:03Z"}}}},
                            {"total_count", 1}}}});
    });
    hub.on("/api/v1/models/" + id_, guarded([this](const ServerRequest&) {
               const size_t slash = id_.find('/');
               return jsonReply({{"Code", 200},
                                 {"Data",
                                  {{"Path", id_.substr(0, slash)},
                                   {"Name", id_.substr(slash + 1)},
                                   {"License", "mit"},
                                   {"Downloads", 99},
                                   {"Stars", 3},
                                   {"LastUpdatedTime", 1751619903}}}});
           }));
    hub.on("/api/v1/models/" + id_ + "/repo/files", guarded([this](const ServerRequest&) {
               return ServerReply::text(200, modelScopeTree(), "application/json");
           }));
    hub.on("/api/v1/models/" + id_ + "/repo",
           guarded([this](const ServerRequest& r) { return locate(r, r.argument("FilePath")); }));
    hub.otherwise(guarded([this](const ServerRequest& r) {
        const std::string before = "/" + id_ + "/resolve/" + kCommit + "/";
        return r.path.starts_with(before)
                   ? locate(r, r.path.substr(before.size()))
                   : ServerReply::text(404, R"({"error":"Repository not found"})", "application/json");
    }));
    store.otherwise([this](const ServerRequest& r) {
        const auto file = files_.find(r.path.substr(1));
        if (file == files_.end() || !r.header("authorization").empty())
            return ServerReply::text(404, "no");
        if (r.argument("generation") != std::to_string(generation))
            return ServerReply::text(403, "Request has expired");
        ServerReply reply = FaultyServer::file(r, file->second.content, "\"" + file->second.sha256 + "\"");
        reply.bytesPerSecond = bytesPerSecond;
        return reply;
    });
}

void HubScript::add(const std::string& path, Content content, const std::string& sha256) {
    files_[path] = {std::move(content), sha256};
}

ServerReply HubScript::refuse(const ServerRequest& r) const {
    ServerReply reply = ServerReply::text(r.header("authorization").empty() ? 401 : 403,
                                          R"({"error":"Access to model is restricted"})", "application/json");
    reply.headers.emplace_back("X-Error-Code", "GatedRepo");
    return reply;
}

ServerReply HubScript::locate(const ServerRequest&, const std::string& path) {
    if (path == "README.md")
        return ServerReply::text(200, readme, "text/plain");
    const auto file = files_.find(path);
    if (file == files_.end())
        return ServerReply::text(404, "Entry not found");
    ServerReply reply = ServerReply::redirect(store_.base() + "/" + path + "?generation=" + std::to_string(generation));
    reply.headers.emplace_back("X-Linked-Size", std::to_string(file->second.content->size()));
    reply.headers.emplace_back("X-Linked-Etag", "\"" + file->second.sha256 + "\"");
    reply.headers.emplace_back("X-Repo-Commit", kCommit);
    return reply;
}

std::string HubScript::huggingFaceInfo() const {
    json siblings = json::array();
    for (const auto& [path, file] : files_)
        siblings.push_back({{"rfilename", path}});
    json info = {{"id", id_},           {"sha", kCommit}, {"gated", gated ? json("manual") : json(false)},
                 {"downloads", 12345},  {"likes", 7},     {"cardData", {{"license", "apache-2.0"}}},
                 {"siblings", siblings}};
    return info.dump();
}

std::string HubScript::huggingFaceTree() const {
    json rows = json::array();
    rows.push_back({{"type", "directory"}, {"path", "folder"}, {"size", 0}});
    for (const auto& [path, file] : files_)
        rows.push_back({{"type", "file"},
                        {"path", path},
                        {"size", file.content->size()},
                        {"oid", "aa"},
                        {"lfs", {{"oid", file.sha256}, {"size", file.content->size()}, {"pointerSize", 130}}}});
    rows.push_back({{"type", "file"}, {"path", "README.md"}, {"size", readme.size()}, {"oid", "bb"}});
    return rows.dump();
}

std::string HubScript::modelScopeTree() const {
    json rows = json::array();
    for (const auto& [path, file] : files_)
        rows.push_back({{"Type", "blob"},
                        {"Path", path},
                        {"Name", path},
                        {"Size", file.content->size()},
                        {"Sha256", file.sha256},
                        {"IsLFS", true}});
    return json({{"Code", 200}, {"Success", true}, {"Data", {{"Files", rows}}}}).dump();
}

} // namespace hearth::tests
