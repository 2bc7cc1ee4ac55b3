"""ResNet-10 with each decoder of medvox/nn, and DenseASPP, by PyTorch: test/golden/decoders.json.

    python oracle/torch_decoders.py

The networks are those of `bench/peers/torch_medicalnet.py`, so this also shows that the speed table compares equal things.
Logits in evaluation mode; the loss and the norm of every gradient of one training step with mean cross-entropy
against floor(3·u(5001, …)). Input 2·u(5000, …) − 1, weights by formula (seed 1), `shift` added to the bias of every norm, which
keeps ReLUs away from the corner where gradients jump.

DenseASPP is that of its authors' code (DeepMotionAIResearch/DenseASPP, models/DenseASPP.py) with 3D kernels and without
dropout, over features 2·u(5002, …) − 1: its map in evaluation mode, and the gradients of mean(map · (2·u(5003, …) − 1)) in training.
"""

import copy
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench" / "peers"))
from torch_formula import formula, labels, stored, write  # noqa: E402
from torch_medicalnet import Encoder, SkipNetwork  # noqa: E402
from torch_network import fill_by_formula  # noqa: E402

torch.set_num_threads(1)
CLASSES = 3


class UpsamplingNetwork(Encoder):
    """The paper's decoder branch: one 1³ convolution, then linear up-sampling to the input's size."""

    def __init__(self, depth, classes):
        super().__init__(depth)
        self.head = nn.Conv3d(self.out_channels, classes, 1)

    def forward(self, x):
        return F.interpolate(self.head(self.taps(x)["layer4"]), x.shape[2:], mode="trilinear", align_corners=False)


class TransposedNetwork(Encoder):
    """The paper's decoder for the lungs: transposed 3³ convolution and 3³ convolution, once for each halving."""

    def __init__(self, depth, classes):
        super().__init__(depth)
        inputs, width = self.out_channels, 256
        self.decoder = nn.Module()
        for number in (1, 2, 3):
            group = nn.Module()
            group.up = nn.ConvTranspose3d(inputs, width, 3, 2, 1, bias=False)
            group.bn1 = nn.BatchNorm3d(width)
            group.conv = nn.Conv3d(width, width // 2, 3, padding=1, bias=False)
            group.bn2 = nn.BatchNorm3d(width // 2)
            self.decoder.add_module(f"group{number}", group)
            inputs, width = width // 2, width // 2
        self.decoder.classify = nn.Conv3d(inputs, classes, 1)

    def forward(self, x):
        sizes = [x.shape[2:]]
        for _ in range(2):
            sizes.insert(0, tuple(-(-n // 2) for n in sizes[0]))
        y = self.taps(x)["layer4"]
        for number, size in enumerate(sizes, start=1):
            group = self.decoder.get_submodule(f"group{number}")
            y = F.relu(group.bn1(group.up(y, output_size=size)))
            y = F.relu(group.bn2(group.conv(y)))
        return self.decoder.classify(y)


class DenseAspp(nn.Module):
    """Branches named by number, as medvox's are."""

    def __init__(self, inputs, rates, inner, growth):
        super().__init__()
        for number, rate in enumerate(rates, start=1):
            branch = nn.Module()
            if number > 1:
                branch.norm1 = nn.BatchNorm3d(inputs)
            branch.conv1 = nn.Conv3d(inputs, inner, 1)
            branch.norm2 = nn.BatchNorm3d(inner)
            branch.conv2 = nn.Conv3d(inner, growth, 3, padding=rate, dilation=rate)
            self.add_module(str(number), branch)
            inputs += growth

    def forward(self, x):
        # The first branch has a ReLU and no norm; it works in place, so that all later ones see what it left, too.
        features = F.relu(x)
        for number, branch in self.named_children():
            y = features if number == "1" else F.relu(branch.norm1(features))
            y = branch.conv2(F.relu(branch.norm2(branch.conv1(y))))
            features = torch.cat([y, features], 1)
        return features


def aspp(rates, channels, size, inner, growth, shift):
    network = DenseAspp(channels, rates, inner, growth)
    fill_by_formula(network, shift=shift)

    def gradients(dtype):
        trained = copy.deepcopy(network).to(dtype).train()
        x = formula([2, channels, *size], 5002).to(dtype).requires_grad_()
        y = trained(x)
        (y * formula(y.shape, 5003).to(dtype)).mean().backward()
        norms = {n: p.grad.double().norm().item() for n, p in sorted(trained.named_parameters())}
        # A bias before a batch norm has no gradient but rounding.
        return {n: v for n, v in norms.items() if not n.endswith("conv1.bias")} | {"x": x.grad.double().norm().item()}

    with torch.inference_mode():
        found = copy.deepcopy(network).double().eval()(formula([2, channels, *size], 5002))
    nearest = []
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.register_forward_hook(lambda _, __, y: nearest.append(y.abs().min().item()))
    norms = gradients(torch.float64)
    # Sums over a map in another order move a ReLU's argument by some 1e-6.
    print(f"DenseASPP {rates}: the ReLU argument nearest to zero is {min(nearest):.0e}")
    assert min(nearest) > 5e-6, "a gradient jumps too near"
    determined(f"DenseASPP {rates}", norms, gradients(torch.float32))
    return {
        "rates": list(rates), "channels": channels, "size": list(size), "inner": inner, "growth": growth, "shift": shift,
        "output": stored(found), "gradientNorms": norms,
    }  # fmt: skip


def determined(name, norms, norms32):
    worst = max(abs(norms32[n] - v) / v for n, v in norms.items())
    print(f"{name}: float32 is off by {worst:.0e} in a gradient's norm")
    assert min(norms.values()) > 1e-6, "a gradient is only rounding"
    assert worst < 2e-5, "not determined in float32"


def training(network, x, y, dtype):
    """The loss and the norm of every gradient of one step."""
    network = copy.deepcopy(network).to(dtype).train()
    loss = F.cross_entropy(network(x.to(dtype)), y)
    loss.backward()
    return loss.item(), {n: p.grad.double().norm().item() for n, p in sorted(network.named_parameters())}


def entry(name, make, size, shift=0.0):
    network = make(10, CLASSES)
    fill_by_formula(network, shift=shift)
    network.double()
    x = formula([2, 1, *size], 5000)
    y = labels([2, *size], 5001, CLASSES)
    with torch.inference_mode():
        logits = network.eval()(x)
    loss, norms = training(network, x, y, torch.float64)
    _, norms32 = training(network, x, y, torch.float32)
    determined(f"{name} {size}", norms, norms32)
    return {
        "decoder": name, "size": list(size), "shift": shift,
        "logits": stored(logits), "loss": loss, "gradientNorms": norms,
    }  # fmt: skip


write(
    "decoders.json",
    {
        "madeBy": f"oracle/torch_decoders.py, PyTorch {torch.__version__}, float64",
        "classes": CLASSES,
        "networks": [
            entry("skip", SkipNetwork, (16, 24, 16)),
            entry("skip", SkipNetwork, (20, 17, 22)),
            entry("upsampling", UpsamplingNetwork, (16, 24, 16)),
            entry("upsampling", UpsamplingNetwork, (20, 17, 22)),
            entry("transposed", TransposedNetwork, (16, 24, 16), shift=1.0),
            entry("transposed", TransposedNetwork, (20, 17, 22), shift=1.0),
        ],
        "aspp": [
            aspp((3, 6, 12, 18, 24), channels=12, size=(3, 5, 28), inner=16, growth=8, shift=1.0),
            aspp((2, 1), channels=40, size=(7, 8, 9), inner=48, growth=32, shift=0.5),
        ],
    },
    lists=("networks", "aspp"),
)
