#pragma once

#include "ui/models/model_rows.h"

namespace hearth::ui {

// Numbers as the page of models says them, in the window's language.

QString bytesWords(qint64); // "4.7 GB"; empty below 0
QString rateWords(double bytesPerSecond);
QString durationWords(qint64 seconds); // "3 min"
QString usedWords(const QDateTime& lastUsed, const QDateTime& now);
QString parameterWords(double count); // "8.2 B"
QString tokensWords(int tokens);      // "32,768"
QString speedWords(double tokensPerSecond);
QString languageWords(const QStringList& codes, int most = 6); // each in its own language
QString fitName(FitKind);                                      // what stands on the pill
QString listed(const QStringList&);                            // names, with what stands between names
QString sentences(const QStringList&);                         // one after the other; empty ones are left out
/// Parts that are not empty, with dots between.
QString dotted(const QStringList&);

} // namespace hearth::ui
