"""The channels-last forms against Conv, tap form and PyTorch, layer by layer."""
import sys
import numpy as np
import forms as f, rows as r
from harness import compare
from layers import RESNET, rnd


def layer(name, N, Ci, Co, sp, k, s, p, d, passes, budget=3, torch=True):
    osp = f.osize(sp, k, s, p, d)
    x, w, dy = rnd(N, Ci, *sp), rnd(Co, Ci, k, k, k) * np.float32((Ci * k ** 3) ** -.5), rnd(N, Co, *osp)
    cl = lambda a: np.ascontiguousarray(a.transpose(0, 2, 3, 4, 1).reshape(-1, a.shape[1]))
    X, DY = cl(x), cl(dy)
    W = np.ascontiguousarray(w.transpose(2, 3, 4, 1, 0).reshape(k ** 3, Ci, Co))
    gr = r.Groups(N, sp, k, s, p, d)
    idx, idxd = r.col_index(N, sp, k, s, p, d), r.col_index_dx(N, sp, k, s, p, d)
    gf = 2e-9 * N * Co * Ci * k ** 3 * np.prod(osp)
    tag = f"{name} [{N},{Ci},{'x'.join(map(str, sp))}]->{Co}  valid share {gr.pairs() / idx.size:.2f}"
    job = (lambda which: ("conv", (which, x, w, dy, s, p, d))) if torch else (lambda which: None)
    ncdhw = lambda g, t, C, sz: g.transpose(g.reshape(t, [N, *sz, C]), [0, 4, 1, 2, 3])
    gw = lambda g: [g.input(v) for v in r.weights_of_groups(W, gr)]
    # results come back channels first only so that they can be compared; the transposes are timed too (small)
    if "fwd" in passes:
        c = {"conv": lambda g: f.fwd_conv(g, g.input(x), g.input(w), s, p, d),
             "rows col": lambda g: ncdhw(g, r.fwd_col(g, g.input(X), g.input(W), idx), Co, osp),
             "rows grp/reduce": lambda g: ncdhw(g, r.fwd_grp(g, g.input(X), gw(g), gr), Co, osp),
             "rows grp/sum": lambda g: ncdhw(g, r.fwd_grp(g, g.input(X), gw(g), gr, "sum"), Co, osp),
             "rows grp/reduce one W": lambda g: ncdhw(g, r.fwd_grp(g, g.input(X), r.slices_of_groups(g, g.input(W), gr), gr), Co, osp)}
        compare(tag + " forward", c, job("fwd"), gflop=gf, budget=budget)
    if "dx" in passes:
        c = {"conv": lambda g: f.dx_conv(g, g.input(dy), g.input(w), sp, k, s, p, d),
             "rows col/t": lambda g: ncdhw(g, r.dx_col_t(g, g.input(DY), g.input(W), idxd), Ci, sp),
             "rows col/s": lambda g: ncdhw(g, r.dx_col_s(g, g.input(DY), g.input(W), idxd), Ci, sp),
             "rows grp/reduce": lambda g: ncdhw(g, r.dx_grp(g, g.input(DY), gw(g), gr), Ci, sp),
             "rows grp/sum": lambda g: ncdhw(g, r.dx_grp(g, g.input(DY), gw(g), gr, "sum"), Ci, sp)}
        compare(tag + " to input", c, job("dx"), gflop=gf, budget=budget)
    if "dw" in passes:
        # tap-major results stay as they are (PyTorch's order is only used in the first pass, layers.py); sizes are checked
        c = {"conv": lambda g: f.dw_conv(g, g.input(x), g.input(dy), k, s, p, d) if s == 1 or k > 1 else g.input(w),
             "rows col": lambda g: r.dw_col(g, r.im2col(g, g.input(X), idx), g.input(DY), k ** 3),
             "rows col, X saved": lambda g: r.dw_col(g, g.input(r_col(X, idx)), g.input(DY), k ** 3),
             "rows grp": lambda g: r.dw_grp(g, g.input(X), g.input(DY), gr),
             }
        compare(tag + " to weights", c, job("dw"), gflop=gf, budget=budget, check=False)


def r_col(X, idx):
    return np.concatenate([X, np.zeros((1, X.shape[1]), np.float32)])[idx].reshape(idx.shape[0], -1)


if __name__ == "__main__":
    only = sys.argv[3:]
    for n in [int(v) for v in sys.argv[1].split(",")]:
        for name, Ci, Co, m, k, s, p, d in RESNET(n):
            if name != "conv1" and (not only or any(o in name for o in only)):
                layer(name, 2, Ci, Co, (m,) * 3, k, s, p, d, sys.argv[2].split(","))
