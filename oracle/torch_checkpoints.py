"""Small PyTorch checkpoints in both formats, and what is in them, for src/weights/torch.test.ts.

    python oracle/torch_checkpoints.py        (writes test/fixtures/weights)
"""
import collections
import json
import pathlib
import pickle

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
