#pragma once

#include "app/models/files/file_hash.h"
#include "app/models/files/model_stores.h"
#include "app/models/files/words.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::app {

enum class ImportHow : uint8_t { Copy, Move, HardLink, SymbolicLink };

/// "copy", "move", "hardlink", "symlink", in the order of the enum.
std::string_view importName(ImportHow);

/// A name that is safe in a folder of any common file system, whatever a server or a store calls it: no separators,
/// control letters or ones that hide the name's end, no leading dot, 200 bytes at most. Never empty.
std::string safeFileName(std::string_view);

struct ImportRequest {
    FoundModel source;  // as modelAt() or a scan gave it
    std::string folder; // of models: where it goes; made if it is not there
    ImportHow how = ImportHow::Copy;
    std::string name; // wanted; empty: the one it has
};

/// What an import would do. Nothing was changed to find out.
struct ImportPlan {
    struct Item {
        std::string source, target; // files; of a symbolic link to a folder that folder
        uint64_t bytes = 0;
    };

    ImportRequest request;
    std::string target; // what the engine will open
    std::vector<Item> items;
    bool ownFolder = false;    // the files go into one of their own, which appears when all are there
    std::string entry;         // the one name that appears in the models' folder: file or folder
    uint64_t writtenBytes = 0; // to the disk
    uint64_t freeBytes = 0;    // there
    std::string duplicateOf;   // a model of the library with the same bytes; importing it would keep them twice
    Words problem;             // why it cannot be done; empty: it can
};

/// `library`: what is there already, to recognize duplicates: cheap looks first, whole files are read only where these
/// agree. Nothing: stopped by `progress`. Throws ModelError where a file cannot be read.
std::optional<ImportPlan> planImport(const ImportRequest&, const std::vector<FoundModel>& library, HashCache&,
                                     const FileProgress& progress = {});

struct ImportResult {
    bool stopped = false; // nothing was changed
    std::string path;     // of the model, in the library now
    Words note;           // it is done, but something is to be said
};

/// Does it. The model enters the library by one rename when all its bytes are on the disk; until then, and after a
/// failure, a stop or the end of the program, nothing of it is seen there and the source is whole. Hashes what it
/// copies. Throws ModelError.
ImportResult runImport(const ImportPlan&, HashCache&, const FileProgress& progress = {});

/// What imports that ended with the program have left. They held copies and links only.
void removeImportLeftovers(const std::string& folder);

/// Copies one file to a name that is not taken and brings it to the disk, times included. Its SHA-256; nothing:
/// stopped, and the copy is gone. Throws ModelError.
std::optional<std::string> copyFile(const std::string& from, const std::string& to, const FileProgress& progress = {});

/// Renames unless the new name is taken. False: it is; errno has other reasons.
bool renameNew(const std::string& from, const std::string& to);
/// "folder/name", or "folder/name (2)" ... where that is taken; an ending stays at the end.
std::string freeName(const std::string& folder, const std::string& name);
/// What was renamed, made or removed in a folder survives a loss of power.
void syncFolder(const std::string& folder);
/// Bytes that a person may still write where a folder is, or will be.
uint64_t freeBytesAt(const std::string& folder);
/// False: the files of these two paths lie on different disks, or one is not there.
bool onOneDisk(const std::string& x, const std::string& y);

} // namespace hearth::app
