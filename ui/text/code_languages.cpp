#include "ui/text/code_languages.h"

#include <QHash>
#include <QString>
#include <QStringList>

#include <array>
#include <vector>

namespace hearth::ui {
namespace {

using End = CodeSpan::End;

constexpr CodeSpan kBlockComment = {.open = "/*", .close = "*/", .traits = ManyLines, .token = Token::Comment};
constexpr CodeSpan kNestedComment = {
    .open = "/*", .close = "*/", .traits = ManyLines | Nested, .token = Token::Comment};
constexpr CodeSpan kDouble = {.open = "\"", .close = "\"", .traits = Backslash};
constexpr CodeSpan kSingle = {.open = "'", .close = "'", .traits = Backslash};

constexpr CodeSpan kCppSpans[] = {
    kBlockComment,
    {.open = "\"", .traits = ManyLines, .prefixes = "r lr ur u8r", .end = End::RawName},
    kDouble,
    kSingle,
};

constexpr CodeSpan kCSpans[] = {kBlockComment, kDouble, kSingle};

constexpr CodeSpan kCSharpSpans[] = {
    kBlockComment,
    {.open = "$\"\"\"", .close = "\"\"\"", .traits = ManyLines | TwoIsText, .hole = "{"},
    {.open = "\"\"\"", .close = "\"\"\"", .traits = ManyLines},
    {.open = "$@\"", .close = "\"", .traits = ManyLines | Doubled | TwoIsText, .hole = "{"},
    {.open = "@$\"", .close = "\"", .traits = ManyLines | Doubled | TwoIsText, .hole = "{"},
    {.open = "@\"", .close = "\"", .traits = ManyLines | Doubled},
    {.open = "$\"", .close = "\"", .traits = Backslash | TwoIsText, .hole = "{"},
    kDouble,
    kSingle,
};

constexpr CodeSpan kJavaSpans[] = {
    kBlockComment,
    {.open = "\"\"\"", .close = "\"\"\"", .traits = ManyLines | Backslash},
    kDouble,
    kSingle,
};

constexpr CodeSpan kKotlinSpans[] = {
    kNestedComment,
    {.open = "\"\"\"", .close = "\"\"\"", .traits = ManyLines | DollarNames, .hole = "${"},
    {.open = "\"", .close = "\"", .traits = Backslash | DollarNames, .hole = "${"},
    kSingle,
};

constexpr CodeSpan kGoSpans[] = {
    kBlockComment,
    {.open = "`", .close = "`", .traits = ManyLines},
    kDouble,
    kSingle,
};

constexpr CodeSpan kRustSpans[] = {
    kNestedComment,
    {.open = "\"", .close = "\"", .traits = ManyLines, .prefixes = "r br cr", .end = End::Hashes},
    {.open = "\"", .close = "\"", .traits = ManyLines | Backslash},
    kSingle,
};

constexpr CodeSpan kSwiftSpans[] = {
    kNestedComment,
    {.open = "\"\"\"", .close = "\"\"\"", .traits = ManyLines | Backslash, .hole = "\\("},
    {.open = "#\"", .close = "\"", .end = End::Hashes},
    {.open = "\"", .close = "\"", .traits = Backslash, .hole = "\\("},
};

constexpr CodeSpan kPythonSpans[] = {
    {.open = "\"\"\"",
     .close = "\"\"\"",
     .traits = ManyLines | Backslash | TwoIsText,
     .hole = "{",
     .prefixes = "f fr rf"},
    {.open = "'''", .close = "'''", .traits = ManyLines | Backslash | TwoIsText, .hole = "{", .prefixes = "f fr rf"},
    {.open = "\"", .close = "\"", .traits = Backslash | TwoIsText, .hole = "{", .prefixes = "f fr rf"},
    {.open = "'", .close = "'", .traits = Backslash | TwoIsText, .hole = "{", .prefixes = "f fr rf"},
    {.open = "\"\"\"", .close = "\"\"\"", .traits = ManyLines | Backslash},
    {.open = "'''", .close = "'''", .traits = ManyLines | Backslash},
    kDouble,
    kSingle,
};

constexpr CodeSpan kScriptSpans[] = {
    kBlockComment,
    {.open = "`", .close = "`", .traits = ManyLines | Backslash, .hole = "${"},
    kDouble,
    kSingle,
};

constexpr CodeSpan kJsonSpans[] = {kBlockComment, kDouble};

constexpr CodeSpan kTomlSpans[] = {
    {.open = "\"\"\"", .close = "\"\"\"", .traits = ManyLines | Backslash},
    {.open = "'''", .close = "'''", .traits = ManyLines},
    kDouble,
    {.open = "'", .close = "'"},
};

constexpr CodeSpan kIniSpans[] = {kDouble};

constexpr CodeSpan kSqlSpans[] = {
    kBlockComment,
    {.open = "'", .close = "'", .traits = ManyLines | Doubled},
    {.open = "\"", .close = "\"", .traits = Doubled},
    {.open = "`", .close = "`"},
};

constexpr CodeSpan kShellSpans[] = {
    {.open = "<<", .traits = ManyLines | Verbatim, .end = End::HereDoc},
    {.open = "<<", .traits = ManyLines | Backslash | DollarNames, .hole = "$(", .end = End::HereDoc},
    {.open = "$'", .close = "'", .traits = ManyLines | Backslash},
    {.open = "\"", .close = "\"", .traits = ManyLines | Backslash | DollarNames, .hole = "$("},
    {.open = "'", .close = "'", .traits = ManyLines},
};

constexpr CodeSpan kPowerShellSpans[] = {
    {.open = "<#", .close = "#>", .traits = ManyLines, .token = Token::Comment},
    {.open = "@\"", .close = "\"@", .traits = ManyLines | DollarNames, .hole = "$("},
    {.open = "@'", .close = "'@", .traits = ManyLines},
    {.open = "\"", .close = "\"", .traits = ManyLines | Backtick | Doubled | DollarNames, .hole = "$("},
    {.open = "'", .close = "'", .traits = ManyLines | Doubled},
};

constexpr CodeSpan kLuaSpans[] = {
    {.open = "--[", .close = "]", .traits = ManyLines, .end = End::Levels, .token = Token::Comment},
    {.open = "[", .close = "]", .traits = ManyLines, .end = End::Levels},
    kDouble,
    kSingle,
};

constexpr CodeSpan kRSpans[] = {
    {.open = "\"(", .close = ")\"", .traits = ManyLines, .prefixes = "r"},
    {.open = "'(", .close = ")'", .traits = ManyLines, .prefixes = "r"},
    {.open = "\"", .close = "\"", .traits = ManyLines | Backslash},
    {.open = "'", .close = "'", .traits = ManyLines | Backslash},
    {.open = "`", .close = "`", .token = Token::Text},
    {.open = "%in", .close = "%", .token = Token::Keyword},
};

constexpr CodeSpan kRubySpans[] = {
    {.open = "=begin", .close = "=end", .traits = ManyLines | LineStart, .token = Token::Comment},
    {.open = "<<", .traits = ManyLines | Verbatim, .end = End::HereDoc},
    {.open = "<<", .traits = ManyLines | Backslash, .hole = "#{", .end = End::HereDoc},
    {.open = "%w[", .close = "]", .traits = ManyLines},
    {.open = "%i[", .close = "]", .traits = ManyLines},
    {.open = "%w(", .close = ")", .traits = ManyLines},
    {.open = "%i(", .close = ")", .traits = ManyLines},
    {.open = "%q(", .close = ")", .traits = ManyLines | Backslash},
    {.open = "%Q(", .close = ")", .traits = ManyLines | Backslash, .hole = "#{"},
    {.open = "%(", .close = ")", .traits = ManyLines | Backslash, .hole = "#{"},
    {.open = "\"", .close = "\"", .traits = ManyLines | Backslash, .hole = "#{"},
    {.open = "`", .close = "`", .traits = Backslash, .hole = "#{"},
    {.open = "'", .close = "'", .traits = ManyLines | Backslash},
};

constexpr CodeSpan kPhpSpans[] = {
    kBlockComment,
    {.open = "<<<", .traits = ManyLines | Verbatim, .end = End::HereDoc},
    {.open = "<<<", .traits = ManyLines | Backslash | DollarNames, .hole = "{$", .end = End::HereDoc},
    {.open = "\"", .close = "\"", .traits = ManyLines | Backslash | DollarNames, .hole = "{$"},
    {.open = "'", .close = "'", .traits = ManyLines | Backslash},
};

constexpr CodeSpan kCMakeSpans[] = {
    {.open = "#[", .close = "]", .traits = ManyLines, .end = End::Levels, .token = Token::Comment},
    {.open = "[", .close = "]", .traits = ManyLines, .end = End::Levels},
    {.open = "\"", .close = "\"", .traits = ManyLines | Backslash, .hole = "${"},
};

constexpr CodeSpan kDartSpans[] = {
    kNestedComment,
    {.open = "'''", .close = "'''", .traits = ManyLines | Backslash | DollarNames, .hole = "${"},
    {.open = "\"\"\"", .close = "\"\"\"", .traits = ManyLines | Backslash | DollarNames, .hole = "${"},
    {.open = "'", .close = "'", .traits = Backslash | DollarNames, .hole = "${"},
    {.open = "\"", .close = "\"", .traits = Backslash | DollarNames, .hole = "${"},
};

constexpr CodeSpan kScalaSpans[] = {
    kNestedComment,
    {.open = "\"\"\"", .close = "\"\"\"", .traits = ManyLines | DollarNames, .hole = "${", .prefixes = "s f raw"},
    {.open = "\"", .close = "\"", .traits = Backslash | DollarNames, .hole = "${", .prefixes = "s f raw"},
    {.open = "\"\"\"", .close = "\"\"\"", .traits = ManyLines},
    kDouble,
    kSingle,
};

constexpr char kShellWords[] = "case do done elif else esac fi for function if in select then time until while";

constexpr CodeLanguage kLanguages[] = {
    {
        .label = "C",
        .names = "c h",
        .keywords = "alignas alignof auto break case const constexpr continue default do else enum extern for goto if "
                    "inline register restrict return sizeof static static_assert struct switch thread_local typedef "
                    "typeof union volatile while _Alignas _Alignof _Atomic _Generic _Noreturn _Static_assert "
                    "_Thread_local",
        .types = "bool char double float int int8_t int16_t int32_t int64_t intptr_t long ptrdiff_t short signed "
                 "size_t ssize_t uint8_t uint16_t uint32_t uint64_t uintptr_t unsigned va_list void wchar_t FILE "
                 "_Bool _Complex",
        .constants = "true false NULL nullptr EOF stdin stdout stderr",
        .lineComments = "//",
        .spans = kCSpans,
        .traits = Preprocessor | LooseNumbers,
    },
    {
        .label = "C++",
        .names = "cpp c++ cc cxx hpp hxx hh cuda cu arduino ino",
        .keywords = "alignas alignof and asm auto break case catch class co_await co_return co_yield concept const "
                    "const_cast consteval constexpr constinit continue decltype default delete do dynamic_cast else "
                    "enum explicit export extern final for friend goto if import inline module mutable namespace new "
                    "noexcept not operator or override private protected public register reinterpret_cast requires "
                    "return sizeof static static_assert static_cast struct switch template this thread_local throw "
                    "try typedef typeid typename union using virtual volatile while __global__ __device__ __host__ "
                    "__shared__",
        .types = "bool char char8_t char16_t char32_t double float int int8_t int16_t int32_t int64_t intptr_t long "
                 "ptrdiff_t short signed size_t ssize_t uint8_t uint16_t uint32_t uint64_t uintptr_t unsigned void "
                 "wchar_t array deque function list map multimap multiset optional pair queue set shared_ptr span "
                 "stack string string_view thread tuple unique_ptr unordered_map unordered_set variant vector "
                 "weak_ptr byte",
        .constants = "true false nullptr NULL",
        .lineComments = "//",
        .spans = kCppSpans,
        .traits = Preprocessor | CapitalTypes | LooseNumbers,
    },
    {
        .label = "C#",
        .names = "csharp c# cs",
        .keywords = "abstract add and as async await base break case catch checked class const continue default "
                    "delegate do else enum event explicit extern finally fixed for foreach from get global goto group "
                    "if implicit in init interface internal into is join let lock namespace nameof new not on operator "
                    "or orderby out override params partial private protected public readonly record ref remove "
                    "required return sealed select set sizeof stackalloc static struct switch this throw try typeof "
                    "unchecked unsafe using value var virtual volatile when where while with yield",
        .types = "bool byte char decimal double dynamic float int long nint nuint object sbyte short string uint "
                 "ulong ushort void",
        .constants = "true false null",
        .lineComments = "//",
        .spans = kCSharpSpans,
        .traits = Preprocessor | CapitalTypes | CapitalCalls,
    },
    {
        .label = "Java",
        .names = "java",
        .keywords = "abstract assert break case catch class const continue default do else enum extends final finally "
                    "for goto if implements import instanceof interface native new non-sealed package permits private "
                    "protected public record return sealed static strictfp super switch synchronized this throw "
                    "throws transient try var volatile while yield",
        .types = "boolean byte char double float int long short void",
        .constants = "true false null",
        .lineComments = "//",
        .spans = kJavaSpans,
        .traits = CapitalTypes | Annotations,
    },
    {
        .label = "Kotlin",
        .names = "kotlin kt kts",
        .keywords = "abstract actual annotation as break by catch class companion const constructor continue "
                    "crossinline data do else enum expect external final finally for fun get if import in infix init "
                    "inline inner interface internal is lateinit noinline object open operator out override package "
                    "private protected public reified return sealed set super suspend tailrec this throw try "
                    "typealias val value var vararg when where while",
        .constants = "true false null",
        .lineComments = "//",
        .spans = kKotlinSpans,
        .traits = CapitalTypes | Annotations,
    },
    {
        .label = "Go",
        .names = "go golang",
        .keywords = "break case chan const continue default defer else fallthrough for func go goto if import "
                    "interface map package range return select struct switch type var",
        .types = "any bool byte comparable complex64 complex128 error float32 float64 int int8 int16 int32 int64 rune "
                 "string uint uint8 uint16 uint32 uint64 uintptr",
        .constants = "true false nil iota",
        .lineComments = "//",
        .spans = kGoSpans,
        .traits = CapitalTypes | CapitalCalls,
    },
    {
        .label = "Rust",
        .names = "rust rs",
        .keywords = "as async await break const continue crate dyn else enum extern fn for if impl in let loop match "
                    "mod move mut pub ref return self static struct super trait type union unsafe use where while",
        .types = "Self bool char f32 f64 i8 i16 i32 i64 i128 isize str u8 u16 u32 u64 u128 usize",
        .constants = "true false",
        .lineComments = "//",
        .spans = kRustSpans,
        .traits = CapitalTypes | HashAttributes | Lifetimes | BangCalls,
    },
    {
        .label = "Swift",
        .names = "swift",
        .keywords = "actor any as associatedtype async await break case catch class continue convenience default defer "
                    "deinit do else enum extension fallthrough fileprivate final for func get guard if import in "
                    "indirect infix init inout internal is isolated lazy let mutating nonisolated nonmutating open "
                    "operator optional override postfix precedencegroup prefix private protocol public repeat "
                    "required rethrows return self set some static struct subscript super switch throw throws try "
                    "typealias unowned var weak where while willSet didSet",
        .types = "Self",
        .constants = "true false nil",
        .lineComments = "//",
        .spans = kSwiftSpans,
        .traits = CapitalTypes | Annotations | HashWords,
    },
    {
        .label = "Python",
        .names = "python py python3 py3 pyi ipython pycon",
        .keywords = "and as assert async await break case class continue def del elif else except finally for from "
                    "global if import in is lambda match nonlocal not or pass raise return try while with yield",
        .types = "bool bytearray bytes complex dict float frozenset int list object set str tuple type",
        .constants = "True False None NotImplemented Ellipsis",
        .lineComments = "#",
        .spans = kPythonSpans,
        .traits = CapitalTypes | Annotations,
    },
    {
        .label = "JavaScript",
        .names = "javascript js jsx mjs cjs node es6",
        .keywords = "as async await break case catch class const continue debugger default delete do else export "
                    "extends finally for from function get if import in instanceof let new of return set static super "
                    "switch this throw try typeof var void while with yield",
        .constants = "true false null undefined NaN Infinity",
        .lineComments = "//",
        .spans = kScriptSpans,
        .traits = CapitalTypes | Annotations | Regex | Tags,
        .wordStart = "$",
        .wordInner = "$",
    },
    {
        .label = "TypeScript",
        .names = "typescript ts tsx mts cts",
        .keywords = "abstract as asserts async await break case catch class const continue debugger declare default "
                    "delete do else enum export extends finally for from function get if implements import in infer "
                    "instanceof interface is keyof let module namespace new of override private protected public "
                    "readonly return satisfies set static super switch this throw try type typeof var void while "
                    "with yield",
        .types = "any bigint boolean never number object string symbol unknown",
        .constants = "true false null undefined NaN Infinity",
        .lineComments = "//",
        .spans = kScriptSpans,
        .traits = CapitalTypes | Annotations | Regex | Tags,
        .wordStart = "$",
        .wordInner = "$",
    },
    {.label = "HTML", .names = "html htm xhtml vue svelte html5", .lexer = Lexer::Markup},
    {.label = "XML", .names = "xml svg xsd xsl xslt plist rss atom xaml csproj", .lexer = Lexer::Markup},
    {.label = "CSS", .names = "css scss sass less", .lexer = Lexer::Css},
    {
        .label = "JSON",
        .names = "json json5 jsonc jsonl ndjson geojson",
        .constants = "true false null NaN Infinity",
        .lineComments = "//",
        .spans = kJsonSpans,
        .traits = KeyStrings,
    },
    {.label = "YAML", .names = "yaml yml", .lexer = Lexer::Yaml, .constants = "true false null yes no on off"},
    {
        .label = "TOML",
        .names = "toml",
        .constants = "true false inf nan",
        .lineComments = "#",
        .spans = kTomlSpans,
        .traits = KeyWords | Sections,
        .wordInner = "-",
    },
    {
        .label = "INI",
        .names = "ini cfg conf properties env dotenv editorconfig desktop systemd",
        .constants = "true false yes no on off",
        .lineComments = "# ;",
        .spans = kIniSpans,
        .traits = KeyWords | Sections | AnyCase,
        .wordInner = "-.",
    },
    {
        .label = "SQL",
        .names = "sql mysql postgresql postgres psql sqlite plsql tsql mariadb",
        .keywords = "add all alter analyze and any as asc autoincrement auto_increment begin between by cascade case "
                    "check cluster collate column commit conflict constraint create cross current cursor database "
                    "declare default deferrable delete desc distinct do drop each else elsif end except exec execute "
                    "exists explain fetch filter first following for foreign from full function grant group having if "
                    "ignore ilike in index inner insert instead intersect into is isnull join key language last "
                    "lateral left like limit loop materialized merge natural next no not nothing notnull nulls of "
                    "offset on only or order outer over partition perform pragma preceding primary procedure raise "
                    "range recursive references rename replace restrict return returning returns revoke right "
                    "rollback row rows savepoint schema select sequence set table temp temporary then to transaction "
                    "trigger truncate unbounded union unique update using vacuum values view virtual when where while "
                    "window with without",
        .types = "bigint bigserial binary bit blob bool boolean bytea char character date datetime decimal double "
                 "enum float int int2 int4 int8 integer interval json jsonb longtext mediumint money nchar numeric "
                 "nvarchar precision real serial smallint text time timestamp timestamptz tinyint uuid varbinary "
                 "varchar varying xml",
        .constants = "true false null unknown current_date current_time current_timestamp",
        .lineComments = "--",
        .spans = kSqlSpans,
        .traits = AnyCase | DollarQuotes,
    },
    {
        .label = "Shell",
        .names = "sh bash shell zsh ksh fish ash",
        .keywords = kShellWords,
        .lineComments = "#",
        .spans = kShellSpans,
        .traits = Shell,
    },
    {
        .label = "Console",
        .names = "console shell-session shellsession terminal bash-session",
        .keywords = kShellWords,
        .lineComments = "#",
        .spans = kShellSpans,
        .traits = Shell | Transcript,
    },
    {
        .label = "PowerShell",
        .names = "powershell ps1 pwsh ps psm1",
        .keywords =
            "begin break catch class continue data default do dynamicparam else elseif end enum exit filter "
            "finally for foreach from function hidden if in param process return static switch throw trap try "
            "until using while -and -as -band -bor -bxor -ccontains -ceq -clike -cmatch -cne -contains -creplace "
            "-eq -ge -gt -in -is -isnot -join -le -like -lt -match -ne -not -notcontains -notin -notlike "
            "-notmatch -or -replace -shl -shr -split -xor -f",
        .constants = "$true $false $null",
        .lineComments = "#",
        .spans = kPowerShellSpans,
        .traits = AnyCase | DashedCalls,
        .wordStart = "$-",
        .wordInner = "-",
    },
    {
        .label = "Lua",
        .names = "lua luau",
        .keywords = "and break do else elseif end for function goto if in local not or repeat return then until while",
        .constants = "true false nil",
        .lineComments = "--",
        .spans = kLuaSpans,
    },
    {
        .label = "R",
        .names = "r rscript rlang",
        .keywords = "break else for function if in next repeat return while",
        .constants = "TRUE FALSE NULL NA NaN Inf NA_integer_ NA_real_ NA_character_",
        .lineComments = "#",
        .spans = kRSpans,
        .wordStart = ".",
        .wordInner = ".",
    },
    {
        .label = "Ruby",
        .names = "ruby rb erb rake gemfile rakefile jruby",
        .keywords = "BEGIN END alias and begin break case class def defined? do else elsif end ensure extend for if in "
                    "include loop module next not or prepend private protected public raise redo require "
                    "require_relative rescue retry return self super then undef unless until when while yield "
                    "attr_accessor attr_reader attr_writer __method__",
        .constants = "true false nil __FILE__ __LINE__",
        .lineComments = "#",
        .spans = kRubySpans,
        .traits = CapitalTypes | Regex | Symbols,
        .wordStart = "@$",
        .wordInner = "?!",
    },
    {
        .label = "PHP",
        .names = "php php5 php7 php8 phtml",
        .lexer = Lexer::Php,
        .keywords = "abstract and array as break callable case catch class clone const continue declare default do "
                    "echo else elseif empty enddeclare endfor endforeach endif endswitch endwhile enum extends final "
                    "finally fn for foreach function global goto if implements include include_once instanceof "
                    "insteadof interface isset list match namespace new or parent print private protected public "
                    "readonly require require_once return self static switch throw trait try unset use var while xor "
                    "yield",
        .types = "bool float int iterable mixed never object string void",
        .constants =
            "true false null TRUE FALSE NULL __CLASS__ __DIR__ __FILE__ __FUNCTION__ __LINE__ __METHOD__ __NAMESPACE__",
        .lineComments = "// #",
        .spans = kPhpSpans,
        .traits = CapitalTypes | HashAttributes,
        .wordStart = "$",
    },
    {
        .label = "CMake",
        .names = "cmake cmakelists cmakelists.txt",
        .keywords =
            "break cmake_language continue else elseif endforeach endfunction endif endmacro endwhile foreach "
            "function if include macro return while ALIAS ALL AND APPEND ARCHIVE ARGS BOOL CACHE COMMAND "
            "COMMENT COMPONENTS CONFIG CONFIGURE_DEPENDS DEFINED DEPENDS DESTINATION ENV EQUAL EXISTS FATAL_ERROR "
            "FORCE GLOB GLOB_RECURSE GREATER IMPORTED IN INTERFACE INTERNAL ITEMS LANGUAGES LESS LIBRARY LISTS "
            "MATCHES MODULE NAME NAMES NOT OBJECT OPTIONAL OR PARENT_SCOPE PATH PRIVATE PROPERTIES PUBLIC "
            "QUIET RANGE REQUIRED RUNTIME SHARED STATIC STATUS STREQUAL STRING TARGET TARGETS "
            "VERSION VERSION_GREATER VERSION_GREATER_EQUAL VERSION_LESS WARNING WORKING_DIRECTORY",
        .constants = "ON OFF TRUE FALSE",
        .lineComments = "#",
        .spans = kCMakeSpans,
    },
    {
        .label = "Dockerfile",
        .names = "dockerfile docker containerfile",
        .keywords = kShellWords,
        .lineComments = "#",
        .spans = kShellSpans,
        .traits = Shell | Instructions,
        .lineWords = "add arg cmd copy entrypoint env expose from healthcheck label maintainer onbuild run shell "
                     "stopsignal user volume workdir",
    },
    {.label = "Diff", .names = "diff patch udiff", .lexer = Lexer::Diff},
    {.label = "LaTeX", .names = "latex tex bibtex", .lexer = Lexer::Latex},
    {
        .label = "Dart",
        .names = "dart flutter",
        .keywords = "abstract as assert async await base break case catch class const continue covariant default "
                    "deferred do else enum export extends extension external factory final finally for get hide if "
                    "implements import in interface is late library mixin new of on operator part required rethrow "
                    "return sealed set show static super switch sync this throw try typedef var when while with yield",
        .types = "bool double dynamic int num void",
        .constants = "true false null",
        .lineComments = "//",
        .spans = kDartSpans,
        .traits = CapitalTypes | Annotations,
    },
    {
        .label = "Scala",
        .names = "scala sc",
        .keywords = "abstract as case catch class def derives do else end enum export extends extension final finally "
                    "for given if implicit import inline lazy match new object opaque open override package private "
                    "protected return sealed super then this throw trait transparent try type using val var while "
                    "with yield",
        .constants = "true false null",
        .lineComments = "//",
        .spans = kScalaSpans,
        .traits = CapitalTypes | Annotations,
    },
};

constexpr std::pair<const char*, WordRole> kRoles[] = {
    {"class struct interface enum trait protocol extends implements new impl object record mixin instanceof type "
     "typealias actor extension module union concept",
     NamesType},
    {"def fn func function fun macro", NamesCall},
    {"get set of from match add remove value record open data type list filter group join on async select field file "
     "left right replace row rows range print",
     AlsoName},
    {"default else try finally public private protected lambda object do then begin", BeforeColon},
    {"this self super", IsValue},
};

/// The signs that a trait looks for.
constexpr std::pair<LanguageTrait, const char*> kSigns[] = {
    {Annotations, "@"},  {HashWords, "#"}, {HashAttributes, "#"}, {Symbols, ":"},
    {DollarQuotes, "$"}, {Regex, "/"},     {Tags, "<"},           {Lifetimes, "'"},
};

/// One row made ready for looking up.
struct Index {
    QString text; // that the keys look into
    QHash<QStringView, ListedWord> words;
    std::array<bool, 128> begins{};
};

Index indexOf(const CodeLanguage& language) {
    Index index;
    const std::pair<const char*, Token> lists[] = {
        {language.keywords, Token::Keyword}, {language.types, Token::TypeName}, {language.constants, Token::Number}};
    for (const auto& list : lists)
        index.text += QLatin1String(list.first) + u' ';
    qsizetype at = 0;
    for (const auto& [list, token] : lists) {
        const qsizetype end = at + QLatin1String(list).size();
        for (const QStringView word : QStringView(index.text).mid(at, end - at).split(u' ', Qt::SkipEmptyParts)) {
            ListedWord listed{token};
            for (const auto& [words, role] : kRoles)
                if (token == Token::Keyword && hasWord(words, word))
                    listed.roles |= role;
            index.words.insert(word, listed);
        }
        at = end + 1;
    }
    for (const CodeSpan& span : language.spans)
        index.begins[size_t(*span.open)] = true;
    for (const char c : QByteArrayView(language.lineComments))
        index.begins[size_t(c)] = true;
    for (const auto& [trait, signs] : kSigns)
        if (language.traits & trait)
            index.begins[size_t(*signs)] = true;
    return index;
}

const Index& indexed(const CodeLanguage& language) {
    static const std::vector<Index> all = [] {
        std::vector<Index> rows;
        for (const CodeLanguage& row : kLanguages)
            rows.push_back(indexOf(row));
        return rows;
    }();
    return all[size_t(&language - kLanguages)];
}

constexpr qsizetype kLongestWord = 32; // of any list

const CodeLanguage* named(QStringView name) {
    for (const CodeLanguage& language : kLanguages)
        if (hasWord(language.names, name))
            return &language;
    return nullptr;
}

/// The part of a fence's info that names the language, and the whole of its first word.
std::pair<QString, QString> nameOf(QStringView info) {
    const QString first = info.left(80).trimmed().toString().section(u' ', 0, 0).left(40);
    QStringView name(first);
    while (name.startsWith(u'{') || name.startsWith(u'.'))
        name = name.mid(1);
    qsizetype end = 0;
    while (end < name.size() && !QStringView(u"{}:,;(=").contains(name[end]))
        ++end;
    return {name.left(end).toString().toLower(), first};
}

} // namespace

bool hasWord(const char* list, QStringView word) {
    const QLatin1String all(list);
    for (qsizetype at = 0; at < all.size() && !word.isEmpty();) {
        qsizetype end = all.indexOf(u' ', at);
        if (end < 0)
            end = all.size();
        if (all.mid(at, end - at) == word)
            return true;
        at = end + 1;
    }
    return false;
}

ListedWord listedWord(const CodeLanguage& language, QStringView word) {
    if (word.size() > kLongestWord)
        return {};
    const auto& words = indexed(language).words;
    auto found = words.constFind(word);
    if (found == words.constEnd() && language.traits & AnyCase) {
        char16_t small[kLongestWord];
        for (qsizetype i = 0; i < word.size(); ++i)
            small[i] = word[i].toLower().unicode();
        found = words.constFind(QStringView(small, word.size()));
    }
    return found == words.constEnd() ? ListedWord() : *found;
}

bool beginsSomething(const CodeLanguage& language, QChar c) {
    return c.unicode() < 128 && indexed(language).begins[c.unicode()];
}

std::span<const CodeLanguage> codeLanguages() {
    return kLanguages;
}

const CodeLanguage* codeLanguage(QStringView info) {
    const QString name = nameOf(info).first;
    const CodeLanguage* language = named(name);
    return language || !name.contains(u'.') ? language : named(QStringView(name).mid(name.lastIndexOf(u'.') + 1));
}

QString codeLabel(QStringView info) {
    const CodeLanguage* language = codeLanguage(info);
    return language ? QString::fromLatin1(language->label) : nameOf(info).second;
}

} // namespace hearth::ui
