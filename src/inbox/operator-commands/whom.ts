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

const inOneCase = (text: string): string => text.normalize('NFC').toLowerCase();

/**
 * A visitor's whole name goes before a part of another one's. The key of one who has left goes behind names.
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
  const { items, more } = await team.find(tenant, text, CHOICES_MAX);
  const called = items.filter(({ nick }) => nick !== null && inOneCase(nick) === inOneCase(text));
  const [one, ...others] = called.length > 0 ? called : items;
  // The visitor with this key has left: their stream says so.
  if (!one && key !== undefined && known) return { visitor: key };
  if (!one) return refuse('nobody on the site has this name, key or address');
  const isMore = called.length === 0 && more !== 0;
  if (others.length === 0 && !isMore) return { visitor: one.key };
  const rest = called.length > 0 ? 0 : more;
  return { visitors: [one, ...others].map((each) => each.key), more: Math.max(0, rest) };
}
