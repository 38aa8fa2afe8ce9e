import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Ledger } from '../../src/loadtest/ledger.ts';

it('gives each ticket its time once', () => {
  const ledger = new Ledger();
  const [first, second] = [ledger.open(10), ledger.open(20)];
  expect([first, second, ledger.nextTicket]).toEqual([0, 1, 2]);
  expect(ledger.settle(second)).toBe(20);
  expect(ledger.settle(second)).toBeNaN();
  expect(ledger.settle(99)).toBeNaN();
  expect(ledger.isEmpty).toBe(false);
  expect(ledger.settle(first)).toBe(10);
  expect(ledger.isEmpty).toBe(true);
});

it('finds the oldest open ticket', () => {
  const ledger = new Ledger();
  for (const timeUs of [10, 20, 30]) ledger.open(timeUs);
  expect(ledger.openBefore(10)).toBe(-1);
  expect(ledger.openBefore(11)).toBe(0);
  ledger.settle(0);
  expect(ledger.openBefore(11)).toBe(-1);
  expect(ledger.openBefore(31)).toBe(1);
});

it('agrees with a map, however many are open', () => {
  const step = fc.record({ opens: fc.nat(3000), settles: fc.array(fc.nat(12_000), { maxLength: 2000 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 6 }), (steps) => {
      const ledger = new Ledger();
      const model = new Map<number, number>();
      for (const { opens, settles } of steps) {
        for (let i = 0; i < opens; i++) {
          const ticket = ledger.open(ledger.nextTicket * 2);
          model.set(ticket, ticket * 2);
        }
        for (const ticket of settles) {
          expect(ledger.settle(ticket)).toBe(model.get(ticket) ?? NaN);
          model.delete(ticket);
        }
        expect(ledger.openBefore(Infinity)).toBe(
          Math.min(...model.keys(), Infinity) === Infinity ? -1 : Math.min(...model.keys()),
        );
      }
      expect(ledger.isEmpty).toBe(model.size === 0);
    }),
    { numRuns: 50 },
  );
});
