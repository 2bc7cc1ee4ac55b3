"""Alternating timer for equivalent ONNX forms of one layer, with PyTorch as the yardstick.

Why alternating: the machine is shared and drifts by a third within minutes, so an absolute time says little. Every
candidate (and PyTorch, which lives in a child process so that its thread pool never spins beside ONNX Runtime's) runs
once per round, round after round; minimum and median are reported, and ratios of them.

A candidate is a function that adds nodes to a `G` and returns its output names. Every candidate of a case is checked against the
first one (or PyTorch's result) before it is timed.
"""
import json, multiprocessing, os, resource, sys, time
import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import onnxruntime as ort

# FORMS_MODE=wall: two threads, wall clock (what counts, needs a quiet machine). FORMS_MODE=cpu: one thread, CPU time of that
# thread (what a busy machine distorts least; says nothing about operators that ONNX Runtime does not parallelise).
MODE = os.environ.get("FORMS_MODE", "wall")
THREADS = 2 if MODE == "wall" else 1
clock = time.perf_counter if MODE == "wall" else time.thread_time
# The machine is shared: a case that needs more fails by itself instead of taking others' memory.
resource.setrlimit(resource.RLIMIT_DATA, (int(os.environ.get("FORMS_MEMORY_GB", "8")) << 30,) * 2)
# One shared pool: with a pool per session, the spinning workers of the candidate before would eat the next one's core.
if THREADS == 2:
    ort.set_global_thread_pool_sizes(2, 1)
PAUSE = 0.004  # seconds between candidates, so that every pool has stopped spinning


class T:
    """A value in a graph: its name and static shape."""

    def __init__(self, g, name, shape):
        self.g, self.name, self.shape = g, name, tuple(int(s) for s in shape)


class G:
    """A few lines of graph builder: nodes, constants, inputs with their feeds."""

    def __init__(self):
        self.nodes, self.inits, self.feeds, self.inputs, self.n, self.cache = [], [], {}, [], 0, {}

    def fresh(self, p="t"):
        self.n += 1
        return f"{p}{self.n}"

    def input(self, array, name=None, const=False):
        name = name or self.fresh("in")
        array = np.ascontiguousarray(array)
        if const:
            self.inits.append(numpy_helper.from_array(array, name))
        else:
            self.feeds[name] = array
            self.inputs.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape))
        return T(self, name, array.shape)

    def const(self, array):
        array = np.ascontiguousarray(array)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.cache:
            name = self.fresh("c")
            self.inits.append(numpy_helper.from_array(array, name))
            self.cache[key] = T(self, name, array.shape)
        return self.cache[key]

    def ints(self, v):
        return self.const(np.array(v, dtype=np.int64))

    def op(self, kind, inputs, shape, outs=1, domain="", **attrs):
        names = [self.fresh(kind.lower()) for _ in range(outs)]
        self.nodes.append(helper.make_node(kind, [i.name if i is not None else "" for i in inputs], names, domain=domain, **attrs))
        if outs == 1:
            return T(self, names[0], shape)
        return [T(self, n, s) for n, s in zip(names, shape)]

    # the handful of operators the forms need, with shapes
    def reshape(self, x, shape):
        shape = list(shape)
        if -1 in shape:
            k = shape.index(-1)
            rest = int(np.prod([s for s in shape if s != -1]))
            shape[k] = int(np.prod(x.shape)) // rest
        assert np.prod(shape) == np.prod(x.shape), (x.shape, shape)
        if tuple(shape) == x.shape:
            return x
        return self.op("Reshape", [x, self.ints(shape)], shape)

    def transpose(self, x, perm):
        if list(perm) == list(range(len(perm))):
            return x
        return self.op("Transpose", [x], [x.shape[p] for p in perm], perm=list(perm))

    def slice(self, x, starts, ends, axes, steps=None):
        shape = list(x.shape)
        keep = []
        for i, (s, e, a) in enumerate(zip(starts, ends, axes)):
            st = steps[i] if steps else 1
            if (s, e, st) == (0, shape[a], 1):
                continue
            keep.append((s, e, a, st))
            shape[a] = (e - s + st - 1) // st
        if not keep:
            return x
        s, e, a, st = zip(*keep)
        ins = [x, self.ints(s), self.ints(e), self.ints(a)]
        if any(v != 1 for v in st):
            ins.append(self.ints(st))
        return self.op("Slice", ins, shape)

    def pad(self, x, before, after):
        if not any(before) and not any(after):
            return x
        return self.op("Pad", [x, self.ints(list(before) + list(after))], [s + b + a for s, b, a in zip(x.shape, before, after)])

    def concat(self, xs, axis):
        if len(xs) == 1:
            return xs[0]
        shape = list(xs[0].shape)
        shape[axis] = sum(x.shape[axis] for x in xs)
        return self.op("Concat", xs, shape, axis=axis)

    def split(self, x, sizes, axis):
        shapes = []
        for s in sizes:
            sh = list(x.shape); sh[axis] = s; shapes.append(sh)
        if len(sizes) == 1:
            return [x]
        return self.op("Split", [x, self.ints(sizes)], shapes, outs=len(sizes), axis=axis)

    def add(self, a, b):
        return self.op("Add", [a, b], np.broadcast_shapes(a.shape, b.shape))

    def sub(self, a, b):
        return self.op("Sub", [a, b], np.broadcast_shapes(a.shape, b.shape))

    def mul(self, a, b):
        return self.op("Mul", [a, b], np.broadcast_shapes(a.shape, b.shape))

    def sum(self, xs):
        return xs[0] if len(xs) == 1 else self.op("Sum", xs, xs[0].shape)

    def gather(self, x, index, axis):
        shape = list(x.shape)
        shape[axis:axis + 1] = list(np.shape(index))
        return self.op("Gather", [x, self.const(np.array(index, dtype=np.int64))], shape, axis=axis)

    def matmul(self, a, b, ta=0, tb=0):
        sa = a.shape[:-2] + ((a.shape[-1], a.shape[-2]) if ta else a.shape[-2:])
        sb = b.shape[:-2] + ((b.shape[-1], b.shape[-2]) if tb else b.shape[-2:])
        assert sa[-1] == sb[-2], (sa, sb)
        shape = np.broadcast_shapes(sa[:-2], sb[:-2]) + (sa[-2], sb[-1])
        if ta or tb:
            return self.op("FusedMatMul", [a, b], shape, domain="com.microsoft", transA=ta, transB=tb)
        return self.op("MatMul", [a, b], shape)

    def conv(self, x, w, stride=1, pad=0, dil=1, group=1, shape=None, bias=None):
        r = len(x.shape) - 2
        tup = lambda v: list(v) if isinstance(v, (list, tuple)) else [v] * r
        s, p, d = tup(stride), tup(pad), tup(dil)
        if len(p) == r:
            p = p + p
        out = [(x.shape[2 + i] + p[i] + p[r + i] - d[i] * (w.shape[2 + i] - 1) - 1) // s[i] + 1 for i in range(r)]
        return self.op("Conv", [x, w] + ([bias] if bias else []), [x.shape[0], w.shape[0]] + out, strides=s, pads=p, dilations=d, group=group)

    def model(self, outputs):
        outs = [helper.make_tensor_value_info(o.name, TensorProto.FLOAT, o.shape) for o in outputs]
        graph = helper.make_graph(self.nodes, "form", self.inputs, outs, self.inits)
        m = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)])
        m.ir_version = 9
        return m


def session(model, threads=THREADS, options=None, profile=False):
    so = ort.SessionOptions()
    if threads == 2:
        so.use_per_session_threads = False
    else:
        so.intra_op_num_threads = threads
    so.log_severity_level = 3
    so.enable_profiling = profile
    for k, v in (options or {}).items():
        if k == "level":
            so.graph_optimization_level = v
        elif hasattr(so, k):
            setattr(so, k, v)
        else:
            so.add_session_config_entry(k, v)
    data = model.SerializeToString()
    return ort.InferenceSession(data, so, providers=["CPUExecutionProvider"])


class Runner:
    """One candidate, bound to preallocated inputs and outputs (what the step graph does too)."""

    def __init__(self, build, options=None):
        g = G()
        outs = build(g)
        outs = list(outs) if isinstance(outs, (list, tuple)) else [outs]
        self.nodes = len(g.nodes)
        self.s = session(g.model(outs), options=options)
        self.b = self.s.io_binding()
        self.hold = {k: ort.OrtValue.ortvalue_from_numpy(v) for k, v in g.feeds.items()}
        for k, v in self.hold.items():
            self.b.bind_ortvalue_input(k, v)
        self.out = []
        for o in outs:
            v = ort.OrtValue.ortvalue_from_numpy(np.zeros(o.shape, np.float32))
            self.out.append(v)
            self.b.bind_ortvalue_output(o.name, v)

    def run(self):
        self.s.run_with_iobinding(self.b)

    def result(self):
        self.run()
        return [o.numpy().copy() for o in self.out]


def _torch_child(pipe):
    # libgomp otherwise leaves both threads on one core after a pause until the kernel's balancer moves one (15 ms)
    os.environ.update(OMP_NUM_THREADS=str(THREADS), OMP_PROC_BIND="true", OMP_PLACES="threads")
    import torch
    torch.set_num_threads(THREADS)
    jobs = {}
    while True:
        msg = pipe.recv()
        if msg is None:
            return
        kind, key, arg = msg
        if kind == "make":
            import torch_jobs
            jobs[key] = getattr(torch_jobs, arg[0])(*arg[1])
            out = jobs[key]()
            pipe.send([o.detach().contiguous().numpy() for o in (out if isinstance(out, (list, tuple)) else [out]) if o is not None])
        elif kind == "drop":
            jobs.clear(); pipe.send(None)
        else:
            t = clock()
            jobs[key]()
            pipe.send(clock() - t)


class Torch:
    """PyTorch in its own process; one request, one timed call."""
    _one = None

    def __init__(self):
        ctx = multiprocessing.get_context("spawn")
        self.pipe, child = ctx.Pipe()
        self.p = ctx.Process(target=_torch_child, args=(child,), daemon=True)
        self.p.start()

    @classmethod
    def get(cls):
        if cls._one is None:
            cls._one = Torch()
        return cls._one

    def make(self, key, fn, *args):
        self.pipe.send(("make", key, (fn, args)))
        return self.pipe.recv()

    def run(self, key):
        self.pipe.send(("run", key, None))
        return self.pipe.recv()

    def drop(self):
        self.pipe.send(("drop", None, None)); self.pipe.recv()


def compare(title, candidates, torch_job=None, rounds=15, gflop=None, check=True, tol=2e-4, budget=6.0, log=True):
    """candidates: {name: build} or {name: (build, session options, layout change in numpy before the check)}. torch_job: (function in torch_jobs.py, args). Returns {name: (min, median)} in ms."""
    res, ref = {}, None
    runs = {}
    th = None
    if torch_job:
        th = Torch.get()
        th.drop()
        ref = th.make("t", torch_job[0], *torch_job[1])
        runs["torch"] = lambda: th.run("t")
    sizes = {}
    for name, b in candidates.items():
        build, opt, post = (b if isinstance(b, tuple) else (b, None, None))
        try:
            r = Runner(build, opt)
            out = r.result()
            if post:
                out = post(out)
        except Exception as e:
            print(f"   {name}: FAILED {str(e)[:300]}", flush=True)
            continue
        sizes[name] = r.nodes
        if ref is None:
            ref = out
        elif check:
            for a, b_ in zip(ref, out):
                a = np.asarray(a).reshape(-1) if np.size(a) == np.size(b_) else a
                if np.size(a) == np.size(b_):
                    err = np.abs(a - b_.reshape(-1)).max() / (np.abs(a).max() + 1e-30)
                    if not err < tol:
                        print(f"   {name}: WRONG, error {err:.2e}", flush=True)
                else:
                    print(f"   {name}: WRONG SHAPE {a.shape} {b_.shape}", flush=True)

        def go(r=r):
            t = clock(); r.run(); return clock() - t
        runs[name] = go
    times = {k: [] for k in runs}
    t0 = time.perf_counter()
    for i in range(rounds + 1):
        for k, f in runs.items():
            time.sleep(PAUSE)
            f()  # wakes the pool, brings the weights into the cache
            dt = f()
            if i:
                times[k].append(dt * 1e3)
        if time.perf_counter() - t0 > budget and i >= 4:
            break
    base = min(times["torch"]) if "torch" in times else None
    if log:
        print(f"## {title}  ({MODE})" + (f"  [{gflop:.2f} GF]" if gflop else ""))
        for k, v in sorted(times.items(), key=lambda kv: min(kv[1])):
            m, md = min(v), float(np.median(v))
            print(f"   {k:34s} min {m:8.2f}  med {md:8.2f} ms" + (f"  {gflop / m * 1e3:6.0f} GF/s" if gflop else "")
                  + (f"  x{m / base:5.2f} torch" if base else "") + (f"  ({sizes[k]} nodes)" if k in sizes else ""), flush=True)
    return {k: (min(v), float(np.median(v))) for k, v in times.items()}
