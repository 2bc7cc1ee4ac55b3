"""The two networks that the optimizer fixtures train, and weights by formula for any PyTorch module.

Both: conv 3³ → batch norm → relu → conv 3³ stride 2 with bias → relu → global average → linear. No bias stands before the
batch norm: its gradient is zero but for rounding, and Adam would divide that noise by itself.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from torch_formula import u


class SmallNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv3d(1, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm3d(4)
        self.conv2 = nn.Conv3d(4, 6, 3, stride=2, padding=1)
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.conv2(x))
        return self.fc(x.mean((2, 3, 4)))


class WideNetwork(nn.Module):
    """The kinds of layers whose weights lowering stores in its own layout: plain, dilated, strided and 1³, 32 channels."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv3d(1, 32, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm3d(32)
        self.conv2 = nn.Conv3d(32, 32, 3, padding=1)
        self.conv3 = nn.Conv3d(32, 40, 3, stride=2, padding=1, bias=False)
        self.bn3 = nn.BatchNorm3d(40)
        self.down = nn.Conv3d(32, 40, 1, stride=2, bias=False)
        self.conv4 = nn.Conv3d(40, 32, 3, padding=2, dilation=2)
        self.fc = nn.Linear(32, 3)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.conv2(x))
        x = F.relu(self.bn3(self.conv3(x)) + self.down(x))
        x = F.relu(self.conv4(x))
        return self.fc(x.mean((2, 3, 4)))


def value_by_formula(name, shape, number, seed=1):
    """The rule of shared/golden/README.md, with every weight of two axes or more taken as a filter bank."""
    r = u(number + 1000 * seed, math.prod(shape))
    if name.endswith("running_var"):
        v = 0.5 + r
    elif name.endswith("running_mean"):
        v = 0.2 * (r - 0.5)
    elif name.endswith("weight") and len(shape) >= 2:
        fan = math.prod(shape[1:])
        v = (r - 0.5) * 2 * math.sqrt(3 / fan) * 1.2
    elif name.endswith("weight"):
        v = 0.75 + 0.5 * r
    else:
        v = 0.2 * (r - 0.5)
    return torch.from_numpy(v.astype("float32").astype("float64")).reshape(shape)


def fill_by_formula(module, seed=1, shift=0.0):
    """
    Fills a module in place; names are numbered in plain string order, without num_batches_tracked. `shift` is added to
    the bias of every batch norm.
    """
    state = module.state_dict()
    names = sorted(n for n in state if not n.endswith("num_batches_tracked"))
    with torch.no_grad():
        for number, name in enumerate(names):
            state[name].copy_(value_by_formula(name, tuple(state[name].shape), number, seed))
        for norm in module.modules():
            if isinstance(norm, nn.BatchNorm3d):
                norm.bias += shift
    return names
