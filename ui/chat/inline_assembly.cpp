#include "ui/chat/bare_address.h"
#include "ui/chat/inline_pieces.h"

#include <array>

namespace hearth::ui {
namespace {

constexpr quint16 kNested[] = {StyleStrong, StyleEmphasis, StyleStrike};

/// Which link each piece belongs to, and whether it is a picture's description.
struct LinkPaint {
    std::vector<int> link;
    std::vector<bool> image;
};

/// The outermost link wins, an image inside of a link belongs to it. Ranges nest, and an outer one stands after its
/// inner ones: going backwards with a union of what is painted visits each piece once.
LinkPaint paintLinks(size_t pieces, const std::vector<StyledRange>& ranges) {
    LinkPaint paint{std::vector<int>(pieces + 1, -1), std::vector<bool>(pieces + 1, false)};
    std::vector<int> nextFree(pieces + 2);
    for (size_t i = 0; i < nextFree.size(); ++i)
        nextFree[i] = int(i);
    const auto find = [&](int i) {
        while (nextFree[size_t(i)] != i)
            i = nextFree[size_t(i)] = nextFree[size_t(nextFree[size_t(i)])];
        return i;
    };
    for (size_t k = ranges.size(); k-- > 0;) {
        const StyledRange& r = ranges[k];
        if (!(r.style & StyleLink))
            continue;
        for (int i = find(r.from); i < r.to; i = find(i)) {
            paint.link[size_t(i)] = r.link;
            nextFree[size_t(i)] = i + 1;
        }
    }
    std::vector<int> depth(pieces + 2, 0);
    for (const StyledRange& r : ranges)
        if (r.style & StyleImage) {
            ++depth[size_t(r.from)];
            --depth[size_t(r.to)];
        }
    for (size_t i = 0, open = 0; i < pieces; ++i) {
        open += size_t(depth[i]);
        paint.image[i] = open > 0;
    }
    return paint;
}

void addRun(InlineText* out, QStringView text, quint16 style, int link) {
    const int start = int(out->text.size());
    out->text += text;
    if (style == StylePlain)
        return;
    if (!out->runs.isEmpty()) {
        InlineRun& last = out->runs.last();
        if (last.start + last.length == start && last.style == style && last.link == link) {
            last.length += int(text.size());
            return;
        }
    }
    out->runs.append({start, int(text.size()), style, link});
}

// Bare addresses in what brackets or delimiters kept from being read at once, and mail addresses.

BareAddress nextAddress(QStringView t, qsizetype from, qsizetype limit) {
    const QStringView s = t.left(limit);
    for (qsizetype i = from; i < limit; ++i) {
        const char16_t c = s[i].unicode() | 32;
        BareAddress found;
        if (c == 'h' || c == 'w')
            found = scanBareAddress(s, i);
        else if (s[i] == u'@')
            found = scanBareMail(s, i, from);
        if (found.end > 0)
            return found;
    }
    return {};
}

/// The found runs put in among the others; those inside of one cut it in pieces.
QVector<InlineRun> merged(const QVector<InlineRun>& runs, const QVector<InlineRun>& found) {
    QVector<InlineRun> out;
    int k = 0;
    for (InlineRun r : runs) {
        for (; k < found.size() && found[k].start < r.start; ++k)
            out.append(found[k]);
        for (; k < found.size() && found[k].start < r.start + r.length; ++k) {
            if (found[k].start > r.start)
                out.append({r.start, found[k].start - r.start, r.style, r.link});
            out.append(found[k]);
            const int end = found[k].start + found[k].length;
            r.length -= end - r.start;
            r.start = end;
        }
        if (r.length > 0)
            out.append(r);
    }
    for (; k < found.size(); ++k)
        out.append(found[k]);
    return out;
}

void linkAddresses(InlineText* out) {
    const QString text = out->text;
    if (!text.contains(u'@') && !text.contains(u"://") && !text.contains(u"www.", Qt::CaseInsensitive))
        return;
    QVector<InlineRun> found;
    int run = 0;
    for (qsizetype i = 0; i < text.size();) {
        while (run < out->runs.size() && out->runs[run].start + out->runs[run].length <= i)
            ++run;
        const bool more = run < out->runs.size();
        const bool inside = more && out->runs[run].start <= i;
        const qsizetype limit = inside ? out->runs[run].start + out->runs[run].length
                                : more ? qsizetype(out->runs[run].start)
                                       : text.size();
        const quint16 style = inside ? out->runs[run].style : quint16(StylePlain);
        BareAddress a;
        if (!(style & (StyleCode | StyleLink | StyleMath | StyleHtml)))
            a = nextAddress(text, i, limit);
        if (a.end < 0) {
            i = limit;
            continue;
        }
        out->links.append(a.prefix.toString() + text.mid(a.start, a.end - a.start));
        found.append({int(a.start), int(a.end - a.start), quint16(style | StyleLink), int(out->links.size()) - 1});
        i = a.end;
    }
    if (!found.isEmpty())
        out->runs = merged(out->runs, found);
}

} // namespace

void assemble(const std::vector<Piece>& pieces, const std::vector<StyledRange>& ranges, InlineText* out) {
    using Depths = std::array<int, std::size(kNested)>;
    std::vector<Depths> changes(pieces.size() + 1, Depths{});
    for (const StyledRange& r : ranges)
        for (size_t k = 0; k < std::size(kNested); ++k)
            if (r.style == kNested[k]) {
                ++changes[size_t(r.from)][k];
                --changes[size_t(r.to)][k];
            }
    const LinkPaint paint = paintLinks(pieces.size(), ranges);
    Depths depth{};
    for (size_t i = 0; i < pieces.size(); ++i) {
        quint16 style = pieces[i].style;
        for (size_t k = 0; k < std::size(kNested); ++k) {
            depth[k] += changes[i][k];
            style |= depth[k] > 0 ? kNested[k] : quint16(StylePlain);
        }
        style |= paint.link[i] >= 0 ? StyleLink : StylePlain;
        style |= paint.image[i] ? StyleImage : StylePlain;
        const Piece& p = pieces[i];
        const QStringView text = p.count >= 0 ? p.text.left(p.count) : p.text;
        if (!text.isEmpty())
            addRun(out, text, style, paint.link[i]);
    }
    linkAddresses(out);
}

} // namespace hearth::ui
