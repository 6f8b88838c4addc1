// What a Hugging Face folder says, without its weights: config.json, then the header of a file of weights, then the
// small files, one behind the other with a zero byte between them.

#include "engine/hf/folder.h"
#include "engine/error.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace hearth::engine;

/// A file of weights with this header and as many bytes of data as its tensors need (few, or it is not read).
std::vector<StoredTensor> storedFrom(std::string_view header) {
    constexpr size_t kData = 4096;
    std::string file(sizeof(uint64_t), '\0');
    const uint64_t size = header.size();
    std::memcpy(file.data(), &size, sizeof size);
    file += header;
    std::vector<StoredTensor> stored;
    for (size_t data = 0; data <= kData && stored.empty(); data = data == 0 ? 8 : 2 * data)
        try {
            const std::string whole = file + std::string(data, '\1');
            stored = parseSafetensors(std::as_bytes(std::span(whole)), "input");
        } catch (const Error&) {
            // Another length may fit.
        }
    return stored;
}

/// Reads every tensor whose bytes the file has.
void readTensors(const HfFolder& folder, size_t fileBytes) {
    const std::vector<std::byte> file(fileBytes, std::byte{0x3C});
    const std::span<const std::byte> memory(file);
    for (const TensorEntry& tensor : folder.tensors) {
        std::vector<std::byte> out(tensor.bytes);
        if (tensor.derivation)
            tensor.derivation->compute(Memories(&memory, 1), out);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view all(reinterpret_cast<const char*>(data), size);
    std::array<std::string, 6> parts; // config, header, generation_config, tokenizer_config, index, chat_template
    size_t begin = 0;
    for (std::string& part : parts) {
        const size_t end = std::min(all.find('\0', begin), all.size());
        part = all.substr(std::min(begin, all.size()), end - std::min(begin, end));
        begin = end + 1;
    }
    try {
        const std::vector<StoredTensor> stored = storedFrom(parts[1]);
        const HfFolder folder = hfFolderFrom({.config = parts[0],
                                              .generationConfig = parts[2],
                                              .tokenizerConfig = parts[3],
                                              .chatTemplateJson = parts[5]},
                                             stored);
        readTensors(folder, parts[1].size() + 8192);
        if (!parts[4].empty())
            parseSafetensorsIndex(parts[4], "input");
    } catch (const Error&) {
        // A sentence is the right answer to most inputs.
    }
    return 0;
}
