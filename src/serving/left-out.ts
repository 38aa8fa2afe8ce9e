/**
 * What reading a project left out for mistakes of its own. A name in an expression that is not found may be right all
 * the same if it was left out; any other is a mistake, and is reported beside those.
 */
import { basename } from 'node:path';
import type { Mistake } from '../project/project.ts';

export interface LeftOut {
  has(name: string): boolean;
}

export const nothingLeftOut: LeftOut = { has: () => false };

/** @param mistakes found while the project was read */
export function leftOutBy(mistakes: readonly Mistake[]): LeftOut {
  const paths = mistakes.filter(({ file }) => basename(file).startsWith('millrace.')).map(({ path }) => path);
  const segments = paths.map((path) => path.split(/[.[\]"]+/).filter((segment) => segment !== ''));
  // A whole section, or an entity and with it the views of it, is gone: any name may have been in there.
  const isAnything = segments.some(([section, ...rest]) => rest.length === 0 || section === 'entities');
  if (isAnything) return { has: () => true };
  return new Set(segments.flat());
}
