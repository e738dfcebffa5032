/** What the HTTP API needs of the rest of the service; the composition root gives it. */
import type { Logger } from 'pino';
import type { TenantDirectory } from '../actors/tenant/directory.ts';
import type { EventStore } from '../eventstore/port.ts';
import type { Projections } from '../projections/projections.ts';
import type {
  Actors,
  DeadLetters,
  ForwardTyping,
  Inbox,
  OperatorAccounts,
  Transfer,
  Vault,
} from '../runtime/ports.ts';
import type { StreamHub } from './stream/hub.ts';

/** A number that /metrics shows, asked for at each scrape. */
export interface Gauge {
  readonly help: string;
  value(): number | Promise<number>;
}

export interface HttpDeps {
  readonly tenants: TenantDirectory;
  readonly actors: Pick<Actors, 'visitor'>;
  readonly inbox: Inbox;
  readonly operatorAccounts: OperatorAccounts;
  readonly typing: ForwardTyping;
  readonly transfer: Transfer;
  readonly projections: Omit<
    Projections,
    'state' | 'check' | 'settled' | 'start' | 'close' | 'follow'
  >;
  /** Live connections; closed before the server is. */
  readonly stream: StreamHub;
  /** For /debug and to read positions. */
  readonly store: Pick<EventStore, 'readStream' | 'readAll' | 'parsePosition'>;
  readonly vault: Pick<Vault, 'open'>;
  readonly deadLetters: DeadLetters;
  /** What /readyz asks, by the name it shows: each resolves while that part answers, and rejects with why not. */
  readonly checks: Readonly<Record<string, () => Promise<void>>>;
  /**
   * The same, but shown only: what one tenant lacks (its LHC, say) leaves the service ready for the others.
   */
  readonly advisories?: Readonly<Record<string, () => Promise<void>>>;
  /** Streams whose facts no longer fit their machine. */
  readonly unfitActors: () => readonly string[];
  /** By metric name, e.g. `xmpp_chat_mailbox_depth`. */
  readonly gauges: Readonly<Record<string, Gauge>>;
  /** Without one, /debug answers 401. */
  readonly adminToken?: string | undefined;
  /** `whsec_…` of mod_lhc, several during a rotation; with none every batch is refused. */
  readonly webhookSecrets: readonly string[];
  /** Key of the fingerprints of page views; the same after a restart. */
  readonly digestKey: Uint8Array;
  /** ms since 1970 */
  readonly now: () => number;
  /** A UUID of version 7. */
  readonly newId: () => string;
  readonly logger: Logger;
  readonly version: string;
  /** How long a query waits for its `minPosition`, in ms; default 5,000. */
  readonly positionWaitMs?: number;
}
