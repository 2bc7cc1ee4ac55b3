"""Small PyTorch checkpoints in both formats, and what is in them, for src/weights/torch.test.ts.

    python oracle/torch_checkpoints.py        (writes test/fixtures/weights)
"""
import collections
import gzip
import io
import json
import pathlib
import pickle
import sys

import numpy as np
import torch

out = pathlib.Path(__file__).parent.parent / "test" / "fixtures" / "weights"
out.mkdir(parents=True, exist_ok=True)
torch.manual_seed(1)

base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4) / 7
whole = torch.randn(10)
state = collections.OrderedDict(
    [
        ("module.float", torch.randn(2, 3)),
        ("module.double", torch.randn(3, dtype=torch.float64)),
        ("module.half", torch.randn(4).half()),
        ("module.bfloat", torch.randn(4).bfloat16()),
        ("module.long", torch.tensor([1, -2, 2**40])),
        ("module.int", torch.tensor([3, -4], dtype=torch.int32)),
        ("module.byte", torch.tensor([0, 255], dtype=torch.uint8)),
        ("module.bool", torch.tensor([True, False, True])),
        ("module.scalar", torch.tensor(2.5)),
        ("module.counter", torch.tensor(7)),
        ("module.empty", torch.zeros(0, 3)),
        ("module.strided", base.permute(2, 0, 1)),
        ("module.thinned", base[:, ::2, 1::2]),
        ("module.expanded", torch.tensor([1.5]).expand(2, 3)),
        ("module.shared_a", whole[:4]),
        ("module.shared_b", whole[3:9]),
        ("module.parameter", torch.nn.Parameter(torch.randn(2, 2))),
    ]
)
state._metadata = {"": {"version": 1}}
wrapped = {
    "epoch": 3,
    "arch": "made-up",
    "state_dict": state,
    "optimizer": {"state": {0: {"momentum_buffer": torch.randn(2)}}, "param_groups": [{"lr": 1e-3, "params": [0]}]},
    "best": np.float64(0.5),
    "betas": (0.9, 0.999),
    "nested": [[[]]],
}
for zipped in (True, False):
    kind = "zip" if zipped else "legacy"
    torch.save(wrapped, out / f"wrapped-{kind}.pth", _use_new_zipfile_serialization=zipped)
    bare = {name.removeprefix("module."): value for name, value in state.items()}
    torch.save(bare, out / f"bare-{kind}.pth", _use_new_zipfile_serialization=zipped)
    # A whole module: refused, because its class would have to be run.
    torch.save(torch.nn.Linear(2, 2), out / f"module-{kind}.pth", _use_new_zipfile_serialization=zipped)
torch.save({"epoch": 1}, out / "no-tensors.pth")


class Evil:
    def __reduce__(self):
        import os

        return (os.system, ("touch evil",))


(out / "evil.pkl").write_bytes(pickle.dumps(Evil(), protocol=2))
values = {
    name.removeprefix("module."): {
        "dtype": str(value.dtype).removeprefix("torch."),
        "shape": list(value.shape),
        "values": [str(v) if value.dtype == torch.int64 else float(v) for v in value.detach().flatten().tolist()],
    }
    for name, value in state.items()
}
(out / "expected.json").write_text(json.dumps(values) + "\n")

# A whole ResNet-10 for `medvox import`, which gzip makes small because most tensors hold one number throughout; the first layers in
# the kinds that PyTorch users save: half, float, double, bfloat16, turned, thinned and out of one storage.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench" / "peers"))
from torch_medicalnet import Encoder  # noqa: E402

weights = torch.arange(64 * 343, dtype=torch.float32).reshape(7, 7, 7, 64) / 2**15
both = torch.linspace(0.5, 1.5, 128)
kinds = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
network = {
    name: torch.full_like(value, number + 1, dtype=value.dtype if value.dtype == torch.int64 else kinds[number % 4])
    if value.dim() < 2
    else torch.full_like(value, number + 1, dtype=torch.float16)
    for number, (name, value) in enumerate(Encoder(10).state_dict().items())
} | {
    "conv1.weight": weights.permute(3, 0, 1, 2)[:, None].half(),
    "bn1.weight": both[:64],
    "bn1.bias": both[64:],
    "bn1.running_mean": torch.linspace(-1, 1, 64, dtype=torch.float64),
    "bn1.running_var": torch.linspace(1, 2, 128).bfloat16()[::2],
}
for name, content, zipped in (
    ("bare-zip", network, True),
    ("wrapped-legacy", {"state_dict": {f"module.{n}": value for n, value in network.items()}, "epoch": 1}, False),
):
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    (out / f"resnet10-{name}.pth.gz").write_bytes(gzip.compress(buffer.getvalue(), 9, mtime=0))
