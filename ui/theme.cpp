#include "ui/theme.h"

#include "ui/even_ink.h"
#include "ui/icon_engine.h"
#include "ui/style.h"

#include <QApplication>
#include <QDBusConnection>
#include <QDBusConnectionInterface>
#include <QDBusMessage>
#include <QDBusPendingCallWatcher>
#include <QDBusPendingReply>
#include <QPointer>
#include <QScopedValueRollback>

#include <algorithm>
#include <array>

namespace hearth::ui {

namespace {

struct Shade {
    Token token;
    QRgb light, dark;
};

constexpr std::array<Shade, static_cast<size_t>(Token::Count)> kShades{{
    {Token::Window, 0xFFFBFAF8, 0xFF1C1B19},    {Token::Sidebar, 0xFFF3F0EB, 0xFF151412},
    {Token::Surface, 0xFFEEEAE3, 0xFF2A2825},   {Token::Code, 0xFFF5F2ED, 0xFF232120},
    {Token::Hover, 0xFFE9E4DC, 0xFF33302C},     {Token::Text, 0xFF1F1D1A, 0xFFECE8E1},
    {Token::Second, 0xFF59544D, 0xFFB8B1A6},    {Token::Third, 0xFF655F57, 0xFFA39C91},
    {Token::Outline, 0xFF827A70, 0xFF867F75},   {Token::Hairline, 0xFFDDD8D0, 0xFF3A3733},
    {Token::Accent, 0xFFA83E14, 0xFFF29B6B},    {Token::OnAccent, 0xFFFFFFFF, 0xFF26120A},
    {Token::Link, 0xFF1B5C9E, 0xFF8DBBF3},      {Token::Error, 0xFFB3261E, 0xFFF59A93},
    {Token::Warning, 0xFF855000, 0xFFE3B765},   {Token::Good, 0xFF2A6832, 0xFF8FCB97},
    {Token::Selection, 0xFFF7D8C4, 0xFF5E3622}, {Token::Find, 0xFFFFE08A, 0xFF6A5312},
    {Token::Added, 0xFFDCEFDD, 0xFF1F3B27},     {Token::Removed, 0xFFF7DCD8, 0xFF4B2422},
    {Token::Keyword, 0xFF8B2C7A, 0xFFDDA0D8},   {Token::String, 0xFF2A6832, 0xFF9CD0A0},
    {Token::Number, 0xFF9A4A00, 0xFFF0B07A},    {Token::Function, 0xFF1B5C9E, 0xFF8DBBF3},
    {Token::TypeName, 0xFF0B6666, 0xFF7CCFCB},  {Token::Comment, 0xFF655F57, 0xFFA39C91},
}};

constexpr bool inTokenOrder() {
    for (size_t i = 0; i < kShades.size(); ++i)
        if (kShades[i].token != static_cast<Token>(i))
            return false;
    return true;
}

static_assert(inTokenOrder(), "a row of kShades stands for the token of its place");

struct TypeSize {
    int size, pitch; // px at 100 %
    bool alwaysBold;
};

constexpr TypeSize kTypeSizes[] = {
    {15, 24, false}, // Message
    {13, 20, false}, // Interface
    {12, 16, false}, // Small
    {20, 28, true},  // Heading1
    {17, 26, true},  // Heading2
    {15, 24, true},  // Heading3
    {14, 20, false}, // Code
};

const auto kPortalService = QStringLiteral("org.freedesktop.portal.Desktop");
const auto kPortalPath = QStringLiteral("/org/freedesktop/portal/desktop");
const auto kPortalSettings = QStringLiteral("org.freedesktop.portal.Settings");
const auto kAppearance = QStringLiteral("org.freedesktop.appearance");
const auto kColorScheme = QStringLiteral("color-scheme");
constexpr int kPortalWaitMs = 150;

// The portal wraps the value once or twice, depending on its version.
uint unwrapped(QVariant value) {
    while (value.canConvert<QDBusVariant>())
        value = value.value<QDBusVariant>().variant();
    return value.toUInt();
}

bool paletteIsDark(const QPalette& palette) {
    return palette.color(QPalette::Window).lightness() < palette.color(QPalette::WindowText).lightness();
}

} // namespace

struct Theme::Private {
    ThemeChoice choice = ThemeChoice::System;
    bool paletteDark = false; // what the desktop's palette said before ours replaced it
    uint scheme = 0;          // the portal's word: 0 none, 1 dark, 2 light
    int percent = 100;
    bool traditional = false;
    bool installed = false;
    QPointer<Style> style;

    bool dark() const {
        if (choice != ThemeChoice::System)
            return choice == ThemeChoice::Dark;
        return scheme == 0 ? paletteDark : scheme == 1;
    }

    int scaled(int px) const { return (px * percent + 50) / 100; }

    QString hanFamily() const {
        return traditional ? QStringLiteral("Noto Sans CJK TC") : QStringLiteral("Noto Sans CJK SC");
    }
};

Theme::Theme(QObject* parent) : QObject(parent), d_(std::make_unique<Private>()) {
    drawWithEvenInk();
    d_->paletteDark = paletteIsDark(QGuiApplication::palette());
    setLocale(QLocale::system());

    QDBusConnection bus = QDBusConnection::sessionBus();
    if (!bus.isConnected())
        return;
    auto read = QDBusMessage::createMethodCall(kPortalService, kPortalPath, kPortalSettings, QStringLiteral("Read"));
    read << kAppearance << kColorScheme;
    // A portal that runs already answers at once, and the first frame has the right colours. One that has to be
    // started may take its time: the answer then changes the colours when it comes.
    const bool runs = bus.interface()->isServiceRegistered(kPortalService);
    qRegisterMetaType<QDBusVariant>(); // Qt forgets to, and without it the connection fails in silence
    bus.connect(kPortalService, kPortalPath, kPortalSettings, QStringLiteral("SettingChanged"), this,
                SLOT(portalSettingChanged(QString, QString, QDBusVariant)));
    if (runs) {
        const QDBusMessage answer = bus.call(read, QDBus::Block, kPortalWaitMs);
        if (answer.type() == QDBusMessage::ReplyMessage && !answer.arguments().isEmpty())
            d_->scheme = unwrapped(answer.arguments().constFirst());
        return;
    }
    auto* watcher = new QDBusPendingCallWatcher(bus.asyncCall(read), this);
    connect(watcher, &QDBusPendingCallWatcher::finished, this, [this](QDBusPendingCallWatcher* done) {
        const QDBusPendingReply<QDBusVariant> reply = *done;
        done->deleteLater();
        if (reply.isValid())
            portalSettingChanged(kAppearance, kColorScheme, reply.value());
    });
}

Theme::~Theme() {
    // The style reads this theme; without it the application goes back to a style that stands alone.
    if (d_->style && qApp)
        QApplication::setStyle(QStringLiteral("Fusion"));
}

void Theme::install() {
    if (d_->installed)
        return;
    d_->installed = true;
    d_->style = new Style(*this);
    QApplication::setStyle(d_->style);
    const auto apply = [this] {
        QApplication::setPalette(palette());
        QApplication::setFont(font(TextStyle::Interface));
    };
    apply();
    connect(this, &Theme::changed, this, [this, apply] {
        apply();
        if (d_->style)
            d_->style->refresh();
    });
}

void Theme::portalSettingChanged(const QString& area, const QString& key, const QDBusVariant& value) {
    if (area != kAppearance || key != kColorScheme)
        return;
    const bool before = d_->dark();
    d_->scheme = unwrapped(value.variant());
    if (d_->dark() != before)
        emit changed();
}

void Theme::setChoice(ThemeChoice choice) {
    const bool before = d_->dark();
    d_->choice = choice;
    if (d_->dark() != before)
        emit changed();
}

ThemeChoice Theme::choice() const {
    return d_->choice;
}

void Theme::setTextSizePercent(int percent) {
    percent = std::clamp(percent, 80, 200);
    if (percent == d_->percent)
        return;
    d_->percent = percent;
    emit changed();
}

int Theme::textSizePercent() const {
    return d_->percent;
}

void Theme::setLocale(const QLocale& locale) {
    const bool traditional = locale.language() == QLocale::Chinese && locale.script() == QLocale::TraditionalHanScript;
    if (traditional == d_->traditional)
        return;
    d_->traditional = traditional;
    emit changed();
}

bool Theme::isDark() const {
    return d_->dark();
}

QColor Theme::tokenColor(Token token, bool dark) {
    const Shade& shade = kShades[static_cast<size_t>(token)];
    return QColor::fromRgb(dark ? shade.dark : shade.light);
}

QColor Theme::color(Token token) const {
    return tokenColor(token, d_->dark());
}

QPalette Theme::palette() const {
    QPalette p;
    const auto all = [&](QPalette::ColorRole role, Token token) { p.setColor(QPalette::All, role, color(token)); };
    all(QPalette::Window, Token::Window);
    all(QPalette::WindowText, Token::Text);
    all(QPalette::Base, Token::Window);
    all(QPalette::AlternateBase, Token::Surface);
    all(QPalette::ToolTipBase, Token::Surface);
    all(QPalette::ToolTipText, Token::Text);
    all(QPalette::PlaceholderText, Token::Third);
    all(QPalette::Text, Token::Text);
    all(QPalette::Button, Token::Surface);
    all(QPalette::ButtonText, Token::Text);
    all(QPalette::BrightText, Token::OnAccent);
    all(QPalette::Highlight, Token::Selection);
    all(QPalette::HighlightedText, Token::Text);
    all(QPalette::Link, Token::Link);
    all(QPalette::LinkVisited, Token::Link);
    all(QPalette::Light, Token::Window);
    all(QPalette::Midlight, Token::Surface);
    all(QPalette::Mid, Token::Hairline);
    all(QPalette::Dark, Token::Outline);
    all(QPalette::Shadow, Token::Outline);
    for (const QPalette::ColorRole role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText})
        p.setColor(QPalette::Disabled, role, color(Token::Third));
    return p;
}

QFont Theme::font(TextStyle style, bool bold, bool italic) const {
    const TypeSize& type = kTypeSizes[static_cast<size_t>(style)];
    QFont font;
    if (style == TextStyle::Code)
        font.setFamilies({QStringLiteral("Noto Sans Mono CJK SC"), QStringLiteral("Noto Color Emoji")});
    else
        font.setFamilies({QStringLiteral("Noto Sans"), d_->hanFamily(), QStringLiteral("Noto Color Emoji")});
    // Qt keeps one list of stand-in families for the first family and what else the font asks for. The hint keeps our
    // two lists apart, and apart from the desktop's own "Noto Sans", which may stand in with another country's Han.
    font.setStyleHint(d_->traditional ? QFont::System : QFont::SansSerif);
    font.setPixelSize(d_->scaled(type.size));
    font.setWeight(bold || type.alwaysBold ? QFont::Bold : QFont::Normal);
    font.setItalic(italic);
    // Level stems stay crisp; letters keep their places at every scale.
    font.setHintingPreference(QFont::PreferVerticalHinting);
    if (style == TextStyle::Code) {
        font.setFixedPitch(true);
        font.setStyleHint(QFont::Monospace);
    }
    return font;
}

QFont Theme::hanFont(TextStyle style, bool bold) const {
    QFont font = this->font(style, bold);
    font.setFamilies({d_->hanFamily(), QStringLiteral("Noto Sans"), QStringLiteral("Noto Color Emoji")});
    return font;
}

int Theme::lineHeight(TextStyle style) const {
    return d_->scaled(kTypeSizes[static_cast<size_t>(style)].pitch);
}

QIcon Theme::icon(const QString& name, Token token) const {
    return QIcon(new IconEngine(*this, name, token));
}

int Theme::controlHeight() const {
    return std::max(kControlHeight, lineHeight(TextStyle::Interface) + 12);
}

int Theme::rowHeight() const {
    return std::max(kRowHeight, lineHeight(TextStyle::Interface) + 16);
}

int Theme::headerHeight() const {
    return controlHeight() + 16;
}

int Theme::statusHeight() const {
    return std::max(28, lineHeight(TextStyle::Small) + 12);
}

int Theme::iconSize() const {
    return std::max(20, d_->scaled(20));
}

} // namespace hearth::ui
