"""Golden values for src/augment/boxes/color.ts: torchvision's colour changes of a float picture.

Run: python oracle/torchvision_color.py   (torch, torchvision); writes test/fixtures/augment/golden/color.json
"""
import json
import pathlib

import torch
from torchvision.transforms.v2 import functional as F

OUT = pathlib.Path(__file__).parent.parent / "test" / "fixtures" / "augment" / "golden" / "color.json"
i = torch.arange(3 * 6 * 5, dtype=torch.float64)
image = ((i * 7919) % 101 / 100).float().reshape(3, 5, 6)
image[:, 0, 0] = 0.4  # gray, black, white and pure colours
image[:, 0, 1] = 0
image[:, 0, 2] = 1
image[:, 0, 3] = torch.tensor([1.0, 0, 0])
image[:, 0, 4] = torch.tensor([0.2, 0.9, 0.9])
image[:, 0, 5] = torch.tensor([0.7, 0.1, 0.7])
cases = []
for name, change, amounts in [("brightness", F.adjust_brightness, [0.6, 1.3]), ("contrast", F.adjust_contrast, [0.5, 1.4]),
                              ("saturation", F.adjust_saturation, [0.0, 0.5, 1.7]), ("hue", F.adjust_hue, [-0.5, -0.1, 0.03, 0.37])]:
    for amount in amounts:
        cases.append({"name": name, "amount": amount, "out": [round(float(v), 7) for v in change(image, amount).flatten()]})
OUT.write_text(json.dumps({"width": 6, "height": 5, "image": [round(float(v), 7) for v in image.flatten()], "cases": cases}) + "\n")
print(len(cases), OUT.stat().st_size, "bytes")
