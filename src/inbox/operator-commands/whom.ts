/** The visitor whom an operator means: by an address, a key, a name or a part of it. */
import { personOf, type TenantId, VisitorKey } from '../../actors/ids.ts';
import { refuse } from '../../actors/machine/decider.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { TeamReading } from '../../runtime/desk-ports.ts';
import type { Actors } from '../../runtime/ports.ts';

/** Visitors that an answer to an operator lists, if several are meant. */
export const CHOICES_MAX = 10;

/** One visitor, or several of whom the operator has to choose. */
export type Whom =
  | { readonly visitor: VisitorKey }
  | { readonly visitors: VisitorKey[]; readonly more: number };

/** Visitors who are looked at, so that no second one with the same name is overlooked. */
export const MEANT_READ_MAX = 200;

const inOneCase = (text: string): string => text.normalize('NFC').toLowerCase();

/**
 * A visitor's whole name goes before a part of another one's, and before the key of one who has left. A part of a key names
 * nobody for certain: who writes `7` does not mean visitor 17.
 * @throws {AppError} `refused` if nobody is meant. It does not repeat what was written: a refusal becomes a fact, and a name
 * is personal
 */
export async function whomOf(
  {
    actors,
    tenants,
    team,
  }: {
    readonly actors: Pick<Actors, 'visitor'>;
    readonly tenants: Pick<TenantDirectory, 'ofHost'>;
    readonly team: Pick<TeamReading, 'find'>;
  },
  tenant: TenantId,
  text: string,
): Promise<Whom> {
  const person = personOf(text.replace(/^xmpp:/, ''), tenants.ofHost);
  if (person?.kind === 'visitor' && person.tenant === tenant) return { visitor: person.name };
  const key = VisitorKey.safeParse(text).data;
  const known = key === undefined ? null : await actors.visitor(tenant, key).state();
  if (key !== undefined && known?.presence === 'online') return { visitor: key };
  const { items, more } = await team.find(tenant, text, MEANT_READ_MAX);
  const wanted = inOneCase(text);
  const called = items.filter(({ nick }) => nick !== null && inOneCase(nick) === wanted);
  // The visitor with this key has left: their stream says so.
  if (key !== undefined && known && called.length === 0) return { visitor: key };
  const meant = called.length > 0 ? called : items;
  const [one, ...others] = meant;
  if (!one && more !== 0) {
    return refuse('too many visitors are on pages with this text; name the visitor by the key');
  }
  if (!one) return refuse('nobody on the site has this name, key or address');
  const isNamed = one.nick !== null && inOneCase(one.nick).includes(wanted);
  if (others.length === 0 && more === 0 && isNamed) return { visitor: one.key };
  const choices = meant.slice(0, CHOICES_MAX).map((each) => each.key);
  const unread = called.length > 0 ? 0 : Math.max(0, more);
  return { visitors: choices, more: meant.length - choices.length + unread };
}
