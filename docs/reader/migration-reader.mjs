// Reference reader of a migration, for a backend in TypeScript or JavaScript (Node.js 18 or later; types in migration-reader.d.mts).
//
//   const ssm = new SSMClient({});
//   const reader = new MigrationReader(
//     async () => (await ssm.send(new GetParameterCommand({ Name: '/whatschat-ops/whatschat-production/migration' }))).Parameter.Value,
//     { isMissing: (error) => error.name === 'ParameterNotFound' },
//   );
//   await reader.forClient('alice')   // { webrtc: 'native', reoffer: 'native', websocket: 'socketio' }
//
// The rules are those of migration_reader.py, which says them in words.

import { createHash } from 'node:crypto';

const SCHEMA = 1;
const VARIABLES = { chime: 'AWS_CHIME_ENABLED', websocket: 'AWS_API_GATEWAY_WEBSOCKET_ENABLED' };

/** 0 to 99, always the same: docs/reader/cohort-vectors.json. A lone surrogate is hashed as U+FFFD, as Node encodes it. */
export function bucket(stack, service, user) {
  const digest = createHash('sha256').update(`${stack}\n${service}\n${user}`, 'utf8').digest();
  return Math.floor((digest.readUInt32BE(0) * 100) / 2 ** 32);
}

export class MigrationReader {
  #fetch;
  #isMissing;
  #cacheS;
  #variables;
  #nowS;
  #read = null;
  #untilS = null;
  #refreshing = null;

  constructor(fetch, options = {}) {
    this.#fetch = fetch;
    this.#isMissing = options.isMissing ?? (() => false);
    this.#cacheS = options.cacheS ?? 10;
    this.#variables = options.variables ?? process.env;
    this.#nowS = options.nowS ?? (() => performance.now() / 1000);
  }

  async mode(service, user) {
    if ((this.#variables[VARIABLES[service]] ?? '').toLowerCase() !== 'true') return 'off';
    const state = await this.#state();
    if (state === null) return 'all';
    const own = bucket(state.stack, service, user);
    return own < state[service].all ? 'all' : own < state[service].new ? 'new' : 'off';
  }

  async forClient(user) {
    const [calls, sockets] = [await this.mode('chime', user), await this.mode('websocket', user)];
    return {
      webrtc: calls === 'off' ? 'native' : 'chime',
      reoffer: calls === 'all' ? 'chime' : 'native',
      websocket: sockets === 'off' ? 'socketio' : 'apigateway',
    };
  }

  async acceptsOldSocket(user) {
    return (await this.mode('websocket', user)) !== 'all';
  }

  async #state() {
    if (this.#untilS === null || this.#nowS() >= this.#untilS) {
      this.#refreshing ??= this.#refresh().finally(() => {
        this.#refreshing = null;
      });
      await this.#refreshing;
    }
    return this.#read;
  }

  async #refresh() {
    let read = null;
    try {
      read = parsed(await this.#fetch());
    } catch (error) {
      if (!this.#isMissing(error)) {
        if (this.#untilS === null) throw error;
        this.#untilS = this.#nowS() + this.#cacheS; // what was read last goes on; asked again then
        return;
      }
    }
    this.#read = read;
    this.#untilS = this.#nowS() + this.#cacheS;
  }
}

function parsed(text) {
  const state = JSON.parse(text);
  if (state.schema !== SCHEMA) {
    throw new Error(`schema ${state.schema} of the migration's parameter: this reader knows ${SCHEMA}`);
  }
  for (const service of Object.keys(VARIABLES)) {
    if (![state[service].new, state[service].all].every(Number.isInteger)) {
      throw new Error(`the migration's parameter has no shares of ${service}`);
    }
  }
  return state;
}
