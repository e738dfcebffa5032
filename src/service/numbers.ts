/** What /metrics shows of each part. */
import { deskOf } from '../actors/ids.ts';
import { hasCode } from '../errors.ts';
import type { HttpDeps } from '../http/deps.ts';
import type { FreePlaces } from '../projections/read-models.ts';
import type { LaneFailure } from '../runtime/lanes/lanes.ts';
import { PARTITIONS } from '../runtime/leases/ownership.ts';
import type { HealthParts } from './health.ts';

/** The sum over all tenants, without their names; NaN while the read model is being built. */
async function sumOfFree(
  { tenants, readModels }: HealthParts,
  number: (free: FreePlaces) => number,
): Promise<number> {
  try {
    return number(await readModels.operators.free(tenants.all().map(({ id }) => id)));
  } catch (error) {
    if (hasCode(error, 'unavailable')) return Number.NaN;
    throw error;
  }
}

const lhcAway = ({ lanes, callbacks }: HealthParts): LaneFailure[] =>
  [...lanes.failures(callbacks.destination.name).values()].filter(({ away }) => away);

export const tenantNumbersOf = ({
  lanes,
  callbacks,
}: HealthParts): Required<HttpDeps>['tenantNumbers'] => ({
  xmpp_chat_lhc_away_since_timestamp_seconds: {
    help: 'Since when the LHC of this tenant is away; missing while it is not',
    values: () =>
      new Map(
        [...lanes.failures(callbacks.destination.name)].flatMap(([tenant, { away, since }]) =>
          away ? [[tenant, since / 1000] as const] : [],
        ),
      ),
  },
});

const helperNumbers = ({ redis, nodeHelper }: NonNullable<HealthParts['helper']>) => ({
  xmpp_chat_node_helper_published_total: {
    help: "What LHC's Node helper was told through Redis",
    value: () => redis.counts.published,
  },
  xmpp_chat_node_helper_dropped_total: {
    help: "What LHC's Node helper was not told, because Redis was away or slow",
    value: () => redis.counts.dropped,
  },
  xmpp_chat_node_helper_heard_total: {
    help: "What visitors' widgets said through Redis about chats of this process",
    value: () => nodeHelper.counts.heard,
  },
  xmpp_chat_node_helper_too_much_total: {
    help: "What widgets said through Redis and was dropped, because a tenant's visitors said too much",
    value: () => nodeHelper.counts.tooMuch,
  },
});

export function numbersOf(parts: HealthParts): HttpDeps['numbers'] {
  const { now } = parts;
  const { host, lanes, transport, reconciler, routing, deadlines, leases, deadLetters, inbox } =
    parts;
  const { helper } = parts;
  return {
    xmpp_chat_actors_living: { help: 'Actors in memory', value: () => host.stats().inMemory },
    xmpp_chat_mailbox_waiting: {
      help: 'Commands that wait or are being carried out',
      value: () => host.stats().waiting,
    },
    xmpp_chat_effects_pending: {
      help: 'Effects that are not done yet',
      value: () => lanes.pending().reduce((sum, { effects }) => sum + effects, 0),
    },
    xmpp_chat_lhc_away: {
      help: 'Tenants whose LHC is away; /readyz names them to the administrator',
      value: () => lhcAway(parts).length,
    },
    xmpp_chat_lhc_away_longest_seconds: {
      help: 'For how long the LHC of a tenant has been away, at most; 0 if none is',
      value: () => Math.max(0, ...lhcAway(parts).map(({ since }) => now() - since)) / 1000,
    },
    xmpp_chat_visitor_sessions: {
      help: 'Visitors logged in to ejabberd, and those whom a component shows',
      value: () => transport.sessions().filter((jid) => !deskOf(jid, parts.tenants.ofHost)).length,
    },
    xmpp_chat_components_away: {
      help: 'Hosts whose component is not connected to ejabberd; /readyz names them to the administrator',
      value: () => parts.components.away().length,
    },
    xmpp_chat_visitors_to_reconcile: {
      help: 'Visitors whose account, group or presence is not as it should be',
      value: () => reconciler.pending(),
    },
    xmpp_chat_desks_to_show: {
      help: 'Front desks that operators do not see, or not as they should be',
      value: () => parts.desks.pending(),
    },
    xmpp_chat_visitors_of_another_log: {
      help: 'Visitors in ejabberd whose accounts are kept, because they do not belong to the log of this process',
      value: () =>
        [...reconciler.kept().values()].reduce((sum, { strangers }) => sum + strangers, 0),
    },
    xmpp_chat_chats_waiting: {
      help: 'Chats without an operator',
      value: () => routing.waiting(),
    },
    xmpp_chat_chats_waiting_oldest_seconds: {
      help: 'How long the oldest chat without an operator has waited; 0 without such a chat',
      value: () => routing.longestWait() / 1000,
    },
    xmpp_chat_offers_open: {
      help: 'Chats that operators are asked to answer now',
      value: () => routing.offers(),
    },
    xmpp_chat_operators_available: {
      help: 'Operators who are available, over all tenants',
      value: () => sumOfFree(parts, ({ operators }) => operators),
    },
    xmpp_chat_places_free: {
      help: 'Chats that available operators could be given, over all tenants',
      value: () => sumOfFree(parts, ({ places }) => places),
    },
    xmpp_chat_deadlines_pending: {
      help: 'Actors with a deadline',
      value: () => deadlines.pending(),
    },
    xmpp_chat_partitions_owned: {
      help: 'Partitions (of 16) that this process acts for',
      value: () => leases?.owned().length ?? PARTITIONS,
    },
    xmpp_chat_processes_living: {
      help: 'Processes on this log, as far as this process knows',
      value: () => leases?.processes() ?? 1,
    },
    xmpp_chat_data_keys_older: {
      help: 'Data keys that still need an older service secret; NaN in a process that does not know',
      value: () => parts.rotation.pending(),
    },
    xmpp_chat_dead_letters: {
      help: 'Effects and webhook events that were given up',
      value: () => deadLetters.counts().reduce((sum, { letters }) => sum + letters, 0),
    },
    xmpp_chat_webhook_events_set_aside_total: {
      help: 'Messages of operators that could not be carried out and became dead letters',
      value: () => inbox.counts.setAside,
    },
    xmpp_chat_webhook_events_dropped_total: {
      help: 'Other events of mod_lhc that could not be used or carried out',
      value: () => inbox.counts.dropped,
    },
    xmpp_chat_webhook_event_retries_total: {
      help: 'Events of mod_lhc that were tried again',
      value: () => inbox.counts.retries,
    },
    xmpp_chat_files_passed_total: {
      help: 'Files of operators and visitors that were looked at and passed on',
      value: () => parts.fileChecks.counts.passed,
    },
    xmpp_chat_files_refused_total: {
      help: 'Files that were not passed on: by their size, type or content, the scanner, or because nobody could look at them in time',
      value: () => parts.fileChecks.counts.refused,
    },
    xmpp_chat_file_looks_failed_total: {
      help: 'Tries that could not look at a file: its server or the scanner was away, or the tenant had too many',
      value: () => parts.fileChecks.counts.failed,
    },
    ...(helper && helperNumbers(helper)),
    xmpp_chat_journal_entries_written_total: {
      help: 'Attempts, callbacks and requests that were written into journal.db',
      value: () => parts.journal.counts.written,
    },
    xmpp_chat_journal_entries_dropped_total: {
      help: 'Those that were dropped: too many at once, or the file failed',
      value: () => parts.journal.counts.dropped,
    },
    xmpp_chat_dead_letters_dropped_total: {
      help: 'Dead letters that were dropped because their tenant had too many',
      value: () => deadLetters.counts().reduce((sum, { dropped }) => sum + dropped, 0),
    },
  };
}
