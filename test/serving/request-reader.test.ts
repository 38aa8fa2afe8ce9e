/** The reader may decline any body, but what it reads must be what the strict parser and the checks make of it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../src/errors.ts';
import { decodePredictRequest } from '../../src/serving/predict-request.ts';
import type { PredictRequest } from '../../src/serving/predict-request.ts';
import { createRequestReader } from '../../src/serving/request-reader.ts';
import { parseStrictJson } from '../../src/project/strict-json.ts';
import { endpoint, limits, types } from './reader-endpoint.ts';

const read = createRequestReader(endpoint, limits);

function decodeStrictly(text: string): PredictRequest {
  return decodePredictRequest(parseStrictJson(Buffer.from(text)), endpoint, limits);
}

const required = '"name":"a","price":1.5,"count":3,"isNew":true,"at":"2001-03-09T17:00:00Z"';

describe('the request reader', () => {
  it.each([
    `{"rows":[{${required}}]}`,
    `{"rows":[]}`,
    ` { "context" : { ${required} } , "rows" : [ { } , {"name_2":null,"v":[1,-2.5e-3,0]} ] } \n`,
    `{"rows":[{"at":983000000000,"isNew":false,"count":"9007199254740993","price":-0,"name":""}]}`,
    `{"rows":[{"name":"a","price":1e3,"count":-12,"isNew":true,"at":0,"ratio":0.1,"name_2":"{\u007d]:,"}]}`,
  ])('reads %s', (text) => {
    expect(read(Buffer.from(text))).toEqual(decodeStrictly(text));
  });

  it.each([
    ['', '{', '{}', '[]', '{"rows":{}}', '{"rows":[1]}', '{"rows":[{}]}', '{"rows":[{}'],
    [`{"rows":[{${required}}],"rows":[]}`, `{"rows":[{${required},"name":"b"}]}`],
    [`{"rows":[{${required},"unknown":1}]}`, `{"rows":[{${required}}],"other":1}`],
    [`{"context":{"name":"x"},"rows":[{${required}}]}`, `{"rows":[{${required}},]}`],
    [`{"rows":[{${required}}]}x`, `{"rows":[{${required}}] ]`, `{"rows":[{${required},}]}`],
    [`{"rows":[{${required.replace('1.5', '01')}}]}`, `{"rows":[{${required.replace('1.5', '1.')}}]}`],
    [`{"rows":[{${required.replace('1.5', '-')}}]}`, `{"rows":[{${required.replace('1.5', '1e999')}}]}`],
    [`{"rows":[{${required.replace('true', 'tru')}}]}`, `{"rows":[{${required.replace('"a"', '"a\n"')}}]}`],
    [`{"rows":[${Array.from({ length: 5 }, () => `{${required}}`).join()}]}`],
  ])('declines what is wrong: %s', (...texts) => {
    for (const text of texts) {
      expect(() => decodeStrictly(text)).toThrow(MillraceError);
      expect(read(Buffer.from(text))).toBeUndefined();
    }
  });

  it('declines text that is not plain ASCII, and leaves it to the strict parser', () => {
    for (const name of ['ü', String.raw`\u0061`, String.raw`\"`]) {
      const text = `{"rows":[{${required.replace('"a"', `"${name}"`)}}]}`;
      expect(decodeStrictly(text).rows).toHaveLength(1);
      expect(read(Buffer.from(text))).toBeUndefined();
    }
    const invalid = Buffer.concat([
      Buffer.from('{"rows":[{"name":"'),
      Buffer.from([0xff]),
      Buffer.from('"}]}'),
    ]);
    expect(read(invalid)).toBeUndefined();
  });

  it('never reads anything else than the strict parser does', () => {
    const anyNumber = fc.oneof(
      fc.integer(),
      fc.double(),
      fc.constantFrom(-0, 1e21, 2 ** 53, 123456789012345),
    );
    const scalar = fc.oneof(
      { weight: 4, arbitrary: anyNumber },
      { weight: 4, arbitrary: fc.string({ maxLength: 6 }) },
      fc.boolean(),
      fc.constant(null),
      fc.array(anyNumber, { maxLength: 4 }),
      fc.constantFrom('2001-03-09', '12', 'x'.repeat(40)),
    );
    const names = fc.constantFrom(...Object.keys(types), 'unknown');
    const good = fc.record(
      {
        name: fc.string({ maxLength: 5 }),
        price: fc.double({ noNaN: true, noDefaultInfinity: true }),
        ratio: fc.float({ noNaN: true, noDefaultInfinity: true }),
        count: fc.integer(),
        isNew: fc.boolean(),
        at: fc.constantFrom(5, '2001-03-09'),
        v: fc.array(fc.integer(), { minLength: 3, maxLength: 3 }),
      },
      { requiredKeys: ['name', 'price', 'count', 'isNew', 'at'] },
    );
    const row = fc.oneof({ weight: 5, arbitrary: good }, fc.dictionary(names, scalar, { maxKeys: 9 }));
    const split = fc.tuple(good, fc.nat(7)).map(([fields, at]) => {
      const entries = Object.entries(fields);
      return {
        context: Object.fromEntries(entries.slice(0, at)),
        rows: [Object.fromEntries(entries.slice(at))],
      };
    });
    const body = fc.oneof(
      fc.record({ rows: fc.array(good, { maxLength: 4 }) }),
      split,
      fc.record({ context: row, rows: fc.array(row, { maxLength: 5 }) }, { requiredKeys: ['rows'] }),
    );
    const text = fc
      .tuple(
        body,
        fc.constantFrom(0, 1),
        fc.nat(),
        fc.constantFrom('', '', '', '"', ',', '1', '}', '\\', 'e'),
      )
      .map(([value, indent, at, slip]) => {
        const written = JSON.stringify(value, null, indent);
        if (slip === '') return written;
        const place = at % written.length;
        return written.slice(0, place) + slip + written.slice(place + (at & 1));
      });
    let readCount = 0;
    fc.assert(
      fc.property(text, (written) => {
        const found = read(Buffer.from(written));
        if (found === undefined) return;
        readCount++;
        expect(found).toEqual(decodeStrictly(written));
      }),
      { numRuns: 5000 },
    );
    // Most bodies are sound enough to be read; otherwise nothing was compared.
    expect(readCount).toBeGreaterThan(500);
  });
});
