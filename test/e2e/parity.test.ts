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
    const single = await Promise.all(
      rows.map(async (row) => predict(demo.server, endpoint, { rows: [row] })),
    );
    expected.forEach(({ request, features, delayed }, i) => {
      const name = request.flight_id;
      const inputs = batch.trace.rows[i]?.inputs.features ?? [];
      expect(inputs.length, name).toBe(features.length);
      features.forEach((feature, f) => {
        if (feature === null) expect(inputs[f], `${name} input ${f}`).toBeNull();
        else expect(Math.abs((inputs[f] as number) - feature), `${name} input ${f}`).toBeLessThan(TOLERANCE);
      });
      const answers = [
        batch.predictions[i]?.delayed,
        (single[i]?.json as unknown as Traced).predictions[0]?.delayed,
      ];
      for (const answer of answers)
        expect(Math.abs((answer as number) - delayed), name).toBeLessThan(TOLERANCE);
    });
  });
});
