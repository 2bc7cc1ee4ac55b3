"""ResNet-10 with each decoder of medvox/nn, by PyTorch: test/golden/decoders.json.

    python oracle/torch_decoders.py

The networks are those of `bench/peers/torch_medicalnet.py`, so this also shows that the speed table compares equal things.
Logits in evaluation mode; the loss and the norm of every gradient of one training step with mean cross-entropy
against floor(3·u(5001, …)). Input 2·u(5000, …) − 1, weights by formula (seed 1).
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench" / "peers"))
from torch_formula import formula, labels, stored, write  # noqa: E402
from torch_medicalnet import Encoder, SkipNetwork  # noqa: E402
from torch_network import fill_by_formula  # noqa: E402

torch.set_num_threads(2)
CLASSES = 3


class UpsamplingNetwork(Encoder):
    """The paper's decoder branch: one 1³ convolution, then linear up-sampling to the input's size."""

    def __init__(self, depth, classes):
        super().__init__(depth)
        self.head = nn.Conv3d(self.out_channels, classes, 1)

    def forward(self, x):
        return F.interpolate(self.head(self.taps(x)["layer4"]), x.shape[2:], mode="trilinear", align_corners=False)


def entry(name, make, size):
    network = make(10, CLASSES)
    fill_by_formula(network)
    network.double()
    x = formula([2, 1, *size], 5000)
    y = labels([2, *size], 5001, CLASSES)
    with torch.inference_mode():
        logits = network.eval()(x)
    loss = F.cross_entropy(network.train()(x), y)
    loss.backward()
    norms = {n: p.grad.norm().item() for n, p in sorted(network.named_parameters())}
    assert min(norms.values()) > 1e-6, "a gradient is only rounding"
    return {"decoder": name, "size": list(size), "logits": stored(logits), "loss": loss.item(), "gradientNorms": norms}


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
        ],
    },
    lists=("networks",),
)
