"""The rival of generate.rs: the same decoder in transformers, eager attention, 32 bits, on the same weights.

    pip install torch transformers safetensors
    python generate.py tiny|0.5b WEIGHTS.safetensors THREADS
"""

import sys
import time

import torch
from safetensors.torch import load_file
from transformers import Qwen2Config, Qwen2ForCausalLM
from transformers.modeling_utils import no_init_weights

shape, weights, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
torch.set_num_threads(threads)
sizes = {
    "tiny": (1000, 96, 256, 3, 4, 2, 1e4),
    "0.5b": (151936, 896, 4864, 24, 14, 2, 1e6),
}[shape]
names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "rope_theta")
config = Qwen2Config(**dict(zip(names, sizes)), rms_norm_eps=1e-6, tie_word_embeddings=False, attn_implementation="eager")
with no_init_weights():
    model = Qwen2ForCausalLM(config).eval()
model.load_state_dict(load_file(weights), strict=True)
prompt = torch.tensor([[(i * 37 + 11) % sizes[0] for i in range(512)]])
prefill = decode = float("inf")
with torch.inference_mode():
    for _ in range(4):
        begin = time.perf_counter()
        out = model.model(prompt, use_cache=True)
        # Logits of the last position alone, as ours.
        token = model.lm_head(out.last_hidden_state[:, -1:]).argmax(-1)
        prefill = min(prefill, time.perf_counter() - begin)
        begin, ids = time.perf_counter(), []
        for _ in range(64):
            ids.append(int(token))
            out = model.model(token, past_key_values=out.past_key_values, use_cache=True)
            token = model.lm_head(out.last_hidden_state).argmax(-1)
        decode = min(decode, time.perf_counter() - begin)
print(f"transformers {shape}: prefill {prefill:.4f} s, 64 tokens {decode:.4f} s, ids {ids[:4]} ... {ids[-4:]}")
