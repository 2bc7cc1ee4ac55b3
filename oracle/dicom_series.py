"""
Small DICOM series of every kind, and what other programs read of them: voxels by pydicom, compressed JPEG by dcmtk's dcmdjpeg, geometry by
dcm2niix. Writes test/fixtures/dicom.

    apt install dcmtk dcm2niix libgdcm-tools
    pip install pydicom numpy pylibjpeg pylibjpeg-openjpeg pylibjpeg-libjpeg pyjpegls nibabel
    python oracle/dicom_series.py
"""
import copy, glob, hashlib, json, os, shutil, subprocess, tempfile, zipfile
import nibabel, numpy as np, pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

out = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "test/fixtures/dicom")
shutil.rmtree(out, ignore_errors=True)
os.makedirs(out)
ROWS, COLUMNS, SLICES, STEP = 40, 32, 8, 2.5
rng = np.random.default_rng(7)
z, y, x = np.mgrid[:SLICES, :ROWS, :COLUMNS]
# A head-like ellipsoid with a brighter ball in it, smooth enough to compress and rough enough to be no constant.
body = ((x - 15.5) / 13) ** 2 + ((y - 19) / 16) ** 2 + ((z - 3.5) / 6) ** 2 < 1
ball = (x - 20) ** 2 + (y - 14) ** 2 + (2.5 * (z - 4)) ** 2 < 36
STORED = (np.where(ball, 1240, np.where(body, 1070, 24)) + rng.integers(-20, 20, body.shape)).astype(np.uint16)
STUDY = generate_uid(entropy_srcs=["medvox study"])
FRAME = generate_uid(entropy_srcs=["medvox frame of reference"])
# Oblique, right-handed.
a = np.deg2rad(10)
ROW, COLUMN = [float(np.cos(a)), float(np.sin(a)), 0.0], [float(-np.sin(a)), float(np.cos(a)), 0.0]
ds16 = lambda values: [f"{v:.10g}"[:16] for v in values]


def uid(*parts):
    return generate_uid(entropy_srcs=["medvox", *map(str, parts)])


def slice_of(series, i, number, straight=False):
    d = Dataset()
    d.file_meta = FileMetaDataset()
    d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    d.SpecificCharacterSet = "ISO_IR 192"
    d.SOPClassUID = d.file_meta.MediaStorageSOPClassUID = CTImageStorage
    d.SOPInstanceUID = d.file_meta.MediaStorageSOPInstanceUID = uid(series, i)
    d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = STUDY, uid(series), FRAME
    d.PatientName, d.PatientID, d.PatientBirthDate, d.PatientSex = "Größe^Test", "MEDVOX1", "19500101", "O"
    d.StudyDate, d.StudyTime, d.StudyID, d.AccessionNumber, d.ReferringPhysicianName = "20240102", "101112", "1", "A1", ""
    d.Modality, d.Manufacturer, d.SeriesNumber, d.SeriesDescription, d.InstanceNumber = "CT", "medvox", number, series, i + 1
    d.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    d.AcquisitionNumber, d.PositionReferenceIndicator, d.PatientPosition = 1, "", "HFS"
    d.ContentDate = d.SeriesDate = d.AcquisitionDate = "20240102"
    d.ContentTime = d.SeriesTime = d.AcquisitionTime = "101112"
    d.KVP, d.SliceThickness = "120", str(STEP)
    row, column = ([1, 0, 0], [0, 1, 0]) if straight else (ROW, COLUMN)
    d.ImageOrientationPatient = ds16([*row, *column])
    d.ImagePositionPatient = ds16([-20.5, -30.25, 100 + STEP * i])
    d.PixelSpacing = ["0.9", "0.8"]
    d.Rows, d.Columns, d.SamplesPerPixel, d.PhotometricInterpretation = ROWS, COLUMNS, 1, "MONOCHROME2"
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 12, 11, 0
    d.RescaleIntercept, d.RescaleSlope, d.RescaleType = "-1024", "1", "HU"
    d.PixelData = STORED[i].tobytes()
    return d


def make(series, number, straight=False):
    return [slice_of(series, i, number, straight) for i in range(SLICES)]


def save(slices, name):
    folder = f"{out}/{name}"
    os.makedirs(folder)
    # Shuffled and without endings, as archives export them.
    for n, k in enumerate(np.random.default_rng(1).permutation(len(slices))):
        slices[k].save_as(f"{folder}/IM{n:02d}", enforce_file_format=True)


def rescaled(d):
    return d.pixel_array.astype(np.float64) * float(d.RescaleSlope) + float(d.RescaleIntercept)


def sha(array):
    return hashlib.sha1(np.ascontiguousarray(array.astype("<f4")).tobytes()).hexdigest()[:16]


expected = {}


def geometry(name):
    """dcm2niix's affine and size, its rows turned back: it stores them from below."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dcm2niix", "-f", "out", "-z", "n", "-b", "n", "-o", folder, f"{out}/{name}"], capture_output=True)
        files = [f for f in glob.glob(f"{folder}/*.nii") if "_Eq" not in f and "_Tilt" not in f]
        if not files:  # of a transfer syntax that it does not read
            return None
        image = nibabel.load(files[0])
        affine, size = image.affine.copy(), image.shape
        affine[:, 3] += affine[:, 1] * (size[1] - 1)
        affine[:, 1] *= -1
        return dict(size=list(size), affine=affine.ravel().tolist(), sum=float(np.asarray(image.dataobj, dtype=np.float64).sum()))


def note(name, slices, verdict="regular", repaired=None, **more):
    volume = np.stack([rescaled(d) for d in slices])
    expected[name] = dict(verdict=verdict, size=[COLUMNS, ROWS, len(slices)], sha1=sha(volume), sum=float(volume.sum()), **more)
    if verdict == "regular" and (read := geometry(name)):
        expected[name]["dcm2niix"] = read


plain = make("plain", 1)
save(plain, "plain")
note("plain", plain)
tools = {"implicit": ["dcmconv", "+ti"], "bigendian": ["dcmconv", "+tb"], "deflated": ["dcmconv", "+td"], "rle": ["dcmcrle"],
         "jpeg-lossless-sv1": ["dcmcjpeg", "+e1"], "jpeg-lossless": ["dcmcjpeg", "+el", "+sv", "6"], "jpegls": ["dcmcjpls", "+el"],
         "j2k": ["gdcmconv", "--j2k"], "jpeg-12": ["dcmcjpeg", "+ee"], "jpeg-12-spectral": ["dcmcjpeg", "+es"], "jpeg-12-progressive": ["dcmcjpeg", "+ep"]}
for n, (name, command) in enumerate(tools.items()):
    slices = make(name, 10 + n)[:4]
    save(slices, name)
    for path in sorted(glob.glob(f"{out}/{name}/*")):
        subprocess.run([*command, path, path + ".tmp"], check=True, stderr=subprocess.DEVNULL)
        os.replace(path + ".tmp", path)
    if name.startswith("jpeg-12"):  # lossy: as dcmtk decodes it
        decoded = []
        for path in glob.glob(f"{out}/{name}/*"):
            with tempfile.NamedTemporaryFile() as f:
                subprocess.run(["dcmdjpeg", path, f.name], check=True)
                decoded.append(pydicom.dcmread(f.name))
        slices = sorted(decoded, key=lambda d: float(d.ImagePositionPatient[2]))
        for d in slices:
            d.pixel_array
    note(name, slices)

missing = make("missing", 30)
del missing[3]
save(missing, "missing")
note("missing", missing, "gap")
again = make("duplicated", 31)
twin = copy.deepcopy(again[5])
twin.SOPInstanceUID = twin.file_meta.MediaStorageSOPInstanceUID = uid("duplicated", "twin")
save([*again, twin], "duplicated")
note("duplicated", again, "duplicate")
again = make("duplicated-different", 32)
twin = copy.deepcopy(again[5])
twin.PixelData = again[6].PixelData
twin.SOPInstanceUID = twin.file_meta.MediaStorageSOPInstanceUID = uid("duplicated-different", "twin")
save([*again, twin], "duplicated-different")
note("duplicated-different", again, "duplicate")
varying = make("varying", 33)
for i, d in enumerate(varying):
    d.ImagePositionPatient = ds16([-20.5, -30.25, 100 + (2 * i if i < 5 else 8 + 3 * (i - 4))])
save(varying, "varying")
note("varying", varying, "varying")
tilt = make("tilt", 34, straight=True)
t = np.deg2rad(15)
for i, d in enumerate(tilt):
    d.GantryDetectorTilt = "15"
    d.ImageOrientationPatient = ds16([1, 0, 0, 0, np.cos(t), -np.sin(t)])
    d.ImagePositionPatient = ds16([-20.5, -30.25, 100 + STEP * i])
save(tilt, "tilt")
note("tilt", tilt, "tilt")
mono = make("mono1", 35)[:4]
for i, d in enumerate(mono):
    d.PhotometricInterpretation = "MONOCHROME1"
save(mono, "mono1")
note("mono1", mono)
signed = make("signed", 36)[:4]
for i, d in enumerate(signed):
    # Twelve bits with a sign, in the lower bits of sixteen; the upper ones hold an overlay.
    d.PixelData = (((STORED[i].astype(np.int32) - 1024) & 0xFFF) | 0xA000).astype(np.uint16).tobytes()
    d.PixelRepresentation, d.RescaleIntercept = 1, "0"
save(signed, "signed")
volume = STORED[:4].astype(np.float64) - 1024
expected["signed"] = dict(verdict="regular", size=[COLUMNS, ROWS, 4], sha1=sha(volume), sum=float(volume.sum()))
slopes = make("slope-per-slice", 37)[:4]
for i, d in enumerate(slopes):
    d.Modality, d.RescaleSlope, d.RescaleIntercept = "PT", str(1 + i / 10), "0"
save(slopes, "slope-per-slice")
note("slope-per-slice", slopes)
scouts = make("mixed", 38)[:4]
scouts[3].ImageOrientationPatient = ds16([0, 1, 0, 0, 0, -1])
save(scouts, "mixed")
note("mixed", scouts, "mixed")
bare = make("unplaced", 39)[:2]
for d in bare:
    del d.ImagePositionPatient
save(bare, "unplaced")
note("unplaced", bare, "unplaced")
one, two = make("first of two", 40)[:4], make("second of two", 41)[:3]
save([*one, *two], "two-series")
expected["two-series"] = dict(verdict="several", series=[dict(size=[COLUMNS, ROWS, len(s)], sha1=sha(np.stack([rescaled(d) for d in s]))) for s in (one, two)])
with open(f"{out}/two-series/notes.txt", "w") as f:
    f.write("Not everything beside images is an image.\n")
echoes = [d for echo in (4.6, 9.2) for d in make("echoes", 42)[:3]]
for i, d in enumerate(echoes):
    d.Modality, d.EchoTime = "MR", str(4.6 if i < 3 else 9.2)
    d.SOPInstanceUID = d.file_meta.MediaStorageSOPInstanceUID = uid("echoes", i)
    if i >= 3:
        d.PixelData = (STORED[i - 3] // 2).tobytes()
save(echoes, "echoes")
expected["echoes"] = dict(verdict="several", series=[dict(size=[COLUMNS, ROWS, 3], sha1=sha(np.stack([rescaled(d) for d in s]))) for s in (echoes[:3], echoes[3:])])
anonymous = make("anonymous", 43)[:3]
for d in anonymous:
    for key in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(d, key, "")
os.makedirs(f"{out}/anonymous")
for i, d in enumerate(anonymous):
    d.preamble = b"\0" * 128
    d.save_as(f"{out}/anonymous/IM{i}", enforce_file_format=False)
note("anonymous", anonymous)
# Without the 128 bytes and "DICM" in front.
bare = make("bare", 44)[:3]
os.makedirs(f"{out}/bare")
for i, d in enumerate(bare):
    d.save_as(f"{out}/bare/IM{i}", enforce_file_format=False)
note("bare", bare)


def item(**values):
    d = Dataset()
    for key, value in values.items():
        setattr(d, key, value)
    return d


base = make("enhanced", 50)
d = copy.deepcopy(base[0])
for key in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "RescaleIntercept", "RescaleSlope", "RescaleType", "KVP", "AcquisitionNumber"):
    delattr(d, key)
d.SOPClassUID = d.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
d.SOPInstanceUID = d.file_meta.MediaStorageSOPInstanceUID = uid("enhanced object")
d.InstanceNumber, d.NumberOfFrames, d.ImageType = 1, SLICES, ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
order = np.random.default_rng(2).permutation(SLICES)
shared = Dataset()
shared.PixelMeasuresSequence = [item(PixelSpacing=["0.9", "0.8"], SliceThickness=str(STEP))]
shared.PlaneOrientationSequence = [item(ImageOrientationPatient=base[0].ImageOrientationPatient)]
d.SharedFunctionalGroupsSequence = [shared]
# Each frame has a scaling of its own.
d.PerFrameFunctionalGroupsSequence = [
    item(PlanePositionSequence=[item(ImagePositionPatient=base[k].ImagePositionPatient)], FrameContentSequence=[item(DimensionIndexValues=[1, int(k) + 1])],
         PixelValueTransformationSequence=[item(RescaleIntercept=str(-1024 - int(k)), RescaleSlope="1", RescaleType="HU")]) for k in order]
d.PixelData = np.stack([STORED[k] for k in order]).tobytes()
os.makedirs(f"{out}/enhanced")
d.save_as(f"{out}/enhanced/volume.dcm", enforce_file_format=True)
# dcm2niix scales every frame as the first: its sum is another one.
for i, s in enumerate(base):
    s.RescaleIntercept = str(-1024 - i)
note("enhanced", base)
os.makedirs(f"{out}/enhanced-jpegls")
subprocess.run(["dcmcjpls", "+el", f"{out}/enhanced/volume.dcm", f"{out}/enhanced-jpegls/volume.dcm"], check=True)
note("enhanced-jpegls", base)
zipped = make("zipped", 60)[:4]
with zipfile.ZipFile(f"{out}/series.zip", "w", zipfile.ZIP_DEFLATED) as archive, tempfile.TemporaryDirectory() as folder:
    archive.writestr("README.txt", "An archive from a picture archive.")
    for i, s in enumerate(zipped):
        s.save_as(f"{folder}/IM{i}", enforce_file_format=True)
        archive.write(f"{folder}/IM{i}", f"DICOM/S1/IM{i}")
volume = np.stack([rescaled(s) for s in zipped])
expected["series.zip"] = dict(verdict="regular", size=[COLUMNS, ROWS, 4], sha1=sha(volume), sum=float(volume.sum()))
with open(f"{out}/expected.json", "w") as f:
    json.dump(expected, f, indent=1)
    f.write("\n")
print(sum(os.path.getsize(p) for p in glob.glob(f"{out}/**/*", recursive=True) if os.path.isfile(p)), "bytes")
