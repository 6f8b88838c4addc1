#include "ui/chat/message_details.h"

#include <QDateTime>
#include <QLocale>

namespace hearth::ui {

QString singleLine(QString text) {
    for (QChar& c : text)
        if (c.unicode() < 0x20 || (c.unicode() >= 0x7F && c.unicode() < 0xA0))
            c = u' ';
    return text;
}

QStringList MessageDetails::lines(const ChatDocument& document, int index) {
    const MessageRow& row = document.message(index);
    const QLocale locale;
    const ReplyReceipt& r = row.receipt;
    const bool user = row.role != Role::Assistant;
    QStringList lines;
    QStringList first;
    if (row.time.isValid())
        first << locale.toString(row.time, QLocale::ShortFormat);
    if (!user && !row.model.isEmpty())
        first << singleLine(row.model);
    if (!first.isEmpty())
        lines << first.join(QStringLiteral(" · "));
    if (user) {
        lines << tr("%n character(s)", nullptr, int(document.source(index, Part::Body).size()));
        return lines;
    }
    if (r.promptTokens > 0) {
        QString read = tr("Read %L1 tokens").arg(r.promptTokens);
        if (r.prefilledTokens > 0 && r.prefilledTokens < r.promptTokens)
            read = tr("Read %L1 tokens, %L2 of them anew").arg(r.promptTokens).arg(r.prefilledTokens);
        if (r.prefillSeconds > 0)
            read += QStringLiteral(" · ") + tr("%1 s").arg(locale.toString(r.prefillSeconds, 'f', 1));
        lines << read;
    }
    if (r.generatedTokens > 0) {
        QString wrote = tr("Wrote %L1 tokens").arg(r.generatedTokens);
        if (r.decodeSeconds > 0)
            wrote += QStringLiteral(" · ") + tr("%1 s").arg(locale.toString(r.decodeSeconds, 'f', 1)) +
                     QStringLiteral(" · ") +
                     tr("%1 tokens/s").arg(locale.toString(r.generatedTokens / r.decodeSeconds, 'f', 1));
        lines << wrote;
    }
    if (r.leftOutMessages > 0)
        lines << tr("%n oldest message(s) had no room in the context", nullptr, r.leftOutMessages);
    if (lines.isEmpty())
        lines << tr("Nothing more is known of it.");
    return lines;
}

} // namespace hearth::ui
