"""What `bench/detector.ts` measures, in torchvision: `python bench/peers/torchvision_detector.py [threads] [steps]`."""

import os
import sys
import time

import torch
from torchvision.models import resnet18, resnet50
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.ops.misc import FrozenBatchNorm2d

threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 5
torch.set_num_threads(threads)
torch.manual_seed(1)


def timed(what, run):
    run(), run()
    walls, works = [], []
    for _ in range(steps):
        began, before = time.perf_counter(), os.times()
        run()
        after = os.times()
        walls.append(time.perf_counter() - began)
        works.append(after.user - before.user + after.system - before.system)
    median = lambda values: sorted(values)[len(values) // 2] * 1000
    print(f"{what}: wall {median(walls):.0f} ms, processor {median(works):.0f} ms", flush=True)


def build(body, classes, **options):
    return FasterRCNN(_resnet_fpn_extractor(body(weights=None, norm_layer=FrozenBatchNorm2d), 5), classes, **options)


model = build(resnet18, 4, min_size=240, max_size=320).train()
optimiser = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)
corners = [[20 + 24 * b, 30 + 14 * (b % 10), 70 + 24 * b, 80 + 14 * (b % 10)] for b in range(12)]
targets = [
    {"boxes": torch.tensor(corners, dtype=torch.float32), "labels": torch.tensor([1 + b % 3 for b in range(12)])}
    for _ in range(2)
]


def step():
    loss = sum(model([torch.rand(3, 240, 320) for _ in range(2)], targets).values())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


timed("joint step, ResNet-18-FPN, 2 images of 320×240", step)
if len(sys.argv) <= 3:
    model = build(resnet50, 91, min_size=480, max_size=640).eval()
    with torch.no_grad():
        image = torch.rand(3, 480, 640)
        timed("inference, ResNet-50-FPN, 640×480", lambda: model([image]))
