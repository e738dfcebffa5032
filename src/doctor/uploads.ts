/**
 * Where operators' clients upload (XEP-0363), and whether the tenants' settings know it. A link that is at another address
 * goes to the visitor as a text: nobody has looked at the file, and no scanner.
 */
import xml, { type Element } from '@xmpp/xml';
import { type FileRules, isUpload } from '../actors/tenant/file-settings.ts';
import { type Finding, ok, warning } from './check.ts';
import { waitAtMost } from './wait-at-most.ts';

const ITEMS = 'http://jabber.org/protocol/disco#items'; // XEP-0030
const INFO = 'http://jabber.org/protocol/disco#info';
const UPLOAD = 'urn:xmpp:http:upload:0'; // XEP-0363
/** For all questions together. */
export const UPLOADS_DEADLINE_MS = 3_000;
/** Services of a host that are asked whether they take files. */
const MOST_SERVICES = 30;

export interface UploadTenant extends FileRules {
  readonly id: string;
}

export interface UploadProbe {
  /** To be given every stanza that the account gets. */
  stanza(stanza: Element): void;
  /** @returns what there is to say of these tenants of the host; nothing if ejabberd takes no files, or does not say */
  judge(host: string, tenants: readonly UploadTenant[]): Promise<Finding[]>;
}

/** @param send by the stream of an account of the host */
export function createUploadProbe(send: (stanza: Element) => void): UploadProbe {
  const waiting = new Map<string, (answer: Element) => void>();

  function ask(to: string, question: Element): Promise<Element> {
    const id = `uploads-${waiting.size}`;
    const { promise, resolve } = Promise.withResolvers<Element>();
    waiting.set(id, resolve);
    send(xml('iq', { type: 'get', id, to }, question));
    return promise;
  }

  async function takesFiles(to: string): Promise<string | undefined> {
    const info = await ask(to, xml('query', INFO));
    const features = info.getChild('query', INFO)?.getChildren('feature') ?? [];
    return features.some(({ attrs }) => attrs.var === UPLOAD) ? to : undefined;
  }

  /** The address of a small file that nobody sends, or undefined. */
  async function link(host: string): Promise<string | undefined> {
    const items = await ask(host, xml('query', ITEMS));
    const jids = (items.getChild('query', ITEMS)?.getChildren('item') ?? [])
      .flatMap(({ attrs }) => attrs.jid ?? [])
      .slice(0, MOST_SERVICES);
    const [service] = (await Promise.all(jids.map(takesFiles))).filter((jid) => jid !== undefined);
    if (service === undefined) return undefined;
    const file = { xmlns: UPLOAD, filename: 'doctor.txt', size: '1', 'content-type': 'text/plain' };
    const slot = await ask(service, xml('request', file));
    return slot.getChild('slot', UPLOAD)?.getChild('get')?.attrs.url;
  }

  return {
    stanza(stanza) {
      const { id = '', type } = stanza.attrs;
      if (stanza.is('iq') && (type === 'result' || type === 'error')) waiting.get(id)?.(stanza);
    },
    async judge(host, tenants) {
      const url = await waitAtMost(link(host), UPLOADS_DEADLINE_MS);
      return url === undefined ? [] : tenants.flatMap((tenant) => judgeUploads(tenant, url));
    },
  };
}

/** @param url of a file that an operator's client could upload */
export function judgeUploads(tenant: UploadTenant, url: string): Finding[] {
  if (!tenant.files.enabled || !URL.canParse(url)) return [];
  // ejabberd's links end with a folder of the account, a folder of the file, and its name.
  const place = new URL('../../', url).href;
  if (isUpload(tenant, url)) {
    return [ok(`files of operators of ${tenant.id} are looked at: they are uploaded to ${place}`)];
  }
  return [
    warning(
      `files of operators of ${tenant.id} reach visitors as links that nobody has looked at: they are uploaded to ${place}`,
      `set files.uploads of this tenant to ["${place}"] (docs/configuration.md#files), or files.enabled to false`,
    ),
  ];
}
