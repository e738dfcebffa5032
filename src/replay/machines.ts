/** The machines of this version as data: charts, commands and facts. */
import { z } from 'zod';
import { DECIDERS } from '../actors/deciders.ts';
import type { ActorKind } from '../actors/ids.ts';
import { type Chart, chartOf } from '../actors/machine/chart.ts';
import { SCHEMAS } from '../actors/schemas.ts';
import type { JsonObject } from '../kit/json.ts';

export const ACTOR_KINDS = ['visitor', 'operator', 'tenant'] as const satisfies ActorKind[];

/** A type of command or fact with its JSON Schema. */
interface Described {
  readonly type: string;
  /** Of a fact: of its `data` and `personal`. null: the fact holds a whole state, and nobody makes it up. */
  readonly schema: JsonObject | null;
}

export interface MachineDescription extends Chart {
  readonly kind: ActorKind;
  readonly version: string;
  readonly commands: readonly Described[];
  readonly facts: readonly Described[];
}

const jsonSchemaOf = (schema: z.ZodType): JsonObject => z.toJSONSchema(schema) as JsonObject; // a JSON Schema is JSON

const described = new Map<ActorKind, MachineDescription>();

/** The description of a kind of actor. It is made once. */
export function machineOf(kind: ActorKind): MachineDescription {
  const known = described.get(kind);
  if (known) return known;
  const { machine, version } = DECIDERS[kind];
  const { commands, facts } = SCHEMAS[kind];
  const description: MachineDescription = {
    kind,
    version,
    ...chartOf(machine),
    commands: Object.entries(commands).map(([type, schema]) => ({
      type,
      schema: jsonSchemaOf(schema),
    })),
    facts: Object.entries(facts).map(([type, fact]) => ({
      type,
      schema:
        fact &&
        jsonSchemaOf(
          z.strictObject({
            data: fact.data,
            ...(fact.personal && { personal: fact.personal.optional() }),
          }),
        ),
    })),
  };
  described.set(kind, description);
  return description;
}
