/** One region of a state chart as a drawing. */
import { memo, useEffect, useId, useRef } from 'react';
import type { RegionNow } from './active.ts';
import { type Arrow, type Box, CHART, type Drawing, type Line, pathOf } from './layout.ts';

const { LINE_PX, NAME_PX, BOX_PADDING_PX } = CHART;
/** From the top of a line to the feet of its characters. */
const BASE_LINE = 0.72;

export const RegionChart = memo(function RegionChart({
  now: { name, active: activeNames, taken: takenHere },
  drawing: { width, height, boxes, arrows },
  active,
  taken,
}: {
  readonly now: RegionNow;
  readonly drawing: Drawing;
  readonly active: ReadonlySet<string>;
  readonly taken: ReadonlySet<string>;
}) {
  const id = useId();
  const scroller = useRef<HTMLDivElement>(null);
  const middle = boxes.find((box) => active.has(box.id))?.x ?? 0;
  useEffect(() => {
    const { current } = scroller;
    if (current) current.scrollLeft = middle - current.clientWidth / 2; // where the chart is wider than its place
  }, [middle]);
  const label = `State chart of ${name}: ${activeNames.join(', ')} is active`;
  // The arrows that are taken come last, so that nothing lies over them.
  const isTaken = ({ lines }: Arrow): boolean =>
    lines.some((line) => taken.has(line.transition.id));
  const inOrder = [...arrows.filter((arrow) => !isTaken(arrow)), ...arrows.filter(isTaken)];
  return (
    <figure className="region" data-own-keys="">
      <figcaption>{name}</figcaption>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms */}
      <div
        ref={scroller}
        className="region-scroll"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a wide chart scrolls, also by keys
        tabIndex={0}
        role="group"
        aria-label={`Chart of ${name}`}
      >
        <svg
          width={width}
          height={height}
          viewBox={`0 0 ${width} ${height}`}
          role="img"
          aria-label={
            takenHere.length > 0
              ? `${label}, by ${takenHere.map(({ transition }) => transition.event).join(', ')}`
              : label
          }
        >
          <defs>
            <ArrowHead id={`${id}-head`} className="head" />
            <ArrowHead id={`${id}-taken`} className="head taken" />
          </defs>
          {inOrder.map((arrow) => (
            <ArrowShape
              key={`${arrow.from} ${arrow.to}`}
              arrow={arrow}
              isTaken={isTaken(arrow)}
              taken={taken}
              head={`url(#${id}-${isTaken(arrow) ? 'taken' : 'head'})`}
            />
          ))}
          {boxes.map((box) => (
            <BoxShape key={box.id} box={box} isActive={active.has(box.id)} taken={taken} />
          ))}
        </svg>
      </div>
    </figure>
  );
});

function ArrowHead({ id, className }: { readonly id: string; readonly className: string }) {
  return (
    <marker
      id={id}
      viewBox="0 0 10 10"
      refX="9"
      refY="5"
      markerWidth="7"
      markerHeight="7"
      orient="auto"
    >
      <path className={className} d="M0 0 L10 5 L0 10 z" />
    </marker>
  );
}

function ArrowShape({
  arrow: { points, label, lines },
  isTaken,
  taken,
  head,
}: {
  readonly arrow: Arrow;
  readonly isTaken: boolean;
  readonly taken: ReadonlySet<string>;
  readonly head: string;
}) {
  return (
    <g className={isTaken ? 'arrow taken' : 'arrow'}>
      <path d={pathOf(points)} markerEnd={head} />
      {label && (
        <>
          <rect
            className="label"
            x={label.x - label.width / 2}
            y={label.y - label.height / 2}
            width={label.width}
            height={label.height}
          />
          <Lines
            lines={lines}
            taken={taken}
            x={label.x}
            top={label.y - label.height / 2}
            anchor="middle"
          />
        </>
      )}
    </g>
  );
}

function BoxShape({
  box: { kind, id, name, x, y, width, height, lines },
  isActive,
  taken,
}: {
  readonly box: Box;
  readonly isActive: boolean;
  readonly taken: ReadonlySet<string>;
}) {
  const left = x - width / 2;
  const top = y - height / 2;
  if (kind === 'start') return <circle className="start" cx={x} cy={y} r={width / 2} />;
  return (
    <g className={`box ${kind}${isActive ? ' active' : ''}`} data-state={id} data-active={isActive}>
      <rect x={left} y={top} width={width} height={height} rx="6" />
      <text className="name" x={left + BOX_PADDING_PX} y={top + NAME_PX * BASE_LINE}>
        {isActive ? `● ${name}` : name}
      </text>
      <Lines
        lines={lines}
        taken={taken}
        x={left + BOX_PADDING_PX}
        top={top + NAME_PX}
        anchor="start"
      />
    </g>
  );
}

function Lines({
  lines,
  taken,
  x,
  top,
  anchor,
}: {
  readonly lines: readonly Line[];
  readonly taken: ReadonlySet<string>;
  readonly x: number;
  readonly top: number;
  readonly anchor: 'start' | 'middle';
}) {
  return lines.map(({ transition, text }, index) => (
    <text
      key={transition.id}
      className={taken.has(transition.id) ? 'line taken' : 'line'}
      x={x}
      y={top + (index + BASE_LINE) * LINE_PX}
      textAnchor={anchor}
    >
      {text}
      <title>{titleOf(transition)}</title>
    </text>
  ));
}

function titleOf({ event, guard, delay, internal, emits }: Line['transition']): string {
  return [
    delay === null ? (event === '' ? 'at once' : event) : `timer: ${delay}`,
    guard === null ? null : `only if ${guard}`,
    emits.length > 0 ? `calls for ${emits.join(', ')}` : null,
    internal ? 'no state is left' : null,
  ]
    .filter((part) => part !== null)
    .join(' · ');
}
