/**
 * Mutated messages over WebSockets: bytes flipped, cut and doubled, odd values, many at once. Every message is answered
 * or, where it is not even a message, ends its own socket; none is a fault of the server, and the server serves on.
 */
import { connect } from 'node:net';
import { Packr } from 'msgpackr';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { goodFlight, predict, startDemoServer } from '../e2e/demo-server.ts';
import type { DemoServer } from '../e2e/demo-server.ts';
import { openSocket } from './socket-client.ts';
import type { SocketClient, SocketReply } from './socket-client.ts';

const MESSAGES = 3000;
const STREAMS = 200;
const SOCKETS = 16;

const seed = Math.floor(Math.random() * 2 ** 31);
const packer = new Packr({ useRecords: false });
let demo: DemoServer;

beforeAll(async () => {
  demo = await startDemoServer();
});

afterAll(async () => {
  await demo.stop();
});

const oddValue = fc.oneof(
  fc.constantFrom(null, true, '', 0, -0, 1e308, 2 ** 53, '\0', '𝒳', [], {}, [[]], 'x'.repeat(5000)),
  fc.jsonValue({ maxDepth: 3 }),
);
const flight = fc.oneof(
  { weight: 3, arbitrary: fc.constant<unknown>(goodFlight) },
  fc.tuple(fc.constantFrom(...Object.keys(goodFlight)), oddValue).map(([name, value]) => ({
    ...goodFlight,
    [name]: value,
  })),
  oddValue,
);
const anyId = fc.oneof({ weight: 5, arbitrary: fc.nat() }, oddValue);
const request = fc.record(
  {
    id: anyId,
    endpoint: fc.oneof(
      { weight: 5, arbitrary: fc.constantFrom<unknown>('flight-delay', 'flight-delay-baseline') },
      oddValue,
    ),
    rows: fc.oneof({ weight: 5, arbitrary: fc.array(flight, { maxLength: 5 }) }, oddValue),
    context: fc.option(oddValue, { freq: 3 }),
    trace: fc.boolean(),
    ['__proto__']: oddValue,
  },
  { requiredKeys: ['id', 'endpoint', 'rows'] },
);
const departure = { type: 'departure', id: 'x', fields: { ...goodFlight, delay: 5 } };
const outcome = { request_id: 'x', row: 0, click: true, id: 'x' };
/** One of the fields of a sound event is odd. */
function oddOf(sound: object): fc.Arbitrary<unknown> {
  const odd = fc
    .tuple(fc.constantFrom(...Object.keys(sound), 'time'), oddValue)
    .map(([name, value]) => ({ ...sound, [name]: value }));
  return fc.oneof(fc.constant(sound), odd, oddValue);
}
const event = fc.oneof(
  oddOf(departure),
  oddOf(departure.fields).map((fields) => ({ ...departure, id: 'y', fields })),
);
const listOf = (each: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 5, arbitrary: fc.array(each, { maxLength: 5 }) }, each);
const [anyEvents, anyFeedback] = [listOf(event), listOf(oddOf(outcome))];
const intake = fc.oneof(
  { weight: 4, arbitrary: fc.record({ id: anyId, events: anyEvents }) },
  { weight: 4, arbitrary: fc.record({ id: anyId, feedback: anyFeedback }) },
  fc.record(
    { id: anyId, events: anyEvents, feedback: anyFeedback, endpoint: oddValue, ['__proto__']: oddValue },
    { requiredKeys: ['id'] },
  ),
);
const mutation = fc.record({
  kind: fc.constantFrom('flip', 'cut', 'double', 'insert'),
  at: fc.nat(),
  byte: fc.integer({ min: 0, max: 255 }),
});
const message = fc
  .tuple(
    fc.oneof(
      { weight: 6, arbitrary: request },
      { weight: 3, arbitrary: intake },
      fc.array(fc.oneof(request, intake), { minLength: 1 }),
      oddValue,
    ),
    fc.boolean(),
    fc.oneof({ weight: 1, arbitrary: fc.constant([]) }, fc.array(mutation, { maxLength: 3 })),
  )
  .map(([value, isBinary, mutations]) => ({
    isBinary,
    body: mutations.reduce(
      mutate,
      isBinary ? Buffer.from(packer.pack(value)) : Buffer.from(JSON.stringify(value)),
    ),
  }));

function mutate(body: Buffer, { kind, at, byte }: { kind: string; at: number; byte: number }): Buffer {
  const where = at % (body.length + 1);
  const [head, tail] = [body.subarray(0, where), body.subarray(where)];
  if (kind === 'flip' && tail.length > 0) return Buffer.concat([head, Buffer.of(byte), tail.subarray(1)]);
  if (kind === 'cut') return head;
  if (kind === 'double') return Buffer.concat([body, tail]);
  return Buffer.concat([head, Buffer.of(byte), tail]);
}

/**
 * Sends a message, and sound requests to both models and both logs behind it: their answers come after all answers to the
 * message.
 * Resolves with the codes of those, or with undefined if the socket was closed.
 */
async function answersTo(
  client: SocketClient,
  body: Buffer,
  isBinary: boolean,
): Promise<string[] | undefined> {
  const markers = [
    { endpoint: 'flight-delay', rows: [goodFlight] },
    { endpoint: 'flight-delay-baseline', rows: [goodFlight] },
    { events: departure },
    { feedback: outcome },
  ];
  client.replies.splice(0);
  client.socket.send(body, { binary: isBinary });
  for (const marker of markers) client.send(JSON.stringify({ id: 'behind', ...marker }));
  const isBehind = ({ id }: SocketReply): boolean => id === 'behind';
  try {
    while (client.replies.filter(isBehind).length < markers.length) {
      await client.received(client.replies.length + 1);
    }
  } catch {
    return undefined;
  }
  return client.replies
    .filter((reply) => !isBehind(reply))
    .map(({ code, events, feedback }) => code ?? ((events ?? feedback) === undefined ? 'OK' : 'TAKEN'));
}

/** The one message that needs no answer, in either encoding. */
function isEmptyList(body: Buffer): boolean {
  return ['[]', '\x90', '\xdc\0\0', '\xdd\0\0\0\0'].includes(body.toString('latin1').replaceAll(/\s/g, ''));
}

it(`answers ${MESSAGES} mutated messages or closes their socket (seed ${seed})`, async () => {
  const messages = fc.sample(message, { numRuns: MESSAGES, seed });
  const counts = new Map<string, number>();
  let next = 0;
  const worker = async (): Promise<void> => {
    let client = await openSocket(demo.server);
    for (let one = messages[next++]; one !== undefined; one = messages[next++]) {
      const codes = await answersTo(client, one.body, one.isBinary);
      const shown = one.body.toString(one.isBinary ? 'hex' : 'latin1').slice(0, 1000);
      for (const code of codes ?? ['closed']) counts.set(code, (counts.get(code) ?? 0) + 1);
      const isSound =
        codes === undefined
          ? !one.isBinary && (await client.closed)[0] === 1006
          : !codes.includes('INTERNAL') && (codes.length > 0 || isEmptyList(one.body));
      expect([isSound, codes], shown).toEqual([true, codes]);
      if (codes === undefined) client = await openSocket(demo.server);
    }
    client.socket.close();
  };
  await Promise.all(Array.from({ length: SOCKETS }, worker));
  // The mutations must reach past the decoders, not only bounce off them.
  for (const code of [
    'OK',
    'TAKEN',
    'INVALID_REQUEST',
    'MALFORMED_JSON',
    'MALFORMED_MESSAGE_PACK',
    'UNKNOWN_ENDPOINT',
  ]) {
    expect(counts.get(code), code).toBeGreaterThan(MESSAGES / 200);
  }
  expect((await predict(demo.server, 'flight-delay', { rows: [goodFlight] })).status).toBe(200);
}, 60_000);

it(`survives ${STREAMS} streams that are hardly frames (seed ${seed})`, async () => {
  const handshake =
    'GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';
  const payload = packer.pack({ id: 1, endpoint: 'flight-delay', rows: [] });
  const frame = Buffer.concat([Buffer.of(0x82, 0x80 | payload.length, 0, 0, 0, 0), payload]);
  const stream = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc
      .array(mutation, { minLength: 1, maxLength: 4 })
      .map((all) => all.reduce(mutate, Buffer.concat([frame, frame]))),
  );
  await Promise.all(
    fc.sample(stream, { numRuns: STREAMS, seed }).map(
      async (bytes) =>
        new Promise<void>((resolve) => {
          const socket = connect(demo.server.port, demo.server.host);
          socket.setTimeout(200, () => socket.destroy());
          socket.on('error', () => socket.destroy());
          socket.on('close', () => resolve());
          socket.resume();
          socket.write(handshake);
          socket.write(bytes);
        }),
    ),
  );
  expect((await predict(demo.server, 'flight-delay', { rows: [goodFlight] })).status).toBe(200);
});
