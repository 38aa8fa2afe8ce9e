/**
 * `npm run soak`: servers under load of all kinds, while everything around them is changed, restarted and killed. Prints
 * what was done and seen; exits with 1 if an acknowledged event is lost, an answer is wrong, or memory or descriptors grow.
 */
import { scriptOptions } from '../bench/script-options.ts';
import { createProgress } from '../src/cli/progress.ts';
import { formatTable } from '../src/cli/table.ts';
import { runSoak } from '../test/soak/soak.ts';

const EXIT_USAGE = 2;
const FAULTS_SHOWN = 20;
const MEBIBYTE = 1024 ** 2;

const usage = 'npm run soak -- [--minutes 10] [--json]';
const options = scriptOptions(usage, {
  minutes: { type: 'string', default: '10' },
  json: { type: 'boolean', default: false },
});
const minutes = Number(options.minutes);
if (!(minutes >= 0.5 && minutes <= 10_000)) {
  console.error(`--minutes takes a number from 0.5 to 10000, not "${options.minutes}"\n${usage}`);
  process.exit(EXIT_USAGE);
}

const progress = createProgress('soak');
const result = await runSoak({
  seconds: Math.round(minutes * 60),
  onProgress: (done, total, doing) => progress.update(done, total, doing),
});
progress.stop();
if (options.json) console.log(JSON.stringify(result, null, 2));
else {
  const [warm, end] = result.usage;
  const { predictions, events, pushes } = result;
  console.log(
    formatTable([
      ['what', 'count'],
      ...Object.entries({ predictions, events, pushes, ...result.done }).map(([name, count]) => [
        name,
        count.toLocaleString('en'),
      ]),
      ...Object.entries(result.failures).map(([name, count]) => [`failed: ${name}`, String(count)]),
    ]),
  );
  const size = (bytes: number): string => `${Math.round(bytes / MEBIBYTE)} MiB`;
  console.log(
    `memory ${size(warm.ownBytes)} after the warm-up, ${size(end.ownBytes)} at the end; ` +
      `descriptors ${warm.descriptors} and ${end.descriptors}`,
  );
  for (const fault of result.faults.slice(0, FAULTS_SHOWN)) console.error(`FAULT ${fault}`);
  console.log(result.faults.length === 0 ? 'nothing lost, nothing wrong' : `${result.faults.length} faults`);
}
process.exitCode = result.faults.length === 0 ? 0 : 1;
