#pragma once

#include <QString>

namespace hearth::ui {

/// An HTML character reference without its `&` and `;`; empty when it is none.
QString decodeEntity(QStringView name);

/// The character reference whose `&` stands at `at`: the end of it, -1 when there is none.
qsizetype scanEntity(QStringView, qsizetype at, QString* decoded);

} // namespace hearth::ui
