"""Decoder layers (few channels, large maps, batch 4), all three passes in one graph."""
import sys
import numpy as np
import forms as f, rows as r, wino
from harness import compare
from layers import rnd
from decoder_bench import LAYERS


def layer(name, N, Ci, Co, sp, only=(), budget=12):
    x, w, dy = rnd(N, Ci, *sp), rnd(Co, Ci, 3, 3, 3) * np.float32((Ci * 27) ** -.5), rnd(N, Co, *sp)
    cl = lambda a: np.ascontiguousarray(a.transpose(0, 2, 3, 4, 1).reshape(-1, a.shape[1]))
    X, DY = cl(x), cl(dy)
    W = np.ascontiguousarray(w.transpose(2, 3, 4, 1, 0).reshape(27, Ci, Co))
    un = lambda a, C: a.reshape(N, *sp, C).transpose(0, 4, 1, 2, 3)
    post = lambda o: [un(o[0], Co), un(o[1], Ci), o[2].reshape(3, 3, 3, Ci, Co).transpose(4, 3, 0, 1, 2)]

    def convs(chunk):
        def build(g):
            X_, W_, D_ = g.input(x), g.input(w), g.input(dy)
            return f.fwd_conv(g, X_, W_, 1, 1, 1), f.dx_conv(g, D_, W_, sp, 3, 1, 1, 1), f.dw_rows9(g, X_, D_, chunk)
        return build

    def win(kinds, per):
        def build(g):
            pl = wino.Plan(per, sp, 1, kinds)
            X_, W_, D_ = g.input(X), g.input(W), g.input(DY)
            us = wino.transform_w(g, W_, pl)
            n = N // per
            R = X.shape[0] // n
            ys, gxs, dus = [], [], []
            for xi, di in zip(g.split(X_, [R] * n, 0), g.split(D_, [R] * n, 0)):
                xt = wino.transform_x(g, xi, pl)
                ys.append(wino.fwd(g, xt, us, pl))
                yt = wino.transform_dy(g, di, pl)
                gxs.append(wino.dx(g, yt, us, pl))
                dus.append(g.concat([g.matmul(a, b, ta=1) for a, b in zip(xt, yt)], 0))
            u = g.sum(dus)
            gw = g.reshape(g.matmul(g.const(np.ascontiguousarray(pl.G.T)), g.reshape(u, [u.shape[0], -1])), [27, Ci, Co])
            return g.concat(ys, 0), g.concat(gxs, 0), gw
        return build
    c = {"conv + conv + rows9/4": convs(4)}
    for kinds in only or ["f43,f43,f43"]:
        for per in sorted({1, N}):
            c[f"wino {kinds} per {per}"] = (win(kinds.split(","), per), None, post)
    compare(f"{name} [{N},{Ci},{'x'.join(map(str, sp))}]->{Co} all passes", c, ("conv_all", (x, w, dy, 1, 1, 1)), gflop=3 * 2e-9 * N * Co * Ci * 27 * np.prod(sp), budget=budget)


if __name__ == "__main__":
    for name, Ci, Co, sp in LAYERS:
        if len(sys.argv) < 2 or any(o in name for o in sys.argv[1].split(",")):
            layer(name, 1 if "up3" in name else 4, Ci, Co, sp, sys.argv[2:])
