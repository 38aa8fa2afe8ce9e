/** The reader may decline any message, but what it reads must be what the strict decoder and the checks make of it. */
import { Packr } from 'msgpackr';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../src/errors.ts';
import { createPackedRequestReader } from '../../src/serving/packed-request-reader.ts';
import { decodePredictRequest } from '../../src/serving/predict-request.ts';
import type { PredictRequest } from '../../src/serving/predict-request.ts';
import type { ServedEndpoint } from '../../src/serving/serving.ts';
import { PackedEnvelopeReader } from '../../src/server/packed-envelope.ts';
import { parseStrictMessagePack } from '../../src/server/strict-message-pack.ts';
import { endpoint, limits, types } from './reader-endpoint.ts';

const served = { readPacked: createPackedRequestReader(endpoint, limits) } as ServedEndpoint;
const reader = new PackedEnvelopeReader(new Map([['e', served]]));

/** One writes the length of every map in 16 bits, the other as short as can be. */
const packers = [new Packr({ useRecords: false }), new Packr({ useRecords: false, variableMapSize: true })];

interface Read {
  readonly id: unknown;
  readonly endpoint: unknown;
  readonly request: PredictRequest;
}

function read(body: Buffer): Read | undefined {
  const usual = reader.read(body);
  const request = usual?.endpoint.readPacked(usual.rest);
  if (usual === undefined || request === undefined) return undefined;
  return { id: usual.id, endpoint: usual.endpointName, request };
}

function decodeStrictly(message: Buffer): Read {
  const { id, endpoint: name, ...body } = parseStrictMessagePack(message) as Record<string, unknown>;
  return { id, endpoint: name, request: decodePredictRequest(body, endpoint, limits) };
}

const good = { name: 'a', price: 1.5, count: 3, isNew: true, at: '2001-03-09T17:00:00Z' };
const envelope = { id: 1, endpoint: 'e' };

describe('the reader of MessagePack', () => {
  it.each([
    { ...envelope, rows: [good] },
    { ...envelope, rows: [] },
    { id: 'x'.repeat(31), endpoint: 'e', context: good, rows: [{}, { name_2: null, v: [1, -2.5e-3, 0] }] },
    { id: 2 ** 32 - 1, endpoint: 'e', rows: [{ ...good, count: '9007199254740993', price: -70_000, at: 0 }] },
    {
      id: 0,
      endpoint: 'e',
      rows: [{ isNew: false, at: 983e9, count: -12, price: 0, name: 'x'.repeat(200) }],
    },
  ])('reads %j', (message) => {
    for (const packer of packers) {
      const body = packer.pack(message);
      expect(read(body)).toEqual(decodeStrictly(body));
    }
  });

  it.each([
    { ...envelope },
    { ...envelope, rows: {} },
    { ...envelope, rows: [1] },
    { ...envelope, rows: [{}] },
    { ...envelope, rows: [{ ...good, unknown: 1 }] },
    { ...envelope, rows: [good], other: 1 },
    { ...envelope, context: { name: 'x' }, rows: [good] },
    { ...envelope, rows: [{ ...good, price: Number.NaN }] },
    { ...envelope, rows: [{ ...good, price: Infinity }] },
    { ...envelope, rows: [{ ...good, name: null }] },
    { ...envelope, rows: [good, good, good, good, good] },
  ])('declines what is wrong: %j', (message) => {
    for (const packer of packers) {
      const body = packer.pack(message);
      expect(() => decodeStrictly(body)).toThrow(MillraceError);
      expect(read(body)).toBeUndefined();
    }
  });

  it('declines a message at every place where it may be cut, and one with bytes behind it', () => {
    for (const packer of packers) {
      const body = packer.pack({ id: 70_000, endpoint: 'e', context: good, rows: [{ v: [1, 2.5, 3] }] });
      expect(read(body)).toBeDefined();
      for (let length = 0; length < body.length; length++) {
        // In a larger piece of memory: what stands behind the message must not be seen.
        expect(read(body.subarray(0, length)), `${length} bytes`).toBeUndefined();
      }
      expect(read(Buffer.concat([body, Buffer.of(0)]))).toBeUndefined();
    }
  });

  it('never reads anything else than the strict decoder does', () => {
    const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(-0, 2 ** 40, 200, -200, 40_000));
    const scalar = fc.oneof(
      { weight: 4, arbitrary: number },
      { weight: 4, arbitrary: fc.string({ maxLength: 40 }) },
      fc.constantFrom(true, false, null, '2001-03-09', '12', 'ü'),
      fc.array(number, { maxLength: 4 }),
    );
    const sound = fc.record(
      {
        name: fc.string({ maxLength: 40 }),
        price: fc.double({ noNaN: true, noDefaultInfinity: true }),
        ratio: fc.float({ noNaN: true, noDefaultInfinity: true }),
        count: fc.integer(),
        isNew: fc.boolean(),
        at: fc.constantFrom(5, '2001-03-09'),
        v: fc.array(fc.integer(), { minLength: 3, maxLength: 3 }),
      },
      { requiredKeys: ['name', 'price', 'count', 'isNew', 'at'] },
    );
    const names = fc.constantFrom(...Object.keys(types), 'unknown');
    const row = fc.oneof(
      { weight: 5, arbitrary: sound },
      fc.dictionary(names, scalar, { maxKeys: 9, noNullPrototype: true }),
    );
    const split = fc.tuple(sound, fc.nat(7)).map(([fields, at]) => {
      const entries = Object.entries(fields);
      return {
        context: Object.fromEntries(entries.slice(0, at)),
        rows: [Object.fromEntries(entries.slice(at))],
      };
    });
    const request = fc.oneof(
      fc.record({ rows: fc.array(sound, { maxLength: 4 }) }),
      split,
      fc.record({ context: row, rows: fc.array(row, { maxLength: 5 }) }, { requiredKeys: ['rows'] }),
    );
    const id = fc.oneof(fc.nat(), fc.string({ maxLength: 33 }), fc.integer());
    const change = fc.option(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { freq: 2 });
    const message = fc
      .tuple(id, request, fc.constantFrom(...packers), change)
      .map(([own, body, packer, slip]) => {
        const bytes = Buffer.from(packer.pack({ id: own, endpoint: 'e', ...body }));
        if (slip !== null) bytes[slip[0] % bytes.length] = slip[1];
        return bytes;
      });
    let readCount = 0;
    fc.assert(
      fc.property(message, (body) => {
        const found = read(body);
        if (found === undefined) return;
        readCount++;
        expect(found).toEqual(decodeStrictly(body));
      }),
      { numRuns: 5000 },
    );
    // Most messages are sound enough to be read; otherwise nothing was compared.
    expect(readCount).toBeGreaterThan(1500);
  });
});
