/** examples/curl.sh has a request for each endpoint of the OpenAPI document, and for nothing else. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { fakeApp } from '../http/fakes.ts';

const METHODS = ['get', 'post', 'put', 'delete'];
/** The two pages about the API are not in the document about the API. */
const PAGES = ['GET /docs', 'GET /openapi.json'];

/** Names of parameters do not count: `/v1/{tenant}` and `/v1/$TENANT` are the same. */
const nameless = (path: string): string => path.replaceAll(/\{\w+\}|\$[A-Z]+/g, '*');

function requestsIn(script: string): string[] {
  const found = script.matchAll(/^curl (?:-X ([A-Z]+) )?[^"\n]*"\$API(\/[^"?]*)/gm);
  return [...found].map(([, method = 'GET', path = '']) => `${method} ${nameless(path)}`);
}

async function documented(): Promise<string[]> {
  const { json } = await fakeApp().ask('GET', '/openapi.json');
  return Object.entries<object>(json.paths).flatMap(([path, operations]) =>
    METHODS.filter((method) => method in operations).map(
      (method) => `${method.toUpperCase()} ${nameless(path)}`,
    ),
  );
}

it('has every endpoint, and no other', async () => {
  const script = readFileSync(join(import.meta.dirname, '../../examples/curl.sh'), 'utf8');
  const expected = [...(await documented()), ...PAGES];
  expect(expected.length).toBeGreaterThan(30);
  expect([...new Set(requestsIn(script))].sort()).toEqual(expected.sort());
});

it('reads methods and paths as they are written in the script', () => {
  const script = `
curl "$API/v1/$TENANT/visitors?online=true" -H "$KEY"
curl -N --max-time 1 "$API/v1/$TENANT/stream" -H "$KEY" || true
curl -X PUT "$API/v1/$TENANT/operators/$OPERATOR" -H "$KEY"
# curl "$API/comment"
`;
  expect(requestsIn(script)).toEqual([
    'GET /v1/*/visitors',
    'GET /v1/*/stream',
    'PUT /v1/*/operators/*',
  ]);
});
