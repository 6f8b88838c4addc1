<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="zh_CN">
<context>
    <name>Application</name>
    <message>
        <source>Something failed for a reason that it did not give.</source>
        <translation>出错了，但没有说明原因。</translation>
    </message>
</context>
<context>
    <name>Catalog</name>
    <message>
        <source>A file of four bits a weight needs about %1 of memory, and %2 are free.</source>
        <translation>四比特的文件约需 %1 内存，目前空闲 %2。</translation>
    </message>
</context>
<context>
    <name>ChatSession</name>
    <message>
        <source>Stopped.</source>
        <translation>已停止。</translation>
    </message>
    <message>
        <source>Hearth was closed before the answer was complete.</source>
        <translation>回答写完之前，围炉已关闭。</translation>
    </message>
    <message>
        <source>The context is full.</source>
        <translation>上下文已满。</translation>
    </message>
    <message>
        <source>As long as was asked for.</source>
        <translation>已写到所要求的长度。</translation>
    </message>
</context>
<context>
    <name>DataFolder</name>
    <message>
        <source>XDG_DATA_HOME is “%1”, which is not an absolute path. Correct or unset it, then start Hearth again.</source>
        <translation>XDG_DATA_HOME 的值“%1”不是绝对路径。请改正或取消它，再启动围炉。</translation>
    </message>
    <message>
        <source>There is no home folder to keep conversations in. Start Hearth with --data and a folder.</source>
        <translation>没有可以存放对话的主文件夹。请用 --data 指定一个文件夹来启动围炉。</translation>
    </message>
    <message>
        <source>The data folder %1 cannot be made. Start Hearth with --data and another folder.</source>
        <translation>无法建立数据文件夹 %1。请用 --data 指定另一个文件夹来启动围炉。</translation>
    </message>
    <message>
        <source>Nothing can be written into the data folder %1: %2.</source>
        <translation>无法写入数据文件夹 %1：%2。</translation>
    </message>
</context>
<context>
    <name>Engine</name>
    <message>
        <source>The file %1 cannot be opened.</source>
        <translation>无法打开文件 %1。</translation>
    </message>
    <message>
        <source>The file %1 is damaged or not complete. Download it again.</source>
        <translation>文件 %1 已损坏或不完整，请重新下载。</translation>
    </message>
    <message>
        <source>The file %1 changed while it was loaded. Load it again.</source>
        <translation>加载时文件 %1 发生了变化，请重新加载。</translation>
    </message>
    <message>
        <source>This version cannot run models of the family %1.</source>
        <translation>这个版本无法运行 %1 系列的模型。</translation>
    </message>
    <message>
        <source>This version cannot run this file: it is not as models of the family %1 are.</source>
        <translation>这个版本无法运行这个文件：它与 %1 系列的模型不符。</translation>
    </message>
    <message>
        <source>This version cannot run this file: the format of its tensor %1 is not supported.</source>
        <translation>这个版本无法运行这个文件：不支持其中张量 %1 的量化格式。</translation>
    </message>
    <message>
        <source>%1 needs %2 of memory, but only %3 are free for it. A smaller model, or one quantized to fewer bits, would fit.</source>
        <translation>%1 需要 %2 内存，但只有 %3 可用。请换更小的模型，或量化位数更低的文件。</translation>
    </message>
    <message>
        <source>%1 needs %2 of memory, but only %3 are free for it. A context of %4 tokens would fit.</source>
        <translation>%1 需要 %2 内存，但只有 %3 可用。把上下文改为 %4 个词元就放得下。</translation>
    </message>
    <message>
        <source>There is not enough memory to load %1.</source>
        <translation>内存不足，无法加载 %1。</translation>
    </message>
    <message>
        <source>Exactly: %1</source>
        <translation>详情：%1</translation>
    </message>
</context>
<context>
    <name>EngineWorker</name>
    <message>
        <source>This message needs %1 tokens, and the model has room for %2. Shorten it, or choose a model with a larger context.</source>
        <translation>这条消息需要 %1 个词元，而模型只容得下 %2 个。请缩短消息，或选择上下文更大的模型。</translation>
    </message>
    <message>
        <source>There is not enough memory. Close other programs, or choose a smaller model or context.</source>
        <translation>内存不足。请关闭其他程序，或选择更小的模型或上下文。</translation>
    </message>
    <message>
        <source>The engine failed for a reason that it did not give.</source>
        <translation>引擎出错了，但没有说明原因。</translation>
    </message>
    <message>
        <source>The engine lost this reply. Try again.</source>
        <translation>引擎丢失了这条回复。请再试一次。</translation>
    </message>
    <message>
        <source>The model is not loaded any more. Try again.</source>
        <translation>模型已不在内存中。请再试一次。</translation>
    </message>
    <message>
        <source>This model gives vectors for texts and writes none itself. Choose one that chats.</source>
        <translation>这个模型只为文本生成向量，自己不会写字。请选择能对话的模型。</translation>
    </message>
</context>
<context>
    <name>Models</name>
    <message>
        <source>The file %1 cannot be read: %2.</source>
        <translation>无法读取文件 %1：%2。</translation>
    </message>
    <message>
        <source>The file %1 changed while it was read.</source>
        <translation>读取时文件 %1 发生了变化。</translation>
    </message>
    <message>
        <source>Fits the GPU</source>
        <translation>显存放得下</translation>
    </message>
    <message>
        <source>Fits with experts in memory</source>
        <translation>专家放内存即可</translation>
    </message>
    <message>
        <source>Fits memory</source>
        <translation>内存放得下</translation>
    </message>
    <message>
        <source>Slow</source>
        <translation>较慢</translation>
    </message>
    <message>
        <source>Will not fit</source>
        <translation>放不下</translation>
    </message>
    <message>
        <source>Needs %1 for a context of %2 tokens, and %3 are free. A context of %4 tokens would fit.</source>
        <translation>%2 个词元的上下文需要 %1，而可用的只有 %3。%4 个词元的上下文放得下。</translation>
    </message>
    <message>
        <source>Needs %1, and %2 are free. A smaller model, or one quantized to fewer bits, would fit.</source>
        <translation>需要 %1，而可用的只有 %2。更小的模型，或量化位数更低的版本放得下。</translation>
    </message>
    <message>
        <source>Needs %1 of %2 that are free: %3 for its weights, %4 for a context of %5 tokens.</source>
        <translation>可用的 %2 中需要 %1：权重 %3，%5 个词元的上下文 %4。</translation>
    </message>
    <message>
        <source>Needs %1 of %2 that are free: %3 for its weights, %4 for a context of %5 tokens. About %6 tokens a second.</source>
        <translation>可用的 %2 中需要 %1：权重 %3，%5 个词元的上下文 %4。每秒约 %6 个词元。</translation>
    </message>
    <message>
        <source>The file %1 cannot be written: %2.</source>
        <translation>无法写入文件 %1：%2。</translation>
    </message>
    <message>
        <source>%1 belongs to %2, so it is not moved from there. Copy or link it instead.</source>
        <translation>%1 属于 %2，因此不会从那里移走。请改用复制或链接。</translation>
    </message>
    <message>
        <source>%1 lies on another disk, where no hard link can lead. Copy it, or use a symbolic link.</source>
        <translation>%1 在另一块磁盘上，无法建立硬链接。请复制它，或使用符号链接。</translation>
    </message>
    <message>
        <source>%1 are needed in %2, and %3 are free there.</source>
        <translation>%2 需要 %1 的空间，而那里只剩 %3。</translation>
    </message>
    <message>
        <source>No hard link can lead to %1 from here. Copy it, or use a symbolic link.</source>
        <translation>无法从这里建立到 %1 的硬链接。请复制它，或使用符号链接。</translation>
    </message>
    <message>
        <source>The model is in the library, but %1 could not be removed: %2.</source>
        <translation>模型已进入模型库，但无法移除 %1：%2。</translation>
    </message>
    <message>
        <source>%1 cannot be moved: %2.</source>
        <translation>无法移动 %1：%2。</translation>
    </message>
    <message>
        <source>%1 and %2 lie in one another. Choose another folder.</source>
        <translation>%1 与 %2 互相包含。请另选一个文件夹。</translation>
    </message>
    <message>
        <source>The folder %1 cannot be made: %2.</source>
        <translation>无法建立文件夹 %1：%2。</translation>
    </message>
    <message>
        <source>%1 does not lie in the models’ folder, so Hearth does not delete it.</source>
        <translation>%1 不在模型文件夹中，因此围炉不会删除它。</translation>
    </message>
    <message>
        <source>%1 is not in the trash any more.</source>
        <translation>%1 已不在回收站中。</translation>
    </message>
    <message>
        <source>%1 is no model: neither a GGUF file nor a folder of safetensors.</source>
        <translation>%1 不是模型：既不是 GGUF 文件，也不是 safetensors 文件夹。</translation>
    </message>
    <message>
        <source>Nothing can be written into the folder %1: %2.</source>
        <translation>文件夹 %1 无法写入：%2。</translation>
    </message>
</context>
<context>
    <name>ModelsPage</name>
    <message>
        <source>It has no chat template: %1 is used.</source>
        <translation>它没有对话模板：改用 %1。</translation>
    </message>
    <message>
        <source>Its chat template is none that was published. Turns are written as %1.</source>
        <translation>它的对话模板从未发布过。对话按 %1 书写。</translation>
    </message>
    <message>
        <source>Its chat template is the one of %1.</source>
        <translation>它的对话模板就是 %1 的模板。</translation>
    </message>
    <message>
        <source>It gives vectors for memory and search, and does not chat.</source>
        <translation>它为记忆和搜索生成向量，不能对话。</translation>
    </message>
    <message>
        <source>It changes another model and is none by itself.</source>
        <translation>它用来改动另一个模型，自己不是模型。</translation>
    </message>
</context>
<context>
    <name>Network</name>
    <message>
        <source>%1 is there, but sent no word of a reply within %2 s. It may be busy or still loading its model: test it again later.</source>
        <translation>%1 有响应，但 %2 秒内没有发来任何回复内容。它可能正忙，或仍在加载模型：请稍后再测试。</translation>
    </message>
    <message>
        <source>%1 cannot be put into the library: %2.</source>
        <translation>无法把 %1 放入模型库：%2。</translation>
    </message>
    <message>
        <source>%1 is there twice.</source>
        <translation>%1 出现了两次。</translation>
    </message>
    <message>
        <source>The state of the download cannot be written.</source>
        <translation>无法写入下载状态。</translation>
    </message>
    <message>
        <source>There is no free name for %1 in the library.</source>
        <translation>模型库中没有可供 %1 使用的名称。</translation>
    </message>
    <message>
        <source>The hub does not say how large %1 is.</source>
        <translation>模型站没有说明 %1 的大小。</translation>
    </message>
    <message>
        <source>The folder %1 cannot be written.</source>
        <translation>无法写入文件夹 %1。</translation>
    </message>
    <message>
        <source>Another program is downloading this just now.</source>
        <translation>另一个程序正在下载它。</translation>
    </message>
    <message>
        <source>%1 is another file at the hub now. It begins anew.</source>
        <translation>模型站上的 %1 已换成另一个文件。下载重新开始。</translation>
    </message>
    <message>
        <source>There is not enough space: %1 and a reserve of %2 are needed, %3 are free in %4.</source>
        <translation>空间不足：需要 %1，另加 %2 的余量，而 %4 中只剩 %3。</translation>
    </message>
    <message>
        <source>The part file of %1 cannot be written: %2.</source>
        <translation>无法写入 %1 的临时文件：%2。</translation>
    </message>
    <message>
        <source>The file changed at %1 while it was being downloaded. It begins anew.</source>
        <translation>下载期间 %1 上的文件有了变化。下载重新开始。</translation>
    </message>
    <message>
        <source>%1 has another file than the one that was announced: its size is another.</source>
        <translation>%1 上的文件与所公布的不同：大小不一致。</translation>
    </message>
    <message>
        <source>%1 sends other parts of the file than those that were asked for.</source>
        <translation>%1 发来的不是所请求的那一段文件。</translation>
    </message>
    <message>
        <source>The disk is full.</source>
        <translation>磁盘已满。</translation>
    </message>
    <message>
        <source>The disk cannot be written: %1.</source>
        <translation>无法写入磁盘：%1。</translation>
    </message>
    <message>
        <source>The file at %1 changes again and again.</source>
        <translation>%1 上的文件一再变化。</translation>
    </message>
    <message>
        <source>The disk gives back other bytes than were written. Is it failing?</source>
        <translation>磁盘读回的内容与写入的不同。它是不是坏了？</translation>
    </message>
    <message>
        <source>%1 sends another file than the one that was announced: its SHA-256 is another.</source>
        <translation>%1 发来的文件与所公布的不同：SHA-256 不一致。</translation>
    </message>
    <message>
        <source>The disk cannot keep the file: %1.</source>
        <translation>磁盘无法保存这个文件：%1。</translation>
    </message>
    <message>
        <source>The answer of %1 makes no sense. Is it the address of a hub?</source>
        <translation>%1 的回答无法理解。它是模型站的地址吗？</translation>
    </message>
    <message>
        <source>%1 is not the name of a model: it looks like owner/name.</source>
        <translation>%1 不是模型的名称：应形如 owner/name。</translation>
    </message>
    <message>
        <source>%1 gives no parts of a file, so this model can only be judged after its download.</source>
        <translation>%1 不能分段提供文件，因此这个模型只能在下载之后评估。</translation>
    </message>
    <message>
        <source>The header of this model is larger than any that makes sense.</source>
        <translation>这个模型的文件头大得不合情理。</translation>
    </message>
    <message>
        <source>The answer of %1 is larger than any that makes sense.</source>
        <translation>%1 的回答大得不合情理。</translation>
    </message>
    <message>
        <source>%1 does not answer.</source>
        <translation>%1 没有回应。</translation>
    </message>
    <message>
        <source>%1 has stopped sending.</source>
        <translation>%1 停止了发送。</translation>
    </message>
    <message>
        <source>%1 sends next to nothing.</source>
        <translation>%1 几乎不发送任何内容。</translation>
    </message>
    <message>
        <source>There is no %1, or no connection to the network.</source>
        <translation>找不到 %1，或者没有连接网络。</translation>
    </message>
    <message>
        <source>%1 cannot prove that it is %1. Nothing was sent to it.</source>
        <translation>%1 无法证明自己就是 %1。没有向它发送任何内容。</translation>
    </message>
    <message>
        <source>%1 closed the connection too early.</source>
        <translation>%1 过早关闭了连接。</translation>
    </message>
    <message>
        <source>%1 does not speak HTTP.</source>
        <translation>%1 不使用 HTTP。</translation>
    </message>
    <message>
        <source>The connection to %1 broke off.</source>
        <translation>与 %1 的连接中断了。</translation>
    </message>
    <message>
        <source>%1 cannot be reached.</source>
        <translation>无法连接 %1。</translation>
    </message>
    <message>
        <source>Try again later.</source>
        <translation>请稍后再试。</translation>
    </message>
    <message>
        <source>Try again in %1 seconds.</source>
        <translation>请在 %1 秒后再试。</translation>
    </message>
    <message>
        <source>Try again in %1 minutes.</source>
        <translation>请在 %1 分钟后再试。</translation>
    </message>
    <message>
        <source>Try again in %1 hours.</source>
        <translation>请在 %1 小时后再试。</translation>
    </message>
    <message>
        <source>%1 gives this model only to accounts that have accepted its conditions: open the model&apos;s page there, accept them, and try again.</source>
        <translation>%1 只向接受了使用条件的账号提供这个模型：请在那里打开模型的页面，接受条件，然后再试。</translation>
    </message>
    <message>
        <source>%1 asks who you are: this model needs an account that may read it. Accept its conditions on the model&apos;s page, and store an access token of that account here.</source>
        <translation>%1 需要知道你是谁：这个模型只有获准的账号才能读取。请在模型的页面上接受使用条件，并在这里保存该账号的访问令牌。</translation>
    </message>
    <message>
        <source>%1 does not accept the stored access token for this.</source>
        <translation>%1 不接受所保存的访问令牌。</translation>
    </message>
    <message>
        <source>%1 refuses this.</source>
        <translation>%1 拒绝了这个请求。</translation>
    </message>
    <message>
        <source>%1 has no such model or file.</source>
        <translation>%1 上没有这个模型或文件。</translation>
    </message>
    <message>
        <source>%1 is changing this file just now.</source>
        <translation>%1 正在更改这个文件。</translation>
    </message>
    <message>
        <source>%1 has another file than the one that it announced: it is shorter.</source>
        <translation>%1 上的文件与所公布的不同：它更短。</translation>
    </message>
    <message>
        <source>%1 wants fewer requests.</source>
        <translation>%1 要求减少请求。</translation>
    </message>
    <message>
        <source>%1 has a problem of its own (%2).</source>
        <translation>%1 自身出了问题（%2）。</translation>
    </message>
    <message>
        <source>%1 answered with %2, which this program does not expect.</source>
        <translation>%1 的回答是 %2，本程序没有料到。</translation>
    </message>
    <message>
        <source>%1 is not an address of the web.</source>
        <translation>%1 不是网络地址。</translation>
    </message>
    <message>
        <source>The address of %1 has a name or password inside, which is not sent.</source>
        <translation>%1 的地址里含有用户名或密码，这些不会被发送。</translation>
    </message>
    <message>
        <source>%1 leads from address to address without end (%2).</source>
        <translation>%1 不断地从一个地址转到另一个地址（%2）。</translation>
    </message>
    <message>
        <source>%1 leads to %2, which is not an address of the web.</source>
        <translation>%1 转到 %2，而它不是网络地址。</translation>
    </message>
    <message>
        <source>%1 leads to %2, which is not encrypted.</source>
        <translation>%1 转到 %2，而它没有加密。</translation>
    </message>
    <message>
        <source>%1 leads to %2, an address with a name or password inside.</source>
        <translation>%1 转到 %2，而这个地址里含有用户名或密码。</translation>
    </message>
    <message>
        <source>%1 leads to %2, an address inside your own network. It was not contacted.</source>
        <translation>%1 转到 %2，而这个地址在你自己的网络之内。没有与它联系。</translation>
    </message>
    <message>
        <source>It says: %1</source>
        <translation>它说：%1</translation>
    </message>
    <message>
        <source>%1 gave the pointer to the file (Git LFS) instead of the file itself.</source>
        <translation>%1 给出的是指向文件的指针（Git LFS），而不是文件本身。</translation>
    </message>
    <message>
        <source>%1 gave a web page instead of the file. Does this network want a login first?</source>
        <translation>%1 给出的是网页，而不是文件。这个网络是不是要先登录？</translation>
    </message>
    <message>
        <source>%1 gave a message instead of the file: %2</source>
        <translation>%1 给出的是一条消息，而不是文件：%2</translation>
    </message>
    <message>
        <source>%1 gave something else than the file that was asked for.</source>
        <translation>%1 给出的不是所请求的文件。</translation>
    </message>
    <message>
        <source>The network was not allowed yet.</source>
        <translation>尚未允许使用网络。</translation>
    </message>
    <message>
        <source>There is no keyring on this system, so tokens cannot be kept. The variable HF_TOKEN can give one.</source>
        <translation>这个系统没有密钥环，因此无法保存令牌。可以用变量 HF_TOKEN 给出令牌。</translation>
    </message>
    <message>
        <source>The keyring was not opened.</source>
        <translation>密钥环没有打开。</translation>
    </message>
    <message>
        <source>The keyring does not work: %1</source>
        <translation>密钥环无法使用：%1</translation>
    </message>
    <message>
        <source>The keyring does not answer.</source>
        <translation>密钥环没有回应。</translation>
    </message>
    <message>
        <source>The keyring is asked for your token.</source>
        <translation>正在向密钥环要你的令牌。</translation>
    </message>
    <message>
        <source>%1 wants your token, and the keyring did not give it. Enter it on the model&apos;s page, then try again.</source>
        <translation>%1 需要你的令牌，而密钥环没有给出。请在模型的页面上填入令牌，然后重试。</translation>
    </message>
    <message>
        <source>%1 leads to another address, %2, which was not contacted. If that is the right one, enter it.</source>
        <translation>%1 指向另一个地址 %2，没有连接过去。如果那才是正确的地址，请填入它。</translation>
    </message>
    <message>
        <source>What %1 sends has no end. It was stopped; what had come is kept.</source>
        <translation>%1 发来的内容没完没了，已经停止接收；收到的部分已保留。</translation>
    </message>
    <message>
        <source>Something in the reply of %1 cannot be read. What had come before it is kept.</source>
        <translation>%1 的回复中有无法读取的内容。在此之前收到的部分已保留。</translation>
    </message>
    <message>
        <source>%1 cannot go on with a reply that was begun. Ask for a new version of it instead.</source>
        <translation>%1 不能接着写一条已开头的回复。请改为重新生成。</translation>
    </message>
    <message>
        <source>An address is missing, such as http://127.0.0.1:8080.</source>
        <translation>还缺地址，例如 http://127.0.0.1:8080。</translation>
    </message>
    <message>
        <source>The address ends before “?” and “#”: a key belongs into its own field.</source>
        <translation>地址里不要有“?”和“#”之后的部分：密钥请填在它自己的栏里。</translation>
    </message>
    <message>
        <source>The key of %1 is not in the keyring. Enter it under Models, Library.</source>
        <translation>密钥环里没有 %1 的密钥。请在“模型 › 模型库”里填入。</translation>
    </message>
    <message>
        <source>This engine is not in the library any more. Choose another model.</source>
        <translation>这个引擎已不在模型库里。请选择别的模型。</translation>
    </message>
    <message>
        <source>%1 lists no models. Enter the name of the one that it has.</source>
        <translation>%1 没有列出模型。请填入它所带模型的名称。</translation>
    </message>
    <message>
        <source>%1 does not accept the stored key. Enter another one under Models, Library.</source>
        <translation>%1 不接受保存的密钥。请在“模型 › 模型库”里换一个。</translation>
    </message>
    <message>
        <source>%1 wants a key. Enter it under Models, Library.</source>
        <translation>%1 需要密钥。请在“模型 › 模型库”里填入。</translation>
    </message>
    <message>
        <source>%1 knows no model “%2” at this address. Check both under Models, Library.</source>
        <translation>%1 在这个地址没有模型“%2”。请在“模型 › 模型库”里检查这两项。</translation>
    </message>
    <message>
        <source>This is longer than what %1 can read. Shorten it, or lower the context under Models, Library, to what the server really has.</source>
        <translation>这超出了 %1 能读取的长度。请缩短内容，或在“模型 › 模型库”里把上下文长度调低到服务器实际具有的长度。</translation>
    </message>
    <message>
        <source>%1 does not take this request.</source>
        <translation>%1 不接受这个请求。</translation>
    </message>
    <message>
        <source>%1 is busy, or still loading its model.</source>
        <translation>%1 正忙，或仍在加载模型。</translation>
    </message>
    <message>
        <source>%1 is switched off. Switch it on under Models, Library, or choose another model.</source>
        <translation>%1 已关闭。请在“模型 › 模型库”里启用，或选择别的模型。</translation>
    </message>
    <message>
        <source>The network is switched off, so nothing was sent to %1. The switch is under Models, Discover. A model of this machine answers without it.</source>
        <translation>网络已关闭，没有向 %1 发送任何内容。开关在“模型 › 发现”里。本机的模型不需要网络也能回答。</translation>
    </message>
    <message>
        <source>The network was not allowed yet, so nothing was sent to %1. The switch is under Models, Discover. A model of this machine answers without it.</source>
        <translation>还没有允许使用网络，没有向 %1 发送任何内容。开关在“模型 › 发现”里。本机的模型不需要网络也能回答。</translation>
    </message>
    <message>
        <source>What you write would go to %1 unencrypted, so it was not sent. Use an address with https, or allow this under Models, Library.</source>
        <translation>你写的内容会不加密地发往 %1，所以没有发送。请使用 https 地址，或在“模型 › 模型库”里允许这样做。</translation>
    </message>
    <message>
        <source>The network was switched off before the reply of %1 was complete. The switch is under Models, Discover.</source>
        <translation>%1 的回复还没写完，网络就被关闭了。开关在“模型 › 发现”里。</translation>
    </message>
    <message>
        <source>The connection to %1 ended before the reply was complete. What had come is kept.</source>
        <translation>回复还没写完，与 %1 的连接就断了。收到的部分已保留。</translation>
    </message>
    <message>
        <source>Check that the server of %1 runs, and its address under Models, Library.</source>
        <translation>请检查 %1 的服务器是否在运行，以及“模型 › 模型库”里的地址。</translation>
    </message>
    <message>
        <source>%1 gave up on this reply.</source>
        <translation>%1 放弃了这条回复。</translation>
    </message>
    <message>
        <source>%1 gave a web page instead of a reply. Check its address under Models, Library; or does this network want a login first?</source>
        <translation>%1 给出的是网页，不是回复。请在“模型 › 模型库”里检查它的地址；也可能这个网络要先登录。</translation>
    </message>
    <message>
        <source>What %1 sent is no reply that this program can read. Check under Models, Library, that its address is that of an OpenAI-compatible server.</source>
        <translation>%1 发来的不是本程序能读取的回复。请在“模型 › 模型库”里确认地址属于兼容 OpenAI 接口的服务器。</translation>
    </message>
    <message>
        <source>%1 withholds the rest of this reply: its filter stopped it.</source>
        <translation>%1 的过滤器中止了这条回复，其余部分没有给出。</translation>
    </message>
    <message>
        <source>%1 wanted to call a tool instead of replying, and this program offers it none.</source>
        <translation>%1 没有回复，而是想调用工具；本程序没有给它提供工具。</translation>
    </message>
    <message>
        <source>There is no keyring on this system, so the key is kept until Hearth is closed.</source>
        <translation>这个系统没有密钥环，密钥只保留到围炉关闭为止。</translation>
    </message>
    <message>
        <source>The key is kept until Hearth is closed.</source>
        <translation>密钥只保留到围炉关闭为止。</translation>
    </message>
    <message>
        <source>The network is switched off on the page of models.</source>
        <translation>网络已在模型页关闭。</translation>
    </message>
</context>
<context>
    <name>hearth::app::Application</name>
    <message>
        <source>The chat was deleted.</source>
        <translation>对话已删除。</translation>
    </message>
    <message>
        <source>“%1” was deleted.</source>
        <translation>“%1”已删除。</translation>
    </message>
    <message>
        <source>The starter model understands English only. For Chinese, open a larger model.</source>
        <translation>试用小模型只懂英语。要用中文，请打开更大的模型。</translation>
    </message>
    <message>
        <source>Open a model file…</source>
        <translation>打开模型文件…</translation>
    </message>
    <message>
        <source>Your message is kept and waits for a model. Open a GGUF file, or drop one onto the window.</source>
        <translation>消息已保存，正等待模型。请打开一个 GGUF 文件，或把它拖到窗口上。</translation>
    </message>
    <message>
        <source>Open a model file</source>
        <translation>打开模型文件</translation>
    </message>
    <message>
        <source>Models (*.gguf)</source>
        <translation>模型 (*.gguf)</translation>
    </message>
    <message>
        <source>Tiny, English only, to try the program</source>
        <translation>试用小模型，仅英语</translation>
    </message>
    <message>
        <source>For better answers, open a larger GGUF model or drop one onto the window.</source>
        <translation>想要更好的回答，请打开更大的 GGUF 模型，或把它拖到窗口上。</translation>
    </message>
    <message>
        <source>The command installer/run brings the starter model.</source>
        <translation>运行 installer/run 命令可取得试用小模型。</translation>
    </message>
    <message numerus="yes">
        <source>The context is full: the model no longer reads the oldest %n message(s).</source>
        <translation>
            <numerusform>上下文已满：模型不再读取最早的 %n 条消息。</numerusform>
        </translation>
    </message>
    <message>
        <source>The message was deleted.</source>
        <translation>消息已删除。</translation>
    </message>
    <message>
        <source>The chat goes on from here. What followed is kept as another branch.</source>
        <translation>对话将从这里继续。后面的内容已保留为另一个分支。</translation>
    </message>
    <message>
        <source>The engine elsewhere that this chat used was removed. Choose another model.</source>
        <translation>这个对话使用的外部引擎已被移除。请选择别的模型。</translation>
    </message>
</context>
<context>
    <name>hearth::app::DiscoverDesk</name>
    <message>
        <source>Parts of it are missing at the hub.</source>
        <translation>站点上缺少它的一部分文件。</translation>
    </message>
    <message>
        <source>The hub does not tell its size, so it is not fetched.</source>
        <translation>站点没有说明它的大小，所以不下载。</translation>
    </message>
</context>
<context>
    <name>hearth::app::ModelDesk</name>
    <message>
        <source>The model %1 is not where it was. Bring it back, or choose another one.</source>
        <translation>模型 %1 不在原处。请把它放回去，或另选一个。</translation>
    </message>
    <message>
        <source>Open a model file…</source>
        <translation>打开模型文件…</translation>
    </message>
    <message>
        <source>Try again</source>
        <translation>再试一次</translation>
    </message>
    <message>
        <source>Open another model file…</source>
        <translation>打开另一个模型文件…</translation>
    </message>
    <message>
        <source>Hearth ended while it was loading %1, so the model has not been loaded this time.</source>
        <translation>围炉上次在加载 %1 时结束，所以这次没有加载它。</translation>
    </message>
    <message>
        <source>Hearth ended before %1 had written its first word, so the model has not been loaded this time.</source>
        <translation>围炉上次在 %1 写出第一个字之前结束，所以这次没有加载它。</translation>
    </message>
    <message>
        <source>Load on the CPU</source>
        <translation>用 CPU 加载</translation>
    </message>
    <message>
        <source>Smaller context</source>
        <translation>缩小上下文</translation>
    </message>
    <message>
        <source>%1 is loaded again when its reply has ended: its context, or the memory of it, was changed.</source>
        <translation>%1 的上下文或其存放方式改变了：这次回复结束后会重新加载。</translation>
    </message>
    <message>
        <source>%1 is loaded again: its context, or the memory of it, was changed.</source>
        <translation>%1 的上下文或其存放方式改变了：正在重新加载。</translation>
    </message>
</context>
<context>
    <name>hearth::app::ModelManager</name>
    <message>
        <source>Another model is being brought or moved. Wait until that is done, or stop it.</source>
        <translation>正在导入或移动另一个模型。请等它完成，或先停止它。</translation>
    </message>
</context>
<context>
    <name>hearth::app::ModelsPage</name>
    <message>
        <source>“%1” was deleted.</source>
        <translation>“%1”已删除。</translation>
    </message>
    <message>
        <source>“%1” is off the list. Its file was not touched.</source>
        <translation>“%1”已从列表移除，文件没有动。</translation>
    </message>
    <message>
        <source>Moving the models to %1</source>
        <translation>正在把模型移到 %1</translation>
    </message>
    <message>
        <source>What was done with the models</source>
        <translation>刚才对模型做的事</translation>
    </message>
    <message>
        <source>There is no model here: neither a GGUF file nor a folder of safetensors.</source>
        <translation>这里没有模型：既没有 GGUF 文件，也不是 safetensors 文件夹。</translation>
    </message>
    <message>
        <source>Bringing %1</source>
        <translation>正在导入 %1</translation>
    </message>
    <message>
        <source>%1 of memory are free on this computer.</source>
        <translation>这台电脑有 %1 空闲内存。</translation>
    </message>
    <message>
        <source>The download of %1 is cancelled. %2 that have arrived are deleted.</source>
        <translation>已取消下载 %1，已下载的 %2 将被删除。</translation>
    </message>
    <message>
        <source>The download of %1 is cancelled.</source>
        <translation>已取消下载 %1。</translation>
    </message>
    <message>
        <source>Some models lie in %1 now and are used there. Move all models again to go on.</source>
        <translation>部分模型已移到 %1，在那里照常可用。再次移动全部模型即可继续。</translation>
    </message>
</context>
<context>
    <name>hearth::app::RemoteDesk</name>
    <message>
        <source>“%1” was removed.</source>
        <translation>“%1”已移除。</translation>
    </message>
    <message>
        <source>It answers; its first word took %1 s.</source>
        <translation>它能回答；等第一个字用了 %1 秒。</translation>
    </message>
    <message>
        <source>What you write would go to %1 unencrypted, and anyone on the way could read it. Use an address with https, or allow it here.</source>
        <translation>你写的内容会不加密地发往 %1，途中任何人都可能读到。请使用 https 地址，或在这里允许。</translation>
    </message>
    <message>
        <source>This key has characters that no key has, such as spaces.</source>
        <translation>这个密钥里有密钥不会有的字符，例如空格。</translation>
    </message>
    <message>
        <source>The context is a number of tokens from %L1 to %L2.</source>
        <translation>上下文长度应是 %L1 到 %L2 之间的词元数。</translation>
    </message>
</context>
<context>
    <name>hearth::ui::Card</name>
    <message>
        <source>About %1 are expected.</source>
        <translation>预计%1。</translation>
    </message>
    <message>
        <source>%1: %2</source>
        <translation>%1：%2</translation>
    </message>
</context>
<context>
    <name>hearth::ui::ChatView</name>
    <message>
        <source>Copy</source>
        <translation>复制</translation>
    </message>
    <message>
        <source>Regenerate</source>
        <translation>重新生成</translation>
    </message>
    <message>
        <source>Continue</source>
        <translation>继续</translation>
    </message>
    <message>
        <source>You</source>
        <translation>你</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>Conversation</source>
        <translation>对话</translation>
    </message>
    <message>
        <source>To the end</source>
        <translation>到末尾</translation>
    </message>
    <message>
        <source>Copy link</source>
        <translation>复制链接</translation>
    </message>
    <message>
        <source>Select all</source>
        <translation>全选</translation>
    </message>
    <message>
        <source>Thinking %1 s</source>
        <translation>思考中 %1 秒</translation>
    </message>
    <message>
        <source>Thinking</source>
        <translation>思考中</translation>
    </message>
    <message>
        <source>Thought for %1 s</source>
        <translation>思考了 %1 秒</translation>
    </message>
    <message>
        <source>Thoughts</source>
        <translation>思考</translation>
    </message>
    <message>
        <source>Queued</source>
        <translation>排队中</translation>
    </message>
    <message>
        <source>Interrupted</source>
        <translation>已中断</translation>
    </message>
    <message>
        <source>The reply failed.</source>
        <translation>回复失败。</translation>
    </message>
    <message>
        <source>Show less</source>
        <translation>收起</translation>
    </message>
    <message>
        <source>Show more</source>
        <translation>展开</translation>
    </message>
    <message>
        <source>Previous version</source>
        <translation>上一个版本</translation>
    </message>
    <message>
        <source>Next version</source>
        <translation>下一个版本</translation>
    </message>
    <message>
        <source>Copy code</source>
        <translation>复制代码</translation>
    </message>
    <message>
        <source>Wrap lines</source>
        <translation>自动换行</translation>
    </message>
    <message>
        <source>Show all %1 lines</source>
        <translation>显示全部 %1 行</translation>
    </message>
    <message numerus="yes">
        <source>%n new line(s)</source>
        <translation>
            <numerusform>%n 行新内容</numerusform>
        </translation>
    </message>
    <message>
        <source>Copy as Markdown</source>
        <translation>复制为 Markdown</translation>
    </message>
    <message>
        <source>Quote</source>
        <translation>引用</translation>
    </message>
    <message>
        <source>Edit</source>
        <translation>编辑</translation>
    </message>
    <message>
        <source>Branch from here</source>
        <translation>从这里分支</translation>
    </message>
    <message>
        <source>Details</source>
        <translation>详情</translation>
    </message>
    <message>
        <source>Delete</source>
        <translation>删除</translation>
    </message>
    <message>
        <source>Copy the selection</source>
        <translation>复制所选内容</translation>
    </message>
    <message>
        <source>Copy the selection as Markdown</source>
        <translation>将所选内容复制为 Markdown</translation>
    </message>
    <message numerus="yes">
        <source>%n character(s)</source>
        <translation>
            <numerusform>%n 个字符</numerusform>
        </translation>
    </message>
    <message>
        <source>Read %L1 tokens</source>
        <translation>读取 %L1 个词元</translation>
    </message>
    <message>
        <source>Read %L1 tokens, %L2 of them anew</source>
        <translation>读取 %L1 个词元，其中 %L2 个为新读</translation>
    </message>
    <message>
        <source>%1 s</source>
        <translation>%1 秒</translation>
    </message>
    <message>
        <source>Wrote %L1 tokens</source>
        <translation>写出 %L1 个词元</translation>
    </message>
    <message>
        <source>%1 tokens/s</source>
        <translation>%1 词元/秒</translation>
    </message>
    <message numerus="yes">
        <source>%n oldest message(s) had no room in the context</source>
        <translation>
            <numerusform>上下文放不下最早的 %n 条消息</numerusform>
        </translation>
    </message>
    <message>
        <source>Nothing more is known of it.</source>
        <translation>没有更多信息。</translation>
    </message>
    <message>
        <source>More</source>
        <translation>更多</translation>
    </message>
    <message>
        <source>Line numbers</source>
        <translation>行号</translation>
    </message>
    <message>
        <source>Scroll sideways</source>
        <translation>左右滚动</translation>
    </message>
    <message>
        <source>sent to another program, %1, and may have left this machine</source>
        <translation>已发往另一个程序 %1，内容可能已离开本机</translation>
    </message>
    <message>
        <source>left this machine for %1</source>
        <translation>内容已离开本机，发往 %1</translation>
    </message>
    <message>
        <source>This chat was sent to %1 for it.</source>
        <translation>为得到这条回复，这个对话发往了 %1。</translation>
    </message>
    <message>
        <source>Read about %L1 tokens</source>
        <translation>读取约 %L1 个词元</translation>
    </message>
    <message>
        <source>Wrote about %L1 tokens</source>
        <translation>写出约 %L1 个词元</translation>
    </message>
</context>
<context>
    <name>hearth::ui::Composer</name>
    <message>
        <source>Write a message</source>
        <translation>写一条消息</translation>
    </message>
    <message>
        <source>Message</source>
        <translation>消息</translation>
    </message>
    <message>
        <source>Enter sends, Shift+Enter breaks the line</source>
        <translation>Enter 发送，Shift+Enter 换行</translation>
    </message>
    <message>
        <source>Stop (Esc)</source>
        <translation>停止 (Esc)</translation>
    </message>
    <message>
        <source>Send (Enter)</source>
        <translation>发送 (Enter)</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>停止</translation>
    </message>
    <message>
        <source>Send</source>
        <translation>发送</translation>
    </message>
</context>
<context>
    <name>hearth::ui::ConversationList</name>
    <message>
        <source>Title of the chat</source>
        <translation>对话标题</translation>
    </message>
    <message>
        <source>generating</source>
        <translation>生成中</translation>
    </message>
    <message>
        <source>waiting</source>
        <translation>等待中</translation>
    </message>
    <message>
        <source>unread</source>
        <translation>未读</translation>
    </message>
    <message>
        <source>interrupted</source>
        <translation>已中断</translation>
    </message>
    <message>
        <source>Open</source>
        <translation>打开</translation>
    </message>
    <message>
        <source>Rename</source>
        <translation>重命名</translation>
    </message>
    <message>
        <source>Delete</source>
        <translation>删除</translation>
    </message>
</context>
<context>
    <name>hearth::ui::ConversationListModel</name>
    <message>
        <source>Today</source>
        <translation>今天</translation>
    </message>
    <message>
        <source>Yesterday</source>
        <translation>昨天</translation>
    </message>
    <message>
        <source>Previous 7 days</source>
        <translation>过去 7 天</translation>
    </message>
    <message>
        <source>MMMM yyyy</source>
        <extracomment>The heading of a month; letters as QLocale::toString() takes them</extracomment>
        <translation>yyyy年M月</translation>
    </message>
    <message>
        <source>New chat</source>
        <translation>新对话</translation>
    </message>
    <message>
        <source>%1, %2</source>
        <extracomment>%1 a chat&apos;s title, %2 its state</extracomment>
        <translation>%1，%2</translation>
    </message>
</context>
<context>
    <name>hearth::ui::ConversationPanel</name>
    <message>
        <source>An answer is being written. This can be sent when it is complete.</source>
        <translation>正在生成回复，完成后即可发送。</translation>
    </message>
    <message>
        <source>Sending this makes a new version. The old one and its answers are kept as another branch.</source>
        <translation>发送后会生成新版本，旧版本及其回复保留为另一个分支。</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
</context>
<context>
    <name>hearth::ui::DefaultsEditor</name>
    <message>
        <source>For every chat with this engine, from the next reply on. What is left empty is as the server has it.</source>
        <translation>适用于使用这个引擎的所有对话，从下一条回复开始。留空的项目由服务器决定。</translation>
    </message>
    <message>
        <source>Back to what the server has</source>
        <translation>恢复为服务器的设置</translation>
    </message>
    <message>
        <source>the server’s</source>
        <translation>由服务器定</translation>
    </message>
    <message>
        <source>Temperature</source>
        <translation>温度</translation>
    </message>
    <message>
        <source>Top K</source>
        <translation>Top K 采样</translation>
    </message>
    <message>
        <source>Top P</source>
        <translation>Top P 采样</translation>
    </message>
    <message>
        <source>Min P</source>
        <translation>Min P 采样</translation>
    </message>
    <message>
        <source>Repetition penalty</source>
        <translation>重复惩罚</translation>
    </message>
    <message>
        <source>Context</source>
        <translation>上下文</translation>
    </message>
    <message>
        <source>Memory of the context</source>
        <translation>上下文的存放方式</translation>
    </message>
    <message>
        <source>Threads</source>
        <translation>线程</translation>
    </message>
    <message>
        <source>Thinking</source>
        <translation>思考</translation>
    </message>
    <message>
        <source>System prompt</source>
        <translation>系统提示词</translation>
    </message>
    <message>
        <source>What the model is told before every chat</source>
        <translation>每次对话之前告诉模型的话</translation>
    </message>
    <message>
        <source>Back to what is recommended</source>
        <translation>恢复建议值</translation>
    </message>
    <message>
        <source>Automatic</source>
        <translation>自动</translation>
    </message>
    <message>
        <source>%1 tokens</source>
        <translation>%1 个词元</translation>
    </message>
    <message>
        <source>Exact (f16)</source>
        <translation>精确 (f16)</translation>
    </message>
    <message>
        <source>Half the size (q8_0)</source>
        <translation>一半大小 (q8_0)</translation>
    </message>
    <message>
        <source>A quarter (q4_0)</source>
        <translation>四分之一 (q4_0)</translation>
    </message>
    <message>
        <source>As the model does</source>
        <translation>由模型决定</translation>
    </message>
    <message>
        <source>Always</source>
        <translation>总是</translation>
    </message>
    <message>
        <source>Never</source>
        <translation>从不</translation>
    </message>
    <message>
        <source>automatic</source>
        <translation>自动</translation>
    </message>
    <message>
        <source>%1 takes a number from %2 to %3.</source>
        <translation>%1应是 %2 到 %3 之间的数。</translation>
    </message>
    <message>
        <source>For every chat with this model. Another context, or another memory of it, loads the model again; the rest holds from the next reply on.</source>
        <translation>对使用这个模型的所有对话都有效。改变上下文或其存放方式会重新加载模型；其余的从下一次回复起生效。</translation>
    </message>
    <message>
        <source>Automatic (%1)</source>
        <translation>自动（%1）</translation>
    </message>
</context>
<context>
    <name>hearth::ui::DiscoverSection</name>
    <message>
        <source>licence %1</source>
        <translation>许可 %1</translation>
    </message>
    <message>
        <source>context %1</source>
        <translation>上下文 %1</translation>
    </message>
    <message>
        <source>thinks first</source>
        <translation>会先思考</translation>
    </message>
    <message>
        <source>%1 of it at work for each token</source>
        <translation>每个词元只用其中 %1</translation>
    </message>
    <message>
        <source>Files and sizes</source>
        <translation>文件和大小</translation>
    </message>
    <message>
        <source>licence not told</source>
        <translation>未说明许可</translation>
    </message>
    <message>
        <source>%1 downloads</source>
        <translation>下载 %1 次</translation>
    </message>
    <message>
        <source>%1 likes</source>
        <translation>%1 人喜欢</translation>
    </message>
    <message>
        <source>changed on %1</source>
        <translation>更新于 %1</translation>
    </message>
    <message>
        <source>Licence to accept</source>
        <translation>需接受许可</translation>
    </message>
    <message>
        <source>Nothing has been contacted</source>
        <translation>还没有连接过任何地址</translation>
    </message>
    <message>
        <source>Allow it</source>
        <translation>允许</translation>
    </message>
    <message>
        <source>Keep the network off</source>
        <translation>保持断网</translation>
    </message>
    <message>
        <source>The network is off</source>
        <translation>网络已关闭</translation>
    </message>
    <message>
        <source>The catalogue below came with the program. Sizes and files are known when you allow Hearth to ask %1.</source>
        <translation>下面的目录随程序附带。允许围炉访问 %1 之后，才能知道文件和大小。</translation>
    </message>
    <message>
        <source>The network is on</source>
        <translation>网络已打开</translation>
    </message>
    <message>
        <source>Nothing has been contacted since the start.</source>
        <translation>启动以来还没有连接过任何地址。</translation>
    </message>
    <message>
        <source>Contacted since the start: %1</source>
        <translation>启动以来连接过：%1</translation>
    </message>
    <message>
        <source>Turn the network off</source>
        <translation>关闭网络</translation>
    </message>
    <message>
        <source>The files of %1 are listed as soon as you allow it.</source>
        <translation>允许之后，就会列出 %1 的文件。</translation>
    </message>
    <message>
        <source>A selection</source>
        <translation>精选</translation>
    </message>
    <message>
        <source>The catalogue is empty.</source>
        <translation>目录是空的。</translation>
    </message>
    <message>
        <source>No model of the selection is like that.</source>
        <translation>精选里没有这样的模型。</translation>
    </message>
    <message>
        <source>From the makers&apos; model cards, read on %1.</source>
        <translation>内容来自作者的模型说明，查阅于 %1。</translation>
    </message>
    <message>
        <source>“%1” at %2</source>
        <translation>%2 上的“%1”</translation>
    </message>
    <message>
        <source>Asking %1…</source>
        <translation>正在访问 %1…</translation>
    </message>
    <message>
        <source>The search did not work</source>
        <translation>搜索没有成功</translation>
    </message>
    <message>
        <source>Try again</source>
        <translation>再试一次</translation>
    </message>
    <message>
        <source>No model with files for this program is called like that. Try fewer words.</source>
        <translation>没有叫这个名字、又有本程序可用文件的模型。请少输几个词再试。</translation>
    </message>
    <message>
        <source>Name of a model</source>
        <translation>模型名称</translation>
    </message>
    <message>
        <source>When the network is allowed</source>
        <translation>允许网络后可用</translation>
    </message>
    <message>
        <source>Any language</source>
        <translation>不限语言</translation>
    </message>
    <message>
        <source>Any size</source>
        <translation>不限大小</translation>
    </message>
    <message>
        <source>Up to %1</source>
        <translation>最多 %1</translation>
    </message>
    <message>
        <source>Search a hub</source>
        <translation>在站点中搜索</translation>
    </message>
    <message>
        <source>Hub</source>
        <translation>站点</translation>
    </message>
    <message>
        <source>Language</source>
        <translation>语言</translation>
    </message>
    <message>
        <source>Size</source>
        <translation>大小</translation>
    </message>
    <message>
        <source>Only what fits this computer</source>
        <translation>只看这台电脑放得下的</translation>
    </message>
    <message>
        <source>Search</source>
        <translation>搜索</translation>
    </message>
    <message>
        <source>Back to the selection</source>
        <translation>返回精选</translation>
    </message>
    <message>
        <source>Addresses of the hubs…</source>
        <translation>站点地址…</translation>
    </message>
    <message>
        <source>A mirror, or your company&apos;s own hub, can stand here. An empty field is the hub&apos;s own.</source>
        <translation>这里可以填镜像站或公司自己的站点。留空就用站点自己的地址。</translation>
    </message>
    <message>
        <source>To search and to download, Hearth asks %1 and the servers where they keep their files. They learn your address and what you look for. Chats are never sent to them.</source>
        <translation>搜索和下载时，围炉会访问 %1 以及它们存放文件的服务器。对方会知道你的网络地址和要找的内容。对话绝不会发给它们。</translation>
    </message>
</context>
<context>
    <name>hearth::ui::DownloadsSection</name>
    <message>
        <source>%1&#xa0;%</source>
        <translation>%1&#xa0;%</translation>
    </message>
    <message>
        <source>%1 of %2</source>
        <translation>%1，共 %2</translation>
    </message>
    <message>
        <source>Waiting</source>
        <translation>等待中</translation>
    </message>
    <message>
        <source>Pause</source>
        <translation>暂停</translation>
    </message>
    <message>
        <source>%1 left</source>
        <translation>还剩 %1</translation>
    </message>
    <message>
        <source>Checking</source>
        <translation>正在校验</translation>
    </message>
    <message>
        <source>Every byte is compared with what the hub promised.</source>
        <translation>逐字节与站点公布的校验值比较。</translation>
    </message>
    <message>
        <source>Paused</source>
        <translation>已暂停</translation>
    </message>
    <message>
        <source>Go on</source>
        <translation>继续</translation>
    </message>
    <message>
        <source>Stopped</source>
        <translation>已停下</translation>
    </message>
    <message>
        <source>Accept its licence…</source>
        <translation>去接受许可…</translation>
    </message>
    <message>
        <source>Try again</source>
        <translation>再试一次</translation>
    </message>
    <message>
        <source>Finished</source>
        <translation>已完成</translation>
    </message>
    <message>
        <source>Use now</source>
        <translation>现在使用</translation>
    </message>
    <message>
        <source>Take off the list</source>
        <translation>从列表移除</translation>
    </message>
    <message>
        <source>Sooner</source>
        <translation>提前</translation>
    </message>
    <message>
        <source>Later</source>
        <translation>推后</translation>
    </message>
    <message>
        <source>Cancel and delete</source>
        <translation>取消并删除</translation>
    </message>
    <message>
        <source>Downloads go on where they stopped, after a restart too. A model enters the library when every byte of it was checked.</source>
        <translation>下载会从停下的地方继续，重启后也一样。每个字节都校验过之后，模型才进入模型库。</translation>
    </message>
    <message>
        <source>Nothing is being downloaded.</source>
        <translation>没有正在下载的内容。</translation>
    </message>
    <message>
        <source>As fast as it goes</source>
        <translation>不限速</translation>
    </message>
    <message>
        <source>Speed at most</source>
        <translation>速度上限</translation>
    </message>
</context>
<context>
    <name>hearth::ui::DropHint</name>
    <message>
        <source>Only files and folders of this computer can be brought.</source>
        <translation>只能导入这台电脑上的文件和文件夹。</translation>
    </message>
    <message>
        <source>“%1” is not a model file.</source>
        <translation>“%1”不是模型文件。</translation>
    </message>
    <message>
        <source>Let go to use “%1” in this chat. It is read where it lies.</source>
        <translation>松开后，本对话改用“%1”，就地读取。</translation>
    </message>
    <message>
        <source>Let go to bring “%1”. You choose how before anything happens.</source>
        <translation>松开后导入“%1”，先由你选择导入方式。</translation>
    </message>
    <message numerus="yes">
        <source>%n other file(s) left out: no model.</source>
        <translation>
            <numerusform>另有 %n 个文件不是模型，已略去。</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>Let go to use “%1” in this chat and to list %n more. They are read where they lie.</source>
        <translation>
            <numerusform>松开后，本对话改用“%1”，另外 %n 个列入模型库，均就地读取。</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>Let go to bring “%1” and %n more, one after the other. You choose how before anything happens.</source>
        <translation>
            <numerusform>松开后依次导入“%1”和另外 %n 个，每个都先由你选择导入方式。</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>hearth::ui::EmptyState</name>
    <message>
        <source>Explain how a fireplace works in three sentences</source>
        <translation>用三句话说明壁炉是怎么工作的</translation>
    </message>
    <message>
        <source>Write a short, friendly note to a neighbour</source>
        <translation>给邻居写一张简短友好的便条</translation>
    </message>
    <message>
        <source>Give me five ideas for a simple dinner</source>
        <translation>给我五个简单晚餐的主意</translation>
    </message>
    <message>
        <source>Ask anything. It stays on this computer.</source>
        <translation>想问什么都可以，内容只留在这台电脑上。</translation>
    </message>
    <message>
        <source>Answers come from %1.</source>
        <translation>由 %1 回答。</translation>
    </message>
    <message>
        <source>No model is chosen yet. Open a model file (.gguf), or drop one onto this window.</source>
        <translation>还没有选择模型。请打开一个模型文件 (.gguf)，或把它拖到这个窗口上。</translation>
    </message>
    <message>
        <source>A tiny model, English only, to try the program. For better answers, open a larger model file.</source>
        <translation>试用小模型，仅英语。想要更好的回答，请打开更大的模型文件。</translation>
    </message>
    <message>
        <source>Open a model file…</source>
        <translation>打开模型文件…</translation>
    </message>
    <message>
        <source>Puts this question into the message field</source>
        <translation>把这个问题放进消息框</translation>
    </message>
</context>
<context>
    <name>hearth::ui::FindBar</name>
    <message>
        <source>Searching…</source>
        <translation>正在查找…</translation>
    </message>
    <message>
        <source>Not found</source>
        <translation>未找到</translation>
    </message>
    <message>
        <source>%L1 found</source>
        <translation>找到 %L1 处</translation>
    </message>
    <message>
        <source>%L1 of %L2</source>
        <translation>第 %L1 处，共 %L2 处</translation>
    </message>
    <message>
        <source>Find in this chat</source>
        <translation>在此对话中查找</translation>
    </message>
    <message>
        <source>Previous match</source>
        <translation>上一处</translation>
    </message>
    <message>
        <source>Next match</source>
        <translation>下一处</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>关闭</translation>
    </message>
</context>
<context>
    <name>hearth::ui::FirstRun</name>
    <message>
        <source>As the system</source>
        <translation>跟随系统</translation>
    </message>
    <message>
        <source>licence %1</source>
        <translation>许可 %1</translation>
    </message>
    <message>
        <source>See its files</source>
        <translation>查看文件</translation>
    </message>
    <message>
        <source>Chats and what is remembered: %1
Models: %2
Nothing leaves this computer unless you allow it on the page of models.</source>
        <translation>对话和记忆：%1
模型：%2
除非你在模型页面允许，任何内容都不会离开这台电脑。</translation>
    </message>
    <message>
        <source>1. Language</source>
        <translation>1. 语言</translation>
    </message>
    <message>
        <source>Language</source>
        <translation>语言</translation>
    </message>
    <message>
        <source>2. A model</source>
        <translation>2. 模型</translation>
    </message>
    <message>
        <source>Choose one on the page of models, or bring your own.</source>
        <translation>请在模型页面选一个，或导入自己的模型。</translation>
    </message>
    <message>
        <source>Or begin with the starter model, which is here already: tiny, English only, to try the program.</source>
        <translation>也可以先用已经附带的试用模型：很小，仅英语，用来试试程序。</translation>
    </message>
    <message>
        <source>Bring your own…</source>
        <translation>导入自己的模型…</translation>
    </message>
    <message>
        <source>3. What is stored where</source>
        <translation>3. 存放位置</translation>
    </message>
    <message>
        <source>Begin</source>
        <translation>开始</translation>
    </message>
</context>
<context>
    <name>hearth::ui::FitPill</name>
    <message>
        <source>Looking whether it fits…</source>
        <translation>正在判断是否放得下…</translation>
    </message>
    <message>
        <source>%1 (estimate)</source>
        <translation>%1（估计）</translation>
    </message>
</context>
<context>
    <name>hearth::ui::Header</name>
    <message>
        <source>New chat</source>
        <translation>新对话</translation>
    </message>
    <message>
        <source>Rename</source>
        <translation>重命名</translation>
    </message>
    <message>
        <source>Delete</source>
        <translation>删除</translation>
    </message>
    <message>
        <source>Sidebar (Ctrl+B)</source>
        <translation>侧栏 (Ctrl+B)</translation>
    </message>
    <message>
        <source>Show or hide the sidebar</source>
        <translation>显示或隐藏侧栏</translation>
    </message>
    <message>
        <source>Title of the chat</source>
        <translation>对话标题</translation>
    </message>
    <message>
        <source>More</source>
        <translation>更多</translation>
    </message>
</context>
<context>
    <name>hearth::ui::HubPage</name>
    <message>
        <source>Suggested</source>
        <translation>推荐</translation>
    </message>
    <message numerus="yes">
        <source>%n file(s)</source>
        <translation>
            <numerusform>%n 个文件</numerusform>
        </translation>
    </message>
    <message>
        <source>Use now</source>
        <translation>现在使用</translation>
    </message>
    <message>
        <source>See its download</source>
        <translation>查看下载</translation>
    </message>
    <message>
        <source>Download</source>
        <translation>下载</translation>
    </message>
    <message>
        <source>licence not told</source>
        <translation>未说明许可</translation>
    </message>
    <message>
        <source>licence %1</source>
        <translation>许可 %1</translation>
    </message>
    <message>
        <source>asks to accept its licence first</source>
        <translation>需先接受许可</translation>
    </message>
    <message>
        <source>at %1</source>
        <translation>来自 %1</translation>
    </message>
    <message>
        <source>Asking %1…</source>
        <translation>正在访问 %1…</translation>
    </message>
    <message>
        <source>No file here that this program could run.</source>
        <translation>这里没有本程序能运行的文件。</translation>
    </message>
    <message>
        <source>Its makers want their licence accepted</source>
        <translation>作者要求先接受许可</translation>
    </message>
    <message>
        <source>Accept it on the model&apos;s page at the hub, with an account there. Then make a token that may read, and put it in here. It is kept in the system&apos;s keyring and told to that hub only.</source>
        <translation>请用那里的账号在模型页面接受许可，再建立一个可读取的令牌填到这里。令牌存放在系统密钥环里，只会告诉那个站点。</translation>
    </message>
    <message>
        <source>A token for %1 is in the keyring.</source>
        <translation>密钥环里有 %1 的令牌。</translation>
    </message>
    <message>
        <source>No token for %1 yet.</source>
        <translation>还没有 %1 的令牌。</translation>
    </message>
    <message>
        <source>Back to the list</source>
        <translation>返回列表</translation>
    </message>
    <message>
        <source>Try again</source>
        <translation>再试一次</translation>
    </message>
    <message>
        <source>Open this address in the browser</source>
        <translation>在浏览器中打开这个地址</translation>
    </message>
    <message>
        <source>Keep the token</source>
        <translation>保存令牌</translation>
    </message>
    <message>
        <source>Remove the token</source>
        <translation>移除令牌</translation>
    </message>
    <message>
        <source>Token</source>
        <translation>令牌</translation>
    </message>
    <message>
        <source>Files</source>
        <translation>文件</translation>
    </message>
    <message>
        <source>What its makers say</source>
        <translation>作者的说明</translation>
    </message>
    <message>
        <source>Model card</source>
        <translation>模型说明</translation>
    </message>
</context>
<context>
    <name>hearth::ui::ImportSection</name>
    <message>
        <source>Bring a model file</source>
        <translation>导入模型文件</translation>
    </message>
    <message>
        <source>Model files (*.gguf)</source>
        <translation>模型文件 (*.gguf)</translation>
    </message>
    <message>
        <source>Bring a folder of models</source>
        <translation>导入模型文件夹</translation>
    </message>
    <message numerus="yes">
        <source>%n model(s)</source>
        <translation>
            <numerusform>%n 个模型</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n unfinished download(s) of that program left out</source>
        <translation>
            <numerusform>略过该程序 %n 个未完成的下载</numerusform>
        </translation>
    </message>
    <message>
        <source>Show the folder</source>
        <translation>显示文件夹</translation>
    </message>
    <message>
        <source>Read it no more</source>
        <translation>不再读取</translation>
    </message>
    <message numerus="yes">
        <source>%n file(s)</source>
        <translation>
            <numerusform>%n 个文件</numerusform>
        </translation>
    </message>
    <message>
        <source>Looking what that would do…</source>
        <translation>正在查看会发生什么…</translation>
    </message>
    <message>
        <source>Nothing is copied: 0 bytes are written. It is listed as long as it lies there.</source>
        <translation>不复制任何内容：写入 0 字节。只要它还在原处，就会列在这里。</translation>
    </message>
    <message>
        <source>%1 are written to %2.</source>
        <translation>将写入 %1，存为 %2。</translation>
    </message>
    <message>
        <source>%1 are free there.</source>
        <translation>那里空闲 %1。</translation>
    </message>
    <message>
        <source>Afterwards it no longer lies where it lies now.</source>
        <translation>之后它不再留在原来的位置。</translation>
    </message>
    <message>
        <source>The same bytes are in the library already, as %1.</source>
        <translation>模型库里已有完全相同的内容：%1。</translation>
    </message>
    <message>
        <source>Read in place</source>
        <translation>就地读取</translation>
    </message>
    <message>
        <source>Copy</source>
        <translation>复制</translation>
    </message>
    <message>
        <source>Move</source>
        <translation>移动</translation>
    </message>
    <message>
        <source>Link</source>
        <translation>建立链接</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Read it in place</source>
        <translation>就地读取</translation>
    </message>
    <message>
        <source>Copy it into the library</source>
        <translation>复制到模型库</translation>
    </message>
    <message>
        <source>Move it into the library</source>
        <translation>移动到模型库</translation>
    </message>
    <message>
        <source>Hard link: the same file under two names</source>
        <translation>硬链接：同一个文件，两个名字</translation>
    </message>
    <message>
        <source>Symbolic link: a pointer to where it lies</source>
        <translation>符号链接：指向它所在的位置</translation>
    </message>
    <message>
        <source>%1&#xa0;%</source>
        <translation>%1&#xa0;%</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>停止</translation>
    </message>
    <message>
        <source>Drop a model file or a folder here</source>
        <translation>把模型文件或文件夹拖到这里</translation>
    </message>
    <message>
        <source>GGUF files, split ones too, and folders of safetensors</source>
        <translation>GGUF 文件（包括分卷）和 safetensors 文件夹</translation>
    </message>
    <message>
        <source>Choose a file…</source>
        <translation>选择文件…</translation>
    </message>
    <message>
        <source>Choose a folder…</source>
        <translation>选择文件夹…</translation>
    </message>
    <message>
        <source>Models that are here already</source>
        <translation>这台电脑上已有的模型</translation>
    </message>
    <message>
        <source>Other programs&apos; models are used where they lie. Nothing is copied, and nothing is ever written there.</source>
        <translation>其他程序的模型就地使用。不复制，也绝不往那里写入。</translation>
    </message>
    <message>
        <source>Use models of other programs</source>
        <translation>使用其他程序的模型</translation>
    </message>
    <message>
        <source>No other program&apos;s models were found. Ollama, LM Studio, llama.cpp, GPT4All and the Hugging Face cache are looked for.</source>
        <translation>没有找到其他程序的模型。会查找 Ollama、LM Studio、llama.cpp、GPT4All 和 Hugging Face 缓存。</translation>
    </message>
    <message>
        <source>How it is brought</source>
        <translation>导入方式</translation>
    </message>
    <message>
        <source>Before you agree nothing is changed.</source>
        <translation>在你同意之前，不会改动任何内容。</translation>
    </message>
    <message numerus="yes">
        <source>%n more wait(s) for its turn.</source>
        <translation>
            <numerusform>后面还有 %n 个等待导入。</numerusform>
        </translation>
    </message>
    <message>
        <source>Skip</source>
        <translation>跳过</translation>
    </message>
    <message>
        <source>Cancel all</source>
        <translation>全部取消</translation>
    </message>
    <message>
        <source>Dismiss</source>
        <translation>关闭</translation>
    </message>
</context>
<context>
    <name>hearth::ui::LibrarySection</name>
    <message>
        <source>In use here</source>
        <translation>当前使用</translation>
    </message>
    <message>
        <source>licence not told</source>
        <translation>未说明许可</translation>
    </message>
    <message>
        <source>licence %1</source>
        <translation>许可 %1</translation>
    </message>
    <message>
        <source>read in place</source>
        <translation>就地读取</translation>
    </message>
    <message>
        <source>read in place from %1</source>
        <translation>就地读取自 %1</translation>
    </message>
    <message>
        <source>%1 measured</source>
        <translation>实测%1</translation>
    </message>
    <message>
        <source>Cancel loading</source>
        <translation>取消加载</translation>
    </message>
    <message>
        <source>Use in this chat</source>
        <translation>用于这个对话</translation>
    </message>
    <message>
        <source>Free its memory</source>
        <translation>释放内存</translation>
    </message>
    <message>
        <source>Close its defaults</source>
        <translation>收起默认设置</translation>
    </message>
    <message>
        <source>Its defaults…</source>
        <translation>默认设置…</translation>
    </message>
    <message>
        <source>Show the file</source>
        <translation>显示文件</translation>
    </message>
    <message>
        <source>Delete</source>
        <translation>删除</translation>
    </message>
    <message>
        <source>Take off the list</source>
        <translation>从列表移除</translation>
    </message>
    <message numerus="yes">
        <source>goes for good in %n day(s)</source>
        <translation>
            <numerusform>%n 天后彻底删除</numerusform>
        </translation>
    </message>
    <message>
        <source>Restore</source>
        <translation>恢复</translation>
    </message>
    <message>
        <source>%1&#xa0;%</source>
        <translation>%1&#xa0;%</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>停止</translation>
    </message>
    <message>
        <source>Move the models to</source>
        <translation>把模型移到</translation>
    </message>
    <message>
        <source>A model is one file (.gguf). Put it into the model folder, or open it where it lies: it is read in place and never changed.</source>
        <translation>一个模型就是一个文件 (.gguf)。把它放进模型文件夹，或在它所在的位置打开：只就地读取，从不改动。</translation>
    </message>
    <message>
        <source>No model here yet.</source>
        <translation>这里还没有模型。</translation>
    </message>
    <message>
        <source>Open a model file…</source>
        <translation>打开模型文件…</translation>
    </message>
    <message>
        <source>Discover models</source>
        <translation>发现模型</translation>
    </message>
    <message>
        <source>Show the model folder</source>
        <translation>显示模型文件夹</translation>
    </message>
    <message>
        <source>Move all models…</source>
        <translation>移动全部模型…</translation>
    </message>
    <message>
        <source>Deleted models</source>
        <translation>已删除的模型</translation>
    </message>
    <message>
        <source>Dismiss</source>
        <translation>关闭</translation>
    </message>
</context>
<context>
    <name>hearth::ui::MainWindow</name>
    <message>
        <source>Models</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>Settings</source>
        <translation>设置</translation>
    </message>
    <message>
        <source>Hearth</source>
        <translation>围炉</translation>
    </message>
    <message>
        <source>%1 – Hearth</source>
        <translation>%1 – 围炉</translation>
    </message>
    <message>
        <source>Open a model file</source>
        <translation>打开模型文件</translation>
    </message>
    <message>
        <source>Model files (*.gguf)</source>
        <translation>模型文件 (*.gguf)</translation>
    </message>
    <message>
        <source>This link leads to %1:
%2</source>
        <translation>此链接通往 %1：
%2</translation>
    </message>
    <message>
        <source>This link is not one that Hearth opens:
%1</source>
        <translation>围炉不打开这种链接：
%1</translation>
    </message>
    <message>
        <source>Open</source>
        <translation>打开</translation>
    </message>
    <message>
        <source>Copy the address</source>
        <translation>复制地址</translation>
    </message>
    <message>
        <source>Only files and folders of this computer can be dropped here.</source>
        <translation>这里只能放入本机的文件和文件夹。</translation>
    </message>
    <message>
        <source>“%1” is no model. Drop a GGUF file here, or a folder of models.</source>
        <translation>“%1”不是模型。请放入 GGUF 文件，或装有模型的文件夹。</translation>
    </message>
</context>
<context>
    <name>hearth::ui::ModelItem</name>
    <message>
        <source>in use here</source>
        <translation>正在此处使用</translation>
    </message>
    <message>
        <source>Cancel loading</source>
        <translation>取消加载</translation>
    </message>
    <message>
        <source>Cancel loading %1</source>
        <translation>取消加载 %1</translation>
    </message>
</context>
<context>
    <name>hearth::ui::ModelList</name>
    <message>
        <source>Not loaded</source>
        <translation>未加载</translation>
    </message>
    <message>
        <source>Loading %1&#xa0;%</source>
        <translation>加载中 %1&#xa0;%</translation>
    </message>
    <message>
        <source>Loaded</source>
        <translation>已加载</translation>
    </message>
    <message>
        <source>Missing</source>
        <translation>不见了</translation>
    </message>
    <message>
        <source>Switched off</source>
        <translation>已关闭</translation>
    </message>
    <message>
        <source>Leaves this machine</source>
        <translation>会离开本机</translation>
    </message>
</context>
<context>
    <name>hearth::ui::ModelPicker</name>
    <message>
        <source>not loaded</source>
        <translation>未加载</translation>
    </message>
    <message>
        <source>missing</source>
        <translation>不见了</translation>
    </message>
    <message>
        <source>Choose a model</source>
        <translation>选择模型</translation>
    </message>
    <message>
        <source>Model: %1</source>
        <translation>模型：%1</translation>
    </message>
    <message>
        <source>Model of this chat</source>
        <translation>此对话的模型</translation>
    </message>
    <message>
        <source>Cancel loading</source>
        <translation>取消加载</translation>
    </message>
    <message>
        <source>switched off</source>
        <translation>已关闭</translation>
    </message>
    <message>
        <source>leaves this machine</source>
        <translation>会离开本机</translation>
    </message>
    <message>
        <source>What you write here is sent to %1</source>
        <translation>你在这里写的内容会发往 %1</translation>
    </message>
</context>
<context>
    <name>hearth::ui::ModelPopup</name>
    <message>
        <source>Models</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>No model in the model folder yet.</source>
        <translation>模型文件夹里还没有模型。</translation>
    </message>
    <message>
        <source>Open a model file…</source>
        <translation>打开模型文件…</translation>
    </message>
</context>
<context>
    <name>hearth::ui::ModelWords</name>
    <message>
        <source>%1 a second</source>
        <translation>每秒 %1</translation>
    </message>
    <message numerus="yes">
        <source>%n second(s)</source>
        <translation>
            <numerusform>%n 秒</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n minute(s)</source>
        <translation>
            <numerusform>%n 分钟</numerusform>
        </translation>
    </message>
    <message>
        <source>%1 h %2 min</source>
        <translation>%1 小时 %2 分钟</translation>
    </message>
    <message numerus="yes">
        <source>%n day(s)</source>
        <translation>
            <numerusform>%n 天</numerusform>
        </translation>
    </message>
    <message>
        <source>never used</source>
        <translation>从未使用</translation>
    </message>
    <message>
        <source>used today</source>
        <translation>今天用过</translation>
    </message>
    <message>
        <source>used yesterday</source>
        <translation>昨天用过</translation>
    </message>
    <message numerus="yes">
        <source>used %n day(s) ago</source>
        <translation>
            <numerusform>%n 天前用过</numerusform>
        </translation>
    </message>
    <message>
        <source>last used on %1</source>
        <translation>上次使用于 %1</translation>
    </message>
    <message>
        <source>%1 tokens a second</source>
        <translation>每秒 %1 个词元</translation>
    </message>
    <message>
        <source>Not judged yet</source>
        <translation>尚未判断</translation>
    </message>
    <message>
        <source>Fits the GPU</source>
        <translation>显存放得下</translation>
    </message>
    <message>
        <source>Fits with experts in memory</source>
        <translation>专家放内存即可</translation>
    </message>
    <message>
        <source>Fits memory</source>
        <translation>内存放得下</translation>
    </message>
    <message>
        <source>Slow</source>
        <translation>较慢</translation>
    </message>
    <message>
        <source>Will not fit</source>
        <translation>放不下</translation>
    </message>
    <message>
        <source>, </source>
        <comment>between names</comment>
        <translation>、</translation>
    </message>
    <message>
        <source>many languages</source>
        <translation>多种语言</translation>
    </message>
    <message>
        <source>%1 and more</source>
        <translation>%1等</translation>
    </message>
</context>
<context>
    <name>hearth::ui::ModelsPanel</name>
    <message>
        <source>Library</source>
        <translation>模型库</translation>
    </message>
    <message>
        <source>Discover</source>
        <translation>发现</translation>
    </message>
    <message>
        <source>Downloads (%1)</source>
        <translation>下载 (%1)</translation>
    </message>
    <message>
        <source>Downloads</source>
        <translation>下载</translation>
    </message>
    <message>
        <source>Bring your own</source>
        <translation>导入</translation>
    </message>
</context>
<context>
    <name>hearth::ui::NoticeStack</name>
    <message>
        <source>Problem</source>
        <translation>问题</translation>
    </message>
    <message>
        <source>Notice</source>
        <translation>提示</translation>
    </message>
    <message>
        <source>Dismiss</source>
        <translation>关闭</translation>
    </message>
</context>
<context>
    <name>hearth::ui::Page</name>
    <message>
        <source>Sidebar (Ctrl+B)</source>
        <translation>侧栏 (Ctrl+B)</translation>
    </message>
    <message>
        <source>Show or hide the sidebar</source>
        <translation>显示或隐藏侧栏</translation>
    </message>
    <message>
        <source>Back to the chat (Esc)</source>
        <translation>返回对话 (Esc)</translation>
    </message>
    <message>
        <source>Back to the chat</source>
        <translation>返回对话</translation>
    </message>
</context>
<context>
    <name>hearth::ui::ProgressLine</name>
    <message>
        <source>%1&#xa0;% done</source>
        <translation>已完成 %1&#xa0;%</translation>
    </message>
</context>
<context>
    <name>hearth::ui::RemoteEditor</name>
    <message>
        <source>one is in the keyring</source>
        <translation>密钥环里已有一个</translation>
    </message>
    <message>
        <source>none</source>
        <translation>没有</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>名称</translation>
    </message>
    <message>
        <source>Address</source>
        <translation>地址</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>Context, tokens</source>
        <translation>上下文长度（词元）</translation>
    </message>
    <message>
        <source>Key</source>
        <translation>密钥</translation>
    </message>
    <message>
        <source>the first that it has</source>
        <translation>它的第一个模型</translation>
    </message>
    <message>
        <source>as it says, else 4096</source>
        <translation>以它所说为准，否则 4096</translation>
    </message>
    <message>
        <source>It has these models:</source>
        <translation>它有这些模型：</translation>
    </message>
    <message>
        <source>The key goes into the system&apos;s keyring and to this address, nowhere else. Tokens are estimated, because its tokenizer is not known: a chat is cut to about this context.</source>
        <translation>密钥只存入系统的密钥环、只发给这个地址。它的分词器未知，词元数是估计的：对话会裁剪到大约这个长度。</translation>
    </message>
    <message>
        <source>Send what I write to this address unencrypted</source>
        <translation>允许把我写的内容不加密地发往这个地址</translation>
    </message>
    <message>
        <source>Save</source>
        <translation>保存</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Remove the key</source>
        <translation>移除密钥</translation>
    </message>
    <message>
        <source>%L1, as it says</source>
        <translation>%L1（以它所说为准）</translation>
    </message>
</context>
<context>
    <name>hearth::ui::RemoteSection</name>
    <message>
        <source>Its defaults…</source>
        <translation>默认设置…</translation>
    </message>
    <message>
        <source>Close its defaults</source>
        <translation>收起默认设置</translation>
    </message>
    <message>
        <source>In use here</source>
        <translation>当前使用</translation>
    </message>
    <message>
        <source>Testing…</source>
        <translation>正在测试…</translation>
    </message>
    <message>
        <source>On: chats leave this machine</source>
        <translation>已启用：对话会离开本机</translation>
    </message>
    <message>
        <source>Off</source>
        <translation>未启用</translation>
    </message>
    <message>
        <source>context about %1</source>
        <translation>上下文约 %1</translation>
    </message>
    <message>
        <source>What you write goes there unencrypted.</source>
        <translation>你写的内容会不加密地发往那里。</translation>
    </message>
    <message>
        <source>The network is switched off in this program, so nothing is sent there.</source>
        <translation>本程序的网络已关闭，不会向那里发送任何内容。</translation>
    </message>
    <message>
        <source>The network was not allowed in this program yet, so nothing is sent there.</source>
        <translation>还没有允许本程序使用网络，不会向那里发送任何内容。</translation>
    </message>
    <message>
        <source>Allow the network</source>
        <translation>允许使用网络</translation>
    </message>
    <message>
        <source>Use in this chat</source>
        <translation>用于这个对话</translation>
    </message>
    <message>
        <source>Switch off</source>
        <translation>停用</translation>
    </message>
    <message>
        <source>Switch on</source>
        <translation>启用</translation>
    </message>
    <message>
        <source>Test</source>
        <translation>测试</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>收起</translation>
    </message>
    <message>
        <source>Change…</source>
        <translation>修改…</translation>
    </message>
    <message>
        <source>Remove</source>
        <translation>移除</translation>
    </message>
    <message>
        <source>Engines elsewhere</source>
        <translation>外部引擎</translation>
    </message>
    <message>
        <source>A server with an OpenAI-compatible address (vLLM, SGLang, llama.cpp, Ollama) can answer as a model. Then the whole chat is sent there for every reply, and each such reply is marked. Nothing is contacted before you have added one and switched it on.</source>
        <translation>兼容 OpenAI 接口的服务器（vLLM、SGLang、llama.cpp、Ollama）可以当作模型来回答。这时每次回复都会把整个对话发过去，每条这样的回复都有标记。在你添加并启用之前，不会连接任何地方。</translation>
    </message>
    <message>
        <source>Add an engine…</source>
        <translation>添加引擎…</translation>
    </message>
</context>
<context>
    <name>hearth::ui::SettingsPanel</name>
    <message>
        <source>Model folder</source>
        <translation>模型文件夹</translation>
    </message>
    <message>
        <source>Language</source>
        <translation>语言</translation>
    </message>
    <message>
        <source>Theme</source>
        <translation>主题</translation>
    </message>
    <message>
        <source>Text size</source>
        <translation>文字大小</translation>
    </message>
    <message>
        <source>Models in this folder are offered in every chat.</source>
        <translation>此文件夹里的模型在每个对话里都可选用。</translation>
    </message>
    <message>
        <source>Threads</source>
        <translation>线程</translation>
    </message>
    <message>
        <source>How many processor cores answer. Automatic is right for most computers.</source>
        <translation>用几个处理器核心来回答。大多数电脑选“自动”即可。</translation>
    </message>
    <message>
        <source>Backend</source>
        <translation>计算后端</translation>
    </message>
    <message>
        <source>What computes the answers. Automatic takes the fastest that works here.</source>
        <translation>用什么来计算回答。“自动”会选用本机可用的最快方式。</translation>
    </message>
    <message>
        <source>Choose…</source>
        <translation>选择…</translation>
    </message>
    <message>
        <source>Choose the model folder</source>
        <translation>选择模型文件夹</translation>
    </message>
    <message>
        <source>Show</source>
        <translation>显示</translation>
    </message>
    <message>
        <source>Show the model folder</source>
        <translation>显示模型文件夹</translation>
    </message>
    <message>
        <source>System language</source>
        <translation>跟随系统语言</translation>
    </message>
    <message>
        <source>System theme</source>
        <translation>跟随系统</translation>
    </message>
    <message>
        <source>Light</source>
        <translation>浅色</translation>
    </message>
    <message>
        <source>Dark</source>
        <translation>深色</translation>
    </message>
    <message>
        <source>%1&#xa0;%</source>
        <translation>%1&#xa0;%</translation>
    </message>
    <message>
        <source>Automatic</source>
        <translation>自动</translation>
    </message>
    <message>
        <source>Memory for models</source>
        <translation>供模型使用的内存</translation>
    </message>
    <message>
        <source>What models may take together. The one not used for longest leaves first; a model that is larger is loaded alone.</source>
        <translation>所有模型合计最多占用多少。最久未用的先释放；比这还大的模型会单独加载。</translation>
    </message>
    <message>
        <source>Unload unused models</source>
        <translation>释放不用的模型</translation>
    </message>
    <message>
        <source>When they leave memory. The next message brings them back. Automatic: the model in use stays, others leave after 30 minutes.</source>
        <translation>多久不用就从内存中释放，下一条消息会重新加载。自动：正在使用的模型保留，其他的 30 分钟后释放。</translation>
    </message>
    <message numerus="yes">
        <source>After %n hour(s)</source>
        <translation>
            <numerusform>%n 小时后</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>After %n minute(s)</source>
        <translation>
            <numerusform>%n 分钟后</numerusform>
        </translation>
    </message>
    <message>
        <source>%1&#xa0;GB</source>
        <translation>%1&#xa0;GB</translation>
    </message>
    <message>
        <source>Never</source>
        <translation>从不</translation>
    </message>
</context>
<context>
    <name>hearth::ui::Sidebar</name>
    <message>
        <source>No chat has this in its title.</source>
        <translation>没有标题含此内容的对话。</translation>
    </message>
    <message>
        <source>Your chats will stand here.</source>
        <translation>你的对话会列在这里。</translation>
    </message>
    <message>
        <source>Sidebar</source>
        <translation>侧栏</translation>
    </message>
    <message>
        <source>New chat</source>
        <translation>新对话</translation>
    </message>
    <message>
        <source>New chat (%1)</source>
        <translation>新对话 (%1)</translation>
    </message>
    <message>
        <source>Search chats</source>
        <translation>搜索对话</translation>
    </message>
    <message>
        <source>Search chats (%1)</source>
        <translation>搜索对话 (%1)</translation>
    </message>
    <message>
        <source>Chats</source>
        <translation>对话</translation>
    </message>
</context>
<context>
    <name>hearth::ui::StatusLine</name>
    <message>
        <source>Loading model %1&#xa0;%</source>
        <translation>正在加载模型 %1&#xa0;%</translation>
    </message>
    <message>
        <source>Reading %1&#xa0;%</source>
        <translation>正在阅读 %1&#xa0;%</translation>
    </message>
    <message>
        <source>Writing</source>
        <translation>正在书写</translation>
    </message>
    <message>
        <source>%1 t/s</source>
        <translation>%1 词元/秒</translation>
    </message>
    <message>
        <source>%1 / %2</source>
        <translation>%1 / %2</translation>
    </message>
    <message>
        <source>Speed, tokens of the context in use and available, and what computes</source>
        <translation>速度、已用与可用的上下文词元数，以及计算设备</translation>
    </message>
    <message>
        <source>Waiting for %1</source>
        <translation>正在等待 %1</translation>
    </message>
    <message>
        <source>about %1 / %2</source>
        <translation>约 %1 / %2</translation>
    </message>
</context>
<context>
    <name>hearth::ui::UndoBar</name>
    <message>
        <source>Undo</source>
        <translation>撤销</translation>
    </message>
    <message>
        <source>Dismiss</source>
        <translation>关闭</translation>
    </message>
</context>
<context>
    <name>main</name>
    <message>
        <source>Private conversation with open-weight models.</source>
        <translation>与开放权重模型的私密对话。</translation>
    </message>
    <message>
        <source>Keep everything in this folder.</source>
        <translation>把一切存放在此文件夹。</translation>
    </message>
    <message>
        <source>Say on stderr what happened when.</source>
        <translation>在标准错误输出上说明何时发生了什么。</translation>
    </message>
    <message>
        <source>A model file (GGUF) to open.</source>
        <translation>要打开的模型文件 (GGUF)。</translation>
    </message>
    <message>
        <source>Another program is writing to %1. End it, then start Hearth again.</source>
        <translation>另一个程序正在写入 %1。请先结束它，再启动围炉。</translation>
    </message>
</context>
</TS>
