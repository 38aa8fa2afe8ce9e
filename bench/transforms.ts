/**
 * What compiling the transforms gains: the 32 slots of a row filled by the generated function, by the interpreter, and
 * by a function written by hand. All three read the same rows and must fill the same slots. Medians of interleaved
 * rounds.
 *
 *     npx tsx bench/transforms.ts
 */
import { deepStrictEqual } from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { compileTransforms } from '../src/transforms/compile.ts';
import type { CompiledTransforms } from '../src/transforms/compile.ts';
import { interpretTransforms } from '../src/transforms/interpret.ts';
import type { TensorData } from '../src/transforms/slots.ts';
import { median } from './median.ts';
import type { BenchRow } from './bench-row.ts';
import { createSamples, fillByHand, planInputs, WIDTH } from './transforms-plan.ts';
import type { Sample } from './transforms-plan.ts';

type Engine = Pick<CompiledTransforms, 'fill'>;

const ROUNDS = 21;
const ROUND_MS = 100;
/** Few enough that samples and tensor stay in the processor's caches: this measures code, not memory. */
const SAMPLES = 64;

const names = {
  compiled: 'transforms, compiled',
  interpreted: 'transforms, interpreted',
  byHand: 'transforms, written by hand',
};

/** Rows per second of 32 slots each. */
export async function benchTransforms(): Promise<BenchRow[]> {
  const inputs = planInputs();
  const samples = createSamples(SAMPLES);
  const engines = {
    compiled: compileTransforms(inputs),
    interpreted: interpretTransforms(inputs),
    byHand: { fill: fillByHand },
  };
  requireEqualSlots(Object.values(engines), samples);
  for (const engine of Object.values(engines)) measure(engine, samples);
  const rounds: Record<keyof typeof engines, number>[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push({
      compiled: measure(engines.compiled, samples),
      interpreted: measure(engines.interpreted, samples),
      byHand: measure(engines.byHand, samples),
    });
    // Lets a program that shows progress draw it.
    await new Promise(setImmediate);
  }
  const rate = (name: keyof typeof engines): number => median(rounds.map((round) => round[name]));
  const ratio = (name: keyof typeof engines): number =>
    median(rounds.map((round) => round.compiled / round[name]));
  const compiled = { name: names.compiled, perSecond: rate('compiled') };
  return [
    { name: names.interpreted, perSecond: rate('interpreted') },
    { name: names.byHand, perSecond: rate('byHand') },
    { ...compiled, ratioTo: names.interpreted, ratio: ratio('interpreted'), target: '>= 10' },
    { ...compiled, ratioTo: names.byHand, ratio: ratio('byHand'), target: '>= 0.9' },
  ];
}

function measure(engine: Engine, samples: readonly Sample[]): number {
  const tensors = [new Float32Array(samples.length * WIDTH)];
  const startedMs = performance.now();
  const endMs = startedMs + ROUND_MS;
  let rows = 0;
  let nowMs = startedMs;
  while (nowMs < endMs) {
    fillAll(engine, tensors, samples);
    rows += samples.length;
    nowMs = performance.now();
  }
  return (rows / (nowMs - startedMs)) * 1000;
}

function fillAll(engine: Engine, tensors: readonly TensorData[], samples: readonly Sample[]): void {
  for (let at = 0; at < samples.length; at++) {
    const { request, rows, asOfMs } = samples[at] as Sample;
    engine.fill(tensors, at, request, rows, asOfMs);
  }
}

function requireEqualSlots(engines: readonly Engine[], samples: readonly Sample[]): void {
  const [expected, ...others] = engines.map((engine) => {
    const tensor = new Float32Array(samples.length * WIDTH);
    fillAll(engine, [tensor], samples);
    return tensor;
  });
  for (const actual of others) deepStrictEqual(actual, expected);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { name, perSecond, ratioTo, ratio, target } of await benchTransforms()) {
    const rate = Math.round(perSecond).toLocaleString('en').padStart(11);
    const compared = ratio === undefined ? '' : `${ratio.toFixed(2)} x ${ratioTo}, target ${target}`;
    console.log(`${name.padEnd(28)} ${rate} rows/s  ${compared}`.trimEnd());
  }
}
