/** Who did what an event reports, and to whom: operators and visitors by their JIDs, as their actors know them. */
import { bareJid, deskOf, type Person, personOf } from '../actors/ids.ts';
import type { OperatorCommand, OperatorState } from '../actors/operator/decisions.ts';
import type { TenantDirectory } from '../actors/tenant/directory.ts';
import type { VisitorCommand } from '../actors/visitor/decisions.ts';
import type { VisitorState } from '../actors/visitor/state.ts';
import { isStoreAway } from '../eventstore/port.ts';
import type { Actor, Actors, ActorView, Origin } from '../runtime/ports.ts';
import type { CommandPlace, Ends } from './operator-commands/carry-out.ts';
import type { InboxSignals, ReturnCondition } from './signals.ts';

export type Operator = Extract<Person, { kind: 'operator' }>;
export type Visitor = Extract<Person, { kind: 'visitor' }>;

export interface PeopleOptions {
  readonly actors: Actors;
  readonly tenants: TenantDirectory;
  readonly signals: Pick<InboxSignals, 'returned'>;
}

// Events are bounded by the batches that are at work, so no mailbox is too full for them.
export const sendToVisitor = (
  { actors }: PeopleOptions,
  { tenant, name }: Visitor,
  command: VisitorCommand,
  origin: Partial<Origin>,
) => actors.visitor(tenant, name).send(command, { ...origin, unbounded: true });

export const sendToOperator = (
  { actors }: PeopleOptions,
  { tenant, name }: Operator,
  command: OperatorCommand,
  origin: Partial<Origin>,
) => actors.operator(tenant, name).send(command, { ...origin, unbounded: true });

/** What an event says about who did it, and on which virtual host. */
export interface Source {
  readonly from: string;
  readonly host: string;
}

/** The operator who did it. They are of the event's host: a secret of mod_lhc may be for that host alone. */
export function operatorOf({ tenants }: PeopleOptions, { from, host }: Source): Operator | null {
  if (bareJid(from)?.host !== host.toLowerCase()) return null;
  const person = personOf(from, tenants.ofHost);
  return person?.kind === 'operator' ? person : null;
}

/** The operator and the visitor of a stanza; null if there are no two people of one tenant with these names. */
export function endsOf(options: PeopleOptions, event: Source & { to: string }): Ends | null {
  const operator = operatorOf(options, event);
  const visitor = personOf(event.to, options.tenants.ofHost);
  const isPair = visitor?.kind === 'visitor' && visitor.tenant === operator?.tenant;
  return operator && isPair ? { operator, visitor } : null;
}

/** The operator of the event's sender, if they wrote to the desk of their own tenant; otherwise null. */
export function operatorAtDesk(
  options: PeopleOptions,
  event: Source & { to: string },
): Operator | null {
  const operator = operatorOf(options, event);
  return operator && deskOf(event.to, options.tenants.ofHost) === operator.tenant ? operator : null;
}

/** The state of an actor. Another process may have changed it just now, so an answer of null is looked up again. */
async function stateOf<State>(
  actor: Actor<never, State>,
  fits: (state: ActorView<State>) => boolean = () => true,
): Promise<ActorView<State> | null> {
  const known = await actor.state();
  const state = known && fits(known) ? known : await actor.latest();
  return state && fits(state) ? state : null;
}

export const registeredOperator = (
  { actors }: PeopleOptions,
  { tenant, name }: Operator,
): Promise<ActorView<OperatorState> | null> =>
  stateOf(actors.operator(tenant, name), ({ context }) => context.registered);

export const knownVisitor = (
  { actors }: PeopleOptions,
  { tenant, name }: Visitor,
): Promise<ActorView<VisitorState> | null> => stateOf(actors.visitor(tenant, name));

/** Who writes, and where: both exist. */
export interface Conversation {
  readonly place: CommandPlace;
  readonly operator: ActorView<OperatorState>;
  /** null: it is the desk. */
  readonly visitor: ActorView<VisitorState> | null;
}

/** The conversation that a stanza belongs to, with a visitor or with the desk. If there is none, the stanza is returned to its sender. */
export async function conversationOf(
  options: PeopleOptions,
  event: Source & { to: string; id: string; room?: boolean | undefined },
): Promise<Conversation | null> {
  const sender = operatorOf(options, event);
  const operator = sender && (await registeredOperator(options, sender));
  if (!operator) {
    giveBack(options, event, 'forbidden', 'You are not registered as an operator.');
    return null;
  }
  if (operatorAtDesk(options, event)) {
    return { place: { operator: sender, visitor: null }, operator, visitor: null };
  }
  const ends = endsOf(options, event);
  const place = ends && { ...ends, ...(event.room && { room: true }) };
  const visitor = place && (await knownVisitor(options, place.visitor));
  if (visitor) return { place, operator, visitor };
  giveBack(options, event, 'item-not-found', 'Not delivered: this visitor is not known.');
  return null;
}

export function giveBack(
  options: PeopleOptions,
  { from, host, to, id }: Source & { to: string; id: string },
  condition: ReturnCondition,
  reason: string,
): void {
  const { tenants, signals } = options;
  const isOurs = bareJid(from)?.host === host.toLowerCase() && tenants.ofHost(host).length > 0;
  if (!isOurs) return;
  const tenant = operatorOf(options, { from, host })?.tenant ?? host.toLowerCase();
  signals.returned({ tenant, sender: from, addressee: to, id, condition, reason });
}

/** True if this operator is registered. An actor that cannot say so is taken for a registered one. */
export async function mayBeRegistered(options: PeopleOptions, operator: Operator) {
  try {
    return (await registeredOperator(options, operator)) !== null;
  } catch (error) {
    if (isStoreAway(error)) throw error;
    return true;
  }
}

/** The same for a visitor who is known. */
export async function mayBeKnown(options: PeopleOptions, visitor: Visitor): Promise<boolean> {
  try {
    return (await knownVisitor(options, visitor)) !== null;
  } catch (error) {
    if (isStoreAway(error)) throw error;
    return true;
  }
}
