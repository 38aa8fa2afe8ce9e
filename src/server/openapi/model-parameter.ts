/** The model in a path. */
import type { RawModel } from '../../serving/raw-model.ts';
import type { RawModels } from '../../serving/raw-models.ts';
import type { Parameter, Subject } from './description.ts';
import { text } from './json-schema.ts';

/** The first that is ready, as its name alone finds it. */
export function exampleModel(models: RawModels): RawModel | undefined {
  const names = new Set(models.list().map(({ name }) => name));
  const found = [...names].map((name) => models.get(name)).find((model) => model?.state === 'ready');
  return found?.state === 'ready' ? found : undefined;
}

export function modelParameter({ models }: Subject): Parameter {
  const names = [...new Set(models.list().map(({ name }) => name))];
  const example = exampleModel(models)?.name ?? names[0];
  return {
    name: 'model',
    in: 'path',
    description: `A model of the project${names.length === 0 ? '' : `: ${names.join(', ')}`}.`,
    required: true,
    schema: text,
    ...(example === undefined ? {} : { example }),
  };
}
