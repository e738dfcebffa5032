/** What is known of a tenant's team, queue and canned texts, for the commands of operators. As ports.ts. */
import type { TenantId, Username, VisitorKey } from '../actors/ids.ts';
import type { Availability } from '../actors/operator/facts.ts';
import type { CannedName } from '../actors/tenant/canned-texts.ts';
import type { Position } from '../eventstore/port.ts';
import type { Dispatched, Origin } from './ports.ts';

/** An operator as colleagues see them. */
export interface Colleague {
  readonly username: Username;
  readonly departments: readonly string[];
  readonly availability: Availability;
  /** They have written `!away`. */
  readonly away: boolean;
  readonly chats: number;
  readonly capacity: number;
  /** The first tier is asked first. By department in `tiers`. */
  readonly tier: number;
  readonly tiers: Readonly<Record<string, number>>;
  readonly languages: readonly string[];
}

/** A chat that nobody has accepted yet. */
export interface QueuedVisitor {
  readonly visitor: VisitorKey;
  readonly chatId: string;
  readonly nick: string | null;
  readonly department: string | null;
  /** The departments that it came from by overflow, the first one first. */
  readonly overflowedFrom: readonly string[];
  /** The visitor's, BCP 47. */
  readonly language: string | null;
  /** The title of their page, or else its address. */
  readonly page: string | null;
  /** ms since 1970 */
  readonly startedAt: number;
  readonly offered: readonly Username[];
  readonly inLhc: boolean;
}

/** Some of a list, the first ones. */
export interface Some<T> {
  readonly items: readonly T[];
  /** How many more there are; -1: more than anybody counted. */
  readonly more: number;
}

/** Times in seconds. */
export interface DayStats {
  readonly chats: number;
  readonly open: number;
  readonly served: number;
  readonly missed: number;
  readonly waitedMedianS: number | null;
  readonly waitedLongestS: number | null;
  readonly operators: readonly {
    readonly operator: Username;
    readonly chats: number;
    readonly missedOffers: number;
  }[];
}

/** A visitor who is on the site, or in a conversation. */
export interface FoundVisitor {
  readonly key: VisitorKey;
  readonly nick: string | null;
  readonly conversation: 'none' | 'invited' | 'waiting' | 'chatting';
  readonly operator: Username | null;
  readonly page: string | null;
}

/**
 * The read models, as far as operators ask for them. They follow the log by some ms.
 * @throws {AppError} from every call: `unavailable` while the rows are being built
 */
export interface TeamReading {
  /** Waits until the rows have come to this place of the log, for a short time. */
  reach(position: Position): Promise<void>;
  /** Registered operators: those who are online first. */
  colleagues(tenant: TenantId, most: number): Promise<Some<Colleague>>;
  /** The oldest first. */
  queue(tenant: TenantId, most: number): Promise<Some<QueuedVisitor>>;
  /** Chats that started within the range. @param since, until ms since 1970 */
  stats(tenant: TenantId, since: number, until: number): Promise<DayStats>;
  /** Visitors who are on the site and whose name or key has this text, those first who came last. */
  find(tenant: TenantId, text: string, most: number): Promise<Some<FoundVisitor>>;
}

export interface CannedText {
  readonly name: CannedName;
  readonly text: string;
}

/** A team's canned texts. */
export interface CannedTextStore {
  /** The names, in order. */
  names(tenant: TenantId): Promise<readonly CannedName[]>;
  /** @returns null if there is none of this name */
  get(tenant: TenantId, name: string): Promise<CannedText | null>;
  /** All of them, in order of their names. */
  all(tenant: TenantId): Promise<readonly CannedText[]>;
  /**
   * @param by the operator who does it; null: it came over the HTTP API
   * @throws {AppError} `refused` if there are too many, and while the tenant is being removed
   */
  save(
    tenant: TenantId,
    text: CannedText,
    by: Username | null,
    origin: Partial<Origin>,
  ): Promise<Dispatched>;
  /** @throws {AppError} `not-found` if there is none of this name */
  remove(
    tenant: TenantId,
    name: CannedName,
    by: Username | null,
    origin: Partial<Origin>,
  ): Promise<Dispatched>;
}
