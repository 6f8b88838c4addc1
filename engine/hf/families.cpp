#include "engine/hf/families.h"

#include <algorithm>

namespace hearth::engine {

namespace {

using enum HfForm;
using enum HfKind;

// ---- names that most families share

constexpr HfName kHfNames[] = {
    {"embed_tokens.*", "token_embd.*"},
    {"norm.*", "output_norm.*"},
    {"lm_head.*", "output.*"},
    {"layers.{}.input_layernorm.*", "blk.{}.attn_norm.*"},
    {"layers.{}.post_attention_layernorm.*", "blk.{}.ffn_norm.*"},
    {"layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*"},
    {"layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*"},
    {"layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*"},
    {"layers.{}.self_attn.qkv_proj.*", "blk.{}.attn_qkv.*"},
    {"layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*"},
    {"layers.{}.self_attn.q_norm.*", "blk.{}.attn_q_norm.*"},
    {"layers.{}.self_attn.k_norm.*", "blk.{}.attn_k_norm.*"},
    {"layers.{}.mlp.gate_proj.*", "blk.{}.ffn_gate.*"},
    {"layers.{}.mlp.up_proj.*", "blk.{}.ffn_up.*"},
    {"layers.{}.mlp.gate_up_proj.*", "blk.{}.ffn_up.*"},
    {"layers.{}.mlp.down_proj.*", "blk.{}.ffn_down.*"},
    {"layers.{}.mlp.gate.weight", "blk.{}.ffn_gate_inp.weight"},
    {"layers.{}.mlp.gate.e_score_correction_bias", "blk.{}.exp_probs_b.bias"},
    {"layers.{}.mlp.experts.{e}.gate_proj.weight", "blk.{}.ffn_gate_exps.weight"},
    {"layers.{}.mlp.experts.{e}.up_proj.weight", "blk.{}.ffn_up_exps.weight"},
    {"layers.{}.mlp.experts.{e}.down_proj.weight", "blk.{}.ffn_down_exps.weight"},
    {"layers.{}.mlp.experts.gate_up_proj", "blk.{}.ffn_gate_exps.weight", LowerHalf},
    {"layers.{}.mlp.experts.gate_up_proj", "blk.{}.ffn_up_exps.weight", UpperHalf},
    {"layers.{}.mlp.experts.down_proj", "blk.{}.ffn_down_exps.weight"},
    {"layers.{}.mlp.shared_experts.gate_proj.weight", "blk.{}.ffn_gate_shexp.weight"},
    {"layers.{}.mlp.shared_experts.up_proj.weight", "blk.{}.ffn_up_shexp.weight"},
    {"layers.{}.mlp.shared_experts.down_proj.weight", "blk.{}.ffn_down_shexp.weight"},
    {"layers.{}.mlp.shared_expert.gate_proj.weight", "blk.{}.ffn_gate_shexp.weight"},
    {"layers.{}.mlp.shared_expert.up_proj.weight", "blk.{}.ffn_up_shexp.weight"},
    {"layers.{}.mlp.shared_expert.down_proj.weight", "blk.{}.ffn_down_shexp.weight"},
    {"layers.{}.mlp.shared_expert_gate.weight", "blk.{}.ffn_gate_inp_shexp.weight"},
};

// ---- where families differ

constexpr HfName kPostNorm[] = {
    {"layers.{}.post_attention_layernorm.*", "blk.{}.post_attention_norm.*"},
    {"layers.{}.post_feedforward_layernorm.*", "blk.{}.post_ffw_norm.*"},
    {"layers.{}.pre_feedforward_layernorm.*", "blk.{}.ffn_norm.*"},
};

constexpr HfName kGlm4[] = {
    {"layers.{}.post_self_attn_layernorm.*", "blk.{}.post_attention_norm.*"},
    {"layers.{}.post_mlp_layernorm.*", "blk.{}.post_ffw_norm.*"},
};

constexpr HfName kMixtral[] = {
    {"layers.{}.block_sparse_moe.gate.weight", "blk.{}.ffn_gate_inp.weight"},
    {"layers.{}.block_sparse_moe.e_score_correction_bias", "blk.{}.exp_probs_b.bias"},
    {"layers.{}.block_sparse_moe.experts.{e}.w1.weight", "blk.{}.ffn_gate_exps.weight"},
    {"layers.{}.block_sparse_moe.experts.{e}.w3.weight", "blk.{}.ffn_up_exps.weight"},
    {"layers.{}.block_sparse_moe.experts.{e}.w2.weight", "blk.{}.ffn_down_exps.weight"},
};

constexpr HfName kGraniteMoe[] = {
    {"layers.{}.block_sparse_moe.router.layer.weight", "blk.{}.ffn_gate_inp.weight"},
    {"layers.{}.block_sparse_moe.input_linear.weight", "blk.{}.ffn_gate_exps.weight", LowerHalf},
    {"layers.{}.block_sparse_moe.input_linear.weight", "blk.{}.ffn_up_exps.weight", UpperHalf},
    {"layers.{}.block_sparse_moe.output_linear.weight", "blk.{}.ffn_down_exps.weight"},
    {"layers.{}.shared_mlp.input_linear.weight", "blk.{}.ffn_gate_shexp.weight", LowerHalf},
    {"layers.{}.shared_mlp.input_linear.weight", "blk.{}.ffn_up_shexp.weight", UpperHalf},
    {"layers.{}.shared_mlp.output_linear.weight", "blk.{}.ffn_down_shexp.weight"},
};

constexpr HfName kDeepseek[] = {
    {"layers.{}.self_attn.q_a_proj.weight", "blk.{}.attn_q_a.weight"},
    {"layers.{}.self_attn.q_a_layernorm.weight", "blk.{}.attn_q_a_norm.weight"},
    {"layers.{}.self_attn.q_b_proj.weight", "blk.{}.attn_q_b.weight"},
    {"layers.{}.self_attn.kv_a_proj_with_mqa.weight", "blk.{}.attn_kv_a_mqa.weight"},
    {"layers.{}.self_attn.kv_a_layernorm.weight", "blk.{}.attn_kv_a_norm.weight"},
    {"layers.{}.self_attn.kv_b_proj.weight", "blk.{}.attn_k_b.weight", LatentK},
    {"layers.{}.self_attn.kv_b_proj.weight", "blk.{}.attn_v_b.weight", LatentV},
};

constexpr HfName kDeltaNet[] = {
    {"layers.{}.post_attention_layernorm.*", "blk.{}.post_attention_norm.*"},
    {"layers.{}.linear_attn.in_proj_qkvz.weight", "blk.{}.attn_qkv.weight", DeltaQkv},
    {"layers.{}.linear_attn.in_proj_qkvz.weight", "blk.{}.attn_gate.weight", DeltaZ},
    {"layers.{}.linear_attn.in_proj_ba.weight", "blk.{}.ssm_ba.weight"},
    {"layers.{}.linear_attn.in_proj_qkv.weight", "blk.{}.attn_qkv.weight"},
    {"layers.{}.linear_attn.in_proj_z.weight", "blk.{}.attn_gate.weight"},
    {"layers.{}.linear_attn.in_proj_a.weight", "blk.{}.ssm_alpha.weight"},
    {"layers.{}.linear_attn.in_proj_b.weight", "blk.{}.ssm_beta.weight"},
    {"layers.{}.linear_attn.conv1d.weight", "blk.{}.ssm_conv1d.weight", Squeezed},
    {"layers.{}.linear_attn.A_log", "blk.{}.ssm_a", NegatedExp},
    {"layers.{}.linear_attn.dt_bias", "blk.{}.ssm_dt.bias"},
    {"layers.{}.linear_attn.norm.weight", "blk.{}.ssm_norm.weight"},
    {"layers.{}.linear_attn.out_proj.weight", "blk.{}.ssm_out.weight"},
};

constexpr HfName kGptOss[] = {
    {"layers.{}.post_attention_layernorm.*", "blk.{}.post_attention_norm.*"},
    {"layers.{}.self_attn.sinks", "blk.{}.attn_sinks.weight"},
    {"layers.{}.mlp.router.*", "blk.{}.ffn_gate_inp.*"},
    {"layers.{}.mlp.experts.gate_up_proj", "blk.{}.ffn_gate_exps.weight", TransposedEven},
    {"layers.{}.mlp.experts.gate_up_proj", "blk.{}.ffn_up_exps.weight", TransposedOdd},
    {"layers.{}.mlp.experts.gate_up_proj_bias", "blk.{}.ffn_gate_exps.bias", EvenNumbers},
    {"layers.{}.mlp.experts.gate_up_proj_bias", "blk.{}.ffn_up_exps.bias", OddNumbers},
    {"layers.{}.mlp.experts.down_proj", "blk.{}.ffn_down_exps.weight", Transposed},
    {"layers.{}.mlp.experts.down_proj_bias", "blk.{}.ffn_down_exps.bias"},
    {"layers.{}.mlp.experts.gate_up_proj_blocks", "blk.{}.ffn_gate_exps.weight", Mxfp4Even},
    {"layers.{}.mlp.experts.gate_up_proj_blocks", "blk.{}.ffn_up_exps.weight", Mxfp4Odd},
    {"layers.{}.mlp.experts.down_proj_blocks", "blk.{}.ffn_down_exps.weight", Mxfp4},
};

constexpr HfName kPostAttentionNorm[] = {
    {"layers.{}.post_attention_layernorm.*", "blk.{}.post_attention_norm.*"},
};

constexpr HfName kErnieMoe[] = {
    {"layers.{}.mlp.moe_statics.e_score_correction_bias", "blk.{}.exp_probs_b.bias"},
};

constexpr HfName kHunyuan[] = {
    {"layers.{}.self_attn.query_layernorm.*", "blk.{}.attn_q_norm.*"},
    {"layers.{}.self_attn.key_layernorm.*", "blk.{}.attn_k_norm.*"},
};

constexpr HfName kStableLm[] = {
    {"layers.{}.self_attn.q_layernorm.norms.{e}.weight", "blk.{}.attn_q_norm.weight"},
    {"layers.{}.self_attn.k_layernorm.norms.{e}.weight", "blk.{}.attn_k_norm.weight"},
};

constexpr HfName kStarCoder2[] = {
    {"layers.{}.mlp.c_fc.*", "blk.{}.ffn_up.*"},
    {"layers.{}.mlp.c_proj.*", "blk.{}.ffn_down.*"},
};

constexpr HfName kPhi2[] = {
    {"final_layernorm.*", "output_norm.*"},
    {"layers.{}.self_attn.dense.*", "blk.{}.attn_output.*"},
    {"layers.{}.mlp.fc1.*", "blk.{}.ffn_up.*"},
    {"layers.{}.mlp.fc2.*", "blk.{}.ffn_down.*"},
};

constexpr HfName kInternLm2[] = {
    {"tok_embeddings.*", "token_embd.*"},
    {"output.*", "output.*"},
    {"layers.{}.attention_norm.*", "blk.{}.attn_norm.*"},
    {"layers.{}.ffn_norm.*", "blk.{}.ffn_norm.*"},
    {"layers.{}.attention.wqkv.*", "blk.{}.attn_q.*", GroupedQ},
    {"layers.{}.attention.wqkv.*", "blk.{}.attn_k.*", GroupedK},
    {"layers.{}.attention.wqkv.*", "blk.{}.attn_v.*", GroupedV},
    {"layers.{}.attention.wo.*", "blk.{}.attn_output.*"},
    {"layers.{}.feed_forward.w1.*", "blk.{}.ffn_gate.*"},
    {"layers.{}.feed_forward.w3.*", "blk.{}.ffn_up.*"},
    {"layers.{}.feed_forward.w2.*", "blk.{}.ffn_down.*"},
};

constexpr HfName kLfm2[] = {
    {"embedding_norm.*", "token_embd_norm.*"},
    {"layers.{}.operator_norm.*", "blk.{}.attn_norm.*"},
    {"layers.{}.ffn_norm.*", "blk.{}.ffn_norm.*"},
    {"layers.{}.conv.conv.weight", "blk.{}.shortconv.conv.weight", Squeezed},
    {"layers.{}.conv.in_proj.*", "blk.{}.shortconv.in_proj.*"},
    {"layers.{}.conv.out_proj.*", "blk.{}.shortconv.out_proj.*"},
    {"layers.{}.self_attn.out_proj.*", "blk.{}.attn_output.*"},
    {"layers.{}.self_attn.q_layernorm.*", "blk.{}.attn_q_norm.*"},
    {"layers.{}.self_attn.k_layernorm.*", "blk.{}.attn_k_norm.*"},
    {"layers.{}.feed_forward.w1.*", "blk.{}.ffn_gate.*"},
    {"layers.{}.feed_forward.w3.*", "blk.{}.ffn_up.*"},
    {"layers.{}.feed_forward.w2.*", "blk.{}.ffn_down.*"},
    {"layers.{}.feed_forward.gate.weight", "blk.{}.ffn_gate_inp.weight"},
    {"layers.{}.feed_forward.expert_bias", "blk.{}.exp_probs_b.bias"},
    {"layers.{}.feed_forward.experts.{e}.w1.weight", "blk.{}.ffn_gate_exps.weight"},
    {"layers.{}.feed_forward.experts.{e}.w3.weight", "blk.{}.ffn_up_exps.weight"},
    {"layers.{}.feed_forward.experts.{e}.w2.weight", "blk.{}.ffn_down_exps.weight"},
};

constexpr HfName kGpt2[] = {
    {"wte.weight", "token_embd.weight"},
    {"wpe.weight", "position_embd.weight"},
    {"ln_f.*", "output_norm.*"},
    {"h.{}.ln_1.*", "blk.{}.attn_norm.*"},
    {"h.{}.ln_2.*", "blk.{}.ffn_norm.*"},
    {"h.{}.attn.c_attn.weight", "blk.{}.attn_qkv.weight", Transposed},
    {"h.{}.attn.c_attn.bias", "blk.{}.attn_qkv.bias"},
    {"h.{}.attn.c_proj.weight", "blk.{}.attn_output.weight", Transposed},
    {"h.{}.attn.c_proj.bias", "blk.{}.attn_output.bias"},
    {"h.{}.mlp.c_fc.weight", "blk.{}.ffn_up.weight", Transposed},
    {"h.{}.mlp.c_fc.bias", "blk.{}.ffn_up.bias"},
    {"h.{}.mlp.c_proj.weight", "blk.{}.ffn_down.weight", Transposed},
    {"h.{}.mlp.c_proj.bias", "blk.{}.ffn_down.bias"},
};

constexpr HfName kGptNeox[] = {
    {"embed_in.*", "token_embd.*"},
    {"embed_out.*", "output.*"},
    {"final_layer_norm.*", "output_norm.*"},
    {"layers.{}.attention.query_key_value.*", "blk.{}.attn_qkv.*", HeadsApart},
    {"layers.{}.attention.dense.*", "blk.{}.attn_output.*"},
    {"layers.{}.mlp.dense_h_to_4h.*", "blk.{}.ffn_up.*"},
    {"layers.{}.mlp.dense_4h_to_h.*", "blk.{}.ffn_down.*"},
};

constexpr HfName kBert[] = {
    {"embeddings.word_embeddings.weight", "token_embd.weight"},
    {"embeddings.position_embeddings.weight", "position_embd.weight"},
    {"embeddings.token_type_embeddings.weight", "token_types.weight"},
    {"embeddings.LayerNorm.*", "token_embd_norm.*"},
    {"encoder.layer.{}.attention.self.query.*", "blk.{}.attn_q.*"},
    {"encoder.layer.{}.attention.self.key.*", "blk.{}.attn_k.*"},
    {"encoder.layer.{}.attention.self.value.*", "blk.{}.attn_v.*"},
    {"encoder.layer.{}.attention.output.dense.*", "blk.{}.attn_output.*"},
    {"encoder.layer.{}.attention.output.LayerNorm.*", "blk.{}.attn_output_norm.*"},
    {"encoder.layer.{}.intermediate.dense.*", "blk.{}.ffn_up.*"},
    {"encoder.layer.{}.output.dense.*", "blk.{}.ffn_down.*"},
    {"encoder.layer.{}.output.LayerNorm.*", "blk.{}.layer_output_norm.*"},
};

constexpr HfName kNomicBert[] = {
    {"embeddings.word_embeddings.weight", "token_embd.weight"},
    {"embeddings.token_type_embeddings.weight", "token_types.weight"},
    {"emb_ln.*", "token_embd_norm.*"},
    {"encoder.layers.{}.attn.Wqkv.*", "blk.{}.attn_qkv.*"},
    {"encoder.layers.{}.attn.out_proj.*", "blk.{}.attn_output.*"},
    {"encoder.layers.{}.norm1.*", "blk.{}.attn_output_norm.*"},
    {"encoder.layers.{}.norm2.*", "blk.{}.layer_output_norm.*"},
    {"encoder.layers.{}.mlp.fc11.*", "blk.{}.ffn_up.*"},
    {"encoder.layers.{}.mlp.fc12.*", "blk.{}.ffn_gate.*"},
    {"encoder.layers.{}.mlp.fc2.*", "blk.{}.ffn_down.*"},
};

constexpr HfName kModernBert[] = {
    {"embeddings.tok_embeddings.weight", "token_embd.weight"},
    {"embeddings.norm.*", "token_embd_norm.*"},
    {"final_norm.*", "output_norm.*"},
    {"layers.{}.attn_norm.*", "blk.{}.attn_norm.*"},
    {"layers.{}.attn.Wqkv.*", "blk.{}.attn_qkv.*"},
    {"layers.{}.attn.Wo.*", "blk.{}.attn_output.*"},
    {"layers.{}.mlp_norm.*", "blk.{}.ffn_norm.*"},
    {"layers.{}.mlp.Wi.*", "blk.{}.ffn_up.*"},
    {"layers.{}.mlp.Wo.*", "blk.{}.ffn_down.*"},
};

// ---- keys of config.json

constexpr HfKey kHfKeys[] = {
    {"num_hidden_layers|n_layer", "block_count"},
    {"max_position_embeddings|n_positions", "context_length"},
    {"hidden_size|n_embd", "embedding_length"},
    {"intermediate_size|n_inner", "feed_forward_length"},
    {"num_attention_heads|n_head", "attention.head_count"},
    {"num_key_value_heads", "attention.head_count_kv"},
    {"vocab_size", "vocab_size"},
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", Number},
    {"layer_norm_eps|layer_norm_epsilon", "attention.layer_norm_epsilon", Number},
    {"attn_logit_softcapping", "attn_logit_softcapping", Number},
    {"final_logit_softcapping", "final_logit_softcapping", Number},
    {"num_experts|num_local_experts|n_routed_experts", "expert_count"},
    {"num_experts_per_tok", "expert_used_count"},
    {"moe_intermediate_size", "expert_feed_forward_length"},
    {"shared_expert_intermediate_size", "expert_shared_feed_forward_length"},
    {"n_shared_experts", "expert_shared_count"},
    {"norm_topk_prob", "expert_weights_norm", Boolean},
    {"routed_scaling_factor", "expert_weights_scale", Number},
    {"n_group", "expert_group_count"},
    {"topk_group", "expert_group_used_count"},
    {"first_k_dense_replace", "leading_dense_block_count"},
    {"clip_qkv", "attention.clamp_kqv", Number},
    {"hidden_activation|hidden_act|activation_function", "hidden_activation", Text},
};

constexpr HfKey kGraniteKeys[] = {
    {"attention_multiplier", "attention.scale", Number},
    {"embedding_multiplier", "embedding_scale", Number},
    {"residual_multiplier", "residual_scale", Number},
    {"logits_scaling", "logit_scale", Number},
};

constexpr HfKey kCohereKeys[] = {
    {"logit_scale", "logit_scale", Number},
};

constexpr HfKey kDeepseekKeys[] = {
    {"q_lora_rank", "attention.q_lora_rank"},
    {"kv_lora_rank", "attention.kv_lora_rank"},
    {"v_head_dim", "attention.value_length_mla"},
    {"qk_rope_head_dim", "rope.dimension_count"},
};

constexpr HfKey kErnieMoeKeys[] = {
    {"moe_num_experts", "expert_count"},
    {"moe_k", "expert_used_count"},
    {"moe_num_shared_experts", "expert_shared_count"},
    {"moe_layer_start_index", "leading_dense_block_count"},
    {"moe_layer_interval", "interleave_moe_layer_step"},
};

constexpr HfKey kGptOssKeys[] = {
    {"intermediate_size", "expert_feed_forward_length"},
    {"swiglu_limit", "swiglu_limit", Number},
};

constexpr HfKey kMinimaxKeys[] = {
    {"intermediate_size", "expert_feed_forward_length"},
    {"rotary_dim", "rope.dimension_count"},
};

constexpr HfKey kDeltaNetKeys[] = {
    {"linear_conv_kernel_dim", "ssm.conv_kernel"},
    {"linear_key_head_dim", "ssm.state_size"},
    {"linear_num_key_heads", "ssm.group_count"},
    {"linear_num_value_heads", "ssm.time_step_rank"},
    {"full_attention_interval", "full_attention_interval"},
};

constexpr HfKey kLfm2Keys[] = {
    {"norm_eps|block_norm_eps", "attention.layer_norm_rms_epsilon", Number},
    {"conv_L_cache", "shortconv.l_cache"},
    {"num_dense_layers", "leading_dense_block_count"},
};

constexpr HfKey kParallelKeys[] = {
    {"use_parallel_residual", "use_parallel_residual", Boolean},
};

constexpr HfKey kStarCoder2Keys[] = {
    {"norm_epsilon", "attention.layer_norm_epsilon", Number},
};

constexpr HfKey kNomicBertKeys[] = {
    {"max_trained_positions", "context_length"},
};

constexpr HfKey kModernBertKeys[] = {
    {"norm_eps", "attention.layer_norm_epsilon", Number},
    {"norm_eps", "attention.layer_norm_rms_epsilon", Number},
    {"local_attention", "attention.sliding_window"},
};

// ---- what a config.json may leave out: defaults of the makers' configuration classes, where they matter

constexpr std::string_view kQwenDefaults = R"({"use_sliding_window":false})";
constexpr std::string_view kMistralDefaults = R"({"num_key_value_heads":8,"rms_norm_eps":1e-6,"rope_theta":10000.0})";
constexpr std::string_view kMixtralDefaults = R"({"num_key_value_heads":8,"rms_norm_eps":1e-5,"rope_theta":1000000.0})";
constexpr std::string_view kGemma2Defaults =
    R"({"num_attention_heads":8,"num_key_value_heads":4,"head_dim":256,"rms_norm_eps":1e-6,"rope_theta":10000.0,
        "query_pre_attn_scalar":256,"sliding_window":4096,"attn_logit_softcapping":50.0,"final_logit_softcapping":30.0,
        "max_position_embeddings":8192,"sliding_window_pattern":2})";
constexpr std::string_view kGemma3Defaults =
    R"({"num_attention_heads":8,"num_key_value_heads":4,"head_dim":256,"rms_norm_eps":1e-6,"rope_theta":1000000.0,
        "rope_local_base_freq":10000.0,"query_pre_attn_scalar":256,"sliding_window":4096,"sliding_window_pattern":6,
        "max_position_embeddings":131072})";
constexpr std::string_view kGptOssDefaults =
    R"({"rope_theta":150000.0,"sliding_window":128,"head_dim":64,"swiglu_limit":7.0,"sliding_window_pattern":2})";
constexpr std::string_view kQwen3NextDefaults =
    R"({"partial_rotary_factor":0.25,"head_dim":256,"linear_conv_kernel_dim":4,"linear_key_head_dim":128,
        "linear_value_head_dim":128,"linear_num_key_heads":16,"linear_num_value_heads":32,"full_attention_interval":4,
        "norm_topk_prob":true,"rms_norm_eps":1e-6})";
constexpr std::string_view kDeepseekDefaults =
    R"({"rms_norm_eps":1e-6,"scoring_func":"softmax","routed_scaling_factor":1.0,"n_group":1,"topk_group":1})";
constexpr std::string_view kDeepseek3Defaults =
    R"({"rms_norm_eps":1e-6,"scoring_func":"sigmoid","routed_scaling_factor":2.5,"norm_topk_prob":true})";
constexpr std::string_view kSigmoid = R"({"scoring_func":"sigmoid"})";
constexpr std::string_view kGlm4Defaults = R"({"partial_rotary_factor":0.5,"scoring_func":"sigmoid"})";
constexpr std::string_view kGlm4DenseDefaults = R"({"partial_rotary_factor":0.5})";
constexpr std::string_view kMinimaxDefaults = R"({"scoring_func":"sigmoid","rope_theta":5000000.0})";
constexpr std::string_view kErnieDefaults = R"({"rope_theta":500000.0,"rms_norm_eps":1e-5})";
constexpr std::string_view kLfm2Defaults =
    R"({"rope_theta":1000000.0,"norm_eps":1e-5,"conv_L_cache":3,"scoring_func":"sigmoid","block_auto_adjust_ff_dim":true,
        "block_ffn_dim_multiplier":1.0,"block_multiple_of":256})";
constexpr std::string_view kLfm2MoeDefaults =
    R"({"rope_theta":1000000.0,"norm_eps":1e-5,"conv_L_cache":3,"scoring_func":"sigmoid","norm_topk_prob":true})";
constexpr std::string_view kSmolLm3Defaults = R"({"rope_theta":2000000.0,"no_rope_layer_interval":4})";
constexpr std::string_view kCohereDefaults = R"({"logit_scale":0.0625,"layer_norm_eps":1e-5,"rope_theta":500000.0})";
constexpr std::string_view kCohere2Defaults =
    R"({"logit_scale":0.0625,"layer_norm_eps":1e-5,"sliding_window":4096,"sliding_window_pattern":4})";
constexpr std::string_view kStarCoder2Defaults = R"({"norm_epsilon":1e-5,"num_key_value_heads":2})";
constexpr std::string_view kStableLmDefaults =
    R"({"partial_rotary_factor":0.25,"layer_norm_eps":1e-5,"use_parallel_residual":false})";
constexpr std::string_view kPhi2Defaults = R"({"partial_rotary_factor":0.5,"layer_norm_eps":1e-5})";
constexpr std::string_view kGptNeoxDefaults =
    R"({"rotary_pct":0.25,"layer_norm_eps":1e-5,"use_parallel_residual":true})";
constexpr std::string_view kGpt2Defaults =
    R"({"n_positions":1024,"n_embd":768,"n_layer":12,"n_head":12,"layer_norm_epsilon":1e-5})";
constexpr std::string_view kBertDefaults =
    R"({"max_position_embeddings":512,"layer_norm_eps":1e-12,"hidden_act":"gelu"})";
constexpr std::string_view kNomicBertDefaults =
    R"({"max_position_embeddings":2048,"layer_norm_epsilon":1e-12,"rotary_emb_base":1000})";
constexpr std::string_view kModernBertDefaults =
    R"({"max_position_embeddings":8192,"norm_eps":1e-5,"local_attention":128,"global_attn_every_n_layers":3,
        "global_rope_theta":160000.0,"local_rope_theta":10000.0,"hidden_activation":"gelu"})";

// ---- families

constexpr HfFamily kHfFamilies[] = {
    {.modelType = "llama", .gguf = "llama", .permuted = true},
    {.modelType = "mistral", .gguf = "llama", .defaults = kMistralDefaults, .permuted = true},
    {.modelType = "mixtral", .gguf = "llama", .names = kMixtral, .defaults = kMixtralDefaults, .permuted = true},
    {.modelType = "internlm3", .gguf = "llama", .permuted = true},
    {.modelType = "internlm2", .gguf = "internlm2", .names = kInternLm2, .permuted = true},
    {.modelType = "minicpm", .gguf = "minicpm", .permuted = true},
    {.modelType = "granite", .gguf = "granite", .keys = kGraniteKeys, .permuted = true},
    {.modelType = "granitemoe", .gguf = "granitemoe", .names = kGraniteMoe, .keys = kGraniteKeys, .permuted = true},
    {.modelType = "smollm3", .gguf = "smollm3", .defaults = kSmolLm3Defaults, .permuted = true},
    {.modelType = "qwen2", .gguf = "qwen2", .defaults = kQwenDefaults},
    {.modelType = "qwen2_moe", .gguf = "qwen2moe", .defaults = kQwenDefaults},
    {.modelType = "qwen3", .gguf = "qwen3", .defaults = kQwenDefaults},
    {.modelType = "qwen3_moe", .gguf = "qwen3moe", .defaults = kQwenDefaults},
    {.modelType = "qwen3_next",
     .gguf = "qwen3next",
     .names = kDeltaNet,
     .keys = kDeltaNetKeys,
     .defaults = kQwen3NextDefaults,
     .onePlusNorms = true},
    {.modelType = "qwen3_5_text",
     .gguf = "qwen35",
     .names = kDeltaNet,
     .keys = kDeltaNetKeys,
     .defaults = kQwen3NextDefaults,
     .onePlusNorms = true,
     .tiledHeads = true},
    {.modelType = "qwen3_5_moe_text",
     .gguf = "qwen35moe",
     .names = kDeltaNet,
     .keys = kDeltaNetKeys,
     .defaults = kQwen3NextDefaults,
     .onePlusNorms = true,
     .tiledHeads = true},
    {.modelType = "deepseek_v2",
     .gguf = "deepseek2",
     .names = kDeepseek,
     .keys = kDeepseekKeys,
     .defaults = kDeepseekDefaults},
    {.modelType = "deepseek_v3",
     .gguf = "deepseek2",
     .names = kDeepseek,
     .keys = kDeepseekKeys,
     .defaults = kDeepseek3Defaults},
    {.modelType = "kimi_k2",
     .gguf = "deepseek2",
     .names = kDeepseek,
     .keys = kDeepseekKeys,
     .defaults = kDeepseek3Defaults},
    {.modelType = "gemma", .gguf = "gemma", .onePlusNorms = true},
    {.modelType = "gemma2", .gguf = "gemma2", .names = kPostNorm, .defaults = kGemma2Defaults, .onePlusNorms = true},
    {.modelType = "gemma3_text",
     .gguf = "gemma3",
     .names = kPostNorm,
     .defaults = kGemma3Defaults,
     .onePlusNorms = true},
    {.modelType = "gpt_oss", .gguf = "gpt-oss", .names = kGptOss, .keys = kGptOssKeys, .defaults = kGptOssDefaults},
    {.modelType = "glm4", .gguf = "glm4", .names = kGlm4, .defaults = kGlm4DenseDefaults},
    {.modelType = "glm4_moe", .gguf = "glm4moe", .names = kPostAttentionNorm, .defaults = kGlm4Defaults},
    {.modelType = "ernie4_5", .gguf = "ernie4_5", .defaults = kErnieDefaults},
    {.modelType = "ernie4_5_moe",
     .gguf = "ernie4_5-moe",
     .names = kErnieMoe,
     .keys = kErnieMoeKeys,
     .defaults = kErnieDefaults},
    {.modelType = "seed_oss", .gguf = "seed_oss", .names = kPostAttentionNorm},
    {.modelType = "hunyuan_v1_dense", .gguf = "hunyuan-dense", .names = kHunyuan},
    {.modelType = "olmo2", .gguf = "olmo2", .names = kPostNorm},
    {.modelType = "olmo3", .gguf = "olmo2", .names = kPostNorm},
    {.modelType = "olmoe", .gguf = "olmoe"},
    {.modelType = "cohere", .gguf = "command-r", .keys = kCohereKeys, .defaults = kCohereDefaults},
    {.modelType = "cohere2", .gguf = "cohere2", .keys = kCohereKeys, .defaults = kCohere2Defaults},
    {.modelType = "starcoder2",
     .gguf = "starcoder2",
     .names = kStarCoder2,
     .keys = kStarCoder2Keys,
     .defaults = kStarCoder2Defaults},
    {.modelType = "minimax_m2",
     .gguf = "minimax-m2",
     .names = kMixtral,
     .keys = kMinimaxKeys,
     .defaults = kMinimaxDefaults},
    {.modelType = "exaone4", .gguf = "exaone4", .names = kPostNorm},
    {.modelType = "lfm2", .gguf = "lfm2", .names = kLfm2, .keys = kLfm2Keys, .defaults = kLfm2Defaults},
    {.modelType = "lfm2_moe", .gguf = "lfm2moe", .names = kLfm2, .keys = kLfm2Keys, .defaults = kLfm2MoeDefaults},
    {.modelType = "stablelm",
     .gguf = "stablelm",
     .names = kStableLm,
     .keys = kParallelKeys,
     .defaults = kStableLmDefaults},
    {.modelType = "phi", .gguf = "phi2", .names = kPhi2, .defaults = kPhi2Defaults},
    {.modelType = "phi3", .gguf = "phi3"},
    {.modelType = "gpt2", .gguf = "gpt2", .names = kGpt2, .defaults = kGpt2Defaults},
    {.modelType = "gpt_neox",
     .gguf = "gptneox",
     .names = kGptNeox,
     .keys = kParallelKeys,
     .defaults = kGptNeoxDefaults},
    {.modelType = "dots1", .gguf = "dots1", .defaults = kSigmoid},
    {.modelType = "bert", .gguf = "bert", .names = kBert, .defaults = kBertDefaults},
    {.modelType = "nomic_bert",
     .gguf = "nomic-bert",
     .names = kNomicBert,
     .keys = kNomicBertKeys,
     .defaults = kNomicBertDefaults},
    {.modelType = "modernbert",
     .gguf = "modern-bert",
     .names = kModernBert,
     .keys = kModernBertKeys,
     .defaults = kModernBertDefaults},
};

/// Other names that config.json files give a family; those of models that see too name the text model inside them.
struct Alias {
    std::string_view modelType, means;
};

constexpr Alias kAliases[] = {
    {"gemma3", "gemma3_text"}, {"qwen3_5", "qwen3_5_text"}, {"qwen3_5_moe", "qwen3_5_moe_text"},
    {"mistral3", "mistral"},   {"minimax", "minimax_m2"},   {"hunyuan_dense_v1", "hunyuan_v1_dense"},
};

/// Parts of names that no model needs.
constexpr std::string_view kNeedless[] = {
    ".rotary_emb.inv_freq", ".attn.bias",    ".attn.masked_bias",      ".attention.bias", ".attention.masked_bias",
    "vision_tower.",        "vision_model.", "multi_modal_projector.", "visual.",         "pooler.",
    "cls.predictions.",     "mtp.",          "position_ids",
};

} // namespace

const HfFamily* findHfFamily(std::string_view modelType) {
    for (const Alias& alias : kAliases)
        if (alias.modelType == modelType)
            modelType = alias.means;
    for (const HfFamily& family : kHfFamilies)
        if (family.modelType == modelType)
            return &family;
    return nullptr;
}

std::span<const HfFamily> hfFamilies() {
    return kHfFamilies;
}

std::span<const HfName> hfNames() {
    return kHfNames;
}

std::span<const HfKey> hfKeys() {
    return kHfKeys;
}

bool isNeedless(std::string_view storedName) {
    return std::any_of(std::begin(kNeedless), std::end(kNeedless), [&](std::string_view part) {
        return part.starts_with('.') ? storedName.ends_with(part) : storedName.find(part) != storedName.npos;
    });
}

} // namespace hearth::engine
