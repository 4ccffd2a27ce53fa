// Runs the scenarios and the vectors with the reader in JavaScript. Arguments: reader, scenarios, vectors. Prints JSON.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [readerPath, scenariosPath, vectorsPath] = process.argv.slice(2);
const { MigrationReader, bucket } = await import(pathToFileURL(readerPath));
const document = ([chimeNew, chimeAll, socketsNew, socketsAll]) =>
  JSON.stringify({
    schema: 1, stack: 'whatschat-local', chime: { new: chimeNew, all: chimeAll }, websocket: { new: socketsNew, all: socketsAll },
  });

async function run(scenario) {
  let [fetches, now] = [0, 0];
  const answers = [...scenario.answers];
  const fetch = async () => {
    fetches += 1;
    const answer = answers.shift();
    if (answer === 'missing' || answer === 'failure') throw Object.assign(new Error(answer), { name: answer });
    return typeof answer === 'string' ? answer : document(answer);
  };
  const names = { chime: 'AWS_CHIME_ENABLED', websocket: 'AWS_API_GATEWAY_WEBSOCKET_ENABLED' };
  const variables = Object.fromEntries(Object.entries(scenario.variables).map(([key, value]) => [names[key], value]));
  const reader = new MigrationReader(fetch, { isMissing: (error) => error.name === 'missing', variables, nowS: () => now });
  const modes = [];
  for (now of scenario.at_s) {
    try {
      modes.push([await reader.mode('chime', 'alice'), await reader.mode('websocket', 'alice')]);
    } catch {
      modes.push('raised');
    }
  }
  return { modes, fetches };
}

const vectors = JSON.parse(readFileSync(vectorsPath, 'utf8')).vectors;
const scenarios = JSON.parse(readFileSync(scenariosPath, 'utf8'));
const state = document([100, 0, 100, 100]);
const reader = new MigrationReader(async () => state, { variables: { AWS_CHIME_ENABLED: 'true', AWS_API_GATEWAY_WEBSOCKET_ENABLED: 'true' } });
const together = await Promise.all(['a', 'b', 'c'].map((user) => reader.forClient(user)));
console.log(JSON.stringify({
  buckets: vectors.map(({ stack, service, user }) => bucket(stack, service, user)),
  scenarios: await Promise.all(scenarios.map(run)),
  client: together[0],
  old: await reader.acceptsOldSocket('a'),
}));
