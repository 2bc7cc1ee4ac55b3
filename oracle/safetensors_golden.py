"""Golden file for src/weights: every dtype medvox reads, written by the reference implementation.

    python oracle/safetensors_golden.py      (needs torch and safetensors)

Writes test/golden/weights/all-dtypes.safetensors and the values it holds, as text, beside it. Values are such that each
dtype shows itself: signs, extremes, halves that are subnormal, infinities. NaN is left out: it is not equal to itself.
"""
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

out = Path(__file__).resolve().parent.parent / "test" / "golden" / "weights"
out.mkdir(parents=True, exist_ok=True)

floats = [0.0, -0.0, 1.0, -2.5, 1 / 3, 65504.0, -6.1e-5, 5.96e-8, 1e-9, float("inf"), float("-inf"), 1e30]
tensors = {
    "f64": torch.tensor(floats, dtype=torch.float64).reshape(3, 4),
    "f32": torch.tensor(floats, dtype=torch.float32).reshape(2, 1, 6),
    "f16": torch.tensor(floats, dtype=torch.float16),
    "bf16": torch.tensor(floats, dtype=torch.bfloat16).reshape(12, 1),
    "i64": torch.tensor([-(2**63), -1, 0, 2**63 - 1], dtype=torch.int64),
    "u64": torch.tensor([0, 2**64 - 1], dtype=torch.uint64),
    "i32": torch.tensor([[-(2**31)], [2**31 - 1]], dtype=torch.int32),
    "u32": torch.tensor([0, 2**32 - 1], dtype=torch.uint32),
    "i16": torch.tensor([-32768, 0, 32767], dtype=torch.int16),
    "u16": torch.tensor([0, 65535], dtype=torch.uint16),
    "i8": torch.tensor([-128, 0, 127], dtype=torch.int8),
    "u8": torch.tensor([0, 255], dtype=torch.uint8),
    "bool": torch.tensor([True, False, True]),
    "scalar": torch.tensor(7.0),
    "empty": torch.zeros(3, 0, 2),
    "layer1.0.conv1.weight": torch.arange(6, dtype=torch.float32).reshape(1, 1, 1, 2, 3),
    "größe \"x\"\n": torch.tensor([1.5]),
}
save_file(tensors, out / "all-dtypes.safetensors", metadata={"format": "pt"})

values = {
    name: {"shape": list(tensor.shape), "dtype": str(tensor.dtype), "values": [str(v) for v in tensor.flatten().tolist()]}
    for name, tensor in tensors.items()
}
(out / "all-dtypes.json").write_text(json.dumps(values, indent=1, ensure_ascii=True) + "\n")
