#include "kernels/cpu/isa.h"

#include "kernels/backend.h"
#include "kernels/cpu/tile_check.h"
#include "kernels/error.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include <sched.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace hearth::kernels::cpu {
namespace {

#if defined(__x86_64__)

struct CpuId {
    uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

CpuId cpuId(uint32_t leaf, uint32_t subleaf) {
    CpuId r;
    if (!__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx))
        return {};
    return r;
}

/// What the operating system saves on a task switch; 0 where it does not say.
uint64_t enabledStates() {
    if (!(cpuId(1, 0).ecx & bit_OSXSAVE))
        return 0;
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return uint64_t(high) << 32 | low;
}

bool has(uint32_t flags, uint32_t wanted) {
    return (flags & wanted) == wanted;
}

constexpr uint64_t kYmm = 0x6, kZmm = 0xe6, kTiles = 0x60000;

bool hasAvx2() {
    const CpuId one = cpuId(1, 0), seven = cpuId(7, 0);
    return (enabledStates() & kYmm) == kYmm && has(one.ecx, bit_AVX | bit_FMA | bit_F16C) && has(seven.ebx, bit_AVX2);
}

bool hasAvxVnni() {
    return hasAvx2() && cpuId(7, 0).eax >= 1 && has(cpuId(7, 1).eax, 1u << 4);
}

bool hasAvx512() {
    const CpuId seven = cpuId(7, 0);
    return hasAvx2() && (enabledStates() & kZmm) == kZmm &&
           has(seven.ebx, bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL) &&
           has(seven.ecx, bit_AVX512VNNI | bit_AVX512VBMI);
}

bool hasAvx512Bf16() {
    return hasAvx512() && cpuId(7, 0).eax >= 1 && has(cpuId(7, 1).eax, 1u << 5);
}

/// Linux gives a process the room that a switch of tasks needs for tiles only when it asks (Documentation/arch/x86/
/// xstate.rst). Once is enough for all threads.
bool mayUseTiles() {
    constexpr int kArchReqXcompPerm = 0x1023, kTileData = 18;
    static const bool granted = syscall(SYS_arch_prctl, kArchReqXcompPerm, kTileData) == 0;
    return granted;
}

bool hasAmx() {
    constexpr uint32_t kBf16 = 1u << 22, kTile = 1u << 24, kInt8 = 1u << 25;
    return hasAvx512Bf16() && (enabledStates() & kTiles) == kTiles && has(cpuId(7, 0).edx, kBf16 | kTile | kInt8) &&
           mayUseTiles();
}

bool amxWorks() {
    static const bool right = multipliesRight(amxKernels());
    return right;
}

#endif

struct Row {
    std::string_view name;
    bool (*available)();
    CpuKernels (*kernels)();
    bool (*works)(); // asked where it is available
};

bool always() {
    return true;
}

// Best first.
constexpr Row kRows[] = {
#if defined(__x86_64__)
    {"amx", hasAmx, amxKernels, amxWorks},
#if !defined(HEARTH_TEST_EMULATED)
    {"avx512", hasAvx512, avx512Kernels, always},
#endif
    {"avxvnni", hasAvxVnni, avxVnniKernels, always},
    {"avx2", hasAvx2, avx2Kernels, always},
#endif
    {"reference", always, referenceKernels, always},
// Only where they are asked for.
#if defined(HEARTH_TEST_EMULATED)
    {"avx512-emulated", hasAvx2, avx512Kernels, always},
    {"amx-emulated", hasAvx2, amxKernelsForTests, always},
#elif defined(HEARTH_TEST_TILES)
    {"amx-emulated", hasAvx512Bf16, amxKernelsForTests, always},
#endif
};

std::string knownNames() {
    std::string names;
    for (const Row& row : kRows)
        names += (names.empty() ? "" : ", ") + std::string(row.name);
    return names;
}

Isa chooseNamed(std::string_view name) {
    const Row* row = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) { return r.name == name; });
    const std::string wanted(name);
    if (row == std::end(kRows))
        throw BackendError("HEARTH_ISA asks for the instruction set \"" + wanted + "\", which is unknown; known are " +
                           knownNames() + ".");
    if (!row->available())
        throw BackendError("HEARTH_ISA asks for the instruction set \"" + wanted +
                           "\", which this processor or its operating system does not enable.");
    if (!row->works())
        throw BackendError("HEARTH_ISA asks for the instruction set \"" + wanted +
                           "\", with which this processor multiplies wrong.");
    return {row->name, row->kernels()};
}

/// First line of a small file; empty when it cannot be read.
std::string readLine(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

/// Processors that the control group pays for, rounded up; a large number where there is no limit.
int groupQuota() {
    const std::string line = readLine("/sys/fs/cgroup/cpu.max"); // "200000 100000" or "max 100000"
    char* end = nullptr;
    const long long quota = std::strtoll(line.c_str(), &end, 10);
    const long long period = end ? std::strtoll(end, nullptr, 10) : 0;
    return quota > 0 && period > 0 ? int(std::clamp((quota + period - 1) / period, 1LL, 65536LL)) : 65536;
}

} // namespace

Isa chooseIsa(std::string_view name) {
    const char* fromEnvironment = std::getenv("HEARTH_ISA");
    if (name.empty() && fromEnvironment)
        name = fromEnvironment;
    if (!name.empty())
        return chooseNamed(name);
    for (const Row& row : kRows)
        if (row.available() && row.works())
            return {row.name, row.kernels()};
    return {"reference", referenceKernels()};
}

int usableCores() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return std::max(1, std::min(groupQuota(), int(std::thread::hardware_concurrency())));
    std::set<std::pair<std::string, std::string>> cores; // (package, core) as the kernel tells them
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(cpu, &allowed))
            continue;
        const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
        std::string core = readLine(folder + "core_id");
        if (core.empty())
            core = "cpu" + std::to_string(cpu); // no topology: each counts
        cores.insert({readLine(folder + "physical_package_id"), core});
    }
    return std::max(1, std::min(groupQuota(), int(cores.size())));
}

} // namespace hearth::kernels::cpu

namespace hearth::kernels {

bool cpuRoundsPrompts() {
    try {
        return cpu::chooseIsa({}).kernels.gemmBf16 != nullptr;
    } catch (const BackendError&) {
        return false; // no backend can be made at all
    }
}

} // namespace hearth::kernels
