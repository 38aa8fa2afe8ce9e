/**
 * The demo's project with its simplest model alone. Most of a start is loading: it is ready in half of the time, and
 * answers the same requests.
 */
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { demoDir } from '../e2e/demo-server.ts';

const MODEL = 'flight-delay';
const VERSION = '1';

export async function writeOneModelProject(dir: string): Promise<void> {
  await cp(join(demoDir, MODEL, 'model.yaml'), join(dir, MODEL, 'model.yaml'));
  await cp(join(demoDir, MODEL, VERSION), join(dir, MODEL, VERSION), { recursive: true });
  const text = await readFile(join(demoDir, 'millrace.yaml'), 'utf8');
  // The endpoint is the last in the file, and its variants and its rollout are the end of it.
  const [start] = text.split('    variants:\n');
  const variants = `    variants: { logistic: { model: ${MODEL}@${VERSION} } }\n`;
  await writeFile(join(dir, 'millrace.yaml'), `${start}${variants}`);
}
