"""RoIAlign in any number of spatial axes, written straight from its definition, differentiable by autograd.

torchvision has it in 2D only; this is the same rule on d axes (and equals torchvision's where d = 2, which
torch_operators.py asserts): a region is cut into bins, a bin is the mean of ratio^d linear samples, ratio 0 means
ceil(bin size) samples per axis. A sample more than one voxel outside the map is zero; nearer ones are clamped to it.

Boxes are [x1, y1, x2, y2] or [x1, y1, z1, x2, y2, z2]; arrays are [N, C, H, W] or [N, C, D, H, W].
"""

import itertools
import math

import torch


def axis_weights(start, end, bins, ratio, aligned, edge):
    """The weights [bins, samples, edge] of one axis of one region, and which samples lie in reach of the map."""
    length = end - start
    if not aligned:
        length = max(length, 1.0)
    bin_size = length / bins
    samples = ratio if ratio > 0 else math.ceil(length / bins)
    weights = torch.zeros(bins, max(samples, 0), edge, dtype=torch.float64)
    for b, s in itertools.product(range(bins), range(samples)):
        position = start + b * bin_size + (s + 0.5) * bin_size / samples
        if position < -1.0 or position > edge:
            continue
        position = max(position, 0.0)
        low = int(position)
        if low >= edge - 1:
            low, high, position = edge - 1, edge - 1, float(edge - 1)
        else:
            high = low + 1
        fraction = position - low
        weights[b, s, low] += 1 - fraction
        weights[b, s, high] += fraction
    return weights


def roi_align(x, boxes, owner, size, spatial_scale, ratio, aligned):
    """x [N, C, …], boxes [R, 2d], owner [R] → [R, C, …size]."""
    d = len(size)
    offset = 0.5 if aligned else 0.0
    regions = []
    for box, image in zip(boxes.tolist(), owner.tolist()):
        value = x[image]
        count = 1
        for axis in range(d):
            # Boxes count x first, arrays z (or y) first.
            column = d - 1 - axis
            start = box[column] * spatial_scale - offset
            end = box[column + d] * spatial_scale - offset
            weights = axis_weights(start, end, size[axis], ratio, aligned, x.shape[2 + axis])
            count *= weights.shape[1]
            # The mean over samples is separable: contract one axis after the other.
            matrix = weights.sum(1)
            value = torch.movedim(torch.tensordot(value, matrix, dims=([1 + axis], [1])), -1, 1 + axis)
        regions.append(value / max(count, 1))
    return torch.stack(regions)
