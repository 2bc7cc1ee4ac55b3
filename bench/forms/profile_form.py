"""Time per node of one form, from ONNX Runtime's profile (minimum over the repetitions). FORMS_MODE=cpu: one thread; wall: two."""
import json, os, sys, tempfile
import numpy as np
import onnxruntime as ort
import harness as h


def profile(build, reps=8, top=40):
    g = h.G()
    outs = build(g)
    outs = list(outs) if isinstance(outs, (list, tuple)) else [outs]
    so = ort.SessionOptions()
    if h.MODE == "wall": so.use_per_session_threads = False
    else: so.intra_op_num_threads = 1
    so.enable_profiling, so.log_severity_level = True, 3
    so.profile_file_prefix = os.path.join(tempfile.gettempdir(), "form")
    s = ort.InferenceSession(g.model(outs).SerializeToString(), so, providers=["CPUExecutionProvider"])
    for _ in range(reps): s.run(None, g.feeds)
    path = s.end_profiling()
    events = json.load(open(path)); os.remove(path)
    by = {}
    for e in events:
        if e.get("cat") == "Node" and e["name"].endswith("kernel_time"):
            a = e["args"]
            sh = lambda k: " ".join("x".join(map(str, list(v.values())[0])) for v in a.get(k, []))
            by.setdefault(e["name"], []).append((e["dur"], a["op_name"], sh("input_type_shape") + " -> " + sh("output_type_shape")))
    rows = [(min(d for d, _, _ in v[1:]) / 1e3, v[0][1], v[0][2]) for v in by.values()]
    for ms, op, shape in rows[:top]: print(f"{ms:8.2f} ms  {op:14s} {shape}")
    kinds = {}
    for ms, op, _ in rows: kinds[op] = kinds.get(op, 0) + ms
    print(f"total {sum(r[0] for r in rows):.2f} ms: " + ", ".join(f"{k} {v:.2f}" for k, v in sorted(kinds.items(), key=lambda t: -t[1])))


if __name__ == "__main__":  # Ci Co n dilation kinds
    import wino
    Ci, Co, n, d = map(int, sys.argv[1:5])
    kinds = sys.argv[5].split(",")
    N = 2
    rnd = lambda *s: np.random.default_rng(0).standard_normal(s).astype(np.float32)

    def build(g):
        pl = wino.Plan(N, (n,) * 3, d, kinds if len(kinds) == 3 else kinds * 3)
        X, W, D = g.input(rnd(N * n ** 3, Ci)), g.input(rnd(27, Ci, Co)), g.input(rnd(N * n ** 3, Co))
        us = wino.transform_w(g, W, pl)
        xt, yt = wino.transform_x(g, X, pl), wino.transform_dy(g, D, pl)
        return wino.fwd(g, xt, us, pl), wino.dx(g, yt, us, pl), wino.dw(g, xt, yt, pl)
    profile(build)
