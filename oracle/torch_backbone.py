"""MedicalNet as `bench/peers/torch_medicalnet.py` has it, filled by the formula of `shared/golden/README.md`."""

import math
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench" / "peers"))
from torch_formula import u  # noqa: E402
from torch_medicalnet import Encoder, MedicalNet  # noqa: E402, F401
from torch_network import fill_by_formula  # noqa: E402


def filled(depth, seed, dtype, shift=0.0):
    """`shift` is added to the bias of every norm."""
    network = MedicalNet(depth, 3)
    names = fill_by_formula(network, seed, shift)
    # The golden rule takes the fan of the transposed convolution from its first axis.
    name = "conv_seg.0.weight"
    weight = network.state_dict()[name]
    fan = weight.shape[0] * math.prod(weight.shape[2:])
    r = u(names.index(name) + 1000 * seed, weight.numel())
    weight.copy_(torch.from_numpy(((r - 0.5) * 2 * math.sqrt(3 / fan) * 1.2).astype("float32")).reshape(weight.shape))
    return network.to(dtype)


def norm(tensor):
    return tensor.double().norm().item()
