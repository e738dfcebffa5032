/** The OpenAPI document as an HTML page, made on the server: no script, and nothing from other hosts. */
import { hash } from 'node:crypto';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { PROBLEM_KINDS } from './frame/problem.ts';

type Document = ReturnType<OpenAPIHono['getOpenAPI31Document']>;

const STYLE = `
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { max-width: 60rem; margin: 0 auto; padding: 1rem; }
  h2 { border-bottom: 1px solid; } h3 { margin-bottom: 0; }
  code, pre { font: 0.875rem/1.4 ui-monospace, monospace; }
  pre { overflow-x: auto; padding: 0.5rem; border: 1px solid; border-radius: 4px; }
  table { border-collapse: collapse; } td, th { padding: 0 1rem 0 0; text-align: left; vertical-align: top; }
`;

/** The Content-Security-Policy of the page: it allows the page's own style sheet and nothing else. */
export const DOCS_CSP = [
  "default-src 'none'",
  `style-src 'sha256-${hash('sha256', STYLE, 'base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};
const escaped = (text: string): string => text.replace(/[&<>"]/g, (char) => ESCAPES[char] ?? char);

const code = (text: string): string => `<code>${escaped(text)}</code>`;
/** Descriptions are CommonMark (OpenAPI §4.4). Ours use only one part of it: code between backticks. */
const prose = (text: string): string => escaped(text).replace(/`([^`]+)`/g, '<code>$1</code>');
const json = (value: unknown): string =>
  value === undefined ? '' : `<pre>${escaped(JSON.stringify(value, null, 2))}</pre>`;

/** The parts of an operation that the page shows. The document's own types have many forms that ours never takes. */
interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  readonly security: readonly Record<string, unknown>[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema: { readonly description?: string };
  }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Content }>
  >;
}
type Content = Readonly<Record<string, { readonly schema?: unknown }>>;

/** The schema of a body. A named schema is a link. */
function schemaHtml(content: Content | undefined): string {
  const schema = content?.['application/json']?.schema;
  const text = JSON.stringify(schema) ?? '';
  const name = /^\{"\$ref":"#\/components\/schemas\/(\w+)"\}$/.exec(text)?.[1];
  return name === undefined ? json(schema) : ` <a href="#schema-${name}">${name}</a>`;
}

function operationHtml(method: string, path: string, operation: Operation): string {
  const { operationId, summary, description = '', parameters = [], requestBody } = operation;
  const scheme = Object.keys(operation.security[0] ?? {})[0];
  const rows = parameters.map(({ name, in: place, required, schema }) => {
    const { description: text = '', ...rest } = schema;
    const about = `${code(JSON.stringify(rest))} ${prose(text)}`;
    return `<tr><td>${code(name)}<td>${place}${required ? ', required' : ''}<td>${about}`;
  });
  const answers = Object.entries(operation.responses).map(
    ([status, response]) =>
      `<tr><td>${status}<td>${prose(response.description)}${schemaHtml(response.content)}`,
  );
  return `<h3 id="${operationId}">${code(`${method.toUpperCase()} ${path}`)}</h3>
<p>${prose(summary)}. ${prose(description)} ${scheme ? `<em>Needs ${code(scheme)}.</em>` : ''}</p>
${rows.length > 0 ? `<table>${rows.join('\n')}</table>` : ''}
${requestBody ? `<p>Body:${schemaHtml(requestBody.content)}</p>` : ''}
<table>${answers.join('\n')}</table>`;
}

/** Makes the page. */
export function docsPage(document: Document): string {
  const byTag = new Map<string, string[]>();
  const contents: string[] = [];
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const [method, operation] of Object.entries(item)) {
      // `describe` (frame/description.ts) writes everything that Operation has.
      const known = operation as Operation;
      const tag = known.tags[0] ?? '';
      byTag.set(tag, [...(byTag.get(tag) ?? []), operationHtml(method, path, known)]);
      const link = `<a href="#${known.operationId}">${code(`${method.toUpperCase()} ${path}`)}</a>`;
      contents.push(`<tr><td>${link}<td>${prose(known.summary)}`);
    }
  }
  const sections = [...byTag].map(
    ([tag, operations]) => `<h2>${escaped(tag)}</h2>${operations.join('\n')}`,
  );
  const problems = Object.entries(PROBLEM_KINDS).map(
    ([kind, { status, title, detail = '' }]) =>
      `<tr id="${kind}"><td>${code(kind)}<td>${status}<td>${prose(title)}. ${prose(detail)}`,
  );
  const schemas = Object.entries(document.components?.schemas ?? {}).map(
    ([name, schema]) => `<h3 id="schema-${name}">${escaped(name)}</h3>${json(schema)}`,
  );
  const { title, version, description = '' } = document.info;
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title><style>${STYLE}</style>
<h1>${escaped(title)} ${escaped(version)}</h1>
<p>${prose(description)} The OpenAPI document: <a href="/openapi.json">/openapi.json</a>.</p>
<table>${contents.join('\n')}</table>
${sections.join('\n')}
<h2>Problems</h2><table>${problems.join('\n')}</table>
<h2>Schemas</h2>${schemas.join('\n')}
</html>`;
}
