#include "engine/jinja/builtins.h"
#include "engine/jinja/nodes.h"

namespace hearth::engine::jinja {

namespace {

const Value& other(const Args& args, const char* test) {
    if (args.positional.empty())
        throw Failure(std::string("the test '") + test + "' needs a value to compare with");
    return args.positional[0];
}

bool isDefined(Run&, const Value& v, Args&) {
    return !v.isUndefined();
}

bool isUndefined(Run&, const Value& v, Args&) {
    return v.isUndefined();
}

bool isNone(Run&, const Value& v, Args&) {
    return v.isNone();
}

bool isBoolean(Run&, const Value& v, Args&) {
    return v.isBool();
}

bool isTrue(Run&, const Value& v, Args&) {
    return v.isBool() && v.boolean();
}

bool isFalse(Run&, const Value& v, Args&) {
    return v.isBool() && !v.boolean();
}

bool isInteger(Run&, const Value& v, Args&) {
    return v.isInt();
}

bool isFloat(Run&, const Value& v, Args&) {
    return v.isFloat();
}

bool isNumber(Run&, const Value& v, Args&) {
    return v.isNumber();
}

bool isString(Run&, const Value& v, Args&) {
    return v.isString();
}

bool isMapping(Run&, const Value& v, Args&) {
    return v.isDict();
}

bool isIterable(Run&, const Value& v, Args&) {
    return v.isString() || v.isSequence() || v.isDict() || v.isUndefined();
}

bool isSequence(Run&, const Value& v, Args&) {
    return v.isString() || v.isSequence() || v.isDict() || v.isUndefined();
}

bool isCallable(Run&, const Value& v, Args&) {
    return v.is(Object::Kind::Function) || v.isUndefined(); // Python's Undefined has a call, which fails
}

double remainder(Run& run, const Value& v, const Value& by, const char* test) {
    if (!v.isNumber() || !by.isNumber())
        throw Failure(std::string("the test '") + test + "' needs a number");
    return binary(run, BinaryOperator::Modulo, v, by).number();
}

bool isOdd(Run& run, const Value& v, Args&) {
    return remainder(run, v, int64_t(2), "odd") == 1;
}

bool isEven(Run& run, const Value& v, Args&) {
    return remainder(run, v, int64_t(2), "even") == 0;
}

bool isDivisible(Run& run, const Value& v, Args& args) {
    return remainder(run, v, other(args, "divisibleby"), "divisibleby") == 0;
}

template <bool upper>
bool isCase(Run& run, const Value& v, Args&) {
    const TaggedText text = toText(run, v);
    return mapCase(text, upper ? Case::Upper : Case::Lower).text == text.text &&
           mapCase(text, upper ? Case::Lower : Case::Upper).text != text.text;
}

bool isEqual(Run& run, const Value& v, Args& args) {
    return equal(run, v, other(args, "eq"));
}

bool isNotEqual(Run& run, const Value& v, Args& args) {
    return !equal(run, v, other(args, "ne"));
}

bool isLess(Run& run, const Value& v, Args& args) {
    return compare(run, v, other(args, "lt")) < 0;
}

bool isLessEqual(Run& run, const Value& v, Args& args) {
    return compare(run, v, other(args, "le")) <= 0;
}

bool isGreater(Run& run, const Value& v, Args& args) {
    return compare(run, v, other(args, "gt")) > 0;
}

bool isGreaterEqual(Run& run, const Value& v, Args& args) {
    return compare(run, v, other(args, "ge")) >= 0;
}

bool isIn(Run& run, const Value& v, Args& args) {
    return contains(run, v, other(args, "in"));
}

bool isSame(Run& run, const Value& v, Args& args) {
    const Value& o = other(args, "sameas");
    if (v.object() || o.object())
        return v.object() == o.object();
    return v.isBool() == o.isBool() && v.isFloat() == o.isFloat() && equal(run, v, o);
}

bool isEscaped(Run&, const Value& v, Args&) {
    return v.isMarkup();
}

bool isFilter(Run&, const Value& v, Args&) {
    return v.isString() && findFilter(v.text().text) != nullptr;
}

bool isTest(Run&, const Value& v, Args&) {
    return v.isString() && findTest(v.text().text) != nullptr;
}

struct TestRow {
    std::string_view name;
    Test test;
};

constexpr TestRow kTests[] = {
    {"boolean", isBoolean},
    {"callable", isCallable},
    {"defined", isDefined},
    {"divisibleby", isDivisible},
    {"eq", isEqual},
    {"equalto", isEqual},
    {"escaped", isEscaped},
    {"even", isEven},
    {"false", isFalse},
    {"filter", isFilter},
    {"float", isFloat},
    {"ge", isGreaterEqual},
    {"greaterthan", isGreater},
    {"gt", isGreater},
    {"in", isIn},
    {"integer", isInteger},
    {"iterable", isIterable},
    {"le", isLessEqual},
    {"lessthan", isLess},
    {"lower", isCase<false>},
    {"lt", isLess},
    {"mapping", isMapping},
    {"ne", isNotEqual},
    {"none", isNone},
    {"number", isNumber},
    {"odd", isOdd},
    {"sameas", isSame},
    {"sequence", isSequence},
    {"string", isString},
    {"test", isTest},
    {"true", isTrue},
    {"undefined", isUndefined},
    {"upper", isCase<true>},
    {"==", isEqual},
    {"!=", isNotEqual},
    {"<", isLess},
    {"<=", isLessEqual},
    {">", isGreater},
    {">=", isGreaterEqual},
};

} // namespace

Test findTest(std::string_view name) {
    for (const TestRow& row : kTests)
        if (row.name == name)
            return row.test;
    return nullptr;
}

} // namespace hearth::engine::jinja
