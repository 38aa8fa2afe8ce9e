import { describe, expect, it } from 'vitest';
import { EventRejected } from '../../src/events/decode-event.ts';
import { createFeedbackDecoder } from '../../src/events/decode-feedback.ts';

const NOW = 1_000_000;
const decode = createFeedbackDecoder({ futureMsMax: 1000 }, () => 'made');

function rejection(input: unknown): string | undefined {
  const decoded = decode(input, NOW);
  return decoded instanceof EventRejected
    ? `${decoded.rejection.path}: ${decoded.rejection.message}`
    : undefined;
}

describe('feedback', () => {
  it('has an id of its own, or is given one, and happens now unless it says when', () => {
    const base = { request_id: 'r-1', label: 'late' };
    expect(decode(base, NOW)).toMatchObject({
      id: 'made',
      timeMs: NOW,
      values: ['r-1', null, '"late"', null, null],
    });
    const timed = { ...base, id: 'mine', row: 2, label: 0.5, reward: -1, click: false, time: NOW - 5 };
    expect(decode(timed, NOW)).toMatchObject({
      id: 'mine',
      timeMs: NOW - 5,
      values: ['r-1', 2, '0.5', -1, false],
    });
  });

  it.each<[string, unknown, string]>([
    ['no object', 5, ': must be a JSON object'],
    ['no request', { click: true }, 'request_id: is missing'],
    ['an empty request', { request_id: '', click: true }, 'request_id: must be the request_id of an answer'],
    ['nothing', { request_id: 'r', label: null }, ': says nothing: give a label, a reward or a click'],
    ['an unknown name', { request_id: 'r', clicks: 1 }, 'clicks: "clicks" is unknown; did you mean "click"?'],
    ['half a row', { request_id: 'r', row: 0.5, click: true }, 'row: must be an integer, not 0.5'],
    [
      'a row before the first',
      { request_id: 'r', row: -1, click: true },
      'row: must be the number of a row of the request, from 0',
    ],
    ['a list', { request_id: 'r', label: [1] }, 'label: must be a number, a text, true or false'],
    ['a long label', { request_id: 'r', label: 'x'.repeat(1025) }, 'label: is longer than 1024 characters'],
    [
      'a label of MessagePack that is too large',
      { request_id: 'r', label: 2n ** 60n },
      'label: is beyond 2^53, where numbers lose digits: send it as text',
    ],
    ['a reward that is text', { request_id: 'r', reward: 'much' }, 'reward: must be a number, not a string'],
    [
      'an empty id',
      { request_id: 'r', click: true, id: '' },
      'id: must not be empty: leave it out, and one is made',
    ],
    [
      'a time to come',
      { request_id: 'r', click: true, time: NOW + 1001 },
      "time: lies more than 1s ahead of the server's clock (streaming.future_max)",
    ],
  ])('with %s is rejected', (_, input, message) => {
    expect(rejection(input)).toBe(message);
  });
});
