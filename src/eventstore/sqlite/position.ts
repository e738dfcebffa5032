import { AppError } from '../../errors.ts';
import type { Position } from '../port.ts';

/** Positions of one log: `sqlite:{id of the log}:{number}`. 0 is before the first event. */
export interface Positions {
  format(n: number): Position;
  /** @throws {AppError} `invalid` for a text that is not a position of this log */
  parse(text: string): number;
}

export const createPositions = (logId: string): Positions => {
  const prefix = `sqlite:${logId}:`;
  return {
    // Positions of this store are created only here.
    format: (n) => `${prefix}${n}` as Position,
    parse: (text) => {
      const n = Number(text.slice(prefix.length));
      // Compared as text, so that each place has exactly one name: '07' and '7.0' are refused.
      if (Number.isSafeInteger(n) && n >= 0 && text === `${prefix}${n}`) return n;
      throw new AppError('invalid', `not a position of this event store: ${text.slice(0, 80)}`, {
        field: 'position',
      });
    },
  };
};
