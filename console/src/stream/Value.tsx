/** JSON as people read it, with the words of visitors kept apart from everything beside them. */
import { memo, type ReactNode, useState } from 'react';
import type { Json, JsonObject } from '../api/debugger.ts';
import { absolute } from '../times.ts';
import { Said } from '../ui/words.tsx';
import { lineOf, type Mark, type TreeNode } from './context-tree.ts';

/** Parts of a list or an object that are shown before somebody asks for more. */
const MANY_PARTS = 100;
const LINE_CHARACTERS = 60;
/** A longer text is shown in part, and whole if somebody asks. */
const LONG_TEXT_CHARACTERS = 2_000;

/** Numbers from here to there are times, as far as anybody can tell: those of the years 2001 to 2100, in ms. */
const TIMES_MS = { from: 1e12, to: 4.1e12 };

const isTime = (value: Json): value is number =>
  typeof value === 'number' && value >= TIMES_MS.from && value <= TIMES_MS.to;

/** A plain value: a text in quotes, a number, true, false or null. */
export function Plain({ value }: { readonly value: Json }) {
  const [isWhole, setWhole] = useState(false);
  if (typeof value !== 'string') {
    return (
      <span className="plain">
        {JSON.stringify(value)}
        {isTime(value) && <span className="quiet"> {absolute(value, { millis: true })}</span>}
      </span>
    );
  }
  const isCut = !isWhole && value.length > LONG_TEXT_CHARACTERS;
  return (
    <span className="plain text">
      “<Said text={isCut ? value.slice(0, LONG_TEXT_CHARACTERS) : value} />
      {isCut ? '…' : '”'}
      {isCut && (
        <button type="button" className="small" onClick={() => setWhole(true)}>
          All {value.length} characters
        </button>
      )}
    </span>
  );
}

const WORDS: Readonly<Record<Mark, string>> = { added: 'new', removed: 'gone', changed: 'changed' };

function MarkSign({ mark }: { readonly mark: Mark }) {
  return <span className={`mark ${mark}`}>{WORDS[mark]}</span>;
}

const sizeOf = (value: Json): string => {
  if (Array.isArray(value)) return value.length === 1 ? '1 entry' : `${value.length} entries`;
  const count = Object.keys(value as JsonObject).length; // a node with parts is a list or an object
  return count === 1 ? '1 field' : `${count} fields`;
};

/** `changes`: what was not touched is put away, and the rest is open. */
export type Folding = 'changes' | 'open' | 'closed';

/** The parts of a tree as a list. */
export const Parts = memo(function Parts({
  parts,
  folding,
}: {
  readonly parts: readonly TreeNode[];
  readonly folding: Folding;
}) {
  const isAway = ({ isTouched }: TreeNode): boolean => folding === 'changes' && !isTouched;
  const rest = parts.filter(isAway);
  return (
    <ul className="tree">
      <Some parts={parts.filter((part) => !isAway(part))} folding={folding} />
      {rest.length > 0 && (
        <li>
          <Fold summary={<span className="quiet">{rest.length} unchanged</span>}>
            <ul className="tree">
              <Some parts={rest} folding="closed" />
            </ul>
          </Fold>
        </li>
      )}
    </ul>
  );
});

function Some({
  parts,
  folding,
}: {
  readonly parts: readonly TreeNode[];
  readonly folding: Folding;
}) {
  const [shown, setShown] = useState(MANY_PARTS);
  return (
    <>
      {parts.slice(0, shown).map((node) => (
        <Node key={`${node.key} ${node.mark}`} node={node} folding={folding} />
      ))}
      {parts.length > shown && (
        <li>
          <button type="button" className="small" onClick={() => setShown(shown + MANY_PARTS)}>
            {parts.length - shown} more
          </button>
        </li>
      )}
    </>
  );
}

function Node({ node, folding }: { readonly node: TreeNode; readonly folding: Folding }) {
  const { key, value, mark, before, isTouched, parts } = node;
  const name = (
    <>
      <bdi className="key">{key}</bdi>
      {mark && <MarkSign mark={mark} />}
    </>
  );
  const was = before !== undefined && (
    <span className="was">
      {isPlain(before) ? <Plain value={before} /> : <code>{lineOf(before, LINE_CHARACTERS)}</code>}
      <span className="arrow"> → </span>
    </span>
  );
  if (parts && !isTouched && isShort(value)) {
    return (
      <li>
        {name}{' '}
        <span className="plain">
          <Said text={JSON.stringify(value)} />
        </span>
      </li>
    );
  }
  if (!parts || parts.length === 0) {
    return (
      <li className={mark ?? undefined}>
        {name} {was}
        {parts ? (
          <span className="plain">{Array.isArray(value) ? '[]' : '{}'}</span>
        ) : (
          <Plain value={value} />
        )}
      </li>
    );
  }
  const isOpen = folding === 'changes' ? isTouched && mark !== 'removed' : folding === 'open';
  return (
    <li className={mark ?? undefined}>
      <Fold
        startsOpen={isOpen}
        summary={
          <>
            {name} {was}
            <span className="quiet">{sizeOf(value)}</span>
          </>
        }
      >
        <Parts
          parts={parts}
          folding={folding === 'changes' && mark !== null ? 'closed' : folding}
        />
      </Fold>
    </li>
  );
}

/** It is read at a glance, so that nothing needs to be opened. */
const isShort = (value: Json): boolean =>
  lineOf(value, LINE_CHARACTERS + 1).length <= LINE_CHARACTERS;

const isPlain = (value: Json): boolean => value === null || typeof value !== 'object';

/** What is folded is not drawn before it is opened. */
export function Fold({
  summary,
  startsOpen = false,
  children,
}: {
  readonly summary: ReactNode;
  readonly startsOpen?: boolean;
  readonly children: ReactNode;
}) {
  const [isOpen, setOpen] = useState(startsOpen);
  return (
    <details open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{summary}</summary>
      {isOpen && children}
    </details>
  );
}
