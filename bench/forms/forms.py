"""The forms of a convolution pass: each builds ONNX nodes in a `G` and returns one tensor.

Names: N batch, Ci/Co channels in/out, sp the spatial sizes, k kernel, s stride, p padding, d dilation (equal on all axes).
"cf" = channels first [N,C,D,H,W] (ONNX's and PyTorch's), weights [Co,Ci,k,k,k]; "tm" = tap-major weights [k³,Co,Ci].
"""
import itertools
import numpy as np


def valid(i, o, k, s, p, d):
    """Per tap along one axis: the output range [lo, hi) whose input index t*d - p + s*o lies inside [0, i)."""
    out = []
    for t in range(k):
        off = t * d - p
        idx = [j for j in range(o) if 0 <= off + s * j < i]
        out.append((idx[0], idx[-1] + 1, off + s * idx[0]) if idx else None)
    return out


def taps(sp, osp, k, s, p, d):
    """Every kernel tap that touches the map: (index, output start, output end, input start) per axis."""
    ax = [valid(sp[a], osp[a], k, s, p, d) for a in range(len(sp))]
    for n, t in enumerate(itertools.product(range(k), repeat=len(sp))):
        v = [ax[a][t[a]] for a in range(len(sp))]
        if all(x is not None for x in v):
            yield n, [x[0] for x in v], [x[1] for x in v], [x[2] for x in v]


def osize(sp, k, s, p, d):
    return [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n in sp]


# ---- forward -------------------------------------------------------------------------------------------------------
def fwd_conv(g, x, w, s, p, d):
    return g.conv(x, w, s, p, d)


def fwd_tap(g, x, wt, k, s, p, d):
    """One product per tap on its valid region, padded back and summed. wt [k³,Co,Ci]."""
    N, Ci, *sp = x.shape
    Co = wt.shape[1]
    osp = osize(sp, k, s, p, d)
    parts = []
    ws = g.split(wt, [1] * wt.shape[0], 0)
    for n, lo, hi, st in taps(sp, osp, k, s, p, d):
        ln = [h - l for l, h in zip(lo, hi)]
        xs = g.slice(x, st, [a + s * (b - 1) + 1 for a, b in zip(st, ln)], [2, 3, 4], [s] * 3)
        y = g.matmul(g.reshape(ws[n], [Co, Ci]), g.reshape(xs, [N, Ci, -1]))
        y = g.reshape(y, [N, Co, *ln])
        parts.append(g.pad(y, [0, 0, *lo], [0, 0, *[o - h for o, h in zip(osp, hi)]]))
    return g.sum(parts)


def fwd_conv2d_depth(g, x, w3, N, D):
    """x [N·D, Ci, H, W] (depth outside the channels), w3 [Co, 3·Ci, 3, 3]; stride 1, pad 1: one Conv2D."""
    ND, C, H, W = x.shape
    v = g.reshape(x, [N, D, C * H * W])
    v = g.pad(v, [0, 1, 0], [0, 1, 0])
    sh = [g.reshape(g.slice(v, [t], [t + D], [1]), [ND, C, H, W]) for t in range(3)]
    return g.conv(g.concat(sh, 1), w3, 1, 1)


# ---- gradient to the input -----------------------------------------------------------------------------------------
def dx_conv(g, dy, w, sp, k, s, p, d, flip=True):
    """Conv with the flipped kernel and exchanged channels; stride by zero insertion."""
    Co, Ci = w.shape[:2]
    N, _, *osp = dy.shape
    if flip and k > 1:
        w = g.reshape(g.gather(g.reshape(w, [Co, Ci, k ** 3]), list(range(k ** 3 - 1, -1, -1)), 2), [Co, Ci, k, k, k])
    wt = g.transpose(w, [1, 0, 2, 3, 4])
    if s > 1:
        v = g.reshape(dy, [N, Co, osp[0], 1, osp[1], 1, osp[2], 1])
        v = g.pad(v, [0] * 8, [0, 0, 0, s - 1, 0, s - 1, 0, s - 1])
        v = g.reshape(v, [N, Co, *[o * s for o in osp]])
        dy = g.slice(v, [0] * 3, [(o - 1) * s + 1 for o in osp], [2, 3, 4])
    q = d * (k - 1) - p
    extra = [sp[a] - (dy.shape[2 + a] + 2 * q - d * (k - 1)) for a in range(3)]
    return g.conv(dy, wt, 1, [q] * 3 + [q + e for e in extra], d)


def dx_tap(g, dy, wt, sp, k, s, p, d):
    """Per tap: W_tᵀ dY on the valid region, padded to the input map (stride 1), summed."""
    N, Co, *osp = dy.shape
    Ci = wt.shape[2]
    assert s == 1
    parts = []
    ws = g.split(wt, [1] * wt.shape[0], 0)
    for n, lo, hi, st in taps(sp, osp, k, s, p, d):
        ln = [h - l for l, h in zip(lo, hi)]
        v = g.reshape(g.slice(dy, lo, hi, [2, 3, 4]), [N, Co, -1])
        y = g.reshape(g.matmul(g.reshape(ws[n], [Co, Ci]), v, ta=1), [N, Ci, *ln])
        parts.append(g.pad(y, [0, 0, *st], [0, 0, *[i - a - b for i, a, b in zip(sp, st, ln)]]))
    return g.sum(parts)


# ---- gradient to the weights ---------------------------------------------------------------------------------------
def dw_conv(g, x, dy, k, s, p, d):
    """Exchange batch and channels, exchange stride and dilation; result [Ci,Co,k..] transposed back."""
    xt, dt = g.transpose(x, [1, 0, 2, 3, 4]), g.transpose(dy, [1, 0, 2, 3, 4])
    sp, osp = x.shape[2:], dy.shape[2:]
    # output length (n + p + q - s(o-1) - 1)//d + 1 must be k
    after = [d * (k - 1) + s * (o - 1) + 1 - n - p for n, o in zip(sp, osp)]
    y = g.conv(xt, dt, d, [p] * 3 + after, s)
    return g.transpose(y, [1, 0, 2, 3, 4])


def dw_tap(g, x, dy, k, s, p, d):
    """Per tap one product over the valid region, batch folded in by a sum over batch. Result tap-major [k³,Co,Ci]."""
    N, Ci, *sp = x.shape
    Co, osp = dy.shape[1], dy.shape[2:]
    # channels outermost, so that batch and positions are one contraction
    xt, dt = g.transpose(x, [1, 0, 2, 3, 4]), g.transpose(dy, [1, 0, 2, 3, 4])
    out = {}
    for n, lo, hi, st in taps(sp, osp, k, s, p, d):
        ln = [h - l for l, h in zip(lo, hi)]
        a = g.reshape(g.slice(dt, lo, hi, [2, 3, 4]), [Co, -1])
        b = g.reshape(g.slice(xt, st, [q + s * (m - 1) + 1 for q, m in zip(st, ln)], [2, 3, 4], [s] * 3), [Ci, -1])
        out[n] = g.reshape(g.matmul(a, b, tb=1), [1, Co, Ci])
    zero = g.const(np.zeros((1, Co, Ci), np.float32))
    return g.concat([out.get(n, zero) for n in range(k ** 3)], 0)


def dw_shift(g, x, dy, k, p, d, merge=1):
    """Stride 1. Zero-pad x, lay x and dy out flat with the padded row strides; tap t is one contiguous slice of the flat x.
    merge: 1 = one product per tap; 3/9 = the shifted copies of a row/plane of taps side by side in one product. Result [k³,Co,Ci]."""
    N, Ci, *sp = x.shape
    Co = dy.shape[1]
    xt, dt = g.transpose(x, [1, 0, 2, 3, 4]), g.transpose(dy, [1, 0, 2, 3, 4])
    xp = g.pad(xt, [0, 0, p, p, p], [0, 0, p, p, p])
    D, H, W = xp.shape[2:]
    dp = g.pad(dt, [0] * 5, [0, 0, 2 * p, 2 * p, 2 * p])
    L = N * D * H * W
    reach = d * (k - 1) * (H * W + W + 1)
    xf = g.pad(g.reshape(xp, [Ci, L]), [0, 0], [0, 0]) if reach == 0 else g.reshape(xp, [Ci, L])
    df = g.reshape(dp, [Co, L])
    df = g.slice(df, [0], [L - reach], [1])  # the last `reach` positions of dy are padding
    M = L - reach
    offs = [d * (a * H * W + b * W + c) for a in range(k) for b in range(k) for c in range(k)]
    out = []
    for i in range(0, k ** 3, merge):
        cols = [g.slice(xf, [o], [o + M], [1]) for o in offs[i:i + merge]]
        b = g.concat(cols, 0)
        y = g.matmul(df, b, tb=1)  # [Co, merge*Ci]
        if merge > 1:
            y = g.transpose(g.reshape(y, [Co, merge, Ci]), [1, 0, 2])
        out.append(g.reshape(y, [merge, Co, Ci]))
    return g.concat(out, 0)


def dw_rows9(g, x, dy, chunk=8, acc="sum"):
    """k=3, stride 1, pad 1, few channels, large map. The 9 (depth, height) shifts come from one Gather of whole W-rows of x, the 3 width shifts
    from slices of a W-padded dy; one product [9·Ci, P]·[3·Co, P]ᵀ then holds all 27 taps with only 12 copies instead of 27.
    Depth is cut into chunks so that the copies stay in the cache. Result [Ci, 9, 3, Co] (tap-major after a small transpose)."""
    N, Ci, D, H, W = x.shape
    Co = dy.shape[1]
    xz = g.concat([g.reshape(x, [N, Ci, D * H, W]), g.const(np.zeros((N, Ci, 1, W), np.float32))], 2)
    dp = g.pad(dy, [0, 0, 0, 0, 1], [0, 0, 0, 0, 1])
    parts = []
    for d0 in range(0, D, chunk):
        d1 = min(D, d0 + chunk)
        P = (d1 - d0) * H * W
        idx = np.full((3, 3, d1 - d0, H), D * H, np.int64)
        for a in range(3):
            for b in range(3):
                for d in range(d0, d1):
                    for h in range(H):
                        if 0 <= d + a - 1 < D and 0 <= h + b - 1 < H:
                            idx[a, b, d - d0, h] = (d + a - 1) * H + h + b - 1
        A = g.reshape(g.gather(xz, idx.reshape(-1), 2), [N, Ci * 9, P])
        B = g.concat([g.reshape(g.slice(dp, [d0, 2 - kw], [d1, 2 - kw + W], [2, 4]), [N, Co, P]) for kw in range(3)], 1)
        parts.append(g.matmul(A, B, tb=1))
    y = g.sum(parts)
    y = g.op("ReduceSum", [y, g.ints([0])], y.shape[1:], keepdims=0) if N > 1 else g.reshape(y, y.shape[1:])
    y = g.reshape(y, [Ci, 9, 3, Co])
    return g.reshape(g.transpose(y, [3, 0, 1, 2]), [Co, Ci, 3, 3, 3])
