/** The demo's flights, in the order of time: those that the models were trained on, and those that they have not seen. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { MillraceError } from '../../errors.ts';
import type { Project } from '../../project/project.ts';

export interface Flight {
  /** As an event has it, but for the delay. */
  readonly fields: {
    readonly flight_id: string;
    readonly scheduled: string;
    readonly origin: string;
    readonly destination: string;
    readonly distance: number;
  };
  readonly delayMinutes: number;
}

export interface DemoFlights {
  readonly past: readonly Flight[];
  readonly heldOut: readonly Flight[];
}

const LATE_MINUTES = 15;

export function isLate({ delayMinutes }: Flight): boolean {
  return delayMinutes > LATE_MINUTES;
}

/** @throws MillraceError LOAD_FAILED */
export async function readFlights(project: Project): Promise<DemoFlights> {
  const all = parseFlights(gunzipSync(await readDemoFile(project, 'flights.csv.gz')).toString());
  const heldOut = parseFlights((await readDemoFile(project, 'held_out_flights.csv')).toString());
  const past = all.slice(0, all.length - heldOut.length);
  return { past, heldOut };
}

export function demoFile(project: Project, name: string): string {
  return join(project.dir, 'data', name);
}

async function readDemoFile(project: Project, name: string): Promise<Buffer> {
  const path = demoFile(project, name);
  return readFile(path).catch((cause: unknown) => {
    const sentence = `The demo's flights are missing: ${path} cannot be read.`;
    throw new MillraceError('LOAD_FAILED', sentence, { cause });
  });
}

/** No cell of these files is quoted. */
function parseFlights(text: string): Flight[] {
  const [, ...lines] = text.trim().split('\n');
  return lines.map((line) => {
    const [id = '', scheduled = '', origin = '', destination = '', distance, delay] = line.split(',');
    return {
      fields: { flight_id: id, scheduled, origin, destination, distance: Number(distance) },
      delayMinutes: Number(delay),
    };
  });
}
