/** What /readyz checks of each part; `numbers.ts` has what /metrics shows. */
import { AppError } from '../errors.ts';
import type { HttpDeps } from '../http/deps.ts';
import { type Clock, FOLLOW_AFTER_MS } from '../kit/clock.ts';
import type { ReadModels } from '../projections/read-models.ts';
import { keptAccountsText } from '../reactors/visitors/accounts-log.ts';
import type { ComponentAway } from './components.ts';
import type { Reactors } from './compose/reactors.ts';
import type { Runtime } from './compose/runtime.ts';
import { numbersOf, tenantNumbersOf } from './numbers.ts';

/** Tenants that an advisory names at most. */
const TENANTS_NAMED = 20;

export type HealthParts = Pick<
  Runtime,
  'now' | 'store' | 'journal' | 'tenants' | 'work' | 'host' | 'deadlines' | 'leases' | 'rotation'
> &
  Pick<
    Reactors,
    | 'admin'
    | 'transport'
    | 'components'
    | 'lanes'
    | 'routing'
    | 'reconciler'
    | 'desks'
    | 'callbacks'
    | 'helper'
    | 'deadLetters'
    | 'inbox'
    | 'fileChecks'
    | 'scanner'
  > & { readonly readModels: ReadModels };

export const healthOf = (
  parts: HealthParts,
): Pick<HttpDeps, 'checks' | 'advisories' | 'unfitActors' | 'numbers' | 'tenantNumbers'> => ({
  checks: checksOf(parts),
  advisories: advisoriesOf(parts),
  unfitActors: () => [...parts.host.unfit().keys()],
  numbers: numbersOf(parts),
  tenantNumbers: tenantNumbersOf(parts),
});

const checksOf = ({
  store,
  readModels,
  work,
  admin,
  components,
}: HealthParts): HttpDeps['checks'] => ({
  eventstore: () => store.check(),
  projections: () => readModels.check(),
  work: async () => {
    const { failure } = work.state();
    if (failure) {
      throw new AppError('unavailable', `pending work is not followed: ${failure.reason}`);
    }
  },
  ejabberd: async () => {
    await admin.version();
  },
  // One host that is set up wrong is no reason to take the service out. All of them are.
  component: async () => {
    const away = components.away();
    if (away.length > 0 && away.length === components.all().length) throw componentsAway(away);
  },
});

const componentsAway = (away: readonly ComponentAway[]): AppError =>
  new AppError(
    'unavailable',
    away
      .slice(0, TENANTS_NAMED)
      .map(({ host, reason }) => `${host}: ${reason}`)
      .join('; '),
  );

const advisoriesOf = ({
  readModels,
  lanes,
  callbacks,
  rotation,
  reconciler,
  helper,
  components,
  scanner,
}: HealthParts): Required<HttpDeps>['advisories'] => ({
  componentHosts: async () => {
    const away = components.away();
    if (away.length > 0) throw componentsAway(away);
  },
  ...(helper && {
    redis: async () => {
      const reason = helper.redis.away();
      if (reason !== null) throw new AppError('unavailable', `Redis is away: ${reason}`);
      const shared = helper.nodeHelper.shared().slice(0, TENANTS_NAMED);
      if (shared.length === 0) return;
      throw new AppError(
        'conflict',
        `tenants share channels of LHC's Node helper, so none of them has it (set nodeHelper): ${shared.join('; ')}`,
      );
    },
  }),
  ...(scanner && { scanner: () => scanner.check() }),
  // Commands are accepted, and older rows answer queries: no reason to take the service out.
  readModels: () => readModels.settled(),
  secrets: async () => rotation.check(),
  accounts: async () => {
    const kept = [...reconciler.kept()].map(
      ([tenant, accounts]) => `${tenant}: ${keptAccountsText(accounts)}`,
    );
    if (kept.length > 0) throw new AppError('conflict', kept.slice(0, TENANTS_NAMED).join('; '));
  },
  lhc: async () => {
    const failures = [...lanes.failures(callbacks.destination.name)].map(
      ([tenant, { reason, since, away }]) =>
        `${tenant}: ${away ? 'away' : 'some callbacks fail'} since ${new Date(since).toISOString()}: ${reason}`,
    );
    if (failures.length > 0) {
      throw new AppError('unavailable', failures.slice(0, TENANTS_NAMED).join('; '));
    }
  },
});

/** A jump that was followed is told for so long. */
export const CLOCK_JUMP_TOLD_MS = 3_600_000;

/** What the process itself sees of a wrong clock; null if it sees nothing. */
export function clockJumpOf({ jump, monotonic }: Clock): string | null {
  const seen = jump();
  if (!seen || (seen.followed && monotonic() - seen.seenAt > CLOCK_JUMP_TOLD_MS)) return null;
  const { byMs, seenAt, followed } = seen;
  const minutes = Math.round((monotonic() - seenAt) / 60_000);
  const what = `the clock of this machine was set ${byMs < 0 ? 'back' : 'forward'} by ${Math.abs(Math.round(byMs / 1000))} s, ${minutes} min ago`;
  return followed
    ? `${what}; the service follows it`
    : `${what}; the service follows it after ${FOLLOW_AFTER_MS / 60_000} min, if nobody sets it right`;
}
