/**
 * The console: the browser's part of the debugger, as `npm run build:console` makes it. It is code without data, so everybody
 * may load it; what it shows comes from the API, with the admin token.
 */
import { join } from 'node:path';
import type { Context } from 'hono';
import { Lru } from '../../kit/lru.ts';
import { respond } from '../frame/answer.ts';
import type { Api } from '../frame/endpoint.ts';
import { problem } from '../frame/problem.ts';
import { requestIdOf } from '../frame/source.ts';
import { answerFile, IMMUTABLE, readStaticFile, type StaticFile } from '../frame/static-file.ts';

/** Where the build is, unless a test has its own. */
const BUILD = join(import.meta.dirname, '../../../console/dist');

/**
 * Only files of this service: no inline script or style, nothing from other hosts, no frame around it. Text that somebody
 * wrote can never become HTML, because without a policy of Trusted Types the browser refuses to parse any.
 */
export const CONSOLE_CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const HEADERS = {
  'Content-Security-Policy': CONSOLE_CSP,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
};

/** Types of what Vite writes into assets/. Another type is not served. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ['js', 'text/javascript; charset=utf-8'],
  ['css', 'text/css; charset=utf-8'],
  ['svg', 'image/svg+xml'],
]);
const HTML = 'text/html; charset=utf-8';

/** Names have a hash of the content (Vite), and neither `/` nor `..`: no path leads out of the folder. */
const ASSET = /^\/console\/assets\/([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.(js|css|svg))$/;

/** Files kept in memory; a build has some ten. Those of older builds are forgotten. */
const FILES_IN_MEMORY = 50;

const NOT_BUILT = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>The console is not built</title>
<h1>The console is not built</h1>
<p>Run <code>npm run build:console</code> in the folder of the service, and load this page again. The service needs no restart.
<p>The images for containers have it, and <code>make run</code> builds it.
</html>`;

/** /console, every page below it, and what they are made of. */
export function addConsole({ app, deps }: Api, folder: string = BUILD): void {
  const assets = new Lru<StaticFile>(FILES_IN_MEMORY);

  async function asset(c: Context, name: string, type: string): Promise<Response> {
    const file = assets.get(name) ?? (await readStaticFile(join(folder, 'assets', name), type));
    if (file) {
      assets.set(name, file);
      return answerFile(c, file, { ...HEADERS, 'Cache-Control': IMMUTABLE });
    }
    return missing(c);
  }

  const missing = (c: Context): Response =>
    respond(
      problem('not-found', 'this build of the console has no such file: load the page again'),
      requestIdOf(c.req.header('x-request-id')) ?? deps.newId(),
    );

  async function page(c: Context): Promise<Response> {
    const file = await readStaticFile(join(folder, 'index.html'), HTML);
    if (file) return answerFile(c, file, { ...HEADERS, 'Cache-Control': 'no-cache' });
    const headers = { ...HEADERS, 'Content-Type': HTML, 'Cache-Control': 'no-store' };
    return new Response(NOT_BUILT, { status: 503, headers });
  }

  app.get('/console', page);
  app.get('/console/*', (c) => {
    const [, name, extension = ''] = ASSET.exec(c.req.path) ?? [];
    const type = TYPES.get(extension);
    if (name !== undefined && type !== undefined) return asset(c, name, type);
    return c.req.path.startsWith('/console/assets/') ? missing(c) : page(c);
  });
}
