/**
 * Collects the mistakes of a project while it is read, and what they touch. Reading goes on after a mistake, so what
 * merely follows from another mistake has to be recognised and left unsaid: `isTouched` and `isIncomplete` tell.
 */
import { MillraceError } from '../errors.ts';
import type { Path } from './path.ts';
import { formatPath } from './path.ts';
import type { Location, Mistake } from './project.ts';
import type { Place } from './source-file.ts';

export interface Report {
  /** Adds a mistake at a path of a file, unless the same sentence is there already. */
  add(source: Place, path: Path, message: string, suggestion?: string, line?: number): void;
  /** Whether a mistake was found at a path, inside it or above it. */
  isTouched(source: Place, path: Path): boolean;
  /** Notes that a part of the project was left out for a mistake elsewhere; `add` notes the part it is in. */
  markIncomplete(part: string): void;
  /** Parts of the project; the empty string stands for all of it. */
  readonly incomplete: ReadonlySet<string>;
  /** By file in the order of reading, then by line. */
  mistakes(): readonly Mistake[];
}

export function createReport(): Report {
  const found = new Map<string, Mistake>();
  const incomplete = new Set<string>();
  const files: string[] = [];
  const inFile = (file: string): Mistake[] => [...found.values()].filter((mistake) => mistake.file === file);

  return {
    add(source, path, message, suggestion, line = source.lineOf(path)) {
      const { file } = source;
      const mistake = { file, line, path: formatPath(path), message, ...(suggestion && { suggestion }) };
      const key = JSON.stringify([file, mistake.path, message]);
      if (!files.includes(file)) files.push(file);
      if (!found.has(key)) found.set(key, mistake);
      incomplete.add(source.part ?? formatPath(path.slice(0, 2)));
    },
    isTouched(source, path) {
      const wanted = formatPath(path);
      return inFile(source.file).some(({ path: at }) => contains(wanted, at) || contains(at, wanted));
    },
    markIncomplete: (part) => void incomplete.add(part),
    incomplete,
    mistakes() {
      return files.flatMap((file) => inFile(file).sort((a, b) => a.line - b.line));
    },
  };
}

export function locate(source: Place, path: Path): Location {
  return { file: source.file, line: source.lineOf(path), path: formatPath(path) };
}

/** A file that is not there, or that is no text. */
export function wholeFile(file: string, part: string | undefined): Place {
  return { file, part, lineOf: () => 1 };
}

/**
 * Whether a part of the project, like `feature_views.weather`, was left out or lacks something, so that a name that
 * is not found in it may be right all the same.
 */
export function isIncomplete(incomplete: ReadonlySet<string>, part: string): boolean {
  return incomplete.has(part) || incomplete.has(part.replace(/[.[].*/, '')) || incomplete.has('');
}

/** The error for mistakes in a project, found while reading it or by a later check. */
export function invalidProject(mistakes: readonly Mistake[]): MillraceError {
  const count = mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`;
  const lines = mistakes.map((mistake) => `  ${formatMistake(mistake)}`);
  return new MillraceError('INVALID_PROJECT', [`The project has ${count}:`, ...lines].join('\n'), {
    details: mistakes.map((mistake) => ({ path: formatPlace(mistake, ' '), message: sentence(mistake) })),
  });
}

/** `models/millrace.yaml:12  endpoints.churn.unit  names "usr", which is not a request field (did you mean "user"?)` */
export function formatMistake(mistake: Mistake): string {
  return `${formatPlace(mistake, '  ')}  ${sentence(mistake)}`;
}

function formatPlace({ file, line, path }: Mistake, gap: string): string {
  return path === '' ? `${file}:${line}` : `${file}:${line}${gap}${path}`;
}

function sentence({ message, suggestion }: Mistake): string {
  return suggestion === undefined ? message : `${message} (${suggestion})`;
}

function contains(outer: string, inner: string): boolean {
  if (!inner.startsWith(outer)) return false;
  return (
    outer === '' ||
    inner.length === outer.length ||
    inner[outer.length] === '.' ||
    inner[outer.length] === '['
  );
}
