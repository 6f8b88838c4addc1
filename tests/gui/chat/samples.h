#pragma once

#include "ui/rows.h"

namespace hearth::ui::test {

inline MessageRow user(RowId id, const QString& text) {
    MessageRow row;
    row.id = id;
    row.role = Role::User;
    row.text = text;
    return row;
}

inline MessageRow answer(RowId id, const QString& text, const QString& model = QStringLiteral("SmolLM2 135M")) {
    MessageRow row;
    row.id = id;
    row.role = Role::Assistant;
    row.text = text;
    row.model = model;
    return row;
}

/// A rich conversation, as people have it.
QVector<MessageRow> english();
QVector<MessageRow> chinese();
QVector<MessageRow> states();    // every state a message can be in
QVector<MessageRow> code();      // that folds, that is wide
QVector<MessageRow> languages(); // in their colours

} // namespace hearth::ui::test
