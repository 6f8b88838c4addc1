#include "app/models/hub/hub_types.h"

namespace hearth::app {
namespace {

constexpr qsizetype kLongestCard = 200'000; // characters shown
constexpr qsizetype kLongestTag = 1024;     // of HTML; a longer one is text
constexpr qsizetype kLongestAddress = 1024;

/// Drops the YAML between two lines of "---" at the very beginning.
QString withoutFrontMatter(QString text) {
    text.replace(QLatin1String("\r\n"), QLatin1String("\n"));
    if (!text.startsWith(QLatin1String("---\n")))
        return text;
    const auto end = text.indexOf(QLatin1String("\n---"), 3);
    return end < 0 ? text : text.mid(text.indexOf(QLatin1Char('\n'), end + 1) + 1);
}

/// One pass over the text; every search forward is limited, so that it stays linear.
class CardCleaner {
public:
    explicit CardCleaner(const QString& text) : text_(text) {}

    QString run() {
        while (at_ < text_.size()) {
            if (atLineStart() && fence())
                continue;
            const QChar c = text_[at_];
            const bool taken = (c == QLatin1Char('<') && tag()) || (c == QLatin1Char('!') && picture()) ||
                               (c == QLatin1Char('[') && atLineStart() && definition());
            if (!taken) {
                out_ += c;
                ++at_;
            }
        }
        return out_;
    }

private:
    bool atLineStart() const { return at_ == 0 || text_[at_ - 1] == QLatin1Char('\n'); }

    qsizetype find(QChar c, qsizetype from, qsizetype most) const {
        const qsizetype end = std::min(text_.size(), from + most);
        for (qsizetype i = from; i < end; ++i)
            if (text_[i] == c)
                return i;
        return -1;
    }

    qsizetype lineEnd(qsizetype from) const {
        const auto end = text_.indexOf(QLatin1Char('\n'), from);
        return end < 0 ? text_.size() : end + 1;
    }

    /// Code is copied as it is.
    bool fence() {
        const QStringView line = QStringView(text_).mid(at_, lineEnd(at_) - at_).trimmed();
        const QChar mark = line.isEmpty() ? QChar() : line[0];
        if (!(line.startsWith(QLatin1String("```")) || line.startsWith(QLatin1String("~~~"))))
            return false;
        const QString closing(3, mark);
        qsizetype end = lineEnd(at_);
        while (end < text_.size()) {
            const qsizetype next = lineEnd(end);
            const bool closes = QStringView(text_).mid(end, next - end).trimmed().startsWith(closing);
            end = next;
            if (closes)
                break;
        }
        out_ += QStringView(text_).mid(at_, end - at_);
        at_ = end;
        return true;
    }

    /// <!-- comments -->, scripts and styles with what is inside; of other tags only the tag itself.
    bool tag() {
        const QStringView rest = QStringView(text_).mid(at_);
        if (rest.startsWith(QLatin1String("<!--")))
            return skipPast(QLatin1String("-->"));
        for (const auto* name : {"script", "style", "svg", "iframe", "object", "math"})
            if (rest.mid(1).startsWith(QLatin1String(name), Qt::CaseInsensitive))
                return skipPast(QLatin1String("</") + QLatin1String(name));
        if (rest.size() < 2 || !(rest[1].isLetter() || rest[1] == QLatin1Char('/') || rest[1] == QLatin1Char('!')))
            return false;
        const auto end = find(QLatin1Char('>'), at_, kLongestTag);
        if (end < 0)
            return false;
        const QStringView inside = QStringView(text_).mid(at_ + 1, end - at_ - 1);
        if (inside.startsWith(QLatin1String("http"), Qt::CaseInsensitive) || inside.contains(QLatin1Char('@')))
            return false; // <https://...>, a link
        if (inside.startsWith(QLatin1String("br"), Qt::CaseInsensitive) || inside.startsWith(QLatin1String("/tr")) ||
            inside.startsWith(QLatin1String("/p")))
            out_ += QLatin1Char('\n');
        at_ = end + 1;
        return true;
    }

    bool skipPast(const QString& closing) {
        const auto found = text_.indexOf(closing, at_, Qt::CaseInsensitive);
        const auto end = found < 0 ? -1 : text_.indexOf(QLatin1Char('>'), found);
        at_ = end < 0 ? text_.size() : end + 1; // never closed: all of it is inside
        return true;
    }

    /// ![alt](address) and ![alt][name]: the words stay.
    bool picture() {
        if (at_ + 1 >= text_.size() || text_[at_ + 1] != QLatin1Char('['))
            return false;
        const auto close = find(QLatin1Char(']'), at_ + 2, kLongestAddress);
        if (close < 0) {
            ++at_; // without its mark it is text, whatever comes
            return true;
        }
        out_ += QStringView(text_).mid(at_ + 2, close - at_ - 2);
        at_ = close + 1;
        if (at_ < text_.size() && (text_[at_] == QLatin1Char('(') || text_[at_] == QLatin1Char('['))) {
            const QChar end = text_[at_] == QLatin1Char('(') ? QLatin1Char(')') : QLatin1Char(']');
            const auto past = find(end, at_, kLongestAddress);
            at_ = past < 0 ? at_ : past + 1;
        }
        return true;
    }

    /// [name]: address — what a picture by reference would load.
    bool definition() {
        const auto close = find(QLatin1Char(']'), at_, 200);
        if (close < 0 || close + 1 >= text_.size() || text_[close + 1] != QLatin1Char(':'))
            return false;
        const QStringView line = QStringView(text_).mid(close + 2, lineEnd(at_) - close - 2).trimmed();
        if (line.startsWith(QLatin1String("http"), Qt::CaseInsensitive))
            return false; // a link's; pictures have lost their mark
        at_ = lineEnd(at_);
        return true;
    }

    const QString& text_;
    QString out_;
    qsizetype at_ = 0;
};

} // namespace

QString plainCard(const QString& readme) {
    const QString text = withoutFrontMatter(readme.left(kLongestCard + kLongestCard / 4));
    QString out = CardCleaner(text).run().left(kLongestCard);
    out.remove(QChar(0));
    return out.trimmed();
}

} // namespace hearth::app
