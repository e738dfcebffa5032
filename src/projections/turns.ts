import { createTurns } from '../kit/turns.ts';

/** Shared by all queries that read in portions, because they share one event loop. */
export const nextTurn = createTurns();
