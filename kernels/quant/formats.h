#pragma once

// Every format, for those who make a row of each.

#include "kernels/tensor.h"

#include "kernels/quant/floats.h"
#include "kernels/quant/iq1_m.h"
#include "kernels/quant/iq1_s.h"
#include "kernels/quant/iq2_s.h"
#include "kernels/quant/iq2_xs.h"
#include "kernels/quant/iq2_xxs.h"
#include "kernels/quant/iq3_s.h"
#include "kernels/quant/iq3_xxs.h"
#include "kernels/quant/iq4_nl.h"
#include "kernels/quant/iq4_xs.h"
#include "kernels/quant/mxfp4.h"
#include "kernels/quant/nvfp4.h"
#include "kernels/quant/q2_k.h"
#include "kernels/quant/q3_k.h"
#include "kernels/quant/q4_0.h"
#include "kernels/quant/q4_1.h"
#include "kernels/quant/q4_k.h"
#include "kernels/quant/q5_0.h"
#include "kernels/quant/q5_1.h"
#include "kernels/quant/q5_k.h"
#include "kernels/quant/q6_k.h"
#include "kernels/quant/q8_0.h"
#include "kernels/quant/tq1_0.h"
#include "kernels/quant/tq2_0.h"

namespace hearth::kernels::quant {
namespace {

/// Every quantized format with its type: calls f.template operator()<Format>(Type).
template <typename F>
inline void forEachFormat(const F& f) {
    f.template operator()<Q4_0>(Type::Q4_0);
    f.template operator()<Q4_1>(Type::Q4_1);
    f.template operator()<Q5_0>(Type::Q5_0);
    f.template operator()<Q5_1>(Type::Q5_1);
    f.template operator()<Q8_0>(Type::Q8_0);
    f.template operator()<Q2_K>(Type::Q2_K);
    f.template operator()<Q3_K>(Type::Q3_K);
    f.template operator()<Q4_K>(Type::Q4_K);
    f.template operator()<Q5_K>(Type::Q5_K);
    f.template operator()<Q6_K>(Type::Q6_K);
    f.template operator()<IQ1_S>(Type::IQ1_S);
    f.template operator()<IQ1_M>(Type::IQ1_M);
    f.template operator()<IQ2_XXS>(Type::IQ2_XXS);
    f.template operator()<IQ2_XS>(Type::IQ2_XS);
    f.template operator()<IQ2_S>(Type::IQ2_S);
    f.template operator()<IQ3_XXS>(Type::IQ3_XXS);
    f.template operator()<IQ3_S>(Type::IQ3_S);
    f.template operator()<IQ4_NL>(Type::IQ4_NL);
    f.template operator()<IQ4_XS>(Type::IQ4_XS);
    f.template operator()<TQ1_0>(Type::TQ1_0);
    f.template operator()<TQ2_0>(Type::TQ2_0);
    f.template operator()<MXFP4>(Type::MXFP4);
    f.template operator()<NVFP4>(Type::NVFP4);
}

} // namespace
} // namespace hearth::kernels::quant
