/** What is said of a route beside what it is bound by: its texts, its schemas, its examples. */
import type { ErrorCode } from '../../errors.ts';
import type { JsonObject } from '../../project/json-text.ts';
import type { Serving } from '../../serving/serving.ts';
import type { Schema } from './json-schema.ts';

export const tags = {
  Predictions: 'Endpoints of the project. Each has its own request fields and answer.',
  Features: "Rows of feature views, read and written by the calls of Feast's feature server.",
  Events: 'What happened, and what came of predictions.',
  Rollouts: 'How the traffic of an endpoint is split between its variants.',
  Models: 'The Open Inference Protocol: models by their tensors, loaded and unloaded while the server runs.',
  Server: 'Health, metrics and this document.',
} as const;

export type Tag = keyof typeof tags;

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly description: string;
  readonly required?: boolean;
  readonly schema: Schema;
  readonly example?: string | number;
}

export interface Media {
  readonly schema: Schema;
  readonly example?: JsonObject | readonly JsonObject[] | string;
}

export interface AnswerDescription {
  readonly description: string;
  /** By content type; undefined = there is no body. */
  readonly content?: Readonly<Record<string, Media>>;
}

export interface RouteDescription {
  /** Where the route stands for several paths of the document; default: that of the route. */
  readonly path?: string;
  readonly tag: Tag;
  /** A few words. */
  readonly summary: string;
  /** Sentences. */
  readonly description?: string;
  readonly parameters?: readonly Parameter[];
  readonly request?: { readonly isOptional?: boolean; readonly content: Readonly<Record<string, Media>> };
  /** By status; errors are told by their codes. */
  readonly answers: Readonly<Record<number, AnswerDescription>>;
  /** Besides those that follow from the scopes and the body of the route. */
  readonly errors?: readonly ErrorCode[];
}

/** What is described: the project as it is served. */
export type Subject = Pick<Serving, 'project' | 'answers' | 'models'> & {
  readonly version: string;
  /** There are neither keys nor tokens. */
  readonly isOpen: boolean;
  /** Of the rollout that is in effect. */
  readonly rolloutVersion: (endpoint: string) => number;
};

/** By method and path of the route: `get /metrics`. */
export type Descriptions = Readonly<Record<string, (subject: Subject) => readonly RouteDescription[]>>;

export function json(schema: Schema, example?: Media['example']): Readonly<Record<string, Media>> {
  return { 'application/json': example === undefined ? { schema } : { schema, example } };
}
