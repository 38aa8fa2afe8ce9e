/**
 * Looks at the model folders of a project again and again, and tells when something in them has changed and stays as it
 * is: a file that is still being copied is not a model yet. Looking works on every file system, also on those that tell
 * nobody of changes.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface ModelWatch {
  /** What it has begun goes on. */
  close(): void;
}

/** Of a project folder: model folders, their versions, and what lies in those. */
const DEPTH_MAX = 3;

/** @param served what the folders held before they were read, as `modelFingerprint` tells it */
export function createModelWatch(
  dir: string,
  served: string,
  intervalMs: number,
  onChange: () => Promise<void>,
): ModelWatch {
  let applied = served;
  let seen = served;
  let looking: Promise<void> | undefined;
  const look = async (): Promise<void> => {
    const now = await modelFingerprint(dir);
    const isStill = now === seen;
    seen = now;
    if (!isStill || now === applied) return;
    applied = now;
    await onChange();
  };
  const tick = (): void => {
    looking ??= look().finally(() => (looking = undefined));
  };
  const timer = setInterval(tick, intervalMs);
  return {
    close: () => clearInterval(timer),
  };
}

/** What is different when a file was added, changed, replaced or removed. */
export async function modelFingerprint(dir: string): Promise<string> {
  return fingerprint(dir, DEPTH_MAX);
}

async function fingerprint(dir: string, depth: number): Promise<string> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  const lines = await Promise.all(
    entries.map(async (entry) => {
      const path = join(dir, entry.name);
      if (entry.name.startsWith('.')) return '';
      const found = await stat(path).catch(() => undefined);
      if (found === undefined) return '';
      if (found.isDirectory()) return isSearched(entry.name, depth) ? fingerprint(path, depth - 1) : '';
      if (!isOfModel(entry.name, depth)) return '';
      return `${path} ${found.ino} ${found.size} ${found.mtimeMs}\n`;
    }),
  );
  return lines.sort().join('');
}

/** Versions are folders of digits; a folder of data beside the models is none of them. */
function isSearched(name: string, depth: number): boolean {
  return depth === DEPTH_MAX || (depth === DEPTH_MAX - 1 && /^\d+$/.test(name));
}

/** The project file is reloaded when somebody asks for it. A model beside the versions is not served, and told of. */
function isOfModel(name: string, depth: number): boolean {
  if (name.endsWith('.onnx')) return true;
  return depth < DEPTH_MAX && (depth < DEPTH_MAX - 1 || /^model\.(ya?ml|json)$/.test(name));
}
