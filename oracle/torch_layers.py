"""How PyTorch and MedicalNet initialize layers: test/golden/layers.json.

    python oracle/torch_layers.py

PyTorch's default for convolutions, transposed convolutions and linear layers is kaiming_uniform with a = √5, which is
uniform in ±1/√fan_in, weights and biases alike. MedicalNet overwrites every Conv3d with kaiming_normal(fan_out), gain √2.
The bounds and deviations are computed from PyTorch's own fan rule and checked here against what PyTorch draws.
"""

import math

import torch
from torch import nn
from torch.nn.init import _calculate_fan_in_and_fan_out

from torch_formula import write

LAYERS = [
    ("conv", nn.Conv3d, (1, 64, 7), {"stride": 2, "padding": 3}),
    ("conv", nn.Conv3d, (64, 128, 3), {}),
    ("conv", nn.Conv3d, (128, 256, 1), {}),
    ("conv", nn.Conv2d, (32, 64, 3), {}),
    ("conv", nn.Conv2d, (32, 64, 3), {"groups": 32}),
    ("conv", nn.Conv3d, (32, 64, 3), {"groups": 4}),
    ("convTranspose", nn.ConvTranspose3d, (512, 32, 2), {"stride": 2}),
    ("convTranspose", nn.ConvTranspose2d, (64, 16, 3), {}),
    ("convTranspose", nn.ConvTranspose3d, (64, 32, 2), {"stride": 2, "groups": 2}),
    ("linear", nn.Linear, (512, 10), {}),
    ("linear", nn.Linear, (37, 5), {}),
]
torch.manual_seed(0)
entries = []
for kind, make, arguments, options in LAYERS:
    layer = make(*arguments, **options)
    fan_in, fan_out = _calculate_fan_in_and_fan_out(layer.weight)
    bound = nn.init.calculate_gain("leaky_relu", math.sqrt(5)) * math.sqrt(3 / fan_in)
    bias_bound = 1 / math.sqrt(fan_in)
    for parameter, limit in ((layer.weight, bound), (layer.bias, bias_bound)):
        assert parameter.abs().max() <= limit * (1 + 1e-6), "PyTorch draws beyond the bound"
        if parameter.numel() > 1000:
            assert parameter.abs().max() > 0.99 * limit
            assert abs(parameter.std().item() / (limit / math.sqrt(3)) - 1) < 0.05
    entry = {
        "layer": kind,
        "weight": list(layer.weight.shape),
        "groups": options.get("groups", 1),
        "fanIn": fan_in,
        "fanOut": fan_out,
        "weightBound": bound,
        "biasBound": bias_bound,
    }
    if make is nn.Conv3d:
        nn.init.kaiming_normal_(layer.weight, mode="fan_out")
        entry["medicalNetDeviation"] = math.sqrt(2 / fan_out)
        if layer.weight.numel() > 20_000:
            assert abs(layer.weight.std().item() / entry["medicalNetDeviation"] - 1) < 0.02
    entries.append(entry)
norm = nn.BatchNorm3d(4)
defaults = {"weight": 1, "bias": 0, "runningMean": 0, "runningVariance": 1, "epsilon": norm.eps, "momentum": norm.momentum}
assert norm.weight.min() == norm.weight.max() == 1 and norm.bias.abs().max() == 0
assert norm.running_mean.abs().max() == 0 and norm.running_var.min() == 1

write(
    "layers.json",
    {"madeBy": f"oracle/torch_layers.py, PyTorch {torch.__version__}", "layers": entries, "batchNorm": defaults},
    lists=("layers",),
)
