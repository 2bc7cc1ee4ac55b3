"""All three passes of a layer in ONE graph, as the step graph has them: y, dX and dW from x, W, dY, with the transforms and gathers shared."""
import sys
import numpy as np
import forms as f, rows as r, wino
from harness import compare
from layers import RESNET, rnd


def layer(name, N, Ci, Co, sp, k, s, p, d, budget=5, only=None):
    osp = f.osize(sp, k, s, p, d)
    x, w, dy = rnd(N, Ci, *sp), rnd(Co, Ci, k, k, k) * np.float32((Ci * k ** 3) ** -.5), rnd(N, Co, *osp)
    cl = lambda a: np.ascontiguousarray(a.transpose(0, 2, 3, 4, 1).reshape(-1, a.shape[1]))
    X, DY = cl(x), cl(dy)
    W = np.ascontiguousarray(w.transpose(2, 3, 4, 1, 0).reshape(k ** 3, Ci, Co))
    gf = 3 * 2e-9 * N * Co * Ci * k ** 3 * np.prod(osp)
    un = lambda a, C, sz: a.reshape(N, *sz, C).transpose(0, 4, 1, 2, 3)

    def post_rows(outs):
        y, gx, gw = outs
        return [un(y, Co, osp), un(gx, Ci, sp), gw.reshape(k, k, k, Ci, Co).transpose(4, 3, 0, 1, 2)]

    def convs(g):
        X_, W_, D_ = g.input(x), g.input(w), g.input(dy)
        return f.fwd_conv(g, X_, W_, s, p, d), f.dx_conv(g, D_, W_, sp, k, s, p, d), f.dw_conv(g, X_, D_, k, s, p, d)

    def cols(g):
        idx, idxd = r.col_index(N, sp, k, s, p, d), r.col_index_dx(N, sp, k, s, p, d)
        X_, W_, D_ = g.input(X), g.input(W), g.input(DY)
        xc = r.im2col(g, X_, idx)
        return g.matmul(xc, g.reshape(W_, [k ** 3 * Ci, Co])), r.dx_col_t(g, D_, W_, idxd), r.dw_col(g, xc, D_, k ** 3)

    def grp(how):
        def build(g):
            gr = r.Groups(N, sp, k, s, p, d)
            X_, W_, D_ = g.input(X), g.input(W), g.input(DY)
            ws = r.slices_of_groups(g, W_, gr)
            xg, yg = r.gather_groups(g, X_, gr, 1), r.gather_groups(g, D_, gr, 2)
            gw = g.concat(r.dw_grp(g, None, None, gr, xg, yg), 0)
            inv = np.argsort(gr.used)
            gw = g.gather(gw, inv, 0) if len(inv) == k ** 3 else g.gather(g.concat([gw, g.const(np.zeros((1, Ci, Co), np.float32))], 0), [gr.used.index(t) if t in gr.used else len(gr.used) for t in range(k ** 3)], 0)
            return r.fwd_grp(g, None, ws, gr, how, xg), r.dx_grp(g, None, ws, gr, how, yg), gw
        return build

    def pieces(g):
        """grp with the weights stored in one piece per tap group, gradients leaving in pieces: no copies of weights."""
        gr = r.Groups(N, sp, k, s, p, d)
        ws = [g.input(v) for v in r.weights_of_groups(W, gr)]
        X_, D_ = g.input(X), g.input(DY)
        xg, yg = r.gather_groups(g, X_, gr, 1), r.gather_groups(g, D_, gr, 2)
        return [r.fwd_grp(g, None, ws, gr, "sum", xg), r.dx_grp(g, None, ws, gr, "sum", yg)] + r.dw_grp(g, None, None, gr, xg, yg)

    def post_pieces(outs):
        gr = r.Groups(N, sp, k, s, p, d)
        gw = np.zeros((k ** 3, Ci, Co), np.float32)
        for (ts, _, _), v in zip(gr.groups, outs[2:]): gw[ts] = v
        return post_rows([outs[0], outs[1], gw])

    def win(kinds):
        def build(g):
            pl = wino.Plan(N, sp, d, kinds)
            X_, W_, D_ = g.input(X), g.input(W), g.input(DY)
            us = wino.transform_w(g, W_, pl)
            xt, yt = wino.transform_x(g, X_, pl), wino.transform_dy(g, D_, pl)
            return wino.fwd(g, xt, us, pl), wino.dx(g, yt, us, pl), wino.dw(g, xt, yt, pl)
        return build
    # the check in `compare` is per output array, after `post`
    P = lambda b: (b, None, post_rows)
    c = {"conv": convs}
    c["rows col"] = P(cols)
    if k == 3:
        c["rows grp/sum"] = P(grp("sum"))
        c["rows grp pieces"] = (pieces, None, post_pieces)
    if k == 3 and s == 1:
        L = -(-sp[0] // d)
        for kind, ok in {"f23": L > 1, "k2": L == 2, "f33": L % 3 == 0, "f43": L % 4 == 0, "mix": L > 2}.items():
            if ok: c[f"wino {kind}"] = P(win([kind] * 3))
        if L == 2: c["wino k2,k2,none"] = P(win(["k2", "k2", "none"]))
        if L == 3:
            c["wino f33,none,none"] = P(win(["f33", "none", "none"]))
    if only: c = {q: v for q, v in c.items() if any(o in q for o in only)}
    compare(f"{name} [{N},{Ci},{'x'.join(map(str, sp))}]->{Co} all passes", c, ("conv_all", (x, w, dy, s, p, d)), gflop=gf, budget=budget)


if __name__ == "__main__":
    only = sys.argv[2:]
    for n in [int(v) for v in sys.argv[1].split(",")]:
        for name, Ci, Co, m, k, s, p, d in RESNET(n):
            if name != "conv1" and (not only or any(o in name for o in only)):
                layer(name, 2, Ci, Co, (m,) * 3, k, s, p, d)
