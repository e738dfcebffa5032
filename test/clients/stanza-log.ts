/** What clients write about stanzas into logs of their own, for people to read. */
import type { Contact } from './client.ts';

export interface StanzaLog {
  readonly sent: readonly string[];
  readonly received: readonly string[];
}

/**
 * The stanzas of a log, whose entries may have several of them, or a part of one.
 * @param entry the beginning of an entry, which may go on over several lines
 * @param sent the whole beginning of an entry that the client sent, up to the stanza; `received` of others
 */
export function logOfStanzas(
  log: string,
  entry: RegExp,
  sent: RegExp,
  received: RegExp,
): StanzaLog {
  const entries = log.split(entry);
  const all = (head: RegExp): string[] =>
    entries
      .flatMap((text) => (head.test(text) ? [text.replace(head, '').replace(/\n$/, '')] : []))
      .join('')
      .split(/(?=<(?:iq|message|presence|a|r)[\s/>])/);
  return { sent: all(sent), received: all(received) };
}

const attribute = (element: string, name: string): string =>
  new RegExp(`\\s${name}=["']([^"']*)["']`).exec(element)?.[1] ?? '';

const childText = (stanza: string, name: string): string =>
  new RegExp(`<${name}\\b[^>]*>([^<]*)</${name}>`).exec(stanza)?.[1] ?? '';

/** A contact as the last roster item and the last presence make it. */
export function contactOf(jid: string, received: readonly string[]): Contact | undefined {
  const item = received
    .flatMap((stanza) => stanza.match(/<item\b[^>]*>/g) ?? [])
    .findLast((each) => attribute(each, 'jid') === jid);
  if (item === undefined || attribute(item, 'subscription') === 'remove') return undefined;
  const presence =
    received.findLast(
      (stanza) =>
        stanza.startsWith('<presence') && attribute(stanza, 'from').split('/', 1)[0] === jid,
    ) ?? '';
  const type = attribute(presence.split('>', 1)[0] ?? '', 'type');
  return {
    name: attribute(item, 'name'),
    status: childText(presence, 'status'),
    show: presence === '' ? 'unavailable' : type || childText(presence, 'show') || 'available',
  };
}

/**
 * Counts stanzas by what they are: `iq get vcard-temp`, `presence`, `message`.
 * @returns the kinds, the most frequent first
 */
export function kindsOf(stanzas: readonly string[]): [kind: string, count: number][] {
  const kinds = stanzas
    .filter((stanza) => /^<(iq|presence|message)\b/.test(stanza))
    .map((stanza) => {
      const [name = ''] = /\w+/.exec(stanza) ?? [];
      if (name !== 'iq') return name;
      const type = attribute(stanza.split('>', 1)[0] ?? '', 'type');
      const payload = stanza.slice(stanza.indexOf('>') + 1);
      const namespace = payload.startsWith('<')
        ? attribute(payload.split('>', 1)[0] ?? '', 'xmlns')
        : '';
      const node = /<items\b[^>]*\snode=["']([^"']*)/.exec(payload)?.[1];
      return [name, type, node ?? namespace].filter(Boolean).join(' ');
    });
  const counts = [...Map.groupBy(kinds, (kind) => kind)].map(([kind, all]): [string, number] => [
    kind,
    all.length,
  ]);
  return counts.sort(([, one], [, other]) => other - one);
}
