/** What /readyz asks and /metrics shows of each part. */
import type { TenantDirectory } from '../actors/tenant/directory.ts';
import { AppError, hasCode } from '../errors.ts';
import type { EventStore } from '../eventstore/port.ts';
import type { Fold } from '../fold/fold.ts';
import type { HttpDeps } from '../http/deps.ts';
import type { Projections } from '../projections/projections.ts';
import type { Callbacks } from '../reactors/lhc/lhc-lane.ts';
import type { Routing } from '../reactors/routing/routing.ts';
import type { Reconciler } from '../reactors/visitors/reconciler.ts';
import type { Deadlines } from '../runtime/deadlines.ts';
import type { ActorHost } from '../runtime/host/host.ts';
import type { Lanes } from '../runtime/lanes/lanes.ts';
import type { Leases } from '../runtime/leases/leases.ts';
import { PARTITIONS } from '../runtime/leases/ownership.ts';
import type { EjabberdAdmin, VisitorTransport } from '../xmpp/port.ts';

export function healthOf(parts: {
  readonly store: EventStore;
  readonly tenants: TenantDirectory;
  readonly projections: Projections;
  readonly work: Fold;
  readonly admin: EjabberdAdmin;
  readonly host: ActorHost;
  readonly lanes: Lanes;
  readonly transport: VisitorTransport;
  readonly reconciler: Reconciler;
  readonly routing: Routing;
  readonly deadlines: Deadlines;
  readonly deadLetters: { count(): number };
  /** null where this is the only process. */
  readonly leases: Pick<Leases, 'owned' | 'processes'> | null;
  readonly callbacks: Callbacks;
}): Pick<HttpDeps, 'checks' | 'advisories' | 'unfitActors' | 'gauges'> {
  const { store, projections, work, admin, host, lanes, transport, reconciler, routing } = parts;
  const { deadlines, deadLetters, callbacks, leases, tenants } = parts;

  /** Over all tenants, whose names are nobody's business here; unknown while the read model is being built anew. */
  function free(number: (free: ReturnType<Projections['operators']['free']>) => number): number {
    try {
      const all = tenants.all().map(({ id }) => number(projections.operators.free(id)));
      return all.reduce((sum, each) => sum + each, 0);
    } catch (error) {
      if (hasCode(error, 'unavailable')) return Number.NaN;
      throw error;
    }
  }

  return {
    checks: {
      eventstore: () => store.check(),
      projections: () => projections.check(),
      work: async () => {
        const { failure } = work.state();
        if (failure)
          throw new AppError('unavailable', `pending work is not followed: ${failure.reason}`);
      },
      ejabberd: async () => {
        await admin.version();
      },
    },
    advisories: {
      // Commands are accepted, and older rows may answer: no reason to take the service out.
      readModels: () => projections.settled(),
      lhc: async () => {
        const failing = [...lanes.failures(callbacks.destination.name)].map(
          ([tenant, reason]) => `${tenant}: ${reason}`,
        );
        if (failing.length > 0) throw new AppError('unavailable', failing.slice(0, 20).join('; '));
      },
    },
    unfitActors: () => [...host.unfit().keys()],
    gauges: {
      xmpp_chat_actors_living: { help: 'Actors in memory', value: () => host.stats().inMemory },
      xmpp_chat_mailbox_waiting: {
        help: 'Commands that wait or are being carried out',
        value: () => host.stats().waiting,
      },
      xmpp_chat_effects_pending: {
        help: 'Effects that are called for and not done',
        value: () => lanes.pending().reduce((sum, { effects }) => sum + effects, 0),
      },
      xmpp_chat_visitor_sessions: {
        help: 'Visitors logged in to ejabberd',
        value: () => transport.sessions().length,
      },
      xmpp_chat_visitors_to_reconcile: {
        help: 'Visitors whose account, group or presence is not as it should be',
        value: () => reconciler.pending(),
      },
      xmpp_chat_chats_waiting: {
        help: 'Chats that no operator has',
        value: () => routing.waiting(),
      },
      xmpp_chat_chats_waiting_oldest_seconds: {
        help: 'How long the oldest of them waits; 0 when none does',
        value: () => routing.longestWait() / 1000,
      },
      xmpp_chat_offers_open: {
        help: 'Chats that operators are asked to answer now',
        value: () => routing.offers(),
      },
      xmpp_chat_operators_available: {
        help: 'Operators who are available, over all tenants',
        value: () => free((each) => each.operators),
      },
      xmpp_chat_places_free: {
        help: 'Chats that available operators could be given, over all tenants',
        value: () => free((each) => each.places),
      },
      xmpp_chat_deadlines_pending: {
        help: 'Actors with a timer',
        value: () => deadlines.pending(),
      },
      xmpp_chat_partitions_owned: {
        help: 'Partitions (of 16) that this process acts for',
        value: () => leases?.owned().length ?? PARTITIONS,
      },
      xmpp_chat_processes_living: {
        help: 'Processes on this log, as this one knows them',
        value: () => leases?.processes() ?? 1,
      },
      xmpp_chat_dead_letters: {
        help: 'Effects and webhook events that were given up',
        value: () => deadLetters.count(),
      },
    },
  };
}
