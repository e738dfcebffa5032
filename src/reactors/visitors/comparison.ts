/**
 * Compares ejabberd with the log: at the start, whenever mod_lhc starts, for partitions that this process gains, and
 * every few minutes. Repairs differences only, and removes orphans: accounts and members that no fact calls for. It
 * removes nothing while the accounts belong to another log (`accounts-log.ts`). `compared-host.ts` compares one host.
 */
import { isExpected, messageOf } from '../../errors.ts';
import { backoff, type RetryPolicy } from '../../kit/backoff.ts';
import { PARTITIONS } from '../../runtime/leases/ownership.ts';
import type { EjabberdAdmin, VisitorTransport } from '../../xmpp/port.ts';
import type { VisitorAccounts } from './accounts.ts';
import type { AccountsLog } from './accounts-log.ts';
import { compareHost, markWanted } from './compared-host.ts';
import type { OperatorsOptions } from './compared-operators.ts';
import type { ContactTable, VisitorContacts } from './contacts.ts';
import type { DesiredVisitors, Visitor } from './desired.ts';
import type { Leftovers } from './leftovers.ts';

/** Waits between the tries of a comparison while ejabberd is away. */
export const COMPARISON_RETRY: RetryPolicy = { firstMs: 500, mostMs: 30_000 };
const ALL: readonly number[] = Array.from({ length: PARTITIONS }, (_, partition) => partition);

export interface Comparison {
  /**
   * Compares everything that this process owns in these partitions (default: all). Resolves when one comparison has
   * succeeded. While ejabberd is away it waits, with backoff. A host that fails does not hold up the others. One
   * comparison runs at a time, and all requests that arrive meanwhile are one more.
   */
  run(partitions?: Iterable<number>): Promise<void>;
  stop(): void;
}

export interface ComparisonOptions extends OperatorsOptions {
  readonly desired: DesiredVisitors;
  readonly accounts: VisitorAccounts;
  readonly contacts: VisitorContacts;
  readonly contactTable: ContactTable;
  readonly transport: Pick<VisitorTransport, 'isOnline' | 'offline'>;
  readonly accountsLog: AccountsLog;
  readonly leftovers: Pick<Leftovers, 'mark'>;
  readonly admin: EjabberdAdmin;
  /** Resolves when the table of desired visitors has seen the whole log. */
  readonly caughtUp: () => Promise<void>;
  /** Visitors that somebody works on. The comparison leaves them alone, and adds those that it works on itself. */
  readonly busy: Set<string>;
  readonly idOf: (visitor: Visitor) => string;
  /** Called with each visitor that has to be reconciled. */
  readonly mark: (visitor: Visitor) => void;
  readonly random: () => number;
}

/** Requests that one comparison serves. */
interface Turn {
  readonly partitions: Set<number>;
  readonly waiting: (() => void)[];
}

/** @returns the hosts whose comparison failed. A host that ejabberd does not serve always fails. */
async function compareHosts(
  options: ComparisonOptions,
  names: Iterable<string>,
  scope: ReadonlySet<number>,
  isFirst: boolean,
): Promise<string[]> {
  const failed: string[] = [];
  for (const name of names) {
    try {
      await compareHost(options, name, scope);
    } catch (error) {
      failed.push(name);
      options.logger[isFirst && !isExpected(error) ? 'warn' : 'debug'](
        { host: name, reason: messageOf(error) },
        'the comparison of ejabberd with the log failed, and will be tried again',
      );
      if (isFirst) await markWanted(options, name, scope).catch(() => undefined);
    }
  }
  return failed;
}

export function createComparison(options: ComparisonOptions): Comparison {
  const { tenants, ownership, random } = options;
  let next: Turn | null = null;
  /** Ends the wait between two tries. */
  let wakeUp = (): void => {};
  let running: Promise<void> = Promise.resolve();
  let stopped = false;

  /** Waits until the time is over or another comparison is requested. */
  async function pause(ms: number): Promise<void> {
    const over = Promise.withResolvers<void>();
    wakeUp = over.resolve;
    const timer = setTimeout(over.resolve, ms).unref();
    await over.promise;
    clearTimeout(timer);
  }

  /** @returns false if another request arrived first, whose comparison has to include this one */
  async function compareAll(scope: ReadonlySet<number>): Promise<boolean> {
    let hosts: Iterable<string> = new Set(tenants.all().map(({ host }) => host));
    for (let attempt = 1; !stopped; attempt++) {
      // This process has lost all these partitions. Their new owner compares them.
      if (![...scope].some((partition) => ownership.owns(partition))) return true;
      const failed = await compareHosts(options, hosts, scope, attempt === 1);
      if (failed.length === 0) return true;
      hosts = failed;
      if (!next) await pause(backoff(attempt, COMPARISON_RETRY, random));
      if (next) return false; // the new request must not wait for a host that fails
    }
    return true;
  }

  async function takeTurn(): Promise<void> {
    const turn = next;
    next = null;
    if (!turn) return;
    if ((await compareAll(turn.partitions)) || !next) {
      for (const resolve of turn.waiting) resolve();
      return;
    }
    const following: Turn = next;
    for (const partition of turn.partitions) following.partitions.add(partition);
    following.waiting.push(...turn.waiting);
  }

  return {
    run(partitions = ALL) {
      if (!next) {
        next = { partitions: new Set(), waiting: [] };
        running = running.then(takeTurn);
        wakeUp();
      }
      for (const partition of partitions) next.partitions.add(partition);
      const { promise, resolve } = Promise.withResolvers<void>();
      next.waiting.push(resolve);
      return promise;
    },
    stop() {
      stopped = true;
      wakeUp();
    },
  };
}
