#include "ui/chat/message_details.h"

#include "ui/this_machine.h"

#include <QDateTime>
#include <QLocale>

#include <algorithm>

namespace hearth::ui {

QString singleLine(QString text) {
    for (QChar& c : text)
        if (c.unicode() < 0x20 || (c.unicode() >= 0x7F && c.unicode() < 0xA0))
            c = u' ';
    return text;
}

QString MessageDetails::leavingMark(const MessageRow& row) {
    constexpr qsizetype kLongestHost = 60;
    if (row.remote.isEmpty())
        return {};
    QString host = singleLine(row.remote);
    if (host.size() > kLongestHost) // its end says whose it is
        host = QStringLiteral("…") + host.right(kLongestHost - 1);
    // What listens here may pass it on: nobody can tell from this side.
    const QStringList hosts = row.remote.split(QStringLiteral(", "));
    return std::all_of(hosts.begin(), hosts.end(), isThisMachine)
               ? tr("sent to another program, %1, and may have left this machine").arg(host)
               : tr("left this machine for %1").arg(host);
}

QString MessageDetails::speaker(const MessageRow& row, bool named) {
    const QString name = named ? singleLine(row.model) : QString(), mark = leavingMark(row);
    return name.isEmpty() || mark.isEmpty() ? name + mark : name + QStringLiteral(" · ") + mark;
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
    if (!row.remote.isEmpty())
        lines << tr("This chat was sent to %1 for it.").arg(singleLine(row.remote));
    if (r.promptTokens > 0) {
        QString read = (r.about ? tr("Read about %L1 tokens") : tr("Read %L1 tokens")).arg(r.promptTokens);
        if (r.prefilledTokens > 0 && r.prefilledTokens < r.promptTokens && !r.about)
            read = tr("Read %L1 tokens, %L2 of them anew").arg(r.promptTokens).arg(r.prefilledTokens);
        if (r.prefillSeconds > 0)
            read += QStringLiteral(" · ") + tr("%1 s").arg(locale.toString(r.prefillSeconds, 'f', 1));
        lines << read;
    }
    if (r.generatedTokens > 0) {
        QString wrote = (r.about ? tr("Wrote about %L1 tokens") : tr("Wrote %L1 tokens")).arg(r.generatedTokens);
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
