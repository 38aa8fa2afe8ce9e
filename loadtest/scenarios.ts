/** What `npm run loadtest` asks the server for. */
import { CONNECTIONS, USERS, bodiesOfUsers, manyRowBody, oneRowBody } from './shape.ts';
import type { Protocol } from '../src/loadtest/caller.ts';
import type { LoadRequest } from '../src/loadtest/load-request.ts';
import { predictRequest } from '../src/loadtest/load-request.ts';

export interface ScenarioShape {
  readonly name: string;
  readonly about: string;
  readonly protocol: Protocol;
  readonly connections: number;
  /** Of closed loops, where that is less than the connections carry. */
  readonly inFlight?: number;
  readonly requests: () => readonly LoadRequest[];
}

/** Endpoints of the project; the mixed scenario asks all of them, the others the first. */
export const endpoints: readonly string[] = ['m', 'n', 'o', 'p'];
/** Users with features: many more than a cache should hold, 256 bytes of numbers each. */
export const COLD_USERS = 200_000;

const WS_CONNECTIONS = 8;
/**
 * So many rows that the server, not the load generator beside it, is the limit at three times the peak; and so many
 * connections that the server, not the client, has to say that it is too much.
 */
const LARGE_ROWS = 1000;
const LARGE_HTTP_CONNECTIONS = 2000;
const LARGE_IN_FLIGHT = 32;
const LARGE_BODIES = 50;
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
  {
    name: 'large',
    about: 'HTTP, JSON, 1,000 rows, 2,000 connections',
    protocol: 'http',
    connections: LARGE_HTTP_CONNECTIONS,
    inFlight: LARGE_IN_FLIGHT,
    requests: large,
  },
  {
    name: 'ws-large',
    about: 'WebSocket, MessagePack, 1,000 rows',
    protocol: 'ws-msgpack',
    connections: WS_CONNECTIONS,
    inFlight: LARGE_IN_FLIGHT,
    requests: large,
  },
];

function oneRow(): LoadRequest[] {
  return bodiesOfUsers(oneRowBody).map((body) => predictRequest('m', body));
}

function manyRows(): LoadRequest[] {
  return bodiesOfUsers(manyRowBody).map((body) => predictRequest('m', body));
}

function large(): LoadRequest[] {
  return upTo(LARGE_BODIES, (user) => predictRequest('m', manyRowBody(user, LARGE_ROWS)));
}

function coldKeys(): LoadRequest[] {
  return upTo(COLD_USERS, (i) => predictRequest('m', oneRowBody((i * COLD_STEP) % COLD_USERS)));
}

function mixed(): LoadRequest[] {
  return upTo(USERS, (user) =>
    predictRequest(endpoints[user % endpoints.length] as string, oneRowBody(user)),
  );
}

function upTo<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}
