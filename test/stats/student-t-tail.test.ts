import { expect, it } from 'vitest';
import { studentCritical, studentTwoTails } from '../../src/stats/student-t-tail.ts';

it('keeps the digits of the far tails of t', () => {
  expect(studentTwoTails(40, 1000) / 1.0478852155173272e-209).toBeCloseTo(1, 9);
  expect(studentTwoTails(-10, 5)).toBeCloseTo(2 * 8.547378787148181e-5, 15);
  expect(studentTwoTails(0, 5)).toBe(1);
});

it('has the critical values of the tables', () => {
  expect(studentCritical(0.025, 10)).toBeCloseTo(2.2281388519862753, 12);
  expect(studentCritical(0.025, 1e7)).toBeCloseTo(1.9599642217672049, 12);
});
