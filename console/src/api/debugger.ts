/** The answers of the debugger's endpoints (`/debug/…`), as far as the console reads them. */

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export type JsonObject = { readonly [key: string]: Json };

export interface RecordedEvent {
  readonly stream: string;
  readonly revision: number;
  readonly id: string;
  readonly type: string;
  readonly schemaVersion: number;
  readonly data: Json;
  /** Opened; null if the event has none, or the key is gone. */
  readonly personal: Json;
  /** The event had personal data, and the key is gone. */
  readonly erased: boolean;
  readonly metadata: EventMetadata;
}

export interface EventMetadata {
  readonly tenant: string | null;
  /** ms since 1970 */
  readonly at: number;
  readonly commandId: string;
  readonly correlationId: string;
  readonly causationId: string;
  readonly machine: string;
  /** The webhook event that caused it. */
  readonly hook?: unknown;
}

export interface State {
  readonly value: Json;
  readonly context: Json;
  /** Id → due time, in ms since 1970. */
  readonly timers: Readonly<Record<string, number>>;
  /** Timers that would do nothing in this state. */
  readonly held: readonly string[];
  readonly at: number;
}

export type Path = readonly (string | number)[];

/** `before` is absent if the part is new, `after` if it is gone. */
export interface Change {
  readonly path: Path;
  readonly before?: Json;
  readonly after?: Json;
}

/** Times in ms since 1970. */
export interface TimerChange {
  readonly id: string;
  readonly before: number | null;
  readonly after: number | null;
}

/** A transition that a fact made. `id`: as in the chart. `from`, `to`: states. */
export interface Taken {
  readonly id: string;
  readonly from: string;
  readonly to: string;
}

/** A fact, and the state behind it. */
export interface Step {
  readonly revision: number;
  readonly event: RecordedEvent;
  readonly state: State;
  readonly taken: readonly Taken[];
  readonly changes: readonly Change[];
  readonly timerChanges: readonly TimerChange[];
  readonly unfit: { readonly reason: string } | null;
}

/** What differs between two points of a stream. */
export interface Difference {
  readonly a: { readonly revision: number; readonly value: Json };
  readonly b: { readonly revision: number; readonly value: Json };
  readonly changes: readonly Change[];
  readonly timerChanges: readonly TimerChange[];
}

/** What a fact has called for, and what became of it. */
export interface Effect {
  readonly revision: number;
  readonly destination: string;
  readonly name: string;
  readonly outcome: 'pending' | 'done' | 'dead' | 'unknown';
  /** ms since 1970 */
  readonly at: number | null;
  /** Of a pending one that was not tried yet: what it waits for. */
  readonly waits: string | null;
  readonly attempts: readonly {
    readonly at: number;
    readonly ms: number;
    readonly outcome: string;
    readonly reason: string | null;
    readonly detail: string | null;
    readonly status: number | null;
  }[];
}

/** Of a state chart. `from` is a state; the region or the machine if it leaves each of its states. */
export interface Transition {
  readonly id: string;
  readonly from: string;
  /** As `from`, if no state is left. */
  readonly to: string;
  /** The type of a fact, the id of a timer, or '' for a transition that needs neither. */
  readonly event: string;
  /** The name of the condition. */
  readonly guard: string | null;
  /** The name of the timer's delay. */
  readonly delay: string | null;
  /** No state is left or entered. */
  readonly internal: boolean;
  /** The facts that a timer calls for. */
  readonly emits: readonly string[];
}

export interface Region {
  readonly id: string;
  readonly states: readonly {
    readonly id: string;
    readonly name: string;
    readonly initial: boolean;
  }[];
  readonly transitions: readonly Transition[];
}

export interface Machine {
  readonly kind: string;
  readonly version: string;
  readonly regions: readonly Region[];
  /** Transitions of no region: they are possible in each state, and leave none. */
  readonly anywhere: readonly Transition[];
  readonly commands: readonly Described[];
  readonly facts: readonly Described[];
}

/** A type of command or fact with its JSON Schema; null if it has none. */
interface Described {
  readonly type: string;
  readonly schema: JsonObject | null;
}
