#pragma once

// Stands before the compiler's <immintrin.h> where the rows of AVX-512 (and those of AMX, whose tiles are emulated,
// too) are compiled for tests on processors without: SIMDe's functions take the places of the instructions that the
// compiler may not use, and missing_intrinsics.h has those that SIMDe 0.7.4 lacks or has wrong.

#include_next <immintrin.h>

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

#include "missing_intrinsics.h"
