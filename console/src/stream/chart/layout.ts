/**
 * Where the states of a machine stand on the screen. One region is one drawing. A transition between two states is an
 * arrow. One that stays in its state is a line in the box of the state, because a loop for each would hide the rest.
 */
import type { Machine, Region, Transition } from '../../api/debugger.ts';

/** The font of the chart has characters of one width, so that a text is measured without a screen. */
const FONT_PX = 12;
const CHARACTER_PX = FONT_PX * 0.62;
const LINE_PX = 17;
const BOX_PADDING_PX = 10;
const NAME_PX = 26;
const LABEL_PADDING_PX = 6;
const MIN_BOX_PX = 96;
const DOT_PX = 12;
const GAP_PX = { nodesep: 28, ranksep: 30, edgesep: 14, marginx: 8, marginy: 8 };

/** Stands for each state of the region. */
const ANY = '*';
const START = '.';

export interface Line {
  readonly transition: Transition;
  readonly text: string;
}

export interface Box {
  /** `any`: transitions that begin in each state of the region. `start`: the dot before the first state. */
  readonly kind: 'state' | 'any' | 'start';
  readonly id: string;
  readonly name: string;
  /** The middle, in px. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly lines: readonly Line[];
}

export interface Arrow {
  readonly from: string;
  readonly to: string;
  readonly points: readonly Point[];
  /** The middle of the label; null if there is none. */
  readonly label: (Point & { readonly width: number; readonly height: number }) | null;
  readonly lines: readonly Line[];
}

interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly boxes: readonly Box[];
  readonly arrows: readonly Arrow[];
}

/** Sizes that the drawing of a box has to use as well. */
export const CHART = { FONT_PX, LINE_PX, NAME_PX, BOX_PADDING_PX } as const;

/** What a transition says on the chart: its cause, its guard, and whether it enters its own state anew. */
export function textOf({ event, guard, delay, from, to, internal }: Transition): string {
  const cause = delay === null ? event || 'at once' : `after ${delay}`;
  const again = from === to && !internal ? ' ↻' : '';
  return cause + (guard === null ? '' : ` [${guard}]`) + again;
}

/** True if the transition stays where it is, so it is a line and not an arrow. */
export const staysInPlace = ({ from, to }: Transition): boolean => from === to;

/** The transitions of a machine that are possible in each of its states and leave none. */
export const everywhere = ({
  regions,
  anywhere,
}: Pick<Machine, 'regions' | 'anywhere'>): readonly Line[] =>
  [
    ...anywhere,
    ...regions.flatMap((region) =>
      region.transitions.filter((each) => isOfRegion(region, each) && staysInPlace(each)),
    ),
  ].map(lineOf);

const lineOf = (transition: Transition): Line => ({ transition, text: textOf(transition) });

const isOfRegion = ({ states }: Region, { from }: Transition): boolean =>
  !states.some(({ id }) => id === from);

const widthOf = (text: string): number => text.length * CHARACTER_PX;

/** Lays a region out. @returns null if it has no states */
export async function layOut(region: Region): Promise<Drawing | null> {
  if (region.states.length === 0) return null;
  const { Graph, layout } = await import('@dagrejs/dagre');
  const graph = new Graph({ multigraph: false });
  graph.setGraph({ rankdir: 'TB', ...GAP_PX });

  const boxes = new Map<string, Pick<Box, 'kind' | 'name' | 'lines'>>();
  const arrows = new Map<string, { from: string; to: string; lines: Line[] }>();
  const add = (from: string, to: string, lines: Line[]) => {
    const known = arrows.get(`${from} ${to}`);
    if (known) known.lines.push(...lines);
    else arrows.set(`${from} ${to}`, { from, to, lines });
  };

  for (const { id, name, initial } of region.states) {
    const own = region.transitions.filter((each) => each.from === id);
    boxes.set(id, { kind: 'state', name, lines: own.filter(staysInPlace).map(lineOf) });
    if (initial) {
      boxes.set(START, { kind: 'start', name: '', lines: [] });
      add(START, id, []);
    }
    for (const each of own) if (!staysInPlace(each)) add(id, each.to, [lineOf(each)]);
  }
  for (const each of region.transitions) {
    if (!isOfRegion(region, each) || staysInPlace(each)) continue;
    boxes.set(ANY, { kind: 'any', name: 'any state', lines: [] });
    add(ANY, each.to, [lineOf(each)]);
  }

  for (const [id, box] of boxes) graph.setNode(id, sizeOf(box));
  for (const { from, to, lines } of arrows.values()) {
    const size = {
      width: Math.max(0, ...lines.map(({ text }) => widthOf(text))) + 2 * LABEL_PADDING_PX,
      height: lines.length * LINE_PX,
    };
    graph.setEdge(from, to, lines.length > 0 ? { ...size, labelpos: 'c' } : {});
  }
  layout(graph);

  const { width = 0, height = 0 } = graph.graph();
  return {
    width,
    height,
    boxes: [...boxes].map(([id, box]) => ({ id, ...box, ...placeOf(graph.node(id)) })),
    arrows: [...arrows.values()].map(({ from, to, lines }) => {
      const edge = graph.edge(from, to);
      return {
        from,
        to,
        lines,
        points: edge.points ?? [],
        label: lines.length > 0 ? placeOf(edge) : null,
      };
    }),
  };
}

function sizeOf({ kind, name, lines }: Pick<Box, 'kind' | 'name' | 'lines'>) {
  if (kind === 'start') return { width: DOT_PX, height: DOT_PX };
  const longest = Math.max(widthOf(`● ${name}`), ...lines.map(({ text }) => widthOf(text)));
  return {
    width: Math.max(MIN_BOX_PX, longest + 2 * BOX_PADDING_PX),
    height: NAME_PX + (lines.length > 0 ? lines.length * LINE_PX + BOX_PADDING_PX : 0),
  };
}

const placeOf = ({
  x = 0,
  y = 0,
  width = 0,
  height = 0,
}: Partial<Pick<Box, 'x' | 'y' | 'width' | 'height'>>) => ({
  x,
  y,
  width,
  height,
});

/** A smooth path through the points of an arrow. */
export function pathOf(points: readonly Point[]): string {
  const [first, ...rest] = points;
  const last = rest.at(-1);
  if (!first || !last) return '';
  const bends = rest.slice(0, -1).map(({ x, y }, index) => {
    const next = rest[index + 1] ?? last;
    const isBeforeLast = index === rest.length - 2;
    const end = isBeforeLast ? last : { x: (x + next.x) / 2, y: (y + next.y) / 2 };
    return `Q ${round(x)} ${round(y)} ${round(end.x)} ${round(end.y)}`;
  });
  const line = bends.length > 0 ? bends.join(' ') : `L ${round(last.x)} ${round(last.y)}`;
  return `M ${round(first.x)} ${round(first.y)} ${line}`;
}

const round = (px: number): number => Math.round(px * 10) / 10;
