/**
 * The adapter "component" of {@link VisitorTransport}: one XEP-0114 stream for all visitors of a host, and no accounts.
 * The only entry point of this folder.
 *
 * `kept-stream.ts` keeps the stream up, `contacts.ts` has whom operators should see, `outgoing.ts` what is sent,
 * `inbox.ts` answers operators' clients.
 */
import { createHash } from 'node:crypto';
import type { Element } from '@xmpp/xml';
import type { Logger } from 'pino';
import { AppError } from '../../errors.ts';
import type { RetryPolicy } from '../../kit/backoff.ts';
import { avatarOf } from '../admin/avatar.ts';
import { bareJid, splitJid } from '../jid.ts';
import type { ComponentTransport, Contact, OutgoingMessage, TransportListener } from '../port.ts';
import type { QueryHandler } from '../queries.ts';
import { returnedError } from '../returned-error.ts';
import {
  acknowledgementStanza,
  assertFits,
  chatStateStanza,
  messageStanza,
  returnedStanza,
} from '../stanzas.ts';
import { type ContactRequests, createContactRequests } from './contact-requests.ts';
import { contactPresence, visitorAddress } from './contact-stanzas.ts';
import { Contacts } from './contacts.ts';
import { INBOUND_PING, InboundCheck } from './inbound-check.ts';
import { Inbox, isAccountOf } from './inbox.ts';
import { COMPONENT_RETRY, KeptStream } from './kept-stream.ts';
import { ComponentOutgoing } from './outgoing.ts';
import { createRequests, type Requests } from './requests.ts';
import { createStarts } from './starts.ts';
import type { ComponentListener } from './stream.ts';

/** The default time after which a silent stream is pinged. */
export const COMPONENT_PING_INTERVAL_MS = 30_000;
/** The default time within which ejabberd has to answer a ping. */
export const COMPONENT_PING_DEADLINE_MS = 20_000;
const SHORTEST_CHECK_MS = 50;

export interface ComponentOptions {
  readonly listener: ComponentListener;
  /** The virtual host whose operators see these visitors. */
  readonly host: string;
  /** The domain of the visitors, e.g. `visitors.{host}`: as mod_lhc's `visitor_host`. */
  readonly domain: string;
  /**
   * A domain of this process alone, below `domain`, for several processes on one log: everything is sent by a second
   * stream of this name. ejabberd gives what comes to `domain` to any of the processes.
   */
  readonly ownDomain?: string | undefined;
  /** True if this process may act for this visitor now. Asked before each stanza. Default: always true. */
  readonly owns?: (jid: string) => boolean;
  /**
   * The name of a visitor whom this process does not show, for the vCard; null: there is no such visitor.
   * Default: nobody else is there.
   */
  readonly nameOf?: (jid: string) => Promise<string | null>;
  /** The text that a visitor's picture is drawn from. Default: the JID that they have with an account. */
  readonly pictureSeed?: (jid: string) => string;
  /** Answers what a visitor's client does not know of itself, such as ad-hoc commands. */
  readonly answerQuery?: QueryHandler | undefined;
  readonly logger: Logger;
  /** In [0, 1), for jitter. Default `Math.random`. */
  readonly random?: () => number;
  /** Default {@link HANDSHAKE_DEADLINE_MS}. */
  readonly handshakeDeadlineMs?: number;
  /** Default {@link COMPONENT_PING_INTERVAL_MS}. */
  readonly pingIntervalMs?: number;
  /** Default {@link COMPONENT_PING_DEADLINE_MS}. */
  readonly pingDeadlineMs?: number;
  /** Default {@link REQUEST_DEADLINE_MS}. */
  readonly requestDeadlineMs?: number;
  /** Default {@link COMPONENT_RETRY}. */
  readonly retry?: RetryPolicy;
  /** Connect to another machine without TLS, for a private network of containers. Default false. */
  readonly allowPlaintext?: boolean;
}

/** @see {@link ComponentTransport} for its promises */
export function createComponentTransport(options: ComponentOptions): ComponentTransport {
  return new Component(options);
}

type Settings = Required<
  Omit<ComponentOptions, 'ownDomain' | 'answerQuery' | 'handshakeDeadlineMs' | 'requestDeadlineMs'>
> &
  ComponentOptions;

class Component implements ComponentTransport {
  readonly unshown: ComponentTransport['unshown'];
  readonly #settings: Settings;
  /** The domain that this process sends from. */
  readonly #own: string;
  readonly #outgoing: ComponentOutgoing;
  readonly #contacts: Contacts;
  readonly #inbox: Inbox;
  readonly #listeners: TransportListener[] = [];
  readonly #requests: Requests;
  readonly #contactRequests: ContactRequests;
  readonly #starts = createStarts((jid) => {
    if (this.isOnline(jid)) this.#tell((listener) => listener.sessionStarted(jid));
  });
  /** What is sent goes here. */
  readonly #stream: KeptStream;
  /** What comes to visitors comes here, if that is another one. */
  readonly #inbound: KeptStream | undefined;
  readonly #inboundCheck: InboundCheck;
  readonly #timer: NodeJS.Timeout;
  #closed = false;

  constructor(options: ComponentOptions) {
    const settings: Settings = {
      owns: () => true,
      nameOf: async () => null,
      pictureSeed: (jid) => `${splitJid(jid).user}@${options.host}`,
      random: Math.random,
      pingIntervalMs: COMPONENT_PING_INTERVAL_MS,
      pingDeadlineMs: COMPONENT_PING_DEADLINE_MS,
      retry: COMPONENT_RETRY,
      allowPlaintext: false,
      ...options,
    };
    const { host, domain, ownDomain, pingIntervalMs, pingDeadlineMs, logger } = settings;
    this.#settings = settings;
    this.#own = ownDomain ?? domain;
    this.#outgoing = new ComponentOutgoing({
      domain: this.#own,
      host,
      pingIntervalMs,
      pingDeadlineMs,
    });
    this.#requests = createRequests((iq) => this.#outgoing.write(iq), settings.requestDeadlineMs);
    const addresses = { from: this.#own, to: host };
    this.#contactRequests = createContactRequests(this.#requests, addresses);
    this.#contacts = new Contacts({
      send: (entries) => this.#contactRequests.send(entries),
      photoOf: (jid) => photoOf(settings.pictureSeed(jid)),
      onShown: (jid) => {
        if (this.#outgoing.isUp) this.#tell((listener) => listener.sessionStarted(jid));
        else this.#starts.remember(jid);
      },
    });
    this.#inbox = new Inbox({
      host,
      domain,
      reply: (text) => this.#outgoing.writeExtra(text),
      presenceOf: (jid) => this.#contacts.presenceOf(jid),
      nameOf: settings.nameOf,
      pictureSeed: settings.pictureSeed,
      isShared: ownDomain !== undefined,
      answerQuery: settings.answerQuery,
      logger,
    });
    this.unshown = {
      sendMessage: (message) => this.#send(message),
      sendAcknowledgement: (from, to, what, id) =>
        this.#write(acknowledgementStanza(visitorAddress(from), to, what, id), from, to),
      sendChatState: async (from, to, state) =>
        this.#outgoing.writeExtra(chatStateStanza(visitorAddress(from), to, state).toString()),
      returnMessage: async (message) =>
        this.#write(returnedStanza(message), message.from, message.to),
    };
    this.#inboundCheck = new InboundCheck({ own: this.#own, host, pingIntervalMs, pingDeadlineMs });
    this.#stream = this.#keep(this.#own, {
      onUp: (stream) => {
        this.#outgoing.attach(stream);
        this.#contacts.attach();
        this.#tell((listener) => listener.streamStarted?.(host));
        this.#starts.begin();
      },
      onDown: (error) => this.#down(error),
    });
    this.#inbound =
      ownDomain === undefined
        ? undefined
        : this.#keep(domain, {
            onUp: () => this.#inboundCheck.heard(performance.now()),
            onDown: () => undefined,
          });
    const shorterMs = Math.min(pingIntervalMs, pingDeadlineMs);
    this.#timer = setInterval(() => this.#check(), Math.max(SHORTEST_CHECK_MS, shorterMs / 4));
    this.#timer.unref();
    this.#stream.connect();
    this.#inbound?.connect();
  }

  async online(jid: string, presence: Parameters<Contacts['show']>[1]): Promise<boolean> {
    this.#assertOwn(jid);
    return this.#contacts.show(jid, presence);
  }

  async offline(jid: string, isForGood = false): Promise<void> {
    const hidden = this.#contacts.hide(jid, isForGood);
    if (this.#outgoing.isUp) return hidden;
    // It is sent once there is a stream. Whoever waited for that would hold up whatever else is to be done for the visitor.
    hidden.catch(() => undefined);
    if (this.#contacts.isKnown(jid))
      throw new AppError('unavailable', this.#outgoing.failure.message);
  }

  release(jid: string, withinMs: number): void {
    this.#contacts.release(jid, withinMs, performance.now());
  }

  async releaseAll(withinMs: number): Promise<void> {
    for (const jid of this.#contacts.jids()) this.release(jid, withinMs);
  }

  /** The next owner finds the contacts in mod_lhc, so nobody waits for anybody. */
  handOverCount(): number {
    return 0;
  }

  isOnline(jid: string): boolean {
    return this.#outgoing.isUp && this.#contacts.isShown(jid);
  }

  async send(message: OutgoingMessage): Promise<void> {
    this.#assertShown(message.from);
    await this.#send(message);
  }

  chatState(from: string, to: string, state: Parameters<ComponentTransport['chatState']>[2]): void {
    const jid = bareJid(from);
    if (!this.isOnline(jid) || !this.#settings.owns(jid)) return;
    this.#outgoing.writeExtra(chatStateStanza(visitorAddress(jid), to, state).toString());
  }

  preview(from: string, to: string, status: string | null): void {
    const jid = bareJid(from);
    const shown = this.#contacts.presenceOf(jid);
    if (!shown || !this.isOnline(jid) || !this.#settings.owns(jid)) return;
    const presence = status === null ? shown.presence : { ...shown.presence, status };
    const stanza = contactPresence({ jid, presence, photo: shown.photo });
    stanza.attrs.to = to;
    this.#outgoing.writeExtra(stanza.toString());
  }

  async acknowledge(...[from, to, what, id]: Parameters<ComponentTransport['acknowledge']>) {
    this.#assertShown(from);
    await this.unshown.sendAcknowledgement(bareJid(from), to, what, id);
  }

  sessions(): readonly string[] {
    return this.#contacts.jids();
  }

  listen(listener: TransportListener): void {
    this.#listeners.push(listener);
  }

  contacts(instance: string): AsyncGenerator<readonly Contact[]> {
    return this.#contactRequests.list(instance);
  }

  found(jid: string, hash: string | null): void {
    this.#contacts.found(jid, hash);
  }

  /** Contacts stay: who restarts the service shows operators nothing new. */
  async close(deadlineMs: number): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#contacts.flush();
    const endsAt = performance.now() + deadlineMs;
    const isSettled = () => this.#contacts.isSettled && this.#outgoing.isSettled;
    while (this.#outgoing.isUp && !isSettled() && performance.now() < endsAt - deadlineMs / 2) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    clearInterval(this.#timer);
    const leftMs = Math.max(0, endsAt - performance.now());
    await Promise.all([this.#stream.close(leftMs), this.#inbound?.close(leftMs)]);
    this.#down(new AppError('unavailable', 'the component is closed'), false);
  }

  #keep(domain: string, on: Pick<ConstructorParameters<typeof KeptStream>[0], 'onUp' | 'onDown'>) {
    const { listener, allowPlaintext, handshakeDeadlineMs, retry, random, logger } = this.#settings;
    return new KeptStream({
      listener,
      domain,
      allowPlaintext,
      handshakeDeadlineMs,
      retry,
      random,
      logger,
      onStanza: (stanza) => this.#heard(stanza, domain),
      ...on,
    });
  }

  #down(error: AppError, tell = true): void {
    const wasUp = this.#outgoing.isUp;
    this.#outgoing.detach(error);
    this.#requests.failAll(error);
    this.#contacts.detach(error);
    this.#starts.end();
    const { host } = this.#settings;
    if (wasUp && tell) this.#tell((listener) => listener.streamLost?.(host, error.message));
  }

  #check(): void {
    const now = performance.now();
    this.#outgoing.check(now);
    this.#contacts.sweep(now);
    // A ping of that stream is answered to this process's own one. So both have to be there.
    this.#inboundCheck.check(now, this.#outgoing.isUp ? this.#inbound?.stream : undefined);
  }

  #heard(stanza: Element, domain: string): void {
    const now = performance.now();
    if (domain === this.#own) this.#outgoing.heard();
    else this.#inboundCheck.heard(now, false);
    const { id = '', from, type } = stanza.attrs;
    const { host } = this.#settings;
    if (stanza.name === 'iq' && (type === 'result' || type === 'error')) {
      if (this.#outgoing.answeredByRoom(stanza)) return;
      if (from !== undefined && from !== host) return;
      if (id === INBOUND_PING) this.#inboundCheck.heard(now);
      else if (!this.#outgoing.answered(id)) this.#requests.answered(stanza);
    } else if (stanza.name !== 'message') this.#inbox.heard(stanza, now);
    else if (type === 'error') this.#returned(stanza);
  }

  /**
   * ejabberd returns a message from the JID that it was sent to, and the receiver's client from a full JID of that
   * account. So an error from any other account is not about a message of ours.
   */
  #returned(stanza: Element): void {
    const { id = '', from = '', to = '' } = stanza.attrs;
    const { host, ownDomain, logger } = this.#settings;
    const sent = { id, from: bareJid(to), to: bareJid(from) };
    const error = returnedError(stanza);
    if (!isAccountOf(from, host)) {
      this.#outgoing.returnedByRoom({ ...sent, to: from }, error);
      return;
    }
    const outcome = this.#outgoing.returned(sent, error);
    // Another process may have sent it.
    if (outcome === 'rejected' || (outcome === null && ownDomain === undefined)) return;
    const level = outcome === null ? 'debug' : 'info';
    logger[level](
      { jid: sent.from, id, to: sent.to, reason: error.message },
      'message returned after it was taken',
    );
    this.#tell((listener) => listener.messageReturned?.(sent.from, { id, to: sent.to }, error));
  }

  async #send(message: OutgoingMessage): Promise<void> {
    assertFits(message);
    const { id, from, to, notice, room } = message;
    const stanza = messageStanza({ ...message, from: visitorAddress(bareJid(from)) });
    if (!room) return this.#write(stanza, from, to, !notice);
    await this.#outgoing.sendToRoom(stanza.toString(), { id, from, to });
  }

  async #write(stanza: Element, from: string, to: string, returnable = false): Promise<void> {
    const jid = bareJid(from);
    const sent = { id: stanza.attrs.id ?? '', from: jid, to: bareJid(to) };
    // Also if it fails: then it waits for the next stream.
    this.#starts.remember(jid);
    await this.#outgoing.send(stanza.toString(), sent, returnable);
  }

  #assertOwn(jid: string): void {
    if (this.#closed) throw new AppError('unavailable', 'The transport is closed.');
    if (!this.#settings.owns(jid)) {
      throw new AppError('unavailable', `another process owns ${jid} now`);
    }
  }

  /** @throws {AppError} `unavailable` */
  #assertShown(from: string): void {
    const jid = bareJid(from);
    splitJid(jid);
    this.#assertOwn(jid);
    const isNamedSoon = this.#starts.isWaiting(jid);
    if (this.isOnline(jid) && !isNamedSoon) return;
    if (!isNamedSoon) this.#starts.remember(jid);
    const { isUp, failure } = this.#outgoing;
    const why = isUp ? `operators do not see ${jid} now` : failure.message;
    throw new AppError('unavailable', `${why}: send again later`, { isOnItsWay: true });
  }

  #tell(call: (listener: TransportListener) => void): void {
    for (const listener of this.#listeners) call(listener);
  }
}

const photoOf = (seed: string): string => createHash('sha1').update(avatarOf(seed)).digest('hex');
