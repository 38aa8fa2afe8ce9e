/** The demo's flights by the path of training: the row that `millrace replay` makes of each, and the model's answer. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { replayCommand } from '../../src/cli/replay.ts';
import { openSession } from '../../src/inference/session.ts';
import { demoDir } from './demo-server.ts';

export interface OfflineFlight {
  readonly flightId: string;
  readonly inputs: readonly (number | null)[];
  readonly label: number;
  /** How likely it is late. */
  readonly score: number;
}

/**
 * In the order of time.
 * @param scratch a folder for the table
 */
export async function offlineFlights(version: '1' | '2', scratch: string): Promise<OfflineFlight[]> {
  const out = join(scratch, `table-${version}.ndjson`);
  const rows = ['--rows', `airport_profile=${join(demoDir, 'data', 'airports.csv')}`];
  await replayCommand().parseAsync(
    [
      ['--project', demoDir, '--endpoint', 'flight-delay', '--label', 'delay > 15', '--out', out],
      ['--model', `flight-delay@${version}`],
      ['--events', join(demoDir, 'data', 'flights.csv.gz'), '--keep', 'flight_id'],
      version === '1' ? [] : rows,
    ].flat(),
    { from: 'user' },
  );
  const lines = (await readFile(out, 'utf8')).trimEnd().split('\n');
  const flights = lines.map((line) => {
    const { as_of: _, flight_id: id, label, ...inputs } = JSON.parse(line) as Record<string, number>;
    return { flightId: String(id), inputs: Object.values(inputs), label: Number(label) };
  });
  const scores = await scoresOf(version, flights);
  return flights.map((flight, i) => ({ ...flight, score: scores[i] as number }));
}

async function scoresOf(
  version: string,
  flights: readonly { readonly inputs: readonly (number | null)[] }[],
): Promise<number[]> {
  const values = flights.flatMap(({ inputs }) => inputs.map((value) => value ?? NaN));
  const session = await openSession(join(demoDir, 'flight-delay', version, 'model.onnx'));
  const [probabilities] = await session.run([
    { data: Float32Array.from(values), dims: [flights.length, values.length / flights.length] },
  ]);
  await session.release();
  return Array.from(probabilities?.data as Float32Array).filter((_, i) => i % 2 === 1);
}
