"""Channels-last forms: activations are rows [N·D·H·W, C]; windows are gathered rows, so every pass is Gather + MatMul.

Weights are tap-major [k³, Ci, Co] ("the parameter's own layout"), or a list of tap groups of it.
"col" = im2col by one Gather (all taps of a position side by side, one wide product).
"grp" = only the valid (input, output) pairs of each tap; taps with equally many pairs form one batched product. No padding is multiplied.
"""
import itertools
import numpy as np
import forms as f


def positions(N, sp):
    return np.arange(N * int(np.prod(sp))).reshape(N, *sp)


def col_index(N, sp, k, s, p, d):
    """[R_out, k³] input row of each tap (R_in where it falls into the padding)."""
    osp = f.osize(sp, k, s, p, d)
    Rin = N * int(np.prod(sp))
    inp = positions(N, sp)
    idx = np.full((N, *osp, k ** 3), Rin, np.int64)
    for n, lo, hi, st in f.taps(sp, osp, k, s, p, d):
        src = tuple(slice(a, a + s * (h - l - 1) + 1, s) for a, l, h in zip(st, lo, hi))
        dst = tuple(slice(l, h) for l, h in zip(lo, hi))
        idx[(slice(None), *dst, n)] = inp[(slice(None), *src)]
    return idx.reshape(-1, k ** 3)


def col_index_dx(N, sp, k, s, p, d):
    """[R_in, k³] output row that tap t carries this input row to (R_out where none)."""
    fwd = col_index(N, sp, k, s, p, d)
    Ro, K = fwd.shape
    Ri = N * int(np.prod(sp))
    idx = np.full((Ri + 1, K), Ro, np.int64)
    for t in range(K):
        idx[fwd[:, t], t] = np.arange(Ro)
    return idx[:Ri]


def zero_row(g, x):
    return g.concat([x, g.const(np.zeros((1, x.shape[1]), np.float32))], 0)


def im2col(g, x, idx, need_zero=None):
    need = (idx == x.shape[0]).any() if need_zero is None else need_zero
    v = g.gather(zero_row(g, x) if need else x, idx, 0)
    return g.reshape(v, [idx.shape[0], -1])


def fwd_col(g, x, w, idx):
    k3, Ci, Co = w.shape
    return g.matmul(im2col(g, x, idx), g.reshape(w, [k3 * Ci, Co]))


def dw_col(g, xcol, dy, k3):
    y = g.matmul(xcol, dy, ta=1)
    return g.reshape(y, [k3, -1, dy.shape[1]])


def dx_col_t(g, dy, w, idxd):
    """Gathered dy times the per-tap transposed weights."""
    k3, Ci, Co = w.shape
    return g.matmul(im2col(g, dy, idxd), g.reshape(g.transpose(w, [0, 2, 1]), [k3 * Co, Ci]))


def dx_col_s(g, dy, w, idxd):
    """dy Wᵀ for all taps at once, then each input row sums its k³ contributions (Gather + ReduceSum)."""
    k3, Ci, Co = w.shape
    Ro = dy.shape[0]
    e = g.matmul(dy, g.reshape(w, [k3 * Ci, Co]), tb=1)  # [Ro, k³·Ci]
    e = zero_row(g, g.reshape(e, [Ro * k3, Ci]))
    idx = np.where(idxd == Ro, Ro * k3, idxd * k3 + np.arange(k3))
    v = g.gather(e, np.ascontiguousarray(idx.T), 0)
    return g.op("ReduceSum", [v, g.ints([0])], v.shape[1:], keepdims=0)


class Groups:
    """Taps with equally many valid pairs, and the row indices of each pair."""

    def __init__(self, N, sp, k, s, p, d, order="any"):
        fwd = col_index(N, sp, k, s, p, d)
        Ri = N * int(np.prod(sp))
        self.Ri, self.Ro, self.k3 = Ri, fwd.shape[0], k ** 3
        by = {}
        for t in range(k ** 3):
            o = np.nonzero(fwd[:, t] < Ri)[0]
            if len(o):
                by.setdefault(len(o), []).append((t, fwd[o, t], o))
        self.groups = []  # (taps, input rows [n, R], output rows [n, R])
        for size in sorted(by, reverse=True):
            v = by[size]
            self.groups.append(([t for t, _, _ in v], np.stack([i for _, i, _ in v]), np.stack([o for _, _, o in v])))
        self.used = [t for ts, _, _ in self.groups for t in ts]

    def pairs(self):
        return sum(i.size for _, i, _ in self.groups)

    def sum_index(self, which):
        """[J, R]: for each output (which=2) or input (which=1) row, the rows of the concatenated products that add up to it."""
        R = self.Ro if which == 2 else self.Ri
        lists, at = [[] for _ in range(R)], 0
        for grp in self.groups:
            for r in grp[which].reshape(-1):
                lists[r].append(at); at += 1
        J = max(len(l) for l in lists)
        return np.array([l + [at] * (J - len(l)) for l in lists], np.int64).T.copy(), at


def weights_of_groups(w, gr):
    """numpy [k³,Ci,Co] -> one array per group."""
    return [np.ascontiguousarray(w[ts]) for ts, _, _ in gr.groups]


def slices_of_groups(g, w, gr):
    """The same from one parameter in the graph, by Gather on the tap axis (a copy)."""
    return [g.gather(w, ts, 0) for ts, _, _ in gr.groups]


def gather_groups(g, x, gr, which):
    return [g.gather(x, grp[which], 0) for grp in gr.groups]


def reduce_rows(g, parts, gr, which, how="reduce"):
    C = parts[0].shape[-1]
    idx, total = gr.sum_index(which)
    rows = [g.reshape(p, [-1, C]) for p in parts]
    if (idx == total).any():
        rows = rows + [g.const(np.zeros((1, C), np.float32))]
    z = g.concat(rows, 0)
    if how == "reduce":
        v = g.gather(z, idx, 0)
        return g.op("ReduceSum", [v, g.ints([0])], v.shape[1:], keepdims=0)
    return g.sum([g.gather(z, i, 0) for i in idx])


def fwd_grp(g, x, ws, gr, how="reduce", xg=None):
    xg = xg or gather_groups(g, x, gr, 1)
    return reduce_rows(g, [g.matmul(a, b) for a, b in zip(xg, ws)], gr, 2, how)


def dx_grp(g, dy, ws, gr, how="reduce", yg=None):
    yg = yg or gather_groups(g, dy, gr, 2)
    return reduce_rows(g, [g.matmul(a, b, tb=1) for a, b in zip(yg, ws)], gr, 1, how)


def dw_grp(g, x, dy, gr, xg=None, yg=None):
    xg = xg or gather_groups(g, x, gr, 1)
    yg = yg or gather_groups(g, dy, gr, 2)
    return [g.matmul(a, b, ta=1) for a, b in zip(xg, yg)]
