/** The calls that know models by their tensors, and change which ones are there. */
import type { AnswerDescription, Descriptions, RouteDescription } from './description.ts';
import { json } from './description.ts';
import { object } from './json-schema.ts';
import { modelParameter } from './model-parameter.ts';

const done: AnswerDescription = {
  description: 'The next request is answered by what was asked for.',
  content: json(object({})),
};

export const modelDescriptions: Descriptions = {
  'post /v2/repository/models/:model/load': (subject) => [
    {
      ...changing('Load a model, or look at its folder again'),
      parameters: [modelParameter(subject)],
      errors: ['UNKNOWN_MODEL', 'CHANGE_REFUSED', 'NOT_READY'],
    },
  ],
  'post /v2/repository/models/:model/unload': (subject) => [
    {
      ...changing('Unload a model'),
      description: 'One that answers an endpoint is not unloaded: MODEL_IN_USE.',
      parameters: [modelParameter(subject)],
      errors: ['UNKNOWN_MODEL', 'MODEL_IN_USE', 'CHANGE_REFUSED', 'NOT_READY'],
    },
  ],
  'post /v1/project/reload': () => [
    {
      ...changing('Serve the project as its files are now'),
      description: 'If they have a mistake, nothing changes, and `details` lists what is wrong.',
      errors: ['CHANGE_REFUSED', 'NOT_READY'],
    },
  ],
};

function changing(summary: string): RouteDescription {
  return {
    tag: 'Models',
    summary,
    request: { isOptional: true, content: json({ description: 'Is ignored.' }, {}) },
    answers: { 200: done },
  };
}
