"""Encoders that no released file or golden value covers, by PyTorch in float64: test/golden/encoders.json.

    python oracle/torch_encoders.py

- Output stride 32, several input channels, shortcuts A and B: MONAI's `ResNet`, whose stages have stride 2 and do not dilate and
  whose shortcut A cuts the gradient off as MedicalNet's does.
- The pre-activation network: 3D-ResNets-PyTorch's (models/pre_act_resnet.py) written anew, with MedicalNet's stem, strides and
  dilation, since Med3D's own was never released: norm and ReLU before each convolution, the shortcut over the bare input,
  nothing after the last sum.

Maps at every tap in evaluation mode; of one pass in training mode the loss Σ mean(map · (2·u(6100 + i, …) − 1)) over the taps, and the norm
of every gradient, the input's included. Input 2·u(6000, …) − 1, weights by formula (seed 1); `shift` is added to the bias of every norm.
A gradient jumps where a ReLU's argument changes sign, so each entry is computed in float32, too, and must agree: a positive
shift keeps the many ReLUs of deep networks away from their corner. Where nearly all of them are open, a shift before a
convolution and another norm has no gradient but rounding; such are left out.
"""

import torch
import torch.nn.functional as F
from monai.networks.nets.resnet import ResNet
from torch import nn

from torch_formula import formula, stored, write
from torch_network import fill_by_formula

TAPS = ("half", "quarter", "eighth", "sixteenth", "thirtySecond")
STRIDES = {8: ((2, 1), (1, 2), (1, 4)), 32: ((2, 1), (2, 1), (2, 1))}


class Monai(nn.Module):
    """MONAI's network and its maps."""

    def __init__(self, kind, blocks, channels, shortcut):
        super().__init__()
        self.net = ResNet(
            kind, list(blocks), [64, 128, 256, 512], n_input_channels=channels, conv1_t_stride=2, shortcut_type=shortcut,
            feed_forward=False, bias_downsample=False,
        )  # fmt: skip

    def taps(self, x):
        stem = self.net.act(self.net.bn1(self.net.conv1(x)))
        maps = [stem]
        y = self.net.maxpool(stem)
        for layer in (self.net.layer1, self.net.layer2, self.net.layer3, self.net.layer4):
            y = layer(y)
            maps.append(y)
        return dict(zip(TAPS, maps))


class ShortcutA(nn.Module):
    def __init__(self, channels, stride):
        super().__init__()
        self.channels, self.stride = channels, stride

    def forward(self, x):
        x = x.detach()[:, :, :: self.stride, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0) * 3 + (0, self.channels - x.shape[1]))


class PreBottleneck(nn.Module):
    def __init__(self, inputs, width, stride, dilation, downsample):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm3d(inputs), nn.Conv3d(inputs, width, 1, bias=False)
        self.bn2 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn3, self.conv3 = nn.BatchNorm3d(width), nn.Conv3d(width, 4 * width, 1, bias=False)
        self.downsample = downsample

    def forward(self, x):
        y = self.conv1(F.relu(self.bn1(x)))
        y = self.conv2(F.relu(self.bn2(y)))
        y = self.conv3(F.relu(self.bn3(y)))
        return y + (x if self.downsample is None else self.downsample(x))


class PreActivation(nn.Module):
    """The whole network is `net`, so that names are its own."""

    def __init__(self, blocks, channels, shortcut, output_stride):
        super().__init__()
        net = self.net = nn.Module()
        self.output_stride = output_stride
        net.conv1, net.bn1 = nn.Conv3d(channels, 64, 7, 2, 3, bias=False), nn.BatchNorm3d(64)
        inputs = 64
        stages = zip(blocks, (64, 128, 256, 512), ((1, 1), *STRIDES[output_stride]))
        for number, (count, width, (stride, dilation)) in enumerate(stages, start=1):
            layers = []
            for k in range(count):
                s = stride if k == 0 else 1
                downsample = None
                if s != 1 or inputs != 4 * width:
                    downsample = (
                        ShortcutA(4 * width, s)
                        if shortcut == "A"
                        else nn.Sequential(nn.Conv3d(inputs, 4 * width, 1, s, bias=False), nn.BatchNorm3d(4 * width))
                    )
                layers.append(PreBottleneck(inputs, width, s, dilation, downsample))
                inputs = 4 * width
            net.add_module(f"layer{number}", nn.Sequential(*layers))

    def taps(self, x):
        net = self.net
        stem = F.relu(net.bn1(net.conv1(x)))
        maps = [stem]
        y = F.max_pool3d(stem, 3, 2, 1)
        for layer in (net.layer1, net.layer2, net.layer3, net.layer4):
            y = layer(y)
            maps.append(y)
        if self.output_stride == 8:
            return {"half": stem, "quarter": maps[1], "eighth": maps[4]}
        return dict(zip(TAPS, maps))


def passes(make, x, shift, dtype):
    """Maps in evaluation mode, then the loss and the norms of the gradients in training mode."""
    network = make()
    fill_by_formula(network.net, shift=shift)
    network.to(dtype)
    x = x.to(dtype)
    with torch.inference_mode():
        maps = network.eval().taps(x)
    x = x.clone().requires_grad_()
    trained = network.train().taps(x)
    weights = {tap: formula(y.shape, 6100 + i).to(dtype) for i, (tap, y) in enumerate(trained.items())}
    loss = sum((y * weights[tap]).mean() for tap, y in trained.items())
    loss.backward()
    norms = {n: p.grad.double().norm().item() for n, p in sorted(network.net.named_parameters())}
    return maps, loss.item(), norms | {"x": x.grad.double().norm().item()}


def entry(name, network, make, size, shift=0.0, sides=2):
    x = formula([sides, network["channels"], *size], 6000)
    maps, loss, norms = passes(make, x, shift, torch.float64)
    _, loss32, norms32 = passes(make, x, shift, torch.float32)
    usual_norm = sorted(norms.values())[len(norms) // 2]
    every = len(norms)
    norms = {n: v for n, v in norms.items() if v > 1e-3 * usual_norm}
    worst = max(abs(norms32[n] - v) / v for n, v in norms.items())
    print(f"{name}: float32 is off by {abs(loss32 - loss) / abs(loss):.0e} in the loss, {worst:.0e} in a norm ({len(norms)} of {every})")
    assert worst < 5e-5, "not determined in float32"
    return {
        "name": name,
        "network": network,
        "batch": sides,
        "size": list(size),
        "shift": shift,
        "taps": {tap: stored(y) for tap, y in maps.items()},
        "loss": loss,
        "gradientNorms": norms,
    }


def usual(depth, kind, blocks, shortcut, channels, **options):
    network = {"depth": depth, "shortcut": shortcut, "channels": channels, "outputStride": 32}
    name = f"ResNet-{depth}, shortcut {shortcut}, {channels} channels, output stride 32"
    return entry(name, network, lambda: Monai(kind, blocks, channels, shortcut), **options)


def pre(blocks, shortcut, channels, output_stride, **options):
    network = {"blocks": list(blocks), "shortcut": shortcut, "channels": channels, "outputStride": output_stride}
    name = f"pre-activation, {'-'.join(map(str, blocks))} blocks, shortcut {shortcut}, output stride {output_stride}"
    return entry(name, network, lambda: PreActivation(blocks, channels, shortcut, output_stride), **options)


if __name__ == "__main__":
    torch.set_num_threads(1)
    networks = [
        usual(10, "basic", (1, 1, 1, 1), "B", 3, size=(64, 48, 40), shift=1.0),
        usual(18, "basic", (2, 2, 2, 2), "A", 2, size=(40, 64, 48), shift=1.0),
        usual(34, "basic", (3, 4, 6, 3), "B", 1, size=(32, 64, 48), shift=2.0),
        usual(50, "bottleneck", (3, 4, 6, 3), "A", 1, size=(32, 64, 48), shift=2.0),
        pre((1, 2, 1, 1), "B", 2, 8, size=(24, 32, 24), shift=1.0),
        pre((2, 1, 1, 1), "A", 1, 8, size=(24, 32, 24), shift=1.0),
        pre((1, 1, 2, 1), "B", 1, 32, size=(48, 32, 64), shift=1.0),
        pre((3, 24, 36, 3), "B", 1, 8, size=(24, 32, 32), shift=3.0),
    ]
    write(
        "encoders.json",
        {"madeBy": f"oracle/torch_encoders.py, PyTorch {torch.__version__}, float64", "networks": networks},
        lists=("networks",),
    )
