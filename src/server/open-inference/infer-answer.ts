/** The answer of an infer call: JSON, and behind it the bytes of the outputs that are wanted as such. */
import type { JsonObject } from '../../project/json-text.ts';
import { jsonText } from '../../project/json-text.ts';
import { datatypes } from '../../serving/datatype.ts';
import type { RawTensor } from '../../serving/raw-inference.ts';
import type { RawModel, RawResult } from '../../serving/raw-model.ts';
import type { AnswerForm } from './infer-request.ts';
import { bytesOfTensor } from './tensor-bytes.ts';
import { tensorText } from './tensor-json.ts';

export interface WrittenAnswer {
  readonly contentType: string;
  readonly body: string | Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

export function writeAnswer(
  { name, version }: Pick<RawModel, 'name' | 'version'>,
  { outputs }: RawResult,
  form: AnswerForm,
): WrittenAnswer {
  const binary: Buffer[] = [];
  const texts = outputs.map((tensor) => outputText(tensor, form, binary));
  const head = { model_name: name, model_version: version, id: form.id, ...kept(form.parameters) };
  const json = `${jsonText(head).slice(0, -1)},"outputs":[${texts.join(',')}]}`;
  if (binary.length === 0) return { contentType: 'application/json', body: json, headers: {} };
  return {
    contentType: 'application/octet-stream',
    body: Buffer.concat([Buffer.from(json), ...binary]),
    headers: { 'inference-header-content-length': String(Buffer.byteLength(json)) },
  };
}

/** @param binary gets the tensor's bytes if they stand behind the JSON */
function outputText(
  { name, elementType, shape, data }: RawTensor,
  form: AnswerForm,
  binary: Buffer[],
): string {
  const own = form.outputs.get(name);
  const head = { name, datatype: datatypes[elementType], shape };
  if (!(own?.isBinary ?? form.isBinary)) {
    const fields = jsonText({ ...head, ...kept(own?.parameters) });
    return `${fields.slice(0, -1)},"data":${tensorText(elementType, data)}}`;
  }
  const bytes = bytesOfTensor(data);
  binary.push(bytes);
  return jsonText({ ...head, parameters: { ...own?.parameters, binary_data_size: bytes.length } });
}

function kept(parameters: JsonObject = {}): JsonObject {
  return Object.keys(parameters).length === 0 ? {} : { parameters };
}
