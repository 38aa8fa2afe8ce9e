import { expect, it } from 'vitest';
import { isLoopback } from '../../src/server/check-open.ts';

it.each(['127.0.0.1', '127.8.9.1', '::1', '0:0:0:0:0:0:0:1', 'localhost', 'LOCALHOST'])(
  '%s is reached by this machine only',
  (host) => {
    expect(isLoopback(host)).toBe(true);
  },
);

it.each([
  '0.0.0.0',
  '::',
  '10.0.0.1',
  '::ffff:10.0.0.1',
  'localhost.example',
  '127.0.0.1.example',
  '',
  '128.0.0.1',
])('"%s" may be reached by others', (host) => {
  expect(isLoopback(host)).toBe(false);
});
