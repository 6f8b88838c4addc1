#include "tests/gui/models/model_samples.h"

#include "tests/gui/fixture.h"

#include <QAbstractButton>
#include <QCoreApplication>
#include <QLocale>

namespace hearth::ui::test {

namespace {

bool speaksChinese() {
    return QLocale().language() == QLocale::Chinese;
}

FitRow fit(FitKind kind, double speed, const QString& english, const QString& chinese) {
    return {kind, speaksChinese() ? chinese : english, speed, false};
}

} // namespace

QVector<ModelDetailsRow> someDetails() {
    const QVector<ModelRow> models = someModels();
    ModelDetailsRow starter;
    starter.path = models[0].path;
    starter.facts = QStringList{QStringLiteral("llama"), QStringLiteral("135\u00A0M"), QStringLiteral("Q4_1")};
    starter.licence = QStringLiteral("apache-2.0");
    starter.own = starter.starter = true;
    starter.bytes = 98'362'432;
    starter.lastUsed = QDateTime::currentDateTime();
    starter.tokensPerSecond = 184;
    starter.promptPerSecond = 2100;
    starter.templateNote = speaksChinese() ? QStringLiteral("对话格式：ChatML，与它的系列一致。")
                                           : QStringLiteral("Turns are written as ChatML, as its family does.");
    starter.trainedContext = starter.automaticContext = 8192;
    starter.maxThreads = 8;
    starter.caches = QStringList{QStringLiteral("f16"), QStringLiteral("q8_0"), QStringLiteral("q4_0")};
    ModelDetailsRow mistral = starter;
    mistral.path = models[1].path;
    mistral.store = QStringLiteral("Ollama");
    mistral.own = mistral.starter = false;
    mistral.facts = QStringList{QStringLiteral("llama"), QStringLiteral("7.2\u00A0B"), QStringLiteral("Q4_K_M")};
    ModelDetailsRow llama = mistral;
    llama.path = models[2].path;
    llama.store.clear();
    llama.own = true;
    llama.licence = QStringLiteral("llama3.1");
    llama.facts = QStringList{QStringLiteral("llama"), QStringLiteral("8.0\u00A0B"), QStringLiteral("Q5_K_M")};
    llama.lastUsed = {};
    llama.tokensPerSecond = 0;
    llama.templateNote = speaksChinese()
                             ? QStringLiteral("对话格式与它的系列不同：它自带一个从未发布过的模板。")
                             : QStringLiteral("Its template differs from its family's: it is none that was published.");
    llama.fit = fit(FitKind::Memory, 9.4, QStringLiteral("Needs 6.9 GB of 11.2 GB that are free."),
                    QStringLiteral("需要 6.9 GB，空闲 11.2 GB。"));
    llama.trainedContext = 131072;
    llama.thinks = true;
    llama.defaults.contextTokens = 16384;
    llama.defaults.sampling = {{QStringLiteral("temperature"), 0.6}};
    llama.recommended.sampling = {{QStringLiteral("temperature"), 0.7}, {QStringLiteral("topP"), 0.95}};
    return {starter, mistral, llama};
}

NetworkRow someNetwork(NetworkState state) {
    return {state,
            {QStringLiteral("huggingface.co"), QStringLiteral("www.modelscope.cn")},
            state == NetworkState::On ? QStringList{QStringLiteral("huggingface.co")} : QStringList()};
}

QVector<HubRow> someHubs() {
    return {{QStringLiteral("huggingface"),
             QStringLiteral("Hugging Face"),
             QStringLiteral("https://huggingface.co"),
             false,
             {}},
            {QStringLiteral("modelscope"),
             QStringLiteral("ModelScope"),
             QStringLiteral("https://www.modelscope.cn"),
             true,
             {}}};
}

QVector<CatalogRow> someCatalog(bool chinese) {
    CatalogRow small;
    small.id = QStringLiteral("qwen3-4b");
    small.name = QStringLiteral("Qwen3 4B");
    small.publisher = QStringLiteral("Qwen");
    small.strengths = chinese ? QStringLiteral("内存占用不大，中英文日常问答都好用。")
                              : QStringLiteral("Good everyday answers in Chinese and English with little memory.");
    small.licence = QStringLiteral("apache-2.0");
    small.languages = QStringList{QStringLiteral("en"), QStringLiteral("zh"), QStringLiteral("mul")};
    small.parameters = small.activeParameters = 4e9;
    small.context = 32768;
    small.thinks = true;
    small.fit = {FitKind::Memory, {}, 14.2, true};
    small.repos = {{QStringLiteral("huggingface"), QStringLiteral("Qwen/Qwen3-4B-GGUF")},
                   {QStringLiteral("modelscope"), QStringLiteral("Qwen/Qwen3-4B-GGUF")}};
    small.checked = QDate(2026, 11, 26);
    small.source = QStringLiteral("https://huggingface.co/Qwen/Qwen3-4B");
    CatalogRow experts = small;
    experts.id = QStringLiteral("qwen3-30b-a3b");
    experts.name = QStringLiteral("Qwen3 30B-A3B");
    experts.parameters = 30.5e9;
    experts.activeParameters = 3.3e9;
    experts.fit = {FitKind::WillNotFit, {}, 0, true};
    experts.repos = {{QStringLiteral("huggingface"), QStringLiteral("Qwen/Qwen3-30B-A3B-GGUF")}};
    CatalogRow english = small;
    english.id = QStringLiteral("phi-4");
    english.name = QStringLiteral("Phi-4");
    english.publisher = QStringLiteral("Microsoft");
    english.strengths = chinese ? QStringLiteral("英语的数学、逻辑和代码；事实性知识较弱。")
                                : QStringLiteral("Mathematics, logic and code in English; weaker in facts.");
    english.languages = QStringList{QStringLiteral("en")};
    english.parameters = english.activeParameters = 14.7e9;
    english.context = 16384;
    english.thinks = false;
    english.licence = QStringLiteral("mit");
    english.fit = {FitKind::Slow, {}, 3.6, true};
    english.repos = {{QStringLiteral("huggingface"), QStringLiteral("microsoft/phi-4-gguf")}};
    return {small, experts, english};
}

SearchRow someSearch() {
    SearchRow row;
    row.state = LoadState::Ready;
    row.hub = QStringLiteral("huggingface");
    row.words = QStringLiteral("qwen3 8b");
    row.models = {
        {QStringLiteral("Qwen/Qwen3-8B-GGUF"), QStringLiteral("apache-2.0"), false, 812345, 214,
         QDateTime(QDate(2025, 5, 21), QTime(9, 0))},
        {QStringLiteral("somebody/a-very-long-name-of-a-model-that-somebody-made-out-of-Qwen3-8B-Instruct-GGUF"),
         {},
         false,
         12,
         0,
         {}},
        {QStringLiteral("maker/Gated-8B-GGUF"), QStringLiteral("other"), true, 4200, 17, {}}};
    return row;
}

HubPageRow somePage() {
    HubPageRow row;
    row.state = LoadState::Ready;
    row.hub = QStringLiteral("huggingface");
    row.id = QStringLiteral("Qwen/Qwen3-8B-GGUF");
    row.address = QStringLiteral("https://huggingface.co/Qwen/Qwen3-8B-GGUF");
    row.licence = QStringLiteral("apache-2.0");
    row.card = QStringLiteral(
        "# Qwen3-8B\n\nA model of the **Qwen** series. See [its page](https://qwen.example/qwen3).\n\n"
        "| Property | Value |\n|:--|--:|\n| Parameters | 8.2B |\n| Context | 32,768 |\n\n"
        "```sh\nhearth-cli chat Qwen3-8B-Q4_K_M.gguf\n```\n\n![picture](https://tracker.example/p.png)\n");
    const auto group = [](const char* quant, qint64 bytes, const FitRow& fits) {
        FileGroupRow made;
        made.id = QStringLiteral("Qwen3-8B-") + QString::fromLatin1(quant);
        made.quant = QString::fromLatin1(quant);
        made.bytes = bytes;
        made.fit = fits;
        return made;
    };
    row.files = {
        group("Q2_K", 3'281'733'760,
              fit(FitKind::Gpu, 61, QStringLiteral("Needs 4.9 GB of 7.6 GB that are free on the GPU."),
                  QStringLiteral("需要 4.9 GB，显卡空闲 7.6 GB。"))),
        group("Q4_K_M", 5'027'783'488,
              fit(FitKind::GpuAndMemory, 22,
                  QStringLiteral("3.1 GB on the GPU, 4.0 GB in memory, for a context of 8,192 tokens."),
                  QStringLiteral("显卡上 3.1 GB，内存里 4.0 GB，上下文 8,192 个词元。"))),
        group(
            "Q6_K", 6'725'899'040,
            fit(FitKind::Memory, 8.1,
                QStringLiteral("Needs 8.3 GB of 11.2 GB that are free: 6.7 GB for its weights, 1.2 GB for a "
                               "context of 8,192 tokens, 0.4 GB to compute with."),
                QStringLiteral("需要 8.3 GB，空闲 11.2 GB：权重 6.7 GB，8,192 个词元的上下文 1.2 GB，计算 0.4 GB。"))),
        group("Q8_0", 8'709'518'112,
              fit(FitKind::Slow, 3.9, QStringLiteral("Needs 10.3 GB of 11.2 GB that are free."),
                  QStringLiteral("需要 10.3 GB，空闲 11.2 GB。"))),
        group("BF16", 16'388'044'000,
              fit(FitKind::WillNotFit, 0,
                  QStringLiteral("Needs 18.0 GB, and 11.2 GB are free. A context of 2,048 tokens would need 17.1 GB."),
                  QStringLiteral("需要 18.0 GB，空闲 11.2 GB。上下文改为 2,048 个词元也要 17.1 GB。"))),
        group("IQ4_XS", 4'560'000'000, {}),
    };
    row.files[1].suggested = true;
    row.files[0].path = QStringLiteral("/models/qwen3-8b-q2_k.gguf");
    row.files[2].queued = true;
    row.files[4].files = 2;
    row.files[5].judging = true;
    return row;
}

QVector<DownloadRow> someDownloads() {
    const auto row = [](const char* id, const QString& title, DownloadState state, qint64 bytes) {
        DownloadRow made;
        made.id = QString::fromLatin1(id);
        made.title = title;
        made.hub = QStringLiteral("huggingface");
        made.model = QStringLiteral("Qwen/Qwen3-8B-GGUF");
        made.state = state;
        made.bytes = bytes;
        made.total = 5'027'783'488;
        return made;
    };
    DownloadRow running = row("1", QStringLiteral("Qwen3-8B-GGUF Q4_K_M"), DownloadState::Running, 2'100'000'000);
    running.bytesPerSecond = 11.4e6;
    running.secondsLeft = 257;
    DownloadRow checking =
        row("2", QStringLiteral("gemma-3-4b-it-GGUF Q4_K_M"), DownloadState::Checking, 5'027'783'488);
    checking.checked = 0.62;
    DownloadRow waiting = row("3", QStringLiteral("gpt-oss-20b-GGUF MXFP4"), DownloadState::Waiting, 0);
    DownloadRow paused = row("4", QStringLiteral("SmolLM3-3B-GGUF Q8_0"), DownloadState::Paused, 800'000'000);
    DownloadRow failed = row("5", QStringLiteral("Gated-8B-GGUF Q5_K_M"), DownloadState::Failed, 0);
    failed.gated = true;
    failed.notice = speaksChinese()
                        ? QStringLiteral("huggingface.co 要求先接受这个模型的许可。请在它的页面上接受，再放入令牌。")
                        : QStringLiteral("huggingface.co wants this model's licence accepted first. Accept it "
                                         "on its page, then put in a token.");
    DownloadRow full = row("6", QStringLiteral("Qwen3-14B-GGUF Q8_0"), DownloadState::Failed, 1'200'000'000);
    full.notice = speaksChinese() ? QStringLiteral("磁盘还差 3.1 GB。请腾出空间，再继续。")
                                  : QStringLiteral("3.1 GB are missing on the disk. Make room there, then go on.");
    DownloadRow finished = row("7", QStringLiteral("LFM2-1.2B-GGUF Q4_K_M"), DownloadState::Finished, 5'027'783'488);
    finished.path = QStringLiteral("/models/lfm2.gguf");
    return {running, checking, waiting, paused, failed, full, finished};
}

QVector<StoreRow> someStores() {
    return {{QStringLiteral("ollama"), QStringLiteral("Ollama"), QStringLiteral("/usr/share/ollama/.ollama/models"), 5,
             31'200'000'000, 0},
            {QStringLiteral("lmstudio"), QStringLiteral("LM Studio"), QStringLiteral("/home/somebody/.lmstudio/models"),
             3, 18'400'000'000, 1},
            {QStringLiteral("folder"), {}, QStringLiteral("/data/models"), 1, 4'400'000'000, 0}};
}

ImportPlanRow somePlan() {
    ImportPlanRow row;
    row.path = QStringLiteral("/home/somebody/Downloads/Mistral-7B-Instruct-v0.3-Q4_K_M.gguf");
    row.name = QStringLiteral("Mistral 7B Instruct v0.3");
    row.how = ImportHow::Copy;
    row.target = QStringLiteral("/home/somebody/.local/share/hearth/models/Mistral-7B-Instruct-v0.3-Q4_K_M.gguf");
    row.bytes = row.writtenBytes = 4'372'812'000;
    row.freeBytes = 88'000'000'000;
    return row;
}

QVector<TrashRow> someTrash() {
    return {
        {QStringLiteral("t1"), QStringLiteral("Old 3B"), 1'900'000'000, QDateTime::currentDateTime().addDays(-2), 28}};
}

FirstRunRow someFirstRun(bool chinese) {
    FirstRunRow row;
    row.active = true;
    row.language = chinese ? QStringLiteral("zh_CN") : QStringLiteral("en");
    row.suggestions = someCatalog(chinese);
    row.suggestions.removeAt(1);
    row.machine = chinese ? QStringLiteral("空闲内存 11.2 GB，没有显卡。")
                          : QStringLiteral("11.2 GB of memory are free, no GPU.");
    row.starter = true;
    row.modelFolder = QStringLiteral("/home/somebody/.local/share/hearth/models");
    row.dataFolder = QStringLiteral("/home/somebody/.local/share/hearth");
    return row;
}

void fillModels(MainWindow& window) {
    ModelsPanel& panel = window.modelsPanel();
    for (const ModelDetailsRow& row : someDetails())
        panel.setDetails(row);
    panel.setTrash(someTrash());
    panel.setHubs(someHubs());
    panel.setNetwork(someNetwork(NetworkState::NotAsked));
    panel.setCatalog(someCatalog(speaksChinese()));
    panel.setDownloads(someDownloads());
    panel.setStores(someStores(), true);
}

void openModels(MainWindow& window, ModelsPanel::Section section) {
    fillModels(window);
    for (QAbstractButton* button : window.findChildren<QAbstractButton*>())
        if (button->isCheckable() && button->text() == QCoreApplication::translate("hearth::ui::MainWindow", "Models"))
            button->click();
    window.modelsPanel().show(section);
}

} // namespace hearth::ui::test
