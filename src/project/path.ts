/** Paths inside a project file, as mistakes show them: `endpoints.flight-delay.request.origin`, `inputs.x[2]`. */

export type Path = readonly (string | number)[];

const plainSegment = /^[A-Za-z0-9_-]+$/;

export function formatPath(path: Path): string {
  let text = '';
  for (const segment of path) {
    if (typeof segment === 'number') text += `[${segment}]`;
    else if (!plainSegment.test(segment)) text += `[${JSON.stringify(segment)}]`;
    else text += text === '' ? segment : `.${segment}`;
  }
  return text;
}
