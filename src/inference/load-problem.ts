/**
 * Why a model file cannot be loaded, as a sentence that names the file and the fix. ONNX Runtime reports with
 * file names and signatures of its own source; the first word of what matters is picked out of that.
 */
import { stat } from 'node:fs/promises';

/** What is wrong with the file before its contents are looked at; undefined if nothing is. */
export async function fileProblem(path: string): Promise<string | undefined> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) return `${path} is a folder; the model must be a file.`;
    if (found.size === 0) return `${path} is empty: copy or export the model again.`;
    return undefined;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      return `There is no file ${path}. Put the exported model there, or remove the version that needs it.`;
    }
    return `${path} cannot be read (${code ?? String(error)}).`;
  }
}

interface Problem {
  readonly pattern: RegExp;
  /** Continues `<path> …`; $1 and $2 are the groups of the pattern. */
  readonly sentence: string;
}

const problems: readonly Problem[] = [
  {
    pattern: /Protobuf parsing failed|does not have a graph/,
    sentence: 'is not a whole ONNX model: copy or export it again.',
  },
  {
    pattern: /Opset (\d+) is under development.*till opset (\d+)/s,
    sentence: 'is written for opset $1, and ONNX Runtime knows up to $2: export it with an older opset.',
  },
  {
    pattern: /Fatal error: (\S+?)\(-?\d+\) is not a registered function\/op/,
    sentence:
      'uses the operator $1, which ONNX Runtime does not have: export it with standard operators only.',
  },
  {
    pattern: /Could not find an implementation for (\S+?)\(/,
    sentence:
      'uses the operator $1 in a form that ONNX Runtime cannot run: export it with other types or opset.',
  },
  {
    pattern: /External data path does not exist: "([^"]*)"/,
    sentence: 'keeps its weights in $1, which does not exist: copy that file as well.',
  },
  {
    pattern: /Unsupported data type: (\d+)/,
    sentence:
      'has an input or output of the ONNX element type number $1, which cannot be served, not even unused: ' +
      'export the model without it, or with a Cast to float32.',
  },
];

/** What ONNX Runtime's error says about the file. */
export function loadProblem(path: string, cause: unknown): string {
  const reported = cause instanceof Error ? cause.message : String(cause);
  for (const { pattern, sentence } of problems) {
    const match = pattern.exec(reported);
    if (match !== null) {
      return `${path} ${sentence.replace(/\$(\d)/g, (_, group: string) => match[Number(group)] ?? '')}`;
    }
  }
  const reason = reported.replace(/^Load model from .*? failed:/s, '').trim();
  return `${path} cannot be loaded by ONNX Runtime: ${reason}`;
}
