/** The reader may decline any message, but what it reads must be what the strict parser and the checks make of it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodePredictRequest } from '../../src/serving/predict-request.ts';
import type { PredictRequest } from '../../src/serving/predict-request.ts';
import { createRequestReader } from '../../src/serving/request-reader.ts';
import type { ServedEndpoint } from '../../src/serving/serving.ts';
import { parseStrictJson } from '../../src/project/strict-json.ts';
import { TextEnvelopeReader, readTextRest } from '../../src/server/text-envelope.ts';
import { endpoint, limits } from '../serving/reader-endpoint.ts';

const served = { read: createRequestReader(endpoint, limits) } as ServedEndpoint;
const reader = new TextEnvelopeReader(
  new Map([
    ['e', served],
    ['e-2.x', served],
  ]),
);

interface Read {
  readonly id: unknown;
  readonly endpoint: unknown;
  readonly request: PredictRequest;
}

function read(text: string | Buffer): Read | undefined {
  const body = Buffer.from(text as string);
  const before = Buffer.from(body);
  const usual = reader.read(body);
  const request = usual && readTextRest(usual);
  if (usual !== undefined && request !== undefined)
    return { id: usual.id, endpoint: usual.endpointName, request };
  // The long way reads the same bytes.
  expect(body.equals(before)).toBe(true);
  return undefined;
}

function decodeStrictly(message: Buffer): Read {
  const { id, endpoint: name, ...body } = parseStrictJson(message) as Record<string, unknown>;
  return { id, endpoint: name, request: decodePredictRequest(body, endpoint, limits) };
}

const good = { name: 'a', price: 1.5, count: 3, isNew: true, at: '2001-03-09T17:00:00Z' };
const rows = JSON.stringify([good]);

describe('the reader of JSON messages', () => {
  it.each([
    `{"id":1,"endpoint":"e","rows":${rows}}`,
    `{"id": 0, "endpoint": "e-2.x", "rows": ${rows}}`,
    `{"id":999999999999999,"endpoint":"e","context":{"name":"x"},"rows":[{"price":1,"count":1,"isNew":true,"at":0}]}`,
    `{"id":"","endpoint":"e","rows":[]}`,
    `{"id":"${'x'.repeat(128)}","endpoint":"e","rows":${rows}} `,
  ])('reads %s', (text) => {
    const found = read(text);
    expect(found).toBeDefined();
    expect(found).toEqual(decodeStrictly(Buffer.from(text)));
  });

  it.each([
    `{"id":01,"endpoint":"e","rows":${rows}}`,
    `{"id":1.0,"endpoint":"e","rows":${rows}}`,
    `{"id":-1,"endpoint":"e","rows":${rows}}`,
    `{"id":1e2,"endpoint":"e","rows":${rows}}`,
    `{"id":1234567890123456,"endpoint":"e","rows":${rows}}`,
    `{"id":,"endpoint":"e","rows":${rows}}`,
    `{"id":null,"endpoint":"e","rows":${rows}}`,
    `{"id":"${'x'.repeat(129)}","endpoint":"e","rows":${rows}}`,
    `{"id":"a\\n","endpoint":"e","rows":${rows}}`,
    `{"id":"ü","endpoint":"e","rows":${rows}}`,
    `{"id":1,"endpoint":"no","rows":${rows}}`,
    `{"id":1,"endpoint":"e"}`,
    `{"id":1,"endpoint":"e",}`,
    `{"id":1,"endpoint":"e","rows":${rows},"id":2}`,
    `{"id":1,"endpoint":"e","rows":${rows},"other":2}`,
    `{"endpoint":"e","id":1,"rows":${rows}}`,
    `[{"id":1,"endpoint":"e","rows":${rows}}]`,
    `{"id":1,"endpoint":"e","id":1,"rows":${rows}}`,
  ])('leaves %s to the strict parser, as it was', (text) => {
    expect(read(text)).toBeUndefined();
  });

  it('declines a message at every place where it may be cut', () => {
    const body = Buffer.from(`{"id":"ab","endpoint":"e","rows":${rows}}`);
    for (let length = 0; length < body.length; length++)
      expect(read(body.subarray(0, length)), `${length} bytes`).toBeUndefined();
  });

  it('never reads anything else than the strict parser does', () => {
    const id = fc.oneof(fc.nat(), fc.string({ maxLength: 10 }), fc.integer(), fc.double());
    const change = fc.option(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { freq: 2 });
    const message = fc
      .tuple(id, fc.constantFrom('e', 'e-2.x', 'no'), fc.nat(3), change)
      .map(([own, name, count, slip]) => {
        const body = { id: own, endpoint: name, rows: Array.from({ length: count }, () => good) };
        const bytes = Buffer.from(JSON.stringify(body));
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
      { numRuns: 3000 },
    );
    expect(readCount).toBeGreaterThan(100);
  });
});
