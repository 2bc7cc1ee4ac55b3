"""The machine's matrix-multiply rate: square, and the skinny shapes that convolutions turn into."""
import numpy as np
from harness import compare
r = np.random.default_rng(0)


def case(M, K, N, batch=1, tb=False):
    sh = (lambda *s: s) if batch == 1 else (lambda *s: (batch, *s))
    a, b = (r.standard_normal(sh(M, K)).astype(np.float32), r.standard_normal(sh(K, N)).astype(np.float32))
    def plain(g): return g.matmul(g.input(a), g.input(b))
    def tA(g): return g.matmul(g.input(np.swapaxes(a, -1, -2)), g.input(b), ta=1)
    def tB(g): return g.matmul(g.input(a), g.input(np.swapaxes(b, -1, -2)), tb=1)
    def cB(g): return g.matmul(g.input(a), g.input(b, const=True))
    # the transposed product, checked by size only: same work, operands exchanged
    def swap(g): return g.transpose(g.matmul(g.input(np.swapaxes(b, -1, -2)), g.input(np.swapaxes(a, -1, -2))), ([0] if batch > 1 else []) + ([2, 1] if batch > 1 else [1, 0]))
    compare(f"matmul {batch}x [{M},{K}]x[{K},{N}]", {"AB": plain, "A'B": tA, "AB'": tB, "AB const": cB, "(B'A')' + transpose": swap}, ("matmul", (a, b)),
            gflop=2e-9 * M * K * N * batch, tol=1e-3, budget=2)


if __name__ == "__main__":
    case(1024, 1024, 1024)
    case(2048, 2048, 2048)
    for M, K, N, b in [(64, 1728, 3456, 1), (3456, 1728, 64, 1), (64, 64, 1728, 1), (1728, 64, 64, 1), (64, 192, 1728, 1), (64, 3456, 64, 1), (64, 3456, 192, 1), (64, 3456, 576, 1),
                       (512, 512, 128, 27), (128, 512, 512, 27), (512, 128, 512, 27), (256, 256, 432, 1), (432, 256, 256, 1), (256, 432, 256, 1), (512, 512, 16, 27), (16, 512, 512, 27),
                       (16, 432, 147456, 1), (147456, 432, 16, 1), (32, 864, 147456, 1), (147456, 864, 32, 1), (16, 147456, 432, 1), (16, 147456, 48, 1), (64, 343, 27648, 1)]:
        case(M, K, N, b)
