#pragma once

#include <cstdint>
#include <string_view>

namespace hearth::engine {

/// A published chat template, by a hash of its source without blanks (see chat_template_inspect.cpp).
struct PublishedTemplate {
    uint64_t hash;
    std::string_view name;
};

constexpr PublishedTemplate kPublishedTemplates[] = {
    {0xAEF538E21FA51E95, "Apertus-8B-Instruct"},
    {0x89DAB2CD68FADC5B, "Apriel-1.6-15b-Thinker-fixed"},
    {0x8C580170CB287AA5, "Bielik-11B-v3.0-Instruct"},
    {0x238823C418516718, "ByteDance-Seed-OSS"},
    {0xA49992B119C28286, "Cohere2MoE"},
    {0xC31B36CE23A94DE4, "CohereForAI-c4ai-command-r-plus-tool_use"},
    {0xE044CA7EB29FECE6, "CohereForAI-c4ai-command-r7b-12-2024-tool_use"},
    {0x7F6876080CA4C0EB, "deepseek-ai-DeepSeek-R1-Distill-Llama-8B"},
    {0x6652411C7ABA80D9, "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B"},
    {0x080901B4336C5C75, "deepseek-ai-DeepSeek-V3.1"},
    {0xABF7AA6891315275, "deepseek-ai-DeepSeek-V3.2"},
    {0xAD9EE45AE14A8AA5, "deepseek-ai-DeepSeek-V4"},
    {0xFC4E9A37EA09C4DE, "deepseek-ai-DeepSeek-V4-Flash-0731"},
    {0xF7DBFF683E84DF2A, "DeepSeek-V3"},
    {0x3D186621AE012F81, "fireworks-ai-llama-3-firefunction-v2"},
    {0x564EEBA39BA941AE, "GigaChat3-10B-A1.8B"},
    {0x614C3D7765915E90, "GigaChat3.1-10B-A1.8B"},
    {0xD1FAC42B9B7854A4, "GLM-4.6"},
    {0xCD7856030A7883AE, "GLM-4.7-Flash"},
    {0x6CF9EB1003E7DE79, "google-gemma-2-2b-it"},
    {0x9CF1331B1D9729F2, "google-gemma-4-31B-it"},
    {0x595A5D863C31CAC7, "google-gemma-4-31B-it-interleaved"},
    {0x45C30AE8E90DBD75, "HuggingFaceTB-SmolLM3-3B"},
    {0xB5CAE49636C15BCD, "ibm-granite-granite-3.3-2B-Instruct"},
    {0x107ED9BE2CA96818, "ibm-granite-granite-4.0"},
    {0x9B9784F72E390469, "ibm-granite-granite-4.1"},
    {0x123ED60182A18C65, "inclusionai-ling-3.0-flash"},
    {0x19931E3BAC9B0547, "Kimi-K2-Instruct"},
    {0x525014683EFB14DA, "Kimi-K2-Thinking"},
    {0xB91D4293EBEE25E6, "Kimi-K3"},
    {0xCB5D5992CA90D285, "LFM2-8B-A1B"},
    {0x67F5A140DD382C2C, "LFM2.5-8B-A1B"},
    {0x0E6FE9E08B37AACC, "LFM2.5-Instruct"},
    {0x4ADF8C19C10A1E30, "llama-cpp-deepseek-r1"},
    {0x88C539E56D3CC2E5, "llama-cpp-rwkv-world"},
    {0xAF3E1C9E60531280, "meetkai-functionary-medium-v3.1"},
    {0xCA70010537D0D212, "meetkai-functionary-medium-v3.2"},
    {0xAEBD5C0840840318, "meta-llama-Llama-3.1-8B-Instruct"},
    {0x2D8337E903ECAADE, "meta-llama-Llama-3.2-3B-Instruct"},
    {0x55C7DBDBED3D84FA, "microsoft-Phi-3.5-mini-instruct"},
    {0x2BBFE3A6BFC24E6F, "MiMo-VL"},
    {0x84510374B4734BD8, "MiniMax-M1"},
    {0x5F4F429BB58F6910, "MiniMax-M2"},
    {0x1D1EF1E23DC258B3, "MiniMax-M3"},
    {0xDED87104D1F8C21B, "Mistral-Small-3.2-24B-Instruct-2506"},
    {0xA4214FE3F8B91C6D, "mistralai-Ministral-3-14B-Reasoning-2512"},
    {0xE7FB8D795DAD1DED, "mistralai-Mistral-Nemo-Instruct-2407"},
    {0x1CFCB0C5E420CA62, "moonshotai-Kimi-K2"},
    {0x9DC33E82A78218EC, "muse-glimmer"},
    {0x59BF1661B53E1273, "NousResearch-Hermes-3-Llama-3.1-8B-tool_use"},
    {0x762FD3B5A5C15AD7, "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"},
    {0xB61EC0674747D0C2, "NVIDIA-Nemotron-Nano-v2"},
    {0xA1F4F47378EE9404, "openai-gpt-oss-120b"},
    {0x4078A1055DDB7B04, "openbmb-MiniCPM5-1B"},
    {0x0D66612FEE40A215, "poolside-Laguna-S-2.1"},
    {0xA77FC3CF1E3A9B67, "poolside-Laguna-XS-2.1"},
    {0x92E996CED0D30202, "poolside-Laguna-XS.2"},
    {0x2B03C19453E471A7, "Qwen-Qwen2.5-7B-Instruct"},
    {0x4629B26C31E7ABF0, "Qwen-Qwen3-0.6B"},
    {0x14F772C038198140, "Qwen-QwQ-32B"},
    {0x52A93058CB31D259, "Qwen3-Coder"},
    {0xC6608F4A66BB30EC, "Qwen3.5-4B"},
    {0xB7493EA70739B6AD, "Reka-Edge"},
    {0xF463BC58BD28A2D4, "Spark2.5"},
    {0xA612B07D53C3CFD4, "StepFun3.5-Flash"},
    {0x7E4C682CD208AC26, "tencent-Hy3"},
    {0x4F30F44F66D5231B, "unsloth-Apriel-1.5"},
    {0x31EA8370FDE8DB56, "unsloth-mistral-Devstral-Small-2507"},
    {0x883DF36B6F77660A, "upstage-Solar-Open-100B"},
    {0x07193EF762F1C148, "SmolLM2-Instruct"},
};

} // namespace hearth::engine
