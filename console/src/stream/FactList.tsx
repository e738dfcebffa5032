/** The facts of the stream as a list. Only what is on the screen is drawn and loaded. */
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef } from 'react';
import { absolute } from '../times.ts';
import { type Outline, type Shown, timeAt, typeAt } from './outline.ts';
import type { StepPages } from './step-pages.ts';
import type { Row } from './stream-data.ts';
import { useSettled } from './use-place.ts';
import { whoOf, whoText } from './who.ts';

/** The height of a row, in the size of the page's font. */
const ROW_EM = 3.2;
/** Somebody who scrolls past loads nothing. */
const SCROLL_SETTLES_MS = 120;

const optionId = (revision: number): string => `fact-${revision}`;

export function FactList({
  outline,
  shown,
  pages,
  selected,
  choose,
}: {
  readonly outline: Outline;
  readonly shown: Shown;
  readonly pages: StepPages<Row>;
  readonly selected: number;
  readonly choose: (revision: number) => void;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  const place = shown.indexOf(selected);
  const isShown = place >= 0 && shown.revisionAt(place) === selected;
  const rowPx = ROW_EM * Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
  const virtualizer = useVirtualizer({
    count: shown.count,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowPx,
    overscan: 8,
    initialOffset: Math.max(0, (place - 4) * rowPx),
  });

  useEffect(() => {
    if (place >= 0) virtualizer.scrollToIndex(place, { align: 'auto' });
  }, [place, virtualizer]);

  const items = virtualizer.getVirtualItems();
  const from = items[0]?.index ?? 0;
  const to = items.at(-1)?.index ?? -1;
  const settled = useSettled(`${from}-${to}-${shown.count}`, SCROLL_SETTLES_MS);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the range that has settled decides
  useEffect(() => {
    const onScreen: number[] = [];
    for (let index = from; index <= to; index++) onScreen.push(shown.revisionAt(index));
    pages.want([selected, ...onScreen]);
  }, [settled, selected, pages]);

  return (
    <div
      ref={scroller}
      className="facts"
      role="listbox"
      aria-label="Facts"
      tabIndex={0}
      aria-activedescendant={isShown ? optionId(selected) : undefined}
    >
      <div className="facts-all" style={{ height: virtualizer.getTotalSize() }}>
        {items.map(({ index, start, size }) => {
          const revision = shown.revisionAt(index);
          return (
            <FactRow
              key={revision}
              revision={revision}
              type={typeAt(outline, revision) ?? ''}
              at={timeAt(outline, revision) ?? 0}
              row={pages.get(revision)}
              isSelected={revision === selected}
              place={index}
              count={shown.count}
              top={start}
              height={size}
              choose={choose}
            />
          );
        })}
      </div>
    </div>
  );
}

function FactRow({
  revision,
  type,
  at,
  row,
  isSelected,
  place,
  count,
  top,
  height,
  choose,
}: {
  readonly revision: number;
  readonly type: string;
  readonly at: number;
  readonly row: Row | undefined;
  readonly isSelected: boolean;
  readonly place: number;
  readonly count: number;
  readonly top: number;
  readonly height: number;
  readonly choose: (revision: number) => void;
}) {
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the list has the focus, and the keys of the page move in it
    <div
      id={optionId(revision)}
      className="fact-row"
      role="option"
      tabIndex={-1}
      aria-selected={isSelected}
      aria-setsize={count}
      aria-posinset={place + 1}
      style={{ transform: `translateY(${top}px)`, height }}
      onClick={() => choose(revision)}
    >
      <span className="fact-number">{revision}</span>
      <span className="fact-type">
        {type}
        {row?.unfit && <span className="chip bad">does not fit</span>}
        {row?.event.erased && <span className="chip">erased</span>}
      </span>
      <span className="fact-who">
        {row ? <bdi>{whoText(whoOf(row.event, row.event.stream))}</bdi> : '…'}
      </span>
      <span className="fact-time">{absolute(at, { millis: true })}</span>
    </div>
  );
}
