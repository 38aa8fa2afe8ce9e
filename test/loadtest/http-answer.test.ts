import fc from 'fast-check';
import { expect, it } from 'vitest';
import { HttpAnswerReader } from '../../src/loadtest/http-answer.ts';

function answer(status: number, body: string): Buffer {
  const head = `HTTP/1.1 ${status} Whatever\r\nContent-Type: application/json\r\nContent-Length: `;
  return Buffer.from(`${head}${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

const overloaded = JSON.stringify({ error: 'Too much – wait.', code: 'OVERLOADED', request_id: 'r' });

it('reads answers however they are cut', () => {
  const whole = [answer(200, '{"predictions":[]}'), answer(429, overloaded), answer(200, '')];
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 }), (sizes) => {
      const reader = new HttpAnswerReader();
      const found = whole.map((bytes) => {
        let cut = 0;
        for (let at = 0; at < bytes.length;) {
          const size = sizes[cut++ % sizes.length] as number;
          // The reader's caller uses its buffer again, so what was read must not be held.
          const chunk = Buffer.from(bytes.subarray(at, at + size));
          const isComplete = reader.read(chunk);
          chunk.fill(0);
          at += size;
          expect(isComplete).toBe(at >= bytes.length);
        }
        return reader.failure()?.code ?? reader.status;
      });
      expect(found).toEqual([200, 'OVERLOADED', 200]);
      expect(reader.failure()).toBeUndefined();
    }),
  );
});

it('tells the code and the sentence of an error', () => {
  const reader = new HttpAnswerReader();
  expect(reader.read(answer(429, overloaded))).toBe(true);
  expect(reader.failure()).toEqual({
    kind: 'answer',
    status: 429,
    code: 'OVERLOADED',
    message: 'Too much – wait.',
  });
});

it('cuts what a server says to one line that steers no terminal', () => {
  const reader = new HttpAnswerReader();
  const error = `one\r\ntwo\u001b[2J\u009b31m\u202e ${'x'.repeat(5000)}`;
  reader.read(answer(500, JSON.stringify({ error, code: `A\u0007${'B'.repeat(500)}` })));
  const { code, message } = reader.failure() ?? { code: '', message: '' };
  expect(message).toMatch(/^one two \[2J 31m x+…$/);
  expect(code).toMatch(/^A B+…$/);
  expect([message.length, code.length].map((length) => length <= 300)).toEqual([true, true]);
});

it('tells an answer behind which the server closes', () => {
  const reader = new HttpAnswerReader();
  const told = ['Connection: close', 'connection:Close', 'Connection: keep-alive', 'X-Connection: close'].map(
    (field) => {
      reader.read(Buffer.from(`HTTP/1.1 200 OK\r\n${field}\r\nContent-Length: 0\r\n\r\n`));
      return reader.isLast;
    },
  );
  expect(told).toEqual([true, true, false, false]);
});

it('tells the text of an error that is not of Millrace', () => {
  const reader = new HttpAnswerReader();
  reader.read(answer(502, '<h1>Bad Gateway</h1>'));
  expect(reader.failure()).toMatchObject({ status: 502, code: '', message: '<h1>Bad Gateway</h1>' });
});

it.each([
  ['bytes of something else', 'SSH-2.0-OpenSSH\r\n\r\n', 'not an HTTP answer'],
  ['an answer without a length', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'content-length'],
  ['a body that is too long', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n12', 'more bytes'],
  ['a head without an end', `HTTP/1.1 200 OK\r\nA: ${'a'.repeat(20_000)}`, 'does not end'],
])('refuses %s', (_name, text, message) => {
  expect(() => new HttpAnswerReader().read(Buffer.from(text))).toThrow(message);
});
