/** The demo's flights, replayed: what version 2 was trained on, and how good each is on flights that it has not seen. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { auc } from '../../src/stats/auc.ts';
import { demoDir } from './demo-server.ts';
import { offlineFlights } from './offline-flights.ts';
import type { OfflineFlight } from './offline-flights.ts';

let scratch: string;
let flights: Readonly<Record<'1' | '2', readonly OfflineFlight[]>>;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'millrace-e2e-replay-'));
  flights = { 1: await offlineFlights('1', scratch), 2: await offlineFlights('2', scratch) };
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
  const byId = new Map(flights[2].map((flight) => [flight.flightId, flight]));
  for (const { request, features } of expected)
    expect(byId.get(request.flight_id)?.inputs, request.flight_id).toEqual(features);
});

// test/cli/demo.test.ts: a running server answers the same.
it.each(['1', '2'] as const)('has version %s reach the held-out AUC of its report', async (version) => {
  const report = await readJson<{
    held_out_flights: number;
    versions: Record<string, { held_out_auc: number }>;
  }>('train', 'report.json');
  const heldOut = flights[version].slice(-report.held_out_flights);
  const reached = auc(
    heldOut.map(({ score }) => score),
    heldOut.map(({ label }) => label === 1),
  );
  expect(reached).toBeCloseTo(report.versions[version]?.held_out_auc as number, 3);
  expect(reached).toBeGreaterThan({ 1: 0.62, 2: 0.67 }[version]);
});
