/** A long table of which the browser draws the rows that are seen. */
import { defaultRangeExtractor, useVirtualizer } from '@tanstack/react-virtual';
import {
  type CSSProperties,
  type KeyboardEvent,
  type ReactNode,
  useEffect,
  useRef,
  useState,
} from 'react';

export interface Column<T> {
  readonly name: string;
  /** For grid-template-columns, such as `minmax(8rem, 2fr)`. */
  readonly width: string;
  cell(row: T): ReactNode;
}

/** Rows that are drawn above and below what is seen. */
const OVERSCAN = 12;
const ROW_HEIGHT_PX = 30;
/** The next page is asked for when so few rows remain below. */
const MORE_BEFORE_ROWS = 20;

/**
 * The first link or button of a row is its own: the arrow keys, Home, End and the page keys go from one row's to another's,
 * and Tab leaves the table.
 * @param props.keyOf unique, and the same for the same row after an update
 */
export function VirtualTable<T>({
  label,
  columns,
  rows,
  keyOf,
  onNearEnd,
  onRange,
}: {
  readonly label: string;
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  keyOf(row: T): string;
  readonly onNearEnd?: () => void;
  /** Told which rows are drawn. */
  readonly onRange?: (first: number, last: number) => void;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  /** The row that Tab leads to. Its key and not its place: rows move while somebody reads. */
  const [activeKey, setActiveKey] = useState<string | null>(null);
  const wantsFocus = useRef(false);
  const found = activeKey === null ? 0 : rows.findIndex((row) => keyOf(row) === activeKey);
  const current = Math.max(0, found);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT_PX,
    overscan: OVERSCAN,
    // Not rounded: the sum of rounded heights is shorter than the rows, and makes a scroll bar.
    measureElement: (row) => row.getBoundingClientRect().height,
    // The row that has the focus stays, wherever the reader scrolls.
    rangeExtractor: (range) => {
      const drawn = defaultRangeExtractor(range);
      if (current >= rows.length || drawn.includes(current)) return drawn;
      return [...drawn, current].toSorted((a, b) => a - b);
    },
    getItemKey: (index) => {
      const row = rows[index];
      return row === undefined ? index : keyOf(row);
    },
  });
  const items = virtual.getVirtualItems();
  const first = virtual.range?.startIndex ?? 0;
  const last = virtual.range?.endIndex ?? 0;

  useEffect(() => {
    if (last >= rows.length - MORE_BEFORE_ROWS) onNearEnd?.();
  }, [last, rows.length, onNearEnd]);

  useEffect(() => onRange?.(first, last), [first, last, onRange]);

  // The row may be drawn only after the scroll.
  useEffect(() => {
    if (!wantsFocus.current) return;
    const target = scroller.current?.querySelector<HTMLElement>(
      `tr[data-index="${current}"] :is(a, button)`,
    );
    if (!target) return;
    wantsFocus.current = false;
    target.focus({ preventScroll: true });
  });

  function move(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / ROW_HEIGHT_PX) - 1);
    const steps: Record<string, number> = {
      ArrowDown: current + 1,
      ArrowUp: current - 1,
      PageDown: current + page,
      PageUp: current - page,
      Home: 0,
      End: rows.length - 1,
    };
    const wish = steps[event.key];
    const isInField =
      event.target instanceof HTMLElement && /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (wish === undefined || rows.length === 0 || isInField) return;
    event.preventDefault();
    const index = Math.min(rows.length - 1, Math.max(0, wish));
    wantsFocus.current = true;
    const row = rows[index];
    if (row !== undefined) setActiveKey(keyOf(row));
    virtual.scrollToIndex(index);
  }

  const template: CSSProperties = {
    '--columns': columns.map(({ width }) => width).join(' '),
  } as CSSProperties; // React's type knows no custom properties

  return (
    <div className="table-scroller" ref={scroller}>
      {/* biome-ignore lint/a11y/noNoninteractiveElementInteractions: the keys move between the links in it */}
      <table
        className="virtual"
        aria-label={label}
        aria-rowcount={rows.length + 1}
        style={template}
        onKeyDown={move}
      >
        <thead>
          <tr aria-rowindex={1}>
            {columns.map(({ name }) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody style={{ height: virtual.getTotalSize() }}>
          {items.map(({ index, key, start }) => {
            const row = rows[index];
            if (row === undefined) return null;
            return (
              <Row
                key={key}
                index={index}
                start={start}
                isActive={index === current}
                measure={virtual.measureElement}
                onFocus={() => setActiveKey(keyOf(row))}
              >
                {columns.map((column) => (
                  <td key={column.name} data-label={column.name}>
                    {column.cell(row)}
                  </td>
                ))}
              </Row>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Row({
  index,
  start,
  isActive,
  measure,
  onFocus,
  children,
}: {
  readonly index: number;
  readonly start: number;
  readonly isActive: boolean;
  measure(element: HTMLTableRowElement | null): void;
  onFocus(): void;
  readonly children: ReactNode;
}) {
  const row = useRef<HTMLTableRowElement>(null);
  // Tab stops once in the table, at the row where the reader was.
  useEffect(() => {
    for (const each of row.current?.querySelectorAll<HTMLElement>('a, button') ?? []) {
      each.tabIndex = isActive ? 0 : -1;
    }
  });
  return (
    <tr
      ref={(element) => {
        row.current = element;
        measure(element);
      }}
      data-index={index}
      aria-rowindex={index + 2}
      style={{ insetBlockStart: start }}
      onFocus={onFocus}
    >
      {children}
    </tr>
  );
}
