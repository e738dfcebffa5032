/** The search in the head of every page: a combobox (WAI-ARIA) with results by kind. */
import { type FormEvent, type KeyboardEvent, useEffect, useId, useRef, useState } from 'react';
import { pause } from '../api/backoff.ts';
import { ask } from '../api/client.ts';
import { asApiError } from '../api/load.ts';
import type { Found } from '../api/types.ts';
import { to } from '../route.ts';
import { navigate } from '../router.tsx';
import { withQuery } from '../with-query.ts';
import { addressOf, groupsOf } from './groups.ts';

/** After the last key, so that a word is asked for and not each of its letters. */
const TYPING_MS = 250;
const RESULTS = 20;

interface Results {
  readonly q: string;
  readonly items: readonly Found[];
  readonly fault: string;
}

function useResults(q: string): Results | null {
  const [results, setResults] = useState<Results | null>(null);
  useEffect(() => {
    if (q === '') return;
    const controller = new AbortController();
    const { signal } = controller;
    pause(TYPING_MS, signal)
      .then(() =>
        ask<{ items: readonly Found[] }>(withQuery('/debug/search', { q, limit: RESULTS }), {
          signal,
        }),
      )
      .then(
        ({ items }) =>
          setResults({ q, items: groupsOf(items).flatMap((group) => group.items), fault: '' }),
        (error: unknown) => {
          if (!signal.aborted) setResults({ q, items: [], fault: asApiError(error).message });
        },
      );
    return () => controller.abort();
  }, [q]);
  return q === '' ? null : results;
}

/** Focuses the field when somebody presses `/` and is not writing. */
function useSlash(focus: () => void): void {
  const latest = useRef(focus);
  latest.current = focus;
  useEffect(() => {
    function press(event: globalThis.KeyboardEvent): void {
      const { target } = event;
      const isWriting =
        target instanceof HTMLElement &&
        (target.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName));
      if (event.key !== '/' || isWriting || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      latest.current();
    }
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, []);
}

export function SearchBox() {
  const [text, setText] = useState('');
  const [isOpen, setIsOpen] = useState(false);
  const [chosen, setChosen] = useState(-1);
  const field = useRef<HTMLInputElement>(null);
  const id = useId();
  const q = text.trim();
  const results = useResults(q);
  const items = results?.items ?? [];
  const shows = isOpen && results !== null;
  const active = Math.min(chosen, items.length - 1);
  const optionId = (index: number) => `${id}-${index}`;

  useSlash(() => {
    field.current?.focus();
    field.current?.select();
  });

  function close(): void {
    setIsOpen(false);
    setChosen(-1);
  }

  function open(found: Found): void {
    close();
    navigate(addressOf(found));
  }

  function submit(event: FormEvent): void {
    event.preventDefault();
    const found = items[active];
    if (shows && found) open(found);
    else if (q !== '') {
      close();
      navigate(to.search(q));
    }
  }

  function press(event: KeyboardEvent): void {
    if (event.key === 'Escape') {
      if (shows) close();
      else setText('');
      return;
    }
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    event.preventDefault();
    setIsOpen(true);
    if (items.length === 0) return;
    const step = event.key === 'ArrowDown' ? 1 : -1;
    // -1 is the field itself, where Enter shows all results.
    setChosen(((active + 1 + step + items.length + 1) % (items.length + 1)) - 1);
  }

  let index = -1;
  return (
    <search className="search-box">
      <form onSubmit={submit}>
        <input
          ref={field}
          type="search"
          role="combobox"
          aria-label="Search for a visitor, operator, chat, message or id"
          aria-expanded={shows}
          aria-controls={`${id}-list`}
          aria-autocomplete="list"
          aria-activedescendant={shows && active >= 0 ? optionId(active) : undefined}
          placeholder="Search ( / )"
          autoComplete="off"
          spellCheck={false}
          value={text}
          onChange={({ target }) => {
            setText(target.value);
            setIsOpen(true);
            setChosen(-1);
          }}
          onKeyDown={press}
          onFocus={() => setIsOpen(true)}
          onBlur={close}
        />
        <div className="search-results" hidden={!shows}>
          <div id={`${id}-list`} role="listbox" aria-label="Results">
            {groupsOf(items).map(({ kind, name, items: ofKind }) => (
              // biome-ignore lint/a11y/useSemanticElements: a group of options; a fieldset is for fields
              <div key={kind} role="group" aria-label={name}>
                <div className="search-kind" aria-hidden="true">
                  {name}
                </div>
                {ofKind.map((found) => {
                  index += 1;
                  const own = index;
                  return (
                    // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are the field's, as a combobox has it
                    <div
                      key={`${found.stream} ${found.revision} ${found.title}`}
                      id={optionId(own)}
                      role="option"
                      tabIndex={-1}
                      aria-selected={own === active}
                      // The field keeps the focus.
                      onMouseDown={(event) => event.preventDefault()}
                      onClick={() => open(found)}
                    >
                      <bdi>{found.title}</bdi> <bdi className="quiet">{found.detail}</bdi>
                    </div>
                  );
                })}
              </div>
            ))}
          </div>
          {results?.fault === '' && items.length === 0 && <p className="note">Nothing found.</p>}
          {results !== null && results.fault !== '' && (
            <p className="note">The search did not answer: {results.fault}</p>
          )}
        </div>
        <p className="visually-hidden" role="status">
          {shows && results?.fault === '' ? `${items.length} results` : ''}
        </p>
      </form>
    </search>
  );
}
