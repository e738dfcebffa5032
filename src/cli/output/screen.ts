/** Where a command writes: a terminal, or a file or pipe. One object, so that tests have their own. */
import { styleText } from 'node:util';
import { cut, visible, visibleLines, widthOf } from './terminal-text.ts';

/** What a piece of text is; a colour says it on a terminal that has colours. */
export type Style =
  | 'name'
  | 'time'
  | 'note'
  | 'good'
  | 'bad'
  | 'personal'
  | 'title'
  | 'before'
  | 'after';

const FORMATS = {
  name: 'cyan',
  time: 'gray',
  note: 'gray',
  good: 'green',
  bad: 'red',
  personal: 'yellow',
  title: 'bold',
  before: 'red',
  after: 'green',
} as const satisfies Record<Style, string>;

export interface Screen {
  /** Cells in a line. Not on a terminal: infinite, so that nothing is cut from what is searched or stored. */
  readonly columns: number;
  /** Whether a person watches standard error, so that a progress bar makes sense. */
  readonly isWatched: boolean;
  /** ms since 1970 */
  now(): number;
  /** Colours are left out where the terminal has none, and with NO_COLOR. FORCE_COLOR has them everywhere. */
  style(style: Style, text: string): string;
  /** Writes a line of results. */
  line(text: string): void;
  /** Writes a line about them, to standard error. It may have a stranger's text in it. */
  note(text: string): void;
  /** Replaces the line at the bottom of the terminal, on standard error; empty removes it. */
  status(text: string): void;
}

const ESC = '\u001b';

/** The screen of this process. */
export function processScreen(): Screen {
  const { stdout, stderr } = process;
  let hasStatus = false;
  const clear = (): void => {
    if (hasStatus) stderr.write(`\r${ESC}[K`);
    hasStatus = false;
  };
  return {
    get columns() {
      return stdout.isTTY ? stdout.columns : Number.POSITIVE_INFINITY;
    },
    isWatched: stderr.isTTY,
    now: Date.now,
    style: (style, text) => styleText(FORMATS[style], text, { stream: stdout }),
    line(text) {
      clear();
      stdout.write(`${text}\n`);
    },
    note(text) {
      clear();
      stderr.write(`${visibleLines(text)}\n`);
    },
    status(text) {
      if (!stderr.isTTY) return;
      clear();
      if (text === '') return;
      stderr.write(cut(visible(text), Math.max(1, stderr.columns - 1)));
      hasStatus = true;
    },
  };
}

/** A piece of text, which may be a stranger's, and what it is. */
export interface Piece {
  readonly text: string;
  readonly style?: Style;
}

/** What stands in one column of one line. */
export type Cell = string | Piece | readonly Piece[];

const isPieces = (cell: Cell): cell is readonly Piece[] => Array.isArray(cell);

const piecesOf = (cell: Cell): readonly Piece[] => {
  if (typeof cell === 'string') return [{ text: cell }];
  return isPieces(cell) ? cell : [cell];
};

const cellsOf = (cell: Cell): number =>
  piecesOf(cell).reduce((sum, { text }) => sum + widthOf(visible(text)), 0);

/** The pieces in this many cells at most. */
function drawn(screen: Screen, cell: Cell, most: number): { text: string; cells: number } {
  let text = '';
  let cells = 0;
  const pieces = piecesOf(cell);
  for (const [i, piece] of pieces.entries()) {
    const left = most - cells;
    const isLast = i === pieces.length - 1;
    const whole = visible(piece.text);
    // The sign of a cut needs a cell, also where the next piece would begin.
    const fits = widthOf(whole) <= (isLast ? left : left - 1);
    const shown = fits ? whole : cut(`${whole}${isLast ? '' : '  '}`, Math.max(1, left));
    text += piece.style ? screen.style(piece.style, shown) : shown;
    cells += widthOf(shown);
    if (!fits) break;
  }
  return { text, cells };
}

const GAP = '  ';
/** The last column gets at least so many cells, also in a very narrow terminal. */
const LAST_COLUMN_CELLS = 16;

/**
 * One line with columns of these widths. A cell that is wider moves the rest of its line. The last one is cut to what is
 * left of the terminal.
 */
export function lineOf(screen: Screen, row: readonly Cell[], widths: readonly number[]): string {
  let line = '';
  let used = 0;
  for (const [i, cell] of row.entries()) {
    const isLast = i === row.length - 1;
    const most = isLast
      ? Math.max(LAST_COLUMN_CELLS, screen.columns - used)
      : Number.POSITIVE_INFINITY;
    const { text, cells } = drawn(screen, cell, most);
    const fill = isLast ? '' : ' '.repeat(Math.max(0, (widths[i] ?? 0) - cells)) + GAP;
    line += text + fill;
    used += cells + fill.length;
  }
  return line.trimEnd();
}

/** A cell that is wider moves the rest of its own line, not that of all others. */
const MOST_COLUMN_CELLS = 80;

/** Lines with columns, each as wide as its widest cell, up to a bound. @param header empty for none */
export function columns(
  screen: Screen,
  header: readonly string[],
  rows: readonly (readonly Cell[])[],
): string[] {
  const titles = header.map((text): Cell => ({ text, style: 'title' }));
  const all = header.length > 0 ? [titles, ...rows] : rows;
  const widths: number[] = [];
  for (const row of all) {
    for (const [i, cell] of row.entries()) {
      const cells = cellsOf(cell);
      if (cells <= MOST_COLUMN_CELLS) widths[i] = Math.max(widths[i] ?? 0, cells);
    }
  }
  return all.map((row) => lineOf(screen, row, widths));
}
