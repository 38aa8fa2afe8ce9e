/** A project with an experiment, a canary and a bandit, and the logs of the experiment. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadProject } from '../../../src/project/read-project.ts';
import type { Project } from '../../../src/project/project.ts';
import { seededRandom } from '../../../src/stats/seeded-random.ts';
import { DAY_MS, FIRST_MS } from '../../experiments/written-logs.ts';
import type { LogWriter } from '../../experiments/written-logs.ts';

const projectYaml = `project: shop
streaming: { partitions: 4 }
events:
  purchase: { fields: { user: string, price: float64 } }
endpoints:
  shop:
    request: { user: string }
    unit: user
    log: LOG
    variants: { a: { model: m@1 }, b: { model: m@1 } }
    rollout:
      experiment:
        name: exp
        weights: { a: 50, b: 50 }
        metrics:
          conversion: { feedback: label }
          revenue: { event: purchase, unit: user, sum: price, pre: 7d }
          error: { score: brier, output: y }
  pages:
    request: { user: string }
    unit: user
    variants: { x: { model: m@1 }, y: { model: m@1 } }
    rollout:
      experiment: { name: layout, weights: { x: 50, y: 50 } }
  next:
    request: { user: string }
    variants: { old: { model: m@1 }, new: { model: m@1 } }
    rollout:
      canary:
        candidate: new
        guardrails: [{ metric: feedback, field: label, decrease_max: 0.1 }]
  best:
    request: { user: string }
    unit: { header: x-user }
    variants: { a: { model: m@1 }, b: { model: m@1 } }
    rollout:
      bandit: { arms: [a, b], reward: reward }
`;

const modelYaml = `inputs: { features: [length(request.user)] }
outputs: { y: y }
`;

/** @param log what of the predictions of `shop` is logged, as in the project file */
export async function writeProject(dir: string, log = '{}'): Promise<Project> {
  await mkdir(join(dir, 'm', '1'), { recursive: true });
  await writeFile(join(dir, 'millrace.yaml'), projectYaml.replace('LOG', log));
  await writeFile(join(dir, 'm', 'model.yaml'), modelYaml);
  return loadProject(dir, { needsModelFiles: false });
}

export interface ShopPopulation {
  readonly units: number;
  /** Of b; that of a is 0.2. */
  readonly conversion: number;
  /** Of the units of b that are never told of. */
  readonly lost?: number;
}

/** Units come in for ten days; each is predicted once or more, converts or not, and buys. */
export async function writeShop(writer: LogWriter, project: Project, shop: ShopPopulation): Promise<void> {
  const random = seededRandom(42);
  const purchase = project.eventTypes.get('purchase');
  if (purchase === undefined) throw new Error('the project has purchases');
  for (let i = 0; i < shop.units; i++) {
    const variant = random() < 0.5 ? 'a' : 'b';
    const enteredMs = FIRST_MS + Math.floor((i / shop.units) * 10 * DAY_MS);
    const person = { unit: `u-${i}`, variant, timeMs: enteredMs, isBot: i % 50 === 0 };
    if (variant === 'b' && random() < (shop.lost ?? 0)) continue;
    writer.expose(person);
    writer.expose({
      ...person,
      experiment: 'layout',
      endpoint: 'pages',
      variant: random() < 0.5 ? 'x' : 'y',
    });
    if (i % 200 === 7) writer.expose({ ...person, variant: 'a', timeMs: enteredMs + 1, version: 2 });
    const chance = variant === 'b' ? shop.conversion : 0.2;
    const feedback = random() < 0.9 ? [{ label: random() < chance }] : [];
    writer.predict({ ...person, requestId: `r-${i}`, outputs: [random() / 2], feedback });
    const level = 10 * random();
    writer.event(purchase, [person.unit, level + random()], enteredMs - DAY_MS);
    if (random() < 0.7) writer.event(purchase, [person.unit, level + 2 * random()], enteredMs + 1000);
  }
  for (let i = 0; i < shop.units / 20; i++) {
    const kept = { unit: `h-${i}`, variant: 'a', timeMs: FIRST_MS + i, how: 'holdout' } as const;
    writer.expose(kept);
    writer.predict({ ...kept, requestId: `h-${i}`, feedback: [{ label: random() < 0.2 }] });
  }
  await writer.write([purchase]);
}
