"""What PyTorch does for the same layers; each function returns a callable that runs the work once and returns its results."""
import numpy as np
import torch
import torch.nn.functional as F


def t(a):
    return torch.from_numpy(np.array(a, dtype=np.float32))


def conv(which, x, w, dy, stride, pad, dil):
    """Eager convolution: forward, gradient to the input, to the weights, or both."""
    x, w = t(x), t(w)
    r = w.dim() - 2
    if which == "fwd":
        f = F.conv3d if r == 3 else F.conv2d
        def run():
            with torch.no_grad():
                return f(x, w, None, stride, pad, dil)
        return run
    dy = t(dy)
    mask = {"dx": [True, False, False], "dw": [False, True, False], "both": [True, True, False]}[which]
    def run():
        with torch.no_grad():
            out = torch.ops.aten.convolution_backward(dy, x, w, None, [stride] * r, [pad] * r, [dil] * r, False, [0] * r, 1, mask)
        return [o for o in out if o is not None]
    return run


def matmul(a, b):
    a, b = t(a), t(b)
    def run():
        with torch.no_grad():
            return torch.matmul(a, b)
    return run


def conv_all(x, w, dy, stride, pad, dil):
    """Forward and both gradients, as a training step runs them."""
    x, w, dy = t(x), t(w), t(dy)
    r = w.dim() - 2
    f = F.conv3d if r == 3 else F.conv2d
    def run():
        with torch.no_grad():
            y = f(x, w, None, stride, pad, dil)
            gx, gw, _ = torch.ops.aten.convolution_backward(dy, x, w, None, [stride] * r, [pad] * r, [dil] * r, False, [0] * r, 1, [True, True, False])
        return [y, gx, gw]
    return run
