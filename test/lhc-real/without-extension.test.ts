/** A real LHC without the extension, set up as docs/lhc-without-extension.md says. */
import { startRealRestLhc } from '../support/real-lhc-rest.ts';
import { restSuite } from '../support/rest-suite.ts';

await restSuite(() => startRealRestLhc(process.env.LHC_DIR ?? ''));
