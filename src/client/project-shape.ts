/**
 * A project as its callers see it, for TypeScript: `millrace types` writes one as `Project`, and `createClient<Project>()`
 * knows the names and fields of it. Without one, all names and fields are taken.
 */

/** ISO 8601, milliseconds since 1970, or a date. */
export type Timestamp = string | number | Date;

/** What a field may hold, whatever its type. */
export type FieldValue =
  | string
  | number
  | bigint
  | boolean
  | Date
  | null
  | undefined
  | readonly (number | bigint | string)[]
  | Float32Array
  | Float64Array
  | BigInt64Array;

export interface EndpointShape {
  /** Fields of a request. */
  readonly request: object;
  /** Fields of a prediction, by the variant that answers. */
  readonly variants: object;
  /** The request field by which traffic is split between variants, where it is one. */
  readonly unit?: string;
}

export interface EventShape {
  readonly fields: object;
  /** The field that says when it happened; without it, the event may say it beside its fields. */
  readonly timeField?: string;
}

export interface ViewShape {
  /** Join keys of its entity. */
  readonly keys: object;
  readonly features: object;
  /** The column of a push that holds the event time; without it the view takes no rows: it is computed from events. */
  readonly timestampField?: string;
}

export interface ProjectShape {
  readonly endpoints: { readonly [endpoint: string]: EndpointShape };
  readonly events: { readonly [type: string]: EventShape };
  readonly views: { readonly [view: string]: ViewShape };
}

type Fields = { readonly [name: string]: FieldValue };
type Answered = { readonly [name: string]: AnsweredValue };

/** One output of a model. */
export type AnsweredValue =
  number | bigint | string | boolean | null | readonly (number | bigint | string | boolean | null)[];

/** Stands in where no project is given. */
export interface AnyProject {
  readonly endpoints: {
    readonly [endpoint: string]: {
      readonly request: Fields;
      readonly variants: { readonly [variant: string]: Answered };
    };
  };
  readonly events: { readonly [type: string]: { readonly fields: Fields } };
  readonly views: {
    readonly [view: string]: {
      readonly keys: Fields;
      readonly features: Fields;
      readonly timestampField: 'event_timestamp';
    };
  };
}

export type EndpointName<P extends ProjectShape> = keyof P['endpoints'] & string;
export type RequestFields<P extends ProjectShape, E extends EndpointName<P>> = P['endpoints'][E]['request'];
export type ViewName<P extends ProjectShape> = keyof P['views'] & string;

/** Endpoints whose traffic is split between variants by a field of the request. */
export type SplitEndpoint<P extends ProjectShape> = {
  [E in EndpointName<P>]: P['endpoints'][E] extends { readonly unit: string } ? E : never;
}[EndpointName<P>];

/** All others. */
export type WholeEndpoint<P extends ProjectShape> = {
  [E in EndpointName<P>]: P['endpoints'][E] extends { readonly unit: string } ? never : E;
}[EndpointName<P>];

/** Views that take rows. */
export type PushedView<P extends ProjectShape> = {
  [V in ViewName<P>]: P['views'][V] extends { readonly timestampField: string } ? V : never;
}[ViewName<P>];

/** `view:feature` */
export type FeatureName<P extends ProjectShape> = {
  [V in ViewName<P>]: `${V}:${keyof P['views'][V]['features'] & string}`;
}[ViewName<P>];

/** The fields of a row that are not in the context of its request. */
export type RestOf<Request, Context> = Omit<Request, keyof Context> & {
  readonly [Name in keyof Context]?: undefined;
};

/** A context has fields of the request, and no others. */
export type ContextOf<Request, Context> = Context & {
  readonly [Name in Exclude<keyof Context, keyof Request>]: never;
};

type AnswerFrom<E, V, Prediction> = {
  readonly request_id: string;
  readonly endpoint: E;
  readonly model: string;
  readonly version: string;
  readonly variant: V;
} & Prediction;

/** One prediction per row, in order. `variant` tells whose they are. */
export type PredictAnswer<P extends ProjectShape, E extends EndpointName<P>> = {
  [V in keyof P['endpoints'][E]['variants'] & string]: AnswerFrom<
    E,
    V,
    {
      readonly predictions: readonly P['endpoints'][E]['variants'][V][];
      /** What the model saw, if the request asked for it. */
      readonly trace?: unknown;
    }
  >;
}[keyof P['endpoints'][E]['variants'] & string];

/** The prediction of one row, which is row `row` of the request `request_id`: that is what feedback names. */
export type PredictOneAnswer<P extends ProjectShape, E extends EndpointName<P>> = {
  [V in keyof P['endpoints'][E]['variants'] & string]: AnswerFrom<
    E,
    V,
    { readonly row: number; readonly prediction: P['endpoints'][E]['variants'][V] }
  >;
}[keyof P['endpoints'][E]['variants'] & string];

/** An event to send. */
export type EventOf<P extends ProjectShape> = {
  [T in keyof P['events'] & string]: {
    readonly type: T;
    readonly fields: P['events'][T]['fields'];
    /** Two events with one id are the same event. Default: a random one. */
    readonly id?: string | undefined;
  } & (P['events'][T] extends { readonly timeField: string }
    ? { readonly time?: undefined }
    : {
        /** When it happened. Default: when it reaches the server, which may be long after. */
        readonly time?: Timestamp | undefined;
      });
}[keyof P['events'] & string];

/** A row to push: join keys, every feature (or null), and the event time, without which it is now. */
export type RowOf<P extends ProjectShape, V extends ViewName<P>> = P['views'][V]['keys'] & {
  readonly [F in keyof P['views'][V]['features']]: P['views'][V]['features'][F] | null;
} & (P['views'][V] extends { readonly timestampField: infer F extends string }
    ? { readonly [Name in F]?: Timestamp }
    : unknown);
