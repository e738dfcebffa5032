/** Where a visitor is in XMPP: an account of theirs, or a contact of the component. */
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { AppError } from '../../errors.ts';
import type { Attempt } from './attempts.ts';
import type { Visitor } from './desired.ts';

/** Whom to work on, with the attempt that notes each step. */
export interface Work {
  readonly tenant: Tenant;
  readonly visitor: Visitor;
  /** The visitor's address at this place. */
  readonly jid: string;
  readonly attempt: Attempt;
}

/**
 * What one transport has of visitors. Each step is taken only while this process owns the visitor, and throws
 * {@link HandedOver} otherwise.
 */
export interface VisitorPlace<Found> {
  /** Makes what a visible visitor needs, with their presence. */
  show(work: Work): Promise<void>;
  /** Operators do not see the visitor any more. An account stays. */
  hide(work: Work): Promise<void>;
  /** Removes everything. */
  remove(work: Work): Promise<void>;
  /** The visitor is at the other place now: removes everything, and reports nothing. */
  leave(work: Work): Promise<void>;
  /** A comparison found this. */
  found(jid: string, found: Found): void;
  /** True if something of this address is known here. */
  has(jid: string): boolean;
  /** Forgets what is known of this address. */
  forget(jid: string): void;
  /** Addresses of which something is known. */
  known(): Iterable<string>;
}

/** Another process owns this visitor now. */
export class HandedOver extends AppError {
  constructor(jid: string) {
    super('unavailable', `another process owns ${jid} now`);
  }
}
