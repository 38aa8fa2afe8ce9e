/**
 * Runs in the browser: fetches /openapi.json of this server, shows its operations, and sends their examples.
 */
import { inline, make, prose } from './elements.js';
import { resolve, schemaLine } from './schema-view.js';
const KEY = 'millrace-key';
const SHOWN_CHARS_MAX = 100_000;
const METHODS = ['get', 'post', 'put'];

const byId = (id) => document.getElementById(id);

// Sending.

function answerTo(text, contentType) {
  const isJson = contentType.includes('json');
  const shown = isJson && text !== '' ? JSON.stringify(JSON.parse(text), null, 2) : text;
  return shown.length > SHOWN_CHARS_MAX ? `${shown.slice(0, SHOWN_CHARS_MAX)}\n…` : shown;
}

function authorization() {
  const key = sessionStorage.getItem(KEY) ?? '';
  return key === '' ? {} : { authorization: `Bearer ${key}` };
}

function requestOf(method, path, fields, body) {
  const headers = { ...authorization() };
  const query = new URLSearchParams();
  let address = path;
  for (const { parameter, input } of fields) {
    const value = input.value.trim();
    if (parameter.in === 'path') address = address.replace(`{${parameter.name}}`, encodeURIComponent(value));
    if (value === '') continue;
    if (parameter.in === 'query') query.set(parameter.name, value);
    if (parameter.in === 'header') headers[parameter.name] = value;
  }
  if (body !== undefined) headers['content-type'] = body.type.value;
  const search = query.toString();
  return {
    address: search === '' ? address : `${address}?${search}`,
    options: { method: method.toUpperCase(), headers, body: body?.area.value },
  };
}

async function send(request, output) {
  const startedMs = performance.now();
  try {
    const answer = await fetch(request.address, request.options);
    const text = await answer.text();
    const ms = (performance.now() - startedMs).toFixed(1);
    const contentType = answer.headers.get('content-type') ?? '';
    const line = `${answer.status} ${answer.statusText}`.trim();
    output.replaceChildren(
      make(
        'div',
        { className: 'answer-head' },
        make('strong', { className: answer.ok ? 'good' : 'bad' }, line),
        make('span', { className: 'soft' }, ` ${ms} ms ${contentType}`),
      ),
      text === ''
        ? make('p', { className: 'soft' }, 'No body.')
        : make('pre', {}, answerTo(text, contentType)),
    );
  } catch (error) {
    output.replaceChildren(make('p', { className: 'bad' }, `Not sent: ${error.message}`));
  }
}

// Operations.

function textOf(example) {
  if (example === undefined) return '';
  return typeof example === 'string' ? example : JSON.stringify(example, null, 2);
}

function parameterInput(parameter, root) {
  const schema = resolve(parameter.schema, root);
  const value = parameter.example === undefined ? '' : String(parameter.example);
  const label = `${parameter.name}, ${parameter.in}`;
  if (schema.enum === undefined) return make('input', { className: 'field', value, ariaLabel: label });
  const options = schema.enum.map((name) => make('option', { value: name, selected: name === value }, name));
  return make('select', { className: 'field', ariaLabel: label }, ...options);
}

function cell(...children) {
  return make('td', {}, ...children);
}

function parameterTable(fields) {
  const rows = fields.map(({ parameter, input }) =>
    make(
      'tr',
      {},
      cell(make('code', {}, parameter.name), make('div', { className: 'type' }, parameter.in)),
      cell(
        ...inline(parameter.description ?? ''),
        parameter.required ? make('span', { className: 'warning' }, ' required') : '',
      ),
      cell(input),
    ),
  );
  const heads = ['Name', 'Meaning', 'Value'].map((name) => make('th', { scope: 'col' }, name));
  const head = make('thead', {}, make('tr', {}, ...heads));
  return make('div', { className: 'scroll' }, make('table', {}, head, make('tbody', {}, ...rows)));
}

function bodyForm(requestBody, root) {
  if (requestBody === undefined) return undefined;
  const types = Object.keys(requestBody.content);
  const type = make(
    'select',
    { ariaLabel: 'Content type' },
    ...types.map((name) => make('option', {}, name)),
  );
  const area = make('textarea', { spellcheck: false, ariaLabel: 'Body' });
  const schema = make('div');
  const show = () => {
    const media = requestBody.content[type.value];
    area.value = textOf(media.example);
    area.rows = Math.min(18, Math.max(3, area.value.split('\n').length + 1));
    schema.replaceChildren(schemaLine({ name: '', part: media.schema, opens: true }, root));
  };
  type.addEventListener('change', show);
  show();
  return { type, area, schema };
}

function responseView(status, response, root) {
  const content = Object.entries(response.content ?? {});
  const isError = Number(status) >= 400;
  const body = make(
    'div',
    {},
    ...(isError ? prose(response.description) : []),
    ...content.map(([type, media]) =>
      make(
        'div',
        { className: 'schema' },
        schemaLine({ name: type, part: media.schema, opens: !isError }, root),
      ),
    ),
  );
  const line = make('strong', { className: isError ? 'bad' : 'good' }, status);
  const codes = isError ? [...response.description.matchAll(/^- `([A-Z_]+)`/gm)].map(([, code]) => code) : [];
  const short = codes.length > 0 ? codes.join(', ') : response.description.split('\n')[0];
  const summary = make('summary', {}, line, make('span', { className: 'soft' }, ` ${short}`));
  return make('details', { open: !isError }, summary, body);
}

const isChange = ({ security = [] }) =>
  security.some((way) =>
    Object.values(way).some((scopes) => scopes.some((scope) => scope.endsWith(':write'))),
  );

function trySection(method, path, operation, fields, body) {
  const output = make('div', { className: 'answer', ariaLive: 'polite' });
  const button = make('button', { type: 'button' }, 'Send');
  button.addEventListener('click', async () => {
    button.disabled = true;
    await send(requestOf(method, path, fields, body), output);
    button.disabled = false;
  });
  const warns = isChange(operation) && method !== 'get';
  const warning = make(
    'span',
    { className: 'warning' },
    warns ? 'It is sent for real, and changes this server.' : '',
  );
  return [make('div', { className: 'row' }, button, warning), output];
}

function operationBody(method, path, operation, root) {
  const fields = (operation.parameters ?? []).map((parameter) => ({
    parameter,
    input: parameterInput(parameter, root),
  }));
  const body = bodyForm(operation.requestBody, root);
  return [
    ...prose(operation.description ?? ''),
    ...(fields.length === 0 ? [] : [make('h3', {}, 'Parameters'), parameterTable(fields)]),
    ...(body === undefined
      ? []
      : [make('h3', {}, 'Body'), make('div', { className: 'row' }, body.type), body.area]),
    ...trySection(method, path, operation, fields, body),
    ...(body === undefined ? [] : [make('h3', {}, 'What the body may be'), body.schema]),
    make('h3', {}, 'Answers'),
    ...Object.entries(operation.responses).map(([status, response]) => responseView(status, response, root)),
  ];
}

function operationView(method, path, operation, root) {
  const summary = make(
    'summary',
    {},
    make('span', { className: `method ${method}` }, method.toUpperCase()),
    make('code', {}, path),
    make('span', { className: 'soft' }, operation.summary),
  );
  const details = make('details', { className: 'operation', id: operation.operationId }, summary);
  details.addEventListener('toggle', () => {
    if (details.open && details.childNodes.length === 1)
      details.append(make('div', {}, ...operationBody(method, path, operation, root)));
  });
  return details;
}

function operationsOf(root) {
  return Object.entries(root.paths).flatMap(([path, methods]) =>
    METHODS.filter((method) => methods[method] !== undefined).map((method) => ({
      method,
      path,
      operation: methods[method],
    })),
  );
}

function groupView({ name, description }, operations, root) {
  const views = operations.map(({ method, path, operation }) => {
    const view = operationView(method, path, operation, root);
    const link = make('a', { href: `#${operation.operationId}` }, operation.summary);
    link.addEventListener('click', () => (view.open = true));
    return { view, link, words: `${method} ${path} ${operation.summary}`.toLowerCase() };
  });
  const section = make(
    'section',
    {},
    make('h2', {}, name),
    make('p', { className: 'soft' }, description),
    ...views.map(({ view }) => view),
  );
  const group = make('div', { className: 'group' }, make('h2', {}, name), ...views.map(({ link }) => link));
  return { section, group, views };
}

function filterBy(groups) {
  const wanted = byId('filter').value.trim().toLowerCase();
  for (const { section, group, views } of groups) {
    for (const { view, link, words } of views) {
      view.hidden = !words.includes(wanted);
      link.hidden = view.hidden;
    }
    section.hidden = views.every(({ view }) => view.hidden);
    group.hidden = section.hidden;
  }
}

function openNamed() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (named === null || !named.classList.contains('operation')) return;
  named.open = true;
  named.scrollIntoView();
}

/** Set when there is something to filter. */
let showFiltered = () => undefined;

function showDocument(root) {
  document.title = root.info.title;
  byId('title').textContent = root.info.title;
  byId('version').textContent = `Version ${root.info.version}, OpenAPI ${root.openapi}`;
  const operations = operationsOf(root);
  const groups = root.tags
    .map((tag) => ({ tag, own: operations.filter(({ operation }) => operation.tags.includes(tag.name)) }))
    .filter(({ own }) => own.length > 0)
    .map(({ tag, own }) => groupView(tag, own, root));
  const about = make('details', {}, make('summary', {}, 'How to call, limits, WebSocket, errors'));
  about.append(...prose(root.info.description));
  byId('links').replaceChildren(...groups.map(({ group }) => group));
  byId('operations').replaceChildren(about, ...groups.map(({ section }) => section));
  byId('filter').hidden = false;
  showFiltered = () => filterBy(groups);
  showFiltered();
  openNamed();
}

// The server's document, with a key where it wants one.

async function load() {
  const status = byId('status');
  status.className = '';
  try {
    const answer = await fetch('/openapi.json', { headers: authorization() });
    const body = await answer.json();
    const needsKey = answer.status === 401 || answer.status === 403;
    if (needsKey || Object.keys(authorization()).length > 0) byId('key-form').hidden = false;
    if (!answer.ok) throw new Error(body.error);
    status.textContent = '';
    showDocument(body);
  } catch (error) {
    status.className = 'bad';
    status.textContent = error.message;
  }
}

byId('key-form').addEventListener('submit', (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, byId('key').value.trim());
  byId('key').value = '';
  void load();
});
byId('forget').addEventListener('click', () => {
  sessionStorage.removeItem(KEY);
  byId('key').value = '';
  byId('status').textContent = 'The key is forgotten.';
});
byId('filter').addEventListener('input', () => showFiltered());
window.addEventListener('hashchange', openNamed);
void load();
