/** The demo's flights, replayed: what version 2 was trained on, and how good it is on flights that it has not seen. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { replayCommand } from '../../src/cli/replay.ts';
import { openSession } from '../../src/inference/session.ts';
import { auc } from '../../src/stats/auc.ts';
import { demoDir } from './demo-server.ts';

interface Flight {
  readonly flightId: string;
  readonly inputs: readonly (number | null)[];
  readonly label: number;
}

let scratch: string;
/** In the order of time. */
let flights: readonly Flight[];

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'millrace-e2e-replay-'));
  const out = join(scratch, 'table.ndjson');
  await replayCommand().parseAsync(
    [
      ['--project', demoDir, '--endpoint', 'flight-delay', '--label', 'delay > 15', '--out', out],
      ['--events', join(demoDir, 'data', 'flights.csv.gz'), '--keep', 'flight_id'],
      ['--rows', `airport_profile=${join(demoDir, 'data', 'airports.csv')}`],
    ].flat(),
    { from: 'user' },
  );
  const lines = (await readFile(out, 'utf8')).trimEnd().split('\n');
  flights = lines.map((line) => {
    const { as_of: _, flight_id: id, label, ...inputs } = JSON.parse(line) as Record<string, number>;
    return { flightId: String(id), inputs: Object.values(inputs), label: Number(label) };
  });
}, 120_000);

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

async function readJson<T>(...path: readonly string[]): Promise<T> {
  return JSON.parse(await readFile(join(demoDir, ...path), 'utf8')) as T;
}

it('gives the very rows that version 2 was trained on', async () => {
  const expected = await readJson<{ request: { flight_id: string }; features: (number | null)[] }[]>(
    'flight-delay',
    '2',
    'expected.json',
  );
  const byId = new Map(flights.map((flight) => [flight.flightId, flight]));
  for (const { request, features } of expected)
    expect(byId.get(request.flight_id)?.inputs, request.flight_id).toEqual(features);
});

it('has version 2 reach the held-out AUC of its report', async () => {
  const report = await readJson<{
    held_out_flights: number;
    versions: { 2: { held_out_auc: number } };
  }>('train', 'report.json');
  const heldOut = flights.slice(-report.held_out_flights);
  const rows = heldOut.flatMap(({ inputs }) => inputs.map((value) => value ?? NaN));
  const session = await openSession(join(demoDir, 'flight-delay', '2', 'model.onnx'));
  const [probabilities] = await session.run([
    { data: Float32Array.from(rows), dims: [heldOut.length, rows.length / heldOut.length] },
  ]);
  await session.release();
  const late = Array.from(probabilities?.data as Float32Array).filter((_, i) => i % 2 === 1);
  const reached = auc(
    late,
    heldOut.map(({ label }) => label === 1),
  );
  expect(reached).toBeCloseTo(report.versions[2].held_out_auc, 3);
  expect(reached).toBeGreaterThan(0.67);
});
