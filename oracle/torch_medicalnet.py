"""How closely PyTorch today agrees with the original MedicalNet's values, which were made with PyTorch 1.13.

    python oracle/torch_medicalnet.py PATH/medicalnet.json

It checks `bench/peers/torch_medicalnet.py`, and it measures what agreement can be asked of anyone: float32 and float64
runs of the same network are both compared with the golden float32 values. Why ResNet-50's training differs:
`torch_training.py`.
"""

import json
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

from torch_backbone import filled, norm
from torch_formula import labels, u

DEPTHS = (10, 18, 34, 50)


def activations(network, x, reference):
    """The worst difference in units of each activation's standard deviation."""
    with torch.inference_mode():
        taps = network.eval().taps(x)
    worst = 0.0
    for name, expected in reference["activations"].items():
        flat = taps[name].flatten()
        found = torch.cat([flat[:8], flat[-8:]]).double()
        wanted = torch.tensor(expected["first8"] + expected["last8"], dtype=torch.float64)
        worst = max(worst, ((found - wanted).abs().max() / expected["std"]).item())
    return worst


def training(network, x, y, reference):
    """Yields a line for losses, for gradients of the first step, for parameters and running variances after the third."""
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, weight_decay=1e-3)
    losses, gradients = [], None
    for _ in reference["train_losses"]:
        optimizer.zero_grad()
        loss = F.cross_entropy(network(x), y)
        loss.backward()
        gradients = gradients or {n: norm(p.grad) for n, p in network.named_parameters()}
        optimizer.step()
        losses.append(loss.item())
    state = network.state_dict()
    yield "losses " + " ".join(f"{abs(a - b) / b:.0e}" for a, b in zip(losses, reference["train_losses"]))
    # Some gradients are zero but for rounding: a bias before a batch norm.
    meaningful = {n: v for n, v in reference["grad_l2"].items() if v > 1e-5}
    yield "gradient norms " + spread(gradients, meaningful)
    for key, label in (("after3_param_l2", "parameter norms"), ("after3_running_var_l2", "running variance norms")):
        yield f"{label} " + spread({n: norm(state[n]) for n in reference[key]}, reference[key])


def spread(found, wanted):
    errors = sorted((abs(found[n] - wanted[n]) / abs(wanted[n]), n) for n in wanted)
    return f"median {errors[len(errors) // 2][0]:.0e}, worst {errors[-1][0]:.0e} ({errors[-1][1]})"


def main(path):
    golden = json.loads(Path(path).read_text())
    seed, shape = golden["seed"], golden["input_shape"]
    values = torch.from_numpy((2 * u(7 + seed, math.prod(shape)) - 1).astype("float32")).reshape(shape)
    for depth in DEPTHS:
        reference = golden["nets"][f"resnet{depth}"]
        for dtype in (torch.float32, torch.float64):
            x = values.to(dtype)
            print(f"resnet{depth} {dtype}: activations {activations(filled(depth, seed, dtype), x, reference):.0e}")
            if "train_losses" in reference:
                y = labels([2, 4, 6, 8], 99 + seed, 3)
                for line in training(filled(depth, seed, dtype), x, y, reference):
                    print(f"    {line}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    torch.set_num_threads(2)
    main(sys.argv[1])
