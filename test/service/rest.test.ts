/** An LHC without the extension: a double of its REST API and its webhooks. test/lhc-real has the same on a real LHC. */
import { startRestDouble } from '../support/lhc-rest.ts';
import { restSuite } from '../support/rest-suite.ts';

await restSuite(startRestDouble);
