/**
 * MedMNIST's files (Yang et al. 2023): one NumPy archive with `train_images` `[N, D, H, W]` and `train_labels` `[N, 1]`, and the same for
 * `val` and `test`; each part may be missing. A case is a slice of an array (`files/array-slices.ts`); the parts stay what they are.
 */
import { basename, extname } from "node:path";
import { DataError } from "../../errors.ts";
import { readNpzArray, readNpzHeaders, slicePath } from "../../files/index.ts";

/** A case as a list has it. */
export interface ArrayCase {
  readonly where: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly split: string;
}

const parts = ["train", "val", "test"] as const;

/**
 * The cases of all parts, called `train_17`.
 * @throws DataError for arrays that are no volumes (the 2D sets), or labels that are not one whole number a case
 */
export async function readMedMnist(file: string): Promise<{ readonly name: string; readonly rows: ArrayCase[] }> {
  const headers = await readNpzHeaders(file);
  const rows: ArrayCase[] = [];
  for (const split of parts) {
    const array = `${split}_images`;
    const images = headers.get(array);
    if (images === undefined) continue;
    checkVolumes(images.shape, `${file}: ${array}`);
    const labels = headers.has(`${split}_labels`) ? await labelsOf(file, split, images.shape[0]) : undefined;
    for (let index = 0; index < images.shape[0]; index++) {
      const image = slicePath({ file, array, index });
      const fields = { case: `${split}_${index}`, image, label: labels?.[index] ?? "" };
      rows.push({ where: `${array}[${index}]`, fields, split });
    }
  }
  if (rows.length === 0) {
    const names = [...headers.keys()].join(", ");
    throw new DataError(`${file}: expected arrays train_images and train_labels as MedMNIST has them; it has ${names}`);
  }
  return { name: basename(file, extname(file)), rows };
}

function checkVolumes(shape: readonly number[], where: string): void {
  const isPicture = shape.length === 3 || (shape.length === 4 && shape[3] <= 4);
  if (isPicture)
    throw new DataError(
      `${where}: has the shape ${shape.join("×")}, pictures; MedMNIST's 2D sets are not supported, its 3D sets are`,
    );
  if (shape.length !== 4)
    throw new DataError(`${where}: has the shape ${shape.join("×")}; volumes are [N, D, H, W] in one channel`);
}

async function labelsOf(file: string, split: string, cases: number): Promise<string[]> {
  const where = `${file}: ${split}_labels`;
  const { data, shape } = await readNpzArray(file, `${split}_labels`);
  if (shape[0] !== cases) throw new DataError(`${where}: has ${shape[0]} rows, ${split}_images has ${cases}`);
  if (data.length !== cases)
    throw new DataError(`${where}: has ${data.length / cases} labels a case; a classification learns one class a case`);
  return Array.from(data as ArrayLike<number | bigint>, (value, i) => {
    if (!Number.isInteger(Number(value))) throw new DataError(`${where}[${i}]: ${value} is no class`);
    return String(value);
  });
}
