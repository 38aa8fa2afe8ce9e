/** What callers over gRPC cannot make the server do: callers without a key, and callers that send nonsense. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { connect } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Access, Principal } from '../../../src/access/access.ts';
import { MillraceError } from '../../../src/errors.ts';
import { tensorServer } from '../open-inference/tensor-server.ts';
import type { TensorServer } from '../open-inference/tensor-server.ts';
import { framed, protocolClient } from './protocol.ts';
import type { ProtocolClient } from './protocol.ts';

const writer: Principal = {
  id: 'k',
  name: 'writer',
  isRevoked: false,
  allows: (scope) => scope === 'models:write',
  take: () => undefined,
};
const reader: Principal = { ...writer, name: 'reader', allows: (scope) => scope === 'predict' };
const access: Access = {
  isOpen: false,
  authenticate: (credential) => {
    if (credential === 'writer') return writer;
    if (credential === 'reader') return reader;
    throw new MillraceError('UNAUTHENTICATED', 'The key is not known.');
  },
  close: () => undefined,
};

let served: TensorServer;
let client: ProtocolClient;
let session: ClientHttp2Session;
beforeAll(async () => {
  served = await tensorServer({ grpc: { port: 0 }, access }, { body_timeout: '1s' });
  client = protocolClient(served.dir, served.server.grpcPort ?? 0);
  session = connectHttp2(`http://127.0.0.1:${served.server.grpcPort}`);
  await infer(Buffer.alloc(0));
});
afterAll(async () => {
  client.close();
  session.destroy();
  await served.close();
});

const PATH = '/inference.GRPCInferenceService/ModelInfer';

interface Status {
  readonly code: number;
  readonly message: string;
}

function begin(headers: Readonly<Record<string, string>> = {}, own = session): ClientHttp2Stream {
  return own.request({
    ':method': 'POST',
    ':path': PATH,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
}

async function statusOf(stream: ClientHttp2Stream): Promise<Status> {
  const [headers] = (await once(stream, 'response')) as [Record<string, string>];
  return { code: Number(headers['grpc-status']), message: decodeURI(headers['grpc-message'] ?? '') };
}

async function infer(message: Buffer, headers: Readonly<Record<string, string>> = {}): Promise<Status> {
  const stream = begin(headers);
  stream.end(framed(message, headers['grpc-encoding'] === 'gzip'));
  return statusOf(stream);
}

async function failureOf(promise: Promise<unknown>): Promise<ServiceError> {
  return promise.then(
    () => Promise.reject(new Error('it was answered')),
    (error: unknown) => error as ServiceError,
  );
}

const asReader = { authorization: 'Bearer reader' };
const emptyInput = Buffer.from('2a00', 'hex');

describe('a message over gRPC', () => {
  it('is not decoded for a caller without a key', async () => {
    const noMessage = Buffer.alloc(100, 0xff);
    expect((await infer(noMessage)).code).toBe(status.UNAUTHENTICATED);
    expect(await infer(noMessage, asReader)).toMatchObject({
      code: status.INVALID_ARGUMENT,
      message: expect.stringContaining('no message of ModelInfer'),
    });
  });

  const many: readonly [string, Buffer][] = [
    ['inputs', Buffer.alloc(1_000_000, emptyInput)],
    ['parameters of an input', nested('2a', Buffer.alloc(60_000, Buffer.from('2200', 'hex')))],
    ['values of a parameter', nested('22', Buffer.alloc(60_000, Buffer.from('1200', 'hex')))],
    ['dimensions', nested('2a', nested('1a', Buffer.alloc(60_000, 1)))],
    ['fields that are unknown', Buffer.alloc(60_000, Buffer.from('7801', 'hex'))],
  ];
  it.each(many)('with too many %s is refused, also when it comes compressed', async (_, message) => {
    const refused = { code: status.INVALID_ARGUMENT, message: expect.stringContaining('10000 fields') };
    expect(await infer(message, asReader)).toMatchObject(refused);
    const compressed = await infer(gzipSync(message), { ...asReader, 'grpc-encoding': 'gzip' });
    expect(compressed).toMatchObject(refused);
  });

  const broken: readonly [string, string][] = [
    ['ends in a length', '2a'],
    ['is shorter than its length', '2a05'],
    ['has a number without an end', '78ffffffffffffffffffffff'],
    ['ends in a number of 8 bytes', '79000000'],
    ['has a group', '2b2c'],
    ['has text that is broken off inside', '2a020a05'],
  ];
  it.each(broken)('that %s is refused', async (_, hex) => {
    expect(await infer(Buffer.from(hex, 'hex'), asReader)).toMatchObject({
      code: status.INVALID_ARGUMENT,
      message: expect.stringContaining('no message of ModelInfer'),
    });
  });
});

describe('a message over gRPC', () => {
  it('is not received before its caller is admitted', async () => {
    const own = connectHttp2(`http://127.0.0.1:${served.server.grpcPort}`);
    const stream = begin({}, own);
    const closed = once(stream, 'close');
    expect((await statusOf(stream)).code).toBe(status.UNAUTHENTICATED);
    // Its message is not waited for, and its end not for long.
    await closed;
    expect(own.destroyed).toBe(true);
  });
});

describe('a message over gRPC that does not arrive', () => {
  it('has a deadline, and leaves nothing behind', async () => {
    const own = connectHttp2(`http://127.0.0.1:${served.server.grpcPort}`);
    const stream = begin(asReader, own);
    stream.write(framed(Buffer.alloc(1000)).subarray(0, 500));
    const closed = once(stream, 'close');
    expect(await statusOf(stream)).toEqual({
      code: status.DEADLINE_EXCEEDED,
      message: 'The message did not arrive within 1000 ms.',
    });
    // The caller does not end it.
    await closed;
    expect((await infer(emptyInput)).code).toBe(status.UNAUTHENTICATED);
  });

  it('is no longer waited for once there are too many of them', async () => {
    const few = await tensorServer({ grpc: { port: 0 } }, { in_flight_max: 2, body_timeout: '60s' });
    const fewSession = connectHttp2(`http://127.0.0.1:${few.server.grpcPort}`);
    const streams = Array.from({ length: 3 }, () =>
      fewSession.request({ ':method': 'POST', ':path': PATH, 'content-type': 'application/grpc' }),
    );
    try {
      const refused = await Promise.race(streams.map(statusOf));
      expect(refused.code).toBe(status.RESOURCE_EXHAUSTED);
    } finally {
      fewSession.destroy();
      await few.close();
    }
  });
});

describe('callers without a key', () => {
  const health = (own: ClientHttp2Session): ClientHttp2Stream =>
    own.request({
      ':method': 'POST',
      ':path': '/inference.GRPCInferenceService/ServerLive',
      'content-type': 'application/grpc',
    });

  it('take no places and no bytes of those with one, by calls that need none', async () => {
    const own = connectHttp2(`http://127.0.0.1:${served.server.grpcPort}`);
    own.on('error', () => undefined);
    const held = Array.from({ length: 200 }, () => health(own));
    for (const stream of held) stream.on('error', () => undefined);
    await new Promise((resolve) => own.ping(resolve));
    expect((await infer(Buffer.from('2a00', 'hex'), asReader)).code).not.toBe(status.RESOURCE_EXHAUSTED);
    const [first, second] = held as [ClientHttp2Stream, ClientHttp2Stream];
    first.write(framed(Buffer.alloc(4000)).subarray(0, 3000));
    expect((await statusOf(first)).code).toBe(status.RESOURCE_EXHAUSTED);
    expect(await statusOf(second)).toMatchObject({ code: status.DEADLINE_EXCEEDED });
    own.destroy();
  });

  it('lose their connection after too many calls that are refused', async () => {
    const own = connectHttp2(`http://127.0.0.1:${served.server.grpcPort}`);
    own.on('error', () => undefined);
    const closed = once(own, 'close');
    for (let i = 0; i < 150; i++) {
      const stream = own.request({ ':method': 'POST', ':path': PATH, 'content-type': 'application/grpc' });
      stream.on('error', () => undefined);
      stream.end();
    }
    await closed;
    expect((await infer(Buffer.alloc(0))).code).toBe(status.UNAUTHENTICATED);
  });

  it('do not hold up the end of a server', async () => {
    const own = await tensorServer({ grpc: { port: 0 }, access }, { drain_timeout: '60s', timeout: '1s' });
    const port = own.server.grpcPort ?? 0;
    const silent = connect(port, '127.0.0.1').resume();
    await once(silent, 'connect');
    const unread = connectHttp2(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 0 } });
    unread.on('error', () => undefined);
    health(unread)
      .on('error', () => undefined)
      .end(framed(Buffer.alloc(0)));
    health(unread).on('error', () => undefined);
    await new Promise((resolve) => unread.ping(resolve));
    // In less than the time that calls under way have, or the test would take longer than it may.
    expect(await own.server.close()).toBe(true);
    unread.destroy();
    silent.destroy();
    await own.close();
  });
});

describe('a connection to the port of gRPC', () => {
  it('is ended when it begins no call', async () => {
    const socket = connect(served.server.grpcPort ?? 0, '127.0.0.1').resume();
    await once(socket, 'close');
    expect(socket.destroyed).toBe(true);
  });

  it('lives on once it has begun one', async () => {
    const own = connectHttp2(`http://127.0.0.1:${served.server.grpcPort}`);
    const silent = connect(served.server.grpcPort ?? 0, '127.0.0.1').resume();
    const stream = own.request({
      ':method': 'POST',
      ':path': '/inference.GRPCInferenceService/ServerLive',
      'content-type': 'application/grpc',
    });
    stream.end(framed(Buffer.alloc(0)));
    await once(stream.resume(), 'close');
    // Began later, and is ended.
    await once(silent, 'close');
    expect(own.closed || own.destroyed).toBe(false);
    own.destroy();
  });
});

describe('what is told to callers over gRPC', () => {
  it('has a limit, also where a name is cut inside a letter', async () => {
    const input = { name: `x${'😀'.repeat(100_000)}`, datatype: 'FP32', shape: [1, 2] };
    const inputs = [{ ...input, contents: { fp32_contents: [1, 2] } }];
    const failure = await failureOf(
      client.call('ModelInfer', { model_name: 'float', inputs }, { metadata: asReader }),
    );
    expect(failure.code).toBe(status.INVALID_ARGUMENT);
    expect(failure.details).toContain('which is no input of the model');
    expect(encodeURI(failure.details).length).toBeLessThanOrEqual(4096);
  });

  it('names who was refused, and cuts what was to be changed, in the audit log', async () => {
    const change = { model_name: 'm'.repeat(100_000) };
    const load = async (key: string): Promise<ServiceError> =>
      failureOf(client.call('RepositoryModelLoad', change, { metadata: { authorization: `Bearer ${key}` } }));
    expect((await load('reader')).code).toBe(status.PERMISSION_DENIED);
    expect((await load('writer')).code).toBe(status.NOT_FOUND);
    const file = join(served.dir, 'data', 'audit.ndjson');
    await expect.poll(async () => readFile(file, 'utf8')).toContain('UNKNOWN_MODEL');
    const lines = (await readFile(file, 'utf8')).trim().split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(1000);
    expect(lines.find((line) => line.includes('FORBIDDEN'))).toContain('"reader"');
  });
});

/** @param tag of the field that holds it */
function nested(tag: string, content: Buffer): Buffer {
  const length: number[] = [];
  for (let left = content.length; left > 0; left = Math.floor(left / 128))
    length.push((left % 128) + (left > 127 ? 128 : 0));
  return Buffer.concat([Buffer.from(tag, 'hex'), Buffer.from(length), content]);
}
