/** MariaDB, PHP-FPM and nginx of a private LHC: their configuration and how each is started. */
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { AppError } from '../../src/errors.ts';
import { createServer, type Programs, run, type Server } from './programs.ts';

/** LHC's own limit is lower. Larger than the extension's, so that the extension itself refuses. */
const MAX_BODY = '8m';
/** A request that hangs for longer than this is ended, so that it does not hold a worker for ever. */
const REQUEST_DEADLINE_S = 60;

export interface Layout {
  /** Everything private is below this folder. */
  readonly dir: string;
  /** A short path, because the path of a Unix socket has at most 107 bytes. */
  readonly sockets: string;
  /** LHC's copy. */
  readonly web: string;
  readonly ports: { readonly web: number; readonly shop: number; readonly database: number };
  /** The user of PHP's and nginx's workers; undefined if that is who runs this, and not root. */
  readonly user: string | undefined;
  readonly databasePassword: string;
  readonly workers: number;
  readonly phpSettings: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string>>;
  readonly onUnexpectedEnd?: (server: string, how: string) => void;
}

function answers(options: { readonly port: number } | { readonly path: string }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', ...options });
    socket.setTimeout(1_000, () => socket.destroy());
    socket.once('connect', () => socket.destroy());
    socket.once('close', (failed) => resolve(!failed));
    socket.once('error', () => undefined);
  });
}

/** Nothing runs yet. The data directory is made if there is none. */
export async function makeDatabase(layout: Layout, programs: Programs): Promise<Server> {
  const { dir, sockets, ports, databasePassword, onUnexpectedEnd } = layout;
  const data = join(dir, 'mysql');
  const root = process.getuid?.() === 0;
  // mariadb-install-db makes the folder `mysql` first, and `sys` last.
  if (!existsSync(join(data, 'sys'))) {
    await rm(data, { recursive: true, force: true });
    const { code, output, errors } = await run(programs.installDatabase, [
      '--no-defaults',
      `--datadir=${data}`,
      // root comes by the socket alone, without a password: nobody else of this machine can open it.
      ...['--auth-root-authentication-method=socket', '--skip-test-db'],
      ...(root ? ['--user=root'] : []),
    ]);
    if (code !== 0) throw new AppError('unavailable', `mariadb-install-db: ${output}${errors}`);
  }
  const initial = join(dir, 'mysql-init.sql');
  const user = "'lhc'@'127.0.0.1'";
  await writeFile(
    initial,
    [
      'CREATE DATABASE IF NOT EXISTS lhc CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;',
      `CREATE USER IF NOT EXISTS ${user} IDENTIFIED BY '${databasePassword}';`,
      `ALTER USER ${user} IDENTIFIED BY '${databasePassword}';`,
      `GRANT ALL ON lhc.* TO ${user};`,
      '',
    ].join('\n'),
    { mode: 0o600 },
  );
  const config = join(dir, 'my.cnf');
  await writeFile(
    config,
    `[mariadbd]
datadir=${data}
tmpdir=${data}
socket=${join(sockets, 'mysql.sock')}
pid-file=${join(dir, 'mysql.pid')}
port=${ports.database}
bind-address=127.0.0.1
skip-name-resolve
character-set-server=utf8mb4
collation-server=utf8mb4_unicode_ci
init-file=${initial}
innodb-buffer-pool-size=64M
performance-schema=OFF
`,
  );
  return createServer({
    name: 'MariaDB',
    program: programs.mariadbd,
    args: [`--defaults-file=${config}`, ...(root ? ['--user=root'] : [])],
    log: join(dir, 'mysql.log'),
    ready: () => answers({ port: ports.database }),
    ...(onUnexpectedEnd && { onUnexpectedEnd: (how) => onUnexpectedEnd('MariaDB', how) }),
  });
}

export async function makeFpm(layout: Layout, { fpm }: Programs): Promise<Server> {
  const { dir, sockets, user, workers, onUnexpectedEnd } = layout;
  const socket = join(sockets, 'fpm.sock');
  const settings = {
    'session.save_path': join(dir, 'sessions'),
    sys_temp_dir: join(dir, 'tmp'),
    upload_tmp_dir: join(dir, 'tmp'),
    error_log: join(dir, 'log', 'php.log'),
    log_errors: 'on',
    post_max_size: MAX_BODY,
    // A changed file counts with the next request.
    'opcache.revalidate_freq': '0',
    ...layout.phpSettings,
  };
  const config = join(dir, 'fpm.conf');
  await writeFile(
    config,
    [
      '[global]',
      `pid = ${join(dir, 'fpm.pid')}`,
      `error_log = ${join(dir, 'fpm.log')}`,
      '[lhc]',
      ...(user === undefined ? [] : [`user = ${user}`, `group = ${user}`]),
      `listen = ${socket}`,
      ...(user === undefined ? [] : [`listen.owner = ${user}`, `listen.group = ${user}`]),
      'listen.mode = 0600',
      'pm = static',
      `pm.max_children = ${workers}`,
      `request_terminate_timeout = ${REQUEST_DEADLINE_S}s`,
      'catch_workers_output = yes',
      ...Object.entries(layout.environment).map(([name, value]) => `env[${name}] = "${value}"`),
      ...Object.entries(settings).map(([name, value]) => `php_admin_value[${name}] = ${value}`),
      '',
    ].join('\n'),
  );
  return createServer({
    name: 'PHP-FPM',
    program: fpm,
    // -R: FPM refuses workers of root otherwise.
    args: ['--nodaemonize', '--fpm-config', config, ...(user === 'root' ? ['-R'] : [])],
    log: join(dir, 'fpm.log'),
    ready: () => answers({ path: socket }),
    ...(onUnexpectedEnd && { onUnexpectedEnd: (how) => onUnexpectedEnd('PHP-FPM', how) }),
  });
}

export async function makeNginx(layout: Layout, { nginx }: Programs): Promise<Server> {
  const { dir, sockets, web, ports, user, onUnexpectedEnd } = layout;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(dir, 'tmp', `nginx-${name}`)};`,
  );
  const config = join(dir, 'nginx.conf');
  await writeFile(
    config,
    `daemon off;
pid ${join(dir, 'nginx.pid')};
error_log ${join(dir, 'nginx.log')};
worker_processes 1;
${user === undefined ? '' : `user ${user};`}
events { worker_connections 512; }
http {
  include /etc/nginx/mime.types;
  access_log off;
  client_max_body_size ${MAX_BODY};
  ${temporary.join('\n  ')}
  server {
    listen 127.0.0.1:${ports.web};
    root ${web};
    # The widget's script has the attribute crossorigin: without this header a browser does not run it.
    location ~ ^/(design|var/storage|cache/compiledtemplates)/ { add_header Access-Control-Allow-Origin *; }
    location = /favicon.ico { return 204; }
    location / { rewrite ^ /index.php last; }
    location = /index.php {
      internal;
      include /etc/nginx/fastcgi_params;
      fastcgi_param SCRIPT_FILENAME $document_root/index.php;
      # With the port: LHC makes its own addresses of it. Debian's file leaves the port out.
      fastcgi_param HTTP_HOST $http_host;
      fastcgi_read_timeout ${REQUEST_DEADLINE_S + 10}s;
      fastcgi_pass unix:${join(sockets, 'fpm.sock')};
    }
  }
  server {
    listen 127.0.0.1:${ports.shop};
    root ${join(dir, 'shop')};
    # Any address of the shop is its one page.
    location / { try_files /index.html =404; add_header Cache-Control no-store; }
  }
}
`,
  );
  return createServer({
    name: 'nginx',
    program: nginx,
    args: ['-p', dir, '-c', config, '-e', join(dir, 'nginx.log')],
    log: join(dir, 'nginx.log'),
    ready: () => answers({ port: ports.web }),
    ...(onUnexpectedEnd && { onUnexpectedEnd: (how) => onUnexpectedEnd('nginx', how) }),
  });
}
