/** The section `log` of an endpoint, and the names that events may not have. */
import { describe, expect, test } from 'vitest';
import type { PredictionLogSettings } from '../../src/project/project.ts';
import { mistakesIn, readFiles, soundFiles } from './project-folder.ts';

const sound = soundFiles['millrace.yaml'] ?? '';
const events = 'events:\n  click: { fields: { page: string } }\n';

async function logOf(text: string): Promise<PredictionLogSettings | undefined> {
  const { project, mistakes } = await readFiles({ ...soundFiles, 'millrace.yaml': text });
  expect(mistakes).toEqual([]);
  return project.endpoints.get('churn')?.log;
}

async function logMistakes(log: string): Promise<string[]> {
  const found = await mistakesIn({ ...soundFiles, 'millrace.yaml': `${sound}    log: ${log}\n` });
  return found.map((line) => line.replace(/^millrace.yaml:20 {2}endpoints.churn./, ''));
}

describe('the log of an endpoint', () => {
  test('has all requests where the project has events, and none where it has not', async () => {
    const none = { sample: 0, featuresSample: 0.01, hash: [], leaveOut: [] };
    expect(await logOf(sound)).toEqual(none);
    expect(await logOf(sound + events)).toEqual({ ...none, sample: 1 });
  });

  test('has what its section says, which alone switches it on', async () => {
    expect(await logOf(`${sound}    log: {}\n`)).toMatchObject({ sample: 1 });
    const log = '{ sample: 0.5, features_sample: 0.1, hash: [user], leave_out: [page] }';
    expect(await logOf(`${sound}    log: ${log}\n${events}`)).toEqual({
      sample: 0.5,
      featuresSample: 0.1,
      hash: ['user'],
      leaveOut: ['page'],
    });
  });

  test.each<[string, string, string]>([
    ['a share above 1', '{ sample: 1.5 }', 'log.sample  must be at most 1'],
    ['a share below 0', '{ features_sample: -1 }', 'log.features_sample  must be at least 0'],
    ['a misspelt key', '{ samples: 1 }', 'log.samples  is not a known key (did you mean "sample"?)'],
    ['no list', '{ hash: user }', 'log.hash  must be a list, not "user"'],
    [
      'an unknown field',
      '{ hash: [usr] }',
      'log.hash[0]  names "usr", which is not a request field (did you mean "user"?)',
    ],
    [
      'an unknown field to leave out',
      '{ leave_out: [page, x] }',
      'log.leave_out[1]  names "x", which is not a request field (request fields are user, page)',
    ],
    [
      'a field in both lists',
      '{ hash: [user], leave_out: [user] }',
      'log.leave_out[0]  names user, which hash names already (a field is kept, hashed or left out)',
    ],
  ])('has a mistake with %s', async (_, log, mistake) => {
    expect(await logMistakes(log)).toEqual([mistake]);
  });
});

describe('an event', () => {
  test.each(['prediction', 'feedback'])('may not be called %s, for the server makes those', async (name) => {
    const text = `project: p\nevents:\n  ${name}: { fields: {} }\n`;
    expect(await mistakesIn({ 'millrace.yaml': text })).toEqual([
      `millrace.yaml:3  events.${name}  is the name of events that the server makes itself (choose another name)`,
    ]);
  });
});
