"""Full-resolution decoder layers: few channels, many positions."""
import sys
import numpy as np
import forms as f
from harness import compare
from layers import rnd

LAYERS = [("up1 128-64", 128, 64, (12, 16, 12)), ("up2 96-32", 96, 32, (24, 32, 24)), ("up3 17-16", 17, 16, (48, 64, 48)), ("dec 16-16", 16, 16, (48, 64, 48)), ("dec 32-16", 32, 16, (48, 64, 48)), ("dec 32-32", 32, 32, (48, 64, 48)), ("dec 64-32 half", 64, 32, (24, 32, 24)), ("dec 64-64 half", 64, 64, (24, 32, 24))]


def layer(name, N, Ci, Co, sp, passes, budget=8):
    x, w, dy = rnd(N, Ci, *sp), rnd(Co, Ci, 3, 3, 3) * np.float32((Ci * 27) ** -.5), rnd(N, Co, *sp)
    gf = 2e-9 * N * Co * Ci * 27 * np.prod(sp)
    tag = f"{name} [{N},{Ci},{'x'.join(map(str, sp))}]->{Co}"
    job = lambda which: ("conv", (which, x, w, dy, 1, 1, 1))
    tm = lambda g, t: g.reshape(g.transpose(t, [1, 2, 0]), [Co, Ci, 3, 3, 3])
    ND = N * sp[0]
    xd = np.ascontiguousarray(x.transpose(0, 2, 1, 3, 4)).reshape(ND, Ci, *sp[1:])
    w3 = np.ascontiguousarray(w.transpose(0, 2, 1, 3, 4)).reshape(Co, 3 * Ci, 3, 3)
    back = lambda g, t: g.transpose(g.reshape(t, [N, sp[0], Co, *sp[1:]]), [0, 2, 1, 3, 4])
    if "fwd" in passes:
        compare(tag + " forward", {"conv": lambda g: f.fwd_conv(g, g.input(x), g.input(w), 1, 1, 1),
                                   "conv2d depth + transpose": lambda g: back(g, f.fwd_conv2d_depth(g, g.input(xd), g.input(w3), N, sp[0])),
                                   "conv2d depth const": lambda g: back(g, f.fwd_conv2d_depth(g, g.input(xd), g.input(w3, const=True), N, sp[0]))}, job("fwd"), gflop=gf, budget=budget)
    if "dw" in passes:
        c = {}
        c["shift/1"] = lambda g: tm(g, f.dw_shift(g, g.input(x), g.input(dy), 3, 1, 1, 1))
        for m in (2, 4, 8, 24):
            c[f"rows9/{m}"] = lambda g, m=m: f.dw_rows9(g, g.input(x), g.input(dy), m)
        compare(tag + " to weights", c, job("dw"), gflop=gf, budget=budget)


if __name__ == "__main__":
    for name, Ci, Co, sp in LAYERS:
        if len(sys.argv) < 3 or any(o in name for o in sys.argv[2:]):
            layer(name, 4, Ci, Co, sp, sys.argv[1].split(","))
