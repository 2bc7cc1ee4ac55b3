"""MedicalNet's 3D ResNets in PyTorch, written from their definition: the peer of medvox's `resnet3d`.

Dilated, output stride 8: layer2 has stride 2, layer3 dilation 2, layer4 dilation 4. Shortcut B is a 1³ convolution with
batch norm; shortcut A subsamples, appends zero channels and, as the original's `out.data` does, lets no gradient through.
State-dict names are the released files' own. `oracle/torch_medicalnet.py` checks it against the original's values.
"""

import torch
from torch import nn
from torch.nn import functional as F

# Kind of block, blocks per stage, shortcut as released.
DEPTHS = {
    10: ("basic", (1, 1, 1, 1), "B"),
    18: ("basic", (2, 2, 2, 2), "A"),
    34: ("basic", (3, 4, 6, 3), "A"),
    50: ("bottleneck", (3, 4, 6, 3), "B"),
}
# Width, stride, dilation of each stage.
STAGES = ((64, 1, 1), (128, 2, 1), (256, 1, 2), (512, 1, 4))


class ShortcutA(nn.Module):
    def __init__(self, channels, stride):
        super().__init__()
        self.channels, self.stride = channels, stride

    def forward(self, x):
        x = F.avg_pool3d(x.detach(), 1, self.stride)
        zeros = x.new_zeros(x.shape[0], self.channels - x.shape[1], *x.shape[2:])
        return torch.cat([x, zeros], 1)


def shortcut_b(inputs, channels, stride):
    return nn.Sequential(nn.Conv3d(inputs, channels, 1, stride, bias=False), nn.BatchNorm3d(channels))


class Basic(nn.Module):
    expansion = 1

    def __init__(self, inputs, width, stride, dilation, downsample):
        super().__init__()
        self.conv1 = nn.Conv3d(inputs, width, 3, stride, dilation, dilation, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(width, width, 3, 1, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm3d(width)
        self.downsample = downsample

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        y += x if self.downsample is None else self.downsample(x)
        return F.relu(y, inplace=True)


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inputs, width, stride, dilation, downsample):
        super().__init__()
        self.conv1 = nn.Conv3d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm3d(width)
        self.conv3 = nn.Conv3d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(4 * width)
        self.downsample = downsample

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        y += x if self.downsample is None else self.downsample(x)
        return F.relu(y, inplace=True)


class Encoder(nn.Module):
    """`taps` gives the maps after the stem (1/2), the pooling, layer1 (1/4) and layer2 to layer4 (1/8)."""

    def __init__(self, depth):
        super().__init__()
        kind, blocks, shortcut = DEPTHS[depth]
        block = {"basic": Basic, "bottleneck": Bottleneck}[kind]
        self.conv1 = nn.Conv3d(1, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm3d(64)
        inputs = 64
        for stage, (count, (width, stride, dilation)) in enumerate(zip(blocks, STAGES), start=1):
            outputs = width * block.expansion
            layers = []
            for number in range(count):
                s = stride if number == 0 else 1
                downsample = None
                if s != 1 or inputs != outputs:
                    downsample = ShortcutA(outputs, s) if shortcut == "A" else shortcut_b(inputs, outputs, s)
                layers.append(block(inputs, width, s, dilation, downsample))
                inputs = outputs
            setattr(self, f"layer{stage}", nn.Sequential(*layers))
        self.out_channels = inputs
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def taps(self, x):
        stem = F.relu(self.bn1(self.conv1(x)), inplace=True)
        pooled = F.max_pool3d(stem, 3, 2, 1)
        layer1 = self.layer1(pooled)
        layer2 = self.layer2(layer1)
        layer3 = self.layer3(layer2)
        layer4 = self.layer4(layer3)
        return {"stem": stem, "maxpool": pooled, "layer1": layer1, "layer2": layer2, "layer3": layer3, "layer4": layer4}


class ConvSeg(nn.Sequential):
    """The released code's own head; logits at 1/4 of the input."""

    def __init__(self, inputs, classes):
        super().__init__(
            nn.ConvTranspose3d(inputs, 32, 2, 2),
            nn.BatchNorm3d(32),
            nn.ReLU(inplace=True),
            nn.Conv3d(32, 32, 3, padding=1, bias=False),
            nn.BatchNorm3d(32),
            nn.ReLU(inplace=True),
            nn.Conv3d(32, classes, 1, bias=False),
        )


class UpLevel(nn.Module):
    """Reduce, up-sample to the tap's size, join, mix."""

    def __init__(self, inputs, tap, channels):
        super().__init__()
        self.reduce = nn.Conv3d(inputs, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(channels)
        self.mix = nn.Conv3d(channels + tap, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(channels)

    def forward(self, x, tap):
        y = F.relu(self.bn1(self.reduce(x)), inplace=True)
        y = F.interpolate(y, tap.shape[2:], mode="trilinear", align_corners=False)
        return F.relu(self.bn2(self.mix(torch.cat([y, tap], 1))), inplace=True)


class SkipDecoder(nn.Module):
    """medvox's `skipDecoder`: over the taps at 1/8, 1/4, 1/2 and 1; logits at the input's size."""

    def __init__(self, inputs, classes, channels=(64, 32, 16), taps=(64, 64, 1)):
        super().__init__()
        self.up1 = UpLevel(inputs, taps[0], channels[0])
        self.up2 = UpLevel(channels[0], taps[1], channels[1])
        self.up3 = UpLevel(channels[1], taps[2], channels[2])
        self.classify = nn.Conv3d(channels[2], classes, 1)

    def forward(self, taps, x):
        y = self.up1(taps["layer4"], taps["layer1"])
        y = self.up2(y, taps["stem"])
        return self.classify(self.up3(y, x))


class SkipNetwork(Encoder):
    """Encoder and skip decoder: the network medvox segments the hippocampus with."""

    def __init__(self, depth, classes):
        super().__init__(depth)
        self.decoder = SkipDecoder(self.out_channels, classes)

    def forward(self, x):
        return self.decoder(self.taps(x), x)


class MedicalNet(Encoder):
    """Encoder and conv_seg, with the state-dict names of the original."""

    def __init__(self, depth, classes):
        super().__init__(depth)
        self.conv_seg = ConvSeg(self.out_channels, classes)

    def taps(self, x):
        taps = super().taps(x)
        return taps | {"conv_seg": self.conv_seg(taps["layer4"])}

    def forward(self, x):
        return self.taps(x)["conv_seg"]
