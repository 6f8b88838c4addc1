#include "samples.h"

namespace hearth::ui::test {

QVector<MessageRow> english() {
    QVector<MessageRow> rows;
    rows << user(1, QStringLiteral("How do I keep a sourdough starter alive when I travel for three weeks?"));
    MessageRow first = answer(
        2,
        QStringLiteral(
            R"(A starter survives **three weeks** in the refrigerator without any care. What matters is how you put it to sleep.

## Before you leave

1. Feed it at a ratio of 1 : 5 : 5 with *cool* water.
2. Wait one hour, until the first bubbles show.
   - The jar should be at most half full.
   - Leave the lid loose for the first day.
3. Put it on the coldest shelf, near 4 °C.

### When you come back

- Pour off the dark liquid; it is only alcohol.
- [x] Keep 20 g of starter
- [ ] Feed twice a day until it doubles in under 6 hours

> A starter that smells of vinegar is hungry, not dead. Two feedings bring it back.

A small helper computes the amounts, see `feed()` below or the [baker's notes](https://example.com/notes):

```python
def feed(starter: float, ratio=(1, 5, 5)) -> dict:
    """Grams of flour and water for a feeding."""
    s, flour, water = ratio
    return {"flour": starter * flour / s, "water": starter * water / s}

print(feed(20))  # {'flour': 100.0, 'water': 100.0}
```

| Days away | Ratio | Where |
|:--|:-:|--:|
| 3 | 1 : 2 : 2 | shelf, 18 °C |
| 10 | 1 : 5 : 5 | refrigerator |
| 21 | 1 : 10 : 10 | refrigerator, stiff dough |

---

That is all there is to it.)"));
    first.thoughts = QStringLiteral("The user travels for three weeks.\n\nCold slows the yeast down.");
    first.thoughtSeconds = 34;
    rows << first;
    rows << user(3, QStringLiteral("And dried?"));
    MessageRow second = answer(4, QStringLiteral("Spread it thinly on baking paper, let it dry for two days, and "
                                                 "crumble it into a jar. It keeps for ~~months~~ years."));
    second.siblingCount = 2;
    second.siblingIndex = 1;
    rows << second;
    return rows;
}

QVector<MessageRow> chinese() {
    QVector<MessageRow> rows;
    rows << user(1,
                 QStringLiteral("我三周后出差，冰箱里的天然酵母要怎么保存？请给出步骤，并说明回来以后怎样恢复活力。"));
    MessageRow first = answer(
        2,
        QStringLiteral(
            R"(天然酵母在冰箱里可以安全度过**三周**，关键在于入冰箱前的那一次喂养。常说的**“低温休眠”**就是这个意思，英文叫 cold retarding。

## 出发之前

1. 按 1:5:5 的比例喂养，用*凉水*。
2. 等大约 1 小时，看到第一批气泡。
   - 罐子最多装一半。
   - 第一天盖子不要拧紧。
3. 放到最冷的一层，约 4 °C。

> 闻起来像醋，是“饿了”，不是“死了”——喂两次就能恢复……

用 `feed()` 计算用量，参见[面包师笔记](https://example.com/notes)：

```cpp
// 每次喂养所需的面粉与水（克）
struct Feeding { double flour, water; };
Feeding feed(double starter, double ratio = 5) {
    return {starter * ratio, starter * ratio};  // 1:5:5
}
```

| 天数 | 比例 | 位置 |
|:--|:-:|--:|
| 3 | 1:2:2 | 架子上，18 °C |
| 21 | 1:10:10 | 冰箱，硬面团 |

骨、直、门：字形应为简体。访问 https://example.com/酵母，了解更多。)"),
        QStringLiteral("Qwen3 4B"));
    first.thoughts = QStringLiteral("用户要出差三周。");
    first.thoughtSeconds = 12;
    rows << first;
    rows << user(3, QStringLiteral("谢谢，再短一点。"));
    rows << answer(4, QStringLiteral("喂一次，冷藏，回来再喂两次。"), QStringLiteral("Qwen3 4B"));
    return rows;
}

QVector<MessageRow> code() {
    QString text = QStringLiteral("Code that folds, code that is wide, and a wide table.\n\n```python\n");
    for (int i = 1; i <= 60; ++i)
        text += QStringLiteral("value_%1 = compute(%1)  # 第 %1 行\n").arg(i);
    text += QStringLiteral("```\n\n```sh\ncmake --preset release ") + QStringLiteral("-DOPTION=value ").repeated(8) +
            QStringLiteral("\n```\n\n| Name | What it does |\n|:--|:--|\n| fold | ") +
            QStringLiteral("hides what is long until it is asked for, and ").repeated(4) + QStringLiteral("ends |\n");
    return {user(1, QStringLiteral("Show me")), answer(2, text)};
}

QVector<MessageRow> states() {
    QVector<MessageRow> rows;
    QString longText;
    for (int i = 1; i <= 30; ++i)
        longText += QStringLiteral("Line %1 of a long message that was pasted.\n").arg(i);
    rows << user(1, longText);
    MessageRow interrupted = answer(2, QStringLiteral("This reply was cut off in the middle of"));
    interrupted.state = MessageState::Interrupted;
    rows << interrupted;
    rows << user(3, QStringLiteral("Try again"));
    MessageRow failed = answer(4, QString(), QStringLiteral("Qwen3 4B"));
    failed.state = MessageState::Failed;
    failed.note = QStringLiteral(
        "The model needs 5.1 GB of memory and 3.2 GB are free. Close other programs or pick a smaller model.");
    rows << failed;
    rows << user(5, QStringLiteral("Again"));
    MessageRow streaming = answer(6, QString(), QStringLiteral("Qwen3 4B"));
    streaming.state = MessageState::Streaming;
    streaming.thoughts = QStringLiteral("First I look at what was asked.\nThen I think about the order of the answer");
    rows << streaming;
    MessageRow queued = user(7, QStringLiteral("And one more thing"));
    queued.state = MessageState::Queued;
    rows << queued;
    return rows;
}

QVector<MessageRow> languages() {
    const QString text = QString::fromUtf8(R"md(The reader, in Python and C++:

```python
@dataclass
class Reader(Base):
    """Reads a file once."""
    path: Path
    size: int = 4_096

    def lines(self) -> list[str]:
        print(f"reading {self.path.name!r}, {self.size / 2} bytes")  # once
        return [line for line in open(self.path) if line is not None]
```

```cpp
#include <vector>
template <typename T>
class Window final : public Widget {
    explicit Window(std::vector<T> items) : items_(std::move(items)) {}
    const char* raw = R"sql(SELECT 1)sql"; // an int at 0x1F
};
```

```tsx
export function App({ items }: Props) {
  const [n, setN] = useState<number>(0);
  return <p className="note">Don't lose {items.length}: {`${n} left`}</p>;
}
```

The change, and how to run it:

```diff
--- a/reader.py
+++ b/reader.py
@@ -1,3 +1,3 @@
 class Reader(Base):
-    size: int = 512
+    size: int = 4_096
     path: Path
```

```bash
export MODE=fast
for f in *.txt; do cat "$f" | grep -v "$MODE" > out.log 2>&1; done
```

```yaml
services:
  web:
    image: "nginx:1.25" # pinned
    ports: [80, 443]
    healthy: true
```

```json
{"name": "Hearth", "sizes": [1, 2.5e3], "dark": true}
```

```html
<div class="card" data-id="1"><!-- a card -->
  <style>.card > a:hover { color: #a83e14; margin: 0 auto; }</style>
</div>
```

```sql
SELECT name, count(*) FROM person WHERE born > '2000-01-01' GROUP BY name; -- by name
```

```mermaid
graph TD; A-->B
```
)md");
    return {user(1, QStringLiteral("Show me some code")), answer(2, text)};
}

} // namespace hearth::ui::test
