/**
 * Makes the two sides of a chat agree after crashes, and after operators left. The visitor's stream is right about the
 * owner of a chat (docs/adr/0004). An operator who stays away or was removed owns no chat.
 */
import type { Logger } from 'pino';
import { streamOf, type TenantId, visitorRef } from '../../actors/ids.ts';
import { AHEAD_MOST_MS } from '../../actors/machine/timers.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { isActorFailure, isRejected, messageOf } from '../../errors.ts';
import { causedBy } from '../../runtime/cause.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { Assignment, OrphanedChat, RoutingTables } from './table-queries.ts';

/** A reservation that is older is revoked, unless its chat was assigned or its place is free again. */
export const RESERVATION_DEADLINE_MS = 10_000;

export interface RepairOptions {
  readonly actors: Actors;
  readonly tables: RoutingTables;
  readonly now: () => number;
  /** True if this process still routes for the tenant. */
  readonly isOurs: (tenant: TenantId) => boolean;
  readonly logger: Logger;
}

/** True if LHC picks the operators itself: this service takes no chat from anybody (docs/adr/0037). */
export const isRoutedByLhc = ({ routing }: Pick<Tenant, 'routing'>): boolean =>
  routing.by === 'lhc';

/** What an operator's stream records of a chat's settings when the operator gets the chat. */
export const chatTerms = (tenant: Tenant, department: string | null) => ({
  department,
  ownerGrace: tenant.ownerGrace * 1000,
});

/**
 * Sends a command that may come too late, because the tables lag behind the streams. A rejection is no error: the next
 * sweep sees the newer state.
 * @returns false if the actor rejected the command
 */
export async function tryCommand(sending: Promise<unknown>): Promise<boolean> {
  try {
    await sending;
    return true;
  } catch (error) {
    if (!isRejected(error)) throw error;
    return false;
  }
}

/** Repairs every difference that the tables show for this tenant. */
export async function repairChats(tenant: Tenant, options: RepairOptions): Promise<void> {
  const { tables, now } = options;
  const { id } = tenant;
  const each = <T extends ChatPlace>(rows: readonly T[], repair: (row: T) => Promise<void>) =>
    repairEach(id, rows, repair, options);
  // The order counts: LHC may have given a chat to an operator who is away. The confirmation starts a new grace period.
  await each(tables.unconfirmed(id), (chat) => confirm(tenant, chat, options));
  if (!isRoutedByLhc(tenant)) {
    await each(tables.orphans(id), (chat) => requeue(id, chat, options));
  }
  await each(tables.obsolete(id), (chat) =>
    release(id, chat, 'the chat is closed, in the queue, or another operator has it', options),
  );
  const at = now();
  const old = tables.reservedBefore(id, at - RESERVATION_DEADLINE_MS, at + AHEAD_MOST_MS);
  await each(old, (chat) => revoke(tenant, chat, options));
}

type ChatPlace = Pick<Assignment, 'visitor' | 'chatId' | 'cause'>;

/**
 * What is repaired goes back to the fact that made it necessary: the end of the chat, the operator's absence. Where no table
 * knows it, to the one that the chat's current round began with, if the chat is still there.
 */
async function causedByDifference(
  tenant: TenantId,
  { visitor, chatId, cause }: ChatPlace,
  actors: Actors,
  work: () => Promise<void>,
): Promise<void> {
  if (cause) return causedBy(cause, work);
  // Without the visitor's state the work goes on: it may need the operator alone.
  const state = await actors
    .visitor(tenant, visitor)
    .state()
    .catch(() => null);
  const chat = state?.context.chat;
  if (chat?.id !== chatId) return work();
  const stream = streamOf(visitorRef(tenant, visitor));
  return causedBy({ stream, revision: chat.searchRevision }, work);
}

/** Sequential. One actor that cannot be used does not stop the others. */
async function repairEach<T extends ChatPlace>(
  tenant: TenantId,
  rows: readonly T[],
  repair: (row: T) => Promise<void>,
  { actors, isOurs, logger }: RepairOptions,
): Promise<void> {
  for (const row of rows) {
    if (!isOurs(tenant)) return;
    try {
      await causedByDifference(tenant, row, actors, () => repair(row));
    } catch (error) {
      if (!isActorFailure(error)) throw error;
      logger.warn(
        { tenant, reason: messageOf(error) },
        'a chat could not be repaired; the next sweep tries again',
      );
    }
  }
}

/** Confirms an assignment on the operator's stream: a crash came in between, or LHC assigned the chat. */
async function confirm(
  tenant: Tenant,
  { visitor, chatId, operator, reservation, department }: Assignment,
  { actors }: RepairOptions,
): Promise<void> {
  const chat = (await actors.visitor(tenant.id, visitor).state())?.context.chat;
  if (chat?.id !== chatId || chat.operator !== operator || chat.reservation !== reservation) return;
  const terms = chatTerms(tenant, department);
  const confirm = { type: 'ConfirmChat', reservation, visitor, chatId, ...terms } as const;
  if (await tryCommand(actors.operator(tenant.id, operator).send(confirm))) return;
  // The operator was removed and registered again, so the reservation does not exist. Nothing would count this chat.
  const reason = 'operator-removed';
  await tryCommand(
    actors.visitor(tenant.id, visitor).send({ type: 'UnassignChat', chatId, operator, reason }),
  );
}

/** Puts the chat of an operator who stays away or was removed back into the queue. */
async function requeue(
  tenant: TenantId,
  { visitor, chatId, operator, removed }: OrphanedChat,
  { actors }: RepairOptions,
): Promise<void> {
  const context = (await actors.operator(tenant, operator).state())?.context;
  // The table lags behind the stream: the operator may have come back, or may be registered again.
  if (removed ? context?.registered : !context?.gone) return;
  const reason = removed ? 'operator-removed' : 'owner-gone';
  await tryCommand(
    actors.visitor(tenant, visitor).send({ type: 'UnassignChat', chatId, operator, reason }),
  );
}

async function release(
  tenant: TenantId,
  { visitor, chatId, operator, reservation }: Assignment,
  reason: string,
  { actors }: RepairOptions,
): Promise<void> {
  const command = { type: 'ReleaseChat', reservation, visitor, chatId, reason } as const;
  await tryCommand(actors.operator(tenant, operator).send(command));
}

/** Ends a reservation that was not used in time. */
async function revoke(tenant: Tenant, chat: Assignment, options: RepairOptions): Promise<void> {
  const { actors } = options;
  const { visitor, chatId, operator, reservation, department } = chat;
  if (reservation === null) return;
  // Revoked before it is released, so that an assignment that is still under way is refused.
  const revoked = await tryCommand(
    actors.visitor(tenant.id, visitor).send({ type: 'RevokeReservation', reservation }),
  );
  if (revoked) return release(tenant.id, chat, 'the reservation was not used in time', options);
  const terms = chatTerms(tenant, department);
  const confirm = { type: 'ConfirmChat', reservation, visitor, chatId, ...terms } as const;
  await tryCommand(actors.operator(tenant.id, operator).send(confirm));
}
