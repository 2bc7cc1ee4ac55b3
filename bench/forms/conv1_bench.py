"""The first layer: 7³, stride 2, one input channel, 64 outputs."""
import sys
import numpy as np
import forms as f
from harness import compare
from layers import rnd


def planes(g, x, N, n, o):
    """[N,1,n,n,n] -> [N·o, 7, n, n]: the seven depth planes of each output depth, by one Gather."""
    xz = g.concat([g.reshape(x, [N, n, n * n]), g.const(np.zeros((N, 1, n * n), np.float32))], 1)
    idx = np.full((o, 7), n, np.int64)
    for i in range(o):
        for t in range(7):
            if 0 <= 2 * i + t - 3 < n: idx[i, t] = 2 * i + t - 3
    return g.reshape(g.gather(xz, idx, 1), [N * o, 7, n, n])


def col(g, x, N, n, o, lo, hi, mode="slice"):
    """[N, 343, (hi-lo)·o·o], tap order (kw, kd, kh): 7 strided W copies, then one Gather of rows for the 49 (kd, kh)."""
    xp = g.pad(g.reshape(x, [N, n * n, n]), [0, 0, 3], [0, 1, 3])  # one zero row for height and depth padding
    v = g.concat([g.reshape(g.slice(xp, [t], [t + 2 * o - 1], [2], [2]), [N, 1, n * n + 1, o]) for t in range(7)], 1)
    return v, n * n


def col_chunk(g, v, N, n, o, lo, hi):
    idx = np.full((7, 7, hi - lo, o), n * n, np.int64)
    for a in range(7):
        for b in range(7):
            for d in range(lo, hi):
                for h in range(o):
                    dd, hh = 2 * d + a - 3, 2 * h + b - 3
                    if 0 <= dd < n and 0 <= hh < n: idx[a, b, d - lo, h] = dd * n + hh
    return g.reshape(g.gather(v, idx.reshape(-1), 2), [N, 343, (hi - lo) * o * o])


def case(n, N=2, budget=6, Co=64):
    o = n // 2
    x, w, dy = rnd(N, 1, n, n, n), rnd(Co, 1, 7, 7, 7) / 18, rnd(N, Co, o, o, o)
    w2 = np.ascontiguousarray(w.transpose(0, 2, 1, 3, 4).reshape(Co, 7, 7, 7))
    wk = np.ascontiguousarray(w.reshape(Co, 7, 7, 7).transpose(0, 3, 1, 2).reshape(Co, 343))  # (kw, kd, kh)
    gf = 2e-9 * N * Co * 343 * o ** 3
    job = lambda which: ("conv", (which, x, w, dy, 2, 3, 1))

    def gemm(chunk):
        def build(g):
            X, W = g.input(x), g.input(wk)
            v, _ = col(g, X, N, n, o, 0, o)
            parts = [g.matmul(W, col_chunk(g, v, N, n, o, a, min(o, a + chunk))) for a in range(0, o, chunk)]
            return g.reshape(g.concat(parts, 2), [N, Co, o, o, o])
        return build

    def dgemm(chunk, swap=True):
        def build(g):
            X, DY = g.input(x), g.input(dy)
            v, _ = col(g, X, N, n, o, 0, o)
            parts = []
            for a in range(0, o, chunk):
                b = min(o, a + chunk)
                C = col_chunk(g, v, N, n, o, a, b)
                d = g.reshape(g.slice(DY, [a], [b], [2]), [N, Co, -1])
                parts.append(g.matmul(C, d, tb=1))
            y = g.sum(parts)
            y = g.op("ReduceSum", [y, g.ints([0])], y.shape[1:], keepdims=0)  # [343, Co]
            return g.reshape(g.transpose(g.reshape(y, [7, 7, 7, Co]), [3, 1, 2, 0]), [Co, 1, 7, 7, 7])
        return build

    def conv2d(const):
        def build(g):
            y = g.conv(planes(g, g.input(x), N, n, o), g.input(w2, const=const), 2, 3)
            return g.transpose(g.reshape(y, [N, o, Co, o, o]), [0, 2, 1, 3, 4])
        return build
    c = {"conv": lambda g: f.fwd_conv(g, g.input(x), g.input(w), 2, 3, 1), "conv2d": conv2d(False), "conv2d const": conv2d(True)}
    for ch in (2, 4, 8, o): c[f"gemm/{ch}"] = gemm(ch)
    compare(f"conv1 {n}³ batch {N} forward", c, job("fwd"), gflop=gf, budget=budget)
    c = {"conv form": lambda g: f.dw_conv(g, g.input(x), g.input(dy), 7, 2, 3, 1)}
    for ch in (2, 4, 8, o): c[f"gemm/{ch}"] = dgemm(ch)
    compare(f"conv1 {n}³ batch {N} to weights", c, job("dw"), gflop=gf, budget=budget)


if __name__ == "__main__":
    for n in [int(v) for v in sys.argv[1].split(",")]:
        case(n)
