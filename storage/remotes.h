#pragma once

#include <string>
#include <vector>

namespace hearth::storage {

class Database;

/// A server elsewhere that answers as a model. Its key is not here: the system's keyring has it.
struct Remote {
    std::string id;   // its identity, part of the conversations' model
    std::string name; // the person's
    std::string base; // address that the paths of the interface follow, "https://example/v1"
    std::string model;
    std::string kind;      // which server it is, as it told ("vllm", "llamacpp", ...); empty: not known
    int contextTokens = 0; // 0: not told
    bool on = false;
    bool hasKey = false;       // the keyring has one for it
    bool plainAllowed = false; // the person agreed that texts go there unencrypted
    bool contextGiven = false; // contextTokens are the person's word, not the server's

    friend bool operator==(const Remote&, const Remote&) = default;
};

/// The table `remotes`. Storage thread only. Throws Error.
class Remotes {
public:
    explicit Remotes(Database& db) : db_(db) {}

    std::vector<Remote> all() const; // by name
    void put(const Remote&);         // a new one, or other values of one that is there
    void remove(const std::string& id);

private:
    Database& db_;
};

} // namespace hearth::storage
