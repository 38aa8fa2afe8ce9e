/**
 * NDJSON: one JSON object a line. A field that a line does not have is null in it, so the columns are the fields of
 * the first chunk of lines together.
 */
import type { FeatureFile, FileRow, OpenFile } from './feature-file.ts';
import { loadFailure, messageOf } from './load-failure.ts';
import { openTextFile, ROW_CHARS_MAX } from './text-file.ts';

type JsonObject = Readonly<Record<string, unknown>>;

interface Line {
  readonly number: number;
  readonly text: string;
  /** The object in it, or why there is none. */
  readonly content: JsonObject | string;
}

export async function openNdjson(file: OpenFile): Promise<FeatureFile> {
  const text = await openTextFile(file);
  const chunks = parseChunks(file.path, text.chunks());
  const first = await chunks.next();
  if (first.done === true)
    throw loadFailure(`${file.path} is empty: an NDJSON file has one JSON object a line`);
  const firstLines = first.value;
  return {
    columns: fieldsOf(file.path, firstLines),
    cells: 'values',
    counts: 'line',
    bytesTotal: file.bytesTotal,
    bytesRead: () => text.bytesRead(),
    async *chunks(wanted) {
      const toFileRows = (lines: readonly Line[]): FileRow[] => lines.map((line) => toFileRow(line, wanted));
      yield toFileRows(firstLines);
      for await (const lines of chunks) yield toFileRows(lines);
    },
    async close() {
      await chunks.return();
      await file.handle.close();
    },
  };
}

/** At least one line at a time. */
async function* parseChunks(
  path: string,
  chunks: AsyncGenerator<string, void>,
): AsyncGenerator<Line[], void> {
  let pending = '';
  let number = 0;
  const parse = (texts: readonly string[]): Line[] => {
    const lines: Line[] = [];
    for (const text of texts) {
      number++;
      if (text.trim() !== '') lines.push({ number, text, content: parseLine(text) });
    }
    return lines;
  };
  for await (const chunk of chunks) {
    const texts = (pending + chunk).split('\n');
    pending = texts.pop() ?? '';
    const lines = parse(texts);
    if (lines.length > 0) yield lines;
    if (pending.length > ROW_CHARS_MAX) {
      throw loadFailure(`line ${number + 1} of ${path} is longer than ${ROW_CHARS_MAX / 1024 / 1024} MiB`);
    }
  }
  const lines = parse([pending]);
  if (lines.length > 0) yield lines;
}

function parseLine(text: string): JsonObject | string {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    return `is not valid JSON: ${messageOf(error)}`;
  }
  if (content === null) return 'must be a JSON object, not null';
  if (Array.isArray(content)) return 'must be a JSON object, not an array';
  return typeof content === 'object'
    ? (content as JsonObject)
    : `must be a JSON object, not a ${typeof content}`;
}

function fieldsOf(path: string, lines: readonly Line[]): string[] {
  const fields = new Set<string>();
  for (const { content } of lines) {
    if (typeof content === 'object') for (const name of Object.keys(content)) fields.add(name);
  }
  if (fields.size > 0) return [...fields];
  const [{ number, text, content }] = lines as [Line, ...Line[]];
  if (text.trimStart().startsWith('[')) {
    throw loadFailure(`${path} is a JSON array: write it as one object a line, with jq -c '.[]' ${path}`);
  }
  throw loadFailure(
    `${path} is not NDJSON: line ${number} ${typeof content === 'string' ? content : 'has no fields'}`,
  );
}

function toFileRow({ number, text, content }: Line, wanted: readonly string[]): FileRow {
  if (typeof content === 'string') return { number, cells: undefined, problem: content, whole: () => text };
  return {
    number,
    // Own fields only: `constructor` and `__proto__` are names like any other.
    cells: wanted.map((name) => (Object.hasOwn(content, name) ? content[name] : null)),
    whole: () => content,
  };
}
