/**
 * Signals from the inbox that are no facts: typing and signs of life, which LHC hears at once or not at all, and the
 * start of mod_lhc, after which ejabberd has to be compared with the log.
 */
import type { Logger } from 'pino';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import { messageOf } from '../../errors.ts';
import type { InboxSignals } from '../../inbox/signals.ts';
import { Lru } from '../../kit/lru.ts';
import type { CommitListener } from '../../runtime/pending-work.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { OperatorSessions } from '../operators/sessions.ts';
import type { Callbacks } from './callback-lane.ts';
import type { NodeHelper } from './node-helper.ts';
import { createOperatorTyping, OPERATOR_TYPING_LAPSE_MS } from './operator-typing.ts';

/** `operator.alive` goes to LHC at most once in this time for each operator. LHC's own time-out is 300 s. */
export const ALIVE_INTERVAL_MS = 60_000;
const OPERATORS_REMEMBERED = 10_000;

export function createSignals(options: {
  actors: Actors;
  tenants: TenantDirectory;
  callbacks: Callbacks;
  /** undefined without REDIS_URL. */
  nodeHelper?: NodeHelper | undefined;
  operatorSessions: OperatorSessions;
  returnStanza: InboxSignals['returned'];
  stanzasArrived: InboxSignals['stanzasArrived'];
  /** ejabberd may have started: compares visitors' accounts and groups with it. */
  compare: () => Promise<void>;
  now: () => number;
  monotonic: () => number;
  /** How often the clock of this process was set. */
  clockSettings: () => number;
  logger: Logger;
  /** Default {@link OPERATOR_TYPING_LAPSE_MS}. */
  lapseMs?: number;
}): InboxSignals & CommitListener {
  const { actors, tenants, callbacks, operatorSessions, returnStanza, compare, logger } = options;
  const { now, monotonic } = options;
  const aliveAt = new Lru<number>(OPERATORS_REMEMBERED);

  function inBackground(work: Promise<unknown>, what: string): void {
    work.catch((error) => logger.debug({ reason: messageOf(error) }, `${what} failed`));
  }
  const { lapseMs = OPERATOR_TYPING_LAPSE_MS } = options;
  const show = options.nodeHelper?.operatorTyping;
  const typing = createOperatorTyping({
    actors,
    callbacks,
    show,
    monotonic,
    lapseMs,
    inBackground,
  });

  return {
    async moduleStarted(name, instance, hook) {
      const ofHost = tenants.ofHost(name);
      const started = ofHost.filter(
        (tenant) => instance === undefined || (tenant.instance ?? '') === instance,
      );
      const ids = (some: typeof ofHost) => some.map(({ id }) => id);
      await operatorSessions.restarted(ids(started), hook);
      // A queue of nobody on a host of instances: only something is known to have started, so nothing is void.
      if (instance === '' && started.length === 0) operatorSessions.compareAll(ids(ofHost));
      inBackground(compare(), 'the comparison with ejabberd'); // it waits for ejabberd by itself
    },
    sessionsUnsure(tenant, username) {
      // Only of those who are registered: nobody else has sessions here.
      const state = actors.operator(tenant, username).state();
      const comparing = state.then((operator) =>
        operator?.context.registered ? operatorSessions.compare(tenant, username) : undefined,
      );
      inBackground(comparing, 'the comparison of sessions');
    },
    returned: returnStanza,
    stanzasArrived: options.stanzasArrived,
    operatorAlive(tenant, username, resource) {
      const key = `${tenant} ${username}`;
      const last = aliveAt.get(key) ?? Number.NEGATIVE_INFINITY;
      if (monotonic() - last < ALIVE_INTERVAL_MS) return;
      aliveAt.set(key, monotonic());
      const at = new Date(now()).toISOString();
      // Several processes may hear of the operator within the interval. By the id, LHC sees that it is the same.
      // A clock that was set back comes to the same minutes again, and LHC would drop them as repeats.
      const minute = Math.floor(now() / ALIVE_INTERVAL_MS);
      const settings = options.clockSettings();
      const id = `operator-alive-${tenant}.${username}-${minute}${settings > 0 ? `-${settings}` : ''}`;
      const state = actors.operator(tenant, username).state();
      const sending = state.then((known) => {
        if (!known?.context.registered) return; // LHC does not know operators who are not registered
        const operator = { username, lhcUserId: known.context.lhcUserId };
        const data = { operator, at, resource };
        return callbacks.ephemeral(tenant, { type: 'operator.alive', data }, id);
      });
      inBackground(sending, 'operator.alive');
    },
    operatorTyping: typing.typing,
    operatorWrote: typing.wrote,
    operatorSessionEnded: typing.sessionEnded,
    onCommit: typing.onCommit,
  };
}
