/**
 * An operator's XMPP client for tests. It sends real stanzas over a real socket and keeps all received stanzas in order.
 * It does stream management (XEP-0198) itself, because @xmpp/client has a race that fails quick logins. It does not
 * reconnect: a test connects again if it needs to.
 */
import { randomUUID } from 'node:crypto';
import xml, { type Element } from '@xmpp/xml';
import type { ChatState } from '../../src/xmpp/port.ts';
import { openStream, type StreamFailure } from '../../src/xmpp/sessions/login-stream.ts';
import { chatStateStanza, pingStanza } from '../../src/xmpp/stanzas.ts';
import {
  asksForCapabilities,
  capabilities,
  capabilitiesHash,
  fetchPicture,
  fetchVcard,
  type PublishedPicture,
  type VCard,
} from './operator-contact.ts';
import { createInbox, type Inbox, type RosterItem, rosterItems } from './operator-inbox.ts';
import { WAIT_DEADLINE_MS, waitFor } from './wait.ts';

const SM = 'urn:xmpp:sm:3';

export interface OperatorOptions {
  /** `xmpp://…`, `xmpps://…`, `ws://…`. */
  readonly service: string;
  readonly domain: string;
  readonly username: string;
  readonly password: string;
  /** Default: a random one. */
  readonly resource?: string;
  /** Answers requests for receipts (XEP-0184). Default: true. */
  readonly receipts?: boolean;
  /** Answers pings (XEP-0199). Default: true. A client that answers no pings looks like one that hangs. */
  readonly answerPings?: boolean;
  /** The client's capabilities (XEP-0115). ejabberd sends the events that they request by `…+notify` (XEP-0163). */
  readonly features?: readonly string[];
  /** Default: false. Without `'resume'` a session ends at once when its connection is lost. */
  readonly streamManagement?: boolean | 'resume';
  /** The initial presence. Default: available. `false`: none. */
  readonly presence?:
    | boolean
    | { readonly show?: string; readonly status?: string; readonly priority?: number };
}

export interface Operator extends Inbox {
  /** The full JID. */
  readonly jid: string;
  /** The reason if the stream ended without a request by the test. */
  readonly lost: StreamFailure | undefined;
  /** Fetches the roster. */
  roster(): Promise<readonly RosterItem[]>;
  /** A contact's vCard (XEP-0054). */
  vcard(jid: string): Promise<VCard>;
  /** A contact's picture in PEP (XEP-0084), or null. */
  picture(jid: string): Promise<PublishedPicture | null>;
  /** Sends an IQ with a new id. @returns the answer, a result or an error */
  request(stanza: Element): Promise<Element>;
  /** @param priority RFC 6121 §4.7.2.3; default: none, which is 0 */
  setPresence(show?: string, status?: string, priority?: number): void;
  /** Sends a chat message. @returns its id */
  send(to: string, body: string, id?: string): string;
  /** Like `send`. Resolves when ejabberd has acknowledged the message (by stream management, or by answering a ping). */
  sendAndAck(to: string, body: string, id?: string): Promise<string>;
  chatState(to: string, state: ChatState): void;
  /** Sends a marker (XEP-0333): the operator has seen this message. */
  displayed(to: string, id: string): void;
  /** Sends any stanza unchanged. */
  sendStanza(stanza: Element): void;
  /** Resolves when ejabberd has processed everything that was sent before. */
  acknowledged(): Promise<void>;
  /** Waits until the condition returns something truthy. The condition is called with this operator. */
  waitFor<T>(
    condition: (operator: Operator) => T | Promise<T>,
    what?: string,
    deadlineMs?: number,
  ): Promise<NonNullable<T>>;
  /** Sends an unavailable presence and closes the stream in order. */
  disconnect(): Promise<void>;
  /** Cuts the socket, as a failing network does. */
  drop(): void;
}

/** Logs in, fetches the roster as every client does, and sends the initial presence. */
export async function connectOperator(options: OperatorOptions): Promise<Operator> {
  const { service, domain, username, password } = options;
  const inbox = createInbox();
  const answers = new Map<string, (stanza: Element) => void>();
  const acks: { readonly sent: number; readonly resolve: () => void }[] = [];
  let lost: StreamFailure | undefined;
  /** The counters of stream management. */
  let sent = 0;
  let received = 0;
  let managed = false;

  const stream = await openStream(
    {
      service,
      domain,
      username,
      password,
      resource: options.resource ?? `test.${randomUUID().slice(0, 8)}`,
      loginDeadlineMs: WAIT_DEADLINE_MS,
      allowPlaintext: true,
      answerQueries: false,
    },
    {
      stanza(stanza) {
        received += 1;
        inbox.take(stanza);
        reply(stanza);
        const id = stanza.attrs.id;
        if (stanza.name === 'iq' && /^(result|error)$/.test(stanza.attrs.type ?? '') && id) {
          answers.get(id)?.(stanza);
          answers.delete(id);
        }
      },
      nonza(element) {
        if (element.is('r', SM)) {
          stream.send(xml('a', { xmlns: SM, h: String(received) }));
        } else if (element.is('a', SM)) {
          const handled = Number(element.attrs.h);
          while (acks[0] && acks[0].sent <= handled) acks.shift()?.resolve();
        } else if (element.is('enabled', SM)) {
          managed = true;
          received = 0;
        }
      },
      lost(reason) {
        lost = reason;
      },
    },
  );

  function write(...stanzas: Element[]): void {
    sent += stanzas.length;
    stream.send(...stanzas);
  }

  function reply(stanza: Element): void {
    const { from, id, type } = stanza.attrs;
    if (stanza.name === 'message' && type !== 'error' && (options.receipts ?? true)) {
      if (id && from && stanza.getChild('request', 'urn:xmpp:receipts')) {
        write(xml('message', { to: from }, xml('received', { xmlns: 'urn:xmpp:receipts', id })));
      }
    }
    if (options.features && stanza.name === 'iq' && asksForCapabilities(stanza)) {
      const known = capabilities(options.features);
      const node = stanza.getChild('query')?.attrs.node;
      if (node !== undefined) known.attrs.node = node;
      write(xml('iq', { type: 'result', id, to: from }, known));
    } else if (
      stanza.name === 'iq' &&
      (type === 'get' || type === 'set') &&
      (options.answerPings ?? true)
    ) {
      const known =
        stanza.getChild('ping', 'urn:xmpp:ping') ?? stanza.getChild('query', 'jabber:iq:roster');
      const error = xml(
        'error',
        { type: 'cancel' },
        xml('service-unavailable', { xmlns: 'urn:ietf:params:xml:ns:xmpp-stanzas' }),
      );
      write(
        xml('iq', { type: known ? 'result' : 'error', id, to: from }, known ? undefined : error),
      );
    }
  }

  function request(stanza: Element): Promise<Element> {
    const id = randomUUID();
    stanza.attrs.id = id;
    const answer = new Promise<Element>((resolve) => answers.set(id, resolve));
    write(stanza);
    return within(answer, `the answer to ${stanza.toString()}`);
  }

  async function within<T>(promise: Promise<T>, what: string): Promise<T> {
    let settled: { readonly value: T } | undefined;
    void promise.then((value) => {
      settled = { value };
    });
    const done = await waitFor(() => settled, { every: 2, what });
    return done.value;
  }

  async function acknowledged(): Promise<void> {
    if (!managed) {
      await request(pingStanza('', domain));
      return;
    }
    const acked = new Promise<void>((resolve) => acks.push({ sent, resolve }));
    stream.send(xml('r', { xmlns: SM }));
    await within(acked, 'an acknowledgement');
  }

  function setPresence(show?: string, status?: string, priority?: number): void {
    write(
      xml(
        'presence',
        {},
        show === undefined ? undefined : xml('show', {}, show),
        status === undefined ? undefined : xml('status', {}, status),
        priority === undefined ? undefined : xml('priority', {}, String(priority)),
        options.features && capabilitiesHash(options.features),
      ),
    );
  }

  function send(to: string, body: string, id: string = randomUUID()): string {
    write(xml('message', { type: 'chat', id, to }, xml('body', {}, body)));
    return id;
  }

  const operator: Operator = {
    ...inbox,
    jid: stream.jid,
    get lost() {
      return lost;
    },
    async roster() {
      return rosterItems(
        await request(xml('iq', { type: 'get' }, xml('query', 'jabber:iq:roster'))),
      );
    },
    vcard: (jid) => fetchVcard(jid, request),
    picture: (jid) => fetchPicture(jid, request),
    request,
    setPresence,
    send,
    async sendAndAck(to, body, id) {
      const sentId = send(to, body, id);
      await acknowledged();
      return sentId;
    },
    chatState: (to, state) => write(chatStateStanza(stream.jid, to, state)),
    displayed: (to, id) =>
      write(
        xml(
          'message',
          { type: 'chat', to },
          xml('displayed', { xmlns: 'urn:xmpp:chat-markers:0', id }),
        ),
      ),
    sendStanza: (stanza) => write(stanza),
    acknowledged,
    waitFor: (condition, what = 'the operator', deadlineMs = WAIT_DEADLINE_MS) =>
      waitFor(() => condition(operator), { deadlineMs, what: () => `${what}; ${inbox.summary()}` }),
    async disconnect() {
      write(xml('presence', { type: 'unavailable' }));
      await stream.close(2_000);
    },
    drop: () => stream.destroy('dropped by the test'),
  };

  if (options.streamManagement) {
    const resume = options.streamManagement === 'resume' ? { resume: 'true' } : {};
    sent = 0;
    stream.send(xml('enable', { xmlns: SM, ...resume }));
    await waitFor(() => managed, { what: 'stream management' });
  }
  await operator.roster();
  if (options.presence !== false) {
    const { show, status, priority } = typeof options.presence === 'object' ? options.presence : {};
    setPresence(show, status, priority);
    await acknowledged();
  }
  return operator;
}
