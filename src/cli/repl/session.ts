/** What the prompt of `xmpp-chat repl` does with a line: an actor in memory, its history and a branch of it. */
import { AppError } from '../../errors.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import type { Action, BranchFact } from '../../replay/branch.ts';
import { createCheckpoints } from '../../replay/checkpoints.ts';
import { type ActorStream, findStream, foldTo, type StreamReader } from '../../replay/fold.ts';
import { machineOf } from '../../replay/machines.ts';
import type { ActorAt } from '../../replay/points.ts';
import { stateView } from '../../replay/steps.ts';
import {
  faultsOf,
  MAX_ACTIONS,
  type WhatIf,
  type WhatIfItem,
  whatIf,
} from '../../replay/what-if.ts';
import { differenceLines } from '../diff.ts';
import type { Reading } from '../log/open.ts';
import type { LogEvent, LogSource } from '../log/source.ts';
import { contentOf } from '../output/event-lines.ts';
import { type Cell, lineOf } from '../output/screen.ts';
import { visible } from '../output/terminal-text.ts';
import { durationOf, timeText } from '../output/times.ts';
import { stateLines } from '../state.ts';
import { countOf, splitWord, typedOf, wordOf } from './line.ts';

export const HELP = `What can be said:
  load STREAM            begins with a history, at its end
  step [N]               goes N facts on, and shows what each did
  back [N]               goes N facts back
  fold REVISION          goes to the state after this fact
  state                  the state here
  diff A B               what differs between two revisions
  decide TYPE [JSON]     a command, as if it came now: the facts that it causes, or the refusal, and the effects
  fact TYPE [JSON]       a fact, as if it had happened
  wait TIME              lets time pass (90s, 15m, 2h, 1d): timers fire
  undo                   takes the last of these three back
  reset                  leaves the branch, back to the history
  commands, facts        what decide and fact take
  test                   the branch as a test (vitest)
  exit                   ends

decide, fact and wait make a branch in memory, from where you are. Nothing is stored, sent or performed.`;

export interface Session {
  /** @returns lines to show. @throws {AppError} that says what is wrong with the line */
  run(line: string): Promise<readonly string[]>;
  /** What a line that begins so may be. */
  complete(line: string): string[];
}

interface Here {
  readonly found: ActorStream;
  /** The revision of the history that one stands on. */
  revision: number;
  /** Of the branch that begins there. */
  actions: Action[];
  branch: WhatIf | null;
}

/** The reads of src/replay. What is personal plays no part there. */
const readerOf = (source: LogSource): StreamReader => ({
  readStream: async (stream, options) =>
    (await source.readStream(stream, options)).map(
      // The position is one of the source, as a text.
      (event) => ({ ...event, personal: null }) as unknown as RecordedEvent,
    ),
});

/** A fact of the history, or of a branch. */
type Shown = Pick<BranchFact, 'revision' | 'type' | 'data' | 'personal' | 'metadata'> &
  Partial<Pick<LogEvent, 'erased' | 'sealed'>>;

const indented = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

export function createSession(reading: Reading): Session {
  const { source, screen, utc } = reading;
  const reader = readerOf(source);
  const checkpoints = createCheckpoints();
  let here: Here | null = null;

  const loaded = (): Here => {
    if (here) return here;
    throw new AppError('invalid', 'nothing is loaded: load STREAM');
  };

  async function load(stream: string): Promise<string[]> {
    const found = await findStream(reader, stream);
    if (!found) throw new AppError('not-found', `${stream} has no facts of an actor`);
    here = { found, revision: found.last, actions: [], branch: null };
    return [
      `${visible(stream)}: revisions ${found.first} to ${found.last}, ${found.decider.version}`,
    ];
  }

  /** The state here: of the branch, or of the history. */
  async function stateHere({ found, revision, branch }: Here): Promise<ActorAt> {
    const last = branch?.items.flatMap(({ steps }) => steps).at(-1);
    const { stream, decider } = found;
    if (last) return { stream, machine: decider.version, revision: last.revision, ...last.state };
    const folded = await foldTo(reader, found, { revision }, checkpoints);
    return {
      stream,
      machine: decider.version,
      revision: folded.through,
      ...stateView(decider.machine, folded.state),
    };
  }

  function goTo(now: Here, revision: number): void {
    const { first, last, stream } = now.found;
    if (revision < first || revision > last) {
      throw new AppError('invalid', `${stream} has the revisions ${first} to ${last}`);
    }
    now.revision = revision;
    leaveBranch(now);
  }

  function leaveBranch(now: Here): void {
    now.actions = [];
    now.branch = null;
  }

  async function step(now: Here, count: number): Promise<string[]> {
    const lines: string[] = [];
    for (let n = 0; n < count && now.revision < now.found.last; n += 1) {
      const from = now.revision;
      goTo(now, from + 1);
      const [event] = await source.readStream(now.found.stream, { from: from + 1, limit: 1 });
      const difference = await source.diff(now.found.stream, from, from + 1);
      if (!event || !difference) break;
      lines.push(factLine(event), ...indented(differenceLines(reading, difference, difference)));
    }
    return lines.length > 0 ? lines : ['this is the last fact'];
  }

  const branchOf = ({ found, revision }: Here, actions: readonly Action[]): Promise<WhatIf> =>
    whatIf(reader, found, { revision }, actions, 'native', checkpoints);

  async function act(now: Here, action: Action): Promise<string[]> {
    if (now.actions.length >= MAX_ACTIONS) {
      throw new AppError('too-large', `a branch has ${MAX_ACTIONS} actions at most: reset`);
    }
    const faults = faultsOf(now.found.actor.kind, [action]);
    if (faults.length > 0) {
      const text = faults.map(
        ({ path, message }) => `${path.slice(2).join('.') || 'it'}: ${message}`,
      );
      const isUnknown = faults.some(({ path }) => path.at(-1) === 'type');
      const list = 'command' in action ? 'commands' : 'facts';
      const advice = isUnknown ? ` (${list} lists what is)` : '';
      throw new AppError('invalid', visible(`${text.join('; ')}${advice}`));
    }
    const actions = [...now.actions, action];
    const branch = await branchOf(now, actions);
    const last = branch.items.at(-1);
    if (!last) return [];
    // What was refused has changed nothing, and is no part of the branch.
    if (!last.refused) {
      now.actions = actions;
      now.branch = branch;
    }
    return outcomeLines(last);
  }

  function outcomeLines({ refused, steps, effects }: WhatIfItem): string[] {
    if (refused) return [screen.style('bad', visible(`${refused.code}: ${refused.reason}`))];
    if (steps.length === 0) return ['no facts: nothing has to be done'];
    return steps.flatMap(({ revision, event, changes, timerChanges }) => [
      factLine(event),
      ...indented(differenceLines(reading, { changes, timerChanges })),
      ...effects
        .filter((effect) => effect.revision === revision)
        .map(({ destination, name, detail }) =>
          visible(`  → ${destination}: ${name}${detail === null ? '' : ` (${detail})`}`),
        ),
    ]);
  }

  function factLine(fact: Shown): string {
    const cells: Cell[] = [
      { text: timeText(fact.metadata.at, utc), style: 'time' },
      String(fact.revision),
      { text: fact.type, style: 'name' },
      contentOf({ erased: false, ...fact }, false),
    ];
    return lineOf(screen, cells, []);
  }

  const verbs: Readonly<Record<string, (rest: string) => string[] | Promise<string[]>>> = {
    help: () => HELP.split('\n'),
    load: (rest) => load(wordOf('load', rest)),
    step: (rest) => step(loaded(), countOf('step', rest || '1')),
    back: async (rest) => {
      const now = loaded();
      goTo(now, Math.max(now.found.first, now.revision - countOf('back', rest || '1')));
      return [`at revision ${now.revision}`];
    },
    fold: (rest) => {
      const now = loaded();
      goTo(now, countOf('fold', rest));
      return [`at revision ${now.revision}`];
    },
    state: async () => stateLines(reading, await stateHere(loaded()), false),
    diff: async (rest) => {
      const [a, b] = rest.split(/\s+/).map((text) => countOf('diff', text));
      if (a === undefined || b === undefined) throw new AppError('invalid', 'diff A B');
      const difference = await source.diff(loaded().found.stream, a, b);
      const lines = difference ? differenceLines(reading, difference, difference) : [];
      return lines.length > 0 ? lines : ['nothing differs'];
    },
    decide: (rest) => {
      const { type, fields } = typedOf('decide', rest);
      return act(loaded(), { command: { ...fields, type } });
    },
    fact: (rest) => {
      const { type, fields } = typedOf('fact', rest);
      return act(loaded(), { fact: { type, data: fields } });
    },
    wait: (rest) => {
      const ms = durationOf(rest);
      if (ms === null) throw new AppError('invalid', 'wait has to have a time: 90s, 15m, 2h, 1d');
      return act(loaded(), { wait: ms });
    },
    undo: async () => {
      const now = loaded();
      const actions = now.actions.slice(0, -1);
      now.branch = actions.length > 0 ? await branchOf(now, actions) : null;
      now.actions = actions;
      return [`the branch has ${now.actions.length} actions`];
    },
    reset: () => {
      const now = loaded();
      leaveBranch(now);
      return [`at revision ${now.revision} of the history`];
    },
    commands: () => machineOf(loaded().found.actor.kind).commands.map(({ type }) => type),
    facts: () => machineOf(loaded().found.actor.kind).facts.map(({ type }) => type),
    test: () => {
      const { branch } = loaded();
      if (!branch) throw new AppError('invalid', 'there is no branch: decide, fact or wait first');
      return branch.test.split('\n').map(visible);
    },
  };

  return {
    async run(line) {
      const [verb = '', rest = ''] = splitWord(line);
      const work = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined;
      if (!work) throw new AppError('invalid', visible(`${verb} is not known: help lists what is`));
      return work(rest);
    },
    complete(line) {
      const [verb = '', rest = ''] = splitWord(line);
      if (!/\s/.test(line))
        return [...Object.keys(verbs), 'exit'].filter((each) => each.startsWith(verb));
      if (!here || (verb !== 'decide' && verb !== 'fact')) return [];
      const { commands, facts } = machineOf(here.found.actor.kind);
      return (verb === 'decide' ? commands : facts)
        .filter(({ type }) => type.startsWith(rest))
        .map(({ type }) => `${verb} ${type} `);
    },
  };
}
