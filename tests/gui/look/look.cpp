// The look: contrast of the colours, faces and line pitch, no clipped words at any size in either language, names for a
// screen reader. With HEARTH_SCREENSHOTS=<folder> it keeps a picture of each state.
#include "tests/gui/fixture.h"
#include "tests/gui/models/model_samples.h"
#include "ui/chat/chat_view.h"
#include "ui/composer.h"
#include "ui/conversation_panel.h"
#include "ui/find_bar.h"
#include "ui/label.h"
#include "ui/models/discover_section.h"
#include "ui/models/import_section.h"
#include "ui/models/library_section.h"
#include "ui/models/model_picker.h"
#include "ui/notices.h"
#include "ui/settings/settings_panel.h"
#include "ui/text_line.h"

#include <QAbstractButton>
#include <QAccessible>
#include <QComboBox>
#include <QDir>
#include <QFontInfo>
#include <QGlyphRun>
#include <QLineEdit>
#include <QPainter>
#include <QPainterPath>
#include <QRawFont>
#include <QScrollArea>
#include <QStyle>
#include <QTest>
#include <QTextLayout>

#include <cmath>

using namespace hearth::ui;
using namespace hearth::ui::test;

namespace {

double luminance(const QColor& color) {
    const auto linear = [](double c) { return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4); };
    return 0.2126 * linear(color.redF()) + 0.7152 * linear(color.greenF()) + 0.0722 * linear(color.blueF());
}

// WCAG 2: (lighter + 0.05) / (darker + 0.05).
double contrast(const QColor& a, const QColor& b) {
    const double la = luminance(a), lb = luminance(b);
    return (std::max(la, lb) + 0.05) / (std::min(la, lb) + 0.05);
}

constexpr Token kGrounds[] = {Token::Window, Token::Sidebar, Token::Surface, Token::Code, Token::Hover};
constexpr Token kInks[] = {Token::Text,   Token::Second,   Token::Third,    Token::Accent,  Token::Link,
                           Token::Error,  Token::Warning,  Token::Good,     Token::Keyword, Token::String,
                           Token::Number, Token::Function, Token::TypeName, Token::Comment};
constexpr Token kMarks[] = {Token::Selection, Token::Find, Token::Added, Token::Removed};

struct Screen {
    const char* name;
    void (*prepare)(MainWindow&);
};

void showEmpty(MainWindow& window) {
    window.showConversation({});
    window.setCurrentModel(someModels().first().path);
}

void showChat(MainWindow& window) {
    window.showConversation(someContent());
    window.setGenerating(true);
    window.setStatus({Phase::Writing, 0, 12.4, 3412, 8192, QStringLiteral("CPU")});
}

void showNotices(MainWindow& window) {
    window.showConversation(someContent());
    window.showNotice(
        {QStringLiteral("crash"),
         QStringLiteral("The last start ended while Mistral 7B Instruct was loading, so it was not loaded "
                        "again."),
         {{QStringLiteral("cpu"), QStringLiteral("Load on the CPU")},
          {QStringLiteral("again"), QStringLiteral("Try again")}},
         true});
    window.setCurrentModel(someModels()[1].path);
    window.setStatus({Phase::Loading, 0.42, 0, 0, 0, QStringLiteral("CPU")});
    window.showUndo(QStringLiteral("\u201CPrices of birch wood\u201D was deleted."), QStringLiteral("5"));
}

void press(MainWindow& window, const char* title) {
    for (QAbstractButton* button : window.findChildren<QAbstractButton*>())
        if (button->isCheckable() && button->text() == QCoreApplication::translate("hearth::ui::MainWindow", title))
            button->click();
}

void showModels(MainWindow& window) {
    press(window, "Models");
}

void showSettings(MainWindow& window) {
    press(window, "Settings");
}

void showFind(MainWindow& window) {
    window.showConversation(someContent());
    auto* panel = window.findChild<ConversationPanel*>();
    panel->openFind();
    panel->findBar().findChild<QLineEdit*>()->setText(QStringLiteral("air"));
}

void showEdit(MainWindow& window) {
    window.showConversation(someContent());
    window.findChild<ConversationPanel*>()->view().activateAction(0, QStringLiteral("edit"));
}

void showDefaults(MainWindow& window) {
    openModels(window, ModelsPanel::Section::Library);
    window.modelsPanel().library().openDefaults(someModels()[2].path);
}

void showCatalog(MainWindow& window) {
    openModels(window, ModelsPanel::Section::Discover);
}

void showFiles(MainWindow& window) {
    openModels(window, ModelsPanel::Section::Discover);
    window.modelsPanel().setNetwork(someNetwork(NetworkState::On));
    HubPageRow page = somePage();
    page.gated = true;
    window.modelsPanel().setHubPage(page);
}

void showDownloads(MainWindow& window) {
    openModels(window, ModelsPanel::Section::Downloads);
}

void showImport(MainWindow& window) {
    openModels(window, ModelsPanel::Section::Import);
    window.modelsPanel().setImportPlan(somePlan());
}

void showFirstRun(MainWindow& window) {
    window.showConversation({});
    window.setFirstRun(someFirstRun(QLocale().language() == QLocale::Chinese));
}

constexpr Screen kScreens[] = {{"empty", showEmpty},      {"chat", showChat},           {"notices", showNotices},
                               {"models", showModels},    {"settings", showSettings},   {"find", showFind},
                               {"edit", showEdit},        {"defaults", showDefaults},   {"catalog", showCatalog},
                               {"files", showFiles},      {"downloads", showDownloads}, {"import", showImport},
                               {"firstrun", showFirstRun}};

// What a widget with words needs to show them whole. 0: it may elide.
int neededWidth(const QWidget& widget) {
    if (const auto* button = qobject_cast<const QAbstractButton*>(&widget))
        return button->text().isEmpty() || button->inherits("hearth::ui::ModelItem")
                   ? 0
                   : button->minimumSizeHint().width();
    if (const auto* box = qobject_cast<const QComboBox*>(&widget))
        return box->minimumSizeHint().width();
    return 0;
}

bool insideScrolled(const QWidget& widget) {
    for (const QWidget* w = widget.parentWidget(); w; w = w->parentWidget())
        if (qobject_cast<const QScrollArea*>(w))
            return true;
    return false;
}

void checkNothingClipped(MainWindow& window, const QString& where) {
    for (QWidget* widget : window.findChildren<QWidget*>()) {
        if (!widget->isVisible() || widget->window() != &window)
            continue;
        const QString what = where + QStringLiteral(": ") + QString::fromLatin1(widget->metaObject()->className()) +
                             u' ' + widget->accessibleName();
        if (const auto* label = qobject_cast<const Label*>(widget); label && !label->text().isEmpty()) {
            QVERIFY2(label->fits(), qPrintable(what + label->text()));
        }
        QVERIFY2(widget->width() >= neededWidth(*widget), qPrintable(what + QString::number(widget->width())));
        // No control leaves the window sideways; downwards a page may scroll.
        const bool control = qobject_cast<QAbstractButton*>(widget) || qobject_cast<QComboBox*>(widget) ||
                             qobject_cast<QLineEdit*>(widget) || qobject_cast<Label*>(widget);
        if (!control)
            continue;
        const QRect place(widget->mapTo(&window, QPoint(0, 0)), widget->size());
        QVERIFY2(place.left() >= 0 && place.right() < window.width(), qPrintable(what));
        if (!insideScrolled(*widget))
            QVERIFY2(place.top() >= 0 && place.bottom() < window.height(), qPrintable(what));
    }
}

} // namespace

class LookTest : public QObject {
    Q_OBJECT

private slots:

    void contrastOfEveryPair() {
        for (const bool dark : {false, true}) {
            const auto ratio = [dark](Token a, Token b) {
                return contrast(Theme::tokenColor(a, dark), Theme::tokenColor(b, dark));
            };
            for (const Token ground : kGrounds) {
                for (const Token ink : kInks)
                    QVERIFY2(ratio(ink, ground) >= 4.8, qPrintable(QStringLiteral("ink %1 on %2, dark %3: %4")
                                                                       .arg(int(ink))
                                                                       .arg(int(ground))
                                                                       .arg(dark)
                                                                       .arg(ratio(ink, ground))));
                QVERIFY2(ratio(Token::Outline, ground) >= 3.2, qPrintable(QStringLiteral("outline on %1, dark %2: %3")
                                                                              .arg(int(ground))
                                                                              .arg(dark)
                                                                              .arg(ratio(Token::Outline, ground))));
            }
            for (const Token mark : kMarks)
                QVERIFY2(ratio(Token::Text, mark) >= 4.8, qPrintable(QString::number(int(mark))));
            QVERIFY(ratio(Token::OnAccent, Token::Accent) >= 4.8);
        }
    }

    // The palette that Qt's own widgets draw from keeps the same promise.
    void thePaletteIsReadable() {
        Theme theme;
        for (const ThemeChoice choice : {ThemeChoice::Light, ThemeChoice::Dark}) {
            theme.setChoice(choice);
            const QPalette p = theme.palette();
            for (const QPalette::ColorGroup group : {QPalette::Active, QPalette::Inactive, QPalette::Disabled}) {
                QVERIFY(contrast(p.color(group, QPalette::Text), p.color(group, QPalette::Base)) >= 4.8);
                QVERIFY(contrast(p.color(group, QPalette::WindowText), p.color(group, QPalette::Window)) >= 4.8);
                QVERIFY(contrast(p.color(group, QPalette::ButtonText), p.color(group, QPalette::Button)) >= 4.8);
                QVERIFY(contrast(p.color(group, QPalette::HighlightedText), p.color(group, QPalette::Highlight)) >=
                        4.8);
                QVERIFY(contrast(p.color(group, QPalette::PlaceholderText), p.color(group, QPalette::Base)) >= 4.8);
                QVERIFY(contrast(p.color(group, QPalette::ToolTipText), p.color(group, QPalette::ToolTipBase)) >= 4.8);
            }
        }
    }

    void theChosenThemeWinsAndIsTold() {
        Theme theme;
        theme.setChoice(ThemeChoice::Light);
        QVERIFY(!theme.isDark());
        int told = 0;
        connect(&theme, &Theme::changed, this, [&] { ++told; });
        theme.setChoice(ThemeChoice::Dark);
        QVERIFY(theme.isDark());
        QCOMPARE(told, 1);
        theme.setChoice(ThemeChoice::Dark);
        QCOMPARE(told, 1);
        // The portal speaks: nothing changes while the person has chosen, and it counts when the choice is given up.
        const auto portal = [&](uint scheme) {
            QMetaObject::invokeMethod(
                &theme, "portalSettingChanged", Q_ARG(QString, QStringLiteral("org.freedesktop.appearance")),
                Q_ARG(QString, QStringLiteral("color-scheme")), Q_ARG(QDBusVariant, QDBusVariant(scheme)));
        };
        portal(2);
        QVERIFY(theme.isDark());
        theme.setChoice(ThemeChoice::System);
        QVERIFY(!theme.isDark());
        portal(1);
        QVERIFY(theme.isDark());
        QCOMPARE(told, 3);
    }

    void iconsExistAndFollowTheTheme() {
        Theme theme;
        theme.setChoice(ThemeChoice::Light);
        const QDir icons(QStringLiteral(":/icons"));
        QVERIFY(icons.entryList().size() >= 25);
        for (const QString& file : icons.entryList()) {
            const QIcon icon = theme.icon(QString(file).chopped(4), Token::Text);
            const QImage image = icon.pixmap(QSize(20, 20), 2.0).toImage();
            QCOMPARE(image.size(), QSize(40, 40));
            bool painted = false;
            for (int y = 0; y < 40 && !painted; ++y)
                for (int x = 0; x < 40 && !painted; ++x)
                    painted = qAlpha(image.pixel(x, y)) > 128;
            QVERIFY2(painted, qPrintable(file));
        }
        const QIcon icon = theme.icon(QStringLiteral("stop"), Token::Text);
        const QColor light = icon.pixmap(20, 20).toImage().pixelColor(10, 10);
        theme.setChoice(ThemeChoice::Dark);
        const QColor dark = icon.pixmap(20, 20).toImage().pixelColor(10, 10);
        QCOMPARE(light.name(), Theme::tokenColor(Token::Text, false).name());
        QCOMPARE(dark.name(), Theme::tokenColor(Token::Text, true).name());
        QVERIFY(theme.icon(QStringLiteral("no-such-icon")).pixmap(20, 20).isNull());
    }

    // Han have the same ink in both themes, that of their outlines, and so do Latin letters: else one looks bold.
    void inkIsEven() {
        Theme theme;
        const QString han = QStringLiteral("一十土工王正中国口日目田三川天大人水木本");
        const QString latin = QStringLiteral("HILTEFilatnbdhoepqrnmu");
        for (const TextStyle style : {TextStyle::Message, TextStyle::Interface, TextStyle::Code})
            for (const qreal scale : {1.0, 2.0})
                for (const QString& text : {han, latin}) {
                    const QFont font = text == han ? theme.hanFont(style) : theme.font(style);
                    const double light = ink(font, text, scale, false);
                    const double dark = ink(font, text, scale, true);
                    const QString told =
                        QStringLiteral("%1 %2 px, scale %3: %4 of the outline in the light theme, %5 in the dark one")
                            .arg(text.left(1))
                            .arg(font.pixelSize())
                            .arg(scale)
                            .arg(light)
                            .arg(dark);
                    QVERIFY2(std::abs(dark / light - 1) < 0.03, qPrintable(told));
                    QVERIFY2(light > 0.9 && light < 1.1, qPrintable(told));
                }
    }

    // 骨 直 门 are drawn differently in Japan: the simplified face has to be asked for by name.
    void hanIsDrawnByTheSimplifiedFace() {
        Theme theme;
        theme.setLocale(QLocale(QLocale::English, QLocale::UnitedStates));
        for (const TextStyle style : {TextStyle::Message, TextStyle::Interface, TextStyle::Heading1, TextStyle::Code})
            for (const QChar han : QStringLiteral("\u9AA8\u76F4\u95E8"))
                QVERIFY2(face(theme.font(style), QString(han)).endsWith(QStringLiteral("CJK SC")),
                         qPrintable(face(theme.font(style), QString(han))));
        QVERIFY(face(theme.font(TextStyle::Message), QStringLiteral("A")) == QStringLiteral("Noto Sans"));
        theme.setLocale(QLocale(QStringLiteral("zh_TW")));
        const QString traditional = face(theme.font(TextStyle::Message), QStringLiteral("\u9AA8"));
        QVERIFY2(traditional.endsWith(QStringLiteral("CJK TC")), qPrintable(traditional));
    }

    void quotesBesideHanTakeItsFace() {
        Theme theme;
        theme.setLocale(QLocale(QStringLiteral("zh_CN")));
        const QString text = QStringLiteral("\u4ED6\u8BF4\u201C\u597D\u201D\u2026\u2026 and \u201Cgood\u201D");
        const auto formats = hanFormats(theme, TextStyle::Interface, text);
        const auto hanAt = [&](int at) {
            for (const auto& range : formats)
                if (range.start <= at && at < range.start + range.length &&
                    !range.format.fontFamilies().toStringList().isEmpty())
                    return range.format.fontFamilies().toStringList().first().contains(QStringLiteral("CJK"));
            return false;
        };
        QVERIFY(hanAt(2) && hanAt(4) && hanAt(5) && hanAt(6));
        QVERIFY(!hanAt(static_cast<int>(text.indexOf(QStringLiteral("\u201Cgood")))));
    }

    void linesKeepTheirPitch() {
        Theme theme;
        theme.install();
        Label label(theme, TextStyle::Interface, Token::Text, Label::Lines::Wrapped);
        label.setText(QStringLiteral("Latin\n\u6C49\u5B57\nLatin \u6C49\u5B57 \U0001F525\nLatin"));
        QCOMPARE(label.heightForWidth(400), 4 * 20);
        label.setText(QStringLiteral("x"));
        QCOMPARE(label.heightForWidth(400), 20);
    }

    void measures() {
        Theme theme;
        QCOMPARE(theme.controlHeight(), 32);
        QCOMPARE(theme.rowHeight(), 36);
        QCOMPARE(theme.headerHeight(), 48);
        QCOMPARE(theme.statusHeight(), 28);
        QCOMPARE(theme.lineHeight(TextStyle::Message), 24);
        theme.setTextSizePercent(200);
        QCOMPARE(theme.lineHeight(TextStyle::Message), 48);
        QVERIFY(theme.controlHeight() >= theme.lineHeight(TextStyle::Interface) + 8);
        theme.setTextSizePercent(10);
        QCOMPARE(theme.textSizePercent(), 80);
    }

    void nothingIsClipped_data() {
        QTest::addColumn<int>("width");
        QTest::addColumn<int>("percent");
        QTest::addColumn<QString>("language");
        for (const int width : {640, 1180, 1920})
            for (const int percent : {100, 150, 200})
                for (const char* language : {"en", "zh_CN"})
                    QTest::addRow("%d px, %d %%, %s", width, percent, language)
                        << width << percent << QString::fromLatin1(language);
    }

    void nothingIsClipped() {
        QFETCH(int, width);
        QFETCH(int, percent);
        QFETCH(QString, language);
        for (const Screen& screen : kScreens) {
            Theme theme;
            MainWindow window(theme);
            open(window, width, percent, language, ThemeChoice::Light, screen);
            checkNothingClipped(window, QString::fromLatin1(screen.name));
            if (QTest::currentTestFailed()) {
                save(window, QStringLiteral("failed-%1-%2-%3-%4")
                                 .arg(QString::fromLatin1(screen.name), language)
                                 .arg(width)
                                 .arg(percent));
                return;
            }
        }
    }

    void everyControlHasAName() {
        for (const Screen& screen : kScreens) {
            Theme theme;
            MainWindow window(theme);
            open(window, 1180, 100, QStringLiteral("en"), ThemeChoice::Light, screen);
            for (QWidget* widget : window.findChildren<QWidget*>()) {
                const bool control = qobject_cast<QAbstractButton*>(widget) || qobject_cast<QComboBox*>(widget) ||
                                     qobject_cast<QLineEdit*>(widget) || widget->focusPolicy() != Qt::NoFocus;
                if (!control || !widget->isVisible() || widget->inherits("QComboBoxPrivateContainer") ||
                    qobject_cast<ChatView*>(widget))
                    continue;
                if (widget->inherits("QLineEditIconButton"))
                    continue; // a picture inside the search field
                QAccessibleInterface* access = QAccessible::queryAccessibleInterface(widget);
                QVERIFY(access);
                QVERIFY2(!access->text(QAccessible::Name).trimmed().isEmpty(),
                         qPrintable(QStringLiteral("%1 in %2")
                                        .arg(QString::fromLatin1(widget->metaObject()->className()),
                                             QString::fromLatin1(screen.name))));
            }
        }
    }

    // Everything that the mouse reaches, the Tab key reaches.
    void tabReachesTheControls() {
        Theme theme;
        MainWindow window(theme);
        open(window, 1180, 100, QStringLiteral("en"), ThemeChoice::Light, kScreens[4]);
        QSet<QWidget*> reached;
        for (int i = 0; i < 60 && window.focusWidget(); ++i) {
            reached.insert(window.focusWidget());
            QTest::keyClick(window.focusWidget(), Qt::Key_Tab);
        }
        for (QComboBox* box : window.findChildren<SettingsPanel*>().first()->findChildren<QComboBox*>())
            QVERIFY2(reached.contains(box), qPrintable(box->accessibleName()));
    }

    void pictures() {
        if (qEnvironmentVariableIsEmpty("HEARTH_SCREENSHOTS"))
            QSKIP("HEARTH_SCREENSHOTS names no folder");
        QWidget anything; // as with the mouse: no focus ring
        QTest::mousePress(&anything, Qt::LeftButton);
        for (const Screen& screen : kScreens)
            for (const int width : {640, 1180, 1920})
                for (const char* language : {"en", "zh_CN"})
                    for (const ThemeChoice choice : {ThemeChoice::Light, ThemeChoice::Dark}) {
                        Theme theme;
                        MainWindow window(theme);
                        open(window, width, 100, QString::fromLatin1(language), choice, screen);
                        save(window,
                             QStringLiteral("%1-%2-%3-%4")
                                 .arg(QString::fromLatin1(screen.name), QString::fromLatin1(language))
                                 .arg(width)
                                 .arg(choice == ThemeChoice::Dark ? QStringLiteral("dark") : QStringLiteral("light")));
                    }
        for (const char* language : {"en", "zh_CN"}) {
            Theme theme;
            MainWindow window(theme);
            open(window, 1180, 200, QString::fromLatin1(language), ThemeChoice::Light, kScreens[4]);
            save(window, QStringLiteral("settings-%1-200").arg(QString::fromLatin1(language)));
            press(window, "Models");
            QTest::keyClick(&window, Qt::Key_Escape);
            open(window, 640, 200, QString::fromLatin1(language), ThemeChoice::Light, kScreens[0]);
            save(window, QStringLiteral("empty-%1-200").arg(QString::fromLatin1(language)));
            open(window, 1180, 100, QString::fromLatin1(language), ThemeChoice::Dark, kScreens[1]);
            auto* picker = window.findChild<ModelPicker*>();
            picker->openPopup();
            settle();
            picker->popup().grab().save(folder() + QStringLiteral("/popup-%1.png").arg(QString::fromLatin1(language)));
            picker->popup().hide();
        }
    }

private:
    // Painted in the theme's colours: the sum of what covers the pixels, as a share of the outlines' area.
    static double ink(const QFont& font, const QString& text, qreal scale, bool dark) {
        QImage image(QSize(700, 60) * scale, QImage::Format_RGB32);
        image.setDevicePixelRatio(scale);
        const QColor ground = Theme::tokenColor(Token::Window, dark), pen = Theme::tokenColor(Token::Text, dark);
        image.fill(ground);
        QPainter painter(&image);
        painter.setFont(font);
        painter.setPen(pen);
        painter.drawText(QPointF(10, 40), text);
        painter.end();
        const double painted = sumOf(image, ground, pen) / (scale * scale);
        constexpr int kLarge = 12; // where pixels no longer matter
        QFont large = font;
        large.setPixelSize(font.pixelSize() * kLarge);
        QPainterPath outline;
        outline.addText(QPointF(10, 40) * kLarge, large, text);
        QImage filled(QSize(700, 60) * kLarge, QImage::Format_RGB32);
        filled.fill(Qt::black);
        QPainter filling(&filled);
        filling.setRenderHint(QPainter::Antialiasing);
        filling.fillPath(outline, Qt::white);
        filling.end();
        return painted * kLarge * kLarge / sumOf(filled, Qt::black, Qt::white);
    }

    static double sumOf(const QImage& image, const QColor& ground, const QColor& pen) {
        double sum = 0;
        for (int y = 0; y < image.height(); ++y) {
            const auto* line = reinterpret_cast<const QRgb*>(image.constScanLine(y));
            for (int x = 0; x < image.width(); ++x)
                sum += qGreen(line[x]) - ground.green();
        }
        return sum / (pen.green() - ground.green());
    }

    static QString face(const QFont& font, const QString& text) {
        QTextLayout layout(text, font);
        layout.beginLayout();
        layout.createLine();
        layout.endLayout();
        const QList<QGlyphRun> runs = layout.glyphRuns();
        return runs.isEmpty() ? QString() : runs.first().rawFont().familyName();
    }

    static void open(MainWindow& window, int width, int percent, const QString& language, ThemeChoice theme,
                     const Screen& screen) {
        SettingsRow settings = someSettings();
        settings.language = language;
        settings.theme = theme;
        settings.textSizePercent = percent;
        window.setSettings(settings);
        window.setConversations(someConversations());
        window.setModels(someModels());
        window.resize(width, width == 640 ? 480 : width == 1180 ? 780 : 1080);
        window.show();
        settle();
        screen.prepare(window);
        settle();
        QTest::qWait(30);
    }

    static QString folder() { return qEnvironmentVariable("HEARTH_SCREENSHOTS"); }

    static void save(MainWindow& window, const QString& name) {
        if (folder().isEmpty())
            return;
        QDir().mkpath(folder());
        window.grab().save(folder() + u'/' + name + QStringLiteral(".png"));
    }
};

QTEST_MAIN(LookTest)
#include "look.moc"
