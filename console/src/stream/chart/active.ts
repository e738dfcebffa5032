/** Which states a state value names, and which transitions a fact made. */
import type { Json, Machine, Region, Taken, Transition } from '../../api/debugger.ts';

/** The ids of the active states, with those that they stand in. @param value as XState writes it */
export function activeIds(machine: Pick<Machine, 'regions'>, value: Json): ReadonlySet<string> {
  const root = machine.regions[0]?.id.split('.')[0] ?? '';
  const ids = new Set<string>();
  const visit = (part: Json, path: string): void => {
    if (typeof part === 'string') {
      ids.add(`${path}.${part}`);
    } else if (part !== null && typeof part === 'object' && !Array.isArray(part)) {
      for (const [name, inner] of Object.entries(part)) {
        ids.add(`${path}.${name}`);
        visit(inner, `${path}.${name}`);
      }
    }
  };
  visit(value, root);
  return ids;
}

export interface RegionNow {
  readonly region: Region;
  /** Its last part: `presence`. */
  readonly name: string;
  /** The names of its active states. */
  readonly active: readonly string[];
  readonly taken: readonly { readonly taken: Taken; readonly transition: Transition }[];
}

/** Each region as it is at a step. */
export function regionsNow(
  { regions }: Pick<Machine, 'regions'>,
  active: ReadonlySet<string>,
  taken: readonly Taken[],
): readonly RegionNow[] {
  return regions.map((region) => ({
    region,
    name: region.id.split('.').at(-1) ?? region.id,
    active: region.states.filter(({ id }) => active.has(id)).map(({ name }) => name),
    // What every state accepts and none is left for (layout.ts, `everywhere`) says nothing of the region.
    taken: taken.flatMap((each) => {
      const transition = region.transitions.find(({ id }) => id === each.id);
      const isOfRegion = transition?.from === region.id && transition.to === region.id;
      return transition && !isOfRegion ? [{ taken: each, transition }] : [];
    }),
  }));
}

/** A state's name within its region. */
export const shortName = (id: string): string => id.split('.').at(-1) ?? id;
