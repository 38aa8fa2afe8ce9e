/** The section `rollout` of an endpoint: what it may say, and what is wrong with what it says. */
import { describe, expect, test } from 'vitest';
import { mistakesIn, readFiles } from './project-folder.ts';

const events = { bought: { fields: { user: 'int64', price: 'float64', item: 'string' } } };

function files(rollout: object, others: object = {}): Record<string, string> {
  const variants = { old: { model: 'churn@1' }, new: { model: 'churn@2' }, twin: { model: 'churn@1' } };
  const endpoint = { request: { user: 'int64', page: 'string' }, unit: 'user', variants };
  const outputs = { risk: 'out' };
  return {
    'millrace.json': JSON.stringify({
      project: 'shop',
      events,
      endpoints: { churn: { ...endpoint, rollout }, ...others },
    }),
    'churn/model.json': JSON.stringify({ inputs: { in: ['request.user'] }, outputs }),
    'churn/1/model.onnx': '',
    'churn/2/model.onnx': '',
  };
}

async function mistakes(rollout: object, others: object = {}): Promise<string[]> {
  const found = await mistakesIn(files(rollout, others));
  return found.map((line) => line.replace(/^millrace\.json:\d+ {2}endpoints\./, ''));
}

async function rolloutOf(rollout: object): Promise<unknown> {
  const { project, mistakes: found } = await readFiles(files(rollout));
  expect(found).toEqual([]);
  return project.endpoints.get('churn')?.rollout;
}

describe('a sound rollout', () => {
  test('that says nothing serves the first variant', async () => {
    expect(await rolloutOf({})).toEqual({ serve: 'old', policy: { kind: 'fixed' }, shadows: [] });
  });

  test('is an experiment with its shares as fractions, in the order of the file', async () => {
    const experiment = {
      weights: { new: 25, old: 75 },
      coverage: 50,
      layer: { name: 'ranking', range: [0, 50] },
      holdout: { name: 'all', percent: 5 },
      sticky: '30d',
      when: 'request.page == "home"',
      metrics: {
        risk: { score: 'brier', output: 'risk', pre: '7d' },
        bought: { event: 'bought', unit: 'user', any: true },
        spent: { event: 'bought', unit: 'user', sum: 'price' },
        each: { ratio: ['spent', 'bought'] },
      },
    };
    expect(await rolloutOf({ experiment })).toMatchObject({
      serve: 'old',
      policy: {
        kind: 'experiment',
        name: 'churn',
        seed: 'churn',
        hashVersion: 2,
        arms: [
          { variant: 'new', share: 0.25 },
          { variant: 'old', share: 0.75 },
        ],
        coverage: 0.5,
        layer: { name: 'ranking', from: 0, to: 0.5 },
        holdout: { name: 'all', share: 0.05 },
        stickyMs: 30 * 86_400_000,
        when: { text: 'request.page == "home"' },
        metrics: [
          {
            name: 'risk',
            goal: 'decrease',
            preMs: 7 * 86_400_000,
            source: { kind: 'score', field: 'label' },
          },
          { name: 'bought', goal: 'increase', source: { kind: 'events', aggregate: 'any' } },
          { name: 'spent', source: { aggregate: { sum: { name: 'price' } } } },
          { name: 'each', source: { kind: 'ratio', numerator: 'spent', denominator: 'bought' } },
        ],
      },
    });
  });

  test('is a canary with steps, guardrails and a shadow', async () => {
    const guardrails = [
      { metric: 'latency', quantile: 0.5, ratio_max: 2 },
      { metric: 'feedback', field: 'click', decrease_max: 0.02 },
      { metric: 'shadow_flips', percent_max: 5 },
    ];
    const canary = { candidate: 'new', steps: [5, 50], interval: '5m', guardrails };
    expect(await rolloutOf({ canary, shadow: ['new', { variant: 'twin', sample: 10 }] })).toMatchObject({
      policy: {
        kind: 'canary',
        candidate: 'new',
        steps: [0.05, 0.5],
        intervalMs: 300_000,
        samplesMin: 500,
        guardrails: [
          { metric: 'latency', quantile: 0.5, ratioMax: 2 },
          { metric: 'feedback', field: 'click', direction: 'decrease', changeMax: 0.02 },
          { metric: 'shadow_flips', shareMax: 0.05 },
        ],
      },
      shadows: [
        { variant: 'new', sample: 1, threshold: 0.5 },
        { variant: 'twin', sample: 0.1 },
      ],
    });
  });

  test('is a bandit', async () => {
    expect(await rolloutOf({ bandit: { arms: ['old', 'new'], reward: 'click', floor: 10 } })).toMatchObject({
      policy: { kind: 'bandit', arms: ['old', 'new'], algorithm: 'thompson', reward: 'click', floor: 0.1 },
    });
  });
});

describe('a mistake names its place', () => {
  test.each<[string, object, string[]]>([
    [
      'a variant that is not there',
      { serve: 'nwe', canary: { candidate: 'newer' }, shadow: ['twn'] },
      [
        'churn.rollout.serve  there is no variant "nwe" (variants are old, new, twin)',
        'churn.rollout.shadow[0]  there is no variant "twn" (did you mean "twin"?)',
        'churn.rollout.canary.candidate  there is no variant "newer" (variants are old, new, twin)',
      ],
    ],
    [
      'weights that do not sum',
      { experiment: { weights: { old: 50, new: 40 } } },
      ['churn.rollout.experiment.weights  sum to 90 (they are percent, so together they are 100)'],
    ],
    [
      'an experiment of one',
      { experiment: { weights: { old: 100 } } },
      ['churn.rollout.experiment.weights  needs at least two variants: a control, and one to compare'],
    ],
    [
      'two policies at once',
      { experiment: { weights: { old: 50, new: 50 } }, canary: { candidate: 'new' } },
      ['churn.rollout.canary  stands beside `experiment`: an endpoint has one of them at a time'],
    ],
    [
      'a guardrail on a metric that is not there',
      { canary: { candidate: 'new', guardrails: [{ metric: 'cpu' }] } },
      [
        'churn.rollout.canary.guardrails[0].metric  must be error_rate, latency, output, feedback or shadow_flips',
      ],
    ],
    [
      'steps that fall',
      { canary: { candidate: 'new', steps: [50, 5] } },
      ['churn.rollout.canary.steps  must rise, like [1, 5, 25, 50, 100]'],
    ],
    [
      'a guardrail on a shadow that is none',
      { canary: { candidate: 'new', guardrails: [{ metric: 'shadow_flips' }] } },
      ['churn.rollout.canary.guardrails[0]  compares what new predicts as a shadow (add shadow: [new])'],
    ],
    [
      'an output that nobody answers',
      { experiment: { weights: { old: 50, new: 50 }, metrics: { m: { score: 'brier', output: 'rsk' } } } },
      [
        'churn.rollout.experiment.metrics.m.output  names "rsk", which no variant answers (did you mean "risk"?)',
      ],
    ],
    [
      'an event that is not there, and a field',
      {
        experiment: {
          weights: { old: 50, new: 50 },
          metrics: {
            a: { event: 'bougt', unit: 'user', any: true },
            b: { event: 'bought', unit: 'usr', any: true },
            c: { event: 'bought', unit: 'user', sum: 'item' },
          },
        },
      },
      [
        'churn.rollout.experiment.metrics.a.event  there is no event "bougt" (did you mean "bought"?)',
        'churn.rollout.experiment.metrics.b.unit  names "usr", which is not a field of bought (did you mean "user"?)',
        'churn.rollout.experiment.metrics.c.sum  names item, which is not a number',
      ],
    ],
    [
      'floors that are more than there is',
      { bandit: { arms: ['old', 'new'], floor: 60 } },
      ['churn.rollout.bandit.floor  is 60 percent for each of 2 arms, which is more than there is'],
    ],
  ])('%s', async (_name, rollout, expected) => {
    expect(await mistakes(rollout)).toEqual(expected);
  });

  test('two experiments of one name, and two that take the same part of a layer', async () => {
    const weights = { a: 50, b: 50 };
    const other = (experiment: object): object => ({
      other: {
        request: { user: 'int64' },
        unit: 'user',
        variants: { a: { model: 'churn@1' }, b: { model: 'churn@2' } },
        rollout: { experiment: { weights, ...experiment } },
      },
    });
    const own = (experiment: object): object => ({
      experiment: { weights: { old: 50, new: 50 }, ...experiment },
    });
    expect(await mistakes(own({ name: 'x' }), other({ name: 'x' }))).toEqual([
      'other.rollout.experiment.name  is x, the name of that of the endpoint churn: give it another',
    ]);
    const layer = (from: number, to: number): object => ({ layer: { name: 'ranking', range: [from, to] } });
    expect(await mistakes(own(layer(0, 60)), other(layer(50, 100)))).toEqual([
      'other.rollout.experiment.layer.range  overlaps the range of churn of the endpoint churn in the layer ranking: [0, 60]',
    ]);
    expect(await mistakes(own(layer(0, 50)), other(layer(50, 100)))).toEqual([]);
  });
});
