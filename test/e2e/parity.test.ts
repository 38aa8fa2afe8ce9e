/**
 * The answers of the server against those of Python (models/train): outputs by Python's onnxruntime, on features that for
 * version 1 Python computed with code of its own. Those of version 2 are the server's own, as of before each flight.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSession } from '../../src/inference/session.ts';
import { demoDir, predict, startDemoServer } from './demo-server.ts';
import type { DemoServer } from './demo-server.ts';

interface Expected {
  readonly request: { readonly flight_id: string };
  /** The input row as Python fed it; null = NaN. */
  readonly features: readonly (number | null)[];
  readonly delayed: number;
}

interface Traced {
  readonly predictions: readonly { readonly delayed: number }[];
  readonly trace: {
    readonly rows: readonly { readonly inputs: { readonly features: readonly (number | null)[] } }[];
  };
}

const TOLERANCE = 1e-5;

/** A null agrees with a null only. */
function largestDifference(actual: readonly (number | null)[], expected: readonly (number | null)[]): number {
  const differences = expected.map((value, i) => {
    const found = actual[i] ?? null;
    if (value === null || found === null) return value === found ? 0 : Infinity;
    return Math.abs(found - value);
  });
  return Math.max(...differences);
}

let demo: DemoServer;

beforeAll(async () => {
  demo = await startDemoServer();
});

afterAll(async () => {
  await demo.stop();
});

async function readExpected(version: string): Promise<Expected[]> {
  const file = join(demoDir, 'flight-delay', version, 'expected.json');
  const expected = JSON.parse(await readFile(file, 'utf8')) as Expected[];
  expect(expected.length).toBe(200);
  return expected;
}

describe('version 1', () => {
  const endpoint = 'flight-delay-baseline';

  it('answers held-out flights as Python does, one by one and in batches', async () => {
    const expected = await readExpected('1');
    const rows = expected.map(({ request }) => request);
    const { json } = await predict(demo.server, endpoint, { rows, trace: true });
    const batch = json as unknown as Traced;
    const replies = await Promise.all(
      rows.map(async (row) => predict(demo.server, endpoint, { rows: [row] })),
    );
    const single = replies.map((reply) => reply.json as unknown as Traced);
    expected.forEach(({ request, features, delayed }, i) => {
      const name = request.flight_id;
      const inputs = batch.trace.rows[i]?.inputs.features ?? [];
      expect(inputs.length, name).toBe(features.length);
      expect(largestDifference(inputs, features), name).toBeLessThan(TOLERANCE);
      const answers = [batch.predictions[i]?.delayed ?? null, single[i]?.predictions[0]?.delayed ?? null];
      expect(largestDifference(answers, [delayed, delayed]), name).toBeLessThan(TOLERANCE);
    });
  });
});

describe('version 2', () => {
  it('answers the rows of held-out flights as Python does, missing values included', async () => {
    const expected = await readExpected('2');
    const rows = expected.map(({ features }) => features.map((value) => value ?? NaN));
    const width = rows[0]?.length ?? 0;
    expect(rows.flat().filter(Number.isNaN).length).toBeGreaterThan(0);
    const session = await openSession(join(demoDir, 'flight-delay', '2', 'model.onnx'));
    const [probabilities] = await session.run([
      { data: Float32Array.from(rows.flat()), dims: [rows.length, width] },
    ]);
    await session.release();
    const late = Array.from(probabilities?.data as Float32Array).filter((_, i) => i % 2 === 1);
    const delayed = expected.map((each) => each.delayed);
    expect(largestDifference(late, delayed)).toBeLessThan(TOLERANCE);
  });
});
