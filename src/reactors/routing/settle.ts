/**
 * The two sides of chats made to agree, after crashes and after people left. The visitor's stream is right about who
 * has a chat (ADR 0004); who is gone or removed has none.
 */
import type { Logger } from 'pino';
import type { TenantId } from '../../actors/ids.ts';
import type { TenantSettings } from '../../actors/tenant/machine.ts';
import { isActorFailure, isRejected, messageOf } from '../../errors.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { Forsaken, Held, RoutingTables } from './tables.ts';

/** A reservation that was neither assigned nor released by then is settled by asking. */
const RESERVATION_DUE_MS = 10_000;

export interface Settling {
  readonly actors: Actors;
  readonly tables: RoutingTables;
  readonly now: () => number;
  /** Whether this process routes for the tenant still. */
  readonly isOurs: (tenant: TenantId) => boolean;
  readonly logger: Logger;
}

/** Under which a chat of this tenant is given. */
export const termsOf = (tenant: TenantSettings, department: string | null) => ({
  department,
  ownerGrace: tenant.ownerGrace * 1000,
});

/** Mends what the tables of a tenant show; what is refused meanwhile is seen anew by the next sweep. */
export async function settle(tenant: TenantSettings, settling: Settling): Promise<void> {
  const { tables, now } = settling;
  const { id } = tenant;
  const each = <T>(rows: readonly T[], mend: (row: T) => Promise<void>) =>
    mendEach(id, rows, mend, settling);
  // In this order: LHC may have given a chat to somebody who is gone, and taking it is what gives him time.
  await each(tables.untaken(id), (held) => takeOrGiveBack(tenant, held, settling));
  await each(tables.forsaken(id), (held) => giveUp(id, held, settling));
  await each(tables.finished(id), (held) =>
    release(id, held, 'the chat is closed or another operator has it', settling),
  );
  await each(tables.reservedBefore(id, now() - RESERVATION_DUE_MS), (held) =>
    revoke(tenant, held, settling),
  );
}

/** One after the other; an actor that cannot be used must not stand in the way of all others. */
async function mendEach<T>(
  tenant: TenantId,
  rows: readonly T[],
  mend: (row: T) => Promise<void>,
  { isOurs, logger }: Settling,
): Promise<void> {
  for (const row of rows) {
    if (!isOurs(tenant)) return;
    try {
      await mend(row);
    } catch (error) {
      if (!isActorFailure(error)) throw error;
      logger.warn({ tenant, reason: messageOf(error) }, 'a chat could not be mended; again later');
    }
  }
}

/** A chat of somebody who is gone or removed goes back to the queue. */
async function giveUp(
  tenant: TenantId,
  { visitor, chatId, operator, removed }: Forsaken,
  { actors }: Settling,
): Promise<void> {
  const context = (await actors.operator(tenant, operator).state())?.context;
  // The table lags behind the stream: he may have come back, or been registered again.
  if (removed ? context?.registered : !context?.gone) return;
  const reason = removed ? 'operator-removed' : 'owner-gone';
  const command = { type: 'UnassignChat', chatId, operator, reason } as const;
  await unlessRefused(actors.visitor(tenant, visitor).send(command));
}

/** Assigned and not taken yet: a crash came between, or LHC assigned it. */
async function takeOrGiveBack(
  tenant: TenantSettings,
  { visitor, chatId, operator, reservation, department }: Held,
  { actors }: Settling,
): Promise<void> {
  const chat = (await actors.visitor(tenant.id, visitor).state())?.context.chat;
  if (chat?.id !== chatId || chat.operator !== operator || chat.reservation !== reservation) return;
  const held = { reservation, visitor, chatId, ...termsOf(tenant, department) };
  if (
    await unlessRefused(actors.operator(tenant.id, operator).send({ type: 'TakeChat', ...held }))
  ) {
    return;
  }
  // Its reservation is gone with a registration that was removed and made anew: nobody would count it.
  const reason = 'operator-removed';
  await unlessRefused(
    actors.visitor(tenant.id, visitor).send({ type: 'UnassignChat', chatId, operator, reason }),
  );
}

async function release(
  tenant: TenantId,
  { visitor, chatId, operator, reservation }: Held,
  reason: string,
  { actors }: Settling,
): Promise<void> {
  const held = { reservation, visitor, chatId };
  await unlessRefused(
    actors.operator(tenant, operator).send({ type: 'ReleaseChat', ...held, reason }),
  );
}

/** A reservation that was not used in time. */
async function revoke(tenant: TenantSettings, held: Held, settling: Settling): Promise<void> {
  const { actors } = settling;
  const { visitor, chatId, operator, reservation, department } = held;
  if (reservation === null) return;
  // Revoked first: an assignment that is still on its way is refused then.
  const revoked = await unlessRefused(
    actors.visitor(tenant.id, visitor).send({ type: 'RevokeReservation', reservation }),
  );
  if (revoked) return release(tenant.id, held, 'the reservation was not used in time', settling);
  const taken = { reservation, visitor, chatId, ...termsOf(tenant, department) };
  await unlessRefused(actors.operator(tenant.id, operator).send({ type: 'TakeChat', ...taken }));
}

/** The tables lag behind the streams, so a wish may come too late; the next sweep sees what is true then. */
export async function unlessRefused(wish: Promise<unknown>): Promise<boolean> {
  try {
    await wish;
    return true;
  } catch (error) {
    if (!isRejected(error)) throw error;
    return false;
  }
}
