"""Three training steps of MedicalNet's ResNet-10, 18 and 50 in float64: test/golden/training.json.

    python oracle/torch_training.py

The steps are those of `shared/golden/medicalnet.json`, which holds what the original computed in float32 (PyTorch 1.13): loss
before each step, L2 norm of every gradient of the first, of every parameter and running variance after the third.

How far can float32 be from that? `spread` is the largest relative change of a figure over 8 runs in which the output of
every convolution and norm, and its gradient, is multiplied by 1 + 2⁻²²·(uniform in ±1): about what float32 does to a sum of some
hundred products. ResNet-50 has so many layers over maps of 2 × 3 × 4 that this changes the sign of a dozen of its 1.7
million ReLU arguments, and a gradient jumps there: `branches` prints how many, and that float32 agrees with float64 when it is made to
take float64's branches; `repeated`, how far today's PyTorch is from the original, and from itself with another number of threads. So
`resnet50open` is the same network with 2 added to the bias of every norm, which keeps the arguments away from zero: there, every
figure of all three steps is determined.
"""

import json
import math
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import nn

from torch_backbone import filled, norm
from torch_formula import labels, u, write

SEED, SHAPE, CLASSES = 1, (2, 1, 16, 24, 32), 3
RUNS, NOISE = 8, 2.0**-22
GOLDEN = Path(__file__).parents[2] / "shared" / "golden" / "medicalnet.json"


def noisy(module, generator):
    class Noise(torch.autograd.Function):
        @staticmethod
        def forward(_, y):
            return y * (1 + NOISE * (2 * torch.rand(y.shape, generator=generator, dtype=y.dtype) - 1))

        @staticmethod
        def backward(_, g):
            return g * (1 + NOISE * (2 * torch.rand(g.shape, generator=generator, dtype=g.dtype) - 1))

    for layer in module.modules():
        if isinstance(layer, (nn.Conv3d, nn.ConvTranspose3d, nn.BatchNorm3d)):
            layer.register_forward_hook(lambda _, __, y: Noise.apply(y))


def given(dtype):
    x = torch.from_numpy((2 * u(7 + SEED, math.prod(SHAPE)) - 1).astype("float32")).reshape(SHAPE)
    return x.to(dtype), labels([2, 4, 6, 8], 99 + SEED, CLASSES)


def three_steps(depth, shift, dtype=torch.float64, noise=None):
    network = filled(depth, SEED, dtype, shift).train()
    if noise is not None:
        noisy(network, torch.Generator().manual_seed(noise))
    x, y = given(dtype)
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, weight_decay=1e-3)
    losses, gradients = [], None
    for _ in range(3):
        optimizer.zero_grad()
        loss = F.cross_entropy(network(x), y)
        loss.backward()
        gradients = gradients or {n: norm(p.grad) for n, p in sorted(network.named_parameters())}
        optimizer.step()
        losses.append(loss.item())
    return {
        "losses": dict(enumerate(losses)),
        "gradientNorms": gradients,
        "parameterNorms": {n: norm(p.detach()) for n, p in sorted(network.named_parameters())},
        "runningVarianceNorms": {n: norm(b) for n, b in sorted(network.named_buffers()) if n.endswith("running_var")},
    }


def entry(name, depth, shift=0.0):
    exact = three_steps(depth, shift)
    single = three_steps(depth, shift, torch.float32)
    others = [three_steps(depth, shift, noise=number) for number in range(1, RUNS + 1)]
    result = {"name": name, "depth": depth, "shift": shift}
    for key, figures in exact.items():
        # A bias before a batch norm has no gradient but rounding.
        figures = {n: v for n, v in figures.items() if v > 1e-5}
        apart = lambda run: {n: abs(run[key][n] - v) / v for n, v in figures.items()}  # noqa: E731
        spread = {n: max(values) for n, values in merged([apart(run) for run in others]).items()}
        errors, spreads = sorted(apart(single).values()), sorted(spread.values())
        middle = len(errors) // 2
        print(
            f"{name} {key}: float32 today is off by {errors[middle]:.0e} (median), {errors[-1]:.0e} (worst); "
            f"noise changes them by {spreads[middle]:.0e}, {spreads[-1]:.0e}"
        )
        result[key] = {n: [v, float(f"{spread[n]:.2g}")] for n, v in figures.items()}
    return result


def merged(runs):
    return {n: [run[n] for run in runs] for n in runs[0]}


@contextmanager
def relus(function):
    """All ReLUs of the network are `function` meanwhile."""
    with patch.object(F, "relu", lambda y, inplace=False: function(y)):
        with patch.object(nn.ReLU, "forward", lambda _, y: function(y)):
            yield


def branches(depth):
    def gradients(dtype, forced=None):
        taken = []
        given_branches = iter(forced or ())

        def relu(y):
            taken.append(y.detach() > 0)
            return y.relu() if forced is None else y * next(given_branches).to(dtype)

        network = filled(depth, SEED, dtype).train()
        x, y = given(dtype)
        with relus(relu):
            F.cross_entropy(network(x), y).backward()
        return taken, {n: norm(p.grad) for n, p in network.named_parameters()}

    taken, exact = gradients(torch.float64)
    taken32, single = gradients(torch.float32)
    _, forced = gradients(torch.float32, taken)
    flipped = sum((a != b).sum().item() for a, b in zip(taken, taken32))
    worst = lambda found: max(abs(found[n] - v) / v for n, v in exact.items() if v > 1e-5)  # noqa: E731
    print(
        f"resnet{depth}: float32 takes another branch at {flipped} of {sum(t.numel() for t in taken)} ReLU arguments; gradient norms "
        f"are off by up to {worst(single):.0e}, on float64's branches by {worst(forced):.0e}"
    )


def repeated(depth):
    """Losses of the three steps in float32 as this PyTorch gives them in four ways, relative to what the original gave."""
    original = json.loads(GOLDEN.read_text())["nets"][f"resnet{depth}"]["train_losses"] if GOLDEN.exists() else None
    for threads in (1, 2):
        for onednn in (True, False):
            torch.set_num_threads(threads)
            with torch.backends.mkldnn.flags(enabled=onednn):
                losses = list(three_steps(depth, 0.0, torch.float32)["losses"].values())
            off = "" if original is None else f"; off the original's by {[f'{abs(a / b - 1):.1e}' for a, b in zip(losses, original)]}"
            print(f"resnet{depth}, float32, {threads} threads, {'oneDNN' if onednn else 'no oneDNN'}: losses {losses}{off}")
    torch.set_num_threads(1)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for depth in (10, 18, 50):
        branches(depth)
        repeated(depth)
    networks = [
        entry("resnet10", 10),
        entry("resnet18", 18),
        entry("resnet50", 50),
        entry("resnet50open", 50, shift=2.0),
    ]
    write(
        "training.json",
        {"madeBy": f"oracle/torch_training.py, PyTorch {torch.__version__}, float64", "networks": networks},
        lists=("networks",),
    )
