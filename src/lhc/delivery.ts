/** Where callbacks go, and what becomes of one. The three flavours have this in common. */
import type { Said } from './callback-answer.ts';
import type { WireNames } from './xmppservice-callbacks.ts';

/** Where a tenant's LHC listens. */
export interface CallbackEndpoint {
  readonly url: string;
  /** `whsec_…`. Without one the callback is not signed. */
  readonly secret?: string | undefined;
  /** True if the administrator wrote the address into TENANTS_FILE: then it may be in the service's own network. */
  readonly isDeclared?: boolean | undefined;
  /** LHC wants the form of the older modules, with these names. */
  readonly xmppservice?: WireNames | undefined;
  /** LHC has no extension, and is told by its REST API. */
  readonly rest?: { readonly user: string; readonly key: string } | undefined;
}

export type DeliveryOutcome =
  | Said
  /** The form of the endpoint cannot say this. Nothing was sent. */
  | { readonly outcome: 'unsupported' }
  /** HTTP 410: the endpoint wants no more callbacks. */
  | { readonly outcome: 'gone' }
  /** LHC takes callbacks, and does not know the visitor of this one. */
  | { readonly outcome: 'unknown-visitor' }
  | {
      readonly outcome: 'retry';
      readonly reason: string;
      /** The endpoint asked to wait this long. */
      readonly afterMs?: number;
      /** No answer, or one that is not about this callback: the endpoint is away for all callbacks. */
      readonly away?: true;
    };
