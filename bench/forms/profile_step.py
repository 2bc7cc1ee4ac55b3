"""Profiles a whole graph written by dump-step.ts: time per operator kind and the slowest nodes. FORMS_MODE=cpu|wall.

    python profile_step.py FILE.onnx [nodes to list] [repetitions]
"""
import json, os, sys, tempfile, time
import numpy as np
import onnx
import onnxruntime as ort
import harness as h

path, top, reps = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 40, int(sys.argv[3]) if len(sys.argv) > 3 else 6
so = ort.SessionOptions()
if h.MODE == "wall": so.use_per_session_threads = False
else: so.intra_op_num_threads = 1
so.log_severity_level = 3
so.enable_profiling = True
so.profile_file_prefix = os.path.join(tempfile.gettempdir(), "step")
s = ort.InferenceSession(path, so, providers=["CPUExecutionProvider"])
rng = np.random.default_rng(0)
b = s.io_binding()
hold = []
for i in s.get_inputs():
    if "int32" in i.type: a = rng.integers(0, 3, i.shape).astype(np.int32)
    elif "int64" in i.type: a = rng.integers(0, 3, i.shape).astype(np.int64)
    else:
        a = (rng.standard_normal(i.shape) * .05).astype(np.float32)
        if "running_var" in i.name: a = np.abs(a) + 1
    v = ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(a)); hold.append(v)
    b.bind_ortvalue_input(i.name, v)
for o in s.get_outputs():
    v = ort.OrtValue.ortvalue_from_shape_and_type(o.shape, np.float32, "cpu"); hold.append(v)
    b.bind_ortvalue_output(o.name, v)
walls = []
for r in range(reps):
    t = h.clock(); s.run_with_iobinding(b); walls.append((h.clock() - t) * 1e3)
    time.sleep(.01)
prof = s.end_profiling()
events = json.load(open(prof)); os.remove(prof)
by = {}
order = []
for e in events:
    if e.get("cat") == "Node" and e["name"].endswith("kernel_time"):
        a = e["args"]
        sh = lambda k: " ".join("x".join(map(str, list(v.values())[0])) for v in a.get(k, []))
        if e["name"] not in by: order.append(e["name"])
        by.setdefault(e["name"], []).append((e["dur"], a["op_name"], sh("input_type_shape") + " -> " + sh("output_type_shape")))
rows = [(min(d for d, _, _ in by[n][1:]) / 1e3, by[n][0][1], by[n][0][2], i, n.replace("_kernel_time", "")) for i, n in enumerate(order)]
kinds = {}
for ms, op, *_ in rows:
    k = kinds.setdefault(op, [0, 0]); k[0] += ms; k[1] += 1
print(f"{os.path.basename(path)} ({h.MODE}): run min {min(walls):.1f} median {np.median(walls):.1f} ms, {len(rows)} nodes, sum of node minima {sum(r[0] for r in rows):.1f} ms")
print("  " + ", ".join(f"{k} {v[0]:.1f} ({v[1]})" for k, v in sorted(kinds.items(), key=lambda t: -t[1][0])))
for ms, op, shape, i, n in sorted(rows, reverse=True)[:top]: print(f"{ms:8.2f} ms  #{i:<4d} {op:18s} {shape[:150]}")
