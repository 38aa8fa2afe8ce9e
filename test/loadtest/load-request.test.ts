import { expect, it } from 'vitest';
import { readRequests } from '../../src/loadtest/load-request.ts';

it('reads one request a line, which may name its own endpoint', () => {
  const text = '{"rows":[{"a":1}]}\n\n{"endpoint":"a b","rows":[],"context":{"c":2}}\n';
  expect(readRequests(text, 'x.ndjson', { endpoint: 'm' })).toEqual([
    { endpoint: 'm', path: '/v1/endpoints/m/predict', body: { rows: [{ a: 1 }] } },
    { endpoint: 'a b', path: '/v1/endpoints/a%20b/predict', body: { rows: [], context: { c: 2 } } },
  ]);
});

it.each([
  ['{"endpoint":"m"}\n{"rows":', 'x.ndjson, line 2: not valid JSON'],
  ['[1]', 'x.ndjson, line 1: must be a JSON object'],
  ['{"rows":[]}', 'x.ndjson, line 1: no endpoint'],
  ['\n', 'x.ndjson has no requests'],
])('refuses %j', (text, message) => {
  expect(() => readRequests(text, 'x.ndjson', {})).toThrow(message);
});

it('passes over the mark with which some editors begin a file', () => {
  expect(readRequests('\uFEFF{"rows":[]}', 'x', { endpoint: 'm' })).toHaveLength(1);
});

it('needs no endpoint where a path is given', () => {
  expect(readRequests('{"rows":[]}', 'x', { path: '/predict' })[0]?.path).toBe('/predict');
});
