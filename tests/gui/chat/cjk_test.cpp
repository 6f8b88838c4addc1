#include "marked.h"

#include <QTest>

#include <iterator>

using namespace hearth::ui;
using hearth::ui::test::marked;

namespace {

/// One text beside CJK, what it reads as, and the rule of the public amendments that it shows.
struct Case {
    const char16_t* source;
    const char16_t* expected;
};

struct Rule {
    const char* name;
    std::initializer_list<Case> cases;
};

const Rule kRules[] = {
    {"closes behind CJK punctuation, before a letter of CJK",
     {{u"**注意：**请", u"<s>注意：</>请"},
      {u"**这是什么？**我不知道", u"<s>这是什么？</>我不知道"},
      {u"*你好。*世界", u"<e>你好。</>世界"},
      {u"***要点：***其一", u"<se>要点：</>其一"},
      {u"**（重要）**的事", u"<s>（重要）</>的事"},
      {u"**《红楼梦》**是小说", u"<s>《红楼梦》</>是小说"},
      {u"これは**強調。**です", u"これは<s>強調。</>です"},
      {u"~~旧。~~新", u"<d>旧。</>新"}}},
    {"opens before CJK punctuation, behind a letter of CJK",
     {{u"他说**「好」**了", u"他说<s>「好」</>了"},
      {u"太郎は**「こんにちわ」**といった", u"太郎は<s>「こんにちわ」</>といった"},
      {u"读*《论语》*吧", u"读<e>《论语》</>吧"},
      {u"改~~「旧」~~新", u"改<d>「旧」</>新"},
      {u"第**【一】**章", u"第<s>【一】</>章"},
      {u"是**，不**", u"是<s>，不</>"}}},
    {"other punctuation opens and closes when CJK stands on the other side",
     {{u"称为**“中文”**的", u"称为<s>“中文”</>的"},
      {u"**注意:**请", u"<s>注意:</>请"},
      {u"他说**\"hello\"**了", u"他说<s>\"hello\"</>了"},
      {u"请看**(重要)**部分", u"请看<s>(重要)</>部分"},
      {u"涨了**5%**左右", u"涨了<s>5%</>左右"},
      {u"用**`code`**来写", u"用<s></><sc>code</>来写"},
      {u"**‘单’**字", u"<s>‘单’</>字"},
      {u"价格是**$5**元", u"价格是<s>$5</>元"},
      {u"*(a)*中", u"<e>(a)</>中"},
      {u"中*(a)*", u"中<e>(a)</>"},
      {u"中~~(a)~~文", u"中<d>(a)</>文"},
      {u"链接**[名](u)**在此", u"链接<s></><sa u>名</>在此"}}},
    {"CommonMark's own rule where no CJK adjoins",
     {{u"a**“b”**c", u"a**“b”**c"},
      {u"**注意:**abc", u"**注意:**abc"},
      {u"这是**“a”**b", u"这是**“a”**b"},
      {u"a**(中)**b", u"a**(中)**b"},
      {u"**Note:**text", u"**Note:**text"},
      {u"a*\"b\"*c", u"a*\"b\"*c"},
      {u"**Note:** text", u"<s>Note:</> text"},
      {u"a ~~“b”~~ c", u"a <d>“b”</> c"}}},
    {"CJK on the outer side, CJK punctuation on both",
     {{u"，**重点**，", u"，<s>重点</>，"},
      {u"。**“引”**。", u"。<s>“引”</>。"},
      {u"（**甲**）（*乙*）", u"（<s>甲</>）（<e>乙</>）"},
      {u"、*a*、", u"、<e>a</>、"},
      {u"**甲**，**乙**、**丙**。", u"<s>甲</>，<s>乙</>、<s>丙</>。"}}},
    {"a space keeps a run from opening or closing, also an ideographic one",
     {{u"** 中文**", u"** 中文**"},
      {u"**中文 **吧", u"**中文 **吧"},
      {u"**\u3000中文**", u"**\u3000中文**"},
      {u"中 **“文”** 字", u"中 <s>“文”</> 字"}}},
    {"an underscore inside of a word of CJK is text, beside CJK punctuation it is none",
     {{u"文_件_名", u"文_件_名"},
      {u"__中文__字", u"__中文__字"},
      {u"“_中文_”", u"“<e>中文</>”"},
      {u"，_斜体_，", u"，<e>斜体</>，"},
      {u"（__甲__）", u"（<s>甲</>）"},
      {u"a_b_c 中", u"a_b_c 中"}}},
    {"Korean: hangul is CJK, so a particle may follow",
     {{u"**이 용어(This term)**를", u"<s>이 용어(This term)</>를"},
      {u"**\"한국어\"**는", u"<s>\"한국어\"</>는"},
      {u"값은*(약)*이다", u"값은<e>(약)</>이다"},
      {u"**ᄒᆞᆫ글(옛)**은", u"<s>ᄒᆞᆫ글(옛)</>은"}}},
    {"an ideographic variation selector counts as CJK before a run",
     {{u"葛\U000E0100**「城」**市", u"葛\U000E0100<s>「城」</>市"},
      {u"葛\U000E0100**(城)**市", u"葛\U000E0100<s>(城)</>市"},
      {u"**葛\U000E0100**城", u"<s>葛\U000E0100</>城"}}},
    {"a standard variation selector belongs to the character before it",
     {{u"**“字”\uFE01**abc", u"<s>“字”\uFE01</>abc"},
      {u"字。\uFE00**(注)**文", u"字。\uFE00<s>(注)</>文"},
      {u"**字！\uFE00**abc", u"<s>字！\uFE00</>abc"},
      {u"**(a)\uFE0E**b", u"**(a)\uFE0E**b"}}},
    {"an emoji is a symbol and no CJK",
     {{u"a**\U0001F600**b", u"a**\U0001F600**b"},
      {u"**好\U0001F600**中", u"<s>好\U0001F600</>中"},
      {u"**好\U0001F600**a", u"**好\U0001F600**a"},
      {u"中**\U0001F600好**", u"中<s>\U0001F600好</>"}}},
    {"half and full-width forms, signs and rarer scripts are CJK",
     {{u"**(ｶﾅ)**ｶﾅ", u"<s>(ｶﾅ)</>ｶﾅ"},
      {u"**5%**％", u"<s>5%</>％"},
      {u"₩**(won)**₩", u"₩<s>(won)</>₩"},
      {u"ㄅ**(b)**ㄆ", u"ㄅ<s>(b)</>ㄆ"},
      {u"\U00020000**“a”**\U0002A6D6", u"\U00020000<s>“a”</>\U0002A6D6"},
      {u"ꀀ**(yi)**ꀀ", u"ꀀ<s>(yi)</>ꀀ"}}},
    {"one tilde holds together what a word holds: ranges and tones of voice stay",
     {{u"3~5天，10~20元", u"3~5天，10~20元"},
      {u"好~真的~吗", u"好~真的~吗"},
      {u"~旧~ 新", u"<d>旧</> 新"},
      {u"约~3小时", u"约~3小时"},
      {u"~~~三~~~", u"~~~三~~~"},
      {u"~~两~一~~", u"<d>两~一</>"}}},
    {"an address ends where Chinese punctuation begins",
     {{u"见https://a.bc/d，然后", u"见<a https://a.bc/d>https://a.bc/d</>，然后"},
      {u"见https://a.bc/d。", u"见<a https://a.bc/d>https://a.bc/d</>。"},
      {u"（https://a.bc/d）", u"（<a https://a.bc/d>https://a.bc/d</>）"},
      {u"《www.a.bc》", u"《<a http://www.a.bc>www.a.bc</>》"},
      {u"「http://a.bc」", u"「<a http://a.bc>http://a.bc</>」"},
      {u"网址：https://a.bc/x?y=z；再说", u"网址：<a https://a.bc/x?y=z>https://a.bc/x?y=z</>；再说"},
      {u"https://a.bc/d！真的", u"<a https://a.bc/d>https://a.bc/d</>！真的"},
      {u"https://a.bc/d、https://e.fg", u"<a https://a.bc/d>https://a.bc/d</>、<a https://e.fg>https://e.fg</>"},
      {u"“https://a.bc/d”", u"“<a https://a.bc/d>https://a.bc/d</>”"},
      {u"访问https://a.bc然后", u"访问<a https://a.bc>https://a.bc</>然后"},
      {u"https://例子.中国/路", u"<a https://例子.中国/路>https://例子.中国/路</>"},
      {u"邮箱a.b@c.de。", u"邮箱<a mailto:a.b@c.de>a.b@c.de</>。"},
      {u"**https://a.bc/d**，好", u"<sa https://a.bc/d>https://a.bc/d</>，好"}}},
};

} // namespace

/// Emphasis, strikethrough and addresses beside Chinese, Japanese and Korean.
class CjkTest : public QObject {
    Q_OBJECT

private slots:
    void reads_data();
    void reads();
    void enough();
};

void CjkTest::reads_data() {
    QTest::addColumn<QString>("source");
    QTest::addColumn<QString>("expected");
    for (const Rule& rule : kRules)
        for (const Case& c : rule.cases)
            QTest::newRow(
                qPrintable(QStringLiteral("%1: %2").arg(QString::fromUtf8(rule.name), QString::fromUtf16(c.source))))
                << QString::fromUtf16(c.source) << QString::fromUtf16(c.expected);
}

void CjkTest::reads() {
    QFETCH(QString, source);
    QFETCH(QString, expected);
    QCOMPARE(marked(parseInline(source)), expected.remove(QStringLiteral("<s></>")));
}

void CjkTest::enough() {
    size_t emphasis = 0;
    for (const Rule& rule : kRules)
        emphasis += QByteArray(rule.name).startsWith("an address") ? 0 : rule.cases.size();
    QVERIFY2(emphasis >= 60, qPrintable(QString::number(emphasis)));
}

QTEST_GUILESS_MAIN(CjkTest)
#include "cjk_test.moc"
