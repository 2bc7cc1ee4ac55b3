"""Checks ONNX files that medvox wrote, with the reference tools; exit status 1 if any file fails.

    python oracle/onnx_check.py [--run] FILE_OR_FOLDER…

Each file goes through onnx's checker with full_check and through strict shape inference with data propagation. Every
value of the graph that medvox declared must agree with what is inferred, and every node output must have a known, fully
static shape. Nodes of com.microsoft have no schema in onnx: from there on its shape inference knows nothing, so they are
counted and only what can be inferred is compared. `--run` also runs each file once in Python's onnxruntime, on small
random inputs, and reports outputs that are not finite or not of their declared shape.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, checker, shape_inference

ONNX_DOMAINS = ("", "ai.onnx")


def described(value):
    """(element type, shape) of a ValueInfo, None for each that is unknown; a symbolic side is its name."""
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return kind.elem_type or None, None
    shape = [d.dim_value if d.HasField("dim_value") else (d.dim_param or None) for d in kind.shape.dim]
    return kind.elem_type or None, shape


def check(path):
    """Yields one line per failure."""
    model = onnx.load(path)
    try:
        checker.check_model(model, full_check=True)
    except Exception as error:  # noqa: BLE001 - any failure of the checker is a finding
        yield f"checker: {first_line(error)}"
    yield from structure(model.graph)
    foreign = Counter(f"{n.domain}.{n.op_type}" for n in model.graph.node if n.domain not in ONNX_DOMAINS)
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]
    try:
        inferred = shape_inference.infer_shapes(bare, check_type=True, strict_mode=not foreign, data_prop=True)
    except Exception as error:  # noqa: BLE001
        yield f"shape inference: {first_line(error)}"
        return
    known = {v.name: described(v) for v in (*inferred.graph.value_info, *inferred.graph.output, *inferred.graph.input)}
    declared = {v.name: described(v) for v in (*model.graph.value_info, *model.graph.output)}
    for name, (kind, shape) in declared.items():
        if name not in known:
            continue
        found_kind, found = known[name]
        if kind and found_kind and kind != found_kind:
            yield f"{name}: declared {TensorProto.DataType.Name(kind)}, inferred {TensorProto.DataType.Name(found_kind)}"
        if shape is not None and found is not None and None not in found and shape != found:
            yield f"{name}: declared {shape}, inferred {found}"
    if not foreign:
        for node in model.graph.node:
            for name in filter(None, node.output):
                shape = known.get(name, (None, None))[1]
                if shape is None or not all(isinstance(side, int) for side in shape):
                    yield f"{node.op_type} {node.name or name}: shape of {name} is not static ({shape})"


def structure(graph):
    """Waste and breakage that the checker lets pass."""
    produced = Counter(name for node in graph.node for name in node.output if name)
    for name, count in produced.items():
        if count > 1:
            yield f"{name}: produced {count} times"
    used = {name for node in graph.node for name in node.input} | {o.name for o in graph.output}
    for node in graph.node:
        if not any(name in used for name in node.output):
            yield f"{node.op_type} {node.name or node.output[0]}: nothing uses it"
    for constant in graph.initializer:
        if constant.name not in used:
            yield f"initializer {constant.name}: nothing uses it"
    contents = Counter((c.data_type, tuple(c.dims), c.raw_data) for c in graph.initializer if c.raw_data)
    for (kind, dims, _), count in contents.items():
        if count > 1:
            yield f"{count} equal initializers of {TensorProto.DataType.Name(kind)} {list(dims)}"


def run(path):
    """Yields one line per output that is wrong; throws nothing."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        generator = np.random.default_rng(0)
        feeds = {i.name: feed(i, generator) for i in session.get_inputs()}
        results = session.run(None, feeds)
    except Exception as error:  # noqa: BLE001
        yield f"onnxruntime: {first_line(error)}"
        return
    for declared, value in zip(session.get_outputs(), results):
        if list(value.shape) != [side for side in declared.shape]:
            yield f"{declared.name}: declared {declared.shape}, got {list(value.shape)}"
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            yield f"{declared.name}: not finite"


def feed(entry, generator):
    """Values that every input can take: class numbers 0 and 1, variances above zero, weights that keep sums near 1."""
    shape = [side if isinstance(side, int) else 1 for side in entry.shape]
    if entry.type == "tensor(float)":
        fan = np.prod(shape[1:]) if len(shape) > 2 else 1
        return np.asarray(generator.uniform(0.1, 1.0, shape) / fan, np.float32)
    if entry.type == "tensor(bool)":
        return generator.integers(0, 2, shape).astype(bool)
    kinds = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(uint8)": np.uint8, "tensor(double)": np.float64}
    if entry.type not in kinds:
        raise ValueError(f"input {entry.name} is {entry.type}: not known here")
    return generator.integers(0, 2, shape).astype(kinds[entry.type])


def first_line(error):
    return " ".join(str(error).split())[:400]


def files(arguments):
    for argument in map(Path, arguments):
        yield from sorted(argument.rglob("*.onnx")) if argument.is_dir() else [argument]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE_OR_FOLDER")
    parser.add_argument("--run", action="store_true", help="also run each file in onnxruntime")
    arguments = parser.parse_args()
    failed = total = 0
    for path in files(arguments.files):
        total += 1
        problems = list(check(path)) + (list(run(path)) if arguments.run else [])
        failed += bool(problems)
        print(f"{'FAIL' if problems else 'ok  '} {path}")
        for problem in problems:
            print(f"     {problem}")
    print(f"{total - failed} of {total} files pass")
    return 1 if failed or not total else 0


if __name__ == "__main__":
    sys.exit(main())
