/**
 * What operators' clients send to visitors' addresses and to the component itself. Queries are answered as a session
 * answers them, and with the vCard, which ejabberd has of an account. Messages are not for here: mod_lhc reports them.
 * Presences, probes and subscriptions to a contact stay in mod_lhc.
 */
import xml, { type Element } from '@xmpp/xml';
import type { Logger } from 'pino';
import { messageOf } from '../../errors.ts';
import { Lru } from '../../kit/lru.ts';
import { type Rate, TokenBucket } from '../../kit/token-bucket.ts';
import { avatarOf } from '../admin/avatar.ts';
import { DISCO_INFO } from '../capabilities.ts';
import { bareJid } from '../jid.ts';
import type { VisitorPresence } from '../port.ts';
import {
  answerStanza,
  answerTo,
  handled,
  isQuery,
  isWellFormed,
  type QueryHandler,
  queryError,
} from '../queries.ts';
import { vcardElement } from '../stanzas.ts';
import { contactPresence } from './contact-stanzas.ts';

/**
 * Queries of one operator that are answered. At a login a client asks for a picture of each contact; mod_lhc lets 200 pass
 * at once and 20 a second, for each session. More are answered with an error.
 */
export const ASKER_RATE: Rate = { burst: 400, perSecond: 100 };
/** Operators whose budget is remembered. */
const ASKERS_REMEMBERED = 1_000;
/** Queries of all operators that have no answer yet, at most: answers may need the log. */
export const QUERIES_AT_ONCE = 200;
/** The same of one operator. */
export const QUERIES_OF_ASKER_AT_ONCE = 20;

const VCARD = 'vcard-temp'; // XEP-0054

export interface InboxOptions {
  /** The virtual host. Only its accounts get answers. */
  readonly host: string;
  /** The component's domain. */
  readonly domain: string;
  /** Sends an answer, or drops it. */
  readonly reply: (text: string) => void;
  /** What this process shows of a visitor. */
  readonly presenceOf: (jid: string) => { presence: VisitorPresence; photo: string } | null;
  /** The name of a visitor whom this process does not show; null: there is no such visitor. */
  readonly nameOf: (jid: string) => Promise<string | null>;
  /** The text that a visitor's picture is drawn from. */
  readonly pictureSeed: (jid: string) => string;
  /** True if other processes show visitors of the same domain. */
  readonly isShared: boolean;
  readonly answerQuery: QueryHandler | undefined;
  readonly logger: Logger;
}

interface Asker {
  readonly budget: TokenBucket;
  running: number;
}

export class Inbox {
  readonly #options: InboxOptions;
  readonly #askers = new Lru<Asker>(ASKERS_REMEMBERED);
  #running = 0;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  /** Takes a query or a presence. @param now milliseconds of `performance.now()` */
  heard(stanza: Element, now: number): void {
    if (stanza.name === 'presence') this.#presence(stanza, now);
    else if (isQuery(stanza)) this.#query(stanza, now);
  }

  #query(stanza: Element, now: number): void {
    const { from = '' } = stanza.attrs;
    const isServer = from === this.#options.host;
    if (!isServer && !isAccountOf(from, this.#options.host)) {
      this.#answer(stanza, queryError('cancel', 'item-not-found'));
      return;
    }
    const asker = this.#askerOf(from);
    if (!isServer && !asker.budget.take(now)) {
      this.#answer(stanza, queryError('wait', 'resource-constraint'));
      return;
    }
    if (this.#running >= QUERIES_AT_ONCE || asker.running >= QUERIES_OF_ASKER_AT_ONCE) {
      this.#answer(stanza, queryError('wait', 'resource-constraint'));
      return;
    }
    this.#running += 1;
    asker.running += 1;
    this.#contentOf(stanza)
      .catch((error: unknown) => {
        this.#options.logger.warn({ reason: messageOf(error) }, 'a query was not answered');
        return queryError('wait', 'internal-server-error');
      })
      .then((content) => {
        this.#running -= 1;
        asker.running -= 1;
        this.#answer(stanza, content);
      });
  }

  async #contentOf(stanza: Element): Promise<Element | null> {
    const { to = '', from } = stanza.attrs;
    const { host, domain, answerQuery, nameOf, presenceOf } = this.#options;
    if (to === domain) return this.#ofComponent(stanza);
    const jid = bareJid(to);
    const name = presenceOf(jid)?.presence.nick ?? (await nameOf(jid));
    if (name === null) return queryError('cancel', 'item-not-found');
    if (!isWellFormed(stanza)) return answerTo(stanza);
    const special = answerQuery && from !== host && (await handled(answerQuery, stanza));
    if (special) return special;
    if (stanza.attrs.type === 'get' && stanza.getChild('vCard', VCARD)) {
      return vcardElement({ name, png: avatarOf(this.#options.pictureSeed(jid)) });
    }
    return answerTo(stanza);
  }

  /** The component is nobody: what a client sees that looks through ejabberd's services. */
  #ofComponent(stanza: Element): Element | null {
    if (stanza.attrs.type === 'get' && isWellFormed(stanza)) {
      const info = stanza.getChild('query', DISCO_INFO);
      if (info && info.attrs.node === undefined) {
        return xml(
          'query',
          { xmlns: DISCO_INFO },
          xml('identity', { category: 'component', type: 'generic', name: 'Visitors' }),
          xml('feature', { var: DISCO_INFO }),
        );
      }
      if (info) return queryError('cancel', 'item-not-found');
    }
    return answerTo(stanza);
  }

  /** A probe of somebody whom mod_lhc does not have (RFC 6121 §4.3). */
  #presence({ attrs: { type, from = '', to = '' } }: Element, now: number): void {
    const { host, presenceOf, isShared, reply } = this.#options;
    if (type !== 'probe' || !isAccountOf(from, host)) return;
    if (!this.#askerOf(from).budget.take(now)) return;
    const jid = bareJid(to);
    const shown = presenceOf(jid);
    if (shown) {
      const stanza = contactPresence({ jid, ...shown });
      stanza.attrs.to = from;
      reply(stanza.toString());
    } else if (!isShared) {
      reply(xml('presence', { type: 'unavailable', from: jid, to: from }).toString());
    }
  }

  #answer(stanza: Element, content: Element | null): void {
    const answer = answerStanza(stanza, content);
    answer.attrs.from = stanza.attrs.to;
    this.#options.reply(answer.toString());
  }

  #askerOf(from: string): Asker {
    const jid = bareJid(from);
    const asker = this.#askers.get(jid) ?? { budget: new TokenBucket(ASKER_RATE), running: 0 };
    this.#askers.set(jid, asker);
    return asker;
  }
}

/** True for a JID with a local part at this host. */
export function isAccountOf(jid: string, host: string): boolean {
  const bare = bareJid(jid);
  const at = bare.indexOf('@');
  return at > 0 && bare.slice(at + 1) === host;
}
