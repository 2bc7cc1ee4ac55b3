"""First pass: every ResNet-10 layer in training, the forms known from the design notes against PyTorch."""
import sys
import numpy as np
import forms as f
from harness import compare

R = np.random.default_rng(0)


def rnd(*s):
    return R.standard_normal(s).astype(np.float32)


RESNET = lambda n: [  # name, Ci, Co, map, k, s, p, d
    ("conv1", 1, 64, n, 7, 2, 3, 1), ("layer1 64-64", 64, 64, n // 4, 3, 1, 1, 1), ("layer2 64-128 s2", 64, 128, n // 4, 3, 2, 1, 1), ("layer2 128-128", 128, 128, n // 8, 3, 1, 1, 1),
    ("layer2 1x1 s2", 64, 128, n // 4, 1, 2, 0, 1), ("layer3 128-256 d2", 128, 256, n // 8, 3, 1, 2, 2), ("layer3 256-256 d2", 256, 256, n // 8, 3, 1, 2, 2), ("layer3 1x1", 128, 256, n // 8, 1, 1, 0, 1),
    ("layer4 256-512 d4", 256, 512, n // 8, 3, 1, 4, 4), ("layer4 512-512 d4", 512, 512, n // 8, 3, 1, 4, 4)]


def layer(name, N, Ci, Co, sp, k, s, p, d, passes=("fwd", "dx", "dw"), budget=4):
    osp = f.osize(sp, k, s, p, d)
    x, w, dy = rnd(N, Ci, *sp), rnd(Co, Ci, k, k, k) * np.float32((Ci * k ** 3) ** -.5), rnd(N, Co, *osp)
    wt = np.ascontiguousarray(w.transpose(2, 3, 4, 0, 1).reshape(k ** 3, Co, Ci))
    gf = 2e-9 * N * Co * Ci * k ** 3 * np.prod(osp)
    tag = f"{name} [{N},{Ci},{'x'.join(map(str, sp))}]"
    job = lambda which: ("conv", (which, x, w, dy, s, p, d))
    tm = lambda g, t: g.reshape(g.transpose(t, [1, 2, 0]), [Co, Ci, k, k, k])
    if "fwd" in passes:
        c = {"conv": lambda g: f.fwd_conv(g, g.input(x), g.input(w), s, p, d)}
        if k == 3: pass; c_ = lambda g: f.fwd_tap(g, g.input(x), g.input(wt), k, s, p, d)
        compare(tag + " forward", c, job("fwd"), gflop=gf, budget=budget)
    if "dx" in passes and Ci > 1:
        c = {"conv": lambda g: f.dx_conv(g, g.input(dy), g.input(w), sp, k, s, p, d)}
        if k == 3 and s == 1: c["tap"] = lambda g: f.dx_tap(g, g.input(dy), g.input(wt), sp, k, s, p, d)
        compare(tag + " to input", c, job("dx"), gflop=gf, budget=budget)
    if "dw" in passes:
        c = {"conv": lambda g: f.dw_conv(g, g.input(x), g.input(dy), k, s, p, d)}
        if k == 3:
            # tap-major results are compared after a transpose here that the step graph would not have
            c["tap"] = lambda g: tm(g, f.dw_tap(g, g.input(x), g.input(dy), k, s, p, d))
            if s == 1:
                for m in (1, 3, 9):
                    c[f"shift/{m}"] = lambda g, m=m: tm(g, f.dw_shift(g, g.input(x), g.input(dy), k, p, d, m))
        compare(tag + " to weights", c, job("dw"), gflop=gf, budget=budget)


if __name__ == "__main__":
    only = sys.argv[2:]
    for n in [int(v) for v in sys.argv[1].split(",")]:
        for name, Ci, Co, m, k, s, p, d in RESNET(n):
            if not only or any(o in name for o in only):
                layer(name, 2, Ci, Co, (m,) * 3, k, s, p, d)
