/**
 * Import directions (docs/architecture.md): who may know whom. dependency-cruiser does not read TypeScript 7 and passes
 * everything then, so the rules are held here, with oxc's parser.
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';
import { describe, expect, it } from 'vitest';

/** What the files of a place may import, as prefixes of paths; what they may use of others' types only. */
interface Rule {
  readonly values: readonly string[];
  readonly types?: readonly string[];
  /** Packages; anything when absent. */
  readonly packages?: readonly string[];
}

/** What everybody may know of the event store: its port, and the reads made of it. */
const STORE = ['src/eventstore/port.ts', 'src/eventstore/reading.ts'];
/** What the composition root alone may import, and what imports everything. */
const ROOT: Rule = { values: ['src/'] };

/** What a folder of src/http may import: itself, the frame, and what all of src/http may import. */
function httpFolder(folder: string): Rule {
  const own = folder === '' ? 'src/http/' : `src/http/${folder}/`;
  return {
    values: [
      own,
      'src/http/frame/',
      'src/actors/',
      'src/runtime/',
      'src/projections/',
      'src/replay/',
      ...STORE,
    ],
    types: ['src/eventstore/'],
  };
}

/** @param others folders whose types it may use; of the texts it may use everything */
function reactorFolder(folder: string, ...others: readonly string[]): Rule {
  const own = folder === '' ? 'src/reactors/personal-data.ts' : `src/reactors/${folder}/`;
  const texts = others.includes('texts') ? ['src/reactors/texts/'] : [];
  return {
    values: [
      own,
      ...texts,
      'src/actors/',
      'src/runtime/',
      'src/sqlite/',
      ...STORE,
      'src/xmpp/port.ts',
      'src/effects/',
      // Whether what an operator wrote is a command.
      'src/inbox/operator-commands/read.ts',
      // What of an operator's text has a shape.
      'src/inbox/operator-text.ts',
      'src/inbox/operator-commands/words.ts',
      // What waits for a verdict about a file, and how long.
      'src/files/look.ts',
    ],
    types: [
      ...others.map((other) => `src/reactors/${other}/`),
      'src/reactors/personal-data.ts',
      'src/reactors/operator-names.ts',
      'src/eventstore/',
      'src/inbox/',
      'src/xmpp/',
      'src/lhc/',
    ],
  };
}

const RULES: Record<string, Rule> = {
  'src/errors.ts': { values: [], packages: [] },
  // Small mechanisms that know nothing of chats.
  'src/kit/': { values: ['src/kit/'] },
  // No clock, no randomness, no I/O: not even Node's own modules.
  'src/actors/machine/': { values: ['src/actors/machine/'], packages: ['xstate', 'zod'] },
  'src/actors/': { values: ['src/actors/'], packages: ['xstate', 'zod'] },
  // Replay has no hands: nothing here can append or send, wait for a socket or open a file (docs/adr/0053).
  'src/replay/': {
    values: ['src/replay/', 'src/actors/', 'src/effects/', ...STORE],
    packages: ['xstate', 'zod', 'node:timers'],
  },
  'src/eventstore/': { values: ['src/eventstore/', 'src/sqlite/'] },
  'src/fold/': { values: ['src/fold/', 'src/sqlite/', ...STORE] },
  'src/sqlite/': { values: ['src/sqlite/'] },
  'src/backup/': {
    values: [
      'src/backup/',
      'src/eventstore/sqlite/',
      'src/sqlite/',
      // Whether a secret opens what is sealed.
      'src/runtime/vault/secret-check.ts',
    ],
  },
  'src/doctor/': {
    values: [
      'src/doctor/',
      'src/files/',
      'src/actors/',
      'src/xmpp/',
      'src/lhc/',
      'src/eventstore/',
      'src/config/config.ts',
      'src/version.ts',
      'src/backup/files.ts',
      'src/backup/user.ts',
      // Whether a secret opens what is sealed.
      'src/runtime/vault/secret-check.ts',
    ],
  },
  'src/runtime/': {
    values: ['src/runtime/', 'src/actors/', 'src/fold/', 'src/sqlite/', ...STORE],
    types: ['src/eventstore/'],
  },
  // HTTP's sibling: what mod_lhc reports becomes commands.
  'src/inbox/': {
    values: ['src/inbox/', 'src/runtime/', 'src/actors/', ...STORE],
    types: ['src/eventstore/'],
  },
  // What facts call for, as pure functions: nothing here can perform it.
  'src/effects/': {
    values: ['src/effects/', 'src/actors/', 'src/reactors/texts/'],
    types: ['src/lhc/callback-types.ts'],
    packages: [],
  },
  'src/reactors/texts/': {
    values: ['src/reactors/texts/', 'src/actors/'],
    types: ['src/xmpp/port.ts', 'src/lhc/callback-types.ts'],
    packages: [],
  },
  // Each folder of reactors knows the texts and the types that it names here. So there is no circle, not even of types.
  'src/reactors/routing/': reactorFolder('routing', 'texts'),
  'src/reactors/operators/': reactorFolder('operators'),
  'src/reactors/visitors/': reactorFolder('visitors', 'texts'),
  'src/reactors/answers/': reactorFolder('answers', 'texts'),
  'src/reactors/rooms/': reactorFolder('rooms'),
  'src/reactors/conversation/': reactorFolder(
    'conversation',
    'texts',
    'answers',
    'operators',
    'rooms',
  ),
  'src/reactors/desk/': reactorFolder('desk', 'texts', 'answers'),
  'src/reactors/tenants/': reactorFolder('tenants', 'visitors', 'operators'),
  'src/reactors/lhc/': reactorFolder('lhc', 'operators'),
  'src/reactors/': reactorFolder('', 'texts'),
  'src/projections/': {
    // Of the actors the types, how their names and facts are read, the life of a chat, the fields of a profile, and which
    // sessions get an operator's messages.
    values: [
      'src/projections/',
      'src/fold/',
      'src/sqlite/',
      ...STORE,
      'src/actors/ids.ts',
      'src/actors/facts.ts',
      'src/actors/operator/availability.ts',
      'src/actors/visitor/chat.ts',
      'src/actors/visitor/profile.ts',
    ],
    types: ['src/actors/'],
  },
  // Files that strangers made: fetched, looked at and forgotten.
  'src/files/': { values: ['src/files/', 'src/actors/tenant/'], types: ['src/lhc/'] },
  'src/xmpp/': { values: ['src/xmpp/'] },
  'src/lhc/': { values: ['src/lhc/'] },
  // Each folder of endpoints knows the frame, and none of the others.
  'src/http/frame/': httpFolder('frame'),
  'src/http/v1/': httpFolder('v1'),
  'src/http/stream/': httpFolder('stream'),
  'src/http/webhook/': httpFolder('webhook'),
  'src/http/lhc/': httpFolder('lhc'),
  'src/http/xmlrpc/': httpFolder('xmlrpc'),
  'src/http/debug/': httpFolder('debug'),
  // Files and nothing else: it can reach no data.
  'src/http/console/': { values: ['src/http/console/', 'src/http/frame/'] },
  // Files and a tenant's settings: it can reach no data.
  'src/http/web-client/': {
    values: ['src/http/web-client/', 'src/http/frame/', 'src/actors/ids.ts', 'src/actors/tenant/'],
  },
  'src/http/xmppservice/': httpFolder('xmppservice'),
  'src/http/': httpFolder(''),
  'src/': ROOT,
};

const EVERYBODY = ['src/errors.ts', 'src/kit/'];
const READS_ENVIRONMENT = ['src/config/config.ts'];

interface Import {
  readonly from: string;
  /** A path of the repository, or a package's name. */
  readonly to: string;
  readonly type: boolean;
}

const local = (specifier: string): boolean => /^\.{0,2}\//.test(specifier);

const packageOf = (specifier: string): string =>
  specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');

function importsOf(path: string, source: string): Import[] {
  const { program, module, errors } = parseSync(path, source);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`);
  const found: { specifier: string; type: boolean }[] = [];
  for (const node of program.body) {
    if (node.type === 'ImportDeclaration') {
      found.push({ specifier: node.source.value, type: node.importKind === 'type' });
    } else if (node.type === 'ExportAllDeclaration' || node.type === 'ExportNamedDeclaration') {
      if (node.source) {
        found.push({ specifier: node.source.value, type: node.exportKind === 'type' });
      }
    }
  }
  for (const { moduleRequest } of module.dynamicImports) {
    const specifier = source.slice(moduleRequest.start + 1, moduleRequest.end - 1);
    found.push({ specifier, type: false });
  }
  return found.map(({ specifier, type }) => ({
    from: path,
    to: local(specifier) ? join(dirname(path), specifier) : packageOf(specifier),
    type,
  }));
}

function ruleOf(path: string): Rule {
  const [, rule] =
    Object.entries(RULES).find(([place]) => path.startsWith(place)) ??
    expect.unreachable(`no rule for ${path}`);
  return rule;
}

function allowed({ from, to, type }: Import): boolean {
  const { values, types = [], packages } = ruleOf(from);
  if (!to.includes('/') || !/\.[a-z]+$/.test(to)) {
    return packages === undefined || packages.includes(to);
  }
  return [...EVERYBODY, ...values, ...(type ? types : [])].some((place) => to.startsWith(place));
}

/** One cycle of value imports, as its files; null when there is none. */
function cycle(imports: readonly Import[]): string[] | null {
  const next = Map.groupBy(
    imports.filter(({ type }) => !type),
    ({ from }) => from,
  );
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): string[] | null => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
    if (done.has(path)) return null;
    done.add(path);
    for (const { to } of next.get(path) ?? []) {
      const found = visit(to, [...trail, path]);
      if (found) return found;
    }
    return null;
  };
  for (const path of next.keys()) {
    const found = visit(path, []);
    if (found) return found;
  }
  return null;
}

/** Everything that is wrong with these files, each said in one line. */
function faults(files: ReadonlyMap<string, string>): string[] {
  const imports = [...files].flatMap(([path, source]) => importsOf(path, source));
  const wrong = imports
    .filter((one) => !allowed(one))
    .map(({ from, to, type }) => `${from} must not import ${type ? 'types of ' : ''}${to}`);
  for (const [path, source] of files) {
    if (/\bprocess\??\.env\b/.test(source) && !READS_ENVIRONMENT.includes(path)) {
      wrong.push(`${path} must not read the environment`);
    }
    if (
      path.startsWith('src/actors/') &&
      /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(/.test(source)
    ) {
      wrong.push(`${path} must be given time and chance`);
    }
  }
  const round = cycle(imports);
  return round ? [...wrong, `a cycle: ${round.join(' → ')}`] : wrong;
}

describe('the architecture', () => {
  it('is kept', () => {
    const root = fileURLToPath(new URL('..', import.meta.url));
    const paths = globSync('src/**/*.ts', { cwd: root }).filter((path) => !path.endsWith('.d.ts'));
    expect(paths.length).toBeGreaterThan(20);
    const files = new Map(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
    expect(faults(files)).toEqual([]);
  });

  it.each<[string, string, RegExp | null]>([
    ['src/actors/a.ts', "import { x } from '../errors.ts';", null],
    ['src/actors/a.ts', "import { x } from '../kit/lru.ts';", null],
    ['src/kit/a.ts', "import { x } from '../actors/ids.ts';", /must not import/],
    [
      'src/actors/machine/a.ts',
      "import { x } from '../visitor/machine.ts';",
      /must not import src\/actors\/visitor/,
    ],
    ['src/actors/a.ts', "import { z } from 'zod';", null],
    ['src/actors/a.ts', "import fs from 'node:fs';", /must not import node:fs/],
    [
      'src/actors/a.ts',
      "import type { T } from '../eventstore/port.ts';",
      /types of src\/eventstore/,
    ],
    ['src/actors/a.ts', 'const now = Date.now();', /given time/],
    ['src/replay/a.ts', "import { x } from '../actors/visitor/machine.ts';", null],
    [
      'src/replay/a.ts',
      "import type { T } from '../runtime/ports.ts';",
      /must not import types of/,
    ],
    ['src/replay/a.ts', "import { x } from '../reactors/texts/notices.ts';", /must not import/],
    ['src/replay/a.ts', "import net from 'node:net';", /must not import node:net/],
    ['src/runtime/a.ts', "import { x } from '../eventstore/port.ts';", null],
    ['src/runtime/a.ts', "import { x } from '../eventstore/sqlite/log.ts';", /must not import/],
    ['src/http/a.ts', "import { x } from '../eventstore/reading.ts';", null],
    ['src/sqlite/a.ts', "import type { T } from '../eventstore/port.ts';", /must not import/],
    ['src/eventstore/a.ts', "import type { T } from '../fold/fold.ts';", /must not import/],
    ['src/fold/a.ts', "import { x } from '../eventstore/open.ts';", /must not import/],
    ['src/runtime/a.ts', "export * from '../http/app.ts';", /must not import/],
    ['src/runtime/a.ts', "export { y } from '../http/app.ts';", /must not import/],
    ['src/runtime/a.ts', "const m = await import('../http/app.ts');", /must not import/],
    ['src/projections/a.ts', "import type { T } from '../actors/visitor/machine.ts';", null],
    [
      'src/projections/a.ts',
      "import { x } from '../actors/visitor/machine.ts';",
      /must not import/,
    ],
    ['src/projections/a.ts', "import type { T } from '../reactors/a.ts';", /must not import/],
    ['src/reactors/a.ts', "import type { T } from '../lhc/client.ts';", null],
    ['src/reactors/visitors/a.ts', "import { x } from '../texts/b.ts';", null],
    ['src/reactors/lhc/a.ts', "import type { T } from '../operators/b.ts';", null],
    ['src/reactors/lhc/a.ts', "import { x } from '../operators/b.ts';", /must not import/],
    ['src/reactors/operators/a.ts', "import type { T } from '../lhc/b.ts';", /must not import/],
    ['src/reactors/answers/a.ts', "import type { T } from '../conversation/b.ts';", /must not/],
    ['src/reactors/a.ts', "import { x } from '../lhc/client.ts';", /must not import/],
    ['src/xmpp/a.ts', "import { x } from '../actors/ids.ts';", /must not import/],
    ['src/http/a.ts', "import { x } from '../main.ts';", /must not import/],
    ['src/http/a.ts', "import { x } from './v1/a.ts';", null],
    ['src/http/v1/a.ts', "import { x } from '../frame/a.ts';", null],
    ['src/http/v1/a.ts', "import { x } from '../stream/a.ts';", /must not import/],
    ['src/http/frame/a.ts', "import type { T } from '../deps.ts';", /must not import/],
    ['src/http/a.ts', 'const home = process.env.HOME;', /must not read the environment/],
    ['src/main.ts', "import { x } from './http/a.ts';", null],
    ['src/main.ts', "import { x } from '../test/support/wait.ts';", /must not import test/],
    ['src/main.ts', "import { x } from '../scripts/x.ts';", /must not import scripts/],
  ])('%s: %s', (path, source, fault) => {
    const found = faults(new Map([[path, source]])).join('\n');
    if (fault) expect(found).toMatch(fault);
    else expect(found).toBe('');
  });

  it('has no cycles of values', () => {
    const files = (kind: string) =>
      new Map([
        ['src/http/a.ts', "import { b } from './b.ts';"],
        ['src/http/b.ts', `import ${kind} { a } from './a.ts';`],
      ]);
    expect(faults(files(''))).toEqual(['a cycle: src/http/a.ts → src/http/b.ts → src/http/a.ts']);
    expect(faults(files('type'))).toEqual([]);
  });
});
