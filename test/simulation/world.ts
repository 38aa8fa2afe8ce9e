/** A served project with people who use it, and the reports that come of that. */
import { join } from 'node:path';
import { systemClock } from '../../src/clock.ts';
import type { Clock } from '../../src/clock.ts';
import type { EventLog } from '../../src/events/event-log.ts';
import { definitionOf } from '../../src/experiments/definition.ts';
import type { ExperimentDefinition } from '../../src/experiments/definition.ts';
import { readReport } from '../../src/experiments/read-report.ts';
import type { ExperimentReport } from '../../src/experiments/report.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import type { Endpoint, Project } from '../../src/project/project.ts';
import { loadProject } from '../../src/project/read-project.ts';
import { decodeRollout } from '../../src/rollouts/decode-rollout.ts';
import { openPredictionEvents } from '../../src/serving/open-prediction-log.ts';
import { startRolloutServer } from '../rollouts/rollout-server.ts';
import type { RolloutProjectOptions, RolloutServer } from '../rollouts/rollout-server.ts';
import type { Person } from './population.ts';
import { createTraffic } from './traffic.ts';
import type { Answer, Traffic } from './traffic.ts';

/** What comes of an answer; undefined = nobody tells. */
export interface Outcome {
  readonly click?: boolean;
  readonly reward?: number;
}

export interface Visit {
  readonly person: Person;
  /** Undefined = the model failed. */
  readonly variant: string | undefined;
}

export type OutcomeOf = (person: Person, variant: string, visit: number) => Outcome | undefined;

export interface World {
  readonly running: RolloutServer;
  readonly traffic: Traffic;
  /** Begins another rollout. */
  put(section: object, endpoint?: string): Promise<void>;
  status(endpoint?: string): Promise<Answer['json']>;
  /** All of them come, at once; then what came of it is told. */
  visit(people: readonly Person[], outcomeOf: OutcomeOf, endpoint?: string): Promise<Visit[]>;
  definition(section: object, endpoint?: string): ExperimentDefinition;
  /** Stops the server, after which all that it was to log is in the log. */
  close(): Promise<void>;
  /**
   * The prediction log, for as long as `use` takes.
   * @param path of another data folder than that of the server
   */
  withLog<T>(use: (log: EventLog) => Promise<T>, path?: string): Promise<T>;
  /** Takes the folder away. */
  remove(): Promise<void>;
}

const TOLD_AT_ONCE = 500;
/** What the failing model comes to; any other failure is one of the simulation. */
const MODEL_FAILED = 422;
/** On a machine that stands still, people wait. */
const limits = { timeout: '60s', body_timeout: '60s' };

export async function createWorld(
  options: RolloutProjectOptions,
  clock: Clock = systemClock,
): Promise<World> {
  const running = await startRolloutServer({ ...options, sections: { limits } }, { clock });
  const project = await loadProject(running.dir);
  const traffic = createTraffic(running.server);

  async function put(rollout: object, endpoint = 'm'): Promise<void> {
    const path = `/v1/endpoints/${endpoint}/rollout`;
    const { json } = await traffic.call('GET', path);
    const body = { version: json['version'], rollout, by: 'simulation', reason: 'the next one' };
    requireStatus(await traffic.call('PUT', path, body), 200);
  }

  async function visit(people: readonly Person[], outcomeOf: OutcomeOf, endpoint = 'm'): Promise<Visit[]> {
    const told: object[] = [];
    const comeOnce = async (person: Person, nth: number): Promise<Visit> => {
      const body = { rows: [{ user: person.name, a: person.inclination }] };
      const answer = await traffic.call('POST', `/v1/endpoints/${endpoint}/predict`, body);
      const { status, json } = answer;
      if (status === MODEL_FAILED) return { person, variant: undefined };
      requireStatus(answer, 200);
      const variant = json['variant'] as string;
      const outcome = outcomeOf(person, variant, nth);
      if (outcome !== undefined) told.push({ request_id: json['request_id'], ...outcome });
      return { person, variant };
    };
    const visits = await Promise.all(
      people.flatMap((person) =>
        Array.from({ length: person.visits }, async (_, nth) => comeOnce(person, nth)),
      ),
    );
    for (let at = 0; at < told.length; at += TOLD_AT_ONCE)
      requireStatus(await traffic.call('POST', '/v1/feedback', told.slice(at, at + TOLD_AT_ONCE)), 202);
    return visits;
  }

  return {
    running,
    traffic,
    put,
    visit,
    status: async (endpoint = 'm') => (await traffic.call('GET', `/v1/endpoints/${endpoint}/rollout`)).json,
    definition: (section, endpoint = 'm') => definitionIn(project, section, endpoint),
    async close() {
      traffic.close();
      await running.server.close();
    },
    withLog: async (use, path = join(running.dir, 'data')) => withLog(path, project, use),
    async remove() {
      traffic.close();
      await running.stop();
    },
  };
}

function requireStatus({ status, json }: Answer, wanted: number): void {
  if (status !== wanted) throw new Error(`answered with ${status}: ${JSON.stringify(json)}`);
}

function definitionIn(project: Project, section: object, endpointName: string): ExperimentDefinition {
  const endpoint = project.endpoints.get(endpointName) as Endpoint;
  const definition = definitionOf(endpoint, decodeRollout(section, endpoint, project.eventTypes));
  if (definition === undefined) throw new Error('the rollout splits no traffic');
  return definition;
}

async function withLog<T>(
  path: string,
  { streaming }: Pick<Project, 'streaming'>,
  use: (log: EventLog) => Promise<T>,
): Promise<T> {
  const environment = await openLmdbEnvironment({ path });
  try {
    const log = await openPredictionEvents(environment, streaming.partitions, systemClock);
    try {
      return await use(log);
    } finally {
      await log.close();
    }
  } finally {
    await environment.close();
  }
}

export async function reportOn(
  log: EventLog,
  definition: ExperimentDefinition,
  { others = [], against }: { others?: readonly ExperimentDefinition[]; against?: string } = {},
): Promise<ExperimentReport> {
  const all = { fromMs: -Infinity, toMs: Infinity, versions: undefined, withBots: false };
  return readReport(definition, { predictions: log, events: undefined }, { ...all, others, against });
}

/** Time that passes only when it is told to. */
export interface SteppedClock extends Clock {
  advance(ms: number): void;
}

export function createSteppedClock(startMs = Date.parse('2026-03-09T00:00:00Z')): SteppedClock {
  let nowMs = startMs;
  return { nowMs: () => nowMs, advance: (ms) => void (nowMs += ms) };
}
