"""Winograd-like forms on rows [N·D·H·W, C]: separable along D, H, W, dilation included.

Along one axis a 3-tap correlation of a map is y = Aᵀ [ (G w)_type ⊙ (Bᵀ x) ]: Bᵀ and Aᵀ are small constant matrices that know the dilation (they act on
every d-th point) and the zero padding, so products that would meet only padding do not exist. In 3D the three axes nest, and the
elementwise product becomes one batched matrix product over channels, [types, rows, Ci] x [types, Ci, Co].
Gradients use the same matrices transposed: dX = B ((A dY) Uᵀ), dW = Gᵀ ((Bᵀ X)ᵀ (A dY)).
"""
import itertools
import numpy as np

# 1-D algorithms for a tile: (Bᵀ, G, Aᵀ)
F23 = (np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], float),
       np.array([[1, 0, 0], [.5, .5, .5], [.5, -.5, .5], [0, 0, 1]], float),
       np.array([[1, 1, 1, 0], [0, 1, -1, -1]], float))


def toom(points, m, k=3):
    """F(m,k) from Toom-Cook with the given finite points and infinity: correlation form (Bᵀ, G, Aᵀ)."""
    n = m + k - 1
    assert len(points) == n - 1
    V = lambda cols: np.array([[p ** j for j in range(cols)] for p in points] + [[0] * (cols - 1) + [1]], float)
    # linear convolution of lengths m and k: c = V(n)^-1 (V(m) a ⊙ V(k) w); its transpose is the correlation
    Bt = np.linalg.inv(V(n)).T
    At = V(m).T
    G = V(k)
    # spread the scale between G and Bᵀ
    s = np.abs(Bt).max(axis=1)
    return Bt / s[:, None], G * s[:, None], At


# Points near one in size keep rounding small: ten times less error in 3D than the textbook's 0, 1, -1, 2(, -2).
F33 = toom([0, .75, -.75, 2], 3)
F43 = toom([0, .625, -.625, 1.5, -1.5], 4)


MIX = [0, .625, -.625, 1.5, -1.5]


def mix_tiles(L):
    """Tile sizes along a line of L points with the fewest products (m + 2 each); a short last tile drops what meets nothing."""
    best = {0: (0, [])}
    for n in range(1, L + 1):
        best[n] = min(((best[max(0, n - m)][0] + (m + 2 if n >= m else m + 1), best[max(0, n - m)][1] + [m]) for m in (4, 3, 2)), key=lambda v: v[0])
    return best[L][1]


def axis(n, d, kind):
    """One axis of n points, dilation d, padding d, 3 taps: (Bᵀ [m,n], Aᵀ [n,m], type of each product [m], G [types,3])."""
    rows, cols, types = [], [], []

    def product(t, xs, ys):
        rows.append(xs), cols.append(ys), types.append(t)
    if kind == "none":  # direct taps
        G = np.eye(3)
        for t in range(3):
            for o in range(n):
                i = o + (t - 1) * d
                if 0 <= i < n: product(t, {i: 1.}, {o: 1.})
    elif kind == "k2":  # sub-lattices of one or two points
        G = np.array([[0, 1, 0], [0, -1, 1], [1, -1, 0]], float)
        for r in range(min(d, n)):
            p = list(range(r, n, d))
            assert len(p) <= 2
            if len(p) == 1: product(0, {p[0]: 1.}, {p[0]: 1.})
            else:
                product(0, {p[0]: 1., p[1]: 1.}, {p[0]: 1., p[1]: 1.})
                product(1, {p[1]: 1.}, {p[0]: 1.})
                product(2, {p[0]: 1.}, {p[1]: 1.})
    elif kind == "mix":  # tiles of 4, 3 and 2 on nested points, so that they share weight types: the fewest products for any length
        fam = {m: toom(MIX[:m + 1], m) for m in (4, 3, 2)}
        Gs = np.array([[1, q, q * q] for q in MIX] + [[0, 0, 1]], float)
        scale = fam[4][1][:, 0] / Gs[:, 0].clip(1e-9)
        scale[-1] = fam[4][1][-1, 2]
        G = Gs * scale[:, None]
        for r in range(min(d, n)):
            p = list(range(r, n, d))
            j = 0
            for m in mix_tiles(len(p)):
                Bt, g_, At = fam[m]
                ty = list(range(m + 1)) + [len(MIX)]
                # undo the tile's own scaling of G, apply the shared one
                own = np.array([g_[t, 0] if ty[t] < len(MIX) else g_[t, 2] for t in range(m + 2)])
                B2 = Bt * (own / scale[ty])[:, None]
                for t in range(m + 2):
                    xs = {p[j - 1 + a]: B2[t, a] for a in range(m + 2) if 0 <= j - 1 + a < len(p) and abs(B2[t, a]) > 1e-12}
                    ys = {p[j + b]: At[b, t] for b in range(m) if j + b < len(p) and At[b, t]}
                    if xs and ys: product(ty[t], xs, ys)
                j += m
        used = sorted(set(types))
        G = G[used]
        types = [used.index(t) for t in types]
    else:
        Bt, G, At = {"f23": F23, "f33": F33, "f43": F43}[kind]
        m = At.shape[0]
        for r in range(min(d, n)):
            p = list(range(r, n, d))
            for j in range(0, len(p), m):
                for t in range(Bt.shape[0]):
                    xs = {p[j - 1 + a]: Bt[t, a] for a in range(Bt.shape[1]) if 0 <= j - 1 + a < len(p) and Bt[t, a]}
                    ys = {p[j + b]: At[b, t] for b in range(m) if j + b < len(p) and At[b, t]}
                    if xs and ys: product(t, xs, ys)
    M = len(types)
    B, A = np.zeros((M, n)), np.zeros((n, M))
    for i in range(M):
        for k, v in rows[i].items(): B[i, k] = v
        for k, v in cols[i].items(): A[k, i] = v
    o = np.argsort(types, kind="stable")
    return B[o].astype(np.float32), A[:, o].astype(np.float32), np.array(types)[o], G.astype(np.float32)


class Plan:
    """The three axes of one layer and the row orders between the separable ("natural") and the type-major layout."""

    def __init__(self, N, sp, d, kinds):
        self.N, self.sp = N, sp
        self.ax = [axis(n, d, k) for n, k in zip(sp, kinds)]
        self.m = [a[0].shape[0] for a in self.ax]
        nt = [a[3].shape[0] for a in self.ax]
        self.types = int(np.prod(nt))
        tt = [a[2] for a in self.ax]
        T = (tt[0][:, None, None] * nt[1] + tt[1][None, :, None]) * nt[2] + tt[2][None, None, :]
        T = np.broadcast_to(T[None], (N, *self.m)).reshape(-1)
        rows = np.arange(T.size)
        by = {}
        for t in range(self.types):
            r = rows[T == t]
            if len(r): by.setdefault(len(r), []).append((t, r))
        self.groups = [([t for t, _ in v], np.stack([r for _, r in v])) for _, v in sorted(by.items(), reverse=True)]
        order = np.concatenate([g[1].reshape(-1) for g in self.groups])
        self.back = np.argsort(order)
        self.G = np.einsum("ai,bj,ck->abcijk", self.ax[0][3], self.ax[1][3], self.ax[2][3]).reshape(self.types, 27).astype(np.float32)
        self.G = self.G[[t for g in self.groups for t in g[0]]]  # in group order

    @property
    def products(self):
        return self.N * int(np.prod(self.m))

    def weights(self, w):
        """numpy [27,Ci,Co] -> per group [n,Ci,Co]"""
        u = (self.G.astype(np.float64) @ w.reshape(27, -1)).astype(np.float32).reshape(-1, *w.shape[1:])
        return np.split(u, np.cumsum([len(g[0]) for g in self.groups])[:-1])


def axes_matmul(g, x, mats, N, sizes, C):
    """x [N·prod(sizes), C]; multiply each axis by its matrix [m, n], depth first."""
    a, b, c = sizes
    (ma, mb, mc) = [m.shape[0] for m in mats]
    v = g.reshape(x, [N, a, b * c * C])
    v = g.matmul(g.const(mats[0]), v)
    v = g.reshape(v, [N * ma, b, c * C])
    v = g.matmul(g.const(mats[1]), v)
    v = g.reshape(v, [N * ma * mb, c, C])
    v = g.matmul(g.const(mats[2]), v)
    return g.reshape(v, [N * ma * mb * mc, C])


def axes_matmul_rev(g, x, mats, N, sizes, C):
    """The same, width first (so that an expanding transform expands late and a contracting one contracts early)."""
    a, b, c = sizes
    (ma, mb, mc) = [m.shape[0] for m in mats]
    v = g.matmul(g.const(mats[2]), g.reshape(x, [N * a * b, c, C]))
    v = g.matmul(g.const(mats[1]), g.reshape(v, [N * a, b, mc * C]))
    v = g.matmul(g.const(mats[0]), g.reshape(v, [N, a, mb * mc * C]))
    return g.reshape(v, [N * ma * mb * mc, C])


def to_types(g, nat, plan):
    return [g.gather(nat, r, 0) for _, r in plan.groups]


def from_types(g, parts, plan):
    C = parts[0].shape[-1]
    return g.gather(g.concat([g.reshape(p, [-1, C]) for p in parts], 0), plan.back, 0)


def transform_x(g, x, plan):
    return to_types(g, axes_matmul(g, x, [a[0] for a in plan.ax], plan.N, plan.sp, x.shape[1]), plan)


def transform_dy(g, dy, plan):
    return to_types(g, axes_matmul(g, dy, [np.ascontiguousarray(a[1].T) for a in plan.ax], plan.N, plan.sp, dy.shape[1]), plan)


def transform_w(g, w, plan):
    """w [27,Ci,Co] in the graph -> per group [n,Ci,Co]"""
    u = g.reshape(g.matmul(g.const(plan.G), g.reshape(w, [27, -1])), [-1, *w.shape[1:]])
    return g.split(u, [len(gr[0]) for gr in plan.groups], 0)


def fwd(g, xt, us, plan):
    m = from_types(g, [g.matmul(a, u) for a, u in zip(xt, us)], plan)
    return axes_matmul_rev(g, m, [a[1] for a in plan.ax], plan.N, plan.m, m.shape[1])


def dx(g, yt, us, plan):
    m = from_types(g, [g.matmul(a, u, tb=1) for a, u in zip(yt, us)], plan)
    return axes_matmul_rev(g, m, [np.ascontiguousarray(a[0].T) for a in plan.ax], plan.N, plan.m, m.shape[1])


def dw(g, xt, yt, plan):
    u = g.concat([g.matmul(a, b, ta=1) for a, b in zip(xt, yt)], 0)
    sh = u.shape
    return g.reshape(g.matmul(g.const(np.ascontiguousarray(plan.G.T)), g.reshape(u, [sh[0], -1])), [27, *sh[1:]])
