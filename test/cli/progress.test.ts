import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import type { ProgressStream } from '../../src/cli/progress.ts';
import { createProgress } from '../../src/cli/progress.ts';

function streamOf(isTTY: boolean): { stream: ProgressStream; text: () => string } {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 80 });
  return { stream, text: () => String(stream.read() ?? '') };
}

it('prints a line at most every five seconds where there is no terminal', () => {
  let nowMs = 0;
  const { stream, text } = streamOf(false);
  const progress = createProgress('loading a.csv', stream, { nowMs: () => nowMs });
  for (nowMs = 0; nowMs <= 12_000; nowMs += 1000) progress.update(nowMs, 12_000, `${nowMs} rows`);
  progress.stop();
  expect(text()).toBe('loading a.csv: 41 %, 5000 rows\nloading a.csv: 83 %, 10000 rows\n');
});

it('prints nothing for work that is done at once', () => {
  const { stream, text } = streamOf(false);
  const progress = createProgress('loading a.csv', stream, { nowMs: () => 0 });
  progress.update(1, 1, '1 rows');
  progress.stop();
  expect(text()).toBe('');
});

it('draws a bar on a terminal and takes it away', () => {
  const { stream, text } = streamOf(true);
  const progress = createProgress('loading a.csv', stream);
  progress.update(1, 4, '1 rows');
  const drawn = text();
  expect(drawn).toContain('loading a.csv [');
  progress.update(2, 4, '2 rows');
  progress.stop();
  const rest = text();
  expect(rest).toContain('] 50 %  2 rows');
  // The last thing it does is to clear the line.
  expect(rest.endsWith('\u001b[2K')).toBe(true);
});
