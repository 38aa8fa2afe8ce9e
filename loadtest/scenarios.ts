/** What `npm run loadtest` asks the server for. */
import { CONNECTIONS, USERS } from './shape.ts';
import type { Protocol } from '../src/loadtest/caller.ts';
import type { LoadRequest } from '../src/loadtest/load-request.ts';
import { predictRequest } from '../src/loadtest/load-request.ts';

export interface ScenarioShape {
  readonly name: string;
  readonly about: string;
  readonly protocol: Protocol;
  readonly connections: number;
  readonly requests: () => readonly LoadRequest[];
}

/** Endpoints of the project; the mixed scenario asks all of them, the others the first. */
export const endpoints: readonly string[] = ['m', 'n', 'o', 'p'];
/** Users with features: many more than a cache should hold, 256 bytes of numbers each. */
export const COLD_USERS = 200_000;

const WS_CONNECTIONS = 8;
const ROWS = 32;
/** Has no factor in common with COLD_USERS, so its steps meet every user once before any twice. */
const COLD_STEP = 77_777;

const http = { protocol: 'http', connections: CONNECTIONS } as const;

export const scenarioShapes: readonly ScenarioShape[] = [
  { name: 'one-row', about: 'HTTP, JSON, one row', ...http, requests: oneRow },
  { name: 'many-rows', about: 'HTTP, JSON, 32 rows with a shared context', ...http, requests: manyRows },
  { name: 'cold-keys', about: 'HTTP, JSON, one row of 200,000 users in turn', ...http, requests: coldKeys },
  { name: 'mixed', about: 'HTTP, JSON, one row, four endpoints in turn', ...http, requests: mixed },
  {
    name: 'ws',
    about: 'WebSocket, JSON, one row',
    protocol: 'ws',
    connections: WS_CONNECTIONS,
    requests: oneRow,
  },
  {
    name: 'ws-msgpack',
    about: 'WebSocket, MessagePack, one row',
    protocol: 'ws-msgpack',
    connections: WS_CONNECTIONS,
    requests: oneRow,
  },
];

function oneRow(): LoadRequest[] {
  return upTo(USERS, (user) => rowOf('m', user));
}

function manyRows(): LoadRequest[] {
  return upTo(USERS, (user) =>
    predictRequest('m', {
      context: { user_id: `user-${user}` },
      rows: upTo(ROWS, (item) => ({ item: `item-${item}` })),
    }),
  );
}

function coldKeys(): LoadRequest[] {
  return upTo(COLD_USERS, (i) => rowOf('m', (i * COLD_STEP) % COLD_USERS));
}

function mixed(): LoadRequest[] {
  return upTo(USERS, (user) => rowOf(endpoints[user % endpoints.length] as string, user));
}

function rowOf(endpoint: string, user: number): LoadRequest {
  return predictRequest(endpoint, { rows: [{ user_id: `user-${user}`, item: `item-${user}` }] });
}

function upTo<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}
