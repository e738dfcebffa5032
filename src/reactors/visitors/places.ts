/**
 * Visitors at the place of their tenant's transport. After a change of the transport they are shown at the new place
 * first, and then leave the other one, which keeps nothing of them.
 */
import { otherVisitorJid, visitorJid } from '../../actors/ids.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { AppError, messageOf } from '../../errors.ts';
import type { FoundAccount } from './accounts.ts';
import type { Visitor } from './desired.ts';
import { HandedOver, type VisitorPlace, type Work } from './place.ts';

/** A visitor, without the address. */
export type Task = Omit<Work, 'jid'>;

/** Visitors who are at another address than before. */
export interface Moves {
  /**
   * A visitor is shown at their present address, and leaves the former one: operators in a chat with them have to know.
   * Repeated if the process dies before the visitor has left.
   * @param from the former address
   * @throws {AppError} `unavailable`: ask again
   */
  moved(tenant: Tenant, visitor: Visitor, from: string): Promise<void>;
}

export interface VisitorPlaces {
  show(task: Task): Promise<void>;
  hide(task: Task): Promise<void>;
  remove(task: Task): Promise<void>;
  /** Addresses that something is known of at the place that the tenant does not have any more. */
  former(tenant: Tenant): Iterable<string>;
  /** Forgets what is known of these addresses. */
  forget(isForgotten: (jid: string) => boolean): void;
}

/** Why all is done at the present place, and something is left to do at the other one. */
const NOT_LEFT = 'the former place was not left';

/** True if operators see what they should, and only the place of the former transport is left to clear. */
export const isDoneHere = (error: unknown): boolean =>
  error instanceof AppError && error.details.reason === NOT_LEFT;

interface Places {
  readonly accounts: VisitorPlace<FoundAccount>;
  readonly contacts: VisitorPlace<string | null>;
}

export function createVisitorPlaces({ accounts, contacts }: Places, moves: Moves): VisitorPlaces {
  type Any = Omit<VisitorPlace<never>, 'found'>;
  const at = ({ transport }: Tenant): Any => (transport === 'component' ? contacts : accounts);
  const notAt = ({ transport }: Tenant): Any => (transport === 'component' ? accounts : contacts);
  const workOf = (task: Task): Work => ({
    ...task,
    jid: visitorJid(task.tenant, task.visitor.key),
  });

  /** @throws {AppError} `unavailable`: they are shown all the same, so nobody has to hear of it */
  async function leaveFormer(task: Task, isShown: boolean): Promise<void> {
    const { tenant, visitor } = task;
    const jid = otherVisitorJid(tenant, visitor.key);
    const former = notAt(tenant);
    if (!former.has(jid)) return;
    try {
      if (isShown) await moves.moved(tenant, visitor, jid);
      await former.leave({ ...task, jid });
    } catch (error) {
      if (error instanceof HandedOver) throw error;
      const reason = `${jid} could not be removed: ${messageOf(error)}`;
      throw new AppError('unavailable', reason, { reason: NOT_LEFT });
    }
  }

  return {
    async show(task) {
      await at(task.tenant).show(workOf(task));
      await leaveFormer(task, true);
    },
    async hide(task) {
      await at(task.tenant).hide(workOf(task));
      await leaveFormer(task, false);
    },
    async remove(task) {
      await at(task.tenant).remove(workOf(task));
      await leaveFormer(task, false);
    },
    former: (tenant) => notAt(tenant).known(),
    forget(isForgotten) {
      for (const place of [accounts, contacts]) {
        for (const jid of [...place.known()]) if (isForgotten(jid)) place.forget(jid);
      }
    },
  };
}
