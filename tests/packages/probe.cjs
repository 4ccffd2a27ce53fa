// The result of a handler, and the version of every package that is reached from its file, by the way on which it is reached.
const fs = require("node:fs");
const path = require("node:path");
const { pathToFileURL } = require("node:url");

const versions = {};
const find = (name, folder) => {
  for (let at = folder; ; at = path.dirname(at)) {
    const place = path.join(at, "node_modules", name);
    if (fs.existsSync(path.join(place, "package.json"))) return fs.realpathSync(place);
    if (at === path.dirname(at)) return undefined;
  }
};
const walk = (names, folder, way) => {
  for (const name of names) {
    const place = find(name, folder);
    const manifest = place && JSON.parse(fs.readFileSync(path.join(place, "package.json"), "utf8"));
    versions[[...way, name].join(" > ")] = manifest ? manifest.version : null;
    if (manifest && way.length < 4) walk(Object.keys(manifest.dependencies ?? {}), place, [...way, name]);
  }
};
const entry = fs.realpathSync(path.resolve(process.argv[2]));
walk(process.argv.slice(3), path.dirname(entry), []);
import(pathToFileURL(entry))
  .then((module) => (module.handler ?? module.default.handler)())
  .then((result) => console.log(JSON.stringify({ result, versions })));
