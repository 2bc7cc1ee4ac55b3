/** What a data set is called that nobody named: the last part of its path, without its ending. */
export function nameOf(path: string): string {
  return (
    path
      .split(/[\\/]/)
      .filter((part) => part !== "" && part !== "." && part !== "..")
      .pop()
      ?.replace(/\.[^.]*$/, "") ?? "run"
  );
}
