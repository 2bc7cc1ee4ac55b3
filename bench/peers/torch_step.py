"""Peer: one training step in PyTorch, eager. See peer.py for the protocol.

    {"cmd": "setup", "network": "medicalnet" | "skip", "depth": 10, "batch": 2, "size": [48, 48, 48], "classes": 3, "threads": 2}

`medicalnet` has the released conv_seg head (logits at 1/4), `skip` the decoder of medvox (logits at full size).
Cross-entropy, SGD with momentum 0.9 and weight decay 1e-3, batch norm in training mode, the same batch each step.
The measured time is from zeroing the gradients to the updated weights, the loss read back.
"""

import time

import torch
from torch.nn import functional as F

from peer import serve
from torch_medicalnet import MedicalNet, SkipNetwork


def setup(request):
    torch.set_num_threads(request.get("threads", 2))
    torch.manual_seed(0)
    depth, batch, classes = request.get("depth", 10), request.get("batch", 2), request.get("classes", 3)
    size = request.get("size", [48, 48, 48])
    kind = request.get("network", "medicalnet")
    network = {"medicalnet": MedicalNet, "skip": SkipNetwork}[kind](depth, classes).eval()
    x = torch.rand(batch, 1, *size)
    with torch.no_grad():
        target = network(x[:1]).shape[2:]
    network.train()
    y = torch.randint(0, classes, (batch, *target))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9, weight_decay=1e-3)
    described = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "parameters": sum(p.numel() for p in network.parameters()),
    }
    return (network, optimiser, x, y), described


def step(state, _request):
    network, optimiser, x, y = state
    began = time.perf_counter()
    optimiser.zero_grad()
    loss = F.cross_entropy(network(x), y)
    loss.backward()
    optimiser.step()
    value = loss.item()
    return {"ms": (time.perf_counter() - began) * 1000, "loss": value}


if __name__ == "__main__":
    serve(setup, step)
