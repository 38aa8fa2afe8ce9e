/** What the answers of a project look like: the fields of each variant, as its model gives them, without serving it. */
import { declaredWidth } from '../inference/resolve-outputs.ts';
import type { ElementType } from '../inference/session.ts';
import type { Project } from '../project/project.ts';
import { loadProject } from '../project/read-project.ts';
import { invalidProject } from '../project/report.ts';
import { compileProject, servedVersions } from './compile-project.ts';
import type { ServedVariant } from './compile-project.ts';
import { warmVariants } from './warm-variants.ts';
import type { WarmedVariants } from './warm-variants.ts';

export interface AnswerShape {
  readonly endpoint: string;
  readonly variant: string;
  readonly fields: readonly AnswerFieldShape[];
}

export interface AnswerFieldShape {
  readonly name: string;
  readonly type: ElementType;
  /** 1 = a scalar, more = an array; undefined = the model leaves it open, and was not run to find out. */
  readonly width: number | undefined;
}

export interface ProjectAnswers {
  readonly project: Project;
  /** One for each endpoint and variant, in their order. */
  readonly answers: readonly AnswerShape[];
}

/** @throws MillraceError INVALID_PROJECT with every mistake */
export async function readProjectAnswers(dir: string): Promise<ProjectAnswers> {
  const project = await loadProject(dir);
  const { repository, variants, mistakes } = await compileProject(project, servedVersions(project));
  try {
    if (mistakes.length > 0) throw invalidProject(mistakes);
    // A run tells how wide an output is; where the model says so, none is needed.
    const found = await warmVariants(variants.filter(hasOpenField), repository);
    if (found.mistakes.length > 0) throw invalidProject(found.mistakes);
    return { project, answers: variants.map((served) => shapeOf(served, found)) };
  } finally {
    await repository.release();
  }
}

function hasOpenField({ loaded, compiled }: ServedVariant): boolean {
  const { outputs } = loaded.session;
  return compiled.answer.some(({ output, column }) => {
    const spec = outputs[output];
    return column === undefined && spec !== undefined && declaredWidth(spec) === undefined;
  });
}

function shapeOf({ endpoint, variant, loaded, compiled }: ServedVariant, found: WarmedVariants): AnswerShape {
  const { outputs } = loaded.session;
  const run = found.warmed.find(({ version }) => version === loaded.version)?.result;
  const fields = compiled.answer.flatMap(({ name, output, column }): AnswerFieldShape[] => {
    const spec = outputs[output];
    if (spec === undefined) return [];
    const width = column === undefined ? (declaredWidth(spec) ?? run?.outputWidths[output]) : 1;
    return [{ name, type: spec.elementType, width }];
  });
  return { endpoint: endpoint.name, variant: variant.name, fields };
}
