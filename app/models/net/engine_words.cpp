#include "app/models/net/engine_words.h"

#include <QCoreApplication>

#include <algorithm>
#include <iterator>

namespace hearth::app {
namespace {

using engine::Trouble;

/// In English the engine's own sentence stands instead: it knows more.
struct TroubleWords {
    Trouble trouble;
    const char* sentence; // %1 and so on: engine::Reason::values
};

constexpr TroubleWords kTroubles[] = {
    {Trouble::CannotOpen, QT_TRANSLATE_NOOP("Engine", "The file %1 cannot be opened.")},
    {Trouble::Damaged, QT_TRANSLATE_NOOP("Engine", "The file %1 is damaged or not complete. Download it again.")},
    {Trouble::Changed, QT_TRANSLATE_NOOP("Engine", "The file %1 changed while it was loaded. Load it again.")},
    {Trouble::UnknownFamily, QT_TRANSLATE_NOOP("Engine", "This version cannot run models of the family %1.")},
    {Trouble::Unfit,
     QT_TRANSLATE_NOOP("Engine", "This version cannot run this file: it is not as models of the family %1 are.")},
    {Trouble::UnknownQuant,
     QT_TRANSLATE_NOOP("Engine", "This version cannot run this file: the format of its tensor %1 is not supported.")},
    {Trouble::TooLarge, QT_TRANSLATE_NOOP("Engine", "%1 needs %2 of memory, but only %3 are free for it. A smaller "
                                                    "model, or one quantized to fewer bits, would fit.")},
    {Trouble::ContextTooLarge, QT_TRANSLATE_NOOP("Engine", "%1 needs %2 of memory, but only %3 are free for it. A "
                                                           "context of %4 tokens would fit.")},
    {Trouble::NoMemory, QT_TRANSLATE_NOOP("Engine", "There is not enough memory to load %1.")},
};

} // namespace

QString toldByEngine(const engine::Reason& reason, const std::string& english) {
    const QString exact = QString::fromStdString(english);
    const auto* row = std::find_if(std::begin(kTroubles), std::end(kTroubles),
                                   [&](const TroubleWords& words) { return words.trouble == reason.trouble; });
    if (row == std::end(kTroubles))
        return exact;
    QString sentence = QCoreApplication::translate("Engine", row->sentence);
    if (sentence == QLatin1String(row->sentence))
        return exact;
    // All at once: a file may be called "%2".
    QString out;
    for (qsizetype i = 0; i < sentence.size(); ++i) {
        const int which = sentence[i] == u'%' && i + 1 < sentence.size() ? sentence[i + 1].digitValue() : -1;
        if (which < 1 || size_t(which) > reason.values.size())
            out += sentence[i];
        else
            out += QString::fromStdString(reason.values[size_t(which) - 1]), ++i;
    }
    return out + QLatin1Char('\n') + QCoreApplication::translate("Engine", "Exactly: %1").arg(exact);
}

QString toldByEngine(const std::exception& e) {
    const auto* error = dynamic_cast<const engine::Error*>(&e);
    return error ? toldByEngine(error->reason(), e.what()) : QString::fromUtf8(e.what());
}

} // namespace hearth::app
