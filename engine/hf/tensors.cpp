#include "engine/hf/tensors.h"

#include "engine/error.h"
#include "engine/hf/source.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <unordered_map>

namespace hearth::engine {

namespace {

constexpr int64_t kMostExperts = 65536;

/// What the holes of a pattern stood for.
struct NameMatch {
    int64_t layer = -1, expert = -1; // -1: no such hole
    std::string_view ending;         // "weight" or "bias", for "*"
};

bool takeNumber(std::string_view& text, int64_t& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc{} || end == text.data() || out < 0)
        return false;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    return true;
}

bool matches(std::string_view pattern, std::string_view name, NameMatch& out) {
    while (!pattern.empty()) {
        if (pattern == "*") {
            out.ending = name;
            return name == "weight" || name == "bias";
        }
        const bool layer = pattern.starts_with("{}"), expert = pattern.starts_with("{e}");
        if (layer || expert) {
            if (!takeNumber(name, layer ? out.layer : out.expert))
                return false;
            pattern.remove_prefix(layer ? 2 : 3);
        } else {
            if (name.empty() || name[0] != pattern[0])
                return false;
            name.remove_prefix(1);
            pattern.remove_prefix(1);
        }
    }
    return name.empty();
}

std::string filled(std::string_view pattern, const NameMatch& match) {
    std::string out(pattern);
    if (const size_t hole = out.find("{}"); hole != out.npos)
        out.replace(hole, 2, std::to_string(match.layer));
    if (out.ends_with('*'))
        out.replace(out.size() - 1, 1, match.ending);
    return out;
}

/// "model.language_model.layers.0..." and "transformer.h.0..." without what only says who owns them.
std::string_view withoutOwner(std::string_view name) {
    constexpr std::string_view kOwners[] = {"model.", "language_model.", "transformer.", "gpt_neox.", "bert."};
    for (bool again = true; again;) {
        again = false;
        for (const std::string_view owner : kOwners)
            if (name.starts_with(owner)) {
                name.remove_prefix(owner.size());
                again = true;
            }
    }
    return name;
}

/// Builds the list of tensors.
class Builder {
public:
    Builder(const HfConfig& config, const std::vector<StoredTensor>& stored, Checkpoint::Form form)
        : config_(config), converted_(form == Checkpoint::Form::Converted) {
        for (const StoredTensor& tensor : stored)
            if (!byName_.emplace(tensor.name, &tensor).second)
                throw Error("The tensor " + printable(tensor.name) + " is in two files of the model.");
        nLayers_ = config.layers();
        readBlockSize();
    }

    void add(const StoredTensor&);
    void addStacks();
    void addRopeFactors();

    std::vector<TensorEntry> tensors;

private:
    /// Matrices that become one tensor.
    struct Stack {
        std::map<int64_t, HfSource> sources; // by the number of the expert
        size_t nDims = 1;                    // of each as it is stored
    };

    void readBlockSize();
    const StoredTensor* find(const std::string& name) const;
    bool isScale(const std::string& name) const;
    bool addByAny(std::span<const HfName>, const StoredTensor&, std::string_view name);
    void addUnder(const std::string& name, HfForm, const StoredTensor&);
    void fill(TensorEntry&, HfForm, const StoredTensor&) const;
    void fillMxfp4(TensorEntry&, HfForm, const StoredTensor&) const;
    HfSource sourceOf(const StoredTensor&, bool vectorAsColumn = false) const;
    HfSource::Scales scalesOf(const StoredTensor&, const HfSource&) const;
    std::vector<HfRows> allRows(const HfSource&) const;
    std::vector<HfRows> halfRows(const HfSource&, bool upper) const;
    std::vector<HfRows> rowsOf(HfForm, const HfSource&, const std::string& name) const;
    HfValue valueOf(const std::string& name, HfForm) const;
    void place(TensorEntry&, std::vector<HfRows>, HfForm) const;
    std::vector<int64_t> convertedOrder(const std::string& name, int64_t rows) const;

    const HfConfig& config_;
    bool converted_;
    std::unordered_map<std::string_view, const StoredTensor*> byName_;
    std::map<std::string, Stack> stacks_;
    int64_t nLayers_ = 0;
    int64_t blockRows_ = 128, blockCols_ = 128; // of FP8's scales
};

[[noreturn]] void badShape(const std::string& name, const std::string& wanted) {
    throw Error("The tensor " + printable(name) + " has a shape that does not fit config.json: " + wanted + ".");
}

bool isPlainFloat(const std::string& type) {
    return type == "F32" || type == "F16" || type == "BF16";
}

void setDims(TensorEntry& entry, std::vector<int64_t> dims) {
    entry.nDims = static_cast<int>(dims.size());
    std::copy(dims.begin(), dims.end(), entry.dims.begin());
}

/// Innermost first. Dimensions beyond the fourth are counted together with it.
std::vector<int64_t> reversed(const std::vector<int64_t>& shape) {
    std::vector<int64_t> dims(shape.rbegin(), shape.rend());
    while (dims.size() > 4) {
        dims[3] *= dims.back();
        dims.pop_back();
    }
    return dims.empty() ? std::vector<int64_t>{1} : dims;
}

/// As DeepSeek's and Qwen's folders have it, or those of compressed-tensors; null: there is none.
const nlohmann::json* blockSizeIn(const nlohmann::json& quantization) {
    const auto member = [](const nlohmann::json* object, const char* key) -> const nlohmann::json* {
        if (!object || !object->is_object())
            return nullptr;
        const auto it = object->find(key);
        return it == object->end() || it->is_null() ? nullptr : &*it;
    };
    if (const nlohmann::json* size = member(&quantization, "weight_block_size"))
        return size;
    if (const nlohmann::json* groups = member(&quantization, "config_groups"))
        for (const nlohmann::json& group : *groups)
            if (const nlohmann::json* size = member(member(&group, "weights"), "block_structure"))
                return size;
    return nullptr;
}

void Builder::readBlockSize() {
    const nlohmann::json* quantization = config_.find("quantization_config");
    if (!quantization || !quantization->is_object())
        return;
    const auto method = quantization->find("quant_method");
    const std::string name = method != quantization->end() && method->is_string() ? method->get<std::string>() : "";
    if (name != "fp8" && name != "mxfp4" && name != "compressed-tensors" && !name.empty())
        throw Error("Its weights are quantized by " + printable(name) + ", which this version cannot read.");
    const nlohmann::json* size = blockSizeIn(*quantization);
    if (!size)
        return;
    const auto isCount = [](const nlohmann::json& n) {
        return n.is_number_unsigned() && n.get<uint64_t>() >= 1 && n.get<uint64_t>() <= (1 << 20);
    };
    if (!size->is_array() || size->size() != 2 || !isCount((*size)[0]) || !isCount((*size)[1]))
        throw Error("The size of the blocks that weights are quantized in is not two counts in config.json "
                    "(weight_block_size).");
    blockRows_ = (*size)[0].get<int64_t>();
    blockCols_ = (*size)[1].get<int64_t>();
}

const StoredTensor* Builder::find(const std::string& name) const {
    const auto it = byName_.find(name);
    return it == byName_.end() ? nullptr : it->second;
}

/// Scales of weights are read together with what they scale. Those of activations and of a cache in 8 bits are for
/// programs that round them; here they are floats.
bool Builder::isScale(const std::string& name) const {
    constexpr std::pair<std::string_view, std::string_view> kOfActivations[] = {
        {"input_scale", "weight"},    {"output_scale", "weight"},   {"activation_scale", "weight"},
        {"q_scale", "q_proj.weight"}, {"k_scale", "k_proj.weight"}, {"v_scale", "v_proj.weight"}};
    const auto without = [&](std::string_view end) { return name.substr(0, name.size() - end.size()); };
    for (const std::string_view end : {"_scale_inv", "_scale"})
        if (name.ends_with(end) && find(without(end)))
            return true;
    return std::any_of(std::begin(kOfActivations), std::end(kOfActivations), [&](const auto& row) {
        const StoredTensor* weight =
            name.ends_with(row.first) ? find(without(row.first) + std::string(row.second)) : nullptr;
        return weight && weight->type == "F8_E4M3";
    });
}

void Builder::add(const StoredTensor& stored) {
    if (stored.bytes == 0)
        return;
    const std::string_view name = withoutOwner(stored.name);
    if (isScale(stored.name))
        return;
    if (name.ends_with("_scales") && find(stored.name.substr(0, stored.name.size() - 7) + "_blocks"))
        return;
    if (!addByAny(config_.family().names, stored, name) && !addByAny(hfNames(), stored, name) &&
        !isNeedless(stored.name))
        addUnder(stored.name, HfForm::AsItIs, stored);
}

bool Builder::addByAny(std::span<const HfName> rows, const StoredTensor& stored, std::string_view name) {
    bool any = false;
    for (const HfName& row : rows) {
        NameMatch match;
        if (!matches(row.stored, name, match))
            continue;
        any = true;
        // Layers beyond the last predict further tokens; they are no part of the model. A tied head is a copy.
        const bool tied = row.gguf == "output.*" && config_.boolean("tie_word_embeddings", false);
        if (match.layer >= nLayers_ || tied)
            continue;
        const std::string gguf = filled(row.gguf, match);
        if (match.expert < 0) {
            addUnder(gguf, row.form, stored);
            continue;
        }
        if (match.expert >= kMostExperts)
            throw Error("The tensor " + printable(stored.name) + " has a number that makes no sense.");
        Stack& stack = stacks_[gguf];
        stack.nDims = stored.shape.size();
        stack.sources.emplace(match.expert, sourceOf(stored));
    }
    return any;
}

void Builder::addUnder(const std::string& name, HfForm form, const StoredTensor& stored) {
    TensorEntry entry;
    entry.name = name;
    fill(entry, form, stored);
    tensors.push_back(std::move(entry));
}

void Builder::addStacks() {
    for (const auto& [name, stack] : stacks_) {
        TensorEntry entry;
        entry.name = name;
        const HfSource& first = stack.sources.begin()->second;
        std::vector<HfRows> rows;
        int64_t expected = 0;
        for (const auto& [number, source] : stack.sources) {
            if (number != expected++)
                throw Error("The tensors for " + printable(name) + " are not complete: number " +
                            std::to_string(expected - 1) + " is missing.");
            if (source.rows != first.rows || source.cols != first.cols || source.storedType != first.storedType)
                throw Error("The tensors for " + printable(name) + " differ in shape or type.");
            rows.push_back({source, 0, 0, source.rows});
        }
        if (stack.nDims == 1)
            setDims(entry, {first.cols, expected});
        else
            setDims(entry, {first.cols, first.rows, expected});
        placeRows(entry, std::move(rows), valueOf(name, HfForm::AsItIs));
        tensors.push_back(std::move(entry));
    }
}

void Builder::addRopeFactors() {
    const std::pair<const char*, std::vector<float>> lists[] = {
        {"rope_factors_short.weight", ropeFactorsOf(config_, "short_factor")},
        {"rope_factors_long.weight", ropeFactorsOf(config_, "long_factor")},
        {"rope_freqs.weight", converted_ ? llama3FactorsOf(config_) : std::vector<float>()}};
    for (const auto& [name, factors] : lists) {
        if (factors.empty())
            continue;
        TensorEntry entry;
        entry.name = name;
        setDims(entry, {static_cast<int64_t>(factors.size())});
        placeFloats(entry, factors);
        tensors.push_back(std::move(entry));
    }
}

// ---- how a stored tensor is read

HfSource Builder::sourceOf(const StoredTensor& stored, bool vectorAsColumn) const {
    HfSource source{.place = {stored.file, stored.offset}, .storedType = stored.type};
    const auto& shape = stored.shape;
    if (!shape.empty())
        source.cols = shape.back();
    if (shape.size() > 1)
        source.rows = shape[shape.size() - 2];
    for (size_t i = 0; i + 2 < shape.size(); ++i)
        source.matrices *= shape[i];
    if (vectorAsColumn && shape.size() == 1)
        std::swap(source.rows, source.cols);
    if (isPlainFloat(stored.type) || stored.type == "F8_E4M3")
        source.type = kernels::findQuantType(stored.type);
    if (stored.type == "F8_E4M3")
        source.scales = scalesOf(stored, source);
    return source;
}

HfSource::Scales Builder::scalesOf(const StoredTensor& stored, const HfSource& source) const {
    const StoredTensor* scale = find(stored.name + "_scale_inv");
    if (!scale)
        scale = find(stored.name + "_scale");
    if (!scale)
        throw Error("The tensor " + printable(stored.name) + " is stored as F8_E4M3, but its scales are missing.");
    if (!isPlainFloat(scale->type))
        throw Error("The scales of the tensor " + printable(stored.name) + " are stored as " + printable(scale->type) +
                    ", which this version cannot read.");
    const kernels::QuantType* type = kernels::findQuantType(scale->type);
    const auto numbers = static_cast<int64_t>(scale->bytes) / type->bytes;
    const auto inBlocks = [&](int64_t blockRows, int64_t blockCols) {
        const auto blocks = [](int64_t n, int64_t size) { return (n - 1) / size + 1; };
        return HfSource::Scales{.first = {.type = type,
                                          .place = {scale->file, scale->offset},
                                          .blockRows = blockRows,
                                          .blockCols = blockCols,
                                          .blocks = blocks(source.cols, blockCols)},
                                .rows = blocks(source.rows, blockRows)};
    };
    const HfSource::Scales grid = inBlocks(blockRows_, blockCols_);
    const auto& shape = scale->shape;
    if (shape.size() == stored.shape.size() && shape.size() >= 2 && shape.back() == grid.first.blocks &&
        shape[shape.size() - 2] == grid.rows && numbers == source.matrices * grid.rows * grid.first.blocks)
        return grid;
    if (numbers == source.matrices)
        return inBlocks(source.rows, source.cols); // one for a whole matrix
    if (numbers == source.matrices * source.rows)
        return inBlocks(1, source.cols); // one for each row
    throw Error("The scales of the tensor " + printable(stored.name) + " do not fit its shape.");
}

std::vector<HfRows> Builder::allRows(const HfSource& source) const {
    std::vector<HfRows> rows;
    for (int64_t m = 0; m < source.matrices; ++m)
        rows.push_back({source, m, 0, source.rows});
    return rows;
}

std::vector<HfRows> Builder::halfRows(const HfSource& source, bool upper) const {
    std::vector<HfRows> rows;
    for (int64_t m = 0; m < source.matrices; ++m)
        rows.push_back({source, m, upper ? source.rows / 2 : 0, source.rows / 2});
    return rows;
}

/// The rows of a tensor that holds several, one head after the other.
std::vector<HfRows> Builder::rowsOf(HfForm form, const HfSource& source, const std::string& name) const {
    /// Of `heads` equal runs of rows each, `count` rows from `first` on.
    struct Slice {
        int64_t first, count;
    };

    std::vector<Slice> slices;
    int64_t heads = config_.keyHeads(), rowsOfHead = 0;
    const int64_t dim = config_.headDim(), group = config_.heads() / heads;
    if (form == HfForm::GroupedQ || form == HfForm::GroupedK || form == HfForm::GroupedV) {
        rowsOfHead = (group + 2) * dim;
        slices = {form == HfForm::GroupedQ   ? Slice{0, group * dim}
                  : form == HfForm::GroupedK ? Slice{group * dim, dim}
                                             : Slice{(group + 1) * dim, dim}};
    } else if (form == HfForm::HeadsApart) {
        heads = config_.heads();
        rowsOfHead = 3 * dim;
        slices = {{0, dim}, {dim, dim}, {2 * dim, dim}};
    } else if (form == HfForm::LatentK || form == HfForm::LatentV) {
        heads = config_.heads();
        const int64_t k = config_.require("qk_nope_head_dim", 1, 65536), v = config_.require("v_head_dim", 1, 65536);
        rowsOfHead = k + v;
        slices = {form == HfForm::LatentK ? Slice{0, k} : Slice{k, v}};
    } else {
        heads = config_.require("linear_num_key_heads", 1, 65536);
        const int64_t k = config_.require("linear_key_head_dim", 1, 65536);
        const int64_t v = config_.require("linear_num_value_heads", 1, 65536) / heads *
                          config_.require("linear_value_head_dim", 1, 65536);
        rowsOfHead = 2 * k + 2 * v;
        slices = form == HfForm::DeltaZ ? std::vector<Slice>{{2 * k + v, v}}
                                        : std::vector<Slice>{{0, k}, {k, k}, {2 * k, v}};
    }
    if (source.matrices != 1 || source.rows != heads * rowsOfHead)
        badShape(name, std::to_string(heads) + " heads of " + std::to_string(rowsOfHead) + " rows are needed");
    std::vector<HfRows> rows;
    for (const Slice& slice : slices)
        for (int64_t h = 0; h < heads; ++h)
            rows.push_back({source, 0, h * rowsOfHead + slice.first, slice.count});
    return rows;
}

HfValue Builder::valueOf(const std::string& name, HfForm form) const {
    if (form == HfForm::NegatedExp)
        return HfValue::NegatedExp;
    const bool norm = name.ends_with("norm.weight") && !name.ends_with("ssm_norm.weight");
    return norm && config_.family().onePlusNorms ? HfValue::PlusOne : HfValue::AsItIs;
}

/// The rows of a GGUF, by the numbers they have in the folder; empty: they lie in the same order.
std::vector<int64_t> Builder::convertedOrder(const std::string& name, int64_t rows) const {
    const auto is = [&](std::string_view part) { return name.find(part) != name.npos; };
    std::vector<int64_t> order;
    if (config_.family().permuted && (is(".attn_q.") || is(".attn_k."))) {
        // Halves of a head that rope turns against each other become neighbours.
        const int64_t dim = rows / (is(".attn_q.") ? config_.heads() : config_.keyHeads());
        for (int64_t i = 0; dim > 0 && i < rows; ++i)
            order.push_back(i / dim * dim + i % 2 * (dim / 2) + i % dim / 2);
    } else if (config_.family().tiledHeads && (is(".ssm_") || is(".attn_gate.") || is(".attn_qkv."))) {
        const int64_t keys = config_.require("linear_num_key_heads", 1, 65536);
        const int64_t heads = config_.require("linear_num_value_heads", 1, 65536), group = heads / keys;
        const int64_t before =
            is(".ssm_conv1d.") || is(".attn_qkv.") ? 2 * keys * config_.require("linear_key_head_dim", 1, 65536) : 0;
        const int64_t each = (rows - before) / heads;
        if (is(".ssm_norm.") || group < 1 || each < 1 || before + each * heads != rows)
            return order;
        for (int64_t i = 0; i < before; ++i)
            order.push_back(i);
        for (int64_t h = 0; h < heads; ++h)
            for (int64_t i = 0; i < each; ++i)
                order.push_back(before + (h % keys * group + h / keys) * each + i);
    }
    return order;
}

/// Places rows, in the order of a GGUF where that is asked for.
void Builder::place(TensorEntry& entry, std::vector<HfRows> rows, HfForm form) const {
    const HfValue value = valueOf(entry.name, form);
    std::vector<HfRows> single; // row by row
    if (converted_)
        for (const HfRows& r : rows)
            for (int64_t i = 0; i < r.count; ++i)
                single.push_back({r.source, r.matrix, r.first + i, 1});
    const bool columns = entry.name.find(".ssm_out.") != std::string::npos;
    const std::vector<int64_t> order =
        converted_ ? convertedOrder(entry.name, columns ? rows[0].source.cols : static_cast<int64_t>(single.size()))
                   : std::vector<int64_t>();
    if (order.empty())
        return placeRows(entry, std::move(rows), value);
    if (columns)
        return placeColumns(entry, rows[0].source, order);
    std::vector<HfRows> ordered;
    for (const int64_t i : order)
        ordered.push_back(single[static_cast<size_t>(i)]);
    placeRows(entry, std::move(ordered), value);
}

void Builder::fill(TensorEntry& entry, HfForm form, const StoredTensor& stored) const {
    std::vector<int64_t> dims = reversed(stored.shape);
    const size_t n = stored.shape.size();
    const HfSource source = sourceOf(stored);
    if (form != HfForm::AsItIs && form != HfForm::Squeezed && form < HfForm::Mxfp4 && !source.readable())
        throw Error("The tensor " + printable(stored.name) + " is stored as " + printable(stored.type) +
                    ", which this version cannot read.");
    switch (form) {
    case HfForm::AsItIs:
    case HfForm::NegatedExp:
        setDims(entry, dims);
        return place(entry, allRows(converted_ ? sourceOf(stored, true) : source), form);
    case HfForm::Squeezed:
        if (n != 3 || stored.shape[1] != 1)
            badShape(stored.name, "channels x 1 x kernel is needed");
        setDims(entry, {dims[0], dims[2]});
        return place(entry,
                     allRows(sourceOf({.name = stored.name,
                                       .type = stored.type,
                                       .shape = {stored.shape[0], stored.shape[2]},
                                       .file = stored.file,
                                       .offset = stored.offset,
                                       .bytes = stored.bytes})),
                     form);
    case HfForm::Transposed:
    case HfForm::TransposedEven:
    case HfForm::TransposedOdd: {
        const int64_t step = form == HfForm::Transposed ? 1 : 2, first = form == HfForm::TransposedOdd ? 1 : 0;
        if (n < 2 || n > 3 || dims[0] % step != 0)
            badShape(stored.name, "matrices with an even number of columns are needed");
        std::vector<int64_t> turned = {dims[1], dims[0] / step};
        if (n == 3)
            turned.push_back(dims[2]);
        setDims(entry, turned);
        return placeTransposed(entry, allRows(source), first, step);
    }
    case HfForm::LowerHalf:
    case HfForm::UpperHalf:
        if (n < 2 || n > 3 || dims[1] % 2 != 0)
            badShape(stored.name, "matrices with an even number of rows are needed");
        dims[1] /= 2;
        setDims(entry, dims);
        return placeRows(entry, halfRows(source, form == HfForm::UpperHalf));
    case HfForm::EvenNumbers:
    case HfForm::OddNumbers:
        if (dims[0] % 2 != 0)
            badShape(stored.name, "an even number of columns is needed");
        dims[0] /= 2;
        setDims(entry, dims);
        return placeEveryNth(entry, source, form == HfForm::OddNumbers ? 1 : 0, 2);
    case HfForm::Mxfp4:
    case HfForm::Mxfp4Even:
    case HfForm::Mxfp4Odd:
        return fillMxfp4(entry, form, stored);
    case HfForm::LatentK: {
        const std::vector<HfRows> blocks = rowsOf(form, source, stored.name);
        setDims(entry, {blocks[0].count, source.cols, static_cast<int64_t>(blocks.size())});
        return placeTransposed(entry, blocks);
    }
    case HfForm::LatentV: {
        const std::vector<HfRows> rows = rowsOf(form, source, stored.name);
        setDims(entry, {source.cols, rows[0].count, static_cast<int64_t>(rows.size())});
        return placeRows(entry, rows);
    }
    default: {
        const HfSource columns = sourceOf(stored, true);
        const std::vector<HfRows> rows = rowsOf(form, columns, stored.name);
        int64_t count = 0;
        for (const HfRows& r : rows)
            count += r.count;
        setDims(entry, n == 1 ? std::vector<int64_t>{count} : std::vector<int64_t>{columns.cols, count});
        return place(entry, rows, form);
    }
    }
}

void Builder::fillMxfp4(TensorEntry& entry, HfForm form, const StoredTensor& stored) const {
    const std::string base = stored.name.substr(0, stored.name.size() - std::string_view("_blocks").size());
    const StoredTensor* scales = find(base + "_scales");
    const auto& s = stored.shape;
    const int64_t step = form == HfForm::Mxfp4 ? 1 : 2;
    if (stored.type != "U8" || s.size() != 4 || s[3] != 16 || s[1] % step != 0)
        badShape(stored.name, "bytes in blocks of 16 are needed");
    if (!scales || scales->type != "U8" || scales->shape != std::vector<int64_t>(s.begin(), s.end() - 1))
        throw Error("The scales of the tensor " + printable(stored.name) + " are missing or do not fit.");
    setDims(entry, {s[2] * 32, s[1] / step, s[0]});
    placeMxfp4(entry, stored, *scales, form == HfForm::Mxfp4Odd ? 1 : 0, step);
}

} // namespace

std::vector<TensorEntry> tensorsOf(const HfConfig& config, const std::vector<StoredTensor>& stored,
                                   Checkpoint::Form form) {
    Builder builder(config, stored, form);
    for (const StoredTensor& tensor : stored)
        builder.add(tensor);
    builder.addStacks();
    builder.addRopeFactors();
    return std::move(builder.tensors);
}

} // namespace hearth::engine
