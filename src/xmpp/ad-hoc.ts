/**
 * Ad-hoc commands (XEP-0050) with their forms (XEP-0004): stanzas to typed requests, and typed replies to stanzas. It knows
 * no command. Steps have no memory here: what a step needs is in its form, so a session cannot pile up, and any process
 * can answer the next step.
 */
import { randomUUID } from 'node:crypto';
import xml, { type Element } from '@xmpp/xml';
import { xmlText } from '../kit/xml-text.ts';
import { DISCO_INFO } from './capabilities.ts';

export const COMMANDS = 'http://jabber.org/protocol/commands'; // XEP-0050
const DISCO_ITEMS = 'http://jabber.org/protocol/disco#items'; // XEP-0030
const FORM = 'jabber:x:data'; // XEP-0004
const STANZA_ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas'; // RFC 6120 §8.3.3

/** Fields of a submitted form. */
export const FORM_MAX_FIELDS = 50;
/** Values of all fields together, in UTF-16 units. */
export const FORM_MAX_CHARACTERS = 20_000;
/** Names of nodes and sessions, in UTF-16 units. */
export const NAME_MAX_CHARACTERS = 256;

/** What one JID offers. */
export interface CommandItem {
  readonly node: string;
  /** What menus show. */
  readonly name: string;
}

interface FieldBase {
  readonly name: string;
  readonly label: string;
  readonly required?: boolean;
}

/** A field for a person to fill in. */
export type FormField =
  | (FieldBase & { readonly type: 'text-single' | 'text-multi'; readonly value?: string })
  | (FieldBase & {
      readonly type: 'list-single';
      /** Default: the first one. */
      readonly value?: string;
      readonly options: readonly { readonly value: string; readonly label: string }[];
    });

export interface CommandForm {
  readonly title: string;
  readonly instructions: string;
  readonly fields: readonly FormField[];
}

export interface CommandRequest {
  readonly node: string;
  /** What the form says, a line each; null: there is no form yet, so this is the first step. */
  readonly values: Readonly<Record<string, readonly string[]>> | null;
}

export type CommandReply =
  /** The next step: a form to fill in. `fault`: what was wrong with it, with the name of the field. */
  | { readonly kind: 'form'; readonly form: CommandForm; readonly fault?: string }
  /** It is done. The text is a note: a result as a table (XEP-0004 §3.4) breaks clients (docs/adr/0057). */
  | { readonly kind: 'done'; readonly text: string }
  /** It was not done, and why. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** The operator does too much at once. */
  | { readonly kind: 'too-fast'; readonly reason: string };

/** Who knows the commands. Every function answers null to whoever may not know of them. */
export interface CommandHandler {
  /** @param to whose commands, a bare or full JID @param from who asks, a full JID */
  list(to: string, from: string): Promise<readonly CommandItem[] | null>;
  /** null also for a node that there is not. */
  run(to: string, from: string, request: CommandRequest): Promise<CommandReply | null>;
}

/** Answers the queries that are about commands; null: it is no such query. */
export type AnswerAdHoc = (to: string, from: string, iq: Element) => Promise<Element | null>;

export function createAdHoc(handler: CommandHandler): AnswerAdHoc {
  return async (to, from, iq) => {
    const [query] = iq.getChildElements();
    if (!query) return null;
    const { node } = query.attrs;
    if (iq.attrs.type === 'set') {
      return query.is('command', COMMANDS) ? execute(handler, to, from, query) : null;
    }
    if (node === undefined) return null;
    if (query.is('query', DISCO_ITEMS) && node === COMMANDS) {
      const items = await handler.list(to, from);
      return items ? itemsOf(to, items) : error('cancel', 'item-not-found');
    }
    if (!query.is('query', DISCO_INFO)) return null;
    // Nodes of capabilities (XEP-0115) are asked of anybody, and have a `#`.
    if (node !== COMMANDS && node.includes('#')) return null;
    const items = await handler.list(to, from);
    if (node === COMMANDS) return items ? listInfo() : error('cancel', 'item-not-found');
    const item = items?.find((each) => each.node === node);
    return item ? commandInfo(item) : error('cancel', 'item-not-found');
  };
}

const itemsOf = (jid: string, items: readonly CommandItem[]): Element =>
  xml(
    'query',
    { xmlns: DISCO_ITEMS, node: COMMANDS },
    ...items.map(({ node, name }) => xml('item', { jid, node, name: xmlText(name) })),
  );

/** XEP-0050 §2.2 */
const listInfo = (): Element =>
  xml(
    'query',
    { xmlns: DISCO_INFO, node: COMMANDS },
    xml('identity', { category: 'automation', type: 'command-list', name: 'Commands' }),
    xml('feature', { var: DISCO_ITEMS }),
  );

/** XEP-0050 §2.3 */
const commandInfo = ({ node, name }: CommandItem): Element =>
  xml(
    'query',
    { xmlns: DISCO_INFO, node },
    xml('identity', { category: 'automation', type: 'command-node', name: xmlText(name) }),
    xml('feature', { var: COMMANDS }),
    xml('feature', { var: FORM }),
  );

type Read = { readonly request: CommandRequest; readonly isCancel: boolean } | Element;

/** The command as somebody sent it, or the error that answers it (XEP-0050 §4.4). */
function read({ attrs, children }: Element, x: Element | undefined): Read {
  const { node, action = 'execute' } = attrs;
  if (node === undefined || node.length > NAME_MAX_CHARACTERS) {
    return error('modify', 'bad-request', { reason: 'node: is missing or too long' });
  }
  if (!ACTIONS.has(action)) {
    const reason = 'action: has to be execute, next, complete, prev or cancel';
    return error('modify', 'bad-request', { reason, own: 'malformed-action' });
  }
  const isCancel = action === 'cancel' || x?.attrs.type === 'cancel';
  // There is one form for each command, so the step before it is the form again.
  if (!x || action === 'prev' || x.attrs.type !== 'submit' || children.length === 0) {
    return { isCancel, request: { node, values: null } };
  }
  const fields = x.getChildren('field', FORM);
  if (fields.length > FORM_MAX_FIELDS) {
    return badForm(`has more than ${FORM_MAX_FIELDS} fields`);
  }
  const values: Record<string, readonly string[]> = {};
  let characters = 0;
  for (const field of fields) {
    const name = field.attrs.var;
    if (name === undefined) continue;
    if (name.length > NAME_MAX_CHARACTERS) return badForm('has a field with a very long name');
    const lines = field.getChildren('value', FORM).map((value) => value.text());
    characters += lines.reduce((sum, line) => sum + line.length + 1, 0);
    values[name] = lines;
  }
  if (characters > FORM_MAX_CHARACTERS) {
    return badForm(`has more than ${FORM_MAX_CHARACTERS} characters`);
  }
  return { isCancel, request: { node, values } };
}

const ACTIONS: ReadonlySet<string> = new Set(['execute', 'next', 'complete', 'prev', 'cancel']);

const badForm = (reason: string): Element =>
  error('modify', 'bad-request', { reason: `the form ${reason}`, own: 'bad-payload' });

async function execute(
  handler: CommandHandler,
  to: string,
  from: string,
  command: Element,
): Promise<Element> {
  const result = read(command, command.getChild('x', FORM));
  if (!('request' in result)) return result;
  const { request, isCancel } = result;
  const { sessionid: given } = command.attrs;
  const sessionid =
    given !== undefined && given.length <= NAME_MAX_CHARACTERS ? xmlText(given) : randomUUID();
  const attrs = { xmlns: COMMANDS, node: request.node, sessionid };
  if (isCancel) return xml('command', { ...attrs, status: 'canceled' });
  const reply = await handler.run(to, from, request);
  if (!reply) return error('cancel', 'item-not-found');
  switch (reply.kind) {
    case 'form':
      return xml(
        'command',
        { ...attrs, status: 'executing' },
        // Both: some clients send what `execute` names, others look for one of the children.
        xml('actions', { execute: 'complete' }, xml('complete')),
        reply.fault === undefined
          ? undefined
          : xml('note', { type: 'error' }, xmlText(reply.fault)),
        formElement(reply.form, reply.fault),
      );
    case 'done':
      return xml(
        'command',
        { ...attrs, status: 'completed' },
        xml('note', { type: 'info' }, xmlText(reply.text)),
      );
    case 'refused':
      return xml(
        'command',
        { ...attrs, status: 'completed' },
        xml('note', { type: 'error' }, xmlText(reply.reason)),
      );
    case 'too-fast':
      return error('wait', 'policy-violation', { reason: reply.reason });
  }
}

function fieldElement(field: FormField): Element {
  const { name, label, type, required } = field;
  // Profanity (0.13.1) shows the options of a list only if one is chosen. Browsers choose the first one themselves.
  const first = field.type === 'list-single' ? field.options[0]?.value : undefined;
  const value = field.value ?? first;
  const lines = (value ?? '').split('\n').filter((line) => line !== '');
  return xml(
    'field',
    { var: name, type, label: xmlText(label) },
    required ? xml('required') : undefined,
    ...lines.map((line) => xml('value', {}, xmlText(line))),
    ...(field.type === 'list-single' ? field.options : []).map((option) =>
      xml('option', { label: xmlText(option.label) }, xml('value', {}, xmlText(option.value))),
    ),
  );
}

/** Some clients show no note beside a form, so a fault stands in the instructions too. */
const formElement = ({ title, instructions, fields }: CommandForm, fault?: string): Element =>
  xml(
    'x',
    { xmlns: FORM, type: 'form' },
    xml('title', {}, xmlText(title)),
    xml(
      'instructions',
      {},
      xmlText(fault === undefined ? instructions : `${fault} — ${instructions}`),
    ),
    ...fields.map(fieldElement),
  );

/** @param own a condition of XEP-0050 */
const error = (
  type: 'cancel' | 'modify' | 'wait',
  condition: string,
  { reason, own }: { readonly reason?: string; readonly own?: string } = {},
): Element =>
  xml(
    'error',
    { type },
    xml(condition, { xmlns: STANZA_ERRORS }),
    reason === undefined ? undefined : xml('text', { xmlns: STANZA_ERRORS }, xmlText(reason)),
    own === undefined ? undefined : xml(own, { xmlns: COMMANDS }),
  );
