/** The IQs in which mod_lhc is told of contacts, and lists them. */
import type { Element } from '@xmpp/xml';
import { AppError } from '../../errors.ts';
import type { Contact } from '../port.ts';
import { MOST_CONTACTS } from '../port.ts';
import { returnedError } from '../returned-error.ts';
import { CONTACTS, contactPage, contactsIq, listIq } from './contact-stanzas.ts';
import type { Requests } from './requests.ts';

/** Contacts on one page of a list: mod_lhc's bound. */
export const CONTACTS_PER_PAGE = 500;
/** Pages of one list, at most. mod_lhc's own bound is some thousand contacts. */
const MOST_PAGES = 1_000;

/** Conditions of an IQ with contacts that one of them may have caused. */
const MAY_BE_ONE: ReadonlySet<string> = new Set([
  'bad-request',
  'item-not-found',
  'jid-malformed',
  'not-acceptable',
  'resource-constraint',
]);

export interface ContactRequests {
  /** As `ContactsOptions.send` (contacts.ts) has it. */
  send(entries: readonly string[]): Promise<void>;
  /** The contacts of an instance, page by page. @throws {AppError} */
  list(instance: string): AsyncGenerator<readonly Contact[]>;
}

/** @param addresses the component's domain, and the host whose operators see the contacts */
export function createContactRequests(
  requests: Pick<Requests, 'ask'>,
  addresses: { readonly from: string; readonly to: string },
): ContactRequests {
  return {
    async send(entries) {
      const answer = await requests.ask((id) => contactsIq({ id, ...addresses }, entries));
      if (answer.attrs.type === 'error') throw contactsError(answer);
    },
    async *list(instance) {
      let after = '';
      for (let pages = 0; pages < MOST_PAGES; pages++) {
        const query = { instance, after, max: CONTACTS_PER_PAGE };
        const answer = await requests.ask((id) => listIq({ id, ...addresses }, query));
        const page = answer.attrs.type === 'error' ? null : contactPage(answer);
        if (!page) throw contactsError(answer);
        yield page.contacts;
        const last = page.contacts.at(-1)?.jid;
        if (!page.more || last === undefined) return;
        after = last;
      }
      throw new AppError('unavailable', `mod_lhc lists more than ${MOST_PAGES} pages of contacts`);
    },
  };
}

/** Why mod_lhc did not take contacts, or list them. */
function contactsError(answer: Element): AppError {
  const { code, details } = returnedError(answer);
  const condition = String(details.condition);
  const text =
    answer.getChild('error')?.getChildText('text', 'urn:ietf:params:xml:ns:xmpp-stanzas') ?? '';
  const isUnknown = condition === 'service-unavailable' || condition === 'feature-not-implemented';
  const reason = isUnknown
    ? 'the mod_lhc of this ejabberd knows no contacts: it has to be newer'
    : `mod_lhc does not take the contacts: ${condition}${text && ` (${text.slice(0, 200)})`}`;
  const most = Number(answer.getChild('error')?.getChildText('most', CONTACTS) ?? Number.NaN);
  return new AppError(code, reason, {
    condition,
    returned: true,
    mayBeOne: MAY_BE_ONE.has(condition),
    ...(Number.isSafeInteger(most) && { [MOST_CONTACTS]: most }),
  });
}
