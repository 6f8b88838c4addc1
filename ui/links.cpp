#include "ui/links.h"

namespace hearth::ui {

namespace {

constexpr qsizetype kLongest = 2000; // characters; longer addresses carry data, not a place

} // namespace

LinkOffer linkOffer(const QUrl& url) {
    LinkOffer offer;
    offer.address = QString::fromLatin1(url.toEncoded());
    const bool web = url.scheme() == QLatin1String("http") || url.scheme() == QLatin1String("https");
    if (web)
        offer.host = QString::fromLatin1(QUrl::toAce(url.host()));
    else if (url.scheme() == QLatin1String("mailto"))
        offer.host = url.path();
    offer.opens = url.isValid() && !offer.host.isEmpty() && offer.address.size() <= kLongest;
    if (offer.address.size() > kLongest)
        offer.address = offer.address.left(kLongest) + QChar(0x2026);
    return offer;
}

} // namespace hearth::ui
