/**
 * Whether a server can answer predictions now, and what else it cannot do. Asking costs no I/O: it looks at what the
 * parts of the server know of themselves. Orchestrators ask each second, and their answer is worth what it is true for.
 */
import { MillraceError } from '../errors.ts';
import { formatDuration } from '../project/duration.ts';
import type { Serving } from '../serving/serving.ts';
import type { ServerState } from './server-state.ts';

export interface ReadinessNow {
  /** Sentences: why predictions cannot be answered as they should be. Empty = the server is ready. */
  readonly reasons: readonly string[];
  /** Sentences: what is wrong although predictions are answered. */
  readonly degraded: readonly string[];
}

/** What a server stores for its callers. */
export type Stored = 'events' | 'feedback' | 'features';

export interface Readiness {
  now(): ReadinessNow;
  /** Notes whether what was sent could be stored: until the next that can, the server is degraded. */
  watch<T>(stored: Stored, write: Promise<T>): Promise<T>;
}

/** @param servingOf what answers at the moment; undefined = nothing yet */
export function createReadiness(state: ServerState, servingOf: () => Serving | undefined): Readiness {
  const failing = new Set<Stored>();
  return {
    now() {
      const serving = servingOf();
      if (state.phase === 'starting' || serving === undefined)
        return { reasons: ['The server is loading and warming up its models.'], degraded: [] };
      const reasons = state.phase === 'draining' ? ['The server is stopping.'] : [];
      const models = serving.lostModels().map((name) => `No worker thread of the model ${name} is alive.`);
      const store = storeTrouble(serving);
      const writes = [...failing].map((stored) => `The last ${stored} that were sent could not be stored.`);
      return {
        reasons: [...reasons, ...models, ...store.reasons],
        degraded: [...store.degraded, ...writes],
      };
    },
    async watch(stored, write) {
      try {
        const result = await write;
        failing.delete(stored);
        return result;
      } catch (error) {
        if (error instanceof MillraceError && error.code === 'STORE_FAILED') failing.add(stored);
        throw error;
      }
    },
  };
}

/** What was read before answers for `cache.stale_max`; after that, views say whether predictions do without their rows. */
function storeTrouble({ store, project, withoutStore }: Serving): ReadinessNow {
  const state = store.state();
  if (state === 'answers' || withoutStore === 'unchanged') return { reasons: [], degraded: [] };
  if (state === 'failing') return { reasons: ['Reads of the online store fail.'], degraded: [] };
  if (state === 'stale')
    return {
      reasons: [],
      degraded: ['The online store does not answer; rows are those that are in memory.'],
    };
  const { staleMsMax } = project.cache;
  const sentence = `The online store has not answered for longer than cache.stale_max (${formatDuration(staleMsMax)})`;
  if (withoutStore === 'failures')
    return { reasons: [`${sentence}, and a view asks for an error then.`], degraded: [] };
  return { reasons: [], degraded: [`${sentence}; predictions are made with defaults.`] };
}
