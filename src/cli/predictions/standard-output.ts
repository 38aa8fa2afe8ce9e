import type { WriteText } from './export-lines.ts';
import { writeFailure } from './export-lines.ts';

/** Standard output, which may be closed at any time, as `| head` does it. */
export function openStandardOutput(): WriteText {
  // It is told to the writes as well. With no listener it would end the process.
  process.stdout.on('error', () => {});
  return async (text) =>
    new Promise((resolve, reject) => {
      process.stdout.write(text, (error) => {
        if (!error) return resolve(true);
        if ('code' in error && error.code === 'EPIPE') return resolve(false);
        reject(writeFailure(`standard output cannot be written (${error.message})`, error));
      });
    });
}
