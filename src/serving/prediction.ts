/**
 * One prediction from request to reply: gathers the entities' rows, hands every row of the request to the model's
 * batcher, and keeps the outputs of its rows for the answer. Nothing here waits while the store answers from memory.
 */
import type { RowStatus } from '../features/feature-status.ts';
import type { EntityKey, Row } from '../features/online-store.ts';
import type { BatchCaller, RunOutputs, TensorData } from '../inference/batcher.ts';
import { MillraceError } from '../errors.ts';
import type { Value } from '../project/value.ts';
import type { Counter } from '../telemetry/metrics.ts';
import type { PartSpan, RequestSpan } from '../telemetry/tracing.ts';
import type { Answer, AnswerPart } from './answer.ts';
import type { Plan, PlanRead } from './plan.ts';
import type { Caller } from './caller.ts';
import type { PredictRequest } from './predict-request.ts';
import type { ServedPrediction } from './log-entry.ts';
import type { LogChoice } from './prediction-log.ts';
import type { Route } from './route.ts';
import { createTrace } from './trace.ts';
import type { Trace } from './trace.ts';

/** Takes the one answer of a prediction. */
export interface PredictionSink {
  readonly requestId: string;
  /** The span of the request; undefined = none is recorded. */
  readonly span?: RequestSpan | undefined;
  /** What the caller says of itself beside the request; undefined = the endpoint does not ask for it. */
  readonly caller?: Caller | undefined;
  /** To be called when the caller is not answered: the time was over, or it has hung up. */
  onUnanswered?: (() => void) | undefined;
  /** Whether the caller hung up, or has been answered because the time was over. */
  readonly isDone: boolean;
  /** Whether the caller may see the values of protected features; default: it may not. */
  readonly seesProtected?: boolean;
  answer(answer: Answer): void;
  fail(error: unknown): void;
}

/** A row that memory could not answer. */
interface Miss {
  readonly row: number;
  readonly read: number;
  readonly key: EntityKey;
}

export class Prediction implements BatchCaller {
  readonly fetch: readonly number[];
  private readonly route: Route;
  private readonly plan: Plan;
  private readonly sink: PredictionSink;
  private readonly rowCount: number;
  private readonly asOfMs: number;
  private readonly isHistorical: boolean;
  /** Values of the request's rows, until they are in the tensors. */
  private rows: PredictRequest['rows'];
  /** Per request row, per read of the plan: the entity's row, or the view's row of nulls; until the tensors have it. */
  private entityRows: Row[][];
  private readonly parts: AnswerPart[] = [];
  private unanswered: number;
  private failed = false;
  /** Of what goes on now: reading features, or the model. */
  private part: PartSpan | undefined = undefined;
  private readonly trace: Trace | undefined;
  private readonly logChoice: LogChoice;
  /** Whether whoever observes the variant wants its rows. */
  private readonly isObservedWhole: boolean;
  private readonly timeMs: number;
  private readonly startedMs: number;

  constructor(route: Route, request: PredictRequest, nowMs: number, sink: PredictionSink) {
    const { plan, observer } = route;
    this.route = route;
    this.plan = plan;
    this.fetch = plan.fetch;
    this.sink = sink;
    this.rowCount = request.rows.length;
    this.asOfMs = request.asOfMs ?? nowMs;
    this.isHistorical = request.asOfMs !== undefined;
    this.rows = request.rows;
    this.entityRows = new Array<Row[]>(this.rowCount);
    this.unanswered = this.rowCount;
    this.trace = request.trace ? this.createTrace() : undefined;
    this.logChoice = plan.log === undefined ? 'nothing' : plan.log.choose(sink.requestId);
    this.timeMs = nowMs;
    this.isObservedWhole = observer?.wantsRows(sink.requestId) ?? false;
    this.startedMs = this.logChoice === 'nothing' && observer === undefined ? 0 : performance.now();
    if (observer !== undefined) this.sink.onUnanswered = () => this.observeFailure(undefined);
  }

  private createTrace(): Trace {
    return createTrace(this.plan, this.rowCount, this.asOfMs, this.sink.seesProtected === true);
  }

  /** Starts the prediction; the sink gets its answer, now or later. */
  start(): void {
    this.plan.metrics.rows.add(this.rowCount);
    const misses = this.gather();
    if (misses.length === 0) return this.submit();
    this.part = this.sink.span?.part('features read');
    this.readMisses(misses).then(
      () => this.submit(),
      (error: unknown) => this.failWith(error),
    );
  }

  fill(tensors: readonly TensorData[], at: number, row: number): void {
    this.plan.transforms.fill(
      tensors,
      at,
      this.rows[row] as readonly Value[],
      this.entityRows[row] as Row[],
      this.asOfMs,
    );
    this.trace?.keepInputs(row, tensors, at);
  }

  answer(outputs: RunOutputs, at: number, row: number, count: number): void {
    this.parts.push({ row, at, count, outputs });
    this.unanswered -= count;
    if (this.unanswered === 0 && !this.failed) this.reply();
  }

  isGone(): boolean {
    return this.failed || this.sink.isDone;
  }

  fail(error: MillraceError): void {
    if (!this.failed) this.failWith(error);
  }

  /**
   * Takes from memory what it has; returns what it has not. Rows of one request that follow each other often name
   * the same entity (one user, many items): its row is then taken once.
   */
  private gather(): Miss[] {
    const misses: Miss[] = [];
    const { reads } = this.plan;
    const lastKeys: (EntityKey | undefined)[] = [];
    const lastRows: Row[] = [];
    const lastCounts: Counter[] = [];
    const isMany = this.rowCount > 1 && this.trace === undefined;
    for (let r = 0; r < this.rowCount; r++) {
      const values = this.rows[r] as readonly Value[];
      const found = new Array<Row>(reads.length);
      this.entityRows[r] = found;
      for (let i = 0; i < reads.length; i++) {
        const read = reads[i] as PlanRead;
        const key = read.key(values);
        if (isMany && key !== undefined && key === lastKeys[i]) {
          found[i] = lastRows[i] as Row;
          (lastCounts[i] as Counter).add(1);
          continue;
        }
        const row = key === undefined ? null : read.get(key, this.asOfMs, this.isHistorical);
        if (row === undefined) {
          misses.push({ row: r, read: i, key: key as EntityKey });
          continue;
        }
        const status = this.statusOf(read, row);
        found[i] = this.judge(read, row, status, i, r, key);
        if (!isMany) continue;
        lastKeys[i] = key;
        lastRows[i] = found[i] as Row;
        lastCounts[i] = read.counts[status];
      }
    }
    return misses;
  }

  private async readMisses(misses: readonly Miss[]): Promise<void> {
    const distinct = new Map<string, { view: PlanRead['view']; key: EntityKey }>();
    const nameOf = (miss: Miss): string => `${miss.read} ${miss.key}`;
    for (const miss of misses) {
      distinct.set(nameOf(miss), { view: (this.plan.reads[miss.read] as PlanRead).view, key: miss.key });
    }
    const { source } = this.plan;
    const rows = await source.read([...distinct.values()], this.asOfMs, this.isHistorical);
    const rowOf = new Map([...distinct.keys()].map((name, d) => [name, rows[d] ?? null]));
    for (const miss of misses) {
      const read = this.plan.reads[miss.read] as PlanRead;
      const row = rowOf.get(nameOf(miss)) ?? null;
      const judged = this.judge(read, row, this.statusOf(read, row), miss.read, miss.row, miss.key);
      (this.entityRows[miss.row] as Row[])[miss.read] = judged;
    }
  }

  private statusOf(read: PlanRead, row: Row | null): RowStatus {
    return read.status(row, this.asOfMs, this.isHistorical);
  }

  /** What the transforms see of a stored row: itself, or nulls where it is missing or outside its max age. */
  private judge(
    read: PlanRead,
    row: Row | null,
    status: RowStatus,
    i: number,
    r: number,
    key: EntityKey | undefined,
  ): Row {
    read.counts[status].add(1);
    this.trace?.keepRow(r, i, key, row, status);
    return status === 'PRESENT' ? (row as Row) : read.emptyRow;
  }

  private submit(): void {
    if (this.rowCount === 0) return this.reply();
    this.trace?.mark('gathered');
    this.part?.end();
    this.part = this.sink.span?.part('model run');
    try {
      this.plan.batcher.submit(this, this.rowCount);
    } catch (error) {
      this.failWith(error);
    }
    // What waits for its run is moved by every garbage collection: with its rows, 250 ms of requests of 1,000 rows
    // halved the answers a second. What is logged or compared has to stay.
    if (this.isObservedWhole) return;
    if (this.logChoice === 'nothing') this.rows = [];
    if (this.logChoice !== 'with_features') this.entityRows = [];
  }

  private failWith(error: unknown): void {
    this.failed = true;
    this.part?.end(error instanceof MillraceError ? error.code : 'INTERNAL');
    if (!this.sink.isDone) this.observeFailure(error);
    this.sink.fail(this.plan.readsProtected ? withoutValues(error) : error);
  }

  /** @param error undefined = nobody waits for the answer any more */
  private observeFailure(error: unknown): void {
    this.route.observer?.failed(error);
  }

  private reply(): void {
    this.part?.end();
    if (this.parts.length > 1) this.parts.sort((a, b) => a.row - b.row);
    const isServed = !this.sink.isDone;
    this.sink.answer({
      plan: this.plan,
      rowCount: this.rowCount,
      parts: this.parts,
      trace: this.trace?.report(),
    });
    if (!isServed || (this.logChoice === 'nothing' && this.route.observer === undefined)) return;
    const served = this.served();
    if (this.logChoice !== 'nothing') this.plan.log?.take(served);
    this.route.observer?.answered(served, this.isObservedWhole ? this.entityRows : undefined);
  }

  private served(): ServedPrediction {
    const { propensity, assignment } = this.route;
    return {
      requestId: this.sink.requestId,
      timeMs: this.timeMs,
      asOfMs: this.isHistorical ? this.asOfMs : undefined,
      latencyMs: performance.now() - this.startedMs,
      propensity,
      assignment,
      rows: this.rows,
      entityRows: this.logChoice === 'with_features' ? this.entityRows : undefined,
      parts: this.parts,
    };
  }
}

/** What a runtime says of values that it rejects may quote them, and is logged. */
function withoutValues(error: unknown): unknown {
  if (!(error instanceof MillraceError) || error.code !== 'MODEL_FAILED') return error;
  const cause = 'left out, since the model reads protected features';
  return new MillraceError(error.code, error.message, { cause });
}
