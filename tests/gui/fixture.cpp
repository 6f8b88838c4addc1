#include "tests/gui/fixture.h"

#include <QCoreApplication>
#include <QTest>

namespace hearth::ui::test {

QVector<ConversationRow> someConversations() {
    const QDateTime now = QDateTime::currentDateTime();
    return {
        {1, QStringLiteral("How a fireplace works"), now, ConversationState::Generating},
        {2, QStringLiteral("\u5468\u672B\u665A\u9910\u7684\u4E94\u4E2A\u4E3B\u610F Dinner"), now,
         ConversationState::Waiting},
        {3, QString(), now.addDays(-1), ConversationState::Unread},
        {4, QStringLiteral("A very long title that says everything there is to say about the follow-up appointment"),
         now.addDays(-3), ConversationState::Interrupted},
        {5, QStringLiteral("Prices of birch wood"), now.addDays(-6), ConversationState::Idle},
        {6, QStringLiteral("Letter to the landlord"), now.addDays(-40), ConversationState::Idle},
        {7, QStringLiteral("\u590D\u8BCA\u8BB0\u5F55"), now.addDays(-80), ConversationState::Idle},
    };
}

QVector<ModelRow> someModels() {
    return {
        {QStringLiteral("/models/smollm2-135m.gguf"), QStringLiteral("SmolLM2 135M Instruct"),
         QStringLiteral("135 M \u00B7 Q4_1 \u00B7 98 MB"), ModelState::Loaded, 1, true},
        {QStringLiteral("/models/mistral-7b.gguf"), QStringLiteral("Mistral 7B Instruct v0.3"),
         QStringLiteral("7 B \u00B7 Q4_K \u00B7 4.4 GB"), ModelState::Loading, 0.42, false},
        {QStringLiteral("/models/llama-3.gguf"), QStringLiteral("Llama 3.1 8B Instruct"),
         QStringLiteral("8 B \u00B7 Q5_K \u00B7 5.7 GB"), ModelState::NotLoaded, 0, false},
        {QStringLiteral("/away/gone.gguf"), QStringLiteral("Gone"), QStringLiteral("8 B"), ModelState::Missing, 0,
         false},
    };
}

QVector<MessageRow> someMessages() {
    MessageRow question{10, Role::User, MessageState::Complete, QStringLiteral("How does a fireplace work?")};
    MessageRow answer{
        11, Role::Assistant, MessageState::Complete,
        QStringLiteral("Warm air rises and leaves through the flue, which draws fresh air to the fire.\n\n"
                       "- The **damper** regulates the draught.\n- The hearth keeps the heat.\n\n"
                       "\u58C1\u7089\u91CC\u7684\u70ED\u7A7A\u6C14\u4E0A\u5347\u3002")};
    answer.model = QStringLiteral("SmolLM2 135M Instruct");
    return {question, answer};
}

SettingsRow someSettings() {
    SettingsRow row;
    row.language = QStringLiteral("en");
    row.theme = ThemeChoice::Light;
    row.modelFolder = QStringLiteral("/home/somebody/.local/share/hearth/models");
    row.maxThreads = 8;
    return row;
}

ConversationContent someContent() {
    ConversationContent content;
    content.row = someConversations().first();
    content.messages = someMessages();
    content.modelPath = someModels().first().path;
    return content;
}

void settle() {
    for (int i = 0; i < 3; ++i) {
        QCoreApplication::sendPostedEvents();
        QCoreApplication::processEvents();
        QCoreApplication::sendPostedEvents(nullptr, QEvent::DeferredDelete);
    }
}

QWidget* named(QWidget& window, const QString& accessibleName) {
    for (QWidget* widget : window.findChildren<QWidget*>())
        if (widget->accessibleName() == accessibleName && widget->isVisible())
            return widget;
    return nullptr;
}

} // namespace hearth::ui::test
