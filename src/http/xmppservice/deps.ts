/** What the xmppservice wire needs of the rest of the service. The composition root provides it. */

import type { Logger } from 'pino';
import type { Instance } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { JournalWriter } from '../../runtime/journal/entries.ts';
import type { OperatorAccounts } from '../../runtime/operator-ports.ts';
import type { Actors, Crowd } from '../../runtime/ports.ts';

/** What a call needs to know of a template, and of a tenant before it is known to be there. */
export type Holder = Pick<Tenant, 'id' | 'host' | 'legacyDigest' | 'requestsPerSecond'>;

/** The instances of hosting hosts that LHC makes and removes itself. */
export interface Instances {
  /** The template of a host; undefined if the host has none. */
  templateOf(host: string): Holder | undefined;
  /**
   * Makes the tenant of an instance that is not known yet. Resolves when its facts are durable.
   * @param again also if it was removed before
   * @returns null if it was removed
   * @throws {AppError} `refused` if there are too many, or one that is being removed has the name
   */
  make(host: string, instance: Instance, again: boolean): Promise<Tenant | null>;
  /** True if this tenant was made from a template: LHC may remove it. */
  isMade(tenant: Tenant): boolean;
  /** Begins the removal of a tenant that was made from a template. */
  remove(tenant: Tenant): Promise<void>;
}

export interface XmppserviceDeps {
  readonly tenants: TenantDirectory;
  readonly instances: Instances;
  readonly actors: Pick<Actors, 'visitor' | 'operator'>;
  readonly crowd: Crowd;
  readonly operatorAccounts: Pick<OperatorAccounts, 'put' | 'adopt' | 'dismiss'>;
  /** The `secret_key` that serves every tenant; undefined if each has its own. */
  readonly secretKey: string | undefined;
  /** Key of the fingerprints of page views and messages; the same after a restart. */
  readonly digestKey: Uint8Array;
  /** A UUID of version 7. */
  readonly newId: () => string;
  /** ms of a clock that never jumps. */
  readonly monotonic: () => number;
  readonly logger: Logger;
  /** Where calls that caused facts are written down. */
  readonly journal?: JournalWriter;
  /** How long an answer may take, in ms. Default `ANSWER_WITHIN_MS` (app.ts). */
  readonly answerWithinMs?: number;
  /** How long a body may take, in ms. Default `BODY_WITHIN_MS` (app.ts). */
  readonly bodyDeadlineMs?: number;
}
