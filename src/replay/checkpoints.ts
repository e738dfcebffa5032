/** States that were folded before, so that a page in the middle of a long stream is cheap. */
import { deserialize, serialize } from '../actors/machine/state-json.ts';
import type { JsonObject } from '../kit/json.ts';
import { Lru } from '../kit/lru.ts';
import type { AnyDecider, Folded } from './fold.ts';

/** Facts from one kept state of a stream to the next. */
export const CHECKPOINT_EVERY_FACTS = 250;
/** Kept states at most. */
const MAX_CHECKPOINTS = 2_000;
/** Characters of all kept states as JSON, at most. */
export const MAX_CHECKPOINT_CHARACTERS = 32 * 1024 * 1024;
/** A larger state is not kept. */
const MAX_CHARACTERS_OF_ONE = MAX_CHECKPOINT_CHARACTERS / 8;

interface Checkpoint {
  readonly state: JsonObject;
  readonly characters: number;
  readonly rest: Omit<Folded, 'state'>;
}

/**
 * Kept states of streams. A stream is known by its name and the id of its first fact: one that was cut, or deleted and
 * written anew, begins with another fact.
 */
export interface Checkpoints {
  /** The newest kept state that `fits`, at this revision or before; null without one. */
  before(
    key: string,
    decider: AnyDecider,
    revision: number,
    fits: (folded: Pick<Folded, 'through' | 'latest'>) => boolean,
  ): Folded | null;
  /** Keeps the state if it is one of those that are kept. */
  keep(key: string, folded: Folded): void;
}

export function createCheckpoints(): Checkpoints {
  let characters = 0;
  const kept = new Lru<Checkpoint>(MAX_CHECKPOINTS, (_key, evicted) => {
    characters -= evicted.characters;
  });

  const makeRoom = (): void => {
    for (const [key, oldest] of kept.entries()) {
      if (characters <= MAX_CHECKPOINT_CHARACTERS) return;
      kept.delete(key);
      characters -= oldest.characters;
    }
  };

  return {
    before(key, decider, revision, fits) {
      const last = revision - (revision % CHECKPOINT_EVERY_FACTS);
      for (let at = last; at > 0; at -= CHECKPOINT_EVERY_FACTS) {
        const found = kept.get(`${key} ${decider.version} ${at}`);
        if (!found || !fits(found.rest)) continue;
        return { ...found.rest, state: deserialize(decider, found.state) };
      }
      return null;
    },
    keep(key, { state, ...rest }) {
      if (rest.through === 0 || rest.through % CHECKPOINT_EVERY_FACTS !== 0) return;
      const name = `${key} ${rest.decider.version} ${rest.through}`;
      if (kept.get(name)) return;
      const json = serialize(state);
      const size = JSON.stringify(json).length;
      if (size > MAX_CHARACTERS_OF_ONE) return;
      kept.set(name, { state: json, characters: size, rest });
      characters += size;
      makeRoom();
    },
  };
}
