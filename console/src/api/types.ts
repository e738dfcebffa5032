/** Answers of the API that more than one page shows: what the OpenAPI document says of them. */

export interface StreamRow {
  readonly stream: string;
  readonly category: string;
  readonly tenant: string | null;
  readonly name: string;
  readonly jid: string | null;
  readonly firstAt: number;
  readonly lastAt: number;
  readonly lastRevision: number;
  readonly lastType: string;
  readonly erased: boolean;
}

export interface TraceNode {
  readonly id: string;
  readonly parent: string | null;
  readonly kind: 'request' | 'fact' | 'effect' | 'attempt' | 'callback';
  readonly name: string;
  readonly stream: string;
  readonly revision: number;
  readonly at: number;
  /** How long it took; null if nobody knows. */
  readonly ms: number | null;
  readonly outcome: string | null;
  readonly detail: string | null;
}

export interface Trace {
  readonly id: string;
  readonly traceId: string | null;
  readonly nodes: readonly TraceNode[];
  /** There is more than the answer has. */
  readonly truncated: boolean;
}

export interface Found {
  readonly kind: 'visitor' | 'operator' | 'chat' | 'message' | 'trace';
  readonly stream: string;
  readonly revision: number | null;
  readonly tenant: string | null;
  readonly title: string;
  readonly detail: string;
  readonly at: number;
}

export interface DeadLetter {
  readonly id: string;
  readonly tenant: string | null;
  readonly at: number;
  readonly kind: 'webhook' | 'effect';
  readonly type: string | null;
  readonly operator: string | null;
  readonly stream: string;
  readonly destination: string;
  readonly reason: string;
}

export interface Readiness {
  readonly status: 'ready' | 'not-ready';
  readonly version: string;
  readonly checks: Readonly<Record<string, { readonly ok: boolean; readonly reason?: string }>>;
  readonly unfit: { readonly count: number; readonly actors?: readonly string[] };
}
