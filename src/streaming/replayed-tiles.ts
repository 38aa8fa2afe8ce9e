/**
 * Rows of streaming views while events are replayed in the order of time: the tiles of all entities in memory, and no
 * store. What is read before an event is taken in is what a server would have read just before it came.
 */
import type { EntityKey, Row } from '../features/online-store.ts';
import type { FeatureView } from '../project/project.ts';
import { createEntityTiles } from './entity-tiles.ts';
import type { EntityTiles } from './entity-tiles.ts';
import { createStreamRouting } from './stream-routing.ts';
import type { RoutedEvent } from './stream-routing.ts';
import type { TilePlan } from './tile-plan.ts';

export interface ReplayedTiles {
  /** The row as a request with this `as_of` gets it. */
  get(view: FeatureView, key: EntityKey, asOfMs: number): Row | null;
  /** Takes in an event that is not earlier than those before it. */
  apply(event: RoutedEvent, timeMs: number): void;
}

/** How often tiles that no window reaches any more are looked for, in time of the events. */
const EXPIRE_EVERY_MS = 86_400_000;

export function createReplayedTiles(plans: readonly TilePlan[]): ReplayedTiles {
  const routing = createStreamRouting(
    plans.map(({ view }) => view),
    1,
  );
  const planOf = new Map(plans.map((plan) => [plan.view, plan]));
  const tilesOf = new Map(plans.map(({ view }) => [view, new Map<EntityKey, EntityTiles>()]));
  let offset = 0;
  let expiredMs = -Infinity;

  function tilesFor(view: FeatureView, key: EntityKey): EntityTiles {
    const known = tilesOf.get(view)?.get(key);
    if (known !== undefined) return known;
    const made = createEntityTiles(planOf.get(view) as TilePlan);
    tilesOf.get(view)?.set(key, made);
    return made;
  }

  function dropExpired(nowMs: number): void {
    if (nowMs - expiredMs < EXPIRE_EVERY_MS) return;
    expiredMs = nowMs;
    for (const byKey of tilesOf.values()) for (const tiles of byKey.values()) tiles.dropExpired(nowMs);
  }

  return {
    get: (view, key, asOfMs) => tilesOf.get(view)?.get(key)?.read(asOfMs, true) ?? null,
    apply(event, timeMs) {
      dropExpired(timeMs);
      for (const { view, key } of routing.entitiesOf(event, 0)) {
        const tiles = tilesFor(view, key);
        tiles.apply(event.values, timeMs, offset);
        // Nobody stores them; untaken, the list of changes would keep every tile.
        tiles.takeChanged();
      }
      offset += 1;
    },
  };
}
