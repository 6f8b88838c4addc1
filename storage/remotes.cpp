#include "storage/remotes.h"

#include "storage/database.h"

#include <algorithm>

namespace hearth::storage {

std::vector<Remote> Remotes::all() const {
    std::vector<Remote> out;
    Statement select = db_.prepare("SELECT id, name, base, model, kind, context_tokens, is_on, has_key, plain_allowed, "
                                   "context_given FROM remotes ORDER BY name COLLATE NOCASE, id");
    while (select.step()) {
        const int64_t context = std::clamp<int64_t>(select.integer(5), 0, 1 << 30);
        out.push_back({select.text(0), select.text(1), select.text(2), select.text(3), select.text(4), int(context),
                       select.integer(6) != 0, select.integer(7) != 0, select.integer(8) != 0, select.integer(9) != 0});
    }
    return out;
}

void Remotes::put(const Remote& remote) {
    db_.prepare(
           "INSERT OR REPLACE INTO remotes(id, name, base, model, kind, context_tokens, is_on, has_key, plain_allowed, "
           "context_given) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")
        .bind(1, remote.id)
        .bind(2, remote.name)
        .bind(3, remote.base)
        .bind(4, remote.model)
        .bind(5, remote.kind)
        .bind(6, int64_t(remote.contextTokens))
        .bind(7, int64_t(remote.on))
        .bind(8, int64_t(remote.hasKey))
        .bind(9, int64_t(remote.plainAllowed))
        .bind(10, int64_t(remote.contextGiven))
        .run();
}

void Remotes::remove(const std::string& id) {
    db_.prepare("DELETE FROM remotes WHERE id = ?1").bind(1, id).run();
}

} // namespace hearth::storage
