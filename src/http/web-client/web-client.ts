/**
 * The web client: a page of ours with Converse.js in it, for a tenant's operators who have no XMPP client
 * (docs/adr/0060). It is code and settings without data: an operator logs in to ejabberd, and the service is not asked.
 */
import { join } from 'node:path';
import type { Context } from 'hono';
import { TenantId } from '../../actors/ids.ts';
import { type TenantDirectory, tenantsNotKnown } from '../../actors/tenant/directory.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { WebClient } from '../../actors/tenant/web-client-settings.ts';
import { Lru } from '../../kit/lru.ts';
import { respond } from '../frame/answer.ts';
import type { Api } from '../frame/endpoint.ts';
import { type Problem, problem, problemOf } from '../frame/problem.ts';
import { requestIdOf } from '../frame/source.ts';
import {
  answerFile,
  IMMUTABLE,
  readStaticFile,
  type StaticFile,
  staticFileOf,
} from '../frame/static-file.ts';
import { readBuild, typeOf } from './build.ts';
import { pageOf } from './page.ts';
import { COMMON_HEADERS, pageHeaders } from './policy.ts';

/** Where the build is, unless a test has its own. */
const BUILD = join(import.meta.dirname, '../../../web-client/dist');

/** Files kept in memory; a page loads some ten, and there is one for each of 40 languages. */
const FILES_IN_MEMORY = 100;

const HTML = 'text/html; charset=utf-8';
const ASSET = /^\/operator\/-\/([0-9a-f]{16})\/(.+)$/;

/** The same for a tenant that does not exist and for one without a page: nobody learns which tenants there are. */
const NO_PAGE = 'there is nothing at this path; see /docs';
const OLDER = 'this build of the web client has no such file: load the page again';
const NOT_BUILT =
  'the web client is not built: run "npm run build:web-client" in the folder of the service';

/** /operator/{tenant}, and what it is made of below /operator/-/. */
export function addWebClient(
  { app, deps }: Api,
  tenants: TenantDirectory,
  folder: string = BUILD,
): void {
  const files = new Lru<StaticFile>(FILES_IN_MEMORY);

  const answerProblem = (c: Context, result: Problem): Response =>
    respond(result, requestIdOf(c.req.header('x-request-id')) ?? deps.newId());
  const notFound = (c: Context, reason: string): Response =>
    answerProblem(c, problem('not-found', reason));

  /** A tenant that has the page; null without one. */
  function tenantWithPage(name: string): { tenant: Tenant; webClient: WebClient } | null {
    const { data: id } = TenantId.safeParse(name);
    if (id === undefined) return null;
    const tenant = tenants.get(id);
    if (!tenant && tenants.standing(id) === 'pending') throw tenantsNotKnown();
    const webClient = tenant?.webClient;
    return tenant && webClient?.enabled && !tenant.removing ? { tenant, webClient } : null;
  }

  app.get('/operator/:tenant', async (c) => {
    try {
      const found = tenantWithPage(c.req.param('tenant'));
      if (!found) return notFound(c, NO_PAGE);
      const build = await readBuild(folder);
      if (!build) return answerProblem(c, problem('unavailable', NOT_BUILT));
      const { tenant, webClient } = found;
      // Settings may change at any time.
      const headers = { ...pageHeaders(webClient), 'Cache-Control': 'no-cache' };
      const html = Buffer.from(pageOf(tenant, webClient, build));
      return answerFile(c, await staticFileOf(html, HTML), headers);
    } catch (error) {
      return answerProblem(c, problemOf(error));
    }
  });

  app.get('/operator/-/*', async (c) => {
    const [, id, path = ''] = ASSET.exec(c.req.path) ?? [];
    const type = typeOf(path);
    const build = await readBuild(folder);
    // The list has the files of the build alone, so no path leads out of its folder.
    if (build?.id !== id || !build?.files.has(path) || type === undefined) {
      return notFound(c, OLDER);
    }
    const key = `${id}/${path}`;
    const file = files.get(key) ?? (await readStaticFile(join(folder, path), type));
    if (!file) return notFound(c, OLDER);
    files.set(key, file);
    return answerFile(c, file, { ...COMMON_HEADERS, 'Cache-Control': IMMUTABLE });
  });
}
