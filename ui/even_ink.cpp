#include "ui/even_ink.h"

#include <QLibrary>

namespace hearth::ui {

void drawWithEvenInk() {
    using Library = void*;
    // Qt has no setting for it. Both are looked up, so that a Qt without them starts all the same.
    const auto library =
        reinterpret_cast<Library (*)()>(QLibrary::resolve(QStringLiteral("Qt6Gui"), 6, "_Z14qt_getFreetypev"));
    const auto set = reinterpret_cast<int (*)(Library, const char*, const char*, const void*)>(
        QLibrary::resolve(QStringLiteral("freetype"), 6, "FT_Property_Set"));
    const unsigned char no = 1;
    if (library && set)
        set(library(), "cff", "no-stem-darkening", &no);
}

} // namespace hearth::ui
