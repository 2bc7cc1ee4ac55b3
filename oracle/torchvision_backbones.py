"""torchvision's classifiers as backbones of detectors: their state_dicts' names and shapes, and the maps they compute.

Makes test/golden/backbones.json, read by test/golden-backbones.test.ts. Weights of features follow the rule of README.md ("Inputs by
formula"), the names sorted without the classifier's and without the batch norms' counters; the image is formula(41, [1, 3, 64, 96]).
Maps: of ResNets the outputs of layer1 … layer4, of VGG-16 what stands before its last pooling. All in evaluation mode, in float64.
"""

import json
import math

import numpy as np
import torch
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor

from torch_formula import GOLDEN, formula, stored, u

MAPS = {"vgg16": ["features.29"], "default": ["layer1", "layer2", "layer3", "layer4"]}
# The deeper ones are the same layers more often: their names are enough.
COMPUTED = ("resnet18", "resnet50", "vgg16")


def fill(state):
    names = sorted(n for n in state if not n.startswith(("fc.", "classifier.")) and not n.endswith("num_batches_tracked"))
    for k, name in enumerate(names):
        shape = list(state[name].shape)
        r = u(k + 1000, math.prod(shape)).reshape(shape)
        if name.endswith("running_var"):
            value = 0.5 + r
        elif name.endswith("running_mean") or not name.endswith("weight"):
            value = 0.2 * (r - 0.5)
        elif len(shape) > 1:
            value = (r - 0.5) * 2 * math.sqrt(3 / math.prod(shape[1:])) * 1.2
        else:
            value = 0.75 + 0.5 * r
        state[name] = torch.from_numpy(value.astype(np.float32))
    return state


def main():
    torch.set_num_threads(1)
    image = formula([1, 3, 64, 96], 41)
    networks = []
    for name in ("resnet18", "resnet34", "resnet50", "resnet101", "vgg16"):
        model = getattr(models, name)(weights=None).eval()
        state = model.state_dict()
        entry = {"name": name, "state": {key: list(value.shape) for key, value in state.items()}}
        if name in COMPUTED:
            model.load_state_dict(fill(state))
            nodes = MAPS.get(name, MAPS["default"])
            with torch.no_grad():
                maps = create_feature_extractor(model.double(), nodes)(image)
            entry["maps"] = [stored(maps[node]) for node in nodes]
        networks.append(entry)
    path = GOLDEN / "backbones.json"
    path.write_text(json.dumps({"networks": networks}, separators=(",", ":")) + "\n")
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
