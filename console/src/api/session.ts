/**
 * The admin token, for as long as the tab is open. sessionStorage and not localStorage: it ends with the tab, and other tabs
 * do not have it. It is never in an address.
 */
const KEY = 'xmpp-chat-admin-token';

/** Why there is no session. */
export type SessionEnd = 'none' | 'logged-out' | 'refused';

interface State {
  readonly token: string | null;
  readonly end: SessionEnd;
}

let state: State = { token: sessionStorage.getItem(KEY), end: 'none' };
const listeners = new Set<() => void>();

function set(next: State): void {
  state = next;
  for (const listener of listeners) listener();
}

export const session = {
  get: (): State => state,
  subscribe(listener: () => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  begin(token: string): void {
    sessionStorage.setItem(KEY, token);
    set({ token, end: 'none' });
  },
  /** @param token the session that ends; an answer to an older one ends nothing */
  end(end: Exclude<SessionEnd, 'none'>, token = state.token): void {
    if (token !== state.token) return;
    sessionStorage.clear(); // branches of streams as well, which may have words of people
    set({ token: null, end });
  },
};
