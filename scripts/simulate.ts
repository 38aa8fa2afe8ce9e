/**
 * `npm run simulate`: experiments, canaries and a bandit whose truth is known, over HTTP and with real logs, more of them
 * than the tests have time for. Prints what was promised and what was found; exits with 1 where the two do not fit.
 */
import { scriptOptions } from '../bench/script-options.ts';
import { formatTable } from '../src/cli/table.ts';
import { simulations } from '../test/simulation/simulations.ts';

const EXIT_USAGE = 2;
const PROGRESS_MS = 5000;

const usage = 'npm run simulate -- [--experiments 200] [--people 320]';
const options = scriptOptions(usage, {
  experiments: { type: 'string', default: '200' },
  people: { type: 'string', default: '320' },
});

function wholeNumber(name: keyof typeof options, least: number): number {
  const text = options[name];
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && Number.isSafeInteger(number)) return number;
  console.error(`--${name} takes a whole number, at least ${least}, not "${text}"\n${usage}`);
  process.exit(EXIT_USAGE);
}

const scale = { experiments: wholeNumber('experiments', 10), people: wholeNumber('people', 250) };
const rows: string[][] = [['what', 'promised', 'found', 'fits']];
let isRight = true;
let toldMs = performance.now();
for (const simulation of simulations) {
  const { name } = simulation;
  const startMs = performance.now();
  console.error(`${name} ...`);
  const claims = await simulation.run(scale, (done, total) => {
    if (performance.now() - toldMs < PROGRESS_MS) return;
    toldMs = performance.now();
    console.error(`${name}: ${done} of ${total}`);
  });
  console.error(`${name}: ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
  for (const { what, promised, found, fits } of claims) {
    rows.push([what, promised, found, fits ? 'yes' : 'NO']);
    isRight &&= fits;
  }
}
console.log(formatTable(rows));
process.exitCode = isRight ? 0 : 1;
