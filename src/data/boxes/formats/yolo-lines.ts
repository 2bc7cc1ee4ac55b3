/** The lines of one of YOLO's text files: `class`, then a box, a box with keypoints, or an outline, as shares. */
import { type GivenBox, numberOf } from "../collect.ts";

/** What a class number is called, and its place in the classes that are wanted, −1 for none. */
export type YoloClasses = ReadonlyMap<number, { readonly name: string; readonly label: number }>;

/**
 * The objects of one text file, in pixels of a picture of that size.
 * @param keypointNumbers how many numbers stand behind each box, where the set declares keypoints
 */
export function parseYolo(
  text: string,
  [width, height]: readonly number[],
  classes: YoloClasses,
  keypointNumbers?: number,
): GivenBox[] {
  return text.split(/\r\n?|\n/).flatMap((line, i): GivenBox[] => {
    if (line.trim() === "") return [];
    const [kind, ...words] = line.trim().split(/[\s,]+/);
    const shares = words.map(numberOf);
    const number = i + 1;
    // Some scripts write the class's name where its number belongs; a name that is a number is the number.
    const one =
      classes.get(numberOf(kind)) ?? [...classes.values()].find(({ name }) => name === kind && !isNumber(kind));
    const className = one?.name ?? kind;
    const label = one === undefined || one.label < 0 ? undefined : one.label;
    const about = { number, what: `line ${number} (${className})`, label, className };
    const layout = layoutOf(shares.length, keypointNumbers);
    if (layout === undefined) {
      const declared = keypointNumbers === undefined ? "" : `, a box with keypoints (${4 + keypointNumbers})`;
      const wrong = `${shares.length} numbers behind the class are neither a box (4)${declared} nor an outline (pairs, 6 or more)`;
      return [{ ...about, corners: Array<number>(4).fill(Number.NaN), wrong }];
    }
    if (layout === "outline") {
      const [xs, ys] = [0, 1].map((from) => shares.filter((_, k) => k % 2 === from));
      const corners = [Math.min(...xs) * width, Math.min(...ys) * height];
      return [{ ...about, corners: [...corners, Math.max(...xs) * width, Math.max(...ys) * height] }];
    }
    const [cx, cy, w, h] = shares;
    const along = (centre: number, side: number, full: number): [number, number] => [
      (centre - side / 2) * full,
      (centre + side / 2) * full,
    ];
    const [[x1, x2], [y1, y2]] = [along(cx, w, width), along(cy, h, height)];
    return [{ ...about, corners: [x1, y1, x2, y2] }];
  });
}

const isNumber = (word: string): boolean => !Number.isNaN(numberOf(word));

/** What so many numbers are. A set that declares keypoints has boxes only; a fifth number is a detector's score. */
function layoutOf(count: number, keypointNumbers: number | undefined): "box" | "outline" | undefined {
  if (count === 4 || count === 5) return "box";
  if (keypointNumbers !== undefined) return count === 4 + keypointNumbers ? "box" : undefined;
  return count >= 6 && count % 2 === 0 ? "outline" : undefined;
}
