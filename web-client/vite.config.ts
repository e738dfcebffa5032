/**
 * `npm run build:web-client` makes web-client/dist, which the service serves at /operator/{tenant} (src/http/web-client/):
 * the page's own program, and Converse.js as its npm package has it.
 */
import { hash } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { defineConfig, type Plugin } from 'vite';

const DIST = join(import.meta.dirname, 'dist');
const PACKAGE = join(import.meta.dirname, '../node_modules/converse.js');

/** What the page needs of the package, without source maps, OMEMO's code and a second, readable copy. */
const NEEDED =
  /^(converse\.min\.(js|css)|emoji\.json|(chunkjs|sounds|webfonts)\/.*\.(js|mp3|ogg|ttf)|images\/custom_emojis\/\w+\.png)$/;

/** Paths of all files below a folder. */
const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();

/** Copies Converse.js beside the page's program, and writes down which files there are. */
const converseBeside: Plugin = {
  name: 'converse-beside',
  closeBundle() {
    const from = join(PACKAGE, 'dist');
    const copies: [string, string][] = [
      ...filesIn(from)
        .filter((path) => NEEDED.test(path))
        .map((path): [string, string] => [join(from, path), path]),
      [join(from, 'images/logo/conversejs-filled-192.png'), 'icon.png'],
      [join(PACKAGE, 'LICENSE'), 'converse-license.txt'],
    ];
    for (const [source, path] of copies) {
      mkdirSync(dirname(join(DIST, path)), { recursive: true });
      copyFileSync(source, join(DIST, path));
    }
    const files = filesIn(DIST);
    const hashes = files.map((path) => [path, hash('sha256', readFileSync(join(DIST, path)))]);
    const id = hash('sha256', JSON.stringify(hashes)).slice(0, 16);
    writeFileSync(join(DIST, 'build.json'), `${JSON.stringify({ id, files }, null, 2)}\n`);
  },
};

export default defineConfig({
  root: import.meta.dirname,
  cacheDir: '../node_modules/.cache/vite-web-client',
  plugins: [converseBeside],
  build: {
    target: ['chrome123', 'firefox120', 'safari17.5'],
    rollupOptions: {
      input: join(import.meta.dirname, 'src/main.ts'),
      external: (id) => id.endsWith('/converse.min.js'),
      output: {
        entryFileNames: 'main.js',
        assetFileNames: 'page[extname]',
      },
    },
    modulePreload: false,
    reportCompressedSize: false,
  },
});
