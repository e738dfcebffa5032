/** The page at /operator/{tenant}: Converse.js with the settings of an operator. */
import type { PageSettings } from '../../src/http/web-client/page.ts';
import { forgetOthers } from './login.ts';
import { addOperatorPlugin, PLUGIN } from './operator-plugin.ts';
import { converseSettings } from './settings.ts';
import { setDefaultPolicy } from './trusted-types.ts';
import './page.css';

setDefaultPolicy();
const text = document.querySelector('#settings')?.textContent ?? '';
const settings = JSON.parse(text) as PageSettings; // the service has written it
forgetOthers(settings);
// Behind the policy: it makes HTML while it loads.
const { default: converse } = await import('./converse.min.js');
addOperatorPlugin(converse, settings);
await converse.initialize(converseSettings(settings, location.href, PLUGIN));
