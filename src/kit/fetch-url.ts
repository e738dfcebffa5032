/** URLs of settings, as fetch can use them. */

/** Ports that fetch refuses (https://fetch.spec.whatwg.org/#port-blocking). */
export const BLOCKED_PORTS: ReadonlySet<string> = new Set(
  '0 1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95 101 102 103 104 109 110 111 113 115 117 119 123 135 137 139 143 161 179 389 427 465 512 513 514 515 526 530 531 532 540 548 554 556 563 587 601 636 989 990 993 995 1719 1720 1723 2049 3659 4045 4190 5060 5061 6000 6566 6665 6666 6667 6668 6669 6679 6697 10080'.split(
    ' ',
  ),
);

/**
 * Moves the user and password of a URL into a header. fetch refuses such a URL, and repeats both in its error.
 * @throws {URIError} if they hold a % that begins no escape
 */
export function withoutCredentials(url: string): {
  readonly address: URL;
  readonly authorization: Readonly<Record<string, string>>;
} {
  const address = new URL(url);
  const { username, password } = address;
  if (!username && !password) return { address, authorization: {} };
  address.username = '';
  address.password = '';
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const basic = Buffer.from(credentials).toString('base64');
  return { address, authorization: { Authorization: `Basic ${basic}` } };
}

/**
 * Why fetch could never use this URL.
 * @param url a URL with http: or https:
 * @returns the reason, without a part of the URL; null if fetch can use it
 */
export function fetchFault(url: string): string | null {
  const { port, username } = new URL(url);
  if (BLOCKED_PORTS.has(port)) return 'has a port that HTTP clients refuse: use another one';
  try {
    withoutCredentials(url);
  } catch {
    return 'has a % in its user or password that begins no escape: write %25 for %';
  }
  // RFC 7617 §2: the first colon ends the user.
  return decodeURIComponent(username).includes(':') ? 'has a colon in its user' : null;
}
