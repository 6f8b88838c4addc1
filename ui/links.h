#pragma once

#include <QString>
#include <QUrl>

namespace hearth::ui {

/// What the window says before it opens an address that a model wrote.
struct LinkOffer {
    bool opens = false; // http, https and mailto; nothing else leaves the program
    QString host;       // where it leads, in ASCII: no look-alike letters, no user part
    QString address;    // in full, as it would be asked for, in ASCII
};

LinkOffer linkOffer(const QUrl&);

} // namespace hearth::ui
