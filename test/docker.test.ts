/** The images and docker-compose.yml, as far as they can be tested without a container engine. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { render, templates } from '../docker/ejabberd/template.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

const Container = z.looseObject({
  image: z.string(),
  build: z.object({ context: z.string(), dockerfile: z.string().default('Dockerfile') }).optional(),
  environment: z.record(z.string(), z.string()).default({}),
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  networks: z.array(z.string()),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
  healthcheck: z.object({ test: z.array(z.string()).min(2) }).optional(),
  deploy: z.object({
    resources: z.object({ limits: z.object({ cpus: z.string(), memory: z.string() }) }),
  }),
});
const Compose = z.object({
  services: z.record(z.string(), Container),
  networks: z.record(z.string(), z.looseObject({ internal: z.boolean().default(false) })),
  volumes: z.record(z.string(), z.looseObject({})),
  secrets: z.record(z.string(), z.object({ file: z.string() })),
});

const text = read('docker-compose.yml');
const compose = Compose.parse(parse(text, { merge: true }));
const containers = Object.entries(compose.services);
const each = <T>(of: (container: z.infer<typeof Container>) => T) =>
  Object.fromEntries(containers.map(([name, container]) => [name, of(container)]));
const ofAll = <T>(value: T) => each(() => value);

/** For each variable: true if compose refuses to start without it. */
const variables = new Map<string, boolean>();
for (const [, name = '', how = ''] of text.matchAll(/(?<!\$)\$\{([A-Z_]+)(:[-?+])?/g)) {
  variables.set(name, (variables.get(name) ?? false) || how === ':?');
}
const example = new Map(
  [...read('docker/env.example').matchAll(/^([A-Z_]+)=(.*)$/gm)].map(
    ([, name = '', value = '']) => [name, value],
  ),
);
const secrets = /SECRET$|TOKEN$|PASSWORD$/;

describe('docker-compose.yml', () => {
  test('has all parts of production', () => {
    expect(Object.keys(compose.services).sort()).toEqual(
      ['balancer', 'ejabberd', 'eventstore', 'redis', 'service-1', 'service-2'].sort(),
    );
  });

  test('hardens every container, restarts it and limits its resources', () => {
    expect(each((one) => one.cap_drop)).toEqual(ofAll(['ALL']));
    expect(each((one) => one.security_opt)).toEqual(ofAll(['no-new-privileges:true']));
    expect(each((one) => one.restart)).toEqual(ofAll('unless-stopped'));
    expect(each((one) => one.privileged ?? one.cap_add ?? one.network_mode)).toEqual(
      ofAll(undefined),
    );
    // KurrentDB was not tried with a read-only root.
    expect(each((one) => one.read_only === true)).toEqual({ ...ofAll(true), eventstore: false });
  });

  test('checks the health of every container', () => {
    for (const [name, { healthcheck, build }] of containers) {
      const own = build && /^HEALTHCHECK /m.test(read(build.dockerfile));
      expect(healthcheck ?? own, name).toBeTruthy();
    }
  });

  test('publishes ports on loopback only, and only those of the balancer and XMPP', () => {
    expect(each((one) => one.ports.length)).toEqual({ ...ofAll(0), balancer: 1, ejabberd: 1 });
    for (const port of containers.flatMap(([, { ports }]) => ports)) {
      expect(port).toMatch(/^127\.0\.0\.1:/);
    }
  });

  test('contains no secret, and refuses to start without the required ones', () => {
    for (const [name, { environment }] of containers) {
      for (const [variable, value] of Object.entries(environment)) {
        if (/SECRET|TOKEN|PASSWORD|AUTH/.test(variable)) {
          expect(value, `${name}: ${variable}`).toMatch(/^\$\{[A-Z_]+:\?/);
        }
      }
    }
    const required = [...example.keys()].filter((name) => secrets.test(name));
    expect(required).toHaveLength(6);
    for (const name of required) {
      expect(variables.get(name), name).toBe(true);
      expect(example.get(name), name).toBe('');
    }
  });

  test('uses exactly the variables of docker/env.example', () => {
    expect([...variables.keys()].sort()).toEqual([...example.keys()].sort());
  });

  test('pins every image', () => {
    const froms = ['Dockerfile', 'docker/ejabberd/Dockerfile'].flatMap((path) =>
      [...read(path).matchAll(/^ARG \w+_IMAGE=(\S+)/gm)].map(([, image]) => image ?? ''),
    );
    const images = containers.flatMap(([, { image, build }]) => (build ? [] : [image]));
    expect(froms).toHaveLength(3);
    for (const image of [...froms, ...images]) {
      expect(image).toMatch(/^docker\.io\/[a-z0-9/-]+:([a-z]+-)?\d+(\.\d+\.\d+|-)/);
    }
  });

  test('names only volumes, networks and containers that exist', () => {
    const volumes = containers.flatMap(([, one]) => one.volumes.map((each) => each.split(':')[0]));
    for (const volume of volumes) {
      const there = volume?.startsWith('./')
        ? existsSync(join(root, volume))
        : volume && volume in compose.volumes;
      expect(there, volume).toBe(true);
    }
    for (const [, one] of containers) {
      for (const network of one.networks) expect(compose.networks).toHaveProperty(network);
      for (const other of Object.keys(one.depends_on))
        expect(compose.services).toHaveProperty(other);
    }
  });

  test('the two processes of the service differ only in their DATA_DIR', () => {
    const { 'service-1': first, 'service-2': second } = compose.services;
    expect(first?.volumes).toEqual(['service-1:/data']);
    expect(second).toEqual({ ...first, volumes: ['service-2:/data'] });
    expect(first?.stop_grace_period).toBe('15s');
    expect(first?.environment.EVENT_STORE).toBe('esdb://eventstore:2113?tls=false');
  });

  test('the balancer reaches both processes on their port', () => {
    const config = read('docker/balancer/haproxy.cfg');
    const servers = [...config.matchAll(/^ {4}server (\S+) (\S+):(\d+)/gm)].map((all) =>
      all.slice(1),
    );
    expect(servers).toEqual([
      ['service-1', 'service-1', '8090'],
      ['service-2', 'service-2', '8090'],
      ['ejabberd', 'ejabberd', '5280'],
    ]);
    expect(read('Dockerfile')).toContain('LISTEN=0.0.0.0:8090');
    expect(compose.services.ejabberd?.environment.EJABBERD_WEBHOOK_URL).toBe(
      'http://balancer:8080/ejabberd/events',
    );
    expect(config).toContain('bind :8080');
  });

  test('only the service reaches the store, which has no way out', () => {
    const on = (network: string) =>
      containers.filter(([, { networks }]) => networks.includes(network)).map(([name]) => name);
    expect(on('store').sort()).toEqual(['eventstore', 'redis', 'service-1', 'service-2']);
    expect(compose.networks.store?.internal).toBe(true);
    expect(compose.networks.inside?.internal).toBe(true);
  });

  test('docker/make-env.sh creates new secrets each time, and changes nothing else', async () => {
    const newEnv = async () => {
      const { stdout } = await run('sh', [join(root, 'docker/make-env.sh')]);
      return new Map(stdout.split('\n').map((line) => line.split(/=(.*)/, 2) as [string, string]));
    };
    const [first, second] = [await newEnv(), await newEnv()];
    for (const [name, value] of example) {
      if (secrets.test(name)) {
        expect(first.get(name), name).toMatch(
          name === 'WEBHOOK_SECRET' ? /^whsec_[A-Za-z0-9+/=]{44}$/ : /^[A-Za-z0-9]{48}$/,
        );
        expect(first.get(name), name).not.toBe(second.get(name));
      } else {
        expect(first.get(name), name).toBe(value);
      }
    }
  });
});

describe('the images', () => {
  test.each(['Dockerfile', 'docker/ejabberd/Dockerfile'])(
    '%s copies only existing files, and runs without privileges',
    (path) => {
      const file = read(path);
      const allowed = [...read('.dockerignore').matchAll(/^!(.+)$/gm)].map(
        ([, each]) => each ?? '',
      );
      const copied = [...file.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(
        ([, paths]) => paths?.split(' ') ?? [],
      );
      expect(copied.length).toBeGreaterThan(2);
      for (const each of copied) {
        expect(existsSync(join(root, each)), each).toBe(true);
        expect(
          allowed.some((one) => each === one || each.startsWith(`${one}/`)),
          `${each} in .dockerignore`,
        ).toBe(true);
      }
      const lastStage = file.slice(file.lastIndexOf('\nFROM '));
      expect(lastStage).toMatch(/^USER [1-9]\d*:[1-9]\d*$/m);
      expect(lastStage).toMatch(/^STOPSIGNAL SIGTERM$/m);
      // Without a shell, which would not forward signals.
      expect(lastStage).toMatch(/^ENTRYPOINT \[/m);
    },
  );

  test('the service has the pages for browsers, and nothing else that only their build needs', () => {
    const file = read('Dockerfile');
    const lastStage = file.slice(file.lastIndexOf('\nFROM '));
    for (const pages of ['console', 'web-client']) {
      expect(lastStage).toContain(`COPY --from=pages /app/${pages}/dist ./${pages}/dist`);
    }
    expect(lastStage).toContain('COPY --from=modules /app/node_modules ./node_modules');
    expect(file).toMatch(/^RUN npm ci --omit=dev /m);
  });

  test("the service's health check distinguishes a healthy process from others", async () => {
    const command: unknown = JSON.parse(
      /CMD (\["node", "-e".*\])$/m.exec(read('Dockerfile'))?.[1] ?? '',
    );
    const [, ...args] = z.array(z.string()).parse(command);
    let status = 200;
    const paths: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      paths.push(request.url);
      response.writeHead(status).end('{}');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const env = { ...process.env, LISTEN: `0.0.0.0:${(server.address() as AddressInfo).port}` };
    const check = () =>
      run(process.execPath, args, { env }).then(
        () => 0,
        (error: { code: number }) => error.code,
      );
    expect(await check()).toBe(0);
    expect(paths).toEqual(['/healthz']);
    status = 503;
    expect(await check()).toBe(1);
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
    expect(await check()).toBe(1);
  });
});

describe("the entrypoint of ejabberd's image", () => {
  const secret = `whsec_${'A'.repeat(32)}`;
  const componentSecret = 'a1B2'.repeat(8);
  const good = {
    EJABBERD_HOSTS: 'chat.example.org,b.example',
    EJABBERD_API_USER: 'xmpp-chat-api@chat.example.org',
    EJABBERD_API_PASSWORD: 'its password: $(id) `id` "|&',
    EJABBERD_API_FROM: '172.30.90.0/24,fd00::/8',
    EJABBERD_WEBHOOK_URL: 'http://balancer:8080/ejabberd/events',
    EJABBERD_WEBHOOK_SECRET: secret,
    EJABBERD_COMPONENT_SECRET: componentSecret,
  };
  const values = {
    hosts: ['chat.example.org', 'b.example'],
    api: { user: 'xmpp-chat-api', host: 'chat.example.org' },
    apiFrom: ['172.30.90.0/24', 'fd00::/8'],
    webhook: { url: good.EJABBERD_WEBHOOK_URL, secret },
    componentSecret,
    logLevel: 'info',
  };
  let dir = '';

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'xmpp-chat-docker-'));
    await mkdir(join(dir, 'templates'));
    for (const [name, template] of Object.entries(templates)) {
      await writeFile(join(dir, 'templates', name), template);
    }
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  function entrypoint(settings: Readonly<Record<string, string>>) {
    const env = {
      PATH: process.env.PATH,
      XMPP_CHAT_TEMPLATES: join(dir, 'templates'),
      XMPP_CHAT_RUN: join(dir, 'run'),
      ...settings,
    };
    return run('sh', [join(root, 'docker/ejabberd/entrypoint.sh'), 'render'], { env }).then(
      () => '',
      ({ stderr }: { stderr: string }) => stderr,
    );
  }
  const written = (): unknown => JSON.parse(readFileSync(join(dir, 'run/ejabberd.yml'), 'utf8'));

  test('writes the configuration of scripts/ejabberd/config.ts', async () => {
    expect(await entrypoint(good)).toBe('');
    expect(written()).toEqual(JSON.parse(render(values)));
    expect(statSync(join(dir, 'run/ejabberd.yml')).mode & 0o777).toBe(0o600);
  });

  test('reaches no other server, and limits operators and not the logins of visitors', () => {
    expect(JSON.parse(render(values))).toMatchObject({
      s2s_access: 'none',
      shaper: { operators: { rate: 20_000, burst_size: 600_000 } },
      listen: [{ port: 5222, shaper: 'c2s_shaper' }, { port: 5223 }, { port: 5280 }, {}],
    });
    expect(JSON.parse(render(values)).listen[1]).not.toHaveProperty('shaper');
    // The example for an installation by hand says the same.
    const example = parse(read('ejabberd/ejabberd.example.yml'));
    expect(example).toMatchObject({
      s2s_access: 'none',
      shaper: { operators: { rate: 20_000, burst_size: 600_000 } },
      shaper_rules: { c2s_shaper: 'operators' },
      listen: [
        { port: 5222, shaper: 'c2s_shaper', max_stanza_size: 262_144 },
        { port: 5223 },
        {},
        {},
      ],
    });
    expect(example.listen[1]).not.toHaveProperty('shaper');
  });

  test('lets the service alone make rooms, and nobody reserve a nick', () => {
    const rooms = {
      modules: { mod_muc: { access_create: 'configure', access_register: 'none' } },
      access_rules: { configure: { allow: expect.stringMatching(/api/) } },
    };
    expect(JSON.parse(render(values))).toMatchObject(rooms);
    expect(parse(read('ejabberd/ejabberd.example.yml'))).toMatchObject(rooms);
  });

  test('with a certificate operators have to use TLS, and visitors have a separate port', async () => {
    const certfile = join(dir, 'cert.pem');
    await writeFile(certfile, '');
    expect(await entrypoint({ ...good, EJABBERD_CERTFILE: certfile })).toBe('');
    expect(written()).toEqual(JSON.parse(render({ ...values, certfile })));
    expect(written()).toMatchObject({
      certfiles: [certfile],
      listen: [{ port: 5222, starttls_required: true }, { port: 5223 }, { port: 5280 }, {}],
    });
  });

  test('takes the component of each process of the service, for every host', async () => {
    expect(await entrypoint(good)).toBe('');
    expect(written()).toMatchObject({
      listen: [
        {},
        {},
        {},
        { port: 5347, module: 'ejabberd_service', password: componentSecret, check_from: false },
      ],
    });
    const { 'service-1': service, ejabberd } = compose.services;
    expect(service?.environment.EJABBERD_COMPONENT).toBe('tcp://ejabberd:5347');
    expect(service?.environment.EJABBERD_COMPONENT_SECRET).toBe(
      ejabberd?.environment.EJABBERD_COMPONENT_SECRET,
    );
  });

  test('reports all missing variables at once', async () => {
    const errors = await entrypoint({});
    for (const name of Object.keys(good).filter((each) => each !== 'EJABBERD_API_FROM')) {
      expect(errors).toContain(`${name}: is not set`);
    }
  });

  test.each([
    ['EJABBERD_HOSTS', 'chat.example.org"], "acl": {'],
    ['EJABBERD_HOSTS', 'Chat.Example.org'],
    ['EJABBERD_API_USER', 'xmpp-chat-api@other.example'],
    ['EJABBERD_API_USER', 'xmpp-chat-api'],
    ['EJABBERD_API_PASSWORD', 'short'],
    ['EJABBERD_API_FROM', '0.0.0.0/0"'],
    ['EJABBERD_API_FROM', '$(touch pwned)'],
    ['EJABBERD_WEBHOOK_URL', 'http://balancer/|e touch pwned|'],
    ['EJABBERD_WEBHOOK_URL', 'file:///etc/passwd'],
    ['EJABBERD_WEBHOOK_SECRET', `${secret}\n`.repeat(2)],
    ['EJABBERD_WEBHOOK_SECRET', 'changeme'],
    ['EJABBERD_WEBHOOK_SECRET', `whsec_${'='.repeat(24)}`],
    ['EJABBERD_WEBHOOK_SECRET', `${secret}A`],
    ['EJABBERD_WEBHOOK_SECRET', `whsec_${'A'.repeat(22)}==`],
    ['EJABBERD_COMPONENT_SECRET', 'short'],
    ['EJABBERD_COMPONENT_SECRET', `${'a'.repeat(32)}|`],
    ['EJABBERD_LOG_LEVEL', 'loud'],
    ['EJABBERD_CERTFILE', '/nowhere.pem'],
    ['EJABBERD_CERTFILE', '../cert.pem'],
  ])('refuses an invalid %s: %s', async (name, value) => {
    const errors = await entrypoint({ ...good, [name]: value });
    expect(errors).toMatch(new RegExp(`^ {2}${name}: `, 'm'));
    if (name.endsWith('SECRET')) expect(errors).not.toContain(value);
  });
});
