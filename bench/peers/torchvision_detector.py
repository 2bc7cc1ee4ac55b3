"""Peer: a torchvision detector (ResNet-FPN, frozen batch norms), eager. See peer.py for the protocol.

    {"cmd": "setup", "job": "step" | "inference", "depth": 18, "classes": 4, "size": [320, 240], "threads": 2, "tensors": "same.safetensors"}

`tensors` holds the weights by torchvision's names, `image` (values 0 … 1; [N, 3, H, W] for a step, [3, H, W] for inference), and for a step
`boxes` and `labels`, the same for every image. A step is a joint training step: SGD with momentum, from the images to the loss as a number. Inference
answers with the ten best detections of the last image.
"""

import time

import torch
import torchvision
from torchvision.models import resnet18, resnet50
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.ops.misc import FrozenBatchNorm2d

from exchange import load_weights, read_tensors
from peer import serve

BODIES = {18: resnet18, 50: resnet50}


def setup(request):
    torch.set_num_threads(request.get("threads", 2))
    torch.manual_seed(0)
    width, height = request["size"]
    body = BODIES[request["depth"]](weights=None, norm_layer=FrozenBatchNorm2d)
    model = FasterRCNN(_resnet_fpn_extractor(body, 5), request["classes"], min_size=height, max_size=width)
    tensors = read_tensors(request["tensors"])
    image = tensors.pop("image")
    boxes, labels = tensors.pop("boxes", None), tensors.pop("labels", None)
    load_weights(model, tensors)
    described = {"torch": torch.__version__, "torchvision": torchvision.__version__, "threads": torch.get_num_threads()}
    if request["job"] == "inference":
        return (model.eval(), [image], None, None), described
    targets = [{"boxes": boxes, "labels": labels.long()} for _ in image]
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)
    return (model.train(), list(image), targets, optimizer), described


def step(state, _request):
    model, images, targets, optimizer = state
    began = time.perf_counter()
    if optimizer is None:
        with torch.no_grad():
            (found,) = model(images)
        ms = (time.perf_counter() - began) * 1000
        return {"ms": ms, "boxes": found["boxes"][:10].tolist(), "scores": found["scores"][:10].tolist(), "count": len(found["scores"])}
    loss = sum(model(images, targets).values())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    value = loss.item()
    return {"ms": (time.perf_counter() - began) * 1000, "loss": value}


if __name__ == "__main__":
    serve(setup, step)
