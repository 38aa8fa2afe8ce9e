/**
 * The answers of the server against those of Python: features computed in Python with its own code, outputs by
 * Python's onnxruntime (models/train). The requests go over HTTP, the features come from the store.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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

describe.each([
  ['flight-delay-baseline', '1'],
  ['flight-delay', '2'],
])('%s, version %s', (endpoint, version) => {
  it('answers held-out flights as Python does, one by one and in batches', async () => {
    const file = join(demoDir, 'flight-delay', version, 'expected.json');
    const expected = JSON.parse(await readFile(file, 'utf8')) as Expected[];
    expect(expected.length).toBeGreaterThan(200);
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
