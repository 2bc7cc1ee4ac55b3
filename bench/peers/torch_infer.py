"""Peer: one forward pass in PyTorch, eager, evaluation and inference mode. See peer.py for the protocol.

    {"cmd": "setup", "network": "medicalnet" | "skip" | "encoder", "depth": 10, "batch": 1, "size": [64, 64, 64], "classes": 3, "threads": 2,
     "tensors": "same.safetensors", "result": "logits.f32"}

`tensors` holds weights and `input`; without it they are random. With `result`, the setup writes the output there, as raw floats.
"""

import time

import torch

from exchange import load_weights, read_tensors
from peer import serve
from torch_medicalnet import Encoder, MedicalNet, SkipNetwork


class EncoderAlone(Encoder):
    def __init__(self, depth, _classes):
        super().__init__(depth)

    def forward(self, x):
        return self.taps(x)["layer4"]


def setup(request):
    torch.set_num_threads(request.get("threads", 2))
    torch.manual_seed(0)
    kinds = {"medicalnet": MedicalNet, "skip": SkipNetwork, "encoder": EncoderAlone}
    network = kinds[request.get("network", "medicalnet")](request.get("depth", 10), request.get("classes", 3)).eval()
    if "tensors" in request:
        tensors = read_tensors(request["tensors"])
        x = tensors.pop("input")
        load_weights(network, tensors)
    else:
        x = torch.rand(request.get("batch", 1), 1, *request.get("size", [64, 64, 64]))
    if "result" in request:
        with torch.inference_mode():
            network(x).contiguous().numpy().tofile(request["result"])
    described = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "parameters": sum(p.numel() for p in network.parameters()),
    }
    return (network, x), described


def step(state, _request):
    network, x = state
    began = time.perf_counter()
    with torch.inference_mode():
        y = network(x)
    return {"ms": (time.perf_counter() - began) * 1000, "output": list(y.shape)}


if __name__ == "__main__":
    serve(setup, step)
