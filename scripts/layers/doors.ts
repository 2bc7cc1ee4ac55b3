/** The doors of the package: what each subpath export of package.json lets out, name by name. */
import { exportsOf, isTypeIn, parse, resolveImport, type Sources } from "./sources.ts";

/** Where a name is declared. */
export interface Place {
  readonly file: string;
  readonly name: string;
}

/** The subpath exports that are modules, with the source file behind each: `medvox/graph` → `graph/index.ts`. */
export function doorsOf(manifest: { readonly name: string; readonly exports: object }): Map<string, string> {
  const doors = new Map<string, string>();
  for (const [path, target] of Object.entries(manifest.exports)) {
    const module = typeof target === "string" ? target : (target as { default: string }).default;
    const file = /^\.\/dist\/(.*)\.js$/.exec(module)?.[1];
    if (file !== undefined) doors.set(path.replace(/^\./, manifest.name), `${file}.ts`);
  }
  return doors;
}

/** What was found of files before; parsing them anew for every name would take minutes. */
const found = new WeakMap<Sources, Map<string, ReadonlyMap<string, Place>>>();

/** Every name that a file exports, itself or passed on, with the place where it is declared. */
export function namesOf(file: string, sources: Sources): ReadonlyMap<string, Place> {
  const known = found.get(sources) ?? new Map<string, ReadonlyMap<string, Place>>();
  found.set(sources, known);
  const there = known.get(file);
  if (there !== undefined) return there;
  const made = new Map<string, Place>();
  // Entered before it is filled, so that files that pass on each other's names come to an end.
  known.set(file, made);
  const text = sources.get(file);
  if (text === undefined) return made;
  const { names, all } = exportsOf(parse(file, text));
  for (const [name, from] of names) {
    const target = from && resolveImport(file, from.specifier);
    const place = target === undefined ? undefined : namesOf(target, sources).get(from!.name);
    made.set(name, place ?? { file, name });
  }
  for (const specifier of all) {
    for (const [name, place] of namesOf(resolveImport(file, specifier), sources)) made.set(name, place);
  }
  return made;
}

/** How many functions, classes and constants a file exports. Types are no more to learn: each stands in the signature of one of them. */
export function valuesOf(file: string, sources: Sources): number {
  return [...namesOf(file, sources).values()].filter((place) => !isType(place, sources)).length;
}

/**
 * Names that two doors let out with two meanings: a reader who imports both would meet one word for two things. Passing the same
 * thing on is fine. Returns one line for each.
 */
export function doubleNames(doors: ReadonlyMap<string, string>, sources: Sources): string[] {
  const first = new Map<string, { readonly door: string; readonly place: Place }>();
  const problems: string[] = [];
  for (const [door, file] of doors) {
    for (const [name, place] of namesOf(file, sources)) {
      const other = first.get(name);
      if (other === undefined) first.set(name, { door, place });
      else if (other.place.file !== place.file || other.place.name !== place.name) {
        problems.push(
          `${door}: exports ${name} of ${place.file}; ${other.door} has another ${name}, of ${other.place.file}`,
        );
      }
    }
  }
  return problems;
}

/** Files and the names of their types; parsed once. */
const types = new WeakMap<Sources, Map<string, (name: string) => boolean>>();

function isType({ file, name }: Place, sources: Sources): boolean {
  const known = types.get(sources) ?? new Map<string, (name: string) => boolean>();
  types.set(sources, known);
  const isOne = known.get(file) ?? isTypeIn(parse(file, sources.get(file) ?? ""));
  known.set(file, isOne);
  return isOne(name);
}
