/** Names of parameters as PyTorch spells them: `layer1.0.conv1.weight`. */

/** A place in the tree of modules. */
export interface Scope {
  /** Dotted path, without a final dot; empty at the root. */
  readonly path: string;
  /** A child: `scope("layer1").child(0)` is `layer1.0`. */
  child(name: string | number): Scope;
  /** The name of a parameter here. */
  name(leaf: string): string;
}

/** The scope `path`, or the root. */
export function scope(path = ""): Scope {
  const join = (leaf: string | number): string => (path === "" ? String(leaf) : `${path}.${leaf}`);
  return { path, child: (name) => scope(join(name)), name: join };
}
