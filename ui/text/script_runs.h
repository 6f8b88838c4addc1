#pragma once

#include <QString>
#include <QVector>

namespace hearth::ui {

/// What a character asks of the typesetter.
enum class CharClass : quint8 {
    Other,       // Latin and everything that has no rule of its own
    Han,         // ideographs, kana, bopomofo: the CJK face, never slanted
    CjkMark,     // full-width punctuation and forms: the CJK face
    SharedMark,  // “ ” ‘ ’ … — ·: the CJK face beside Han, the Latin one elsewhere
    SpacedLatin, // letters and digits that keep an eighth of an em from Han
};

CharClass charClass(char32_t);

/// CJK as the public "CJK-friendly" rules of emphasis define it: wide, full or half-width and no emoji, or hangul.
bool isCjk(char32_t);

/// One stretch of text set in one face.
struct ScriptRun {
    int start = 0;
    int length = 0;
    bool cjk = false;        // the CJK face
    bool spaceAfter = false; // Han meets Latin at its end: an eighth of an em, by layout only
};

/// Runs that cover the whole text in order. Linear.
QVector<ScriptRun> scriptRuns(QStringView);

} // namespace hearth::ui
