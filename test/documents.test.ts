/** What the documents name is there: files, sections, settings, metrics, commands, types of events and callbacks. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path/posix';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const find = (pattern: string): string[] =>
  globSync(pattern, {
    cwd: root,
    exclude: ['**/node_modules/**', 'data/**', '.cache/**', 'coverage/**'],
  });

const documents = find('**/*.md');
const sources = find('src/**/*.ts').map(read).join('\n');
const named = (texts: readonly string[], pattern: RegExp): string[] => [
  ...new Set(texts.flatMap((text) => [...text.matchAll(pattern)].map(([, name]) => name ?? ''))),
];

/** A file of the repository, as the checks below see it. */
interface Page {
  readonly path: string;
  readonly text: string;
}

const withoutAddresses = (text: string): string => text.replaceAll(/\bhttps?:\/\/[^\s)`'"]+/g, '');

/** Whether a name stands for something, as a path from the root, or from the file or a folder above it. */
function isThere(name: string, from: string, exists: (pattern: string) => boolean): boolean {
  for (let folder = dirname(from); ; folder = dirname(folder)) {
    if (exists(normalize(join(folder, name)))) return true;
    if (folder === '.') return false;
  }
}

/** Documents and decisions that a file refers to, and that are not in the repository. */
function missingDocuments({ path, text }: Page, exists: (pattern: string) => boolean): string[] {
  const plain = withoutAddresses(text);
  const pages = named([plain], /((?:\.\.\/|\b)[\w./-]*\w\.md)\b/g);
  const places = named([plain], /(?<![\w/])(docs\/[\w./-]*\w)/g);
  const decisions = [
    ...named([plain], /\bADRs? (\d{4})\b/g),
    ...(path.startsWith('docs/adr/') ? named([plain], /\((\d{4})\b/g) : []),
  ];
  return [
    ...pages.filter((name) => !isThere(name, path, exists)),
    ...places.filter((name) => !exists(name) && !exists(`${name}-*.md`)),
    ...decisions.filter((number) => !exists(`docs/adr/${number}-*.md`)),
  ].map((name) => `${path} refers to ${name}`);
}

/** Files and folders that a text names by their path from the root, and that are not there. */
function missingFiles({ path, text }: Page, exists: (pattern: string) => boolean): string[] {
  const pattern =
    /(?<![\w./}-])((?:src|test|scripts|bench|docker|ejabberd|examples|findings)\/[\w./*{},-]*)/g;
  return named([withoutAddresses(text)], pattern)
    .map((name) => name.replace(/[.,]+$/, ''))
    .filter((name) => !/\bNAME\b/.test(name) && !exists(name))
    .map((name) => `${path} names ${name}`);
}

/** As GitHub makes the anchor of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');

const anchorsOf = (text: string): string[] =>
  [...text.replaceAll(/```[\s\S]*?```/g, '').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    anchorOf(heading),
  );

/** Links to files that are not there, or to sections that their document does not have. */
function brokenLinks({ path, text }: Page, textOf: (path: string) => string | null): string[] {
  const links = named([text.replaceAll(/```[\s\S]*?```/g, '')], /\]\(([^)\s]+)\)/g);
  return links
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => {
      const [file = '', anchor] = link.split('#');
      const target = textOf(file === '' ? path : normalize(join(dirname(path), file)));
      return target === null || (anchor !== undefined && !anchorsOf(target).includes(anchor));
    })
    .map((link) => `${path} links to ${link}`);
}

/** Sections, promises and points that a comment refers to, as `(docs/x.md, Section)`, and that are not there. */
function missingSections({ path, text }: Page, textOf: (path: string) => string | null): string[] {
  const references = text.matchAll(
    /(docs\/[\w-]+\.md), (\p{Lu}[^).;:,`'"\n]*|promise \d+|gotcha \d+)/gu,
  );
  return [...references]
    .filter(([, file = '', section = '']) => {
      const target = textOf(file) ?? '';
      const [, kind, number] = /^(promise|gotcha) (\d+)$/.exec(section) ?? [];
      if (kind === 'promise') return !target.includes(`\n| ${number} | **`);
      if (kind === 'gotcha') return !target.includes(`\n${number}. **`);
      const isAbove = /^(ADR|README)/.test(section);
      return !isAbove && !anchorsOf(target).includes(anchorOf(section.trim()));
    })
    .map(([, file, section]) => `${path} refers to ${file}, ${section}`);
}

const exists = (pattern: string): boolean =>
  /[*{]/.test(pattern) ? find(pattern).length > 0 : existsSync(join(root, pattern));

/** null when there is no such file; of a folder nothing. */
function textOf(path: string): string | null {
  if (!existsSync(join(root, path))) return null;
  return path.endsWith('.md') ? read(path) : '';
}

const pagesOf = (...patterns: string[]): Page[] =>
  patterns.flatMap(find).map((path) => ({ path, text: read(path) }));

describe('what is referred to', () => {
  it('documents and decisions are in the repository', () => {
    const pages = pagesOf(
      '{src,test,scripts,bench,docs,docker,ejabberd,examples,findings}/**/*.{ts,mjs,md,erl,yml,sh,example,cfg}',
      '*.{ts,md,yml,jsonc}',
      'Makefile',
    ).filter(({ path }) => path !== 'test/documents.test.ts');
    expect(pages.length).toBeGreaterThan(400);
    expect(pages.flatMap((page) => missingDocuments(page, exists))).toEqual([]);
  });

  it('files that documents and comments name are there', () => {
    const pages = pagesOf('**/*.md', '{src,scripts,bench,ejabberd}/**/*.{ts,erl,yml}');
    expect(pages.flatMap((page) => missingFiles(page, exists))).toEqual([]);
  });

  it('links lead to files and sections', () => {
    expect(pagesOf('**/*.md').flatMap((page) => brokenLinks(page, textOf))).toEqual([]);
  });

  it('sections, promises and points that comments name are in their document', () => {
    const pages = pagesOf('{src,test,scripts,bench}/**/*.ts', '{src,ejabberd}/**/*.erl', '*.yml');
    const found = pages.filter(({ path }) => path !== 'test/documents.test.ts');
    expect(found.flatMap((page) => missingSections(page, textOf))).toEqual([]);
  });

  it('a missing one would be noticed', () => {
    const there = new Set(['docs/a.md', 'docs/adr/0001-*.md', 'src/a.ts', 'ejabberd/README.md']);
    const has = (pattern: string): boolean => there.has(pattern);
    const text = `DESIGN.md, gotcha 3; docs/a.md; docs/old; ADR 0001, ADR 0099; README.md;
      src/a.ts, \`src/old.ts\`, test/**/*.old.ts; https://example.org/docs/b.md`;
    const page = { path: 'ejabberd/src/x.erl', text };
    expect(missingDocuments(page, has)).toEqual([
      'ejabberd/src/x.erl refers to DESIGN.md',
      'ejabberd/src/x.erl refers to docs/old',
      'ejabberd/src/x.erl refers to 0099',
    ]);
    expect(missingFiles(page, has)).toEqual([
      'ejabberd/src/x.erl names src/old.ts',
      'ejabberd/src/x.erl names test/**/*.old.ts',
    ]);
    const comment =
      '(docs/x.md, Lanes; docs/x.md, Old part), docs/x.md, promise 8, docs/x.md, gotcha 2';
    const document = '## Lanes\n| 7 | **One.** |\n2. **Two.**';
    expect(missingSections({ path: 'src/a.ts', text: comment }, () => document)).toEqual([
      'src/a.ts refers to docs/x.md, Old part',
      'src/a.ts refers to docs/x.md, promise 8',
    ]);
    const linking = { path: 'docs/b.md', text: '[a](a.md#two-words), [b](#no), [c](../c.md)' };
    const texts: Record<string, string> = { 'docs/a.md': '## Two `words`', 'docs/b.md': '# B' };
    expect(brokenLinks(linking, (path) => texts[path] ?? null)).toEqual([
      'docs/b.md links to #no',
      'docs/b.md links to ../c.md',
    ]);
  });
});

describe('what the documents name is there', () => {
  const texts = documents.map(read);

  it('every metric', () => {
    const metrics = named(texts, /\b(xmpp_chat_[a-z_]+)/g).map((name) =>
      name.replace(/_count$/, ''),
    );
    expect(metrics.length).toBeGreaterThan(15);
    expect(metrics.filter((name) => !sources.includes(name))).toEqual([]);
  });

  it('every command of the command line', () => {
    const commands = named(
      texts,
      /(?:`|npx |cli\.ts )(?:xmpp-chat )?(?<=xmpp-chat |cli\.ts )([a-z][a-z-]*)/g,
    );
    expect(commands).toEqual(expect.arrayContaining(['backup', 'doctor', 'restore', 'serve']));
    const made = [...sources.matchAll(/(?:new Command|\.command)\('([a-z-]+)/g)].map(
      ([, name]) => name,
    );
    expect(commands.filter((name) => !made.includes(name))).toEqual([]);
  });

  it('every script of npm, and every target of make', () => {
    const scripts = Object.keys(JSON.parse(read('package.json')).scripts);
    const told = named(texts, /\bnpm run (?:-s |--silent )?([a-z][a-z:-]*)/g);
    expect(told).toEqual(expect.arrayContaining(['check', 'demo', 'dev', 'test:fast']));
    expect(told.filter((name) => !scripts.includes(name))).toEqual([]);
    const targets = named([read('Makefile')], /^([a-z]+):/gm);
    expect(named(texts, /`make ([a-z]+)`/g).filter((name) => !targets.includes(name))).toEqual([]);
  });
});

/** Names of others' programs, files and settings. */
const NAMES_OF_OTHERS = [
  'RES_OPTIONS', // glibc
  'AdvertiseHostToClientAs',
  'CHANGED',
  'CHANGELOG',
  'CONTRIB_MODULES_PATH',
  'EJABBERD_',
  'MemoryDenyWriteExecute',
  'REST',
  'RunProjections',
  'StateDirectory',
];

/** Facts, functions, constants and settings that a text names between backticks, and that the code does not have. */
function unknownNames({ path, text }: Page, words: ReadonlySet<string>): string[] {
  const spans = named([text.replaceAll(/```[\s\S]*?```/g, '')], /`([^`\n]+)`/g);
  return named(spans, /(?<![\w./-])([a-z]+[A-Z]\w*|[A-Z][A-Z_]{3,}|[A-Z][a-z]+[A-Z]\w*)\b/g)
    .filter((name) => !words.has(name) && !NAMES_OF_OTHERS.includes(name))
    .map((name) => `${path} names ${name}`);
}

describe('names of the code', () => {
  it('that documents use are in the code', () => {
    const code = pagesOf(
      '{src,test,scripts,ejabberd,docker,bench,examples}/**/*.{ts,mjs,erl,yml,sh,example}',
      'web-client/src/*.ts',
      '{lhc,scripts}/**/*.{php,json,xml}',
      '{package,tsconfig}.json',
      '*.{ts,yml}',
    ).filter(({ path }) => path !== 'test/documents.test.ts');
    const words = new Set(code.flatMap(({ text }) => text.match(/[A-Za-z_]\w*/g) ?? []));
    expect(pagesOf('**/*.md').flatMap((page) => unknownNames(page, words))).toEqual([]);
  });

  it('a name that is gone would be noticed', () => {
    const text =
      '`VisitorArrived`, `ChatVanished`, `oldName()`, `LOGIN_DEADLINE_MS`, plain oldText';
    const words = new Set(['VisitorArrived', 'LOGIN_DEADLINE_MS']);
    expect(unknownNames({ path: 'a.md', text }, words)).toEqual([
      'a.md names ChatVanished',
      'a.md names oldName',
    ]);
  });
});

describe('what is there is in the documents', () => {
  const configuration = read('docs/configuration.md');
  const contracts = read('docs/contracts.md');
  /** The names in the first column of a table, which begins with these headings. */
  const column = (text: string, headings: string): string[] => {
    const [, table = ''] = text.split(`| ${headings} |\n`, 2);
    const [rows = ''] = table.split('\n\n', 1);
    return rows.split('\n').flatMap((row) => named([row.split('|')[1] ?? ''], /`([^`]+)`/g));
  };

  it('every setting of the environment', () => {
    const [, schema = ''] =
      /const Environment = z\.object\(\{\n([\s\S]*?)\n\}\);/.exec(sources) ?? [];
    const known = [...schema.matchAll(/^ {2}([A-Z_]+):/gm)].map(([, name]) => name);
    expect(known.length).toBeGreaterThan(10);
    expect(column(configuration, 'variable | meaning | allowed | default').sort()).toEqual(
      known.sort(),
    );
  });

  it('every setting of a tenant', () => {
    const [, schema = ''] =
      /export const TenantSettings = z\.strictObject\(\{\n([\s\S]*?)\n\}\);/.exec(sources) ?? [];
    const known = [...schema.matchAll(/^ {2}(\w+):/gm)].map(([, name]) => name);
    expect(known.length).toBeGreaterThan(10);
    const told = column(configuration, 'setting | meaning | allowed | default');
    expect([...new Set(told.map((name) => name.split('.')[0]))].sort()).toEqual(known.sort());
  });

  it('every event of mod_lhc, and every callback', () => {
    const events = named([read('src/inbox/events.ts')], /\bevent\('([a-z_.]+)'/g);
    expect(events.length).toBeGreaterThan(8);
    expect(column(contracts, 'event | effect in the service').sort()).toEqual(events.sort());
    const callbacks = named([read('src/lhc/callback-types.ts')], /'([a-z]+\.[a-z_]+)'/g);
    expect(callbacks.length).toBeGreaterThan(15);
    expect(column(contracts, 'type | sent when | `data`').sort()).toEqual(callbacks.sort());
  });

  it('every command of operators', () => {
    const commands = named(
      [read('src/inbox/operator-commands/read.ts')],
      /\busage: ["'](![^"']+)["']/g,
    );
    expect(commands.length).toBeGreaterThan(8);
    expect(column(read('docs/operators.md'), 'command | what it does').sort()).toEqual(
      commands.sort(),
    );
  });
});
