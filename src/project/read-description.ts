/** Finds and reads the file that describes a project or a model: `<base>.yaml`, `.yml` or `.json` in its folder. */
import { join } from 'node:path';
import type { z } from 'zod';
import { checkShape } from './check-shape.ts';
import type { Report } from './report.ts';
import { wholeFile } from './report.ts';
import type { SourceFile } from './source-file.ts';
import { readSourceFile } from './source-file.ts';

export interface Description<T> {
  readonly source: SourceFile;
  /** What of the file fits its schema. */
  readonly spec: T;
}

export interface DescriptionKind<T> {
  /** The file's name without its ending. */
  readonly base: string;
  readonly schema: z.ZodType<T>;
  /** The part of the project that it describes; undefined for the whole. */
  readonly part: string | undefined;
  /** Values for required keys that are missing or wrong, so that the rest can still be checked. */
  readonly standIns?: Readonly<Record<string, unknown>>;
}

/** The names that a description may have, the preferred one first. */
export function descriptionNames(base: string): string[] {
  return ['yaml', 'yml', 'json'].map((ending) => `${base}.${ending}`);
}

/** Reads the description in a folder, given the names in it. `unusable` = it is there, and its mistakes are reported. */
export async function readDescription<T>(
  folder: string,
  names: readonly string[],
  kind: DescriptionKind<T>,
  report: Report,
): Promise<Description<T> | 'absent' | 'unusable'> {
  const [first, ...others] = descriptionNames(kind.base).filter((name) => names.includes(name));
  if (first === undefined) return 'absent';
  const file = join(folder, first);
  for (const other of others) {
    report.add(
      wholeFile(join(folder, other), kind.part),
      [],
      `${first} is in the same folder: keep one of them`,
    );
  }
  const { source, problems } = await readSourceFile(file, kind.part);
  const place = source ?? wholeFile(file, kind.part);
  for (const { path, message, suggestion, line } of problems)
    report.add(place, path, message, suggestion, line);
  if (source === undefined) return 'unusable';
  const spec = checkShape(kind.schema, source, report, kind.standIns);
  return spec === undefined ? 'unusable' : { source, spec };
}
