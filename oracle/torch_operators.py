"""Golden values of every operator and of its gradients, by PyTorch: test/golden/operators.json.

    python oracle/torch_operators.py

Attributes carry the names of medvox/graph; `README.md` says what each means. Sizes are odd and even, batches 1 to 3,
2D and 3D alike; the cases named "layer …" have the channel counts and maps of real networks, where the choice among
equivalent forms of an operator is made, and are stored as samples.
"""

import itertools

import torch
import torch.nn.functional as F
import torchvision

from torch_formula import Cases, Inputs, write
from torch_roi_align import roi_align

torch.set_num_threads(2)
inputs = Inputs(first_seed=10_000)
cases = Cases(inputs)
DIMENSIONS = (2, 3)
CONV = {2: F.conv2d, 3: F.conv3d}
CONV_TRANSPOSE = {2: F.conv_transpose2d, 3: F.conv_transpose3d}
MAX_POOL = {2: F.max_pool2d, 3: F.max_pool3d}
AVERAGE_POOL = {2: F.avg_pool2d, 3: F.avg_pool3d}
ODD = {2: (9, 7), 3: (7, 5, 6)}
EVEN = {2: (8, 10), 3: (6, 8, 4)}
batches = itertools.cycle((1, 2, 3))


def conv(name, n, ci, co, size, kernel, bias=True, stride=1, padding=0, dilation=1, groups=1):
    d = len(size)
    kernel = (kernel,) * d if isinstance(kernel, int) else kernel
    given = [inputs.real(n, ci, *size), inputs.real(co, ci // groups, *kernel)]
    given += [inputs.real(co)] if bias else []
    attributes = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}

    def reference(x, w, b=None):
        return CONV[d](x, w, b, stride, padding, dilation, groups)

    cases.add("conv", f"{d}D {name}", given, attributes, reference)


def convolutions():
    for d in DIMENSIONS:
        for size, parity in ((ODD[d], "odd"), (EVEN[d], "even")):
            for kernel, stride, padding in ((1, 1, 0), (1, 2, 0), (2, 2, 0), (3, 1, 0), (3, 1, 1), (3, 2, 1), (3, 3, 2)):
                n = next(batches)
                conv(f"k{kernel} s{stride} p{padding} {parity}", n, 3, 4, size, kernel, stride=stride, padding=padding)
        big = {2: (19, 16), 3: (11, 12, 9)}[d]
        conv("k7 s2 p3, the stem", 2, 1, 4, big, 7, bias=False, stride=2, padding=3)
        conv("k5 s1 p2", 1, 2, 3, big, 5, padding=2)
        conv("k4 s2 p1", 2, 2, 3, big, 4, stride=2, padding=1)
        for dilation, edge in itertools.product((2, 4), (5, 6, 7, 8)):
            # Most taps of these meet zero padding: the dilated layers of MedicalNet at small inputs.
            size = (edge, edge + 1, edge)[:d]
            conv(f"dilation {dilation} on {edge}", next(batches), 3, 4, size, 3, padding=dilation, dilation=dilation)
        conv("dilation 2 p0", 1, 2, 3, (9, 8, 7)[:d], 3, dilation=2)
        conv("dilation 2 s2 p2", 2, 2, 3, (9, 8, 7)[:d], 3, dilation=2, stride=2, padding=2)
        conv("dilation 5 beyond the map", 2, 2, 3, (4, 3, 4)[:d], 3, dilation=5, padding=5)
        conv("groups 2", 2, 4, 6, ODD[d], 3, padding=1, groups=2)
        conv("groups 2 s2", 3, 4, 4, EVEN[d], 3, padding=1, stride=2, groups=2)
        conv("depthwise", 2, 4, 4, ODD[d], 3, padding=1, groups=4)
        conv("depthwise ×2 s2 dilation 2", 1, 3, 6, EVEN[d], 3, padding=2, stride=2, dilation=2, groups=3)
        conv("per axis", 2, 2, 3, ODD[d], (3, 1, 2)[:d], stride=(2, 1, 1)[:d], padding=(1, 0, 1)[:d])
        conv("per axis dilation", 1, 2, 3, (9, 8, 7)[:d], (3, 2, 3)[:d], padding=(2, 0, 1)[:d], dilation=(2, 3, 1)[:d])
        conv("kernel as large as the map", 3, 3, 5, (4, 3, 5)[:d], (4, 3, 5)[:d])
        conv("padding beyond the kernel", 1, 2, 2, (4, 3, 5)[:d], 2, padding=3)
        conv("s3 leaves a remainder", 2, 2, 3, (9, 8, 10)[:d], 2, stride=3)
        conv("no bias", 2, 3, 2, ODD[d], 3, bias=False, padding=1)
        conv("one voxel", 2, 4, 3, (1, 1, 1)[:d], 3, padding=1)
    layers_3d = (
        ("stem 1→64 k7 s2", 2, 1, 64, 24, 7, 2, 3, 1),
        ("64→64 12³", 2, 64, 64, 12, 3, 1, 1, 1),
        ("64→128 s2", 2, 64, 128, 12, 3, 2, 1, 1),
        ("64→128 k1 s2", 2, 64, 128, 12, 1, 2, 0, 1),
        ("256→64 k1", 1, 256, 64, 8, 1, 1, 0, 1),
        ("128→256 6³ dilation 2", 2, 128, 256, 6, 3, 1, 2, 2),
        ("256→256 6³ dilation 4", 2, 256, 256, 6, 3, 1, 4, 4),
        ("16→16 32³", 1, 16, 16, 32, 3, 1, 1, 1),
        ("32→16 24³", 2, 32, 16, 24, 3, 1, 1, 1),
        ("16→3 k1 24³", 1, 16, 3, 24, 1, 1, 0, 1),
    )
    for name, n, ci, co, edge, k, s, p, dilation in layers_3d:
        conv(f"layer {name}", n, ci, co, (edge,) * 3, k, bias=False, stride=s, padding=p, dilation=dilation)
    conv("layer 64→64 30×40", 2, 64, 64, (30, 40), 3, padding=1)
    conv("layer 256→256 s2 15×20", 1, 256, 256, (15, 20), 3, stride=2, padding=1)
    conv("layer 3→64 k7 s2 60×80", 1, 3, 64, (60, 80), 7, stride=2, padding=3)
    conv("layer 512→512 dilation 2 8×10", 1, 512, 512, (8, 10), 3, padding=2, dilation=2)
    conv("layer depthwise 32", 2, 32, 32, (28, 28), 3, stride=2, padding=1, groups=32)


def wide_layers():
    """Enough channels for the forms of convolutions that lowering chooses, on maps small enough to store."""
    for d in DIMENSIONS:
        odd, even = {2: ((7, 9), (8, 6)), 3: ((5, 4, 6), (4, 6, 4))}[d]
        for n, size, kernel, stride, padding, dilation in (
            (2, odd, 3, 1, 1, 1),
            (3, even, 3, 2, 1, 1),
            (1, odd, 3, 2, 1, 1),
            (2, odd, 3, 1, 0, 1),
            (1, odd, 2, 2, 0, 1),
            (2, even, 2, 2, 0, 1),
            (1, even, 4, 2, 1, 1),
            (1, odd, 5, 1, 2, 1),
            (2, even, 1, 1, 0, 1),
            (1, odd, 1, 2, 0, 1),
            (2, odd, 3, 3, 2, 1),
            (1, (6, 5, 6)[:d], 3, 1, 2, 2),
            (2, (5, 4, 3)[:d], 3, 1, 4, 4),
            (1, (8, 7, 5)[:d], 3, 2, 2, 2),
            (2, odd, (3, 1, 2)[:d], (2, 1, 1)[:d], (1, 0, 1)[:d], 1),
            (1, (3, 2, 3)[:d], 3, 1, 1, 1),
            (3, (1, 1, 1)[:d], 3, 1, 1, 1),
            (1, (4, 3, 4)[:d], 2, 1, 3, 1),
        ):
            name = f"wide k{kernel} s{stride} p{padding} d{dilation} on {list(size)}"
            conv(name, n, 32, 40, size, kernel, stride=stride, padding=padding, dilation=dilation)
        conv("wide groups 2", 1, 64, 64, odd, 3, padding=1, groups=2)
        for n, size, kernel, stride, padding, extra in (
            (2, even, 2, 2, 0, 0),
            (1, odd, 2, 2, 0, 0),
            (1, (3, 2, 3)[:d], 3, 2, 1, 1),
            (2, (3, 2, 3)[:d], 4, 2, 1, 0),
            (1, odd, 3, 1, 1, 0),
            (1, even, 1, 1, 0, 0),
        ):
            name = f"wide k{kernel} s{stride} p{padding} output padding {extra} on {list(size)}"
            conv_transpose(name, n, 40, 32, size, kernel, stride=stride, padding=padding, output_padding=extra)


def conv_transpose(name, n, ci, co, size, kernel, bias=True, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    d = len(size)
    kernel = (kernel,) * d if isinstance(kernel, int) else kernel
    given = [inputs.real(n, ci, *size), inputs.real(ci, co // groups, *kernel)]
    given += [inputs.real(co)] if bias else []
    attributes = {
        "stride": stride,
        "padding": padding,
        "outputPadding": output_padding,
        "dilation": dilation,
        "groups": groups,
    }

    def reference(x, w, b=None):
        return CONV_TRANSPOSE[d](x, w, b, stride, padding, output_padding, groups, dilation)

    cases.add("convTranspose", f"{d}D {name}", given, attributes, reference)


def transposed_convolutions():
    for d in DIMENSIONS:
        size, even = (5, 3, 4)[:d], (4, 6, 2)[:d]
        conv_transpose("k2 s2", 1, 3, 2, size, 2, stride=2)
        conv_transpose("k2 s2 even", 2, 4, 3, even, 2, stride=2)
        conv_transpose("k3 s2 p1 output padding 1", 3, 2, 3, size, 3, stride=2, padding=1, output_padding=1)
        conv_transpose("k3 s2 p1", 2, 2, 3, even, 3, stride=2, padding=1)
        conv_transpose("k4 s2 p1", 1, 3, 2, size, 4, stride=2, padding=1)
        conv_transpose("k3 s1 p1", 2, 3, 2, even, 3, padding=1)
        conv_transpose("k3 s1 p0 no bias", 1, 2, 3, size, 3, bias=False)
        conv_transpose("k1", 1, 3, 2, size, 1)
        conv_transpose("k1 s2", 2, 3, 2, even, 1, stride=2)
        conv_transpose("k2 s3 gaps", 2, 2, 2, size, 2, stride=3)
        conv_transpose("dilation 2", 1, 2, 3, even, 3, stride=2, padding=2, output_padding=1, dilation=2)
        conv_transpose("groups 2", 2, 4, 4, size, 3, stride=2, padding=1, groups=2)
        conv_transpose("depthwise", 2, 3, 3, even, 2, stride=2, groups=3)
        conv_transpose("per axis", 1, 2, 3, size, (3, 2, 1)[:d], stride=(2, 2, 1)[:d], padding=(1, 0, 0)[:d])
    conv_transpose("layer 64→32 k2 s2", 2, 64, 32, (6, 6, 6), 2, stride=2)
    conv_transpose("layer 64→32 k2 s2", 2, 64, 32, (14, 10), 2, stride=2)


def pooling():
    settings = ((2, 2, 0), (3, 2, 1), (3, 1, 1), (3, 3, 0), (2, 1, 0), (3, 2, 0), (4, 3, 2))
    for d in DIMENSIONS:
        for size, parity in ((ODD[d], "odd"), (EVEN[d], "even")):
            for kernel, stride, padding in settings:
                n = next(batches)
                name = f"{d}D k{kernel} s{stride} p{padding} {parity}"
                attributes = {"kernel": kernel, "stride": stride, "padding": padding}
                x = inputs.real(n, 3, *size)
                cases.add("maxPool", name, [x], attributes, lambda x: MAX_POOL[d](x, kernel, stride, padding))
                for counted in (True, False) if padding else (True,):
                    suffix = "" if counted else ", padding not counted"
                    cases.add(
                        "averagePool",
                        name + suffix,
                        [inputs.real(n, 3, *size)],
                        attributes | {"countIncludePad": counted},
                        lambda x: AVERAGE_POOL[d](x, kernel, stride, padding, False, counted),
                    )
        kernel, stride, padding = (3, 2, 1)[:d], (2, 1, 1)[:d], (1, 0, 0)[:d]
        attributes = {"kernel": kernel, "stride": stride, "padding": padding}
        x = inputs.real(2, 2, *ODD[d])
        cases.add("maxPool", f"{d}D per axis", [x], attributes, lambda x: MAX_POOL[d](x, kernel, stride, padding))
        cases.add(
            "averagePool",
            f"{d}D per axis",
            [inputs.real(2, 2, *ODD[d])],
            attributes | {"countIncludePad": False},
            lambda x: AVERAGE_POOL[d](x, kernel, stride, padding, False, False),
        )
        # Of equal values the first in C order takes the whole gradient.
        tied = inputs.values([float(i * 7 % 3) for i in range(2 * 6**d)], (1, 2) + (6,) * d)
        attributes = {"kernel": 3, "stride": 2, "padding": 1}
        cases.add("maxPool", f"{d}D ties", [tied], attributes, lambda x: MAX_POOL[d](x, 3, 2, 1))
        negative = inputs.real(1, 2, *EVEN[d], low=-3, high=-1)
        cases.add("maxPool", f"{d}D below zero", [negative], attributes, lambda x: MAX_POOL[d](x, 3, 2, 1))
        for n in (1, 3):
            x = inputs.real(n, 4, *ODD[d])
            cases.add("globalAveragePool", f"{d}D batch {n}", [x], {}, lambda x: x.mean(list(range(2, x.ndim)), True))
    x = inputs.real(2, 64, 12, 12, 12)
    attributes = {"kernel": 3, "stride": 2, "padding": 1}
    cases.add("maxPool", "3D layer 64 12³", [x], attributes, lambda x: F.max_pool3d(x, 3, 2, 1))


def normalisation():
    def batch_norm(name, x, training, channels, epsilon=1e-5, momentum=0.1):
        given = [
            x,
            inputs.real(channels, low=0.5, high=1.5),
            inputs.real(channels),
            inputs.real(channels, low=-0.5, high=0.5, differentiable=False),
            inputs.real(channels, low=0.5, high=1.5, differentiable=False),
        ]

        def reference(x, w, b, mean, variance):
            mean, variance = mean.clone(), variance.clone()
            y = F.batch_norm(x, mean, variance, w, b, training, momentum, epsilon)
            return (y, mean, variance) if training else y

        attributes = {"training": training, "momentum": momentum, "epsilon": epsilon}
        cases.add("batchNorm", name, given, attributes, reference)

    for d in DIMENSIONS:
        for n, size in ((1, ODD[d]), (2, EVEN[d]), (3, (2, 1, 3)[:d])):
            for training in (True, False):
                mode = "training" if training else "evaluation"
                batch_norm(f"{d}D {mode} batch {n}", inputs.real(n, 3, *size, low=-1, high=2), training, 3)
            x = lambda: inputs.real(n, 4, *size, low=-1, high=3)  # noqa: E731
            scale = lambda count=4: inputs.real(count, low=0.5, high=1.5)  # noqa: E731
            if n != 3:
                cases.add(
                    "instanceNorm",
                    f"{d}D batch {n}",
                    [x(), scale(), inputs.real(4)],
                    {"epsilon": 1e-5},
                    lambda x, w, b: F.instance_norm(x, weight=w, bias=b, eps=1e-5),
                )
            for groups in (1, 2) if n == 3 else (1, 2, 4):
                cases.add(
                    "groupNorm",
                    f"{d}D batch {n} groups {groups}",
                    [x(), scale(), inputs.real(4)],
                    {"groups": groups, "epsilon": 1e-5},
                    lambda x, w, b: F.group_norm(x, groups, w, b, 1e-5),
                )
    for d in DIMENSIONS:
        over = [0, *range(2, 2 + d)]
        cases.add(
            "batchStatistics",
            f"{d}D mean + variance",
            [inputs.real(2, 3, *ODD[d], low=-1, high=2)],
            {},
            lambda x: x.mean(over) + x.var(over, unbiased=False),
        )
        given = [inputs.real(2, 3, *ODD[d]), inputs.real(3), inputs.real(3)]
        column = (1, 3) + (1,) * d
        cases.add("channelAffine", f"{d}D", given, {}, lambda x, a, b: x * a.reshape(column) + b.reshape(column))
    batch_norm("2 axes training", inputs.real(5, 4), True, 4)
    batch_norm("2 axes evaluation", inputs.real(3, 4), False, 4)
    batch_norm("3D training far from zero", inputs.real(2, 2, 4, 3, 5, low=9, high=11), True, 2)
    batch_norm("3D training very far from zero", inputs.real(2, 2, 4, 3, 5, low=99, high=101), True, 2)
    batch_norm("3D training other settings", inputs.real(2, 2, 4, 3, 5), True, 2, epsilon=1e-3, momentum=0.01)
    batch_norm("3D training layer 64 12³", inputs.real(2, 64, 12, 12, 12), True, 64)
    batch_norm("3D evaluation layer 64 12³", inputs.real(2, 64, 12, 12, 12), False, 64)
    for shape, axes in (((3, 7), 1), ((2, 5, 6), 1), ((2, 3, 4, 5), 2), ((1, 2, 3, 4, 5), 3)):
        normalised = shape[-axes:]
        cases.add(
            "layerNorm",
            f"{list(shape)} over the last {axes}",
            [inputs.real(*shape, low=-1, high=2), inputs.real(*normalised, low=0.5, high=1.5), inputs.real(*normalised)],
            {"axes": axes, "epsilon": 1e-5},
            lambda x, w, b: F.layer_norm(x, normalised, w, b, 1e-5),
        )


def products():
    shapes = (
        ((3, 4), (4, 5)),
        ((1, 7), (7, 1)),
        ((2, 3, 4), (2, 4, 5)),
        ((2, 3, 4), (4, 5)),
        ((3, 4), (2, 4, 5)),
        ((1, 3, 4), (5, 4, 2)),
        ((2, 1, 3, 4), (3, 4, 5)),
        ((2, 3, 2, 3, 4), (2, 1, 1, 4, 2)),
    )
    for a, b in shapes:
        cases.add("matmul", f"{list(a)} · {list(b)}", [inputs.real(*a), inputs.real(*b)], {}, torch.matmul)
    for a, b, flags in (
        ((4, 3), (4, 5), (True, False)),
        ((2, 3, 4), (5, 4), (False, True)),
        ((2, 4, 3), (2, 5, 4), (True, True)),
    ):
        attributes = {"transposeA": flags[0], "transposeB": flags[1], "alpha": 0.5}

        def product(x, y):
            return 0.5 * torch.matmul(x.mT if flags[0] else x, y.mT if flags[1] else y)

        cases.add("matmul", f"{list(a)} · {list(b)} transposed {flags}", [inputs.real(*a), inputs.real(*b)], attributes, product)
    for shape, bias in (((1, 5), True), ((3, 5), True), ((3, 5), False), ((2, 5, 1, 1), True), ((2, 5, 1, 1, 1), True)):
        given = [inputs.real(*shape), inputs.real(4, 5)] + ([inputs.real(4)] if bias else [])
        name = f"{list(shape)}{'' if bias else ' no bias'}"
        cases.add("linear", name, given, {}, lambda x, w, b=None: F.linear(x.flatten(1), w, b))
    given = [inputs.real(4, 512), inputs.real(256, 512), inputs.real(256)]
    cases.add("linear", "layer 512→256", given, {}, F.linear)


def resizing():
    linear = {2: "bilinear", 3: "trilinear"}
    targets = {
        2: (((5, 4), (10, 8)), ((5, 4), (9, 11)), ((9, 8), (4, 3)), ((6, 7), (6, 3)), ((3, 1), (5, 4)), ((4, 5), (1, 1))),
        3: (
            ((3, 4, 5), (6, 8, 10)),
            ((3, 4, 2), (5, 7, 9)),
            ((7, 6, 5), (3, 4, 2)),
            ((4, 4, 3), (4, 2, 6)),
            ((1, 3, 2), (4, 5, 2)),
            ((3, 4, 2), (1, 1, 1)),
        ),
    }
    for d in DIMENSIONS:
        for source, target in targets[d]:
            n = next(batches)
            change = f"{d}D {list(source)} to {list(target)}"
            for aligned in (False, True):
                cases.add(
                    "resize",
                    f"linear {change}{', corners aligned' if aligned else ''}",
                    [inputs.real(n, 2, *source)],
                    {"size": target, "mode": "linear", "alignCorners": aligned},
                    lambda x: F.interpolate(x, target, mode=linear[d], align_corners=aligned),
                )
            cases.add(
                "resize",
                f"nearest {change}",
                [inputs.real(n, 2, *source)],
                {"size": target, "mode": "nearest"},
                lambda x: F.interpolate(x, target, mode="nearest"),
            )
    cases.add(
        "resize",
        "linear 3D layer 6³ to 24³",
        [inputs.real(2, 16, 6, 6, 6)],
        {"size": (24, 24, 24), "mode": "linear", "alignCorners": False},
        lambda x: F.interpolate(x, (24, 24, 24), mode="trilinear", align_corners=False),
    )


def regions():
    # Ordinary, tiny, outside at both ends, thinner than a voxel, reaching beyond the map.
    boxes = {
        2: [[1.0, 2.0, 9.5, 8.25], [0, 0, 4, 4], [-3, -2, 3.5, 5], [5.2, 6.1, 5.6, 6.3], [7, 5, 19, 14], [2.5, 1, 6, 11]],
        3: [
            [1.0, 2.0, 0.5, 9.5, 8.25, 6],
            [0, 0, 0, 4, 4, 4],
            [-3, -2, -1, 3.5, 5, 3],
            [5.2, 6.1, 2.2, 5.6, 6.3, 2.4],
            [6, 5, 3, 17, 14, 12],
        ],
    }
    sizes = {2: (9, 11), 3: (7, 9, 10)}
    for d in DIMENSIONS:
        for n, aligned, ratio, scale in (
            (1, True, 2, 1.0),
            (2, False, 2, 1.0),
            (2, True, 1, 0.5),
            (3, False, 1, 0.5),
            (2, True, 0, 1.0),
            (3, False, 0, 1.0),
            (2, True, 0, 0.25),
        ):
            output = (3, 2, 2)[:d] if ratio == 1 else (2, 3, 2)[:d]
            count = len(boxes[d])
            given = [
                inputs.real(n, 2, *sizes[d]),
                inputs.values(boxes[d], differentiable=False),
                inputs.values([i % n for i in range(count)], dtype="int64"),
            ]

            def reference(x, b, owner):
                value = roi_align(x, b, owner, output, scale, ratio, aligned)
                if d == 2:
                    rows = torch.cat([owner[:, None].to(b.dtype), b], 1)
                    original = torchvision.ops.roi_align(x, rows, output, scale, ratio, aligned)
                    assert torch.allclose(value, original, atol=1e-12), "roi_align differs from torchvision's"
                    return original
                return value

            name = f"{d}D batch {n} ratio {ratio} scale {scale}{' aligned' if aligned else ''}"
            attributes = {"size": output, "samplingRatio": ratio, "spatialScale": scale, "aligned": aligned}
            cases.add("roiAlign", name, given, attributes, reference)


def shapes():
    for d in DIMENSIONS:
        a, b = inputs.real(2, 3, *ODD[d]), inputs.real(2, 1, *ODD[d])
        cases.add("concat", f"{d}D channels", [a, b], {"axis": 1}, lambda *x: torch.cat(x, 1))
        three = [inputs.real(1, 2, *(k, 3, 2)[:d]) for k in (1, 2, 4)]
        cases.add("concat", f"{d}D three on the first spatial axis", three, {"axis": 2}, lambda *x: torch.cat(x, 2))
        last = [inputs.real(3, 2, *(3, 4, 2)[: d - 1], k) for k in (2, 3)]
        cases.add("concat", f"{d}D axis -1", last, {"axis": -1}, lambda *x: torch.cat(x, -1))
        x = inputs.real(2, 2, *ODD[d])
        low, high = (1,) * d, tuple(k + 2 for k in range(d))
        width = tuple(itertools.chain.from_iterable(zip(reversed(low), reversed(high))))
        attributes = {"before": (0, 0) + low, "after": (0, 0) + high, "value": 0}
        cases.add("pad", f"{d}D zeros", [x], attributes, lambda x: F.pad(x, width))
        attributes = {"before": (0, 1) + low, "after": (2, 0) + high, "value": -1.5}
        x = inputs.real(1, 2, *EVEN[d])
        cases.add("pad", f"{d}D all axes with a value", [x], attributes, lambda x: F.pad(x, width + (1, 0, 0, 2), value=-1.5))
    for name, shape, starts, ends, axes, steps in (
        ("one axis", (2, 5, 4), (1,), (4,), (1,), (1,)),
        ("two axes", (2, 5, 4), (0, 2), (1, 4), (0, 2), (1, 1)),
        ("steps", (3, 7, 6, 5), (1, 0, 1), (7, 6, 4), (1, 2, 3), (2, 3, 2)),
        ("negative bounds", (2, 6, 5), (-4, 1), (-1, -2), (1, 2), (1, 1)),
        ("subsampling in 3D", (2, 3, 5, 4, 6), (0, 0, 0), (5, 4, 6), (2, 3, 4), (2, 2, 2)),
    ):
        index = [slice(None)] * len(shape)
        for start, end, axis, step in zip(starts, ends, axes, steps):
            index[axis] = slice(start, end, step)
        attributes = {"starts": starts, "ends": ends, "axes": axes, "steps": steps}
        cases.add("slice", name, [inputs.real(*shape)], attributes, lambda x: x[tuple(index)])
    for shape, target in (((2, 3, 4), (6, 4)), ((2, 3, 4), (2, -1)), ((6,), (1, 2, 3)), ((1, 2, 3, 4, 5), (2, 15, 4))):
        cases.add("reshape", f"{list(shape)} to {list(target)}", [inputs.real(*shape)], {"shape": target}, lambda x: x.reshape(target))
    for permutation in ((1, 0), (0, 2, 1), (0, 2, 3, 1), (0, 2, 3, 4, 1), (4, 1, 3, 0, 2)):
        x = inputs.real(*(2, 3, 4, 5, 3)[: len(permutation)])
        cases.add("transpose", f"{list(permutation)}", [x], {"permutation": permutation}, lambda x: x.permute(permutation))
    for shape, axis, indices in (((5, 3), 0, [4, 0, 0, 2]), ((2, 6, 3), 1, [5, 1]), ((2, 2, 3, 4), -1, [3, 2, 1, 0, 3])):
        given = [inputs.real(*shape), inputs.values(indices, dtype="int64")]
        cases.add("gather", f"{list(shape)} axis {axis}", given, {"axis": axis}, lambda x, i: x.index_select(axis, i))
    for shape, target in (((1, 3, 1), (2, 3, 4)), ((3, 1), (2, 3, 5)), ((), (2, 2))):
        cases.add("expand", f"{list(shape)} to {list(target)}", [inputs.real(*shape)], {"shape": target}, lambda x: x.expand(target))
    for shape, axis, indices in (((4, 3), 0, [[0, 2, 1], [0, 0, 1], [3, 2, 1], [0, 1, 0]]), ((2, 3), 1, [[4, 4, 0], [1, 2, 3]])):
        given = [inputs.real(*shape), inputs.values(indices, dtype="int64")]
        target = tuple(5 if i == axis else n for i, n in enumerate(shape))

        def scattered(x, i):
            return x.new_zeros(target).scatter_add(axis, i, x)

        cases.add("scatterAdd", f"{list(shape)} axis {axis}", given, {"axis": axis, "shape": target}, scattered)
    for shape, axis, indices in (
        ((3, 4), 1, [[0, 3], [2, 2], [1, 0]]),
        ((3, 4), 0, [[2, 0, 1, 1]]),
        ((2, 3, 3), 1, [[[0, 1, 2], [2, 2, 0]], [[1, 1, 1], [0, 2, 1]]]),
    ):
        given = [inputs.real(*shape), inputs.values(indices, dtype="int64")]
        cases.add("gatherElements", f"{list(shape)} axis {axis}", given, {"axis": axis}, lambda x, i: x.gather(axis, i))


def reductions():
    functions = {"sum": torch.sum, "mean": torch.mean, "max": torch.amax, "min": torch.amin}
    functions["sumSquare"] = lambda x, dim, keepdim: (x * x).sum(dim, keepdim)
    settings = (((2, 3, 4), (1,)), ((3, 5), (0,)), ((3, 5), (-1,)), ((2, 3, 4, 5), (2, 3)), ((1, 2, 3, 4, 5), (0, 2, 3, 4)), ((3, 4), (0, 1)))
    for (op, function), (shape, axes), keep in itertools.product(functions.items(), settings, (True, False)):
        name = f"{list(shape)} over {list(axes)}{' kept' if keep else ''}"
        attributes = {"axes": axes, "keepDims": keep}
        cases.add(op, name, [inputs.real(*shape)], attributes, lambda x: function(x, dim=axes, keepdim=keep))


    for shape, axis, keep in (((3, 5), 1, False), ((2, 3, 4), 0, True), ((2, 4, 3, 2), -3, False)):
        x = inputs.real(*shape, differentiable=False)
        attributes = {"axis": axis, "keepDims": keep}
        cases.add("argMax", f"{list(shape)} axis {axis}", [x], attributes, lambda x: x.argmax(axis, keep).double())


def arithmetic():
    pairs = (
        ((2, 3), (2, 3)),
        ((2, 3, 4), (4,)),
        ((3, 1), (1, 4)),
        ((1, 3, 1, 1), (2, 3, 4, 5)),
        ((2, 3, 3, 2, 4), (3, 1, 1, 1)),
        ((2, 3), ()),
    )
    functions = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "maximum": torch.maximum, "minimum": torch.minimum}
    for (op, function), (a, b) in itertools.product(functions.items(), pairs):
        cases.add(op, f"{list(a)}, {list(b)}", [inputs.real(*a), inputs.real(*b)], {}, function)
    for a, b in pairs:
        given = [inputs.real(*a), inputs.real(*b, low=0.5, high=2)]
        cases.add("div", f"{list(a)}, {list(b)}", given, {}, torch.div)
        given = [inputs.real(*a, low=0.25, high=2), inputs.real(*b, low=-2, high=2)]
        cases.add("pow", f"{list(a)}, {list(b)}", given, {}, torch.pow)
    for exponent in (2, 3, 0.5, -1):
        low = -1 if exponent in (2, 3) else 0.25
        given = [inputs.real(2, 3, 4, low=low, high=2), inputs.values([float(exponent)], (), differentiable=False)]
        cases.add("pow", f"to the {exponent}", given, {}, torch.pow)
    comparisons = {
        "greater": torch.gt,
        "greaterOrEqual": torch.ge,
        "less": torch.lt,
        "lessOrEqual": torch.le,
        "equal": torch.eq,
    }
    for op, function in comparisons.items():
        a = inputs.values([0.0, 1, 2, 3, 4, 5], (2, 3), differentiable=False)
        b = inputs.values([0.0, 2, 1], (3,), differentiable=False)
        cases.add(op, "broadcast", [a, b], {}, lambda a, b: function(a, b).double())
    for shape, other, condition in (((2, 3), (2, 3), [1, 0, 0, 1, 1, 0]), ((2, 3), (), [0, 1, 1, 0, 0, 1]), ((2, 2, 3), (3,), [1, 0, 1])):
        mask = inputs.values([bool(c) for c in condition], (2, 3) if len(condition) == 6 else (3,), dtype="bool")
        given = [mask, inputs.real(*shape), inputs.real(*other)]
        cases.add("where", f"{list(shape)}, {list(other)}", given, {}, torch.where)
    masks = [inputs.values([bool(c) for c in bits], (2, 2), dtype="bool") for bits in ((1, 1, 0, 0), (1, 0, 1, 0))]
    cases.add("and", "[2, 2]", masks, {}, lambda a, b: (a & b).double())
    cases.add("or", "[2, 2]", masks, {}, lambda a, b: (a | b).double())
    cases.add("not", "[2, 2]", masks[:1], {}, lambda a: (~a).double())
    whole = inputs.values([-2.7, -0.5, 0, 0.5, 1.9, 3.0], (2, 3), differentiable=False)
    cases.add("cast", "float32 to int64", [whole], {"to": "int64"}, lambda x: x.long().double())
    truth = inputs.values([True, False, True], dtype="bool")
    cases.add("cast", "bool to float32", [truth], {"to": "float32"}, lambda x: x.double())
    count = inputs.values([-3, 0, 70000], dtype="int64")
    cases.add("cast", "int64 to float32", [count], {"to": "float32"}, lambda x: x.double())
    cases.add("stopGradient", "x · stop(x)", [inputs.real(2, 5)], {}, lambda x: x * x.detach())


def functions():
    for op, function, low, high in (
        ("neg", torch.neg, -1, 1),
        ("exp", torch.exp, -2, 2),
        ("log", torch.log, 0.1, 3),
        ("sqrt", torch.sqrt, 0.1, 3),
        ("abs", torch.abs, -1, 1),
        ("reciprocal", torch.reciprocal, 0.25, 2),
        ("square", torch.square, -1, 1),
        ("sign", torch.sign, -1, 1),
        ("floor", torch.floor, -3, 3),
        ("relu", F.relu, -1, 1),
        ("sigmoid", torch.sigmoid, -4, 4),
        ("tanh", torch.tanh, -3, 3),
        ("softplus", F.softplus, -4, 4),
    ):
        for shape in ((3, 7), (2, 3, 4, 5), (1, 2, 3, 5, 4)):
            cases.add(op, f"{list(shape)}", [inputs.real(*shape, low=low, high=high)], {}, function)
    for op, function in (("sigmoid", torch.sigmoid), ("tanh", torch.tanh), ("softplus", F.softplus)):
        cases.add(op, "far out", [inputs.real(4, 9, low=-60, high=60)], {}, function)
    for slope in (0.01, 0.2):
        x = inputs.real(2, 3, 4, 5)
        cases.add("leakyRelu", f"slope {slope}", [x], {"slope": slope}, lambda x: F.leaky_relu(x, slope))
    for low, high in ((-0.5, 0.25), (0, None), (None, 0.1)):
        attributes = {k: v for k, v in (("min", low), ("max", high)) if v is not None}
        cases.add("clip", f"{low} to {high}", [inputs.real(2, 3, 5)], attributes, lambda x: torch.clamp(x, low, high))
    for op, function in (("softmax", torch.softmax), ("logSoftmax", torch.log_softmax)):
        for shape, axis in (((3, 5), 1), ((2, 3, 4, 5), 1), ((2, 3, 4, 2, 3), 1), ((2, 3, 4), -1), ((4, 3), 0)):
            x = inputs.real(*shape, low=-3, high=3)
            cases.add(op, f"{list(shape)} axis {axis}", [x], {"axis": axis}, lambda x: function(x, axis))
        x = inputs.real(2, 4, 3, low=-80, high=80)
        cases.add(op, "far out", [x], {"axis": 1}, lambda x: function(x, 1))
    # Where a function has a corner, PyTorch's choice of slope: images are full of exact zeros. Clip's is
    # left out: at its bounds PyTorch 2.15 stops the gradient and medvox lets it pass.
    corner = (-1.0, -0.0, 0.0, 0.5, 1.0)
    for op, function, attributes in (
        ("relu", F.relu, {}),
        ("abs", torch.abs, {}),
        ("leakyRelu", lambda x: F.leaky_relu(x, 0.1), {"slope": 0.1}),
    ):
        cases.add(op, "at the corner", [inputs.values(list(corner))], attributes, function)
    for op, function in (("maximum", torch.maximum), ("minimum", torch.minimum)):
        pair = [inputs.values([0.0, 1.0, 2.0]), inputs.values([0.0, 2.0, 1.0])]
        cases.add(op, "at the corner", pair, {}, function)
    for op, function in (("max", torch.amax), ("min", torch.amin)):
        x = inputs.values([1.0, 1.0, 0.0, 2.0, 2.0, 2.0], (2, 3))
        cases.add(op, "ties share", [x], {"axes": (1,), "keepDims": False}, lambda x: function(x, dim=1))


for group in (
    convolutions,
    transposed_convolutions,
    wide_layers,
    pooling,
    normalisation,
    products,
    resizing,
    regions,
    shapes,
    reductions,
    arithmetic,
    functions,
):
    group()

write(
    "operators.json",
    {"madeBy": f"oracle/torch_operators.py, PyTorch {torch.__version__}, float64", "cases": cases.cases},
    lists=("cases",),
)
print(f"{len(cases.cases)} cases of {len({c['op'] for c in cases.cases})} operators")
