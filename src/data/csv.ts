/** Comma-, semicolon- or tab-separated text (RFC 4180), into rows of named fields. */
import { DataError } from "../errors.ts";

export interface CsvRow {
  /** Line of the file, from 1, for messages. */
  readonly line: number;
  readonly fields: Readonly<Record<string, string>>;
}

export interface CsvTable {
  readonly columns: readonly string[];
  readonly rows: readonly CsvRow[];
}

/**
 * Reads a table with a header line. The separator is what Excel's first line `sep=;` says, or the one of tab, semicolon and comma
 * that the header has most of. Fields may be quoted (`""` is a quote inside); empty lines are skipped; names and values are trimmed.
 * @throws DataError naming file and line.
 */
export function parseCsv(text: string, file: string): CsvTable {
  const whole = text.replace(/^\uFEFF/, "");
  const told = /^"?sep=(.)"?\r?(\n|$)/i.exec(whole);
  const source = told === null ? whole : whole.slice(told[0].length);
  const firstLine = told === null ? 1 : 2;
  const header = source.split(/\r?\n/, 1)[0];
  const likely = ["\t", ";", ","].reduce((best, s) => (count(header, s) > count(header, best) ? s : best), ",");
  const records = splitRecords(source, told?.[1] ?? likely, file, firstLine);
  const first = records.shift();
  if (!first) throw new DataError(`${file}: empty; expected a header line such as image,label`);
  const columns = first.fields.map((name) => name.trim());
  columns.forEach((name, i) => {
    if (columns.indexOf(name) !== i) throw new DataError(`${file}: line ${first.line}: column "${name}" stands twice`);
  });
  const rows = records.map(({ line, fields }) => {
    if (fields.length !== columns.length) {
      throw new DataError(`${file}: line ${line}: ${fields.length} fields, the header has ${columns.length}`);
    }
    return { line, fields: Object.fromEntries(columns.map((name, i) => [name, fields[i].trim()])) };
  });
  return { columns, rows };
}

/** How tables write what is not known, besides leaving it empty. */
export function isMissing(text: string): boolean {
  return /^(#?n\/?a|<na>|nan|null)$/i.test(text.trim());
}

/** The table with those columns called as they are known that differ from it in capitals alone (`Image`, `LABEL`). */
export function withKnownNames({ columns, rows }: CsvTable, known: readonly string[]): CsvTable {
  const called = (name: string): string => {
    const lower = name.toLowerCase();
    return known.includes(lower) && !columns.includes(lower) ? lower : name;
  };
  const names = columns.map(called);
  if (names.some((name, i) => name !== columns[i] && names.indexOf(name) !== i)) return { columns, rows };
  return {
    columns: names,
    rows: rows.map(({ line, fields }) => ({
      line,
      fields: Object.fromEntries(columns.map((name, i) => [names[i], fields[name]])),
    })),
  };
}

function count(text: string, separator: string): number {
  return text.split(separator).length - 1;
}

function splitRecords(
  text: string,
  separator: string,
  file: string,
  firstLine: number,
): { line: number; fields: string[] }[] {
  const records: { line: number; fields: string[] }[] = [];
  let fields: string[] = [];
  let field = "";
  let line = firstLine;
  let started = firstLine;
  const endRecord = () => {
    fields.push(field);
    if (fields.length > 1 || fields[0].trim() !== "") records.push({ line: started, fields });
    fields = [];
    field = "";
    started = line;
  };
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '"' && field.trim() === "") {
      const opened = line;
      field = "";
      for (i++; ; i++) {
        if (i >= text.length) throw new DataError(`${file}: line ${opened}: a quote is never closed`);
        if (text[i] === '"') {
          if (text[i + 1] !== '"') break;
          i++;
        }
        if (text[i] === "\n") line++;
        field += text[i];
      }
    } else if (c === separator) {
      fields.push(field);
      field = "";
    } else if (c === "\n") {
      line++;
      endRecord();
    } else if (c !== "\r") {
      field += c;
    }
  }
  if (field !== "" || fields.length > 0) endRecord();
  return records;
}
