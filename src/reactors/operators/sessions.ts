/**
 * Operators' sessions as ejabberd has them. The service compares them at its start, when an operator is registered, and
 * whenever mod_lhc started: changes that mod_lhc did not report would be missed otherwise. A comparison that fails goes
 * on in the background until it succeeds, so nobody waits for as long as ejabberd is away.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { operatorJid, type TenantId, type Username } from '../../actors/ids.ts';
import type { Hook } from '../../actors/machine/idempotency.ts';
import { receivingSessions } from '../../actors/operator/availability.ts';
import type { Show } from '../../actors/operator/machine.ts';
import { requireTenant, type TenantDirectory } from '../../actors/tenant/directory.ts';
import { hasCode, isTransient, messageOf } from '../../errors.ts';
import { backoff, type RetryPolicy } from '../../kit/backoff.ts';
import { createLimiter } from '../../kit/limiter.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { EjabberdAdmin } from '../../xmpp/port.ts';

/** Operators that are compared at the same time. */
export const COMPARISONS_AT_ONCE = 8;
/** Waits between the tries to compare one operator. */
export const COMPARISON_RETRY: RetryPolicy = { firstMs: 500, mostMs: 30_000 };
/** How long events of mod_lhc wait for the comparison after its start. Then it goes on beside them. */
export const RESTART_WAIT_MS = 5_000;
/** A comparison that changed something is made once more after this time. */
export const CONFIRM_AFTER_MS = 1_000;
/** Comparisons of one operator in a row that change something. */
export const CONFIRMATIONS = 3;

export interface OperatorSessions {
  /**
   * Compares the sessions of one operator with ejabberd. Resolves after the first try. If that fails, more tries follow
   * in the background.
   * @returns whether the first try succeeded
   */
  compare(tenant: TenantId, username: Username): Promise<boolean>;
  /** Compares one operator in the background. @param ended ids of known sessions that nobody reports any more */
  compareSoon(tenant: TenantId, username: Username, ended: readonly string[]): void;
  /** Compares every registered operator of these tenants, in the background. */
  compareAll(tenants: readonly TenantId[]): void;
  /**
   * mod_lhc has started and reports the live sessions of these tenants: all sessions known so far have ended. Resolves
   * when that is compared with ejabberd, or after {@link RESTART_WAIT_MS}.
   * @param hook the webhook event that says so; operators whose stream has this event already are left out
   * @throws {AppError} if the event store is away
   */
  restarted(tenants: readonly TenantId[], hook: Hook): Promise<void>;
  /** Ends what goes on in the background. */
  stop(): void;
}

interface SessionsOptions {
  readonly actors: Actors;
  readonly admin: Pick<EjabberdAdmin, 'sessions'>;
  readonly tenants: TenantDirectory;
  /** Registered operators of a tenant, as far as this process has read the log. */
  readonly operatorsOf: (tenant: TenantId) => readonly Username[];
  readonly logger: Logger;
  readonly random?: () => number;
  /** Default {@link RESTART_WAIT_MS}. */
  readonly restartWaitMs?: number;
}

/** Somebody who waits for a comparison. */
interface Waiting {
  /** {@link Wanted.asked} when they came. Only a comparison that begins later counts. */
  readonly asked: number;
  /** True if the first try is enough, even if it fails. */
  readonly tryOnly: boolean;
  /** Told whether they were compared. */
  readonly resolve: (compared: boolean) => void;
}

/** A comparison that is wanted. */
interface Wanted {
  readonly tenant: TenantId;
  readonly username: Username;
  /** Ids of sessions that have ended, though ejabberd may have a session of the same resource. */
  readonly ended: Set<string>;
  /** The event that asked for it, for as long as no later event of its queue is taken. */
  hook: Hook | undefined;
  /** How often it was asked for. */
  asked: number;
  waiting: Waiting[];
  /** Ends the pause before a comparison that only confirms the last one. */
  hurry: () => void;
}

/** The presence for what ejabberd says of a session. */
function showOf(text: string): Show {
  if (text === 'chat' || text === 'away' || text === 'xa' || text === 'dnd') return text;
  return text === 'available' ? 'available' : null;
}

/**
 * Compares once. ejabberd's list is void if the operator's stream has moved since ejabberd was asked: mod_lhc may have
 * reported a session that is not in the list.
 * @returns how many facts it caused
 * @throws {AppError} `unavailable` if ejabberd is away, `conflict` if the stream has moved
 */
async function compareOnce(
  { actors, admin, tenants }: SessionsOptions,
  wanted: Wanted,
): Promise<number> {
  const { tenant: id, username, ended } = wanted;
  const tenant = requireTenant(tenants, id);
  const operator = actors.operator(id, username);
  const seenRevision = (await operator.latest())?.revision ?? -1;
  const sessions = (await admin.sessions(operatorJid(tenant, username))).map(
    ({ show, ...session }) => ({ ...session, show: showOf(show) }),
  );
  const command = { type: 'CompareSessions', sessions, ended: [...ended], seenRevision } as const;
  return (await operator.send(command, { hook: wanted.hook, unbounded: true })).facts;
}

/** Whether ejabberd has a session of this operator now that would get a message. @throws {AppError} `unavailable` if ejabberd is away */
export async function hasSession(
  { admin, tenants }: Pick<SessionsOptions, 'admin' | 'tenants'>,
  id: TenantId,
  username: Username,
): Promise<boolean> {
  const tenant = tenants.get(id);
  if (!tenant) return false;
  const sessions = (await admin.sessions(operatorJid(tenant, username))).map(
    ({ show, priority }) => ({ show: showOf(show), priority }),
  );
  return receivingSessions(sessions).length > 0;
}

export function createOperatorSessions(options: SessionsOptions): OperatorSessions {
  const { actors, operatorsOf, logger, random = Math.random } = options;
  const limited = createLimiter(COMPARISONS_AT_ONCE);
  const wanted = new Map<string, Wanted>();
  const stopping = new AbortController();

  const pause = (ms: number, hurry: AbortSignal): Promise<void> =>
    delay(ms, undefined, {
      ref: false,
      signal: AbortSignal.any([stopping.signal, hurry]),
    }).catch(() => undefined);

  /** Tries once. @returns how many facts it caused; null if it failed. @throws if another try is of no use */
  async function attempt(one: Wanted): Promise<number | null> {
    const { tenant, username, asked } = one;
    let facts: number | null = null;
    try {
      facts = await limited(() => compareOnce(options, one));
    } catch (error) {
      if (!isTransient(error) && !hasCode(error, 'conflict')) throw error;
      const reason = messageOf(error);
      logger.debug({ tenant, username, reason }, 'operator sessions not compared; trying again');
    }
    const isServed = (each: Waiting): boolean =>
      each.asked <= asked && (each.tryOnly || facts !== null);
    for (const { resolve } of one.waiting.filter(isServed)) resolve(facts !== null);
    one.waiting = one.waiting.filter((each) => !isServed(each));
    return facts;
  }

  /** Compares until nothing differs any more: a session may have ended while ejabberd was asked. */
  async function run(one: Wanted): Promise<void> {
    let failures = 0;
    let changes = 0;
    while (!stopping.signal.aborted) {
      const { asked } = one;
      const facts = await attempt(one);
      failures = facts === null ? failures + 1 : 0;
      changes = facts === 0 ? 0 : changes + 1;
      const isNew = one.asked !== asked;
      if (facts !== null && !isNew && (facts === 0 || changes >= CONFIRMATIONS)) return;
      if (isNew && facts !== null) continue;
      const hurry = new AbortController();
      one.hurry = facts === null ? () => undefined : () => hurry.abort();
      const waitMs =
        facts === null ? backoff(failures, COMPARISON_RETRY, random) : CONFIRM_AFTER_MS;
      await pause(waitMs, hurry.signal);
    }
  }

  async function runSafely(name: string, one: Wanted): Promise<void> {
    const { tenant, username } = one;
    try {
      await run(one);
    } catch (error) {
      logger.warn({ tenant, username, err: error }, 'operator sessions cannot be compared');
    } finally {
      wanted.delete(name);
      for (const { resolve } of one.waiting) resolve(false);
    }
  }

  /** Asks for a comparison. There is one at a time for each operator. */
  function want(
    tenant: TenantId,
    username: Username,
    ended: readonly string[],
    hook?: Hook,
  ): Wanted {
    const name = `${tenant}.${username}`;
    const known = wanted.get(name);
    if (known) {
      for (const id of ended) known.ended.add(id);
      known.hook = undefined;
      known.asked += 1;
      known.hurry();
      return known;
    }
    const one: Wanted = {
      tenant,
      username,
      ended: new Set(ended),
      hook,
      asked: 1,
      waiting: [],
      hurry: () => undefined,
    };
    wanted.set(name, one);
    void runSafely(name, one);
    return one;
  }

  const served = (one: Wanted, tryOnly: boolean): Promise<boolean> =>
    new Promise((resolve) => one.waiting.push({ asked: one.asked, tryOnly, resolve }));

  /** Asks for the comparison of an operator whose sessions of now have ended. @returns null if there are none */
  async function wantRestart(tenant: TenantId, username: Username, hook: Hook) {
    const state = await actors.operator(tenant, username).state();
    if (state?.seen.hasHook(hook)) return null;
    // mod_lhc reports the sessions that exist. Only sessions that we know may have ended unseen.
    const ended = Object.keys(state?.context.sessions ?? {});
    return ended.length > 0 ? want(tenant, username, ended, hook) : null;
  }

  return {
    compare: (tenant, username) => served(want(tenant, username, []), true),
    compareSoon: (tenant, username, ended) => void want(tenant, username, ended),
    compareAll(tenants) {
      for (const tenant of tenants) {
        for (const username of operatorsOf(tenant)) want(tenant, username, []);
      }
    },
    async restarted(tenants, hook) {
      const comparisons = tenants.flatMap((tenant) =>
        operatorsOf(tenant).map((username) =>
          // An actor that does not fit its machine has no sessions that count.
          wantRestart(tenant, username, hook).catch((error: unknown) => {
            if (hasCode(error, 'unfit')) return null;
            throw error;
          }),
        ),
      );
      const all = (await Promise.all(comparisons)).filter((one) => one !== null);
      const late = new AbortController();
      const waitMs = options.restartWaitMs ?? RESTART_WAIT_MS;
      await Promise.race([
        Promise.all(all.map((one) => served(one, false))),
        delay(waitMs, undefined, { signal: late.signal }).catch(() => undefined),
      ]);
      late.abort();
      // Later events of the queue follow. A comparison under the number of this one would count as a repeat.
      for (const one of all) one.hook = undefined;
    },
    stop: () => stopping.abort(),
  };
}
