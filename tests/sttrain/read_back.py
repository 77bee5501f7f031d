"""Reads what `sttrain` wrote with Python's own packages: read_back.py MODEL ADAPTER MERGED.

MODEL and MERGED are model folders in 32 bits, before and after the adapter was merged by us; ADAPTER is the adapter folder.
Prints one line a fact; any difference is an error.
"""

import json
import pathlib
import sys

import torch
from peft import PeftModel
from safetensors import safe_open
from transformers import Qwen2Config, Qwen2ForCausalLM


def tensors(folder):
    found = {}
    for path in sorted(pathlib.Path(folder).glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            found.update({name: file.get_tensor(name) for name in file.keys()})
    return found


def decoder_of(found, config):
    sizes = {key: value for key, value in config.items() if key in Qwen2Config().to_dict()}
    sizes.update(model_type="qwen2", architectures=None, vocab_size=found["model.embed_tokens.weight"].shape[0], use_cache=False)
    decoder = Qwen2ForCausalLM(Qwen2Config(**sizes)).float().eval()
    names = set(decoder.state_dict())
    decoder.load_state_dict({name: found[name] for name in names}, strict=True)
    return decoder


model, adapter, merged = sys.argv[1:]
before, after, update = tensors(model), tensors(merged), tensors(adapter)
print(f"safetensors: {len(before)} tensors in the model, {len(update)} in the adapter")
config = json.loads((pathlib.Path(model) / "config.json").read_text())
with_adapter = PeftModel.from_pretrained(decoder_of(before, config), adapter)
loaded = {name.replace(".default", ""): value for name, value in with_adapter.state_dict().items() if "lora_" in name}
assert loaded.keys() == update.keys(), loaded.keys() ^ update.keys()
assert all(torch.equal(loaded[name], update[name]) for name in update)
print(f"peft: {len(loaded)} tensors loaded, all equal")
result = with_adapter.merge_and_unload().state_dict()
changed = [name for name in result if name.startswith("model.layers.") and not torch.equal(result[name], before[name])]
worst = max((result[name] - after[name]).abs().max().item() for name in changed)
assert changed and worst < 1e-6, worst
print(f"merged by peft and by us: {len(changed)} layers changed, worst difference {worst:.1e}")
