/** The calls that read and change how the traffic of an endpoint is split. */
import type { Principal } from '../access/access.ts';
import { MillraceError } from '../errors.ts';
import type { ErrorDetail } from '../errors.ts';
import { isRecord } from '../project/json-record.ts';
import type { JsonRecord } from '../project/json-record.ts';
import { jsonText } from '../project/json-text.ts';
import { createProblemList, shortName } from '../project/problem-list.ts';
import { parseStrictJson } from '../project/strict-json.ts';
import { simpleActions } from '../rollouts/rollout-control.ts';
import type { ChangeNote, SimpleAction } from '../rollouts/rollout-control.ts';
import { auditJson, rolloutOverview, rolloutStatus } from '../serving/rollout-status.ts';
import type { Exchange } from './exchange.ts';
import { endpointNamed, servingOf } from './route-context.ts';
import type { RouteContext } from './route-context.ts';
import type { Route } from './route.ts';

const PATH = '/v1/endpoints/:endpoint/rollout';
const AUDIT_COUNT = 50;
const AUDIT_COUNT_MAX = 200;
const reservedNames: readonly string[] = ['judge', 'project file'];
const NOTE_CHARS_MAX = 1000;
const SOMEBODY = 'api';

export function rolloutRoutes(context: RouteContext): readonly Route[] {
  return [
    reading('/v1/rollouts', 'rollouts', (exchange) =>
      exchange.reply(jsonText(rolloutOverview(servingOf(context)))),
    ),
    reading(PATH, 'rollout', readHandler(context)),
    writing('put', PATH, 'rollout', putHandler(context)),
    reading(`${PATH}/audit`, 'rollout-audit', auditHandler(context)),
    ...simpleActions.map((action) =>
      writing('post', `${PATH}/${action}`, `rollout-${action}`, actionHandler(context, action)),
    ),
  ];
}

function reading(path: string, name: string, handle: Route['handle']): Route {
  return { method: 'get', path, name, scopes: ['rollouts:write', 'metrics:read'], body: 'none', handle };
}

function writing(method: 'put' | 'post', path: string, name: string, handle: Route['handle']): Route {
  return { method, path, name, scopes: ['rollouts:write'], body: 'json', handle };
}

function readHandler(context: RouteContext): Route['handle'] {
  return async (exchange, _body, { params: [endpoint = ''] }) => replyStatus(exchange, context, endpoint);
}

function putHandler(context: RouteContext): Route['handle'] {
  return async (exchange, body, { params: [endpoint = ''] }) => {
    endpointNamed(context, endpoint);
    const fields = requireRecord(parseStrictJson(body));
    const note = decodeNote(fields, ['version', 'by', 'reason', 'rollout'], exchange.principal);
    if (note.version === undefined) {
      const message = 'is missing: it is the version that the change is made for, as GET tells it';
      throw refusal([{ path: 'version', message }]);
    }
    if (!Object.hasOwn(fields, 'rollout'))
      throw refusal([{ path: 'rollout', message: 'is missing: it is the section as in the project file' }]);
    await servingOf(context).control.put(endpoint, fields['rollout'], note);
    await replyStatus(exchange, context, endpoint);
  };
}

function actionHandler(context: RouteContext, action: SimpleAction): Route['handle'] {
  return async (exchange, body, { params: [endpoint = ''] }) => {
    endpointNamed(context, endpoint);
    const fields = requireRecord(parseStrictJson(body));
    const note = decodeNote(fields, ['version', 'by', 'reason'], exchange.principal);
    await servingOf(context).control.act(endpoint, action, note);
    await replyStatus(exchange, context, endpoint);
  };
}

function auditHandler(context: RouteContext): Route['handle'] {
  return async (exchange, _body, { params: [endpoint = ''], query }) => {
    endpointNamed(context, endpoint);
    const { control } = servingOf(context);
    const entries = (await control.store?.audit(endpoint, auditCount(query))) ?? [];
    exchange.reply(jsonText({ endpoint, entries: entries.map(auditJson) }));
  };
}

async function replyStatus(exchange: Exchange, context: RouteContext, endpoint: string): Promise<void> {
  endpointNamed(context, endpoint);
  exchange.reply(jsonText(await rolloutStatus(servingOf(context), endpoint)));
}

function requireRecord(body: unknown): JsonRecord {
  if (isRecord(body)) return body;
  throw new MillraceError('INVALID_REQUEST', 'The body must be a JSON object.');
}

function decodeNote(
  fields: JsonRecord,
  known: readonly string[],
  principal: Principal | undefined,
): ChangeNote {
  const problems = createProblemList();
  for (const name of Object.keys(fields))
    if (!known.includes(name)) problems.addUnknown(shortName(name), name, known, 'fields');
  const version = fields['version'];
  const isVersion = version === undefined || (Number.isSafeInteger(version) && Number(version) >= 0);
  if (!isVersion) problems.add('version', 'must be a whole number, as GET tells it');
  const [by, reason] = (['by', 'reason'] as const).map((name) => {
    const text = fields[name] ?? '';
    if (typeof text === 'string' && text.length <= NOTE_CHARS_MAX && !isUnprintable(text)) return text;
    problems.add(name, `must be a text of at most ${NOTE_CHARS_MAX} characters, on one line`);
    return '';
  }) as [string, string];
  if (reservedNames.includes(by))
    problems.add('by', `may not be "${by}", which stands for the server itself`);
  problems.throwIfAny('INVALID_REQUEST', 'The call does not fit');
  return { by: nameOf(principal, by), reason, version: version as number | undefined };
}

/** Who is known by a key cannot say that it is somebody else: what it says stands behind its name. */
function nameOf(principal: Principal | undefined, by: string): string {
  if (principal === undefined) return by === '' ? SOMEBODY : by;
  const name = reservedNames.includes(principal.name) ? `key ${principal.name}` : principal.name;
  return by === '' || by === name ? name : `${name} (${by})`;
}

/** What would move the cursor of a terminal, or begin a line that was never written. */
function isUnprintable(text: string): boolean {
  return /\p{Cc}/u.test(text);
}

function auditCount(query: string): number {
  const text = new URLSearchParams(query).get('count');
  if (text === null) return AUDIT_COUNT;
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= AUDIT_COUNT_MAX) return count;
  throw refusal([{ path: 'count', message: `must be a number from 1 to ${AUDIT_COUNT_MAX}` }]);
}

function refusal(details: readonly ErrorDetail[]): MillraceError {
  const [first] = details;
  return new MillraceError('INVALID_REQUEST', `The call does not fit: ${first?.path} ${first?.message}.`, {
    details,
  });
}
