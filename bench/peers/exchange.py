"""What both sides of a comparison share: named arrays in a safetensors file, so that weights and inputs are the same."""

import json
import struct

import torch

KINDS = {"F32": torch.float32, "I32": torch.int32}


def read_tensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        values = bytearray(file.read())
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        kind = KINDS[entry["dtype"]]
        flat = torch.frombuffer(values, dtype=kind, count=(end - begin) // 4, offset=begin)
        tensors[name] = flat.reshape(entry["shape"]).clone()
    return tensors


def load_weights(module, tensors):
    """Every weight and buffer by name; a missing or a surplus one is an error."""
    wanted = {name for name in module.state_dict() if not name.endswith("num_batches_tracked")}
    if wanted != set(tensors):
        raise ValueError(f"weights differ by name: {sorted(wanted ^ set(tensors))[:6]}")
    module.load_state_dict(tensors, strict=False)
