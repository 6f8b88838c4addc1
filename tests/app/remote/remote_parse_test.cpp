// What strangers send, taken apart: every form that servers are known to have, and what none should.
#include "app/models/remote/chat_reply.h"
#include "app/models/remote/chat_request.h"
#include "app/models/remote/endpoint.h"
#include "app/models/remote/remote_words.h"
#include "app/models/remote/sse.h"
#include "ui/chat/message_details.h"
#include "ui/this_machine.h"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include <random>

namespace hearth::app {
namespace {

using nlohmann::json;

struct Heard {
    std::vector<SseEvent> events;
    bool over = false, tooLarge = false;
};

Heard hear(const std::string& bytes, size_t slice) {
    Heard heard;
    SseReader reader([&](const SseEvent& event) {
        heard.events.push_back(event);
        return event.data != "[DONE]";
    });
    for (size_t at = 0; at < bytes.size() && !heard.over; at += slice)
        heard.over = !reader.feed(std::string_view(bytes).substr(at, slice));
    reader.finish();
    heard.tooLarge = reader.tooLarge();
    return heard;
}

std::vector<std::string> dataOf(const Heard& heard) {
    std::vector<std::string> data;
    for (const SseEvent& event : heard.events)
        data.push_back(event.name == "message" ? event.data : event.name + "=" + event.data);
    return data;
}

RemoteEndpoint endpoint(const char* kind = "", int context = 4096) {
    RemoteEndpoint e;
    e.id = QStringLiteral("office");
    e.name = QStringLiteral("Office");
    e.base = QUrl(QStringLiteral("http://127.0.0.1:8080/v1"));
    e.model = QStringLiteral("qwen3");
    e.kind = &remoteKind(kind);
    e.contextTokens = context;
    e.on = true;
    return e;
}

PromptInput chat(std::vector<std::pair<const char*, std::string>> messages) {
    PromptInput input;
    for (auto& [role, content] : messages)
        input.messages.push_back({.role = role, .content = std::move(content), .thoughts = {}});
    return input;
}

json bodyOf(const RemoteEndpoint& e, const PromptInput& input,
            const std::vector<std::pair<std::string, double>>& sampling = {}) {
    return json::parse(chatRequest(e, input, sampling).body.toStdString());
}

} // namespace

TEST(Sse, isTakenApartHoweverItIsCut) {
    struct Case {
        const char* what;
        std::string bytes;
        std::vector<std::string> data;
    };

    const Case cases[] = {
        {"plain", "data: a\n\ndata: b\n\n", {"a", "b"}},
        {"line ends", "data: a\r\n\r\ndata: b\r\rdata: c\n\n", {"a", "b", "c"}},
        {"no space", "data:a\n\ndata:  b\n\n", {"a", " b"}},
        {"several lines", "data: a\ndata\ndata: b\n\n", {"a\n\nb"}},
        {"comments, ids", ": ping\n\nid: 7\nretry: 5\ndata: a\n\n", {"a"}},
        {"names", "event: ping\ndata: {}\n\ndata: a\n\n", {"ping={}", "a"}},
        {"an error field", "error: {\"message\":\"no\"}\n\n", {"error={\"message\":\"no\"}"}},
        {"a mark of byte order",
         "\xEF\xBB\xBF"
         "data: a\n\n",
         {"a"}},
        {"nothing behind the end", "data: a\n\ndata: [DONE]\n\ndata: b\n\n", {"a", "[DONE]"}},
        {"cut before the last line's end", "data: a\n\ndata: b", {"a", "b"}},
        {"bytes that mean nothing", std::string("\0\xff\xfe:\n\n\n\n", 8) + "x: data\n\n", {}},
        {"nothing", "", {}},
    };
    for (const Case& c : cases)
        for (size_t slice = 1; slice <= std::max<size_t>(1, c.bytes.size()); ++slice)
            EXPECT_EQ(dataOf(hear(c.bytes, slice)), c.data) << c.what << ", " << slice << " bytes at a time";
}

TEST(Sse, endsAtItsLimits) {
    EXPECT_TRUE(hear("data: " + std::string(SseReader::kLongestLine + 1, 'x'), 4096).tooLarge);
    EXPECT_FALSE(hear("data: " + std::string(SseReader::kLongestLine - 100, 'x') + "\n\n", 4096).tooLarge);
    std::string many;
    while (many.size() < SseReader::kLargestEvent + (1 << 20))
        many += "data: " + std::string(1 << 19, 'x') + '\n';
    const Heard event = hear(many, 65536);
    EXPECT_TRUE(event.tooLarge);
    EXPECT_TRUE(event.events.empty());
    const std::string noise(1 << 20, ':');
    SseReader reader([](const SseEvent&) { return true; });
    int fed = 0;
    while (reader.feed(noise.substr(1) + '\n') && fed < 200)
        ++fed;
    EXPECT_TRUE(reader.tooLarge());
    EXPECT_LE(fed, int(SseReader::kLargestStream >> 20));
}

TEST(Reply, everyServersPiecesAreRead) {
    struct Case {
        const char* what;
        const char* text;
        const char *said, *thought, *finish;
    };

    const Case cases[] = {
        {"OpenAI", R"({"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]})", "Hi", "", ""},
        {"the first", R"({"choices":[{"index":0,"delta":{"role":"assistant","content":null}}]})", "", "", ""},
        {"the end", R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})", "", "", "stop"},
        {"vLLM, SGLang, llama.cpp", R"({"choices":[{"delta":{"reasoning_content":"hm"}}]})", "", "hm", ""},
        {"Ollama, newer vLLM", R"({"choices":[{"delta":{"content":"","reasoning":"hm"}}]})", "", "hm", ""},
        {"both", R"({"choices":[{"delta":{"reasoning_content":"hm","reasoning":"hm"}}]})", "", "hm", ""},
        {"no stream", R"({"choices":[{"message":{"content":"Hi","reasoning_content":"hm"},"finish_reason":"length"}]})",
         "Hi", "hm", "length"},
        {"parts", R"({"choices":[{"delta":{"content":[{"type":"text","text":"H"},{"type":"text","text":"i"}]}}]})",
         "Hi", "", ""},
        {"a refusal", R"({"choices":[{"delta":{"refusal":"No."}}]})", "No.", "", ""},
        {"the one asked for",
         R"({"choices":[{"index":1,"delta":{"content":"b"}},{"index":0,"delta":{"content":"a"}}]})", "a", "", ""},
        {"strange kinds", R"({"choices":[{"index":"x","delta":{"content":7,"reasoning":[1,{}]},"finish_reason":{}}]})",
         "", "", ""},
        {"choices of nothing", R"({"choices":[null,1,"x"]})", "", "", ""},
        {"usage alone", R"({"choices":null,"usage":{"prompt_tokens":3,"completion_tokens":4}})", "", "", ""},
        {"a lone surrogate is no JSON", R"({"choices":[{"delta":{"content":"a\ud800"}}]})", nullptr, "", ""},
        {"NUL", R"({"choices":[{"delta":{"content":"a\u0000b"}}]})", "ab", "", ""},
        {"no UTF-8", "{\"choices\":[{\"delta\":{\"content\":\"a\xff\"}}]}", "a\xEF\xBF\xBD", "", ""},
        {"an array", "[]", nullptr, "", ""},
        {"nothing", "", nullptr, "", ""},
        {"half", R"({"choices":[{"del)", nullptr, "", ""},
    };
    for (const Case& c : cases) {
        const auto piece = readChat(c.text);
        ASSERT_EQ(bool(piece), c.said != nullptr) << c.what;
        if (!piece)
            continue;
        EXPECT_EQ(piece->text, c.said) << c.what;
        EXPECT_EQ(piece->thoughts, c.thought) << c.what;
        EXPECT_EQ(piece->finish, c.finish) << c.what;
        EXPECT_FALSE(piece->failed) << c.what;
    }
    EXPECT_TRUE(readChat(R"({"type":"ping"})")->unknown);
    const auto usage = readChat(R"({"choices":[],"usage":{"prompt_tokens":31,"completion_tokens":-4,
                                    "prompt_tokens_details":{"cached_tokens":8}}})");
    EXPECT_EQ(usage->promptTokens, 31);
    EXPECT_EQ(usage->tokens, -1); // not a count
    EXPECT_EQ(usage->cachedTokens, 8);
    const auto deep = readChat("{\"choices\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}");
    EXPECT_TRUE(!deep || deep->text.empty());
    EXPECT_FALSE(readChat(std::string(900'000, '[')));
}

TEST(Reply, refusalsAreReadInEveryForm) {
    const std::pair<const char*, const char*> cases[] = {
        {R"({"error":{"message":"no key","type":"auth","code":401}})", "no key"},            // OpenAI, llama.cpp
        {R"({"object":"error","message":"too long","type":"BadRequestError"})", "too long"}, // vLLM, SGLang
        {R"({"error":"model 'x' not found"})", "model 'x' not found"},                       // Ollama
        {R"({"detail":"Not Found"})", "Not Found"},                                          // FastAPI
        {R"({"detail":[{"loc":["body"],"msg":"field required"}]})", "field required"},       // FastAPI
        {R"([{"error":{"message":"quota"}}])", "quota"},                                     // others
        {"Bad\r\n\tgateway", "Bad gateway"},
        {"<html><h1>502</h1></html>", ""},
        {R"({"error":{"message":{"error":{"message":{"error":{"message":"deep"}}}}}})", ""},
        {"{}", ""},
        {"", ""},
        {"\"turned \xE2\x80\xAE around\"", "turned around"},
    };
    for (const auto& [body, said] : cases)
        EXPECT_EQ(refusalText(body).toStdString(), said) << body;
    EXPECT_LE(refusalText("{\"error\":\"" + QByteArray(100'000, 'x') + "\"}").size(), 300);
    EXPECT_TRUE(readChat(R"({"error":{"message":"out of memory"}})")->failed);
    EXPECT_EQ(readChat(R"({"object":"error","message":"gone"})")->said, QStringLiteral("gone"));
    EXPECT_FALSE(readChat(R"({"error":null,"choices":[]})")->failed);
}

TEST(Reply, listsOfModelsAreRead) {
    const auto models = readModels(R"({"object":"list","data":[
        {"id":"org/qwen3","owned_by":"vllm","max_model_len":32768},
        {"id":"/m.gguf","owned_by":"llamacpp","meta":{"n_ctx":2048,"n_ctx_train":8192}},
        {"id":"m:latest","owned_by":"library"},
        {"id":""}, {"id":7}, {"id":"a\nb"}, null, {"name":"x"}, {"id":"big","max_model_len":1e300}]})");
    ASSERT_TRUE(models);
    ASSERT_EQ(models->size(), 4u);
    EXPECT_EQ(models->at(0).id, QStringLiteral("org/qwen3"));
    EXPECT_EQ(models->at(0).contextTokens, 32768);
    EXPECT_EQ(models->at(1).contextTokens, 2048); // what it serves, not what it was trained with
    EXPECT_STREQ(remoteKind(models->at(1).ownedBy).name, "llama.cpp");
    EXPECT_STREQ(remoteKind(models->at(2).ownedBy).name, "Ollama");
    EXPECT_STREQ(remoteKind("someone").name, "");
    EXPECT_EQ(models->at(3).contextTokens, 0);
    EXPECT_TRUE(readModels(R"({"data":[]})")->empty());
    for (const char* none : {"", "[]", "{}", R"({"data":{}})", "<html>"})
        EXPECT_FALSE(readModels(none)) << none;
    QByteArray many = "{\"data\":[";
    for (int i = 0; i < 5000; ++i)
        many += "{\"id\":\"m" + QByteArray::number(i) + "\"},";
    EXPECT_EQ(readModels(many + "{}]}")->size(), 1000u);
}

TEST(Thoughts, areToldAtTheBeginningOnly) {
    struct Case {
        std::string all, text, thoughts;
    };

    const Case cases[] = {
        {"Hello", "Hello", ""},
        {"<think>a b</think>\n\nHello", "Hello", "a b"},
        {"\n <think>a</think>Hello <think>b</think>", "Hello <think>b</think>", "a"},
        {"No <think>a</think>", "No <think>a</think>", ""},
        {"<thin", "<thin", ""},
        {"<think>never closed </thin", "", "never closed </thin"},
        {"<think></think>", "", ""},
        {"  ", "  ", ""},
        {"a < b", "a < b", ""},
        {std::string(64, ' ') + "<think>a</think>b", "b", "a"},
        {std::string(65, '\n') + "<think>a</think>b", std::string(65, '\n') + "<think>a</think>b", ""},
        {"</think>x", "</think>x", ""},
    };
    for (const Case& c : cases)
        for (size_t slice = 1; slice <= c.all.size(); ++slice) {
            LeadingThoughts splitter;
            std::string text, thoughts;
            for (size_t at = 0; at < c.all.size(); at += slice) {
                std::string piece = c.all.substr(at, slice), thought;
                splitter.split(piece, thought);
                text += piece;
                thoughts += thought;
            }
            splitter.finish(text, thoughts);
            EXPECT_EQ(text, c.text) << c.all << ' ' << slice;
            EXPECT_EQ(thoughts, c.thoughts) << c.all << ' ' << slice;
        }
}

// A server that sends nothing but white space is not waited for, nor searched from its beginning with each piece.
TEST(Reply, whiteSpaceIsNotHeldWithoutEnd) {
    LeadingThoughts splitter;
    size_t given = 0;
    for (int i = 1; i <= 4000; ++i) {
        std::string piece = "\n", thought;
        splitter.split(piece, thought);
        given += piece.size();
        ASSERT_LE(size_t(i) - given, 64u);
    }
}

TEST(Reply, noNoiseBreaksIt) {
    std::mt19937 random(7);
    const std::string good =
        R"({"choices":[{"index":0,"delta":{"content":"Hi","reasoning":"x"},"finish_reason":"stop"}],)"
        R"("usage":{"prompt_tokens":3},"error":{"message":"m"}})";
    for (int i = 0; i < 20'000; ++i) {
        std::string text = good;
        for (int n = int(random() % 4) + 1; n > 0; --n) {
            const size_t at = random() % text.size();
            switch (random() % 3) {
            case 0:
                text[at] = char(random());
                break;
            case 1:
                text.erase(at, random() % 8);
                break;
            default:
                text.insert(at, text.substr(random() % text.size(), random() % 12));
            }
            if (text.empty())
                text = "{";
        }
        const auto piece = readChat(text);
        EXPECT_LE(piece ? piece->said.size() : 0, 300);
        refusalText(QByteArray::fromStdString(text));
        readModels(QByteArray::fromStdString(text));
        hear(text, 5);
    }
}

TEST(Address, isMadeOfWhatIsTyped) {
    const std::pair<const char*, const char*> good[] = {
        {"http://127.0.0.1:8080", "http://127.0.0.1:8080/v1"},
        {" localhost:11434/ ", "http://localhost:11434/v1"},
        {"192.168.1.7:8000/v1", "http://192.168.1.7:8000/v1"},
        {"[::1]:8080", "http://[::1]:8080/v1"},
        {"api.example.org", "https://api.example.org/v1"},
        {"https://gw.example/openai/v1/chat/completions", "https://gw.example/openai/v1"},
        {"https://gw.example/api/v3/models/", "https://gw.example/api/v3"},
    };
    for (const auto& [typed, base] : good) {
        QString problem;
        const auto url = baseAddress(QString::fromLatin1(typed), &problem);
        ASSERT_TRUE(url) << typed << ": " << problem.toStdString();
        EXPECT_EQ(url->toString().toStdString(), base) << typed;
    }
    for (const char* typed : {"", " ", "ftp://x", "file:///etc/passwd", "http://", "http://u:p@x/v1",
                              "https://x/v1?key=1", "https://x/#a", "http://a b/", "javascript:alert(1)"}) {
        QString problem;
        EXPECT_FALSE(baseAddress(QString::fromLatin1(typed), &problem)) << typed;
        EXPECT_FALSE(problem.isEmpty()) << typed;
    }
}

TEST(Address, whatCanBeReadOnTheWayNeedsAWord) {
    const std::pair<const char*, bool> cases[] = {
        {"https://api.example/v1", false},       {"http://127.0.0.1:1/v1", false},  {"http://localhost/v1", false},
        {"http://[::1]:8080/v1", false},         {"http://192.168.0.9/v1", false},  {"http://10.1.2.3/v1", false},
        {"http://[fd00::1]/v1", false},          {"http://8.8.8.8/v1", true},       {"http://gpu.example/v1", true},
        {"http://100.64.0.9:8080/v1", true},     {"http://100.127.1.1/v1", true},   {"http://224.0.0.9/v1", true},
        {"http://255.255.255.255/v1", true},     {"http://169.254.1.2/v1", true},   {"http://172.16.0.1/v1", false},
        {"http://localhost.evil.example", true}, {"http://[2001:db8::1]/v1", true}, {"http://gpu/v1", true},
    };
    for (const auto& [base, exposed] : cases) {
        EXPECT_EQ(isExposed(QUrl(QString::fromLatin1(base))), exposed) << base;
        RemoteEndpoint e = endpoint();
        e.base = QUrl(QString::fromLatin1(base));
        const NetworkGate open(NetworkGate::State::On);
        EXPECT_EQ(!refusal(e, open).isEmpty(), exposed) << base;
        e.plainAllowed = true;
        EXPECT_TRUE(refusal(e, open).isEmpty()) << base;
        e.on = false;
        EXPECT_FALSE(refusal(e, open).isEmpty()) << base;
    }
}

// What another program of this machine does with it nobody knows; of a host that is none it is known.
TEST(Address, theMarkSaysWhetherItSurelyLeft) {
    const std::pair<const char*, bool> cases[] = {
        {"127.0.0.1:8080", false},
        {"[::1]:1, localhost", false},
        {"gpu.example", true},
        {"192.168.0.9", true},
        {"127.0.0.1:8080, gpu.example", true},
        {"127.0.0.1.evil.example", true},
        {"0.0.0.0:8080", false},
        {"127.300.0.1", true},
        {"localhost.example", true},
        {"[::ffff:127.0.0.1]:80", false},
        {"[::ffff:10.0.0.1]:80", true},
        {"127.0.0.1,gpu.example", true},
    };
    for (const auto& [hosts, left] : cases) {
        ui::MessageRow row;
        row.remote = QString::fromLatin1(hosts);
        const QString mark = ui::MessageDetails::leavingMark(row);
        EXPECT_TRUE(mark.contains(row.remote)) << hosts;
        EXPECT_EQ(mark.startsWith(QStringLiteral("left this machine")), left) << hosts;
    }
}

// What the mark calls this machine is what addresses call so, and nothing else is.
TEST(Address, oneFunctionTellsThisMachine) {
    for (const char* host : {"127.0.0.1", "127.9.8.7", "0.0.0.0", "localhost", "[::1]", "[::]", "[::ffff:127.0.0.1]"}) {
        QString problem;
        const auto base = baseAddress(QStringLiteral("http://%1:8080").arg(QString::fromLatin1(host)), &problem);
        ASSERT_TRUE(base) << host << problem.toStdString();
        RemoteEndpoint e = endpoint();
        e.base = *base;
        EXPECT_TRUE(ui::isThisMachine(e.host())) << host << " as " << e.host().toStdString();
        EXPECT_TRUE(ui::isThisMachine(base->host())) << host;
        EXPECT_FALSE(isExposed(*base)) << host;
    }
    for (const char* host :
         {"", "10.0.0.1", "128.0.0.1", "[::2]", "[fe80::1]", "localhost.", "1127.0.0.1", "x127.0.0.1"})
        EXPECT_FALSE(ui::isThisMachine(QString::fromLatin1(host))) << host;
}

TEST(Address, aKeyBelongsToIt) {
    RemoteEndpoint a = endpoint();
    RemoteEndpoint b = a;
    b.base.setPath(QStringLiteral("/other/v1"));
    b.name = QStringLiteral("x");
    EXPECT_EQ(remoteKeyName(a), remoteKeyName(b));
    b.base = QUrl(QStringLiteral("http://127.0.0.1:8081/v1"));
    EXPECT_NE(remoteKeyName(a), remoteKeyName(b));
    const std::pair<const char*, const char*> ids[] = {
        {" GPU at work! ", "gpu-at-work-"}, {"公司", "公司-"}, {"/../", "engine-"}};
    for (const auto& [name, id] : ids) {
        const QString one = newRemoteId(QString::fromUtf8(name)), two = newRemoteId(QString::fromUtf8(name));
        EXPECT_EQ(one.left(one.size() - 12), QString::fromUtf8(id));
        EXPECT_NE(one, two); // never used again
    }
    EXPECT_TRUE(isRemotePath(QStringView(a.path())));
    EXPECT_EQ(remoteId(a.path()), a.id);
    EXPECT_EQ(remoteId(QStringLiteral("/remote:x")), QString());
    EXPECT_EQ(endpointOf(storedEndpoint(a)).path(), a.path());
}

TEST(Request, saysWhatTheServerKnows) {
    const PromptInput input = chat({{"system", "Be brief."}, {"user", "Hi"}, {"assistant", ""}, {"user", "you"}});
    const json plain = bodyOf(endpoint(), input);
    EXPECT_EQ(plain["model"], "qwen3");
    EXPECT_EQ(plain["stream"], true);
    EXPECT_EQ(plain["messages"],
              json::parse(R"([{"role":"system","content":"Be brief."},{"role":"user","content":"Hi\n\nyou"}])"));
    for (const char* absent : {"temperature", "top_k", "max_tokens", "continue_final_message"})
        EXPECT_FALSE(plain.contains(absent)) << absent; // the server's own values hold
    using Set = std::vector<std::pair<std::string, double>>;
    // What was set and nothing else: of the rest the server's own values hold.
    EXPECT_EQ(bodyOf(endpoint("vllm"), input, Set{{"topP", 0.9}}).size(), plain.size() + 1);
    const Set s = {{"temperature", 3},         {"topK", 0}, {"topP", 0.95}, {"minP", 0.05},
                   {"repetitionPenalty", 1.1}, {"x", 1}};
    const json known = bodyOf(endpoint("vllm"), input, s);
    EXPECT_EQ(known["temperature"], 2.0);
    EXPECT_EQ(known["top_p"], 0.95);
    EXPECT_EQ(known["top_k"], -1);
    EXPECT_EQ(known["min_p"], 0.05);
    EXPECT_EQ(known["repetition_penalty"], 1.1);
    EXPECT_FALSE(known.contains("x"));
    EXPECT_EQ(bodyOf(endpoint("llamacpp"), input, s)["repeat_penalty"], 1.1);
    EXPECT_EQ(samplingOf(*endpoint("llamacpp").kind).size(), 5u); // what the editor offers
    EXPECT_EQ(samplingOf(*endpoint().kind), (std::vector<std::string>{"temperature", "topP"}));
    const json openai = bodyOf(endpoint(), input, s);
    for (const char* unknown : {"top_k", "min_p", "repetition_penalty", "repeat_penalty"})
        EXPECT_FALSE(openai.contains(unknown)) << unknown; // it would refuse the request
}

TEST(Request, goesOnWithAReplyWhereThatCanBeAsked) {
    PromptInput input = chat({{"user", "Count"}, {"assistant", "One, two"}});
    input.continueLast = true;
    EXPECT_EQ(bodyOf(endpoint("vllm"), input)["continue_final_message"], true);
    EXPECT_EQ(bodyOf(endpoint("vllm"), input)["add_generation_prompt"], false);
    EXPECT_FALSE(bodyOf(endpoint("llamacpp"), input).contains("continue_final_message")); // by itself
    EXPECT_EQ(bodyOf(endpoint("llamacpp"), input)["messages"].back()["role"], "assistant");
    EXPECT_TRUE(cannotAsk(endpoint("sglang"), input).isEmpty());
    EXPECT_FALSE(cannotAsk(endpoint(), input).isEmpty());
    input.continueLast = false;
    EXPECT_TRUE(cannotAsk(endpoint(), input).isEmpty());
}

TEST(Request, thoughtsAreSwitchedWhereThatCanBeAsked) {
    PromptInput input = chat({{"user", "Hi"}});
    for (const char* kind : {"vllm", "sglang", "llamacpp", "library", ""})
        for (const char* field : {"chat_template_kwargs", "reasoning_effort"})
            EXPECT_FALSE(bodyOf(endpoint(kind), input).contains(field)) << kind; // the server's own way holds
    input.thinking = false;
    for (const char* kind : {"vllm", "sglang", "llamacpp"})
        EXPECT_EQ(bodyOf(endpoint(kind), input)["chat_template_kwargs"]["enable_thinking"], false) << kind;
    EXPECT_EQ(bodyOf(endpoint("library"), input)["reasoning_effort"], "none");
    EXPECT_FALSE(bodyOf(endpoint(), input).contains("reasoning_effort"));
    input.thinking = true;
    EXPECT_EQ(bodyOf(endpoint("vllm"), input)["chat_template_kwargs"]["enable_thinking"], true);
}

TEST(Request, theHistoryIsCutToTheContext) {
    PromptInput input = chat({{"system", "Be brief."}});
    for (int i = 0; i < 200; ++i) {
        input.messages.push_back({.role = "user", .content = "Question number " + std::to_string(i), .thoughts = {}});
        input.messages.push_back({.role = "assistant", .content = "An answer of some words to it.", .thoughts = "no"});
    }
    input.messages.push_back({.role = "user", .content = "Last", .thoughts = {}});
    const RemoteEndpoint e = endpoint("", 1024);
    const ChatRequest request = chatRequest(e, input, {});
    const json messages = json::parse(request.body.toStdString())["messages"];
    EXPECT_LE(request.aboutTokens, promptBudget(1024) * 3 / 4);
    EXPECT_GT(request.leftOut, 0);
    EXPECT_EQ(size_t(request.leftOut) + messages.size(), input.messages.size());
    EXPECT_EQ(messages.front()["role"], "system");
    EXPECT_EQ(messages.at(1)["role"], "user");
    EXPECT_EQ(messages.back()["content"], "Last");
    EXPECT_EQ(request.body.count("\"no\""), 0); // thoughts are not sent back
    // A server that counts more gets less.
    EXPECT_GT(chatRequest(e, input, {}, 2.0).leftOut, request.leftOut);
    // What does not fit alone still goes: only the server knows.
    const ChatRequest large = chatRequest(e, chat({{"user", std::string(20'000, 'x')}}), {});
    EXPECT_EQ(large.leftOut, 0);
    EXPECT_GT(large.aboutTokens, 1024);
    EXPECT_EQ(chatRequest(e, {}, {}).leftOut, 0);
    EXPECT_EQ(chatRequest(e, chat({{"user", "bad \xff utf-8 \xe5\x9b"}}), {}).body.count("utf-8"), 1);
}

// Against what the tokenizers of Qwen3, DeepSeek-V3 and gpt-oss count: never less, and not much more.
TEST(Request, tokensAreEstimatedALittleHigh) {
    struct Case {
        const char* text;
        int counted, most;
    };

    const Case cases[] = {
        {"The quick brown fox jumps over the lazy dog.", 10, 12},
        {"She sells sea shells by the sea shore, and the shells she sells are surely seashells.", 20, 23},
        {"今天天气很好，我们去公园散步吧。", 12, 18},
        {"for (int i = 0; i < n; ++i) {\n    sum += values[i];\n}", 23, 29},
    };
    for (const Case& c : cases) {
        const int about = aboutTokens(c.text);
        EXPECT_GE(about, c.counted) << c.text;
        EXPECT_LE(about, c.most) << c.text;
    }
    EXPECT_EQ(aboutTokens(""), 0);
    EXPECT_GT(aboutTokens("\xff\xfe\xfd"), 0);
    EXPECT_GE(aboutTokens(std::string(1'000'000, 'a')), 100'000);
}

TEST(Words, everyFailureIsASentenceThatSaysWhatToDo) {
    RemoteEndpoint e = endpoint();
    const std::string body = R"({"error":{"message":"because"}})";
    for (const int status : {400, 401, 403, 404, 405, 408, 409, 413, 418, 422, 429, 500, 502, 503, 504, 599}) {
        const QString text = failureText(e, {.kind = HttpError::Kind::Status, .status = status, .retryAfter = 30},
                                         QByteArray::fromStdString(body), false);
        EXPECT_TRUE(text.contains(QStringLiteral("Office")) || text.contains(QStringLiteral("qwen3"))) << status;
        EXPECT_TRUE(text.endsWith(QStringLiteral("It says: because"))) << text.toStdString();
        EXPECT_FALSE(text.contains(QLatin1Char('%'))) << text.toStdString();
    }
    const HttpError unauthorized{.kind = HttpError::Kind::Status, .status = 401};
    const QString without = failureText(e, unauthorized, {}, false);
    e.hasKey = true;
    EXPECT_NE(failureText(e, unauthorized, {}, false), without);
    const HttpError bad{.kind = HttpError::Kind::Status, .status = 400};
    const QByteArray tooLong = R"({"error":{"message":"request (5031 tokens) exceeds the available context size"}})";
    EXPECT_TRUE(failureText(e, bad, tooLong, false).contains(QStringLiteral("longer than what Office can read")));
    // Nothing that a server or a name says is taken for a place to fill in.
    e.name = QStringLiteral("%2 of %1");
    e.model = QStringLiteral("%1");
    const HttpError missing{.kind = HttpError::Kind::Status, .status = 404};
    EXPECT_TRUE(
        failureText(e, missing, R"({"error":"%1"})", false).startsWith(QStringLiteral("%2 of %1 knows no model “%1”")));
    const NetworkGate off(NetworkGate::State::Off), notAsked;
    for (const NetworkGate* gate : {&off, &notAsked})
        EXPECT_TRUE(refusal(e, *gate).contains(QStringLiteral("Models, Discover")));
}

} // namespace hearth::app
