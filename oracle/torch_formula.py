"""What every oracle script shares: inputs that follow from a formula, and compact JSON fixtures.

`u(p, n)` is n numbers in [0, 1) from 32-bit integer arithmetic (see README.md), so a fixture stores only what the
original computed, never what it was given. References are computed in float64 from inputs rounded to float32 and
stored as float32: the fixture's own error is then far below the tolerance of the tests that read it.
"""

import base64
import json
import math
from pathlib import Path

import numpy as np
import torch

GOLDEN = Path(__file__).resolve().parent.parent / "test" / "golden"

# Larger arrays are stored as a sample of about this many numbers, with the norm and the extreme of all of them.
FULL_LIMIT = 2048
SAMPLES = 512


def u(p, n):
    """n numbers in [0, 1), float64."""
    with np.errstate(over="ignore"):
        x = np.arange(n, dtype=np.uint32) * np.uint32(2654435761) + np.uint32((p * 40503 + 12345) % 2**32)
        x ^= x >> np.uint32(16)
        x *= np.uint32(2246822519)
        x ^= x >> np.uint32(13)
        x *= np.uint32(3266489917)
        x ^= x >> np.uint32(16)
    return x.astype(np.float64) / 2**32


def formula(shape, seed, low=-1.0, high=1.0):
    """low + (high - low)·u(seed, n) in float64, rounded to float32, as a float64 tensor in C order."""
    values = (low + (high - low) * u(seed, math.prod(shape))).astype(np.float32)
    return torch.from_numpy(values.astype(np.float64)).reshape(shape)


def labels(shape, seed, classes):
    """Class numbers floor(classes·u), int64."""
    return torch.from_numpy(np.floor(classes * u(seed, math.prod(shape))).astype(np.int64)).reshape(shape)


def sample_step(shape):
    """A stride through the flat array that is coprime with every side, so that it visits every position of every axis."""
    step = max(1, math.prod(shape) // SAMPLES)
    while any(math.gcd(step, side) != 1 for side in shape):
        step += 1
    return step


def stored(array):
    """An array as the fixtures hold it: short decimals, base64 of little-endian float32, or a sample of a large one."""
    if isinstance(array, torch.Tensor):
        array = array.detach().numpy()
    shape = list(array.shape)
    flat = np.ascontiguousarray(array).reshape(-1).astype(np.float64)
    if not np.isfinite(flat).all():
        raise ValueError("a reference is not finite")
    if flat.size <= 8:
        return {"shape": shape, "values": [float(f"{v:.9g}") for v in flat.astype(np.float32)]}
    if flat.size <= FULL_LIMIT:
        return {"shape": shape, "data": encoded(flat)}
    step = sample_step(shape)
    return {
        "shape": shape,
        "every": step,
        "data": encoded(flat[::step]),
        "norm": float(f"{np.sqrt((flat**2).sum()):.9g}"),
        "max": float(f"{np.abs(flat).max():.9g}"),
    }


def encoded(flat):
    return base64.b64encode(flat.astype("<f4").tobytes()).decode("ascii")


class Given:
    """One input of a case: how the fixture describes it, and the tensor the reference computes with."""

    def __init__(self, description, tensor, differentiable):
        self.description = description
        self.tensor = tensor.requires_grad_() if differentiable else tensor
        self.differentiable = differentiable


class Inputs:
    """Makes inputs with fresh seeds, so that no two inputs of a fixture hold the same numbers."""

    def __init__(self, first_seed):
        self.seed = first_seed

    def next_seed(self):
        self.seed += 1
        return self.seed

    def real(self, *shape, low=-1.0, high=1.0, differentiable=True):
        seed = self.next_seed()
        description = {"shape": list(shape), "seed": seed, "range": [low, high]}
        return Given(description, formula(shape, seed, low, high), differentiable)

    def values(self, values, shape=None, dtype="float32", differentiable=True):
        kinds = {"float32": torch.float64, "int64": torch.int64, "bool": torch.bool}
        tensor = torch.tensor(values, dtype=kinds[dtype])
        tensor = tensor.reshape(shape) if shape is not None else tensor
        description = {"shape": list(tensor.shape), "values": tensor.reshape(-1).tolist()}
        if dtype == "bool":
            description["values"] = [int(v) for v in description["values"]]
        if dtype != "float32":
            description["dtype"] = dtype
        return Given(description, tensor, differentiable and dtype == "float32")

    def labels(self, shape, classes, holes=None):
        """Class numbers; `holes` = (share, value) puts `value` (an ignore index) where a second formula says so."""
        seed = self.next_seed()
        tensor = labels(shape, seed, classes)
        description = {"shape": list(shape), "seed": seed, "classes": classes, "dtype": "int64"}
        if holes is not None:
            share, value = holes
            hole_seed = self.next_seed()
            hole = torch.from_numpy(u(hole_seed, math.prod(shape)) < share).reshape(shape)
            tensor = torch.where(hole, torch.full_like(tensor, value), tensor)
            description["holes"] = {"seed": hole_seed, "share": share, "value": value}
        return Given(description, tensor, False)


class Cases:
    """Collects cases and writes them one to a line."""

    def __init__(self, inputs):
        self.inputs = inputs
        self.cases = []
        self.names = set()

    def add(self, op, name, given, attributes, function):
        """Runs `function(*tensors)`; the gradients are those of sum(first output · upstream)."""
        label = f"{op} {name}"
        if label in self.names:
            raise ValueError(f"two cases are called {label}")
        self.names.add(label)
        outputs = function(*[g.tensor for g in given])
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        case = {
            "op": op,
            "name": name,
            "inputs": [g.description for g in given],
            "attributes": attributes,
            "outputs": [stored(o) for o in outputs],
        }
        wanted = [g for g in given if g.differentiable]
        if wanted and outputs[0].requires_grad:
            seed = self.inputs.next_seed()
            upstream = formula(outputs[0].shape, seed)
            gradients = iter(torch.autograd.grad((outputs[0] * upstream).sum(), [g.tensor for g in wanted]))
            case["upstream"] = {"seed": seed}
            case["gradients"] = [stored(next(gradients)) if g.differentiable else None for g in given]
        self.cases.append(case)


def write(name, document, lists=()):
    """Writes test/golden/NAME with every entry of the named lists on a line of its own."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    parts = []
    for key, value in document.items():
        if key in lists:
            body = ",\n".join(json.dumps(entry, separators=(",", ":"), allow_nan=False) for entry in value)
            parts.append(f"{json.dumps(key)}: [\n{body}\n]")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)}")
    path = GOLDEN / name
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n")
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")
