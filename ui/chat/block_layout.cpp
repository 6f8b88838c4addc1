#include "ui/chat/block_layout.h"

#include <QFontMetricsF>
#include <QTextOption>

#include <algorithm>
#include <cmath>

namespace hearth::ui {
namespace {

constexpr int kMaxIndentShare = 2;   // containers take at most this part of the column: half of it
constexpr int kCellPadding = 12;     // px left and right of a cell's text
constexpr int kRowPadding = 6;       // px above and below it
constexpr int kMinColumn = 64;       // px
constexpr int kShortColumn = 112;    // px
constexpr int kMaxNatural = 1 << 20; // px of a line that does not wrap

bool isSignal(QChar c) {
    return c == u'\n';
}

/// '\n' as QTextLayout wants it; control characters as nothing that could take part in the layout.
QString displayed(QStringView text, bool tabs) {
    QString out = text.toString();
    for (QChar& c : out) {
        const char16_t u = c.unicode();
        if (isSignal(c))
            c = QChar(QChar::LineSeparator);
        else if (u == '\t' && tabs)
            continue;
        else if (u < 0x20 || (u >= 0x7F && u < 0xA0))
            c = u == '\t' ? QChar(u' ') : QChar(0xFFFD);
        else if ((u >= 0x202A && u <= 0x202E) || (u >= 0x2066 && u <= 0x2069))
            c = QChar(0x200B); // a direction override could make a text read as another one
    }
    return out;
}

/// One device pixel, whatever the scale.
void paintHairline(QPainter& painter, int x, int y, int width, const QColor& color) {
    painter.fillRect(QRectF(x, y, width, 1 / std::max(1.0, painter.deviceTransform().m22())), color);
}

Qt::Alignment columnAlignment(QChar c) {
    return c == u'c' ? Qt::AlignHCenter : c == u'r' ? Qt::AlignRight : Qt::AlignLeft;
}

} // namespace

BlockLayout::~BlockLayout() = default;

BlockLayout::BlockLayout(const LayoutRequest& request)
    : type_(request.type), text_(request.blocks.inlines(request.index)) {
    const Block& block = request.blocks.block(request.index);
    blockId_ = block.id;
    kind_ = block.kind;
    voice_ = request.voice;
    slice_ = block.slice;
    info_ = block.info;
    width_ = request.width;
    headRow_ = kind_ == BlockKind::TableRow && block.level == 0;
    style_ = kind_ == BlockKind::Heading && voice_ != Voice::Thought ? TypeSheet::headingStyle(block.level)
                                                                     : TypeSheet::textStyle(voice_);
    pitch_ = type_.pitch(style_);
    placeContainers(request);
    switch (kind_) {
    case BlockKind::Code:
        layCode(request);
        break;
    case BlockKind::TableRow:
        layRow(request);
        break;
    case BlockKind::Rule:
        height_ = 1;
        break;
    default:
        layText(request);
    }
}

/// The left edge of the text, the bars of quotes, and the marks of the items that begin here.
void BlockLayout::placeContainers(const LayoutRequest& request) {
    const Block& block = request.blocks.block(request.index);
    QVector<const Container*> path;
    for (int i = block.container; i >= 0; i = request.blocks.container(i).parent)
        path.prepend(&request.blocks.container(i));
    const int limit = width_ / kMaxIndentShare;
    int items = 0;
    for (const Container* c : path)
        items += c->quote ? 0 : 1;
    int item = 0;
    for (const Container* c : path) {
        const int step = type_.scaled(c->quote ? kQuoteIndent : kListIndent);
        const bool fits = left_ + step <= limit;
        if (c->quote) {
            if (fits)
                quoteBars_.append(left_);
        } else if (++item > items - block.markers) {
            const bool innermost = item == items;
            const QString number = c->ordered ? QString::number(c->number) + c->delimiter : QString();
            marks_.push_back(
                {number, fits ? left_ : std::max(0, left_ - step), innermost ? block.task : -1, c->listDepth});
        }
        if (fits)
            left_ += step;
    }
    // A long number pushes its own text, never beyond the column.
    if (!marks_.empty() && !marks_.back().text.isEmpty()) {
        const int needed =
            int(std::ceil(QFontMetricsF(type_.font(style_, false)).horizontalAdvance(marks_.back().text))) + 8;
        left_ = std::min(std::max(left_, marks_.back().x + needed), std::max(left_, limit));
    }
}

BlockLayout::Piece BlockLayout::makePiece(const LayoutRequest&, int start, int length, int width, TextStyle style,
                                          bool bold, Qt::Alignment alignment, bool wrap,
                                          const QVector<QTextLayout::FormatRange>& colours) {
    Piece piece;
    piece.start = start;
    piece.length = length;
    piece.width = width;
    const QStringView text = QStringView(text_.text).mid(start, length);
    const bool code = style == TextStyle::Code;
    piece.layout = std::make_unique<QTextLayout>(displayed(text, code), type_.font(style, bold));
    QVector<TypeSheet::Styled> runs;
    const auto first = std::lower_bound(text_.runs.cbegin(), text_.runs.cend(), start,
                                        [](const InlineRun& r, int at) { return r.start + r.length <= at; });
    for (auto r = first; r != text_.runs.cend() && r->start < start + length; ++r) {
        const int from = std::max(0, r->start - start);
        runs.append({from, std::min(length, r->start + r->length - start) - from, r->style});
    }
    if (code)
        piece.layout->setFormats(colours);
    else
        piece.layout->setFormats(type_.formats(piece.layout->text(), runs, style, bold));
    QTextOption option;
    option.setWrapMode(wrap ? QTextOption::WrapAtWordBoundaryOrAnywhere : QTextOption::ManualWrap);
    option.setAlignment(alignment);
    if (code)
        option.setTabStopDistance(4 * QFontMetricsF(type_.font(style, false)).horizontalAdvance(u' '));
    piece.layout->setTextOption(option);
    piece.layout->setCacheEnabled(true);
    const int pitch = type_.pitch(style);
    const int baseline = type_.baseline(style);
    piece.layout->beginLayout();
    for (QTextLine line = piece.layout->createLine(); line.isValid(); line = piece.layout->createLine()) {
        line.setLineWidth(wrap ? width : kMaxNatural);
        line.setPosition(QPointF(0, piece.lines * pitch + baseline - line.ascent()));
        piece.natural = std::max(piece.natural, int(std::ceil(line.naturalTextWidth())));
        ++piece.lines;
    }
    naturalWidth_ = std::max(naturalWidth_, piece.natural);
    piece.layout->endLayout();
    return piece;
}

void BlockLayout::layText(const LayoutRequest& request) {
    const int available = std::max(1, width_ - left_);
    const bool bold = kind_ == BlockKind::Heading;
    Piece piece = makePiece(request, 0, int(text_.text.size()), available, style_, bold, Qt::AlignLeft, true);
    piece.at = QPoint(left_, 0);
    height_ = piece.lines * pitch_;
    naturalWidth_ += left_;
    pieces_.push_back(std::move(piece));
}

void BlockLayout::layCode(const LayoutRequest& request) {
    style_ = TextStyle::Code;
    pitch_ = type_.pitch(style_);
    top_ = slice_ == 0 ? kCodeHead : 0;
    firstLine_ = request.firstLine;
    // Room for three digits: with more, numbers reach to the left, and the text of all slices stays on one edge.
    if (firstLine_ > 0)
        gutter_ = int(std::ceil(3 * QFontMetricsF(type_.font(style_, false)).horizontalAdvance(u'0'))) + kNumberGap;
    viewWidth_ = std::max(1, width_ - left_ - gutter_ - 2 * kCodeInset);
    scrolls_ = !request.wrapCode;
    codeState_ = request.codeState;
    const Block& block = request.blocks.block(request.index);
    const CodeLanguage* language = languageOf(block);
    joined_ = block.joined;
    const QString& text = text_.text;
    qsizetype from = takeLines(request.before);
    int y = pieces_.empty() ? top_ : pieces_.back().at.y() + std::max(1, pieces_.back().lines) * pitch_;
    CodeState state = pieces_.empty() ? codeState_ : pieces_.back().endState;
    while (from <= text.size() && (request.shownLines < 0 || int(pieces_.size()) < request.shownLines)) {
        qsizetype end = text.indexOf(u'\n', from);
        if (end < 0)
            end = text.size();
        QVector<CodeRun> runs;
        if (language && (from > 0 || !joined_))
            state = highlightLine(*language, QStringView(text).mid(from, end - from), state, &runs);
        Token ground = Token::Code;
        const auto formats = colours(runs, &ground);
        Piece piece = makePiece(request, int(from), int(end - from), viewWidth_, style_, false, Qt::AlignLeft,
                                request.wrapCode, formats);
        piece.ground = ground;
        piece.at = QPoint(left_ + kCodeInset + gutter_, y);
        piece.endState = state;
        y += std::max(1, piece.lines) * pitch_;
        pieces_.push_back(std::move(piece));
        from = end + 1;
    }
    contentWidth_ = naturalWidth_;
    naturalWidth_ = width_;
    height_ = y + (request.foldFoot ? kCodeFoot : 0);
}

const CodeLanguage* BlockLayout::languageOf(const Block& block) {
    return block.kind == BlockKind::Code && block.slice < kColouredSlices ? codeLanguage(block.info) : nullptr;
}

/// The colours of a line's text, and of the ground it stands on.
QVector<QTextLayout::FormatRange> BlockLayout::colours(const QVector<CodeRun>& runs, Token* ground) const {
    QVector<QTextLayout::FormatRange> formats;
    for (const CodeRun& run : runs) {
        if (run.token == Token::Added || run.token == Token::Removed) {
            *ground = run.token;
            continue;
        }
        QTextCharFormat format;
        format.setForeground(type_.theme().color(run.token));
        formats.append({run.start, run.length, format});
    }
    return formats;
}

/// Takes the lines over that an earlier layout of this code has alike; returns where the next line begins.
int BlockLayout::takeLines(BlockLayout* before) {
    if (!before || before->kind_ != kind_ || before->width_ != width_ || before->left_ != left_ ||
        before->scrolls_ != scrolls_ || before->slice_ != slice_ || before->info_ != info_ ||
        before->joined_ != joined_ || !(before->codeState_ == codeState_) || before->firstLine_ != firstLine_)
        return 0;
    int from = 0;
    for (Piece& piece : before->pieces_) {
        const QStringView now = QStringView(text_.text).mid(piece.start);
        const QStringView then = QStringView(before->text_.text).mid(piece.start, piece.length);
        const bool alike = now.startsWith(then) && (now.size() == then.size() || now[then.size()] == u'\n');
        if (piece.start != from || !alike)
            break;
        from = piece.start + piece.length + 1;
        naturalWidth_ = std::max(naturalWidth_, piece.natural);
        pieces_.push_back(std::move(piece));
        ++reused_;
    }
    return from;
}

/// Widths from the first rows only, so that a row once laid out stays as it is while the table grows.
QVector<int> BlockLayout::columnWidths(const LayoutRequest& request, int available) const {
    const Block& block = request.blocks.block(request.index);
    QVector<qreal> natural(block.info.size(), 0);
    const QFontMetricsF metrics(type_.font(style_, true));
    for (int i = block.root; i < request.blocks.count() && i < block.root + kSampledRows; ++i) {
        if (request.blocks.block(i).root != block.root)
            break;
        const InlineText& row = request.blocks.inlines(i);
        for (qsizetype c = 0; c < row.cells.size() && c < natural.size(); ++c) {
            const int end = c + 1 < row.cells.size() ? row.cells[c + 1] - 1 : int(row.text.size());
            const QString cell = row.text.mid(row.cells[c], std::min(end - row.cells[c], 200));
            for (const QStringView line : QStringView(cell).split(u'\n'))
                natural[c] = std::max(natural[c], metrics.horizontalAdvance(line.toString()));
        }
    }
    // Narrow columns keep what they need, the others share the rest alike.
    QVector<int> widths(natural.size(), 0);
    QVector<int> order(natural.size());
    for (qsizetype i = 0; i < order.size(); ++i)
        order[i] = int(i);
    std::sort(order.begin(), order.end(), [&](int a, int b) { return natural[a] < natural[b]; });
    int left = available;
    for (qsizetype k = 0; k < order.size(); ++k) {
        const int share = left / int(order.size() - k);
        const int sides = (order[k] > 0 ? 1 : 0) + (order[k] + 1 < order.size() ? 1 : 0);
        const int wanted = int(std::ceil(natural[order[k]])) + sides * kCellPadding + 2;
        // What is short stays on one line: the table moves sideways before every word has a line of its own.
        widths[order[k]] = std::max({kMinColumn, std::min(wanted, kShortColumn), std::min(wanted, share)});
        left = std::max(0, left - widths[order[k]]);
    }
    return widths;
}

void BlockLayout::layRow(const LayoutRequest& request) {
    viewWidth_ = std::max(1, width_ - left_);
    scrolls_ = true;
    top_ = kRowPadding;
    columns_ = request.columns.isEmpty() ? columnWidths(request, viewWidth_) : request.columns;
    const QVector<int>& widths = columns_;
    int x = left_;
    int lines = 1;
    for (qsizetype c = 0; c < text_.cells.size() && c < widths.size(); ++c) {
        const int start = text_.cells[c];
        const int end = c + 1 < text_.cells.size() ? text_.cells[c + 1] - 1 : int(text_.text.size());
        // The outer columns stand flush with the text and the lines around the table.
        const int before = c == 0 ? 0 : kCellPadding;
        const int after = c + 1 == widths.size() ? 0 : kCellPadding;
        Piece piece = makePiece(request, start, end - start, widths[c] - before - after, style_, headRow_,
                                columnAlignment(info_[c]), true);
        piece.at = QPoint(x + before, top_);
        lines = std::max(lines, piece.lines);
        x += widths[c];
        pieces_.push_back(std::move(piece));
    }
    for (qsizetype c = text_.cells.size(); c < widths.size(); ++c) // those the row lacks
        x += widths[c];
    contentWidth_ = x - left_;
    naturalWidth_ = x;
    height_ = lines * pitch_ + 2 * kRowPadding + 1;
}

int BlockLayout::lineCount() const {
    int lines = 0;
    for (const Piece& piece : pieces_)
        lines += piece.lines;
    return lines;
}

int BlockLayout::lineBottom(int line) const {
    return top_ + (line + 1) * pitch_;
}

// Painting

void BlockLayout::paint(QPainter& painter, const Paint& p) const {
    paintFrame(painter, p);
    paintMarks(painter);
    if (firstLine_ > 0)
        paintNumbers(painter, p);
    if (scrolls_ && overflow() > 0) {
        painter.save();
        painter.setClipRect(QRect(viewLeft(), 0, viewWidth_, height_), Qt::IntersectClip);
    }
    int line = 0;
    for (const Piece& piece : pieces_) {
        const int top = piece.at.y();
        const bool visible =
            p.clip.isNull() || (top < p.clip.bottom() + pitch_ && top + piece.lines * pitch_ > p.clip.top() - pitch_);
        if (visible && (p.lines < 0 || line < p.lines))
            paintPiece(painter, piece, p, line);
        line += piece.lines;
    }
    if (scrolls_ && overflow() > 0)
        painter.restore();
}

void BlockLayout::paintFrame(QPainter& painter, const Paint& p) const {
    const Theme& theme = type_.theme();
    for (const int x : quoteBars_)
        painter.fillRect(QRect(x, 0, 2, height_), theme.color(Token::Outline));
    switch (kind_) {
    case BlockKind::Rule:
        paintHairline(painter, left_, 0, width_ - left_, theme.color(Token::Hairline));
        break;
    case BlockKind::TableRow:
        paintHairline(painter, left_, height_ - 1, std::min(contentWidth_, viewWidth_),
                      theme.color(headRow_ ? Token::Outline : Token::Hairline));
        break;
    case BlockKind::Code: {
        QRect frame(left_, 0, width_ - left_, height_ + (p.last ? kCodePadding : 0));
        painter.save();
        painter.setClipRect(frame, Qt::IntersectClip);
        // Slices show only the corners that are theirs.
        frame.adjust(0, slice_ == 0 ? 0 : -2 * Theme::kCodeRadius, 0, p.last ? 0 : 2 * Theme::kCodeRadius);
        painter.setPen(Qt::NoPen);
        painter.setBrush(theme.color(Token::Code));
        painter.setRenderHint(QPainter::Antialiasing);
        painter.drawRoundedRect(frame, Theme::kCodeRadius, Theme::kCodeRadius);
        painter.restore();
        if (slice_ == 0) {
            painter.setFont(type_.font(TextStyle::Small, false));
            painter.setPen(theme.color(Token::Third));
            painter.drawText(QRect(left_ + kCodeInset, 0, width_ - left_ - 120, kCodeHead),
                             Qt::AlignVCenter | Qt::TextSingleLine, displayed(codeLabel(info_), false));
        }
        paintGrounds(painter, p);
        break;
    }
    default:
        break;
    }
}

/// The lines of a difference lie on their colour, from edge to edge.
void BlockLayout::paintGrounds(QPainter& painter, const Paint& p) const {
    int line = 0;
    for (const Piece& piece : pieces_) {
        if (p.lines >= 0 && line >= p.lines)
            break;
        if (piece.ground != Token::Code)
            painter.fillRect(QRect(left_, piece.at.y(), width_ - left_, std::max(1, piece.lines) * pitch_),
                             type_.theme().color(piece.ground));
        line += piece.lines;
    }
}

void BlockLayout::paintMarks(QPainter& painter) const {
    const Theme& theme = type_.theme();
    const int baseline = type_.baseline(style_);
    const qreal scale = theme.textSizePercent() / 100.0;
    for (const Mark& mark : marks_) {
        painter.save();
        painter.setRenderHint(QPainter::Antialiasing);
        if (mark.task >= 0) {
            const qreal size = 14 * scale;
            const QRectF box(mark.x + 1.5, top_ + (pitch_ - size) / 2.0, size, size);
            painter.setPen(QPen(theme.color(mark.task ? Token::Accent : Token::Outline), 1.5 * scale));
            painter.setBrush(Qt::NoBrush);
            painter.drawRoundedRect(box, 3 * scale, 3 * scale);
            if (mark.task)
                painter.drawPolyline(
                    QPolygonF({box.topLeft() + QPointF(3.5, 7) * scale, box.topLeft() + QPointF(6, 9.5) * scale,
                               box.topLeft() + QPointF(10.5, 4.5) * scale}));
        } else if (!mark.text.isEmpty()) {
            painter.setFont(type_.font(style_, false));
            painter.setPen(theme.color(Token::Second));
            painter.drawText(QPointF(mark.x, top_ + baseline), mark.text);
        } else {
            // The sign stands at the middle of small letters; deeper lists have an open one.
            const qreal radius = 2.5 * scale;
            const QPointF centre(mark.x + 8 * scale,
                                 top_ + baseline - QFontMetricsF(type_.font(style_, false)).xHeight() / 2);
            const bool open = mark.depth % 2 == 1;
            painter.setPen(open ? QPen(theme.color(Token::Second), 1.2 * scale) : QPen(Qt::NoPen));
            painter.setBrush(open ? QBrush(Qt::NoBrush) : QBrush(theme.color(Token::Second)));
            painter.drawEllipse(centre, radius, radius);
        }
        painter.restore();
    }
}

/// They stay where they are while the code moves sideways, and are never part of what is copied.
void BlockLayout::paintNumbers(QPainter& painter, const Paint& p) const {
    painter.setFont(type_.font(TextStyle::Code, false));
    painter.setPen(type_.theme().color(Token::Third));
    const int right = left_ + kCodeInset + gutter_ - kNumberGap;
    int number = firstLine_;
    for (size_t i = 0; i < pieces_.size(); ++i, ++number) {
        const int top = pieces_[i].at.y();
        const bool visible =
            p.clip.isNull() || (top < p.clip.bottom() + pitch_ && top + pitch_ > p.clip.top() - pitch_);
        if (!visible || (i == 0 && joined_))
            continue;
        const QString text = QString::number(number);
        const qreal width = QFontMetricsF(painter.font()).horizontalAdvance(text);
        painter.drawText(QPointF(right - width, top + type_.baseline(TextStyle::Code)), text);
    }
}

void BlockLayout::paintPiece(QPainter& painter, const Piece& piece, const Paint& p, int firstLine) const {
    const QPoint at = piece.at - QPoint(shift(p), 0);
    const Theme& theme = type_.theme();
    paintCodeBackground(painter, piece, p);
    QVector<QTextLayout::FormatRange> selections;
    paintFound(painter, piece, p);
    const int from = std::max(p.selected.from - piece.start, 0);
    const int to = std::min(p.selected.to - piece.start, piece.length);
    if (to > from ||
        (p.selected.whole && p.selected.from <= piece.start + piece.length && p.selected.to > piece.start)) {
        // The whole pitch is filled, so that lines of mixed faces leave no stripes.
        for (const QRect& r : rectsOf(piece.start + from, piece.start + to, shift(p)))
            painter.fillRect(r, theme.color(Token::Selection));
        QTextCharFormat format;
        format.setForeground(theme.color(Token::Text));
        if (to > from)
            selections.append({from, to - from, format});
    }
    painter.setPen(theme.color(TypeSheet::textToken(voice_)));
    const bool cut = p.lines >= 0 && firstLine + piece.lines > p.lines;
    if (!cut) {
        // Marks above and below letters reach out of their line, by less than half of it.
        piece.layout->draw(&painter, at, selections,
                           p.clip.isNull() ? QRectF() : QRectF(p.clip.adjusted(-8, -pitch_ / 2, 8, pitch_ / 2)));
    } else {
        painter.save();
        painter.setClipRect(QRect(at.x() - 8, at.y(), width_ + 16, (p.lines - firstLine) * pitch_), Qt::IntersectClip);
        piece.layout->draw(&painter, at, selections);
        painter.restore();
    }
    paintDots(painter, piece, p);
}

/// What is searched for lies on its colour; the one that is looked at has a frame, too.
void BlockLayout::paintFound(QPainter& painter, const Piece& piece, const Paint& p) const {
    for (int i = 0; i < int(p.found.size()); ++i) {
        const auto [from, to] = p.found[i];
        if (to <= piece.start || from >= piece.start + piece.length)
            continue;
        for (const QRect& r :
             rectsOf(std::max(from, piece.start), std::min(to, piece.start + piece.length), shift(p))) {
            painter.fillRect(r, type_.theme().color(Token::Find));
            if (i != p.current)
                continue;
            painter.setPen(QPen(type_.theme().color(Token::Accent), 2));
            painter.setBrush(Qt::NoBrush);
            painter.drawRect(r.adjusted(-1, 1, 1, -1)); // beside the letters, not over them
        }
    }
}

/// Inline code lies on the colour of code, round at its ends.
void BlockLayout::paintCodeBackground(QPainter& painter, const Piece& piece, const Paint& p) const {
    if (kind_ == BlockKind::Code)
        return;
    for (const InlineRun& run : text_.runs) {
        if (!(run.style & StyleCode) || run.start + run.length <= piece.start ||
            run.start >= piece.start + piece.length)
            continue;
        painter.save();
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(Qt::NoPen);
        painter.setBrush(type_.theme().color(voice_ == Voice::User ? Token::Hover : Token::Surface));
        for (const QRect& r : rectsOf(std::max(run.start, piece.start),
                                      std::min(run.start + run.length, piece.start + piece.length), shift(p)))
            painter.drawRoundedRect(r.adjusted(-1, 3, 1, -3), 4, 4);
        painter.restore();
    }
}

/// Emphasis of Han: a dot below each character, as Chinese has it.
void BlockLayout::paintDots(QPainter& painter, const Piece& piece, const Paint& p) const {
    for (const InlineRun& run : text_.runs) {
        if (!(run.style & StyleEmphasis) || run.start >= piece.start + piece.length ||
            run.start + run.length <= piece.start)
            continue;
        painter.save();
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(Qt::NoPen);
        painter.setBrush(type_.theme().color(TypeSheet::textToken(voice_)));
        for (int i = std::max(run.start, piece.start); i < std::min(run.start + run.length, piece.start + piece.length);
             ++i) {
            const QChar c = text_.text[i];
            const bool pair = c.isHighSurrogate() && i + 1 < text_.text.size();
            if (charClass(pair ? QChar::surrogateToUcs4(c, text_.text[i + 1]) : c.unicode()) != CharClass::Han)
                continue;
            const QTextLine line = piece.layout->lineForTextPosition(i - piece.start);
            if (!line.isValid())
                continue;
            const qreal left = line.cursorToX(i - piece.start);
            const qreal em = type_.font(style_, false).pixelSize();
            const qreal y = piece.at.y() + (line.lineNumber() + 1) * pitch_ - 1.5;
            painter.drawEllipse(QPointF(piece.at.x() - shift(p) + left + em / 2, y), 1.25, 1.25);
        }
        painter.restore();
    }
}

// Places

const BlockLayout::Piece* BlockLayout::pieceAt(QPoint p) const {
    const Piece* best = nullptr;
    for (const Piece& piece : pieces_) {
        if (kind_ == BlockKind::TableRow) {
            if (!best || p.x() >= piece.at.x() - kCellPadding)
                best = &piece;
        } else if (!best || p.y() >= piece.at.y()) {
            best = &piece;
        }
    }
    return best;
}

const BlockLayout::Piece* BlockLayout::pieceOf(int offset) const {
    const auto after = std::upper_bound(pieces_.begin(), pieces_.end(), offset,
                                        [](int at, const Piece& piece) { return at < piece.start; });
    return pieces_.empty() ? nullptr : after == pieces_.begin() ? &pieces_.front() : &*(after - 1);
}

/// Before the last character of a line that goes on: its end is the start of the next one.
int BlockLayout::lastInLine(const Piece& piece, const QTextLine& line) const {
    const int end = line.textStart() + line.textLength();
    return std::max(line.textStart(), piece.layout->previousCursorPosition(end));
}

int BlockLayout::offsetAt(QPoint p, int scrollX, bool pastEnd) const {
    if (scrolls_)
        p.rx() += scrollX;
    if (p.y() < 0 && kind_ != BlockKind::TableRow)
        return 0;
    const Piece* piece = pieceAt(p);
    if (!piece || piece->lines == 0)
        return 0;
    const int row = std::clamp((p.y() - piece->at.y()) / pitch_, 0, piece->lines - 1);
    const QTextLine line = piece->layout->lineAt(row);
    int at = line.xToCursor(p.x() - piece->at.x());
    if (row + 1 < piece->lines && line.textLength() > 0) {
        const int last = lastInLine(*piece, line);
        const int end = line.textStart() + line.textLength();
        const QChar c = piece->layout->text()[last];
        const qreal lead = line.cursorToX(last, QTextLine::Leading);
        const qreal trail = line.cursorToX(last, QTextLine::Trailing);
        const qreal x = p.x() - piece->at.x();
        const bool beyond = lead <= trail ? x > (lead + trail) / 2 : x < (lead + trail) / 2;
        if (at >= last)
            at = pastEnd && beyond && !c.isSpace() && c != QChar::LineSeparator ? end : last;
    }
    return std::min(piece->start + at, piece->start + piece->length);
}

QRect BlockLayout::caret(int offset, int scrollX) const {
    const Piece* piece = pieceOf(offset);
    if (!piece || piece->lines == 0)
        return QRect(left_, 0, 1, std::max(1, height_));
    const int local = std::clamp(offset - piece->start, 0, piece->length);
    const QTextLine line = piece->layout->lineForTextPosition(local);
    if (!line.isValid())
        return QRect(piece->at, QSize(1, pitch_));
    const int x = piece->at.x() + int(line.cursorToX(local)) - (scrolls_ ? scrollX : 0);
    return QRect(x, piece->at.y() + line.lineNumber() * pitch_, 1, pitch_);
}

namespace {

/// The stretches of a line, px, that [start, end) of its text stands in: several where directions mix.
QVector<std::pair<qreal, qreal>> spansOf(const QTextLayout& layout, const QTextLine& line, int start, int end) {
    const QStringView text = QStringView(layout.text()).mid(line.textStart(), line.textLength());
    QVector<std::pair<qreal, qreal>> spans;
    if (!text.isRightToLeft() && std::none_of(text.begin(), text.end(), [](QChar c) {
            return c.direction() == QChar::DirR || c.direction() == QChar::DirAL;
        })) {
        const qreal a = line.cursorToX(start);
        const qreal b = line.cursorToX(end);
        return {{std::min(a, b), std::max(a, b)}};
    }
    for (int at = start; at < end; ++at) {
        const qreal a = line.cursorToX(at, QTextLine::Leading);
        const qreal b = line.cursorToX(at, QTextLine::Trailing);
        if (a != b)
            spans.append({std::min(a, b), std::max(a, b)});
    }
    std::sort(spans.begin(), spans.end());
    QVector<std::pair<qreal, qreal>> joined;
    for (const auto& span : std::as_const(spans))
        if (!joined.isEmpty() && span.first <= joined.last().second + 0.5)
            joined.last().second = std::max(joined.last().second, span.second);
        else
            joined.append(span);
    return joined;
}

} // namespace

QVector<QRect> BlockLayout::rectsOf(int from, int to, int scrollX) const {
    QVector<QRect> rects;
    for (const Piece& piece : pieces_) {
        if (to < piece.start || from > piece.start + piece.length)
            continue;
        const int first = std::max(0, from - piece.start);
        const int last = std::min(piece.length, to - piece.start);
        for (int i = 0; i < piece.lines; ++i) {
            const QTextLine line = piece.layout->lineAt(i);
            const int start = std::max(first, line.textStart());
            const int end = std::min(last, line.textStart() + line.textLength());
            if (start >= end)
                continue;
            for (const auto& [a, b] : spansOf(*piece.layout, line, start, end)) {
                const int x = piece.at.x() - (scrolls_ ? scrollX : 0) + int(std::floor(a));
                rects.append(
                    QRect(x, piece.at.y() + i * pitch_, std::max(1, int(std::ceil(b)) - int(std::floor(a))), pitch_));
            }
        }
    }
    return rects;
}

int BlockLayout::firstChange(const BlockLayout& before) const {
    if (kind_ != before.kind_ || kind_ == BlockKind::TableRow || left_ != before.left_ || width_ != before.width_ ||
        style_ != before.style_ || slice_ != before.slice_ || info_ != before.info_)
        return 0;
    if (kind_ == BlockKind::Code) // the lines taken over are no longer the earlier layout's
        return reused_ == 0 ? 0 : std::max(0, pieces_[size_t(reused_ - 1)].at.y() - pitch_);
    const QString& now = text_.text;
    const QString& then = before.text_.text;
    const auto differ = std::mismatch(now.begin(), now.end(), then.begin(), then.end());
    int at = int(differ.first - now.begin());
    // A run that grew is the same up to its old end.
    const auto& runs = text_.runs;
    const auto& oldRuns = before.text_.runs;
    for (qsizetype i = 0; i < std::max(runs.size(), oldRuns.size()); ++i) {
        if (i >= runs.size() || i >= oldRuns.size()) {
            at = std::min(at, (i < runs.size() ? runs[i] : oldRuns[i]).start);
            break;
        }
        if (runs[i].start == oldRuns[i].start && runs[i].length == oldRuns[i].length &&
            runs[i].style == oldRuns[i].style)
            continue;
        const bool grew = runs[i].start == oldRuns[i].start && runs[i].style == oldRuns[i].style;
        at = std::min(at, std::min(runs[i].start, oldRuns[i].start) +
                              (grew ? std::min(runs[i].length, oldRuns[i].length) : 0));
        break;
    }
    // A line that begins where it began stands below lines that stayed; else a word may have left the line before.
    const int y = std::min(caret(at).y(), before.caret(at).y());
    const bool begins = lineStart(at) == before.lineStart(at) && caret(at).y() == before.caret(at).y();
    return std::max(0, begins ? y : y - pitch_);
}

int BlockLayout::lineStart(int offset) const {
    const Piece* piece = pieceOf(offset);
    const QTextLine line =
        piece ? piece->layout->lineForTextPosition(std::clamp(offset - piece->start, 0, piece->length)) : QTextLine();
    return line.isValid() ? piece->start + line.textStart() : offset;
}

int BlockLayout::lineEnd(int offset) const {
    const Piece* piece = pieceOf(offset);
    const QTextLine line =
        piece ? piece->layout->lineForTextPosition(std::clamp(offset - piece->start, 0, piece->length)) : QTextLine();
    if (!line.isValid())
        return offset;
    return piece->start +
           (line.lineNumber() + 1 < piece->lines ? lastInLine(*piece, line) : line.textStart() + line.textLength());
}

// Spaces and guesses

int gapAbove(const BlockSplitter& blocks, int index, Voice voice) {
    if (index == 0)
        return 0;
    const Block& block = blocks.block(index);
    const Block& before = blocks.block(index - 1);
    if (block.slice > 0 && block.root == before.root)
        return 0;
    const int below = before.kind == BlockKind::Code ? BlockLayout::kCodePadding : 0;
    const int between = voice == Voice::Thought ? 8 : 12;
    if (block.kind == BlockKind::Rule || before.kind == BlockKind::Rule)
        return 24 + below;
    if (block.kind == BlockKind::Heading)
        return (voice == Voice::Thought ? between : block.level <= 2 ? 24 : 16) + below;
    if (before.kind == BlockKind::Heading)
        return 8;
    if (block.markers > 0 && before.container >= 0)
        return 4 + below;
    return between + below;
}

int gapBelow(const BlockSplitter& blocks, Voice) {
    return blocks.count() > 0 && blocks.block(blocks.count() - 1).kind == BlockKind::Code ? BlockLayout::kCodePadding
                                                                                          : 0;
}

int estimatedTextHeight(QStringView text, int width, int pitch, int fontSize) {
    // Latin letters are about half an em wide, Han one em. Lines are counted, not shaped.
    int lines = 0;
    int halves = 0;
    const int perLine = std::max(4, 2 * width / std::max(1, fontSize));
    for (const QChar c : text) {
        if (c == u'\n') {
            lines += 1 + std::max(0, halves - 1) / perLine;
            halves = 0;
        } else {
            halves += c.unicode() >= 0x1100 ? 2 : 1;
        }
    }
    return (lines + 1 + std::max(0, halves - 1) / perLine) * pitch;
}

int estimatedHeight(const BlockSplitter& blocks, int index, int width, Voice voice, const TypeSheet& type) {
    const Block& block = blocks.block(index);
    const int gap = gapAbove(blocks, index, voice);
    const TextStyle style = TypeSheet::textStyle(voice);
    switch (block.kind) {
    case BlockKind::Rule:
        return gap + 1;
    case BlockKind::Code:
        return gap + (block.slice == 0 ? BlockLayout::kCodeHead : 0) +
               (int(block.text.count(u'\n')) + 1) * type.pitch(TextStyle::Code);
    case BlockKind::TableRow:
        return gap + type.pitch(style) + 2 * kRowPadding + 1;
    case BlockKind::Heading:
        return gap + type.pitch(TypeSheet::headingStyle(block.level));
    default: {
        const int depth = block.container >= 0 ? blocks.container(block.container).depth + 1 : 0;
        const int left = std::min(width / kMaxIndentShare, depth * type.scaled(BlockLayout::kListIndent));
        return gap +
               estimatedTextHeight(block.text, width - left, type.pitch(style), type.theme().font(style).pixelSize());
    }
    }
}

} // namespace hearth::ui
