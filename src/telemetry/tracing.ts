/**
 * Traces through the API of OpenTelemetry. The operator registers an SDK before the server is loaded, or none. Which of
 * the two is decided once, when a server starts: without an SDK nobody asks for a span, and no request pays for that
 * there could be one.
 */
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, propagation, trace } from '@opentelemetry/api';
import type { Attributes, Context, Span, TextMapGetter, Tracer, TracerProvider } from '@opentelemetry/api';

/** Where a span stands, as lines of the log name it. */
export interface SpanIds {
  readonly trace_id: string;
  readonly span_id: string;
}

/** A part of the work for a request. */
export interface PartSpan {
  /** @param errorType what it failed with; undefined = it did not */
  end(errorType?: string): void;
}

/** The span of one request. */
export interface RequestSpan extends PartSpan {
  readonly ids: SpanIds;
  /** As the header of this name tells of it. */
  readonly traceparent: string;
  set(attributes: SpanAttributes): void;
  part(name: string): PartSpan;
}

export type SpanAttributes = Readonly<Record<string, string | number>>;

/** What a caller says that its call is a part of. */
export type SpanParent = Context;

export interface Tracing {
  /** @param header the value of a header of the call; empty = it was not sent */
  parent(header: (name: string) => string): SpanParent;
  /** @returns undefined = the SDK does not record this one */
  start(name: string, parent: SpanParent, attributes: SpanAttributes): RequestSpan | undefined;
}

type HeaderReader = (name: string) => string;

/** Carriers are asked for what they have, never listed. */
const headers: TextMapGetter<HeaderReader> = {
  get: (header, name) => header(name) || undefined,
  keys: () => [],
};

/** @returns undefined = no SDK is registered */
export function findTracing(version: string): Tracing | undefined {
  const provider: TracerProvider & Partial<ProxyProvider> = trace.getTracerProvider();
  // Until an SDK is registered there is a stand-in, whose tracers have nothing behind them.
  const { getDelegateTracer } = provider;
  if (getDelegateTracer !== undefined && getDelegateTracer.call(provider, 'millrace', version) === undefined)
    return undefined;
  const tracer = provider.getTracer('millrace', version);
  return {
    parent: (header) => propagation.extract(ROOT_CONTEXT, header, headers),
    start: (name, parent, attributes) => startRequest(tracer, name, parent, attributes),
  };
}

/** The stand-in; which of the copies of the API that a process may hold has made it does not matter. */
interface ProxyProvider {
  getDelegateTracer(name: string, version: string): Tracer | undefined;
}

function startRequest(
  tracer: Tracer,
  name: string,
  parent: Context,
  attributes: Attributes,
): RequestSpan | undefined {
  const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
  if (!span.isRecording()) return undefined;
  const { traceId, spanId, traceFlags } = span.spanContext();
  const own = trace.setSpan(parent, span);
  return {
    ids: { trace_id: traceId, span_id: spanId },
    traceparent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`,
    set: (more) => void span.setAttributes(more),
    part: (partName) => {
      const part = tracer.startSpan(partName, undefined, own);
      return { end: (errorType) => endSpan(part, errorType) };
    },
    end: (errorType) => endSpan(span, errorType),
  };
}

function endSpan(span: Span, errorType: string | undefined): void {
  if (errorType !== undefined) {
    span.setAttribute('error.type', errorType);
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}
