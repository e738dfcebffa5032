/** What a search found, by kind, and where each leads. Pure. */
import type { Found } from '../api/types.ts';
import { to } from '../route.ts';

export const KINDS: Readonly<Record<Found['kind'], string>> = {
  visitor: 'Visitors',
  operator: 'Operators',
  chat: 'Chats',
  message: 'Messages',
  trace: 'Traces',
};

export interface Group {
  readonly kind: Found['kind'];
  readonly name: string;
  readonly items: readonly Found[];
}

/** Those kinds that have results, in a fixed order; within a kind the order of the service, best first. */
export function groupsOf(items: readonly Found[]): Group[] {
  return (Object.keys(KINDS) as Found['kind'][]) // the keys of the record above
    .map((kind) => ({ kind, name: KINDS[kind], items: items.filter((one) => one.kind === kind) }))
    .filter((group) => group.items.length > 0);
}

/** The page of a result. A trace is found by its id, which is its title. */
export const addressOf = ({ kind, stream, revision, title }: Found): string =>
  kind === 'trace' ? to.trace(title) : to.stream(stream, revision);
