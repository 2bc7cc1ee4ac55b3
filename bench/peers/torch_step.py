"""Peer: one training step in PyTorch, eager. See peer.py for the protocol.

    {"cmd": "setup", "network": "medicalnet" | "skip", "depth": 10, "batch": 2, "size": [48, 48, 48], "classes": 3, "threads": 2,
     "loss": "crossEntropy" | "diceCrossEntropy", "optimizer": "sgd" | "adamW", "clipNorm": 12, "tensors": "same.safetensors"}

`medicalnet` has the released conv_seg head (logits at 1/4), `skip` the decoder of medvox (logits at full size). Batch norm in
training mode, the same batch each step. `sgd`: lr 1e-3, momentum 0.9, weight decay 1e-3. `adamW`: lr 1e-3, weight decay 1e-4, none
on norms and biases. `tensors` holds weights, `input` and `target`; without it they are random.
The measured time is from zeroing the gradients to the updated weights, the loss read back.
"""

import time

import torch
from torch.nn import functional as F

from exchange import load_weights, read_tensors
from peer import serve
from torch_medicalnet import MedicalNet, SkipNetwork


def dice_cross_entropy(scores, target):
    """1 - soft Dice of the foreground classes over the whole batch, plus cross-entropy: medvox's diceCrossEntropy."""
    entropy = F.cross_entropy(scores, target)
    probability = torch.softmax(scores, 1)[:, 1:]
    truth = F.one_hot(target, scores.shape[1]).movedim(-1, 1)[:, 1:].float()
    axes = (0, 2, 3, 4)
    overlap = 2 * (probability * truth).sum(axes) + 1e-5
    size = probability.sum(axes) + truth.sum(axes) + 1e-5
    return (1 - overlap / size).mean() + entropy


LOSSES = {"crossEntropy": F.cross_entropy, "diceCrossEntropy": dice_cross_entropy}


def optimizer_of(kind, network):
    if kind == "sgd":
        return torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9, weight_decay=1e-3)
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 1e-4}, {"params": others, "weight_decay": 0}]
    return torch.optim.AdamW(groups, lr=0.001)


def setup(request):
    torch.set_num_threads(request.get("threads", 2))
    torch.manual_seed(0)
    depth, batch, classes = request.get("depth", 10), request.get("batch", 2), request.get("classes", 3)
    kind = request.get("network", "medicalnet")
    network = {"medicalnet": MedicalNet, "skip": SkipNetwork}[kind](depth, classes)
    if "tensors" in request:
        tensors = read_tensors(request["tensors"])
        x, y = tensors.pop("input"), tensors.pop("target").long()
        load_weights(network, tensors)
    else:
        size = request.get("size", [48, 48, 48])
        x = torch.rand(batch, 1, *size)
        y = torch.randint(0, classes, (batch, *(size if kind == "skip" else [n // 4 for n in size])))
    network.train()
    optimizer = optimizer_of(request.get("optimizer", "sgd"), network)
    loss = LOSSES[request.get("loss", "crossEntropy")]
    described = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "parameters": sum(p.numel() for p in network.parameters()),
    }
    return (network, optimizer, loss, request.get("clipNorm"), x, y), described


def step(state, _request):
    network, optimizer, loss_of, clip_norm, x, y = state
    began = time.perf_counter()
    optimizer.zero_grad()
    loss = loss_of(network(x), y)
    loss.backward()
    if clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
    optimizer.step()
    value = loss.item()
    return {"ms": (time.perf_counter() - began) * 1000, "loss": value}


if __name__ == "__main__":
    serve(setup, step)
