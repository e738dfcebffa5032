/**
 * Callbacks of ejabberd's older modules, for sites that keep those (docs/xmppservice.md): what they say becomes the events that our
 * mod_lhc reports. They carry no ids, numbers or sessions, and are posted once, whatever the answer is. So no repeat can be
 * known, and sessions are asked of ejabberd.
 *
 * With both modules in ejabberd each message would be said twice. So once mod_lhc reports from a host, the older modules'
 * messages of that host are ignored, until mod_lhc has been silent for {@link MOD_LHC_SILENT_MS}.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { personOf, type TenantId, type Username } from '../actors/ids.ts';
import { areStandIns } from '../actors/operator/availability.ts';
import type { TenantDirectory } from '../actors/tenant/directory.ts';
import { AppError } from '../errors.ts';
import { createLineBudget } from '../kit/line-budget.ts';
import { Lru } from '../kit/lru.ts';
import { Mailboxes } from '../runtime/host/mailbox.ts';
import type { Actors, Inbox, OlderModules, OlderReport } from '../runtime/ports.ts';

/** mod_lhc reports a sign of life of each operator every minute or so. */
export const MOD_LHC_SILENT_MS = 10 * 60_000;
/** Callbacks of one operator that wait for each other. Their session in ejabberd posts one at a time. */
export const CALLBACKS_OF_OPERATOR = 64;
/** Operators whose queue is remembered. */
const QUEUES_REMEMBERED = 10_000;
const HOSTS_REMEMBERED = 1_000;

/** Which module of ejabberd reports: ours, which signs its events, or the older ones. */
export interface Reporters {
  /** Events that mod_lhc has signed have come. */
  noteSigned(events: readonly unknown[]): void;
  /** True if mod_lhc reports from this host, as this process has heard. */
  isSigned(host: string): boolean;
  /** True if only the older modules report on this operator: then nobody says that a message was delivered. */
  areOlderAlone(tenant: TenantId, name: Username): Promise<boolean>;
}

/** @param isAllowed whether the older modules may post at all */
export function createReporters(
  {
    actors,
    tenants,
    monotonic,
  }: {
    readonly actors: Pick<Actors, 'operator'>;
    readonly tenants: TenantDirectory;
    /** ms, never backwards */
    readonly monotonic: () => number;
  },
  isAllowed: boolean,
): Reporters {
  const signedAt = new Lru<number>(HOSTS_REMEMBERED);
  const isSigned = (host: string): boolean => {
    const at = signedAt.peek(host);
    return at !== undefined && monotonic() - at < MOD_LHC_SILENT_MS;
  };
  return {
    isSigned,
    noteSigned(events) {
      if (!isAllowed) return;
      for (const event of events) {
        const host = (event as { host?: unknown } | null)?.host; // unparsed JSON
        if (typeof host === 'string') signedAt.set(host.toLowerCase(), monotonic());
      }
    },
    async areOlderAlone(tenant, name) {
      const settings = isAllowed ? tenants.get(tenant) : undefined;
      if (!settings || isSigned(settings.host)) return false;
      const state = await actors.operator(tenant, name).state();
      return areStandIns(Object.keys(state?.context.sessions ?? {}));
    },
  };
}

interface OlderModulesOptions {
  readonly actors: Pick<Actors, 'operator'>;
  readonly tenants: TenantDirectory;
  readonly inbox: Inbox;
  readonly reporters: Pick<Reporters, 'isSigned'>;
  /** Compares an operator's sessions with ejabberd, in the background. @param ended ids of sessions that nobody reports any more */
  readonly compareSessions: (tenant: TenantId, name: Username, ended: readonly string[]) => void;
  /** ms since 1970 */
  readonly now: () => number;
  readonly logger: Logger;
}

export function createOlderModules(options: OlderModulesOptions): OlderModules {
  const { actors, tenants, inbox, compareSessions, now, logger } = options;
  const { isSigned } = options.reporters;
  const queues = new Lru<{ readonly queueId: string; seq: number }>(QUEUES_REMEMBERED);
  const boxes = new Mailboxes(CALLBACKS_OF_OPERATOR);
  const lines = createLineBudget();

  function ignored(host: string, why: string): void {
    const line = lines(`${why} ${host}`);
    logger[line ? 'warn' : 'debug']({ host, ...line }, `a callback of the older modules: ${why}`);
  }

  /** The next number of this sender's queue. It is new with each process, so nothing is taken for a repeat. */
  function numbered(sender: string) {
    const queue = queues.get(sender) ?? { queueId: randomUUID(), seq: 0 };
    queue.seq += 1;
    queues.set(sender, queue);
    return { queueId: queue.queueId, seq: queue.seq };
  }

  const takeInOrder = (sender: string, event: object): Promise<void> =>
    boxes.run(sender, () =>
      inbox.take([{ ...numbered(sender), at: new Date(now()).toISOString(), ...event }]),
    );

  /** An operator of a tenant of ours, registered or not. */
  function operatorOf(local: string, host: string) {
    const person = personOf(`${local}@${host}`, tenants.ofHost);
    return person?.kind === 'operator' ? person : null;
  }

  async function alive(host: string, local: string, resource: string): Promise<void> {
    const operator = operatorOf(local, host);
    if (!operator) return;
    const { tenant, name } = operator;
    const context = (await actors.operator(tenant, name).state())?.context;
    if (!context?.registered) return;
    const sessions = Object.values(context.sessions);
    if (!sessions.some((session) => session.resource === resource)) {
      compareSessions(tenant, name, []); // the login was not reported
      return;
    }
    await takeInOrder(`${local}@${host}`, { type: 'operator.ping', host, user: local, resource });
  }

  async function sessionChanged(host: string, local: string): Promise<void> {
    const operator = operatorOf(local, host);
    if (!operator) return;
    const { tenant, name } = operator;
    const context = (await actors.operator(tenant, name).state())?.context;
    if (!context?.registered) return;
    // A session that mod_lhc has reported, on a host that it has left, would be believed for ever.
    const ended = isSigned(host) ? [] : Object.keys(context.sessions);
    // ejabberd's session waits for our answer, and cannot be asked before it.
    compareSessions(tenant, name, ended);
  }

  return {
    async take(report: OlderReport, calledAs: string) {
      const host = report.host.toLowerCase();
      const ofHost = tenants.ofHost(host);
      if (ofHost.length === 0) throw new AppError('refused', 'no tenant has this server');
      const local = report.operator.toLowerCase();
      const operator = operatorOf(local, host);
      const instance = operator && tenants.get(operator.tenant)?.instance;
      const other = ofHost.find((tenant) => tenant.instance && isCalled(calledAs, tenant.instance));
      if (instance && other && !isCalled(calledAs, instance)) {
        throw new AppError('refused', 'the address is that of another instance than the names');
      }
      switch (report.type) {
        case 'session':
          return sessionChanged(host, local);
        case 'ping':
          return alive(host, local, report.resource);
        case 'message': {
          if (isSigned(host)) {
            return ignored(
              host,
              'ignored, because our mod_lhc reports from this host too: remove the older modules',
            );
          }
          return takeInOrder(`${local}@${host}`, {
            type: 'message',
            host,
            from: `${local}@${host}`,
            to: `${report.receiver.toLowerCase()}@${host}`,
            id: `older-${randomUUID()}`,
            body: { '': report.body },
          });
        }
        case 'room':
          return ignored(host, 'what happens in a chat room is not passed on to LHC');
      }
    },
  };
}

/**
 * Whether an address is that of this instance: `{instance}.{base domain}`, with dots for dashes. The older modules put a dot
 * for the first dash alone.
 */
const isCalled = (address: string, instance: string): boolean =>
  address.toLowerCase().replaceAll('.', '-').startsWith(`${instance}-`);
