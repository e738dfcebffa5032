/** Addresses of the console and what they show. Without the DOM, so that tests can ask it. */
import { type Query, withQuery } from './with-query.ts';

export const BASE = '/console';

export type Route =
  | { readonly page: 'board' }
  | { readonly page: 'streams' }
  | { readonly page: 'stream'; readonly stream: string }
  | { readonly page: 'search' }
  | { readonly page: 'trace'; readonly id: string }
  | { readonly page: 'dead-letters' }
  | { readonly page: 'dead-letter'; readonly id: string }
  | { readonly page: 'none' };

function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null; // a lone % in an address that somebody typed
  }
}

/** What an address shows. @param pathname with {@link BASE} */
export function routeOf(pathname: string): Route {
  const rest = pathname.slice(BASE.length).replace(/^\/+|\/+$/g, '');
  if (!pathname.startsWith(BASE)) return { page: 'none' };
  if (rest === '') return { page: 'board' };
  const [first = '', second, ...more] = rest.split('/');
  const id = second === undefined ? undefined : decoded(second);
  if (more.length > 0 || id === null) return { page: 'none' };
  switch (first) {
    case 'streams':
      return id === undefined ? { page: 'streams' } : { page: 'stream', stream: id };
    case 'dead-letters':
      return id === undefined ? { page: 'dead-letters' } : { page: 'dead-letter', id };
    case 'traces':
      return id === undefined ? { page: 'none' } : { page: 'trace', id };
    case 'search':
      return id === undefined ? { page: 'search' } : { page: 'none' };
    default:
      return { page: 'none' };
  }
}

const address = (path: string, query: Query = {}): string => withQuery(`${BASE}${path}`, query);

/** Addresses of pages, for links. */
export const to = {
  board: (tenant?: string | null) => address('', { tenant }),
  streams: (query: Query = {}) => address('/streams', query),
  stream: (stream: string, revision?: number | null) =>
    address(`/streams/${encodeURIComponent(stream)}`, { revision }),
  search: (q: string) => address('/search', { q }),
  trace: (id: string) => address(`/traces/${encodeURIComponent(id)}`),
  deadLetters: (tenant?: string | null) => address('/dead-letters', { tenant }),
  deadLetter: (id: string) => address(`/dead-letters/${encodeURIComponent(id)}`),
};
