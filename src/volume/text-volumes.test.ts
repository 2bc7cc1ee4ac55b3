/** NRRD's and MetaImage's headers, as many as their writers write: where the first voxel lies, units, fields of any name. */
import { describe, expect, it } from "vitest";
import { DataError } from "../errors.ts";
import { decodeMetaImage } from "./formats/metaimage.ts";
import { decodeNrrd } from "./formats/nrrd.ts";

const text = (s: string) => new TextEncoder().encode(s);

function nrrdAffine(lines: string, sizes = "2 2 2"): readonly number[] {
  const voxels = "x".repeat(sizes.split(" ").reduce((product, n) => product * Number(n), 1));
  const dimension = sizes.split(" ").length;
  const head = `NRRD0004\ntype: uchar\ndimension: ${dimension}\nsizes: ${sizes}\nencoding: raw\n${lines}\n`;
  return decodeNrrd(text(head + voxels)).affine.map((value) => Number(value.toPrecision(12)));
}

/** The origin and the diagonal of an affine without rotation. */
function placed(affine: readonly number[]) {
  return { origin: [affine[3], affine[7], affine[11]], spacing: [affine[0], affine[5], affine[10]] };
}

describe("NRRD: where the first voxel lies", () => {
  it.each<[string, string, number[], number[]]>([
    ["space origin alone", "space: LPS\nspace origin: (10,-20,30)\n", [-10, 20, 30], [-1, -1, 1]],
    ["in RAS", "space: RAS\nspace origin: (10,-20,30)\n", [10, -20, 30], [1, 1, 1]],
    [
      "space origin and spacings",
      "space: left-posterior-superior\nspacings: 0.5 0.6 3\nspace origin: (10, -20, 30)\n",
      [-10, 20, 30],
      [-0.5, -0.6, 3],
    ],
    [
      "axis mins",
      "kinds: domain domain domain\nspacings: 0.5 0.6 3\naxis mins: 10 20 30\n",
      [-10, -20, 30],
      [-0.5, -0.6, 3],
    ],
    ["axis mins in RAS", "space: RAS\nspacings: 0.5 0.6 3\naxis mins: 10 20 30\n", [10, 20, 30], [0.5, 0.6, 3]],
    ["axis mins of one word", "space: RAS\nspacings: 1 1 1\naxismins: 1 2 3\n", [1, 2, 3], [1, 1, 1]],
    ["mins of nodes", "space: RAS\nspacings: 1 2 3\ncenters: node node node\naxis mins: 1 2 3\n", [1, 2, 3], [1, 2, 3]],
    [
      "mins of cells",
      "space: RAS\nspacings: 1 2 3\ncenterings: cell cell cell\naxis mins: 1 2 3\n",
      [1.5, 3, 4.5],
      [1, 2, 3],
    ],
    [
      "mins and maxs of cells",
      "space: RAS\ncenters: cell cell cell\naxis mins: 0 0 0\naxis maxs: 2 4 6\n",
      [0.5, 1, 1.5],
      [1, 2, 3],
    ],
    [
      "mins and maxs of nodes",
      "space: RAS\ncenters: node node node\naxis mins: 1 1 1\naxis maxs: 2 3 4\n",
      [1, 1, 1],
      [1, 2, 3],
    ],
    ["both: the space's", "space: RAS\nspace origin: (7,8,9)\naxis mins: 1 2 3\n", [7, 8, 9], [1, 1, 1]],
    ["mins not known", "space: RAS\nspacings: 1 1 1\naxis mins: nan nan nan\n", [0, 0, 0], [1, 1, 1]],
    ["no space after the colon", "space:RAS\nspacings:1 1 1\naxis mins:1 2 3\n", [1, 2, 3], [1, 1, 1]],
  ])("%s", (_, lines, origin, spacing) => {
    expect(placed(nrrdAffine(lines))).toEqual({ origin, spacing });
  });

  it("channels in front do not count as an axis of space", () => {
    const lines = "space: RAS\nkinds: vector domain domain domain\nspacings: nan 1 2 3\naxis mins: nan 4 5 6\n";
    expect(placed(nrrdAffine(lines, "2 2 2 2"))).toEqual({ origin: [4, 5, 6], spacing: [1, 2, 3] });
    const nans = "space: RAS\nspace directions: (nan,nan,nan) (1,0,0) (0,2,0) (0,0,3)\nspace origin: (4,5,6)\n";
    expect(placed(nrrdAffine(nans, "2 2 2 2"))).toEqual({ origin: [4, 5, 6], spacing: [1, 2, 3] });
  });

  it("units become millimetres", () => {
    const directions = "space: RAS\nspace directions: (500,0,0) (0,600,0) (0,0,3000)\nspace origin: (1000,0,0)\n";
    for (const unit of ["um", "µm", "microns", "micrometer"])
      expect(placed(nrrdAffine(`${directions}space units: "${unit}" "${unit}" "${unit}"\n`))).toEqual({
        origin: [1, 0, 0],
        spacing: [0.5, 0.6, 3],
      });
    const spacings = 'space: RAS\nspacings: 0.0005 0.0006 0.003\naxis mins: 0.001 0 0\nunits: "m" "m" "m"\n';
    expect(placed(nrrdAffine(spacings))).toEqual({ origin: [1, 0, 0], spacing: [0.5, 0.6, 3] });
    expect(placed(nrrdAffine(`${directions}space units: "mm" "mm" "mm"\n`)).spacing).toEqual([500, 600, 3000]);
    expect(placed(nrrdAffine(`${directions}space units: "" "" ""\n`)).spacing).toEqual([500, 600, 3000]);
  });

  it("what is no number is refused by its field", () => {
    expect(() => nrrdAffine("axis mins: a b c\n")).toThrow(/axis mins/);
    expect(() => nrrdAffine("space origin: 1 2 3\n")).toThrow(/space origin/);
  });
});

describe("MetaImage: fields of any name", () => {
  const needed = "ElementSpacing = 1 2 3\nDimSize = 2 1 1\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n";
  it.each<[string, string]>([
    ["DICOM tags", "0008|0060 = MR\n0010|0010 = DOE^JANE\n"],
    ["a tag of private creators", "0029,xx10 = a = b\n"],
    ["names with spaces and dots", "Series Description = T2 (ax)\nmy.field-1 = 3\n"],
    ["names outside ASCII", "Größe = 3\n备注 = 脑\n"],
    ["a value of several lines", "Comment = first\nsecond line\n\nthird: line\n"],
    ["no value", "TransferSyntax =\n"],
    ["no spaces", "Modality=MET_MOD_MR\n"],
  ])("%s", (_, lines) => {
    const volume = decodeMetaImage(text(`ObjectType = Image\nNDims = 3\n${lines}${needed}ab`));
    expect(volume.data).toEqual(Uint8Array.of(97, 98));
    expect(volume.affine).toEqual([-1, 0, 0, 0, 0, -2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1]);
  });

  it("a unit that newer MetaIO writes", () => {
    const volume = decodeMetaImage(
      text(`ObjectType = Image\nNDims = 3\nDistanceUnits = um\nOffset = 1000 0 0\n${needed}ab`),
    );
    expect(volume.affine.map((value) => Number(value.toPrecision(12)))).toEqual([
      -0.001, 0, 0, -1, 0, -0.002, 0, 0, 0, 0, 0.003, 0, 0, 0, 0, 1,
    ]);
  });

  it("what is no header is still none", () => {
    expect(() => decodeMetaImage(text("hello\nworld = 1\n"))).toThrow(DataError);
    expect(() => decodeMetaImage(text("hello = world\n"))).toThrow(/no ElementDataFile/);
  });
});
