/** JSON as people read it, with the words of visitors kept apart from everything beside them. */
import { memo, type ReactNode, useState } from 'react';
import type { Json, JsonObject } from '../api/debugger.ts';
import { Said } from '../ui/words.tsx';
import { lineOf, type Mark, type TreeNode } from './context-tree.ts';

/** Parts of a list or an object that are shown before somebody asks for more. */
const MANY_PARTS = 100;
const LINE_CHARACTERS = 60;
/** A longer text is shown in part, and whole if somebody asks. */
const LONG_TEXT_CHARACTERS = 2_000;

/** A plain value: a text in quotes, a number, true, false or null. */
export function Plain({ value }: { readonly value: Json }) {
  const [isWhole, setWhole] = useState(false);
  if (typeof value !== 'string') return <span className="plain">{JSON.stringify(value)}</span>;
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

/** The parts of a tree as a list. What was not touched is folded. */
export const Parts = memo(function Parts({
  parts,
  folds,
}: {
  readonly parts: readonly TreeNode[];
  /** Puts what was not touched away. */
  readonly folds: boolean;
}) {
  const touched = folds ? parts.filter(({ isTouched }) => isTouched) : parts;
  const rest = folds ? parts.filter(({ isTouched }) => !isTouched) : [];
  return (
    <ul className="tree">
      <Some parts={touched} folds={folds} />
      {rest.length > 0 && (
        <li>
          <Fold summary={<span className="quiet">{rest.length} unchanged</span>}>
            <ul className="tree">
              <Some parts={rest} folds={false} />
            </ul>
          </Fold>
        </li>
      )}
    </ul>
  );
});

function Some({ parts, folds }: { readonly parts: readonly TreeNode[]; readonly folds: boolean }) {
  const [shown, setShown] = useState(MANY_PARTS);
  return (
    <>
      {parts.slice(0, shown).map((node) => (
        <Node key={`${node.key} ${node.mark}`} node={node} folds={folds} />
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

function Node({ node, folds }: { readonly node: TreeNode; readonly folds: boolean }) {
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
  const isOpen = isTouched && mark !== 'removed';
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
        <Parts parts={parts} folds={folds && mark === null} />
      </Fold>
    </li>
  );
}

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
