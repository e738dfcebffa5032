/** `xmpp-chat trace`: everything that one request caused, across actors, as a tree. */
import { Command } from 'commander';
import { AppError } from '../errors.ts';
import type { Trace } from '../replay/trace.ts';
import type { TraceNode } from '../replay/trace-tree.ts';
import { type Reading, withSource, withSourceOptions } from './log/open.ts';
import { createProgress } from './output/progress.ts';
import { lineOf, type Piece, type Style } from './output/screen.ts';
import { jsonLine } from './output/terminal-text.ts';
import { durationText, timeText } from './output/times.ts';

/** @throws {AppError} `not-found` */
export async function showTrace(id: string, reading: Reading): Promise<void> {
  const { source, screen, json, utc, signal } = reading;
  const progress = createProgress(screen, 'events');
  const trace = await source.trace(id, progress.tick, signal);
  progress.done();
  if (!trace || trace.nodes.length === 0) {
    throw new AppError(
      'not-found',
      `nothing in the log has the id ${id}: it is the X-Request-Id of an answer, a trace id, a command id or an event id. A request that was refused, or that changed nothing, has no facts: the log of the service has it as requestId (at LOG_LEVEL=debug each one)`,
    );
  }
  if (json) return screen.line(jsonLine(trace));
  const [first] = trace.nodes;
  const of = trace.traceId === null ? '' : `, trace ${trace.traceId}`;
  screen.line(`${id}${of}, from ${timeText(first?.at ?? 0, utc)}`);
  for (const line of treeLines(reading, trace)) screen.line(line);
  if (trace.truncated) screen.note('there is more: the trace was cut at its bounds');
  if (!source.hasJournal) {
    screen.note(
      'Requests, attempts and callbacks are not in the log. The running service knows them: ask it without --store.',
    );
  }
}

/** By the node's own id: those that it caused, in order of time. A node whose parent is not there is a root. */
function childrenOf(nodes: readonly TraceNode[]): ReadonlyMap<string | null, readonly TraceNode[]> {
  const ids = new Set(nodes.map(({ id }) => id));
  return Map.groupBy(nodes, ({ id, parent }) =>
    parent !== null && parent !== id && ids.has(parent) ? parent : null,
  );
}

/** Deeper ones stay at this depth. */
const MOST_DEPTH = 40;

/** A line for each node, with the time since the first one. */
export function treeLines({ screen }: Pick<Reading, 'screen'>, { nodes }: Trace): string[] {
  const children = childrenOf(nodes);
  const begin = nodes[0]?.at ?? 0;
  const shown = new Set<string>();
  const lines: string[] = [];

  const show = (node: TraceNode, prefix: string, branch: string, depth: number): void => {
    if (shown.has(node.id)) return; // a circle of causes
    shown.add(node.id);
    const since = `+${durationText(Math.max(0, node.at - begin))}`;
    lines.push(
      lineOf(screen, [{ text: since, style: 'time' }, piecesOf(node, prefix + branch)], [11]),
    );
    const own = children.get(node.id) ?? [];
    const below =
      depth >= MOST_DEPTH || branch === '' ? prefix : prefix + (branch === '└─ ' ? '   ' : '│  ');
    for (const [i, child] of own.entries()) {
      show(child, below, i === own.length - 1 ? '└─ ' : '├─ ', depth + 1);
    }
  };

  for (const root of children.get(null) ?? []) show(root, '', '', 0);
  for (const node of nodes) show(node, '', '', 0); // of a circle that no root leads to
  return lines;
}

const OUTCOMES: Readonly<Record<string, Style>> = {
  done: 'good',
  dead: 'bad',
  refused: 'bad',
  retry: 'bad',
  pending: 'personal',
};

const WHAT = {
  request: 'request ',
  fact: '',
  effect: '→ ',
  attempt: '',
  callback: 'callback ',
} as const satisfies Record<TraceNode['kind'], string>;

function piecesOf(node: TraceNode, tree: string): Piece[] {
  const { kind, name, stream, revision, ms, outcome, detail } = node;
  const isFact = kind === 'fact';
  return [
    { text: tree, style: 'note' },
    { text: WHAT[kind] },
    { text: name, style: 'name' },
    ...(isFact ? [{ text: `  ${stream} @${revision}`, style: 'note' as const }] : []),
    ...(outcome === null ? [] : [{ text: `  ${outcome}`, style: OUTCOMES[outcome] ?? 'note' }]),
    ...(ms === null ? [] : [{ text: `  ${durationText(ms)}`, style: 'time' as const }]),
    ...(detail === null ? [] : [{ text: `  ${detail}` }]),
  ];
}

const EXAMPLES = `
Examples:
  xmpp-chat trace 01a22514-ebb6-7000-b795-375cdd14e4c3
  xmpp-chat events visitor-shop.42 --last 1 --long      has the ids of an event

The first column is the time since the first thing. A duration behind an effect is the time from its fact to its outcome.`;

export function traceCommand(): Command {
  return withSourceOptions(new Command('trace'))
    .description(
      'Everything that one request caused: facts, effects, attempts, callbacks, as a tree',
    )
    .argument('<id>', 'X-Request-Id of an answer, a trace id, a command id or an event id')
    .addHelpText('after', EXAMPLES)
    .action((id: string, _options: object, command: Command) =>
      withSource(command, (reading) => showTrace(id, reading)),
    );
}
