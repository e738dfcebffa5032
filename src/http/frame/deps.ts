/** What endpoints need of the rest of the service, and where the frame counts what they answer. */
import type { Logger } from 'pino';
import type { EventStore } from '../../eventstore/port.ts';
import type { SnapshotReader } from '../../eventstore/snapshots.ts';
import type { ReadModels } from '../../projections/read-models.ts';
import type { EffectPlace } from '../../replay/effects.ts';
import type { CannedTextStore } from '../../runtime/desk-ports.ts';
import type { JournalReader, JournalWriter } from '../../runtime/journal/entries.ts';
import type { LhcChats, LhcPeople } from '../../runtime/lhc-ports.ts';
import type { OperatorAccounts } from '../../runtime/operator-ports.ts';
import type {
  Actors,
  Crowd,
  DeadLetters,
  EraseVisitor,
  ForwardTyping,
  Inbox,
  OlderModules,
  Transfer,
  Vault,
} from '../../runtime/ports.ts';
import type { TenantEffects, Tenants } from '../../runtime/tenant-ports.ts';

export interface EndpointDeps {
  readonly actors: Pick<Actors, 'visitor'>;
  readonly cannedTexts: CannedTextStore;
  readonly crowd: Crowd;
  readonly inbox: Inbox;
  readonly lhcChats: LhcChats;
  readonly olderModules: OlderModules;
  readonly operatorAccounts: Pick<OperatorAccounts, 'put' | 'remove'>;
  readonly tenancy: Tenants;
  readonly tenantEffects: TenantEffects;
  readonly typing: ForwardTyping;
  readonly transfer: Transfer;
  readonly lhcPeople: LhcPeople;
  readonly readModels: Omit<ReadModels, 'changes' | 'check' | 'settled'>;
  /** For /debug, and to parse positions. */
  readonly store: Pick<EventStore, 'readStream' | 'readAll' | 'parsePosition'>;
  /** Stored snapshots, to be compared with the log. Absent: none are. */
  readonly snapshotOf?: SnapshotReader;
  readonly vault: Pick<Vault, 'open'>;
  readonly deadLetters: DeadLetters;
  readonly eraseVisitor: EraseVisitor;
  /** Key of the fingerprints of page views; the same after a restart. */
  readonly digestKey: Uint8Array;
  /** ms since 1970 */
  readonly now: () => number;
  /** A UUID of version 7. */
  readonly newId: () => string;
  readonly logger: Logger;
  /** For what facts have called for. */
  readonly effectPlaces: readonly EffectPlace[];
  /** Why a tenant's place outside is away; null if it is not. */
  readonly awayReason: (tenant: string, destination: string) => string | null;
  /** Where requests that caused facts are written down. */
  readonly journal: JournalWriter & JournalReader;
  /** How long a query waits for its `minPosition`, in ms. Default `POSITION_WAIT_MS` (reading.ts). */
  readonly positionWaitMs?: number;
  /** How long a body may take, in ms. Default `BODY_DEADLINE_MS` (body.ts). */
  readonly bodyDeadlineMs?: number;
}

export interface RequestMetrics {
  /** @returns records one request of this route: its status, and how long it took in ms */
  route(method: string, route: string): (status: number, ms: number) => void;
  /** @param outcome `accepted`, `unchanged` (the command was a repeat, or changed nothing) or a problem's code */
  command(command: string, outcome: string): void;
}
