"""Operators around the convolutions: log-softmax over classes, max-pooling, ReLU's gradient, batch statistics, optimizer pieces."""
import sys
import numpy as np
from harness import compare

R = np.random.default_rng(0)
rnd = lambda *s: R.standard_normal(s).astype(np.float32)


def log_softmax(N, K, P):
    x = rnd(N, K, P)

    def planes(g):
        X = g.input(x)
        p = g.split(X, [1] * K, 1)
        m = g.op("Max", p, p[0].shape)
        e = [g.op("Exp", [g.sub(q, m)], q.shape) for q in p]
        z = g.add(m, g.op("Log", [g.sum(e)], m.shape))
        return g.sub(X, z)

    def reduce(g):
        X = g.input(x)
        m = g.op("ReduceMax", [X, g.ints([1])], (N, 1, P), keepdims=1)
        c = g.sub(X, m)
        s = g.op("ReduceSum", [g.op("Exp", [c], c.shape), g.ints([1])], (N, 1, P), keepdims=1)
        return g.sub(c, g.op("Log", [s], s.shape))

    def lse(g):
        X = g.input(x)
        return g.sub(X, g.op("ReduceLogSumExp", [X, g.ints([1])], (N, 1, P), keepdims=1))

    def rows(g):
        y = g.op("LogSoftmax", [g.input(np.ascontiguousarray(x.transpose(0, 2, 1)))], (N, P, K), axis=-1)
        return y
    back = lambda o: [o[0].transpose(0, 2, 1)]
    compare(f"log-softmax [{N},{K},{P}] over axis 1", {"LogSoftmax axis 1": lambda g: g.op("LogSoftmax", [g.input(x)], x.shape, axis=1), "planes": planes, "reduce": reduce,
                                                      "ReduceLogSumExp": lse, "rows, last axis": (rows, None, back)}, budget=3)


def max_pool(N, C, n):
    x = np.maximum(rnd(N, C, n, n, n), 0)
    o = n // 2
    sh = (N, C, o, o, o)
    X = np.ascontiguousarray(x.transpose(0, 2, 3, 4, 1))
    at = dict(kernel_shape=[3] * 3, strides=[2] * 3, pads=[1] * 6)

    def axis_max(g, v, axis):  # rows layout [.., n, ..]: max of 2i-1, 2i, 2i+1
        a = v.shape[axis]
        idx = lambda f: g.gather(v, [min(max(f(i), 0), a - 1) for i in range(a // 2)], axis)
        return g.op("Max", [idx(lambda i: 2 * i - 1), idx(lambda i: 2 * i), idx(lambda i: 2 * i + 1)], [s // 2 if k == axis else s for k, s in enumerate(v.shape)])

    def rows(g):
        v = g.input(X)
        for axis in (1, 2, 3): v = axis_max(g, v, axis)
        return v
    compare(f"max-pool 3³/2 [{N},{C},{n}³] forward", {"MaxPool": lambda g: g.op("MaxPool", [g.input(x)], sh, **at),
                                                      "MaxPool with indices": lambda g: g.op("MaxPool", [g.input(x)], (sh, sh), outs=2, **at)[0],
                                                      "rows: Gather + Max per axis": (rows, None, lambda v: [v[0].transpose(0, 4, 1, 2, 3)])}, budget=3)


def max_pool_both(N, C, n):
    """Forward and gradient. Separable, earliest of equals wins on each axis (width, then height, then depth), which is PyTorch's choice."""
    x, d = rnd(N, C, n, n, n), rnd(N, C, n // 2, n // 2, n // 2)
    sh = d.shape
    X, D = (np.ascontiguousarray(a.transpose(0, 2, 3, 4, 1)) for a in (x, d))

    def indices(g):
        V, G_ = g.input(x), g.input(d)
        y, i = g.op("MaxPool", [V], (sh, sh), outs=2, kernel_shape=[3] * 3, strides=[2] * 3, pads=[1] * 6)
        z = g.const(np.zeros(x.size, np.float32))
        dx = g.op("ScatterElements", [z, g.reshape(i, [-1]), g.reshape(G_, [-1])], (x.size,), axis=0, reduction="add")
        return y, g.reshape(dx, x.shape)

    def separable(g):
        v, back = g.input(X), []
        for axis in (3, 2, 1):
            s = list(v.shape)
            h = s[axis] // 2
            pairs = g.reshape(v, s[:axis] + [h, 2] + s[axis + 1:])
            low = s[:axis] + [h] + s[axis + 1:]
            b = g.reshape(g.gather(pairs, [0], axis + 1), low)
            c = g.reshape(g.gather(pairs, [1], axis + 1), low)
            a = g.gather(c, [max(i - 1, 0) for i in range(h)], axis)  # first window: its own upper neighbour again, never first of equals there
            m = g.op("Max", [a, b, c], low)
            back.append((axis, a, b, c, m, low))
            v = m
        y, dv = v, g.input(D)
        for axis, a, b, c, m, low in reversed(back):
            h = low[axis]
            zero = g.const(np.float32(0))
            eq = lambda t: g.op("Equal", [t, m], low)
            edge = np.zeros((h,) + (1,) * (len(low) - 1 - axis), bool); edge[0] = True
            isa = g.op("And", [eq(a), g.const(~edge)], low)
            ga = g.op("Where", [isa, dv, zero], low)
            rest = g.sub(dv, ga)
            gb = g.op("Where", [eq(b), rest, zero], low)
            gc = g.sub(rest, gb)
            up = g.concat([g.slice(ga, [1], [h], [axis]), g.const(np.zeros([1 if k == axis else q for k, q in enumerate(low)], np.float32))], axis)
            gc = g.add(gc, up)
            pair = low[:axis + 1] + [1] + low[axis + 1:]
            dv = g.reshape(g.concat([g.reshape(gb, pair), g.reshape(gc, pair)], axis + 1), [q * 2 if k == axis else q for k, q in enumerate(low)])
        return y, dv
    cf = lambda o: [t.transpose(0, 4, 1, 2, 3) for t in o]
    compare(f"max-pool 3³/2 [{N},{C},{n}³] forward and gradient", {"indices + ScatterElements": indices, "rows, separable": (separable, None, cf)}, budget=4)


def relu_gradient(shape):
    x, d = rnd(*shape), rnd(*shape)
    z = np.float32(0)
    compare(f"ReLU gradient {shape}", {
        "Where(Greater)": lambda g: g.op("Where", [g.op("Greater", [g.input(x), g.const(z)], shape), g.input(d), g.const(z)], shape),
        "Mul(Sign(Relu))": lambda g: g.mul(g.op("Sign", [g.op("Relu", [g.input(x)], shape)], shape), g.input(d)),
        "Mul(Cast(Greater))": lambda g: g.mul(g.op("Cast", [g.op("Greater", [g.input(x), g.const(z)], shape)], shape, to=1), g.input(d)),
        "Mul(Cast(Cast bool))": lambda g: g.mul(g.op("Cast", [g.op("Cast", [g.op("Relu", [g.input(x)], shape)], shape, to=9)], shape, to=1), g.input(d)),
    }, budget=2)


def statistics(R_, C):
    x = rnd(R_, C)
    one = np.ones((1, R_), np.float32)
    compare(f"sum of squares over rows [{R_},{C}]", {
        "ReduceSumSquare": lambda g: g.op("ReduceSumSquare", [g.input(x), g.ints([0])], (C,), keepdims=0),
        "Mul + ReduceSum": lambda g: g.op("ReduceSum", [(lambda v: g.mul(v, v))(g.input(x)), g.ints([0])], (C,), keepdims=0),
        "Mul + MatMul ones": lambda g: g.reshape(g.matmul(g.const(one), (lambda v: g.mul(v, v))(g.input(x))), [C]),
    }, budget=2)


def sgd(count, size):
    """Momentum and weight decay over count·size numbers, as one tensor or as `count` tensors whose chain of nodes stays in the cache."""
    p, v, d = rnd(count, size), rnd(count, size), rnd(count, size)

    def step(g, a, b, c, n):
        sc = lambda q: g.const(np.float32(q))
        m = g.add(g.mul(b, sc(.9)), g.add(c, g.mul(a, sc(1e-3))))
        return g.sub(a, g.mul(m, sc(.01))), m

    def whole(g):
        return step(g, g.input(p), g.input(v), g.input(d), count)

    def parts(g):
        rows = [step(g, g.input(p[i]), g.input(v[i]), g.input(d[i]), 1) for i in range(count)]
        return [t for pair in rows for t in pair]

    def join(o):
        return [np.stack(o[0::2]), np.stack(o[1::2])]
    compare(f"SGD with momentum and decay, {count} x {size}", {"one tensor": whole, "a tensor per tap": (parts, None, join)}, budget=3)


def upsample(N, C, n):
    """Linear, twice the size, half-pixel centres: Resize against a matrix per axis, rows layout."""
    x = rnd(N, C, n, n, n)
    m = np.zeros((2 * n, n), np.float32)
    for o in range(2 * n):
        c = min(max((o + .5) / 2 - .5, 0), n - 1)
        lo = int(c)
        m[o, lo] += 1 - (c - lo)
        m[o, min(lo + 1, n - 1)] += c - lo
    X = np.ascontiguousarray(x.transpose(0, 2, 3, 4, 1).reshape(-1, C))
    import wino
    rows = lambda g: wino.axes_matmul(g, g.input(X), [m] * 3, N, (n,) * 3, C)
    resize = lambda g: g.op("Resize", [g.input(x), None, g.const(np.array([1, 1, 2, 2, 2], np.float32))], (N, C) + (2 * n,) * 3, mode="linear", coordinate_transformation_mode="half_pixel")
    compare(f"linear up-sampling x2 [{N},{C},{n}³]", {"Resize": resize, "rows, MatMul per axis": (rows, None, lambda o: [o[0].reshape(N, 2 * n, 2 * n, 2 * n, C).transpose(0, 4, 1, 2, 3)])}, budget=3)


if __name__ == "__main__":
    what = sys.argv[1:] or ["softmax", "pool", "relu", "statistics", "sgd", "upsample"]
    if "softmax" in what: log_softmax(4, 3, 48 * 64 * 48)
    if "pool" in what: max_pool(2, 64, 24), max_pool_both(2, 64, 24)
    if "relu" in what: relu_gradient((2, 64, 24, 24, 24)), relu_gradient((4, 16, 48, 64, 48))
    if "statistics" in what: statistics(3456, 64), statistics(73728, 64), statistics(432, 512)
    if "sgd" in what: sgd(27, 512 * 512)
    if "upsample" in what: upsample(2, 64, 12)
