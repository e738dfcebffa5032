/** The machines of this version as data: charts, commands and facts. */
import { DECIDERS } from '../actors/deciders.ts';
import type { ActorKind } from '../actors/ids.ts';
import { type Chart, chartOf } from '../actors/machine/chart.ts';
import type { JsonObject } from '../kit/json.ts';

export const ACTOR_KINDS = ['visitor', 'operator', 'tenant'] as const satisfies ActorKind[];

/** A type of command or fact with its JSON Schema; null: it has none. */
interface Described {
  readonly type: string;
  readonly schema: JsonObject | null;
}

export interface MachineDescription extends Chart {
  readonly kind: ActorKind;
  readonly version: string;
  readonly commands: readonly Described[];
  readonly facts: readonly Described[];
}

export function machineOf(kind: ActorKind): MachineDescription {
  const { machine, version } = DECIDERS[kind];
  return { kind, version, ...chartOf(machine), commands: [], facts: [] };
}
