/**
 * `npm run build:console` makes console/dist, which the service serves at /console (src/http/console/). `npx vite console`
 * serves the sources instead while somebody works on them; the API is the service's, on API_URL.
 */
import { defineConfig } from 'vite';

/** Where `make run` has the service. */
const API_URL = process.env.API_URL ?? 'http://127.0.0.1:8090';

export default defineConfig({
  root: import.meta.dirname,
  base: '/console/',
  cacheDir: '../node_modules/.cache/vite',
  oxc: { jsx: { runtime: 'automatic' } },
  build: {
    // All browsers of the last two years: light-dark() in style sheets is the newest thing in use.
    target: ['chrome123', 'firefox120', 'safari17.5'],
    // Nothing becomes a data: address, which the Content-Security-Policy would forbid for scripts and styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: Object.fromEntries(
      ['/v1', '/debug', '/readyz', '/healthz'].map((path) => [path, { target: API_URL }]),
    ),
  },
});
