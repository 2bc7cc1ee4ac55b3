"""Golden values for the volume readers: what nibabel and SimpleITK read, for made-up files and for the real ones.

    python oracle/nibabel_volumes.py [FOLDER_WITH_REAL_DATA]

Writes test/fixtures/volume/golden/{nifti,itk}.json (tiny files in base64 with the values and affine that nibabel or
SimpleITK give) and, with a folder, real.json (per file shape, type, affine, sum and a hash of all values).
Needs numpy, nibabel 5, SimpleITK 2.
"""

import base64
import gzip
import hashlib
import json
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk

GOLDEN = Path(__file__).resolve().parent.parent / "test" / "fixtures" / "volume" / "golden"
TYPES = "int8 uint8 int16 uint16 int32 uint32 int64 uint64 float32 float64".split()
HEADERS = {1: nib.Nifti1Header, 2: nib.Nifti2Header}
PAIR_HEADERS = {1: nib.nifti1.Nifti1PairHeader, 2: nib.nifti2.Nifti2PairHeader}


def b64(data):
    return base64.b64encode(bytes(data)).decode()


def little(array):
    """Values in file order (x fastest), little-endian, as base64."""
    return b64(np.asarray(array).astype(np.asarray(array).dtype.newbyteorder("<")).tobytes("F"))


def ramp(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        values = rng.normal(0, 1000, shape)
        values.flat[:4] = [np.nan, np.inf, -np.inf, -0.0]
        return values.astype(dtype)
    info = np.iinfo(dtype)
    values = rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    values.flat[:2] = [info.min, info.max]
    return values


def header(version=1, endian="<", pair=False, dtype="int16", dims=(3, 4, 2), **fields):
    h = (PAIR_HEADERS if pair else HEADERS)[version](endianness=endian)
    h.set_data_dtype(np.dtype(dtype))
    h["dim"] = [len(dims), *dims] + [1] * (7 - len(dims))
    h["pixdim"] = [1, 0.5, 0.75, 2.5, 1, 1, 1, 1]
    h["scl_slope"], h["scl_inter"] = 1, 0
    h["vox_offset"] = 0 if pair else h.single_vox_offset
    for name, value in fields.items():
        h[name] = value
    return h


def voxels(h, seed=0):
    shape = tuple(int(n) for n in h["dim"][1 : h["dim"][0] + 1])
    return ramp(shape, h.get_data_dtype().newbyteorder("="), seed)


def block(h, data, gap=b"\0\0\0\0"):
    return h.binaryblock + gap + data.astype(h.get_data_dtype()).tobytes("F")


def in_millimetres(image):
    """nibabel leaves the affine in the file's unit; medvox does not."""
    millimetres = {"meter": 1000, "micron": 0.001}.get(image.header.get_xyzt_units()[0], 1)
    affine = image.affine.copy()
    affine[:3] *= millimetres
    return affine


def expected(load):
    try:
        image = load()
        data = np.asanyarray(image.dataobj)
        if not np.isfinite(image.affine).all():
            return {"error": "affine not finite"}
        return {
            "shape": list(image.shape),
            "dtype": data.dtype.newbyteorder("=").name,
            "data": little(data),
            "affine": in_millimetres(image).ravel().tolist(),
        }
    except Exception as error:  # whatever nibabel refuses, medvox must refuse too
        return {"error": type(error).__name__}


def nifti_case(name, files):
    with tempfile.TemporaryDirectory() as folder:
        for ending, data in files.items():
            (Path(folder) / f"a{ending}").write_bytes(data)
        first = Path(folder) / f"a{next(iter(files))}"
        return {"name": name, "files": {e: b64(d) for e, d in files.items()}, **expected(lambda: nib.load(first))}


def single(name, data_seed=0, gap=b"\0\0\0\0", compress=False, **fields):
    h = header(**fields)
    data = block(h, voxels(h, data_seed), gap)
    if compress:
        return nifti_case(name, {".nii.gz": gzip.compress(data, mtime=0)})
    return nifti_case(name, {".nii": data})


def nifti_cases():
    for version in (1, 2):
        for endian in "<>":
            for dtype in TYPES:
                yield single(f"{dtype} {endian} NIfTI-{version}", version=version, endian=endian, dtype=dtype)
            h = header(version, endian, pair=True, dtype="int32")
            body = voxels(h).astype(h.get_data_dtype()).tobytes("F")
            yield nifti_case(f"pair {endian} NIfTI-{version}", {".hdr": h.binaryblock, ".img": body})
    h = header(pair=True, vox_offset=32)
    body = bytes(32) + voxels(h).tobytes("F")
    yield nifti_case("pair, offset 32", {".hdr": h.binaryblock, ".img": body})
    h["vox_offset"] = 0
    yield nifti_case(
        "pair, gzip", {".hdr.gz": gzip.compress(h.binaryblock, mtime=0), ".img.gz": gzip.compress(body[32:], mtime=0)}
    )
    yield single("gzip", compress=True)
    yield single("gzip NIfTI-2 big-endian", compress=True, version=2, endian=">", dtype="float64")
    h = header()
    data = block(h, voxels(h))
    two = gzip.compress(data[:200], mtime=0) + gzip.compress(data[200:], mtime=0)
    yield nifti_case("gzip, two members", {".nii.gz": two})
    yield nifti_case("bytes after the voxels", {".nii": data + b"more"})
    extension = b"\x01\0\0\0" + (32).to_bytes(4, "little") + (6).to_bytes(4, "little") + b"a comment".ljust(24, b"\0")
    yield single("extension", gap=extension, vox_offset=384)
    yield single("offset 400", gap=bytes(52), vox_offset=400)
    yield single("offset 352.75", vox_offset=352.75)

    for slope, inter in [
        (2.5, -1), (1, -1024), (0, 5), (np.nan, np.nan), (np.nan, 3), (np.inf, 3), (1, 0), (-2, 0), (0.1, 0.2), (1e10, 0),
        (1e-30, 1), (1, np.nan), (2, np.inf), (3, 7), (200, 5), (16384, 0),
    ]:  # fmt: skip
        for dtype in ("uint8", "int16", "int32", "uint64", "float32", "float64"):
            yield single(f"{dtype} × {slope} + {inter}", dtype=dtype, scl_slope=slope, scl_inter=inter)
    yield single("NIfTI-2 scaled", version=2, scl_slope=0.1, scl_inter=-0.7)
    yield single("NIfTI-1 big-endian scaled", endian=">", scl_slope=0.1, scl_inter=-0.7)

    for dims in [
        (5,), (4, 3), (1, 1, 1), (2, 3, 4, 1), (2, 3, 2, 5), (2, 3, 2, 1, 3), (2, 2, 2, 1, 1, 1, 1), (2, 2, 2, 3, 1, 1, 1),
        (2, 1, 1, 4), (1, 4, 3), (3, 2, 1),
    ]:  # fmt: skip
        yield single(f"dims {dims}", dims=dims)
    yield single("dim[0] 3 with dim[4] 5", dim=[3, 3, 4, 2, 5, 9, 9, 9])

    srow = dict(srow_x=[-0.9, 0.1, 0.2, 10], srow_y=[0.1, 1.1, -0.3, -20], srow_z=[0.05, 0.2, 3, 30.5])
    half = np.sqrt(0.5)
    turned = dict(quatern_b=0.1, quatern_c=-0.3, quatern_d=0.5, qoffset_x=7, qoffset_y=-8.5, qoffset_z=9.25)
    for version in (1, 2):
        for s, q in [(0, 0), (0, 1), (1, 0), (1, 2), (2, 1), (6, 1), (-1, 1), (0, 6), (0, 5), (4, 3)]:
            yield single(
                f"sform {s} qform {q} NIfTI-{version}", version=version, sform_code=s, qform_code=q, **srow, **turned
            )
        for qfac in (-1, 0, 2, np.nan):
            yield single(
                f"qfac {qfac} NIfTI-{version}",
                version=version, qform_code=1, pixdim=[qfac, 0.7, 0.8, 2, 1, 1, 1, 1], **turned,
            )  # fmt: skip
        for b, c, d in [
            (0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (half, half, 0), (0.6, 0, 0.8), (0.5, 0.5, 0.5), (1.0000001, 0, 0),
            (0.57735027, 0.57735027, 0.57735027), (0.9999, 0.01, 0), (1.1, 0, 0), (0, 2e-4, 0.99999998), (np.nan, 0, 0),
        ]:  # fmt: skip
            yield single(
                f"quaternion {b} {c} {d} NIfTI-{version}",
                version=version, qform_code=1, quatern_b=b, quatern_c=c, quatern_d=d, qoffset_x=1,
            )  # fmt: skip
        for zooms in [(0, 2, 3), (-2, 3, 4), (0, -1, 0), (1e-3, 1e3, 1)]:
            for q in (0, 1):
                yield single(
                    f"pixdim {zooms} qform {q} NIfTI-{version}",
                    version=version, qform_code=q, pixdim=[1, *zooms, 1, 1, 1, 1], **turned,
                )  # fmt: skip
    for units in range(8):
        yield single(f"units {units}", xyzt_units=units, sform_code=1, **srow)
    yield single("fallback affine of a plane", dims=(4, 3), pixdim=[1, 2, 3, 4, 1, 1, 1, 1])


def itk_expected(path):
    image = sitk.ReadImage(str(path))
    n = image.GetDimension()
    direction = np.array(image.GetDirection()).reshape(n, n)
    affine = np.eye(4)
    m = min(n, 3)
    affine[:m, :m] = (direction * np.array(image.GetSpacing()))[:m, :m]
    affine[:m, 3] = image.GetOrigin()[:m]
    affine[:2] *= -1
    array = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() > 1:
        array = np.moveaxis(array, -1, 0)
    return {
        "size": list(image.GetSize()),
        "components": image.GetNumberOfComponentsPerPixel(),
        "dtype": array.dtype.name,
        "data": b64(array.tobytes()),
        "affine": affine.ravel().tolist(),
    }


def itk_case(name, files):
    with tempfile.TemporaryDirectory() as folder:
        for file, data in files.items():
            (Path(folder) / file).write_bytes(data)
        try:
            expect = itk_expected(Path(folder) / next(iter(files)))
        except RuntimeError as error:
            raise SystemExit(f"{name}: {error}") from error
    return {"name": name, "files": {f: b64(d) for f, d in files.items()}, **expect}


def itk_image(dtype="int16", shape=(2, 4, 3), vector=False):
    image = sitk.GetImageFromArray(ramp(shape, dtype), isVector=vector)
    if image.GetDimension() == 3:
        image.SetSpacing((0.5, 0.75, 2.5))
        image.SetOrigin((10.5, -20.25, 30))
        c, s = np.cos(0.3), np.sin(0.3)
        image.SetDirection((c, -s, 0, s * 0.6, c * 0.6, -0.8, s * 0.8, c * 0.8, 0.6))
    return image


def written(image, *endings, compress=False):
    with tempfile.TemporaryDirectory() as folder:
        sitk.WriteImage(image, str(Path(folder) / f"a{endings[0]}"), compress)
        return {f"a{e}": (Path(folder) / f"a{e}").read_bytes() for e in endings}


def itk_cases():
    for ending in (".nrrd", ".mha"):
        for dtype in TYPES:
            yield itk_case(f"{ending} {dtype}", written(itk_image(dtype), ending))
        yield itk_case(f"{ending} compressed", written(itk_image("float32"), ending, compress=True))
        yield itk_case(f"{ending} vector", written(itk_image("int16", (2, 4, 3, 2), True), ending))
        yield itk_case(f"{ending} plane", written(itk_image("uint8", (4, 3)), ending))
    yield itk_case(".nhdr", written(itk_image(), ".nhdr", ".raw"))
    yield itk_case(".nhdr compressed", written(itk_image(), ".nhdr", ".raw.gz", compress=True))
    yield itk_case(".mhd", written(itk_image(), ".mhd", ".raw"))
    yield itk_case(".mhd compressed", written(itk_image(), ".mhd", ".zraw", compress=True))

    data = ramp((2, 4, 3), "int16")
    raw, swapped = data.tobytes(), data.byteswap().tobytes()
    text = (" ".join(map(str, data.ravel())) + "\n").encode()
    turned = "space directions: (0,0.5,0.1) (0.75,0,0) (0,-0.5,2.5)\nspace origin: (10.5,-20.25,30)\n"

    def nrrd(body, lines, encoding="raw", sizes="3 4 2", dimension=3, end="\n"):
        head = f"NRRD0005\n# made up\ntype: short\ndimension: {dimension}\nsizes: {sizes}\nencoding: {encoding}\n"
        return {"a.nrrd": (head + lines + end).encode() + body}

    spaces = ["left-posterior-superior", "LPS", "right-anterior-superior", "RAS", "left-anterior-superior", "LAS"]
    for space in spaces:
        yield itk_case(f"space {space}", nrrd(raw, f"endian: little\nspace: {space}\n{turned}"))
    lps = f"endian: little\nspace: LPS\n{turned}"
    yield itk_case("big-endian", nrrd(swapped, f"endian: big\nspace: LPS\n{turned}"))
    yield itk_case("ascii", nrrd(text, lps, "ascii"))
    yield itk_case("hex", nrrd(raw.hex().encode(), lps, "hex"))
    yield itk_case("key:=value and CRLF-free", nrrd(raw, f"{lps}institution:=somewhere\n"))
    yield itk_case("spacings only", nrrd(raw, "endian: little\nspacings: 0.5 0.75 2.5\n"))
    yield itk_case("neither spacings nor space", nrrd(raw, "endian: little\n"))
    yield itk_case("no origin", nrrd(raw, "endian: little\nspace: LPS\nspace directions: (1,0,0) (0,2,0) (0,0,3)\n"))
    detached = nrrd(b"", f"{lps}data file: a.raw\nbyte skip: -1\n")["a.nrrd"]
    yield itk_case("byte skip -1", {"a.nhdr": detached, "a.raw": b"junk" + raw})
    detached = nrrd(b"", f"{lps}data file: a.raw\nline skip: 2\nbyte skip: 3\n")["a.nrrd"]
    yield itk_case("line and byte skip", {"a.nhdr": detached, "a.raw": b"one\ntwo\nabc" + raw})

    def meta(body, lines, file="LOCAL", ending=".mha"):
        head = f"ObjectType = Image\nNDims = 3\nDimSize = 3 4 2\n{lines}ElementDataFile = {file}\n"
        return {f"a{ending}": head.encode() + body}

    matrix = "TransformMatrix = 0 1 0 0.8 0 -0.6 0.6 0 0.8\nOffset = 10.5 -20.25 30\nElementSpacing = 0.5 0.75 2.5\n"
    short = f"{matrix}ElementType = MET_SHORT\n"
    yield itk_case("direction", meta(raw, f"BinaryData = True\nBinaryDataByteOrderMSB = False\n{short}"))
    yield itk_case("MSB", meta(swapped, f"BinaryData = True\nBinaryDataByteOrderMSB = True\n{short}"))
    yield itk_case("ElementByteOrderMSB", meta(swapped, f"BinaryData = True\nElementByteOrderMSB = True\n{short}"))
    yield itk_case("text", meta(text, f"BinaryData = False\n{short}"))
    yield itk_case("orientation", meta(raw, f"BinaryData = True\nAnatomicalOrientation = RAS\n{short}"))
    yield itk_case("element size", meta(raw, "ElementSize = 2 3 4\nBinaryData = True\nElementType = MET_SHORT\n"))
    yield itk_case("position", meta(raw, "Position = 1 2 3\nBinaryData = True\nElementType = MET_SHORT\n"))
    head = meta(b"", f"BinaryData = True\nHeaderSize = -1\n{short}", "a.raw", ".mhd")
    yield itk_case("header size -1", {**head, "a.raw": b"junk!" + raw})
    head = meta(b"", f"BinaryData = True\nHeaderSize = 7\n{short}", "a.raw", ".mhd")
    yield itk_case("header size 7", {**head, "a.raw": b"1234567" + raw})


def real(folder):
    """Shape, type, affine, sum and hash of every NIfTI, NRRD and MetaImage file below `folder`."""
    affines, files = [], {}

    def entry(shape, data, affine):
        matrix = np.asarray(affine, float).ravel().tolist()
        if matrix not in affines:
            affines.append(matrix)
        values = np.asarray(data, dtype="<f8")
        return [
            list(shape),
            np.asarray(data).dtype.newbyteorder("=").name,
            affines.index(matrix),
            float(values.sum()),
            hashlib.sha256(values.tobytes("F")).hexdigest()[:32],
        ]

    for path in sorted(folder.rglob("*.nii.gz")):
        image = nib.load(path)
        files[path.relative_to(folder).as_posix()] = entry(image.shape, np.asanyarray(image.dataobj), image.affine)
    for path in sorted(folder.rglob("*.nrrd")):
        e = itk_expected(path)
        data = np.frombuffer(base64.b64decode(e["data"]), e["dtype"]).reshape(e["size"], order="F")
        files[path.relative_to(folder).as_posix()] = entry(e["size"], data, e["affine"])
    return {"columns": ["shape", "dtype", "affine", "sum", "sha256 of float64 values"], "affines": affines, "files": files}


def write(name, content):
    # One case a line: small differences, small diffs.
    if isinstance(content, list):
        text = "[\n" + ",\n".join(json.dumps(c, allow_nan=False) for c in content) + "\n]\n"
    else:
        lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v, allow_nan=False)}" for k, v in content["files"].items())
        rest = {k: v for k, v in content.items() if k != "files"}
        text = json.dumps(rest)[:-1] + ', "files": {\n' + lines + "\n}}\n"
    (GOLDEN / name).write_text(text)
    print(f"{name}: {len(content if isinstance(content, list) else content['files'])} cases, {len(text)} bytes")


if __name__ == "__main__":
    np.seterr(all="ignore")
    GOLDEN.mkdir(parents=True, exist_ok=True)
    write("nifti.json", list(nifti_cases()))
    write("itk.json", list(itk_cases()))
    if len(sys.argv) > 1:
        write("real.json", real(Path(sys.argv[1])))
