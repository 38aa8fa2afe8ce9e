/** The long crash test of features from events: 300,000 events, 40 kills. Exits with 1 if a single cell is wrong. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProgress } from '../src/cli/progress.ts';
import { BATCH_EVENTS } from '../test/streaming/crash-events.ts';
import { runCrashes } from '../test/streaming/crash-run.ts';

const [events = 300_000, kills = 40] = process.argv.slice(2).map(Number);
const path = mkdtempSync(join(tmpdir(), 'millrace-crashes-'));
const progress = createProgress('crashes');
const startMs = performance.now();
const result = await runCrashes({
  path,
  events,
  kills,
  processes: 3,
  onProgress: (batches, killed) => progress.update(batches * BATCH_EVENTS, events, `${killed} killed`),
});
progress.stop();
rmSync(path, { recursive: true });
const seconds = Math.round((performance.now() - startMs) / 1000);
process.stdout.write(`${JSON.stringify({ events, seconds, ...result })}\n`);
const { missing, twice, setAside, wrong } = result;
process.exitCode = missing + twice + setAside + wrong.length === 0 ? 0 : 1;
