/** Who can log in on this page: operators of its tenant. */
import type { PageSettings } from '../../src/http/web-client/page.ts';

type Naming = Pick<PageSettings, 'host' | 'suffix'>;

/**
 * The local part of an operator's address from what they typed: a username, or their address.
 * @returns the text as it is if it is an address of another host, which Converse.js then refuses
 */
export function localPartOf(typed: string, { host, suffix }: Naming): string {
  const text = typed.trim().toLowerCase();
  const local = text.endsWith(`@${host}`) ? text.slice(0, -host.length - 1) : text;
  return local === '' || local.endsWith(suffix) ? local : `${local}${suffix}`;
}

/** Where Converse.js keeps who was logged in last, for all pages of a site. */
const LAST_JID = 'conversejs-session-jid';

/**
 * Whom the last visit to the site has left logged in may be of another tenant, whose page is another one: they are forgotten.
 * So is what the browser itself would log in with, as it knows no tenants; it still offers passwords in the form.
 */
export function forgetOthers({ host, suffix }: Naming): void {
  const last = localStorage.getItem(LAST_JID);
  if (last !== null && !last.endsWith(`${suffix}@${host}`)) localStorage.removeItem(LAST_JID);
  Reflect.deleteProperty(Navigator.prototype, 'credentials');
}
