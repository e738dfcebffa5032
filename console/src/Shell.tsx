/** What stands around every page: the way to the others, and the end of the session. */
import type { ReactNode } from 'react';
import { session } from './api/session.ts';
import { HealthBar } from './health/HealthBar.tsx';
import { type Route, to } from './route.ts';
import { Link } from './router.tsx';
import { SearchBox } from './search/SearchBox.tsx';

const PLACES: readonly {
  readonly name: string;
  readonly href: string;
  readonly pages: readonly Route['page'][];
}[] = [
  { name: 'Board', href: to.board(), pages: ['board'] },
  { name: 'Streams', href: to.streams(), pages: ['streams', 'stream', 'trace'] },
  { name: 'Dead letters', href: to.deadLetters(), pages: ['dead-letters', 'dead-letter'] },
];

export function Shell({
  route,
  children,
}: {
  readonly route: Route;
  readonly children: ReactNode;
}) {
  return (
    <>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <header className="top">
        <span className="brand">xmpp-chat</span>
        <nav aria-label="Pages">
          <ul>
            {PLACES.map(({ name, href, pages }) => (
              <li key={name}>
                <Link href={href} aria-current={pages.includes(route.page) ? 'page' : undefined}>
                  {name}
                </Link>
              </li>
            ))}
          </ul>
        </nav>
        <HealthBar />
        <SearchBox />
        <button type="button" onClick={() => session.end('logged-out')}>
          Log out
        </button>
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
    </>
  );
}
