/** The page of a tenant, as HTML. All of it is the administrator's: nothing of visitors or operators, and nothing secret. */
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { WebClient } from '../../actors/tenant/web-client-settings.ts';
import type { Build } from './build.ts';

/** What the program in the page is told (web-client/src/settings.ts reads it). */
export interface PageSettings {
  readonly title: string;
  /** The host of operators' addresses. */
  readonly host: string;
  /** Behind each username: empty, or `.` and the instance. */
  readonly suffix: string;
  /** null: /ws of the host that the page comes from. */
  readonly websocket: string | null;
  /** null: that of the browser. */
  readonly language: string | null;
  /** Where the files are, without a slash at the end. */
  readonly assets: string;
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');

/** JSON in HTML: no text of it can end the element or begin a comment. */
const inHtml = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c');

/** The address of what the page is made of. No tenant is called `-`. */
export const assetsOf = ({ id }: Build): string => `/operator/-/${id}`;

export function pageOf(tenant: Tenant, webClient: WebClient, build: Build): string {
  const assets = assetsOf(build);
  const settings: PageSettings = {
    title: webClient.title ?? tenant.host,
    host: tenant.host,
    suffix: tenant.instance === undefined ? '' : `.${tenant.instance}`,
    websocket: webClient.websocket ?? null,
    language: webClient.language ?? null,
    assets,
  };
  const language = (webClient.language ?? 'en').replace('_', '-');
  return `<!doctype html>
<html lang="${language}" class="converse-fullscreen">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escaped(settings.title)}</title>
<link rel="icon" type="image/png" href="${assets}/icon.png">
<link rel="stylesheet" href="${assets}/converse.min.css">
<link rel="stylesheet" href="${assets}/page.css">
<script type="application/json" id="settings">${inHtml(settings)}</script>
<script type="module" src="${assets}/main.js"></script>
</head>
<body class="converse-fullscreen">
<noscript>This page needs JavaScript.</noscript>
</body>
</html>
`;
}
