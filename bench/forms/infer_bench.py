"""Inference, batch 1, constant weights: forward forms of the ResNet-10/18 layers."""
import sys
import numpy as np
import forms as f, rows as r, wino
from harness import compare
from layers import RESNET, rnd


def depth_concat(g, x, D, d, k=3):
    """x [D, C, H, W] -> [D, 3C, H, W] with depth shifts -d, 0, d."""
    _, C, H, W = x.shape
    v = g.pad(x, [d, 0, 0, 0], [d, 0, 0, 0])
    return g.concat([g.slice(v, [t * d], [t * d + D], [0]) for t in range(k)], 1)


def depth_gather(g, x, D, d):
    """The same as one Gather: x [D, C, H, W] + a zero plane -> [D, 3, C, H, W]."""
    _, C, H, W = x.shape
    v = g.concat([x, g.const(np.zeros((1, C, H, W), np.float32))], 0)
    idx = np.array([[i + (t - 1) * d if 0 <= i + (t - 1) * d < D else D for t in range(3)] for i in range(D)])
    return g.reshape(g.gather(v, idx, 0), [D, 3 * C, H, W])


def wino_depth(g, x, U, D):
    """F(2,3) along depth: 4 Conv2D with transformed weights U[j] [Co,Ci,3,3] on [D/2, C, H, W] instead of 6."""
    _, C, H, W = x.shape
    v = g.reshape(g.pad(x, [1, 0, 0, 0], [1, 0, 0, 0]), [D // 2 + 1, 2, C * H * W])
    n = D // 2
    e, o = g.split(v, [1, 1], 1)
    e, o = g.reshape(e, [n + 1, C, H, W]), g.reshape(o, [n + 1, C, H, W])
    e0, e1 = g.slice(e, [0], [n], [0]), g.slice(e, [1], [n + 1], [0])
    o0, o1 = g.slice(o, [0], [n], [0]), g.slice(o, [1], [n + 1], [0])
    t = [g.sub(e0, e1), g.add(o0, e1), g.sub(e1, o0), g.sub(o0, o1)]
    m = [g.conv(a, u, 1, 1) for a, u in zip(t, U)]
    s12 = g.add(m[1], m[2])
    y0 = g.add(m[0], s12)
    y1 = g.sub(g.sub(m[1], m[2]), m[3])
    Co = m[0].shape[1]
    sh = [n, 1, Co, H, W]
    return g.reshape(g.concat([g.reshape(y0, sh), g.reshape(y1, sh)], 1), [D, Co, H, W])


def layer(name, Ci, Co, n, k, s, p, d, budget=3):
    N, sp = 1, (n,) * 3
    o = f.osize(sp, k, s, p, d)
    x, w = rnd(N, Ci, *sp), rnd(Co, Ci, k, k, k) * np.float32((Ci * k ** 3) ** -.5)
    X = np.ascontiguousarray(x.transpose(0, 2, 3, 4, 1).reshape(-1, Ci))
    W = np.ascontiguousarray(w.transpose(2, 3, 4, 1, 0).reshape(k ** 3, Ci, Co))
    xd = np.ascontiguousarray(x[0].transpose(1, 0, 2, 3))
    w3 = np.ascontiguousarray(w.transpose(0, 2, 1, 3, 4)).reshape(Co, k * Ci, k, k)
    gr, idx = r.Groups(N, sp, k, s, p, d), r.col_index(N, sp, k, s, p, d)
    gf = 2e-9 * Co * Ci * k ** 3 * np.prod(o)
    from_rows = lambda v: [a.reshape(*o, Co).transpose(3, 0, 1, 2) for a in v]
    from_depth = lambda v: [a.transpose(1, 0, 2, 3) for a in v]
    c = {"conv3d const": lambda g: f.fwd_conv(g, g.input(x), g.input(w, const=True), s, p, d)}
    if k == 3:
        c["rows col const"] = (lambda g: r.fwd_col(g, g.input(X), g.input(W, const=True), idx), None, from_rows)
        if d > 1:
            c["rows grp const"] = (lambda g: r.fwd_grp(g, g.input(X), [g.input(v, const=True) for v in r.weights_of_groups(W, gr)], gr, "sum"), None, from_rows)
        if s == 1:
            for nm, fn in (("concat", depth_concat), ("gather", depth_gather)):
                c[f"conv2d depth {nm} const"] = (lambda g, fn=fn: g.conv(fn(g, g.input(xd), sp[0], d), g.input(w3, const=True), 1, p, d), None, from_depth)
        if s == 1 and d == 1:
            G = np.array([[1, 0, 0], [.5, .5, .5], [.5, -.5, .5], [0, 0, 1]], np.float32)
            U = np.einsum("jk,oikhw->joihw", G, w)
            c["winograd depth, conv2d const"] = (lambda g: wino_depth(g, g.input(xd), [g.input(np.ascontiguousarray(u), const=True) for u in U], sp[0]), None, from_depth)
            c["winograd depth, conv2d input"] = (lambda g: wino_depth(g, g.input(xd), [g.input(np.ascontiguousarray(u)) for u in U], sp[0]), None, from_depth)
    if k == 3 and s == 1:
        L = -(-n // d)
        kinds = {"f23": L > 1, "k2": L == 2, "f33": L == 3 or L % 3 == 0, "f43": L % 4 == 0}
        for kind in [q for q, ok in kinds.items() if ok]:
            pl = wino.Plan(1, sp, d, [kind] * 3)
            c[f"wino {kind} const ({pl.products / (27 * n ** 3):.2f} products)"] = (lambda g, pl=pl: wino.fwd(g, wino.transform_x(g, g.input(X), pl), [g.input(u, const=True) for u in pl.weights(W)], pl), None, from_rows)
    compare(f"{name} {n}³ valid {gr.pairs() / idx.size:.2f}", c, ("conv", ("fwd", x, w, x, s, p, d)), gflop=gf, budget=budget)


if __name__ == "__main__":
    only = sys.argv[2:]
    for n in [int(v) for v in sys.argv[1].split(",")]:
        for name, Ci, Co, m, k, s, p, d in RESNET(n):
            if name != "conv1" and (not only or any(o in name for o in only)):
                layer(name, Ci, Co, m, k, s, p, d)
