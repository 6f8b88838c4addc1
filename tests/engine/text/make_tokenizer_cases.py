#!/usr/bin/env python3
"""Makes tests/data/text/pre_tokenizers.json and tests/data/text/tokenizer_json.json with Hugging Face's `tokenizers`.

    python make_tokenizer_cases.py OUT_FOLDER [MORE_TEXTS.txt]
Needs the packages tokenizers and sentencepiece. With a file of further texts the cases get many more (for a
comparison by hand; what lies in the repository is made without).
"""
import base64, json, os, random, sys, tempfile
import sentencepiece as spm
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers.pre_tokenizers import Split

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
END = r"\s*[\r\n]+|\s+(?!\S)|\s+"
CON = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA3 = CON + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + END
QWEN2 = LLAMA3.replace("{1,3}", "")
QWEN35 = CON + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|" + END
UP, LOW = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
LEAD = r"[^\r\n\p{L}\p{N}]?"
def cased(up, low, con, digits, tail): return f"{LEAD}{up}*{low}+{con}|{LEAD}{up}+{low}*{con}|{digits}| ?[^\\s\\p{{L}}\\p{{N}}]+{tail}|" + END
GPT4O = cased(UP, LOW, CON + "?", r"\p{N}{1,3}", r"[\r\n/]*")
DS3 = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"
NOHAN = "&&[^\\p{Han}]]"
BLOOM = r" ?[^(\s|.,!?…。，、।۔،)]+"
DSL = "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\\x{1F7D}ᾀ-ᾴᾶ-ᾼ\\x{1FBE}ῂ-ῄῆ-ῌῐ-\\x{1FD3}ῖ-\\x{1FDB}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\\x{2126}ℨ\\x{212A}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+"

RULES = [  # names of tokenizer.ggml.pre, expressions
    ("default", [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"]),
    ("gpt-2 gpt2 phi-2 mpt olmo jais jina-es jina-de jina-v1-en jina-v2-es jina-v2-de jina-v2-code roberta-bpe modern-bert gigachat a.x-4.0 mellum exaone4 trillion granite-docling", [GPT2]),
    ("starcoder refact command-r smollm codeshell exaone minerva-7b mellum2", [r"\p{N}", GPT2]),
    ("llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano smaug-bpe dbrx chatglm-bpe glm4", [LLAMA3]),
    ("jais-2", [LLAMA3[:-len(r"\s+(?!\S)|\s+")] + "|".join(r"\s{%s}(?!\S)" % n for n in ("512", "256", "128", "64", "32", "16", "8", "4", "1,2")) + r"|\s{1}"]),
    ("qwen2 stablelm2 deepseek-r1-qwen megrez hunyuan solar-open grok-2 kormo f2llmv2", [QWEN2]),
    ("qwen35", [QWEN35]),
    ("gpt-4o llama4 kanana2 talkie minimax-m2 granite-embed-multi-97m", [GPT4O]),
    ("tekken", [cased(UP, LOW, "", r"\p{N}", r"[\r\n/]*")]),
    ("deepseek-llm", ["[\r\n]", DSL, "\\s?[!-/:-~！-／：-～‘-‟　-。]+", "\\s+$", "[一-龥ࠀ-一가-퟿]+", "\\p{N}+"]),
    ("deepseek-coder", ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", r"\p{N}"]),
    ("deepseek-v3 hunyuan-dense joyai-llm", [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", DS3]),
    ("youtu", ["[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+", cased(UP, LOW, CON + "?", r"\p{N}", r"[\r\n/]*")]),
    ("falcon", [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"]),
    ("poro-chat bloom gpt3-finnish", [BLOOM]),
    ("viking", [BLOOM, r"\p{N}"]),
    ("chameleon", ["<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", r"([\t\n]|    |  )", r"\p{N}", r"[\p{P}!-/:-@\[-`{-~]", GPT2]),
    ("tiny_aya cohere2moe", [r"\d{1,3}(?=(?:\d{3})*\b)", GPT4O]),
    ("superbpe", [r"\p{N}+", r"(?=(\d{3})+(?!\d))"]),
    ("kimi-k2", [r"\p{Han}+", cased(UP[:-1] + NOHAN, LOW[:-1] + NOHAN, CON + "?", r"\p{N}{1,3}", r"[\r\n]*")]),
    ("bailingmoe bailingmoe2 llada-moe", [r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"]),
    ("seed-coder", [CON + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|" + END]),
    ("afmoe", [r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))", "[一-鿿㐀-䶿\\x{F900}-\\x{FAFF}぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+", DS3]),
    ("exaone-moe", [CON + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"]),
    ("minicpm5", [r"\p{N}{1,3}", CON + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|" + END]),
    ("gemma4 granite-embed-multi-311m sarvam-moe", [r"[^\n]+|[\n]+"]),
    ("whitespace", [r"\S+"]),
]

CORPUS = """The quick brown fox jumps over the lazy dog. A model reads tokens and writes tokens, one after the other.
Hello world! How are you today? I'm fine, thanks; they've said it's 10 o'clock. She'll come at 12:30, he'd rather not.
def main(argc, argv):\n    for i in range(10):\n        print("hello", i, sep=", ")\n    return 0\n
你好，世界。今天天气很好，我们去公园吧。模型读取词元，然后写出词元。一二三四五六七八九十。こんにちは世界。 안녕하세요 세계.
Привет, мир! Γειά σου Κόσμε. Ünïcödé naïve café résumé. emoji 😀 👍 🚀. the of and to in is that for it as was with be by on not he""".split("\n")

TEXTS = ["", " ", "  ", "Hello world!", " leading", "trailing ", "a  b   c    d", "tabs\tand\nlines\r\n\n x", "\n\n  \n\tx\n", "I'm, you're, WE'LL he'S don'T o'clock 'ſ",
    "12345 3.14 1000000 1,234,567 ½² ٣٤٥ x1y22", "你好，世界。测试ABC混合text中文", "안녕 こんにちは カタカナ", "Привет, мир! ΑΒΓ αβγ ǅungla", "naïve cafe\u0301 e\u0301\u0323x Å",
    "😀👍🏽👨‍👩‍👧🇨🇳 ok", "def f(x):\n    return x*2  # done\n\n\nclass A_b: pass", "camelCaseWord HTTPServer XMLHttp iPhone ABCdef", "https://a.b/c?d=e&f=%20 //// a/b/\n/", "مرحبا שלום हिन्दी ไทย",
    "\u200b\ufeff\u00a0\u3000x\u2003y\u2028z\u0085", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "$5+3=8 <tag> ^~`| {}[]()!!!??? ...", "<s>hi</s> <unk> [CLS] [MASK]x <x> yes<x>no  <x>  a", "Ⅳ ① ⒜ K ﬁ Ａｂ１ ㍿ ﷺ",
    "IMGIMGABCZ <sentinel:12> 1234567890 12 1234", "mixed한글과中文andに", "#include <a.h>\r\n#define X\r\n", " \u00a0 \u00a0x", "he said: “quote” — ‘it’s’", "\t\tx  \n \n  y\r\r\nz", "ＷＩＤＥ ｶﾅ ゛", "x" + " " * 70 + "y", "ğüşİı ßẞ Σσς", "a.b,c!d?e…f。g，h、i"]

BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def special(*texts, **kw): return [AddedToken(t, special=True, normalized=kw.get("normalized", False)) for t in texts]


def bpe(pre, norm=None, dec=None, bytes_=True, vocab=300, **kw):
    t = Tokenizer(models.BPE(**kw))
    if norm: t.normalizer = norm
    if pre: t.pre_tokenizer = pre
    t.decoder = dec or decoders.ByteLevel()
    tr = dict(vocab_size=vocab, special_tokens=special("<s>", "</s>", "<unk>"), show_progress=False)
    if bytes_: tr["initial_alphabet"] = sorted(pre_tokenizers.ByteLevel.alphabet())
    if kw.get("continuing_subword_prefix"): tr["continuing_subword_prefix"] = kw["continuing_subword_prefix"]
    if kw.get("end_of_word_suffix"): tr["end_of_word_suffix"] = kw["end_of_word_suffix"]
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(**tr))
    return t


def with_bytes(t):  # adds the 256 byte tokens, as converted SentencePiece models have them
    j = json.loads(t.to_str()); v = j["model"]["vocab"]; n = len(v)
    for b in range(256): v["<0x%02X>" % b] = n + b
    j["model"]["byte_fallback"] = True
    return Tokenizer.from_str(json.dumps(j))


def llama2(prepend, fuse=True):
    steps = ([normalizers.Prepend("▁")] if prepend else []) + [normalizers.Replace(" ", "▁")]
    t = bpe(None if prepend else Split(" ", "merged_with_previous"), normalizers.Sequence(steps), decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()] + ([decoders.Strip(" ", 1, 0)] if prepend else [])),
            False, 220, unk_token="<unk>", fuse_unk=fuse)
    t = with_bytes(t)
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 0)])
    return t


def unigram(charsmap=None, bytes_=False, scheme="always", norm=None, split=True):
    t = Tokenizer(models.Unigram())
    n = ([normalizers.Precompiled(charsmap)] if charsmap else []) + (norm or [])
    if n: t.normalizer = normalizers.Sequence(n)
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split)
    t.decoder = decoders.Metaspace(prepend_scheme=scheme)
    t.train_from_iterator(CORPUS, trainers.UnigramTrainer(vocab_size=160, special_tokens=special("<pad>", "</s>", "<unk>"), unk_token="<unk>", show_progress=False, shrinking_factor=0.5, n_sub_iterations=1))
    if bytes_:
        j = json.loads(t.to_str()); j["model"]["vocab"] += [["<0x%02X>" % b, -9.0 - b / 256] for b in range(256)]; j["model"]["byte_fallback"] = True
        j["decoder"] = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, j["decoder"]]}
        t = Tokenizer.from_str(json.dumps(j))
    t.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    return t


def wordpiece(norm, pre=None, cleanup=True):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=40))
    t.normalizer, t.pre_tokenizer, t.decoder = norm, pre or pre_tokenizers.BertPreTokenizer(), decoders.WordPiece(cleanup=cleanup)
    t.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=220, special_tokens=special("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), show_progress=False))
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return t


def charsmap():
    with tempfile.TemporaryDirectory() as d:
        open(d + "/c.txt", "w", encoding="utf-8").write("\n".join(CORPUS * 4))
        rules = {"\t": " ", "\u3000": " ", "\u00a0": " ", "ﬁ": "fi", "①": "1", "Ａ": "A", "ｂ": "b", "e\u0301": "é", "Ⅳ": "IV", "…": "...", "\u200b": ""}
        line = lambda s: " ".join("%X" % ord(c) for c in s)
        open(d + "/rules.tsv", "w").write("".join(line(a) + "\t" + line(b) + "\n" for a, b in rules.items()))
        spm.SentencePieceTrainer.train(input=d + "/c.txt", model_prefix=d + "/m", vocab_size=200, hard_vocab_limit=False, normalization_rule_tsv=d + "/rules.tsv", minloglevel=2)
        import sentencepiece.sentencepiece_model_pb2 as pb
        m = pb.ModelProto(); m.ParseFromString(open(d + "/m.model", "rb").read())
        return m.normalizer_spec.precompiled_charsmap


def tokenizers():
    split = lambda r, b="isolated", **k: Split(Regex(r), b, **k)
    seq = pre_tokenizers.Sequence
    t = {}
    t["bpe_gpt4"] = bpe(seq([split(r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"), BYTES]), ignore_merges=True)
    t["bpe_prefix_space"] = bpe(pre_tokenizers.ByteLevel(add_prefix_space=True))
    t["bpe_nfc_added"] = bpe(seq([split(QWEN2), BYTES]), normalizers.NFC())
    t["bpe_nfc_added"].add_tokens([AddedToken("<x>", lstrip=True, rstrip=True), AddedToken("yes", single_word=True), AddedToken("\n\n", normalized=False), AddedToken("café", normalized=True)])
    t["bpe_falcon"] = bpe(seq([pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.ByteLevel(add_prefix_space=False), pre_tokenizers.Digits(individual_digits=False), split("[0-9][0-9][0-9]")]))
    t["bpe_digits"] = bpe(seq([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]))
    t["bpe_words"] = bpe(pre_tokenizers.Whitespace(), normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()]), decoders.BPEDecoder("</w>"), False, 220, unk_token="<unk>", end_of_word_suffix="</w>")
    t["bpe_hash"] = bpe(pre_tokenizers.WhitespaceSplit(), normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Strip()]), decoders.WordPiece(cleanup=False), False, 220, unk_token="<unk>", fuse_unk=True, continuing_subword_prefix="##")
    t["bpe_llama2"] = llama2(True)
    t["bpe_gemma"] = llama2(False, False)
    t["bpe_metaspace"] = bpe(pre_tokenizers.Metaspace(prepend_scheme="first"), None, decoders.Metaspace(prepend_scheme="first"), False, 220, unk_token="<unk>")
    t["bpe_removed"] = bpe(seq([split(r"\s+", "removed"), split(r"[a-m]+", "merged_with_next"), split(r"\d", "merged_with_previous"), split(r"[^\w]", "contiguous"), split(r"[^aeiou]+", "removed", invert=True), BYTES]))
    t["unigram"] = unigram()
    t["unigram_bytes"] = unigram(bytes_=True, scheme="never")
    t["unigram_xlmr"] = unigram(charsmap(), norm=[normalizers.Replace(Regex(" {2,}"), " ")], split=False)
    t["unigram_nmt"] = unigram(norm=[normalizers.Nmt(), normalizers.NFKC(), normalizers.Strip(right=False)], scheme="first")
    t["bert_uncased"] = wordpiece(normalizers.BertNormalizer())
    t["bert_cased"] = wordpiece(normalizers.BertNormalizer(lowercase=False, strip_accents=False, handle_chinese_chars=False), cleanup=False)
    t["bert_uncased"].add_tokens([AddedToken("[MASK]x", normalized=True), AddedToken("Hello", normalized=True, single_word=True)])
    return t


def cases(t, texts):
    out = []
    for s in texts:
        t.encode_special_tokens = False
        ids = t.encode(s, add_special_tokens=False).ids
        added = t.encode(s, add_special_tokens=True).ids
        t.encode_special_tokens = True
        plain = t.encode(s, add_special_tokens=False).ids
        c = {"text": s, "ids": ids}
        if plain != ids: c["plain"] = plain
        if added != ids: c["added"] = added
        if (d := t.decode(ids, skip_special_tokens=False)) != s: c["decoded"] = d
        out.append(c)
    return out


def main():
    out = sys.argv[1]
    texts = list(TEXTS)
    if len(sys.argv) > 2:
        more = open(sys.argv[2], encoding="utf-8", newline="").read(); r = random.Random(3)
        texts += [more[i:i + r.randint(1, 200)] for i in (r.randrange(len(more)) for _ in range(1500))]
    rules = []
    for names, patterns in RULES:
        if names == "whitespace": pre = Split(Regex(patterns[0]), "removed", invert=True)
        else: pre = pre_tokenizers.Sequence([Split(Regex(p), "isolated") for p in patterns])
        if names.startswith("gemma4"): texts_ = [s.replace(" ", "▁") for s in texts]
        else: texts_ = texts
        rules.append({"names": names.split(), "pieces": [[[len(s[:a].encode()), len(s[:b].encode())] for _, (a, b) in pre.pre_tokenize_str(s)] for s in texts_]})
    dump = lambda name, j: open(os.path.join(out, name), "w", encoding="utf-8").write(json.dumps(j, ensure_ascii=True, separators=(",", ":")) + "\n")
    if len(sys.argv) <= 2:  # neighbours: only where a piece ends
        for r in rules:
            r["ends"] = [[p[1] for p in q] for q in r["pieces"]] if r["names"] != ["whitespace"] else [[x for p in q for x in p] for q in r["pieces"]]
            del r["pieces"]
    dump("pre_tokenizers.json", {"texts": texts, "rules": rules})
    dump("tokenizer_json.json", {n: {"tokenizer": json.loads(t.to_str()), "cases": cases(t, texts if len(sys.argv) > 2 else texts[::2])} for n, t in tokenizers().items()})


main()
