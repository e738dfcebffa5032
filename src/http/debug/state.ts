/** The state of an actor at any point of its history. */
import { serialize } from '../../actors/machine/state-json.ts';
import type { JsonObject } from '../../kit/json.ts';
import type { Checkpoints } from '../../replay/checkpoints.ts';
import { findStream, foldTo, type StreamReader, type Until } from '../../replay/fold.ts';

/**
 * Folds a stream.
 * @returns null if the stream has no facts up to there, or belongs to no actor. Facts that do not fit their machine are
 *   left out; `unfit` names the first one
 */
export async function stateAt(
  reader: StreamReader,
  stream: string,
  until: Until,
  checkpoints: Checkpoints,
): Promise<JsonObject | null> {
  const found = await findStream(reader, stream);
  if (!found) return null;
  const { state, through, unfit } = await foldTo(reader, found, until, checkpoints);
  if (through < 0) return null;
  const { version } = found.decider;
  return { stream, machine: version, ...serialize(state), ...(unfit && { unfit: { ...unfit } }) };
}
