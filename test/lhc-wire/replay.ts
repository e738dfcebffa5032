/**
 * Plays a recorded day against the real service and ejabberd: LHC's requests exactly as they were sent, and operators with
 * real clients who do what the recorded callbacks say.
 */
import { expect } from 'vitest';
import { connectOperator, type Operator } from '../support/operator.ts';
import { WAIT_DEADLINE_MS, waitFor } from '../support/wait.ts';
import { messageIn, type Site } from '../support/xmppservice-lhc.ts';
import { fieldsOf, type Line, type Request, sentMessages, type ToLhc } from './recording.ts';

/** LHC gives up after 5 s. The service promises an answer within 2 s; the rest is for busy machines. */
const LHC_DEADLINE_MS = 5_000;

export interface ReplayOptions {
  readonly lines: readonly Line[];
  /** Where the recorded ports are now. */
  readonly ports: { readonly 4560: number; readonly 4567: number };
  /** ejabberd's address for clients. */
  readonly xmpp: string;
  /** The site of LHC that gets this callback. */
  readonly lhcOf: (line: ToLhc) => Site;
  /** Lines whose message the service refuses, and its sender reads why. The old server passed them on. */
  readonly refused?: readonly number[];
  /** Lines whose message the service refuses at first, because a chat has just ended: its sender writes it again. */
  readonly again?: readonly number[];
  /** Called before each line. */
  readonly before?: (line: Line) => Promise<void>;
}

export interface Replayed {
  /** The operators' clients, by user name. */
  readonly operators: ReadonlyMap<string, Operator>;
}

/** The words of the visitor that this operator's client has shown, in order. */
export const shownTo = (operator: Operator, visitor: string): readonly string[] =>
  operator.messages
    .filter(({ from, body, lines }) => from.split('/')[0] === visitor && body !== lines)
    .map(({ body }) => body);

/** The messages that the recording has for this operator of this visitor, up to a line. */
export const recordedFor = (
  lines: readonly Line[],
  operator: string,
  visitor: string,
  before = Number.POSITIVE_INFINITY,
): readonly string[] =>
  sentMessages(lines)
    .filter((sent) => sent.n < before && sent.operator === operator && sent.visitor === visitor)
    .map(({ text }) => text);

export async function replay(options: ReplayOptions): Promise<Replayed> {
  const state: State = {
    ...options,
    operators: new Map(),
    passwords: new Map(),
    groups: new Set(),
  };
  for (const line of options.lines) {
    await options.before?.(line);
    if (line.dir === 'lhc-to-service') await request(state, line);
    if (line.dir === 'ejabberd-to-lhc') await operatorActs(state, line);
  }
  return state;
}

interface State extends ReplayOptions {
  readonly operators: Map<string, Operator>;
  readonly passwords: Map<string, string>;
  /** Shared roster groups that LHC has asked for. */
  readonly groups: Set<string>;
}

async function request({ ports, passwords, groups }: State, line: Request): Promise<void> {
  const { port, path, method, body, step, n } = line;
  const response = await fetch(`http://127.0.0.1:${ports[port]}${path}`, {
    method,
    headers: { 'content-type': port === 4560 ? 'text/xml' : 'application/json' },
    body,
    signal: AbortSignal.timeout(LHC_DEADLINE_MS),
  });
  const got = await response.text();
  const where = `line ${n}, ${step}`;
  expect(response.status, where).toBe(200);
  if (port === 4560) {
    expect(got, where).toContain('<methodResponse>');
    expect(got, where).not.toContain('<fault>');
    return;
  }
  const { user = '', password, group = '' } = fieldsOf(line);
  if (path === '/xmpp' || path === '/xmpp-send-message') {
    expect(got, where).toBe('ok');
    return;
  }
  // The recorded stub knew no groups.
  const fails = path === '/xmpp-does-shared-roaster-exists' && !groups.has(group);
  expect(JSON.parse(got), where).toMatchObject({ error: fails });
  if (path === '/xmpp-setup-instance-roasters') groups.add(group);
  if (password && !user.startsWith('visitor.')) passwords.set(user, password);
}

/** An operator's client does what the recorded callback tells LHC of, and LHC has to be told the same. */
async function operatorActs(state: State, line: ToLhc): Promise<void> {
  if (line.path.endsWith('/operatorstatus')) return changeStatus(state, line);
  const form = new URLSearchParams(line.body);
  if (form.get('type') === 'chat') await write(state, line, form);
}

async function changeStatus(state: State, line: ToLhc): Promise<void> {
  const { xmpp, operators, passwords, lhcOf } = state;
  const { action, user, server } = JSON.parse(line.body);
  if (action === 'ping') {
    const isPing = ({ body }: { body: string }): boolean => body === line.body;
    await toldLhc(line, () => lhcOf(line).requests.some(isPing));
    return;
  }
  const before = timesTold(state, line);
  if (action === 'connect') {
    const ping = state.lines.find(
      (each) => each.dir === 'ejabberd-to-lhc' && each.body.includes(`"${user}@${server}/`),
    ) as ToLhc | undefined;
    const resource = ping && JSON.parse(ping.body).user.split('/')[1];
    const operator = await connectOperator({
      service: xmpp,
      domain: server,
      username: user,
      password: passwords.get(user) ?? '',
      ...(resource && { resource }),
    });
    operators.set(user, operator);
  } else {
    await hasReadAll(state, line, user, server);
    await operators.get(user)?.disconnect();
  }
  await toldLhc(line, () => timesTold(state, line) > before);
}

/** Waits until the operator has everything that was sent to them before this line. */
async function hasReadAll(state: State, line: ToLhc, user: string, server: string): Promise<void> {
  const operator = state.operators.get(user);
  const jid = `${user}@${server}`;
  const visitors = new Set(
    sentMessages(state.lines).flatMap((sent) => (sent.operator === jid ? [sent.visitor] : [])),
  );
  for (const visitor of visitors) await hasRead(state, line, operator, visitor);
}

async function hasRead(
  { lines }: State,
  { n }: ToLhc,
  operator: Operator | undefined,
  visitor: string,
): Promise<void> {
  if (!operator) return;
  const jid = operator.jid.split('/')[0] ?? '';
  const read = recordedFor(lines, jid, visitor, n);
  await operator.waitFor(
    () => shownTo(operator, visitor).length >= read.length,
    `line ${n}: ${jid} to read ${JSON.stringify(read)} of ${visitor}`,
    WAIT_DEADLINE_MS,
  );
}

const timesTold = ({ lhcOf }: State, line: ToLhc): number =>
  lhcOf(line).requests.filter(({ body }) => body === line.body).length;

const toldLhc = (line: ToLhc, condition: () => boolean): Promise<unknown> =>
  waitFor(condition, { what: `line ${line.n}: LHC to be told ${line.body}` });

async function write(state: State, line: ToLhc, form: URLSearchParams): Promise<void> {
  const { operators, refused = [], again = [], lhcOf } = state;
  const sender = form.get('sender') ?? '';
  const visitor = `${form.get('receiver')}@${form.get('server')}`;
  const operator = operators.get(sender);
  if (!operator) throw new Error(`line ${line.n}: ${sender} is not logged in`);
  // They answer what they have read.
  await hasRead(state, line, operator, visitor);
  const heard = operator.messages.length + operator.errors.length;
  operator.send(visitor, form.get('body') ?? '');
  if (refused.includes(line.n)) {
    await operator.waitFor(
      () => operator.messages.length + operator.errors.length > heard,
      `line ${line.n}: ${sender} to read that the message is refused`,
    );
    return;
  }
  const said = messageIn(line.body);
  if (again.includes(line.n)) await writeAgain(operator, visitor, form.get('body') ?? '');
  await waitFor(() => lhcOf(line).messages().includes(said), {
    what: () =>
      `line ${line.n}: LHC to get ${said}; it has ${JSON.stringify(lhcOf(line).messages())}; ${sender} reads ${JSON.stringify(operator.messages.slice(heard).map(({ lines: text }) => text))}`,
  });
}

/** Writes until nobody refuses it any more. */
async function writeAgain(operator: Operator, visitor: string, text: string): Promise<void> {
  const refusals = (): number =>
    operator.messages.filter(({ lines }) => lines.includes('write it again')).length;
  await operator.waitFor(() => refusals() > 0, 'the refusal of a message that comes too late');
  let known = refusals();
  await operator.waitFor(async () => {
    operator.send(visitor, text);
    await operator.acknowledged();
    const before = known;
    await waitFor(() => refusals() > before, { deadlineMs: 3_000 }).catch(() => undefined);
    known = refusals();
    return known === before;
  }, 'a message that is not too late any more');
}
